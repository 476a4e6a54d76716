"""When a source or a page that failed is asked again, and a good page visited again."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator import cadence, model
from tests import make
from tests.rhythm import DAY, HOUR, LIMITS, MINUTE, SECOND, bounds, limited, moments, spans

# ---------------------------------------------------------------------------------------------------- sources


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

    assert _waits("http_429", 1, fast, limited(5 * MINUTE))[0] > HOUR
    for code in ("http_401", "http_403", "http_451", "robots"):
        assert _waits(code, 1)[0] > 4 * HOUR


def test_a_fast_source_is_tried_again_at_its_own_pace() -> None:
    fast = make.source(learned_gap=20 * MINUTE)

    assert 10 * MINUTE < _waits("timeout", 1, fast)[0] < 13 * MINUTE
    assert _waits("timeout", 1, fast, limited(HOUR, fixed=True))[0] > HOUR
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


# ---------------------------------------------------------------------------------------------------- pages


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
