"""`sources add` and `sources list` as real processes, against a site on loopback: what is found, what the file says afterwards."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import loopback
from tests.e2e import replay
from tests.e2e.test_check import serving

LAYOUT = "# Our sources.\nsources:\n  - name: Old # the first\n    url: https://old.example/feed\n"
PAGE = b"""<!doctype html><html><head><title>A Site</title>
<link rel="alternate" type="application/rss+xml" title="All Comments" href="/comments.xml">
<link rel="alternate" type="application/rss+xml" title="News" href="/news.xml">
<link rel="alternate" type="application/rss+xml" title="Gone" href="/gone.xml">
</head><body><p>Words.</p></body></html>"""


def feed(title: str, count: int = 2, day: int = 1) -> bytes:
    entries = "".join(
        f"<item><guid>{title}-{n}</guid><title>{n}</title><link>http://127.0.0.1/{title}/{n}</link>"
        f"<pubDate>Mon, {day:02} Sep 2025 10:00:00 GMT</pubDate></item>"
        for n in range(count)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>{title}</title>{entries}</channel></rss>'.encode()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[loopback.Server]:
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web") as running:
        running.serve("/", PAGE, content_type="text/html")
        running.serve("/news.xml", feed("The News", 3), content_type="application/rss+xml")
        running.serve("/comments.xml", feed("Comments on The News", 9), content_type="application/rss+xml")
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "sources.yaml").write_text(LAYOUT)
    (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    http = {"allow_networks": ["127.0.0.0/8"], "per_host": {"spacing": "0s"}, "timeout": "5s"}
    settings = {"database": f"sqlite:///{folder}/corpus.db", "http": http, "web": None}
    (folder / "aggregator.yaml").write_text(json.dumps(settings))
    return folder / "aggregator.yaml"


def sources_of(path: Path) -> str:
    return (path.parent / "sources.yaml").read_text()


def listed(path: Path) -> list[dict[str, Any]]:
    code, out, _ = replay.run("sources", "list", "--json", config=path)
    assert code == 0
    told: list[dict[str, Any]] = json.loads(out)
    return told


def test_the_best_feed_of_a_page_is_added_and_nothing_else_in_the_file_is_changed(
    path: Path, site: loopback.Server
) -> None:
    code, out, err = replay.run("sources", "add", site.url("/"), "--yes", "--category", "news", config=path)

    assert (code, err.count("Traceback")) == (0, 0)
    assert sources_of(path) == LAYOUT + f"  - name: The News\n    url: {site.url('/news.xml')}\n    category: news\n"
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["no", "1", "2"]
    assert "named by the page" in out
    assert "comments, named by the page" in out
    assert f"added 'The News', {site.url('/news.xml')}, in " in out
    assert "sources.yaml:5" in out
    assert [one["name"] for one in listed(path)] == ["Old", "The News"]
    # What is named as a feed is asked as a feed is; nothing is guessed where that was enough.
    assert [asked.path for asked in site.requests] == ["/", "/news.xml", "/gone.xml", "/comments.xml"]


def test_a_feed_is_added_as_it_is_without_a_question(path: Path, site: loopback.Server) -> None:
    code, out, _ = replay.run("sources", "add", site.url("/news.xml"), "--name", "Mine: all", config=path)

    assert code == 0
    assert sources_of(path) == LAYOUT + f'  - name: "Mine: all"\n    url: {site.url("/news.xml")}\n'
    assert "as given" in out
    assert [asked.path for asked in site.requests] == ["/news.xml"]


def test_without_a_terminal_the_choices_are_listed_and_nothing_is_written(path: Path, site: loopback.Server) -> None:
    code, _, err = replay.run("sources", "add", site.url("/"), config=path)

    assert code == 2
    assert err.splitlines()[0] == "choose a feed by its own address, or take the first with --yes:"
    assert f"{site.url('/news.xml')}  (RSS 2.0, 3 entries, named by the page)" in err
    assert sources_of(path) == LAYOUT


def test_on_a_terminal_one_chooses(path: Path, site: loopback.Server) -> None:
    out = _typed(["sources", "add", site.url("/"), "--config", str(path)], "Which one?", "2\r")

    assert "All Comments" in out or "Comments on The News" in out
    assert sources_of(path) == LAYOUT + f"  - name: Comments on The News\n    url: {site.url('/comments.xml')}\n"


def _typed(arguments: list[str], asked: str, answer: str) -> str:
    """What the program prints on a terminal where somebody gives this answer."""
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "aggregator", *arguments],
        cwd=replay.ROOT,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
    )
    os.close(slave)
    said, answered, end = "", False, time.monotonic() + 60
    while time.monotonic() < end and not (process.poll() is not None and not select.select([master], [], [], 0)[0]):
        if select.select([master], [], [], 0.2)[0]:
            try:
                said += os.read(master, 65536).decode()
            except OSError:
                break
        if asked in said and not answered:
            answered = True
            os.write(master, answer.encode())
    os.close(master)
    assert process.wait(timeout=10) == 0, said
    return said


def test_what_a_page_does_not_name_is_found_in_a_usual_place_where_robots_allow_it(
    path: Path, site: loopback.Server
) -> None:
    site.serve("/", b"<!doctype html><html><title>Plain</title><p>Words.</p>", content_type="text/html")
    site.serve("/robots.txt", b"User-agent: *\nDisallow: /feed\n", content_type="text/plain")
    site.serve("/feed", feed("Forbidden"))
    site.serve("/rss.xml", feed("Found"))

    code, out, _ = replay.run("sources", "add", site.url("/"), "--yes", "--json", config=path)
    told = json.loads(out)

    assert code == 0
    assert told["added"]["url"] == site.url("/rss.xml")
    assert [(one["url"], one["how"]) for one in told["feeds"]] == [(site.url("/rss.xml"), "guessed")]
    assert "/feed" not in [asked.path for asked in site.requests]


def test_a_page_without_a_feed_is_an_error_that_says_so_after_few_requests(path: Path, site: loopback.Server) -> None:
    site.answers.clear()
    site.serve("/", b"<!doctype html><html><title>Plain</title><p>Words.</p>", content_type="text/html")

    code, _, err = replay.run("sources", "add", site.url("/"), "--yes", config=path)

    assert code == 1
    assert f"no feed found at {site.url('/')}: it names none, and there is none in the usual places" in err
    assert len(site.requests) <= 18
    assert sources_of(path) == LAYOUT


def test_what_might_have_been_a_feed_is_told_with_what_is_wrong_with_it(path: Path, site: loopback.Server) -> None:
    site.answers.clear()
    links = "".join(f'<link rel="alternate" type="application/rss+xml" href="/{name}">' for name in ("a.xml", "b.xml"))
    site.serve(
        "/", f"<!doctype html><html><title>Broken</title>{links}<p>Words.</p>".encode(), content_type="text/html"
    )
    site.serve("/a.xml", b"<html><title>Sign in</title><p>Words.</p></html>", content_type="text/html")
    site.serve("/b.xml", status="503 Service Unavailable")

    code, _, err = replay.run("sources", "add", site.url("/"), "--yes", config=path)

    lines = err.splitlines()
    assert code == 1
    assert lines[0].endswith("what it might have as feeds is none, and there is none in the usual places")
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [site.url("/a.xml"), site.url("/b.xml")]
    assert "instead of a feed" in lines[1]
    assert "503" in lines[2]


def test_what_does_not_answer_is_told_in_one_line(path: Path) -> None:
    code, _, err = replay.run("sources", "add", "http://127.0.0.1:9/", "--yes", config=path)

    assert code == 1
    assert len(err.splitlines()) == 1
    assert "no feed found at http://127.0.0.1:9/: " in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("https://old.example/feed", "--yes"), "sources.yaml:4: there is already a source with the URL https://old.example/feed"),
        (("https://old.example/feed?utm_source=mail", "--yes"), "sources.yaml:4: there is already a source with the URL"),
        (("{site}/news.xml", "--name", "OLD"), "sources.yaml:3: there is already a source with the name Old"),
        (("gopher://x.example/",), "expected an http:// or https:// URL with a host"),
        (("https://u:secret@x.example/",), "may not hold a password"),
        (("{site}/news.xml", "--file", "other.yaml"), "--file: other.yaml is none of the files of sources"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_asked(
    path: Path, site: loopback.Server, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = replay.run("sources", "add", *(one.format(site=site.url("")) for one in arguments), config=path)

    assert code == 2
    assert said in err
    assert "secret" not in err
    assert site.requests == []
    assert sources_of(path) == LAYOUT


def test_the_feed_of_a_page_that_is_already_there_is_refused_with_its_place(path: Path, site: loopback.Server) -> None:
    (path.parent / "sources.yaml").write_text(f"sources:\n  - name: Mine\n    url: {site.url('/news.xml')}\n")

    code, out, err = replay.run("sources", "add", site.url("/"), "--yes", config=path)

    assert code == 2
    assert "already added as Mine" in out
    assert f"sources.yaml:3: there is already a source with the URL {site.url('/news.xml')}" in err


def test_the_first_source_of_all_can_be_added(path: Path, site: loopback.Server) -> None:
    (path.parent / "sources.yaml").write_text("sources: []\n")
    assert listed(path) == []

    code, _, _ = replay.run("sources", "add", site.url("/"), "--yes", config=path)

    assert code == 0
    assert sources_of(path) == f"sources:\n  - name: The News\n    url: {site.url('/news.xml')}\n"


def test_the_list_is_a_table_without_secrets(path: Path) -> None:
    (path.parent / "sources.yaml").write_text(
        LAYOUT
        + "  - name: Closed\n    url: https://closed.example/feed\n    auth: me:secret\n    enabled: false\n    category: a\n"
    )

    code, out, _ = replay.run("sources", "list", config=path)
    _, told, _ = replay.run("sources", "list", "--json", config=path)

    assert code == 0
    assert [line.split() for line in out.splitlines()[:3]] == [
        ["source", "category", "enabled", "url"],
        ["Old", "–", "yes", "https://old.example/feed"],
        ["Closed", "a", "no", "https://closed.example/feed"],
    ]
    assert "2 sources in " in out
    assert "secret" not in out + told


def test_a_running_daemon_takes_it_up(path: Path, site: loopback.Server) -> None:
    (path.parent / "sources.yaml").write_text(f"sources:\n  - name: First\n    url: {site.url('/comments.xml')}\n")
    process = replay.aggregator("run", config=path)
    try:
        _until(lambda: "/comments.xml" in [asked.path for asked in site.requests])
        assert replay.run("sources", "add", site.url("/news.xml"), config=path)[0] == 0
        asked = len(site.requests)
        _until(lambda: "/news.xml" in [one.path for one in site.requests[asked:]])
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _until(true: Any) -> None:
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")
