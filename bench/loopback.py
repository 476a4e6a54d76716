"""A server of a benchmark: on every address of loopback, in a process of its own, and with as little of HTTP as it needs."""

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any


class Server(asyncio.Protocol):
    """A connection to it. It listens on every address, for all of 127.0.0.0/8 is wanted, but talks to loopback only."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not transport.get_extra_info("peername")[0].startswith("127."):
            transport.abort()

    @property
    def host(self) -> str:
        """The address that was asked."""
        asked: str = self._transport.get_extra_info("sockname")[0]
        return asked


async def listen(protocol: type[Server]) -> tuple[int, asyncio.Server]:
    """The port, and what serves it."""
    server = await asyncio.get_running_loop().create_server(protocol, "0.0.0.0", 0, backlog=4096)
    port: int = server.sockets[0].getsockname()[1]
    return port, server


@contextmanager
def serving(serve: Callable[..., None], *args: Any) -> Iterator[tuple[int, Connection]]:
    """The port of a server that `serve` runs in a process of its own, and the pipe to it; it is handed the other end, to tell its port, and
    then `args`."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, *args), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        process.terminate()
        process.join()
