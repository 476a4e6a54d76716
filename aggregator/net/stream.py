"""A TCP connection for httpcore2, straight over asyncio: its own backend goes through anyio, which costs twice as much a request."""

import asyncio
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2

from aggregator import errors, markup

_NEVER = 3600.0

# OpenSSL, x509_vfy.h: X509_V_ERR_*.
_CERTIFICATE = {
    9: ("tls_expired", "the server's certificate is not valid yet"),
    10: ("tls_expired", "the server's certificate has expired"),
    2: ("tls_authority", "the server's certificate is from an unknown authority"),
    18: ("tls_authority", "the server's certificate is signed by itself"),
    19: ("tls_authority", "the server's certificate is from an unknown authority"),
    20: ("tls_authority", "the server's certificate is from an unknown authority"),
    21: ("tls_authority", "the server's certificate cannot be traced to a known authority"),
    62: ("tls_name", "the server's certificate is for another name"),
    64: ("tls_name", "the server's certificate is for another name"),
}


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
        """The same connection, encrypted; closed if the handshake fails or is given up. Raises TransportError, which says what was wrong:
        httpcore2 would keep only that it failed."""
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(
                    ssl_context,
                    server_hostname=server_hostname,
                    # The deadline is the caller's; this one is never reached.
                    ssl_handshake_timeout=_NEVER,
                )
        except BaseException as exc:
            self._writer.transport.abort()
            if isinstance(exc, TimeoutError):
                limit = f" within {timeout:g} s" if timeout else ""
                said = f"{server_hostname} did not finish the TLS handshake{limit}"
                raise errors.TransportError(said, code="timeout") from exc
            if isinstance(exc, OSError):
                raise tls_error(exc) from exc
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
    except OSError as exc:
        raise broken(str(exc)) from exc


def tls_error(exc: BaseException | None) -> errors.TransportError:
    """What was wrong with a TLS connection: `tls_expired`, `tls_name`, `tls_authority`, or `tls` for all else."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        said = markup.line(getattr(exc, "verify_message", "") or str(exc), 100)
        other = ("tls", f"the server's certificate cannot be trusted: {said}")
        code, text = _CERTIFICATE.get(getattr(exc, "verify_code", 0), other)
        return errors.TransportError(text, code=code)
    if isinstance(exc, ssl.SSLError) and exc.reason:
        reason = markup.line(exc.reason, 100).replace("_", " ").lower()
        return errors.TransportError(f"no TLS connection: {reason}", code="tls")
    return errors.TransportError("the server closed the connection during the TLS handshake", code="tls")
