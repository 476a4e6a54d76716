"""The daemon: open the app, start the engine and the page, wait for a signal, drain. `once` makes one round and stops."""

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import uvicorn

from aggregator import app, clock, config, diagnosis, discovery, errors, log, metrics, reextract, upkeep
from aggregator.store import db, pages
from aggregator.web import callback, page

# How often the configuration's files are looked at, and so how soon an edit counts.
_LOOK = 2.0

# mallopt(3), names from malloc.h: blocks of this size and more are given back to the system when freed, as is four times as much
# that is free at the heap's end; so many arenas, where glibc would make up to eight for each processor.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BLOCK, _ARENAS = 128 << 10, 1
_LIBC = ctypes.CDLL(None)
_GLIBC = sys.platform == "linux" and hasattr(_LIBC, "mallopt") and hasattr(_LIBC, "malloc_trim")

_log = log.logger("daemon")


def run(settings: config.Settings, *, announce: Callable[[str], None], reload: Callable[[], config.Settings]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises StoreError or ConfigError if it cannot start.

    On SIGHUP, and when a configuration file changes, `reload` reads them anew; what is wrong in them is logged, and the old
    configuration stays in force.
    """
    _spare_memory()
    with _locked(settings) as lock:
        sockets = _listen(settings.web)
        with closing(app.open_store(settings, alone=lock)) as store:
            asyncio.run(_Daemon(settings, store, reload).serve(sockets, announce))


def once(
    settings: config.Settings,
    observers: app.Observers,
    *,
    names: Sequence[str] | None = None,
    harvests: bool = True,
    exclusive: bool = True,
) -> bool:
    """One round: poll what is due (or `names`), harvest what is due then, stop; False if a signal ended it early.

    `exclusive` takes the daemon's lock; without it the round may run beside a daemon, and the leases keep them apart.
    """
    with (
        _locked(settings) if exclusive else contextlib.nullcontext() as lock,
        closing(app.open_store(settings, alone=lock)) as store,
    ):
        return asyncio.run(_round(settings, store, observers, names, harvests))


def walk_back(
    settings: config.Settings, observers: app.Observers, name: str, *, since: datetime | None, most_pages: int
) -> bool:
    """Fetch what the feed of the source `name` no longer shows; False if a signal ended it early. May run beside a daemon: leases keep
    them apart."""
    with closing(app.open_store(settings)) as store:
        return asyncio.run(_walked_back(settings, store, observers, name, since, most_pages))


def examine(
    settings: config.Settings, names: Sequence[str] | None, observe: Callable[[diagnosis.Diagnosis], None]
) -> bool:
    """A live check of the enabled sources, or of `names`; False if a signal ended it early. Opens no database and no port, so that it
    may run beside a daemon."""
    return asyncio.run(_examined(settings, names, observe))


def discover(settings: config.Settings, url: str, observe: Callable[[str], None]) -> discovery.Found | None:
    """The feeds of the page at `url`; `observe` is told of every address that is asked. None if a signal ended it early. As `examine`
    it opens no database and no port."""
    return asyncio.run(_discovered(settings, url, observe))


def reread(
    settings: config.Settings,
    choice: pages.Choice,
    begun: Callable[[reextract.Begun], None],
    observe: Callable[[reextract.Reread], None],
    reached: Callable[[int], None],
    *,
    everything: bool,
) -> int | None:
    """Read the kept pages of `choice` anew; how many items were in somebody's hands, None if a signal ended it early. May run beside a
    daemon: leases keep them apart."""
    with closing(app.open_store(settings)) as store:
        opened = app.Rereading(settings, store, begun=begun, observe=observe, reached=reached)
        return asyncio.run(_reread(opened, choice, everything))


def _spare_memory() -> None:
    """Documents of many MB come and go for years. glibc learns to keep such blocks, an arena for each thread: measured, the
    most that was resident among 454 hostile sources was 368 MB so and 213 MB with this."""
    if _GLIBC:
        _LIBC.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        _LIBC.mallopt(_M_TRIM_THRESHOLD, 4 * _LARGE_BLOCK)
        _LIBC.mallopt(_M_ARENA_MAX, _ARENAS)


def _give_memory_back() -> None:
    """What is free between blocks in use, which glibc keeps otherwise: 22 of 134 MB in that run, for a millisecond."""
    if _GLIBC:
        _LIBC.malloc_trim(0)


@contextmanager
def _locked(settings: config.Settings) -> Iterator[db.DaemonLock | None]:
    lock = app.lock_for(settings)
    if lock is not None:
        lock.acquire()
    try:
        yield lock
    finally:
        if lock is not None:
            lock.release()


class _Daemon:
    """One run of the daemon: an app that is replaced when the configuration changes, and a page that stays."""

    def __init__(self, settings: config.Settings, store: db.Store, reload: Callable[[], config.Settings]) -> None:
        self._settings, self._store, self._reload = settings, store, reload
        self._metrics = metrics.Metrics()
        self._app = app.App(settings, store, counters=self._metrics)
        self._files = _Stamps(read=_stamps(settings), seen=_stamps(settings))

    async def serve(self, sockets: list[socket.socket], announce: Callable[[str], None]) -> None:
        """Work until a signal says stop."""
        stopped, changed = _signals(signal.SIGTERM, signal.SIGINT), _signals(signal.SIGHUP)
        web = self._settings.web
        callbacks = callback.Callbacks(lambda: self._app.subscriber, lambda: self._app.receiver)
        trouble = lambda: self._app.engine.trouble  # noqa: E731
        server = _server(self._store, self._metrics, trouble, web, callbacks) if web else None
        serving = asyncio.create_task(server.serve(sockets=sockets)) if server else None
        announce(f"database: {self._store}")
        announce(f"page: {_page_url(web)}" if web else "page: off")
        announce(f"sources: {len(self._settings.sources)}; stop with Ctrl-C or SIGTERM")
        _log.info("daemon.started", database=str(self._store), sources=len(self._settings.sources))
        await self._app.engine.start()
        # What is there now stays. Looking through it for garbage held the event loop for some 80 ms, again and again.
        gc.freeze()
        while not await _within(stopped, _LOOK):
            await asyncio.to_thread(_give_memory_back)
            if changed.is_set() or self._edited():
                changed.clear()
                await self._renew()
        _log.info("daemon.stopping")
        await self._close()
        if server is not None and serving is not None:
            server.should_exit = True
            await serving
        _log.info("daemon.stopped")

    def _edited(self) -> bool:
        """Whether a file of the configuration changed and has rested since: an editor may still be writing."""
        now = _stamps(self._settings)
        rested = now == self._files.seen
        self._files = replace(self._files, seen=now)
        return rested and now != self._files.read

    async def _renew(self) -> None:
        self._files = _Stamps(read=self._files.seen, seen=self._files.seen)
        try:
            settings = await asyncio.to_thread(self._reload)
            await asyncio.to_thread(upkeep.sync_sources, self._store, settings, clock.now())
        except errors.AggregatorError as exc:
            lines = exc.lines if isinstance(exc, errors.ConfigError) else (str(exc),)
            for line in lines:
                _log.error("config.refused", mistake=line)
            return
        for name in ("database", "web"):
            if getattr(settings, name) != getattr(self._settings, name):
                _log.warning("config.needs_restart", key=name)
        await self._close()
        self._settings = settings
        log.configure(settings.log)
        self._app = app.App(settings, self._store, counters=self._metrics)
        await self._app.engine.start()
        _log.info("config.reloaded", sources=len(settings.sources))

    async def _close(self) -> None:
        await self._app.engine.drain(app.DRAIN)
        await self._app.aclose()


@dataclass(frozen=True, slots=True)
class _Stamps:
    """Times and sizes of the configuration's files: as last read, and as last seen."""

    read: tuple[object, ...]
    seen: tuple[object, ...]


async def _round(
    settings: config.Settings,
    store: db.Store,
    observers: app.Observers,
    names: Sequence[str] | None,
    harvests: bool,
) -> bool:
    opened = app.App(settings, store, observers)
    try:
        return await _unless_stopped(opened.engine.run_once(names=names, harvests=harvests))
    finally:
        await opened.engine.drain(app.DRAIN)
        await opened.aclose()


async def _walked_back(
    settings: config.Settings,
    store: db.Store,
    observers: app.Observers,
    name: str,
    since: datetime | None,
    most_pages: int,
) -> bool:
    opened = app.App(settings, store, observers)
    try:
        return await _unless_stopped(opened.engine.walk_back(name, since=since, most_pages=most_pages))
    finally:
        await opened.engine.drain(app.DRAIN)
        await opened.aclose()


async def _examined(
    settings: config.Settings, names: Sequence[str] | None, observe: Callable[[diagnosis.Diagnosis], None]
) -> bool:
    sources = [one for one in settings.sources if one.enabled and (names is None or one.name in names)]
    # As with a poll: what the operator has just named is asked once, whatever another feed of its host was told.
    practice = app.Practice(settings, heed_pause=names is None)
    try:
        return await _unless_stopped(practice.doctor.examine_all(sources, observe))
    finally:
        await practice.aclose()


async def _discovered(settings: config.Settings, url: str, observe: Callable[[str], None]) -> discovery.Found | None:
    found: list[discovery.Found] = []
    practice = app.Practice(settings, heed_pause=False)

    async def find() -> None:
        source = config.SourceConfig(name="new", url=url)
        # Whoever types an address wants it asked; what nobody named is another matter.
        found.append(await practice.discovery.find(url, source, robots=False, observe=observe))

    try:
        return found[0] if await _unless_stopped(find()) else None
    finally:
        await practice.aclose()


async def _reread(opened: app.Rereading, choice: pages.Choice, everything: bool) -> int | None:
    busy: list[int] = []

    async def run() -> None:
        busy.append(await opened.reextractor.run(choice, everything=everything))

    try:
        return busy[0] if await _unless_stopped(run()) else None
    finally:
        await opened.aclose()


async def _unless_stopped(work: Coroutine[object, object, None]) -> bool:
    """Do `work`; False if a signal ended it."""
    stopped = asyncio.create_task(_signals(signal.SIGTERM, signal.SIGINT).wait())
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finished = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return finished
    finally:
        stopped.cancel()


def _stamps(settings: config.Settings) -> tuple[object, ...]:
    """What changes when one of the files is edited, replaced or removed."""
    stamps: list[object] = []
    for file in settings.files:
        try:
            found = file.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
    return tuple(stamps)


def _signals(*numbers: signal.Signals) -> asyncio.Event:
    """An event that is set by any of these signals."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, event.set)
    return event


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _listen(web: config.WebSettings | None) -> list[socket.socket]:
    """The page's socket, opened before anything starts: a port in use is told in one line."""
    if web is None:
        return []
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((web.host, web.port))
    except OSError as exc:
        listener.close()
        hint = "choose another web.listen, or null to do without the page"
        raise errors.ConfigError(f"web.listen: cannot listen on {web.listen}: {exc.strerror}; {hint}") from exc
    return [listener]


def _page_url(web: config.WebSettings) -> str:
    return web.base_url or f"http://{f'[{web.host}]' if ':' in web.host else web.host}:{web.port}/"


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the daemon has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(
    store: db.Store,
    counters: metrics.Metrics,
    trouble: Callable[[], str | None],
    web: config.WebSettings,
    callbacks: callback.Callbacks,
) -> uvicorn.Server:
    options = uvicorn.Config(
        page.application(store, counters, trouble, web, callbacks),
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=64,
        timeout_graceful_shutdown=3,
        server_header=False,
    )
    return _Server(options)
