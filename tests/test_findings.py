"""What follows from what a live check met: the verdict, and advice in the right order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator import findings, model
from aggregator.diagnosis import Access, Conditional, Document, Met, Pages, Step, Tls, Verdict
from tests import feeds

NOW = datetime(2025, 9, 19, tzinfo=UTC)
URL = "https://feed.example/feed.xml"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GOOD = Document(
    kind="RSS 2.0", entries=10, with_guid=10, with_date=10, with_link=10, pages=10, words=50, newest_at=NOW - HOUR
)
STEP = Step(url=URL, status=200, took=timedelta(seconds=1), wire_bytes=1_000, bytes=5_000)


def met(**changes: Any) -> Met:
    """A source that is perfectly well, but for `changes`."""
    well = Met(
        name="One",
        url=URL,
        at=NOW,
        steps=(STEP,),
        permanent_url=URL,
        conditional=Conditional.WORKS,
        interval=HOUR,
        largest=1_000_000,
        document=GOOD,
        pages=Pages(url="https://feed.example/1", access=Access.ALLOWED),
    )
    return replace(well, **changes)


def told(**changes: Any) -> list[tuple[str, Verdict]]:
    return [(one.code, one.weight) for one in findings.diagnose(met(**changes)).advice]


def said(**changes: Any) -> str:
    (only,) = findings.diagnose(met(**changes)).advice
    return only.text


def failing(code: str, text: str = "what happened", **changes: Any) -> dict[str, Any]:
    nothing = {"document": None, "pages": None, "conditional": None, "permanent_url": None}
    return nothing | {"error_code": code, "error": text} | changes


def secured(since: timedelta, until: timedelta) -> Step:
    tls = Tls(version="TLSv1.3", issuer="Authority", since=NOW - since, until=NOW + until)
    return replace(STEP, tls=tls)


def test_a_source_without_a_fault_is_well_and_needs_no_advice() -> None:
    found = findings.diagnose(met())

    assert (found.verdict, found.advice) == (Verdict.WELL, ())


@pytest.mark.parametrize(
    ("changes", "code", "weight"),
    [
        ({"permanent_url": "https://new.example/feed"}, "moved", Verdict.WARNING),
        ({"secure": True}, "https", Verdict.WELL),
        ({"document": replace(GOOD, entries=0)}, "no_entries", Verdict.WARNING),
        ({"document": replace(GOOD, newest_at=NOW - 200 * DAY)}, "silent", Verdict.WARNING),
        ({"document": replace(GOOD, with_link=9)}, "no_links", Verdict.WELL),
        ({"document": replace(GOOD, with_link=0)}, "no_links", Verdict.WARNING),
        ({"document": replace(GOOD, with_date=0, newest_at=None)}, "no_dates", Verdict.WELL),
        ({"document": replace(GOOD, with_guid=0)}, "no_guids", Verdict.WELL),
        ({"largest": 6_000}, "nearly_too_large", Verdict.WARNING),
        ({"conditional": Conditional.IGNORED}, "validators_ignored", Verdict.WELL),
        (
            {"conditional": Conditional.IGNORED, "steps": (replace(STEP, wire_bytes=200_000),)},
            "validators_ignored",
            Verdict.WARNING,
        ),
        ({"conditional": Conditional.ABSENT}, "no_validators", Verdict.WELL),
        ({"conditional": Conditional.FAILED, "conditional_said": "HTTP 500"}, "conditional_failed", Verdict.WARNING),
        ({"fresh_for": 6 * HOUR}, "interval", Verdict.WELL),
        ({"document": replace(GOOD, hints=model.Hints(ttl=2 * HOUR))}, "interval", Verdict.WELL),
        ({"fresh_for": 6 * HOUR, "own_interval": True}, "interval", Verdict.WARNING),
        ({"skew": timedelta(minutes=-6)}, "clock", Verdict.WELL),
        ({"steps": (replace(STEP, took=timedelta(seconds=11)),)}, "slow", Verdict.WELL),
        ({"steps": (secured(since=76 * DAY, until=13 * DAY),)}, "certificate", Verdict.WARNING),
        ({"steps": (STEP, replace(STEP, url="http://feed.example/feed.xml"))}, "insecure_redirect", Verdict.WARNING),
    ],
)
def test_each_finding_has_its_weight(changes: dict[str, Any], code: str, weight: Verdict) -> None:
    assert told(**changes) == [(code, weight)]


@pytest.mark.parametrize(
    "changes",
    [
        {"fresh_for": HOUR},
        {"skew": timedelta(minutes=5)},
        {"document": replace(GOOD, newest_at=NOW - 180 * DAY)},
        {"conditional": Conditional.CHANGED},
        {"secure": False},
        {"steps": (secured(since=75 * DAY, until=15 * DAY),)},
        # Of those that live for six days half is left.
        {"steps": (secured(since=3 * DAY, until=3 * DAY),)},
        {"pages": Pages(url=URL, access=Access.ALLOWED, crawl_delay=9)},
    ],
)
def test_what_is_within_bounds_is_not_spoken_of(changes: dict[str, Any]) -> None:
    assert told(**changes) == []


def test_what_weighs_most_comes_first() -> None:
    found = findings.diagnose(
        met(secure=True, permanent_url="https://new.example/feed", conditional=Conditional.ABSENT)
    )

    assert [one.code for one in found.advice] == ["moved", "https", "no_validators"]
    assert found.verdict is Verdict.WARNING


def test_a_move_names_the_new_url_or_the_source_that_has_it_already() -> None:
    to = "https://new.example/feed"

    assert said(permanent_url=to) == f"has moved for good: change the url to {to}"
    assert said(permanent_url=to, taken_by="Two") == (
        f"has moved for good to {to}, which is polled already as 'Two': remove one of the two"
    )


# -------------------------------------------------------------------------------------------------------- it failed


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("http_403", "the server refuses us"),
        ("http_404", "change the url"),
        ("gone", "gone since 2025-09-19: "),
        ("tls_expired", "the publisher must renew it"),
        ("address", "http.allow_networks"),
        ("dns", "check the spelling"),
        ("timeout", "mostly this passes"),
        ("http_503", "mostly this passes"),
        ("entities", "the publisher should know"),
    ],
)
def test_a_failure_comes_with_what_can_be_done_about_it(code: str, words: str) -> None:
    found = findings.diagnose(met(**failing(code)))

    assert found.verdict is Verdict.FAILED
    assert words in found.advice[0].text


def test_the_feed_that_a_page_names_comes_before_all_else() -> None:
    found = findings.diagnose(met(**failing("html", named=("https://feed.example/rss",))))

    assert [one.code for one in found.advice] == ["named_feed", "html"]
    assert found.advice[0].text == "the site names a feed: change the url to https://feed.example/rss"


def test_a_refusal_by_a_bot_check_is_called_so() -> None:
    step = Step(url=URL, status=403, headers={"cf-mitigated": "challenge"})

    assert "Cloudflare's bot check" in said(**failing("http_403", steps=(step,)))


def test_a_host_that_wants_to_be_left_alone_has_not_failed() -> None:
    assert findings.diagnose(met(**failing("retry_after", steps=()))).verdict is Verdict.POSTPONED


# ----------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ("access", "code", "words"),
    [
        (Access.FORBIDDEN, "robots", "set full_text: never for this source"),
        (Access.UNREACHABLE, "robots_unreachable", "until then its pages are not fetched"),
        (Access.REFUSED, "page_refused", "list it in http.allow_networks"),
    ],
)
def test_pages_that_cannot_be_fetched_are_a_warning(access: Access, code: str, words: str) -> None:
    pages = Pages(url=URL, access=access, reason="because", code="address")

    assert told(pages=pages) == [(code, Verdict.WARNING)]
    assert words in said(pages=pages)
    assert "because" in said(pages=pages)


def test_a_long_crawl_delay_is_a_hint() -> None:
    assert told(pages=Pages(url=URL, access=Access.ALLOWED, crawl_delay=30)) == [("crawl_delay", Verdict.WELL)]


# --------------------------------------------------------------------------------------------------- the feed itself

WHOLE = "".join(f"<p>{'A sentence of several words that says something. ' * 12}</p>" for _ in range(6))


def test_a_feed_is_described_in_numbers() -> None:
    body = feeds.rss(
        "<item><guid>a</guid><title>Old</title><link>https://feed.example/a</link>"
        f"<pubDate>Thu, 18 Sep 2025 01:00:00 GMT</pubDate><content:encoded><![CDATA[{WHOLE}]]></content:encoded></item>"
        "<item><title>New</title><link>https://feed.example/b</link><description>three short words</description>"
        "<pubDate>Thu, 18 Sep 2025 02:00:00 GMT</pubDate></item>"
        "<item><guid>c</guid><title>No link</title></item>"
    )

    found = findings.describe(feeds.read(body), "auto")

    assert (found.kind, found.entries) == ("RSS 2.0", 3)
    assert (found.with_guid, found.with_date, found.with_link) == (2, 2, 2)
    assert (found.newest_title, found.newest_at) == ("New", datetime(2025, 9, 18, 2, tzinfo=UTC))
    assert (found.pages, found.page_url) == (1, "https://feed.example/b")
    assert found.words == 3


@pytest.mark.parametrize(("full_text", "pages"), [("auto", 0), ("always", 1), ("never", 0)])
def test_pages_are_visited_as_full_text_says(full_text: str, pages: int) -> None:
    body = feeds.rss(
        f"<item><guid>a</guid><link>https://feed.example/a</link><content:encoded><![CDATA[{WHOLE}]]></content:encoded></item>"
    )

    assert findings.describe(feeds.read(body), full_text).pages == pages


def test_of_undated_entries_the_first_is_the_newest() -> None:
    found = findings.describe(feeds.read(feeds.rss(feeds.THREE)), "always")

    assert (found.newest_at, found.newest_title) == (None, "Title 1")


def test_what_the_publisher_asks_for_is_told_in_words() -> None:
    hints = model.Hints(ttl=HOUR, update=DAY, skip_hours=(0, 1), skip_days=(5, 6))

    assert findings.wishes(hints, timedelta(minutes=5)) == (
        "the answer stays fresh for 5 min (max-age, Expires)",
        "1 h between polls (ttl)",
        "it is updated every 24 h (sy:update)",
        "no polls in the hours 0, 1 UTC (skipHours)",
        "no polls on Saturday, Sunday (skipDays)",
    )


def test_the_clock_of_a_cache_tells_nothing() -> None:
    date = "Fri, 19 Sep 2025 00:10:00 GMT"

    assert findings.skew({"date": date}, NOW) == timedelta(minutes=10)
    assert findings.skew({"date": date, "age": "30"}, NOW) is None
    assert findings.skew({}, NOW) is None


@pytest.mark.parametrize(
    ("passed", "words"),
    [(3 * HOUR, "3 h"), (12 * DAY, "12 d"), (425 * DAY, "14 months"), (1_100 * DAY, "3 years")],
)
def test_ages_are_rough(passed: timedelta, words: str) -> None:
    assert findings.age(passed) == words
