"""The real daemon among all cases at once, with fifty sources that behave beside them: one run, then what came of it, case by case."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import func, select

from aggregator.store import db, tables
from tests.conftest import create_database
from tests.hostile import faults, server
from tests.hostile.case import WELL, Case, Item, Poll, Result

pytestmark = pytest.mark.slow

# Every poll that is due has been made by then, or something is wrong.
LONGEST = float(os.environ.get("HOSTILE_SECONDS", "170"))
SHORTEST = min(60.0, LONGEST)
SEATS = int(os.environ.get("HOSTILE_SEATS", "64"))
# Of each source that behaves.
POLLS = 6
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """At most: MB of the daemon; seconds that polls and the event loop are late (p99), and that the whole takes."""

    memory: int
    late: float
    lag: float
    seconds: float


AIM = Bounds(memory=150, late=2, lag=0.05, seconds=150)
# On a machine that does nothing else it is reached (147 MB, 0 s, 0.05 s), but for memory on Postgres (157 MB: psycopg, and what falls together
# by chance). These bounds are for one that others are using.
BOUNDS = {
    "sqlite": Bounds(memory=168, late=2, lag=0.25, seconds=175),
    "postgres": Bounds(memory=176, late=4, lag=0.25, seconds=200),
}


# ---------------------------------------------------------------------------------------------------- the run


@dataclass
class Memory:
    """The most that was resident, seen from outside: the daemon, and whichever of its children had most."""

    daemon: int = 0
    child: int = 0
    samples: int = 0

    def watch(self, pid: int, over: threading.Event) -> None:
        daemon = psutil.Process(pid)
        while not over.wait(0.1):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.daemon = max(self.daemon, daemon.memory_info().rss)
                for child in daemon.children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        self.child = max(self.child, child.memory_info().rss)
                self.samples += 1


@dataclass
class Run:
    """What a run left behind, and what it must keep to."""

    bounds: Bounds
    results: Mapping[str, Result]
    healthy: list[list[Poll]]
    memory: Memory
    touched: list[str]
    health: tuple[int, str]
    home: str
    metrics: str
    exit_code: int
    log: list[str]
    seconds: float
    unfinished: list[str] = field(default_factory=list)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _configure(folder: Path, site: server.Site, database: str) -> Path:
    only = os.environ.get("HOSTILE_ONLY")
    sources: list[dict[str, Any]] = [
        {"name": f"healthy {n}", "url": f"http://{faults.healthy_host(n)}:{site.port}/feed", "interval": "5s"}
        for n in range(faults.HEALTHY)
    ]
    sources += [
        {"name": case.id, "url": faults.url(case, site.port), "full_text": case.full_text, "interval": case.interval}
        for case in faults.CASES
        if only is None or re.search(only, case.id)
    ]
    (folder / "sources.yaml").write_text(json.dumps({"sources": sources}))
    (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    settings = {
        "database": database,
        "poll": {"interval": "5s", "min_interval": "5s", "concurrency": SEATS},
        "harvest": {"full_text": "never"},
        "http": {
            "contact": "https://example.org/bot",
            "timeout": "5s",
            "allow_networks": [f"127.0.0.0/8:{site.port}"],
            "ca_bundle": str(site.ca),
        },
        "web": {"listen": f"127.0.0.1:{_free_port()}"},
        "log": {"format": "json"},
    }
    path = folder / "aggregator.yaml"
    path.write_text(json.dumps(settings))
    return path


def _ask(config: Path, path: str) -> tuple[int, str]:
    listen = json.loads(config.read_text())["web"]["listen"]
    with urllib.request.urlopen(f"http://{listen}{path}", timeout=30) as answer:
        return answer.status, answer.read().decode()


def _play(folder: Path, database: str, bounds: Bounds) -> Run:
    with server.start(folder) as site, (folder / "log.jsonl").open("w") as log:
        config = _configure(folder, site, database)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AGGREGATOR_")}
        command = [sys.executable, "-m", "aggregator", "run", "--config", str(config)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=log, text=True, env=environment, cwd=server.ROOT
        )
        memory, over, started = Memory(), threading.Event(), time.monotonic()
        watcher = threading.Thread(target=memory.watch, args=(process.pid, over))
        watcher.start()
        try:
            unfinished = _wait(process, database, started)
            health, home, metrics = _ask(config, "/healthz"), _ask(config, "/")[1], _ask(config, "/metrics")[1]
            seconds = time.monotonic() - started
            process.send_signal(signal.SIGTERM)
            exit_code = process.wait(timeout=20)
        finally:
            over.set()
            watcher.join()
            process.kill()
            process.wait()
        told = site.log()
    results, healthy = _read(database, told["asked"])
    return Run(
        bounds=bounds,
        results=results,
        healthy=healthy,
        memory=memory,
        touched=told["touched"],
        health=health,
        home=home,
        metrics=metrics,
        exit_code=exit_code,
        log=(folder / "log.jsonl").read_text(errors="replace").splitlines(),
        seconds=seconds,
        unfinished=unfinished,
    )


def _wait(process: subprocess.Popen[str], database: str, started: float) -> list[str]:
    """Until every case had its polls and every page its visit, or for too long; what was not done by then."""
    unfinished = ["everything"]
    while (passed := time.monotonic() - started) < LONGEST:
        assert process.poll() is None, f"the daemon ended with {process.returncode} after {passed:.0f} s"
        time.sleep(2)
        if passed < 5:
            continue
        unfinished = _unfinished(database)
        if not unfinished and passed > SHORTEST:
            break
    return unfinished


def _unfinished(database: str) -> list[str]:
    sources, polls, items = tables.sources, tables.polls, tables.items
    counted = (
        select(sources.c.name, func.count(polls.c.id).label("made"))
        .join_from(sources, polls, isouter=True)
        .group_by(sources.c.name)
    )
    waiting = select(sources.c.name).join_from(sources, items).where(items.c.visited_at.is_(None))
    store = db.Store(database)
    with closing(store), store.read() as conn:
        made: dict[str, int] = {row.name: row.made for row in conn.execute(counted)}
        unvisited = set(conn.execute(waiting).scalars())
    wanted = {f"healthy {n}": POLLS for n in range(faults.HEALTHY)} | {case.id: case.polls for case in faults.CASES}
    late = [name for name, least in wanted.items() if made.get(name, least) < least]
    return late + [case.id for case in faults.CASES if case.full_text == "always" and case.id in unvisited]


# ---------------------------------------------------------------------------------------------------- the database


def _read(
    database: str, asked: Mapping[str, list[tuple[str, dict[str, str]]]]
) -> tuple[dict[str, Result], list[list[Poll]]]:
    store = db.Store(database)
    with closing(store), store.read() as conn:
        sources = conn.execute(select(tables.sources)).mappings().all()
        polls: dict[int, list[Poll]] = defaultdict(list)
        for row in conn.execute(select(tables.polls).order_by(tables.polls.c.id)).mappings():
            polls[row["source_id"]].append(_poll(row))
        lengths: dict[int, list[int | None]] = defaultdict(list)
        for row in conn.execute(select(tables.enclosures)).mappings():
            lengths[row["item_id"]].append(row["length"])
        revisions = Counter(conn.execute(select(tables.revisions.c.item_id)).scalars())
        items: dict[int, list[Item]] = defaultdict(list)
        seen = select(tables.items, tables.sightings.c.source_id.label("by"), tables.sightings.c.guid)
        seen = seen.join_from(tables.items, tables.sightings, tables.items.c.id == tables.sightings.c.item_id)
        for row in conn.execute(seen).mappings():
            items[row["by"]].append(_item(row, lengths[row["id"]], revisions[row["id"]]))
    results = {
        row["name"]: Result(
            state=row["state"],
            code=row["error_code"] or WELL,
            error=row["error"] or "",
            feed_url=row["feed_url"],
            polls=tuple(polls[row["id"]]),
            items=tuple(items[row["id"]]),
            asked=tuple((path, headers) for path, headers in asked.get(row["name"], ())),
        )
        for row in sources
    }
    return results, [polls[row["id"]] for row in sources if row["name"].startswith("healthy ")]


def _poll(row: Any) -> Poll:
    return Poll(
        at=row["at"],
        took=row["took_ms"] / 1000,
        outcome=row["outcome"],
        code=row["error_code"] or WELL,
        error=row["error"] or "",
        status=row["http_status"],
        next_at=row["next_poll_at"],
    )


def _item(row: Any, lengths: list[int | None], revisions: int) -> Item:
    same = ("url", "title", "summary", "content", "text", "state", "published_at", "date_source", "guid")
    return Item(
        **{key: row[key] for key in same},
        reason=row["state_reason"],
        categories=tuple(row["categories"]),
        enclosures=tuple(lengths),
        revisions=revisions,
    )


# ---------------------------------------------------------------------------------------------------- what came of it


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("hostile")
    postgres = request.param == "postgres"
    database = create_database(request.getfixturevalue("postgres")) if postgres else f"sqlite:///{folder}/corpus.db"
    return _play(folder, database, BOUNDS[request.param])


def test_there_are_enough_cases_and_each_has_a_name_of_its_own() -> None:
    names = [case.id for case in faults.CASES]

    assert len(names) == len(set(names)) >= 130


@pytest.mark.parametrize("case", faults.CASES, ids=lambda case: case.id)
def test_a_case_ends_as_it_must(run: Run, case: Case) -> None:
    if case.id not in run.results:
        pytest.skip("HOSTILE_ONLY leaves it out")

    flaws = list(case.want.flaws(run.results[case.id]))
    assert not flaws, "; ".join(flaws)


def test_nothing_is_left_undone(run: Run) -> None:
    assert run.unfinished == []
    assert run.seconds < run.bounds.seconds


def test_nobody_touched_what_is_forbidden(run: Run) -> None:
    assert run.touched == []


def test_the_daemon_lives_and_stops_cleanly(run: Run) -> None:
    assert (run.health[0], json.loads(run.health[1])["status"]) == (200, "ok")
    assert run.exit_code == 0


def test_nothing_unexpected_was_raised(run: Run) -> None:
    crashes = {
        (name, poll.error)
        for name, result in run.results.items()
        for poll in result.polls
        if poll.code in ("crash", "error", "worker")
    }
    events = Counter(str(_event(line).get("event")) for line in run.log if line.startswith("{"))

    assert crashes == set()
    assert {name for name in events if name.endswith((".crashed", ".not_stored", "store_unavailable"))} == set()


def _event(line: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(line)
    return event


def test_every_line_of_the_log_is_one_event_of_ours(run: Run) -> None:
    # What it says for people when it starts is no event.
    lines = [line for line in run.log if not re.match(r"(?:database|page|sources): ", line)]
    events = [_event(line) for line in lines]

    assert all("forged" not in event["event"] for event in events)
    assert not any(re.search("[\x00-\x1f\x7f-\x9f]", line) for line in lines)


def test_the_page_shows_all_of_it_and_runs_none(run: Run) -> None:
    assert "alert(1)</script>" not in run.home
    assert "<svg onload" not in run.home
    assert "healthy 1" in run.home


def test_foreign_words_make_no_metric(run: Run) -> None:
    names = {line.split("{")[0].split(" ")[0] for line in run.metrics.splitlines() if not line.startswith("#")}

    assert all(re.match(r"(aggregator|process|python)_", name) for name in names if name)
    assert len(run.metrics) < 200_000


def test_memory_stays_within_its_bounds(run: Run) -> None:
    told = (
        f"daemon {run.memory.daemon / MEGABYTE:.0f} MB (aim {AIM.memory}), worker {run.memory.child / MEGABYTE:.0f} MB"
    )
    print(told)  # noqa: T201

    assert run.memory.samples > 10
    assert run.memory.daemon < run.bounds.memory * MEGABYTE
    assert run.memory.child < 512 * MEGABYTE


def test_sources_that_behave_are_polled_on_time(run: Run) -> None:
    late = sorted(
        (poll.at - before.next_at).total_seconds()
        for polls in run.healthy
        for before, poll in itertools.pairwise(polls)
        if before.next_at is not None
    )
    p99 = late[int(len(late) * 0.99)]
    print(f"{len(late)} polls; late by {p99:g} s (p99; aim {AIM.late}), {late[-1]:g} s (most)")  # noqa: T201

    # `at` and `next_at` are whole seconds.
    assert p99 < run.bounds.late


def test_sources_that_behave_lose_nothing(run: Run) -> None:
    for n, polls in enumerate(run.healthy):
        items = run.results[f"healthy {n}"].items
        wanted = {f"Story {number}" for number in range(1, 11 + len(polls) // 2)}
        assert {poll.code for poll in polls} == {WELL}
        # A poll that was under way at the end may have brought one more to the server's count.
        assert wanted <= {item.title for item in items} | {f"Story {10 + len(polls) // 2}"}
        assert len(items) == len({item.title for item in items})


def test_the_event_loop_is_never_held_up(run: Run) -> None:
    buckets = _buckets(run.metrics, "aggregator_loop_lag_seconds")
    total = buckets[float("inf")]
    p99 = min(bound for bound, count in buckets.items() if count >= 0.99 * total)
    print(f"{total:.0f} measurements; lag at most {p99:g} s (p99; aim {AIM.lag}); {buckets}")  # noqa: T201

    assert p99 <= run.bounds.lag


def _buckets(text: str, name: str) -> dict[float, float]:
    found = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\S+)$', text, re.MULTILINE)
    return {float(bound): float(count) for bound, count in found}
