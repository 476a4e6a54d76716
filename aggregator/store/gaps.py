"""What may have been missed, and the walks back that look for it: one of a source at a time, which serves all its gaps."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from aggregator import errors, model, overlap
from aggregator.feed import archive, identity
from aggregator.store import sources, tables

_gaps, _backfills, _sources = tables.gaps, tables.backfills, tables.sources
_items, _sightings = tables.items, tables.sightings
# Enough to know what the articles of a source look like, and which are listed where.
_MOST_KNOWN = 500

# A walk back to a date is not taken up after so long, for what was missed since its beginning is behind it.
_LATELY = timedelta(days=1)

BY_ITSELF, BY_HAND = "gap", "hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A walk that was claimed. It was begun at `started_at`, for gaps or by hand; `pages` and `found` count what it came to so far,
    `attempts` the failures in a row. It can fill so many `gaps`, in which so many items are `expected` by the source's rate; the items that
    are `kept` on both sides of one do not tell that it is behind. `resumed`: somebody has taken it up again, and it has found nothing new
    since."""

    source: model.Source
    origin: str
    since: datetime | None
    started_at: datetime
    trail: archive.Trail
    pages: int = 0
    found: int = 0
    attempts: int = 0
    owner: str = ""
    gaps: int = 0
    expected: int = 0
    kept: frozenset[int] = frozenset()
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Some items of a source: their addresses, and since when each was known, by its URL key and that of its present address."""

    urls: tuple[str, ...]
    since: Mapping[str, datetime]


# ---------------------------------------------------------------------------------------------------------- gaps


def record(conn: Connection, source: model.Source, gap: overlap.Missed, now: datetime, *, backfill: bool) -> None:
    """Write a gap down; with `backfill` a walk begins that shall fill it, unless one is under way, after which another will."""
    told = "" if backfill else "automatic backfill is off (poll.backfill_pages: 0)"
    row = {"source_id": source.id, "from_at": gap.from_at, "to_at": now, "estimated": gap.estimated}
    kept = {"kept": list(gap.kept)} if gap.kept else {}
    conn.execute(insert(_gaps).values(row | kept | {"reason": gap.reason, "result": told or None}))
    if backfill:
        _begin_again(conn, source.id, now)


def _begin_again(conn: Connection, source_id: int, now: datetime) -> None:
    """Begin a walk for the open gaps of a source that none has looked for; while one is under way it is the next."""
    waiting = select(func.min(_gaps.c.from_at)).where(
        _gaps.c.source_id == source_id, _gaps.c.filled_at.is_(None), _gaps.c.result.is_(None)
    )
    since = conn.execute(waiting).scalar()
    if since is None:
        return
    mine = select(_backfills).where(_backfills.c.source_id == source_id).with_for_update()
    walk = conn.execute(mine).mappings().one_or_none()
    if walk is None or (walk["next_try_at"] is None and not _held(walk, now)):
        _put(conn, _fresh(source_id, BY_ITSELF, since, now) | {"next_try_at": now})
    elif walk["next_try_at"] is None:
        # Should its process die, somebody takes it up, and comes to these gaps after it.
        conn.execute(update(_backfills).where(_backfills.c.source_id == source_id).values(next_try_at=now))


def _held(walk: RowMapping, now: datetime) -> bool:
    return walk["lease_until"] is not None and walk["lease_until"] > now


def _fresh(source_id: int, origin: str, since: datetime | None, now: datetime) -> dict[str, Any]:
    return {
        "source_id": source_id,
        "origin": origin,
        "since_at": since,
        "started_at": now,
        "trail": archive.stored(archive.Trail()),
        "pages": 0,
        "found": 0,
        "attempts": 0,
        "next_try_at": None,
        "result": None,
        "lease_owner": None,
        "lease_until": None,
    }


def _put(conn: Connection, row: dict[str, Any]) -> None:
    put: Any = sqlite.insert(_backfills) if conn.dialect.name == "sqlite" else postgresql.insert(_backfills)
    renewed = {key: put.excluded[key] for key in row if key != "source_id"}
    conn.execute(put.on_conflict_do_update(index_elements=["source_id"], set_=renewed), row)


def fill(conn: Connection, backfill: Backfill, known_at: datetime, now: datetime) -> int:
    """The walk has come to an item that was known at `known_at`: the gaps that began then or later are filled. Returns how many are
    still open."""
    mine = and_(_open(backfill), _gaps.c.from_at >= known_at)
    told = {"filled_at": now, "result": filled(backfill)} | _how(backfill)
    conn.execute(update(_gaps).where(mine).values(told))
    return int(conn.execute(select(func.count()).select_from(_gaps).where(_open(backfill))).scalar_one())


def _how(backfill: Backfill) -> dict[str, Any]:
    method = backfill.trail.method or model.DiscoveredBy.FEED
    return {"method": method, "pages": backfill.pages, "found": backfill.found}


def _open(backfill: Backfill) -> Any:
    """The gaps that this walk can fill: what was found out after its beginning lies before its first page."""
    return and_(
        _gaps.c.source_id == backfill.source.id, _gaps.c.filled_at.is_(None), _gaps.c.to_at <= backfill.started_at
    )


def filled(backfill: Backfill) -> str:
    """What filled a gap, in words."""
    where = _WORDS.get(backfill.trail.method, "in the feed itself")
    items = f"{backfill.found:,} {'item' if backfill.found == 1 else 'items'}" if backfill.found else "nothing new"
    return f"filled: {items} on {backfill.pages:,} {'page' if backfill.pages == 1 else 'pages'}, {where}"


_WORDS: Mapping[str, str] = {
    model.DiscoveredBy.ARCHIVE: "by the feed's own archive",
    model.DiscoveredBy.NEXT_URL: "by the feed's own next_url",
    model.DiscoveredBy.PAGED: "by ?paged=",
    model.DiscoveredBy.SITEMAP: "by sitemaps",
}


# ---------------------------------------------------------------------------------------------------------- walks


def claim_due(conn: Connection, *, now: datetime, limit: int, owner: str, lease: timedelta) -> tuple[Backfill, ...]:
    """Take up to `limit` walks that are due; those of sources that are not polled wait."""
    due = (
        select(_backfills.c.source_id)
        .join(_sources, _sources.c.id == _backfills.c.source_id)
        .where(_backfills.c.next_try_at <= now, tables.unclaimed(_backfills, now), _sources.c.state.in_(sources.POLLED))
        .order_by(_backfills.c.next_try_at, _backfills.c.source_id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=_backfills)
    )
    ids = conn.execute(due).scalars().all()
    if not ids:
        return ()
    taken = {"lease_owner": owner, "lease_until": now + lease}
    conn.execute(update(_backfills).where(_backfills.c.source_id.in_(ids)).values(taken))
    return tuple(_claimed(conn, source_id) for source_id in ids)


def _answered(conn: Connection, name: str) -> int:
    row = conn.execute(select(_sources).where(_sources.c.name == name)).one_or_none()
    if row is None or row.last_polled_at is None:
        raise errors.NotFoundError(f"{name} has not been polled yet; first: aggregator poll {name!r}")
    if row.last_success_at is None:
        raise errors.NotFoundError(f"{name} has never been read ({row.error}); there is nothing to go back from")
    return int(row.id)


def claim_by_hand(
    conn: Connection, name: str, *, since: datetime | None, now: datetime, owner: str, lease: timedelta
) -> Backfill:
    """The walk of that source, begun anew or where the last one stopped. Raises NotFoundError, ConflictError (`busy`)."""
    source_id = _answered(conn, name)
    mine = _backfills.c.source_id == source_id
    before = conn.execute(select(_backfills).where(mine).with_for_update()).mappings().one_or_none()
    if before is not None and _held(before, now):
        raise errors.ConflictError(f"{name} is being backfilled at this moment; try again later", code="busy")
    begun = before is not None and archive.restored(before["trail"]).step is not None
    if before is None or not begun or (since is not None and now - before["started_at"] > _LATELY):
        # Gaps that wait for a walk are looked for by this one; should it be cut short, the daemon goes on.
        waiting = {"next_try_at": before["next_try_at"]} if before is not None else {}
        _put(conn, _fresh(source_id, BY_HAND, since, now) | waiting)
    taken = {"lease_owner": owner, "lease_until": now + lease, "origin": BY_HAND, "since_at": since, "attempts": 0}
    conn.execute(update(_backfills).where(mine).values(taken))
    walk = _claimed(conn, source_id)
    return replace(walk, resumed=walk.trail.step is not None)


def _claimed(conn: Connection, source_id: int) -> Backfill:
    row = conn.execute(select(_backfills).where(_backfills.c.source_id == source_id)).mappings().one()
    source = conn.execute(select(_sources).where(_sources.c.id == source_id)).mappings().one()
    walk = Backfill(
        source=sources.of_row(source),
        since=row["since_at"],
        trail=archive.restored(row["trail"]),
        owner=row["lease_owner"],
        **{key: row[key] for key in ("origin", "started_at", "pages", "found", "attempts")},
    )
    gaps = conn.execute(select(_gaps.c.estimated, _gaps.c.kept).where(_open(walk))).all()
    kept = frozenset(item for gap in gaps for item in gap.kept or ())
    return replace(walk, gaps=len(gaps), expected=sum(gap.estimated or 0 for gap in gaps), kept=kept)


def go_on(conn: Connection, walk: Backfill, *, now: datetime, lease: timedelta) -> None:
    """Keep how far the walk has come. Raises ConflictError (`superseded`) where somebody else has it by now."""
    values: dict[str, Any] = {
        "trail": archive.stored(walk.trail),
        "pages": walk.pages,
        "found": walk.found,
        "attempts": 0,
        "lease_until": now + lease,
    }
    _write(conn, walk, values | ({"next_try_at": now} if walk.origin == BY_ITSELF else {}))


def put_off(conn: Connection, walk: Backfill, due: model.Due) -> None:
    """The walk goes on later, where it stands."""
    at = due.at if walk.origin == BY_ITSELF or walk.gaps else None
    _write(conn, walk, {"attempts": walk.attempts, "next_try_at": at, "result": due.reason} | _LET_GO)


def end(conn: Connection, walk: Backfill, why: str, now: datetime, *, for_good: bool = True) -> None:
    """The walk is over, in words why, also of the gaps that it did not fill. Unless that is `for_good` it may be taken up by hand."""
    conn.execute(update(_gaps).where(_open(walk)).values(result=f"not filled: {why}", **_how(walk)))
    trail = archive.Trail() if for_good else walk.trail
    told = {"trail": archive.stored(trail), "pages": walk.pages, "found": walk.found, "next_try_at": None}
    _write(conn, walk, told | {"result": why} | _LET_GO)
    _begin_again(conn, walk.source.id, now)


def let_go(conn: Connection, walk: Backfill, now: datetime) -> None:
    """Leave the walk where it stands, for whoever claims it next."""
    _write(conn, walk, _LET_GO)
    _begin_again(conn, walk.source.id, now)


_LET_GO: dict[str, Any] = {"lease_owner": None, "lease_until": None}


def _write(conn: Connection, walk: Backfill, values: Mapping[str, Any]) -> None:
    mine = and_(_backfills.c.source_id == walk.source.id, _backfills.c.lease_owner == walk.owner)
    if not conn.execute(update(_backfills).where(mine).values(values)).rowcount:
        raise errors.ConflictError(f"{walk.source.name}: another process backfills it by now", code="superseded")


# ---------------------------------------------------------------------------------------------------------- what is known


def published(conn: Connection, item_ids: Collection[int]) -> Mapping[int, datetime]:
    """The dates of these items."""
    rows = conn.execute(select(_items.c.id, _items.c.published_at).where(_items.c.id.in_(item_ids)))
    return {row.id: row.published_at for row in rows}


def known_since(conn: Connection, source_id: int, item_ids: Collection[int]) -> datetime | None:
    """When this source first showed one of these items."""
    first = select(func.min(_sightings.c.first_seen_at))
    at: datetime | None = conn.execute(
        first.where(_sightings.c.source_id == source_id, _sightings.c.item_id.in_(item_ids))
    ).scalar()
    return at


def known(conn: Connection, source_id: int) -> Known:
    """The latest items of a source by their publication, but for those that sitemaps have told."""
    latest = (
        select(_items.c.url, _items.c.url_key, _sightings.c.first_seen_at)
        .join(_sightings, and_(_sightings.c.item_id == _items.c.id, _sightings.c.source_id == source_id))
        .where(_items.c.url.is_not(None), _items.c.discovered_by != model.DiscoveredBy.SITEMAP)
        .order_by(_items.c.published_at.desc(), _items.c.id.desc())
        .limit(_MOST_KNOWN)
    )
    rows = conn.execute(latest).all()
    now = {identity.url_key(row.url): row.first_seen_at for row in rows}
    return Known(urls=tuple(row.url for row in rows), since=now | {row.url_key: row.first_seen_at for row in rows})
