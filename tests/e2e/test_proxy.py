"""The real daemon behind a proxy: a source is polled and its page fetched by way of it, and its password is found nowhere."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests import scripted_proxy, scripted_web
from tests.e2e import replay

PASSWORD = "geheim-9137"
WORDS = " ".join(f"The minister said on day {n} that carbon markets would grow." for n in range(40))
PAGE = f"<html><head><title>One</title></head><body><article><h1>One</h1><p>{WORDS}</p></article></body></html>"
FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>
<item><guid>1</guid><title>One</title><link>http://news.example/one</link></item></channel></rss>"""


def _configure(folder: Path, proxy: str, database: str) -> Path:
    source = {"name": "News", "url": "http://news.example/feed", "full_text": "always", "proxy": proxy}
    (folder / "sources.yaml").write_text(json.dumps({"sources": [source]}))
    (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    told = {
        "database": database,
        "web": None,
        "http": {"per_host": {"spacing": "0s"}},
        "log": {"format": "json", "level": "debug"},
    }
    path = folder / "aggregator.yaml"
    path.write_text(json.dumps(told))
    return path


def _titles(file: Path) -> list[tuple[str, str]]:
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as conn:
        return list(conn.execute("SELECT title, state FROM feed_items"))


@pytest.mark.parametrize("socks", [False, True])
async def test_a_source_is_collected_by_way_of_its_proxy(tmp_path: Path, socks: bool) -> None:
    file = tmp_path / "corpus.db"
    async with scripted_web.serve() as web, scripted_proxy.serve(socks=socks, auth=f"ann:{PASSWORD}") as proxy:
        web.answers["/feed"] = scripted_web.Answer(body=FEED.encode(), headers={"content-type": "application/rss+xml"})
        web.answers["/one"] = scripted_web.Answer(body=PAGE.encode(), headers={"content-type": "text/html"})
        proxy.names = {"news.example:80": web.port}
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        config = _configure(tmp_path, proxy.url("ann:${file:password}"), f"sqlite:///{file}")

        process = replay.aggregator("run", config=config)
        try:
            for _ in range(300):
                if ("One", "ok") in await asyncio.to_thread(_collected, file):
                    break
                await asyncio.sleep(0.1)
            process.terminate()
            out, err = await asyncio.to_thread(process.communicate, timeout=20)
        finally:
            process.kill()
        _, checked, _ = await asyncio.to_thread(lambda: replay.run("check", "--json", config=config))
        _, status, _ = await asyncio.to_thread(lambda: replay.run("status", "--json", config=config))

    assert process.returncode == 0
    assert _titles(file) == [("One", "ok")]
    assert sorted(web.paths()) == ["/feed", "/one", "/robots.txt"]
    assert len(proxy.heard) >= 1
    for said in (out or "", err or "", checked, status):
        assert PASSWORD not in said
    assert PASSWORD.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("corpus.db*"))


def _collected(file: Path) -> list[tuple[str, str]]:
    try:
        return _titles(file)
    except sqlite3.OperationalError:
        # The daemon is just making it.
        return []
