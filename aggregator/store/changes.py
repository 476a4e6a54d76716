"""The log of what happened to items and sources: an ever growing id is the cursor for whoever follows it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select

from aggregator import model
from aggregator.store import statements, tables

_changes = tables.changes


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of a page and still holds: `fate` unless it has returned, and where it has moved to."""

    fate: str | None = None
    moved_to: str | None = None


def standing(conn: Connection, item_ids: Sequence[int]) -> Mapping[int, Standing]:
    """What has become of the pages of these items, of those of which anything is known."""
    found: dict[int, Standing] = {}
    for item_id, kind, detail in conn.execute(_FATES, {"ids": list(item_ids)}) if item_ids else ():
        before = found.get(item_id, Standing())
        if kind == model.FateKind.MOVED:
            found[item_id] = Standing(before.fate, detail)
        else:
            found[item_id] = Standing(None if kind == model.FateKind.RETURNED else kind, before.moved_to)
    return found


_FATES = (
    select(_changes.c.item_id, _changes.c.kind, _changes.c.detail)
    .where(_changes.c.item_id.in_(bindparam("ids", expanding=True)), _changes.c.kind.in_(tuple(model.FateKind)))
    .order_by(_changes.c.id)
)


def tell(conn: Connection, kind: str, item_ids: Iterable[int], now: datetime) -> None:
    """Add one row per item; `kind` is `text`, `title`, `tags` or `cluster`."""
    tell_when(conn, kind, ((item_id, now) for item_id in item_ids))


def tell_when(conn: Connection, kind: str, told: Iterable[tuple[int, datetime]]) -> None:
    """The same for items to which it happened at moments of their own; `kind` may be `new`."""
    rows = [{"at": at, "kind": kind, "item_id": item_id} for item_id, at in told]
    if rows:
        statements.add(conn, tables.changes, rows)


def tell_in_words(conn: Connection, kind: str, told: Iterable[tuple[int, str]], now: datetime) -> None:
    """The same with a `detail` for each item; `kind` is `address` or what has become of its page (`model.FateKind`)."""
    tell_all(conn, [(kind, item_id, now, detail) for item_id, detail in told])


def tell_all(conn: Connection, told: Iterable[tuple[str, int, datetime, str | None]]) -> None:
    """The same for what is of any kind, in this order: kind, item, moment and detail of each."""
    rows = [{"at": at, "kind": kind, "item_id": item_id, "detail": detail} for kind, item_id, at, detail in told]
    if rows:
        statements.add(conn, _changes, rows)


def tell_of_source(conn: Connection, kind: str, source_id: int, now: datetime, detail: str) -> None:
    """The same for something that happened to a source, in words."""
    tell_of_sources(conn, [(kind, source_id, detail)], now)


def tell_of_sources(conn: Connection, told: Iterable[tuple[str, int, str]], now: datetime) -> None:
    """The same for many: kind, source and detail of each."""
    rows = [{"at": now, "kind": kind, "source_id": key, "detail": detail} for kind, key, detail in told]
    if rows:
        conn.execute(insert(tables.changes), rows)
