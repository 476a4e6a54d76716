"""The further addresses of items, beside the first, by which each has its `url_key`: what they are found by after a feed has moved them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, union_all

from aggregator.feed import identity
from aggregator.store import statements, tables

_items, _further = tables.items, tables.item_urls
# An address that is another one at every look, as one with a mark of its own for each visitor, names nothing.
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """An address at which an item was shown for the first time at `at`, and its key."""

    url_key: str
    item_id: int
    url: str
    at: datetime


def add(conn: Connection, told: Sequence[Further]) -> None:
    """Keep these, but for those of items that have as many as may be."""
    if not told:
        return
    counted = select(_further.c.item_id).where(_further.c.item_id.in_({one.item_id for one in told}))
    full = set(conn.execute(counted.group_by(_further.c.item_id).having(func.count() >= MOST)).scalars())
    # Sorted, so that two polls that meet wait for each other in one direction only.
    rows = [
        {"url_key": one.url_key, "item_id": one.item_id, "url": one.url, "first_seen_at": one.at}
        for one in sorted(told, key=lambda one: (one.url_key, one.item_id))
        if one.item_id not in full
    ]
    if rows:
        statements.add(conn, _further, rows, anew=True)


def forget(conn: Connection, keys: Collection[str]) -> None:
    """These turn out to be the addresses of several items: they are none's."""
    if keys:
        conn.execute(delete(_further).where(_further.c.url_key.in_(sorted(keys))))


def find(conn: Connection, url: str) -> int | None:
    """The item that is or was at this address, or at one that differs only in what does not name the article; of several the nearest."""
    key = identity.url_key(url)
    found = union_all(
        select(_items.c.id).where(_items.c.url_key == key), select(_further.c.item_id).where(_further.c.url_key == key)
    )
    rows = conn.execute(select(_items.c.id, _items.c.url_key, _items.c.url).where(_items.c.id.in_(found))).all()
    nearest = min(rows, key=lambda row: (*identity.nearness(key, row.url_key, row.url), row.id), default=None)
    return int(nearest.id) if nearest is not None else None
