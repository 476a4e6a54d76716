"""The values that flow between us and the hubs that push (WebSub), beside those of `model`."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """What `subscriptions.state` may hold; `subscriptions.reason` says why in words."""

    FOUND = "found"
    REQUESTED = "requested"
    ACTIVE = "active"
    DENIED = "denied"
    FAILED = "failed"
    BROKEN = "broken"
    EXPIRED = "expired"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Where a document says that it is pushed from (W3C WebSub §4): the hubs, the best first, and the topic to subscribe to."""

    hubs: tuple[str, ...] = ()
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscription to `topic` at `hub` for a source, as the store keeps it. `token` makes its callback unguessable, `secret` signs
    what is pushed; neither may be told to anybody but the hub.

    `active_since`: since when without a break. `suspect_at`: a poll found then what nobody had pushed. `waiting_at`: what was
    pushed then is not stored yet. `failures` counts requests in a row that led to nothing.
    """

    id: int
    source_id: int
    hub: str
    topic: str
    state: str
    reason: str
    token: str = field(repr=False)
    secret: str = field(repr=False)
    failures: int = 0
    next_try_at: datetime | None = None
    requested_at: datetime | None = None
    verified_at: datetime | None = None
    active_since: datetime | None = None
    lease_until: datetime | None = None
    pushes: int = 0
    refused: int = 0
    last_push_at: datetime | None = None
    push_hash: str | None = None
    waiting_at: datetime | None = None
    last_missed_at: datetime | None = None
    suspect_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a hub that calls us is told."""

    status: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One document that a hub pushed, its signature verified; `body_hash` tells it from others."""

    subscription: Subscription
    at: datetime
    body: bytes = field(repr=False)
    body_hash: str
    content_type: str
