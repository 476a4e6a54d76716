"""Runs calls in replaceable child processes with limits on time and memory. A call that breaks its process fails alone."""

import asyncio
import ctypes
import multiprocessing
import resource
import signal
import sys
from collections.abc import Callable
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


class Workers:
    """`count` processes for CPU work. `preload` names modules that each of them needs: they are imported once and forked."""

    def __init__(self, count: int, *, preload: tuple[str, ...] = (), memory_limit: int = MEMORY_LIMIT) -> None:
        # Forking a process with threads may deadlock, spawning imports everything anew: the fork server does neither.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(preload))
        self._pool = pebble.ProcessPool(
            max_workers=count,
            max_tasks=_CALLS_PER_PROCESS,
            initializer=_prepare,
            initargs=(memory_limit,),
            context=context,
        )
        # No more calls wait inside the pool than keep it busy: their arguments, whole pages, wait in its pipe.
        self._seats = asyncio.Semaphore(count * 2)

    async def run(self, limit: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`call(*args, **kwargs)` in a worker, for at most `limit` seconds.

        Raises what the call raises; WorkerError, code `worker_time`, `worker_memory` or `worker`, when it hangs, needs too much
        memory or breaks its process.
        """
        async with self._seats:
            future = self._pool.schedule(call, args=args, kwargs=kwargs, timeout=limit)
            try:
                return await asyncio.wrap_future(future)
            except TimeoutError as exc:
                raise errors.WorkerError(f"took longer than {limit:g} s", code="worker_time") from exc
            except MemoryError as exc:
                raise errors.WorkerError("needed more memory than allowed", code="worker_memory") from exc
            except pebble.ProcessExpired as exc:
                raise errors.WorkerError(f"broke its worker process ({_cause(exc)})", code="worker") from exc

    def close(self) -> None:
        """End all processes; calls under way are given up."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble's own annotations stop here
        self._pool.join()


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
    if sys.platform == "linux":
        # The parent is the fork server, which ends when the daemon does, even by SIGKILL.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
