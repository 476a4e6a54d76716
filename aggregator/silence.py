"""Whether a source has been quiet for longer than its own rhythm explains, and whether it has never said anything. Pure.

Time is counted in the source's own week: a day of the week on which it publishes half as much counts half. What is left of the gaps
between its news is nearly as chance would have them, so that the longest fifth of them tells how much longer a gap can be by chance.
Over 10.6 years of 16 living feeds (tests/quality/test_silence.py) what should have come about 2.1 times by chance came twice.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from aggregator import cadence

_DAY, _YEAR = timedelta(days=1), timedelta(days=365)

# So many of the latest times are enough: with news at every poll, every five minutes, the last 17 days.
MOST = 5_000
# What appears within five minutes is one batch, as in `cadence.usual_gap`; for those who are never quiet, within an hour. So many of
# the latest batches are looked at.
_AT_ONCE, _AT_ONCE_OF_MANY = timedelta(minutes=5), timedelta(hours=1)
_LATEST = 400
# So many gaps, a fifth of all, are the tail by which longer ones are judged; of fewer, all.
_TAIL, _SHARE = 8, 5
# A tail in which all are alike would prove that nothing longer can be: it is at least so wide, for each of its gaps.
_WIDTH = 0.15
# Of a day of the week as much is known as of two days of an average week besides.
_PRIOR = 2.0
# A first gap of so many times all that came after it: an entry that stays on top, or an archive.
_PINNED = 5

# Silent is what chance brings less often than once in this time.
_SELDOM = 5.0
# Nobody wants to hear of less. Longer where the rhythm rests on little: fewer than 12 gaps, or less than two of each day of the week.
LEAST, _LEAST_OF_SHORT, _LEAST_OF_FEW = _DAY, 14 * _DAY, 60 * _DAY
_FEW, _SHORT = 12, 14 * _DAY
_FEWEST = 3
# Whoever has had no news of it for so long wants to know, whatever the odds.
_DORMANT = _YEAR

# Answers without an entry, and for how long: an empty document usually passes.
_ANSWERS, _EMPTY_FOR = 10, 3 * _DAY


class Health(StrEnum):
    """What `sources.health` may hold; NULL is well."""

    SILENT = "silent"
    BARREN = "barren"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`health` with its reason in words; neither, if there is nothing to say."""

    health: Health | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """How long the silence has `lasted`. `odds`: with what probability a gap is so long; `years`: how seldom one comes by chance."""

    lasted: timedelta
    usual: timedelta
    longest: timedelta
    odds: float
    years: float
    gaps: int
    over: timedelta


WELL = Verdict()


def judge(times: Sequence[datetime], *, until: datetime) -> Verdict:
    """Whether a source is silent that had something new at `times` and nothing since, as was last seen at `until`.

    `times` in any order; from them on which it was polled, those at which news was first seen; before, when its entries were published.
    """
    quiet = measure(times, until=until)
    if quiet is not None and _too_long(quiet):
        return Verdict(health=Health.SILENT, reason=_said(quiet))
    last = max((time for time in times if time <= until), default=None)
    if last is not None and until - last >= _DORMANT:
        return Verdict(health=Health.SILENT, reason=_said(quiet) if quiet else f"nothing new for {_span(until - last)}")
    return WELL


def measure(times: Sequence[datetime], *, until: datetime) -> Quiet | None:
    """The silence since the latest of `times`, against the gaps between them; None where these are too few to tell."""
    batches = _batches(times, until)
    if len(batches) <= _FEWEST:
        return None
    week = _week(batches)
    gaps = [later - earlier for earlier, later in pairwise(batches)]
    odds = _odds([_counted(*pair, week) for pair in pairwise(batches)], _counted(batches[-1], until, week))
    over = batches[-1] - batches[0]
    return Quiet(
        lasted=until - batches[-1],
        usual=sorted(gaps)[len(gaps) // 2],
        longest=max(gaps),
        odds=odds,
        years=over / _YEAR / len(gaps) / max(odds, 1e-12),
        gaps=len(gaps),
        over=over,
    )


def barren(answers: int, *, since: datetime, until: datetime) -> Verdict:
    """Whether a source is barren that has given so many good answers in that time and never an entry."""
    if answers < _ANSWERS or until - since < _EMPTY_FOR:
        return WELL
    said = f"answered {answers} times in {cadence.words(until - since)} and never had an entry: this may not be the feed, or no longer"
    return Verdict(health=Health.BARREN, reason=said)


def worth_a_look(lasted: timedelta, gap: timedelta | None, *, ever: bool = True) -> bool:
    """Whether a silence may be too long at all, `gap` being what the source takes by `cadence.usual_gap`; or, if it has not `ever` had
    news, whether it may be barren."""
    if not ever:
        return lasted >= _EMPTY_FOR
    return lasted >= max(LEAST, 2 * gap) if gap is not None else lasted >= _LEAST_OF_SHORT


# ---------------------------------------------------------------------------------------------------- the rhythm


def _batches(times: Sequence[datetime], until: datetime) -> list[datetime]:
    """The latest times, those of one batch as one, without what stands on top of the feed for ever."""
    batches = _apart(sorted(time for time in times if time <= until), _AT_ONCE)
    if len(batches) > _LATEST:
        batches = _apart(batches, _AT_ONCE_OF_MANY)[-_LATEST:]
    while len(batches) > _FEWEST and batches[1] - batches[0] > _PINNED * (batches[-1] - batches[1]):
        del batches[0]
    return batches


def _apart(times: Sequence[datetime], least: timedelta) -> list[datetime]:
    apart: list[datetime] = []
    for time in times:
        if not apart or time - apart[-1] >= least:
            apart.append(time)
    return apart


def _week(batches: Sequence[datetime]) -> tuple[float, ...]:
    """How much each day of the week counts, from Monday and in UTC; on average 1. One that was never met does not count."""
    first, days = batches[0].date(), (batches[-1].date() - batches[0].date()).days + 1
    met = [days // 7 + ((day - first.weekday()) % 7 < days % 7) for day in range(7)]
    came = Counter(batch.weekday() for batch in batches)
    usual = len(batches) / days
    return tuple((came[day] / usual + _PRIOR) / (met[day] + _PRIOR) if met[day] else 0.0 for day in range(7))


def _counted(begin: datetime, end: datetime, week: Sequence[float]) -> float:
    """The days from `begin` to `end`, each for what it counts."""
    weeks = (end - begin) // (7 * _DAY)
    total, at = weeks * sum(week), begin + weeks * 7 * _DAY
    while at < end:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
        total += (min(midnight, end) - at) / _DAY * week[at.weekday()]
        at = midnight
    return total


def _odds(gaps: Sequence[float], lasted: float) -> float:
    """With what probability one of the gaps lasts at least so long.

    Within what was seen, the share that did. Beyond, their longest are taken to go on as they fall off, exponentially; how fast
    is known from them only so well, which makes it (S / (S + x)) ** k, S being by how much the k longest exceed the one before
    them together, and x by how much this one does (the predictive distribution of a Pareto of the second kind, prior 1/rate).
    """
    ordered = sorted(gaps)
    tail = min(max(_TAIL, len(ordered) // _SHARE), len(ordered))
    start = ordered[-tail - 1] if tail < len(ordered) else 0.0
    if lasted <= start:
        return sum(gap >= lasted for gap in ordered) / len(ordered)
    excess = max(sum(gap - start for gap in ordered[-tail:]), _WIDTH * tail * start)
    return tail / len(ordered) * (excess / (excess + lasted - start)) ** tail


# ---------------------------------------------------------------------------------------------------- the verdict


def _too_long(quiet: Quiet) -> bool:
    return quiet.years >= _SELDOM and quiet.lasted > quiet.longest and quiet.lasted >= _least(quiet)


def _least(quiet: Quiet) -> timedelta:
    if quiet.gaps < _FEW:
        return _LEAST_OF_FEW
    return _LEAST_OF_SHORT if quiet.over < _SHORT else LEAST


def _said(quiet: Quiet) -> str:
    return (
        f"nothing new for {_span(quiet.lasted)}: {_one_in(quiet.odds)} at its usual {_span(quiet.usual)}; "
        f"the longest gap before was {_span(quiet.longest)}"
    )


def _one_in(odds: float) -> str:
    """`1 in 400`, with two digits that mean something."""
    times = 1 / max(odds, 1e-12)
    if times >= 1e6:
        return "less than 1 in a million"
    whole = round(times)
    return f"1 in {round(whole, 2 - len(str(whole))):,}"


def _span(lasted: timedelta) -> str:
    """`9 days`, `31 h`, `45 min`: nobody wants the minutes of a day."""
    if lasted >= 3 * _DAY:
        return f"{lasted.days} days"
    hours = timedelta(hours=1)
    return f"{round(lasted / hours)} h" if lasted >= 3 * hours else cadence.words(lasted)
