"""The silence alarm against a year of recorded polls: the dead and the stale are flagged at its end, the living are not; alarms that
proved false on the way are as few as the odds say; and of a living source that falls silent it is known after a few days.

News came with the first poll that showed its link. An empty answer counts as none, unless there was never another. Of what the
first document showed, the entries' own dates are taken, as the store does.
"""

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from aggregator import silence
from aggregator.feed import dates

FLOORS: dict[str, Any] = json.loads((Path(__file__).parent / "floors.json").read_text())["silence"]
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)

# Those of the recorded sources that gave nothing in the time, as whoever looks at them sees.
STALE = {
    "extreme_weather-floodlist.com-feed",
    "extreme_weather-www.climatesignals.org-rss.xml",
    "social_impact-climatemigration.org.uk-feed-",
}


@dataclass(frozen=True)
class Trace:
    """`before`: dates of what the first document showed; `news`: when something new was seen."""

    name: str
    before: tuple[datetime, ...]
    news: tuple[datetime, ...]
    polls: int
    first: datetime
    last: datetime
    last_answer: datetime | None

    @property
    def living(self) -> bool:
        return bool(self.news)

    def until(self, at: datetime) -> tuple[datetime, ...]:
        return (*self.before, *(time for time in self.news if time <= at))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _traces(corpus: Path) -> Iterator[Trace]:
    for path in sorted((corpus / "origin_site" / "poll_trace").iterdir()):
        told = json.loads(gzip.decompress(path.read_bytes()))
        shown: set[str] = set()
        before, news, filled = list[datetime](), list[datetime](), False
        for at, numbers in told["changes"]:
            versions = [told["versions"][number] for number in numbers]
            if versions and not filled:
                dated = (dates.best(version["pubDate"] or "", now=_time(at))[0] for version in versions)
                before, filled = [date for date in dated if date], True
            elif {version["link"] for version in versions} - shown:
                news.append(_time(at))
            shown |= {version["link"] for version in versions}
        first, end = _time(told["first_poll"]), _time(told["last_poll"])
        empty = [(_time(at), not numbers) for at, numbers in told["changes"]]
        last = (empty[-1][0] if empty[-1][1] else end) if filled else None
        yield Trace(path.name.removesuffix(".json.gz"), tuple(before), tuple(news), told["polls"], first, end, last)


def _verdict(trace: Trace) -> silence.Verdict:
    if trace.last_answer is None:
        return silence.barren(trace.polls, since=trace.first, until=trace.last)
    return silence.judge(trace.until(trace.last_answer), until=trace.last_answer)


@pytest.fixture(scope="module")
def traces(shared: Path) -> tuple[Trace, ...]:
    return tuple(_traces(shared / "corpus"))


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says a line to whoever runs the tests."""

    def told(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    return told


def test_at_the_end_of_the_year_the_dead_and_the_stale_are_flagged_and_the_living_are_not(
    traces: tuple[Trace, ...], tell: Callable[[str], None]
) -> None:
    verdicts = {trace.name: _verdict(trace) for trace in traces}

    tell(f"\n{sum(one.health is not None for one in verdicts.values())} of {len(traces)} recorded sources flagged")
    for name, verdict in verdicts.items():
        tell(f"  {name[:60]:60} {verdict.health or 'well'!s:7} {verdict.reason or ''}")
    barren = {trace.name for trace in traces if trace.last_answer is None}
    assert {name for name, one in verdicts.items() if one.health is silence.Health.BARREN} == barren
    assert {name for name, one in verdicts.items() if one.health is silence.Health.SILENT} == STALE
    assert {trace.name for trace in traces if not trace.living} == STALE | barren
    assert len(barren) >= 15


def test_false_alarms_are_as_few_as_the_odds_say(traces: tuple[Trace, ...], tell: Callable[[str], None]) -> None:
    living = [trace for trace in traces if trace.living]
    years = sum((trace.last - trace.first) / YEAR for trace in living)
    alarms = []
    for trace in living:
        for last, after in zip(trace.news, trace.news[1:], strict=False):
            # The longer, the less likely: if ever in this gap, then at its end.
            found = silence.judge(trace.until(last), until=after - HOUR) if after - last > DAY else silence.WELL
            if found.health is not None:
                alarms.append(f"  {trace.name[:60]} {last:%Y-%m-%d}: {found.reason}")

    tell(f"\n{len(alarms)} false alarms in {years:.1f} years of {len(living)} living sources")
    for alarm in alarms:
        tell(alarm)
    assert len(alarms) / years <= FLOORS["most_false_alarms_a_year"]


@pytest.mark.slow
def test_a_living_source_that_falls_silent_is_flagged_after_a_few_days(
    traces: tuple[Trace, ...], tell: Callable[[str], None]
) -> None:
    told: dict[str, float] = {}
    for trace in traces:
        deaths = trace.news[20 :: max(1, len(trace.news) // 12)]
        if deaths:
            told[trace.name] = median(_days_to_alarm(trace.until(at)) for at in deaths)

    tell("\ndays from the last news to the alarm")
    for name, days in told.items():
        tell(f"  {name[:60]:60} {days:6.1f}")
    assert median(told.values()) <= FLOORS["most_days_to_alarm"]
    assert max(told.values()) <= FLOORS["most_days_to_alarm_of_any"]


def _days_to_alarm(times: tuple[datetime, ...]) -> float:
    low, high = timedelta(0), timedelta(days=400)
    assert silence.judge(times, until=times[-1] + high).health is not None
    while high - low > 6 * HOUR:
        middle = (low + high) / 2
        low, high = (low, middle) if silence.judge(times, until=times[-1] + middle).health else (middle, high)
    return high / DAY
