"""Connections, kept for a while and used again. httpcore2's own pool looks at all of them, with a system call each, for every request: with
a thousand hosts that is most of what a request costs."""

import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpcore2

from aggregator.net.hops import Origin
from aggregator.net.trail import Trail

# Idle connections: so many in all, for so long. Most hosts are asked one thing and then nothing for half an hour.
_KEPT, _KEPT_SECONDS = 100, 15.0


# What is waited for once there is a connection.
HEADERS = "the headers of the answer"


@dataclass(slots=True)
class Watch:
    """How far an exchange has come: what it waits for, and whether a connection was made for it; and who else is told of it."""

    waiting_for: str = HEADERS
    connected: bool = False
    told: Trail | None = None


class Route(Protocol):
    """A way to a server that is not the straight one: a proxy."""

    def connection(
        self, origin: httpcore2.Origin, context: ssl.SSLContext, watch: Watch, keep: float
    ) -> httpcore2.AsyncConnectionInterface: ...


# What a kept connection leads to: an origin, and by which route if not straight.
_End = Origin | tuple[bytes, bytes, int, Route]


class _Noting(httpcore2.AsyncNetworkBackend):
    """A backend for one connection, which tells `watch` how far it is. (httpcore2's trace would tell every step of every request.)"""

    def __init__(self, inner: httpcore2.AsyncNetworkBackend, watch: Watch, *, tls: bool) -> None:
        self._inner, self._watch, self._tls = inner, watch, tls

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self._watch.connected, self._watch.waiting_for = True, "the connection"
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        self._watch.waiting_for = "the TLS handshake" if self._tls else HEADERS
        return stream

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class Connections:
    """HTTP/1.1 only. How many are in use at once, the manners and the seats of the engine bound."""

    def __init__(self, context: ssl.SSLContext, backend: httpcore2.AsyncNetworkBackend) -> None:
        self._context, self._backend = context, backend
        # The longest idle first; one key per connection, for an origin may have several.
        self._idle: OrderedDict[httpcore2.AsyncConnectionInterface, tuple[_End, float]] = OrderedDict()

    @asynccontextmanager
    async def answer(
        self, request: httpcore2.Request, origin: Origin, watch: Watch, *, fresh: bool, route: Route | None = None
    ) -> AsyncIterator[httpcore2.Response]:
        """The answer to `request`, its body still to be read; `fresh` wants a new connection for it.

        Raises httpcore2's exceptions, and FetchError.
        """
        end = origin if route is None else (*origin, route)
        connection = (None if fresh else self._kept(end)) or self._new(request.url.origin, watch, route)
        try:
            response = await connection.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()
        except BaseException:
            await connection.aclose()
            raise
        await self._keep(connection, end)

    async def aclose(self) -> None:
        """Close those that are kept."""
        while self._idle:
            connection, _ = self._idle.popitem()
            await connection.aclose()

    def _new(self, origin: httpcore2.Origin, watch: Watch, route: Route | None) -> httpcore2.AsyncConnectionInterface:
        if route is not None:
            return route.connection(origin, self._context, watch, _KEPT_SECONDS)
        return httpcore2.AsyncHTTPConnection(
            origin=origin,
            ssl_context=self._context,
            network_backend=_Noting(self._backend, watch, tls=origin.scheme == b"https"),
            keepalive_expiry=_KEPT_SECONDS,
        )

    def _kept(self, end: _End) -> httpcore2.AsyncConnectionInterface | None:
        for connection, (kept, _) in reversed(self._idle.items()):
            if kept == end and not connection.has_expired():
                del self._idle[connection]
                return connection
        return None

    async def _keep(self, connection: httpcore2.AsyncConnectionInterface, end: _End) -> None:
        now = time.monotonic()
        if connection.is_idle():
            self._idle[connection] = (end, now + _KEPT_SECONDS)
        else:
            await connection.aclose()
        while self._idle:
            oldest, (_, until) = next(iter(self._idle.items()))
            if len(self._idle) <= _KEPT and until > now:
                return
            del self._idle[oldest]
            await oldest.aclose()
