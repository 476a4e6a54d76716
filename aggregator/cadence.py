"""When a source is polled next and an item visited again, with the reason in a sentence. Pure: the clock is an argument."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise

from aggregator import model, pushing

_HOUR = timedelta(hours=1)
_NO_HINTS = model.Hints()

# The rhythm of a source. Tuned on a year of polls (tests/quality/test_cadence.py; the numbers stand in `after_success`).
_LATEST = 30
_FEWEST = 3
_AT_ONCE = timedelta(minutes=5)
_SILENCE = 150
_ROOT = 6
# So few entries of the last document were known: the next one may have pushed out what nobody saw.
_OVERRUN = 0.3
# WordPress and others say "hourly, 1" in every feed, which says nothing of it.
_TELLING = _HOUR
# A weekend and the night after it; whoever asks to be left alone for longer has put the lists together the wrong way round.
_LONGEST_SKIP = 72
# RFC 9111 §1.2.2 knows no longer ones than 68 years; nobody means more than this.
_LONGEST_FRESH = timedelta(days=3650)

# Media Cloud, rss-fetcher config.py: a failure counts by how much of it is the feed's own fault.
_SOFT = 0.5
_NETWORK = 0.25
_SOFT_CODES = frozenset(
    "http_404 http_408 http_429 timeout connect reset encoding_cut unasked_304 damaged empty worker crash proxy_gateway".split()
)
_NETWORK_CODES = frozenset({"dns", "storage", "proxy", "proxy_auth", "proxy_refused"})
_GROWTH = 1.3
_CEILING = timedelta(days=7)
# Those who refuse know why, and are seldom moved by being asked again.
_FORBIDDEN = frozenset({"http_401", "http_402", "http_403", "http_451", "robots"})
_FORBIDDEN_TIMES = 4

# Hubs: asked again after 5 min, doubled up to a day; the next hub of several after a minute.
_HUB_RETRY, _HUB_LONGEST, _NEXT_HUB = timedelta(minutes=5), timedelta(days=1), timedelta(minutes=1)
# The hub checks back "as soon as possible" (WebSub §5.1); this is long for a queue.
_CHECKED_BACK = timedelta(minutes=30)
# A lease is renewed when three quarters of it are over, and up to a tenth of those later; never at once.
_RENEWED, _SHORTEST_LEASE = 3 / 4, timedelta(minutes=1)
_AFTER_BROKEN, _AFTER_DENIED = timedelta(days=1), timedelta(days=7)

# Ten tries over about a day: 3 min, doubled nine times, is 25.5 h in all.
_TRIES = 10
_FIRST_RETRY = timedelta(minutes=3)
# A missing page is asked for once more, for feeds run ahead of their sites; a refusal is asked about more slowly.
_MISSING = frozenset({"http_404", "http_410", "gone", "http_451", "front_page"})
_MISSING_TRIES, _MISSING_RETRY = 2, timedelta(hours=1)
_REFUSED = frozenset({"http_401", "http_402", "http_403", "blocked", "paywalled"})
_REFUSED_TRIES, _REFUSED_RETRY = 5, timedelta(hours=1)
# What no later try can change.
_HOPELESS = frozenset(
    "address port scheme url too_large too_large_decoded not_html short extract robots worker worker_time worker_memory".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The configured bounds between two polls of a source. `fixed`: nothing learned changes the interval, be it its `own` or that of all."""

    interval: timedelta
    min_interval: timedelta
    max_interval: timedelta
    fixed: bool = False
    own: bool = True

    @property
    def normal(self) -> timedelta:
        return max(self.within(self.interval), timedelta(seconds=1))

    def within(self, interval: timedelta) -> timedelta:
        return min(max(interval, self.min_interval), self.max_interval)


# ---------------------------------------------------------------------------------------------------- what is known


def fresh_for(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """How long an answer with `headers` (lower-case names), a 304 too, stays fresh (RFC 9111 §4.2); None if it does not say.

    By max-age, else by Expires, less its Age. s-maxage is for shared caches, and heuristics are for browsers.
    """
    told: dict[str, str | None] = {}
    for directive in headers.get("cache-control", "").split(","):
        name, has_value, value = directive.partition("=")
        told.setdefault(name.strip().lower(), value.strip().strip('"') if has_value else None)
    # With a value, no-cache concerns single headers only.
    if "no-store" in told or ("no-cache" in told and told["no-cache"] is None):
        return None
    fresh = _seconds(told["max-age"] or "") if "max-age" in told else _until_expiry(headers, now)
    if fresh is None:
        return None
    return max(fresh - (_seconds(headers.get("age", "")) or timedelta(0)), timedelta(0))


def _until_expiry(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    if "expires" not in headers:
        return None
    expires = http_date(headers["expires"])
    # RFC 9111 §5.3: what is no date, 0 above all, lies in the past.
    return min(expires - (http_date(headers.get("date", "")) or now), _LONGEST_FRESH) if expires else timedelta(0)


def _seconds(value: str) -> timedelta | None:
    value = value.strip()
    if not (value.isascii() and value.isdigit()):
        return None
    return min(timedelta(seconds=int(value)), _LONGEST_FRESH) if len(value) < 10 else _LONGEST_FRESH


def http_date(value: str) -> datetime | None:
    """A date as HTTP headers write it (RFC 9110 §5.6.7), in UTC; None for anything else."""
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def usual_gap(times: Sequence[datetime], *, now: datetime) -> timedelta | None:
    """The usual time between two new items, by the publication `times` of the latest ones; None if fewer than 3 tell.

    The mean of the gaps between the latest 30, leaving out the longest tenth: holidays, and the old entry that stays on top.
    What appears within five minutes is one batch, and a batch of six is six items: such a source is worth six times the
    requests. How many came with the earliest is not known, so they only begin the first gap.
    """
    latest = sorted(time for time in times if time <= now)[-_LATEST:]
    batches: list[datetime] = []
    for time in latest:
        if not batches or time - batches[-1] >= _AT_ONCE:
            batches.append(time)
    if len(batches) < _FEWEST:
        return None
    gaps = sorted(later - earlier for earlier, later in pairwise(batches))
    usual = gaps[: -max(1, len(gaps) // 10)]
    size = sum(time >= batches[1] for time in latest) / len(gaps)
    return sum(usual, timedelta(0)) / len(usual) / size


# ---------------------------------------------------------------------------------------------------- it answered


def after_success(
    source: model.Source,
    *,
    now: datetime,
    limits: Limits,
    hints: model.Hints = _NO_HINTS,
    fresh_for: timedelta | None = None,
    gap: timedelta | None = None,
    last_new_at: datetime | None = None,
    overlap: float | None = None,
) -> model.Due:
    """The next poll of a source that answered: at its own rhythm, but not before its publisher wants it.

    `gap`: see `usual_gap`. `overlap`: which share of the last document's entries was known. The rhythm is half the gap;
    beyond the configured interval it grows with its sixth root only, and it is at least a 150th of the silence.
    Over 15 sources and a year, against a poll every hour: median delay 24 min for 31, mean 29 for 30, and 15 % fewer requests.
    Fast sources are what gains; the slow ones, without the fastest of the 15, wait 10 to 20 % longer for 26 % fewer requests.
    With half the gap for slow sources too the mean was 94 min, with an eighth of the silence 168.
    """
    rhythm, reason = _rhythm(limits, gap, now - last_new_at if last_new_at else timedelta(0))
    known = 1.0 if overlap is None or limits.fixed else overlap
    if overrun := known < _OVERRUN:
        rhythm, reason = rhythm / 2, f"{reason}, halved, for only {100 * known:.0f} % of its entries were known"
    rhythm = limits.within(rhythm)
    asked, by = _wished(_NO_HINTS if overrun else hints, fresh_for, limits.max_interval)
    delay = _whole(max(rhythm, asked))
    if asked > rhythm:
        said = f"every {words(delay)}, as the publisher asks ({by}), instead of {words(rhythm)}{reason}"
    else:
        said = f"every {words(rhythm)}{reason}" + (f"; publisher allows {words(asked)}" if asked else "")
    seed = f"{source.id} {now.isoformat()}"
    at = now + _spread(delay, seed)
    moment = _next_update(hints, now + limits.min_interval) if by == "sy:update" and asked > rhythm else None
    if moment is not None and moment <= now + limits.max_interval:
        at = moment + _spread(rhythm, seed) - rhythm
        said += f"; its next update is at {moment:%a %H:%M} UTC (sy:updateBase)"
    permitted = at if overrun else _permitted(at, hints, source.id)
    if permitted != at:
        said += f"; put off to {permitted:%a %H:%M} UTC (skipHours, skipDays)"
    return model.Due(at=permitted, reason=said)


def _wished(hints: model.Hints, fresh_for: timedelta | None, most: timedelta) -> tuple[timedelta, str]:
    """How long the publisher wants to be left alone, at `most`, and by what it says so."""
    # max-age tells of a cache that will not change; the others only wish, and not that entries are lost.
    wishes = {"max-age": fresh_for, "ttl": hints.ttl, "sy:update": _telling(hints.update)}
    asked, by = max(((wish, by) for by, wish in wishes.items() if wish is not None), default=(timedelta(0), ""))
    return min(asked, most), by


def _rhythm(limits: Limits, gap: timedelta | None, silence: timedelta) -> tuple[timedelta, str]:
    """How often the source itself is worth a poll, and why."""
    if limits.fixed:
        return limits.interval, ", as configured for this source" if limits.own else ", as configured for all"
    if gap is None:
        return limits.interval, ", as configured"
    half, normal = gap / 2, limits.normal
    quiet = silence / _SILENCE
    # An item that waits weighs the same wherever it came from, and most come from sources that are neither fast nor slow.
    slow = normal * (half / normal) ** (1 / _ROOT) if half > normal else half
    if quiet > slow:
        return quiet, f": nothing new for {words(silence)}"
    if slow < half:
        return slow, f": longer than the configured {words(normal)}, for its usual gap is {words(gap)}"
    return half, f": half its usual gap of {words(gap)}"


def _telling(update: timedelta | None) -> timedelta | None:
    return update if update is not None and update > _TELLING else None


def _next_update(hints: model.Hints, after: datetime) -> datetime | None:
    """The first moment not before `after` at which the publisher updates its feed: its base and whole periods."""
    if hints.update_base is None or hints.update is None:
        return None
    return after + (hints.update_base - after) % hints.update


def _permitted(at: datetime, hints: model.Hints, key: int) -> datetime:
    """`at`, or early in the first hour after it in which the publisher wants to be asked; `at` if that is too far ahead."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    for ahead in range(_LONGEST_SKIP + 1):
        later = hour + ahead * _HOUR
        if later.hour not in hints.skip_hours and later.weekday() not in hints.skip_days:
            return later + _spread(_HOUR, f"{key} {later.isoformat()}") - _HOUR if ahead else at
    return at


# ---------------------------------------------------------------------------------------------------- it failed


def after_failure(
    source: model.Source,
    *,
    failures: float,
    now: datetime,
    limits: Limits,
    retry_after: datetime | None = None,
    code: str = "",
) -> model.Due:
    """The next poll of a source that failed: later with every failure, never given up, not before the server wants it.

    The normal interval times 1.3 for every failure in `failures`, the weighted count that includes this one; a week at most.
    From 1 h on, a server that fails for a weekend (60 h) is asked 15 times, at last every 8 h; a name that is not found 23 times,
    at last every 5 h; a page in the place of a feed 10 times, at last every 18 h. All come to a week within 106 days, and cost
    61 to 113 polls in their first year. Doubling would sleep through the day after such a weekend; adding takes years to come
    to a week. A refusal counts from four intervals on, a 429 from an hour.
    """
    normal, whose = limits.normal, ""
    if code in _FORBIDDEN:
        normal, whose = normal * _FORBIDDEN_TIMES, ", for a refusal"
    elif code == "http_429":
        normal = max(normal, _HOUR)
    elif source.learned_gap is not None and not limits.fixed:
        normal = min(normal, limits.within(source.learned_gap / 2))
    longest = max(normal, _CEILING)
    # 1.3 to the 100th is more than a second needs to become a week; a few thousand would overflow.
    delay = _whole(normal * min(_GROWTH ** min(failures, 100.0), longest / normal))
    # Spread by the source alone: with the time in it, a later delay could be the shorter one.
    at = now + _spread(delay, str(source.id))
    if retry_after is not None and retry_after > at:
        return model.Due(at=retry_after, reason=f"in {words(retry_after - now)}: the server asked for it (Retry-After)")
    grown = f"{words(normal)}{whose}, and 30 % more for every failure" if delay < longest else "the longest wait"
    return model.Due(at=at, reason=f"in {words(delay)}: {grown} ({failures:g} so far)")


# ---------------------------------------------------------------------------------------------------- being pushed


def backup(source: model.Source, *, hub: str, every: timedelta, now: datetime) -> model.Due:
    """The next poll of a source that a hub pushes: so long after the last poll, whatever was pushed since."""
    last = source.last_polled_at or now
    at = last + _spread(every, f"{source.id} {last.isoformat()}")
    return model.Due(at=max(at, now), reason=f"pushed by {hub}; backup poll every {words(every)}")


def soon(source: model.Source, *, now: datetime, limits: Limits, reason: str) -> model.Due:
    """A poll out of turn, though not sooner than the least interval after the last one."""
    last = source.last_polled_at
    return model.Due(at=max(now, last + limits.min_interval) if last else now, reason=reason)


def ask_again(
    subscription: pushing.Subscription, *, failures: int, hubs: int, now: datetime, retry_after: datetime | None = None
) -> model.Due:
    """The next request to a hub after `failures` in a row that led to nothing, never given up: each of the `hubs` in turn, a minute
    apart, then all of them again, later every time. What is subscribed already is renewed before its lease ends, if that can be."""
    rounds, rest = divmod(failures, max(hubs, 1))
    delay = _NEXT_HUB if rest else min(_HUB_RETRY * 2 ** min(rounds - 1, 20), _HUB_LONGEST)
    if subscription.state == pushing.State.ACTIVE and subscription.lease_until is not None:
        delay = min(delay, max((subscription.lease_until - now) / 2, _SHORTEST_LEASE))
    at = now + _spread(_whole(delay), f"{subscription.id} {failures}")
    if retry_after is not None and retry_after > at:
        return model.Due(at=retry_after, reason=f"again in {words(retry_after - now)}, as the hub asks (Retry-After)")
    return model.Due(at=at, reason=f"again in {words(at - now)}, after {failures} in vain")


def checked_back(*, now: datetime) -> datetime:
    """Until when a hub that took a request has time to check back."""
    return now + _CHECKED_BACK


def renewal(subscription: pushing.Subscription, *, lease: timedelta, now: datetime) -> model.Due:
    """When to ask for a new lease: well before the end of this one, and not all at the same time."""
    after = max(_spread(_whole(lease * _RENEWED), f"{subscription.id} {now.isoformat()}"), _SHORTEST_LEASE)
    return model.Due(at=now + after, reason=f"subscribed for {words(lease)}, renewed in {words(after)}")


def after_broken(*, now: datetime) -> datetime:
    """When a hub that did not push what it should is asked again."""
    return now + _AFTER_BROKEN


def after_denial(*, now: datetime) -> datetime:
    """When a hub that refused is asked again."""
    return now + _AFTER_DENIED


# ------------------------------------------------------------------------------------------------------------- weights


def weight(code: str) -> float:
    """How much a failure counts: 1 for the feed's own, ½ for what often passes, ¼ for name look-ups, our own network and our own disk."""
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
    at = now + _spread(delay, f"{item_id} {now.isoformat()}")
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
    """A duration as people say it: `45 s`, `42 min`, `84 min`, `3 h`, `3 h 30 min`, `2 d`."""
    seconds = max(0, round(delay.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 120 and minutes != 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{round(hours / 24)} d"


def _spread(delay: timedelta, key: str) -> timedelta:
    """`delay` and up to a tenth of it, in whole seconds, so that what was asked together is not asked together again."""
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / 2**32
    return delay + timedelta(seconds=int(delay.total_seconds() * share / 10))


def _whole(delay: timedelta) -> timedelta:
    return timedelta(seconds=max(1, math.ceil(delay.total_seconds())))
