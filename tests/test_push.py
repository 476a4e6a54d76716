"""Being pushed, over a real hub, the real ASGI application, real workers and both databases; only the clock is the test's own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import RowMapping, text

from aggregator import app, config, errors, upkeep
from aggregator.store import db
from aggregator.web import callback, page
from tests import hub as hubs

DAY = timedelta(days=1)
START = datetime(2025, 9, 19, 12, tzinfo=UTC)
BASE = "https://collector.example/news"
OWNER = "here:1:abc"


class Rig:
    """One source, its hub, and an app whose clock stands at `now`."""

    def __init__(self, hub: hubs.Hub, database: str) -> None:
        self.hub, self.database, self.now = hub, database, START
        self.told: list[str] = []
        self.store = db.Store(database)
        self._apps: list[app.App] = []
        self.renew()

    def renew(
        self, *, names: tuple[str, ...] = ("Pushed",), websub: bool = True, base_url: str = BASE, **source: Any
    ) -> None:
        """Begin again with another configuration, as a reload does."""
        told = {"websub": websub} | source
        listed = [
            {"name": name, "url": self.hub.url(f"/{'feed' if n == 0 else name}")} | told for n, name in enumerate(names)
        ]
        self.settings = config.Settings.model_validate(
            {
                "path": Path("aggregator.yaml"),
                "folder": Path(),
                "database": self.database,
                "poll": {"interval": "1h"},
                "harvest": {"workers": 1, "full_text": "never"},
                "http": {
                    "allow_networks": ["127.0.0.0/8"],
                    "per_host": {"spacing": 0},
                    "timeout": "2s",
                    "max_feed_bytes": "64KiB",
                },
                "web": {"base_url": base_url},
                "sources": [config.SourceConfig.model_validate(one) for one in listed],
                "taxonomy": {},
            }
        )
        upkeep.sync_sources(self.store, self.settings, self.now)
        self.app = app.App(self.settings, self.store, now=lambda: self.now)
        self.app.receiver.open(OWNER)
        self._apps.append(self.app)

    async def end(self) -> None:
        for opened in self._apps:
            opened.receiver.close()
            await asyncio.gather(*opened.receiver.tasks)
            await opened.aclose()
        self.store.close()

    # ---------------------------------------------------------------------------------------------- what happens

    async def poll(self, after: timedelta = timedelta(0)) -> RowMapping:
        """Time passes, then the source is polled; its `polls` row."""
        self.now += after
        await self.app.engine.run_once(names=["Pushed"], harvests=False)
        return self.rows("SELECT * FROM polls ORDER BY id DESC LIMIT 1")[0]

    async def ask(self, after: timedelta = timedelta(0)) -> int:
        """Time passes, then the hubs whose time has come are asked; how many they were."""
        self.now += after
        self.app.subscriber.tend()
        claimed = self.app.subscriber.claim_due(self.now, 10)
        for wanted in claimed:
            await self.app.subscriber.ask(wanted)
        return len(claimed)

    async def call(self, method: str, url: str, **told: Any) -> httpx.Response:
        callbacks = callback.Callbacks(lambda: self.app.subscriber, lambda: self.app.receiver)
        assert self.settings.web is not None
        site = page.application(self.store, self.app.metrics, lambda: None, self.settings.web, callbacks)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site)) as client:
            return await client.request(method, url, **told)

    async def check_back(self, form: dict[str, str] | None = None, /, **told: str) -> httpx.Response:
        """The hub checks back on the request `form`, the last one if not given."""
        form = form or self.hub.asked[-1]
        query = {
            "hub.mode": form["hub.mode"],
            "hub.topic": form["hub.topic"],
            "hub.challenge": "c4fe",
            "hub.lease_seconds": "864000",
        }
        query |= {name.replace("_", ".", 1): value for name, value in told.items()}
        return await self.call("GET", form["hub.callback"], params=query)

    async def push(
        self,
        body: bytes | None = None,
        *,
        method: str = "sha256",
        wait: bool = True,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> int:
        """The hub pushes, and what it pushed is stored."""
        form, body = self.hub.subscribed()[-1], self.hub.feed if body is None else body
        signed = {"x-hub-signature": hubs.signature(form["hub.secret"], body, method)} if method else {}
        told: dict[str, Any] = {"content-type": hubs.RSS} | signed | dict(headers or {})
        answer = await self.call("POST", form["hub.callback"], content=body, headers=told)
        if wait:
            await asyncio.gather(*self.app.receiver.tasks)
        return answer.status_code

    async def subscribed(self) -> None:
        """Polled, asked, verified."""
        await self.poll()
        await self.ask()
        assert (await self.check_back()).status_code == 200

    async def trusted(self) -> None:
        """Subscribed at a hub that has shown that it pushes: entries 1 and 2."""
        await self.subscribed()
        # Sooner, and it would be taken for a source with news every few minutes.
        self.now += timedelta(minutes=55)
        self.hub.publish(hubs.entry(1), hubs.entry(2))
        await self.push()

    # ------------------------------------------------------------------------------------------------ what is there

    def rows(self, query: str, **values: Any) -> list[RowMapping]:
        with self.store.read() as conn:
            return list(conn.execute(text(query), values).mappings())

    def write(self, statement: str, **values: Any) -> None:
        with self.store.begin() as conn:
            conn.execute(text(statement), values)

    def subscription(self) -> RowMapping:
        return self.rows("SELECT * FROM subscriptions ORDER BY id DESC LIMIT 1")[0]

    def source(self) -> RowMapping:
        return self.rows("SELECT * FROM sources WHERE name = 'Pushed'")[0]

    def titles(self) -> list[str]:
        return [row["title"] for row in self.rows("SELECT title FROM items ORDER BY id")]

    def due_in(self) -> timedelta:
        due = self.rows("SELECT next_poll_at FROM sources")[0]["next_poll_at"]
        at = due if isinstance(due, datetime) else datetime.fromisoformat(due)
        return at - self.now


@pytest.fixture
async def rig(database_url: str) -> AsyncIterator[Rig]:
    with hubs.serve() as hub:
        hub.checks_back = False
        hub.publish(hubs.entry(1))
        made = Rig(hub, database_url)
        yield made
        await made.end()


# ----------------------------------------------------------------------------------------------------- subscribing


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


# ------------------------------------------------------------------------------------------------------ being pushed


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


# ---------------------------------------------------------------------------------------------- does it push, though?


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
