"""Many small results, one commit: whoever has one waits a moment, and all that came in that moment are written together."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from aggregator import errors

T = TypeVar("T")

# Long enough for the answers that came at the same time, short beside any answer.
_GATHER = 0.02


class Batch(Generic[T]):
    """`write` writes a row of results in one transaction, in a thread; nobody is told of a result before its commit."""

    def __init__(self, write: Callable[[Sequence[T]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, result: T) -> None:
        """Written when this returns. Raises StoreError."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((result, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._flush())
        await done

    async def aclose(self) -> None:
        """Wait until what was added is written."""
        if self._writer is not None:
            await asyncio.wait({self._writer})

    async def _flush(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHER)
            batch, self._waiting = self._waiting, []
            failed = await self._written([result for result, _ in batch])
            if failed is not None and len(batch) > 1:
                # One that cannot be written must not take the others with it.
                for result, done in batch:
                    _settle(done, await self._written([result]))
            else:
                for _, done in batch:
                    _settle(done, failed)

    async def _written(self, results: Sequence[T]) -> Exception | None:
        try:
            await asyncio.to_thread(self._write, results)
        except errors.StoreError as exc:
            return exc
        except Exception as exc:
            failed = errors.StoreError(f"unexpected {type(exc).__name__}: {exc}")
            failed.__cause__ = exc
            return failed
        return None


def _settle(done: asyncio.Future[None], failed: Exception | None) -> None:
    if done.done():
        return
    if failed is None:
        done.set_result(None)
    else:
        done.set_exception(failed)
