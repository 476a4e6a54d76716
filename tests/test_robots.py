"""robots.txt: what it permits, when it is asked for, and what holds while it cannot be had."""

import asyncio
import itertools
import json
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aggregator import errors, model
from aggregator.net import robots
from tests import make

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAGE = "https://news.example/story"
ALL, NOTHING = b"User-agent: *\nDisallow: /\n", b"User-agent: *\nDisallow:\n"


class Shelf:
    """A shelf in memory, asked from threads as the real one is."""

    def __init__(self) -> None:
        self.records: dict[str, model.HostRecord] = {}
        self.main = threading.get_ident()

    def recall(self, host: str) -> model.HostRecord | None:
        assert threading.get_ident() != self.main
        return self.records.get(host)

    def keep(self, record: model.HostRecord) -> None:
        assert threading.get_ident() != self.main
        self.records[record.host] = record


class Host:
    """A scripted host, its clock, and the robots.txt under test: `answer` is what is answered from now on."""

    def __init__(self, answer: robots.Copy | errors.FetchError | bytes = b"", shelf: Shelf | None = None) -> None:
        self.answer, self.now, self.shelf = answer, make.NOW, shelf or Shelf()
        self.asked: list[str] = []
        self.by: list[str | None] = []
        self.open = asyncio.Event()
        self.open.set()
        self.robots = robots.Robots(fetch=self._fetch, shelf=self.shelf, clock=lambda: self.now)

    async def _fetch(self, url: str, proxy: str | None) -> robots.Copy:
        self.asked.append(url)
        self.by.append(proxy)
        await self.open.wait()
        if isinstance(self.answer, errors.FetchError):
            raise self.answer
        return self.answer if isinstance(self.answer, robots.Copy) else robots.Copy(status=200, body=self.answer)

    async def verdict(self, url: str = PAGE, agent: str = "aggregator") -> str:
        """`ok`, or the code of the error."""
        try:
            await self.robots.check(url, agent)
        except errors.FetchError as exc:
            return exc.code
        return "ok"

    async def unreachable(self) -> datetime:
        """When it is to be asked again, for it cannot be had now."""
        with pytest.raises(errors.FetchError) as caught:
            await self.robots.check(PAGE, "aggregator")
        assert caught.value.code == "robots_unreachable"
        assert caught.value.retry_after is not None
        return caught.value.retry_after

    @property
    def record(self) -> model.HostRecord:
        return self.shelf.records["news.example"]


def status(number: int) -> robots.Copy:
    return robots.Copy(status=number, body=ALL)


def permits(text: str, path: str, agent: str = "aggregator") -> bool:
    return robots.Rules(text, agent).permits(path)


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


# ---------------------------------------------------------------------------------------------------------- asking


async def test_it_is_asked_for_once_a_day() -> None:
    host = Host(NOTHING)
    assert await host.verdict() == "ok"

    host.answer, host.now = ALL, make.NOW + DAY - timedelta(seconds=1)
    assert await host.verdict() == "ok"
    host.now = make.NOW + DAY
    assert await host.verdict() == "robots"

    assert host.asked == ["https://news.example/robots.txt"] * 2


async def test_after_a_restart_it_is_not_asked_for_again() -> None:
    host = Host(ALL)
    assert await host.verdict() == "robots"

    restarted = Host(NOTHING, host.shelf)
    restarted.now = make.NOW + DAY / 2
    assert await restarted.verdict() == "robots"
    assert restarted.asked == []

    restarted.now = make.NOW + DAY
    assert await restarted.verdict() == "ok"


async def test_after_a_restart_a_host_that_fails_is_left_alone_as_long() -> None:
    host = Host(status(503))
    until = await host.unreachable()

    assert await Host(NOTHING, host.shelf).unreachable() == until


async def test_a_record_that_knows_of_a_pause_only_does_not_count_as_asked() -> None:
    host = Host(ALL)
    host.shelf.records["news.example"] = model.HostRecord(host="news.example", own_limits=True)

    assert await host.verdict() == "robots"
    assert host.record.own_limits


async def test_all_who_wait_share_one_request() -> None:
    host = Host(ALL)
    host.open.clear()
    waiting = [asyncio.create_task(host.verdict(f"{PAGE}/{n}")) for n in range(50)]
    waiting += [asyncio.create_task(host.verdict(PAGE, "other"))]
    await asyncio.sleep(0.05)

    host.open.set()

    assert await asyncio.gather(*waiting) == ["robots"] * 51
    assert len(host.asked) == 1


async def test_whoever_stops_waiting_takes_the_answer_from_nobody() -> None:
    host = Host(ALL)
    host.open.clear()
    first, second = (asyncio.create_task(host.verdict()) for _ in range(2))
    await asyncio.sleep(0.05)

    first.cancel()
    await asyncio.sleep(0)
    host.open.set()

    assert await second == "robots"
    assert first.cancelled()
    assert len(host.asked) == 1


async def test_a_request_nobody_waits_for_any_more_ends_with_aclose() -> None:
    host = Host(ALL)
    host.open.clear()
    waiting = asyncio.create_task(host.verdict())
    await asyncio.sleep(0.05)
    waiting.cancel()

    async with asyncio.timeout(5):
        await host.robots.aclose()

    assert host.shelf.records == {}


async def test_an_error_is_told_to_all_and_the_next_asks_again() -> None:
    host = Host(errors.FetchError("paused", code="retry_after"))
    assert list(await asyncio.gather(host.verdict(), host.verdict())) == ["retry_after"] * 2

    host.answer = NOTHING

    assert await host.verdict() == "ok"


async def test_each_port_has_its_own_and_http_and_https_share_one() -> None:
    host = Host(NOTHING)

    for url in ("http://news.example/a", "https://news.example:443/b", "http://news.example:80/c"):
        assert await host.verdict(url) == "ok"
    for url in ("http://News.example:8080/d", "https://news.example:80/e", "http://[::1]:81/f"):
        assert await host.verdict(url) == "ok"

    assert host.asked == [
        "http://news.example/robots.txt",
        "http://news.example:8080/robots.txt",
        "https://news.example:80/robots.txt",
        "http://[::1]:81/robots.txt",
    ]
    assert [*host.shelf.records] == ["news.example", "news.example:8080", "news.example:80", "[::1]:81"]


async def test_what_a_clock_learned_that_ran_ahead_is_asked_for_again() -> None:
    host = Host(ALL)
    host.now = make.NOW + timedelta(days=4000)
    assert await host.verdict() == "robots"

    host.answer, host.now = NOTHING, make.NOW

    assert await host.verdict() == "ok"


# ------------------------------------------------------------------------------------------------------ while it fails


async def test_a_host_that_fails_is_asked_after_an_hour_and_then_ever_more_seldom() -> None:
    host, hours = Host(status(500)), []

    for _ in range(8):
        until = await host.unreachable()
        hours.append((until - host.now) / HOUR)
        host.now = until - timedelta(seconds=1)
        assert await host.unreachable() == until
        host.now = until

    assert hours == [1, 2, 4, 8, 16, 24, 24, 24]
    assert len(host.asked) == 8


async def test_after_thirty_days_of_failure_all_is_permitted_until_it_answers() -> None:
    host = Host(status(500))
    while host.now < make.NOW + timedelta(days=30):
        host.now = await host.unreachable()

    assert await host.verdict() == "ok"
    assert host.record.robots_error == "HTTP 500"

    host.answer, host.now = ALL, host.now + DAY
    assert await host.verdict() == "robots"
    assert host.record.robots_error is None
    assert host.record.robots_since is None


async def test_the_copy_of_yesterday_holds_while_the_server_fails() -> None:
    host = Host(b"User-agent: *\nDisallow: /private\n")
    assert await host.verdict() == "ok"

    host.answer, failing = status(503), make.NOW + DAY
    for host.now in (failing, failing + 2 * HOUR, failing + timedelta(days=20)):
        assert await host.verdict() == "ok"
        assert await host.verdict("https://news.example/private") == "robots"
    assert host.record.robots_since == failing

    restarted = Host(status(503), host.shelf)
    restarted.now = host.now + timedelta(minutes=1)
    assert await restarted.verdict("https://news.example/private") == "robots"
    assert restarted.asked == []

    restarted.now = failing + timedelta(days=31)
    assert await restarted.verdict("https://news.example/private") == "ok"


async def test_one_failure_long_ago_is_not_the_beginning_of_the_next() -> None:
    host = Host(status(503))
    await host.unreachable()
    host.answer, host.now = status(404), make.NOW + HOUR
    assert await host.verdict() == "ok"

    host.answer, host.now = status(503), make.NOW + timedelta(days=40)

    assert await host.verdict() == "ok", "there was none, and that holds meanwhile"
    assert host.record.robots_since == host.now


# ------------------------------------------------------------------------------------------------------------ hostile


def _lines(line: str, head: str = "User-agent: *\n") -> str:
    return (head + "".join(line.format(n) for n in range(robots.MOST_BYTES // len(line))))[: robots.MOST_BYTES]


HOSTILE = [
    "User-agent: *\nDisallow: /" + "a*" * 250_000 + "$",
    _lines("Disallow: /" + "a*" * 8000 + "{0}$\n"),
    _lines("Disallow: /" + "*a" * 19 + "{0}b$\n"),
    _lines("Disallow: /*aaa{0}\n"),
    _lines("Disallow: /{0}\n", "User-agent: *\nAllow: /aaa\n"),
    _lines("User-agent: a{0}\n", "")[:250_000] + _lines("Allow:/{0}\n", "")[:250_000],
    _lines("User-agent: aggregator\n", "")[:250_000] + _lines("Allow:/{0}\n", "")[:250_000],
    _lines("Crawl-delay: {0}\n"),
    _lines("Disallow: /" + "%41" * 5000 + "{0}\n"),
    ":\n" * 256_000,
    "\n" * 512_000,
    "#" * 512_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_file_costs_a_bounded_time_and_room(number: int) -> None:
    started = time.process_time()
    rules = robots.Rules(HOSTILE[number], "aggregator")
    read = time.process_time()
    rules.permits("/" + "a" * 8000)
    rules.permits("/" + "a" * 8000)

    # Measured: 0.25 s and 0.04 s at most.
    assert read - started < 3
    assert time.process_time() - read < 1
    assert rules.size < 10_000_000


def test_a_pattern_nobody_means_forbids_rather_more_and_permits_nothing() -> None:
    long = "/" + "a*" * 100 + "$"

    assert not permits(f"User-agent: *\nDisallow: {long}", "/" + "a" * 30)
    assert permits(f"User-agent: *\nDisallow: {long}", "/" + "a" * 10)
    assert not permits(f"User-agent: *\nAllow: {long}\nDisallow: /a", "/" + "a" * 200)


async def test_the_loop_goes_on_while_a_hostile_file_is_read() -> None:
    host, longest = Host(HOSTILE[2].encode()), 0.0
    checking = asyncio.create_task(host.verdict())

    while not checking.done():
        began = time.thread_time()
        await asyncio.sleep(0.001)
        longest = max(longest, time.thread_time() - began)

    assert await checking in ("ok", "robots")
    assert longest < 1


async def test_memory_holds_the_hosts_asked_last_and_the_shelf_the_others() -> None:
    host = Host(NOTHING)

    for n in range(600):
        assert await host.verdict(f"https://h{n}.example/") == "ok"
    assert await host.verdict("https://h0.example/") == "ok"

    assert len(host.asked) == 600
    assert len(host.robots._memory) == 512


async def test_large_files_leave_room_for_fewer() -> None:
    host = Host(HOSTILE[4].encode())

    for n in range(8):
        await host.verdict(f"https://h{n}.example/")

    assert len(host.robots._memory) == 5
    assert host.robots._taken == sum(known.rules.size for known in host.robots._memory.values() if known.rules)
