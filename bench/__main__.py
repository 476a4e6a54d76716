"""Times the whole program over the recorded sites, as a user would run it: wall, CPU and peak memory of its process tree."""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from aggregator.store import db
from tests.e2e import replay

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
_SAMPLE = 0.1
# What issue-free use must stay within, on two cores with SQLite.
WALL_LIMIT, MEMORY_LIMIT = 90.0, 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Seconds and MB; `memory` is the highest sum of resident sizes, `shared_out` the same with shared pages counted once."""

    name: str
    wall: float
    cpu: float
    memory: float
    shared_out: float
    found: str


def measure(name: str, config: Path, store: db.Store) -> Measured:
    """One `run --once`, watched from outside."""
    started = time.monotonic()
    process = replay.aggregator("run", "--once", config=config)
    watched = psutil.Process(process.pid)
    cpu: dict[int, float] = {}
    memory = shared_out = 0.0
    while process.poll() is None:
        resident = proportional = 0
        for member in _tree(watched):
            try:
                times, full = member.cpu_times(), member.memory_full_info()
            except psutil.Error:
                continue
            cpu[member.pid] = times.user + times.system
            resident += full.rss
            proportional += full.pss
        memory, shared_out = max(memory, resident / 1e6), max(shared_out, proportional / 1e6)
        time.sleep(_SAMPLE)
    process.communicate()
    wall = time.monotonic() - started
    with store.read() as conn:
        items, whole = conn.execute(
            text("SELECT count(*), sum(CASE WHEN state = 'ok' THEN 1 ELSE 0 END) FROM items")
        ).one()
        polls = conn.execute(text("SELECT count(*) FROM polls")).scalar_one()
    found = f"{polls} polls, {items} items, {whole} with full text"
    return Measured(name=name, wall=wall, cpu=sum(cpu.values()), memory=memory, shared_out=shared_out, found=found)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


@contextmanager
def corpus(folder: Path, sites: replay.Sites) -> Iterator[tuple[Path, db.Store]]:
    """A configuration for the recorded sites, and the database it will fill."""
    database = f"sqlite:///{folder}/corpus.db"
    config = replay.configure(folder, sites, database)
    store = db.Store(database)
    try:
        yield config, store
    finally:
        store.close()


def main() -> int:
    """Print the table; exit code 1 when a limit is broken."""
    argparse.ArgumentParser(prog="python -m bench", description=__doc__).parse_args()
    out = Console()
    if not SHARED.is_dir():
        out.print("the benchmark needs the recorded sites in ../shared, which are not here")
        return 0
    with tempfile.TemporaryDirectory() as name, replay.serve(SHARED, Path(name)) as sites:
        with corpus(Path(name), sites) as (config, store):
            first = measure("first round, all new", config, store)
            time.sleep(2)
            again = measure("second round, nothing new", config, store)
    table = Table("round", "wall s", "CPU s", "memory MB", "of it, shared pages once", "in the database", box=None)
    for one in (first, again):
        table.add_row(
            one.name, f"{one.wall:.1f}", f"{one.cpu:.1f}", f"{one.memory:.0f}", f"{one.shared_out:.0f}", one.found
        )
    out.print(table)
    broken = first.wall > WALL_LIMIT or first.memory > MEMORY_LIMIT
    out.print(
        f"limits for the first round: {WALL_LIMIT:.0f} s, {MEMORY_LIMIT:.0f} MB: {'broken' if broken else 'kept'}"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
