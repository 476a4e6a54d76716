"""One process runs everything: APScheduler rings, `tick` starts what is due and returns, `drain` waits for what was started."""

import asyncio
import itertools
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from aggregator import backfill, clock, errors, harvest, log, metrics, model, poll, push, subscribe
from aggregator.net import manners
from aggregator.store import db, gaps, hosts, sources, subscriptions, visits

_BELL = timedelta(seconds=1)
# Seats that fall free at the same time are filled by one look at the database.
_GATHER = 0.02
# After the database could not be reached, looking again every second would only add to its trouble.
_STORE_PAUSE = timedelta(seconds=10)
_DEPTHS = timedelta(seconds=15)
# Hubs: how often is looked who is to be asked, so many at a time; and how often for what time alone brings about.
_HUB_BELL, _HUB_SEATS, _TEND = timedelta(seconds=2), 4, timedelta(seconds=10)
# Walks back through archives: how often is looked for those that are due, so many at a time.
_BACKFILL_BELL, _BACKFILL_SEATS = timedelta(seconds=5), 2
# After a start, or when the clock has leapt, everything may be due: so many polls a second, all within the longest.
_POLLS_A_SECOND, _LONGEST_SPREAD = 50, timedelta(minutes=30)
# Before the first chores, so that a start is over.
_SETTLED = timedelta(minutes=1)
# The loop's lag is measured so often; the wall clock may differ from the monotonic one by this much before it has been set.
_PULSE, _LEAP = 0.25, 30.0
# While the loop is later than this, so small a part of their seats is for harvests: polls have times to keep, a full text has none.
_LATE, _PART = 0.05, 4
# How often a single run looks again for work whose host was busy.
_LOOK = timedelta(milliseconds=250)

Work = TypeVar("Work")

_log = log.logger("engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """How many polls and harvests may be under way at once, and how many harvests of one host; those of the sources `pageless` ask
    no host."""

    polls: int
    harvests: int
    per_host: int
    pageless: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something to `do` now and then beside the two stages; it may raise StoreError."""

    every: timedelta
    do: Callable[[], Awaitable[None]]


class Local:
    """The local engine over one store. One instance runs either `start` … `drain`, or `run_once`."""

    def __init__(
        self,
        *,
        store: db.Store,
        poller: poll.Poller,
        harvester: harvest.Harvester,
        backfiller: backfill.Backfiller,
        subscriber: subscribe.Subscriber,
        receiver: push.Receiver,
        manners: manners.Manners,
        metrics: metrics.Metrics,
        seats: Seats,
        chores: Sequence[Chore] = (),
        now: clock.Clock = clock.now,
    ) -> None:
        self._now, self._chores = now, chores
        self._store, self._poller, self._harvester = store, poller, harvester
        self._subscriber, self._receiver, self._backfiller = subscriber, receiver, backfiller
        self._manners, self._metrics, self._seats = manners, metrics, seats
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._claims = itertools.count(1)
        self._polls: set[asyncio.Task[Any]] = set()
        self._harvests: set[asyncio.Task[Any]] = set()
        self._requests: set[asyncio.Task[Any]] = set()
        self._errands: set[asyncio.Task[Any]] = set()
        self._walks: set[asyncio.Task[Any]] = set()
        self._scheduler: AsyncIOScheduler | None = None
        self._ticking = asyncio.Lock()
        self._again: asyncio.TimerHandle | None = None
        self._bell: asyncio.Future[None] | None = None
        self._paused_until = datetime.min.replace(tzinfo=UTC)
        self._unstored = 0
        self._pulse: asyncio.Task[None] | None = None
        self._lag = 0.0
        self.trouble: str | None = None

    # ------------------------------------------------------------------------------------------------- the daemon

    async def start(self) -> None:
        """Begin to ring. Misfires are rung late rather than dropped, and never twice: the due times are in the database.

        Raises StoreError.
        """
        await asyncio.to_thread(self._settle_in)
        await asyncio.to_thread(self._subscriber.tend)
        self._receiver.open(self.owner)
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        always = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler.add_job(self.tick, "interval", seconds=_BELL.total_seconds(), **always)
        self._scheduler.add_job(self._measure, "interval", seconds=_DEPTHS.total_seconds(), **always)
        self._scheduler.add_job(self._ask_hubs, "interval", seconds=_HUB_BELL.total_seconds(), **always)
        self._scheduler.add_job(self._walk_back, "interval", seconds=_BACKFILL_BELL.total_seconds(), **always)
        self._scheduler.add_job(self._tend, "interval", seconds=_TEND.total_seconds(), **always)
        for chore in self._chores:
            soon = datetime.now(UTC) + min(chore.every, _SETTLED)
            seconds = chore.every.total_seconds()
            self._scheduler.add_job(self._run, "interval", (chore,), seconds=seconds, next_run_time=soon, **always)
        self._scheduler.start()
        self._pulse = asyncio.create_task(self._feel_pulse())

    async def tick(self) -> None:
        """Start what is due, as much as there are free seats for, and return."""
        now = self._now()
        if self._ticking.locked() or now < self._paused_until or self._scheduler is None:
            return
        async with self._ticking:
            try:
                await self._fill(self._polls, self._seats.polls, self._claim_polls, self._poll, now)
                seats = self._seats.harvests if self._lag < _LATE else -(-self._seats.harvests // _PART)
                await self._fill(self._harvests, seats, self._claim_harvests, self._harvester.harvest, now)
                self.trouble = None
            except errors.StoreError as exc:
                self._pause(exc, now)

    async def drain(self, limit: timedelta) -> None:
        """Stop ringing, let what is under way finish within `limit`, give up the rest: nothing of it is recorded, and its
        leases are returned, so that the next start does it again."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
        for timer in (self._again, self._pulse):
            if timer is not None:
                timer.cancel()
        self._receiver.close()
        self._backfiller.close()
        errands = self._requests | self._walks | self._errands | self._receiver.tasks
        if under_way := self._polls | self._harvests | errands:
            _log.info("engine.draining", polls=len(self._polls), harvests=len(self._harvests))
            _, late = await asyncio.wait(under_way, timeout=limit.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        try:
            await self._poller.aclose()
            await self._harvester.aclose()
            await asyncio.to_thread(self._save_hosts)
            await asyncio.to_thread(self._release, [self.owner])
        except errors.StoreError as exc:
            _log.warning("engine.leases_kept", error=str(exc))

    # ----------------------------------------------------------------------------------------------- the clock

    async def _feel_pulse(self) -> None:
        """Measure how late the loop is, and notice when the wall clock leaps: APScheduler rings by it, and due times are of it."""
        beat, offset = time.monotonic(), time.time() - time.monotonic()
        while True:
            await asyncio.sleep(_PULSE)
            now = time.monotonic()
            self._lag = max(now - beat - _PULSE, 0.0)
            self._metrics.lagged(self._lag)
            beat, leap = now, time.time() - now - offset
            if abs(leap) > _LEAP:
                offset += leap
                await self._after_leap(leap)

    async def _after_leap(self, seconds: float) -> None:
        _log.warning("clock.leapt", seconds=round(seconds))
        if self._scheduler is not None:
            for job in self._scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
        try:
            await asyncio.to_thread(self._settle_in, min(seconds, 0.0))
        except errors.StoreError as exc:
            self._pause(exc, self._now())

    def _settle_in(self, back: float = 0.0) -> None:
        """Before the first bell, and after the clock was set: no due time out of reach, no burst, no pause forgotten."""
        now = self._now()
        with self._store.begin() as conn:
            if back:
                sources.shift(conn, now, timedelta(seconds=back))
            sources.clamp(conn, now, within=_LONGEST_SPREAD)
            sources.spread(conn, now, a_second=_POLLS_A_SECOND, longest=_LONGEST_SPREAD)
        self._recall_hosts()

    def _recall_hosts(self) -> None:
        with self._store.read() as conn:
            self._manners.remember(hosts.mannered(conn, self._now()))

    def _save_hosts(self) -> None:
        if records := self._manners.unsaved():
            with self._store.begin() as conn:
                hosts.keep_manners(conn, records)

    # ------------------------------------------------------------------------------------------------- the work

    async def _poll(self, source: model.Source) -> None:
        if await self._poller.poll(source) is None:
            self._unstored += 1

    async def _fill(
        self,
        under_way: set[asyncio.Task[Any]],
        seats: int,
        claim: Callable[[datetime, int], Sequence[Work]],
        do: Callable[[Work], Coroutine[Any, Any, object]],
        now: datetime,
    ) -> int:
        free = seats - len(under_way)
        claimed = await asyncio.to_thread(claim, now, free) if free > 0 else ()
        for work in claimed:
            task = asyncio.create_task(do(work))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            task.add_done_callback(self._ring_soon)
        return len(claimed)

    def _ring_soon(self, _task: asyncio.Task[Any]) -> None:
        """A seat is free: look for work now rather than at the next bell."""
        if self._scheduler is not None and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_GATHER, self._ring)

    def _ring(self) -> None:
        self._again = None
        self._bell = asyncio.ensure_future(self.tick())

    def _pause(self, exc: errors.StoreError, now: datetime) -> None:
        self._paused_until = now + _STORE_PAUSE
        if self.trouble is None:
            _log.error("engine.store_unavailable", error=str(exc), code=exc.code, again_in_s=_STORE_PAUSE.seconds)
        self.trouble = str(exc)

    async def _walk_back(self) -> None:
        now = self._now()
        if now < self._paused_until or self._scheduler is None:
            return
        try:
            await self._fill(self._walks, _BACKFILL_SEATS, self._claim_walks, self._backfiller.run, now)
        except errors.StoreError as exc:
            self._pause(exc, now)

    # ----------------------------------------------------------------------------------------------------- hubs

    async def _ask_hubs(self) -> None:
        now = self._now()
        if now < self._paused_until or self._scheduler is None:
            return
        try:
            await self._fill(self._requests, _HUB_SEATS, self._claim_hubs, self._subscriber.ask, now)
        except errors.StoreError as exc:
            self._pause(exc, now)

    async def _tend(self) -> None:
        try:
            await asyncio.to_thread(self._subscriber.tend)
        except errors.StoreError as exc:
            self._pause(exc, self._now())

    def _claim_hubs(self, now: datetime, free: int) -> Sequence[subscriptions.Wanted]:
        return self._subscriber.claim_due(now, free)

    # ----------------------------------------------------------------------------------------------------- chores

    async def _run(self, chore: Chore) -> None:
        """Until it is done: the scheduler does not ring for it meanwhile. What it does outlives the scheduler, until `drain` ends it."""
        if self._now() >= self._paused_until and self._scheduler is not None:
            errand = asyncio.ensure_future(self._done(chore))
            self._errands.add(errand)
            errand.add_done_callback(self._errands.discard)
            await asyncio.shield(errand)

    async def _done(self, chore: Chore) -> None:
        try:
            await chore.do()
        except errors.StoreError as exc:
            self._pause(exc, self._now())

    # ----------------------------------------------------------------------------------------------------- once

    async def run_once(self, *, names: Sequence[str] | None = None, harvests: bool = True) -> None:
        """Poll what is due now (or the sources in `names`, due or not), then fill gaps and harvest what is due after that; return when
        done.

        Raises StoreError when the database cannot be read or written.
        """
        cutoff = self._now()
        await asyncio.to_thread(self._recall_hosts)
        left = set(names) if names is not None else None

        def claim_polls(_now: datetime, free: int) -> Sequence[model.Source]:
            claimed = self._claim_polls(cutoff, free, sorted(left) if left is not None else None)
            if left is not None:
                left.difference_update(source.name for source in claimed)
            return claimed

        await self._exhaust(
            self._polls, self._seats.polls, claim_polls, self._poll, lambda: self._due_sources(cutoff, left)
        )
        if self._unstored:
            raise errors.UnavailableError(
                f"the results of {self._unstored} polls could not be stored (the log says why); they are polled again next time",
                code="not_stored",
            )
        if not harvests:
            return
        await self._exhaust(self._walks, _BACKFILL_SEATS, self._claim_walks, self._backfiller.run, lambda: 0)
        until = self._now()
        await self._exhaust(
            self._harvests,
            self._seats.harvests,
            lambda _now, free: self._claim_harvests(until, free),
            self._harvester.harvest,
            lambda: self._due_items(until),
        )
        for chore in self._chores:
            await chore.do()

    async def _exhaust(
        self,
        under_way: set[asyncio.Task[Any]],
        seats: int,
        claim: Callable[[datetime, int], Sequence[Work]],
        do: Callable[[Work], Coroutine[Any, Any, object]],
        waiting: Callable[[], int],
    ) -> None:
        """Claim and do until nothing is left; `waiting` counts work that cannot be claimed yet, for its host is busy."""
        while True:
            claimed = await self._fill(under_way, seats, claim, do, self._now())
            if under_way:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED, timeout=_LOOK.total_seconds())
                await asyncio.sleep(_GATHER)
            elif not claimed:
                if not await asyncio.to_thread(waiting):
                    return
                await asyncio.sleep(_LOOK.total_seconds())

    async def walk_back(self, name: str, *, since: datetime | None, most_pages: int) -> None:
        """Fetch by hand what the source `name` no longer shows. Raises NotFoundError, ConflictError (`busy`), StoreError."""
        await asyncio.to_thread(self._recall_hosts)
        walk = await asyncio.to_thread(self._claim_walk, name, since)
        task = asyncio.create_task(self._backfiller.run(walk, most_pages))
        self._walks.add(task)
        task.add_done_callback(self._walks.discard)
        await asyncio.shield(task)

    # ----------------------------------------------------------------------------------------------- the database

    def _claim_walk(self, name: str, since: datetime | None) -> gaps.Backfill:
        with self._store.begin() as conn:
            return gaps.claim_by_hand(
                conn, name, since=since, now=self._now(), owner=self._claim(), lease=backfill.LEASE
            )

    def _claim(self) -> str:
        """A name for one claim: an item that lost its lease and was claimed again is not mistaken for the first visit's."""
        return f"{self.owner}#{next(self._claims)}"

    def _claim_polls(self, now: datetime, free: int, names: Sequence[str] | None = None) -> Sequence[model.Source]:
        with self._store.begin() as conn:
            return sources.claim_due(
                conn,
                now=now,
                limit=free,
                owner=self._claim(),
                lease=poll.LEASE,
                names=names,
                busy=self._manners.full(),
                per_host=self._seats.per_host,
            )

    def _claim_harvests(self, now: datetime, free: int) -> Sequence[model.Item]:
        with self._store.begin() as conn:
            return visits.claim_due(
                conn,
                now=now,
                limit=free,
                owner=self._claim(),
                lease=harvest.LEASE,
                busy=self._manners.busy(),
                per_host=self._seats.per_host,
                pageless=self._seats.pageless,
            )

    def _claim_walks(self, now: datetime, free: int) -> Sequence[gaps.Backfill]:
        with self._store.begin() as conn:
            return gaps.claim_due(conn, now=now, limit=free, owner=self._claim(), lease=backfill.LEASE)

    def _due_sources(self, until: datetime, names: Collection[str] | None) -> int:
        with self._store.read() as conn:
            return sources.due_count(conn, until, names=names)

    def _due_items(self, until: datetime) -> int:
        """Items that a single run still waits for; not those of hosts that asked to be left alone for longer."""
        with self._store.read() as conn:
            return visits.due_count(conn, until, without=self._manners.paused())

    def _release(self, owners: Sequence[str] | None) -> None:
        with self._store.begin() as conn:
            sources.release(conn, owners)

    async def _measure(self) -> None:
        try:
            pending, due = await asyncio.to_thread(self._depths)
            self._metrics.depths(pending, due)
        except errors.StoreError as exc:
            self._pause(exc, self._now())

    def _depths(self) -> tuple[int, int]:
        now = self._now()
        self._save_hosts()
        self._recall_hosts()
        with self._store.read() as conn:
            return visits.due_count(conn, now), sources.due_count(conn, now)
