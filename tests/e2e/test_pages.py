"""Pages that are too much, through the real command with its workers: each item gets its reason, the others their texts, in bounded memory;
and workers that are killed meanwhile cost nobody his text."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import RowMapping, text

from aggregator import workers
from aggregator.store import db
from tests.e2e import pages

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20
MOST_KILLED = 4
# As `tests/hostile` bounds it; a page of 50 MB is compressed for keeping as it is read from disk.
MOST_OF_DAEMON = 200 * MEGABYTE
SENTENCE = "A sentence of the article that says something about the weather of the day. "
ARTICLE = f"<article><h1>An article</h1>{f'<p>{SENTENCE * 4}</p>' * 12}</article>"


def _html(body: str) -> bytes:
    return f"<!doctype html><html lang=en><head><title>An article</title></head><body>{body}</body></html>".encode()


GOOD = {f"good {n}": _html(ARTICLE.replace("An article", f"Article {n}")) for n in range(12)}
EXTREMES = {
    "50 MB of text": _html(f"<article>{f'<p>{SENTENCE * 8}</p>' * (50 * MEGABYTE // len(SENTENCE) // 8)}</article>"),
    "100,000 nested": _html("<div>" * 100_000 + ARTICLE + "</div>" * 100_000),
    "a million tables": _html("<table><tr><td>x</td></tr></table>" * 1_000_000),
    "a million open tables": _html("<table><tr><td>x" * 1_000_000),
    "a million attributes": _html(f"<p {' '.join(f'a{n}=x' for n in range(1_000_000))}>{SENTENCE}</p>"),
    "more than is asked for": _html(f"<p>{SENTENCE}</p>" * 900_000),
}


@dataclass
class Run:
    """One round of the real command over these pages, one feed for each."""

    folder: Path
    database: str
    pages: Mapping[str, bytes]
    port: int = 0
    daemon: int = 0
    worker: int = 0
    killed: int = 0

    def configure(self) -> Path:
        told = [{"name": name, "url": f"http://127.0.0.1:{self.port}/{n}.xml"} for n, name in enumerate(self.pages)]
        settings: dict[str, Any] = {
            "database": self.database,
            "harvest": {"full_text": "always", "workers": 2},
            "http": {
                "allow_networks": ["127.0.0.0/8"], "max_page_bytes": "64MiB", "timeout": "60s", "per_host": {"spacing": "0s", "concurrency": 8},
            },
            "web": None,
            "log": {"format": "json"},
        }  # fmt: skip
        (self.folder / "sources.yaml").write_text(json.dumps({"sources": told}))
        (self.folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
        path = self.folder / "aggregator.yaml"
        path.write_text(json.dumps(settings))
        return path

    def once(self, *, kill_every: float | None = None) -> None:
        command = [sys.executable, "-m", "aggregator", "run", "--once", "--config", str(self.configure())]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AGGREGATOR_")}
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            over = threading.Event()
            watcher = threading.Thread(target=self._watch, args=(process.pid, over, kill_every))
            watcher.start()
            try:
                assert process.wait(timeout=400) == 0, (self.folder / "log").read_text()[-2000:]
            finally:
                over.set()
                watcher.join()
                process.kill()
                process.wait()

    def _watch(self, pid: int, over: threading.Event, kill_every: float | None) -> None:
        daemon, last = psutil.Process(pid), time.monotonic()
        while not over.wait(0.05):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.daemon = max(self.daemon, daemon.memory_info().rss)
                children = daemon.children(recursive=True)
                for child in children:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        self.worker = max(self.worker, child.memory_info().rss)
                # The fork server and the resource tracker are children of the daemon, workers are the fork server's.
                inner = [child for child in children if child.ppid() != pid]
                if (
                    kill_every is not None
                    and inner
                    and self.killed < MOST_KILLED
                    and time.monotonic() - last > kill_every
                ):
                    inner[self.killed % len(inner)].kill()
                    self.killed, last = self.killed + 1, time.monotonic()

    def items(self) -> dict[str, RowMapping]:
        store = db.Store(self.database)
        query = "SELECT s.name, i.state, i.state_reason, i.text, i.html, i.next_visit_at FROM items i JOIN sources s ON s.id = i.source_id"
        with contextlib.closing(store), store.read() as conn:
            return {row["name"]: row for row in conn.execute(text(query)).mappings()}


@contextlib.contextmanager
def _serving(run: Run) -> Iterator[Run]:
    documents = list(run.pages.values())

    def answer(path: str) -> tuple[str, bytes] | None:
        number, _, kind = path[1:].partition(".")
        if not number.isdigit():
            return None
        if kind == "html":
            return "text/html", documents[int(number)]
        return "application/rss+xml", _feed(run.port, int(number))

    with pages.serving(answer) as run.port:
        yield run


def _feed(port: int, number: int) -> bytes:
    one = f"<item><title>Story {number}</title><link>http://127.0.0.1:{port}/{number}.html</link><guid isPermaLink='false'>{number}</guid></item>"
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>A feed</title>{one}</channel></rss>".encode()


def test_a_page_that_is_too_much_gets_its_reason_and_takes_no_other_with_it(tmp_path: Path, database_url: str) -> None:
    with _serving(Run(tmp_path, database_url, GOOD | EXTREMES)) as run:
        run.once()

    items = run.items()
    print({name: (items[name]["state"], items[name]["state_reason"]) for name in EXTREMES})  # noqa: T201
    print(f"daemon {run.daemon / MEGABYTE:.0f} MB, worker {run.worker / MEGABYTE:.0f} MB")  # noqa: T201
    assert {name: items[name]["state"] for name in GOOD} == dict.fromkeys(GOOD, "ok")
    assert all(items[name]["state"] == "ok" or items[name]["state_reason"] for name in EXTREMES)
    assert "pending" not in {items[name]["state"] for name in EXTREMES}
    assert "larger than" in items["more than is asked for"]["state_reason"]
    assert run.daemon < MOST_OF_DAEMON
    assert run.worker <= workers.MEMORY_LIMIT


def test_workers_that_are_killed_cost_no_item_its_text(tmp_path: Path, database_url: str) -> None:
    many = {
        f"article {n}": _html(ARTICLE.replace("An article", f"Article {n}") + "<p>x</p>" * 5_000) for n in range(60)
    }
    with _serving(Run(tmp_path, database_url, many)) as run:
        run.once(kill_every=1)
        assert run.killed > 1

    items = run.items()
    lost = {name: items[name]["state_reason"] for name in many if items[name]["state"] != "ok"}
    # Whoever is hit twice is marked.
    assert len(lost) <= 1, lost
    assert all("broke its worker process (SIGKILL)" in reason for reason in lost.values())
