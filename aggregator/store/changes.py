"""The log of what happened to items: an ever growing id is the cursor for whoever follows it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, insert

from aggregator.store import tables


def tell(conn: Connection, kind: str, item_ids: Iterable[int], now: datetime) -> None:
    """Add one row per item; `kind` is `new`, `text`, `title`, `tags`, `cluster` or `vanished`."""
    rows = [{"at": now, "kind": kind, "item_id": item_id} for item_id in item_ids]
    if rows:
        conn.execute(insert(tables.changes), rows)
