"""Items as their feeds show them: what is known of the entries of a document, and writing what it brought."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from aggregator import errors, model
from aggregator.feed import identity
from aggregator.store import changes, revisions, shown, tables

_items, _sightings = tables.items, tables.sightings
# How items come by themselves. What was fetched afterwards says nothing of when the source has news.
_TIMELY = (model.DiscoveredBy.FEED, model.DiscoveredBy.PUSH)
# Of a feed whose items all have one date, so many are looked at for one that was moved.
_MOST_OF_A_DATE = 50
# Reasons are counted by what they have in common.
_WORDS = re.compile(r"\bonly \d+ words?")
# Rows take several times the room of what they are made of: so many are made, and sent, at a time.
_AT_ONCE = 400


# ------------------------------------------------------------------------------------------------------- knowing


# Built once: to put such a statement together takes ten times as long as to run it. `mine` is the source that shows the entries.
_own, _owners = _sightings.alias("own"), _sightings.alias("owners")
_KNOWN = (
    select(
        *(_items.c[name] for name in "id url_key source_id url published_at title summary content".split()),
        *(_own.c[name] for name in ("guid", "guid_hash", "entry_hash")),
        _owners.c.backlog,
    )
    .select_from(_items)
    .outerjoin(_own, and_(_own.c.item_id == _items.c.id, _own.c.source_id == bindparam("mine")))
    .outerjoin(_owners, and_(_owners.c.item_id == _items.c.id, _owners.c.source_id == _items.c.source_id))
)
_KNOWN_BY_GUID = _KNOWN.where(
    _own.c.source_id == bindparam("mine"), _own.c.guid_hash.in_(bindparam("hashes", expanding=True))
).order_by(_own.c.last_seen_at, _own.c.item_id)
_KNOWN_BY_KEY = _KNOWN.where(_items.c.url_key.in_(bindparam("keys", expanding=True)))
_KNOWN_BY_ID = _KNOWN.where(_items.c.id.in_(bindparam("ids", expanding=True))).order_by(_items.c.id)
_OF_DATES = (
    select(_items.c.id, _items.c.published_at, _items.c.title)
    .where(
        _items.c.source_id == bindparam("mine"),
        _items.c.published_at.in_(bindparam("dates", type_=tables.UTCTime(), expanding=True)),
    )
    .order_by(_items.c.id.desc())
    .limit(_MOST_OF_A_DATE)
)


def known(conn: Connection, source: model.Source, entries: Sequence[identity.Keyed]) -> identity.Known:
    """What is stored that these entries of one document may be."""
    guids = {one.guid for one in entries if one.guid}
    keys = {one.url_key for one in entries} | {one.also for one in entries if one.also}
    found = identity.Known(by_guid=_by_guid(conn, source.id, guids), by_key=_by_key(conn, source.id, keys))
    if source.last_new_at is None:
        return found
    return replace(found, moved=_moved(conn, source.id, identity.unmatched(entries, found)))


def _by_guid(conn: Connection, source_id: int, guids: Collection[str]) -> Mapping[str, model.KnownItem]:
    """The items that this source has shown under these guids; of several, the one seen last."""
    if not guids:
        return {}
    hashes = {identity.digest(guid): guid for guid in guids}
    rows = conn.execute(_KNOWN_BY_GUID, {"mine": source_id, "hashes": list(hashes)}).mappings()
    return {hashes[row["guid_hash"]]: _known_item(row) for row in rows}


def _by_key(conn: Connection, source_id: int, keys: Collection[str]) -> Mapping[str, model.KnownItem]:
    """The items of any source that go by these URL keys."""
    if not keys:
        return {}
    rows = conn.execute(_KNOWN_BY_KEY, {"mine": source_id, "keys": list(keys)}).mappings()
    return {row["url_key"]: _known_item(row) for row in rows}


def _moved(conn: Connection, source_id: int, entries: Sequence[identity.Keyed]) -> Sequence[model.KnownItem]:
    """The items of this source that were published at the very moment of one of these entries, under a title much like its own."""
    titles = identity.titles_by_date(entries)
    if not titles:
        return ()
    rows = conn.execute(_OF_DATES, {"mine": source_id, "dates": list(titles)}).all()
    ids = [row.id for row in rows if any(identity.same_title(row.title, title) for title in titles[row.published_at])]
    if not ids:
        return ()
    return [_known_item(row) for row in conn.execute(_KNOWN_BY_ID, {"mine": source_id, "ids": ids}).mappings()]


def _known_item(row: RowMapping) -> model.KnownItem:
    same = ("id", "url_key", "url", "published_at", "title", "summary", "content", "guid", "entry_hash")
    return model.KnownItem(
        **{key: row[key] for key in same}, owner_id=row["source_id"], first_poll=bool(row["backlog"])
    )


# ------------------------------------------------------------------------------------------------------- writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What one document of `source` means for the corpus, and how its new items were found."""

    source: model.Source
    decision: model.Decision
    at: datetime
    by: model.DiscoveredBy = model.DiscoveredBy.FEED

    @property
    def backlog(self) -> bool:
        """Whether that it was found now says little of the age of an item."""
        return self.source.last_success_at is None or self.by not in _TIMELY


_New = tuple[Brought, model.NewItem]


def write(conn: Connection, brought: Sequence[Brought]) -> Mapping[str, int]:
    """Store what documents brought that have nothing in common, once their edits are judged (`revisions.judge`); returns the ids of the new
    items by their URL keys. Raises ConflictError when another poll stored one of them meanwhile: the caller must then look and decide
    again."""
    ids = add(conn, brought)
    shown.touch(conn, [(one.source.id, seen.item.id, one.at) for one in brought for seen in one.decision.seen])
    for one in brought:
        revisions.write(conn, [seen for seen in one.decision.seen if seen.edited], one.at)
        revisions.follow(conn, one.source.id, [seen for seen in one.decision.seen if seen.alone], one.at)
        for seen in one.decision.seen:
            if seen.edited or seen.adopted or (seen.readdressed and not seen.alone):
                _take_over(conn, one.source, seen, one.at)
    return ids


def add(conn: Connection, brought: Sequence[Brought]) -> Mapping[str, int]:
    """Store the new items and what is new about who showed them, and nothing else; the rest as `write`."""
    # Sorted, so that two polls that meet wait for each other in one direction only.
    new = sorted(((one, item) for one in brought for item in one.decision.new), key=lambda pair: pair[1].url_key)
    ids: dict[str, int] = {}
    for start in range(0, len(new), _AT_ONCE):
        ids |= _insert_part(conn, new[start : start + _AT_ONCE])
    _resight(conn, [(one, seen) for one in brought for seen in one.decision.seen if seen.resighted])
    return ids


def _insert_part(conn: Connection, new: Sequence[_New]) -> Mapping[str, int]:
    rows = [_item_row(*pair) for pair in new]
    returned = conn.execute(_inserting(conn.dialect.name, tuple(rows[0])), tables.given(conn, _items, rows))
    ids: dict[str, int] = {url_key: item_id for item_id, url_key in returned}
    if len(ids) < len(new):
        raise errors.ConflictError(f"{len(new) - len(ids)} items were stored by another poll at the same moment")
    tables.add(conn, _sightings, [_sighting(one, ids[item.url_key], item) for one, item in new])
    attached = [row for _, item in new for row in _enclosures(ids[item.url_key], item.entry)]
    if attached:
        tables.add(conn, tables.enclosures, attached)
    changes.tell_when(conn, "new", [(ids[item.url_key], one.at) for one, item in new])
    return ids


@lru_cache
def _inserting(dialect: str, keys: tuple[str, ...]) -> ReturningInsert[Any]:
    return tables.insert_statement(dialect, _items, keys, anew=True).returning(_items.c.id, _items.c.url_key)


def _item_row(brought: Brought, one: model.NewItem) -> dict[str, Any]:
    now = brought.at
    return _feed_values(brought.source, one.entry) | {
        "url_key": one.url_key,
        "published_at": one.entry.published_at or now,
        "published_raw": one.entry.published_raw,
        "date_source": (one.entry.published_at and one.entry.date_source) or model.DateSource.FIRST_SEEN,
        "updated_at": one.entry.updated_at,
        "updated_raw": one.entry.updated_raw,
        "first_seen_at": now,
        "last_seen_at": now,
        "state": model.ItemState.PENDING,
        "state_reason": "waiting for its first visit",
        "next_visit_at": now,
        "changed_at": now,
        "attempts": 0,
        "discovered_by": brought.by,
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


def _sighting(brought: Brought, item_id: int, one: model.NewItem | model.SeenItem) -> dict[str, Any]:
    entry = one.entry
    return {
        "item_id": item_id,
        "source_id": brought.source.id,
        "guid": entry.guid,
        "guid_hash": identity.digest(entry.guid) if entry.guid else None,
        "entry_hash": entry.entry_hash,
        "first_seen_at": brought.at,
        "last_seen_at": brought.at,
        "position": entry.position,
        "backlog": brought.backlog,
        "matched_by": one.matched_by,
    }


def _enclosures(item_id: int, entry: model.Entry) -> Iterable[dict[str, Any]]:
    for position, one in enumerate(entry.enclosures):
        yield {"item_id": item_id, "position": position, "url": one.url, "type": one.type, "length": one.length}


def _resight(conn: Connection, seen: Sequence[tuple[Brought, model.SeenItem]]) -> None:
    if not seen:
        return
    rows = [_sighting(brought, one.item.id, one) for brought, one in seen]
    upsert: Any = sqlite.insert(_sightings) if conn.dialect.name == "sqlite" else postgresql.insert(_sightings)
    renewed = {key: upsert.excluded[key] for key in ("guid", "guid_hash", "entry_hash", "last_seen_at", "matched_by")}
    conn.execute(upsert.on_conflict_do_update(index_elements=["item_id", "source_id"], set_=renewed), rows)


def _take_over(conn: Connection, source: model.Source, seen: model.SeenItem, now: datetime) -> None:
    """The owner's entry is what the item says of itself. Its first date stays, and its page is visited anew; a visit that is
    under way with the old words loses its lease."""
    renewed = {"changed_at": now, "next_visit_at": now, "visited_at": None, "lease_owner": None, "lease_until": None}
    values = _feed_values(source, seen.entry) | renewed
    if seen.redated:
        values["updated_at"], values["updated_raw"] = seen.redated
    if seen.adopted and seen.entry.published_at:
        values |= {
            "published_at": seen.entry.published_at,
            "published_raw": seen.entry.published_raw,
            "date_source": seen.entry.date_source,
            "updated_at": seen.entry.updated_at,
            "updated_raw": seen.entry.updated_raw,
        }
    conn.execute(update(_items).where(_items.c.id == seen.item.id).values(values))
    conn.execute(delete(tables.enclosures).where(tables.enclosures.c.item_id == seen.item.id))
    if attached := list(_enclosures(seen.item.id, seen.entry)):
        tables.add(conn, tables.enclosures, attached)


def latest_times(conn: Connection, source_id: int, count: int = 30) -> list[datetime]:
    """When the latest items of a source that came by themselves were published, or first seen, for those whose feed does not say;
    newest first."""
    return list(conn.execute(_LATEST, {"source_id": source_id, "count": count}).scalars())


_LATEST = (
    select(_items.c.published_at)
    .where(_items.c.source_id == bindparam("source_id"), _items.c.discovered_by.in_(_TIMELY))
    .order_by(_items.c.published_at.desc())
    .limit(bindparam("count"))
)


# ------------------------------------------------------------------------------------------------------- reading


def counts(conn: Connection) -> Mapping[str, int]:
    """How many items there are in each state."""
    rows = conn.execute(select(_items.c.state, func.count().label("items")).group_by(_items.c.state))
    return {row.state: row.items for row in rows}


def reasons(conn: Connection) -> Mapping[tuple[str, str], int]:
    """How many items have a page that is none of theirs, by state and reason, the most frequent first."""
    refused = _items.c.state.not_in((model.ItemState.OK, model.ItemState.PENDING)) & _items.c.state_reason.like(
        "the page %"
    )
    count = func.count().label("items")
    told = (
        select(_items.c.state, _items.c.state_reason, count)
        .where(refused)
        .group_by(_items.c.state, _items.c.state_reason)
    )
    found: Counter[tuple[str, str]] = Counter()
    for state, reason, number in conn.execute(told):
        found[state, _WORDS.sub("only a few words", reason.partition(";")[0])] += number
    return dict(found.most_common())
