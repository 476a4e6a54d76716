"""What became of one address: the versions of its item, and every step from the feed to the cluster, or who might have carried it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, or_, select

from aggregator import errors
from aggregator.feed import identity
from aggregator.store import tables, trail

_items, _sources, _sightings, _polls = tables.items, tables.sources, tables.sightings, tables.polls
_pages, _changes, _revisions, _matches = tables.pages, tables.changes, tables.revisions, tables.matches

_HISTORY = tables.view(
    "item_history",
    "item_id at origin title summary text added removed revision_id what content",
    at=tables.UTCTime,
)


def find(conn: Connection, reference: str) -> int:
    """The item with this id or address, also the one to which its page was redirected. Raises NotFoundError."""
    try:
        return trail.find(conn, reference)
    except errors.NotFoundError:
        led = select(_pages.c.item_id).where(_pages.c.url == reference).order_by(_pages.c.id.desc()).limit(1)
        found: int | None = conn.execute(led).scalar()
        if found is None:
            raise
        return found


def versions(conn: Connection, item_id: int) -> Sequence[RowMapping]:
    """The rows of `item_history` of one item, the first version first."""
    rows = select(_HISTORY).where(_HISTORY.c.item_id == item_id)
    return conn.execute(rows.order_by(_HISTORY.c.at, _HISTORY.c.revision_id)).mappings().all()


def happenings(conn: Connection, item_id: int) -> Sequence[RowMapping]:
    """What the log of changes tells of one item."""
    told = select(_changes.c.at, _changes.c.kind, _changes.c.detail).where(_changes.c.item_id == item_id)
    return conn.execute(told.order_by(_changes.c.id)).mappings().all()


def between(conn: Connection, one: int, other: int) -> Sequence[RowMapping]:
    """What was found of two items as copies of each other."""
    pair = (one, other)
    told = select(_matches).where(_matches.c.item_id.in_(pair), _matches.c.other_id.in_(pair))
    return conn.execute(told.order_by(_matches.c.item_id, _matches.c.other_id)).mappings().all()


def item(conn: Connection, item_id: int) -> Mapping[str, Any]:
    """Every step of one item: its row as `item`; `sightings`, the poll that `found` it and the `last` one of its source, `pages`,
    `host`, `changes`, `versions` (how many), `matches` and `copies`."""
    told = (
        "id url url_key host title discovered_by first_seen_at published_at date_source state state_reason attempts visited_at "
        "next_visit_at extractor word_count boilerplate cluster_id source_id lease_until"
    ).split()
    row = conn.execute(select(*(_items.c[name] for name in told)).where(_items.c.id == item_id)).mappings().one()
    wanted = _wanted(row)
    found = {name: conn.execute(query).mappings().all() for name, query in wanted.items()}
    versions = conn.execute(select(func.count()).where(_revisions.c.item_id == item_id)).scalar_one()
    copies = trail.parts(conn, item_id)["copies"]
    return {"item": row, **found, "changes": happenings(conn, item_id), "versions": versions, "copies": copies}


def _wanted(row: RowMapping) -> Mapping[str, Select[Any]]:
    item_id, source_id = row["id"], row["source_id"]
    seen, hosts = _sightings.c, tables.hosts.c
    sighted = (seen.guid, seen.matched_by, seen.note, seen.first_seen_at, seen.last_seen_at, seen.backlog)
    polls = select(_polls.c.at, _polls.c.outcome, _polls.c.origin, _polls.c.new, _polls.c.error).where(
        _polls.c.source_id == source_id
    )
    copies = select(_pages.c.at, _pages.c.url, _pages.c.status, _pages.c.sha256).where(_pages.c.item_id == item_id)
    pairs = select(_matches.c.item_id, _matches.c.other_id, _matches.c.relation, _matches.c.score, _matches.c.method)
    return {
        "sightings": select(_sources.c.name.label("source"), *sighted)
        .join_from(_sightings, _sources)
        .where(seen.item_id == item_id)
        .order_by(seen.first_seen_at, _sources.c.id),
        "found": polls.where(_polls.c.at == row["first_seen_at"]).order_by(_polls.c.id).limit(1),
        "last": polls.order_by(_polls.c.id.desc()).limit(1),
        "pages": copies.order_by(_pages.c.at, _pages.c.id),
        "host": select(hosts.retry_after, hosts.robots_error).where(hosts.host == row["host"]),
        "matches": pairs.where(or_(_matches.c.item_id == item_id, _matches.c.other_id == item_id)),
    }


def carriers(conn: Connection, url: str) -> Sequence[RowMapping]:
    """The sources that might show `url`: those with items of its host, and those of that site, with how many items they have of it
    and how they are."""
    host = identity.host_of(url)
    near = {host, host.removeprefix("www."), f"www.{host.removeprefix('www.')}"} if host else set()
    counted = (
        select(_items.c.source_id, func.count().label("items"), func.max(_items.c.published_at).label("newest"))
        .where(_items.c.host.in_(near))
        .group_by(_items.c.source_id)
        .subquery()
    )
    told = (
        _sources.c[name] for name in ("name", "feed_url", "state", "error", "last_polled_at", "next_poll_at", "health")
    )
    sites = [_sources.c.site_url.like(f"{scheme}://{name}/%") for scheme in ("http", "https") for name in sorted(near)]
    at_home = or_(_sources.c.host.in_(near), *sites)
    rows = (
        select(*told, func.coalesce(counted.c["items"], 0).label("items"), counted.c.newest)
        .outerjoin_from(_sources, counted, counted.c.source_id == _sources.c.id)
        .where(or_(counted.c["items"].is_not(None), at_home))
    )
    return conn.execute(rows.order_by(func.coalesce(counted.c["items"], 0).desc(), _sources.c.id)).mappings().all()


def gaps_around(conn: Connection, names: Sequence[str]) -> Sequence[RowMapping]:
    """The stretches of these sources that may have been missed and are not filled."""
    gaps = tables.gaps.c
    told = select(_sources.c.name, gaps.from_at, gaps.to_at, gaps.reason).join_from(tables.gaps, _sources)
    return (
        conn.execute(told.where(gaps.filled_at.is_(None), _sources.c.name.in_(names)).order_by(gaps.id))
        .mappings()
        .all()
    )
