"""Conditional requests: cond-*."""

import asyncio
from datetime import timedelta

import pytest

from aggregator import errors, model
from tests.behaviours import web
from tests.behaviours.cases import Case, body, checks
from tests.behaviours.script import play
from tests.behaviours.world import FEED, World, ended

RSS = {"Content-Type": "application/rss+xml"}


@checks("cond-02", "cond-03", "cond-04", "cond-05", "cond-06", "cond-07", "cond-08", "cond-10", "cond-11")
async def the_requests_are_as_scripted(world: World, case: Case) -> None:
    await play(world, case)


@checks("cond-01")
async def a_304_changes_nothing_but_the_time_of_success(world: World, case: Case) -> None:
    await play(world, case)

    source = world.source()
    assert [poll.outcome for poll in world.polls] == [model.Outcome.NEW, model.Outcome.NOT_MODIFIED]
    assert (world.polls[-1].entries, world.polls[-1].changed) == (0, 0)
    assert (source["last_success_at"], source["failures"]) == (world.clock.at, 0)
    assert len(world.items()) == 3
    assert world.rows("SELECT * FROM revisions") == []


@checks("cond-09")
async def validators_come_with_what_was_stored(world: World, case: Case) -> None:
    await play(world, case)
    assert world.titles() == ["Item 1", "Item 2", "Item 3", "Item 4"]

    # A commit that fails: the next poll gets the whole document again.
    world.execute("CREATE TRIGGER full BEFORE INSERT ON polls BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    reply = web.Reply(
        headers=RSS | {"ETag": '"lost"'},
        body=body("A_reordered_timestamp.xml").replace(b":3<", b":5<").replace(b"/3<", b"/5<"),
    )
    with pytest.raises(errors.StoreError):
        await world.poll("feed", reply)
    world.execute("DROP TRIGGER full")
    await world.restart()
    world.clock.advance(timedelta(minutes=20))
    await world.poll("feed", reply)
    assert world.web.heard[-1].headers.get("if-none-match") != '"lost"'
    assert len(world.rows("SELECT * FROM sightings")) == 5


@checks("cond-12")
async def a_restart_asks_nobody_early_and_spreads_what_is_new(world: World, case: Case) -> None:
    await play(world, case)

    await world.configure(**{f"new {n}": f"http://feed.test/{n}" for n in range(300)})
    await world.restart()
    due = world.rows("SELECT next_poll_at, count(*) AS n FROM sources WHERE state = 'active' GROUP BY next_poll_at")
    assert sum(row["n"] for row in due) == 300
    assert max(row["n"] for row in due) <= 60


@checks("cond-13")
async def the_same_bytes_are_neither_parsed_nor_written(world: World, case: Case) -> None:
    await play(world, case)

    assert [poll.outcome for poll in world.polls] == [model.Outcome.NEW, model.Outcome.UNCHANGED]
    last = world.polls[-1]
    assert (last.outcome, last.entries, last.new, last.unchanged) == ("unchanged", 3, 0, 3)
    assert len(world.items()) == 3
    assert len(world.rows("SELECT * FROM changes")) == 3


@checks("cond-14")
async def the_same_items_in_other_bytes_are_no_news(world: World, case: Case) -> None:
    await play(world, case)

    last = world.polls[-1]
    assert (last.new, last.changed, last.unchanged) == (0, 0, 3)
    assert world.rows("SELECT * FROM revisions") == []


@checks("cond-15")
async def an_edit_is_a_revision_of_the_same_item(world: World, case: Case) -> None:
    await play(world, case)

    last = world.polls[-1]
    assert (last.new, last.changed, last.unchanged) == (0, 1, 2)
    assert [item["summary"] for item in world.items()] == [
        "Body of item 1.",
        "Body of item 2, corrected.",
        "Body of item 3.",
    ]
    (edited,) = {row["item_id"] for row in world.rows("SELECT item_id FROM revisions")}
    assert edited == world.items()[1]["id"]
    history = world.rows("SELECT summary FROM item_history WHERE item_id = :id ORDER BY revision_id", id=edited)
    assert [row["summary"] for row in history] == ["Body of item 2.", "Body of item 2, corrected."]


@checks("cond-16")
async def another_url_has_no_validators(world: World, case: Case) -> None:
    await play(world, case)
    assert world.web.urls() == [FEED, "http://feed.test/other.xml"]
    assert len(world.items()) == 3


@checks("cond-17")
async def a_304_that_nobody_asked_for_is_an_error(world: World, case: Case) -> None:
    await play(world, case)

    source = world.source()
    assert (source["state"], source["error_code"], source["last_success_at"]) == ("failing", "unasked_304", None)
    assert "304" in source["error"]
    (again,) = await world.poll("feed", web.Reply(headers=RSS, body=body("A.xml")))
    assert "if-none-match" not in again.headers
    assert "if-modified-since" not in again.headers
    assert len(world.items()) == 3


@checks("cond-18")
async def deltas_are_not_asked_for(world: World, case: Case) -> None:
    """We do not send A-IM, so 226 is an answer to somebody else; what is known stays."""
    polls = await play(world, case)
    assert all("a-im" not in heard.headers for poll in polls for heard in poll)
    assert len(world.items()) == 3


@checks("rate-10")
async def a_source_is_asked_once_at_a_time(world: World, case: Case) -> None:
    del case
    world.web.pages[FEED] = web.Reply(headers=RSS, body=body("A.xml"), wait=1.0)
    slow = asyncio.create_task(world.round())
    while not world.web.heard:
        await asyncio.sleep(0.01)

    # No answer takes longer: http.timeout is 30 s, and a lease is for 15 min.
    other = world.another()
    for _ in range(3):
        world.clock.advance(timedelta(minutes=4))
        await other.engine.run_once(harvests=False)
    assert await slow == world.web.heard
    await ended(other)
    assert len(world.web.heard) == 1
    assert [poll.outcome for poll in world.polls] == [model.Outcome.NEW]
