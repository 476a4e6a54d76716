"""Dates as feeds publish them, and which of them is believed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feed import dates

NOW = datetime(2025, 9, 19, tzinfo=UTC)
# hypothesis wants them naive.
EARLIEST, LATEST = (at.replace(tzinfo=None) for at in (dates.EARLIEST, NOW))
MORNING = datetime(2025, 9, 18, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Thu, 18 Sep 2025 08:30:00 GMT",
        "Thu, 18 Sep 2025 10:30:00 +0200",
        "Thu, 18 Sep 2025 10:30:00 +02:00 (CEST)",
        "Thu, 18 Sep 2025 10:30:00 GMT+0200",
        "Thu, 18 Sep 25 04:30 EDT",
        "18 Sep 2025 08:30",
        "Thursday, 18-Sep-25 08:30:00 GMT",
        "Thu Sep 18 08:30:00 2025",
        "Thu Sep 18 10:30:00 CEST 2025",
        "September 18th, 2025 8:30 am",
        "Sept. 18, 2025 1:30 AM PDT",
        "2025-09-18T08:30:00Z",
        "2025-09-18T08:30:0Z",
        "2025-09-18T08:30Z",
        "2025-09-18T10:30:00.987654321+02:00",
        "2025-09-18t08:30:00,5z",
        "2025-09-18 08:30:00",
        "2025-09-18 08:30:00 +0000 UTC",
        "20250918T083000Z",
        "2025/09/18 08:30",
        "18.09.2025 10:30 CEST",
        "18/09/2025 08:30",
        "09/18/2025 08:30",
        "1758184200",
        "1758184200000",
        "Do, 18 Sep 2025 10:30:00 +0200",
        "mar. 18 septembre 2025 10:30:00 +0200",
        "jue, 18 sept 2025 08:30:00 GMT",
        "18 wrz 2025 10:30 +0200",
        "Чт, 18 сентября 2025 11:30:00 +0300",
        "Πεμ, 18 Σεπ 2025 11:30:00 +0300",
        "2025-szeptember-18T10:30+02:00",
        "2025년 9월 18일 17:30:00",
        "2025-09-18 오후 5:30:00",
        "2025年9月18日 08:30",
    ],
)
def test_a_date_in_any_common_form_names_the_same_moment(text: str) -> None:
    assert dates.parse(text) == MORNING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-09-18", datetime(2025, 9, 18, tzinfo=UTC)),
        ("18 août 2025", datetime(2025, 8, 18, tzinfo=UTC)),
        ("2025-09", datetime(2025, 9, 1, tzinfo=UTC)),
        ("2025", datetime(2025, 1, 1, tzinfo=UTC)),
        ("12:00 am, 18 May 2025", datetime(2025, 5, 18, tzinfo=UTC)),
        ("12:30 p.m. 18 May 2025", datetime(2025, 5, 18, 12, 30, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2025-01-01T00:30:00+05:30", datetime(2024, 12, 31, 19, 0, tzinfo=UTC)),
    ],
)
def test_what_a_date_leaves_out_is_the_start_of_it(text: str, expected: datetime) -> None:
    assert dates.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "0000-00-00 00:00:00",
        "2025-02-30",
        "2025-09-18T25:00:00Z",
        "Sun, 99 Jun 2009 12:00:00 GMT",
        "Sun, 16 Dec 2012 11:47:32 +00:zz",
        "9999-12-31T23:59:59-99:99",
        "0001-01-01T00:00:00+14:00",
        "09/10/2025",
        "03-12-31",
        "2025-09-18T08:30:00ZZZZZZ",
        "1 2 3 May",
        "18 Sep 2025 " + "x" * 200,
    ],
)
def test_what_names_no_moment_for_certain_is_not_guessed(text: str) -> None:
    assert dates.parse(text) is None


def test_the_publication_date_is_preferred_then_the_creation_then_the_update() -> None:
    one, two, three = "2025-09-01", "2025-09-02", "2025-09-03"

    assert dates.best(one, two, three, now=NOW)[:3] == (datetime(2025, 9, 1, tzinfo=UTC), one, "published")
    assert dates.best("", two, three, now=NOW)[:3] == (datetime(2025, 9, 3, tzinfo=UTC), three, "published")
    assert dates.best(None, two, None, now=NOW)[:3] == (datetime(2025, 9, 2, tzinfo=UTC), two, "updated")
    assert dates.best(None, now=NOW)[:3] == (None, None, None)


@pytest.mark.parametrize("bad", ["1969-12-31T23:59:59Z", "1989-12-31", "2025-09-20T00:00:01Z", "2036-01-01", "soon"])
def test_an_implausible_date_is_kept_in_words_and_not_believed(bad: str) -> None:
    assert dates.best(bad, now=NOW)[:3] == (None, bad, None)
    assert dates.best(bad, "2025-09-02", now=NOW)[:3] == (datetime(2025, 9, 2, tzinfo=UTC), "2025-09-02", "updated")


def test_a_date_to_come_is_not_believed_and_the_next_best_is() -> None:
    ahead, now = (NOW + timedelta(minutes=1)).isoformat(), NOW.isoformat()

    assert dates.best(ahead, now=NOW) == (None, ahead, None, None, None)
    assert dates.best(ahead, now, now=NOW) == (NOW, now, "updated", NOW, now)
    assert dates.best(now, ahead, now=NOW) == (NOW, now, "published", None, ahead)


def test_the_last_update_is_kept_beside_the_date_of_publication() -> None:
    first, last = "2025-09-01", "2025-09-02"

    assert dates.best(first, last, now=NOW)[3:] == (datetime(2025, 9, 2, tzinfo=UTC), last)
    assert dates.best(first, "lately", now=NOW)[3:] == (None, "lately")


def test_the_words_are_tidied_and_bounded() -> None:
    assert dates.best(" 18 Sep\n 2025\0 ", now=NOW)[1] == "18 Sep 2025"
    assert dates.best("x" * 300, now=NOW)[:3] == (None, "x" * 200, None)


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[0-9A-Za-z:+,./ -]{0,40}", fullmatch=True)))
def test_no_text_breaks_it(text: str) -> None:
    at = dates.parse(text)

    assert at is None or (at.utcoffset() == timedelta(0) and at.microsecond == 0)


@given(st.datetimes(min_value=EARLIEST, max_value=LATEST), st.integers(-14 * 60, 14 * 60))
def test_every_moment_survives_being_written_with_any_offset(moment: datetime, minutes: int) -> None:
    at = moment.replace(microsecond=0, tzinfo=UTC)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    local = at + timedelta(minutes=minutes)

    assert dates.parse(f"{local:%a, %d %b %Y %H:%M:%S} {sign}{hours:02}{rest:02}") == at
    assert dates.parse(f"{local:%Y-%m-%dT%H:%M:%S}{sign}{hours:02}:{rest:02}") == at
