"""Being pushed, over a real hub, the real ASGI application, real workers and both databases: what is taken, stored and polled instead."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from aggregator import errors
from tests import hub as hubs
from tests.pushed import DAY, Rig, rig

__all__ = ["rig"]


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
async def test_what_is_pushed_and_signed_is_stored(rig: Rig, method: str) -> None:
    await rig.subscribed()
    rig.hub.publish(hubs.entry(1), hubs.entry(2))

    assert await rig.push(method=method) == 202

    assert rig.titles() == ["Title 1", "Title 2"]
    (push,) = rig.rows("SELECT * FROM polls WHERE origin = 'push'")
    assert (push["outcome"], push["new"], push["entries"], push["http_status"]) == ("new", 1, 2, None)


@pytest.mark.parametrize(
    "signature",
    ["", "sha256", "sha256=", "sha256=00", "md5=00", "sha1=\u00e9", "sha256=" + "0" * 64, "=", "sha512/256=0"],
)
async def test_what_is_not_signed_as_agreed_is_taken_and_ignored(rig: Rig, signature: str) -> None:
    await rig.subscribed()
    body = hubs.feed(hubs.entry(66))
    headers: dict[str, str | bytes] = {"x-hub-signature": signature.encode()} if signature else {}

    status = await rig.push(body, method="", headers=headers)

    assert status == 202
    assert rig.titles() == ["Title 1"]
    row = rig.subscription()
    assert (row["refused"], row["pushes"], row["waiting_at"], rig.source()["pushed_by"]) == (1, 0, None, None)


async def test_a_push_touches_nothing_that_polls_learned(rig: Rig) -> None:
    await rig.subscribed()
    kept = "etag last_modified validators_url document_hash hints last_polled_at last_success_at failures state hubs topic advice".split()
    before = {name: rig.source()[name] for name in kept}
    rig.now += timedelta(minutes=5)

    # New entries alone, as hubs may push, and of another place in the world.
    await rig.push(hubs.feed(hubs.entry(7), hubs.entry(8)))

    assert {name: rig.source()[name] for name in kept} == before
    assert rig.rows("SELECT * FROM gaps") == []
    found = rig.rows("SELECT title, discovered_by FROM feed_items ORDER BY title")
    assert [row["discovered_by"] for row in found] == ["feed", "push", "push"]
    assert rig.titles() == ["Title 1", "Title 7", "Title 8"]
    after = await rig.poll(DAY)
    assert after["outcome"] == "not_modified"


async def test_who_is_pushed_is_polled_once_a_day(rig: Rig) -> None:
    await rig.subscribed()
    untried = rig.due_in()
    rig.now += timedelta(minutes=5)
    rig.hub.publish(hubs.entry(1), hubs.entry(2))
    await rig.push()
    pushed = rig.source()

    polled = await rig.poll(timedelta(hours=20))
    again = rig.due_in()
    rig.now += timedelta(hours=20)
    await rig.push(hubs.feed(hubs.entry(3)))

    # A hub that has only promised to push is not relied upon yet.
    assert untried < timedelta(hours=2)
    assert pushed["due_reason"] == f"pushed by {rig.hub.url('/hub')}; backup poll every 24 h"
    assert polled["due_reason"] == pushed["due_reason"]
    assert timedelta(hours=24) <= again <= timedelta(hours=26.5)
    # Pushes do not put off the backup poll.
    assert rig.due_in() <= timedelta(hours=6.5)


async def test_a_source_with_an_interval_of_its_own_keeps_it(rig: Rig) -> None:
    rig.renew(interval="2h")

    await rig.trusted()

    assert rig.source()["due_reason"] == f"pushed by {rig.hub.url('/hub')}; backup poll every 2 h"


async def test_the_same_document_pushed_again_and_again_costs_no_more_than_its_signature(rig: Rig) -> None:
    await rig.subscribed()
    rig.hub.publish(hubs.entry(1), hubs.entry(2))

    for _ in range(30):
        await rig.push(wait=False)
    await asyncio.gather(*rig.app.receiver.tasks)

    assert len(rig.rows("SELECT * FROM polls WHERE origin = 'push'")) == 1
    assert rig.subscription()["pushes"] == 30
    assert rig.subscription()["waiting_at"] is None


async def test_a_burst_of_different_documents_is_stored_in_order_and_bounded(rig: Rig) -> None:
    await rig.subscribed()
    rig.write("UPDATE sources SET lease_owner = 'poll', lease_until = '2999-01-01T00:00:00Z'")
    statuses = [await rig.push(hubs.feed(hubs.entry(1), hubs.entry(n)), wait=False) for n in range(2, 14)]
    rig.write("UPDATE sources SET lease_owner = NULL, lease_until = NULL")
    await asyncio.gather(*rig.app.receiver.tasks)

    assert statuses == 8 * [202] + 4 * [503]
    assert rig.titles() == [f"Title {n}" for n in range(1, 10)]
    assert rig.subscription()["waiting_at"] is None


async def test_a_push_waits_for_the_poll_that_has_its_source(rig: Rig) -> None:
    await rig.subscribed()
    rig.write("UPDATE sources SET lease_owner = 'poll', lease_until = '2999-01-01T00:00:00Z'")
    rig.hub.publish(hubs.entry(1), hubs.entry(2))

    status = await rig.push(wait=False)
    await asyncio.sleep(0.3)
    waiting, titles = rig.subscription()["waiting_at"], rig.titles()
    rig.write("UPDATE sources SET lease_owner = NULL, lease_until = NULL")
    await asyncio.gather(*rig.app.receiver.tasks)

    assert (status, titles) == (202, ["Title 1"])
    assert waiting is not None
    assert rig.titles() == ["Title 1", "Title 2"]
    assert (rig.subscription()["waiting_at"], rig.source()["lease_owner"]) == (None, None)


async def test_a_push_that_died_with_its_process_is_polled_instead(rig: Rig) -> None:
    await rig.subscribed()
    rig.app.receiver.close()
    rig.hub.publish(hubs.entry(1), hubs.entry(2))

    await rig.push()
    noted = rig.subscription()["waiting_at"]
    await rig.ask(timedelta(minutes=2))

    assert noted is not None
    assert rig.due_in() <= timedelta(0)
    assert rig.source()["due_reason"] == f"what {rig.hub.url('/hub')} pushed was not stored: polled instead"
    await rig.poll()
    assert rig.titles() == ["Title 1", "Title 2"]


@pytest.mark.parametrize("body", [b"", b"changed", b"<html><body>news</body></html>", hubs.feed(hubs.entry(2))[:-40]])
async def test_what_cannot_be_read_is_polled_instead_but_not_too_often(rig: Rig, body: bytes) -> None:
    await rig.subscribed()
    rig.now += timedelta(minutes=1)

    await rig.push(body)

    (push,) = rig.rows("SELECT * FROM polls WHERE origin = 'push'")
    assert (push["outcome"], bool(push["error"])) == ("failed", True)
    assert rig.source()["due_reason"] == f"what {rig.hub.url('/hub')} pushed could not be read: polled instead"
    assert timedelta(minutes=3) < rig.due_in() <= timedelta(minutes=4)
    assert (rig.source()["state"], rig.source()["failures"]) == ("active", 0)


async def test_a_good_push_does_not_put_off_the_poll_for_a_bad_one(rig: Rig) -> None:
    await rig.trusted()
    await rig.push(b"garbage")
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hubs.entry(3))

    await rig.push()

    assert rig.titles() == ["Title 1", "Title 2", "Title 3"]
    assert rig.due_in() <= timedelta(minutes=5)
    assert rig.source()["due_reason"] == f"pushed by {rig.hub.url('/hub')}; a poll was due all the same"


async def test_two_processes_that_find_the_same_hub_subscribe_once(rig: Rig) -> None:
    await rig.poll()
    with pytest.raises(errors.ConflictError), rig.store.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO subscriptions (source_id, hub, topic, state, reason, token, secret, added_at)"
                " SELECT source_id, hub, topic, 'found', reason, 'other', secret, added_at FROM subscriptions"
            )
        )

    rig.app.subscriber.tend()

    assert len(rig.rows("SELECT * FROM subscriptions")) == 1


async def test_bodies_beyond_the_limit_are_refused_whether_they_say_so_or_not(rig: Rig) -> None:
    await rig.subscribed()
    form, large = rig.hub.subscribed()[-1], b"x" * (64 * 1024 + 1)

    async def unstated() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield large[: 8 * 1024]

    stated = await rig.push(large)
    chunked = (await rig.call("POST", form["hub.callback"], content=unstated())).status_code
    coded = await rig.push(b"x", headers={"content-encoding": "gzip"})
    fits = await rig.push(large[:-1])

    assert (stated, chunked, coded, fits) == (413, 413, 415, 202)
    assert rig.app.receiver.take_room(2 * 64 * 1024)


async def test_a_body_that_never_ends_is_given_up(rig: Rig) -> None:
    await rig.subscribed()
    form = rig.hub.subscribed()[-1]
    rig.app.receiver.patience = 0.2

    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    answer = await rig.call("POST", form["hub.callback"], content=dripping())

    assert answer.status_code == 408
    assert rig.app.receiver.take_room(2 * 64 * 1024)
