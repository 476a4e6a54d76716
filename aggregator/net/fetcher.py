"""One fetch: a request → a usable response, or a FetchError with its reason.

Bounded in time, bytes, redirects and addresses. Never keeps cookies, sends a Referer or follows a redirect unchecked.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpcore2
import httpx2

from aggregator import __version__, config, errors, markup, model
from aggregator.net import decode, guard, manners

_MOVED = frozenset({301, 302, 303, 307, 308})
_MOVED_FOR_GOOD = frozenset({301, 308})
_MOST_REDIRECTS = 10
_CONNECT_LIMIT = 10.0
# A validator beyond this was not meant to be sent back (hazards, rule 8).
_LONGEST_VALIDATOR = 1024
_KEPT_CONNECTIONS, _KEPT_SECONDS = 100, 15.0

# httpcore2, `Trace`: what each of these has begun to wait for.
_WAITS = {
    "connection.connect_tcp.started": "the connection",
    "connection.start_tls.started": "the TLS handshake",
    "http11.receive_response_headers.started": "the headers of the answer",
    "http11.receive_response_body.started": "the body of the answer",
}
# RemoteProtocolError for a connection that ended too early: httpcore2 http11.py, h11 _readers.py.
_BROKEN_OFF = ("disconnected without", "peer closed connection")


def personal(request: model.Request, source: config.SourceConfig) -> model.Request:
    """`request` with what the source's configuration adds: its user agent anywhere; its headers, cookies and password
    only on the site it names, which may have moved from http to https."""
    request = replace(request, user_agent=source.user_agent or request.user_agent)
    try:
        asked, home = _origin(httpx2.URL(request.url)), _origin(httpx2.URL(source.url))
    except (httpx2.InvalidURL, ValueError):
        return request
    secured = home == ("http", home[1], 80) and asked == ("https", home[1], 443)
    if asked != home and not secured:
        return request
    return replace(request, headers=dict(source.headers), cookies=dict(source.cookies), auth=source.credentials)


class Fetcher:
    """The one client: its connections are kept for a while and shared; `aclose` ends them."""

    def __init__(self, settings: config.HttpSettings, manners: manners.Manners) -> None:
        if settings.proxy is not None:
            raise errors.ConfigError("http.proxy: not available in this version")
        self._manners, self._limit = manners, settings.timeout.total_seconds()
        allowed = guard.Allowed.of(settings.allow_networks)
        self._transport = _Transport(_context(settings), guard.Guard(allowed=allowed, connect_to=settings.connect_to))
        self._user_agent = f"aggregator/{__version__}" + (f" (+{settings.contact})" if settings.contact else "")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def fetch(self, request: model.Request) -> model.Response:
        """The document at `request.url`, after at most ten redirects. Raises FetchError, its `url` where it happened.

        `timeout` bounds all exchanges together; waiting for a host's turn does not count.
        """
        url = request.url
        try:
            hop, spent = _first(request), 0.0
            for _ in range(_MOST_REDIRECTS + 1):
                url = hop.name
                async with self._manners.turn(url, heed_pause=request.heed_pause):
                    began = time.monotonic()
                    answer = await self._exchange(request, hop, self._limit - spent)
                    spent += time.monotonic() - began
                if answer.status not in _MOVED:
                    return self._response(hop, answer, timedelta(seconds=spent))
                hop = _redirected(request, hop, answer)
            raise errors.FetchError(f"more than {_MOST_REDIRECTS} redirects", code="redirects", status=answer.status)
        except errors.FetchError as exc:
            exc.url = exc.url or url
            raise

    # ------------------------------------------------------------------------------------------------- one exchange

    async def _exchange(self, request: model.Request, hop: "_Hop", left: float) -> "_Answer":
        watch = _Watch()
        try:
            async with asyncio.timeout(left):
                with _edge(watch):
                    return await self._ask(request, hop, watch)
        except TimeoutError as exc:
            said = f"not done within {self._limit:g} s: waiting for {watch.waiting_for}"
            raise errors.TransportError(said, code="timeout") from exc

    async def _ask(self, request: model.Request, hop: "_Hop", watch: "_Watch") -> "_Answer":
        async with self._sent(request, hop, watch) as response:
            status, headers = response.status_code, dict(response.headers.items())
            body, wire_bytes = b"", 0
            if status == HTTPStatus.OK:
                body, wire_bytes = await _body(response, request.max_bytes)
            elif status == HTTPStatus.NOT_MODIFIED:
                # It has no body; only one that was read to its end leaves the connection fit for use.
                await response.aread()
        return _Answer(status=status, headers=headers, body=body, wire_bytes=wire_bytes)

    @asynccontextmanager
    async def _sent(self, request: model.Request, hop: "_Hop", watch: "_Watch") -> AsyncIterator[httpx2.Response]:
        """The answer to `hop`, with its body still to come."""
        limits = {"connect": min(_CONNECT_LIMIT, self._limit), "read": None, "write": None, "pool": None}
        sent = httpx2.Request(
            "GET",
            hop.url,
            headers=self._headers(request, hop),
            extensions={"timeout": limits, "trace": watch.trace},
        )
        try:
            response = await self._transport.handle_async_request(sent)
        except (httpx2.NetworkError, httpx2.RemoteProtocolError):
            if watch.connected:
                raise
            # A kept connection that the server closed just then (RFC 9112 §9.3.1): no word about the document.
            response = await self._transport.handle_async_request(sent)
        try:
            yield response
        finally:
            await response.aclose()

    def _headers(self, request: model.Request, hop: "_Hop") -> Mapping[str, str]:
        headers = {"user-agent": request.user_agent or self._user_agent, "accept": request.accept}
        if hop.own:
            headers |= {name.lower(): value for name, value in request.headers.items()}
            if request.cookies:
                headers["cookie"] = "; ".join(f"{name}={value}" for name, value in request.cookies.items())
            if request.auth is not None:
                headers["authorization"] = "Basic " + base64.b64encode(":".join(request.auth).encode()).decode()
        if hop.validators.etag:
            headers["if-none-match"] = hop.validators.etag
        if hop.validators.last_modified:
            headers["if-modified-since"] = hop.validators.last_modified
        return headers | {"accept-encoding": decode.ACCEPTED}

    # ---------------------------------------------------------------------------------------------------- its meaning

    def _response(self, hop: "_Hop", answer: "_Answer", took: timedelta) -> model.Response:
        unasked = answer.status == HTTPStatus.NOT_MODIFIED and not hop.validators
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED) or unasked:
            raise self._refusal(hop, answer)
        told = _validators(hop.name, answer.headers)
        if answer.status == HTTPStatus.NOT_MODIFIED:
            old = hop.validators
            told = replace(old, etag=told.etag or old.etag, last_modified=told.last_modified or old.last_modified)
        return model.Response(
            url=hop.name,
            permanent_url=hop.permanent,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            wire_bytes=answer.wire_bytes,
            took=took,
            validators=told,
        )

    def _refusal(self, hop: "_Hop", answer: "_Answer") -> errors.StatusError:
        status = answer.status
        if status == HTTPStatus.NOT_MODIFIED:
            # Taken for "unchanged" it would hide the document for ever.
            said = "HTTP 304 Not Modified, to a request without conditions"
            return errors.StatusError(said, code="unasked_304", status=status)
        said = f"HTTP {status} {_phrase(status)}".strip()
        if status == HTTPStatus.GONE:
            return errors.GoneError(said, status=status)
        retry_after = None
        if status == HTTPStatus.TOO_MANY_REQUESTS or 500 <= status <= 599:
            retry_after = _retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC))
        if retry_after is not None:
            self._manners.pause(hop.name, retry_after)
        return errors.StatusError(said, code=f"http_{status}", status=status, retry_after=retry_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hop:
    """One URL of a chain of redirects.

    `name` is the URL as it is told to others, `own` whether the chain never left the origin of the request, `permanent`
    how far it led by permanent redirects alone and `lasting` whether that is here; `validators` are those to be sent.
    """

    url: httpx2.URL
    name: str
    own: bool
    permanent: str
    lasting: bool
    validators: model.Validators
    before: frozenset[httpx2.URL]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    wire_bytes: int


@dataclass(slots=True)
class _Watch:
    """How far an exchange has come: what it waits for, and whether a connection was made for it."""

    waiting_for: str = "a free connection"
    connected: bool = False

    async def trace(self, event: str, _info: Mapping[str, object]) -> None:
        """Called by httpcore2 at every step."""
        self.waiting_for = _WAITS.get(event, self.waiting_for)
        self.connected = self.connected or event.startswith("connection.connect_tcp")


class _Transport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over a pool with our backend, for which its constructor has no argument."""

    def __init__(self, context: ssl.SSLContext, backend: guard.Guard) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            # The seats of the engine bound how many are in use; waiting here would use up the time of the request.
            max_connections=None,
            max_keepalive_connections=_KEPT_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=backend,
        )


def _context(settings: config.HttpSettings) -> ssl.SSLContext:
    """Trusts the authorities of the system and those of `ca_bundle`."""
    context = httpx2.create_ssl_context(trust_env=False)
    if settings.ca_bundle is not None:
        try:
            context.load_verify_locations(cafile=str(settings.ca_bundle))
        except OSError as exc:
            said = f"http.ca_bundle: {settings.ca_bundle} cannot be read as certificates: {markup.line(str(exc), 200)}"
            raise errors.ConfigError(said) from exc
    return context


# ----------------------------------------------------------------------------------------------------------- hops


def _first(request: model.Request) -> _Hop:
    if request.proxy is not None:
        raise errors.BlockedError("a proxy for one source is not available in this version", code="proxy")
    url = guard.checked(request.url, port=_stated_port(request.url))
    name = request.url if not httpx2.URL(request.url).userinfo else str(url)
    return _Hop(
        url=url,
        name=name,
        own=True,
        permanent=name,
        lasting=True,
        validators=_for(name, request),
        before=frozenset({url}),
    )


def _redirected(request: model.Request, hop: _Hop, answer: _Answer) -> _Hop:
    """Where `answer` sends us. Raises FetchError (`bad_redirect`, `redirect_loop`) and BlockedError."""
    location = answer.headers.get("location", "").strip()
    if not location:
        said = f"HTTP {answer.status} without a Location to go to"
        raise errors.FetchError(said, code="bad_redirect", status=answer.status)
    try:
        # What has a scheme stands for itself: joined, `http:///x` would mean this host.
        absolute = location if httpx2.URL(location).scheme else str(hop.url.join(location))
        url = guard.checked(absolute, port=_stated_port(request.url))
    except errors.BlockedError as exc:
        if exc.code == "url":
            raise _bad_redirect(answer, location) from exc
        raise errors.BlockedError(f"redirected to what is refused: {exc}", code=exc.code, status=answer.status) from exc
    except (httpx2.InvalidURL, ValueError) as exc:
        raise _bad_redirect(answer, location) from exc
    if url in hop.before:
        raise errors.FetchError("the redirects go round in a circle", code="redirect_loop", status=answer.status)
    name, lasting = str(url), hop.lasting and answer.status in _MOVED_FOR_GOOD
    return _Hop(
        url=url,
        name=name,
        own=hop.own and _origin(url) == _origin(hop.url),
        permanent=name if lasting else hop.permanent,
        lasting=lasting,
        validators=_for(name, request),
        before=hop.before | {url},
    )


def _bad_redirect(answer: _Answer, location: str) -> errors.FetchError:
    said = f"redirected to what is no URL: {markup.line(config.redact(location), 100)}"
    return errors.FetchError(said, code="bad_redirect", status=answer.status)


def _stated_port(url: str) -> int | None:
    """The port that the operator, or the feed, names: for those few who publish below 1024."""
    try:
        return httpx2.URL(url).port
    except (httpx2.InvalidURL, ValueError):
        return None


def _origin(url: httpx2.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, guard.port_of(url)


def _for(name: str, request: model.Request) -> model.Validators:
    """RFC 9110 §13.1: they mean something only to the URL that gave them."""
    return request.validators if request.validators.url == name else model.Validators()


# -------------------------------------------------------------------------------------------------------- answers


async def _body(response: httpx2.Response, limit: int) -> tuple[bytes, int]:
    """The decoded body and its size on the wire, each within `limit`."""
    large = errors.TooLargeError(f"the document is larger than {decode.size(limit)}", code="too_large", status=200)
    stated = response.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        raise large
    decoder = decode.Decoder(response.headers.get("content-encoding", ""), limit)
    body, wire_bytes = bytearray(), 0
    async with aclosing(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            wire_bytes += len(chunk)
            if wire_bytes > limit:
                raise large
            for piece in decoder.feed(chunk):
                body += piece
                # A kilobyte may hold a megabyte of work: others get their turn in between.
                await asyncio.sleep(0)
    decoder.finish()
    return bytes(body), wire_bytes


def _validators(url: str, headers: Mapping[str, str]) -> model.Validators:
    def usable(value: str) -> str | None:
        fits = value and len(value) <= _LONGEST_VALIDATOR and value.isascii() and value.isprintable()
        return value if fits else None

    etag, last_modified = usable(headers.get("etag", "")), usable(headers.get("last-modified", ""))
    return model.Validators(url=url, etag=etag, last_modified=last_modified)


def _retry_after(value: str, now: datetime) -> datetime | None:
    """RFC 9110 §10.2.3: seconds or a date, as a whole second from now to a day ahead; None for anything else."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Seven digits are more than a day; a few thousand of them would overflow.
        at = now + (timedelta(seconds=int(value)) if len(value) < 7 else manners.LONGEST_PAUSE)
    else:
        try:
            date = parsedate_to_datetime(value)
            at = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    if at.microsecond or at < now:
        at = max(at, now).replace(microsecond=0) + timedelta(seconds=1)
    return min(at, (now + manners.LONGEST_PAUSE).replace(microsecond=0))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


# --------------------------------------------------------------------------------------------------------- errors


@contextmanager
def _edge(watch: _Watch) -> Iterator[None]:
    """Foreign exceptions become ours: all of them, for the libraries raise more than they say (hazards, rule 5)."""
    try:
        yield
    except errors.FetchError:
        raise
    except Exception as exc:
        raise _mapped(exc, watch) from exc


def _mapped(exc: Exception, watch: _Watch) -> errors.FetchError:
    said = markup.line(config.redact(str(exc)), 200)
    if isinstance(exc, ssl.SSLError):
        return guard.tls_error(exc)
    if isinstance(exc, httpx2.TimeoutException | TimeoutError):
        return errors.TransportError(f"timed out waiting for {watch.waiting_for}", code="timeout")
    broken_off = isinstance(exc, httpx2.RemoteProtocolError) and any(words in said for words in _BROKEN_OFF)
    if broken_off or isinstance(exc, httpx2.NetworkError | OSError):
        text = f"the server closed the connection while we waited for {watch.waiting_for}"
        return errors.TransportError(text, code="reset")
    if isinstance(exc, httpx2.RemoteProtocolError):
        return errors.TransportError(f"the answer is not proper HTTP: {said}", code="protocol")
    if isinstance(exc, httpx2.LocalProtocolError | UnicodeError):
        # Its text would show the header, which may be a password.
        return errors.TransportError("the request cannot be written as HTTP: look at its headers", code="protocol")
    return errors.TransportError(f"{type(exc).__name__}: {said}", code="protocol")
