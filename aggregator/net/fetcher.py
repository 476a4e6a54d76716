"""One fetch: a request → a usable response, or a FetchError with its reason.

Bounded in time, bytes, redirects and addresses. Never keeps cookies, sends a Referer or follows a redirect unchecked.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode

import httpcore2
import httpx2

from aggregator import __version__, cadence, clock, config, diagnosis, errors, markup, model, spool
from aggregator.net import body, connections, decode, guard, hops, manners, proxies, robots, stream, trail

_MOST_REDIRECTS = 10
_CONNECT_LIMIT = 10.0
# A validator beyond this was not meant to be sent back (hazards, rule 8).
_LONGEST_VALIDATOR = 1024
# Real answers have some twenty; their size h11 bounds.
_MOST_HEADERS = 200
_FORM = b"application/x-www-form-urlencoded"
# Our name in robots.txt, whatever user agent a source was given.
_PRODUCT = "aggregator"

# RemoteProtocolError for a connection that ended too early: httpcore2 http11.py, h11 _readers.py.
_BROKEN_OFF = ("disconnected without", "peer closed connection")


def personal(request: model.Request, source: config.SourceConfig) -> model.Request:
    """`request` with what the source's configuration adds: its proxy, its user agent and its port anywhere; its headers, cookies and
    password only on the site it names, which may have moved from http to https."""
    request = replace(request, proxy=source.proxy or request.proxy)
    try:
        named, asked = guard.parsed(source.url), guard.parsed(request.url)
        here, home = hops.origin(asked), hops.origin(named)
    except (httpx2.InvalidURL, ValueError):
        return request
    request = replace(request, user_agent=source.user_agent or request.user_agent, port=named.port)
    secured = home == (b"http", home[1], 80) and here == (b"https", home[1], 443)
    if here != home and not secured:
        return request
    return replace(request, headers=dict(source.headers), cookies=dict(source.cookies), auth=source.credentials)


class Fetcher:
    """The one client: its connections are kept for a while and shared; `aclose` ends them. With a `shelf`, pages are fetched only
    where robots.txt permits."""

    def __init__(
        self,
        settings: config.HttpSettings,
        manners: manners.Manners,
        *,
        shelf: robots.Shelf | None = None,
        now: clock.Clock = clock.now,
    ) -> None:
        self._manners, self._now, self._limit = manners, now, settings.timeout.total_seconds()
        self._allowed = guard.Allowed.of(settings.allow_networks)
        self._guard = guard.Guard(allowed=self._allowed, connect_to=settings.connect_to)
        self._connections = connections.Connections(_context(settings), self._guard)
        self._proxies = proxies.Proxies(settings.proxy)
        self._robots = robots.Robots(fetch=self._robots_txt, shelf=shelf, clock=now) if shelf is not None else None
        self._seats = tuple((size, asyncio.Semaphore(count)) for size, count in body.LARGE)
        self._user_agent = f"{_PRODUCT}/{__version__}" + (f" (+{settings.contact})" if settings.contact else "")

    async def aclose(self) -> None:
        """End what nobody waits for any more, and close all connections."""
        if self._robots is not None:
            await self._robots.aclose()
        await self._connections.aclose()

    async def fetch(
        self, request: model.Request, held: AsyncExitStack | None = None, told: trail.Trail | None = None
    ) -> model.Response:
        """The document at `request.url`, after at most ten redirects. Raises FetchError, its `url` where it happened.

        `timeout` bounds all exchanges together; waiting for a host's turn does not count.
        There is room for few large documents at a time: with `held`, until that is closed, which is also how long those on disk stay
        there; otherwise until this returns. `told` learns of every exchange.
        """
        try:
            async with AsyncExitStack() as here:
                hop, answer, took = await self._follow(request, held or here, told, spooled=held is not None)
            return self._response(hop, answer, took)
        except errors.FetchError as exc:
            exc.url = exc.url or request.url
            raise

    async def post(self, request: model.Request) -> None:
        """Send the `form` of `request`; returns once it was accepted (2xx). Raises FetchError, in its words what the server said.

        A redirect is followed with the form (WebSub §5.1.2), but for 303, which asks for something else, and never from https to
        http: there are secrets in it.
        """
        try:
            async with AsyncExitStack() as held:
                hop, answer, _ = await self._follow(request, held)
            if not 200 <= answer.status <= 299:
                raise self._refusal(hop, answer)
        except errors.FetchError as exc:
            exc.url = exc.url or request.url
            raise

    def paused(self, host: str) -> bool:
        """Whether `host` asked to be left alone, all of it."""
        return self._manners.paused_until(host) is not None

    async def addresses(self, request: model.Request) -> tuple[diagnosis.Address, ...]:
        """Where the host of `request` is, as far as looking it up tells; nothing where a proxy does that. Raises FetchError."""
        hop = hops.first(request, self._allowed)
        if self._proxies.of(request.proxy) is not None:
            return ()
        return await self._guard.look_up(hop.host, guard.port_of(hop.url))

    async def permitted(self, request: model.Request) -> float | None:
        """The crawl delay that the host's robots.txt asks for. Raises what keeps `request`, for a page, from being sent."""
        hop = hops.first(request, self._allowed)
        return await self._robots.check(hop.name, _PRODUCT, request.proxy) if self._robots is not None else None

    async def sitemaps(self, request: model.Request) -> tuple[str, ...]:
        """The sitemaps that the robots.txt of its host names. Raises what keeps robots.txt from being asked for."""
        hop = hops.first(request, self._allowed)
        return await self._robots.sitemaps(hop.name, _PRODUCT, request.proxy) if self._robots is not None else ()

    async def _follow(
        self, request: model.Request, held: AsyncExitStack, told: trail.Trail | None = None, *, spooled: bool = False
    ) -> tuple[hops.Hop, hops.Answer, timedelta]:
        """The last hop of a chain of redirects, and what was answered there."""
        hop, spent = hops.first(request, self._allowed), 0.0
        try:
            proxied = self._proxies.of(request.proxy) is not None
            for _ in range(_MOST_REDIRECTS + 1):
                if proxied:
                    guard.unresolved(hop.url, self._allowed)
                if request.heed_robots and self._robots is not None:
                    delay = await self._robots.check(hop.name, _PRODUCT, request.proxy)
                    self._manners.crawl_delay(hop.host, delay)
                async with self._manners.turn(hop.host, heed_pause=request.heed_pause):
                    began = time.monotonic()
                    room = body.Room(seats=self._seats, held=held, spooled=spooled)
                    answer = await self._exchange(request, hop, self._limit - spent, room, told)
                    took = time.monotonic() - began
                    spent += took
                self._manners.answered(hop.host, hop.name, answer.status, began=began, took=took)
                if answer.status not in (hops.MOVED if request.form is None else hops.MOVED_WITH_FORM):
                    return hop, answer, timedelta(seconds=spent)
                hop = hops.redirected(request, hop, answer, self._allowed)
            raise errors.FetchError(f"more than {_MOST_REDIRECTS} redirects", code="redirects", status=answer.status)
        except errors.FetchError as exc:
            exc.url = exc.url or hop.name
            raise

    async def _robots_txt(self, url: str, proxy: str | None) -> robots.Copy:
        # Whoever asks may ask for a page there.
        port = guard.port_of(guard.parsed(url))
        request = model.Request(
            url=url, accept="text/plain, */*;q=0.1", max_bytes=robots.MOST_BYTES, cut=True, port=port, proxy=proxy
        )
        async with AsyncExitStack() as held:
            _, answer, _ = await self._follow(request, held)
        return robots.Copy(status=answer.status, body=spool.crossing(answer.body))

    # ------------------------------------------------------------------------------------------------- one exchange

    async def _exchange(
        self, request: model.Request, hop: hops.Hop, left: float, room: body.Room, told: trail.Trail | None = None
    ) -> hops.Answer:
        watch = connections.Watch(told=told)
        if told is not None:
            told.asked(hop.name)
        try:
            async with asyncio.timeout(left) as room.deadline:
                with _edge(watch):
                    return await self._ask(request, hop, watch, room)
        except TimeoutError as exc:
            said = f"not done within {self._limit:g} s: waiting for {watch.waiting_for}"
            raise errors.TransportError(said, code="timeout") from exc

    async def _ask(
        self, request: model.Request, hop: hops.Hop, watch: connections.Watch, room: body.Room
    ) -> hops.Answer:
        try:
            return await self._once(request, hop, watch, room, fresh=False)
        except (httpcore2.NetworkError, httpcore2.RemoteProtocolError):
            if watch.connected or watch.waiting_for != connections.HEADERS:
                raise
        # A kept connection that the server closed just then (RFC 9112 §9.3.1): no word about the document.
        return await self._once(request, hop, watch, room, fresh=True)

    async def _once(
        self, request: model.Request, hop: hops.Hop, watch: connections.Watch, room: body.Room, *, fresh: bool
    ) -> hops.Answer:
        sent, route = self._sent(request, hop), self._proxies.of(request.proxy)
        async with self._connections.answer(sent, hop.origin, watch, fresh=fresh, route=route) as response:
            watch.waiting_for = "the body of the answer"
            status, headers = response.status, _headers(response)
            if watch.told is not None:
                watch.told.answered(status, headers, response)
            decoded: spool.Body = b""
            wire_bytes = 0
            if status == HTTPStatus.OK or request.form is not None:
                async with aclosing(response.aiter_stream()) as chunks:
                    decoded, wire_bytes = await body.read(chunks, headers, request, room)
            elif status == HTTPStatus.NOT_MODIFIED:
                # It has no body; only one that was read to its end leaves the connection fit for use.
                await response.aread()
        if watch.told is not None:
            watch.told.ended(wire_bytes, len(decoded))
        return hops.Answer(status=status, headers=headers, body=decoded, wire_bytes=wire_bytes)

    def _sent(self, request: model.Request, hop: hops.Hop) -> httpcore2.Request:
        limits = {"connect": min(_CONNECT_LIMIT, self._limit), "read": None, "write": None, "pool": None}
        scheme, host, port = hop.origin
        content = urlencode(request.form).encode("ascii") if request.form is not None else None
        headers = self._headers(request, hop)
        if content is not None:
            headers += [(b"content-type", _FORM), (b"content-length", str(len(content)).encode())]
        return httpcore2.Request(
            "GET" if content is None else "POST",
            httpcore2.URL(scheme=scheme, host=host, port=port, target=hop.url.raw_path),
            headers=headers,
            content=content,
            extensions={"timeout": limits},
        )

    def _headers(self, request: model.Request, hop: hops.Hop) -> list[tuple[bytes, bytes]]:
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
        headers["accept-encoding"] = decode.ACCEPTED
        told = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        return [(b"host", hop.url.netloc), *told]

    # ---------------------------------------------------------------------------------------------------- its meaning

    def _response(self, hop: hops.Hop, answer: hops.Answer, took: timedelta) -> model.Response:
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

    def _refusal(self, hop: hops.Hop, answer: hops.Answer) -> errors.StatusError:
        status = answer.status
        if status == HTTPStatus.NOT_MODIFIED:
            # Taken for "unchanged" it would hide the document for ever.
            said = "HTTP 304 Not Modified, to a request without conditions"
            return errors.StatusError(said, code="unasked_304", status=status, url=hop.name)
        said = f"HTTP {status} {_phrase(status)}".strip()
        # Only what a form was answered is read (`_once`); a hub says there what is wrong with it.
        if answer.body:
            said += f": {markup.line(config.redact(_text(spool.crossing(answer.body))), 200)}"
        if status == HTTPStatus.GONE:
            return errors.GoneError(said, status=status, url=hop.name)
        retry_after = None
        if status == HTTPStatus.TOO_MANY_REQUESTS or 500 <= status <= 599:
            retry_after = _retry_after(answer.headers, self._now())
        if retry_after is not None:
            self._manners.pause(hop.host, hop.name, retry_after)
        return errors.StatusError(said, code=f"http_{status}", status=status, retry_after=retry_after, url=hop.name)


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


# -------------------------------------------------------------------------------------------------------- answers


def _headers(response: httpcore2.Response) -> Mapping[str, str]:
    """Its headers, those of one name joined. Raises TransportError (`headers`)."""
    if len(response.headers) > _MOST_HEADERS:
        said = f"the answer has {len(response.headers)} headers, more than {_MOST_HEADERS}"
        raise errors.TransportError(said, code="headers")
    headers: dict[str, str] = {}
    for raw, data in response.headers:
        name, value = raw.decode("latin-1").lower(), _text(data)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _validators(url: str, headers: Mapping[str, str]) -> model.Validators:
    def usable(value: str) -> str | None:
        fits = value and len(value) <= _LONGEST_VALIDATOR and value.isascii() and value.isprintable()
        return value if fits else None

    etag, last_modified = usable(headers.get("etag", "")), usable(headers.get("last-modified", ""))
    return model.Validators(url=url, etag=etag, last_modified=last_modified)


def _retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """RFC 9110 §10.2.3: seconds or a date, as a whole second from now to a day ahead; None for anything else.

    A date is measured by the server's own clock, where it tells it.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        # Seven digits are more than a day; a few thousand of them would overflow.
        wait = timedelta(seconds=int(value)) if len(value) < 7 else manners.LONGEST_PAUSE
    elif (date := cadence.http_date(value)) is not None:
        wait = date - (cadence.http_date(headers.get("date", "")) or now)
    else:
        return None
    wait = min(max(wait, timedelta(0)), manners.LONGEST_PAUSE)
    # `now` is the whole second that has begun: the one after it is meant.
    return (now + wait).replace(microsecond=0) + timedelta(seconds=wait < manners.LONGEST_PAUSE)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


# --------------------------------------------------------------------------------------------------------- errors


@contextmanager
def _edge(watch: connections.Watch) -> Iterator[None]:
    """Foreign exceptions become ours: all of them, for the libraries raise more than they say (hazards, rule 5)."""
    try:
        yield
    except errors.FetchError:
        raise
    except Exception as exc:
        raise _mapped(exc, watch) from exc


def _mapped(exc: Exception, watch: connections.Watch) -> errors.FetchError:
    said = markup.line(config.redact(str(exc)), 200)
    if isinstance(exc, ssl.SSLError):
        return stream.tls_error(exc)
    if isinstance(exc, httpcore2.TimeoutException | TimeoutError):
        return errors.TransportError(f"timed out waiting for {watch.waiting_for}", code="timeout")
    broken_off = isinstance(exc, httpcore2.RemoteProtocolError) and any(words in said for words in _BROKEN_OFF)
    if broken_off or isinstance(exc, httpcore2.NetworkError | OSError):
        text = f"the server closed the connection while we waited for {watch.waiting_for}"
        return errors.TransportError(text, code="reset")
    if isinstance(exc, httpcore2.RemoteProtocolError):
        return errors.TransportError(f"the answer is not proper HTTP: {said}", code="protocol")
    if isinstance(exc, httpcore2.LocalProtocolError | UnicodeError):
        # Its text would show the header, which may be a password.
        return errors.TransportError("the request cannot be written as HTTP: look at its headers", code="protocol")
    return errors.TransportError(f"{type(exc).__name__}: {said}", code="protocol")
