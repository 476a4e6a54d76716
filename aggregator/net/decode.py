"""A coded body into its bytes, piece by piece and within a limit. Never takes a cut body for a whole one."""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
import zstandard
from isal import isal_zlib

from aggregator import errors, markup

ACCEPTED = "gzip, deflate, br, zstd"

# Decoded in about a millisecond, so that whoever decodes can let others go on in between.
PIECE = 1 << 18

_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate", "br": "br", "zstd": "zstd"}
# How another stream after the first begins: RFC 1952 §2.2 and §2.3.1, RFC 8878 §3.1. The other codings have only one.
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5"}
# RFC 8878 §3.1.1.1.2: what a decoder should support, and no more.
_WINDOW = 8 << 20
# A block of at least four bytes holds 128 KiB at most, and nothing else bounds what one call brings.
_ZSTD_SLICE = 32
# isal's stubs call its error an object.
_ERRORS: tuple[type[Exception], ...] = (isal_zlib.error, brotli.error, zstandard.ZstdError)  # type: ignore[assignment]


class _Stream(Protocol):
    """One compressed stream, as zlib has it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Brotli:
    """What comes out of one call may be up to twice `max_length`."""

    unused_data = unconsumed_tail = b""

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._inner.is_finished())

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._inner.process(data, output_buffer_limit=max_length))


class _Zstd:
    unconsumed_tail = b""

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data + self.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        pieces, size, at = [], 0, 0
        while at < len(data) and size < max_length and not self._inner.eof:
            pieces.append(self._inner.decompress(data[at : at + _ZSTD_SLICE]))
            size, at = size + len(pieces[-1]), at + _ZSTD_SLICE
        self.unconsumed_tail = data[at:]
        return b"".join(pieces)


class Decoder:
    """Undoes the content coding that `coding`, the value of Content-Encoding, names; at most `limit` bytes come out.

    `feed` it what arrives, then `finish`. Raises TransportError (`encoding`, `encoding_cut`) and TooLargeError
    (`too_large_decoded`).
    """

    def __init__(self, coding: str, limit: int) -> None:
        self._name = _known(coding)
        self._limit = self._room = limit
        # None before the first stream and between two.
        self._stream: _Stream | None = None
        self._begun = self._over = False
        # A lone byte where a stream may begin: only two tell what it is.
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes mean, in pieces of about PIECE (zstd: five times it) at most, maybe nothing. To be exhausted
        before the next call."""
        if self._name is None:
            yield self._counted(data)
            return
        data, self._head = self._head + data, b""
        while not self._over:
            if self._stream is None:
                self._stream = self._next(data)
            if self._stream is None:
                return
            piece = self._inflated(self._stream, data)
            yield self._counted(piece)
            if self._stream.eof:
                data, self._stream = self._stream.unused_data, None
            elif self._stream.unconsumed_tail or len(piece) >= PIECE:
                data = self._stream.unconsumed_tail
            else:
                return

    def finish(self) -> None:
        """Say that no more bytes come. A body of none at all is empty, whatever its coding."""
        if self._stream is not None or (self._head and not self._begun):
            raise errors.TransportError(f"the body is cut off: its {self._name} stream has no end", code="encoding_cut")

    def _next(self, data: bytes) -> _Stream | None:
        """The stream that begins with `data`; None if that is not enough to tell, or no stream."""
        if len(data) < (1 if self._name == "br" else 2):
            self._head = data
            return None
        if self._begun and not (self._name in _MAGIC and data.startswith(_MAGIC[self._name])):
            # Padding, which gzip(1) ignores too.
            self._over = True
            return None
        self._begun = True
        return _STREAMS[self._name or ""](data)

    def _inflated(self, stream: _Stream, data: bytes) -> bytes:
        try:
            return stream.decompress(data, PIECE)
        except _ERRORS as exc:
            said = f"the body is not the {self._name} it claims to be: {markup.line(str(exc), 100)}"
            raise errors.TransportError(said, code="encoding") from exc

    def _counted(self, piece: bytes) -> bytes:
        self._room -= len(piece)
        if self._room < 0:
            said = f"the document is larger than {size(self._limit)} when decoded"
            raise errors.TooLargeError(said, code="too_large_decoded")
        return piece


def _deflate(data: bytes) -> _Stream:
    """RFC 9110 §8.4.1.2: deflate means the zlib format, but many servers send it bare. RFC 1950 §2.2: its header has method 8 and
    is a multiple of 31."""
    wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
    return isal_zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


_STREAMS: dict[str, Callable[[bytes], _Stream]] = {
    "gzip": lambda _: isal_zlib.decompressobj(zlib.MAX_WBITS | 16),
    "deflate": _deflate,
    "br": lambda _: _Brotli(),
    "zstd": lambda _: _Zstd(),
}


def _known(coding: str) -> str | None:
    """The one coding that `coding` names, None for none. Layers of codings are how small bombs become large."""
    names = [name for part in coding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not names:
        return None
    if len(names) == 1 and names[0] in _NAMES:
        return _NAMES[names[0]]
    said = markup.line(", ".join(names), 80)
    raise errors.TransportError(f"the body is coded as {said!r}, which was not asked for", code="encoding")


def size(count: int) -> str:
    """A number of bytes as people say it: `16 MiB`, `1.5 KiB`, `200 bytes`."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"
