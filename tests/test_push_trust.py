"""Whether a hub that has promised to push does so, over a real hub and both databases: when it is relied upon, when given up."""

from datetime import timedelta
from email.utils import format_datetime

from tests import hub as hubs
from tests.pushed import DAY, Rig, rig

__all__ = ["rig"]


async def test_a_hub_that_missed_what_was_published_long_ago_is_given_up_at_once(rig: Rig) -> None:
    await rig.trusted()
    published = format_datetime(rig.now + timedelta(hours=20), usegmt=True)
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hubs.entry(3, published))

    poll = await rig.poll(DAY)

    row = rig.subscription()
    assert (row["state"], rig.source()["pushed_by"]) == ("broken", None)
    assert row["reason"].startswith(
        f"{rig.hub.url('/hub')} has not pushed 1 new entry in the poll of 2025-09-20 12:55 UTC"
    )
    assert poll["due_reason"].startswith("every 28 min: half its usual gap of 55 min")
    assert (await rig.ask(timedelta(hours=23)), await rig.ask(timedelta(hours=2))) == (0, 1)


async def test_a_hub_has_ten_minutes_to_push_what_a_poll_found_first(rig: Rig) -> None:
    await rig.trusted()
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hubs.entry(3))
    poll = await rig.poll(timedelta(hours=1))
    suspected = rig.subscription()["state"], rig.source()["pushed_by"]

    await rig.ask(timedelta(minutes=9))
    spared = rig.subscription()["state"]
    await rig.ask(timedelta(minutes=2))

    assert poll["due_reason"].startswith("every 28 min: half its usual gap of 55 min")
    assert suspected == ("active", None)
    assert (spared, rig.subscription()["state"]) == ("active", "broken")
    assert "has not pushed what is new in the poll of 2025-09-19 13:55 UTC" in rig.subscription()["reason"]


async def test_a_hub_that_pushes_a_little_later_is_still_trusted(rig: Rig) -> None:
    await rig.trusted()
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hubs.entry(3))
    await rig.poll(timedelta(hours=1))
    rig.now += timedelta(minutes=1)

    await rig.push()
    await rig.ask(timedelta(hours=1))

    assert rig.subscription()["state"] == "active"
    assert rig.source()["due_reason"] == f"pushed by {rig.hub.url('/hub')}; backup poll every 24 h"


async def test_a_hub_that_pushes_again_is_trusted_again(rig: Rig) -> None:
    await rig.trusted()
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hubs.entry(3))
    await rig.poll(timedelta(hours=1))
    await rig.ask(timedelta(minutes=11))
    broken = rig.subscription()["state"]

    rig.hub.publish(hubs.entry(1), hubs.entry(4))
    await rig.push()

    assert (broken, rig.subscription()["state"]) == ("broken", "active")
    assert rig.source()["due_reason"] == f"pushed by {rig.hub.url('/hub')}; backup poll every 24 h"


async def test_a_hub_given_up_that_checks_back_anew_is_not_relied_upon_before_it_pushes(rig: Rig) -> None:
    await rig.trusted()
    rig.hub.publish(hubs.entry(1), hubs.entry(3))
    await rig.poll(timedelta(hours=1))
    await rig.ask(timedelta(minutes=11))
    await rig.ask(timedelta(days=1))
    await rig.check_back()

    poll = await rig.poll(timedelta(hours=1))

    assert rig.subscription()["state"] == "active"
    assert poll["due_reason"].startswith("every ")


async def test_what_came_before_the_subscription_is_not_held_against_the_hub(rig: Rig) -> None:
    rig.hub.publish(hubs.entry(1))
    await rig.poll()
    await rig.ask()
    published = format_datetime(rig.now + timedelta(minutes=5), usegmt=True)
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hubs.entry(3, published))
    rig.now += timedelta(minutes=20)
    await rig.check_back()

    await rig.poll(timedelta(minutes=40))
    await rig.ask(DAY)

    assert rig.subscription()["state"] == "active"


async def test_a_push_that_is_still_waiting_is_not_missed(rig: Rig) -> None:
    await rig.trusted()
    rig.app.receiver.close()
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hubs.entry(3))
    await rig.push()

    await rig.poll(timedelta(hours=1))

    assert (rig.subscription()["state"], rig.subscription()["suspect_at"]) == ("active", None)
