"""Worker processes: what breaks one breaks nothing else."""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from aggregator import errors
from aggregator.workers import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(2, memory_limit=1 << 29)
    yield pool
    pool.close()


def square(n: int) -> int:
    return n * n


def hang() -> None:
    time.sleep(60)


def die() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def devour() -> int:
    return len(bytearray(2 << 30))


def refuse() -> None:
    raise errors.ParseError("not a feed", code="html")


async def test_calls_run_in_other_processes_and_bring_their_results(workers: Workers) -> None:
    assert await asyncio.gather(*(workers.run(5, square, n) for n in range(20))) == [n * n for n in range(20)]
    assert await workers.run(5, os.getpid) != os.getpid()


async def test_errors_of_ours_come_back_as_they_were_raised(workers: Workers) -> None:
    with pytest.raises(errors.ParseError, match="not a feed") as caught:
        await workers.run(5, refuse)

    assert caught.value.code == "html"


@pytest.mark.parametrize(("call", "code"), [(hang, "worker_time"), (die, "worker"), (devour, "worker_memory")])
async def test_a_call_that_breaks_its_worker_fails_alone(workers: Workers, call: object, code: str) -> None:
    results = await asyncio.gather(
        workers.run(0.5, call),  # type: ignore[arg-type]
        *(workers.run(5, square, n) for n in range(10)),
        return_exceptions=True,
    )

    broken, *others = results
    assert isinstance(broken, errors.WorkerError)
    assert broken.code == code
    assert others == [n * n for n in range(10)]
    assert await workers.run(5, square, 7) == 49


async def test_a_worker_that_was_killed_says_by_which_signal(workers: Workers) -> None:
    with pytest.raises(errors.WorkerError, match="SIGSEGV"):
        await workers.run(5, die)


_KEPT: list[bytearray] = []


def leak() -> int:
    """Keep 200 MB in this process for good."""
    _KEPT.append(bytearray(200 << 20))
    return os.getpid()


async def test_a_worker_that_leaks_is_replaced_when_it_is_full_and_fails_no_call_after_that() -> None:
    worker = Workers(1, memory_limit=1 << 29)

    told = [await asyncio.gather(worker.run(5, leak), return_exceptions=True) for _ in range(9)]

    failed = [number for number, (one,) in enumerate(told) if isinstance(one, BaseException)]
    assert failed
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(failed))
    assert {getattr(told[number][0], "code", None) for number in failed} == {"worker_memory"}
    assert await worker.run(5, square, 7) == 49
    worker.close()


async def test_a_call_alone_has_a_process_of_its_own_each_time(workers: Workers) -> None:
    shared = {await workers.run(5, os.getpid) for _ in range(4)}

    alone = [await workers.run_alone(5, os.getpid) for _ in range(3)]

    assert len(set(alone)) == 3
    assert not shared & set(alone)


async def test_calls_alone_wait_for_each_other_and_hold_up_nobody_else(workers: Workers) -> None:
    began = time.monotonic()
    hanging = [asyncio.ensure_future(workers.run_alone(1, hang)) for _ in range(2)]

    assert await asyncio.gather(*(workers.run(5, square, n) for n in range(20))) == [n * n for n in range(20)]
    assert not any(one.done() for one in hanging)
    broken = await asyncio.gather(*hanging, return_exceptions=True)
    assert [getattr(one, "code", None) for one in broken] == ["worker_time", "worker_time"]
    assert time.monotonic() - began > 2


async def test_a_worker_that_somebody_kills_is_replaced(workers: Workers) -> None:
    victim = await workers.run(5, os.getpid)
    call = asyncio.ensure_future(workers.run(20, hang))
    other = asyncio.ensure_future(workers.run(20, time.sleep, 0.5))
    await asyncio.sleep(0.5)
    for process in _beside(victim):
        process.kill()

    results = await asyncio.gather(call, other, return_exceptions=True)

    assert {getattr(one, "code", None) for one in results} <= {"worker", None}
    assert "worker" in {getattr(one, "code", None) for one in results}
    assert await asyncio.gather(*(workers.run(5, square, n) for n in range(6))) == [n * n for n in range(6)]


def _beside(of: int) -> list[psutil.Process]:
    """The workers that are beside the one with this id."""
    return [one for one in psutil.Process(of).parent().children() if one.is_running()]  # type: ignore[union-attr]


async def test_workers_that_are_killed_while_they_have_nothing_to_do_are_replaced(workers: Workers) -> None:
    for _ in range(3):
        for process in _beside(await workers.run(5, os.getpid)):
            process.kill()
        await asyncio.sleep(0.5)

        assert await asyncio.gather(*(workers.run(5, square, n) for n in range(6))) == [n * n for n in range(6)]
