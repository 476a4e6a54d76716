"""How often a host is bothered: one ledger for feeds and pages, with seats, spacing and what the host itself asked for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from aggregator import config

# Retry-After beyond this is not believed (miniflux and Media Cloud cap it so too).
_LONGEST_PAUSE = 24 * 3600.0


@dataclass(slots=True)
class _Host:
    seats: asyncio.Semaphore
    using: int = 0
    next_at: float = 0.0
    paused_until: float = 0.0
    waiting: int = field(default=0)


class Manners:
    """At most `concurrency` requests to a host at once, begun at least `spacing` apart. Kept in memory."""

    def __init__(self, per_host: config.PerHost) -> None:
        self._concurrency, self._spacing = per_host.concurrency, per_host.spacing.total_seconds()
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """Wait for a seat at the host of `url`, and for its time; the seat is free again after the block."""
        name = host_of(url)
        host = self._hosts.setdefault(name, _Host(asyncio.Semaphore(self._concurrency)))
        host.waiting += 1
        try:
            async with host.seats:
                host.using += 1
                try:
                    now = time.monotonic()
                    begin = max(now, host.next_at)
                    host.next_at = begin + self._spacing
                    if begin > now:
                        await asyncio.sleep(begin - now)
                    yield
                finally:
                    host.using -= 1
        finally:
            host.waiting -= 1
            self._forget(name, host)

    def pause(self, url: str, until: datetime) -> None:
        """The host asked to be left alone until then (Retry-After); not believed beyond a day."""
        host = self._hosts.setdefault(host_of(url), _Host(asyncio.Semaphore(self._concurrency)))
        seconds = min(max((until - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_PAUSE)
        host.paused_until = max(host.paused_until, time.monotonic() + seconds)

    def busy(self) -> frozenset[str]:
        """The hosts that cannot take a request at this moment: seats taken, spacing not over, or paused."""
        now = time.monotonic()
        return frozenset(
            name
            for name, host in self._hosts.items()
            if host.using >= self._concurrency or host.next_at > now or host.paused_until > now
        )

    def paused(self) -> frozenset[str]:
        """The hosts that asked to be left alone for now."""
        now = time.monotonic()
        return frozenset(name for name, host in self._hosts.items() if host.paused_until > now)

    def _forget(self, name: str, host: _Host) -> None:
        """Drop what says nothing any more, so that years of hosts do not pile up."""
        now = time.monotonic()
        if not host.waiting and host.next_at <= now and host.paused_until <= now:
            self._hosts.pop(name, None)
        if len(self._hosts) > 1000:
            idle = [
                key for key, one in self._hosts.items() if not one.waiting and max(one.next_at, one.paused_until) <= now
            ]
            for key in idle:
                del self._hosts[key]


def host_of(url: str) -> str:
    """The lower-case host of `url` without its port; empty if there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
