"""The log of what happened to items and sources: an ever growing id is the cursor for whoever follows it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, insert

from aggregator.store import tables


def tell(conn: Connection, kind: str, item_ids: Iterable[int], now: datetime) -> None:
    """Add one row per item; `kind` is `new`, `text`, `title`, `tags`, `cluster` or `vanished`."""
    rows = [{"at": now, "kind": kind, "item_id": item_id} for item_id in item_ids]
    if rows:
        tables.add(conn, tables.changes, rows)


def tell_of_source(conn: Connection, kind: str, source_id: int, now: datetime, detail: str) -> None:
    """The same for something that happened to a source, in words."""
    tell_of_sources(conn, [(kind, source_id, detail)], now)


def tell_of_sources(conn: Connection, told: Iterable[tuple[str, int, str]], now: datetime) -> None:
    """The same for many: kind, source and detail of each."""
    rows = [{"at": now, "kind": kind, "source_id": key, "detail": detail} for kind, key, detail in told]
    if rows:
        conn.execute(insert(tables.changes), rows)
