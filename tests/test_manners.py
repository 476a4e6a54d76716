"""A host is asked by few at once, at intervals, and not at all while it asked to be left alone."""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from aggregator import config, errors, model
from aggregator.feed import identity
from aggregator.net import manners
from tests import make

HOST, URL = "news.example", "https://news.example:8443/feed"


def ledger(concurrency: int = 2, spacing: float = 0.0) -> manners.Manners:
    return manners.Manners(config.PerHost(concurrency=concurrency, spacing=timedelta(seconds=spacing)))


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_no_more_than_the_seats_are_inside_at_once() -> None:
    polite, inside, most = ledger(concurrency=2), 0, 0

    async def visit() -> None:
        nonlocal inside, most
        async with polite.turn(HOST):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(visit() for _ in range(6)))

    assert most == 2


async def test_requests_to_one_host_begin_at_least_the_spacing_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, begun = list[float](), list[float]()

    def monotonic() -> float:
        looked.append(time.monotonic())
        return looked[-1]

    monkeypatch.setattr(manners, "time", SimpleNamespace(monotonic=monotonic))
    polite = ledger(concurrency=4, spacing=0.05)

    async def visit() -> None:
        async with polite.turn(HOST):
            # When the ledger gave the turn: after that a busy machine may do something else first.
            begun.append(looked[-1])

    await asyncio.gather(*(visit() for _ in range(4)))

    gaps = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert min(gaps) >= 0.05


async def test_other_hosts_do_not_wait() -> None:
    polite = ledger(concurrency=1, spacing=3600)

    async with asyncio.timeout(5):
        async with polite.turn("a.example"), polite.turn("b.example"):
            pass


async def test_a_host_is_busy_while_its_seats_are_taken() -> None:
    polite = ledger(concurrency=2)

    async with polite.turn(HOST):
        one = polite.busy()
        async with polite.turn(HOST):
            both = polite.busy()

    assert one == frozenset()
    assert both == {"news.example"}
    assert polite.busy() == frozenset()


async def test_a_host_is_busy_until_the_spacing_is_over() -> None:
    polite = ledger(spacing=60)

    async with polite.turn(HOST):
        pass

    assert polite.busy() == {"news.example"}
    assert polite.busy(time.monotonic() + 61) == frozenset()


async def test_a_short_pause_is_sat_out() -> None:
    polite = ledger()
    polite.pause(HOST, URL, in_seconds(0.1))
    assert polite.busy() == {"news.example"}
    assert polite.paused() == frozenset()

    asked = time.monotonic()
    async with polite.turn(HOST):
        assert time.monotonic() - asked >= 0.09


async def test_a_long_pause_is_told_to_whoever_comes_and_takes_no_seat() -> None:
    polite, until = ledger(concurrency=1), in_seconds(3600)
    polite.pause(HOST, URL, until)

    for _ in range(3):
        with pytest.raises(errors.FetchError) as caught:
            async with polite.turn(HOST):
                pytest.fail("it was let in")

    assert (caught.value.code, caught.value.retry_after) == ("retry_after", until)
    assert "news.example" in str(caught.value)
    assert polite.paused() == {"news.example"}


async def test_a_feed_of_its_own_does_not_wait_for_the_pause_of_another() -> None:
    polite = ledger(concurrency=1)
    polite.pause(HOST, URL, in_seconds(3600))

    async with polite.turn(HOST, heed_pause=False):
        assert polite.paused() == {"news.example"}


async def test_a_pause_that_comes_while_others_wait_holds_for_them_too() -> None:
    polite = ledger(concurrency=1)

    async def visit() -> None:
        async with polite.turn(HOST):
            pass

    async with polite.turn(HOST):
        waiting = asyncio.create_task(visit())
        await asyncio.sleep(0)
        polite.pause(HOST, URL, in_seconds(3600))

    with pytest.raises(errors.FetchError):
        await waiting


async def test_a_pause_is_not_believed_beyond_a_day_and_never_made_shorter() -> None:
    now = make.NOW
    polite = manners.Manners(config.PerHost(), now=lambda: now)
    polite.pause(HOST, URL, now + timedelta(days=1000))
    polite.pause(HOST, URL, now + timedelta(seconds=5))

    now = make.NOW + timedelta(hours=23)
    assert polite.busy() == {"news.example"}
    now = make.NOW + timedelta(hours=25)
    assert polite.busy() == frozenset()


async def test_whoever_is_cancelled_gives_the_seat_back() -> None:
    polite = ledger(concurrency=1)

    async def visit() -> None:
        async with polite.turn(HOST):
            await asyncio.sleep(3600)

    seated, waiting = asyncio.create_task(visit()), asyncio.create_task(visit())
    await asyncio.sleep(0.01)
    seated.cancel()
    waiting.cancel()
    await asyncio.gather(seated, waiting, return_exceptions=True)

    async with asyncio.timeout(5), polite.turn(HOST):
        assert polite.busy() == {"news.example"}


async def test_hosts_of_long_ago_are_forgotten_and_those_that_paused_are_not() -> None:
    polite = ledger()
    polite.pause("paused.example", "http://paused.example/", in_seconds(3600))

    for number in range(5000):
        async with polite.turn(f"h{number}.example"):
            pass

    assert len(polite._hosts) < 1000
    assert polite.busy() == {"paused.example"}


async def test_busy_may_be_asked_from_another_thread_meanwhile() -> None:
    polite, asked = ledger(concurrency=1), 0

    def ask() -> None:
        nonlocal asked
        for _ in range(300):
            polite.busy()
            asked += 1

    asking = asyncio.create_task(asyncio.to_thread(ask))
    number = 0
    while not asking.done():
        async with polite.turn(f"h{(number := number + 1)}.example"):
            await asyncio.sleep(0)
    await asking

    assert asked == 300


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("HTTPS://User:pw@News.Example:8443/x", "news.example"),
        ("http://[::1]:80/", "::1"),
        ("mailto:x", ""),
        ("http://[broken/", ""),
        ("", ""),
    ],
)
def test_the_host_is_lower_case_and_without_its_port(url: str, host: str) -> None:
    assert identity.host_of(url) == host


OTHER = "https://news.example:8443/other"


def polite_at(spacing: float = 0.0) -> manners.Manners:
    return manners.Manners(config.PerHost(spacing=timedelta(seconds=spacing)), now=lambda: make.NOW)


async def test_another_document_served_during_a_pause_shows_that_the_limit_is_the_documents_own() -> None:
    polite = polite_at()
    polite.pause(HOST, URL, make.NOW + timedelta(hours=1))

    polite.answered(HOST, OTHER, 200, began=time.monotonic(), took=0.1)
    lifted = polite.paused_until(HOST)
    polite.pause(HOST, URL, make.NOW + timedelta(hours=1))

    assert lifted is None
    assert polite.paused_until(HOST) is None
    assert [(one.host, one.own_limits, one.retry_after) for one in polite.unsaved()] == [(HOST, True, None)]


async def test_three_refused_in_a_row_are_the_host_after_all() -> None:
    polite = polite_at()
    polite.remember([model.HostRecord(host=HOST, own_limits=True)])

    for n in range(3):
        assert polite.paused_until(HOST) is None
        polite.pause(HOST, f"{URL}{n}", make.NOW + timedelta(hours=1))

    assert polite.paused_until(HOST) == make.NOW + timedelta(hours=1)


async def test_an_answer_that_was_under_way_before_the_pause_proves_nothing() -> None:
    polite, before = polite_at(), time.monotonic()
    polite.pause(HOST, URL, make.NOW + timedelta(hours=1))

    polite.answered(HOST, OTHER, 200, began=before - 1, took=1.5)

    assert polite.paused_until(HOST) is not None


async def test_refusals_make_the_spacing_wider_and_answers_narrow_it_again() -> None:
    polite, seen = polite_at(spacing=1), []

    for status in (429, 503, 429, 200, 200, 200, 200):
        polite.answered(HOST, URL, status, began=time.monotonic(), took=0.0)
        seen.append(polite._apart(polite._host(HOST)))

    assert seen == [2, 4, 8, 4, 2, 1, 1]


async def test_a_slow_host_is_given_as_long_as_it_takes_and_a_crawl_delay_is_kept() -> None:
    polite = polite_at(spacing=1)

    for _ in range(20):
        polite.answered(HOST, URL, 200, began=time.monotonic(), took=6.0)
    slow = polite._apart(polite._host(HOST))
    polite.crawl_delay(HOST, 10.0)

    assert slow == pytest.approx(6.0, rel=0.01)
    assert polite._apart(polite._host(HOST)) == 10.0


async def test_the_hosts_of_one_registered_domain_share_twice_the_seats_of_one() -> None:
    polite, inside, most = manners.Manners(config.PerHost(concurrency=2, spacing=timedelta(0))), 0, 0

    async def visit(host: str) -> None:
        nonlocal inside, most
        async with polite.turn(host):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(visit(f"h{n}.news.co.uk") for n in range(20)))
    together, most = most, 0
    await asyncio.gather(*(visit(f"h{n}.blogspot.com") for n in range(20)))

    assert together == 4
    assert most == 20


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.news.co.uk", "news.co.uk"),
        ("a.b.example.com", "example.com"),
        ("one.github.io", "one.github.io"),
        ("127.0.0.1", None),
        ("::1", None),
        ("localhost", None),
    ],
)
def test_registered_domains_are_those_of_the_public_suffix_list(host: str, domain: str | None) -> None:
    assert manners.registered_domain(host) == domain
