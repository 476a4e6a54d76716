"""A web of our own on loopback: real sockets, an answer scripted for every path, and a record of all who came."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One request: when it came (monotonic) and on which connection, counted from 1."""

    at: float
    connection: int
    nth: int
    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to say. `wait` seconds pass before it, `drip` between the bytes of the body; `raw` replaces it all.

    `headers` replace the usual ones of the same name; None leaves one out. `stall` keeps silent after the body.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    raw: bytes | None = None
    wait: float = 0.0
    drip: float = 0.0
    close: bool = False
    stall: bool = False


def moved(to: str, status: int = 302) -> Answer:
    """A redirect."""
    return Answer(status=status, headers={"location": to})


class Loopback:
    """What a test says to the server and learns from it. An answer may depend on the request."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[Heard], Answer]] = {}
        # Said to whoever has connected, in place of listening.
        self.greeting: Answer | None = None
        self.heard: list[Heard] = []
        self.connections = 0
        self.most_at_once = 0
        self.scheme, self.port = "http", 0
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [heard.target for heard in self.heard]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self._talk(reader, writer, self.connections)
        finally:
            writer.close()
            # A client that is gone does not say goodbye.
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()
            self._tasks.discard(task)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        nth = 0
        if self.greeting is not None:
            await _say(self.greeting, writer)
        while self.greeting is None:
            heard = _parsed(await reader.readuntil(b"\r\n\r\n"), connection, nth := nth + 1)
            self.heard.append(heard)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            try:
                scripted = self.answers.get(heard.target.partition("?")[0], Answer(status=404))
                answer = scripted(heard) if callable(scripted) else scripted
                await _say(answer, writer)
            finally:
                self._under_way -= 1
            if answer.close or answer.raw is not None:
                return

    async def end(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _parsed(head: bytes, connection: int, nth: int) -> Heard:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Heard(at=time.monotonic(), connection=connection, nth=nth, method=method, target=target, headers=headers)


async def _say(answer: Answer, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(answer.wait)
    if answer.raw is not None:
        writer.write(answer.raw)
        await writer.drain()
        return
    usual: dict[str, str | None] = {"content-length": str(len(answer.body)), "content-type": "text/plain"}
    if answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        usual = {}
    given = {name.lower(): value for name, value in answer.headers.items()}
    lines = [f"HTTP/1.1 {answer.status} Whatever"]
    lines += [f"{name}: {value}" for name, value in (usual | given).items() if value is not None]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    for byte in answer.body if answer.drip else b"":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(answer.drip)
    if not answer.drip:
        writer.write(answer.body)
    await writer.drain()
    if answer.stall:
        await asyncio.Event().wait()


@asynccontextmanager
async def serve(tls: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    """A server on a free port of 127.0.0.1, over TLS if there is a context for it."""
    web = Loopback()
    server = await asyncio.start_server(web._serve, "127.0.0.1", 0, ssl=tls)
    web.port, web.scheme = server.sockets[0].getsockname()[1], "https" if tls else "http"
    try:
        yield web
    finally:
        server.close()
        await web.end()
        await server.wait_closed()


@pytest.fixture
async def web() -> AsyncIterator[Loopback]:
    async with serve() as served:
        yield served


@pytest.fixture
async def other() -> AsyncIterator[Loopback]:
    """Another site than `web`."""
    async with serve() as served:
        yield served
