"""A year of recorded polls as feeds that can be asked at any moment, and what a perfect collector would have made of them.

A trace tells what a feed showed at polls about an hour apart. Between two polls that differ it is taken to have changed at once: when
the latest of what is new is dated, if that lies between them, else at a point that a hash picks. An answer without entries, in a feed
that had some before or after, is taken for an error of the server, as the recording says `Unknown Feed` there; a feed that never had
any answered with something else than a feed.
"""

import gzip
import hashlib
import html
import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from aggregator.feed import dates

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Version:
    """What a feed said of an article for a while."""

    link: str
    title: str
    dated: str
    words: str

    @cached_property
    def key(self) -> str:
        """The link without what does not tell articles apart."""
        return folded(self.link)

    @cached_property
    def said(self) -> tuple[str, str]:
        """What a reader would read."""
        return plain(re.sub(r"</?\w[^>]*>", "", self.title)), plain(re.sub(r"<[^>]*>", " ", self.words))

    def item(self) -> str:
        stamp = f"<pubDate>{escape(self.dated)}</pubDate>" if self.dated else ""
        link, title = escape(self.link), escape(self.title)
        return (
            f"<item><title>{title}</title><link>{link}</link><guid isPermaLink='true'>{link}</guid>{stamp}"
            f"<description>{escape(self.words)}</description></item>"
        )


def folded(link: str) -> str:
    return link.partition("://")[2].removeprefix("www.").removesuffix("/")


def plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", html.unescape(text)).split())


@dataclass(frozen=True, slots=True)
class State:
    """What a feed shows from a moment on: nothing while its server fails."""

    at: datetime
    versions: tuple[Version, ...]


@dataclass(frozen=True)
class Feed:
    """A traced feed. `dead`: it never was one."""

    name: str
    category: str
    first: datetime
    last: datetime
    polls: int
    states: tuple[State, ...]
    no_page: bool

    @property
    def dead(self) -> bool:
        return not any(state.versions for state in self.states)

    def at(self, moment: datetime) -> int:
        """The number of the state at a moment."""
        return max(0, bisect_right(self._times, moment) - 1)

    @cached_property
    def _times(self) -> list[datetime]:
        return [state.at for state in self.states]

    @cached_property
    def appeared(self) -> dict[str, datetime]:
        """When each link was first shown, but for those that were there from the start."""
        first: dict[str, datetime] = {}
        for state in self.states:
            for version in state.versions:
                first.setdefault(version.key, state.at)
        start = next((state.at for state in self.states if state.versions), None)
        return {key: at for key, at in first.items() if at != start}

    def spans(self, key: str) -> list[tuple[datetime, datetime]]:
        """From when to when a link was shown."""
        ends = [*self._times[1:], self.last]
        return [
            (state.at, end)
            for state, end in zip(self.states, ends, strict=True)
            if any(version.key == key for version in state.versions)
        ]

    def document(self, number: int, stamp: str) -> bytes:
        """A state as RSS; `stamp` is all that differs between two documents of one state."""
        items = "".join(version.item() for version in self.states[number].versions)
        return (
            f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>{escape(self.name)}</title>{stamp}'
            f"<link>https://example.org/</link>{items}</channel></rss>"
        ).encode()


def feeds(corpus: Path) -> list[Feed]:
    """All traces."""
    return [_feed(path) for path in sorted((corpus / "origin_site" / "poll_trace").iterdir())]


def _feed(path: Path) -> Feed:
    told = json.loads(gzip.decompress(path.read_bytes()))
    name = path.name.removesuffix(".json.gz")
    versions = [_version(version) for version in told["versions"]]
    return Feed(
        name=name,
        category=told["category"],
        first=_time(told["first_poll"]),
        last=_time(told["last_poll"]),
        polls=told["polls"],
        states=tuple(_states(name, told, versions)),
        no_page=told["max_feed_description_chars"] == 0,
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _version(told: dict[str, Any]) -> Version:
    # What was cut off when it was recorded shows in its hash.
    cut = f"{told['description_sha1']} " if told.get("description_truncated") else ""
    return Version(told["link"], told["title"] or "", told["pubDate"] or "", cut + (told["description"] or ""))


def _states(name: str, told: dict[str, Any], versions: Sequence[Version]) -> Iterator[State]:
    polls = [_time(at) for at in told["poll_times"]]
    shown: set[str] = set()
    for at, numbers in told["changes"]:
        poll, now = _time(at), tuple(versions[number] for number in numbers)
        new = [version.dated for version in now if version.link not in shown]
        shown |= {version.link for version in now}
        before = bisect_right(polls, poll - timedelta(seconds=1)) - 1
        yield State(_moment(name, polls[before] if before >= 0 else None, poll, new), now)


def _moment(name: str, before: datetime | None, poll: datetime, new: Sequence[str]) -> datetime:
    if before is None:
        return poll
    dated = [at for stamp in new if (at := dates.best(stamp, now=poll)[0]) is not None and before < at <= poll]
    if dated:
        return max(dated)
    share = int.from_bytes(hashlib.sha256(f"{name} {poll}".encode()).digest()[:4]) / 2**32
    return (before + (poll - before) * share).replace(microsecond=0) + timedelta(seconds=1)
