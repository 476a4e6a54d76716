"""Being pushed, with the real daemon and a real hub on loopback, on both databases: from the feed that names a hub to the stored item."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, text

from aggregator.store import db
from tests import hub as hubs
from tests.e2e import replay


class Rig:
    """A daemon over one feed that wants to be pushed, and the hub of that feed."""

    def __init__(self, folder: Path, database: str, hub: hubs.Hub) -> None:
        self.hub, self.database = hub, database
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.config = folder / "aggregator.yaml"
        self._sources = folder / "sources.yaml"
        self.sources(websub=True)
        (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
        told = {
            "database": database,
            "web": {"listen": f"127.0.0.1:{self.port}", "base_url": f"http://127.0.0.1:{self.port}/news"},
            "poll": {"interval": "1h"},
            "harvest": {"workers": 1, "full_text": "never"},
            "http": {"allow_networks": ["127.0.0.0/8"], "per_host": {"spacing": 0}},
            "log": {"format": "json", "level": "debug"},
        }
        self.config.write_text(json.dumps(told))

    def sources(self, **values: Any) -> None:
        source = {"name": "Pushed", "url": self.hub.url("/feed")} | values
        self._sources.write_text(json.dumps({"sources": [source]}))

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[str]]:
        with self.config.with_name("daemon.log").open("a") as log:
            process = replay.aggregator("run", config=self.config, output=log.fileno())
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=20)

    def log(self) -> str:
        return self.config.with_name("daemon.log").read_text()

    def rows(self, query: str) -> list[RowMapping]:
        store = db.Store(self.database)
        with store.read() as conn:
            found = list(conn.execute(text(query)).mappings())
        store.close()
        return found

    def until(self, said: Callable[[], object], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not said():
            assert time.monotonic() < end, self.log()[-3000:]
            time.sleep(0.1)

    def titles(self) -> set[str]:
        return {row["title"] for row in self.rows("SELECT title FROM items")}

    def state(self) -> str | None:
        rows = self.rows("SELECT state FROM subscriptions ORDER BY id DESC LIMIT 1")
        return rows[0]["state"] if rows else None


@pytest.fixture
def rig(tmp_path: Path, database_url: str) -> Iterator[Rig]:
    with hubs.serve() as hub:
        hub.publish(hubs.entry(1))
        yield Rig(tmp_path, database_url, hub)


def test_a_feed_with_a_hub_is_subscribed_to_and_what_is_pushed_is_stored_within_seconds(rig: Rig) -> None:
    with rig.daemon():
        rig.until(lambda: rig.state() == "active")
        polls = rig.hub.polls
        rig.hub.publish(hubs.entry(1), hubs.entry(2))
        forged = rig.hub.push(hubs.feed(hubs.entry(66)), secret="not the secret")
        unsigned = rig.hub.push(hubs.feed(hubs.entry(67)), method="")
        began = time.monotonic()
        taken = rig.hub.push()
        rig.until(lambda: "Title 2" in rig.titles())
        took = time.monotonic() - began
        again = [rig.hub.push() for _ in range(20)]
        rig.until(lambda: rig.rows("SELECT pushes FROM subscriptions")[0]["pushes"] == 21)
        (health,) = rig.rows("SELECT * FROM source_health")
        _, metrics = hubs.call(f"http://127.0.0.1:{rig.port}/metrics")
        _, page = hubs.call(f"http://127.0.0.1:{rig.port}/")
        _, status, _ = replay.run("status", config=rig.config)

    form = rig.hub.subscribed()[0]
    assert form["hub.callback"].startswith(f"http://127.0.0.1:{rig.port}/news/websub/")
    assert (form["hub.topic"], form["hub.lease_seconds"]) == (rig.hub.url("/feed"), "864000")
    assert 64 <= len(form["hub.secret"]) < 200
    assert (forged, unsigned, taken, set(again)) == (202, 202, 202, {202})
    assert took < 20
    assert rig.titles() == {"Title 1", "Title 2"}
    assert rig.hub.polls == polls
    (push,) = rig.rows("SELECT * FROM polls WHERE origin = 'push'")
    assert (push["outcome"], push["new"], push["unchanged"], push["http_status"]) == ("new", 1, 1, None)
    assert push["due_reason"] == f"pushed by {rig.hub.url('/hub')}; backup poll every 24 h"
    assert (health["due_reason"], health["polls"]) == (push["due_reason"], 1)
    assert health["push"].startswith("active: subscribed for 24 h")
    assert rig.rows("SELECT refused FROM subscriptions")[0]["refused"] == 2
    told = f"{rig.log()}{metrics.decode()}{page.decode()}{status}"
    assert 'aggregator_pushes_total{outcome="repeated"} 20.0' in told
    assert 'aggregator_pushes_total{outcome="unsigned"} 2.0' in told
    for secret in (form["hub.secret"], form["hub.callback"].rpartition("/")[2]):
        assert secret not in told


def test_killed_between_request_and_verification_the_subscription_comes_about(rig: Rig) -> None:
    rig.hub.checks_back = False
    with rig.daemon() as process:
        rig.until(lambda: rig.hub.asked)
        process.kill()
        process.wait()
    with rig.daemon():
        rig.until(lambda: "daemon.started" in rig.log().rpartition("subscription.requested")[2] or rig.state())
        rig.until(lambda: _up(rig))
        status, _ = rig.hub.check_back(rig.hub.asked[0])
        rig.until(lambda: rig.state() == "active")
        rig.hub.publish(hubs.entry(1), hubs.entry(2))
        rig.hub.push(nth=0)
        rig.until(lambda: "Title 2" in rig.titles())

    assert status == 200


def test_killed_over_a_push_what_was_pushed_is_polled(rig: Rig) -> None:
    with rig.daemon() as process:
        rig.until(lambda: rig.state() == "active")
        # A poll of the source, as it seems, is under way: what is pushed has to wait for it.
        _lease(rig, "somebody:1:else", "2999-01-01T00:00:00Z")
        rig.hub.publish(hubs.entry(1), hubs.entry(2))
        assert rig.hub.push() == 202
        process.kill()
        process.wait()
    assert rig.titles() == {"Title 1"}
    _lease(rig, None, None)
    if rig.database.startswith("postgresql"):
        # Others may share the work there, so that it takes a minute to be sure.
        _age(rig)

    with rig.daemon():
        rig.until(lambda: "Title 2" in rig.titles())

    (polled,) = rig.rows("SELECT origin, new FROM polls WHERE new = 1 AND id > 1")
    assert polled["origin"] == "poll"


def test_what_is_no_longer_wanted_is_unsubscribed(rig: Rig) -> None:
    with rig.daemon():
        rig.until(lambda: rig.state() == "active")
        rig.sources(websub=False)
        rig.until(lambda: rig.state() == "ended")
        status = rig.hub.push()

    assert rig.hub.asked[-1]["hub.mode"] == "unsubscribe"
    assert "hub.secret" not in rig.hub.asked[-1]
    assert rig.hub.verified[-1][:2] == ("unsubscribe", 200)
    assert status == 410


def _up(rig: Rig) -> bool:
    try:
        return hubs.call(f"http://127.0.0.1:{rig.port}/healthz")[0] == 200
    except OSError:
        return False


def _lease(rig: Rig, owner: str | None, until: str | None) -> None:
    _write(rig, "UPDATE sources SET lease_owner = :owner, lease_until = :until", owner=owner, until=until)


def _age(rig: Rig) -> None:
    _write(rig, "UPDATE subscriptions SET waiting_at = '2025-01-01T00:00:00Z'")


def _write(rig: Rig, statement: str, **values: Any) -> None:
    store = db.Store(rig.database)
    with store.begin() as conn:
        conn.execute(text(statement), values)
    store.close()
