"""Items whose kept pages are read anew: claiming them, one batch after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, update

from aggregator import model
from aggregator.store import pages, tables, visits

_items, _pages = tables.items, tables.pages

_KEPT = select(_pages.c.id).where(_pages.c.item_id == _items.c.id).exists()


def count(conn: Connection, choice: pages.Choice) -> int:
    """How many of these items have a page that is kept."""
    return int(conn.execute(select(func.count()).select_from(_items).where(_KEPT, *pages.chosen(choice))).scalar_one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The next items, each with its last copy; `busy` more are in somebody's hands. `last` is the id to go on after, None at the end."""

    pages: tuple[model.KeptPage, ...]
    busy: int
    last: int | None


def claim(
    conn: Connection, choice: pages.Choice, *, limit: int, owner: str, lease: timedelta, now: datetime
) -> Claimed:
    """Take up to `limit` of these items for `owner`, by their ids."""
    wanted = select(_items.c.id).where(_KEPT, *pages.chosen(choice))
    ids = list(conn.execute(wanted.order_by(_items.c.id).limit(limit)).scalars())
    free = select(_items.c.id).where(_items.c.id.in_(ids), tables.unclaimed(_items, now))
    mine = list(conn.execute(free.with_for_update(skip_locked=True)).scalars()) if ids else []
    if mine:
        conn.execute(update(_items).where(_items.c.id.in_(mine)).values(lease_owner=owner, lease_until=now + lease))
    copies = _last_copies(conn, mine)
    found = tuple(model.KeptPage(item=item, page=copies[item.id]) for item in visits.claimed(conn, mine))
    return Claimed(pages=found, busy=len(ids) - len(mine), last=ids[-1] if ids else None)


def _last_copies(conn: Connection, item_ids: Sequence[int]) -> Mapping[int, model.PageCopy]:
    if not item_ids:
        return {}
    order = select(_pages.c.item_id, _pages.c.id).where(_pages.c.item_id.in_(item_ids))
    last = {row.item_id: row.id for row in conn.execute(order.order_by(_pages.c.at, _pages.c.id))}
    rows = conn.execute(select(_pages).where(_pages.c.id.in_(last.values()))).mappings()
    return {row["item_id"]: pages.copy(row) for row in rows}
