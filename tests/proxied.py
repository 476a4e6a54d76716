"""A client behind a proxy, the servers behind that, and nobody who looks names up but the proxy."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from aggregator import errors, model
from aggregator.net import fetcher, robots
from tests import fetching as unproxied
from tests import scripted_proxy, scripted_web

AUTH = "reader:geheim"


@pytest.fixture(autouse=True)
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up here, in place of looking them up."""
    names: list[str] = []

    def getaddrinfo(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        names.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


class Shelf:
    """Forgets."""

    def recall(self, host: str) -> model.HostRecord | None:
        return model.HostRecord(host=host)

    def keep(self, record: model.HostRecord) -> None:
        assert record.robots_error is None


def fetching(shelf: robots.Shelf | None = None, **settings: Any) -> AbstractAsyncContextManager[fetcher.Fetcher]:
    """A client that may contact public addresses only, but for what `settings` say."""
    return unproxied.fetching(shelf, **{"allow_networks": []} | settings)


async def refused(answer: Awaitable[model.Response]) -> errors.FetchError:
    """The error it ends in, which tells nobody the proxy's password."""
    failure = await unproxied.refused(answer)
    assert "geheim" not in f"{failure!r} {failure}"
    return failure


@dataclass
class Net:
    """A proxy, and the servers behind it that stand for news.example on ports 80 and 443."""

    proxy: scripted_proxy.Proxy
    plain: scripted_web.Loopback
    secure: scripted_web.Loopback


Start = Callable[..., Awaitable[Net]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**options: Any) -> Net:
            plain = await stack.enter_async_context(scripted_web.serve())
            secure = await stack.enter_async_context(
                scripted_web.serve(unproxied.tls("news.example", "93.184.216.34", "2606:4700::6810:85e5"))
            )
            proxy = await stack.enter_async_context(scripted_proxy.serve(**options))
            proxy.names = {"news.example:80": plain.port, "news.example:443": secure.port}
            plain.answers["/feed"] = secure.answers["/feed"] = unproxied.OK
            return Net(proxy, plain, secure)

        yield started
