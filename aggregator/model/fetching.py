"""What is asked of a server and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aggregator.spool import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What the server at `url` last sent, verbatim, to be sent back to exactly that URL (RFC 9110 §13.1)."""

    url: str = ""
    etag: str | None = None
    last_modified: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One document to fetch. `max_bytes` bounds the answer on the wire and, separately, after decoding.

    `port`, which the source's own URL names, may be asked for besides the web's. `heed_pause`: whether a Retry-After that the
    host gave to another request holds for this one too. `heed_robots`: whether robots.txt is asked, as it is for pages.
    `cut`: whether of a larger document the first `max_bytes` are enough. `proxy`: None for the general one, if there is one.
    `form` makes it a POST of these fields.
    """

    url: str
    accept: str
    max_bytes: int
    validators: Validators = Validators()
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    user_agent: str | None = None
    proxy: str | None = field(default=None, repr=False)
    port: int | None = None
    heed_pause: bool = True
    heed_robots: bool = False
    cut: bool = False
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A usable answer: status 200 with its decoded body, or 304 with none.

    `url` is where the answer came from; `permanent_url` how far 301 and 308 alone lead from the requested URL.
    `headers` have lower-case names. `wire_bytes` counts the body before decoding; a large `body` is on disk (`spool`).
    """

    url: str
    permanent_url: str
    status: int
    headers: Mapping[str, str]
    body: Body
    wire_bytes: int
    took: timedelta
    validators: Validators = Validators()

    @property
    def not_modified(self) -> bool:
        return self.status == 304


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """What is remembered of a host between runs: until when it asked to be left alone, and its robots.txt.

    `robots` is the text, empty where there is none; `robots_error` says why it could not be had, `robots_since` since when.
    `own_limits`: another document of it was served during such a pause, so its limits concern single documents.
    """

    host: str
    retry_after: datetime | None = None
    own_limits: bool = False
    crawl_delay: float | None = None
    robots: str | None = None
    robots_at: datetime | None = None
    robots_error: str | None = None
    robots_since: datetime | None = None
