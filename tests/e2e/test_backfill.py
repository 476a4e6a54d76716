"""`aggregator backfill` as a real process: its table, its JSON, its exit codes, and what it leaves in the database."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import loopback
from tests.e2e import replay
from tests.e2e.test_check import serving


def _feed(numbers: range, more: str = "") -> bytes:
    items = "".join(
        f"<item><guid>g{n}</guid><title>Title {n}</title><link>http://127.0.0.1/{n}</link>"
        f"<pubDate>{n:02} Sep 2025 08:00:00 GMT</pubDate></item>"
        for n in numbers
    )
    link = f'<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="next" href="{more}"/>' if more else ""
    return f'<rss version="2.0"><channel><title>News</title>{link}{items}</channel></rss>'.encode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[loopback.Server]:
    with serving(tmp_path) as running:
        running.serve("/feed.xml", _feed(range(20, 15, -1), "/2"))
        running.serve("/2", _feed(range(15, 10, -1), "/3"))
        running.serve("/3", _feed(range(10, 5, -1), "/4"))
        running.serve("/4", _feed(range(5, 0, -1)))
        yield running


def _configured(folder: Path, server: loopback.Server) -> Path:
    (folder / "sources.yaml").write_text(
        json.dumps({"sources": [{"name": "The [bold]News", "url": server.url("/feed.xml"), "full_text": "never"}]})
    )
    (folder / "taxonomy.yaml").write_text("{version: '1', topics: []}")
    settings = {
        "database": f"sqlite:///{folder / 'corpus.db'}",
        "web": None,
        "http": {"allow_networks": ["127.0.0.0/8"], "per_host": {"spacing": 0}},
    }
    (folder / "aggregator.yaml").write_text(json.dumps(settings))
    return folder / "aggregator.yaml"


def test_a_walk_shows_its_pages_and_goes_on_where_it_stopped(tmp_path: Path, server: loopback.Server) -> None:
    config, name = _configured(tmp_path, server), "The [bold]News"
    assert replay.run("poll", config=config)[0] == 0

    first, shown, _ = replay.run("backfill", name, "--max-pages", "2", config=config)
    second, printed, _ = replay.run("backfill", name, "--json", config=config)

    lines = [" ".join(line.split()) for line in _said(shown)]
    assert (first, second) == (0, 0)
    assert lines[0] == "way page entries new back to address"
    assert lines[1] == f"feed 1 5 0 2025-09-16 08:00 {server.url('/feed.xml')}"
    assert lines[2] == f"archive 2 5 5 2025-09-11 08:00 {server.url('/2')}"
    assert lines[3] == f"5 new items; stopped after 2 pages; it goes on with: aggregator backfill '{name}'"
    told = json.loads(printed[printed.index("{\n") :])
    assert (told["new"], told["result"], told["waits"]) == (10, "page 4 is the last", False)
    assert [(page["page"], page["new"]) for page in told["pages"]] == [(3, 5), (4, 5)]
    with closing(sqlite3.connect(tmp_path / "corpus.db")) as conn:
        rows = conn.execute("SELECT discovered_by, count(*) FROM feed_items GROUP BY 1 ORDER BY 1").fetchall()
    assert rows == [("archive", 15), ("feed", 5)]


def test_mistakes_are_one_line_each(tmp_path: Path, server: loopback.Server) -> None:
    config = _configured(tmp_path, server)

    unknown = replay.run("backfill", "The New", config=config)
    unpolled = replay.run("backfill", "the [bold]news", config=config)
    no_date = replay.run("backfill", "The [bold]News", "--since", "soon", config=config)
    to_come = replay.run("backfill", "The [bold]News", "--since", "2999-01-01", config=config)

    assert [code for code, _, _ in (unknown, unpolled, no_date)] == [2, 2, 2]
    assert unknown[2].strip() == "no enabled source is called 'The New'; did you mean 'The [bold]News'?"
    expected = "The [bold]News has not been polled yet; first: aggregator poll 'The [bold]News'"
    assert unpolled[2].strip().splitlines()[-1] == expected
    assert "--since" in no_date[2]
    assert (to_come[0], to_come[2].strip()) == (2, "--since: 2999-01-01 has not come yet")
    assert all("Traceback" not in err for _, _, err in (unknown, unpolled, no_date))


def test_a_host_that_asks_to_be_left_alone_is_an_exit_code_of_its_own(tmp_path: Path, server: loopback.Server) -> None:
    config = _configured(tmp_path, server)
    replay.run("poll", config=config)
    server.serve("/2", b"", status="429 Too Many Requests", retry_after="3600")

    code, out, _ = replay.run("backfill", "The [bold]News", "--since", "2025-09-01", config=config)

    assert code == 1
    assert "HTTP 429 Too Many Requests; try 2 of 10 at" in out


def _said(out: str) -> list[str]:
    """Without the lines of the log."""
    return [line for line in out.splitlines() if line and not line.startswith(("{", "20"))]
