"""Subscribing (WebSub): hubs are asked to push, those that check back are answered, and what time alone brings about is done. Never raises
but StoreError.

A request that is under way when the process dies is made again; a hub that checks back then finds its row all the same.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from aggregator import cadence, clock, config, errors, log, model, pushing, websub
from aggregator.net import fetcher
from aggregator.store import Connection, db, sources, subscriptions

# What a hub says of a mistake of ours; and how often it is told that we no longer want anything.
_MOST_SAID, _FAREWELLS = 2048, 3
# What waits longer was lost with a process, where others share the work; the only one knows that at once.
_LOST_AFTER = timedelta(minutes=1)
_RECONCILED_EVERY = timedelta(minutes=10)
# States after a request in vain, in which the next hub of several gets its turn.
_IN_VAIN = (pushing.State.FAILED, pushing.State.DENIED, pushing.State.REQUESTED)
_UNKNOWN = pushing.Reply(status=404)

_log = log.logger("subscribe")


class Subscriber:
    """Keeps the sources that want it subscribed at the hubs they name."""

    def __init__(
        self, *, store: db.Store, fetcher: fetcher.Fetcher, settings: config.Settings, now: clock.Clock = clock.now
    ) -> None:
        self._store, self._fetcher, self._now = store, fetcher, now
        self._base_url = (settings.web.base_url if settings.web else None) or ""
        self._names: Collection[str] = frozenset(source.name for source in settings.sources if source.websub)
        self._reconcile_at: datetime | None = None

    # ------------------------------------------------------------------------------------------- when the bell rings

    def tend(self) -> None:
        """What time alone brings about: leases end, suspicions come true, pushes are lost with their process. Raises StoreError."""
        now, first = self._now(), self._reconcile_at is None
        lost, suspected = now if first and self._store.sqlite else now - _LOST_AFTER, now - websub.GRACE
        if self._reconcile_at is None or now >= self._reconcile_at:
            self._reconcile(now)
            self._reconcile_at = now + _RECONCILED_EVERY
        # Seldom is there anything, and only who writes keeps others from writing.
        with self._store.read() as conn:
            quiet = not subscriptions.stirs(conn, now, suspected=suspected, lost=lost)
        if not quiet:
            with self._store.begin() as conn:
                self._overdue(conn, now, suspected, lost)

    def _reconcile(self, now: datetime) -> None:
        try:
            with self._store.begin() as conn:
                subscriptions.reconcile(conn, self._names, self._base_url, now)
        except errors.ConflictError:
            # Another process did the same and was first: what it wrote is found now.
            with self._store.begin() as conn:
                subscriptions.reconcile(conn, self._names, self._base_url, now)

    def _overdue(self, conn: Connection, now: datetime, suspected: datetime, lost: datetime) -> None:
        if count := subscriptions.lapsed(conn, now):
            _log.warning("subscriptions.lapsed", count=count)
        for suspect in subscriptions.suspects(conn, suspected):
            self._break(conn, suspect, now)
        for waiting in subscriptions.forsaken(conn, lost):
            _log.warning("push.lost", hub=waiting.hub, said="polled instead")
            subscriptions.poll_instead(conn, waiting, now)

    def _break(self, conn: Connection, suspect: pushing.Subscription, now: datetime) -> None:
        reason = websub.missing(None, suspect, suspect.suspect_at or now)
        _log.warning("subscription.broken", hub=suspect.hub, topic=suspect.topic, reason=reason)
        subscriptions.broken(conn, suspect, reason=reason, again=cadence.after_broken(now=now), now=now)

    def claim_due(self, now: datetime, limit: int) -> Sequence[subscriptions.Wanted]:
        """Those whose hub is to be asked now. Raises StoreError."""
        with self._store.read() as conn:
            if not self._base_url or not subscriptions.any_due(conn, now):
                return ()
        with self._store.begin() as conn:
            return subscriptions.claim_due(conn, now=now, limit=limit)

    async def ask(self, wanted: subscriptions.Wanted) -> None:
        """Ask its hub, to subscribe or to unsubscribe. If the answer cannot be written, it is asked again soon."""
        try:
            if (subscription := await asyncio.to_thread(self._prepare, wanted)) is not None:
                await self._ask(wanted, subscription)
        except errors.StoreError as exc:
            _log.error("subscription.not_stored", source=wanted.source, error=str(exc), code=exc.code)

    def _prepare(self, wanted: subscriptions.Wanted) -> pushing.Subscription | None:
        """The subscription to ask for, if there is anything to ask."""
        one, now = wanted.subscription, self._now()
        ending = one.state == pushing.State.ENDING
        with self._store.begin() as conn:
            if ending and one.failures >= _FAREWELLS:
                subscriptions.ended(conn, one, f"{one.reason}; the hub has not confirmed, its lease ends by itself")
                return None
            if not ending and not wanted.hubs:
                subscriptions.end(conn, [one], "the feed names no hub any more", now)
                return None
            if one.state in _IN_VAIN and one.failures and (hub := websub.next_hub(one, wanted.hubs)) != one.hub:
                one = subscriptions.switch(conn, one, hub)
            subscriptions.requesting(conn, one, self._base_url, now)
        return one

    async def _ask(self, wanted: subscriptions.Wanted, one: pushing.Subscription) -> None:
        try:
            await self._fetcher.post(self._request(wanted, one))
        except errors.FetchError as exc:
            await asyncio.to_thread(self._failed, wanted, one, exc)
        except Exception as exc:
            _log.exception("subscription.crashed", source=wanted.source)
            said = errors.FetchError(f"unexpected {type(exc).__name__}", code="crash")
            await asyncio.to_thread(self._failed, wanted, one, said)
        else:
            await asyncio.to_thread(self._requested, wanted, one)

    def _request(self, wanted: subscriptions.Wanted, one: pushing.Subscription) -> model.Request:
        try:
            port = urlsplit(wanted.url).port
        except ValueError:
            port = None
        return model.Request(
            url=one.hub,
            accept="text/plain, */*;q=0.1",
            max_bytes=_MOST_SAID,
            cut=True,
            port=port,
            form=websub.form(one, self._base_url),
        )

    def _requested(self, wanted: subscriptions.Wanted, one: pushing.Subscription) -> None:
        now, why = self._now(), f"asked {one.hub}, which has not checked back yet"
        due = websub.ask_again(one, why, hubs=wanted.hubs, now=now)
        later = model.Due(at=max(due.at, cadence.checked_back(now=now)), reason=due.reason)
        with self._store.begin() as conn:
            subscriptions.requested(conn, one, later)
        _log.info("subscription.requested", source=wanted.source, hub=one.hub, topic=one.topic, state=one.state)

    def _failed(self, wanted: subscriptions.Wanted, one: pushing.Subscription, error: errors.FetchError) -> None:
        now, said = self._now(), websub.discreet(str(error), one)
        why = f"{one.hub}: {said}"
        due = websub.ask_again(one, why, hubs=wanted.hubs, now=now, retry_after=error.retry_after)
        with self._store.begin() as conn:
            # Who must wait its turn has not failed.
            subscriptions.failed(conn, one, due, counted=error.code != "retry_after")
        _log.warning("subscription.failed", source=wanted.source, hub=one.hub, error=said, code=error.code)

    # ------------------------------------------------------------------------------------------ when a hub checks back

    async def verify(self, token: str, query: Mapping[str, str]) -> pushing.Reply:
        """The answer to a hub that checks whether we asked for this (§5.3), or says that it will not (§5.2). Raises StoreError."""
        return await asyncio.to_thread(self._verify, token, query)

    def _verify(self, token: str, query: Mapping[str, str]) -> pushing.Reply:
        with self._store.begin() as conn:
            called = subscriptions.by_token(conn, token)
            if called is None or query.get("hub.topic") != called.subscription.topic:
                return _UNKNOWN
            mode = query.get("hub.mode")
            if mode == "denied":
                return self._denied(conn, called, query.get("hub.reason", ""))
            challenge = websub.challenge(query)
            if challenge is None or called.subscription.requested_at is None:
                return _UNKNOWN
            agreed = False
            if mode == "subscribe":
                agreed = self._subscribed(conn, called, websub.granted(query))
            elif mode == "unsubscribe":
                agreed = self._unsubscribed(conn, called)
            return pushing.Reply(status=200, text=challenge) if agreed else _UNKNOWN

    def _subscribed(self, conn: Connection, called: subscriptions.Called, lease: timedelta) -> bool:
        one, now = called.subscription, self._now()
        if one.state not in websub.WANTED or called.state not in sources.POLLED:
            return False
        renew = cadence.renewal(one, lease=lease, now=now)
        subscriptions.verified(conn, one, lease=lease, renew=renew, now=now)
        _log.info("subscription.verified", source=called.source, hub=one.hub, lease_s=round(lease.total_seconds()))
        return True

    def _unsubscribed(self, conn: Connection, called: subscriptions.Called) -> bool:
        if called.subscription.state != pushing.State.ENDING:
            return False
        subscriptions.ended(conn, called.subscription, called.subscription.reason)
        _log.info("subscription.ended", source=called.source, hub=called.subscription.hub)
        return True

    def _denied(self, conn: Connection, called: subscriptions.Called, reason: str) -> pushing.Reply:
        one, now = called.subscription, self._now()
        said = f"{one.hub} refuses" + (f": {websub.discreet(reason, one)}" if reason.strip() else ", without a reason")
        if one.state in websub.WANTED:
            subscriptions.denied(conn, one, reason=said, again=cadence.after_denial(now=now), now=now)
        elif one.state == pushing.State.ENDING:
            subscriptions.ended(conn, one, said)
        _log.warning("subscription.denied", source=called.source, hub=one.hub, reason=said)
        return pushing.Reply(status=200)
