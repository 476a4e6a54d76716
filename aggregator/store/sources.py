"""Sources and their polls: what is configured, who is due, what a poll brought."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    RowMapping,
    Update,
    and_,
    bindparam,
    case,
    false,
    func,
    insert,
    or_,
    select,
    union,
    update,
)

from aggregator import model, pushing
from aggregator.feed import identity
from aggregator.store import changes, shown, statements, tables

_sources = tables.sources

_SAME = (
    "id name url feed_url category language state failures error_code error document_hash next_poll_at last_polled_at last_success_at "
    "last_new_at last_document_at moved_to moved_since moved_sightings advice topic pushed_by pushed_until"
).split()
_NO_HINTS = model.Hints()
# Of the due sources only so many are looked at for a claim, so that a long backlog does not make every claim slow.
_WINDOW = 2000
# Clocks are set by a little all the time.
_SLACK = timedelta(minutes=1)

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
    hints: model.Hints | None = None
    learned_gap: timedelta | None = None
    whole_document: bool = False
    pushed_from: pushing.Discovery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a poll came to, ready to be written: `facts` of a document or 304, `move` where a permanent redirect is at hand."""

    report: model.PollReport
    failures: float
    facts: FeedFacts | None = None
    move: model.Move | None = None
    advice: str | None = None


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
        if different := _differences(row, source, now):
            if "url" in different:
                moved.append(source.name)
            conn.execute(update(_sources).where(_sources.c.id == row["id"]).values(different))
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
        "host": identity.host_of(source.url),
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
    different: dict[str, Any] = {
        key: value for key, value in (("name", source.name), ("category", source.category)) if row[key] != value
    }
    if source.language and row["language"] != source.language:
        different["language"] = source.language
    if row["url"] != source.url:
        cleared = dict.fromkeys(
            "etag last_modified validators_url document_hash error error_code hints last_document_at moved_to moved_since advice "
            "hubs topic pushed_by pushed_until health health_reason health_at sought_at".split()
        )
        different |= _fresh(source, now) | cleared | {"failures": 0.0, "moved_sightings": 0}
    paused, removed = row["state"] == model.SourceState.PAUSED, row["state"] == model.SourceState.REMOVED
    if removed or paused == source.enabled:
        different |= _first_due(source, now)
        if source.enabled:
            different["due_reason"] = "enabled again"
    return different


def claim_due(
    conn: Connection,
    *,
    now: datetime,
    limit: int,
    owner: str,
    lease: timedelta,
    names: Sequence[str] | None = None,
    busy: Collection[str] = (),
    per_host: int = 1000,
) -> tuple[model.Source, ...]:
    """Take up to `limit` due sources for `owner`, at most `per_host` of one host and none of the `busy` hosts, so that one slow site never
    takes all seats; with `names`, these sources whether due or not, whatever their state.

    Whoever else claims in the meantime skips them until the lease ends (as `healthchecks`, sendalerts.py, does).
    """
    wanted, asked = (_DUE, {}) if names is None else (_NAMED, {"names": list(names)})
    # Postgres locks what it shows, so no more is looked at than needed.
    for window in (limit, 4 * limit, _WINDOW):
        due = conn.execute(wanted, {"now": now, "window": window, **asked}).all()
        ids = _fair(due, limit, busy, per_host)
        if len(ids) == limit or len(due) < window:
            break
    if not ids:
        return ()
    rows = conn.execute(_CLAIM, {"ids": ids, "owner": owner, "until": now + lease}).mappings().all()
    documents = shown.of(conn, [row["id"] for row in rows])
    return tuple(sorted((of_row(row, documents.get(row["id"])) for row in rows), key=lambda source: source.id))


# Built once: to put such statements together takes longer than to run them.
_now = bindparam("now", type_=tables.UTCTime())
_FREE = (
    select(_sources.c.id, _sources.c.host)
    .where(tables.unclaimed(_sources, _now))
    .order_by(_sources.c.next_poll_at, _sources.c.id)
    .limit(bindparam("window"))
    .with_for_update(skip_locked=True)
)
_DUE = _FREE.where(
    or_(*(_sources.c.state == state for state in POLLED)),
    or_(_sources.c.next_poll_at <= _now, _sources.c.next_poll_at.is_(None)),
)
_NAMED = _FREE.where(_sources.c.name.in_(bindparam("names", expanding=True)))
_CLAIM = (
    update(_sources)
    .where(_sources.c.id.in_(bindparam("ids", expanding=True)))
    .values(lease_owner=bindparam("owner"), lease_until=bindparam("until"))
    .returning(*_sources.c)
)


def _fair(due: Sequence[Row[Any, Any]], limit: int, busy: Collection[str], per_host: int) -> list[int]:
    taken: Counter[str] = Counter()
    ids: list[int] = []
    for row in due:
        key, host = row.id, row.host
        if host in busy or taken[host] >= per_host:
            continue
        taken[host] += 1
        ids.append(key)
        if len(ids) == limit:
            break
    return ids


def of_row(row: RowMapping, document: Mapping[str, Any] | None = None) -> model.Source:
    gap, hints = row["learned_gap"], _hints(row["hints"])
    validators = model.Validators(url=row["validators_url"] or "", etag=row["etag"], last_modified=row["last_modified"])
    return model.Source(
        **{key: row[key] for key in _SAME},
        validators=validators,
        hints=hints,
        hubs=tuple(row["hubs"]) if row["hubs"] is not None else None,
        learned_gap=timedelta(seconds=gap) if gap is not None else None,
        shown=model.Shown(**document, hints=hints) if document is not None else None,
    )


def finish_all(conn: Connection, finished: Sequence[Finished]) -> None:
    """Write what polls came to: their `polls` rows, the sources' next due times and health, and the ends of the leases; with few
    statements."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in finished:
        values = _outcome(one)
        alike.setdefault(tuple(values), []).append({f"to_{key}": value for key, value in values.items()})
    for keys, rows in alike.items():
        conn.execute(_finishing(keys), rows)
    statements.add(conn, tables.polls, [_poll_row(one.report) for one in finished])


@lru_cache(maxsize=64)
def _finishing(keys: tuple[str, ...]) -> Update:
    """The statement that sets these columns of one source."""
    columns = {key: bindparam(f"to_{key}", type_=_sources.c[key].type) for key in keys if key != "id"}
    # The operator may have paused or removed the source while it was polled.
    withdrawn = or_(*(_sources.c.state == state for state in _WITHDRAWN))
    state = case((withdrawn, _sources.c.state), else_=columns["state"])
    return update(_sources).where(_sources.c.id == bindparam("to_id")).values(columns | {"state": state})


def _outcome(one: Finished) -> dict[str, Any]:
    report, due = one.report, one.report.due
    if report.origin is model.Origin.PUSH:
        return _by_push(one)
    values: dict[str, Any] = {
        "id": report.source_id,
        "state": report.state,
        "failures": one.failures,
        "error": report.error,
        "error_code": report.error_code,
        "advice": one.advice,
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
    if one.facts is not None:
        values |= _learned(one.facts, report.at)
    if one.move is not None:
        values |= {"moved_to": one.move.to, "moved_since": one.move.since, "moved_sightings": one.move.sightings}
        if one.move.adopt and one.move.to:
            values |= {"feed_url": one.move.to, "host": identity.host_of(one.move.to)}
            values |= {"moved_to": None, "moved_since": None, "moved_sightings": 0}
    return values


def _by_push(one: Finished) -> dict[str, Any]:
    """Of a source that was pushed: whether it can be polled, and what it answers to that, is another matter."""
    report = one.report
    values: dict[str, Any] = {"id": report.source_id, "state": report.state, "lease_owner": None, "lease_until": None}
    if report.due is not None:
        values |= {"next_poll_at": report.due.at, "due_reason": report.due.reason}
    if report.new:
        values["last_new_at"] = report.at
    return values


def _learned(facts: FeedFacts, at: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {
        "etag": facts.validators.etag,
        "last_modified": facts.validators.last_modified,
        "validators_url": facts.validators.url or None,
        "document_hash": facts.document_hash,
    }
    if facts.whole_document:
        values["last_document_at"] = at
    if facts.hints is not None:
        values["hints"] = _told(facts.hints)
    if facts.pushed_from is not None:
        values |= {"hubs": list(facts.pushed_from.hubs), "topic": facts.pushed_from.topic}
    if facts.learned_gap is not None:
        values["learned_gap"] = round(facts.learned_gap.total_seconds())
    told = {"title": facts.title, "site_url": facts.site_url}
    return values | {key: value for key, value in told.items() if value}


def _told(hints: model.Hints) -> dict[str, Any] | None:
    """As it is stored: seconds, ISO time, lists; nothing of what was not said."""
    values: dict[str, Any] = {
        "ttl": round(hints.ttl.total_seconds()) if hints.ttl is not None else None,
        "update": round(hints.update.total_seconds()) if hints.update is not None else None,
        "update_base": hints.update_base.isoformat() if hints.update_base is not None else None,
        "skip_hours": list(hints.skip_hours),
        "skip_days": list(hints.skip_days),
    }
    return {key: value for key, value in values.items() if value not in (None, [])} or None


def _hints(stored: Mapping[str, Any] | None) -> model.Hints:
    if not stored:
        return _NO_HINTS
    spans = {key: timedelta(seconds=stored[key]) for key in ("ttl", "update") if stored.get(key) is not None}
    base = stored.get("update_base")
    return model.Hints(
        **spans,
        update_base=datetime.fromisoformat(base) if base else None,
        skip_hours=tuple(stored.get("skip_hours", ())),
        skip_days=tuple(stored.get("skip_days", ())),
    )


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
        "origin",
    )
    return {key: getattr(report, key) for key in same} | {
        "took_ms": round(report.took.total_seconds() * 1000),
        "next_poll_at": report.due.at if report.due else None,
        "due_reason": report.due.reason if report.due else None,
    }


# ---------------------------------------------------------------------------------------------------- other due times


def postpone(conn: Connection, source_id: int, due: model.Due) -> None:
    """End the lease of a source that could not have its turn: it is due later, and nothing else has happened to it."""
    later = {"next_poll_at": due.at, "due_reason": due.reason, "lease_owner": None, "lease_until": None}
    conn.execute(update(_sources).where(_sources.c.id == source_id).values(later))


def postpone_host(conn: Connection, host: str, *, until: datetime, reason: str, but: int) -> int:
    """No poll of `host` before `until`, for its source `but` was told so; those that were never polled are tried once all the same."""
    waiting = and_(
        _sources.c.host == host,
        _sources.c.id != but,
        _sources.c.next_poll_at < until,
        _sources.c.last_polled_at.is_not(None),
    )
    return conn.execute(update(_sources).where(waiting).values(next_poll_at=until, due_reason=reason)).rowcount


def forgive(conn: Connection, ids: Sequence[int], due: model.Due) -> None:
    """Take back the failures of sources that were well before: it was not them."""
    well = {"failures": 0.0, "state": model.SourceState.ACTIVE, "next_poll_at": due.at, "due_reason": due.reason}
    failing = and_(_sources.c.id.in_(ids), _sources.c.state == model.SourceState.FAILING)
    conn.execute(update(_sources).where(failing).values(well))


def spread(conn: Connection, now: datetime, *, a_second: int, longest: timedelta) -> int:
    """Space out what is overdue, `a_second` of them, within `longest`, first what was never polled; returns how many there are.

    After a start, or a leap of the clock, everything may be due at once.
    """
    overdue = and_(_sources.c.state.in_(POLLED), or_(_sources.c.next_poll_at <= now, _sources.c.next_poll_at.is_(None)))
    due = select(_sources.c.id).where(overdue).order_by(_sources.c.last_polled_at.is_not(None), _sources.c.id)
    ids = conn.execute(due).scalars().all()
    step = min(1 / a_second, longest.total_seconds() / max(len(ids), 1))
    _reschedule(conn, {key: now + timedelta(seconds=int(n * step)) for n, key in enumerate(ids)})
    return len(ids)


def clamp(conn: Connection, now: datetime, *, within: timedelta) -> int:
    """Make due times right after the clock was set back: what was polled in what is now the future is due within `within`, or at once."""
    ahead = and_(_sources.c.state.in_(POLLED), _sources.c.last_polled_at > now + _SLACK)
    reason = "the clock was set back: times from before do not count"
    back = update(_sources).where(ahead, _sources.c.next_poll_at > now + within)
    # Due now: `spread` spaces them out.
    count = conn.execute(back.values(next_poll_at=now, due_reason=reason)).rowcount
    for table in tables.LEASED:
        # No lease is longer than an hour.
        stale = table.c.lease_until > now + timedelta(hours=1)
        conn.execute(update(table).where(stale).values(lease_owner=None, lease_until=None))
    return count


def tell_moved(conn: Connection, source: model.Source, move: model.Move, now: datetime) -> None:
    """Note in `changes` that a permanent redirect was adopted."""
    detail = (
        f"{source.feed_url} has moved for good to {move.to}: seen {move.seen} since {move.since:%Y-%m-%d %H:%M} UTC"
    )
    changes.tell_of_source(conn, "moved", source.id, now, detail)


def shift(conn: Connection, now: datetime, by: timedelta) -> None:
    """The clock was set by so much: what is due later is due after as long a time as before."""
    later = select(_sources.c.id, _sources.c.next_poll_at).where(_sources.c.next_poll_at > now)
    _reschedule(conn, {row.id: max(row.next_poll_at + by, now) for row in conn.execute(later)})


def _reschedule(conn: Connection, times: Mapping[int, datetime]) -> None:
    if times:
        at = bindparam("to_at", type_=_sources.c.next_poll_at.type)
        statement = update(_sources).where(_sources.c.id == bindparam("to_id")).values(next_poll_at=at)
        conn.execute(statement, [{"to_id": key, "to_at": time} for key, time in times.items()])


def polled_as(conn: Connection, url: str, *, but: int) -> str | None:
    """The name of another source that polls `url`."""
    other = select(_sources.c.name).where(
        or_(_sources.c.url == url, _sources.c.feed_url == url),
        _sources.c.id != but,
        _sources.c.state != model.SourceState.REMOVED,
    )
    name: str | None = conn.execute(other.limit(1)).scalar()
    return name


def release(conn: Connection, owners: Sequence[str] | None = None) -> int:
    """End the leases of `owners` (of everybody, without) and of all their claims; returns how many there were.

    A claim's name is its owner's with a number after it.
    """
    total = 0
    for table in tables.LEASED:
        mine = [table.c.lease_owner.startswith(owner, autoescape=True) for owner in owners or ()]
        held = table.c.lease_owner.is_not(None) if owners is None else or_(false(), *mine)
        # The index of items that are leased is found by their times.
        held = and_(table.c.lease_until.is_not(None), held)
        total += conn.execute(update(table).where(held).values(lease_owner=None, lease_until=None)).rowcount
    return total


def lease_owners(conn: Connection) -> tuple[str, ...]:
    """Everybody who holds a lease."""
    held = (
        select(table.c.lease_owner).where(table.c.lease_until.is_not(None), table.c.lease_owner.is_not(None))
        for table in tables.LEASED
    )
    return tuple(conn.execute(union(*held)).scalars())


def due_count(conn: Connection, now: datetime, *, names: Collection[str] | None = None) -> int:
    """How many sources are due (of `names`: all of them) and in nobody's hands."""
    free = tables.unclaimed(_sources, now)
    due = and_(_sources.c.state.in_(POLLED), _sources.c.next_poll_at <= now)
    wanted = due if names is None else _sources.c.name.in_(names)
    return int(conn.execute(select(func.count()).select_from(_sources).where(wanted, free)).scalar_one())
