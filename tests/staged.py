"""The whole program over a test server: `round()` is what `run --once` does. Feeds and a page for it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, text, update

from aggregator import app, config, model
from aggregator.store import db, tables
from tests import loopback

WORDS = " ".join(f"The minister said on day {n} that carbon markets would grow." for n in range(40))
PARAGRAPH = "Nobody in the hall had expected it, and so the applause came late, after the doors had closed behind him."
PAGE = f"<html lang=en><head><title>T</title></head><body><article><h1>T</h1><p>{WORDS}</p><p>{WORDS}</p></article></body></html>"


def rss(*entries: str, language: str = "en") -> bytes:
    inside = "".join(entries)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><language>{language}</language>{inside}</channel></rss>'.encode()


def entry(n: int, url: str, *, title: str | None = None, more: str = "") -> str:
    dated = f"<pubDate>Thu, 18 Sep 2025 {n:02}:00:00 GMT</pubDate>"
    return f"<item><guid isPermaLink='false'>g{n}</guid><title>{title or f'Title {n}'}</title><link>{url}</link>{dated}{more}</item>"


class Bench:
    """An app over a test server: `round()` is what `run --once` does."""

    def __init__(self, server: loopback.Server, database: str) -> None:
        self.server, self.database = server, database
        self.polls: list[model.PollReport] = []
        self.harvests: list[model.HarvestReport] = []

    def settings(self, *names: str, **harvest: Any) -> config.Settings:
        feeds = [
            {"name": name, "url": self.server.url(f"/{name}.xml"), "category": "environmental_news"}
            for name in names or ("one",)
        ]
        return config.Settings.model_validate(
            {
                "path": Path("aggregator.yaml"),
                "folder": Path(),
                "database": self.database,
                "poll": {"interval": "1s", "min_interval": "1s"},
                "harvest": {"workers": 1} | harvest,
                "http": {
                    "allow_networks": ["127.0.0.0/8"],
                    "per_host": {"spacing": 0, "concurrency": 4},
                    "timeout": "2s",
                },
                "sources": [config.SourceConfig.model_validate(feed) for feed in feeds],
                "taxonomy": {
                    "version": "1",
                    "topics": [{"tag": "carbon-markets", "label": "Carbon", "words": {"en": ["carbon market*"]}}],
                },
            }
        )

    async def round(self, *names: str, harvests: bool = True, **harvest: Any) -> None:
        settings = self.settings(*names, **harvest)
        store = app.open_store(settings)
        with store.begin() as conn:
            conn.execute(
                update(tables.sources)
                .where(tables.sources.c.state != "gone")
                .values(next_poll_at=datetime(2000, 1, 1, tzinfo=UTC))
            )
        observers = app.Observers(polled=self.polls.append, harvested=self.harvests.append)
        opened = app.App(settings, store, observers)
        try:
            await opened.engine.run_once(harvests=harvests)
        finally:
            await opened.engine.drain(timedelta(seconds=1))
            await opened.aclose()
            store.close()

    def rows(self, query: str, **values: Any) -> list[RowMapping]:
        store = db.Store(self.database)
        with store.read() as conn:
            found = list(conn.execute(text(query), values).mappings())
        store.close()
        return found

    def due(self) -> None:
        """Make every waiting visit due."""
        store = db.Store(self.database)
        with store.begin() as conn:
            waiting = tables.items.c.next_visit_at.is_not(None)
            conn.execute(update(tables.items).where(waiting).values(next_visit_at=datetime(2000, 1, 1, tzinfo=UTC)))
        store.close()


@pytest.fixture
async def bench(tmp_path: Path, database_url: str) -> AsyncIterator[Bench]:
    async with loopback.server(tmp_path) as server:
        yield Bench(server, database_url)
