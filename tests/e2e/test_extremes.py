"""Documents of every size and kind of breakage through a real process with its workers: stored, or refused with a reason, in bounded memory."""

import contextlib
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import RowMapping, func, select

from aggregator.feed import entry
from aggregator.store import db, tables
from tests.e2e import pages

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20
# As `tests/hostile` bounds them: on Postgres psycopg and its threads come on top.
MOST_OF_DAEMON = {"sqlite": 150 * MEGABYTE, "postgres": 175 * MEGABYTE}
MOST_OF_WORKER = 512 * MEGABYTE
LIMIT = 16 * MEGABYTE
HEAD = '<?xml version="1.0" encoding="{0}"?><rss version="2.0"><channel><title>A feed</title>'
TAIL = "</channel></rss>"
ITEM = "<item><title>{1} {0}</title><link>https://news.example/{0}</link><guid>https://news.example/{0}</guid></item>"


def _rss(*entries: str, encoding: str = "utf-8") -> str:
    return HEAD.format(encoding) + "".join(entries) + TAIL


def _stories(count: int, title: str = "Story", *, path: str = "a") -> list[str]:
    return [ITEM.format(f"{path}/{n}", title) for n in range(count)]


@dataclass(frozen=True)
class Wanted:
    """What must come of a document: how many items, under which error, and what words must be in its titles or its reason."""

    body: bytes
    items: int
    code: str | None = None
    titles: str = ""
    reason: str = ""
    content_type: str = "application/rss+xml"


def _one(title: str | bytes, *, encoding: str = "utf-8") -> bytes:
    told = _rss("<item><title>@</title><guid>1</guid></item>", encoding=encoding).encode()
    return told.replace(b"@", title if isinstance(title, bytes) else title.encode(encoding))


def _long(size: int) -> bytes:
    """One entry that makes the document so many bytes large."""
    around = len(_rss("<item><title>Long</title><guid>1</guid><description></description></item>"))
    paragraph = "&lt;p>Words and more words, one after the other.&lt;/p>"
    words = paragraph * ((size - around) // len(paragraph))
    return _rss(f"<item><title>Long</title><guid>1</guid><description>{words}</description></item>").encode()


UMLAUTS = "Grüße aus Köln"
DOCUMENTS: Mapping[str, Wanted] = {
    "5,000 entries": Wanted(_rss(*_stories(5_000, path="b")).encode(), 5_000),
    "10,000 entries": Wanted(_rss(*_stories(10_000, path="c")).encode(), 10_000),
    "100,000 entries": Wanted(_rss(*_stories(100_000)).encode(), 10_000, reason="only the first 10,000 of its 100,000"),
    "100,000 entries and a DOCTYPE": Wanted(
        b"<!DOCTYPE rss>" + _rss(*_stories(100_000, path="d")).encode().partition(b"?>")[2],
        5_000,
        reason="only the first 5,000",
    ),
    "2 million empty entries": Wanted(_rss("<item/>" * 2_000_000).encode(), 1, reason="entries are read"),
    "an entry of 16 MiB": Wanted(_long(LIMIT), 1, titles="Long"),
    "more than 16 MiB": Wanted(_long(LIMIT + 4096), 0, "too_large", reason="larger than 16 MiB"),
    "NUL": Wanted(_one(b"a\0b"), 1, titles="ab"),
    "controls": Wanted(_one(bytes(range(1, 9)) + b"\x0b\x0c\x0e\x1bred\x7f"), 1, titles="red"),
    "references to no character": Wanted(_one("a&#0;b&#x1b;c&#xD800;d&#x110000;e"), 1, titles="abcde"),
    "lone surrogates": Wanted(_one(b"a\xed\xa0\x80b\xed\xbf\xbf"), 1, titles="b"),
    "lone surrogates in JSON": Wanted(
        b'{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","title":"a\\ud800b\\u0000"}]}',
        1,
        titles="ab",
    ),
    "latin-1 that says utf-8": Wanted(_one(UMLAUTS.encode("latin-1")), 1, titles=UMLAUTS),
    "utf-8 that says latin-1": Wanted(_one(UMLAUTS), 1, titles=UMLAUTS, content_type="text/xml; charset=iso-8859-1"),
    "utf-8 that says utf-16": Wanted(_one(UMLAUTS).replace(b"utf-8", b"utf-16"), 1, titles=UMLAUTS),
    "a charset that is none": Wanted(_one(UMLAUTS), 1, titles=UMLAUTS, content_type="text/xml; charset=zlib"),
    **{
        f"{codec}": Wanted(_rss(*_stories(3, UMLAUTS, path=codec), encoding=codec[:6]).encode(codec), 3, titles=UMLAUTS)
        for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
    },
    "gzipped without a header": Wanted(gzip.compress(_rss(*_stories(3)).encode()), 0, "not_a_feed", reason="gzip"),
    "a page": Wanted(
        b"<!DOCTYPE html><html><body><p>Hello</body></html>", 0, "html", reason="HTML page instead of a feed"
    ),
    "a page that says it is a feed": Wanted(b"<html><head><title>x</title></head><p>Hello", 0, "html", reason="HTML"),
    "nothing": Wanted(b"", 0, "empty", reason="empty"),
    "a picture": Wanted(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 50, 0, "not_a_feed", reason="PNG"),
}
WHOLE = _rss(*_stories(4)).encode()
# At every byte of an entry, of what leads to it, and of the end.
CUTS = sorted({*range(1, len(WHOLE), 7), *range(len(WHOLE) - 24, len(WHOLE))})


@dataclass
class Web:
    """One document at each path."""

    port: int = 0
    served: dict[str, Wanted] = field(default_factory=dict)

    def path(self, name: str) -> str:
        return f"/{list(self.served).index(name)}"


@contextlib.contextmanager
def _serving(served: dict[str, Wanted]) -> Iterator[Web]:
    web = Web(served=served)
    documents = [(one.content_type, one.body) for one in served.values()]
    with pages.serving(lambda path: documents[int(path[1:])]) as web.port:
        yield web


@dataclass
class Run:
    """The real command over these documents, again and again; the most memory that it and a child of it had at any time."""

    folder: Path
    database: str
    web: Web
    daemon: int = 0
    worker: int = 0

    def configure(self) -> Path:
        told = [
            {"name": name, "url": f"http://127.0.0.1:{self.web.port}{self.web.path(name)}"} for name in self.web.served
        ]
        settings: dict[str, Any] = {
            "database": self.database,
            "harvest": {"full_text": "never", "workers": 2},
            "http": {"allow_networks": ["127.0.0.0/8"], "per_host": {"spacing": "0s"}},
            "web": None,
            "log": {"format": "json"},
        }
        (self.folder / "sources.yaml").write_text(json.dumps({"sources": told}))
        (self.folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
        path = self.folder / "aggregator.yaml"
        path.write_text(json.dumps(settings))
        return path

    def poll(self) -> None:
        """All sources, due or not."""
        command = [sys.executable, "-m", "aggregator", "poll", "--config", str(self.configure())]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AGGREGATOR_")}
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            over = threading.Event()
            watcher = threading.Thread(target=self._watch, args=(process.pid, over))
            watcher.start()
            try:
                # Some sources fail, and so does the command.
                assert process.wait(timeout=240) in (0, 1), (self.folder / "log").read_text()[-2000:]
            finally:
                over.set()
                watcher.join()
                process.kill()
                process.wait()

    def _watch(self, pid: int, over: threading.Event) -> None:
        daemon = psutil.Process(pid)
        while not over.wait(0.05):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.daemon = max(self.daemon, daemon.memory_info().rss)
                for child in daemon.children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        self.worker = max(self.worker, child.memory_info().rss)

    def sources(self) -> dict[str, RowMapping]:
        return {row["name"]: row for row in self._rows(select(tables.sources))}

    def counts(self) -> dict[str, int]:
        counted = select(tables.sources.c.name, func.count().label("items")).join_from(tables.sources, tables.sightings)
        return {row["name"]: row["items"] for row in self._rows(counted.group_by(tables.sources.c.name))}

    def titles(self) -> dict[str, set[str]]:
        shown = select(tables.sources.c.name, tables.items.c.title).select_from(tables.sightings)
        shown = shown.join(tables.items).join(tables.sources, tables.sources.c.id == tables.sightings.c.source_id)
        found: dict[str, set[str]] = {}
        for row in self._rows(shown):
            found.setdefault(row["name"], set()).add(row["title"])
        return found

    def _rows(self, query: Any) -> list[RowMapping]:
        store = db.Store(self.database)
        with contextlib.closing(store), store.read() as conn:
            return list(conn.execute(query).mappings())


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Callable[[dict[str, Wanted]], Run]]:
    with contextlib.ExitStack() as opened:

        def begun(served: dict[str, Wanted]) -> Run:
            return Run(tmp_path, database_url, opened.enter_context(_serving(served)))

        yield begun


def test_every_document_is_stored_or_refused_with_its_reason_within_the_memory_limits(
    start: Callable[[dict[str, Wanted]], Run],
) -> None:
    run = start(dict(DOCUMENTS))
    # The longest is read in four parts; the fifth time there is nothing left to do.
    for _ in range(entry.MOST_LISTED // entry.MOST_ENTRIES):
        run.poll()
    before = run.counts()
    run.poll()

    sources, counts, titles = run.sources(), run.counts(), run.titles()
    flaws = []
    for name, wanted in DOCUMENTS.items():
        row = sources[name]
        said = f"{row['error'] or ''} {row['advice'] or ''}"
        told = (
            counts.get(name, 0),
            row["error_code"],
            wanted.titles in " ".join(titles.get(name, ())),
            wanted.reason in said,
        )
        if told != (wanted.items, wanted.code, True, True):
            flaws.append((name, told, said, sorted(titles.get(name, ()))[:2]))
    assert flaws == []
    assert counts == before
    print(f"daemon {run.daemon / MEGABYTE:.0f} MB, worker {run.worker / MEGABYTE:.0f} MB")  # noqa: T201
    assert run.daemon < MOST_OF_DAEMON["sqlite" if run.database.startswith("sqlite") else "postgres"]
    assert run.worker < MOST_OF_WORKER


def test_a_document_that_is_cut_anywhere_gives_its_whole_entries_and_says_so(
    start: Callable[[dict[str, Wanted]], Run],
) -> None:
    run = start({f"cut at {cut}": Wanted(WHOLE[:cut], 0) for cut in CUTS})

    run.poll()

    sources, counts = run.sources(), run.counts()
    for cut in CUTS:
        row, whole = sources[f"cut at {cut}"], WHOLE[:cut].count(b"</item>")
        assert (row["state"], bool(row["error"])) == ("failing", True), cut
        assert counts.get(f"cut at {cut}", 0) == whole, (cut, row["error"])
