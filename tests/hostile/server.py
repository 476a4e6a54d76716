"""Plays the cases, each on a loopback address of its own, in a process of its own. `start` is for the test, `main` is the process.

It keeps a record of requests, and two canaries: listeners that nobody may ever touch.
"""

import asyncio
import json
import socket
import ssl
import struct
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from tests.hostile import faults
from tests.hostile.case import SECRET, Asked, Case, Play, ResetError

ROOT = Path(__file__).resolve().parent.parent.parent
CONTROL = "127.29.0.1"
# A request whose head is longer is no request of ours.
_LONGEST_HEAD = 1 << 17
_TLS_KINDS = ("tls", "tls-expired", "tls-early", "tls-name", "tls-unknown", "tls-self")


@dataclass(frozen=True, slots=True)
class Site:
    """A running server: its one port, the canaries' ports, the authority to trust."""

    port: int
    canary: int
    ca: Path

    def log(self) -> dict[str, Any]:
        """`asked` by case (path and headers of each request), and `touched`: connections to the canaries."""
        with urllib.request.urlopen(f"http://{CONTROL}:{self.port}/log", timeout=30) as answer:
            told: dict[str, Any] = json.loads(answer.read())
        return told


@contextmanager
def start(folder: Path) -> Iterator[Site]:
    """The cases, played until the block ends."""
    command = [sys.executable, "-m", "tests.hostile.server", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Site(port=told["port"], canary=told["canary"], ca=folder / "ca.pem")
    finally:
        process.kill()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


class _Server:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked: dict[str, list[tuple[str, dict[str, str]]]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._touched: list[str] = []
        self._kept: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._certificates = _Certificates(folder)
        self.port = self.canary = 0

    async def open(self) -> None:
        self.port = await self._listen(CONTROL, self._control)
        self.canary = await self._listen("127.0.0.1", self._canary, port=0)
        with suppress(OSError):
            await self._listen("::1", self._canary, port=self.canary)
        for case in faults.CASES:
            await self._host(case, faults.host(case), case.kind, case.play)
            if case.page is not None:
                await self._host(case, faults.page_host(case), case.page_kind, case.page)
        for n in range(faults.HEALTHY):
            await self._host(None, faults.healthy_host(n), "http", faults.healthy)

    async def _host(self, case: Case | None, host: str, kind: str, play: Play | None) -> None:
        if kind == "refused" or play is None:
            if kind == "blackhole":
                self._blackhole(host)
            return
        tls = self._certificates.context(kind, host) if kind in _TLS_KINDS else None

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(case, host, kind, play, reader, writer)

        await self._listen(host, connected, tls=tls)

    async def _listen(
        self, host: str, connected: Any, *, port: int | None = None, tls: ssl.SSLContext | None = None
    ) -> int:
        at = self.port if port is None else port
        server = await asyncio.start_server(connected, host, at, ssl=tls, limit=_LONGEST_HEAD, backlog=64)
        self._servers.append(server)
        found: int = server.sockets[0].getsockname()[1]
        return found

    def _blackhole(self, host: str) -> None:
        """A queue that is full answers no SYN."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, self.port))
        listener.listen(0)
        self._kept.append(listener)
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((host, self.port))
            self._kept.append(client)

    # ------------------------------------------------------------------------------------------------- one connection

    async def _serve(
        self,
        case: Case | None,
        host: str,
        kind: str,
        play: Play,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            with suppress(
                asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, OSError, ssl.SSLError
            ):
                path, headers = ("", {}) if kind == "raw" else _parsed(await reader.readuntil(b"\r\n\r\n"))
                await self._answer(case, host, play, path, headers, reader, writer)
        except ResetError:
            # SO_LINGER of no seconds: close() sends RST.
            found = writer.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer(
        self,
        case: Case | None,
        host: str,
        play: Play,
        path: str,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._counts[host, path] += 1
        if case is not None:
            self._asked.setdefault(case.id, []).append((path, headers))
        if path == "/robots.txt":
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
            return
        asked = Asked(
            path=path,
            nth=self._counts[host, path],
            headers=headers,
            host=host,
            page_host=faults.page_host(case) if case is not None else host,
            port=self.port,
            canary=self.canary,
        )
        answer = play(asked)
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
            return
        saying = asyncio.ensure_future(_say(answer, writer))
        leaving = asyncio.ensure_future(_until_gone(reader))
        try:
            await asyncio.wait({saying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if saying.done():
                saying.result()
        finally:
            for task in (saying, leaving):
                task.cancel()
            await asyncio.gather(saying, leaving, return_exceptions=True)

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"asked": self._asked, "touched": self._touched}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def _canary(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._touched.append(str(writer.get_extra_info("peername")))
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + SECRET.encode())
        await writer.drain()
        writer.close()


def _parsed(request: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = request.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return first.split(" ")[1], headers


async def _say(pieces: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
    async for piece in pieces:
        writer.write(piece)
        await writer.drain()


async def _until_gone(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError, OSError):
        while await reader.read(1 << 16):
            pass


class _Certificates:
    """Server certificates, good and bad; the good authority's is at ca.pem."""

    def __init__(self, folder: Path) -> None:
        self._trusted, self._unknown = trustme.CA(), trustme.CA()
        self._trusted.cert_pem.write_to_path(folder / "ca.pem")
        self._folder = folder

    def context(self, kind: str, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        now = datetime.now(UTC)
        if kind == "tls-self":
            certificate, key = self._folder / f"{host}.pem", self._folder / f"{host}.key"
            _self_signed(host, certificate, key)
            context.load_cert_chain(certificate, key)
            return context
        authority = self._unknown if kind == "tls-unknown" else self._trusted
        name = "wrong.example" if kind == "tls-name" else host
        starts, ends = now - timedelta(days=30), now + timedelta(days=30)
        if kind == "tls-expired":
            ends = now - timedelta(days=1)
        if kind == "tls-early":
            starts = now + timedelta(days=1)
        authority.issue_cert(name, not_before=starts, not_after=ends).configure_cert(context)
        return context


def _self_signed(host: str, certificate: Path, key: Path) -> None:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


async def _run(folder: Path) -> None:
    server = _Server(folder)
    await server.open()
    sys.stdout.write(json.dumps({"port": server.port, "canary": server.canary}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
