"""Items as their feeds show them: what is known of the entries of a document, and writing what it brought."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CompoundSelect,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    func,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from aggregator import errors, model
from aggregator.feed import identity, likeness
from aggregator.store import addresses, changes, moments, revisions, shown, statements, tables

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


# Of the source that shows the entries, `mine`, and of the one that owns the item.
_own, _owners = _sightings.alias("own"), _sightings.alias("owners")
_OF_ITEM = [_items.c[name] for name in "id url_key source_id url published_at title summary content".split()]
_OF_SIGHTINGS = [*(_own.c[name] for name in "guid guid_hash entry_hash".split()), _owners.c.backlog]
_OF_OWNER = and_(_owners.c.item_id == _items.c.id, _owners.c.source_id == _items.c.source_id)
_OF_DATES = (
    select(_items.c.id, _items.c.published_at, _items.c.title)
    .where(
        _items.c.source_id == bindparam("mine"),
        _items.c.published_at.in_(bindparam("dates", type_=tables.UTCTime(), expanding=True)),
    )
    .order_by(_items.c.id.desc())
    .limit(_MOST_OF_A_DATE)
)
_KNOWN_BY_ID = (
    select(bindparam("mine").label("mine"), *_OF_ITEM, *_OF_SIGHTINGS)
    .select_from(_items)
    .outerjoin(_own, and_(_own.c.item_id == _items.c.id, _own.c.source_id == bindparam("mine")))
    .outerjoin(_owners, _OF_OWNER)
    .where(_items.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_items.c.id)
)
# A source, and entries of one document of it.
Asked = tuple[model.Source, Sequence[identity.Keyed]]


# Built once: to put such statements together takes ten times as long as to run them.
@lru_cache
def _known_by_guid(dialect: str) -> Select[Any]:
    asked = statements.asked(dialect, mine=BigInteger(), hash=Text())
    return (
        select(asked.c.mine, *_OF_ITEM, *_OF_SIGHTINGS)
        .select_from(asked)
        .join(_own, and_(_own.c.source_id == asked.c.mine, _own.c.guid_hash == asked.c.hash))
        .join(_items, _items.c.id == _own.c.item_id)
        .outerjoin(_owners, _OF_OWNER)
        .order_by(_own.c.last_seen_at, _own.c.item_id)
    )


@lru_cache
def _known_by_key(dialect: str) -> CompoundSelect[Any]:
    asked = statements.asked(dialect, mine=BigInteger(), key=Text())
    further = tables.item_urls
    by_first = asked.join(_items, _items.c.url_key == asked.c.key)
    by_further = asked.join(further, further.c.url_key == asked.c.key).join(_items, _items.c.id == further.c.item_id)
    return union_all(
        *(
            select(asked.c.mine, asked.c.key, *_OF_ITEM, *_OF_SIGHTINGS)
            .select_from(found)
            .outerjoin(_own, and_(_own.c.item_id == _items.c.id, _own.c.source_id == asked.c.mine))
            .outerjoin(_owners, _OF_OWNER)
            for found in (by_first, by_further)
        )
    )


@lru_cache
def _with_dates(dialect: str) -> Select[Any]:
    asked = statements.asked(dialect, mine=BigInteger(), date=tables.UTCTime())
    same = and_(_items.c.source_id == asked.c.mine, _items.c.published_at == asked.c.date)
    return select(asked.c.mine).join_from(asked, _items, same).distinct()


def known(conn: Connection, source: model.Source, entries: Sequence[identity.Keyed]) -> identity.Known:
    """What is stored that these entries of one document may be."""
    return known_of(conn, [(source, entries)])[0]


def known_of(conn: Connection, asked: Sequence[Asked]) -> Sequence[identity.Known]:
    """The same for documents of several sources, with few statements."""
    found = [
        identity.Known(by_guid=by_guid, by_key=by_key, taken=taken)
        for by_guid, (by_key, taken) in zip(_by_guid(conn, asked), _by_key(conn, asked), strict=True)
    ]
    unmatched = [
        (source, identity.unmatched(entries, one) if source.last_new_at is not None else ())
        for (source, entries), one in zip(asked, found, strict=True)
    ]
    dated = _dated(conn, unmatched)
    return [
        replace(one, moved=_moved(conn, source.id, entries)) if source.id in dated else one
        for (source, entries), one in zip(unmatched, found, strict=True)
    ]


def _by_guid(conn: Connection, asked: Sequence[Asked]) -> list[dict[str, model.KnownItem]]:
    """For each document the items that its source has shown under its guids; of several, the one seen last."""
    hashes = [{identity.digest(one.guid): one.guid for one in entries if one.guid} for _, entries in asked]
    rows = _looked_up(conn, _known_by_guid, "hash", asked, hashes)
    return [
        {guids[row.guid_hash]: _known_item(row) for row in rows.get(source.id, ()) if row.guid_hash in guids}
        for (source, _), guids in zip(asked, hashes, strict=True)
    ]


def _by_key(conn: Connection, asked: Sequence[Asked]) -> list[tuple[dict[str, model.KnownItem], set[str]]]:
    """For each document the items of any source that go by its URL keys, of several the one that is nearest; and those keys that items
    have for their own."""
    keys = [{key for one in entries for key in (one.url_key, one.also) if key} for _, entries in asked]
    rows = _looked_up(conn, _known_by_key, "key", asked, keys)
    found = []
    for (source, _), own in zip(asked, keys, strict=True):
        nearest: dict[str, Row[Any]] = {}
        for row in rows.get(source.id, ()):
            if row.key in own and (row.key not in nearest or _nearness(row) < _nearness(nearest[row.key])):
                nearest[row.key] = row
        taken = {row.key for row in rows.get(source.id, ()) if row.key == row.url_key and row.key in own}
        found.append(({key: _known_item(row) for key, row in nearest.items()}, taken))
    return found


def _nearness(row: Row[Any]) -> tuple[object, ...]:
    return *identity.nearness(row.key, row.url_key, row.url), row.id


def _looked_up(
    conn: Connection,
    statement: Callable[[str], Select[Any] | CompoundSelect[Any]],
    name: str,
    asked: Sequence[Asked],
    wanted: Sequence[Iterable[str]],
) -> Mapping[int, Sequence[Row[Any]]]:
    """The rows found for what is wanted of each source, by its id."""
    pairs = [{"mine": source.id, name: value} for (source, _), own in zip(asked, wanted, strict=True) for value in own]
    found: dict[int, list[Row[Any]]] = {}
    if pairs:
        for row in conn.execute(statement(conn.dialect.name), statements.asking(conn, pairs)).all():
            found.setdefault(row.mine, []).append(row)
    return found


def _dated(conn: Connection, asked: Sequence[Asked]) -> set[int]:
    """Which of these sources have an item with the date of one of these entries."""
    dates = [
        {"mine": source.id, "date": moments.sorting(at)}
        for source, entries in asked
        for at in identity.titles_by_date(entries)
    ]
    return (
        set(conn.execute(_with_dates(conn.dialect.name), statements.asking(conn, dates)).scalars().all())
        if dates
        else set()
    )


def _moved(conn: Connection, source_id: int, entries: Sequence[identity.Keyed]) -> Sequence[model.KnownItem]:
    """The items of this source that were published at the very moment of one of these entries, under a title much like its own."""
    titles = identity.titles_by_date(entries)
    if not titles:
        return ()
    rows = conn.execute(_OF_DATES, {"mine": source_id, "dates": list(titles)}).all()
    ids = [row.id for row in rows if any(likeness.same_title(row.title, title) for title in titles[row.published_at])]
    if not ids:
        return ()
    return [_known_item(row) for row in conn.execute(_KNOWN_BY_ID, {"mine": source_id, "ids": ids}).all()]


def _known_item(row: Row[Any]) -> model.KnownItem:
    return model.KnownItem(
        id=row.id,
        url_key=row.url_key,
        owner_id=row.source_id,
        url=row.url,
        published_at=row.published_at,
        title=row.title,
        summary=row.summary,
        content=row.content,
        guid=row.guid,
        entry_hash=row.entry_hash,
        first_poll=bool(row.backlog),
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
    restless = _readdress(conn, brought)
    for one in brought:
        revisions.write(conn, [seen for seen in one.decision.seen if seen.edited], one.at)
        revisions.follow(conn, one.source.id, [seen for seen in one.decision.seen if seen.alone], one.at)
        moved = [seen for seen in one.decision.seen if seen.readdressed and not seen.alone]
        told = [
            (seen.item.id, f"{seen.item.url or 'none'} → {seen.entry.url or 'none'}")
            for seen in moved
            if seen.item.id not in restless
        ]
        changes.tell_in_words(conn, "address", told, one.at)
        for seen in one.decision.seen:
            if seen.edited or seen.adopted or seen in moved:
                _take_over(conn, one.source, seen, one.at)
    return ids


def _readdress(conn: Connection, brought: Sequence[Brought]) -> Collection[int]:
    """Note by which addresses items are found from now on; returns those that have had too many to tell of."""
    seen = [(one, each) for one in brought for each in one.decision.seen]
    found = [
        addresses.Further(url_key=each.further_key, item_id=each.item.id, url=each.entry.url, at=one.at)
        for one, each in seen
        if each.further_key and each.entry.url
    ]
    addresses.forget(conn, {each.shared_key for _, each in seen if each.shared_key})
    return addresses.add(conn, found)


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
    returned = statements.added(conn, _items, rows, ("id", "url_key"))
    ids: dict[str, int] = {row.url_key: row.id for row in returned}
    if len(ids) < len(new):
        raise errors.ConflictError(f"{len(new) - len(ids)} items were stored by another poll at the same moment")
    statements.add(conn, _sightings, [_sighting(one, ids[item.url_key], item) for one, item in new])
    attached = [row for _, item in new for row in _enclosures(ids[item.url_key], item.entry)]
    if attached:
        statements.add(conn, tables.enclosures, attached)
    changes.tell_when(conn, "new", [(ids[item.url_key], one.at) for one, item in new])
    return ids


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
    if seen.shared_key:
        # The page there is none of its own: what is known of the item stays where that was read.
        del values["url"], values["host"]
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
        statements.add(conn, tables.enclosures, attached)


def latest_times(conn: Connection, source_ids: Collection[int]) -> Mapping[int, Sequence[datetime]]:
    """When the latest 30 items of each source that came by themselves were published, or first seen, for those whose feed does not say;
    newest first."""
    if not source_ids:
        return {}
    rows = conn.execute(_LATEST[conn.dialect.name], {"ids": statements.listing(conn, source_ids)})
    return {row.source_id: [moments.read(at) for at in row.times or ()] for row in rows}


# Of each source alone: to number the items of all takes as long as to read them. In UTC, however the session of a database is set.
_LATEST_OF = " OR ".join(f"i.discovered_by = '{by}'" for by in _TIMELY)
_LATEST = {
    name: text(
        f"SELECT asked.value AS source_id, (SELECT {gathered} FROM (SELECT i.published_at FROM items i WHERE i.source_id = asked.value "
        f"AND ({_LATEST_OF}) ORDER BY i.published_at DESC LIMIT 30) latest) AS times FROM {asked}"
    ).columns(source_id=BigInteger, times=JSON)
    for name, gathered, asked in (
        ("sqlite", "json_group_array(latest.published_at)", "json_each(:ids) asked"),
        (
            "postgresql",
            "json_agg(latest.published_at AT TIME ZONE 'UTC')",
            "unnest(CAST(:ids AS bigint[])) asked(value)",
        ),
    )
}


# ------------------------------------------------------------------------------------------------------- reading


def counts(conn: Connection) -> Mapping[str, int]:
    """How many items there are in each state."""
    rows = conn.execute(select(_items.c.state, func.count().label("items")).group_by(_items.c.state))
    return {row.state: row.items for row in rows}


def reasons(conn: Connection) -> Mapping[tuple[str, str], int]:
    """How many items have a page that is none of theirs, by state and reason, the most frequent first."""
    refused = and_(text(f"items.{tables.REFUSED}"), _items.c.state_reason.like("the page %"))
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
