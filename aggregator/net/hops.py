"""The URLs that one request leads to: the first, and wherever its redirects go. Pure; every one is checked before it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from aggregator import config, errors, markup, model, spool
from aggregator.net import guard

MOVED = frozenset({301, 302, 303, 307, 308})
# 303 asks for a GET of something else, which is no answer to a form.
MOVED_WITH_FORM = MOVED - {303}
_MOVED_FOR_GOOD = frozenset({301, 308})

Origin = tuple[bytes, bytes, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said: `headers` with lower-case names, `body` decoded, `wire_bytes` its size before that."""

    status: int
    headers: Mapping[str, str]
    body: spool.Body = b""
    wire_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
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

    @property
    def host(self) -> str:
        return self.url.raw_host.decode("ascii").lower()

    @property
    def origin(self) -> Origin:
        return origin(self.url)


def first(request: model.Request, allowed: guard.Allowed = guard.NOTHING) -> Hop:
    """Where `request` goes. Raises BlockedError."""
    url = guard.checked(request.url, port=request.port, allowed=allowed)
    # A user and password in it are neither sent nor told.
    name = request.url if "@" not in request.url else str(url)
    return Hop(
        url=url,
        name=name,
        own=True,
        permanent=name,
        lasting=True,
        validators=_for(name, request),
        before=frozenset({url}),
    )


def redirected(request: model.Request, hop: Hop, answer: Answer, allowed: guard.Allowed = guard.NOTHING) -> Hop:
    """Where `answer` sends us. Raises FetchError (`bad_redirect`, `redirect_loop`) and BlockedError."""
    location = answer.headers.get("location", "").strip()
    if not location:
        said = f"HTTP {answer.status} without a Location to go to"
        raise errors.FetchError(said, code="bad_redirect", status=answer.status)
    try:
        # What has a scheme stands for itself: joined, `http:///x` would mean this host.
        absolute = location if httpx2.URL(location).scheme else str(hop.url.join(location))
        url = guard.checked(absolute, port=request.port, allowed=allowed)
    except errors.BlockedError as exc:
        if exc.code == "url":
            raise _bad_redirect(answer, location) from exc
        raise errors.BlockedError(f"redirected to what is refused: {exc}", code=exc.code, status=answer.status) from exc
    except (httpx2.InvalidURL, ValueError) as exc:
        raise _bad_redirect(answer, location) from exc
    if url in hop.before:
        raise errors.FetchError("the redirects go round in a circle", code="redirect_loop", status=answer.status)
    # From https to http is followed, but not for good: whoever sits on the line could have said it.
    secure = url.scheme == "https" or hop.url.scheme == "http"
    if request.form is not None and not secure:
        said = f"redirected from https to http, where secrets are not sent: {markup.line(config.redact(location), 100)}"
        raise errors.BlockedError(said, code="insecure", status=answer.status)
    name, lasting = str(url), hop.lasting and answer.status in _MOVED_FOR_GOOD and secure
    return Hop(
        url=url,
        name=name,
        own=hop.own and origin(url) == hop.origin,
        permanent=name if lasting else hop.permanent,
        lasting=lasting,
        validators=_for(name, request),
        before=hop.before | {url},
    )


def origin(url: httpx2.URL) -> Origin:
    """Scheme, host and port: RFC 6454."""
    return url.raw_scheme, url.raw_host, guard.port_of(url)


def _bad_redirect(answer: Answer, location: str) -> errors.FetchError:
    said = f"redirected to what is no URL: {markup.line(config.redact(location), 100)}"
    return errors.FetchError(said, code="bad_redirect", status=answer.status)


def _for(name: str, request: model.Request) -> model.Validators:
    """RFC 9110 §13.1: they mean something only to the URL that gave them."""
    return request.validators if request.validators.url == name else model.Validators()
