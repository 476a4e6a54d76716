"""Whether something may have been missed: what counts as shared, and what small feeds may do."""

import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from aggregator import model, overlap
from aggregator.feed import familiar
from tests import make

HOUR = timedelta(hours=1)
BEFORE = make.NOW - 10 * HOUR


def missed(size: int, *, shared: int = 0, foreign: int = 0, **source: Any) -> overlap.Missed | None:
    told: dict[str, Any] = {"last_success_at": BEFORE, "last_new_at": BEFORE, "learned_gap": HOUR} | source
    feed = model.ParsedFeed(version="rss20", entries=tuple(make.entry(n) for n in range(size)))
    new = tuple(model.NewItem(url_key=str(n), entry=make.entry(n)) for n in range(size - shared - foreign))
    seen = tuple(model.SeenItem(item=_known(n, shown=n < shared), entry=make.entry(n)) for n in range(shared + foreign))
    return overlap.missed(make.source(**told), feed, model.Decision(new=new, seen=seen), make.NOW)


def _known(n: int, *, shown: bool) -> model.KnownItem:
    return model.KnownItem(
        id=n, url_key=str(n), owner_id=1, title="", summary="", content="", entry_hash="abc" if shown else None
    )


def test_nothing_shared_is_a_gap_with_what_the_rate_says() -> None:
    gap = missed(4)

    assert gap is not None
    assert (gap.from_at, gap.estimated) == (BEFORE, 6)
    assert gap.reason == "none of the 4 entries was in the document before, 10 h earlier"


@pytest.mark.parametrize(
    ("size", "source"),
    [
        (0, {}),
        (4, {"last_new_at": None}),
        (4, {"last_success_at": None}),
        (4, {"shown": model.Shown(url="https://feed1.example/rss", size=0)}),
        (4, {"shown": model.Shown(url="https://elsewhere.example/rss", size=9)}),
        (1, {"learned_gap": None}),
        (1, {"learned_gap": 10 * HOUR}),
        (3, {"learned_gap": 3 * HOUR}),
    ],
)
def test_without_anything_before_or_at_its_own_rhythm_there_is_none(size: int, source: dict[str, Any]) -> None:
    assert missed(size, **source) is None


@pytest.mark.parametrize(
    ("size", "source", "estimated"),
    [
        (4, {"learned_gap": None}, None),
        (4, {"learned_gap": 10 * HOUR}, 0),
        (4, {"shown": model.Shown(url="https://feed1.example/rss", size=9)}, 6),
        (4, {"shown": model.Shown(url="https://feed1.example/rss", size=9), "last_new_at": None}, 6),
        (4, {"shown": model.Shown(url="https://feed1.example/rss")}, 6),
        (2, {"learned_gap": None}, None),
        (3, {}, 7),
        (1, {}, 9),
    ],
)
def test_otherwise_there_is_one(size: int, source: dict[str, Any], estimated: int | None) -> None:
    gap = missed(size, **source)

    assert gap is not None
    assert gap.estimated == estimated


def test_one_entry_that_this_source_has_shown_is_enough_but_not_what_others_have() -> None:
    assert missed(4, shared=1) is None
    assert missed(4, foreign=4) is not None
    assert missed(4, shared=1, foreign=3) is None


def test_a_failure_in_between_is_told() -> None:
    gap = missed(1, failures=2.0, error_code="http_503")

    assert gap is not None
    assert gap.reason == (
        "its only entry was not in the document before, 10 h earlier; in between it could not be polled (http_503)"
    )


# ---------------------------------------------------------------------------------------------------- what is kept

Dates = Callable[[int], datetime | None]


def hourly(n: int) -> datetime:
    """When number `n` was published: one every hour."""
    return make.NOW + (n - 1000) * HOUR


def daily(n: int) -> datetime:
    return hourly(n).replace(hour=0)


def undated(n: int) -> None:
    return None


def between(
    before: Sequence[int], after: Sequence[int], dates: Dates = hourly, first_seen: Mapping[int, datetime] | None = None
) -> overlap.Missed | None:
    """What was missed between two documents of these numbers; also of a document that was read only where it differs."""
    ids = set(before) | {n for n in after if n < min(before)}
    pack = familiar.pack(_shown(n) for n in before)
    source = make.source(
        last_success_at=BEFORE,
        last_new_at=BEFORE,
        learned_gap=HOUR / 5,
        shown=model.Shown(url="https://feed1.example/rss", packed=pack, size=len(before)),
    )
    entries = {n: make.entry(at, published_at=dates(n)) for at, n in enumerate(after, 1)}
    new = tuple(model.NewItem(url_key=str(n), entry=entry) for n, entry in entries.items() if n not in ids)
    seen = tuple(model.SeenItem(item=_known(n, shown=True), entry=entries[n]) for n in entries if n in ids)
    whole = model.ParsedFeed(version="rss20", entries=tuple(entries.values()))
    listed = [n for n in entries if n in ids]
    known = familiar.Known(array("I", (entries[n].position for n in listed)), familiar.pack(map(_shown, listed)))
    part = model.ParsedFeed(version="rss20", entries=tuple(one.entry for one in new), known=known)
    told = []
    for feed, decision in (
        (whole, model.Decision(new=new, seen=seen)),
        (part, model.Decision(new=new, kept=frozenset(one.item.id for one in seen))),
    ):
        published = {
            n: (first_seen or {}).get(n) or dates(n) or BEFORE for n in overlap.doubtful(source, feed, decision)
        }
        told.append(overlap.missed(source, feed, decision, make.NOW, published))
    assert told[0] == told[1]
    return told[0]


def _shown(n: int) -> model.ShownEntry:
    return model.ShownEntry(model.Mark(b"%08d" % n, b"%08d" % n), n, model.Face(0, 0, 0))


def down(first: int, last: int) -> list[int]:
    return list(range(first, last - 1, -1))


OLD, NEXT = down(119, 100), down(219, 200)


def test_one_that_stays_on_top_while_all_younger_ones_go_is_not_shared() -> None:
    gap = between([1, *OLD], [1, *NEXT])

    assert gap is not None
    assert (gap.from_at, gap.estimated, gap.kept) == (BEFORE, 30, (1,))
    assert gap.reason == (
        "only 1 of the 21 entries was known, 10 h after the document before: "
        f"that one, of {hourly(1):%Y-%m-%d}, stays, while 20 younger ones are gone"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([3, 2, 1, *OLD], [3, 2, 1, *NEXT]),
        ([*OLD, 1], [*NEXT, 1]),
        ([*OLD[:10], 1, *OLD[10:]], [*NEXT[:10], 1, *NEXT[10:]]),
        ([1, *OLD], [*NEXT[:10], 1, *NEXT[10:]]),
        ([1, *OLD[::-1]], [1, *NEXT[::-1]]),
        ([*OLD[::-1], 1], [*NEXT[::-1], 1]),
        (OLD, [1, *NEXT]),
        (OLD, [100, *NEXT]),
        (OLD, [110, *NEXT]),
        (OLD, [119, *NEXT]),
        (OLD, [119, 118, 117, *NEXT]),
        (OLD[::-1], [*NEXT[::-1], 119]),
        ([1, *OLD], [1, *NEXT[:5]]),
        ([1, *OLD[:4]], [1, *NEXT]),
        ([1, 2, 3, 4, 5, *OLD], [1, 2, 3, 4, 5, *NEXT]),
        ([1, *OLD], [1, *NEXT[:4]]),
        ([2, 1, *OLD[:8]], [2, 1, *NEXT[:8]]),
        # One of them was dated back.
        ([1, *OLD[:9]], [1, *NEXT[:5], 150, *NEXT[5:8]]),
        ([1, *OLD[:9]], [1, *NEXT[:5], 90, *NEXT[5:8]]),
    ],
)
def test_wherever_it_is_kept_and_however_many(before: Sequence[int], after: Sequence[int]) -> None:
    assert between(before, after) is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # What moves on, with one on top and without.
        (OLD, [*NEXT, 119]),
        (OLD, [*NEXT, 119, 118]),
        (OLD[::-1], [119, *NEXT[::-1]]),
        ([1, *OLD], [1, *NEXT, 119]),
        # The publisher has taken some away.
        (OLD, [*NEXT, 117]),
        # An old one that was changed was new on top; now it is last.
        ([1, *OLD], [*NEXT, 1]),
        # So many are not kept; so few tell nothing.
        ([1, 2, 3, 4, 5, 6, *OLD], [1, 2, 3, 4, 5, 6, *NEXT]),
        ([1, *OLD], [1, *NEXT[:3]]),
        ([1, *OLD], [1, 219]),
        ([1, *OLD[:3]], [1, *NEXT]),
        ([1], [1, *NEXT]),
        # Nothing is new.
        ([1, *OLD], [1]),
        # What is new there is no younger than what is gone.
        ([1, *OLD], [1, *down(99, 80)]),
        ([1, *down(219, 200)[::2]], [1, *down(219, 200)[1::2]]),
    ],
)
def test_where_that_cannot_be_told_there_is_no_gap(before: Sequence[int], after: Sequence[int]) -> None:
    assert between(before, after) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_list_in_another_order_than_that_of_time_tells_nothing(seed: int) -> None:
    chance = random.Random(seed)
    before, after = chance.sample(OLD, 20), chance.sample(NEXT, 20)
    after[chance.randrange(20)] = chance.choice(before)

    assert between(before, after) is None


def test_dates_of_a_whole_day_tell_by_the_days_that_are_gone() -> None:
    assert between([1, *down(199, 100)[::5]], [1, *NEXT], daily) is not None
    assert between([1, *down(119, 110)], [1, *down(139, 130)], daily) is None


def test_without_dates_the_order_in_which_they_were_first_seen_tells() -> None:
    seen = {n: hourly(n) for n in [1, *OLD]}

    assert between([1, *OLD], [1, *NEXT], undated, seen) is not None
    assert between([1, *OLD], [1, *NEXT, 119], undated, seen) is None
    # All of them were there at the first poll: they may be in any order.
    assert between([1, *OLD], [1, *NEXT], undated) is None


def test_where_another_document_or_none_was_before_nothing_is_asked() -> None:
    feed = model.ParsedFeed(version="rss20", entries=tuple(make.entry(n) for n in range(20)))
    new = tuple(model.NewItem(url_key=str(n), entry=make.entry(n)) for n in range(19))
    decision = model.Decision(new=new, seen=(model.SeenItem(item=_known(1, shown=True), entry=make.entry(1)),))
    pack = familiar.pack(_shown(n) for n in OLD)

    assert overlap.doubtful(make.source(), feed, decision) == set()
    for url, packed in (("https://elsewhere.example/rss", pack), ("https://feed1.example/rss", b"")):
        source = make.source(shown=model.Shown(url=url, packed=packed, size=20))
        assert overlap.doubtful(source, feed, decision) == set()
    source = make.source(shown=model.Shown(url="https://feed1.example/rss", packed=pack, size=20))
    assert overlap.doubtful(source, feed, decision) == {1, *OLD}
