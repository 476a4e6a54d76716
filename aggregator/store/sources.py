"""Sources and their polls: what is configured, who is due, what a poll brought."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, case, false, func, insert, or_, select, update

from aggregator import model
from aggregator.store import tables

_sources = tables.sources

_HEALTH = (
    "id name url feed_url category state error_code reason failures last_polled_at last_success_at last_new_at next_poll_at "
    "due_reason hours_since_success hours_since_new items items_ok items_pending items_without_page polls polls_failed gaps_open"
)
_HEALTH_TIMES = ("last_polled_at", "last_success_at", "last_new_at", "next_poll_at")

# States in which a source is polled when due.
POLLED = (model.SourceState.ACTIVE, model.SourceState.FAILING)
# States that only the configuration ends.
_WITHDRAWN = (model.SourceState.PAUSED, model.SourceState.REMOVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the configuration says of a source, as far as the store keeps it."""

    name: str
    url: str
    category: str | None = None
    language: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What `sync` changed, by name."""

    added: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFacts:
    """What a successful poll learned of the source itself, committed with its items."""

    validators: model.Validators
    document_hash: str | None
    title: str | None = None
    site_url: str | None = None
    language: str | None = None


def sync(conn: Connection, configured: Sequence[Configured], now: datetime) -> Synced:
    """Make the table say what the configuration says. Nothing is deleted: a source no longer configured becomes `removed`.

    A new URL starts afresh (validators, failures, state); a new name for a known URL is a renaming.
    """
    rows = {row["name"]: row for row in conn.execute(select(_sources)).mappings()}
    names = {source.name for source in configured}
    orphans = {row["url"]: row for name, row in rows.items() if name not in names}
    added, renamed, moved = [], [], []
    for source in configured:
        row = rows.get(source.name)
        if row is None and (row := orphans.pop(source.url, None)) is not None:
            renamed.append(source.name)
        if row is None:
            added.append(source.name)
            conn.execute(insert(_sources).values(_fresh(source, now) | {"added_at": now, "failures": 0.0}))
            continue
        if changes := _differences(row, source, now):
            if "url" in changes:
                moved.append(source.name)
            conn.execute(update(_sources).where(_sources.c.id == row["id"]).values(changes))
    removed = [row["name"] for row in orphans.values() if row["state"] != model.SourceState.REMOVED]
    if removed:
        gone = {
            "state": model.SourceState.REMOVED,
            "next_poll_at": None,
            "due_reason": "no longer in the configuration",
        }
        conn.execute(update(_sources).where(_sources.c.name.in_(removed)).values(gone))
    return Synced(added=tuple(added), renamed=tuple(renamed), moved=tuple(moved), removed=tuple(removed))


def _fresh(source: Configured, now: datetime) -> dict[str, Any]:
    return {
        "name": source.name,
        "url": source.url,
        "feed_url": source.url,
        "category": source.category,
        "language": source.language,
        **_first_due(source, now),
    }


def _first_due(source: Configured, now: datetime) -> dict[str, Any]:
    if not source.enabled:
        return {
            "state": model.SourceState.PAUSED,
            "next_poll_at": None,
            "due_reason": "enabled: false in the configuration",
        }
    return {"state": model.SourceState.ACTIVE, "next_poll_at": now, "due_reason": "new in the configuration"}


def _differences(row: RowMapping, source: Configured, now: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {
        key: value for key, value in (("name", source.name), ("category", source.category)) if row[key] != value
    }
    if source.language and row["language"] != source.language:
        changes["language"] = source.language
    if row["url"] != source.url:
        cleared = dict.fromkeys(("etag", "last_modified", "validators_url", "document_hash", "error", "error_code"))
        changes |= _fresh(source, now) | cleared | {"failures": 0.0}
    paused, removed = row["state"] == model.SourceState.PAUSED, row["state"] == model.SourceState.REMOVED
    if removed or paused == source.enabled:
        changes |= _first_due(source, now)
        if source.enabled:
            changes["due_reason"] = "enabled again"
    return changes


def claim_due(
    conn: Connection, *, now: datetime, limit: int, owner: str, lease: timedelta, names: Sequence[str] | None = None
) -> tuple[model.Source, ...]:
    """Take up to `limit` due sources for `owner`; with `names`, these sources whether due or not, whatever their state.

    Whoever else claims in the meantime skips them until the lease ends (as `healthchecks`, sendalerts.py, does).
    """
    free = or_(_sources.c.lease_until.is_(None), _sources.c.lease_until <= now)
    wanted: Select[Any] = select(_sources.c.id).where(free)
    if names is None:
        wanted = wanted.where(
            _sources.c.state.in_(POLLED), or_(_sources.c.next_poll_at <= now, _sources.c.next_poll_at.is_(None))
        )
    else:
        wanted = wanted.where(_sources.c.name.in_(names))
    wanted = wanted.order_by(_sources.c.next_poll_at, _sources.c.id).limit(limit).with_for_update(skip_locked=True)
    claimed = (
        update(_sources)
        .where(_sources.c.id.in_(wanted.scalar_subquery()))
        .values(lease_owner=owner, lease_until=now + lease)
        .returning(*_sources.c)
    )
    rows = conn.execute(claimed).mappings().all()
    return tuple(sorted((_source(row) for row in rows), key=lambda source: source.id))


def _source(row: RowMapping) -> model.Source:
    gap = row["learned_gap"]
    validators = model.Validators(url=row["validators_url"] or "", etag=row["etag"], last_modified=row["last_modified"])
    same = "id name url feed_url category language state failures error_code error document_hash".split()
    times = ("next_poll_at", "last_polled_at", "last_success_at", "last_new_at")
    return model.Source(
        **{key: row[key] for key in (*same, *times)},
        validators=validators,
        learned_gap=timedelta(seconds=gap) if gap is not None else None,
    )


def finish(conn: Connection, report: model.PollReport, *, failures: float, facts: FeedFacts | None = None) -> None:
    """Write what a poll came to: its `polls` row, the source's next due time and health, and the end of the lease."""
    due = report.due
    values: dict[str, Any] = {
        # The operator may have paused or removed the source while it was polled.
        "state": case((_sources.c.state.in_(_WITHDRAWN), _sources.c.state), else_=report.state),
        "failures": failures,
        "error": report.error,
        "error_code": report.error_code,
        "last_polled_at": report.at,
        "next_poll_at": due.at if due else None,
        "due_reason": due.reason if due else None,
        "lease_owner": None,
        "lease_until": None,
    }
    if report.outcome is not model.Outcome.FAILED:
        values["last_success_at"] = report.at
    if report.new:
        values["last_new_at"] = report.at
    if facts is not None:
        values |= _learned(facts)
    conn.execute(update(_sources).where(_sources.c.id == report.source_id).values(values))
    conn.execute(insert(tables.polls).values(_poll_row(report)))


def _learned(facts: FeedFacts) -> dict[str, Any]:
    values: dict[str, Any] = {
        "etag": facts.validators.etag,
        "last_modified": facts.validators.last_modified,
        "validators_url": facts.validators.url or None,
        "document_hash": facts.document_hash,
    }
    told = {"title": facts.title, "site_url": facts.site_url}
    return values | {key: value for key, value in told.items() if value}


def _poll_row(report: model.PollReport) -> dict[str, Any]:
    same = (
        "source_id",
        "at",
        "outcome",
        "http_status",
        "bytes",
        "entries",
        "new",
        "changed",
        "unchanged",
        "error_code",
        "error",
    )
    return {key: getattr(report, key) for key in same} | {
        "took_ms": round(report.took.total_seconds() * 1000),
        "next_poll_at": report.due.at if report.due else None,
        "due_reason": report.due.reason if report.due else None,
    }


def release(conn: Connection, owners: Sequence[str] | None = None) -> int:
    """End the leases of `owners` (of everybody, without) and of all their claims; returns how many there were.

    A claim's name is its owner's with a number after it.
    """
    total = 0
    for table in (_sources, tables.items):
        mine = [table.c.lease_owner.startswith(owner, autoescape=True) for owner in owners or ()]
        held = table.c.lease_owner.is_not(None) if owners is None else or_(false(), *mine)
        total += conn.execute(update(table).where(held).values(lease_owner=None, lease_until=None)).rowcount
    return total


def lease_owners(conn: Connection) -> tuple[str, ...]:
    """Everybody who holds a lease."""
    held = [select(t.c.lease_owner).where(t.c.lease_owner.is_not(None)) for t in (_sources, tables.items)]
    return tuple(conn.execute(held[0].union(held[1])).scalars())


def next_due(conn: Connection) -> datetime | None:
    """When the next source is due."""
    when: datetime | None = conn.execute(
        select(func.min(_sources.c.next_poll_at)).where(_sources.c.state.in_(POLLED))
    ).scalar()
    return when


def due_count(conn: Connection, now: datetime) -> int:
    """How many sources are due and not yet polled."""
    due = select(func.count()).where(_sources.c.state.in_(POLLED), _sources.c.next_poll_at <= now)
    return int(conn.execute(due).scalar_one())


def health(conn: Connection) -> Sequence[RowMapping]:
    """The rows of the view `source_health`, the sources in trouble first."""
    view = tables.view("source_health", _HEALTH, **dict.fromkeys(_HEALTH_TIMES, tables.UTCTime))
    trouble = (view.c.state == model.SourceState.ACTIVE).asc()
    return conn.execute(select(view).order_by(trouble, view.c.id)).mappings().all()
