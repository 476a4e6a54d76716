"""The program as it runs, over a loopback web and a clock that tests move: real HTTP, workers and SQL."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import RowMapping, text

from aggregator import app, config, model, upkeep
from aggregator.net import fetcher, manners
from aggregator.store import db
from tests.behaviours import web

# A Friday, after the dates in the recorded bodies.
START = datetime(2025, 9, 5, 9, tzinfo=UTC)
FEED = "http://feed.test/feed.xml"
DRAIN = timedelta(seconds=1)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        """The real one, with what has passed here added: manners space requests by it."""
        return time.monotonic() + (self.at - START).total_seconds()

    def advance(self, by: timedelta | float) -> None:
        self.at += by if isinstance(by, timedelta) else timedelta(seconds=by)


class World:
    """One configuration, one database, one web, one clock; the App is opened when it is needed and stays open."""

    def __init__(self, folder: Path, database: str, served: web.Web) -> None:
        self.folder, self.database, self.web, self.clock = folder, database, served, Clock()
        self.sources: dict[str, dict[str, Any]] = {"feed": {"url": FEED}}
        # Sections as in aggregator.yaml, over the defaults of the program.
        self.told: dict[str, dict[str, Any]] = {
            "http": {"contact": "https://example.org/bot", "per_host": {"spacing": 0, "concurrency": 4}},
            "harvest": {"workers": 1},
            "poll": {},
        }
        self.polls: list[model.PollReport] = []
        self.harvests: list[model.HarvestReport] = []
        self.polled_again = 0
        self._opened: app.App | None = None
        web.authority().cert_pem.write_to_path(folder / "ca.pem")

    # --------------------------------------------------------------------------------------------- the program

    def settings(self) -> config.Settings:
        connect_to = {f"{name}:80": f"127.0.0.1:{self.web.http}" for name in web.NAMES}
        connect_to |= {f"{name}:443": f"127.0.0.1:{self.web.https}" for name in web.NAMES}
        http = {"connect_to": connect_to, "ca_bundle": self.folder / "ca.pem", "timeout": "10s"} | self.told["http"]
        http["connect_to"] = connect_to | self.told["http"].get("connect_to", {})
        return config.Settings.model_validate(
            {
                "path": self.folder / "aggregator.yaml",
                "folder": self.folder,
                "database": self.database,
                "taxonomy": {},
                "sources": [
                    config.SourceConfig.model_validate({"name": name} | told) for name, told in self.sources.items()
                ],
            }
            | self.told
            | {"http": http}
        )

    @property
    def running(self) -> app.App:
        """The running program; what `app.open_store` does, by our clock."""
        if self._opened is None:
            self._opened = self.another()
        return self._opened

    def another(self) -> app.App:
        """A process more over the same database."""
        settings = self.settings()
        store = db.Store(settings.database)
        store.upgrade()
        if self._opened is None:
            upkeep.release_dead_leases(store, alone=True)
        upkeep.sync_sources(store, settings, self.clock())
        observers = app.Observers(polled=self.polls.append, harvested=self.harvests.append)
        return app.App(settings, store, observers, now=self.clock)

    async def close(self) -> None:
        if self._opened is not None:
            await ended(self._opened)
            self._opened = None

    async def restart(self) -> None:
        """The process ends and another begins, as a daemon does, with the configuration of now."""
        await self.close()
        await self.running.engine.start()
        await self.close()

    async def configure(self, **sources: Mapping[str, Any] | str) -> None:
        """The operator edits sources.yaml; the program is started anew."""
        self.sources = {name: {"url": told} if isinstance(told, str) else dict(told) for name, told in sources.items()}
        await self.close()

    async def round(self, *, harvests: bool = False) -> list[web.Heard]:
        """What is due now is done; the requests that it took."""
        before = len(self.web.heard)
        await self.running.engine.run_once(harvests=harvests)
        return self.web.heard[before:]

    async def poll(self, name: str = "feed", *reply: web.Reply, harvests: bool = False) -> list[web.Heard]:
        """The next poll of a source, when the program itself says that it is due."""
        self.web.script.extend(reply)
        self.until_due(name)
        heard = await self.round(harvests=harvests)
        assert not self.web.script, "fewer requests than scripted"
        return heard

    def until_due(self, name: str = "feed") -> None:
        """Let time pass until the source is due."""
        due = self.source(name)["next_poll_at"]
        assert due is not None, "not to be polled any more"
        if due > self.clock.at:
            self.polled_again += 1
            self.clock.at = due

    # -------------------------------------------------------------------------------------------- the database

    def rows(self, query: str, **values: Any) -> list[RowMapping]:
        with self.running.store.read() as conn:
            return list(conn.execute(text(query), values).mappings())

    def execute(self, statement: str) -> None:
        with self.running.store.begin() as conn:
            conn.execute(text(statement))

    def source(self, name: str = "feed") -> dict[str, Any]:
        """The row of a source, its times as times."""
        (row,) = self.rows("SELECT * FROM sources WHERE name = :name", name=name)
        return {key: _time(value) if key.endswith("_at") else value for key, value in row.items()}

    def delay(self, name: str = "feed") -> timedelta:
        """How long from now the source is due."""
        due = self.source(name)["next_poll_at"]
        assert isinstance(due, datetime)
        return due - self.clock.at

    def items(self) -> list[RowMapping]:
        return self.rows("SELECT * FROM items ORDER BY title, id")

    def titles(self) -> list[str]:
        return [row["title"] for row in self.items()]

    def poll_rows(self, name: str = "feed") -> list[RowMapping]:
        return self.rows(
            "SELECT p.* FROM polls p JOIN sources s ON s.id = p.source_id WHERE s.name = :name ORDER BY p.id", name=name
        )


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


async def ended(running: app.App) -> None:
    """Stop a process as the daemon does."""
    await running.engine.drain(DRAIN)
    await running.aclose()
    running.store.close()


@asynccontextmanager
async def opened(folder: Path, database: str) -> AsyncIterator[World]:
    """A world; whatever is open in it is closed after the block."""
    async with web.serve() as served:
        world = World(folder, database, served)
        with pytest.MonkeyPatch.context() as patch:
            for module in (manners, fetcher):
                patch.setattr(module, "time", SimpleNamespace(monotonic=world.clock.monotonic))
            try:
                yield world
            finally:
                await world.close()
