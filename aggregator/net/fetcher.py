"""One fetch: a request → a usable response, or a FetchError with its reason. Bounded in time, bytes, redirects and addresses.

Never keeps cookies, never sends a Referer, never follows a redirect unchecked, never holds more than the limit.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urljoin

import httpcore2
import httpx2

from aggregator import __version__, config, errors, markup, model
from aggregator.net import decode, guard, manners

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PERMANENT = frozenset({301, 308})
_MOST_REDIRECTS = 10
_LONGEST_URL = 8192
_CONNECT_LIMIT = 10.0
_LONGEST_RETRY = timedelta(hours=24)
# A validator that a server could not have meant (hazards, rule 8).
_LONGEST_VALIDATOR = 1024
# OpenSSL, x509_vfy.h: X509_V_ERR_*.
_EXPIRED, _WRONG_NAME = frozenset({9, 10}), frozenset({62, 63, 64})


def personal(request: model.Request, source: config.SourceConfig) -> model.Request:
    """`request` with what the source's configuration adds: its user agent anywhere, its headers, cookies and password only on
    the source's own host."""
    if source.user_agent:
        request = replace(request, user_agent=source.user_agent)
    if manners.host_of(request.url) != manners.host_of(source.url):
        return request
    return replace(request, headers=dict(source.headers), cookies=dict(source.cookies), auth=source.credentials)


class Fetcher:
    """The one client. Kept connections are reused; `aclose` ends them."""

    def __init__(self, settings: config.HttpSettings, ledger: manners.Manners) -> None:
        self._settings, self._manners = settings, ledger
        context = httpx2.create_ssl_context(trust_env=False)
        if settings.ca_bundle is not None:
            context.load_verify_locations(cafile=str(settings.ca_bundle))
        backend = guard.Guard(allowed=settings.allow_networks, connect_to=settings.connect_to)
        self._transport = _Transport(context, backend)
        contact = f" (+{settings.contact})" if settings.contact else ""
        self._user_agent = f"aggregator/{__version__}{contact}"

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def fetch(self, request: model.Request) -> model.Response:
        """The document at `request.url`, after at most ten redirects. Raises FetchError, with `url` where it happened.

        `settings.timeout` bounds all exchanges together; waiting for a host's turn does not count.
        """
        url, permanent, lasting = request.url, request.url, True
        left, visited = self._settings.timeout.total_seconds(), {request.url}
        started = time.monotonic()
        for _ in range(_MOST_REDIRECTS + 1):
            hop = await self._hop(request, url, left)
            left -= hop.took
            if hop.status not in _REDIRECTS:
                took = timedelta(seconds=time.monotonic() - started)
                return self._response(request, hop, permanent if lasting else "", took)
            lasting = lasting and hop.status in _PERMANENT
            url = _target(hop, visited)
            permanent = url if lasting else permanent
        raise errors.FetchError(f"more than {_MOST_REDIRECTS} redirects", code="redirects", url=url)

    async def _hop(self, request: model.Request, url: str, left: float) -> "_Hop":
        parsed = _checked(url, request.url)
        async with self._manners.turn(url):
            exchange = _Exchange(url)
            try:
                async with asyncio.timeout(max(left, 0.0)):
                    return await self._exchange(request, parsed, exchange)
            except errors.FetchError as exc:
                exc.url = exc.url or url
                raise
            except Exception as exc:
                raise _mapped(exc, exchange, self._settings.timeout) from exc

    async def _exchange(self, request: model.Request, url: httpx2.URL, exchange: "_Exchange") -> "_Hop":
        started = time.monotonic()
        headers = self._headers(request, exchange.url)
        limits = {"connect": _CONNECT_LIMIT, "read": None, "write": None, "pool": None}
        answer = await self._transport.handle_async_request(
            httpx2.Request("GET", url, headers=headers, extensions={"timeout": limits})
        )
        exchange.waiting_for = "the body"
        try:
            status, told = answer.status_code, _lower(answer.headers)
            body, wire = b"", 0
            if status == HTTPStatus.OK:
                body, wire = await _body(answer, told, request.max_bytes)
        finally:
            await answer.aclose()
        conditional = "if-none-match" in headers or "if-modified-since" in headers
        took = time.monotonic() - started
        return _Hop(
            url=exchange.url,
            status=status,
            headers=told,
            body=body,
            wire_bytes=wire,
            took=took,
            conditional=conditional,
        )

    def _headers(self, request: model.Request, url: str) -> dict[str, str]:
        headers = {
            "user-agent": request.user_agent or self._user_agent,
            "accept": request.accept,
            "accept-encoding": decode.ACCEPTED,
        }
        if _origin(url) == _origin(request.url):
            headers |= {name.lower(): value for name, value in request.headers.items()}
            if request.cookies:
                headers["cookie"] = "; ".join(f"{name}={value}" for name, value in request.cookies.items())
            if request.auth is not None:
                headers["authorization"] = "Basic " + base64.b64encode(":".join(request.auth).encode()).decode()
        if request.validators.url == url:
            if request.validators.etag:
                headers["if-none-match"] = request.validators.etag
            if request.validators.last_modified:
                headers["if-modified-since"] = request.validators.last_modified
        return headers

    def _response(self, request: model.Request, hop: "_Hop", permanent: str, took: timedelta) -> model.Response:
        if hop.status not in (200, 304) or (hop.status == HTTPStatus.NOT_MODIFIED and not hop.conditional):
            raise self._refused(hop)
        told = _validators(hop)
        if hop.status == HTTPStatus.NOT_MODIFIED:
            old = request.validators
            told = replace(old, etag=told.etag or old.etag, last_modified=told.last_modified or old.last_modified)
        return model.Response(
            url=hop.url,
            permanent_url=permanent or request.url,
            status=hop.status,
            headers=hop.headers,
            body=hop.body,
            wire_bytes=hop.wire_bytes,
            took=took,
            validators=told,
        )

    def _refused(self, hop: "_Hop") -> errors.FetchError:
        if hop.status == HTTPStatus.NOT_MODIFIED:
            return errors.StatusError(
                "HTTP 304 to a request without conditions", code="unasked_304", status=304, url=hop.url
            )
        said = f"HTTP {hop.status} {_phrase(hop.status)}".strip()
        if hop.status == HTTPStatus.GONE:
            return errors.GoneError(said, status=hop.status, url=hop.url)
        retry_after = _retry_after(hop.headers.get("retry-after"), datetime.now(UTC))
        if retry_after is not None and hop.status in (429, 503):
            self._manners.pause(hop.url, retry_after)
        return errors.StatusError(
            said, code=f"http_{hop.status}", status=hop.status, retry_after=retry_after, url=hop.url
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hop:
    """One answer; `took` in seconds, `conditional` whether validators were sent."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    wire_bytes: int
    took: float
    conditional: bool


@dataclass(slots=True)
class _Exchange:
    """What an exchange is at, to say where it got stuck."""

    url: str
    waiting_for: str = "an answer"


class _Transport(httpx2.AsyncHTTPTransport):
    """httpx's transport over a pool with our backend, which its own constructor has no argument for."""

    def __init__(self, context: ssl.SSLContext, backend: guard.Guard) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=200,
            max_keepalive_connections=50,
            keepalive_expiry=15.0,
            http1=True,
            http2=False,
            network_backend=backend,
        )


# ---------------------------------------------------------------------------------------------------------- requests


def _checked(url: str, asked: str) -> httpx2.URL:
    """`url` parsed, if it may be asked for. Raises BlockedError."""
    if len(url) > _LONGEST_URL:
        raise errors.BlockedError(f"the address is longer than {_LONGEST_URL} characters", code="url", url=url[:200])
    try:
        parsed = httpx2.URL(url)
        first = httpx2.URL(asked)
        # An IDNA error shows itself only here.
        host = parsed.raw_host
    except (httpx2.InvalidURL, ValueError) as exc:
        raise errors.BlockedError(
            f"not an address that can be asked for: {markup.line(str(exc), 200)}", code="url", url=url
        ) from exc
    if parsed.scheme not in ("http", "https"):
        raise errors.BlockedError(f"only http and https are asked, not {parsed.scheme[:20]!r}", code="scheme", url=url)
    if not host:
        raise errors.BlockedError("the address has no host", code="url", url=url)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    if not 0 < port < 65536:
        raise errors.BlockedError(f"there is no port {port}", code="url", url=url)
    if port not in (80, 443) and port < 1024 and port != first.port:
        raise errors.BlockedError(f"port {port} is not one that is asked", code="port", url=url)
    return (
        parsed.copy_with(fragment=None, username=None, password=None) if parsed.userinfo or parsed.fragment else parsed
    )


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx2.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _target(hop: _Hop, visited: set[str]) -> str:
    """Where a redirect leads. Raises FetchError for none, a bad one, or one that was there before."""
    location = hop.headers.get("location", "").strip()
    try:
        # RFC 9110 §10.2.2: the value is bytes; browsers read it as UTF-8.
        location = (
            location.encode("latin-1", "ignore").decode("utf-8", "replace") if not location.isascii() else location
        )
        target = urljoin(hop.url, location).partition("#")[0]
    except ValueError as exc:
        raise errors.FetchError(
            f"a redirect to nowhere: {markup.line(location, 200)!r}", code="bad_redirect", url=hop.url
        ) from exc
    if not location:
        raise errors.FetchError(
            f"HTTP {hop.status} without an address to go to", code="bad_redirect", status=hop.status, url=hop.url
        )
    if target in visited:
        raise errors.FetchError(
            "the redirects go round in a circle", code="redirect_loop", status=hop.status, url=hop.url
        )
    visited.add(target)
    return target


# ---------------------------------------------------------------------------------------------------------- answers


async def _body(answer: httpx2.Response, headers: Mapping[str, str], limit: int) -> tuple[bytes, int]:
    """The decoded body and its size on the wire, both within `limit`."""
    stated = headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        raise errors.TooLargeError(f"the document is larger than {decode.size(limit)}", code="too_large")
    decoder, wire = decode.Decoder(headers.get("content-encoding", ""), limit), 0
    async for part in answer.aiter_raw():
        wire += len(part)
        if wire > limit:
            raise errors.TooLargeError(f"the document is larger than {decode.size(limit)}", code="too_large")
        decoder.feed(part)
    return decoder.finish(), wire


def _lower(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _validators(hop: _Hop) -> model.Validators:
    def usable(value: str | None) -> str | None:
        fits = value and len(value) <= _LONGEST_VALIDATOR and value.isascii() and value.isprintable()
        return value if fits else None

    return model.Validators(
        url=hop.url, etag=usable(hop.headers.get("etag")), last_modified=usable(hop.headers.get("last-modified"))
    )


def _retry_after(value: str | None, now: datetime) -> datetime | None:
    """RFC 9110 §10.2.3: seconds or a date; not before now, not beyond a day."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        at = now + min(timedelta(seconds=min(int(text), 10**6)), _LONGEST_RETRY)
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at, now), now + _LONGEST_RETRY).astimezone(UTC).replace(microsecond=0)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


# ----------------------------------------------------------------------------------------------------------- errors


def _mapped(exc: Exception, exchange: _Exchange, limit: timedelta) -> errors.FetchError:
    """What went wrong on the wire, as one of ours."""
    url = exchange.url
    if isinstance(exc, httpx2.ConnectTimeout):
        return errors.TransportError(f"no connection within {_CONNECT_LIMIT:g} s", code="timeout", url=url)
    if isinstance(exc, (TimeoutError, httpx2.TimeoutException)):
        said = f"not done within {limit.total_seconds():g} s: still waiting for {exchange.waiting_for}"
        return errors.TransportError(said, code="timeout", url=url)
    if (tls := _cause(exc, ssl.SSLError)) is not None:
        return _tls(tls, url)
    if isinstance(exc, httpx2.ConnectError):
        refused = _cause(exc, ConnectionRefusedError) is not None
        said = "connection refused" if refused else f"cannot connect: {_said(exc)}"
        return errors.TransportError(said, code="connect", url=url)
    if isinstance(exc, (httpx2.ReadError, httpx2.WriteError)):
        return errors.TransportError(
            f"the server broke off while we waited for {exchange.waiting_for}", code="reset", url=url
        )
    if isinstance(exc, httpx2.RemoteProtocolError):
        code = "reset" if "disconnected" in str(exc) or "closed connection" in str(exc) else "protocol"
        return errors.TransportError(f"not an HTTP answer: {_said(exc)}", code=code, url=url)
    return errors.TransportError(f"{type(exc).__name__}: {_said(exc)}", code="protocol", url=url)


def _tls(exc: Exception, url: str) -> errors.FetchError:
    verify = getattr(exc, "verify_code", 0)
    if verify in _EXPIRED:
        return errors.TransportError(
            "the server's certificate has expired or is not valid yet", code="tls_expired", url=url
        )
    if verify in _WRONG_NAME:
        return errors.TransportError("the server's certificate is for another name", code="tls_name", url=url)
    if verify:
        return errors.TransportError(
            f"the server's certificate is not trusted: {_said(exc)}", code="tls_authority", url=url
        )
    return errors.TransportError(f"no TLS connection: {_said(exc)}", code="tls", url=url)


def _cause(exc: BaseException | None, kind: type[Exception]) -> Exception | None:
    while exc is not None:
        if isinstance(exc, kind):
            return exc
        exc = exc.__cause__ or exc.__context__
    return None


def _said(exc: Exception) -> str:
    return markup.line(config.redact(str(exc)), 300) or type(exc).__name__
