"""The fetched pages that are kept as evidence, and which items' pages somebody asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    TextClause,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from aggregator import model
from aggregator.store import statements, tables

_pages, _items, _sources = tables.pages, tables.items, tables.sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which items: all that fulfil every condition that is given. `since` is of publication, `extractor` how its name begins;
    `where` is SQL, of whoever has the database; `but` leaves out those whose text that extractor has made, `after` those up to that id."""

    sources: tuple[str, ...] = ()
    state: str | None = None
    since: datetime | None = None
    extractor: str | None = None
    where: str | None = None
    but: str | None = None
    after: int = 0


def chosen(choice: Choice) -> list[ColumnElement[bool] | TextClause]:
    """The conditions on items that it names."""
    found: list[ColumnElement[bool] | TextClause] = []
    if choice.sources:
        found.append(_items.c.source_id.in_(select(_sources.c.id).where(_sources.c.name.in_(choice.sources))))
    if choice.state is not None:
        found.append(_items.c.state == choice.state)
    if choice.since is not None:
        found.append(_items.c.published_at >= choice.since)
    if choice.extractor is not None:
        found.append(_items.c.extractor.startswith(choice.extractor, autoescape=True))
    if choice.where is not None:
        # A comment behind the condition ends with its line; a colon is no parameter of ours.
        condition = choice.where.replace("\\", "\\\\").replace(":", "\\:")
        found.append(text(f"EXISTS (SELECT 1 FROM items one WHERE one.id = items.id AND ({condition}\n))"))
    if choice.but is not None:
        found.append(or_(_items.c.extractor.is_(None), _items.c.extractor != choice.but))
    if choice.after:
        found.append(_items.c.id > choice.after)
    return found


def check(conn: Connection, choice: Choice) -> None:
    """Raises StoreError where the database does not understand what was chosen, NotFoundError for a source that it never had."""
    tables.known(conn, choice.sources)
    conn.execute(select(_items.c.id).where(*chosen(choice)).limit(1)).first()


# ------------------------------------------------------------------------------------------------------------ keeping


# Built once: to put a statement together takes longer than to run it.
_MINE = _pages.c.item_id == bindparam("of")
_SAME = select(_pages.c.id).where(_MINE, _pages.c.sha256 == bindparam("same"))
_LAST = select(_pages.c.sha256).where(_MINE).order_by(_pages.c.at.desc(), _pages.c.id.desc()).limit(1)
_KEEP = insert(_pages)


def keep_all(conn: Connection, fetched: Mapping[int, model.PageCopy]) -> None:
    """The same bytes once per item. Where a page has gone back to bytes that it had before, they are the last copy again."""
    if not fetched:
        return
    # The items are these visits' alone, so nobody adds a copy of them in between.
    held = {(row.item_id, row.sha256) for row in conn.execute(*_holding(conn, fetched))}
    new = []
    for item_id, page in fetched.items():
        told = {key: getattr(page, key) for key in ("at", "url", "status", "body", "sha256")}
        row = told | {"headers": dict(page.headers)}
        if (item_id, page.sha256) not in held:
            new.append({"item_id": item_id, **row})
        elif conn.execute(_LAST, {"of": item_id}).scalar_one() != page.sha256:
            conn.execute(update(_pages).where(_pages.c.item_id == item_id, _pages.c.sha256 == page.sha256).values(row))
    if new:
        conn.execute(_KEEP, new)


def _holding(conn: Connection, fetched: Mapping[int, model.PageCopy]) -> tuple[Select[Any], Mapping[str, Any]]:
    hashes = {page.sha256 for page in fetched.values()}
    given = {"items": statements.listing(conn, fetched), "hashes": statements.listing(conn, hashes)}
    return _held(conn.dialect.name), given


@lru_cache
def _held(dialect: str) -> Select[Any]:
    """Which of these bytes are kept of which of these items."""
    theirs = (
        statements.listed(dialect, _pages.c.item_id, "items"),
        statements.listed(dialect, _pages.c.sha256, "hashes"),
    )
    return select(_pages.c.item_id, _pages.c.sha256).where(*theirs)


def known(conn: Connection, item_id: int, sha256: str) -> bool:
    """Whether these bytes are kept already."""
    return conn.execute(_SAME, {"of": item_id, "same": sha256}).first() is not None


def validators(conn: Connection, item_ids: Sequence[int]) -> Mapping[int, model.Validators]:
    """What the servers last sent with the kept pages of these items."""
    if not item_ids:
        return {}
    copies = select(_pages.c.item_id, _pages.c.url, _pages.c.headers).where(_pages.c.item_id.in_(item_ids))
    # The last of an item counts.
    return {
        row.item_id: model.Validators(
            url=row.url, etag=row.headers.get("etag"), last_modified=row.headers.get("last-modified")
        )
        for row in conn.execute(copies.order_by(_pages.c.at, _pages.c.id))
    }


# ---------------------------------------------------------------------------------------------------------- exporting


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy with whose it is."""

    id: int
    item_id: int
    source: str
    page: model.PageCopy


def count(conn: Connection, choice: Choice) -> int:
    """How many copies there are of the pages of these items."""
    found = select(func.count()).select_from(_pages).join(_items, _items.c.id == _pages.c.item_id)
    return int(conn.execute(found.where(*chosen(choice))).scalar_one())


def copies(conn: Connection, choice: Choice, *, after: int, limit: int) -> Sequence[Copy]:
    """The next of them, by their ids."""
    rows = (
        select(_pages, _sources.c.name.label("source"))
        .join(_items, _items.c.id == _pages.c.item_id)
        .join(_sources, _sources.c.id == _items.c.source_id)
        .where(_pages.c.id > after, *chosen(choice))
        .order_by(_pages.c.id)
        .limit(limit)
    )
    return [
        Copy(id=row["id"], item_id=row["item_id"], source=row["source"], page=copy(row))
        for row in conn.execute(rows).mappings()
    ]


def copy(row: RowMapping) -> model.PageCopy:
    """A row of pages."""
    return model.PageCopy(**{name: row[name] for name in ("at", "url", "status", "headers", "body", "sha256")})
