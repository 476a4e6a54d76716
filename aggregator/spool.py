"""Large bodies on disk instead of in memory, on their way to the worker process that reads them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Self, cast

import xxhash

_PIECE = 1 << 18


class Spooled:
    """The bytes of a temporary file, which `close` removes. Pickled it is a reference; unpickled, in a worker, it is those bytes."""

    def __init__(self) -> None:
        self._file, self._size = NamedTemporaryFile(prefix="aggregator-"), 0  # noqa: SIM115  # closed by whoever made it
        self._path = self._file.name

    def __len__(self) -> int:
        return self._size

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _read, (self._path,)

    def write(self, piece: bytes | memoryview) -> Self:
        """Add to its end, for others to read at once. Raises OSError."""
        self._file.write(piece)
        self._file.flush()
        self._size += len(piece)
        return self

    def close(self) -> None:
        """The file is gone after this."""
        self._file.close()


Body = bytes | Spooled


def pieces(body: Body) -> Iterator[bytes]:
    """`body` in pieces, of which one may be all of it. Raises OSError."""
    if isinstance(body, bytes):
        yield body
        return
    with Path(body._path).open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def sha256(body: Body) -> str:
    """The SHA-256 of `body`, in hex. Raises OSError."""
    digest = hashlib.sha256()
    for piece in pieces(body):
        digest.update(piece)
    return digest.hexdigest()


def quick_hash(body: Body) -> str:
    """32 hex digits by which one body is known again, in a tenth of the time; they prove nothing. Raises OSError."""
    digest = xxhash.xxh3_128()
    for piece in pieces(body):
        digest.update(piece)
    return digest.hexdigest()


def crossing(body: Body) -> bytes:
    """`body` as the worker that it is given to will have it."""
    return cast("bytes", body)


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
