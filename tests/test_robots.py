"""robots.txt: what it permits, and what any other answer means."""

import itertools
import json
from pathlib import Path

import pytest

from aggregator import errors
from aggregator.net import robots
from tests import make
from tests.scripted_robots import ALL, HOUR, PAGE, Host, permits, status

# ------------------------------------------------------------------------------------------------------- recorded cases

# It forbids its own robots.txt to all; RFC 9309 §2.2.2 permits that file always.
OF_ITSELF = "https://www.penfed.org/robots.txt"


def _path(url: str) -> str:
    """Path and query of a URL that may be none, as they stand."""
    rest = url.partition("://")[2].partition("#")[0]
    start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return rest[start:] if rest[start:].startswith("/") else f"/{rest[start:]}"


def test_google_s_cases_come_out_as_google_says(shared: Path) -> None:
    lines = (shared / "corpus" / "robots" / "google_spec_cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]

    wrong = [
        case for case in cases if permits(case["robots_txt"], _path(case["url"]), case["user_agent"]) != case["allowed"]
    ]

    assert len(cases) == 145
    assert wrong == []


async def test_recorded_files_permit_what_google_s_parser_reads_in_them(shared: Path) -> None:
    corpus = shared / "corpus"
    lines = (corpus / "robots" / "real_cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases, wrong = [json.loads(line) for line in lines], []

    for name, group in itertools.groupby(cases, key=lambda case: case["file"]):
        host = Host((corpus / name).read_bytes())
        for case in group:
            verdict = await host.verdict(case["url"], case["user_agent"])
            if verdict != ("ok" if case["allowed"] else "robots"):
                wrong.append(case["url"])
        assert len(host.asked) <= 1

    assert len(cases) == 1322
    assert wrong == [OF_ITSELF] * 2


# ------------------------------------------------------------------------------------------------------- what it permits


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/x", True),
        ("User-agent: *\nDisallow: /x", "/x/y", False),
        ("User-agent: *\nDisallow: /x", "/X/y", True),
        ("User-agent: *\nDisallow: /x?a=", "/x?a=1", False),
        ("User-agent: AGGREGATOR/1.0\nDisallow: /", "/x", False),
        ("User-agent: aggregators\nDisallow: /", "/x", True),
        ("User-agent: news-aggregator\nDisallow: /", "/x", True),
        ("User-agent: *\nDisallow: /\nUser-agent: aggregator\nDisallow: /private", "/x", True),
        ("User-agent: aggregator\nDisallow:\n\nUser-agent: *\nDisallow: /", "/x", True),
        ("User-agent: other\nUser-agent: aggregator\n\nDisallow: /x", "/x", False),
        (
            "User-agent: aggregator\nAllow: /a\nUser-agent: b\nDisallow: /\nUser-agent: aggregator\nDisallow: /x",
            "/x",
            False,
        ),
        # Lines of other kinds do not end a group.
        ("User-agent: aggregator\nSitemap: https://a/b.xml\nUser-agent: b\nDisallow: /x", "/x", False),
        ("User-agent: aggregator\nCrawl-delay: 5\nUser-agent: b\nDisallow: /x", "/x", False),
        # The longest pattern decides; of two, Allow.
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("User-agent: *\nAllow: /a\nDisallow: /a", "/a", True),
        ("User-agent: *\nAllow: /a/index.html\nDisallow: /", "/a/", True),
        # Wildcards, and the characters themselves.
        ("User-agent: *\nDisallow: /*.php$", "/a/b.php", False),
        ("User-agent: *\nDisallow: /*.php$", "/a/b.php?x", True),
        ("User-agent: *\nDisallow: /a$b", "/a$b", False),
        ("User-agent: *\nDisallow: /a$", "/a$b", True),
        ("User-agent: *\nDisallow: /a%24", "/a$b", False),
        ("User-agent: *\nDisallow: /a-%2A.html", "/a-*.html", False),
        ("User-agent: *\nDisallow: /a-%2A.html", "/a-b.html", True),
        # Escapes: what is forbidden in either spelling is forbidden.
        ("User-agent: *\nDisallow: /über", "/%C3%BCber", False),
        ("User-agent: *\nDisallow: /%c3%bcber", "/%C3%BCber", False),
        ("User-agent: *\nDisallow: /%C3%BCber", "/%c3%bcber", False),
        ("User-agent: *\nDisallow: /%7Eme", "/~me", False),
        ("User-agent: *\nDisallow: /a b/", "/a%20b/", False),
        ("User-agent: *\nDisallow: /a%2Fb", "/a/b", True),
        ("User-agent: *\nDisallow: //x", "//x", False),
        # How they are written.
        ("User-agent:*\rDisallow:/x\r", "/x", False),
        ("  USER-AGENT : *  # all\n  disallow : /x # this", "/x", False),
        ("user agent *\ndissallow /x", "/x", True),
        ("useragent *\ndissallow /x", "/x", False),
        ("User-agent: *\nDisallow: /x\u2028Disallow: /y", "/y", True),
        ("Disallow: /x", "/x", True),
        ("User-agent: *\nDisallow: x", "/x", True),
        ("<!DOCTYPE html><title>Not found</title><p>Disallow: nothing", "/x", True),
    ],
)
def test_a_path_is_permitted_or_not(text: str, path: str, allowed: bool) -> None:
    assert permits(text, path) == allowed


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + ALL,
        b"\xef\xbb" + ALL,
        b"\x00" + ALL.replace(b"l", b"l\x00"),
        ALL.decode().encode("utf-16"),
        b"# caf\xe9 \xff\xfe\n" + ALL,
    ],
)
async def test_bytes_that_are_no_text_spoil_only_themselves(body: bytes) -> None:
    host = Host(body)

    assert await host.verdict() == "robots"
    assert "\x00" not in (host.record.robots or "")


async def test_it_is_asked_for_by_the_proxy_of_the_page_and_then_known_whatever_the_way() -> None:
    host = Host()

    await host.robots.check(PAGE, "aggregator", "http://proxy.example:3128")
    await host.robots.check(PAGE, "aggregator")

    assert host.by == ["http://proxy.example:3128"]


@pytest.mark.parametrize("code", ["proxy", "proxy_auth", "proxy_refused"])
async def test_what_our_own_proxy_says_is_no_word_of_the_host(code: str) -> None:
    host = Host(errors.TransportError("the proxy is away", code=code))

    assert await host.verdict() == code
    assert host.shelf.records == {}


async def test_robots_txt_itself_may_always_be_fetched_and_needs_no_asking() -> None:
    host = Host(ALL)

    assert await host.verdict("https://news.example/robots.txt") == "ok"
    assert await host.verdict("https://news.example/robots.txt?x") == "ok"
    assert host.asked == []


async def test_the_error_tells_host_and_path_and_is_a_refusal_of_ours() -> None:
    with pytest.raises(errors.BlockedError, match=r"robots\.txt of news\.example forbids /story") as caught:
        await Host(ALL).robots.check(PAGE, "aggregator")

    assert (caught.value.code, caught.value.url) == ("robots", PAGE)


async def test_the_path_is_judged_as_it_will_be_sent() -> None:
    host = Host("User-agent: *\nDisallow: /ü\n".encode())

    assert await host.verdict("https://user:password@news.example/ü/1?a b#c") == "robots"
    assert await host.verdict("https://NEWS.example") == "ok"
    assert await host.verdict("http://[broken/") == "url"


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 10", 10),
        ("User-agent: *\nDisallow: /x\ncrawl-delay: 0.5", 0.5),
        ("User-agent: *\nCrawl-delay: 3600", 60),
        ("User-agent: *\nCrawl-delay: 0", None),
        ("User-agent: *\nCrawl-delay: -5", None),
        ("User-agent: *\nCrawl-delay: inf", None),
        ("User-agent: *\nCrawl-delay: soon", None),
        ("User-agent: *\nCrawl-delay: 5\nUser-agent: aggregator\nDisallow: /x", None),
        # It was meant for one robot, though the rules are for both.
        ("User-agent: bingbot\nCrawl-delay: 10\n\nUser-agent: *\nDisallow: /x", None),
        ("User-agent: bingbot\nUser-agent: *\nCrawl-delay: 10", 10),
        ("User-agent: *\nRequest-rate: 1/10", None),
    ],
)
async def test_a_crawl_delay_is_told_up_to_a_minute(text: str, delay: float | None) -> None:
    host = Host(text.encode())

    assert await host.robots.check(PAGE, "aggregator") == delay
    assert host.record.crawl_delay == delay


# ---------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("number", [300, 304, 400, 401, 403, 404, 410, 451, 499])
async def test_without_a_robots_txt_all_is_permitted(number: int) -> None:
    host = Host(status(number))

    assert await host.verdict() == "ok"
    assert (host.record.robots, host.record.robots_error) == ("", None)


@pytest.mark.parametrize("number", [200, 203, 206, 299])
async def test_any_success_is_read(number: int) -> None:
    assert await Host(status(number)).verdict() == "robots"


@pytest.mark.parametrize("code", ["redirects", "redirect_loop", "bad_redirect"])
async def test_redirects_that_lead_nowhere_are_as_good_as_none(code: str) -> None:
    assert await Host(errors.FetchError("astray", code=code)).verdict() == "ok"


@pytest.mark.parametrize(
    "answer",
    [
        status(429),
        status(500),
        status(503),
        status(599),
        errors.TransportError("no such name", code="dns"),
        errors.TransportError("too slow", code="timeout"),
        errors.BlockedError("private", code="address", url="http://elsewhere.example/"),
    ],
)
async def test_while_it_cannot_be_had_nothing_is_permitted(answer: robots.Copy | errors.FetchError) -> None:
    host = Host(answer)

    assert await host.unreachable() == make.NOW + HOUR
    assert host.record.robots is None
    assert host.record.robots_since == make.NOW
    assert host.record.robots_error


@pytest.mark.parametrize(
    "error",
    [
        errors.FetchError("asked to be left alone", code="retry_after", retry_after=make.NOW + HOUR),
        errors.BlockedError("private", code="address", url="https://news.example/robots.txt"),
    ],
)
async def test_a_request_that_was_never_made_says_nothing_about_robots_txt(error: errors.FetchError) -> None:
    host = Host(error)

    assert await host.verdict() == error.code
    assert host.shelf.records == {}


async def test_of_a_long_file_500_kib_are_read_and_no_half_line() -> None:
    head = b"User-agent: *\nDisallow: /first\n"
    filler = b"# " + b"x" * 997 + b"\n"
    body = head + filler * 511
    body += b"#" * (robots.MOST_BYTES - len(body) - 12) + b"\nDisallow: /private/of-mine\nDisallow: /late\n"
    assert body[: robots.MOST_BYTES].endswith(b"\nDisallow: /")
    host = Host(body)

    assert await host.verdict("https://news.example/first") == "robots"
    assert await host.verdict("https://news.example/late") == "ok"
    assert len(host.record.robots or "") <= robots.MOST_BYTES
