"""When next, and why."""

from datetime import UTC, datetime, timedelta

import pytest

from aggregator import cadence, model
from tests import make

LIMITS = cadence.Limits(
    interval=timedelta(minutes=30), min_interval=timedelta(minutes=5), max_interval=timedelta(hours=24)
)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_a_source_that_answers_is_polled_at_its_interval_with_a_little_spread() -> None:
    due = [cadence.after_success(make.source(n), now=make.NOW, limits=LIMITS) for n in range(1, 50)]

    assert all(30 * MINUTE <= one.at - make.NOW <= 33 * MINUTE for one in due)
    assert len({one.at for one in due}) > 20
    assert due[0].reason == "every 30 min, as configured"


def test_the_limits_bound_the_interval() -> None:
    hasty = cadence.Limits(interval=timedelta(seconds=1), min_interval=5 * MINUTE, max_interval=DAY)

    assert cadence.after_success(make.source(), now=make.NOW, limits=hasty).at - make.NOW >= 5 * MINUTE


def test_failures_wait_longer_each_time_and_never_for_ever() -> None:
    waits = [
        cadence.after_failure(make.source(), failures=failures, now=make.NOW, limits=LIMITS).at - make.NOW
        for failures in (0.25, 1, 5, 20, 1000)
    ]

    assert waits == sorted(waits)
    assert waits[-1] <= 1.1 * DAY


def test_a_server_that_says_when_is_not_asked_before() -> None:
    wanted = make.NOW + 7 * HOUR

    due = cadence.after_failure(make.source(), failures=0.5, now=make.NOW, limits=LIMITS, retry_after=wanted)

    assert due == model.Due(at=wanted, reason="in 7 h: the server asked for it (Retry-After)")


@pytest.mark.parametrize(
    ("code", "weight"),
    [
        ("http_404", 0.5),
        ("http_503", 0.5),
        ("timeout", 0.5),
        ("tls_expired", 0.5),
        ("dns", 0.25),
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
        (3 * HOUR, "3 h"),
        (3.5 * HOUR, "3 h 30 min"),
        (2 * DAY, "2 d"),
    ],
)
def test_durations_are_told_as_people_say_them(delay: timedelta, said: str) -> None:
    assert cadence.words(delay) == said
