"""Whether other words in an entry are an edit, what they change, and which edits are kept. Asks neither clock nor database."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator import markup, model

# A version that was there in this time is not news when it returns.
MEMORY = timedelta(days=30)
# reader, src/reader/_updater.py: so often the same entry may be rewritten without a new date.
REWRITES = 24
# Feedbin: an edit of more than 50 visible characters is significant.
_SIGNIFICANT = 50
FIELDS = ("title", "summary", "content")

# What counts, or tells the time since: it changes with every answer and says nothing new. Each number is looked at with the words
# around it, which is ten times as fast as one pattern for all.
_NUMBER = re.compile(r"\d[\d.,:\u00a0\u202f]*(?: ?[kKmM]\b)?")
_NEXT = re.compile(r" ([^\W\d_]{2,12})\b( ago\b)?")
_COUNTED = frozenset(
    "comment comments view views read reads like likes reply replies reaction reactions watching kommentar kommentare aufrufe "
    "commentaire commentaires vues comentario comentarios vistas".split()
)
_TIMES = frozenset("time times mal fois veces".split())
_READ = re.compile(r"\b(?:read|viewed|shared|seen|gelesen|lu|leído) $", re.IGNORECASE)
_SPANS = frozenset(
    "sekunde sekunden minute minuten stunde stunden tag tagen seconde secondes minutes heure heures jour jours segundo segundos "
    "minuto minutos hora horas día días".split()
)
_SINCE = re.compile(r"\b(?:vor|il y a|hace) $", re.IGNORECASE)
_NAMED = re.compile(rf"\b(?:{'|'.join(_COUNTED)}|points|votes|shares|score) ?[:(] ?$", re.IGNORECASE)
# They stand at the head or the foot of a text.
_REACH = 500
_STAMPS = ("pdated", "odified", "efreshed", "enerated")
_STAMPED = re.compile(
    r"\b(?i:updated|modified|refreshed|generated)(?: on| at)?:?(?: (?:\d[\d.,:]*|at|[A-Z][a-z]{2,8}[.,]{0,2})){0,4} $"
)


# A year ago is history, and a number behind `updated` is a stamp only where it is a time or a date, or one of its parts.
_HISTORY = ("year", "decade", "centur", "million", "billion")
_MOMENT = re.compile(
    r"\d| at\b|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)|\b(?:am|pm|uhr|gmt|utc)\b", re.IGNORECASE
)
# What a headline says of a counter: it stands apart, in brackets or behind a mark.
_APART = re.compile(r"(?:\A|[^\w\s])\s*\Z")


def steady(text: str) -> str:
    """`text` without counters (`12 comments`) and stamps (`updated 10:35`, `5 minutes ago`)."""
    if len(text) <= 2 * _REACH:
        return _NUMBER.sub(_unless_counter, text)
    return steady(text[:_REACH]) + text[_REACH:-_REACH] + steady(text[-_REACH:])


def steady_title(title: str) -> str:
    """The same of a headline, in which counters and stamps stand apart: `Government gets 5,000 comments` is news."""
    return _NUMBER.sub(lambda number: "#" if _stands_apart(number) else number[0], title)


def _stands_apart(number: re.Match[str]) -> bool:
    before = number.string[: number.start()]
    told = _NAMED.search(before) or _STAMPED.search(before)
    return _unless_counter(number) == "#" and bool(_APART.search(before[: told.start()] if told else before))


def squeezed(text: str) -> str:
    """What `steady` leaves of the words of `text`, without what is between them. Where it looks at none, they need not be told apart."""
    whole = markup.squeezed(text)
    if len(whole) <= 2 * _REACH:
        return markup.squeezed(steady(" ".join(text.split())))
    head, tail = _first_words(text), _last_words(text)
    middle = whole[len(head.replace(" ", "")) : len(whole) - len(tail.replace(" ", ""))]
    return "".join((steady(head).replace(" ", ""), middle, steady(tail).replace(" ", "")))


def _first_words(text: str) -> str:
    """The beginning of the words of `text`, with one space between them."""
    reach, words = _REACH, ""
    while len(words) < _REACH:
        reach = reach * 5 // 4
        words = " ".join(text[:reach].split())
    return words[:_REACH]


def _last_words(text: str) -> str:
    reach, words = _REACH, ""
    while len(words) < _REACH:
        reach = reach * 5 // 4
        words = " ".join(text[-reach:].split())
    return words[-_REACH:]


def _unless_counter(number: re.Match[str]) -> str:
    text, start = number.string, number.start()
    before = text[max(0, start - 50) : start]
    after = _NEXT.match(text, number.end())
    return "#" if (after and _counts(before, after)) or _told(before, number[0], after) else number[0]


def _counts(before: str, after: re.Match[str]) -> bool:
    unit = after[1].lower()
    if unit in _COUNTED or (after[2] and not unit.startswith(_HISTORY)):
        return True
    return bool((unit in _TIMES and _READ.search(before)) or (unit in _SPANS and _SINCE.search(before)))


def _told(before: str, number: str, after: re.Match[str] | None) -> bool:
    if before.endswith((": ", "(", ":")) and _NAMED.search(before):
        return True
    stamped = _STAMPED.search(before) if any(stamp in before for stamp in _STAMPS) else None
    return stamped is not None and (
        ":" in number or any(_MOMENT.search(said) for said in (stamped[0], after[1] if after else ""))
    )


def changed(item: model.KnownItem, entry: model.Entry) -> tuple[str, ...]:
    """In which of the `FIELDS` the entry has other words than the item."""
    found = []
    for name in FIELDS:
        old, new = getattr(item, name), getattr(entry, name)
        without = steady_title if name == "title" else steady
        if old != new and without(_words(name, old)) != without(_words(name, new)):
            found.append(name)
    return tuple(found)


def version(title: str, summary: str, content: str) -> str:
    """32 hex characters that two versions have in common if their words are the same."""
    words = (steady_title(title), steady(summary), steady(markup.text(content)))
    return hashlib.sha256("\x00".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def words(seen: model.SeenItem) -> tuple[str, str]:
    """The words before and after in all fields that changed."""
    before = " ".join(_words(name, getattr(seen.item, name)) for name in seen.what)
    return before, " ".join(_words(name, getattr(seen.entry, name)) for name in seen.what)


def _words(name: str, text: str) -> str:
    return markup.text(text) if name == "content" else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A version that is kept: its `version`, None for one whose feed's words are unknown, and since when."""

    version: str | None
    at: datetime


def left_alone(seen: model.SeenItem, past: Sequence[Past], now: datetime, *, redated: bool) -> str | None:
    """Why this edit is no version of its own, in words; None if it is one.

    A version that was there before is kept once more, for an edit may be taken back; what returns after that goes in turns. `redated`:
    the publisher gave the entry a new date. Without one it may be rewritten `REWRITES` times, and then only by more than a few words.
    """
    recent = [one.version for one in past if one.version and now - one.at <= MEMORY]
    if version(seen.entry.title, seen.entry.summary, seen.entry.content) in recent and len(set(recent)) < len(recent):
        return f"{len(set(recent))} versions in turn"
    if len(past) > REWRITES and not redated and not _significant(seen):
        return f"rewritten more than {REWRITES} times by a few characters, without a new date"
    return None


def _significant(seen: model.SeenItem) -> bool:
    return _telling(*words(seen))


def _telling(before: str, after: str) -> bool:
    old, new = (set(_NUMBER.sub("", text).split()) for text in (before, after))
    return sum(map(len, new - old)) > _SIGNIFICANT


# ----------------------------------------------------------------------------------------------------------- of pages

# What stands between the paragraphs of a page and is none: the label of an advertisement, a number alone (shares, comments).
_ADS = frozenset(
    "advertisement advertisements ad ads sponsored anzeige werbung publicité publicidad pubblicità publicidade advertentie".split()
)
_LETTER = re.compile(r"[^\W\d_]")
# A day later the 5 minutes are 24 hours: in a line that short it is a stamp, whatever the unit.
_STAMP_WORDS = 12
_SINCE_THEN = re.compile(
    r"\b(?:\d+|an?|one) ?(?:s|sec|m|min|h|hr|d|w|second|minute|hour|day|week|month|year)s?\.? ago\b|\b(?:just now|yesterday)\b|"
    r"\bvor (?:\d+|einer|einem) (?:sekunde|minute|stunde|tag|woche|monat|jahr)(?:e?n)?\b|"
    r"\bil y a (?:\d+|une?) (?:seconde|minute|heure|jour|semaine|mois|an)s?\b|"
    r"\bhace (?:\d+|una?) (?:segundo|minuto|hora|día|semana|mese?|año)s?\b",
    re.IGNORECASE,
)


def page_version(text: str) -> str:
    """32 hex characters that two texts of a page have in common if they differ in nothing but counters, stamps and labels."""
    lines = (
        _undated(line)
        for line in text.split("\n")
        if line.strip(" :.–-").lower() not in _ADS and _LETTER.search(_NUMBER.sub("", line))
    )
    return hashlib.sha256(steady("\n".join(lines)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _undated(line: str) -> str:
    return _SINCE_THEN.sub("#", line) if len(line.split(maxsplit=_STAMP_WORDS)) <= _STAMP_WORDS else line


def page_left_alone(old: str, new: str, past: Sequence[Past], now: datetime) -> str | None:
    """Why another text of a page is no version of its own, in words, empty where it says nothing new; None if it is one.

    The rules are those of feeds (`left_alone`); `past` are its versions until now, `old` the last one.
    """
    version = page_version(new)
    if version == page_version(old):
        return ""
    recent = [one.version for one in past if one.version and now - one.at <= MEMORY]
    if version in recent and len(set(recent)) < len(recent):
        return f"its page shows {len(set(recent))} versions in turn: such changes are left alone"
    if len(past) > REWRITES and not _telling(old, new):
        return f"its page was rewritten more than {REWRITES} times: changes by a few characters are left alone"
    return None
