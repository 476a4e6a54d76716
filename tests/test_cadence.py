"""When a source that answered is polled next, and why."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator import cadence, config, model, reading
from tests import make
from tests.rhythm import DAY, HOUR, LIMITS, MINUTE, SECOND, bounds, limited, moments, spans


def _next(limits: cadence.Limits = LIMITS, *, now: datetime = make.NOW, **known: Any) -> tuple[timedelta, str]:
    """How long until the next poll of a source that answered, and the reason."""
    due = cadence.after_success(make.source(), now=now, limits=limits, **known)
    return due.at - now, due.reason


def _about(delay: timedelta, wanted: timedelta) -> bool:
    """Whether it is `wanted` and at most a tenth of it."""
    return wanted <= delay <= wanted * 1.1 + SECOND


# ---------------------------------------------------------------------------------------------------- freshness


@pytest.mark.parametrize(
    ("headers", "fresh"),
    [
        ({}, None),
        ({"cache-control": "max-age=43200"}, 12 * HOUR),
        ({"cache-control": 'public, Max-Age = "60" , s-maxage=9999'}, MINUTE),
        ({"cache-control": "s-maxage=9999"}, None),
        ({"cache-control": "max-age=60, max-age=9999"}, MINUTE),
        ({"cache-control": "max-age=7200", "age": "3600"}, HOUR),
        ({"cache-control": "max-age=60", "age": "3600"}, timedelta(0)),
        ({"cache-control": "max-age=60", "age": "old"}, MINUTE),
        ({"cache-control": "no-store, max-age=0"}, None),
        ({"cache-control": "no-cache, max-age=600"}, None),
        ({"cache-control": 'no-cache="set-cookie", max-age=600'}, 10 * MINUTE),
        ({"cache-control": "max-age=-5"}, None),
        ({"cache-control": "max-age=soon"}, None),
        ({"cache-control": "max-age"}, None),
        ({"cache-control": "max-age=" + "9" * 5000}, 3650 * DAY),
        ({"date": "Mon, 01 Sep 2025 08:00:00 GMT", "expires": "Tue, 02 Sep 2025 08:00:00 GMT"}, DAY),
        ({"date": "Mon, 01 Sep 2025 08:00:00 GMT", "expires": "Mon, 01 Sep 2025 07:00:00 GMT"}, timedelta(0)),
        ({"expires": "Fri, 19 Sep 2025 02:00:00 GMT"}, 2 * HOUR),
        ({"expires": "Fri, 19 Sep 2025 02:00:00 GMT", "age": "3600"}, HOUR),
        ({"expires": "Fri, 31 Dec 9999 23:59:59 GMT"}, 3650 * DAY),
        ({"expires": "0"}, timedelta(0)),
        ({"cache-control": "max-age=60", "expires": "Fri, 19 Sep 2025 02:00:00 GMT"}, MINUTE),
        ({"cache-control": "private", "expires": "Fri, 19 Sep 2025 02:00:00 GMT"}, 2 * HOUR),
    ],
)
def test_how_long_an_answer_stays_fresh(headers: dict[str, str], fresh: timedelta | None) -> None:
    assert cadence.fresh_for(headers, now=make.NOW) == fresh


# ---------------------------------------------------------------------------------------------------- the usual gap


def _every(gap: timedelta, count: int) -> list[datetime]:
    return [make.NOW - n * gap for n in range(count)]


def _gap(times: list[datetime]) -> timedelta | None:
    return cadence.usual_gap(times, now=make.NOW)


def test_the_usual_gap_is_the_mean_without_the_longest_tenth() -> None:
    assert _gap(_every(84 * MINUTE, 30)) == 84 * MINUTE
    assert _gap([*_every(HOUR, 20), make.NOW - 4000 * DAY]) == HOUR


def test_order_the_future_and_what_is_older_than_the_latest_do_not_matter() -> None:
    times = [*_every(HOUR, 30), *(make.NOW - 40 * HOUR - n * DAY for n in range(50)), make.NOW + HOUR, make.NOW + DAY]

    assert _gap(times[::-1]) == HOUR


def test_too_few_times_tell_nothing() -> None:
    assert _gap([]) is None
    assert _gap(_every(HOUR, 2)) is None
    assert _gap([*_every(HOUR, 2), *[make.NOW] * 30]) is None
    assert _gap([make.NOW] * 30) is None
    assert _gap([make.NOW - n * SECOND for n in range(30)]) is None
    assert _gap([make.NOW + n * DAY for n in range(1, 30)]) is None


def test_a_batch_counts_as_often_as_it_has_items() -> None:
    weekly = [make.NOW - week * 7 * DAY for week in range(5) for _ in range(6)]

    assert _gap(weekly) == 7 * DAY / 6


def test_one_big_batch_does_not_make_a_source_frantic() -> None:
    gap = _gap([make.NOW - 2 * DAY, make.NOW - DAY, *[make.NOW] * 28])

    assert gap is not None
    assert gap > HOUR


# ---------------------------------------------------------------------------------------------------- it answered


def test_a_source_of_which_nothing_is_known_is_polled_at_the_configured_interval_with_a_little_spread() -> None:
    due = [cadence.after_success(make.source(n), now=make.NOW, limits=LIMITS) for n in range(1, 50)]

    assert all(_about(one.at - make.NOW, HOUR) for one in due)
    assert len({one.at for one in due}) > 20
    assert due[0].reason == "every 1 h, as configured"


@pytest.mark.parametrize("interval", [30 * MINUTE, HOUR])
def test_a_thousand_sources_that_are_polled_together_do_not_stay_together(interval: timedelta) -> None:
    limits = limited(interval)

    due = Counter(cadence.after_success(make.source(n), now=make.NOW, limits=limits).at for n in range(1000))

    assert max(due.values()) <= 20


def test_the_limits_bound_the_interval() -> None:
    assert _about(_next(limited(SECOND))[0], 5 * MINUTE)
    assert _about(_next(limited(100 * DAY))[0], DAY)
    assert _about(_next(gap=SECOND)[0], 5 * MINUTE)
    assert _about(_next(gap=5000 * DAY, last_new_at=make.NOW - 5000 * DAY)[0], DAY)


def test_an_interval_of_a_second_is_possible() -> None:
    limits = cadence.Limits(interval=SECOND, min_interval=SECOND, max_interval=SECOND)

    assert _next(limits) == (SECOND, "every 1 s, as configured")
    assert _next(limits, fresh_for=HOUR, gap=DAY)[0] == SECOND


def test_half_the_usual_gap_may_be_shorter_than_the_configured_interval() -> None:
    delay, reason = _next(gap=84 * MINUTE, fresh_for=15 * MINUTE)

    assert _about(delay, 42 * MINUTE)
    assert reason == "every 42 min: half its usual gap of 84 min; publisher allows 15 min"


def test_a_slow_source_is_asked_less_often_but_not_in_proportion() -> None:
    delay, reason = _next(gap=128 * HOUR)

    assert _about(delay, 2 * HOUR)
    assert reason == "every 2 h: longer than the configured 1 h, for its usual gap is 5 d"


def test_a_long_silence_makes_it_slower() -> None:
    fast: dict[str, Any] = {"gap": 20 * MINUTE}

    assert _about(_next(**fast, last_new_at=make.NOW - HOUR)[0], 10 * MINUTE)
    assert _about(_next(**fast, last_new_at=make.NOW - 3 * DAY)[0], 28.8 * MINUTE)
    assert _next(**fast, last_new_at=make.NOW - 50 * DAY)[1] == "every 8 h: nothing new for 50 d"
    assert _about(_next(**fast, last_new_at=make.NOW + 50 * DAY)[0], 10 * MINUTE)


def test_an_interval_of_its_own_is_used_as_it_is() -> None:
    delay, reason = _next(limited(30 * MINUTE, fixed=True), gap=8 * DAY, last_new_at=make.NOW - 50 * DAY, overlap=0)

    assert _about(delay, 30 * MINUTE)
    assert reason == "every 30 min, as configured for this source"


def test_one_interval_for_all_is_not_called_its_own() -> None:
    for_all = reading.limits(config.PollSettings(interval=30 * MINUTE, min_interval=30 * MINUTE), None)

    assert _next(for_all, gap=8 * DAY)[1] == "every 30 min, as configured for all"


@pytest.mark.parametrize(
    ("asked", "by", "said"),
    [
        (
            {"fresh_for": 12 * HOUR},
            12 * HOUR,
            "every 12 h, as the publisher asks (max-age), instead of 1 h, as configured",
        ),
        (
            {"hints": model.Hints(ttl=2 * HOUR)},
            2 * HOUR,
            "every 2 h, as the publisher asks (ttl), instead of 1 h, as configured",
        ),
        (
            {"hints": model.Hints(update=12 * HOUR), "gap": 84 * MINUTE},
            12 * HOUR,
            "every 12 h, as the publisher asks (sy:update), instead of 42 min: half its usual gap of 84 min",
        ),
        (
            {"hints": model.Hints(update=HOUR), "gap": 84 * MINUTE},
            42 * MINUTE,
            "every 42 min: half its usual gap of 84 min",
        ),
        (
            {"hints": model.Hints(ttl=365 * DAY), "fresh_for": 3650 * DAY},
            DAY,
            "every 24 h, as the publisher asks (max-age), instead of 1 h, as configured",
        ),
        ({"hints": model.Hints(ttl=timedelta(0)), "fresh_for": timedelta(0)}, HOUR, "every 1 h, as configured"),
    ],
)
def test_the_publisher_may_ask_for_more_time(asked: dict[str, Any], by: timedelta, said: str) -> None:
    delay, reason = _next(**asked)

    assert _about(delay, by)
    assert reason == said


@pytest.mark.parametrize(
    ("base", "update", "wait"),
    [
        # Noon, 3 am, and so on, whichever century the base is of.
        (make.NOW + timedelta(hours=9, minutes=20), 12 * HOUR, timedelta(hours=9, minutes=20)),
        (make.NOW - 20 * 365 * DAY + 7 * HOUR, DAY, 7 * HOUR),
        (make.NOW, 12 * HOUR, 12 * HOUR),
        # Too soon after this one; the next but one.
        (make.NOW + 2 * MINUTE, 6 * HOUR, 6 * HOUR + 2 * MINUTE),
    ],
)
def test_where_the_publisher_tells_its_hours_the_next_poll_comes_just_after_one(
    base: datetime, update: timedelta, wait: timedelta
) -> None:
    delay, reason = _next(hints=model.Hints(update=update, update_base=base))

    assert wait <= delay <= wait + 6 * MINUTE
    assert f"its next update is at {make.NOW + wait:%a %H:%M} UTC (sy:updateBase)" in reason


def test_an_update_that_is_further_ahead_than_polls_may_be_does_not_count() -> None:
    delay, reason = _next(hints=model.Hints(update=7 * DAY, update_base=make.NOW + 3 * DAY))

    assert _about(delay, DAY)
    assert "updateBase" not in reason


def test_an_interval_of_its_own_is_bounded_by_the_publisher_too() -> None:
    assert _about(_next(limited(30 * MINUTE, fixed=True), fresh_for=2 * HOUR)[0], 2 * HOUR)


def test_a_document_that_is_nearly_overrun_halves_the_interval() -> None:
    delay, reason = _next(gap=84 * MINUTE, overlap=0.2)

    assert _about(delay, 21 * MINUTE)
    assert reason == "every 21 min: half its usual gap of 84 min, halved, for only 20 % of its entries were known"
    assert _about(_next(gap=84 * MINUTE, overlap=0.5)[0], 42 * MINUTE)
    assert _about(_next(gap=8 * MINUTE, overlap=0.0)[0], 5 * MINUTE)


def test_where_entries_are_being_lost_wishes_do_not_hold_it_back_but_max_age_does() -> None:
    hints = model.Hints(ttl=6 * HOUR, update=DAY, skip_hours=tuple(range(24)), skip_days=(4,))

    assert _about(_next(gap=84 * MINUTE, overlap=0.2, hints=hints)[0], 21 * MINUTE)
    assert _about(_next(gap=84 * MINUTE, overlap=0.2, hints=hints, fresh_for=2 * HOUR)[0], 2 * HOUR)


# NOW is Friday, 2025-09-19 00:00 UTC.
@pytest.mark.parametrize(
    ("hints", "now", "first"),
    [
        (model.Hints(skip_hours=tuple(range(8))), make.NOW, make.NOW + 8 * HOUR),
        (model.Hints(skip_hours=tuple(range(8)), skip_days=(6,)), make.NOW + 47 * HOUR, make.NOW + (3 * 24 + 8) * HOUR),
        (model.Hints(skip_days=(4, 5, 6)), make.NOW, make.NOW + 3 * DAY),
    ],
)
def test_skipped_hours_and_days_put_it_off_to_the_first_permitted_hour(
    hints: model.Hints, now: datetime, first: datetime
) -> None:
    due = cadence.after_success(make.source(), now=now, limits=LIMITS, hints=hints)

    assert first <= due.at <= first + 6 * MINUTE
    assert due.reason == f"every 1 h, as configured; put off to {due.at:%a %H:%M} UTC (skipHours, skipDays)"


@pytest.mark.parametrize(
    "hints",
    [
        model.Hints(skip_hours=(5, 6)),
        model.Hints(skip_hours=tuple(range(24))),
        model.Hints(skip_days=tuple(range(7))),
        model.Hints(skip_days=(0, 1, 2, 4, 5, 6)),
    ],
)
def test_what_skips_nothing_now_or_everything_changes_nothing(hints: model.Hints) -> None:
    assert _next(hints=hints) == _next()


asked = st.builds(
    model.Hints,
    ttl=st.none() | spans,
    update=st.none() | spans,
    skip_hours=st.lists(st.integers(0, 23)).map(tuple),
    skip_days=st.lists(st.integers(0, 6)).map(tuple),
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    limits=bounds, now=moments, hints=asked, fresh_for=st.none() | spans, gap=st.none() | spans,
    last_new_at=st.none() | moments, overlap=st.none() | st.floats(0, 1),
)  # fmt: skip
def test_the_next_poll_is_never_at_once_and_never_too_far_ahead(
    limits: cadence.Limits, now: datetime, fresh_for: timedelta | None, **known: Any
) -> None:
    due = cadence.after_success(make.source(), now=now, limits=limits, fresh_for=fresh_for, **known)

    wanted = max(limits.min_interval, min(fresh_for or timedelta(0), limits.max_interval), SECOND)
    assert now + wanted <= due.at <= now + max(limits.max_interval, SECOND) * 1.1 + 3 * DAY + 7 * MINUTE
    assert due.reason.startswith("every ")


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(st.datetimes(timezones=st.just(UTC)) | moments), moments)
def test_a_gap_is_never_negative_or_nothing(times: list[datetime], now: datetime) -> None:
    gap = cadence.usual_gap(times, now=now)

    assert gap is None or gap > timedelta(0)


words = st.text(max_size=30) | st.sampled_from(
    ["max-age=", "9", ",", "no-cache", "Mon, 01 Sep 2025 08:00:00 +9999", "0"]
)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.sampled_from(["cache-control", "age", "expires", "date"]), st.lists(words).map("".join)), moments
)
def test_no_header_makes_an_answer_stale_beforehand_or_fresh_for_ever(headers: dict[str, str], now: datetime) -> None:
    fresh = cadence.fresh_for(headers, now=now)

    assert fresh is None or timedelta(0) <= fresh <= 3650 * DAY


# ---------------------------------------------------------------------------------------------------- told


@pytest.mark.parametrize(
    ("delay", "said"),
    [
        (45 * timedelta(seconds=1), "45 s"),
        (42 * MINUTE, "42 min"),
        (HOUR, "1 h"),
        (84 * MINUTE, "84 min"),
        (3 * HOUR, "3 h"),
        (3.5 * HOUR, "3 h 30 min"),
        (2 * DAY, "2 d"),
    ],
)
def test_durations_are_told_as_people_say_them(delay: timedelta, said: str) -> None:
    assert cadence.words(delay) == said
