"""Quiet for too long, or only for the weekend: pure, over made-up rhythms."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import silence
from aggregator.silence import Health

# A Monday.
MONDAY = datetime(2025, 9, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def every(gap: timedelta, days: int = 60, *, week: int = 7) -> list[datetime]:
    """Times `gap` apart, on the first `week` days of each week, with a little disorder, as people make it."""
    times = [MONDAY + n * gap + timedelta(minutes=(n * n) % 97) for n in range(int(days * DAY / gap))]
    return [time for time in times if time.weekday() < week]


def test_a_source_that_stops_is_silent_and_the_reason_says_how_unlikely_that_is() -> None:
    times = every(6 * HOUR)

    found = silence.judge(times, until=times[-1] + 9 * DAY)

    assert found.health is Health.SILENT
    assert found.reason is not None
    assert found.reason.startswith("nothing new for 9 days: ")
    assert "less than 1 in a million at its usual 6 h; the longest gap before was 7 h" in found.reason


def test_what_happened_before_is_not_silence() -> None:
    times = [time for time in every(6 * HOUR) if not MONDAY + 20 * DAY < time < MONDAY + 30 * DAY]

    assert silence.judge(times, until=times[-1] + 9 * DAY) == silence.WELL
    assert silence.judge(times, until=times[-1] + 60 * DAY).health is Health.SILENT


def test_a_weekend_is_no_silence_for_those_who_keep_it() -> None:
    keeps, does_not = every(2 * HOUR, days=54, week=5), every(2 * HOUR, days=54)
    friday = max(keeps)
    assert friday.weekday() == 4

    monday_morning = friday + 50 * HOUR
    assert silence.judge(keeps, until=monday_morning) == silence.WELL
    assert silence.judge(keeps, until=monday_morning + 3 * DAY).health is Health.SILENT
    assert silence.judge(does_not, until=does_not[-1] + 50 * HOUR).health is Health.SILENT


def test_a_weekend_that_was_never_met_is_no_silence_either() -> None:
    times = [time for time in every(HOUR, days=5) if time.weekday() < 5]

    assert silence.judge(times, until=times[-1] + 3 * DAY) == silence.WELL
    assert silence.judge(times, until=times[-1] + 21 * DAY).health is Health.SILENT


def test_less_than_a_day_is_nothing_to_speak_of() -> None:
    times = every(timedelta(minutes=10), days=20)

    assert silence.judge(times, until=times[-1] + 23 * HOUR) == silence.WELL
    assert silence.judge(times, until=times[-1] + 25 * HOUR).health is Health.SILENT


def test_batches_are_one_piece_of_news_however_large() -> None:
    weekly = [MONDAY + n * 7 * DAY + k * timedelta(seconds=5) for n in range(14) for k in range(30)]
    quiet = silence.measure(weekly, until=weekly[-1] + 8 * DAY)

    assert quiet is not None
    assert quiet.gaps == 13
    assert timedelta(days=6, hours=23) < quiet.usual <= 7 * DAY
    assert silence.judge(weekly, until=weekly[-1] + 8 * DAY) == silence.WELL


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_from_few_data_nothing_follows_until_a_year_has_passed(count: int) -> None:
    times = [MONDAY + n * DAY for n in range(count)]

    assert silence.measure(times, until=MONDAY + 300 * DAY) is None
    assert silence.judge(times, until=MONDAY + 300 * DAY) == silence.WELL
    assert (silence.judge(times, until=MONDAY + 400 * DAY).health is Health.SILENT) == (count > 0)


def test_after_a_year_it_is_told_even_if_that_happens_to_it() -> None:
    yearly = [MONDAY + n * 300 * DAY for n in range(6)]

    found = silence.judge(yearly, until=yearly[-1] + 366 * DAY)

    assert found.health is Health.SILENT
    assert found.reason is not None
    assert "nothing new for 366 days: 1 in " in found.reason


def test_an_entry_that_stays_on_top_is_no_part_of_the_rhythm() -> None:
    times = [MONDAY - 3000 * DAY, *every(DAY, days=30)]

    quiet = silence.measure(times, until=times[-1] + 10 * DAY)

    assert quiet is not None
    assert quiet.longest < 2 * DAY


def test_times_from_after_the_last_answer_do_not_count() -> None:
    times = every(6 * HOUR)
    until = times[-1] + 9 * DAY

    assert silence.judge([*times, until + DAY], until=until) == silence.judge(times, until=until)


def test_barren_is_who_answers_for_days_and_has_nothing_to_say() -> None:
    found = silence.barren(100, since=MONDAY, until=MONDAY + 4 * DAY)

    assert found.health is Health.BARREN
    assert found.reason is not None
    assert found.reason.startswith("answered 100 times in 4 d and never had an entry")
    assert silence.barren(100, since=MONDAY, until=MONDAY + DAY) == silence.WELL
    assert silence.barren(3, since=MONDAY, until=MONDAY + 30 * DAY) == silence.WELL


def test_only_a_silence_longer_than_the_rhythm_is_looked_at() -> None:
    assert silence.worth_a_look(25 * HOUR, HOUR)
    assert not silence.worth_a_look(23 * HOUR, HOUR)
    assert not silence.worth_a_look(3 * DAY, 2 * DAY)
    assert not silence.worth_a_look(3 * DAY, None)
    assert silence.worth_a_look(20 * DAY, None)


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@given(st.lists(MOMENTS, max_size=30), MOMENTS)
def test_whatever_the_times_the_odds_are_odds_and_fall_with_the_silence(times: list[datetime], until: datetime) -> None:
    sooner, later = silence.measure(times, until=until), silence.measure(times, until=until + DAY)
    silence.judge(times, until=until)

    if sooner is not None and later is not None and sooner.gaps == later.gaps:
        assert 0 <= later.odds <= sooner.odds <= 1
