"""What documents ask of those who poll them, and where they are pushed from."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator import model
from aggregator.feed import hints
from tests import feeds

SPACES = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/" xmlns:atom="http://www.w3.org/2005/Atom"'
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _read(channel: str, after: str = "") -> model.ParsedFeed:
    """An RSS feed with `channel` before its item and `after` behind it."""
    item = feeds.ITEM.format(1)
    return feeds.read(f'<rss version="2.0" {SPACES}><channel><title>T</title>{channel}{item}{after}</channel></rss>')


def _asked(channel: str, after: str = "") -> model.Hints:
    return _read(channel, after).hints


def test_a_feed_that_asks_for_nothing_has_no_hints() -> None:
    feed = _read("")

    assert (feed.hints, feed.hubs, feed.self_url) == (model.Hints(), (), None)


@pytest.mark.parametrize(
    ("said", "ttl"),
    [
        ("120", 120 * MINUTE),
        (" 60\n", HOUR),
        ("0", None),
        ("-5", None),
        ("an hour", None),
        ("1.5", None),
        ("١٢", None),
        ("", None),
        ("525600", 365 * DAY),
        ("999999999999", 365 * DAY),
        ("9" * 10_000, 365 * DAY),
    ],
)
def test_ttl_is_in_minutes_and_at_most_a_year(said: str, ttl: timedelta | None) -> None:
    assert _asked(f"<ttl>{said}</ttl>").ttl == ttl


@pytest.mark.parametrize(
    ("period", "frequency", "update"),
    [
        ("hourly", "1", HOUR),
        ("\n\thourly\t", " 1 ", HOUR),
        ("daily", "2", 12 * HOUR),
        ("Weekly", "", 7 * DAY),
        ("hourly", "100", 36 * timedelta(seconds=1)),
        ("hourly", "9" * 5_000, timedelta(seconds=1)),
        ("daily", "0", None),
        ("daily", "-1", None),
        ("daily", "often", None),
        ("fortnightly", "1", None),
        ("", "2", None),
    ],
)
def test_the_update_period_is_divided_by_its_frequency(period: str, frequency: str, update: timedelta | None) -> None:
    said = f"<sy:updatePeriod>{period}</sy:updatePeriod><sy:updateFrequency>{frequency}</sy:updateFrequency>"

    assert _asked(said).update == update


def test_the_update_base_is_a_date_and_needs_a_period() -> None:
    base, period = "<sy:updateBase>2000-01-01T12:00+00:00</sy:updateBase>", "<sy:updatePeriod>daily</sy:updatePeriod>"

    assert _asked(period + base).update_base == datetime(2000, 1, 1, 12, tzinfo=UTC)
    assert _asked(period + "<sy:updateBase>soon</sy:updateBase>").update_base is None
    assert _asked(base).update_base is None


# ---------------------------------------------------------------------------------------------------- hours and days


def _skips(hours: str = "", days: str = "") -> str:
    return f"<skipHours>{hours}</skipHours><skipDays>{days}</skipDays>"


def test_hours_and_days_to_skip_are_all_read() -> None:
    asked = _asked(_skips("<hour>1</hour><hour> 23 </hour><hour>24</hour>", "<day>Sunday</day><day> monday </day>"))

    assert (asked.skip_hours, asked.skip_days) == ((0, 1, 23), (0, 6))


def test_slashdots_names_for_them_are_read_and_they_may_stand_behind_the_items() -> None:
    asked = _asked("", "<SKIPHOURS><hours>3</hours></SKIPHOURS><skipdays><day>Friday</day></skipdays>")

    assert (asked.skip_hours, asked.skip_days) == ((3,), (4,))


@pytest.mark.parametrize(
    "elsewhere",
    [
        f"<description><![CDATA[{_skips('<hour>1</hour>')}]]></description>",
        f"<!-- {_skips('<hour>1</hour>')} -->",
        f"<item>{_skips('<hour>1</hour>')}</item>",
        f"<image>{_skips('<hour>1</hour>')}</image>",
        "<hour>1</hour><skipHours/>",
    ],
)
def test_what_looks_like_them_elsewhere_is_somebodys_text(elsewhere: str) -> None:
    assert _asked(elsewhere).skip_hours == ()


def test_hours_and_days_that_do_not_exist_are_ignored() -> None:
    hours = "".join(f"<hour>{said}</hour>" for said in ("25", "-1", "noon", "", "1.5", "9" * 50_000, "<b>7</b>", "5"))

    asked = _asked(_skips(hours, "<day>Someday</day><day/><day>Saturday</day>"))

    assert (asked.skip_hours, asked.skip_days) == ((5,), (5,))


def test_a_million_hours_are_read_in_no_time() -> None:
    body = f"<rss><channel>{_skips('<hour>4</hour>' * 1_000_000)}</channel></rss>".encode()

    assert hints.read(dict.fromkeys(hints.TOLD, ""), body, now=feeds.NOW).skip_hours == (4,)


def test_a_document_that_breaks_off_keeps_what_came_before() -> None:
    body = b"<rss><channel><skipHours><hour>4</hour><hour>5</hour><hour>6&"

    assert hints.read(dict.fromkeys(hints.TOLD, ""), body, now=feeds.NOW).skip_hours == (4, 5)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=40), min_size=4, max_size=4), st.binary(max_size=200))
def test_nothing_makes_it_fail(said: list[str], tail: bytes) -> None:
    document = b"<rss><channel><skipHours><hour>" + tail

    asked = hints.read(dict(zip(hints.TOLD, said, strict=True)), document, now=feeds.NOW)

    assert asked.ttl is None or timedelta(0) < asked.ttl <= 365 * DAY
    assert asked.update is None or timedelta(0) < asked.update <= 365 * DAY
    assert set(asked.skip_hours) <= set(range(24))


# ---------------------------------------------------------------------------------------------------- WebSub


def test_hubs_and_the_topic_are_read_from_rss() -> None:
    feed = _read(
        '<atom:link rel="hub" href="https://hub.example/"/><atom:link rel="self" href="https://feed.example/f"/>'
    )

    assert (feed.hubs, feed.self_url) == (("https://hub.example/",), "https://feed.example/f")


def test_hubs_and_the_topic_are_read_from_atom_relative_to_their_base() -> None:
    feed = feeds.read(
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://a.example/b/"><title>T</title>'
        '<link rel="self" href="f.atom"/><link rel="HUB" href="//hub.example"/></feed>'
    )

    assert (feed.hubs, feed.self_url) == (("https://hub.example",), "https://a.example/b/f.atom")


def test_the_links_of_an_entry_are_not_the_feeds() -> None:
    feed = _read('<item><atom:link rel="hub" href="https://hub.example/"/></item>')

    assert feed.hubs == ()


def test_hubs_are_addresses_of_the_web_once_each_and_five_at_most() -> None:
    links = [("hub", f"https://hub{n // 2}.example/") for n in range(40)]
    bad = [("hub", said) for said in ("ftp://a.example/", "javascript:x", "", "http://", "https://[", "data:,x")]

    assert hints.websub([*bad, *links], feeds.URL)[0] == tuple(f"https://hub{n}.example/" for n in range(5))


def test_a_link_may_be_hub_and_topic_at_once_and_the_first_topic_counts() -> None:
    links = [("hub self", "https://a.example/"), ("self", "https://b.example/"), ("selfish", "https://c.example/")]

    assert hints.websub(links, feeds.URL) == (("https://a.example/",), "https://a.example/")


def test_json_feeds_name_their_hubs_and_their_own_address() -> None:
    told = {
        "version": "https://jsonfeed.org/version/1.1",
        "feed_url": "/feed.json",
        "hubs": [
            {"type": "rssCloud", "url": "https://cloud.example/"},
            {"type": "WebSub", "url": "https://hub.example/"},
            {"type": "websub", "url": None},
            {"url": "https://untold.example/"},
            "https://word.example/",
        ],
        "items": [],
    }

    feed = feeds.read(json.dumps(told))

    assert (feed.hubs, feed.self_url) == (("https://hub.example/",), "https://feed.example/feed.json")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("ttl0", model.Hints()),
        ("ttl120", model.Hints(ttl=120 * MINUTE)),
        ("ttl_huge", model.Hints(ttl=365 * DAY)),
        ("skiphours", model.Hints(skip_hours=tuple(range(8)), skip_days=(6,))),
        ("sy_daily", model.Hints(update=12 * HOUR)),
    ],
)
def test_the_recorded_cases_int_05_to_08(shared: Path, name: str, asked: model.Hints) -> None:
    assert feeds.read((shared / "corpus" / "http" / "bodies" / f"{name}.xml").read_bytes()).hints == asked
