"""The rules of WebSub (W3C Recommendation, 23 January 2018) for a subscriber: where a document is pushed from, what to ask of a hub, which
of its calls to believe, and whether it does push. Pure."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from aggregator import cadence, markup, model, pushing
from aggregator.feed import hints

# §8.2 calls ten days a good default.
LEASE = timedelta(days=10)
# What a hub says is believed within these.
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=365)
# §8.2: bounded, and nothing binary. Real ones have 16 to 128 characters.
_LONGEST_CHALLENGE = 2048
# §7.1: "sha1 … most hubs"; the other three are the registered ones.
_METHODS = frozenset({"sha1", "sha256", "sha384", "sha512"})
# A hub has so long to push what its publisher has published: most need seconds, those that poll the publisher some minutes.
GRACE = timedelta(minutes=10)

# States in which we want to be subscribed.
WANTED = frozenset(
    {
        pushing.State.FOUND,
        pushing.State.REQUESTED,
        pushing.State.ACTIVE,
        pushing.State.DENIED,
        pushing.State.FAILED,
        pushing.State.BROKEN,
        pushing.State.EXPIRED,
    }
)


def discovered(headers: Mapping[str, str], feed: model.ParsedFeed, url: str) -> pushing.Discovery:
    """Where the document at `url` is pushed from: by its Link headers, and what these do not say by itself (§4).

    A document that names no `self` is its own topic. Hubs that speak https come first (§8.2).
    """
    hubs, topic = hints.websub(hints.links(headers.get("link", "")), url)
    hubs = hubs or feed.hubs
    if not hubs:
        return pushing.Discovery()
    return pushing.Discovery(
        hubs=tuple(sorted(hubs, key=lambda hub: urlsplit(hub).scheme != "https")), topic=topic or feed.self_url or url
    )


def callback(base_url: str, token: str) -> str:
    """The address that a hub calls."""
    return f"{base_url.rstrip('/')}/websub/{token}"


def form(subscription: pushing.Subscription, base_url: str) -> Mapping[str, str]:
    """What to post to the hub (§5.1), by the subscription's state to subscribe or to unsubscribe."""
    ending = subscription.state == pushing.State.ENDING
    told = {
        "hub.mode": "unsubscribe" if ending else "subscribe",
        "hub.topic": subscription.topic,
        "hub.callback": callback(base_url, subscription.token),
        # PubSubHubbub 0.3, of which there are hubs still, requires it; others must ignore it.
        "hub.verify": "async",
    }
    if not ending:
        told |= {"hub.secret": subscription.secret, "hub.lease_seconds": str(round(LEASE.total_seconds()))}
    return told


def challenge(query: Mapping[str, str]) -> str | None:
    """The challenge to echo; None for none, and for what is no honest one."""
    value = query.get("hub.challenge", "")
    return value if value and len(value) <= _LONGEST_CHALLENGE and value.isascii() and value.isprintable() else None


def granted(query: Mapping[str, str]) -> timedelta:
    """The lease that the hub grants; that which we asked for where it does not say (PubSubHubbub 0.3)."""
    value = query.get("hub.lease_seconds", "").strip()
    if not (value.isascii() and value.isdigit()):
        return LEASE
    # Thousands of digits are more than `int` takes.
    return min(max(timedelta(seconds=int(value)), _SHORTEST), _LONGEST) if len(value) < 10 else _LONGEST


def signed(secret: str, signatures: Iterable[str], body: bytes) -> bool:
    """Whether one of the X-Hub-Signature headers, `method=hex`, is that of `body` (§7.1)."""
    for signature in signatures:
        method, _, given = signature.strip().partition("=")
        if method.lower() in _METHODS:
            right = hmac.new(secret.encode(), body, method.lower()).hexdigest()
            if hmac.compare_digest(right.encode(), given.strip().lower().encode()):
                return True
    return False


def digest(content_type: str, body: bytes) -> str:
    """What tells one pushed document from another."""
    return hashlib.sha256(content_type.encode() + b"\0" + body).hexdigest()[:32]


def discreet(said: str, subscription: pushing.Subscription) -> str:
    """What a hub said, in a line, without what only it and we may know: hubs quote what they were sent."""
    for secret in (subscription.secret, subscription.token):
        said = said.replace(secret, "…")
    return markup.line(said, 200)


# ---------------------------------------------------------------------------------------------------- does it push?


def missed(
    subscription: pushing.Subscription, entries: Iterable[model.Entry], *, polled_before: datetime | None, now: datetime
) -> tuple[int, int]:
    """Of the new `entries` of a poll: how many the hub has missed, and how many it may have.

    Missed is what was published since it is subscribed, and longer ago than its grace, by a date that can be true: not before
    the poll before, which did not show it. What came since both, with no such date, it may have missed: it still has its grace.
    """
    since = subscription.active_since
    if subscription.state != pushing.State.ACTIVE or since is None:
        return 0, 0
    certain, possible = 0, 0
    for entry in entries:
        at = entry.published_at
        credible = at is not None and at <= now and (polled_before is None or at > polled_before)
        if at is not None and credible and at > since and now - at > GRACE:
            certain += 1
        elif (at is not None and credible and at > since) or (polled_before is not None and polled_before >= since):
            possible += 1
    return certain, possible


def missing(count: int | None, subscription: pushing.Subscription, at: datetime) -> str:
    """Why it is no longer relied upon, in a sentence: `count` entries, if known, that the poll of `at` found."""
    last = subscription.last_push_at
    before = f"last pushed {last:%Y-%m-%d %H:%M}" if last else "has never pushed"
    what = "what is new" if count is None else f"{count} new {'entry' if count == 1 else 'entries'}"
    return f"{subscription.hub} has not pushed {what} in the poll of {at:%Y-%m-%d %H:%M} UTC (it {before}); polled as usual"


def moved_on(subscription: pushing.Subscription, hubs: tuple[str, ...], topic: str | None) -> bool:
    """Whether the document now names another topic, or other hubs. One that names none any more may only have forgotten it."""
    return bool(hubs) and (subscription.topic != topic or subscription.hub not in hubs)


def next_hub(subscription: pushing.Subscription, hubs: tuple[str, ...]) -> str:
    """The hub to try after this one."""
    if subscription.hub not in hubs:
        return hubs[0] if hubs else subscription.hub
    return hubs[(hubs.index(subscription.hub) + 1) % len(hubs)]


def ask_again(
    subscription: pushing.Subscription,
    why: str,
    *,
    hubs: tuple[str, ...],
    now: datetime,
    retry_after: datetime | None = None,
) -> model.Due:
    """When a hub is asked again that was asked in vain, and why in words."""
    due = cadence.ask_again(
        subscription, failures=subscription.failures + 1, hubs=len(hubs), now=now, retry_after=retry_after
    )
    return model.Due(at=due.at, reason=f"{discreet(why, subscription)}; {due.reason}")
