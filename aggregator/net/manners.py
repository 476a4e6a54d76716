"""How often a host is bothered: one ledger for feeds and pages, of seats, spacing and what the host asked for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from aggregator import config, errors

# A Retry-After beyond this is not believed.
LONGEST_PAUSE = timedelta(hours=24)
# A longer pause is not sat out: whoever waits holds a seat of the engine and a lease.
_PATIENCE = 30.0
# Below this many hosts nothing is thrown away.
_FEW = 256


@dataclass(slots=True)
class _Host:
    """`inside` counts those who wait and those who are served; times are of the monotonic clock."""

    seats: asyncio.Semaphore
    inside: int = 0
    seated: int = 0
    next_at: float = 0.0
    paused_until: float = 0.0
    # The same in UTC, for people and for the store.
    asked_until: datetime | None = None

    @property
    def free_at(self) -> float:
        return max(self.next_at, self.paused_until)


class Manners:
    """At most `concurrency` requests to a host at once, `spacing` apart, and none while it asked to be left alone."""

    def __init__(self, per_host: config.PerHost) -> None:
        self._concurrency, self._spacing = per_host.concurrency, per_host.spacing.total_seconds()
        self._hosts: dict[str, _Host] = {}
        self._sweep_at = _FEW

    @asynccontextmanager
    async def turn(self, url: str, *, heed_pause: bool = True) -> AsyncIterator[None]:
        """Wait for a seat at the host of `url`, then for its time; the seat is free again after the block.

        Raises FetchError (`retry_after`) where the host has asked for a pause that is too long to sit out; without `heed_pause`
        only its seats and spacing count.
        """
        name = host_of(url)
        host = self._host(name)
        host.inside += 1
        try:
            async with host.seats:
                host.seated += 1
                try:
                    await self._time(name, host, heed_pause=heed_pause)
                    yield
                finally:
                    host.seated -= 1
        finally:
            host.inside -= 1

    def pause(self, url: str, until: datetime) -> None:
        """The host of `url` asked to be left alone until then (Retry-After)."""
        host, now = self._host(host_of(url)), datetime.now(UTC)
        until = min(until, now + LONGEST_PAUSE)
        at = time.monotonic() + (until - now).total_seconds()
        if at > host.paused_until:
            host.paused_until, host.asked_until = at, until

    def busy(self, now: float | None = None) -> frozenset[str]:
        """The hosts that cannot take another request at `now`, a time of the monotonic clock. For any thread."""
        now = time.monotonic() if now is None else now
        # The copy is one step of the interpreter; a loop over the dict could meet a change by the event loop's thread.
        hosts = self._hosts.copy()
        return frozenset(name for name, host in hosts.items() if host.seated >= self._concurrency or host.free_at > now)

    def paused(self) -> frozenset[str]:
        """The hosts that asked to be left alone and are, for longer than one waits. For any thread."""
        soon = time.monotonic() + _PATIENCE
        return frozenset(name for name, host in self._hosts.copy().items() if host.paused_until > soon)

    async def _time(self, name: str, host: _Host, *, heed_pause: bool) -> None:
        """Wait until the host may be asked again, and take that moment."""
        while (delay := (host.free_at if heed_pause else host.next_at) - time.monotonic()) > 0:
            if heed_pause and host.asked_until is not None and host.paused_until - time.monotonic() > _PATIENCE:
                raise errors.FetchError(
                    f"{name} asked to be left alone until {host.asked_until:%Y-%m-%d %H:%M} UTC (Retry-After)",
                    code="retry_after",
                    retry_after=host.asked_until,
                )
            await asyncio.sleep(delay)
        host.next_at = time.monotonic() + self._spacing

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            self._sweep()
            host = self._hosts[name] = _Host(asyncio.Semaphore(self._concurrency))
        return host

    def _sweep(self) -> None:
        """Drop hosts of which nothing needs to be remembered, whenever there are twice as many: so it costs little."""
        if len(self._hosts) < self._sweep_at:
            return
        now = time.monotonic()
        self._hosts = {name: host for name, host in self._hosts.items() if host.inside or host.free_at > now}
        self._sweep_at = max(_FEW, 2 * len(self._hosts))


def host_of(url: str) -> str:
    """The lower-case host of `url` without its port; empty if there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
