"""A small real HTTP server for tests, over plain TCP and TLS, scripted by path; it remembers every connection and request."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

Handler = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    tls: bool


@dataclass(slots=True)
class Server:
    """What paths answer: bytes to send as they are, or a coroutine that writes. Unknown paths are 404."""

    http: int = 0
    https: int = 0
    ca: Path | None = None
    answers: dict[str, bytes | Handler] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/", *, host: str = "127.0.0.1", tls: bool = False) -> str:
        return f"{'https' if tls else 'http'}://{host}:{self.https if tls else self.http}{path}"

    def serve(self, path: str, body: bytes = b"", *, status: str = "200 OK", **headers: str) -> str:
        """Let `path` answer; keyword names become header names (`content_type`)."""
        self.answers[path] = answer(body, status=status, **headers)
        return self.url(path)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        tls = writer.get_extra_info("ssl_object") is not None
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)
                }
                asked = Asked(head[0].split(" ")[1], headers, tls)
                self.requests.append(asked)
                reply = self.answers.get(asked.path, answer(b"", status="404 Not Found"))
                if isinstance(reply, bytes):
                    writer.write(reply)
                    await writer.drain()
                else:
                    await reply(asked, writer)
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


def answer(body: bytes = b"", *, status: str = "200 OK", **headers: str) -> bytes:
    """A whole response; its length is stated unless `content_length` is given."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    told.setdefault("content-length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


@asynccontextmanager
async def server(
    folder: Path, *, names: tuple[str, ...] = ("localhost", "127.0.0.1"), expired: bool = False
) -> AsyncIterator[Server]:
    """A running server; its TLS certificate is for `names`, by an authority whose certificate is at `ca`."""
    authority = trustme.CA()
    running = Server(ca=folder / "ca.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    until = {"not_after": _long_ago(), "not_before": _long_ago(2)} if expired else {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **until).configure_cert(context)
    plain = await asyncio.start_server(running.connected, "127.0.0.1", 0)
    secure = await asyncio.start_server(running.connected, "127.0.0.1", 0, ssl=context)
    running.http, running.https = (listener.sockets[0].getsockname()[1] for listener in (plain, secure))
    try:
        yield running
    finally:
        for listener in (plain, secure):
            listener.close()


def _long_ago(years: int = 1):  # type: ignore[no-untyped-def]
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) - timedelta(days=365 * years)
