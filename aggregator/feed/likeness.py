"""Whether an entry under another guid or at another address is an article that is known, by its words and its date. Pure."""

import re
from difflib import SequenceMatcher

from aggregator import markup, model

# NewsBlur's limits for an entry under a new guid: titles alike by 0.75, bodies by 0.98, at most three in a document.
_TITLES_ALIKE, _BODIES_ALIKE, REPAIRS = 0.75, 0.98, 3
# A last step that names one article: four words, or a number of five figures.
_NAMES_ONE = re.compile(r"[^\W_]+(?:-[^\W_]+){3}(?:\.html?)?|\d{5,}(?:\.html?)?")
# Fewer words in a title, or characters in a text, may be alike by chance ("Morning briefing").
_WORDY, _TELLING = 5, 40
_FIGURES = re.compile(r"\d+")


def same_title(one: str, other: str) -> bool:
    """Whether one title may be an edit of the other; another number is another part, episode or day."""
    if _FIGURES.findall(one) != _FIGURES.findall(other):
        return False
    match = SequenceMatcher(None, one.casefold(), other.casefold())
    return match.quick_ratio() >= _TITLES_ALIKE and match.ratio() >= _TITLES_ALIKE


def same_article(item: model.KnownItem, entry: model.Entry, url_key: str) -> bool:
    """One title, and either all its words are the same, or the address but for the host, unless the summaries are of different articles.
    Where all its words are the same, however few, the address may have another query as well: some are made anew for every request."""
    if not entry.title or item.title.casefold() != entry.title.casefold():
        return False
    same = (item.summary, item.content) == (entry.summary, entry.content)
    if same and _tells(entry) and len(max(entry.summary, entry.content, key=len)) >= _TELLING:
        return True
    host, _, path = url_key.partition("/")
    there, _, its = item.url_key.partition("/")
    if path and path == its:
        told = min(len(item.summary), len(entry.summary)) >= _TELLING
        return not told or _alike(item.summary, entry.summary) >= _TITLES_ALIKE
    named = path.partition("?")[0]
    last = named.rpartition("/")[2]
    return (
        same
        and _is_timed(entry)
        and (host, named) == (there, its.partition("?")[0])
        and bool(_NAMES_ONE.fullmatch(last))
    )


def corrected(item: model.KnownItem, entry: model.Entry) -> bool:
    """A title that was edited, and its address with it."""
    told = entry.summary if len(entry.summary) >= _TELLING else ""
    alike = _tells(entry) and bool(told) and _alike(item.summary, told) >= _BODIES_ALIKE
    return alike and same_title(item.title, entry.title)


def given_away(item: model.KnownItem, entry: model.Entry) -> bool:
    """Whether a guid that comes back with another address, or an address that its item has left, was given to another article: one of
    another title, unless that is much the same, and of another date, unless that is a mere day."""
    if item.title.casefold() == entry.title.casefold():
        return False
    if _is_timed(entry) and entry.published_at == item.published_at:
        return False
    return len(item.title.split()) < _WORDY or _alike(item.title.casefold(), entry.title.casefold()) < _TITLES_ALIKE


def _alike(one: str, other: str) -> float:
    """The share of their words that two texts have in common."""
    total = len(one.split()) + len(other.split())
    return 1 - sum(markup.changed_words(one, other)) / total if total else 0.0


def _tells(entry: model.Entry) -> bool:
    """`Notice` of the same day, with the same words on where to read on, may be another one."""
    return _is_timed(entry) or len(entry.title.split()) >= _WORDY


def _is_timed(entry: model.Entry) -> bool:
    """Whether its date is more than a day."""
    at = entry.published_at
    return at is not None and (at.hour, at.minute, at.second) != (0, 0, 0)
