"""How sources do beside their polls: who has been quiet for too long, who never had an entry; and the view that says it all."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    select,
    union_all,
    update,
)

from aggregator import model, silence
from aggregator.store import changes, sources, tables

_sources, _sightings, _items, _polls = tables.sources, tables.sightings, tables.items, tables.polls

_HEALTH = (
    "id name url feed_url category state error_code reason failures last_polled_at last_success_at last_new_at next_poll_at due_reason "
    "hours_since_success hours_since_new items items_ok items_pending items_without_page polls polls_failed gaps_open gap advice push "
    "health health_reason"
)
_TIMES = ("last_polled_at", "last_success_at", "last_new_at", "next_poll_at")
# Of what the first document showed, so many of the latest dates are enough.
_BACKLOG = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What tells whether a source is worth a closer look. `until`: when it last answered well, or was pushed something new."""

    id: int
    name: str
    until: datetime
    added_at: datetime
    last_new_at: datetime | None
    gap: timedelta | None
    health: str | None
    reason: str | None
    health_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was found of a source."""

    source: Watched
    verdict: silence.Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How often a source answered well since then; none of the answers had an entry."""

    count: int
    since: datetime


def rows(conn: Connection) -> Sequence[RowMapping]:
    """The rows of the view `source_health`, the sources in trouble first."""
    view = tables.view("source_health", _HEALTH, **dict.fromkeys(_TIMES, tables.UTCTime))
    well = and_(view.c.state == model.SourceState.ACTIVE, view.c.health.is_(None))
    return conn.execute(select(view).order_by(well.asc(), view.c.id)).mappings().all()


def watched(conn: Connection) -> tuple[Watched, ...]:
    """The sources that are polled and have ever answered."""
    wanted = select(_sources).where(_sources.c.state.in_(sources.POLLED), _sources.c.last_success_at.is_not(None))
    return tuple(
        Watched(
            id=row["id"],
            name=row["name"],
            until=max(row["last_success_at"], row["last_new_at"] or row["last_success_at"]),
            added_at=row["added_at"],
            last_new_at=row["last_new_at"],
            gap=timedelta(seconds=row["learned_gap"]) if row["learned_gap"] is not None else None,
            health=row["health"],
            reason=row["health_reason"],
            health_at=row["health_at"],
        )
        for row in conn.execute(wanted.order_by(_sources.c.health_at, _sources.c.id)).mappings()
    )


def news(conn: Connection, ids: Collection[int]) -> Mapping[int, list[datetime]]:
    """When each of these sources first showed what it showed lately; for what it showed at its first poll, when that was published."""
    found: dict[int, list[datetime]] = {key: [] for key in ids}
    if ids:
        for row in conn.execute(union_all(*(one for key in ids for one in (_seen(key), _dated(key))))):
            found[row.source_id].append(row.at)
    return found


def newest(conn: Connection, ids: Collection[int]) -> Mapping[int, datetime]:
    """When the newest was published of what each of these sources showed at its first poll; without those that gave no dates."""
    told = _items.c.date_source.in_((model.DateSource.PUBLISHED, model.DateSource.UPDATED))
    at = func.max(_items.c.published_at, type_=tables.UTCTime).label("at")
    shown = select(_sightings.c.source_id, at).join_from(_sightings, _items).where(_sightings.c.source_id.in_(ids))
    dated = shown.where(told, _sightings.c.backlog, _items.c.published_at <= _sightings.c.first_seen_at)
    return {row.source_id: row.at for row in conn.execute(dated.group_by(_sightings.c.source_id))} if ids else {}


def _seen(source_id: int) -> Select[Any]:
    at = _sightings.c.first_seen_at
    mine = select(at.label("at")).where(_sightings.c.source_id == source_id, _sightings.c.backlog.is_(False))
    return _limited(source_id, mine.group_by(at).order_by(at.desc()).limit(silence.MOST))


def _dated(source_id: int) -> Select[Any]:
    at = _items.c.published_at
    told = _items.c.date_source.in_((model.DateSource.PUBLISHED, model.DateSource.UPDATED))
    mine = select(at.label("at")).join_from(_sightings, _items).where(_sightings.c.source_id == source_id, told)
    # What it said of the time since is no better than what we saw.
    mine = mine.where(_sightings.c.backlog, at <= _sightings.c.first_seen_at)
    return _limited(source_id, mine.group_by(at).order_by(at.desc()).limit(_BACKLOG))


def _limited(source_id: int, times: Select[Any]) -> Select[Any]:
    limited = times.subquery()
    return select(literal(source_id).label("source_id"), limited.c.at)


def fruitless(conn: Connection, ids: Collection[int]) -> Mapping[int, Answers]:
    """The answers of those of these sources that never had an entry."""
    answered = and_(_polls.c.origin == model.Origin.POLL, _polls.c.outcome != model.Outcome.FAILED)
    counted = (
        select(
            _polls.c.source_id,
            func.count().label("answers"),
            func.min(_polls.c.at, type_=tables.UTCTime).label("since"),
        )
        .where(_polls.c.source_id.in_(ids), answered)
        .where(~exists().where(_sightings.c.source_id == _polls.c.source_id))
        .group_by(_polls.c.source_id)
        .having(func.max(_polls.c.entries) == 0)
    )
    return {row.source_id: Answers(count=row.answers, since=row.since) for row in conn.execute(counted)} if ids else {}


def write(conn: Connection, judged: Sequence[Judged], now: datetime) -> None:
    """Keep the verdicts; what became of a source is a row of `changes`."""
    if judged:
        conn.execute(
            _WRITE,
            [{"of": one.source.id, "is": one.verdict.health, "said": one.verdict.reason, "at": now} for one in judged],
        )
    turned = [one for one in judged if one.verdict.health != one.source.health]
    changes.tell_of_sources(conn, [_told(one) for one in turned], now)


_WRITE = (
    update(_sources)
    .where(_sources.c.id == bindparam("of"))
    .values(
        health=bindparam("is"),
        health_reason=bindparam("said"),
        health_at=bindparam("at", type_=tables.UTCTime()),
    )
)


def _told(one: Judged) -> tuple[str, int, str]:
    if one.verdict.health is not None:
        return one.verdict.health, one.source.id, one.verdict.reason or ""
    return "well", one.source.id, f"has news again; it was {one.source.health}: {one.source.reason}"


def counts(conn: Connection) -> Mapping[str, int]:
    """How many of the sources that are polled are silent and barren."""
    found = select(_sources.c.health, func.count().label("sources")).where(
        _sources.c.state.in_(sources.POLLED), _sources.c.health.is_not(None)
    )
    told = {row.health: row.sources for row in conn.execute(found.group_by(_sources.c.health))}
    return {str(health): told.get(health, 0) for health in silence.Health}
