"""`check --live` as a real process: what it prints, its JSON, its exit codes, and that it leaves nothing behind."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests import loopback
from tests.e2e import replay

RECENT = format_datetime(datetime.now(UTC), usegmt=True)
FEED = f"""<?xml version="1.0"?><rss version="2.0"><channel><title>[bold]News</title><item><guid>1</guid><title>One</title>
<link>http://127.0.0.1/1</link><pubDate>{RECENT}</pubDate></item></channel></rss>""".encode()


@contextmanager
def serving(folder: Path) -> Iterator[loopback.Server]:
    """A loopback server in a thread of its own, for a program that is not ours to await."""
    ready, running = threading.Event(), list[tuple[loopback.Server, asyncio.AbstractEventLoop, asyncio.Event]]()

    async def serve() -> None:
        ended = asyncio.Event()
        async with loopback.server(folder) as server:
            running.append((server, asyncio.get_running_loop(), ended))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    server, loop, ended = running[0]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[loopback.Server]:
    with serving(tmp_path) as running:
        running.serve("/good.xml", FEED, content_type="application/rss+xml")
        running.serve("/moved.xml", b"", status="301 Moved", location="/other.xml")
        running.serve("/other.xml", FEED)
        yield running


def configure(folder: Path, timeout: str = "5s", **sources: str) -> Path:
    (folder / "sources.yaml").write_text(
        json.dumps({"sources": [{"name": name, "url": url, "full_text": "never"} for name, url in sources.items()]})
    )
    (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    path = folder / "aggregator.yaml"
    http = {"allow_networks": ["127.0.0.0/8"], "per_host": {"spacing": "0s"}, "timeout": timeout}
    settings = {"database": f"sqlite:///{folder}/corpus.db", "http": http, "web": None}
    path.write_text(json.dumps(settings))
    return path


def _until(true: Callable[[], bool]) -> None:
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")


def names(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line[:1].isalpha()]


def test_the_table_begins_with_the_worst_and_what_to_do_stands_below_it(
    tmp_path: Path, server: loopback.Server
) -> None:
    path = configure(
        tmp_path, Good=server.url("/good.xml"), Moved=server.url("/moved.xml"), Lost=server.url("/lost.xml")
    )

    code, out, err = replay.run("check", "--live", config=path)

    assert code == 1
    assert names(out) == ["source", "Lost", "Moved", "Good", "Lost", "Moved"]
    assert "HTTP 404 Not Found" in out
    assert f"→ has moved for good: change the url to {server.url('/other.xml')}" in out
    assert "3 sources checked: 1 failed, 1 warning, 1 well" in out
    assert "Traceback" not in err
    assert not (tmp_path / "corpus.db").exists()


def test_what_is_to_be_said_of_several_is_said_once(tmp_path: Path, server: loopback.Server) -> None:
    path = configure(tmp_path, Lost=server.url("/lost.xml"), Gone=server.url("/gone.xml"))

    _, out, _ = replay.run("check", "--live", config=path)

    assert names(out) == ["source", "Lost", "Gone", "Lost", "Gone"]
    assert out.count("→ nothing is at this address") == 1


def test_one_source_by_name_is_shown_with_all_that_was_met(tmp_path: Path, server: loopback.Server) -> None:
    path = configure(tmp_path, Good=server.url("/good.xml"), Lost=server.url("/lost.xml"))

    code, out, _ = replay.run("check", "--live", "good", config=path)

    assert code == 0
    facts = {line[:12].strip(): line[14:] for line in out.splitlines() if line[12:14] == "  "}
    assert facts["addresses"] == "127.0.0.1"
    assert facts["request 1"].startswith(f"{server.url('/good.xml')} → HTTP 200 from 127.0.0.1, first byte after ")
    assert facts["feed"] == "RSS 2.0: [bold]News"
    assert facts["entries"] == "1, of which 1 with a guid, 1 with a date, 1 with a link"
    assert "neither ETag nor Last-Modified" in facts["advice"]
    assert [request.path for request in server.requests] == ["/good.xml"]


def test_json_has_everything(tmp_path: Path, server: loopback.Server) -> None:
    path = configure(tmp_path, Good=server.url("/good.xml"), Lost=server.url("/lost.xml"))

    code, out, _ = replay.run("check", "--live", "--json", config=path)
    good, lost = json.loads(out)["sources"]

    assert code == 1
    assert (good["name"], good["verdict"], lost["name"], lost["verdict"]) == ("Good", "well", "Lost", "failed")
    assert good["steps"][0]["status"] == 200
    assert isinstance(good["steps"][0]["took"], float)
    assert good["document"]["kind"] == "RSS 2.0"
    assert datetime.fromisoformat(good["document"]["newest_at"]).tzinfo is not None
    assert good["conditional"] == "absent"
    assert [one["code"] for one in good["advice"]] == ["no_validators"]
    assert (lost["error_code"], lost["error"], lost["document"]) == ("http_404", "HTTP 404 Not Found", None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_what_was_found_is_shown(
    tmp_path: Path, server: loopback.Server, number: signal.Signals
) -> None:
    async def never(_asked: loopback.Asked, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    server.answers["/never.xml"] = never
    path = configure(tmp_path, Lost=server.url("/lost.xml"), Never=server.url("/never.xml"), timeout="60s")
    process = replay.aggregator("check", "--live", config=path)
    # The front page, where a lost feed is looked for, is the last that is asked of it.
    _until(lambda: {"/never.xml", "/"} <= {asked.path for asked in server.requests})
    time.sleep(1)

    process.send_signal(number)
    out, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "1 source checked: 1 failed" in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--live", "Goood"), "no enabled source is called 'Goood'; did you mean 'Good'?"),
        (("Good",), "aggregator check --live"),
        (("--verbose",), "aggregator check --live"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    path = configure(tmp_path, Good="http://127.0.0.1:9/feed")

    code, _, err = replay.run("check", *arguments, config=path)

    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_wrong_configuration_is_told_before_anything_is_asked(tmp_path: Path, server: loopback.Server) -> None:
    path = configure(tmp_path, Good=server.url("/good.xml"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))

    code, _, err = replay.run("check", "--live", config=path)

    assert code == 2
    assert "colour" in err
    assert server.requests == []


@pytest.mark.slow
def test_over_the_recorded_feeds_it_fails_where_polls_fail_and_with_the_same_words(
    tmp_path: Path, shared: Path
) -> None:
    with replay.serve(shared, tmp_path) as sites:
        path = replay.configure(tmp_path / "config", sites, f"sqlite:///{tmp_path}/corpus.db")
        _, polled, _ = replay.run("poll", "--json", config=path)
        polls: dict[str, Any] = {one["source"]: one for one in json.loads(polled)["polls"]}
        # Named, all are asked once, as a first poll asks them.
        code, checked, _ = replay.run("check", "--live", "--json", *polls, config=path)
    checks = {one["name"]: one for one in json.loads(checked)["sources"]}

    assert code == 1
    assert len(polls) == len(checks) == 93
    for name, poll in polls.items():
        met = checks[name]
        assert (met["error_code"], met["error"]) == (poll["error_code"], poll["error"]), name
        assert (met["document"] or {"entries": 0})["entries"] == poll["entries"], name
