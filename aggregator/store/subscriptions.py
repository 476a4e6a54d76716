"""Subscriptions at hubs (WebSub): what we want of whom, whom to ask next, what hubs said, and which sources they push."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, update

from aggregator import model, pushing, websub
from aggregator.store import sources, statements, tables

_subscriptions, _sources = tables.subscriptions, tables.sources

_FIELDS = tuple(field.name for field in fields(pushing.Subscription))
# A request that is under way when the process dies is made again after this.
_UNDER_WAY = timedelta(minutes=5)
_PUSHED = (pushing.State.ACTIVE, pushing.State.BROKEN)
# States that a request does not change, only its verification.
_STAYING = (*_PUSHED, pushing.State.ENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription whose hub is to be asked now. `hubs` are all that its source names, `url` the source's own."""

    subscription: pushing.Subscription
    source: str
    url: str
    hubs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The subscription whose callback was called, and its source."""

    subscription: pushing.Subscription
    source: str
    state: str


# ------------------------------------------------------------------------------------------------- what is wanted


def follow(conn: Connection, source_id: int, found: pushing.Discovery, now: datetime) -> None:
    """A poll of a source that wants to be pushed found where from: subscribe, or move to the hub and topic it names now."""
    current = wanted_of(conn, source_id)
    if current is not None and not websub.moved_on(current, found.hubs, found.topic):
        return
    if current is not None:
        end(conn, [current], f"the feed names {found.hubs[0]} and {found.topic} now", now)
    if found.hubs and found.topic:
        _subscribe(conn, source_id, found.hubs[0], found.topic, now)


def reconcile(conn: Connection, names: Collection[str], base_url: str, now: datetime) -> None:
    """Make the table say what the configuration says: the sources `names` are subscribed to what they name, no others are, and hubs
    that were given another address than `base_url` are asked anew."""
    columns = (_sources.c.id, _sources.c.name, _sources.c.state, _sources.c.hubs, _sources.c.topic)
    rows = conn.execute(select(*columns).where(statements.among(conn, _sources.c.name, names))).all()
    polled = {row.id: row for row in rows if row.state in sources.POLLED}
    held = _read(conn, _subscriptions.c.state.in_(websub.WANTED))
    strangers = [one for one in held if one.source_id not in polled]
    end(conn, strangers, "websub is off, or the source is no longer polled", now)
    for key, row in polled.items():
        if row.hubs:
            follow(conn, key, pushing.Discovery(hubs=tuple(row.hubs), topic=row.topic), now)
    # A source that has got another URL since names neither: what is pushed of the old one is not its own.
    stale = [one for one in held if one.source_id in polled and polled[one.source_id].hubs is None]
    end(conn, stale, "the source has another url now", now)
    elsewhere = and_(_subscriptions.c.state.in_(websub.WANTED), _subscriptions.c.base_url != base_url)
    conn.execute(update(_subscriptions).where(elsewhere).values(next_try_at=now))


def end(conn: Connection, ended: Sequence[pushing.Subscription], reason: str, now: datetime) -> None:
    """Unsubscribe: the hubs are told, those at least that were ever asked."""
    for asked in (True, False):
        ids = [one.id for one in ended if (one.requested_at is not None) == asked]
        state = pushing.State.ENDING if asked else pushing.State.ENDED
        values = {"state": state, "reason": reason, "failures": 0, "next_try_at": now if asked else None}
        if ids:
            conn.execute(update(_subscriptions).where(_subscriptions.c.id.in_(ids)).values(values))
    _no_longer_pushed(conn, [one.source_id for one in ended], now, f"no longer pushed: {reason}")


def _subscribe(conn: Connection, source_id: int, hub: str, topic: str, now: datetime) -> None:
    told = {"source_id": source_id, "hub": hub, "topic": topic, "next_try_at": now, "added_at": now}
    reason = f"the feed names {hub}, which is asked now"
    conn.execute(insert(_subscriptions).values(told | _keys() | {"state": pushing.State.FOUND, "reason": reason}))


def _keys() -> dict[str, str]:
    """What makes a callback unguessable, and what signs (under 200 bytes, WebSub §5.1); never used for two hubs."""
    return {"token": secrets.token_urlsafe(32), "secret": secrets.token_hex(32)}


# ------------------------------------------------------------------------------------------------ asking the hubs


def claim_due(conn: Connection, *, now: datetime, limit: int) -> tuple[Wanted, ...]:
    """Take up to `limit` subscriptions whose hub is to be asked. Whoever else claims in the meantime skips them; they are due again soon,
    for the case that this process dies."""
    due = select(_subscriptions.c.id).where(_subscriptions.c.next_try_at <= now)
    due = due.order_by(_subscriptions.c.next_try_at, _subscriptions.c.id).limit(limit).with_for_update(skip_locked=True)
    ids = conn.execute(due).scalars().all()
    if not ids:
        return ()
    taken = update(_subscriptions).where(_subscriptions.c.id.in_(ids)).values(next_try_at=now + _UNDER_WAY)
    conn.execute(taken)
    joined = select(_subscriptions, _sources.c.name, _sources.c.url, _sources.c.hubs).join(
        _sources, _sources.c.id == _subscriptions.c.source_id
    )
    rows = conn.execute(joined.where(_subscriptions.c.id.in_(ids)).order_by(_subscriptions.c.id)).mappings()
    return tuple(
        Wanted(subscription=_subscription(row), source=row["name"], url=row["url"], hubs=tuple(row["hubs"] or ()))
        for row in rows
    )


def switch(conn: Connection, subscription: pushing.Subscription, hub: str) -> pushing.Subscription:
    """The subscription at another hub of the same source, with keys of its own."""
    changed = _subscriptions.c.id == subscription.id
    conn.execute(update(_subscriptions).where(changed).values(hub=hub, requested_at=None, **_keys()))
    (switched,) = _read(conn, changed)
    return switched


def any_due(conn: Connection, now: datetime) -> bool:
    """Whether there is a hub to be asked."""
    return (
        conn.execute(select(_subscriptions.c.id).where(_subscriptions.c.next_try_at <= now).limit(1)).first()
        is not None
    )


def requesting(conn: Connection, subscription: pushing.Subscription, base_url: str, now: datetime) -> None:
    """Noted before the hub is asked: there are hubs that check back before they answer."""
    noted = {"requested_at": now, "base_url": base_url}
    conn.execute(update(_subscriptions).where(_subscriptions.c.id == subscription.id).values(noted))


def requested(conn: Connection, subscription: pushing.Subscription, due: model.Due) -> None:
    """The hub took the request. If it has checked back already, there is nothing left to say."""
    unanswered = and_(
        _subscriptions.c.id == subscription.id,
        _subscriptions.c.state == subscription.state,
        or_(
            _subscriptions.c.verified_at.is_(None),
            _subscriptions.c.verified_at == subscription.verified_at,
        ),
    )
    values: dict[str, Any] = {"failures": subscription.failures + 1, "next_try_at": due.at, "reason": due.reason}
    if subscription.state not in _STAYING:
        values["state"] = pushing.State.REQUESTED
    conn.execute(update(_subscriptions).where(unanswered).values(values))


def failed(conn: Connection, subscription: pushing.Subscription, due: model.Due, *, counted: bool = True) -> None:
    """The hub could not be asked, or refused. What is subscribed stays so until its lease ends."""
    values: dict[str, Any] = {"failures": subscription.failures + counted, "next_try_at": due.at, "reason": due.reason}
    if subscription.state not in _STAYING:
        values["state"] = pushing.State.FAILED
    same = and_(_subscriptions.c.id == subscription.id, _subscriptions.c.state == subscription.state)
    conn.execute(update(_subscriptions).where(same).values(values))


def ended(conn: Connection, subscription: pushing.Subscription, reason: str) -> None:
    """It is over; its hub is not asked again."""
    over = {"state": pushing.State.ENDED, "reason": reason, "next_try_at": None, "waiting_at": None}
    conn.execute(update(_subscriptions).where(_subscriptions.c.id == subscription.id).values(over))


# ---------------------------------------------------------------------------------------------- what the hubs say


def by_token(conn: Connection, token: str) -> Called | None:
    """Whose callback was called."""
    query = select(_subscriptions, _sources.c.name, _sources.c.state.label("source_state")).join(
        _sources, _sources.c.id == _subscriptions.c.source_id
    )
    row = conn.execute(query.where(_subscriptions.c.token == token)).mappings().one_or_none()
    if row is None:
        return None
    return Called(subscription=_subscription(row), source=row["name"], state=row["source_state"])


def wanted_of(conn: Connection, source_id: int) -> pushing.Subscription | None:
    """The subscription that a source wants to have."""
    found = _read(conn, and_(_subscriptions.c.source_id == source_id, _subscriptions.c.state.in_(websub.WANTED)))
    return found[-1] if found else None


def verified(
    conn: Connection, subscription: pushing.Subscription, *, lease: timedelta, renew: model.Due, now: datetime
) -> None:
    """The hub checked back: subscribed, or subscribed anew, for `lease`."""
    active = subscription.state == pushing.State.ACTIVE
    values = {
        "state": pushing.State.ACTIVE,
        "reason": renew.reason,
        "failures": 0,
        "verified_at": now,
        "active_since": subscription.active_since if active else now,
        "lease_until": now + lease,
        "next_try_at": renew.at,
    }
    conn.execute(update(_subscriptions).where(_subscriptions.c.id == subscription.id).values(values))
    pushed = and_(_sources.c.id == subscription.source_id, _sources.c.pushed_by.is_not(None))
    conn.execute(update(_sources).where(pushed).values(pushed_until=now + lease))


def denied(
    conn: Connection, subscription: pushing.Subscription, *, reason: str, again: datetime, now: datetime
) -> None:
    """The hub says that there is, or will be, no subscription."""
    values = {"state": pushing.State.DENIED, "reason": reason, "next_try_at": again, "lease_until": None}
    values["failures"] = subscription.failures + 1
    conn.execute(update(_subscriptions).where(_subscriptions.c.id == subscription.id).values(values))
    _no_longer_pushed(conn, [subscription.source_id], now, f"no longer pushed: {reason}")


# ------------------------------------------------------------------------------------------------- what is pushed


def unsigned(conn: Connection, subscription: pushing.Subscription) -> None:
    """Somebody called the callback without the right signature."""
    counted = {"refused": _subscriptions.c.refused + 1}
    conn.execute(update(_subscriptions).where(_subscriptions.c.id == subscription.id).values(counted))


def pushed(conn: Connection, subscription: pushing.Subscription, now: datetime, *, news: bool) -> None:
    """The hub pushed. `news`, another document than last time, waits to be stored from now on; it shows that the hub does push, and
    one that was given up is trusted again."""
    values: dict[str, Any] = {"pushes": _subscriptions.c.pushes + 1}
    until = subscription.lease_until
    if news:
        values |= {"last_push_at": now, "waiting_at": now, "suspect_at": None}
    if news and subscription.state == pushing.State.BROKEN and until is not None and until > now:
        values |= {"state": pushing.State.ACTIVE, "active_since": now, "last_missed_at": None}
        values["reason"] = "pushes again"
    conn.execute(update(_subscriptions).where(_subscriptions.c.id == subscription.id).values(values))
    if news and subscription.state in _PUSHED and until is not None and until > now:
        trusted = {"pushed_by": subscription.hub, "pushed_until": until}
        conn.execute(update(_sources).where(_sources.c.id == subscription.source_id).values(trusted))


def settled(conn: Connection, delivery: pushing.Delivery, *, last: bool) -> None:
    """What was pushed is stored. `last`: nothing else of it waits."""
    values: dict[str, Any] = {"push_hash": delivery.body_hash} | ({"waiting_at": None} if last else {})
    conn.execute(update(_subscriptions).where(_subscriptions.c.id == delivery.subscription.id).values(values))


def suspect(conn: Connection, subscription: pushing.Subscription, now: datetime) -> None:
    """A poll found what the hub has not pushed, and still may."""
    first = and_(_subscriptions.c.id == subscription.id, _subscriptions.c.suspect_at.is_(None))
    conn.execute(update(_subscriptions).where(first).values(suspect_at=now))
    _distrust(conn, [subscription.source_id])


def broken(
    conn: Connection, subscription: pushing.Subscription, *, reason: str, again: datetime, now: datetime
) -> None:
    """A poll found what the hub should have pushed."""
    values = {"state": pushing.State.BROKEN, "reason": reason, "next_try_at": again, "last_missed_at": now}
    conn.execute(
        update(_subscriptions)
        .where(_subscriptions.c.id == subscription.id)
        .values(values | {"suspect_at": None, "failures": 0})
    )
    _no_longer_pushed(conn, [subscription.source_id], now, "no longer pushed: the hub missed new entries")


# ------------------------------------------------------------------------------------------------------- upkeep


def stirs(conn: Connection, now: datetime, *, suspected: datetime, lost: datetime) -> bool:
    """Whether there may be anything to do of what follows."""
    over = and_(_subscriptions.c.state.in_(_PUSHED), _subscriptions.c.lease_until <= now)
    something = or_(over, _subscriptions.c.suspect_at <= suspected, _subscriptions.c.waiting_at <= lost)
    return conn.execute(select(_subscriptions.c.id).where(something).limit(1)).first() is not None


def lapsed(conn: Connection, now: datetime) -> int:
    """Leases that ended without a new one: those sources are polled again."""
    over = and_(_subscriptions.c.state.in_(_PUSHED), _subscriptions.c.lease_until <= now)
    ended = _read(conn, over)
    if not ended:
        return 0
    values = {
        "state": pushing.State.EXPIRED,
        "reason": "the lease ended, and the hub gave no new one in time",
    }
    conn.execute(update(_subscriptions).where(_subscriptions.c.id.in_([one.id for one in ended])).values(values))
    _no_longer_pushed(
        conn, [one.source_id for one in ended], now, "no longer pushed: the lease of the subscription ended"
    )
    return len(ended)


def suspects(conn: Connection, until: datetime) -> tuple[pushing.Subscription, ...]:
    """Those suspected since before `until`, and not cleared by a push."""
    active = _subscriptions.c.state == pushing.State.ACTIVE
    return _read(conn, and_(active, _subscriptions.c.suspect_at <= until))


def forsaken(conn: Connection, until: datetime) -> tuple[pushing.Subscription, ...]:
    """Those of which something pushed before `until` was never stored, and whose source is in nobody's hands: a process died over it."""
    free = select(_sources.c.id).where(tables.unclaimed(_sources, until))
    return _read(conn, and_(_subscriptions.c.waiting_at <= until, _subscriptions.c.source_id.in_(free)))


def poll_instead(conn: Connection, subscription: pushing.Subscription, now: datetime) -> None:
    """What was pushed is fetched from the source itself."""
    conn.execute(update(_subscriptions).where(_subscriptions.c.id == subscription.id).values(waiting_at=None))
    polled = and_(_sources.c.id == subscription.source_id, _sources.c.state.in_(sources.POLLED))
    reason = f"what {subscription.hub} pushed was not stored: polled instead"
    conn.execute(update(_sources).where(polled).values(next_poll_at=now, due_reason=reason))


def _no_longer_pushed(conn: Connection, source_ids: Sequence[int], now: datetime, reason: str) -> None:
    """Those that relied on being pushed are polled now, and then as usual."""
    relied = and_(
        _sources.c.id.in_(source_ids), _sources.c.pushed_by.is_not(None), _sources.c.state.in_(sources.POLLED)
    )
    conn.execute(update(_sources).where(relied).values(next_poll_at=now, due_reason=reason))
    _distrust(conn, source_ids)


def _distrust(conn: Connection, source_ids: Sequence[int]) -> None:
    conn.execute(update(_sources).where(_sources.c.id.in_(source_ids)).values(pushed_by=None, pushed_until=None))


def _read(conn: Connection, where: Any) -> tuple[pushing.Subscription, ...]:
    rows = conn.execute(select(_subscriptions).where(where).order_by(_subscriptions.c.id)).mappings()
    return tuple(_subscription(row) for row in rows)


def _subscription(row: RowMapping) -> pushing.Subscription:
    return pushing.Subscription(**{name: row[name] for name in _FIELDS})
