"""A proxy of our own on loopback: forwards, connects (CONNECT, SOCKS5), asks for a password, and remembers all that it was told.

It looks names up in `names` only, so that what it reaches is what the test says, and a name nobody told it cannot be found.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Proxy:
    """`names`: the port of 127.0.0.1 that stands for `host:port`. `heard`: every request head or SOCKS target, as it came."""

    socks: bool = False
    auth: str | None = None
    # Said in place of doing what was asked.
    says: bytes | None = None
    silent: bool = False
    scheme: str = "http"
    port: int = 0
    names: dict[str, int] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, auth: str = "") -> str:
        return f"{self.scheme}://{auth}{'@' if auth else ''}127.0.0.1:{self.port}"

    async def served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            await (self._socks(reader, writer) if self.socks else self._http(reader, writer))
        writer.close()
        self.tasks.discard(task)

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heard.append(head.decode("latin-1"))
            if self.silent:
                await asyncio.Event().wait()
            if self.says is not None:
                writer.write(self.says)
                return await writer.drain()
            method, target, _ = self.heard[-1].split("\r\n")[0].split(" ")
            if self.auth is not None and f"Basic {base64.b64encode(self.auth.encode()).decode()}" not in self.heard[-1]:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return await writer.drain()
            rest = target.partition("://")[2]
            where = target if method == "CONNECT" else rest.partition("/")[0]
            port = self.names.get(where if where.rpartition("]")[2].count(":") else f"{where}:80")
            if port is None:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return await writer.drain()
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                return await _joined(reader, writer, port)
            await self._forward(head.replace(target.encode(), b"/" + rest.partition("/")[2].encode(), 1), port, writer)

    async def _forward(self, head: bytes, port: int, writer: asyncio.StreamWriter) -> None:
        """What is meant for the proxy it keeps for itself (RFC 9110 §11.7.1)."""
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"proxy-")]
        back, there = await asyncio.open_connection("127.0.0.1", port)
        there.write(b"\r\n".join(lines))
        answer = await back.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        writer.write(answer + await back.readexactly(length))
        await writer.drain()
        there.close()

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """RFC 1928 and 1929."""
        _, count = await reader.readexactly(2)
        offered, wanted = await reader.readexactly(count), 2 if self.auth is not None else 0
        if self.silent:
            await asyncio.Event().wait()
        writer.write(bytes([5, wanted if wanted in offered else 255]))
        if wanted not in offered:
            return await writer.drain()
        if self.auth is not None:
            told = [(await reader.readexactly((await reader.readexactly(skip))[-1])).decode() for skip in (2, 1)]
            writer.write(bytes([1, ":".join(told) != self.auth]))
            if ":".join(told) != self.auth:
                return await writer.drain()
        kind = (await reader.readexactly(4))[3]
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        host = (await reader.readexactly(size)).decode() if kind == 3 else f"literal {kind}"
        self.heard.append(f"{host}:{int.from_bytes(await reader.readexactly(2), 'big')}")
        port = self.names.get(self.heard[-1])
        reply = self.says or (b"\x04" if port is None else b"\x00")
        writer.write(b"\x05" + reply + b"\x00\x01\x00\x00\x00\x00\x00\x00")
        if port is None or self.says:
            return await writer.drain()
        return await _joined(reader, writer, port)


async def _joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    back, there = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.gather(_copied(reader, there), _copied(back, writer))
    finally:
        there.close()


async def _copied(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await source.read(1 << 16):
            sink.write(chunk)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def serve(
    *, tls: ssl.SSLContext | None = None, socks: bool = False, auth: str | None = None
) -> AsyncIterator[Proxy]:
    """A proxy on a free port of 127.0.0.1; over TLS if there is a context for it."""
    proxy = Proxy(socks=socks, auth=auth, scheme="socks5" if socks else "https" if tls else "http")
    server = await asyncio.start_server(proxy.served, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(proxy.tasks):
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
        await server.wait_closed()
