"""Runs calls in replaceable child processes with limits on time and memory. A call that breaks its process fails alone."""

import asyncio
import ctypes
import functools
import gc
import multiprocessing
import resource
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

import pebble

from aggregator import errors

P = ParamSpec("P")
T = TypeVar("T")

# trafilatura grows by some 50 kB a page (anchors: workers); a fresh process costs 20 ms from the fork server.
_CALLS_PER_PROCESS = 500
# Address space, which counts more than what is resident: pages of several MB need about 300 MB (hazards, rule 1).
MEMORY_LIMIT = 1 << 30
_PR_SET_PDEATHSIG = 1
# A small call waits so long for the others before it is given the spare process, which ends after so long without work.
_PATIENCE, _SPARE_IDLE = 0.2, 60.0


class Workers:
    """`count` processes for CPU work. `preload` names modules that each of them needs: they are imported once and forked.

    When all are busy with something long, one more is started for what is small, and ended when it has had nothing to do for a while.
    """

    def __init__(self, count: int, *, preload: tuple[str, ...] = (), memory_limit: int = MEMORY_LIMIT) -> None:
        # Forking a process with threads may deadlock, spawning imports everything anew: the fork server does neither.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        self._memory_limit = memory_limit
        self._pool, self._seats = self._processes(count), asyncio.Semaphore(count)
        self._spare: pebble.ProcessPool | None = None
        self._spare_seat = asyncio.Semaphore(1)
        self._spare_end: asyncio.TimerHandle | None = None
        self._starting = asyncio.Lock()
        self._started = False

    def _processes(self, count: int) -> pebble.ProcessPool:
        return pebble.ProcessPool(
            max_workers=count,
            max_tasks=_CALLS_PER_PROCESS,
            initializer=_prepare,
            initargs=(self._memory_limit,),
            context=self._context,
        )

    async def run(self, limit: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`call(*args, **kwargs)` in a worker, for at most `limit` seconds.

        Raises what the call raises; WorkerError, code `worker_time`, `worker_memory` or `worker`, when it hangs, needs too much
        memory or breaks its process.
        """
        async with self._seats:
            return await self._called(self._pool, limit, call, *args, **kwargs)

    async def run_small(self, limit: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for a call that should take milliseconds: it does not wait behind those that take seconds."""
        try:
            await asyncio.wait_for(self._seats.acquire(), _PATIENCE)
        except TimeoutError:
            async with self._spare_seat:
                return await self._called(self._spared(), limit, call, *args, **kwargs)
        try:
            return await self._called(self._pool, limit, call, *args, **kwargs)
        finally:
            self._seats.release()

    async def _called(
        self, pool: pebble.ProcessPool, limit: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        future = await self._scheduled(pool, limit, functools.partial(call, *args, **kwargs))
        try:
            return await asyncio.wrap_future(future)
        except TimeoutError as exc:
            raise errors.WorkerError(f"took longer than {limit:g} s", code="worker_time") from exc
        except MemoryError as exc:
            raise errors.WorkerError("needed more memory than allowed", code="worker_memory") from exc
        except pebble.ProcessExpired as exc:
            raise errors.WorkerError(f"broke its worker process ({_cause(exc)})", code="worker") from exc

    async def _scheduled(self, pool: pebble.ProcessPool, limit: float, call: Callable[[], T]) -> Future[T]:
        """The first call starts the processes, which takes a quarter of a second: not on the event loop."""
        if self._started and pool is self._pool:
            return pool.schedule(call, timeout=limit)
        async with self._starting:
            future = await asyncio.to_thread(pool.schedule, call, timeout=limit)
            self._started = True
            return future

    def _spared(self) -> pebble.ProcessPool:
        if self._spare_end is not None:
            self._spare_end.cancel()
        if self._spare is None:
            self._spare = self._processes(1)
        self._spare_end = asyncio.get_running_loop().call_later(_SPARE_IDLE, self._end_spare)
        return self._spare

    def _end_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()  # type: ignore[no-untyped-call]  # what is under way is finished

    def close(self) -> None:
        """End all processes; calls under way are given up."""
        if self._spare_end is not None:
            self._spare_end.cancel()
        for pool in (self._pool, self._spare):
            if pool is not None:
                pool.stop()  # type: ignore[no-untyped-call]  # pebble's own annotations stop here
                pool.join()


def _cause(exc: Any) -> str:
    code = getattr(exc, "exitcode", None)
    if isinstance(code, int) and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _prepare(memory_limit: int) -> None:
    """In each new worker: its memory limit, no reaction to Ctrl-C, and death together with its parent."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # What was imported before stays. Looking through it for garbage took half of a worker's time, and copied what it shares with others.
    gc.freeze()
    # Parsers make objects by the ten thousand and few cycles; a process ends after some hundred calls anyway.
    gc.set_threshold(50_000, 20, 20)
    if sys.platform == "linux":
        # The parent is the fork server, which ends when the daemon does, even by SIGKILL.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
