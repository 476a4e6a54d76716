"""The 128 recorded behaviours of HTTP, each against the running program."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.behaviours import (  # noqa: F401  # they note their checks in CHECKS
    articles,
    bodies,
    conditional,
    etiquette,
    failures,
    pace,
    redirects,
    robots,
    world,
)
from tests.behaviours.cases import CHECKS, cases
from tests.behaviours.skipped import SKIPPED
from tests.conftest import SHARED

# On Postgres as well: one of each kind of write.
POSTGRES = ("cond-01", "cond-11", "cond-15", "redir-01", "redir-09", "err-10", "err-13", "rate-06", "eti-09")

# A check that hangs must not hang the run.
LONGEST = 60

pytestmark = pytest.mark.skipif(not cases(), reason=f"needs the recorded data in {SHARED}, which is not here")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "database_url"),
    [(name, "sqlite") for name in CHECKS if name != "int-10"]
    # After leaps there and back some sources are due late.
    + [pytest.param("int-10", "sqlite", marks=pytest.mark.xfail(strict=False))]
    + [(name, "postgres") for name in POSTGRES],
    indirect=["database_url"],
)
async def test_a_behaviour_is_as_expected(name: str, database_url: str, tmp_path: Path) -> None:
    async with asyncio.timeout(LONGEST), world.opened(tmp_path, database_url) as one:
        await CHECKS[name](one, cases()[name])


def test_every_case_is_checked_or_has_its_reason() -> None:
    assert CHECKS.keys() | SKIPPED.keys() == cases().keys()
    assert not CHECKS.keys() & SKIPPED.keys()
    assert all(SKIPPED.values())


def test_enough_is_checked() -> None:
    checked = Counter(case.level for case in cases().values() if case.id in CHECKS)

    assert checked["must"] == Counter(case.level for case in cases().values())["must"] == 82
    assert checked["should"] >= 18
