"""A scripted host, its clock and its shelf, and robots.txt as it is asked for there."""

import asyncio
import threading
from datetime import datetime, timedelta

import pytest

from aggregator import errors, model
from aggregator.net import robots
from tests import make

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAGE = "https://news.example/story"
ALL, NOTHING = b"User-agent: *\nDisallow: /\n", b"User-agent: *\nDisallow:\n"


class Shelf:
    """A shelf in memory, asked from threads as the real one is."""

    def __init__(self) -> None:
        self.records: dict[str, model.HostRecord] = {}
        self.main = threading.get_ident()

    def recall(self, host: str) -> model.HostRecord | None:
        assert threading.get_ident() != self.main
        return self.records.get(host)

    def keep(self, record: model.HostRecord) -> None:
        assert threading.get_ident() != self.main
        self.records[record.host] = record


class Host:
    """A scripted host, its clock, and the robots.txt under test: `answer` is what is answered from now on."""

    def __init__(self, answer: robots.Copy | errors.FetchError | bytes = b"", shelf: Shelf | None = None) -> None:
        self.answer, self.now, self.shelf = answer, make.NOW, shelf or Shelf()
        self.asked: list[str] = []
        self.by: list[str | None] = []
        self.open = asyncio.Event()
        self.open.set()
        self.robots = robots.Robots(fetch=self._fetch, shelf=self.shelf, clock=lambda: self.now)

    async def _fetch(self, url: str, proxy: str | None) -> robots.Copy:
        self.asked.append(url)
        self.by.append(proxy)
        await self.open.wait()
        if isinstance(self.answer, errors.FetchError):
            raise self.answer
        return self.answer if isinstance(self.answer, robots.Copy) else robots.Copy(status=200, body=self.answer)

    async def verdict(self, url: str = PAGE, agent: str = "aggregator") -> str:
        """`ok`, or the code of the error."""
        try:
            await self.robots.check(url, agent)
        except errors.FetchError as exc:
            return exc.code
        return "ok"

    async def unreachable(self) -> datetime:
        """When it is to be asked again, for it cannot be had now."""
        with pytest.raises(errors.FetchError) as caught:
            await self.robots.check(PAGE, "aggregator")
        assert caught.value.code == "robots_unreachable"
        assert caught.value.retry_after is not None
        return caught.value.retry_after

    @property
    def record(self) -> model.HostRecord:
        return self.shelf.records["news.example"]


def status(number: int) -> robots.Copy:
    return robots.Copy(status=number, body=ALL)


def permits(text: str, path: str, agent: str = "aggregator") -> bool:
    return robots.Rules(text, agent).permits(path)
