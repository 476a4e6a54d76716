"""Runs calls in replaceable child processes with limits on time and memory. A call that breaks its process fails alone."""

import asyncio
import contextlib
import ctypes
import functools
import gc
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
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
# How a process ends that has used up its memory: what it has left would fail the next call.
_OUT_OF_MEMORY = 86
# A call whose pool breaks is done again in a new one, so often.
_POOLS = 3
# A small call waits so long for the others before it is given the spare process, which ends after so long without work.
_PATIENCE, _SPARE_IDLE = 0.2, 60.0


@dataclass(slots=True)
class _Pool:
    """Processes that are started when they are first needed: `count`, each for so many `calls`."""

    count: int
    calls: int = _CALLS_PER_PROCESS
    processes: pebble.ProcessPool | None = None
    started: bool = False


class Workers:
    """`count` processes for CPU work. `preload` names modules that each of them needs: they are imported once and forked.

    When all are busy with something long, one more is started for what is small, and ended when it has had nothing to do for a while.
    """

    def __init__(self, count: int, *, preload: tuple[str, ...] = (), memory_limit: int = MEMORY_LIMIT) -> None:
        # Forking a process with threads may deadlock, spawning imports everything anew: the fork server does neither.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        self._memory_limit = memory_limit
        self._pool, self._seats = _Pool(count), asyncio.Semaphore(count)
        self._spare, self._spare_seat = _Pool(1), asyncio.Semaphore(1)
        self._spare_end: asyncio.TimerHandle | None = None
        self._apart, self._apart_seat = _Pool(1, calls=1), asyncio.Semaphore(1)
        self._starting = asyncio.Lock()
        self._ending: set[asyncio.Future[None]] = set()

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

    async def run_alone(self, limit: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for a call that has broken a process: in one where no other call has been or will be, one such call at a time."""
        async with self._apart_seat:
            return await self._called(self._apart, limit, call, *args, **kwargs)

    async def _called(self, pool: _Pool, limit: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_POOLS):
            processes, future = await self._scheduled(
                pool, limit, functools.partial(_within_memory, call, *args, **kwargs)
            )
            try:
                return await asyncio.wrap_future(future)
            except TimeoutError as exc:
                raise errors.WorkerError(f"took longer than {limit:g} s", code="worker_time") from exc
            except pebble.ProcessExpired as exc:
                if getattr(exc, "exitcode", None) == _OUT_OF_MEMORY:
                    raise errors.WorkerError("needed more memory than allowed", code="worker_memory") from exc
                raise errors.WorkerError(f"broke its worker process ({_cause(exc)})", code="worker") from exc
            except BrokenProcessPool:
                # No call's doing: a process was killed that had none, or that was about to take or give back one.
                self._end(pool, processes)
        raise errors.WorkerError("was given up when all worker processes were lost, again and again", code="worker")

    async def _scheduled(
        self, pool: _Pool, limit: float, call: Callable[[], T]
    ) -> tuple[pebble.ProcessPool, Future[T]]:
        """The first call starts the processes, which takes a quarter of a second: not on the event loop."""
        async with self._starting if not pool.started else contextlib.nullcontext():
            for _ in range(_POOLS):
                processes = pool.processes = pool.processes or self._processes(pool)
                try:
                    if pool.started:
                        return processes, processes.schedule(call, timeout=limit)
                    future = await asyncio.to_thread(processes.schedule, call, timeout=limit)
                except RuntimeError:
                    # It was lost while nobody needed it.
                    self._end(pool, processes)
                else:
                    pool.started = True
                    return processes, future
        raise errors.WorkerError("has no worker process: they cannot be started", code="worker")

    def _processes(self, pool: _Pool) -> pebble.ProcessPool:
        return pebble.ProcessPool(
            max_workers=pool.count,
            max_tasks=pool.calls,
            initializer=_prepare,
            initargs=(self._memory_limit,),
            context=self._context,
        )

    def _end(self, pool: _Pool, processes: pebble.ProcessPool) -> None:
        """The next call gets new processes, unless it has them already; what is left of these ends beside it."""
        if pool.processes is processes:
            pool.processes, pool.started = None, False
            ending = asyncio.ensure_future(asyncio.to_thread(_stopped, processes))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _spared(self) -> _Pool:
        if self._spare_end is not None:
            self._spare_end.cancel()
        self._spare_end = asyncio.get_running_loop().call_later(_SPARE_IDLE, self._end_spare)
        return self._spare

    def _end_spare(self) -> None:
        spare, self._spare = self._spare, _Pool(1)
        if spare.processes is not None:
            spare.processes.close()  # type: ignore[no-untyped-call]  # what is under way is finished

    def close(self) -> None:
        """End all processes; calls under way are given up."""
        if self._spare_end is not None:
            self._spare_end.cancel()
        for pool in (self._pool, self._spare, self._apart):
            if pool.processes is not None:
                _stopped(pool.processes)


def _stopped(processes: pebble.ProcessPool) -> None:
    processes.stop()  # type: ignore[no-untyped-call]  # pebble's own annotations stop here
    processes.join()


def _cause(exc: Any) -> str:
    code = getattr(exc, "exitcode", None)
    if isinstance(code, int) and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _within_memory(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a worker: the call. A process that is out of memory ends; it may be full of what earlier calls have left behind."""
    try:
        return call(*args, **kwargs)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


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
