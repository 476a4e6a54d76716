"""Items as their feeds show them: what is known of the entries of a document, and writing what it brought."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from aggregator import errors, markup, model
from aggregator.feed import identity
from aggregator.store import changes, shown, tables

_items, _sightings, _revisions = tables.items, tables.sightings, tables.revisions


def insert_new(conn: Connection, table: Table) -> Insert:
    """INSERT … ON CONFLICT DO NOTHING in the connection's dialect."""
    return _insert_new(conn.dialect.name, table)


@lru_cache
def _insert_new(dialect: str, table: Table) -> Insert:
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


# ------------------------------------------------------------------------------------------------------- knowing


def known_by_guid(conn: Connection, source_id: int, guids: Collection[str]) -> Mapping[str, model.KnownItem]:
    """The items that this source has shown under these guids; of several, the one seen last."""
    if not guids:
        return {}
    hashes = {identity.digest(guid): guid for guid in guids}
    rows = conn.execute(_KNOWN_BY_GUID, {"source_id": source_id, "hashes": list(hashes)}).mappings()
    return {hashes[row["guid_hash"]]: _known_item(row) for row in rows}


def known_by_key(conn: Connection, source_id: int, keys: Collection[str]) -> Mapping[str, model.KnownItem]:
    """The items of any source that go by these URL keys."""
    if not keys:
        return {}
    rows = conn.execute(_KNOWN_BY_KEY, {"source_id": source_id, "keys": list(keys)}).mappings()
    return {row["url_key"]: _known_item(row) for row in rows}


def _known(own: Any) -> Select[Any]:
    owners = _sightings.alias()
    told = (_items.c.id, _items.c.url_key, _items.c.source_id, _items.c.title, _items.c.summary, _items.c.content)
    return (
        select(*told, own.c.guid, own.c.guid_hash, own.c.entry_hash, owners.c.backlog)
        .select_from(_items)
        .outerjoin(own, and_(own.c.item_id == _items.c.id, own.c.source_id == bindparam("source_id")))
        .outerjoin(owners, and_(owners.c.item_id == _items.c.id, owners.c.source_id == _items.c.source_id))
    )


def _known_by_guid() -> Select[Any]:
    own = _sightings.alias()
    mine = and_(own.c.source_id == bindparam("source_id"), own.c.guid_hash.in_(bindparam("hashes", expanding=True)))
    return _known(own).where(mine).order_by(own.c.last_seen_at, own.c.item_id)


# Built once: to put such a statement together takes ten times as long as to run it.
_KNOWN_BY_GUID = _known_by_guid()
_KNOWN_BY_KEY = _known(_sightings.alias()).where(_items.c.url_key.in_(bindparam("keys", expanding=True)))


def _known_item(row: RowMapping) -> model.KnownItem:
    same = ("id", "url_key", "title", "summary", "content", "guid", "entry_hash")
    return model.KnownItem(
        **{key: row[key] for key in same}, owner_id=row["source_id"], first_poll=bool(row["backlog"])
    )


# ------------------------------------------------------------------------------------------------------- writing


def write(conn: Connection, source: model.Source, decision: model.Decision, now: datetime) -> Mapping[str, int]:
    """Store what a document brought; returns the ids of the new items by their URL keys. Raises ConflictError when another poll stored
    one of them meanwhile: the caller must then look and decide again."""
    ids = _insert_items(conn, source, decision.new, now)
    _resight(conn, source, [seen for seen in decision.seen if seen.resighted], now)
    shown.touch(conn, source.id, [seen.item.id for seen in decision.seen], now)
    edited = [seen for seen in decision.seen if seen.edited]
    _revise(conn, [seen for seen in edited if _visible(seen)], now)
    for seen in decision.seen:
        if seen.edited or seen.adopted:
            _take_over(conn, source, seen, now)
    return ids


def _insert_items(
    conn: Connection, source: model.Source, new: Sequence[model.NewItem], now: datetime
) -> Mapping[str, int]:
    if not new:
        return {}
    # Sorted, so that two polls that meet wait for each other in one direction only.
    rows = [_item_row(source, one, now) for one in sorted(new, key=lambda one: one.url_key)]
    returned = conn.execute(_inserting(conn.dialect.name), rows)
    ids: dict[str, int] = {url_key: item_id for item_id, url_key in returned}
    if len(ids) < len(new):
        raise errors.ConflictError(f"{len(new) - len(ids)} items were stored by another poll at the same moment")
    sighted = [_sighting(source, ids[one.url_key], one.entry, now) for one in new]
    conn.execute(insert(_sightings), sighted)
    attached = [row for one in new for row in _enclosures(ids[one.url_key], one.entry)]
    if attached:
        conn.execute(insert(tables.enclosures), attached)
    changes.tell(conn, "new", ids.values(), now)
    return ids


@lru_cache
def _inserting(dialect: str) -> ReturningInsert[Any]:
    return _insert_new(dialect, _items).returning(_items.c.id, _items.c.url_key)


def _item_row(source: model.Source, one: model.NewItem, now: datetime) -> dict[str, Any]:
    return _feed_values(source, one.entry) | {
        "url_key": one.url_key,
        "published_at": one.entry.published_at or now,
        "published_raw": one.entry.published_raw,
        "date_source": (one.entry.published_at and one.entry.date_source) or model.DateSource.FIRST_SEEN,
        "first_seen_at": now,
        "last_seen_at": now,
        "state": model.ItemState.PENDING,
        "state_reason": "waiting for its first visit",
        "next_visit_at": now,
        "changed_at": now,
        "attempts": 0,
    }


def _feed_values(source: model.Source, entry: model.Entry) -> dict[str, Any]:
    return {
        "source_id": source.id,
        "url": entry.url,
        "host": identity.host_of(entry.url),
        "title": entry.title,
        "authors": list(entry.authors),
        "categories": list(entry.categories),
        "summary": entry.summary,
        "content": entry.content,
        "language": entry.language or source.language,
        "image": entry.image,
    }


def _sighting(source: model.Source, item_id: int, entry: model.Entry, now: datetime) -> dict[str, Any]:
    return {
        "item_id": item_id,
        "source_id": source.id,
        "guid": entry.guid,
        "guid_hash": identity.digest(entry.guid) if entry.guid else None,
        "entry_hash": entry.entry_hash,
        "first_seen_at": now,
        "last_seen_at": now,
        "position": entry.position,
        "backlog": source.last_success_at is None,
    }


def _enclosures(item_id: int, entry: model.Entry) -> Iterable[dict[str, Any]]:
    for position, one in enumerate(entry.enclosures):
        yield {"item_id": item_id, "position": position, "url": one.url, "type": one.type, "length": one.length}


def _resight(conn: Connection, source: model.Source, seen: Sequence[model.SeenItem], now: datetime) -> None:
    if not seen:
        return
    rows = [_sighting(source, one.item.id, one.entry, now) for one in seen]
    upsert: Any = sqlite.insert(_sightings) if conn.dialect.name == "sqlite" else postgresql.insert(_sightings)
    renewed = {key: upsert.excluded[key] for key in ("guid", "guid_hash", "entry_hash", "last_seen_at")}
    conn.execute(upsert.on_conflict_do_update(index_elements=["item_id", "source_id"], set_=renewed), rows)


def _visible(seen: model.SeenItem) -> bool:
    return (seen.item.title, seen.item.summary) != (seen.entry.title, seen.entry.summary)


def _revise(conn: Connection, seen: Sequence[model.SeenItem], now: datetime) -> None:
    if not seen:
        return
    ids = [one.item.id for one in seen]
    keep_originals(conn, ids)
    texts = conn.execute(select(_items.c.id, _items.c.text, _items.c.text_hash).where(_items.c.id.in_(ids))).all()
    text_of = {row.id: (row.text, row.text_hash) for row in texts}
    conn.execute(insert(_revisions), [_feed_revision(one, *text_of[one.item.id], now) for one in seen])
    retitled = [one.item.id for one in seen if one.item.title != one.entry.title]
    changes.tell(conn, "title", retitled, now)
    changes.tell(conn, "text", [item_id for item_id in ids if item_id not in set(retitled)], now)


def _feed_revision(seen: model.SeenItem, text: str | None, text_hash: str | None, now: datetime) -> dict[str, Any]:
    item, entry = seen.item, seen.entry
    added, removed = markup.changed_words(f"{item.title} {item.summary}", f"{entry.title} {entry.summary}")
    told = {"title": entry.title, "summary": entry.summary, "text": text, "text_hash": text_hash}
    return {"item_id": item.id, "at": now, "origin": "feed", "added": added, "removed": removed, **told}


def keep_originals(conn: Connection, item_ids: Sequence[int]) -> None:
    """Before an item's first change: its first version becomes a revision too, so that its history is whole.
    Items that never change have none and cost nothing."""
    unrevised = select(_items).where(
        _items.c.id.in_(item_ids), ~select(_revisions.c.id).where(_revisions.c.item_id == _items.c.id).exists()
    )
    rows = conn.execute(unrevised).mappings().all()
    if rows:
        conn.execute(insert(_revisions), [_original(row) for row in rows])


def _original(row: RowMapping) -> dict[str, Any]:
    origin = "page" if row["extractor"] and row["extractor"] != "feed" else "feed"
    told = {key: row[key] for key in ("title", "summary", "text", "text_hash")}
    return {"item_id": row["id"], "at": row["first_seen_at"], "origin": origin, "added": 0, "removed": 0, **told}


def _take_over(conn: Connection, source: model.Source, seen: model.SeenItem, now: datetime) -> None:
    """The owner's entry is what the item says of itself. Its first date stays, and its page is visited anew; a visit that is
    under way with the old words loses its lease."""
    renewed = {"changed_at": now, "next_visit_at": now, "visited_at": None, "lease_owner": None, "lease_until": None}
    values = _feed_values(source, seen.entry) | renewed
    if seen.adopted and seen.entry.published_at:
        values |= {
            "published_at": seen.entry.published_at,
            "published_raw": seen.entry.published_raw,
            "date_source": seen.entry.date_source,
        }
    conn.execute(update(_items).where(_items.c.id == seen.item.id).values(values))
    conn.execute(delete(tables.enclosures).where(tables.enclosures.c.item_id == seen.item.id))
    if attached := list(_enclosures(seen.item.id, seen.entry)):
        conn.execute(insert(tables.enclosures), attached)


def latest_times(conn: Connection, source_id: int, count: int = 30) -> list[datetime]:
    """When the latest items of a source were published, for those whose feed says so; newest first."""
    return list(conn.execute(_LATEST, {"source_id": source_id, "count": count}).scalars())


_LATEST = (
    select(_items.c.published_at)
    .where(
        _items.c.source_id == bindparam("source_id"),
        _items.c.date_source.in_((model.DateSource.PUBLISHED, model.DateSource.UPDATED)),
    )
    .order_by(_items.c.published_at.desc())
    .limit(bindparam("count"))
)


def record_gap(conn: Connection, source: model.Source, *, to_at: datetime, estimated: int | None, reason: str) -> None:
    """Write down that items between the last good poll and `to_at` may have come and gone unseen."""
    row = {
        "source_id": source.id,
        "from_at": source.last_success_at,
        "to_at": to_at,
        "estimated": estimated,
        "reason": reason,
    }
    conn.execute(insert(tables.gaps), row)


# ------------------------------------------------------------------------------------------------------- reading


def counts(conn: Connection) -> Mapping[str, int]:
    """How many items there are in each state."""
    rows = conn.execute(select(_items.c.state, func.count().label("items")).group_by(_items.c.state))
    return {row.state: row.items for row in rows}
