"""Items that are placed again among the others: by other rules than those that placed them, or because somebody asked for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, TextClause, and_, bindparam, func, or_, select, update

from aggregator import model
from aggregator.dedup import fingerprint
from aggregator.store import matches, neighbours, pages, statements, tables

_items, _revisions = tables.items, tables.revisions

# Built once: to put a statement together takes longer than to run it.
_REHASH = (
    update(_items)
    .where(_items.c.id == bindparam("of"))
    .values(text_hash=bindparam("to_hash"), whole_hash=bindparam("to_whole"))
)
_LATEST = (
    update(_revisions)
    .where(_revisions.c.item_id == bindparam("of"), _revisions.c.text_hash == bindparam("old"))
    .values(text_hash=bindparam("to_hash"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An item as it was read: its text, what was cut from it, and by which hashes both are known."""

    item_id: int
    source_id: int
    title: str
    text: str
    boilerplate: str | None
    text_hash: str | None
    whole_hash: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """The same with what the present rules make of it."""

    item: Stored
    text_hash: str | None
    whole_hash: str | None
    fingerprint: model.Fingerprint


def _relatable() -> ColumnElement[bool]:
    """What is placed at all: texts of articles, and headlines to which there is no text."""
    bare = and_(_items.c.text_hash.is_(None), _items.c.state != model.ItemState.PENDING)
    return or_(_items.c.state.in_(model.SETTLED), bare)


def _wanted(choice: pages.Choice) -> list[ColumnElement[bool] | TextClause]:
    return [func.coalesce(_items.c.algo, -1) != fingerprint.ALGO, _relatable(), *pages.chosen(choice)]


def count(conn: Connection, choice: pages.Choice) -> int:
    """How many of these items the present rules have not placed."""
    return int(conn.execute(select(func.count()).select_from(_items).where(*_wanted(choice))).scalar_one())


def mark(conn: Connection, choice: pages.Choice, *, after: int, limit: int) -> int | None:
    """Have up to `limit` of these items placed again, by their ids; the id to go on after, None at the end."""
    some = select(_items.c.id).where(_items.c.id > after, _items.c.algo.is_not(None), *pages.chosen(choice))
    ids: list[int] = list(conn.execute(some.order_by(_items.c.id).limit(limit)).scalars())
    if not ids:
        return None
    conn.execute(update(_items).where(statements.among(conn, _items.c.id, ids)).values(algo=0))
    return ids[-1]


def due(conn: Connection, choice: pages.Choice, *, after: int, limit: int) -> list[Stored]:
    """The next of these items that the present rules have not placed, by their ids."""
    names = ("source_id", "title", "boilerplate", "text_hash", "whole_hash")
    columns = [_items.c[name] for name in names]
    wanted = (
        select(_items.c.id, _items.c.text, *columns)
        .where(_items.c.id > after, *_wanted(choice))
        .order_by(_items.c.id)
        .limit(limit)
    )
    return [
        Stored(item_id=row["id"], text=row["text"] or "", **{name: row[name] for name in names})
        for row in conn.execute(wanted).mappings()
    ]


def write(conn: Connection, renewed: Sequence[Renewed], now: datetime) -> int:
    """Place these items, as far as they are what was read and nobody else is at work on them; returns how many. Raises ConflictError."""
    given = {one.item.item_id: one for one in renewed}
    columns = (_items.c.id, _items.c.text_hash)
    free = select(*columns).where(statements.among(conn, _items.c.id, sorted(given))).order_by(_items.c.id)
    rows = conn.execute(free.with_for_update(key_share=True, skip_locked=True)).all()
    ours = [given[row.id] for row in rows if row.text_hash == given[row.id].item.text_hash]
    other = [
        {"of": one.item.item_id, "old": one.item.text_hash, "to_hash": one.text_hash, "to_whole": one.whole_hash}
        for one in ours
        if (one.text_hash, one.whole_hash) != (one.item.text_hash, one.item.whole_hash)
    ]
    if other:
        conn.execute(_REHASH, other)
        # The version that an item shows is the one that it has: another hash of the same words is no edit.
        conn.execute(_LATEST, other)
    matches.place(conn, [_arrival(one, now) for one in ours], anew={one.item.item_id for one in ours})
    return len(ours)


def _arrival(one: Renewed, now: datetime) -> neighbours.Arrival:
    return neighbours.Arrival(
        item_id=one.item.item_id,
        source_id=one.item.source_id,
        at=now,
        title=one.item.title,
        text_hash=one.whole_hash,
        fingerprint=one.fingerprint,
        headline=one.whole_hash is None,
    )
