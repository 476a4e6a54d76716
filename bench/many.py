"""Ten thousand sources on as many hosts, one in twenty broken: a server of small feeds on loopback, and a configuration for it."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import httpx2

from bench import loopback

# One in twenty, each in another way: (path, what it answers; None where nothing listens).
_BROKEN: tuple[tuple[str, bytes | None], ...] = (
    ("/missing.xml", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    ("/error.xml", b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
    (
        "/page.xml",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 27\r\n\r\n<html><body>hi</body></html>",
    ),
    ("/refused.xml", None),
    ("/cut.xml", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<rss"),
)
_UNCHANGED = b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n'


class _Server(loopback.Server):
    """HTTP as far as the benchmark needs it, in as little time as possible: it shares the machine with what is measured."""

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1].decode()
        answer = dict(_BROKEN).get(path)
        if answer is not None:
            self._transport.write(answer)
            if path == "/cut.xml":
                self._transport.close()
            return
        if b'"v1"' in data:
            self._transport.write(_UNCHANGED)
            return
        body = _feed(self.host)
        head = (
            f'HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nETag: "v1"\r\nContent-Length: {len(body)}\r\n\r\n'
        )
        self._transport.write(head.encode() + body)


def _feed(host: str) -> bytes:
    entry = (
        f"<item><guid>http://{host}/1</guid><title>Of {host}</title><description>{'word ' * 60}</description></item>"
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>{host}</title>{entry}</channel></rss>'.encode()


def _serve(told: Connection) -> None:
    async def forever() -> None:
        port, server = await loopback.listen(_Server)
        told.send(port)
        await server.serve_forever()

    asyncio.run(forever())


@contextmanager
def server() -> Iterator[int]:
    """The port of a running server, in a process of its own."""
    with loopback.serving(_serve) as (port, _):
        yield port


def host(n: int) -> str:
    """The `n`th address of loopback."""
    return f"127.{1 + n // 62500}.{n // 250 % 250}.{1 + n % 250}"


def configure(folder: Path, port: int, count: int) -> tuple[Path, str]:
    """A configuration of `count` sources on as many hosts, and the URL of the database it will fill."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    sources = []
    for n in range(count):
        path, answer = _BROKEN[n // 20 % len(_BROKEN)] if n % 20 == 0 else ("/feed.xml", b"")
        sources.append({"name": f"Source {n}", "url": f"http://{host(n)}:{closed if answer is None else port}{path}"})
    database = f"sqlite:///{folder}/corpus.db"
    settings = {
        "database": database,
        "http": {"allow_networks": ["127.0.0.0/8"], "contact": "https://example.org/bot"},
        "harvest": {"full_text": "never", "workers": 1},
        "log": {"level": "error"},
        "web": None,
    }
    (folder / "sources.yaml").write_text(json.dumps({"sources": sources}))
    (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    path_of_settings = folder / "aggregator.yaml"
    path_of_settings.write_text(json.dumps(settings))
    return path_of_settings, database


async def plain(port: int, count: int) -> float:
    """CPU seconds a request of httpx2 alone, fifty at once, to as many hosts: what the machine is worth today."""
    seats = asyncio.Semaphore(50)

    async def ask(client: httpx2.AsyncClient, n: int) -> None:
        async with seats:
            answer = await client.get(f"http://{host(n)}:{port}/feed.xml", headers={"If-None-Match": '"v1"'})
            assert answer.status_code == 304

    async with httpx2.AsyncClient(trust_env=False) as client:
        began = time.process_time()
        await asyncio.gather(*(ask(client, n) for n in range(count)))
        return (time.process_time() - began) / count
