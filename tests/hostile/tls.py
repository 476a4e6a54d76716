"""TLS that cannot be trusted, or is none. Never a silent second try without checks."""

import asyncio
from collections.abc import AsyncIterator

from tests.hostile.case import Asked, Case, bad, good, raw, silence, stories, well

_URL = "https://{host}:{port}/feed"


async def _stall(asked: Asked) -> AsyncIterator[bytes]:
    await silence()
    yield b""


async def _half(asked: Asked) -> AsyncIterator[bytes]:
    # A record that begins a ServerHello of 16 kB, of which no more comes.
    yield b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
    await silence()


async def _drip(asked: Asked) -> AsyncIterator[bytes]:
    yield b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03"
    while True:
        await asyncio.sleep(0.3)
        yield b"\0"


CASES = (
    Case(id="tls-good", kind="tls", url=_URL, play=good, want=well(3, titles=stories())),
    Case(id="tls-self-signed", kind="tls-self", url=_URL, play=good, want=bad("tls_authority")),
    Case(id="tls-expired", kind="tls-expired", url=_URL, play=good, want=bad("tls_expired")),
    Case(id="tls-not-yet-valid", kind="tls-early", url=_URL, play=good, want=bad("tls_expired")),
    Case(id="tls-wrong-host", kind="tls-name", url=_URL, play=good, want=bad("tls_name")),
    Case(id="tls-unknown-ca", kind="tls-unknown", url=_URL, play=good, want=bad("tls_authority")),
    Case(id="tls-plain", url=_URL, kind="raw", play=raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), want=bad("tls")),
    Case(id="tls-on-plain", kind="tls", play=good, want=bad("reset", "protocol")),
    Case(id="tls-stall", kind="raw", url=_URL, play=_stall, want=bad("timeout")),
    Case(id="tls-half-hello", kind="raw", url=_URL, play=_half, want=bad("timeout")),
    Case(id="tls-slow-hello", kind="raw", url=_URL, play=_drip, want=bad("timeout")),
    Case(id="tls-close", kind="raw", url=_URL, play=raw(b""), want=bad("tls", "reset")),
    Case(id="tls-garbage", kind="raw", url=_URL, play=raw(bytes(range(256)) * 8), want=bad("tls")),
)
