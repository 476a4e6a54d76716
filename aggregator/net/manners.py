"""How often a host is bothered: one ledger for feeds and pages, of seats, spacing and what the host asked for.

Spacing follows the host: as long as it takes to answer, longer after a 429 or 503, what robots.txt asks for, never less than configured.
"""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from tld import get_fld

from aggregator import clock, config, errors, model

# A Retry-After beyond this is not believed.
LONGEST_PAUSE = timedelta(hours=24)
# A longer pause is not sat out: whoever waits holds a seat of the engine and a lease.
_PATIENCE = 30.0
# The longest spacing that slowness or refusals lead to, and the first step after a refusal.
_WIDEST, _FIRST_STEP = 60.0, 2.0
# A registered domain may have any number of hosts on one machine; it bears so many hosts' worth at once.
_HOSTS_PER_DOMAIN = 2
# So many documents refused, and none served in between: it is the host after all.
_REFUSED_IN_A_ROW = 3
_OVERLOADED = frozenset({429, 503})
# Below this many hosts nothing is thrown away.
_FEW = 256


@dataclass(slots=True)
class _Place:
    """A host, or a registered domain: its seats, and from when on it may be asked again (monotonic clock)."""

    seats: asyncio.Semaphore
    next_at: float = 0.0


@dataclass(slots=True)
class _Host(_Place):
    """`inside` counts those who wait and those who are served. `wider` is the spacing that refusals led to.

    A pause was asked for by the document `paused_by`, at `paused_at` of the monotonic clock. `own_limits`: its documents have limits of
    their own, so that a pause is for the one that asked. `refused` are those that asked since another was served.
    """

    domain: _Place | None = None
    inside: int = 0
    seated: int = 0
    slow: float = 0.0
    wider: float = 0.0
    crawl_delay: float = 0.0
    paused_until: datetime | None = None
    paused_by: str = ""
    paused_at: float = 0.0
    own_limits: bool = False
    refused: set[str] = field(default_factory=set)


class Manners:
    """At most `concurrency` requests to a host at once, a spacing apart, and none while it asked to be left alone."""

    def __init__(self, per_host: config.PerHost, *, now: clock.Clock = clock.now) -> None:
        self._concurrency, self._spacing, self._now = per_host.concurrency, per_host.spacing.total_seconds(), now
        self._hosts: dict[str, _Host] = {}
        self._domains: dict[str, _Place] = {}
        self._sweep_at = _FEW
        self._unsaved: set[str] = set()

    # -------------------------------------------------------------------------------------------------- asking

    @asynccontextmanager
    async def turn(self, name: str, *, heed_pause: bool = True) -> AsyncIterator[None]:
        """Wait for a seat at the host `name`, then for its time; the seat is free again after the block.

        Raises FetchError (`retry_after`) where the host has asked for a pause that is too long to sit out; without `heed_pause`
        only its seats and spacing count.
        """
        host = self._host(name)
        host.inside += 1
        try:
            async with host.seats:
                host.seated += 1
                try:
                    if host.domain is None:
                        await self._time(name, host, heed_pause=heed_pause)
                        yield
                    else:
                        async with host.domain.seats:
                            await self._time(name, host, heed_pause=heed_pause)
                            yield
                finally:
                    host.seated -= 1
        finally:
            host.inside -= 1

    async def _time(self, name: str, host: _Host, *, heed_pause: bool) -> None:
        """Wait until the host may be asked again, and take that moment."""
        while True:
            until, pause = host.paused_until, self._pause_left(host)
            if heed_pause and until is not None and pause > 0:
                if pause > _PATIENCE:
                    raise errors.FetchError(asked(name, until), code="retry_after", retry_after=until)
                await asyncio.sleep(pause)
                continue
            free_at = host.next_at if host.domain is None else max(host.next_at, host.domain.next_at)
            if (delay := free_at - time.monotonic()) <= 0:
                break
            await asyncio.sleep(delay)
        now = time.monotonic()
        host.next_at = now + self._apart(host)
        if host.domain is not None:
            host.domain.next_at = now + self._spacing / _HOSTS_PER_DOMAIN

    def _apart(self, host: _Host) -> float:
        # Without any spacing, for servers of one's own, only refusals count.
        asked = max(host.crawl_delay, host.slow) if self._spacing else 0.0
        return max(self._spacing, host.wider, asked)

    def _pause_left(self, host: _Host) -> float:
        return (host.paused_until - self._now()).total_seconds() if host.paused_until is not None else 0.0

    # ------------------------------------------------------------------------------------------------ learning

    def answered(self, name: str, url: str, status: int, *, began: float, took: float) -> None:
        """The host answered `url`, asked at `began` of the monotonic clock, after `took` seconds."""
        host = self._host(name)
        # As long as it took, as Heritrix and Scrapy's AutoThrottle do: half of the new and half of the old.
        host.slow = min((host.slow + took) / 2, _WIDEST)
        if status in _OVERLOADED:
            host.wider = min(max(2 * host.wider, self._spacing, _FIRST_STEP), _WIDEST)
            return
        host.wider = host.wider / 2 if host.wider > max(self._spacing, _FIRST_STEP / 8) else 0.0
        host.refused.clear()
        if host.paused_until is not None and url != host.paused_by and began > host.paused_at:
            # It serves others in the meantime: what it asked for was meant for one document.
            host.paused_until, host.own_limits = None, True
            self._unsaved.add(name)

    def pause(self, name: str, url: str, until: datetime) -> None:
        """The host asked, in its answer to `url`, to be left alone until then (Retry-After)."""
        host = self._host(name)
        until = min(until, self._now() + LONGEST_PAUSE)
        host.refused.add(url)
        if host.own_limits and len(host.refused) < _REFUSED_IN_A_ROW:
            return
        host.own_limits = False
        if host.paused_until is None or until > host.paused_until:
            host.paused_until, host.paused_by, host.paused_at = until, url, time.monotonic()
            self._unsaved.add(name)

    def crawl_delay(self, name: str, seconds: float | None) -> None:
        """robots.txt asks for so many seconds between requests to the host."""
        if seconds or name in self._hosts:
            self._host(name).crawl_delay = seconds or 0.0

    # ---------------------------------------------------------------------------------------------- being asked

    def busy(self, now: float | None = None) -> frozenset[str]:
        """The hosts that cannot take another request at `now`, a time of the monotonic clock. For any thread."""
        now = time.monotonic() if now is None else now
        # The copy is one step of the interpreter; a loop over the dict could meet a change by the event loop's thread.
        hosts = self._hosts.copy()
        return frozenset(
            name
            for name, host in hosts.items()
            if host.seated >= self._concurrency or host.next_at > now or self._pause_left(host) > 0
        )

    def full(self) -> frozenset[str]:
        """The hosts all of whose seats are taken. For any thread."""
        return frozenset(name for name, host in self._hosts.copy().items() if host.inside >= self._concurrency)

    def paused(self) -> frozenset[str]:
        """The hosts that asked to be left alone and are, for longer than one waits. For any thread."""
        return frozenset(name for name, host in self._hosts.copy().items() if self._pause_left(host) > _PATIENCE)

    def paused_until(self, name: str) -> datetime | None:
        """Until when the host asked to be left alone, if it did."""
        host = self._hosts.get(name)
        return host.paused_until if host is not None and self._pause_left(host) > 0 else None

    # ------------------------------------------------------------------------------------------------ remembering

    def remember(self, records: Iterable[model.HostRecord]) -> None:
        """What an earlier run, or another process, was asked for."""
        for record in records:
            host = self._host(record.host)
            host.own_limits = host.own_limits or record.own_limits
            if record.retry_after is not None and (host.paused_until is None or record.retry_after > host.paused_until):
                host.paused_until = record.retry_after

    def unsaved(self) -> tuple[model.HostRecord, ...]:
        """What is worth remembering and has changed since the last call; of robots.txt it says nothing."""
        names, self._unsaved = self._unsaved, set()
        kept = ((name, self._hosts[name]) for name in names if name in self._hosts)
        return tuple(
            model.HostRecord(host=name, retry_after=host.paused_until, own_limits=host.own_limits)
            for name, host in kept
        )

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            self._sweep()
            host = self._hosts[name] = _Host(asyncio.Semaphore(self._concurrency), domain=self._domain(name))
        return host

    def _domain(self, name: str) -> _Place | None:
        domain = registered_domain(name)
        if domain is None:
            return None
        if (place := self._domains.get(domain)) is None:
            place = self._domains[domain] = _Place(asyncio.Semaphore(_HOSTS_PER_DOMAIN * self._concurrency))
        return place

    def _sweep(self) -> None:
        """Drop hosts of which nothing needs to be remembered, whenever there are twice as many: so it costs little."""
        if len(self._hosts) < self._sweep_at:
            return
        now = time.monotonic()
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.inside or host.next_at > now or host.own_limits or host.wider or self._pause_left(host) > 0
        }
        used = {id(host.domain) for host in self._hosts.values()}
        self._domains = {name: place for name, place in self._domains.items() if id(place) in used}
        self._sweep_at = max(_FEW, 2 * len(self._hosts))


def asked(name: str, until: datetime) -> str:
    """The sentence that says why nobody is asked."""
    return f"{name} asked to be left alone until {until:%Y-%m-%d %H:%M} UTC (Retry-After)"


@lru_cache(maxsize=4096)
def registered_domain(host: str) -> str | None:
    """The domain that somebody registered (public suffix list, private ones too: each blog of a platform is its own); None for
    addresses and for names outside the list."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = get_fld(f"http://{host}/", fail_silently=True, search_private=True)
        return found if isinstance(found, str) else None
    return None
