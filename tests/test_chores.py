"""What the engine does beside the two stages: at its times, once at a time, to its end, and at the end of a single round."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aggregator import errors
from aggregator.engine import local
from tests.behaviours import world


class Chore:
    """Counts its beginnings and its ends; takes as long as it is let."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.may_end = asyncio.Event()
        self.fails: Exception | None = None

    async def do(self) -> None:
        self.begun += 1
        if self.fails is not None:
            raise self.fails
        await self.may_end.wait()
        self.ended += 1


async def _until(chore: Chore, begun: int) -> None:
    async with asyncio.timeout(10):
        while chore.begun < begun:
            await asyncio.sleep(0.01)


async def test_a_chore_is_done_at_its_times_one_after_the_other_and_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chore, often = Chore(), timedelta(seconds=0.05)
    async with world.opened(tmp_path, f"sqlite:///{tmp_path}/corpus.db") as one:
        monkeypatch.setattr(one.running.engine, "_chores", (local.Chore(every=often, do=chore.do),))
        await one.running.engine.start()
        await _until(chore, 1)
        await asyncio.sleep(0.3)
        assert (chore.begun, chore.ended) == (1, 0)

        chore.may_end.set()
        await _until(chore, 3)
        chore.may_end.clear()
        await asyncio.sleep(0.1)
        drained = asyncio.create_task(one.running.engine.drain(timedelta(seconds=5)))
        await asyncio.sleep(0.1)
        chore.may_end.set()
        await drained

        assert chore.begun == chore.ended


async def test_a_database_that_cannot_be_reached_is_a_pause_for_chores_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chore = Chore()
    chore.fails = errors.UnavailableError("gone")
    async with world.opened(tmp_path, f"sqlite:///{tmp_path}/corpus.db") as one:
        engine = one.running.engine
        monkeypatch.setattr(engine, "_chores", (local.Chore(every=timedelta(seconds=0.05), do=chore.do),))
        await engine.start()
        await _until(chore, 1)
        await asyncio.sleep(0.3)

        assert chore.begun == 1
        assert engine.trouble == "gone"


async def test_a_single_round_ends_with_them_and_a_poll_by_hand_does_not(tmp_path: Path) -> None:
    async with world.opened(tmp_path, f"sqlite:///{tmp_path}/corpus.db") as one:
        one.execute("UPDATE sources SET state = 'gone', error_code = 'gone'")
        await one.round(harvests=False)
        assert one.source()["sought_at"] is None

        await one.round(harvests=True)

        assert one.source()["sought_at"] == one.clock.at


async def test_while_the_loop_is_late_harvests_leave_the_machine_to_polls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    async with world.opened(tmp_path, f"sqlite:///{tmp_path}/corpus.db") as one:
        engine = one.running.engine

        def claim(_now: datetime, free: int) -> tuple[()]:
            asked.append(free)
            return ()

        monkeypatch.setattr(engine, "_claim_harvests", claim)
        await engine.start()
        await engine.tick()
        started = time.monotonic()
        while len(set(asked)) < 2 and time.monotonic() < started + 20:
            # What holds up the loop: the pulse notices it, and the next tick.
            time.sleep(0.4)
            await asyncio.sleep(0.05)
            await engine.tick()

    assert asked[0] == engine._seats.harvests
    assert set(asked) == {engine._seats.harvests, -(-engine._seats.harvests // 4)}
