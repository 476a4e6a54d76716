"""Placeholder until robots.txt is built."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aggregator import clock, model


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    status: int
    body: bytes


class Shelf(Protocol):
    def recall(self, host: str) -> model.HostRecord | None: ...
    def keep(self, record: model.HostRecord) -> None: ...


class Robots:
    def __init__(self, *, fetch: Callable[[str], Awaitable[Copy]], shelf: Shelf, clock: clock.Clock) -> None: ...

    async def check(self, url: str, agent: str) -> float | None:
        return None
