"""Results that come together are written together, and nobody is told before."""

import asyncio
from collections.abc import Sequence

import pytest

from aggregator import batch, errors


async def test_what_comes_at_the_same_moment_is_written_in_one_go() -> None:
    written: list[list[int]] = []
    group: batch.Batch[int] = batch.Batch(lambda results: written.append(list(results)))

    await asyncio.gather(*(group.add(n) for n in range(50)))
    await group.add(50)

    assert written == [list(range(50)), [50]]


async def test_one_that_cannot_be_written_does_not_take_the_others_with_it() -> None:
    written: list[int] = []

    def write(results: Sequence[int]) -> None:
        if 3 in results:
            raise errors.StoreError("not this one")
        written.extend(results)

    group = batch.Batch(write)
    came = await asyncio.gather(*(group.add(n) for n in range(6)), return_exceptions=True)

    assert [type(one) for one in came] == [type(None)] * 3 + [errors.StoreError] + [type(None)] * 2
    assert written == [0, 1, 2, 4, 5]


async def test_whatever_goes_wrong_in_writing_is_a_store_error() -> None:
    def write(results: Sequence[int]) -> None:
        raise KeyError(results[0])

    with pytest.raises(errors.StoreError):
        await batch.Batch(write).add(1)


async def test_closing_waits_for_what_was_added_even_if_nobody_does_any_more() -> None:
    written: list[int] = []
    group: batch.Batch[int] = batch.Batch(written.extend)

    asking = asyncio.create_task(group.add(1))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await group.aclose()

    assert written == [1]
