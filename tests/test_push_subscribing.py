"""Asking hubs to push, over a real hub and both databases: what is asked, checked back, renewed and ended."""

from datetime import timedelta
from typing import Any

import pytest

from tests import hub as hubs
from tests.pushed import BASE, DAY, START, Rig, rig

__all__ = ["rig"]


async def test_a_poll_finds_the_hub_and_the_hub_is_asked(rig: Rig) -> None:
    await rig.poll()
    found = rig.subscription()["state"]
    await rig.ask()

    (form,) = rig.hub.asked
    assert found == "found"
    assert (form["hub.mode"], form["hub.topic"], form["hub.lease_seconds"]) == (
        "subscribe",
        rig.hub.url("/feed"),
        "864000",
    )
    assert form["hub.callback"].startswith(f"{BASE}/websub/")
    assert len(form["hub.callback"].rpartition("/")[2]) >= 43
    assert len(form["hub.secret"]) == 64
    assert (rig.subscription()["state"], await rig.ask()) == ("requested", 0)


async def test_link_headers_go_before_what_the_document_says(rig: Rig) -> None:
    rig.hub.links = f'<{rig.hub.url("/hub-of-header")}>; rel="hub", <{rig.hub.url("/topic")}>; rel="self"'

    await rig.poll()
    await rig.ask()

    assert (rig.hub.asked[0]["path"], rig.hub.asked[0]["hub.topic"]) == ("/hub-of-header", rig.hub.url("/topic"))


async def test_a_document_that_was_known_before_is_looked_at_again_for_its_hub(rig: Rig) -> None:
    rig.renew(websub=False)
    await rig.poll()
    rig.write("UPDATE sources SET hubs = NULL, topic = NULL")
    rig.renew(websub=True)

    again = await rig.poll(timedelta(hours=1))
    third = await rig.poll(timedelta(hours=1))

    assert (again["http_status"], again["outcome"]) == (200, "unchanged")
    assert third["outcome"] == "not_modified"
    assert rig.subscription()["state"] == "found"


async def test_a_source_that_does_not_want_it_is_not_subscribed(rig: Rig) -> None:
    rig.renew(websub=False)

    await rig.poll()
    await rig.ask()

    assert rig.hub.asked == []
    assert rig.hub.url("/hub") in str(rig.source()["hubs"])
    assert rig.rows("SELECT * FROM subscriptions") == []


async def test_a_hub_that_checks_back_gets_its_challenge_as_plain_text(rig: Rig) -> None:
    await rig.poll()
    await rig.ask()

    answer = await rig.check_back(hub_lease_seconds="7200")

    assert (answer.status_code, answer.text) == (200, "c4fe")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    row = rig.subscription()
    assert (row["state"], row["failures"]) == ("active", 0)
    assert row["reason"].startswith("subscribed for 2 h, renewed in 9")


@pytest.mark.parametrize(
    "told",
    [
        {"hub_topic": "https://elsewhere.example/feed"},
        {"hub_mode": "unsubscribe"},
        {"hub_mode": "publish"},
        {"hub_challenge": ""},
        {"hub_challenge": "x" * 5000},
        {"hub_challenge": "<script>\x00"},
    ],
)
async def test_a_hub_that_asks_for_what_we_did_not_is_told_404(rig: Rig, told: dict[str, str]) -> None:
    await rig.poll()
    await rig.ask()

    answer = await rig.check_back(**told)

    assert (answer.status_code, answer.text) == (404, "")
    assert rig.subscription()["state"] == "requested"


async def test_a_token_nobody_gave_is_404_and_the_prefix_may_be_cut_off(rig: Rig) -> None:
    await rig.subscribed()
    form = rig.hub.asked[-1]

    unknown = await rig.call("POST", f"{BASE}/websub/unknown", content=b"x")
    head = await rig.call("HEAD", form["hub.callback"], params={"hub.mode": "subscribe"})
    short = await rig.check_back(form | {"hub.callback": form["hub.callback"].replace("/news/", "/")})

    assert (unknown.status_code, head.status_code, short.status_code) == (404, 405, 200)


async def test_a_hub_that_refuses_says_why_and_is_asked_again_in_a_week(rig: Rig) -> None:
    await rig.poll()
    await rig.ask()

    answer = await rig.check_back(hub_mode="denied", hub_reason="not <b>you</b>")

    assert answer.status_code == 200
    assert rig.subscription()["state"] == "denied"
    assert rig.subscription()["reason"] == f"{rig.hub.url('/hub')} refuses: not <b>you</b>"
    assert (await rig.ask(timedelta(days=6)), await rig.ask(DAY)) == (0, 1)


async def test_a_hub_that_fails_is_asked_again_later_and_later_for_ever(rig: Rig) -> None:
    rig.hub.status, rig.hub.said = 500, b"the callback SECRET is no good"
    await rig.poll()
    waits: list[timedelta] = []
    for _ in range(12):
        began, step = rig.now, max(timedelta(minutes=1), max(waits, default=timedelta()) / 200)
        while not await rig.ask(step):
            pass
        waits.append(rig.now - began)

    row = rig.subscription()
    assert (row["state"], row["failures"]) == ("failed", 12)
    assert "HTTP 500" in row["reason"]
    assert "the callback SECRET is no good" in row["reason"]
    assert waits[1:9] == sorted(waits[1:9])
    assert all(DAY <= wait <= timedelta(hours=26.5) for wait in waits[10:])


async def test_what_a_hub_quotes_of_our_secrets_is_not_kept(rig: Rig) -> None:
    await rig.poll()
    row = rig.subscription()
    rig.hub.status, rig.hub.said = 400, f"no {row['token']} with {row['secret']}".encode()

    await rig.ask()

    assert rig.subscription()["reason"].startswith(f"{rig.hub.url('/hub')}: HTTP 400 Bad Request: no … with …;")


async def test_of_several_hubs_the_next_is_tried_with_keys_of_its_own(rig: Rig) -> None:
    links = "".join(f'<atom:link rel="hub" href="{rig.hub.url(path)}"/>' for path in ("/hub1", "/hub2"))
    rig.hub.feed, rig.hub.status = hubs.feed(hubs.entry(1), links=links), 503
    await rig.poll()

    await rig.ask()
    await rig.ask(timedelta(minutes=2))

    first, second = rig.hub.asked
    assert (first["path"], second["path"]) == ("/hub1", "/hub2")
    assert first["hub.callback"] != second["hub.callback"]
    assert first["hub.secret"] != second["hub.secret"]
    assert first["hub.topic"] == rig.hub.url("/feed")


async def test_a_hub_that_sends_us_on_is_followed_with_the_form(rig: Rig) -> None:
    rig.hub.moves_to = "/hub-elsewhere"
    await rig.poll()

    await rig.ask()

    assert rig.hub.asked[0]["path"] == "/hub-elsewhere"
    assert rig.subscription()["state"] == "requested"


async def test_a_hub_that_never_checks_back_is_asked_again(rig: Rig) -> None:
    await rig.poll()

    asked = [await rig.ask(), await rig.ask(timedelta(minutes=29)), await rig.ask(timedelta(minutes=2))]

    assert asked == [1, 0, 1]
    assert rig.subscription()["state"] == "requested"
    assert "has not checked back yet" in rig.subscription()["reason"]


async def test_a_lease_is_renewed_before_it_ends(rig: Rig) -> None:
    await rig.trusted()
    early = await rig.ask(timedelta(days=7))
    asked = await rig.ask(timedelta(days=1, hours=6))
    answer = await rig.check_back()

    first, second = rig.hub.asked
    assert (early, asked, answer.status_code) == (0, 1, 200)
    assert {**first} == {**second}
    assert rig.source()["pushed_by"] == rig.hub.url("/hub")
    assert await rig.ask(timedelta(days=3)) == 0
    assert rig.subscription()["state"] == "active"


async def test_a_lease_that_ends_without_a_new_one_means_polling_at_once(rig: Rig) -> None:
    await rig.trusted()
    rig.hub.status = 500
    before = rig.due_in()
    while rig.now < START + timedelta(days=10, hours=1):
        await rig.ask(timedelta(hours=1))

    assert before > timedelta(hours=20)
    assert rig.subscription()["state"] in ("expired", "failed")
    assert rig.source()["pushed_by"] is None
    assert rig.due_in() <= timedelta(0)
    assert "lease" in rig.source()["due_reason"]
    assert (await rig.poll())["due_reason"].startswith("every 1 h")


async def test_another_hub_or_topic_is_subscribed_to_and_the_old_one_left(rig: Rig) -> None:
    await rig.trusted()
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hub="/hub-new", topic="/topic-new")

    poll = await rig.poll(DAY)
    await rig.ask()

    assert poll["due_reason"].startswith("every ")
    by_mode = {form["hub.mode"]: form for form in rig.hub.asked[1:]}
    assert (by_mode["unsubscribe"]["path"], by_mode["unsubscribe"]["hub.callback"]) == (
        "/hub",
        rig.hub.asked[0]["hub.callback"],
    )
    assert (by_mode["subscribe"]["path"], by_mode["subscribe"]["hub.topic"]) == ("/hub-new", rig.hub.url("/topic-new"))
    assert (await rig.check_back(by_mode["unsubscribe"])).status_code == 200
    assert [row["state"] for row in rig.rows("SELECT state FROM subscriptions ORDER BY id")] == ["ended", "requested"]
    assert rig.source()["pushed_by"] is None


@pytest.mark.parametrize(
    "source", [{"websub": False}, {"enabled": False}, {"names": ("Other",), "url": "http://127.0.0.1:9/"}]
)
async def test_what_is_no_longer_wanted_is_unsubscribed_and_pushed_in_vain(rig: Rig, source: dict[str, Any]) -> None:
    await rig.trusted()
    rig.renew(**source)

    await rig.ask()
    pushed = await rig.push()

    assert rig.hub.asked[-1]["hub.mode"] == "unsubscribe"
    assert "hub.secret" not in rig.hub.asked[-1]
    assert (await rig.check_back()).status_code == 200
    assert rig.subscription()["state"] == "ended"
    assert pushed == 410
    assert rig.source()["pushed_by"] is None


async def test_a_hub_that_does_not_confirm_the_end_is_left_alone_after_three_times(rig: Rig) -> None:
    await rig.subscribed()
    rig.renew(websub=False)
    for _ in range(6):
        await rig.ask(DAY)

    assert [form["hub.mode"] for form in rig.hub.asked] == ["subscribe"] + 3 * ["unsubscribe"]
    assert rig.subscription()["state"] == "ended"


async def test_a_feed_that_names_no_hub_any_more_is_not_renewed(rig: Rig) -> None:
    await rig.trusted()
    rig.hub.publish(hubs.entry(1), hubs.entry(2), hub=None)
    await rig.poll(DAY)
    kept = rig.subscription()["state"]

    await rig.ask(timedelta(days=8))

    assert (kept, rig.subscription()["state"]) == ("active", "ending")
    assert len(rig.hub.asked) == 1


async def test_another_url_of_the_source_ends_what_was_pushed_of_the_old_one(rig: Rig) -> None:
    await rig.trusted()
    rig.renew(url=rig.hub.url("/feed?other"))
    rig.app.subscriber.tend()

    assert await rig.push() == 410
    assert rig.subscription()["state"] == "ending"


async def test_another_base_url_is_told_to_the_hubs_at_once(rig: Rig) -> None:
    await rig.trusted()
    rig.renew(base_url="https://elsewhere.example")

    asked = await rig.ask(), await rig.ask(timedelta(minutes=11))

    first, second = rig.hub.asked
    assert asked == (1, 0)
    assert second["hub.callback"] == first["hub.callback"].replace(BASE, "https://elsewhere.example")
    assert (rig.subscription()["state"], rig.source()["pushed_by"]) == ("active", rig.hub.url("/hub"))


async def test_the_rest_of_the_page_still_only_reads(rig: Rig) -> None:
    statuses = [
        (await rig.call("POST", f"{BASE}{path}")).status_code for path in ("/", "/metrics", "/websub", "/websub/")
    ]
    other = await rig.call("GET", "https://evil.example/websub/x")

    assert statuses == [404, 404, 404, 404]
    assert (await rig.call("POST", "https://collector.example/")).status_code == 405
    assert other.status_code == 400
