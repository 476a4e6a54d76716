"""Which items say the same: clusters, their members, and the pairs that put them there. Never deletes or hides an item."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, insert, or_, select, update

from aggregator.store import changes, tables

_items, _clusters, _matches = tables.items, tables.clusters, tables.matches

# Built once: to put a statement together takes longer than to run it.
_LOCK = select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger)))
_TWINS = (
    select(_items.c.id, _items.c.cluster_id)
    .where(
        _items.c.text_hash == bindparam("hash"),
        _items.c.id != bindparam("of"),
        _items.c.state.in_(("ok", "feed_only")),
    )
    .order_by(_items.c.id)
)


def place_exact(
    conn: Connection, *, item_id: int, text_hash: str | None, cluster_id: int | None, now: datetime
) -> int | None:
    """Put an item into the cluster of the items with the same normalised text, opening one if needed; returns its cluster.

    An item whose text no longer equals its cluster's leaves it first. Correct with any number of writers: on Postgres the ones
    with the same text wait for each other, SQLite has one writer.
    """
    if text_hash is not None and conn.dialect.name == "postgresql":
        conn.execute(_LOCK, {"key": int(text_hash[:15], 16)})
    twins = _twins(conn, item_id, text_hash)
    joined = min((twin_cluster for _, twin_cluster in twins if twin_cluster is not None), default=None)
    if cluster_id is not None and cluster_id != joined:
        leave(conn, item_id, cluster_id)
        # A new cluster may get the number of one that this has dissolved.
        cluster_id = None
    if not twins:
        return None
    if joined is None:
        joined = _open(conn, twins[0][0], now)
    if cluster_id != joined:
        conn.execute(update(_items).where(_items.c.id == item_id).values(cluster_id=joined))
        match = {
            "item_id": item_id,
            "other_id": twins[0][0],
            "relation": "exact",
            "score": 1.0,
            "method": "text_hash",
            "at": now,
        }
        conn.execute(insert(_matches), match)
        changes.tell(conn, "cluster", [item_id], now)
    choose(conn, joined)
    return joined


def _twins(conn: Connection, item_id: int, text_hash: str | None) -> list[tuple[int, int | None]]:
    if text_hash is None:
        return []
    return [(row.id, row.cluster_id) for row in conn.execute(_TWINS, {"hash": text_hash, "of": item_id})]


def _open(conn: Connection, item_id: int, now: datetime) -> int:
    opened: int = conn.execute(
        insert(_clusters).values(item_id=item_id, created_at=now).returning(_clusters.c.id)
    ).scalar_one()
    conn.execute(update(_items).where(_items.c.id == item_id).values(cluster_id=opened))
    changes.tell(conn, "cluster", [item_id], now)
    return opened


def leave(conn: Connection, item_id: int, cluster_id: int) -> None:
    """Take an item out of its cluster; a cluster of one is dissolved."""
    conn.execute(
        delete(_matches).where(
            or_(_matches.c.item_id == item_id, _matches.c.other_id == item_id), _matches.c.relation == "exact"
        )
    )
    conn.execute(update(_items).where(_items.c.id == item_id).values(cluster_id=None))
    left = conn.execute(select(func.count()).where(_items.c.cluster_id == cluster_id)).scalar_one()
    if left < 2:
        conn.execute(delete(_clusters).where(_clusters.c.id == cluster_id))
        conn.execute(update(_items).where(_items.c.cluster_id == cluster_id).values(cluster_id=None))
    else:
        choose(conn, cluster_id)


def choose(conn: Connection, cluster_id: int) -> None:
    """Name the member that `unique_items` shows: the earliest published, then the first seen, then by its key, which does not
    depend on the order of arrival."""
    order = (_items.c.published_at, _items.c.first_seen_at, _items.c.url_key)
    earliest: Any = (
        select(_items.c.id).where(_items.c.cluster_id == cluster_id).order_by(*order).limit(1).scalar_subquery()
    )
    conn.execute(update(_clusters).where(_clusters.c.id == cluster_id).values(item_id=earliest))
