"""When next, and why."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator import cadence, config, model, reading
from tests import make

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIMITS = cadence.Limits(interval=HOUR, min_interval=5 * MINUTE, max_interval=DAY)


def _limits(interval: timedelta, fixed: bool = False) -> cadence.Limits:
    return cadence.Limits(interval=interval, min_interval=5 * MINUTE, max_interval=DAY, fixed=fixed)


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
    limits = _limits(interval)

    due = Counter(cadence.after_success(make.source(n), now=make.NOW, limits=limits).at for n in range(1000))

    assert max(due.values()) <= 20


def test_the_limits_bound_the_interval() -> None:
    assert _about(_next(_limits(SECOND))[0], 5 * MINUTE)
    assert _about(_next(_limits(100 * DAY))[0], DAY)
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
    delay, reason = _next(_limits(30 * MINUTE, fixed=True), gap=8 * DAY, last_new_at=make.NOW - 50 * DAY, overlap=0)

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
    assert _about(_next(_limits(30 * MINUTE, fixed=True), fresh_for=2 * HOUR)[0], 2 * HOUR)


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


spans = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000))
moments = st.timedeltas(timedelta(0), 40_000 * DAY).map(lambda since: datetime(1990, 1, 1, tzinfo=UTC) + since)
asked = st.builds(
    model.Hints,
    ttl=st.none() | spans,
    update=st.none() | spans,
    skip_hours=st.lists(st.integers(0, 23)).map(tuple),
    skip_days=st.lists(st.integers(0, 6)).map(tuple),
)
bounds = st.builds(
    lambda least, normal, most, fixed: cadence.Limits(
        interval=normal, min_interval=least, max_interval=max(least, most), fixed=fixed
    ),
    *[st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))] * 3,
    st.booleans(),
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


# ---------------------------------------------------------------------------------------------------- it failed


def _waits(
    code: str, count: int, source: model.Source | None = None, limits: cadence.Limits = LIMITS
) -> list[timedelta]:
    """How long it is left alone after each of `count` failures in a row."""
    now, waits = make.NOW, []
    for n in range(1, count + 1):
        failures = n * cadence.weight(code)
        due = cadence.after_failure(source or make.source(), failures=failures, now=now, limits=limits, code=code)
        waits.append(due.at - now)
        now = due.at
    return waits


@pytest.mark.parametrize("code", ["http_500", "dns", "html", "http_429", "http_403", "robots"])
@pytest.mark.parametrize("source_id", [1, 2, 3])
def test_failures_wait_longer_each_time_up_to_a_week_and_never_for_ever(code: str, source_id: int) -> None:
    waits = _waits(code, 200, make.source(source_id))

    growing = waits[: waits.index(waits[-1]) + 1]
    assert all(earlier < later for earlier, later in pairwise(growing))
    assert 7 * DAY <= waits[-1] <= 7.7 * DAY
    assert waits[-50:] == waits[-1:] * 50


def test_a_server_that_was_down_for_a_weekend_is_back_within_hours() -> None:
    down, waits = timedelta(0), _waits("timeout", 100)
    while down < 60 * HOUR:
        last = waits.pop(0)
        down += last

    assert last < 9 * HOUR


@pytest.mark.parametrize(("code", "most"), [("dns", 115), ("http_404", 85), ("html", 70)])
def test_a_dead_source_costs_a_poll_or_two_a_week(code: str, most: int) -> None:
    assert sum(_waits(code, most), timedelta(0)) > 365 * DAY


def test_any_count_of_failures_can_be_waited_for() -> None:
    for failures in (0.0, 0.25, 1e3, 1e300, float("inf")):
        due = cadence.after_failure(make.source(), failures=failures, now=make.NOW, limits=LIMITS)
        assert HOUR <= due.at - make.NOW <= 7.7 * DAY


def test_the_wait_is_told() -> None:
    def told(failures: float, code: str = "") -> str:
        return cadence.after_failure(make.source(), failures=failures, now=make.NOW, limits=LIMITS, code=code).reason

    assert told(4.5) == "in 3 h 15 min: 1 h, and 30 % more for every failure (4.5 so far)"
    assert told(1, "http_403") == "in 5 h 12 min: 4 h, for a refusal, and 30 % more for every failure (1 so far)"
    assert told(40) == "in 7 d: the longest wait (40 so far)"


def test_too_many_requests_is_an_hour_at_least_and_a_refusal_four_intervals() -> None:
    fast = make.source(learned_gap=10 * MINUTE)

    assert _waits("http_429", 1, fast, _limits(5 * MINUTE))[0] > HOUR
    for code in ("http_401", "http_403", "http_451", "robots"):
        assert _waits(code, 1)[0] > 4 * HOUR


def test_a_fast_source_is_tried_again_at_its_own_pace() -> None:
    fast = make.source(learned_gap=20 * MINUTE)

    assert 10 * MINUTE < _waits("timeout", 1, fast)[0] < 13 * MINUTE
    assert _waits("timeout", 1, fast, _limits(HOUR, fixed=True))[0] > HOUR
    assert _waits("timeout", 1, make.source(learned_gap=20 * DAY)) == _waits("timeout", 1)


def test_a_server_that_says_when_is_not_asked_before() -> None:
    wanted = make.NOW + 7 * HOUR

    due = cadence.after_failure(make.source(), failures=0.5, now=make.NOW, limits=LIMITS, retry_after=wanted)

    assert due == model.Due(at=wanted, reason="in 7 h: the server asked for it (Retry-After)")


def test_a_server_that_wants_to_be_asked_sooner_has_to_wait() -> None:
    soon = make.NOW + MINUTE

    due = cadence.after_failure(make.source(), failures=0.5, now=make.NOW, limits=LIMITS, retry_after=soon)

    assert due.at > make.NOW + HOUR


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    failures=st.floats(0, 1e9), now=moments, limits=bounds, gap=st.none() | spans,
    code=st.sampled_from(["", "timeout", "http_429", "http_403", "dns"]),
)  # fmt: skip
def test_the_next_try_is_never_at_once_and_never_beyond_the_ceiling(
    failures: float, now: datetime, limits: cadence.Limits, gap: timedelta | None, code: str
) -> None:
    due = cadence.after_failure(make.source(learned_gap=gap), failures=failures, now=now, limits=limits, code=code)

    assert now + SECOND <= due.at <= now + max(7 * DAY, limits.max_interval * 4, SECOND * 4) * 1.1 + SECOND


@pytest.mark.parametrize(
    ("code", "weight"),
    [
        ("http_404", 0.5),
        ("http_503", 0.5),
        ("timeout", 0.5),
        ("tls_expired", 0.5),
        ("http_429", 0.5),
        ("reset", 0.5),
        ("connect", 0.5),
        ("damaged", 0.5),
        ("dns", 0.25),
        ("proxy", 0.25),
        ("proxy_auth", 0.25),
        ("proxy_refused", 0.25),
        ("proxy_gateway", 0.5),
        ("not_a_feed", 1),
        ("http_403", 1),
    ],
)
def test_failures_weigh_by_whose_fault_they_are(code: str, weight: float) -> None:
    assert cadence.weight(code) == weight


def test_a_page_that_fails_is_tried_ten_times_over_about_a_day() -> None:
    now, waits = make.NOW, []
    for attempts in range(1, 11):
        due = cadence.next_try("timeout", attempts=attempts, item_id=1, now=now)
        if due is None:
            break
        waits.append(due.at - now)
        now = due.at

    assert len(waits) == 9
    assert 20 * HOUR < now - make.NOW < 30 * HOUR
    assert waits[0] < 4 * MINUTE


def test_a_missing_page_is_asked_for_once_more_and_a_refusal_more_slowly() -> None:
    assert cadence.next_try("http_404", attempts=1, item_id=1, now=make.NOW) is not None
    assert cadence.next_try("http_404", attempts=2, item_id=1, now=make.NOW) is None
    refused = cadence.next_try("http_403", attempts=1, item_id=1, now=make.NOW)
    assert refused is not None
    assert refused.at - make.NOW >= HOUR


def test_what_no_later_try_can_change_is_not_tried_again() -> None:
    assert cadence.next_try("too_large", attempts=1, item_id=1, now=make.NOW) is None
    assert cadence.next_try("robots", attempts=1, item_id=1, now=make.NOW) is None


def test_retry_after_counts_for_pages_too() -> None:
    wanted = make.NOW + 5 * HOUR

    due = cadence.next_try("http_429", attempts=1, item_id=1, now=make.NOW, retry_after=wanted)

    assert due is not None
    assert due.at == wanted


def _item(published_at: datetime | None, first_seen_at: datetime = make.NOW) -> model.Item:
    return model.Item(
        id=1,
        url="u",
        title="t",
        source_id=1,
        source="s",
        state="ok",
        first_seen_at=first_seen_at,
        published_at=published_at,
    )


@pytest.mark.parametrize(
    ("age", "ahead"),
    [(timedelta(0), HOUR), (2 * HOUR, 22 * HOUR), (2 * DAY, 5 * DAY), (8 * DAY, None)],
)
def test_pages_are_visited_again_an_hour_a_day_and_a_week_after_publication(
    age: timedelta, ahead: timedelta | None
) -> None:
    due = cadence.revisit(_item(make.NOW - age), now=make.NOW, after=(HOUR, DAY, 7 * DAY))

    assert (due.at - make.NOW if due else None) == ahead


def test_an_item_dated_in_the_future_is_revisited_by_when_it_was_seen() -> None:
    due = cadence.revisit(_item(datetime(2099, 1, 1, tzinfo=UTC)), now=make.NOW, after=(HOUR,))

    assert due is not None
    assert due.at == make.NOW + HOUR


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
