"""What goes wrong: err-*, and what servers ask for: rate-01 to rate-07."""

import asyncio
import itertools
import socket
from datetime import datetime, timedelta
from typing import Any

import pytest

from aggregator import model
from aggregator.net import manners
from aggregator.store import health
from tests.behaviours import web
from tests.behaviours.cases import Case, body, checks
from tests.behaviours.conditional import RSS
from tests.behaviours.script import play, reply, silence
from tests.behaviours.world import FEED, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GOOD = "http://good.test/feed.xml"


def _feed(name: str = "A.xml", **headers: str) -> web.Reply:
    return web.Reply(headers=RSS | headers, body=body(name))


@checks("err-01")
async def a_410_ends_it(world: World, case: Case) -> None:
    await play(world, case)
    assert world.source()["state"] == "gone"

    await world.configure(feed="http://feed.test/kept.xml")
    await world.poll("feed", _feed())
    await world.poll("feed", web.Reply(status=410))
    source = world.source()
    assert (source["state"], source["next_poll_at"]) == ("gone", None)
    assert source["advice"].startswith("gone since 2025-")
    await silence(world, 90 * 86400)
    assert len(world.items()) == 3


@checks("err-02")
async def a_404_is_asked_less_and_less(world: World, case: Case) -> None:
    await play(world, case)
    source = world.source()
    assert (source["state"], source["failures"], source["advice"], source["error"]) == ("active", 0, None, None)
    first, second = (row for row in world.poll_rows() if row["outcome"] == "failed")
    assert _waits(second) > _waits(first)

    missing = web.Reply(status=404)
    for _ in range(30):
        await world.poll("feed", missing)
        if world.delay() >= DAY:
            break
    assert world.delay() >= DAY
    assert world.source()["state"] == "failing"
    assert "look for the feed's new address" in world.source()["advice"]
    await world.poll("feed", _feed("B.xml"))
    assert world.source()["state"] == "active"


def _waits(row: Any) -> timedelta:
    at, due = (datetime.fromisoformat(str(row[key])) for key in ("at", "next_poll_at"))
    return due - at


@checks("err-03", "err-04", "err-05")
async def a_refusal_is_told_and_respected(world: World, case: Case) -> None:
    await play(world, case)

    status = case.steps[0]["respond"]["status"]
    source = world.source()
    assert (source["state"], source["error_code"]) == ("failing", f"http_{status}")
    assert str(status) in source["error"]
    assert source["advice"]
    assert world.poll_rows()[-1]["http_status"] == status
    assert world.delay() >= 4 * HOUR
    await silence(world, 4 * 3600 - 1)


@checks("err-06")
async def a_broken_server_is_asked_later_and_later(world: World, case: Case) -> None:
    # The clock passes a year: our own network is taken to be well, for another source answers.
    await world.configure(feed=FEED, other="http://other.test/x", good=GOOD)
    world.web.pages |= {GOOD: _feed(), "http://other.test/x": web.Reply(status=500)}
    statuses = [step["respond"]["status"] for step in case.steps] + [503] * 60
    delays, ceiling = [], timedelta(days=7)
    for status in statuses:
        world.web.pages[FEED] = web.Reply(status=status)
        await world.poll()
        delays.append(world.delay())
        assert world.source("good")["state"] == "active"
        if delays[-2:] == [delays[-1]] * 2:
            break
    # The last two are the cap.
    rising = [later > earlier for earlier, later in itertools.pairwise(delays[:-1])]
    assert len(delays) > 10
    assert all(rising)
    assert ceiling <= delays[-1] <= ceiling * 1.1
    waits = {_waits(world.poll_rows(name)[0]) for name in ("feed", "other")}
    assert len(waits) == 2, "no jitter"


@checks("err-07")
async def a_challenge_is_no_feed(world: World, case: Case) -> None:
    await play(world, case)
    assert world.source()["state"] == "failing"
    assert world.source()["error_code"] in {"html", "challenge"}

    await world.poll("feed", _feed(ETag='"good"'))
    before = world.items()
    page = web.Reply(headers={"Content-Type": "text/html", "ETag": '"page"'}, body=body("error.html"))
    await world.poll("feed", page)
    assert world.source()["failures"] > 0
    assert world.items() == before
    (heard,) = await world.poll("feed", web.Reply(status=304))
    assert heard.headers["if-none-match"] == '"good"'


@checks("err-08")
async def nothing_is_not_an_empty_feed(world: World, case: Case) -> None:
    await play(world, case)
    source = world.source()
    assert (source["state"], source["error_code"], source["last_success_at"]) == ("failing", "empty", None)


@checks("err-09")
async def a_feed_that_has_become_empty_is_pointed_out(world: World, case: Case) -> None:
    del case
    world.told["poll"] = {"interval": "8h"}
    await world.poll("feed", _feed())
    empty = web.Reply(
        headers=RSS, body=b'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title></channel></rss>'
    )
    world.web.pages[FEED] = empty
    since = None
    end = world.clock.at + timedelta(days=7)
    while world.clock.at < end:
        await world.poll()
        since = since or world.clock.at
    assert since is not None
    assert f"{since:%Y-%m-%d}" in str(world.source()["advice"])
    with world.running.store.read() as conn:
        (row,) = health.rows(conn)
    assert len(world.items()) == 3
    assert any(f"{since:%Y-%m-%d}" in value for value in row.values() if isinstance(value, str) and "entry" in value), (
        "source_health says nothing of it"
    )


@checks("err-10")
async def of_a_cut_document_the_whole_entries_are_kept(world: World, case: Case) -> None:
    await play(world, case)
    assert world.titles() == ["Item 2", "Item 3"]
    assert world.source()["error_code"] == "damaged"

    await world.poll("feed", _feed())
    await world.poll("feed", _feed("truncated.xml"))
    assert world.titles() == ["Item 1", "Item 2", "Item 3"]


async def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    # RST rather than FIN.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    await asyncio.sleep(0.05)
    writer.transport.abort()


async def _stall(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


@checks("err-11")
async def every_trouble_of_the_network_has_its_name(world: World, case: Case) -> None:
    del case
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    world.told["http"] |= {"timeout": "1s", "connect_to": {"refused.test:80": f"127.0.0.1:{closed}"}}
    begun = {**RSS, "Content-Length": "2000"}
    world.web.pages |= {
        "http://feed.test/reset": web.Reply(headers=begun, body=body("A.xml"), rest=_reset),
        "http://feed.test/stall": web.Reply(headers=begun, body=body("A.xml"), rest=_stall),
        GOOD: _feed(),
    }
    real = socket.getaddrinfo

    def looked_up(host: Any, *more: Any, **named: Any) -> Any:
        if host == "nowhere.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *more, **named)

    await world.configure(
        refused="http://refused.test/", dns="http://nowhere.test/", tls="https://untrusted.test/",
        reset="http://feed.test/reset", stalled="http://feed.test/stall", good=GOOD,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", looked_up)
        started = asyncio.get_running_loop().time()
        await world.round()
    assert asyncio.get_running_loop().time() - started < 4
    codes = {row["name"]: row["error_code"] for row in world.rows("SELECT name, error_code FROM sources")}
    assert codes.pop("good") is None
    expected = {"refused": "connect", "dns": "dns", "tls": "tls_authority", "reset": "reset", "stalled": "timeout"}
    assert {name: codes[name] for name in expected} == expected
    assert all(world.delay(name) > timedelta(minutes=30) for name in expected)


@checks("err-12")
async def less_than_was_stated_is_a_failed_transfer(world: World, case: Case) -> None:
    await play(world, case)
    assert (world.source()["state"], world.source()["error_code"]) == ("failing", "reset")
    assert world.items() == []


@checks("err-13")
async def what_comes_back_is_recognised(world: World, case: Case) -> None:
    await world.poll("feed", _feed())
    before = [(item["id"], item["title"]) for item in world.items()]
    await play(world, case)

    assert world.source()["state"] == "active"
    assert [(item["id"], item["title"]) for item in world.items()] == before
    assert len(world.rows("SELECT * FROM sightings")) == 3


# ---------------------------------------------------------------------------------------------------- Retry-After


@checks("rate-01")
async def a_pause_in_seconds_is_kept(world: World, case: Case) -> None:
    await play(world, case)
    assert len(await world.poll("feed", _feed())) == 1


@checks("rate-02")
async def a_pause_until_a_date_is_measured_by_the_servers_clock(world: World, case: Case) -> None:
    await play(world, case)
    assert 2 * HOUR <= world.delay() <= 2.5 * HOUR

    await world.configure(feed="http://other.test/feed.xml")
    past = {"Retry-After": "Mon, 01 Sep 2025 08:00:00 GMT", "Date": "Mon, 01 Sep 2025 10:00:00 GMT"}
    await world.poll("feed", web.Reply(status=429, headers=past))
    assert world.delay() >= HOUR


@checks("rate-03")
async def a_503_may_ask_for_a_pause_too(world: World, case: Case) -> None:
    await play(world, case)
    await silence(world, 3599)


@checks("rate-04")
async def a_429_is_worth_an_hour_and_more_each_time(world: World, case: Case) -> None:
    await play(world, case)
    delays = [world.delay()]
    for _ in range(4):
        await world.poll("feed", web.Reply(status=429))
        delays.append(world.delay())
    assert delays[0] >= HOUR
    assert delays == sorted(set(delays))


@checks("rate-05")
async def an_absurd_pause_is_limited_and_an_invalid_one_ignored(world: World, case: Case) -> None:
    found: list[timedelta] = []
    for host, step in zip(("feed", "cdn", "other"), case.steps, strict=True):
        await world.configure(feed=f"http://{host}.test/feed.xml")
        await world.poll("feed", reply(step))
        found.append(world.delay())
    clamped, negative, words = found
    assert DAY <= clamped <= manners.LONGEST_PAUSE + HOUR
    assert all(HOUR <= delay <= 2 * HOUR for delay in (negative, words))


@checks("rate-06")
async def a_pause_holds_for_the_host(world: World, case: Case) -> None:
    urls = {"a": "http://big.test/a.xml", "b": "http://big.test/b.xml"}
    await world.configure(**urls)
    world.web.pages |= {url: _feed() for url in urls.values()}
    await world.round()
    first, second = sorted(urls, key=lambda name: world.source(name)["next_poll_at"])

    refused = reply(case.steps[0])
    world.web.pages |= dict.fromkeys(urls.values(), refused)
    heard = await world.poll(first)
    assert urls[first] in [one.url for one in heard]
    assert len(heard) == 1
    assert world.source(second)["next_poll_at"] >= world.clock.at + timedelta(seconds=3600)
    await world.restart()
    await silence(world, 3599)


@checks("rate-07")
async def asking_by_hand_does_not_break_a_pause(world: World, case: Case) -> None:
    await world.poll("feed", reply(case.steps[0]))
    world.clock.advance(60)
    await world.running.engine.run_once(names=["feed"], harvests=False)

    assert len(world.web.heard) == 1
    assert world.polls[-1].outcome is model.Outcome.POSTPONED
    assert "asked to be left alone" in str(world.polls[-1].error)
