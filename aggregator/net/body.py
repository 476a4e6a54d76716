"""The body of an answer: decoded as it arrives, within its limits, and in its place, which for a large one is on disk."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from aggregator import errors, markup, model, spool
from aggregator.net import decode

# Beyond these sizes only so many documents are at hand at a time, for what is made of them is several times as large.
LARGE = ((1 << 20, 4), (4 << 20, 1))
# More of a body that somebody holds is on disk.
_IN_MEMORY = 256 << 10


@dataclass(slots=True, kw_only=True)
class Room:
    """Where the body of one answer has its place: in memory, or if it may be `spooled` on disk when it is larger; beyond `enough` bytes it
    takes a seat. `held` gives both back."""

    seats: tuple[tuple[int, asyncio.Semaphore], ...]
    held: AsyncExitStack
    spooled: bool = False
    deadline: asyncio.Timeout | None = None
    enough: int = LARGE[0][0]
    size: int = 0
    # Most bodies come in one piece, which is not copied.
    alone: bytes = b""
    # Its value is the buffer itself, not a copy of many MB.
    memory: io.BytesIO = field(default_factory=io.BytesIO)
    disk: spool.Spooled | None = None

    async def add(self, piece: bytes) -> None:
        """Put `piece` at the end of the body. Raises FetchError (`storage`)."""
        self.size += len(piece)
        if self.size > self.enough:
            await self._make()
        try:
            if self.spooled and self.disk is None and self.size > _IN_MEMORY:
                self._move()
            if self.disk is None:
                self._remember(piece)
            else:
                self.disk.write(piece)
        except OSError as exc:
            raise _unstorable(exc) from exc

    def body(self) -> spool.Body:
        """All that was added."""
        return self.disk if self.disk is not None else self.alone or self.memory.getvalue()

    def _remember(self, piece: bytes) -> None:
        if self.size == len(piece):
            self.alone = piece
            return
        self.memory.write(self.alone)
        self.memory.write(piece)
        self.alone = b""

    async def _make(self) -> None:
        """Wait for room; the deadline waits too."""
        loop = asyncio.get_running_loop()
        began, ends = loop.time(), self.deadline.when() if self.deadline else None
        if self.deadline is not None:
            self.deadline.reschedule(None)
        while self.seats and self.size > self.seats[0][0]:
            seat, self.seats = self.seats[0][1], self.seats[1:]
            await seat.acquire()
            self.held.callback(seat.release)
        self.enough = self.seats[0][0] if self.seats else sys.maxsize
        if self.deadline is not None and ends is not None:
            self.deadline.reschedule(ends + loop.time() - began)

    def _move(self) -> None:
        self.disk = spool.Spooled()
        self.held.callback(self.disk.close)
        self.disk.write(self.alone)
        self.disk.write(self.memory.getbuffer())
        self.alone, self.memory = b"", io.BytesIO()


def _unstorable(exc: OSError) -> errors.FetchError:
    said = f"no room for the document in the folder for temporary files: {markup.line(exc.strerror or str(exc), 100)}"
    return errors.FetchError(said, code="storage")


def _too_large(content_type: str, stated: str, limit: int) -> errors.TooLargeError:
    media = markup.line(content_type.partition(";")[0].lower(), 80)
    told = [media, decode.size(int(stated[:18]))] if stated.isascii() and stated.isdigit() else [media]
    document = f"the document ({', '.join(filter(None, told))})" if media else "the document"
    return errors.TooLargeError(f"{document} is larger than {decode.size(limit)}", status=200, media=media)


async def read(
    chunks: AsyncIterator[bytes], headers: Mapping[str, str], request: model.Request, room: Room
) -> tuple[spool.Body, int]:
    """The decoded body and its size on the wire, each within the limit of `request`."""
    limit = request.max_bytes
    stated = headers.get("content-length", "")
    large = _too_large(headers.get("content-type", ""), stated, limit)
    if stated.isdigit() and int(stated) > limit and not request.cut:
        raise large
    decoder = decode.Decoder(headers.get("content-encoding", ""), limit)
    wire_bytes = 0
    try:
        async for chunk in chunks:
            if request.cut:
                chunk = chunk[: limit - wire_bytes]  # noqa: PLW2901
                if not chunk:
                    return room.body(), wire_bytes
            wire_bytes += len(chunk)
            if wire_bytes > limit:
                raise large
            for piece in decoder.feed(chunk):
                await room.add(piece)
                # A kilobyte may hold a megabyte of work: others get their turn in between.
                await asyncio.sleep(0)
        decoder.finish()
    except errors.TooLargeError:
        if not request.cut:
            raise
    return room.body(), wire_bytes
