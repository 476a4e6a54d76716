"""Whether something may have been missed: what counts as shared, and what small feeds may do."""

from datetime import timedelta
from typing import Any

import pytest

from aggregator import model, overlap
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
