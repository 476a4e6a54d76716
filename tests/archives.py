"""A site of our own on loopback that publishes faster than its feed shows, and an app whose clock is the test's own."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import RowMapping, text

from aggregator import app, backfill, config, upkeep
from aggregator.store import db
from tests import scripted_web

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 9, 19, 12, tzinfo=UTC)


def at(n: int) -> datetime:
    """When article `n` appeared: one an hour, number 100 at the start."""
    return START + (n - 100) * HOUR


def entry(n: int, web: scripted_web.Loopback) -> str:
    return (
        f"<item><guid isPermaLink='false'>g{n}</guid><title>Title {n}</title><link>{web.url(f'/2025/{n}-title')}</link>"
        f"<description>Summary of {n}</description><pubDate>{format_datetime(at(n), usegmt=True)}</pubDate></item>"
    )


def rss(numbers: Sequence[int], web: scripted_web.Loopback, head: str = "") -> bytes:
    """A feed of these articles."""
    items = "".join(entry(n, web) for n in numbers)
    spaces = 'xmlns:atom="http://www.w3.org/2005/Atom"'
    return (
        f'<?xml version="1.0"?><rss version="2.0" {spaces}><channel><title>News</title><link>{web.url("/")}</link>'
        f"{head}{items}</channel></rss>"
    ).encode()


def down(first: int, last: int) -> list[int]:
    """The newest first, as feeds list them."""
    return list(range(first, last - 1, -1))


class Site:
    """A feed of the newest five at /feed.xml. `newest` is the number of the newest article."""

    def __init__(self, web: scripted_web.Loopback, database: str) -> None:
        self.web, self.database, self.now, self.newest = web, database, START, 100
        self.head: Callable[[], str] = lambda: ""
        self.reports: list[backfill.Report] = []
        self.store = db.Store(database)
        self.apps: list[app.App] = []
        web.answers["/feed.xml"] = lambda _heard: self.answer(rss(down(self.newest, self.newest - 4), web, self.head()))
        self.renew()

    def page(self, n: int, size: int, head: str = "") -> scripted_web.Answer:
        """The `n`th page of `size` articles, the newest first."""
        first = self.newest - size * (n - 1)
        return self.answer(rss(down(first, max(first - size + 1, 1)), self.web, head))

    @staticmethod
    def answer(body: bytes, **headers: str) -> scripted_web.Answer:
        return scripted_web.Answer(body=body, headers={"content-type": "application/xml"} | headers)

    def renew(self, *, pages: int = 150, timeout: str = "2s", most: str = "1MiB", **source: Any) -> None:
        """Begin again, as after a restart."""
        told = {"name": "News", "url": self.web.url("/feed.xml")} | source
        self.settings = config.Settings.model_validate(
            {
                "path": Path("aggregator.yaml"),
                "folder": Path(),
                "database": self.database,
                "poll": {"interval": "1h", "backfill_pages": pages},
                "harvest": {"workers": 1, "full_text": "never"},
                "http": {
                    "allow_networks": ["127.0.0.0/8"],
                    "per_host": {"spacing": 0},
                    "timeout": timeout,
                    "max_feed_bytes": most,
                },
                "sources": [config.SourceConfig.model_validate(told)],
                "taxonomy": {},
            }
        )
        upkeep.sync_sources(self.store, self.settings, self.now)
        observers = app.Observers(backfilled=self.reports.append)
        self.app = app.App(self.settings, self.store, observers, now=lambda: self.now)
        self.apps.append(self.app)

    async def end(self) -> None:
        for opened in self.apps:
            await opened.engine.drain(timedelta(seconds=1))
            await opened.aclose()
        self.store.close()

    # ---------------------------------------------------------------------------------------------- what happens

    async def poll(self, after: timedelta = timedelta(0)) -> None:
        """Time passes, then the source is polled."""
        self.now += after
        await self.app.engine.run_once(names=["News"], harvests=False)

    async def miss(self, count: int) -> None:
        """A first poll, then so many articles appear before the next: those between the two documents were never seen."""
        await self.poll()
        self.newest += count
        await self.poll(count * HOUR)

    async def walk(self, after: timedelta = timedelta(0)) -> None:
        """Time passes, then the gaps that are due are looked for."""
        self.now += after
        engine = self.app.engine
        for claimed in engine._claim_walks(self.now, 2):
            await self.app.backfiller.run(claimed)

    async def by_hand(self, since: datetime | None = None, pages: int = 150) -> None:
        await self.app.engine.walk_back("News", since=since, most_pages=pages)

    # ---------------------------------------------------------------------------------------------- what came of it

    def rows(self, query: str) -> list[RowMapping]:
        with self.store.read() as conn:
            return list(conn.execute(text(query)).mappings())

    def gap(self) -> RowMapping:
        (row,) = self.rows("SELECT * FROM gaps")
        return row

    def titles(self) -> list[str]:
        return [row["title"] for row in self.rows("SELECT title FROM items ORDER BY published_at")]

    def found_by(self) -> dict[str, int]:
        rows = self.rows("SELECT discovered_by, count(*) AS items FROM items GROUP BY discovered_by")
        return {row["discovered_by"]: row["items"] for row in rows}

    def asked(self) -> list[str]:
        return [heard.target for heard in self.web.heard]

    def all_of(self, first: int, last: int) -> list[str]:
        return [f"Title {n}" for n in range(first, last + 1)]


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    async with scripted_web.serve() as web:
        made = Site(web, database_url)
        try:
            yield made
        finally:
            await made.end()


def paged_archive(site: Site, relation: str = "next", size: int = 5) -> None:
    """The feed names its second page, that the third, and so on: /page?n=2 …"""

    def link(n: int) -> str:
        return f'<atom:link rel="{relation}" href="/page?n={n}"/>'

    def page(heard: scripted_web.Heard) -> scripted_web.Answer:
        n = int(parse_qs(urlsplit(heard.target).query)["n"][0])
        return site.page(n, size, link(n + 1))

    site.head = lambda: link(2)
    site.web.answers["/page"] = page


def wordpress(site: Site, *, pages: int = 100, size: int = 5) -> None:
    """The feed is one of WordPress, whose pages are at ?paged=2 and so on; the one after the last is missing."""

    def page(heard: scripted_web.Heard) -> scripted_web.Answer:
        n = int(parse_qs(urlsplit(heard.target).query).get("paged", ["1"])[0])
        if n > pages or site.newest <= size * (n - 1):
            return scripted_web.Answer(status=404)
        return site.page(n, size, generator)

    generator = "<generator>https://wordpress.org/?v=6.8</generator>"
    site.web.answers["/feed.xml"] = page


def sitemap(*told: tuple[str, str, str], space: str = "") -> bytes:
    """Addresses with the date of their last change, and more."""
    rows = "".join(
        f"<url><loc>{loc}</loc>{f'<lastmod>{changed}</lastmod>' if changed else ''}{more}</url>"
        for loc, changed, more in told
    )
    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset {spaces} {space}>{rows}</urlset>'.encode()


def article(site: Site, n: int, *, news: bool = False, changed: str | None = None) -> tuple[str, str, str]:
    when = at(n).isoformat()
    more = f"<news:news><news:title>Title {n}</news:title><news:publication_date>{when}</news:publication_date></news:news>"
    return site.web.url(f"/2025/{n}-title"), when if changed is None else changed, more if news else ""
