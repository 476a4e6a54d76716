"""Values for tests, with everything that does not matter filled in."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from aggregator import model
from aggregator.feed import identity
from aggregator.store import items, revisions, sources

NOW = datetime(2025, 9, 19, tzinfo=UTC)


def entry(n: int = 1, **values: Any) -> model.Entry:
    """The `n`th entry of a feed."""
    told: dict[str, Any] = {
        "position": n,
        "guid": f"guid-{n}",
        "url": f"https://news.example/articles/{n}",
        "title": f"Title {n}",
        "summary": f"Summary {n}",
        "published_at": datetime(2025, 9, 18, n % 24, tzinfo=UTC),
        "published_raw": f"Thu, 18 Sep 2025 {n % 24:02}:00:00 GMT",
        "date_source": "published",
    } | values
    told.setdefault(
        "entry_hash", identity.digest(told["title"], told["summary"], told.get("content", ""), told["url"] or "")
    )
    return model.Entry(**told)


def source(source_id: int = 1, **values: Any) -> model.Source:
    url = f"https://feed{source_id}.example/rss"
    told: dict[str, Any] = {"id": source_id, "name": f"Source {source_id}", "url": url, "feed_url": url} | values
    return model.Source(**told)


def add_sources(conn: Connection, count: int = 1, now: datetime = NOW) -> tuple[model.Source, ...]:
    """`count` sources in the store, claimed."""
    configured = [
        sources.Configured(name=f"Source {n}", url=f"https://feed{n}.example/rss", category="news")
        for n in range(1, count + 1)
    ]
    sources.sync(conn, configured, now)
    return sources.claim_due(conn, now=now, limit=count, owner="test", lease=timedelta(minutes=5))


def poll(conn: Connection, source: model.Source, entries: list[model.Entry], now: datetime = NOW) -> model.Decision:
    """What the poll stage does with a document of `entries`, without the network."""
    keyed = identity.keyed(entries, source.id)
    decision = revisions.judge(conn, identity.decide(source, keyed, items.known(conn, source, keyed)), now)
    items.write(conn, [items.Brought(source=source, decision=decision, at=now)])
    return decision


def finish(conn: Connection, report: model.PollReport, **finished: Any) -> None:
    """What the poll stage writes of one poll."""
    sources.finish_all(conn, [sources.Finished(report=report, **finished)])


def draft(text: str = "Some words of an article that is long enough to be one.", **values: Any) -> model.Draft:
    told: dict[str, Any] = {
        "state": "ok",
        "text": text,
        "text_hash": identity.digest(text) if text else None,
        "word_count": len(text.split()),
        "extractor": "trafilatura test",
    } | values
    return model.Draft(**told)


def visit(item: model.Item, draft: model.Draft | None = None, **values: Any) -> model.Visit:
    """A good visit to `item`."""
    told: dict[str, Any] = {"at": NOW, "state": "ok", "reason": None, "attempts": 0} | values
    return model.Visit(item=item, draft=draft, **told)
