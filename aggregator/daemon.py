"""The daemon: open the app, start the engine and the page, wait for a signal, drain. `once` makes one round and stops."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from aggregator import app, config, errors, log
from aggregator.store import db
from aggregator.web import page

_log = log.logger("daemon")


def run(settings: config.Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises StoreError or ConfigError if it cannot start."""
    with _opened(settings) as store:
        asyncio.run(_serve(settings, store, announce))


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
    with _opened(settings, exclusive=exclusive) as store:
        return asyncio.run(_round(settings, store, observers, names, harvests))


@contextmanager
def _opened(settings: config.Settings, *, exclusive: bool = True) -> Iterator[db.Store]:
    lock = app.lock_for(settings) if exclusive else None
    if lock is not None:
        lock.acquire()
    try:
        store = app.open_store(settings, alone=lock)
        try:
            yield store
        finally:
            store.close()
    finally:
        if lock is not None:
            lock.release()


async def _serve(settings: config.Settings, store: db.Store, announce: Callable[[str], None]) -> None:
    sockets = _listen(settings.web)
    opened = app.App(settings, store)
    stopped = _stop_signals()
    server = _server(opened, settings.web) if settings.web else None
    serving = asyncio.create_task(server.serve(sockets=sockets)) if server else None
    announce(f"database: {store}")
    announce(f"page: {_page_url(settings.web)}" if settings.web else "page: off")
    announce(f"sources: {len(settings.sources)}; stop with Ctrl-C or SIGTERM")
    _log.info("daemon.started", database=str(store), sources=len(settings.sources), engine=settings.engine)
    opened.engine.start()
    await stopped.wait()
    _log.info("daemon.stopping")
    await opened.engine.drain(app.DRAIN)
    if server is not None and serving is not None:
        server.should_exit = True
        await serving
    await opened.aclose()
    _log.info("daemon.stopped")


async def _round(
    settings: config.Settings,
    store: db.Store,
    observers: app.Observers,
    names: Sequence[str] | None,
    harvests: bool,
) -> bool:
    opened = app.App(settings, store, observers)
    stopped = asyncio.create_task(_stop_signals().wait())
    work = asyncio.create_task(opened.engine.run_once(names=names, harvests=harvests))
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finished = work.done()
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        return finished
    finally:
        stopped.cancel()
        await opened.engine.drain(app.DRAIN)
        await opened.aclose()


def _stop_signals() -> asyncio.Event:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped


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


def _server(opened: app.App, web: config.WebSettings) -> uvicorn.Server:
    asgi = page.application(opened.store, opened.metrics, lambda: opened.engine.trouble, web)
    options = uvicorn.Config(
        asgi,
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=64,
        timeout_graceful_shutdown=3,
        server_header=False,
    )
    return _Server(options)
