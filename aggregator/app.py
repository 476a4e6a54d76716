"""The composition root: Settings → Store, Fetcher, Workers, Poller, Harvester, engine. Nothing else builds them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from aggregator import (
    backfill,
    clock,
    config,
    discovery,
    doctor,
    harvest,
    intake,
    log,
    metrics,
    model,
    outlook,
    poll,
    push,
    recluster,
    recut,
    reextract,
    seek,
    subscribe,
    upkeep,
    watch,
)
from aggregator.engine import local
from aggregator.net import fetcher, manners
from aggregator.store import db, hosts
from aggregator.workers import Workers

# What every worker needs; imported once in the fork server, shared by its children.
_PRELOAD = (
    "aggregator.draft", "aggregator.article", "aggregator.rendition", "aggregator.feed.parse", "aggregator.feed.discover", "feedparser",
    "trafilatura",
)  # fmt: skip

# What is under way when the daemon is told to stop may finish within this.
DRAIN = timedelta(seconds=10)

_log = log.logger("app")


@dataclass(slots=True, kw_only=True)
class Observers:
    """Whoever wants to be told of reports besides the log and the metrics: the progress bar of a command."""

    polled: Callable[[model.PollReport], None] = lambda _report: None
    harvested: Callable[[model.HarvestReport], None] = lambda _report: None
    backfilled: Callable[[backfill.Report], None] = lambda _report: None


class App:
    """Everything wired together over one configuration. `open_store` alone serves the commands that only read."""

    def __init__(
        self,
        settings: config.Settings,
        store: db.Store,
        observers: Observers | None = None,
        counters: metrics.Metrics | None = None,
        now: clock.Clock = clock.now,
    ) -> None:
        self.settings, self.store = settings, store
        self.observers = observers or Observers()
        self.metrics = counters or metrics.Metrics()
        self.workers = Workers(settings.harvest.workers, preload=_PRELOAD)
        ledger, weather = manners.Manners(settings.http.per_host, now=now), outlook.Outlook()
        self.fetcher = fetcher.Fetcher(settings.http, ledger, shelf=_Shelf(store), now=now)
        taking_in = intake.Intake(store=store, workers=self.workers, settings=settings)
        self.poller, self.harvester, self.backfiller = self._stages(taking_in, weather, now)
        self.subscriber = subscribe.Subscriber(store=store, fetcher=self.fetcher, settings=settings, now=now)
        self.receiver = push.Receiver(
            store=store, intake=taking_in, settings=settings, observe=self._polled, tell=self.metrics.pushed, now=now
        )
        finding = discovery.Discovery(fetcher=self.fetcher, workers=self.workers, settings=settings, now=now)
        self.seeker = seek.Seeker(store=store, discovery=finding, settings=settings, now=now)
        self.watch = watch.Watch(store=store, tell=self.metrics.quiet, now=now)
        self.recutter = recut.Recutter(store=store, workers=self.workers, settings=settings, now=now)
        self.sweeper = recluster.Sweeper(store=store, settings=settings.dedup, now=now)
        self.engine = self._engine(ledger, now)
        if settings.web is not None and not settings.web.public and any(source.websub for source in settings.sources):
            said = "only hubs of this network can reach it"
            _log.warning("websub.base_url_not_public", base_url=settings.web.base_url, said=said)

    def _stages(
        self, entries: intake.Intake, weather: outlook.Outlook, now: clock.Clock
    ) -> tuple[poll.Poller, harvest.Harvester, backfill.Backfiller]:
        poller = poll.Poller(
            store=self.store,
            fetcher=self.fetcher,
            intake=entries,
            settings=self.settings,
            observe=self._polled,
            outlook=weather,
            now=now,
        )
        harvester = harvest.Harvester(
            store=self.store,
            fetcher=self.fetcher,
            workers=self.workers,
            settings=self.settings,
            observe=self._harvested,
            outlook=weather,
            now=now,
        )
        backfiller = backfill.Backfiller(
            store=self.store,
            fetcher=self.fetcher,
            workers=self.workers,
            intake=entries,
            settings=self.settings,
            observe=self._backfilled,
            outlook=weather,
            now=now,
        )
        return poller, harvester, backfiller

    def _engine(self, ledger: manners.Manners, now: clock.Clock) -> local.Local:
        return local.Local(
            store=self.store,
            poller=self.poller,
            harvester=self.harvester,
            backfiller=self.backfiller,
            subscriber=self.subscriber,
            receiver=self.receiver,
            manners=ledger,
            metrics=self.metrics,
            seats=_seats(self.settings),
            chores=(
                local.Chore(every=watch.EVERY, do=self.watch.look),
                local.Chore(every=seek.EVERY, do=self.seeker.seek),
                local.Chore(every=recut.EVERY, do=self.recutter.ring),
                local.Chore(every=recluster.SWEEP_EVERY, do=self.sweeper.sweep),
            ),
            now=now,
        )

    async def aclose(self) -> None:
        """Free what was opened. Leases under way are returned by the engine's `drain`, not here."""
        await self.fetcher.aclose()
        self.workers.close()

    def _polled(self, report: model.PollReport) -> None:
        level = _log.warning if report.outcome is model.Outcome.FAILED else _log.info
        level(
            f"{report.origin}.done",
            source=report.source,
            outcome=str(report.outcome),
            status=report.http_status,
            entries=report.entries,
            new=report.new,
            changed=report.changed,
            ms=round(report.took.total_seconds() * 1000),
            error=report.error,
            next=report.due.at.isoformat() if report.due else None,
        )
        self.metrics.polled(report)
        self.observers.polled(report)

    def _harvested(self, report: model.HarvestReport) -> None:
        _log.debug(
            "harvest.done",
            item=report.item_id,
            url=report.url,
            source=report.source,
            state=str(report.state),
            words=report.words,
            reason=report.reason,
            ms=round(report.took.total_seconds() * 1000),
        )
        self.metrics.harvested(report)
        self.observers.harvested(report)

    def _backfilled(self, report: backfill.Report) -> None:
        level = _log.warning if report.error_code else _log.info
        level(
            "backfill.page",
            source=report.source,
            method=report.method or "feed",
            page=report.page,
            url=report.url,
            entries=report.entries,
            new=report.new,
            filled=report.filled,
            said=report.said,
        )
        self.metrics.backfilled(report.method, report.new)
        self.observers.backfilled(report)


class Practice:
    """What a live check and a search for feeds need, wired together over one configuration: network and workers, and no database."""

    def __init__(self, settings: config.Settings, *, heed_pause: bool, now: clock.Clock = clock.now) -> None:
        self.workers = Workers(settings.harvest.workers, preload=_PRELOAD)
        ledger = manners.Manners(settings.http.per_host, now=now)
        self.fetcher = fetcher.Fetcher(settings.http, ledger, shelf=_NoShelf(), now=now)
        self.doctor = doctor.Doctor(
            fetcher=self.fetcher, workers=self.workers, settings=settings, heed_pause=heed_pause, now=now
        )
        self.discovery = discovery.Discovery(fetcher=self.fetcher, workers=self.workers, settings=settings, now=now)

    async def aclose(self) -> None:
        """Free what was opened."""
        await self.fetcher.aclose()
        self.workers.close()


class Rereading:
    """What it takes to read kept pages anew: workers and the database, and no network."""

    def __init__(
        self,
        settings: config.Settings,
        store: db.Store,
        *,
        begun: Callable[[reextract.Begun], None],
        observe: Callable[[reextract.Reread], None],
        reached: Callable[[int], None],
    ) -> None:
        self.workers = Workers(settings.harvest.workers, preload=_PRELOAD)
        self.reextractor = reextract.Reextractor(
            store=store, workers=self.workers, settings=settings, begun=begun, observe=observe, reached=reached
        )

    async def aclose(self) -> None:
        """Free what was opened."""
        self.workers.close()


def _seats(settings: config.Settings) -> local.Seats:
    usual = settings.harvest.full_text
    return local.Seats(
        polls=settings.poll.concurrency,
        harvests=settings.harvest.concurrency,
        per_host=settings.http.per_host.concurrency,
        pageless=frozenset(source.name for source in settings.sources if (source.full_text or usual) == "never"),
    )


class _Shelf:
    """Where robots.txt survives a restart: the table `hosts`."""

    def __init__(self, store: db.Store) -> None:
        self._store = store

    def recall(self, host: str) -> model.HostRecord | None:
        """What is remembered of `host`. Raises StoreError."""
        with self._store.read() as conn:
            return hosts.recall(conn, host)

    def keep(self, record: model.HostRecord) -> None:
        """Remember it. Raises StoreError."""
        with self._store.begin() as conn:
            hosts.keep_robots(conn, record)


class _NoShelf:
    """Where nothing survives: robots.txt is kept for the run only."""

    def recall(self, _host: str) -> model.HostRecord | None:
        """Nothing is remembered."""
        return None

    def keep(self, record: model.HostRecord) -> None:
        """Nothing is kept."""


def open_store(settings: config.Settings, *, alone: db.DaemonLock | None = None) -> db.Store:
    """The store at this program's schema. With `alone`, the lock of a SQLite file, already acquired, no other daemon is at work
    on it. Raises UnavailableError."""
    store = db.Store(settings.database)
    try:
        store.refuse_if_corrupt()
        if not store.is_current():
            db.upgrade_apart(settings.database)
        upkeep.release_dead_leases(store, alone=alone is not None)
        upkeep.sync_sources(store, settings, clock.now())
    except BaseException:
        store.close()
        raise
    return store


def lock_for(settings: config.Settings) -> db.DaemonLock | None:
    """The lock that one daemon at a time takes on a SQLite file; None for Postgres, where any number share the work."""
    store = db.Store(settings.database)
    path = store.path
    store.close()
    return db.DaemonLock(path) if path is not None else None
