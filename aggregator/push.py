"""Being pushed (WebSub): what a hub pushes is taken at once, within bounds, and goes the way of a poll. Never raises but StoreError.

1. `receive`     believe what is signed; the row says that something waits before the hub is told that it is taken
2. `_claimed`    wait until no poll has the source, and claim it as a poll does
3. `_store_push` parse, decide and commit (`intake`), without touching what polls learned

A process that dies in between loses nothing: what waits is polled from the source instead (`subscribe.tend`).
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from aggregator import cadence, clock, config, errors, intake, log, model, pushing, websub
from aggregator.store import Connection, db, sources, subscriptions

# A push waits for a poll of its source that is under way; longer than this only a dead process holds it.
LEASE = timedelta(minutes=15)
_PATIENCE, _LOOK = 600.0, 0.5
# So many documents of the largest size may be in memory, being received and waiting; of one subscription so many of any size.
_LARGEST, _MOST_WAITING = 2, 8
# Parsed at the same time.
_AT_ONCE = 2

_log = log.logger("push")

_UNKNOWN, _OVER, _TAKEN = pushing.Reply(status=404), pushing.Reply(status=410), pushing.Reply(status=202)
BUSY = pushing.Reply(status=503)


class Receiver:
    """Takes what hubs push. `observe` is told of every report after its commit, `tell` of what was not stored: one word of a short list.

    Until it is opened, and once it is closed, it only notes that something waits.
    """

    def __init__(
        self,
        *,
        store: db.Store,
        intake: intake.Intake,
        settings: config.Settings,
        observe: Callable[[model.PollReport], None],
        tell: Callable[[str], None],
        now: clock.Clock = clock.now,
    ) -> None:
        self._store, self._intake, self._observe, self._tell, self._now = store, intake, observe, tell, now
        self.max_bytes, self.patience = settings.http.max_feed_bytes, settings.http.timeout.total_seconds()
        self._room = _LARGEST * self.max_bytes
        self._owner: str | None = None
        self._waiting: dict[int, list[str]] = defaultdict(list)
        self._stored: dict[int, str] = {}
        self._turns: dict[int, asyncio.Lock] = {}
        self._seats = asyncio.Semaphore(_AT_ONCE)
        self.tasks: set[asyncio.Task[None]] = set()

    def open(self, owner: str) -> None:
        """From now on sources are claimed for `owner`."""
        self._owner = owner

    def close(self) -> None:
        """Nothing more is begun; `tasks` are what is under way."""
        self._owner = None

    # ------------------------------------------------------------------------------------------------- taking

    async def expected(self, token: str) -> subscriptions.Called | pushing.Reply:
        """Whether anything is wanted from who calls this callback, asked before its body is read. Raises StoreError."""
        called = await asyncio.to_thread(self._called, token)
        if called is None:
            return _UNKNOWN
        wanted = called.subscription.state in websub.WANTED and called.state in sources.POLLED
        return called if wanted and called.subscription.requested_at is not None else _OVER

    def _called(self, token: str) -> subscriptions.Called | None:
        with self._store.read() as conn:
            return subscriptions.by_token(conn, token)

    def take_room(self, size: int) -> bool:
        """Whether there is room for so many bytes more; it is `free`d when they are."""
        fits = size <= self._room
        self._room -= size if fits else 0
        return fits

    def free(self, size: int) -> None:
        """Give back what `take_room` took."""
        self._room += size

    async def receive(
        self, called: subscriptions.Called, body: bytes, *, signatures: Sequence[str], content_type: str
    ) -> pushing.Reply:
        """Take a document that was pushed, whose room is taken. What is not signed as agreed is ignored, and its sender told nothing of it.

        Raises StoreError, where the hub must push again.
        """
        delivery: pushing.Delivery | None = None
        try:
            reply, delivery = await self._judged(called, body, signatures, content_type)
        finally:
            if delivery is None:
                self.free(len(body))
        if delivery is not None:
            self._begin(called.source, delivery)
        return reply

    async def _judged(
        self, called: subscriptions.Called, body: bytes, signatures: Sequence[str], content_type: str
    ) -> tuple[pushing.Reply, pushing.Delivery | None]:
        """What to answer, and what there is to store."""
        one = called.subscription
        if not await asyncio.to_thread(websub.signed, one.secret, signatures, body):
            await asyncio.to_thread(self._ignore, called)
            return _TAKEN, None
        body_hash = await asyncio.to_thread(websub.digest, content_type, body)
        waiting = self._waiting.get(one.id, ())
        # The row may have been read before what it calls the last push was stored.
        stored = self._stored.get(one.id, one.push_hash)
        repeated = body_hash in waiting or (not waiting and body_hash == stored)
        if not repeated and len(waiting) >= _MOST_WAITING:
            return BUSY, None
        now = self._now()
        await asyncio.to_thread(self._note, one, now, news=not repeated)
        if repeated:
            self._tell("repeated")
        if repeated or self._owner is None:
            return _TAKEN, None
        return _TAKEN, pushing.Delivery(
            subscription=one, at=now, body=body, body_hash=body_hash, content_type=content_type
        )

    def _ignore(self, called: subscriptions.Called) -> None:
        with self._store.begin() as conn:
            subscriptions.unsigned(conn, called.subscription)
        _log.warning("push.unsigned", source=called.source, hub=called.subscription.hub)
        self._tell("unsigned")

    def _note(self, one: pushing.Subscription, now: datetime, *, news: bool) -> None:
        with self._store.begin() as conn:
            subscriptions.pushed(conn, one, now, news=news)

    # ------------------------------------------------------------------------------------------------- storing

    def _begin(self, source: str, delivery: pushing.Delivery) -> None:
        self._waiting[delivery.subscription.id].append(delivery.body_hash)
        task = asyncio.create_task(self._deliver(source, delivery))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _deliver(self, name: str, delivery: pushing.Delivery) -> None:
        key = delivery.subscription.id
        turn = self._turns.setdefault(key, asyncio.Lock())
        try:
            async with turn:
                if (source := await self._claimed(name)) is not None:
                    async with self._seats:
                        await self._store_push(source, delivery)
        except errors.StoreError as exc:
            # What waits is found by `tend`.
            _log.error("push.not_stored", source=name, error=str(exc), code=exc.code)
        finally:
            self.free(len(delivery.body))
            self._waiting[key].remove(delivery.body_hash)
            if not self._waiting[key]:
                del self._waiting[key], self._turns[key]

    async def _claimed(self, name: str) -> model.Source | None:
        """The source, claimed, as soon as no poll has it."""
        until = time.monotonic() + _PATIENCE
        while (owner := self._owner) is not None and time.monotonic() < until:
            if (source := await asyncio.to_thread(self._claim, name, owner)) is not None:
                return source
            await asyncio.sleep(_LOOK)
        return None

    def _claim(self, name: str, owner: str) -> model.Source | None:
        with self._store.begin() as conn:
            claimed = sources.claim_due(
                conn, now=self._now(), limit=1, owner=f"{owner}#push", lease=LEASE, names=[name]
            )
        return claimed[0] if claimed else None

    async def _store_push(self, source: model.Source, delivery: pushing.Delivery) -> None:
        started = time.monotonic()
        read: model.ParsedFeed | errors.AggregatorError
        try:
            read = await self._intake.parse(_as_response(source, delivery), delivery.at)
        except errors.AggregatorError as exc:
            read = exc
        except Exception as exc:
            _log.exception("push.crashed", source=source.name)
            read = errors.AggregatorError(f"unexpected {type(exc).__name__}: {exc}", code="crash")
        took = timedelta(seconds=time.monotonic() - started)
        report = await asyncio.to_thread(self._commit, source, delivery, read, took)
        self._stored[delivery.subscription.id] = delivery.body_hash
        self._observe(report)

    def _commit(
        self,
        source: model.Source,
        delivery: pushing.Delivery,
        read: model.ParsedFeed | errors.AggregatorError,
        took: timedelta,
    ) -> model.PollReport:
        now, last = self._now(), len(self._waiting.get(delivery.subscription.id, ())) <= 1

        def write(conn: Connection) -> model.PollReport:
            decision = model.Decision()
            if isinstance(read, model.ParsedFeed):
                decision = self._intake.pushed(conn, intake.Arrival(source=source, feed=read, at=now))
            due = self._due(source, delivery, read, now)
            report = _report(source, delivery, read, decision, now=now, took=took, due=due)
            sources.finish_all(conn, [sources.Finished(report=report, failures=source.failures)])
            subscriptions.settled(conn, delivery, last=last)
            return report

        return self._intake.stored(write)

    def _due(
        self,
        source: model.Source,
        delivery: pushing.Delivery,
        read: model.ParsedFeed | errors.AggregatorError,
        now: datetime,
    ) -> model.Due | None:
        """The next poll, None where the push has no say in it."""
        hub, limits = delivery.subscription.hub, self._intake.limits(source)
        if isinstance(read, errors.AggregatorError) or read.damage or read.left:
            whole = isinstance(read, errors.AggregatorError) or not read.left
            said = "could not be read" if whole else "is more than is read at a time"
            reason = f"what {hub} pushed {said}: polled instead"
            return cadence.soon(source, now=now, limits=limits, reason=reason)
        if source.state != model.SourceState.ACTIVE or source.pushed_by is None:
            return None
        # It may be due for what could not be read or stored before.
        if source.next_poll_at is not None and source.next_poll_at <= now + limits.min_interval:
            return model.Due(at=source.next_poll_at, reason=f"pushed by {hub}; a poll was due all the same")
        return self._intake.backup(source, hub, now)


def _as_response(source: model.Source, delivery: pushing.Delivery) -> model.Response:
    """What was pushed, as if it had been fetched; addresses in it are relative to the topic."""
    return model.Response(
        url=delivery.subscription.topic,
        permanent_url=source.feed_url,
        status=200,
        headers={"content-type": delivery.content_type},
        body=delivery.body,
        wire_bytes=len(delivery.body),
        took=timedelta(0),
    )


def _report(
    source: model.Source,
    delivery: pushing.Delivery,
    read: model.ParsedFeed | errors.AggregatorError,
    decision: model.Decision,
    *,
    now: datetime,
    took: timedelta,
    due: model.Due | None,
) -> model.PollReport:
    failed = read if isinstance(read, errors.AggregatorError) else None
    damage = read.damage if isinstance(read, model.ParsedFeed) else None
    outcome = (
        model.Outcome.NEW if decision.new else model.Outcome.CHANGED if decision.edited else model.Outcome.UNCHANGED
    )
    return model.PollReport(
        source_id=source.id,
        source=source.name,
        url=delivery.subscription.topic,
        at=now,
        outcome=model.Outcome.FAILED if failed or damage else outcome,
        state=source.state,
        due=due,
        took=took,
        bytes=len(delivery.body),
        entries=len(read.entries) if isinstance(read, model.ParsedFeed) else 0,
        new=len(decision.new),
        changed=decision.edited,
        unchanged=len(decision.seen) - decision.edited,
        error_code=failed.code if failed else "damaged" if damage else None,
        error=str(failed) if failed else damage,
        origin=model.Origin.PUSH,
    )
