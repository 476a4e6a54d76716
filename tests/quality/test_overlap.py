"""Gaps behind entries that are kept: the recorded feeds, with some of their own entries pinned, show the same gaps as without, and no others."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aggregator import model, overlap
from aggregator.feed import dates, familiar
from tests import make
from tests.quality import trace

pytestmark = pytest.mark.slow

Versions = Sequence[trace.Version]
# Where the pinned ones stand among the others.
WAYS: dict[str, Callable[[Versions, Versions], Versions]] = {
    "none": lambda _pinned, others: others,
    "one on top": lambda pinned, others: [*pinned[:1], *others],
    "two on top": lambda pinned, others: [*pinned, *others],
    "one below": lambda pinned, others: [*others, *pinned[:1]],
    "one amidst": lambda pinned, others: [*others[: len(others) // 2], *pinned[:1], *others[len(others) // 2 :]],
}


class Store:
    """What a source has shown so far."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.published: dict[int, datetime] = {}
        self.shown: model.Shown | None = None
        self.at: datetime | None = None

    def poll(self, document: Versions, now: datetime) -> overlap.Missed | None:
        """The gap before a document, if one is told; then it is what was shown last."""
        source = make.source(shown=self.shown, last_success_at=self.at, last_new_at=self.at)
        entries = {
            one.key: make.entry(n, url=one.link, published_at=dates.best(one.dated, now=now)[0] if one.dated else None)
            for n, one in enumerate(document, 1)
        }
        seen = tuple(model.SeenItem(item=self._item(key), entry=entries[key]) for key in entries if key in self.ids)
        new = tuple(model.NewItem(url_key=key, entry=entries[key]) for key in entries if key not in self.ids)
        feed, decision = (
            model.ParsedFeed(version="rss20", entries=tuple(entries.values())),
            model.Decision(new=new, seen=seen),
        )
        asked = overlap.doubtful(source, feed, decision)
        gap = overlap.missed(source, feed, decision, now, {n: self.published[n] for n in asked})
        for key, entry in entries.items():
            number = self.ids.setdefault(key, len(self.ids) + 1)
            self.published.setdefault(number, entry.published_at or now)
        mark, face = model.Mark(b"12345678", b"12345678"), model.Face(0, 0, 0)
        packed = familiar.pack(model.ShownEntry(mark, self.ids[key], face) for key in entries)
        self.shown, self.at = model.Shown(url=source.feed_url, packed=packed, size=len(document)), now
        return gap

    def _item(self, key: str) -> model.KnownItem:
        return model.KnownItem(
            id=self.ids[key], url_key=key, owner_id=1, title="", summary="", content="", entry_hash="1"
        )


def _documents(feed: trace.Feed, every: timedelta) -> Iterator[tuple[datetime, Versions]]:
    """What polls so far apart show, where it is another thing than before."""
    at, last = feed.first, -1
    while at < feed.last:
        number = feed.at(at)
        if number != last and feed.states[number].versions:
            last = number
            yield at, feed.states[number].versions
        at += every


def _gaps(feed: trace.Feed, every: timedelta, way: str) -> tuple[set[datetime], set[datetime], set[datetime]]:
    """The gaps that are told, those that there are among what is not pinned, and those of them where that can be told: between documents of
    more than ten entries with dates."""
    store, told, true, dated = Store(), set(), set(), set()
    pinned: Versions = ()
    seen: set[str] = set()
    titles: set[tuple[str, str]] = set()
    before: Versions = ()
    for at, versions in _documents(feed, every):
        pinned = pinned or (versions[-1], versions[len(versions) // 2])[: len(versions) // 4]
        mine = {one.key for one in pinned}
        others = [one for one in versions if way == "none" or one.key not in mine]
        keys = {one.key for one in others}
        if store.poll(WAYS[way](pinned, others), at) is not None:
            told.add(at)
        if seen and len(others) > 3 and not keys & seen:
            true.add(at)
            # What has only moved, to another link, is no younger than what is gone.
            moved = any((one.dated, one.title) in titles for one in others)
            if all(one.dated for one in others) and not moved and min(len(others), len(before)) > 10:
                dated.add(at)
        seen |= keys
        titles |= {(one.dated, one.title) for one in others}
        before = others
    return told, true, dated


@pytest.mark.parametrize("hours", [6, 24])
def test_entries_that_are_kept_hide_no_gap_and_make_none(
    shared: Path, hours: int, capsys: pytest.CaptureFixture[str]
) -> None:
    feeds = [feed for feed in trace.feeds(shared / "corpus") if not feed.dead]
    for way in WAYS:
        found = {feed.name: _gaps(feed, timedelta(hours=hours), way) for feed in feeds}
        count = [sum(len(one[n]) for one in found.values()) for n in range(3)]
        with capsys.disabled():
            sys.stdout.write(
                f"\nevery {hours} h, {way} pinned: {count[0]} gaps told of {count[1]}, {count[2]} of them where dates tell\n"
            )
        for name, (told, true, dated) in found.items():
            # Without any pinned, a document of two entries has one by its rate (`overlap`).
            assert len(told - true) <= (way == "none"), (way, name)
            assert dated <= told, (way, name)
        assert count[2] > 50
