"""Times the whole program over the recorded sites and over ten thousand small ones, as a user would run it: wall, CPU and peak memory of
its process tree; what a poll costs as it brings more or less, and a full text (also by themselves: `python -m bench.polls`,
`python -m bench.pages`)."""

import argparse
import asyncio
import subprocess
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
from bench import many, pages, polls
from tests.e2e import replay

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
_SAMPLE = 0.1
# What issue-free use must stay within, on two cores with SQLite.
WALL_LIMIT, MEMORY_LIMIT = 90.0, 600.0
# A poll of one of ten thousand sources that answers 304: so many ms of CPU where a request of httpx2 alone costs PLAIN (anchors), in so many
# MB, what forked processes share counted once.
MANY, POLL_LIMIT, PLAIN, MANY_MEMORY_LIMIT = 10_000, 1.2, 0.71, 300.0


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
    process = replay.aggregator("run", "--once", "--json", config=config, output=subprocess.DEVNULL)
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


def recorded(folder: Path, out: Console) -> bool:
    """Two rounds over the recorded sites; whether the limits are kept."""
    folder.mkdir()
    with replay.serve(SHARED, folder) as sites, corpus(folder, sites) as (config, store):
        first = measure("recorded sites, all new", config, store)
        time.sleep(2)
        again = measure("recorded sites, nothing new", config, store)
    _print(out, first, again)
    kept = first.wall <= WALL_LIMIT and first.memory <= MEMORY_LIMIT
    out.print(f"limits for the first: {WALL_LIMIT:.0f} s, {MEMORY_LIMIT:.0f} MB: {'kept' if kept else 'broken'}\n")
    return kept


def ten_thousand(folder: Path, out: Console) -> bool:
    """A round of ten thousand sources with nothing new, and how soon a daemon in the midst of one ends; whether the limits are kept."""
    with many.server() as port:
        config, database = many.configure(folder, port, MANY)
        store = db.Store(database)
        try:
            replay.aggregator("poll", "--json", config=config).communicate()
            again(store)
            alone = asyncio.run(many.plain(port, 2000))
            quiet = measure(f"{MANY:,} hosts, nothing new", config, store)
            again(store)
            ends = [_ended(config, after) for after in (1.0, 4.0, 8.0)]
        finally:
            store.close()
    _print(out, quiet)
    each = quiet.cpu / MANY
    ratio = each / alone
    out.print(f"CPU a poll: {each * 1000:.2f} ms, {ratio:.2f} times a request of httpx2 alone ({alone * 1000:.2f} ms)")
    out.print(f"SIGTERM in the midst of a round: ended after {', '.join(f'{end:.1f}' for end in ends)} s")
    kept = ratio <= POLL_LIMIT / PLAIN and quiet.shared_out <= MANY_MEMORY_LIMIT and max(ends) <= 10
    limits = (
        f"{POLL_LIMIT / PLAIN:.2f} times ({POLL_LIMIT} ms where httpx2 takes {PLAIN}), {MANY_MEMORY_LIMIT:.0f} MB, 10 s"
    )
    out.print(f"limits: {limits}: {'kept' if kept else 'broken'}")
    return kept


def again(store: db.Store) -> None:
    """Make every source due, and no item."""
    with store.begin() as conn:
        conn.execute(text("UPDATE sources SET next_poll_at = '2020-01-01T00:00:00Z' WHERE state != 'gone'"))
        conn.execute(text("UPDATE items SET next_visit_at = NULL"))
        conn.execute(text("DELETE FROM polls"))


def _ended(config: Path, after: float) -> float:
    """Seconds from SIGTERM to the end of a daemon that has run for `after` seconds."""
    process = replay.aggregator("run", config=config, output=subprocess.DEVNULL)
    time.sleep(after)
    process.terminate()
    began = time.monotonic()
    process.communicate(timeout=60)
    return time.monotonic() - began


def _print(out: Console, *measured: Measured) -> None:
    table = Table("round", "wall s", "CPU s", "memory MB", "of it, shared pages once", "in the database", box=None)
    for one in measured:
        table.add_row(
            one.name, f"{one.wall:.1f}", f"{one.cpu:.1f}", f"{one.memory:.0f}", f"{one.shared_out:.0f}", one.found
        )
    out.print(table)


def main() -> int:
    """Print the tables; exit code 1 when a limit is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="polls and full texts by a third of the feeds and pages: the ratios are the same",
    )
    quick = parser.parse_args().quick
    feeds = polls.FEEDS // 3 if quick else polls.FEEDS
    out = Console(width=140)
    kept = []
    with tempfile.TemporaryDirectory() as name:
        if SHARED.is_dir():
            kept.append(recorded(Path(name) / "recorded", out))
        else:
            out.print("the recorded sites of ../shared are not here: that part is left out")
        kept.append(ten_thousand(Path(name) / "many", out))
        kept.append(polls.run(Path(name) / "polls", out, feeds))
        out.print()
        kept.append(pages.run(Path(name) / "pages", out, pages.PAGES // 3 if quick else pages.PAGES))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
