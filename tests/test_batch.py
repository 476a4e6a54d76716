"""Results that come together are written together, and nobody is told before."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from aggregator import batch, errors


def _noting(written: list[list[int]]) -> Callable[[Sequence[int]], Sequence[str]]:
    def write(results: Sequence[int]) -> Sequence[str]:
        written.append(list(results))
        return [str(result) for result in results]

    return write


async def test_what_comes_at_the_same_moment_is_written_in_one_go() -> None:
    written: list[list[int]] = []
    group = batch.Batch(_noting(written))

    came = await asyncio.gather(*(group.add(n) for n in range(50)))
    await group.add(50)

    assert written == [list(range(50)), [50]]
    assert came == [str(n) for n in range(50)]


@pytest.mark.parametrize(
    ("gather", "longest", "most", "together"), [(0, 1, None, 9), (0, 1, 4, 4), (0.2, 0.2, None, 9)]
)
async def test_while_others_come_they_are_waited_for_until_it_is_enough(
    gather: float, longest: float, most: int | None, together: int
) -> None:
    written: list[list[int]] = []
    group = batch.Batch(_noting(written), most=most, gather=gather, longest=longest)

    async def late(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await group.add(turns)

    await asyncio.gather(group.add(0), *(late(turns) for turns in range(8)))

    assert len(written[0]) == together
    assert sum(map(len, written)) == 9


async def test_no_more_are_written_in_one_go_than_allowed() -> None:
    written: list[list[int]] = []
    group = batch.Batch(_noting(written), most=20)

    came = await asyncio.gather(*(group.add(n) for n in range(50)))

    assert written == [list(range(20)), list(range(20, 40)), list(range(40, 50))]
    assert came == [str(n) for n in range(50)]


async def test_one_that_cannot_be_written_does_not_take_the_others_with_it() -> None:
    written: list[int] = []

    def write(results: Sequence[int]) -> Sequence[int]:
        if 3 in results:
            raise errors.StoreError("not this one")
        written.extend(results)
        return results

    group = batch.Batch(write)
    came = await asyncio.gather(*(group.add(n) for n in range(6)), return_exceptions=True)

    assert [type(one) for one in came] == [int] * 3 + [errors.StoreError] + [int] * 2
    assert written == [0, 1, 2, 4, 5]


async def test_whatever_goes_wrong_in_writing_is_a_store_error() -> None:
    def write(results: Sequence[int]) -> Sequence[int]:
        raise KeyError(results[0])

    with pytest.raises(errors.StoreError):
        await batch.Batch(write).add(1)


async def test_closing_waits_for_what_was_added_even_if_nobody_does_any_more() -> None:
    written: list[list[int]] = []
    group = batch.Batch(_noting(written))

    asking = asyncio.create_task(group.add(1))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await group.aclose()

    assert written == [[1]]
