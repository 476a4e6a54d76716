"""Worker processes: what breaks one breaks nothing else."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator

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
