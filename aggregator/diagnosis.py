"""What a live check found at one source, as values; `findings` says what follows from them. Pure.

Durations are timedelta, times aware UTC datetimes. Every value stands for itself: None is "not known, for it never came to that".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from aggregator import model


class Verdict(StrEnum):
    """What a poll would make of the source: `failed` as a poll fails, `postponed` because its host asked to be left alone."""

    FAILED = "failed"
    POSTPONED = "postponed"
    WARNING = "warning"
    WELL = "well"


class Conditional(StrEnum):
    """What the server makes of its own validators when they are sent back."""

    WORKS = "works"
    IGNORED = "ignored"
    CHANGED = "changed"
    ABSENT = "absent"
    FAILED = "failed"


class Access(StrEnum):
    """Whether the newest entry's page may be fetched."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of the host; `refused` says in a word or two why it may not be contacted."""

    address: str
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The secured connection and the server's certificate, which was found to be good."""

    version: str
    issuer: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One exchange of a chain of redirects; without `status` it brought no answer. `first_byte` is when the answer's headers had
    come, `took` when all of it had, each since the request began."""

    url: str
    address: str | None = None
    tls: Tls | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    first_byte: timedelta | None = None
    took: timedelta | None = None
    wire_bytes: int = 0
    bytes: int = 0

    @property
    def permanent(self) -> bool:
        """Whether it was a redirect for good."""
        return self.status in (301, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The feed: how many of its `entries` have what. `pages`: of how many the page would be visited. `words`: the median of
    the words that an entry carries. `page_url`: the newest of those pages."""

    kind: str
    entries: int
    with_guid: int
    with_date: int
    with_link: int
    pages: int
    words: int
    title: str | None = None
    newest_at: datetime | None = None
    newest_title: str | None = None
    newest_url: str | None = None
    page_url: str | None = None
    damage: str | None = None
    hubs: tuple[str, ...] = ()
    topic: str | None = None
    hints: model.Hints = field(default_factory=model.Hints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What robots.txt says of the newest entry's page; `crawl_delay` in seconds."""

    url: str
    access: Access
    reason: str | None = None
    code: str | None = None
    crawl_delay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A sentence for the operator; `weight` is the verdict that it alone would mean, WELL for what is only a hint."""

    code: str
    weight: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """All that a live check met at the source `name`. `permanent_url` is how far 301 and 308 alone lead, `taken_by` another source
    there. `largest`: how many bytes a document may have.

    `wishes` are what the publisher asks for and `rhythm` what a poll would make of them, in words; `own_interval`: the interval is
    configured for this source. `skew` is how far the server's clock is ahead. `secure`: whether the same feed is served over https.
    `named` are the feeds that a page in the place of the feed names, or the site's front page where it is lost.
    """

    name: str
    url: str
    at: datetime
    addresses: tuple[Address, ...] = ()
    steps: tuple[Step, ...] = ()
    permanent_url: str | None = None
    validators: model.Validators = field(default_factory=model.Validators)
    conditional: Conditional | None = None
    conditional_said: str | None = None
    fresh_for: timedelta | None = None
    wishes: tuple[str, ...] = ()
    rhythm: str | None = None
    interval: timedelta | None = None
    own_interval: bool = False
    skew: timedelta | None = None
    largest: int = 0
    taken_by: str | None = None
    document: Document | None = None
    pages: Pages | None = None
    secure: bool | None = None
    named: tuple[str, ...] = ()
    error_code: str | None = None
    error: str | None = None
    retry_after: datetime | None = None

    @property
    def last(self) -> Step | None:
        """The exchange that brought the document, or the one that was the last."""
        return self.steps[-1] if self.steps else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was met, and what to do about it, most important first."""

    met: Met
    advice: tuple[Advice, ...] = ()

    @property
    def verdict(self) -> Verdict:
        order = list(Verdict)
        return min((one.weight for one in self.advice), key=order.index, default=Verdict.WELL)
