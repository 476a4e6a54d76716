"""What each source's last document showed, so that the next one is read only where it differs; and when items were last seen."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import JSON, BigInteger, Column, Connection, Insert, Update, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from aggregator import model
from aggregator.feed import familiar
from aggregator.store import moments, tables

_shown, _items, _sightings = tables.shown, tables.items, tables.sightings

# While an entry stays in its feed its `last_seen_at` is at most so old; once it has left it is exact. An item's row holds its text:
# to rewrite all of them at every poll would be most of what a quiet source costs.
_TOUCH_AGAIN = timedelta(days=1)

T = TypeVar("T")

_OF_HEAD = tuple(field.name for field in fields(model.Head))
# Rows take several times the room of what they are made of: so many are made, and sent, at a time.
_AT_ONCE = 500
# A source, an item, and when the one showed the other.
Touched = tuple[int, int, datetime]

# Somebody who deletes an item, or a sighting, wants it to be taken up again if its feed still shows it. Before, not after: by then a
# cascade has taken the sightings; and on both tables, for SQLite's shell by itself follows no foreign keys.
_OF_ITEM = "DELETE FROM shown WHERE source_id IN (SELECT source_id FROM sightings WHERE item_id = OLD.id)"
_OF_SIGHTING = "DELETE FROM shown WHERE source_id = OLD.source_id"
FORGETTING: Mapping[str, tuple[str, ...]] = {
    "sqlite": (
        f"CREATE TRIGGER items_forget BEFORE DELETE ON items BEGIN {_OF_ITEM}; END",
        f"CREATE TRIGGER sightings_forget BEFORE DELETE ON sightings BEGIN {_OF_SIGHTING}; END",
    ),
    "postgresql": (
        f"CREATE FUNCTION items_forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_OF_ITEM}; RETURN OLD; END $$",
        "CREATE TRIGGER items_forget BEFORE DELETE ON items FOR EACH ROW EXECUTE FUNCTION items_forget()",
        f"CREATE FUNCTION sightings_forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_OF_SIGHTING}; RETURN OLD; END $$",
        "CREATE TRIGGER sightings_forget BEFORE DELETE ON sightings FOR EACH ROW EXECUTE FUNCTION sightings_forget()",
    ),
}


def of(conn: Connection, source_ids: Collection[int]) -> Mapping[int, dict[str, Any]]:
    """The rows of these sources, by their ids, as keywords for a `model.Shown` (but for its hints)."""
    rows = conn.execute(_OF, {"ids": list(source_ids)}).mappings().all()
    return {
        row["source_id"]: {
            "url": row["url"],
            "packed": row["entries"],
            "head": _head(row["head"]),
            "touched_at": row["touched_at"],
            "size": row["size"],
        }
        for row in rows
    }


def as_before(source: model.Source, feed: model.ParsedFeed, now: datetime) -> bool:
    """Whether there is nothing to write of a document: it shows what the last one showed, and that has been noted lately."""
    before = before_at(source)
    if before is None or feed.entries or not feed.marks or before.touched_at is None:
        return False
    head = familiar.head(feed)
    same = familiar.loose_marks(before.packed) == {mark.loose for mark in feed.marks}
    return same and head == before.head and now - before.touched_at < _TOUCH_AGAIN


def before_at(source: model.Source) -> model.Shown | None:
    """What its last document showed, if that came from where it is polled now: what another URL showed means nothing here."""
    return source.shown if source.shown is not None and source.shown.url == source.feed_url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A document of `source` that was read at `at`, and what it means for the corpus."""

    source: model.Source
    feed: model.ParsedFeed
    decision: model.Decision
    at: datetime


def remember(conn: Connection, documents: Sequence[Seen], ids: Mapping[str, int]) -> None:
    """Keep what documents showed, whose new items have `ids`, and note when their items, and those that have left them, were last seen."""
    touched: list[Touched] = []
    again: list[dict[str, Any]] = []
    first: list[dict[str, Any]] = []
    for one in documents:
        row, lasting = _row(one, ids, touched)
        (again if lasting else first).append(row)
    touch(conn, touched)
    if again:
        # Not an upsert: whoever deleted an item meanwhile has deleted this row too, and the next document shall be read as a whole.
        conn.execute(_REPLACE, [{f"to_{key}": value for key, value in row.items()} for row in again])
    if first:
        conn.execute(_upsert(conn.dialect.name), first)


def _row(one: Seen, ids: Mapping[str, int], touched: list[Touched]) -> tuple[dict[str, Any], bool]:
    """What is kept of a document, and whether something of the one before it is; adds to `touched` what it says of its items."""
    source, feed, decision, now = one.source, one.feed, one.decision, one.at
    before = before_at(source)
    new = {ids[item.url_key] for item in decision.new}
    there = decision.kept | {seen.item.id for seen in decision.seen} | new
    gone = familiar.item_ids(before.packed) - there if before is not None else set()
    if gone and source.last_success_at is not None:
        touched += [(source.id, item_id, source.last_success_at) for item_id in gone]
    lately = before is not None and before.touched_at is not None and now - before.touched_at < _TOUCH_AGAIN
    if not lately:
        touched += [(source.id, item_id, now) for item_id in decision.kept]
    head = familiar.head(feed)
    row = {
        "source_id": source.id,
        "url": source.feed_url,
        "entries": familiar.pack(familiar.after(feed, decision, ids)),
        "head": {name: getattr(head, name) for name in _OF_HEAD} if head is not None else None,
        "touched_at": before.touched_at if before is not None and lately else now,
        "size": feed.size,
    }
    return row, before is not None


def touch(conn: Connection, touched: Iterable[Touched]) -> None:
    """These sources showed these items at those moments; others may have shown them since."""
    # In order of time: of several moments the last holds.
    ordered = sorted(touched, key=lambda one: one[2])
    pairs = sorted({(source, item): at for source, item, at in ordered}.items())
    alone = sorted({item: at for _, item, at in ordered}.items())
    of_pairs, of_items = _TOUCH[conn.dialect.name]
    for part in _parts(pairs):
        conn.execute(of_pairs, _given(conn, [{"source": key[0], "item": key[1], "at": at} for key, at in part]))
    for those in _parts(alone):
        conn.execute(of_items, _given(conn, [{"item": key, "at": at} for key, at in those]))


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]


def _given(conn: Connection, rows: Sequence[dict[str, Any]]) -> Any:
    if conn.dialect.name == "sqlite":
        return rows
    return {"rows": [{**row, "at": moments.sorting(row["at"])} for row in rows]}


# Built once: to put a statement together takes longer than to run it. SQLite runs it for each row, Postgres takes them all in one parameter.
_at = bindparam("at", type_=tables.UTCTime())
_rows = (
    func.json_to_recordset(bindparam("rows", type_=JSON()))
    .table_valued(Column("source", BigInteger), Column("item", BigInteger), Column("at", tables.UTCTime))
    .render_derived(with_types=True)
)
_TOUCH: Mapping[str, Sequence[Update]] = {
    "sqlite": (
        update(_sightings)
        .where(
            _sightings.c.source_id == bindparam("source"),
            _sightings.c.item_id == bindparam("item"),
            _sightings.c.last_seen_at < _at,
        )
        .values(last_seen_at=_at),
        update(_items).where(_items.c.id == bindparam("item"), _items.c.last_seen_at < _at).values(last_seen_at=_at),
    ),
    "postgresql": (
        update(_sightings)
        .where(
            _sightings.c.source_id == _rows.c.source,
            _sightings.c.item_id == _rows.c.item,
            _sightings.c.last_seen_at < _rows.c.at,
        )
        .values(last_seen_at=_rows.c.at),
        update(_items)
        .where(_items.c.id == _rows.c.item, _items.c.last_seen_at < _rows.c.at)
        .values(last_seen_at=_rows.c.at),
    ),
}
_OF = select(_shown).where(_shown.c.source_id.in_(bindparam("ids", expanding=True)))
_WRITTEN = ("url", "entries", "head", "touched_at", "size")
_REPLACE = (
    update(_shown)
    .where(_shown.c.source_id == bindparam("to_source_id"))
    .values({key: bindparam(f"to_{key}", type_=_shown.c[key].type) for key in _WRITTEN})
)


@lru_cache
def _upsert(dialect: str) -> Insert:
    put: Any = sqlite.insert(_shown) if dialect == "sqlite" else postgresql.insert(_shown)
    renewed = {key: put.excluded[key] for key in _WRITTEN}
    return put.on_conflict_do_update(index_elements=["source_id"], set_=renewed)  # type: ignore[no-any-return]


def _head(stored: Mapping[str, Any] | None) -> model.Head | None:
    if not stored:
        return None
    lists = {"hubs": tuple(stored["hubs"]), "older": tuple((rel, url) for rel, url in stored.get("older", ()))}
    return model.Head(**{**stored, **lists})
