"""When a source is polled next and an item visited again, with the reason in a sentence. Pure: the clock is an argument."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator import model

# Media Cloud, rss-fetcher config.py: a failure counts by how much of it is the feed's own fault.
_SOFT = 0.5
_NETWORK = 0.25
_SOFT_CODES = frozenset({"http_404", "http_408", "http_429", "timeout", "damaged", "worker"})
_NETWORK_CODES = frozenset({"dns"})
_LONGEST_BACKOFF = timedelta(hours=24)

# Ten tries over about a day: 3 min, doubled nine times, is 25.5 h in all.
_TRIES = 10
_FIRST_RETRY = timedelta(minutes=3)
# A missing page is asked for once more, for feeds run ahead of their sites; a refusal is asked about more slowly.
_MISSING = frozenset({"http_404", "http_410", "gone", "http_451"})
_MISSING_TRIES, _MISSING_RETRY = 2, timedelta(hours=1)
_REFUSED = frozenset({"http_401", "http_402", "http_403", "blocked", "paywalled"})
_REFUSED_TRIES, _REFUSED_RETRY = 5, timedelta(hours=1)
# What no later try can change.
_HOPELESS = frozenset(
    {"address", "port", "scheme", "url", "too_large", "too_large_decoded", "not_html", "short", "extract"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The configured bounds between two polls of a source."""

    interval: timedelta
    min_interval: timedelta
    max_interval: timedelta


def after_success(source: model.Source, *, now: datetime, limits: Limits) -> model.Due:
    """The next poll of a source that answered."""
    interval = min(max(limits.interval, limits.min_interval), limits.max_interval)
    return model.Due(at=now + _spread(interval, source.id, now), reason=f"every {words(interval)}, as configured")


def after_failure(
    source: model.Source, *, failures: float, now: datetime, limits: Limits, retry_after: datetime | None = None
) -> model.Due:
    """The next poll of a source that failed: later with every failure, never given up, not before the server wants it."""
    normal = min(max(limits.interval, limits.min_interval), limits.max_interval)
    delay = min(normal * (1 + failures), max(normal, _LONGEST_BACKOFF))
    at = now + _spread(delay, source.id, now)
    reason = f"in {words(delay)}: {words(normal)} and as much again for every failure ({failures:g} so far)"
    if retry_after is not None and retry_after > at:
        return model.Due(at=retry_after, reason=f"in {words(retry_after - now)}: the server asked for it (Retry-After)")
    return model.Due(at=at, reason=reason)


def weight(code: str) -> float:
    """How much a failure counts: 1 for the feed's own, ½ for what often passes, ¼ for name look-ups and our own network."""
    if code in _NETWORK_CODES:
        return _NETWORK
    return _SOFT if code in _SOFT_CODES or code.startswith(("http_5", "tls")) else 1.0


def next_try(
    code: str, *, attempts: int, item_id: int, now: datetime, retry_after: datetime | None = None
) -> model.Due | None:
    """When to visit a page again after its `attempts`th failed visit in a row; None when it is given up."""
    tries, first = _patience(code)
    if attempts >= tries:
        return None
    delay = first * 2 ** (attempts - 1)
    at = now + _spread(delay, item_id, now)
    if retry_after is not None and retry_after > at:
        at = retry_after
    return model.Due(at=at, reason=f"try {attempts + 1} of {tries}")


def tries(code: str) -> int:
    """How often a page that fails in this way is tried in all."""
    return _patience(code)[0]


def _patience(code: str) -> tuple[int, timedelta]:
    if code in _HOPELESS:
        return 1, _FIRST_RETRY
    if code in _MISSING:
        return _MISSING_TRIES, _MISSING_RETRY
    return (_REFUSED_TRIES, _REFUSED_RETRY) if code in _REFUSED else (_TRIES, _FIRST_RETRY)


def revisit(item: model.Item, *, now: datetime, after: tuple[timedelta, ...]) -> model.Due | None:
    """The next planned look at a page that was read: so long after its publication, or after we first saw it."""
    dated = item.published_at is not None and item.published_at <= item.first_seen_at
    since = item.published_at if dated and item.published_at is not None else item.first_seen_at
    ahead = sorted(delay for delay in after if since + delay > now)
    return model.Due(at=since + ahead[0], reason=f"revisit {words(ahead[0])} after publication") if ahead else None


def words(delay: timedelta) -> str:
    """A duration as people say it: `45 s`, `42 min`, `3 h`, `3 h 30 min`, `2 d`."""
    seconds = max(0, round(delay.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{round(hours / 24)} d"


def _spread(delay: timedelta, key: int, now: datetime) -> timedelta:
    """`delay` and up to a tenth of it, so that what failed together is not tried together."""
    share = hashlib.sha256(f"{key} {now.isoformat()}".encode()).digest()[0] / 255
    return delay + delay * share / 10
