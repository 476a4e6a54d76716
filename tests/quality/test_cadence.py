"""The rhythm of polls against a year of recorded feeds: news found sooner than by a poll every hour, and with fewer requests.

The traces were polled about once an hour, so when an item really appeared is known no better than that. It is taken to have
appeared at its own date where that lies between the last poll without it and the first with it; else, with all that the same
poll brought, at a point between the two that a hash picks, evenly. Empty answers count as no answer, in either case. An item
leaves with the first poll that no longer shows it; one that came and left between two of our polls is lost. What the first
document held is known from the start and is not counted.
"""

import gzip
import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from aggregator import cadence
from aggregator.feed import dates
from tests import make

FLOORS: dict[str, Any] = json.loads((Path(__file__).parent / "floors.json").read_text())["cadence"]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LIMITS = cadence.Limits(interval=HOUR, min_interval=5 * MINUTE, max_interval=24 * HOUR)
# The first poll comes so long after the beginning of the trace: an hour's poll meets news stamped on the hour early or late.
STARTS = (0 * MINUTE, 20 * MINUTE, 40 * MINUTE)


@dataclass(frozen=True)
class Shown:
    """An item of a trace: when it came, when it left, and its own date."""

    at: datetime
    until: datetime | None
    dated: datetime | None
    old: bool


@dataclass(frozen=True)
class Trace:
    name: str
    first: datetime
    last: datetime
    items: tuple[Shown, ...]


@dataclass
class Measured:
    requests: int
    delays: list[float]
    lost: int


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _traces(corpus: Path) -> Iterator[Trace]:
    """The traces of feeds that showed anything new; of those that showed the same, under two categories or queries, one."""
    shown: set[str] = set()
    for path in sorted((corpus / "origin_site" / "poll_trace").iterdir()):
        told = json.loads(gzip.decompress(path.read_bytes()))
        links = {version["link"] for version in told["versions"]}
        if not links or len(links & shown) > len(links) / 2:
            continue
        shown |= links
        trace = _trace(path.name, told)
        if not all(item.old for item in trace.items):
            yield trace


def _trace(name: str, told: dict[str, Any]) -> Trace:
    changes = [(_time(at), versions) for at, versions in told["changes"]]
    answers = [at for at in map(_time, told["poll_times"]) if changes[_index(changes, at)][1]]
    stated: dict[str, str] = {}
    for version in told["versions"]:
        stated.setdefault(version["link"], version["pubDate"] or "")
    documents = [(at, {told["versions"][n]["link"] for n in versions}) for at, versions in changes if versions]
    ends = [at for at, _ in documents[1:]]
    seen: dict[str, tuple[datetime, datetime | None]] = {}
    for (at, links), end in zip(documents, [*ends, None], strict=True):
        for link in links:
            seen[link] = (seen[link][0] if link in seen else at, end)
    before = dict(zip(answers[1:], answers[:-1], strict=True))
    items = [_shown(name, before.get(at), at, until, stated[link]) for link, (at, until) in seen.items()]
    return Trace(name, answers[0], _time(told["poll_times"][-1]), tuple(sorted(items, key=lambda item: item.at)))


def _index(changes: list[tuple[datetime, Any]], at: datetime) -> int:
    return max(0, bisect_right(changes, at, key=lambda change: change[0]) - 1)


def _shown(name: str, before: datetime | None, first: datetime, until: datetime | None, stated: str) -> Shown:
    dated = dates.best(stated, now=first)[0]
    if before is None:
        return Shown(first, until, dated, old=True)
    share = int.from_bytes(hashlib.sha256(f"{name} {first}".encode()).digest()[:4]) / 2**32
    at = dated if dated and before < dated <= first else before + (first - before) * share
    return Shown(at.replace(microsecond=0), until, dated, old=False)


# ---------------------------------------------------------------------------------------------------- two ways to poll

# After a poll: the time, the items that were new in it, and the share of its entries that was known before.
Next = Callable[[datetime, list[Shown], float | None], datetime]


def _hourly(now: datetime, *_: object) -> datetime:
    return now + HOUR


def _learning(source_id: int) -> Next:
    """What the poll stage does: times of what it has seen, the gap learned again with every new item, and kept."""
    source, times = make.source(source_id), list[datetime]()
    gap: timedelta | None = None
    last_new_at: datetime | None = None

    def due(now: datetime, new: list[Shown], overlap: float | None) -> datetime:
        nonlocal gap, last_new_at
        if new:
            times.extend(item.dated if item.dated and item.dated <= now else now for item in new)
            gap, last_new_at = cadence.usual_gap(times, now=now) or gap, now
        return cadence.after_success(
            source, now=now, limits=LIMITS, gap=gap, last_new_at=last_new_at, overlap=overlap
        ).at

    return due


def _replayed(trace: Trace, start: timedelta, due: Next) -> Measured:
    measured, now = Measured(0, [], 0), trace.first + start
    known: list[Shown] = []
    ahead = list(reversed(trace.items))
    while now <= trace.last:
        measured.requests += 1
        came = []
        while ahead and ahead[-1].at <= now:
            came.append(ahead.pop())
        new = [item for item in came if item.until is None or item.until > now]
        measured.lost += sum(not item.old for item in came) - sum(not item.old for item in new)
        measured.delays += [(now - item.at) / MINUTE for item in new if not item.old]
        left = [item for item in known if item.until is None or item.until > now]
        overlap = len(left) / (len(left) + len(new)) if known and new else None
        known = left + new
        now = due(now, new, overlap)
    return measured


@pytest.mark.slow
def test_news_is_found_sooner_than_by_hourly_polls_and_with_fewer_requests(shared: Path) -> None:
    traces = list(_traces(shared / "corpus"))
    assert len(traces) >= 15

    hourly = [_replayed(trace, start, _hourly) for trace in traces for start in STARTS]
    learned = [_replayed(trace, start, _learning(n)) for n, trace in enumerate(traces) for start in STARTS]

    before, now = _delays(hourly), _delays(learned)
    told = {
        "median_delay": median(now) / median(before),
        "mean_delay": mean(now) / mean(before),
        "requests": _requests(learned) / _requests(hourly),
        "lost": sum(one.lost for one in learned) / len(now),
    }
    assert {name: value for name, value in told.items() if value > FLOORS[f"most_{name}"]} == {}


def _delays(measured: list[Measured]) -> list[float]:
    """Minutes from appearance to discovery, of every item."""
    return [delay for one in measured for delay in one.delays]


def _requests(measured: list[Measured]) -> float:
    """Requests for each item found."""
    return sum(one.requests for one in measured) / len(_delays(measured))
