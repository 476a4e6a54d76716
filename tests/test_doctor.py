"""A live check against real loopback servers: what it meets, what it asks, and that it says the same as a poll."""

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from aggregator import app, config
from aggregator.diagnosis import Access, Conditional, Diagnosis, Verdict
from tests import scripted_web as loopback
from tests.fetching import AUTHORITY, bundle, tls
from tests.scripted_web import Answer, Heard, moved, web

__all__ = ["bundle", "web"]

RECENT = format_datetime(datetime.now(UTC) - timedelta(hours=3), usegmt=True)
STAMP = "Fri, 19 Sep 2025 07:00:00 GMT"


def rss(link: str, *, more: str = "", head: str = "") -> bytes:
    inside = f"<item><guid isPermaLink='false'>g</guid><title>Ice</title><link>{link}</link><pubDate>{RECENT}</pubDate>{more}</item>"
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{head}{inside}</channel></rss>'.encode()
    )


def conditional(body: bytes, **headers: str) -> Any:
    """Answers 304 to its own ETag."""

    def answer(heard: Heard) -> Answer:
        if heard.headers.get("if-none-match") == '"v1"':
            return Answer(status=304, headers={"etag": '"v1"'})
        return Answer(body=body, headers={"content-type": "application/rss+xml", "etag": '"v1"'} | headers)

    return answer


async def checked(*urls: str, http: Any = None, named: bool = False, **source: Any) -> tuple[Diagnosis, ...]:
    """The diagnoses of sources with these URLs, the first one with what `source` adds."""
    settings = config.Settings.model_validate(
        {
            "path": Path("aggregator.yaml"),
            "folder": Path(),
            "database": "sqlite:////nowhere/at/all.db",
            "harvest": {"workers": 1},
            "http": {
                "allow_networks": ["127.0.0.0/8"],
                "per_host": {"spacing": 0, "concurrency": 1},
                "timeout": "2s",
            }
            | (http or {}),
            "sources": [
                config.SourceConfig.model_validate({"name": f"S{n}", "url": url} | (source if n == 0 else {}))
                for n, url in enumerate(urls)
            ],
            "taxonomy": {},
        }
    )
    practice = app.Practice(settings, heed_pause=not named)
    found: list[Diagnosis] = []
    try:
        await practice.doctor.examine_all(settings.sources, found.append)
    finally:
        await practice.aclose()
    return tuple(sorted(found, key=lambda one: one.met.name))


async def only(url: str, **more: Any) -> Diagnosis:
    (found,) = await checked(url, **more)
    return found


def codes(found: Diagnosis) -> list[str]:
    return [one.code for one in found.advice]


# ------------------------------------------------------------------------------------------------------------- well


async def test_a_good_source_is_described_in_full_and_well(web: loopback.Loopback) -> None:
    body = rss(web.url("/page"), head="<ttl>30</ttl>")
    web.answers["/feed"] = conditional(
        gzip.compress(body), **{"content-encoding": "gzip", "cache-control": "max-age=300", "set-cookie": "secret=1"}
    )

    found = await only(web.url("/feed"))
    met = found.met

    assert (found.verdict, found.advice) == (Verdict.WELL, ())
    assert [one.address for one in met.addresses] == ["127.0.0.1"]
    (step,) = met.steps
    assert (step.status, step.address, step.bytes) == (200, "127.0.0.1", len(body))
    assert step.wire_bytes == len(gzip.compress(body))
    assert step.first_byte is not None
    assert step.took is not None
    assert timedelta(0) < step.first_byte <= step.took < timedelta(seconds=2)
    assert "set-cookie" not in step.headers
    assert met.conditional is Conditional.WORKS
    assert met.document is not None
    assert (met.document.kind, met.document.entries, met.document.newest_title) == ("RSS 2.0", 1, "Ice")
    assert met.wishes == ("the answer stays fresh for 5 min (max-age, Expires)", "30 min between polls (ttl)")
    assert met.rhythm is not None
    assert met.rhythm.startswith("every ")
    assert met.pages is not None
    assert (met.pages.access, met.pages.url) == (Access.ALLOWED, web.url("/page"))


async def test_no_page_is_fetched_and_each_question_is_asked_once(web: loopback.Loopback) -> None:
    web.answers["/feed"] = conditional(rss(web.url("/page")))

    await only(web.url("/feed"))

    assert web.paths() == ["/feed", "/feed", "/robots.txt"]
    assert web.heard[1].headers["if-none-match"] == '"v1"'


async def test_what_is_configured_for_the_source_is_sent(web: loopback.Loopback) -> None:
    web.answers["/feed"] = conditional(rss(web.url("/page")))

    await only(web.url("/feed"), user_agent="Us/1", headers={"X-Key": "k"}, auth="user:pass", full_text="never")

    assert web.paths() == ["/feed", "/feed"]
    for heard in web.heard:
        assert (heard.headers["user-agent"], heard.headers["x-key"]) == ("Us/1", "k")
        assert heard.headers["authorization"].startswith("Basic ")


# ------------------------------------------------------------------------------------------------------- the server


async def test_every_redirect_is_told_and_a_lasting_one_is_to_be_adopted(web: loopback.Loopback) -> None:
    web.answers["/old"] = moved("/older", status=301)
    web.answers["/older"] = moved("/feed", status=308)
    web.answers["/feed"] = conditional(rss(web.url("/page")))

    found = await only(web.url("/old"))

    assert [(step.status, step.permanent) for step in found.met.steps] == [(301, True), (308, True), (200, False)]
    assert found.met.steps[0].headers["location"] == "/older"
    assert [one.text for one in found.advice] == [f"has moved for good: change the url to {web.url('/feed')}"]


async def test_a_move_onto_another_source_names_that_one(web: loopback.Loopback) -> None:
    web.answers["/old"] = moved("/feed", status=301)
    web.answers["/feed"] = conditional(rss(web.url("/page")))

    first, second = await checked(web.url("/old"), web.url("/feed"))

    assert "polled already as 'S1'" in first.advice[0].text
    assert second.verdict is Verdict.WELL


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        ({}, 200, Conditional.ABSENT),
        ({"last-modified": STAMP}, 200, Conditional.IGNORED),
        ({"last-modified": STAMP}, 500, Conditional.FAILED),
    ],
)
async def test_validators_are_tried_out(
    web: loopback.Loopback, headers: dict[str, str], status: int, expected: Conditional
) -> None:
    def answer(heard: Heard) -> Answer:
        again = "if-modified-since" in heard.headers
        return Answer(status=status if again else 200, body=rss(web.url("/page")), headers=headers)

    web.answers["/feed"] = answer

    assert (await only(web.url("/feed"))).met.conditional is expected


async def test_a_document_that_differs_every_time_is_no_proof_against_its_validators(web: loopback.Loopback) -> None:
    def answer(heard: Heard) -> Answer:
        body = rss(web.url("/page"), head=f"<lastBuildDate>{len(web.heard)}</lastBuildDate>")
        return Answer(body=body, headers={"etag": f'"{len(web.heard)}"'})

    web.answers["/feed"] = answer

    assert (await only(web.url("/feed"))).met.conditional is Conditional.CHANGED


async def test_a_server_whose_clock_is_wrong_is_told_of(web: loopback.Loopback) -> None:
    late = format_datetime(datetime.now(UTC) - timedelta(hours=2), usegmt=True)
    web.answers["/feed"] = conditional(rss(web.url("/page")), date=late)

    assert codes(await only(web.url("/feed"))) == ["clock"]


async def test_the_certificate_is_described_and_its_end_announced(bundle: Path) -> None:
    now = datetime.now(UTC)
    certified = tls("127.0.0.1", not_before=now - timedelta(days=85), not_after=now + timedelta(days=5.5))
    async with loopback.serve(certified) as web:
        web.answers["/feed"] = conditional(rss(web.url("/page")))
        found = await only(web.url("/feed"), http={"ca_bundle": bundle})

    (step,) = found.met.steps
    assert step.tls is not None
    assert step.tls.version.startswith("TLSv1.")
    assert step.tls.issuer.startswith("trustme")
    assert "ends in 5 days" in found.advice[0].text


@pytest.mark.parametrize(
    ("names", "days", "trusted", "code"),
    [
        (("127.0.0.1",), -1, True, "tls_expired"),
        (("other.example",), 9, True, "tls_name"),
        (("127.0.0.1",), 9, False, "tls_authority"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_told(
    names: tuple[str, ...], days: int, trusted: bool, code: str
) -> None:
    now = datetime.now(UTC)
    certified = tls(*names, not_before=now - timedelta(days=30), not_after=now + timedelta(days=days))
    async with loopback.serve(certified) as web:
        with (AUTHORITY if trusted else trustme.CA()).cert_pem.tempfile() as bundle:
            found = await only(web.url("/feed"), http={"ca_bundle": bundle})

    assert (found.verdict, found.met.error_code) == (Verdict.FAILED, code)
    assert [(step.status, step.url) for step in found.met.steps] == [(None, web.url("/feed"))]
    assert "certificate" in found.advice[0].text


async def test_what_is_served_over_https_too_is_better_polled_so(web: loopback.Loopback, bundle: Path) -> None:
    async with loopback.serve(tls("feed.test")) as secure:
        for served in (web, secure):
            served.answers["/feed"] = conditional(rss("http://feed.test/page"))
        through = {"*:80": web.address, "*:443": secure.address}
        found = await only("http://feed.test/feed", http={"ca_bundle": bundle, "connect_to": through})
        secure.answers["/feed"] = Answer(body=b"<html><title>Ours</title></html>")
        other = await only("http://feed.test/feed", http={"ca_bundle": bundle, "connect_to": through})

    assert (found.met.secure, codes(found)) == (True, ["https"])
    assert "https://feed.test/feed" in found.advice[0].text
    assert (other.met.secure, codes(other)) == (False, [])


# ---------------------------------------------------------------------------------------------------------- failures


async def test_an_address_that_is_refused_is_shown_with_its_reason() -> None:
    found = await only("http://127.0.0.1:8080/feed", http={"allow_networks": []})

    assert [(one.address, one.refused) for one in found.met.addresses] == [("127.0.0.1", "loopback")]
    assert (found.verdict, found.met.error_code) == (Verdict.FAILED, "address")
    assert "http.allow_networks" in found.advice[0].text


async def test_a_redirect_to_what_is_refused_shows_where_it_led(web: loopback.Loopback) -> None:
    web.answers["/feed"] = moved("http://10.0.0.1/feed")

    found = await only(web.url("/feed"), http={"timeout": "1s"})

    assert found.met.error_code == "address"
    assert [step.url for step in found.met.steps] == [web.url("/feed"), "http://10.0.0.1/feed"]


async def test_a_page_in_the_place_of_a_feed_is_named_with_the_feeds_it_names(web: loopback.Loopback) -> None:
    link = '<link rel="alternate" type="application/rss+xml" href="/real.xml">'
    page = f"<html><head><title>Our news</title>{link}</head><body>Welcome</body></html>"
    web.answers["/"] = Answer(body=page.encode(), headers={"content-type": "text/html"})

    found = await only(web.url("/"))

    assert (found.verdict, found.met.error_code) == (Verdict.FAILED, "html")
    assert found.met.named == (web.url("/real.xml"),)
    assert codes(found)[0] == "named_feed"


@pytest.mark.parametrize("status", [404, 410])
async def test_a_feed_that_is_lost_is_looked_for_on_its_site(web: loopback.Loopback, status: int) -> None:
    links = "".join(f'<link rel="alternate" type="application/rss+xml" href="/{name}.xml">' for name in ("lost", "new"))
    web.answers["/"] = Answer(body=f"<html><head><title>Our news</title>{links}</head></html>".encode())
    web.answers["/lost.xml"] = Answer(status=status)

    found = await only(web.url("/lost.xml"))

    assert web.paths() == ["/lost.xml", "/robots.txt", "/"]
    assert found.met.named == (web.url("/new.xml"),)
    assert found.advice[0].text == f"the site names a feed: change the url to {web.url('/new.xml')}"
    # What was met is the feed's own.
    assert [step.status for step in found.met.steps] == [status]


async def test_a_site_that_forbids_its_front_page_is_not_looked_at(web: loopback.Loopback) -> None:
    web.answers["/robots.txt"] = Answer(body=b"User-agent: *\nDisallow: /")

    found = await only(web.url("/lost.xml"))

    assert web.paths() == ["/lost.xml", "/robots.txt"]
    assert codes(found) == ["http_404"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(status=403), "http_403"),
        (Answer(status=404), "http_404"),
        (Answer(status=410), "gone"),
        (Answer(status=503), "http_503"),
        (Answer(body=b""), "empty"),
        (Answer(stall=True, headers={"content-length": "9"}), "timeout"),
        (Answer(raw=b""), "reset"),
        (moved("/feed"), "redirect_loop"),
        (Answer(body=rss("http://x.example/1")[:-30]), "damaged"),
    ],
)
async def test_failures_have_the_words_of_polls(web: loopback.Loopback, answer: Answer, code: str) -> None:
    web.answers["/feed"] = answer

    found = await only(web.url("/feed"), http={"timeout": "1s"})

    assert (found.verdict, found.met.error_code) == (Verdict.FAILED, code)
    assert found.met.error
    assert found.advice


async def test_a_name_that_does_not_exist_is_told() -> None:
    found = await only("http://nowhere.invalid/feed")

    assert (found.met.addresses, found.met.error_code) == ((), "dns")
    assert "nowhere.invalid" in (found.met.error or "")


async def test_a_host_that_asked_for_a_pause_is_not_asked_again_unless_named(web: loopback.Loopback) -> None:
    web.answers["/feed"] = Answer(status=429, headers={"retry-after": "3600"})
    web.answers["/other"] = conditional(rss(web.url("/page")))

    first, second = await checked(web.url("/feed"), web.url("/other"))

    assert (first.verdict, second.verdict) == (Verdict.FAILED, Verdict.POSTPONED)
    assert first.met.retry_after is not None
    assert web.paths() == ["/feed"]

    _, second = await checked(web.url("/feed"), web.url("/other"), named=True)

    # It is served: the pause was meant for the other document only.
    assert second.verdict is Verdict.WELL
    assert web.paths()[1:] == ["/feed", "/other", "/other", "/robots.txt"]


async def test_nobody_is_asked_more_during_a_pause(web: loopback.Loopback) -> None:
    web.answers["/feed"] = conditional(rss(web.url("/page")))
    web.answers["/busy"] = Answer(status=503, headers={"retry-after": "3600"})

    first, second = await checked(web.url("/feed"), web.url("/busy"))

    assert (first.verdict, first.met.conditional, first.met.pages) == (Verdict.WELL, None, None)
    assert second.met.error_code == "http_503"
    assert web.paths() == ["/feed", "/busy"]


async def test_large_documents_do_not_wait_for_themselves(web: loopback.Loopback) -> None:
    # Beyond 4 MiB there is room for one at a time.
    padding = b"<!-- " + b"x" * (5 << 20) + b" -->"
    web.answers["/feed"] = Answer(
        body=rss(web.url("/page")).replace(b"</channel>", padding + b"</channel>"), headers={"etag": '"v1"'}
    )
    web.answers["/html"] = web.answers["/"] = Answer(body=b"<html><title>Ours</title>" + padding)

    async with asyncio.timeout(60):
        feed, page = await checked(web.url("/feed"), web.url("/html"), http={"timeout": "20s"})

    assert (feed.verdict, codes(feed)) == (Verdict.WARNING, ["validators_ignored"])
    assert page.met.error_code == "html"


# ------------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ("robots", "access", "code"),
    [
        (Answer(body=b"User-agent: *\nDisallow: /page"), Access.FORBIDDEN, "robots"),
        (Answer(status=500), Access.UNREACHABLE, "robots_unreachable"),
        (Answer(body=b"User-agent: *\nCrawl-delay: 20"), Access.ALLOWED, "crawl_delay"),
    ],
)
async def test_robots_txt_is_asked_for_the_newest_page(
    web: loopback.Loopback, robots: Answer, access: Access, code: str
) -> None:
    web.answers["/feed"] = conditional(rss(web.url("/page")))
    web.answers["/robots.txt"] = robots

    found = await only(web.url("/feed"))

    assert found.met.pages is not None
    assert found.met.pages.access is access
    assert codes(found) == [code]


async def test_pages_at_an_address_that_is_refused_are_a_warning(web: loopback.Loopback) -> None:
    web.answers["/feed"] = conditional(rss("http://10.0.0.1/page"))

    found = await only(web.url("/feed"))

    assert found.met.pages is not None
    assert (found.met.pages.access, codes(found)) == (Access.REFUSED, ["page_refused"])
