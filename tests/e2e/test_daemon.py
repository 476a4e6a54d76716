"""The real process: starting, stopping, being killed, being refused, and what it says."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import replay

FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>
<item><guid>1</guid><title>One</title><description>The only words there are.</description></item></channel></rss>"""


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration of one source that nobody answers for, with the page on a free port."""
    _configure(tmp_path)
    return tmp_path


def _configure(folder: Path, **settings: Any) -> Path:
    (folder / "sources.yaml").write_text("sources:\n  - {name: Nobody, url: 'http://127.0.0.1:9/feed'}\n")
    (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    told = {
        "database": f"sqlite:///{folder}/corpus.db",
        "web": {"listen": f"127.0.0.1:{_free_port()}"},
        "http": {"allow_networks": ["127.0.0.0/8"]},
        "log": {"format": "json"},
    }
    path = folder / "aggregator.yaml"
    path.write_text(json.dumps(told | settings))
    return path


def _config(folder: Path) -> Path:
    return folder / "aggregator.yaml"


@contextmanager
def _daemon(config: Path) -> Iterator[subprocess.Popen[str]]:
    process = replay.aggregator("run", config=config)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _page(config: Path, path: str = "/healthz") -> tuple[int, str]:
    listen = json.loads(config.read_text())["web"]["listen"]
    with urllib.request.urlopen(f"http://{listen}{path}", timeout=5) as answer:
        return answer.status, answer.read().decode()


def _wait(config: Path, process: subprocess.Popen[str], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            _page(config)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the daemon did not come up")


def _polls(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "corpus.db")) as conn:
        count: int = conn.execute("SELECT count(*) FROM polls").fetchone()[0]
        return count


def test_the_daemon_starts_polls_serves_its_page_and_stops_cleanly(folder: Path) -> None:
    with _daemon(_config(folder)) as process:
        _wait(_config(folder), process)
        until = time.monotonic() + 20
        while not _polls(folder) and time.monotonic() < until:
            time.sleep(0.1)
        status, body = _page(_config(folder))
        _, home = _page(_config(folder), "/")
        _, metrics = _page(_config(folder), "/metrics")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)

    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert "refuses connections" in home
    assert 'aggregator_polls_total{outcome="failed"} 1.0' in metrics
    assert process.returncode == 0
    assert f"database: sqlite:///{folder}/corpus.db" in err
    assert "page: http://127.0.0.1:" in err
    assert _polls(folder) == 1


def test_a_second_daemon_on_the_same_file_is_refused_in_one_line(folder: Path) -> None:
    with _daemon(_config(folder)) as first:
        _wait(_config(folder), first)
        code, _, err = replay.run("run", "--once", config=_config(folder))

    assert code == 2
    assert f"another aggregator (process {first.pid}) already runs on" in err
    assert len(err.strip().splitlines()) == 1


def test_a_poll_may_run_beside_the_daemon(folder: Path) -> None:
    with _daemon(_config(folder)) as first:
        _wait(_config(folder), first)
        time.sleep(1)
        code, out, _ = replay.run("poll", "--json", config=_config(folder))

    assert code == 1
    assert json.loads(out)["polls"][0]["error_code"] == "connect"


def test_after_a_kill_it_starts_again_at_once(folder: Path) -> None:
    with _daemon(_config(folder)) as first:
        _wait(_config(folder), first)
        first.kill()
        first.wait()
    with _daemon(_config(folder)) as second:
        _wait(_config(folder), second)
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=15)

    assert second.returncode == 0


def test_workers_do_not_outlive_a_killed_daemon(folder: Path) -> None:
    psutil = pytest.importorskip("psutil")
    (folder / "feed.xml").write_text(FEED)
    with _daemon(_config(folder)) as process:
        _wait(_config(folder), process)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=10)

    assert alive == []


def _sources(folder: Path, *names: str) -> None:
    lines = "".join(f"  - {{name: {name}, url: 'http://127.0.0.1:9/{name}'}}\n" for name in names)
    (folder / "sources.yaml").write_text(f"sources:\n{lines}")


def _names(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "corpus.db")) as conn:
        return dict(conn.execute("SELECT name, state FROM sources").fetchall())


def _until(said: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if said():
            return True
        time.sleep(0.1)
    return said()


@pytest.mark.parametrize("how", ["edit", "signal"])
def test_an_edited_configuration_is_taken_up_and_a_bad_edit_is_not(folder: Path, how: str) -> None:
    with _daemon(_config(folder)) as process:
        _wait(_config(folder), process)
        (folder / "sources.yaml").write_text("sources: [{name: Nobody, ur")
        if how == "signal":
            process.send_signal(signal.SIGHUP)
        time.sleep(5)
        unmoved = _names(folder)
        _sources(folder, "Nobody", "Somebody")
        if how == "signal":
            process.send_signal(signal.SIGHUP)
        taken_up = _until(lambda: "Somebody" in _names(folder))
        polled = _until(lambda: _polls(folder) >= 2)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)

    assert set(unmoved) == {"Nobody"}
    assert (taken_up, polled, process.returncode) == (True, True, 0)
    assert err.count("config.refused") >= 1
    assert "sources.yaml:" in err
    assert "config.reloaded" in err


def test_a_port_in_use_is_told_in_one_line(folder: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = _configure(folder, web={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        code, _, err = replay.run("run", config=config, timeout=30)

    assert code == 2
    assert "web.listen: cannot listen on" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("poll: {intervall: 30m}\n", "did you mean 'interval'"),
        ("poll: [1, 2]\n", "poll"),
        ("database: postgresql://u:s3cret@127.0.0.1:9/x\nsources: [sources.yaml]\n", "cannot be reached"),
        ("http: {timeout: soon}\n", "timeout"),
        ("a: b: c\n", "aggregator.yaml:1"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_one_line_and_exit_code_2(folder: Path, settings: str, said: str) -> None:
    (folder / "aggregator.yaml").write_text(settings)

    code, _, err = replay.run("run", "--once", config=_config(folder))

    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert "s3cret" not in err


def test_a_database_of_a_newer_program_is_refused_and_left_alone(folder: Path) -> None:
    replay.run("db", "upgrade", config=_config(folder))
    with closing(sqlite3.connect(folder / "corpus.db")) as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
        conn.commit()

    for command in (("run", "--once"), ("status",), ("db", "check"), ("db", "upgrade")):
        code, _, err = replay.run(*command, config=_config(folder))
        assert code == 2
        assert "newer than this program" in err
        assert len(err.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_told_in_one_line(folder: Path) -> None:
    (folder / "file").write_text("")
    config = _configure(folder, database=f"sqlite:///{folder}/file/corpus.db")

    code, _, err = replay.run("run", "--once", config=config)

    assert code == 2
    assert "cannot create" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize(("options", "said"), [("size=200k", "the disk is full"), ("ro,size=1m", "cannot")])
def test_a_full_or_read_only_disk_is_told_in_one_line(folder: Path, options: str, said: str) -> None:
    small = folder / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(small)], check=False, capture_output=True
    ).returncode:
        pytest.skip("this machine does not let us mount a file system")
    try:
        config = _configure(folder, database=f"sqlite:///{small}/corpus.db")
        code, _, err = replay.run("run", "--once", config=config)
    finally:
        subprocess.run(["umount", str(small)], check=True)

    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
@pytest.mark.parametrize("closed", [True, False])
def test_a_corpus_that_can_only_be_read_is_read(folder: Path, *, closed: bool) -> None:
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a file system")
    config = _configure(folder, database=f"sqlite:///{disk}/corpus.db")
    try:
        replay.run("run", "--once", config=config)
        with closing(sqlite3.connect(disk / "corpus.db")) as other:
            if not closed:
                # As while a daemon runs on it: its log is there, and what it says belongs to the corpus.
                other.execute("UPDATE sources SET name = 'Said last'")
                other.commit()
                shutil.copytree(disk, folder / "copy")
        if not closed:
            shutil.copytree(folder / "copy", disk, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        status, check = (replay.run(*command, config=config) for command in (("status", "--json"), ("db", "check")))
        written = replay.run("run", "--once", config=config)
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert [status[0], check[0]] == [0, 0], status[2] + check[2]
    assert ("Nobody" if closed else "Said last") in status[1]
    assert written[0] == 2
    assert "cannot be written" in written[2] or "cannot write" in written[2]
    assert len(written[2].strip().splitlines()) == 1


def test_commands_that_read_say_when_there_is_nothing_yet(folder: Path) -> None:
    for command in (("status",), ("search", "x"), ("show", "1"), ("db", "check")):
        code, _, err = replay.run(*command, config=_config(folder))
        assert code == 2
        assert "there is no database" in err
    assert not (folder / "corpus.db").exists()


def test_every_table_has_its_json(folder: Path) -> None:
    replay.run("run", "--once", config=_config(folder))

    _, check, _ = replay.run("check", "--json", config=_config(folder))
    _, status, _ = replay.run("status", "--json", config=_config(folder))
    _, found, _ = replay.run("search", "--json", "nothing", config=_config(folder))
    code, _, err = replay.run("show", "--json", "77", config=_config(folder))

    assert json.loads(check)["sources"] == 1
    assert json.loads(status)["sources"][0]["reason"] == "127.0.0.1:9 refuses connections"
    assert json.loads(found) == []
    assert (code, "no item has the id 77" in err) == (2, True)


def test_an_unknown_source_is_named_with_the_nearest(folder: Path) -> None:
    code, _, err = replay.run("poll", "Nobdy", config=_config(folder))

    assert code == 2
    assert "did you mean 'Nobody'" in err


def test_the_schema_for_editors_is_json(folder: Path) -> None:
    del folder
    code, out, _ = _plain("config", "schema")

    assert code == 0
    assert "properties" in json.loads(out)


def _plain(*arguments: str) -> tuple[int, str, str]:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "aggregator", *arguments], capture_output=True, text=True, check=False, cwd=replay.ROOT
    )
    return done.returncode, done.stdout, done.stderr
