"""A source that wants to be pushed, its hub, and an app whose clock is the test's own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import RowMapping, text

from aggregator import app, config, upkeep
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
