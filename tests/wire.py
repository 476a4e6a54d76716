"""A network without sockets: what the client writes is read as a request, and what a test answers is there to be read at once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore2


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request; header names in lower case."""

    host: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] | None = None

    def written(self) -> bytes:
        headers = {"content-length": str(len(self.body))} if self.status != 304 else {}
        headers |= self.headers or {}
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


Answer = Callable[[Asked], Reply]


class Backend(httpcore2.AsyncNetworkBackend):
    """In the place of `net.stream.Backend`: connects everybody to `answer`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002
        port: int,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        return _Stream(self._answer)

    async def sleep(self, seconds: float) -> None:
        """Time is the test's to tell."""


class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, answer: Answer) -> None:
        self._answer, self._heard, self._said = answer, b"", b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        said, self._said = self._said[:max_bytes], self._said[max_bytes:]
        return said

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._heard += buffer
        while b"\r\n\r\n" in self._heard:
            head, _, self._heard = self._heard.partition(b"\r\n\r\n")
            self._said += self._answer(_parsed(head)).written()

    async def aclose(self) -> None:
        self._said = b""

    def get_extra_info(self, info: str) -> Any:
        return False if info == "is_readable" else None


def _parsed(head: bytes) -> Asked:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(host=headers["host"], path=first.split(" ")[1], headers=headers)
