"""robots.txt: when it is asked for, by whom of those who wait, and what holds while it cannot be had."""

import asyncio
from datetime import timedelta

from aggregator import errors, model
from tests import make
from tests.scripted_robots import ALL, DAY, HOUR, NOTHING, PAGE, Host, status

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
