"""A small web on loopback, plain and TLS, that tells hosts apart by name; what it answers is scripted, and it remembers every request."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from urllib.parse import urlsplit

import trustme

NAMES = "feed.test cdn.test other.test site.test big.test good.test untrusted.test".split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One request: `url` as it was asked for, `at` of the monotonic clock, `connection` counted from 1."""

    url: str
    method: str
    headers: Mapping[str, str]
    at: float
    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to say. `headers` replace the usual ones; `rest` goes on after the body, and the connection ends with it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait: float = 0.0
    rest: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None

    async def say(self, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.wait)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.rest is None and self.status != HTTPStatus.NOT_MODIFIED:
            headers.setdefault("content-length", str(len(self.body)))
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + self.body)
        await writer.drain()
        if self.rest is not None:
            await self.rest(writer)

    @property
    def last(self) -> bool:
        """Whether the connection ends with it."""
        stated = {name.lower(): value for name, value in self.headers.items()}.get("content-length")
        return self.rest is not None or (stated is not None and int(stated) != len(self.body))


Answer = Reply | Callable[[Heard], Reply]


def moved(to: str, status: int = 301) -> Reply:
    """A redirect."""
    return Reply(status=status, headers={"Location": to})


@dataclass(slots=True)
class Web:
    """URLs in `pages` answer for ever; every other request gets the next of `script`, or 404 where it is at its end."""

    http: int = 0
    https: int = 0
    pages: dict[str, Answer] = field(default_factory=dict)
    script: deque[Reply] = field(default_factory=deque)
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    under_way: dict[str, int] = field(default_factory=dict)
    most_at_once: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def urls(self) -> list[str]:
        return [heard.url for heard in self.heard]

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await self._talk(reader, writer, self.connections)
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        scheme = "https" if writer.get_extra_info("ssl_object") is not None else "http"
        while True:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            url = f"{scheme}://{headers['host']}{target}"
            heard = Heard(url=url, method=method, headers=headers, at=time.monotonic(), connection=connection)
            self.heard.append(heard)
            reply = self._reply(heard)
            with self._counted(headers["host"]):
                await reply.say(writer)
            if reply.last:
                return

    def _reply(self, heard: Heard) -> Reply:
        answer = self.pages.get(heard.url)
        if answer is None:
            answer = self.script.popleft() if self.script else Reply(status=404)
        return answer if isinstance(answer, Reply) else answer(heard)

    def _counted(self, host: str) -> "_Counted":
        return _Counted(self, host)

    async def end(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(slots=True)
class _Counted:
    web: Web
    host: str

    def __enter__(self) -> None:
        now = self.web.under_way[self.host] = self.web.under_way.get(self.host, 0) + 1
        self.web.most_at_once[self.host] = max(now, self.web.most_at_once.get(self.host, 0))

    def __exit__(self, *_: object) -> None:
        self.web.under_way[self.host] -= 1


@cache
def authority() -> trustme.CA:
    """The one that the program is told to trust."""
    return trustme.CA()


@cache
def _context() -> ssl.SSLContext:
    """Certificates for all names; that of `untrusted.test` is by somebody else."""
    good, bad = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    authority().issue_cert(*NAMES).configure_cert(good)
    trustme.CA().issue_cert("untrusted.test").configure_cert(bad)

    def chosen(connection: ssl.SSLObject, name: str, _context: ssl.SSLContext) -> None:
        if name == "untrusted.test":
            connection.context = bad

    good.sni_callback = chosen
    return good


@asynccontextmanager
async def serve() -> AsyncIterator[Web]:
    """A running web."""
    web = Web()
    plain = await asyncio.start_server(web.connected, "127.0.0.1", 0)
    secure = await asyncio.start_server(web.connected, "127.0.0.1", 0, ssl=_context())
    web.http, web.https = (listener.sockets[0].getsockname()[1] for listener in (plain, secure))
    try:
        yield web
    finally:
        for listener in (plain, secure):
            listener.close()
        await web.end()


def host(url: str) -> str:
    return urlsplit(url).hostname or ""
