"""Many small results, one commit: whoever has one waits a moment, and all that came in that moment are written together. Where others come,
more are waited for, so that the busier it is, the less a result costs.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from aggregator import errors

T = TypeVar("T")
R = TypeVar("R")

# Long enough for the answers that came at the same time, short beside any answer.
_GATHER = 0.02
# For what takes a worker process anyway: nobody waits for one full text, and a commit costs half as much as what is written in it.
PATIENT = 0.1
# In which nobody waits longer for others, however many come; and for full texts, while more of them come each time: written by sixteen
# they cost two thirds of what they cost by four.
_LONGEST = 0.1
LONG = 0.3
# So many results with texts are written in one transaction: it holds up other writers for a tenth of a second at most.
MOST_TOGETHER = 16


class Batch(Generic[T, R]):
    """`write` writes a row of results, at most `most`, in one transaction, in a thread, and says what came of each; nobody is told
    before the commit. `gather` is how many seconds it waits for more, and again for as long as more come, but `longest` at most."""

    def __init__(
        self,
        write: Callable[[Sequence[T]], Sequence[R]],
        *,
        most: int | None = None,
        gather: float | None = None,
        longest: float = _LONGEST,
    ) -> None:
        self._write, self._most, self._gather, self._longest = write, most, gather, longest
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, result: T) -> R:
        """What came of it, once it is written. Raises StoreError."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((result, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._flush())
        return await done

    async def aclose(self) -> None:
        """Wait until what was added is written."""
        if self._writer is not None:
            await asyncio.wait({self._writer})

    async def _flush(self) -> None:
        while self._waiting:
            await self._gathered()
            batch = self._waiting[: self._most]
            del self._waiting[: len(batch)]
            came = await self._written([result for result, _ in batch])
            if isinstance(came, Exception) and len(batch) > 1:
                # One that cannot be written must not take the others with it.
                for result, done in batch:
                    _settle([done], await self._written([result]))
            else:
                _settle([done for _, done in batch], came)

    async def _gathered(self) -> None:
        """Wait for others, and again while they come."""
        gather = _GATHER if self._gather is None else self._gather
        enough, came, waited = self._most or sys.maxsize, 0, 0.0
        while not came or (came < len(self._waiting) < enough and waited + gather <= self._longest):
            came = len(self._waiting)
            await asyncio.sleep(gather)
            waited += gather

    async def _written(self, results: Sequence[T]) -> Sequence[R] | Exception:
        try:
            return await asyncio.to_thread(self._write, results)
        except errors.StoreError as exc:
            return exc
        except Exception as exc:
            failed = errors.StoreError(f"unexpected {type(exc).__name__}: {exc}")
            failed.__cause__ = exc
            return failed


def _settle(waiting: Sequence[asyncio.Future[R]], came: Sequence[R] | Exception) -> None:
    for number, done in enumerate(waiting):
        if done.done():
            continue
        if isinstance(came, Exception):
            done.set_exception(came)
        else:
            done.set_result(came[number])
