"""robots.txt files that mean harm: what they cost in time and room."""

import asyncio
import time

import pytest

from aggregator.net import robots
from tests.scripted_robots import NOTHING, Host, permits


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
