"""What a document asks of those who poll it (ttl, sy:update…, skipHours, skipDays) and where it is pushed from (WebSub).

Reads what is there and drops what makes no sense. Never fails: a wish that cannot be read is none.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from xml.parsers import expat

from aggregator import model
from aggregator.feed import dates, entry

# Under these names feedparser keeps them; the names inside skipHours and skipDays overwrite one another there.
TOLD = ("ttl", "sy_updateperiod", "sy_updatefrequency", "sy_updatebase")

_MOST_HUBS = 5
_LONGEST = timedelta(days=365)
# RSS 1.0 syndication module: web.resource.org/rss/1.0/modules/syndication.
_PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_DAYS = {name: n for n, name in enumerate("monday tuesday wednesday thursday friday saturday sunday".split())}
# The specification's names, and those of Slashdot's feeds and of all that copied them.
_SKIPS = {"skiphours": frozenset({"hour", "hours"}), "skipdays": frozenset({"day", "days"})}
_LONGEST_WORD = 20
# RFC 8288 §3: one link of a Link header, and its parameters. Possessive, for foreign text must not make them look twice.
_LINK = re.compile(r'<([^<>]*+)>((?:[^,"<]|"(?:[^"\\]|\\.)*+")*+)')
_PARAMETER = re.compile(r';\s*+([^\s=;,"]++)\s*+(?:=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;,"]*+)))?+')
_LONGEST_HEADER = 16_384


def read(told: Mapping[str, str], document: bytes, *, now: datetime) -> model.Hints:
    """The hints in `told`, the values under `TOLD`, and in `document`, its XML as it was prepared for feedparser."""
    hours, days = _skipped(document)
    update = _update(told["sy_updateperiod"], told["sy_updatefrequency"])
    return model.Hints(
        ttl=_minutes(told["ttl"]),
        update=update,
        update_base=dates.best(told["sy_updatebase"], now=now)[0] if update else None,
        skip_hours=tuple(sorted(hours)),
        skip_days=tuple(sorted(days)),
    )


def websub(links: Iterable[tuple[str, str]], base: str) -> tuple[tuple[str, ...], str | None]:
    """The hubs and the topic (W3C WebSub §4) in `links`, pairs of rel and href; hrefs may be relative to `base`."""
    hubs: dict[str, None] = {}
    topic: str | None = None
    for rel, href in links:
        kinds = rel.lower().split()
        if "hub" in kinds and len(hubs) < _MOST_HUBS and (url := entry.address(href, base)):
            hubs[url] = None
        if "self" in kinds and topic is None:
            topic = entry.address(href, base)
    return tuple(hubs), topic


def links(header: str) -> Iterator[tuple[str, str]]:
    """The links of a Link header as pairs of rel and href (RFC 8288 §3); not those of other things than the document (`anchor`)."""
    for target, told in _LINK.findall(header[:_LONGEST_HEADER]):
        parameters: dict[str, str] = {}
        for name, quoted, plain in _PARAMETER.findall(told):
            # The first of a name counts.
            parameters.setdefault(name.lower(), quoted or plain)
        if "rel" in parameters and "anchor" not in parameters:
            yield parameters["rel"], target.strip()


def _number(text: str, most: int) -> int | None:
    """A whole number from 1 to `most`, a larger one as `most`; None for anything else, 0 among it."""
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        return None
    # Thousands of digits are more than `int` takes.
    text = text.lstrip("0")
    return (min(int(text), most) if len(text) < 10 else most) if text else None


def _minutes(ttl: str) -> timedelta | None:
    minutes = _number(ttl, _LONGEST // timedelta(minutes=1))
    return timedelta(minutes=minutes) if minutes else None


def _update(period: str, frequency: str) -> timedelta | None:
    """How often it says that it is updated: so many times (1 where it does not say) in a period."""
    length = _PERIODS.get(period.strip().lower())
    times = _number(frequency, 10**9) if frequency.strip() else 1
    if length is None or times is None:
        return None
    return timedelta(seconds=max(1, round(length.total_seconds() / times)))


# ---------------------------------------------------------------------------------------------------- when not to come


class _Skips:
    """Collects what expat meets in the skipHours and skipDays of a channel; anywhere else they are somebody's text."""

    def __init__(self) -> None:
        self.hours: set[int] = set()
        self.days: set[int] = set()
        self._open: list[str] = []
        self._word: str | None = None

    def start(self, name: str, _: Mapping[str, str]) -> None:
        local = name.rpartition(":")[2].lower()
        listed = len(self._open) == 3 and self._open[1] == "channel" and local in _SKIPS.get(self._open[2], ())
        self._word = "" if listed else None
        self._open.append(local)

    def text(self, data: str) -> None:
        if self._word is not None and len(self._word) < _LONGEST_WORD:
            self._word += data[:_LONGEST_WORD]

    def end(self, _: str) -> None:
        self._open.pop()
        if self._word is None:
            return
        word, self._word = self._word.strip().lower(), None
        if self._open[-1] == "skipdays" and word in _DAYS:
            self.days.add(_DAYS[word])
        elif self._open[-1] == "skiphours" and word.isascii() and word.isdigit() and int(word) <= 24:
            # RSS 0.91 counts from 1 to 24, RSS 2.0 from 0 to 23.
            self.hours.add(int(word) % 24)


def _skipped(document: bytes) -> tuple[set[int], set[int]]:
    """The hours and weekdays (0 is Monday) in which it asks to be left alone, in UTC; of a broken document those before the break."""
    # Without a pattern, which takes ten times as long.
    lowered = document.lower()
    if b"skiphours" not in lowered and b"skipdays" not in lowered:
        return set(), set()
    found, parser = _Skips(), expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.CharacterDataHandler = found.text
    with suppress(expat.ExpatError):
        parser.Parse(document, True)
    return found.hours, found.days
