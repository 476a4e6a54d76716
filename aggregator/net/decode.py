"""Content codings undone within a limit: a few kilobytes must not become a gigabyte."""

import zlib

from aggregator import errors

# What we ask for. Brotli and zstd are not: httpx decodes them without a limit (hazards: 2.1 GB from 1.7 kB).
ACCEPTED = "gzip, deflate"


class Decoder:
    """Undoes one content coding as the bytes arrive; `limit` bounds what comes out. Raises TooLargeError and TransportError."""

    def __init__(self, coding: str, limit: int) -> None:
        names = [name for name in (part.strip().lower() for part in coding.split(",")) if name not in ("", "identity")]
        if len(names) > 1 or (names and names[0] not in ("gzip", "x-gzip", "deflate")):
            raise errors.TransportError(
                f"the body is coded as {coding[:80]!r}, which we did not ask for", code="encoding"
            )
        self._coding = names[0].removeprefix("x-") if names else None
        self._limit, self._room = limit, limit
        self._inflate: zlib._Decompress | None = None
        self._held = b""
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes from the wire."""
        if self._coding is None:
            self._keep(data)
            return
        data, self._held = self._held + data, b""
        while data:
            if self._inflate is None or self._inflate.eof:
                if len(data) < 2:
                    # Too little to tell how the next stream begins.
                    self._held = data
                    return
                # RFC 1952 §2.2: members may follow each other; anything else after the end is padding, and ignored.
                if self._inflate is not None and (self._coding != "gzip" or not data.startswith(b"\x1f\x8b")):
                    return
                self._inflate = self._start(data)
            data = self._step(self._inflate, data)

    def _step(self, inflate: "zlib._Decompress", data: bytes) -> bytes:
        try:
            # One byte beyond the room left, to see that there is more.
            self._keep(inflate.decompress(data, self._room + 1))
        except zlib.error as exc:
            raise errors.TransportError(
                f"the body is not the {self._coding} it claims to be ({exc})", code="encoding"
            ) from exc
        return inflate.unused_data if inflate.eof else inflate.unconsumed_tail

    def finish(self) -> bytes:
        """The whole decoded body. A stream that was cut is an error, not a shorter body."""
        started = self._inflate is not None or self._held
        if started and (self._inflate is None or not self._inflate.eof):
            raise errors.TransportError(f"the {self._coding} body is cut off", code="encoding_cut")
        return b"".join(self._parts)

    def _start(self, first: bytes) -> "zlib._Decompress":
        if self._coding == "gzip":
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        # RFC 9110 §8.4.1.2: deflate is the zlib format, but many servers send it raw. Its header is a multiple of 31.
        wrapped = len(first) >= 2 and first[0] & 0x0F == 8 and int.from_bytes(first[:2], "big") % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)

    def _keep(self, data: bytes) -> None:
        if len(data) > self._room:
            raise errors.TooLargeError(
                f"the document is larger than {size(self._limit)} when decoded", code="too_large_decoded"
            )
        self._room -= len(data)
        self._parts.append(data)


def size(count: int) -> str:
    """A number of bytes as people say it."""
    return f"{count / (1 << 20):.3g} MiB" if count >= 1 << 20 else f"{count / 1024:.3g} KiB"
