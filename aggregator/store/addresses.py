"""The further addresses of items, beside the first, by which each has its `url_key`: what they are found by after a feed has moved them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, union_all

from aggregator.feed import identity
from aggregator.store import statements, tables

_items, _further = tables.items, tables.item_urls
# An address that is another one at every look, as one with a mark of its own for each visitor, says nothing for long.
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """An address at which an item was shown for the first time at `at`, and its key."""

    url_key: str
    item_id: int
    url: str
    at: datetime


def add(conn: Connection, told: Sequence[Further]) -> Collection[int]:
    """Keep these, in the place of the oldest where an item has as many as may be; returns those items."""
    if not told:
        return ()
    ids = {one.item_id for one in told}
    columns = (_further.c.item_id, _further.c.url_key)
    theirs = select(*columns).where(_further.c.item_id.in_(ids)).order_by(_further.c.first_seen_at, _further.c.url_key)
    had: dict[int, list[str]] = {}
    for row in conn.execute(theirs):
        had.setdefault(row.item_id, []).append(row.url_key)
    full = {item_id: keys[0] for item_id, keys in had.items() if len(keys) >= MOST}
    for item_id, key in full.items():
        conn.execute(delete(_further).where(_further.c.item_id == item_id, _further.c.url_key == key))
    # Sorted, so that two polls that meet wait for each other in one direction only.
    rows = [
        {"url_key": one.url_key, "item_id": one.item_id, "url": one.url, "first_seen_at": one.at}
        for one in sorted(told, key=lambda one: (one.url_key, one.item_id))
    ]
    statements.add(conn, _further, rows, anew=True)
    return full.keys()


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
