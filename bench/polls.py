"""What a poll costs as it brings more or less: whole polls of 1,000 feeds of 20 entries (105 kB), CPU of all processes without start-up, as
ratios to feedparser's own parse of the same documents in the same run. `python -m bench.polls`.
"""

import argparse
import asyncio
import gc
import gzip
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from bench import loopback, many

GENERATOR = Path(__file__).resolve().parent.parent.parent / "shared" / "bench" / "gen_corpus.py"
FEEDS = 1_000
# What each kind of round is to cost at most, as a share of what feedparser takes for the same documents; the second, a
# quarter or more above what was measured, is what fails the run.
LIMITS = {
    "everything new": (0.48, 0.75),
    "nothing new, not asked (304)": (0.03, 0.04),
    "nothing new, another build date": (0.05, 0.08),
    "2 new entries": (0.09, 0.18),
    "unchanged, without validators": (0.04, 0.06),
}
# The order of the rounds, and how the server answers in each: (documents, validators).
_MODES = {
    "everything new": ("v1", "a"),
    "nothing new, not asked (304)": ("v1", "a"),
    "nothing new, another build date": ("stamped", "b"),
    "2 new entries": ("v2", "c"),
    "unchanged, without validators": ("v2", ""),
}
_STAMP = re.compile(rb"<(lastBuildDate|updated)>[^<]*<")
# For feedparser every tenth document is enough.
_EVERY = 10
# Polled before anything is measured: enough for every worker process to have started.
_FIRST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Seconds for all feeds of a round."""

    cpu: float
    wall: float
    items: int


# ---------------------------------------------------------------------------------------------------- the documents


def documents(folder: Path, feeds: int) -> tuple[list[bytes], list[bytes]]:
    """The feeds, and the same later: two entries more on top, the two oldest gone."""
    if GENERATOR.exists():
        command = [sys.executable, str(GENERATOR), "--out", str(folder), "--feeds", str(feeds), "--articles", "0"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = [sorted((folder / "www" / version / "f").glob("*.xml")) for version in ("v1", "v2")]
        return [path.read_bytes() for path in found[0]], [path.read_bytes() for path in found[1]]
    return [_generated(n, 1) for n in range(feeds)], [_generated(n, 3) for n in range(feeds)]


def _generated(feed: int, first: int) -> bytes:
    """A feed of entries `first` to `first` + 19, newest on top, of the same size and make as the generator's."""
    base, at = f"https://feed{feed}.example", datetime(2026, 1, 1, tzinfo=UTC)
    words = f"A sentence of feed {feed} that has a few <em>more</em> words than others, &amp; a <a href='{base}/'>link</a>. "
    entries = "".join(
        f"<item><title>Story {n} of feed {feed}</title><link>{base}/{n}</link><guid isPermaLink='false'>{feed}/{n}</guid>"
        f"<pubDate>{format_datetime(at + timedelta(hours=n))}</pubDate><category>news</category><dc:creator>Somebody</dc:creator>"
        f"<description><![CDATA[<p>{words}{n}</p>]]></description>"
        f"<content:encoded><![CDATA[<p>{words * 18}</p>\n<p>{words * 18}{n}</p>]]></content:encoded></item>\n"
        for n in range(first + 19, first - 1, -1)
    )
    spaces = "xmlns:content='http://purl.org/rss/1.0/modules/content/' xmlns:dc='http://purl.org/dc/elements/1.1/'"
    head = f"<title>Feed {feed}</title><link>{base}/</link><lastBuildDate>{format_datetime(at)}</lastBuildDate>"
    return f"<?xml version='1.0'?>\n<rss version='2.0' {spaces}><channel>{head}{entries}</channel></rss>".encode()


def _stamped(document: bytes) -> bytes:
    """The document with another date of its own; feeds without one get a comment."""
    later = rb"<\1>Fri, 27 Nov 2026 00:00:00 +0000<"
    return _STAMP.sub(later, document, count=1) if _STAMP.search(document) else document + b"<!-- built again -->"


# ---------------------------------------------------------------------------------------------------- the server


class _Server(loopback.Server):
    """Answers the `n`th address of loopback with the `n`th document, gzipped, as servers do; 304 for its own validator."""

    answers: Mapping[str, Mapping[str, bytes]] = {}
    mode = ("v1", "a")

    def data_received(self, data: bytes) -> None:
        version, validator = self.mode
        tag = f'ETag: "{validator}"\r\n' if validator else ""
        if validator and f'"{validator}"'.encode() in data:
            self._transport.write(f"HTTP/1.1 304 Not Modified\r\n{tag}\r\n".encode())
            return
        body = self.answers[version][self.host]
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Encoding: gzip\r\n{tag}"
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _serve(told: Connection, first: list[bytes], later: list[bytes]) -> None:
    def packed(bodies: list[bytes]) -> dict[str, bytes]:
        return {many.host(n): gzip.compress(body, 6) for n, body in enumerate(bodies)}

    _Server.answers = {"v1": packed(first), "v2": packed(later), "stamped": packed([_stamped(body) for body in first])}

    async def forever() -> None:
        port, server = await loopback.listen(_Server)
        told.send(port)
        asyncio.get_running_loop().add_reader(told.fileno(), lambda: setattr(_Server, "mode", told.recv()))
        await server.serve_forever()

    asyncio.run(forever())


# ---------------------------------------------------------------------------------------------------- the measuring


def _configure(folder: Path, port: int, feeds: int) -> Path:
    """The first sources are for starting up; all the others are measured."""
    path, _ = many.configure(folder, port, feeds)
    sources = [{"name": f"Source {n}", "url": f"http://{many.host(n)}:{port}/feed.xml"} for n in range(feeds)]
    (folder / "sources.yaml").write_text(json.dumps({"sources": sources}))
    return path


def _measured(config: Path, feeds: int) -> None:
    """In a process of its own: rounds of polls, as standard input asks for them; what each took on standard output."""
    from aggregator import app, log, model
    from aggregator import config as configuration

    settings = configuration.load(config, {})
    log.configure(settings.log)
    due = "UPDATE sources SET next_poll_at = '{}' WHERE CAST(substr(name, 8) AS INTEGER) >= " + str(_FIRST)

    async def rounds() -> None:
        store = app.open_store(settings)
        running = app.App(settings, store)
        with store.begin() as conn:
            conn.execute(text(due.format("2100-01-01T00:00:00Z")))
        await running.engine.run_once(harvests=False)
        # As the daemon does when it has started.
        gc.freeze()
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            new: list[int] = []

            def count(report: model.PollReport, new: list[int] = new) -> None:
                new.append(report.new)

            running.observers.polled = count
            with store.begin() as conn:
                conn.execute(text(due.format("2020-01-01T00:00:00Z")))
            cpu, began = spent(), time.monotonic()
            await running.engine.run_once(harvests=False)
            assert len(new) == feeds - _FIRST, len(new)
            print(json.dumps({"cpu": spent() - cpu, "wall": time.monotonic() - began, "items": sum(new)}), flush=True)
        await running.aclose()
        store.close()

    asyncio.run(rounds())


def spent() -> float:
    """Seconds of this process, its workers, and those that have ended."""
    total = 0.0
    for process in (own := psutil.Process(), *own.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _feedparser(bodies: list[bytes]) -> float:
    """Seconds for all the documents, as feedparser is used by itself. Never in a process that has loaded our parser."""
    import feedparser

    sample = bodies[::_EVERY]
    began = time.process_time()
    for body in sample:
        feedparser.parse(io.BytesIO(body))
    return (time.process_time() - began) / len(sample) * len(bodies)


def run(folder: Path, out: Console, feeds: int = FEEDS) -> bool:
    """All rounds; whether none is worse than allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    first, later = documents(folder / "documents", feeds + _FIRST)
    rounds: dict[str, Round] = {}
    alone = [_feedparser(first[_FIRST:])]
    with loopback.serving(_serve, first, later) as (port, mode):
        config = _configure(folder, port, feeds + _FIRST)
        command = [sys.executable, "-m", "bench.polls", "--measured", str(config), "--feeds", str(feeds + _FIRST)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as measured:
            assert measured.stdin is not None
            assert measured.stdout is not None
            for name in LIMITS:
                mode.send(_MODES[name])
                time.sleep(1.2)
                measured.stdin.write("again\n")
                measured.stdin.flush()
                rounds[name] = Round(**json.loads(measured.stdout.readline()))
            measured.stdin.close()
    alone.append(_feedparser(first[_FIRST:]))
    return _print(out, rounds, sum(alone) / len(alone), feeds)


def _print(out: Console, rounds: Mapping[str, Round], alone: float, feeds: int) -> bool:
    out.print(f"feedparser alone: {alone / feeds * 1000:.1f} ms a document")
    table = Table("polls", "CPU ms each", "of feedparser's", "aim", "", "new items", "wall s", box=None)
    kept = True
    for name, (aim, worst) in LIMITS.items():
        one = rounds[name]
        ratio = one.cpu / alone
        kept = kept and ratio <= worst
        table.add_row(
            name, f"{one.cpu / feeds * 1000:.2f}", f"{ratio:.3f}", f"{aim:.2f}", _verdict(ratio, aim, worst),
            str(one.items), f"{one.wall:.1f}",
        )  # fmt: skip
    out.print(table)
    return kept


def _verdict(found: float, aim: float, worst: float) -> str:
    return "kept" if found <= aim else "missed" if found <= worst else f"broken (worst allowed {worst})"


def main() -> int:
    """Print the table; exit code 1 when a round is worse than allowed."""
    parser = argparse.ArgumentParser(prog="python -m bench.polls", description=__doc__)
    parser.add_argument("--feeds", type=int, default=FEEDS)
    parser.add_argument("--measured", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.measured is not None:
        _measured(told.measured, told.feeds)
        return 0
    with tempfile.TemporaryDirectory() as name:
        return 0 if run(Path(name) / "polls", Console(width=140), told.feeds) else 1


if __name__ == "__main__":
    raise SystemExit(main())
