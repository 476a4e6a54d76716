"""A TCP connection for httpcore2, straight over asyncio: its own backend goes through anyio, which costs twice as much a request."""

import asyncio
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2

_NEVER = 3600.0


class Backend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses, not to names. Raises ConnectError, ConnectTimeout and, reading and writing, their likes."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the address `host`, within `timeout` seconds."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 16, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            async with asyncio.timeout(timeout):
                transport, _ = await loop.create_connection(lambda: protocol, host, port)
        except TimeoutError as exc:
            raise httpcore2.ConnectTimeout(str(exc)) from exc
        except OSError as exc:
            raise httpcore2.ConnectError(str(exc)) from exc
        return Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Stream(httpcore2.AsyncNetworkStream):
    """Both directions of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._secured = reader, writer, False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _edge(httpcore2.ReadError, httpcore2.ReadTimeout):
            if timeout is None:
                return await self._reader.read(max_bytes)
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        with _edge(httpcore2.WriteError, httpcore2.WriteTimeout):
            self._writer.write(buffer)
            if timeout is None:
                await self._writer.drain()
                return
            async with asyncio.timeout(timeout):
                await self._writer.drain()

    async def aclose(self) -> None:
        """Close it; what is still to be sent is sent by the loop. TLS says no goodbye: nobody waits for its answer."""
        if self._secured:
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """The same connection, encrypted. Closed if the handshake fails or is given up."""
        try:
            with _edge(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                async with asyncio.timeout(timeout):
                    await self._writer.start_tls(
                        ssl_context,
                        server_hostname=server_hostname,
                        # The deadline is the caller's; this one is never reached.
                        ssl_handshake_timeout=_NEVER,
                    )
        except BaseException:
            self._writer.transport.abort()
            raise
        self._secured = True
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            # What comes unasked on an idle connection is its end.
            return self._reader.at_eof() or bool(self._writer.transport.is_closing())
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._writer.get_extra_info(names.get(info, info))


@contextmanager
def _edge(broken: type[Exception], late: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as exc:
        raise late(str(exc)) from exc
    except (OSError, ssl.SSLError) as exc:
        raise broken(str(exc)) from exc
