"""A coded body into its bytes, piece by piece and within a limit. Never takes a cut body for a whole one."""

import zlib
from collections.abc import Iterator

from aggregator import errors, markup

# What we ask for. Not brotli or zstd: nothing bounds what one call of theirs brings (hazards §3: 1.7 kB became 2.1 GB).
ACCEPTED = "gzip, deflate"

# Decoded in about a millisecond, so that whoever decodes can let others go on in between.
PIECE = 1 << 18

_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
# RFC 1952 §2.3.1
_GZIP_MAGIC = b"\x1f\x8b"


class Decoder:
    """Undoes the content coding that `coding`, the value of Content-Encoding, names; at most `limit` bytes come out.

    `feed` it what arrives, then `finish`. Raises TransportError (`encoding`, `encoding_cut`) and TooLargeError
    (`too_large_decoded`).
    """

    def __init__(self, coding: str, limit: int) -> None:
        self._name = _known(coding)
        self._limit = self._room = limit
        # None before the first stream and between two.
        self._stream: zlib._Decompress | None = None
        self._begun = self._over = False
        # A lone byte where a stream may begin: only two tell what it is.
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes mean, at most PIECE at once and maybe nothing. To be exhausted before the next call."""
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
            elif self._stream.unconsumed_tail or len(piece) == PIECE:
                data = self._stream.unconsumed_tail
            else:
                return

    def finish(self) -> None:
        """Say that no more bytes come. A body of none at all is empty, whatever its coding."""
        if self._stream is not None or (self._head and not self._begun):
            raise errors.TransportError(f"the body is cut off: its {self._name} stream has no end", code="encoding_cut")

    def _next(self, data: bytes) -> "zlib._Decompress | None":
        """The stream that begins with `data`; None if that is not enough to tell, or no stream."""
        if len(data) < 2:
            self._head = data
            return None
        if self._begun and not (self._name == "gzip" and data.startswith(_GZIP_MAGIC)):
            # RFC 1952 §2.2: members may follow each other. Anything else is padding, which gzip(1) ignores too.
            self._over = True
            return None
        self._begun = True
        if self._name == "gzip":
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        # RFC 9110 §8.4.1.2: deflate means the zlib format, but many servers send it bare. RFC 1950 §2.2: its header has
        # method 8 and is a multiple of 31.
        wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)

    def _inflated(self, stream: "zlib._Decompress", data: bytes) -> bytes:
        try:
            return stream.decompress(data, PIECE)
        except zlib.error as exc:
            said = f"the body is not the {self._name} it claims to be: {markup.line(str(exc), 100)}"
            raise errors.TransportError(said, code="encoding") from exc

    def _counted(self, piece: bytes) -> bytes:
        self._room -= len(piece)
        if self._room < 0:
            said = f"the document is larger than {size(self._limit)} when decoded"
            raise errors.TooLargeError(said, code="too_large_decoded")
        return piece


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
