"""Redirects: redir-*, and disc-03."""

import socket
from datetime import timedelta
from typing import Any

import pytest

from tests.behaviours import web
from tests.behaviours.cases import Case, body, checks
from tests.behaviours.conditional import RSS
from tests.behaviours.script import play, reply
from tests.behaviours.world import FEED, World

NEW = "http://feed.test/new.xml"


async def _confirm(world: World, polls: int = 22) -> None:
    """The same answers until the move is adopted (poll.adopt_redirect: 5 sightings over 24 h), or for so many polls."""
    for _ in range(polls):
        if world.source()["feed_url"] != world.sources["feed"]["url"]:
            return
        await world.poll()


@checks("redir-01", "redir-02")
async def a_permanent_redirect_is_adopted_after_its_confirmations(world: World, case: Case) -> None:
    await play(world, case)
    world.web.pages |= {FEED: reply(case.steps[0]), NEW: reply(case.steps[1])}
    before = [(item["id"], item["url"]) for item in world.items()]
    assert world.source()["feed_url"] == FEED

    started = world.clock.at
    await _confirm(world)
    assert world.source()["feed_url"] == NEW
    assert len(world.polls) >= 5
    assert world.clock.at - started >= timedelta(hours=20)
    heard = await world.poll()
    assert [one.url for one in heard] == [NEW]
    assert [(item["id"], item["url"]) for item in world.items()] == before
    assert world.source()["url"] == FEED
    assert [row["detail"].split()[0] for row in world.rows("SELECT detail FROM changes WHERE kind = 'moved'")] == [FEED]


@checks("redir-03", "redir-04", "redir-05")
async def a_temporary_redirect_changes_nothing(world: World, case: Case) -> None:
    last = case.steps[-1]["respond"]["headers"]["Location"]
    world.web.pages[last] = web.Reply(headers=RSS, body=body("A.xml"))
    scripted = Case(id=case.id, level=case.level, title=case.title, steps=case.steps[:2], expect=case.expect)
    await play(world, scripted)

    world.web.pages[FEED] = reply(case.steps[2])
    for _ in range(20):
        heard = await world.poll()
        assert [one.url for one in heard] == [FEED, last]
    assert world.source()["feed_url"] == FEED
    assert len(world.items()) == 3


@checks("redir-06")
async def of_a_chain_the_permanent_beginning_is_adopted(world: World, case: Case) -> None:
    await play(world, case)
    first, second, last = (reply(step) for step in case.steps)
    world.web.pages |= {FEED: first, "http://feed.test/1": second, "http://feed.test/2": last}

    await _confirm(world)
    assert world.source()["feed_url"] == "http://feed.test/1"


@checks("redir-07")
async def a_loop_ends(world: World, case: Case) -> None:
    world.web.pages[FEED] = reply(case.steps[0])
    heard = await world.poll()

    source = world.source()
    assert len(heard) <= 10
    assert (source["state"], source["error_code"]) == ("failing", "redirect_loop")
    assert world.delay() >= timedelta(hours=1)
    # One that never comes back to where it was.
    world.web.pages[FEED] = lambda _asked: web.moved(f"/{len(world.web.heard)}", 302)
    world.web.script.extend(web.moved(f"/more/{n}", 302) for n in range(20))
    world.until_due()
    assert len(await world.round()) <= 11
    assert world.source()["error_code"] == "redirects"
    world.web.script.clear()


@checks("redir-08")
async def a_move_onto_a_web_page_is_not_adopted(world: World, case: Case) -> None:
    await play(world, case)
    world.web.pages |= {FEED: reply(case.steps[0]), "http://feed.test/home": reply(case.steps[1])}

    await _confirm(world)
    assert world.source()["feed_url"] == FEED
    assert world.source()["state"] == "failing"


@checks("redir-09")
async def a_move_onto_another_source_is_reported(world: World, case: Case) -> None:
    second = "http://feed.test/second.xml"
    await world.configure(feed=FEED, second=second)
    world.web.pages |= {FEED: reply(case.steps[0]), second: reply(case.steps[1])}

    await world.round()
    await _confirm(world)
    assert world.source()["feed_url"] == FEED
    assert "polled already as 'second'" in world.source()["advice"]
    assert len(world.items()) == 3
    assert all(poll.error_code is None for poll in world.polls)


@checks("redir-10")
async def validators_belong_to_one_url(world: World, case: Case) -> None:
    await play(world, case)
    redirect, target = (reply(step) for step in case.steps[1:])

    heard = await world.poll("feed", redirect, target)
    assert heard[0].headers.get("if-none-match") != '"other"'


@checks("redir-11")
async def secrets_stay_with_their_origin(world: World, case: Case) -> None:
    secret = {"url": FEED, "auth": "me:secret", "cookies": {"sid": "1"}, "headers": {"X-Key": "k"}}
    await world.configure(feed=secret)
    (asked,) = await play(world, case)

    assert asked[0].headers["authorization"].startswith("Basic ")
    assert asked[0].headers["cookie"] == "sid=1"
    assert "x-key" not in asked[1].headers
    # Another port and scheme of the same host are another origin.
    world.web.pages |= {
        FEED: web.moved("https://feed.test/x", 302),
        "https://feed.test/x": web.Reply(headers=RSS, body=body("A.xml")),
    }
    heard = await world.poll()
    assert heard[1].url == "https://feed.test/x"
    assert {"authorization", "cookie", "x-key"} & heard[1].headers.keys() == set()


@checks("redir-12")
async def a_redirect_inwards_is_refused(world: World, case: Case) -> None:
    connected: list[tuple[Any, ...]] = []
    real = socket.getaddrinfo

    def looked_up(host: Any, *more: Any, **named: Any) -> Any:
        if host == "rebound.test":
            return real("10.1.2.3", *more, **named)
        connected.append((host, *more))
        return real(host, *more, **named)

    await play(world, case)
    assert world.source()["error_code"] == "address"
    assert "not a public address" in world.source()["error"]
    inward = (
        "http://127.0.0.1/ http://[::1]/ http://10.0.0.1/ http://rebound.test/ http://localhost/ http://[::ffff:7f00:1]/ http://0x7f000001/ "
        "file:///etc/passwd gopher://feed.test/ ftp://feed.test/x data:,x"
    ).split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", looked_up)
        for location in inward:
            world.web.pages[FEED] = web.moved(location, 302)
            assert len(await world.poll()) == 1
            assert world.source()["error_code"] in {"address", "scheme"}, location
            # And behind a hop that is harmless.
            world.web.pages |= {FEED: web.moved("/hop", 302), "http://feed.test/hop": web.moved(location, 302)}
            assert len(await world.poll()) == 2
            assert world.source()["error_code"] in {"address", "scheme"}, location
    assert world.items() == []


@checks("redir-13")
async def a_downgrade_is_followed_but_never_adopted(world: World, case: Case) -> None:
    await world.configure(feed="https://feed.test/feed.xml")
    world.web.pages |= {
        "https://feed.test/feed.xml": reply(case.steps[0]),
        FEED: web.Reply(headers=RSS, body=body("A.xml")),
    }

    for _ in range(20):
        assert [one.url for one in await world.poll()] == ["https://feed.test/feed.xml", FEED]
    assert world.source()["feed_url"] == "https://feed.test/feed.xml"
    assert len(world.items()) == 3


@checks("redir-15")
async def a_redirect_to_nowhere_is_an_error(world: World, case: Case) -> None:
    await play(world, case)
    assert (world.source()["state"], world.source()["error_code"]) == ("failing", "bad_redirect")

    await world.poll("feed", web.moved(""))
    assert world.source()["error_code"] == "bad_redirect"


@checks("redir-16")
async def a_location_is_encoded_and_loses_its_fragment(world: World, case: Case) -> None:
    world.web.script.append(reply(case.steps[0]))
    world.web.pages["http://feed.test/f%C3%A9ed%20file.xml"] = web.Reply(headers=RSS, body=body("A.xml"))

    heard = await world.round()
    assert [one.url for one in heard] == [FEED, "http://feed.test/f%C3%A9ed%20file.xml"]
    assert len(world.items()) == 3


@checks("disc-03")
async def what_a_feed_calls_itself_is_not_where_it_is_polled(world: World, case: Case) -> None:
    await play(world, case)
    await world.poll("feed", web.Reply(headers=RSS, body=body("selfmoved.xml")))

    assert world.source()["feed_url"] == FEED
    assert world.web.urls() == [FEED, FEED]
