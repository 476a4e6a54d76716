"""Connections by way of a proxy: through CONNECT or SOCKS5 to the server itself, or, for http:// behind an HTTP proxy, to the proxy, which
asks in our place.

The name of the server is looked up by the proxy, never here; user and password of the proxy are told to nobody else.
"""

import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpcore2

from aggregator import config, errors, markup
from aggregator.net import connections, guard

_CONNECTING = "the connection to the proxy"
_SECURING = "the TLS handshake with the proxy"
_ASKING = "an answer by way of the proxy"

# How httpcore2 words what a SOCKS5 proxy answers, socks_proxy.py; all else says that the host was not reached.
_SOCKS_AUTH = ("Requested ", "Invalid username")
_SOCKS_REFUSED = ("not allowed", "not supported")


class Proxies:
    """Which way a request goes: by its own proxy, otherwise by the general one, otherwise straight."""

    def __init__(self, general: str | None) -> None:
        self._general = general
        # The operator has named them: their addresses may be private.
        self._backend = guard.Guard(allowed=guard.EVERYWHERE, connect_to={})
        self._known: dict[str, Proxy] = {}

    def of(self, own: str | None) -> "Proxy | None":
        """The proxy of a request whose own is `own`, None for none. Raises FetchError (`proxy`)."""
        text = own or self._general
        if text is None or text == config.DIRECT:
            return None
        if text not in self._known:
            try:
                self._known[text] = Proxy(address=config.proxy_address(text), backend=self._backend)
            except ValueError as exc:
                raise errors.FetchError("what was given as proxy is none", code="proxy") from exc
        return self._known[text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One proxy; two are the same if their address, user and password are."""

    address: config.ProxyAddress
    backend: httpcore2.AsyncNetworkBackend = field(compare=False, repr=False)

    def connection(
        self, origin: httpcore2.Origin, context: ssl.SSLContext, watch: connections.Watch, keep: float
    ) -> httpcore2.AsyncConnectionInterface:
        """A new connection for requests to `origin`, kept for `keep` seconds."""
        way = _Way(self, watch)
        return _Connection(self, origin, way, self._inner(origin, context, way, keep))

    def _inner(
        self, origin: httpcore2.Origin, context: ssl.SSLContext, way: "_Way", keep: float
    ) -> httpcore2.AsyncConnectionInterface:
        address = self.address
        proxy = httpcore2.Proxy(
            httpcore2.URL(scheme=address.scheme, host=address.host, port=address.port, target="/"),
            auth=(address.user.encode(), address.password.encode()) if address.user else None,
            ssl_context=context if address.scheme == "https" else None,
        )
        pool = httpcore2.AsyncConnectionPool(context, proxy, keepalive_expiry=keep, network_backend=way)
        return pool.create_connection(origin if self.socks else _bracketed(origin))

    @property
    def socks(self) -> bool:
        return self.address.scheme.startswith("socks")

    def forwards(self, origin: httpcore2.Origin) -> bool:
        """Whether it is asked for documents of `origin`, and not for a connection to it: Squid connects to no port but 443."""
        return origin.scheme == b"http" and not self.socks


class _Connection(httpcore2.AsyncConnectionInterface):
    """httpcore2's own connection, its errors told apart: which are the proxy's, which are the server's."""

    def __init__(
        self, proxy: Proxy, origin: httpcore2.Origin, way: "_Way", inner: httpcore2.AsyncConnectionInterface
    ) -> None:
        self._proxy, self._origin, self._way, self._inner = proxy, origin, way, inner
        self._used = False

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Raises TransportError (`proxy`, `proxy_auth`, `proxy_refused`, `proxy_gateway`) and httpcore2's exceptions."""
        forwards = self._proxy.forwards(self._origin)
        try:
            response = await self._inner.handle_async_request(self._addressed(request, forwards=forwards))
        except (errors.FetchError, httpcore2.TimeoutException, httpcore2.LocalProtocolError):
            raise
        except httpcore2.ProxyError as exc:
            raise self._refused(str(exc)) from exc
        except Exception as exc:
            if self._used or self._way.beyond or (self._proxy.socks and self._inner.is_connected()):
                raise
            said = "the proxy closed the connection, or is none of its kind"
            raise errors.TransportError(f"{said} ({self._proxy.address.scheme})", code="proxy") from exc
        self._used = True
        if forwards and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise self._unknown()
        return response

    def _addressed(self, request: httpcore2.Request, *, forwards: bool) -> httpcore2.Request:
        """`request` as the proxy is to be asked."""
        origin, extensions = _bracketed(self._origin), dict(request.extensions)
        target = request.url.target
        if forwards:
            # RFC 9112 §3.2.2; the usual port is left out, as it is in the Host header.
            port = b"" if origin.port == 80 else b":%d" % origin.port
            target = b"http://%b%b%b" % (origin.host, port, target)
        elif origin.host == self._origin.host or self._proxy.socks:
            return request
        else:
            extensions["sni_hostname"] = self._origin.host.decode("ascii")
        url = httpcore2.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target)
        return httpcore2.Request(request.method, url, headers=request.headers, extensions=extensions)

    def _refused(self, said: str) -> errors.TransportError:
        host = markup.line(self._origin.host.decode("ascii"), 100)
        shown = markup.line(said.rpartition("could not connect: ")[2], 100).rstrip(". ")
        if self._proxy.socks:
            auth, refused = said.startswith(_SOCKS_AUTH), any(words in said for words in _SOCKS_REFUSED)
        else:
            auth, refused, shown = said.startswith("407"), not said.startswith("5"), f"HTTP {shown}"
        if auth:
            return self._unknown()
        if refused:
            return errors.TransportError(f"the proxy does not let us reach {host}: {shown}", code="proxy_refused")
        return errors.TransportError(f"the proxy could not reach {host}: {shown}", code="proxy_gateway")

    def _unknown(self) -> errors.TransportError:
        given = bool(self._proxy.address.user)
        said = "does not take the user and password it is given" if given else "wants a user and a password"
        return errors.TransportError(f"the proxy {said}", code="proxy_auth")

    async def aclose(self) -> None:
        await self._inner.aclose()
        # httpcore2 forgets a connection on which SOCKS5 was not agreed.
        if self._way.stream is not None:
            await self._way.stream.aclose()

    def is_idle(self) -> bool:
        return self._inner.is_idle()

    def has_expired(self) -> bool:
        return self._inner.has_expired()


class _Way(httpcore2.AsyncNetworkBackend):
    """The backend of one connection, which ends at the proxy. `beyond`: the server at the other end has been reached."""

    def __init__(self, proxy: Proxy, watch: connections.Watch) -> None:
        self._proxy, self._watch, self._secure = proxy, watch, proxy.address.scheme == "https"
        self.stream: httpcore2.AsyncNetworkStream | None = None
        self.beyond = False

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self._watch.connected, self._watch.waiting_for = True, _CONNECTING
        try:
            self.stream = await self._proxy.backend.connect_tcp(host, port, timeout, local_address, socket_options)
        except errors.TransportError as exc:
            raise errors.TransportError(f"the proxy cannot be reached: {exc}", code="proxy") from exc
        self._watch.waiting_for = _SECURING if self._secure else _ASKING
        return _Stream(self.stream, self)

    async def sleep(self, seconds: float) -> None:
        await self._proxy.backend.sleep(seconds)

    async def start_tls(
        self, stream: httpcore2.AsyncNetworkStream, context: ssl.SSLContext, name: str | None, timeout: float | None
    ) -> httpcore2.AsyncNetworkStream:
        """With the proxy, if it is one of https, and then with the server."""
        if not self._secure:
            self.beyond, self._watch.waiting_for = True, "the TLS handshake"
            secured = await stream.start_tls(context, name, timeout)
            self._watch.waiting_for = connections.HEADERS
            return secured
        self._secure = False
        try:
            secured = await stream.start_tls(context, name, timeout)
        except errors.TransportError as exc:
            said = str(exc).replace("the server", "the proxy", 1)
            raise errors.TransportError(f"no TLS with the proxy: {said}", code="proxy") from exc
        self._watch.waiting_for = _ASKING
        return _Stream(secured, self)


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection to the proxy, until TLS with the server begins on it."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream, way: _Way) -> None:
        self._inner, self._way = inner, way

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return await self._way.start_tls(self._inner, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _bracketed(origin: httpcore2.Origin) -> httpcore2.Origin:
    """`origin` with its host as it stands in a URL: httpcore2 puts no brackets around IPv6."""
    try:
        ipaddress.IPv6Address(origin.host.decode("ascii"))
    except ValueError:
        return origin
    return httpcore2.Origin(scheme=origin.scheme, host=b"[%b]" % origin.host, port=origin.port)
