"""A day on which every server answers 503: nothing is lost, nobody is blamed, and soon after it all is as before."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from sqlalchemy import select, text

from aggregator import app, config, model
from aggregator.net import manners
from aggregator.store import db, tables
from tests.e2e import replay

pytestmark = pytest.mark.slow

_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_START = datetime(2025, 9, 19, tzinfo=UTC)
_STEP, _HOUR, _DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)


class Weather:
    """Two ports that lead to the recorded sites or, while it is `bad`, to servers that only say 503."""

    def __init__(self, sites: replay.Sites) -> None:
        self.bad = False
        self.requests = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._sites = sites
        self.http = self.https = self._plain = self._secure = 0

    @asynccontextmanager
    async def there(self, context: ssl.SSLContext) -> AsyncIterator[None]:
        plain = await asyncio.start_server(self._refuse, "127.0.0.1", 0)
        secure = await asyncio.start_server(self._refuse, "127.0.0.1", 0, ssl=context)
        self._plain, self._secure = _port(plain), _port(secure)
        http = await asyncio.start_server(lambda *ends: self._lead(*ends, tls=False), "127.0.0.1", 0)
        https = await asyncio.start_server(lambda *ends: self._lead(*ends, tls=True), "127.0.0.1", 0)
        self.http, self.https = _port(http), _port(https)
        try:
            yield
        finally:
            for server in (http, https, plain, secure):
                server.close()

    def change(self, *, bad: bool) -> None:
        """From now on; connections that are kept would know nothing of it."""
        self.bad = bad
        for writer in self._open:
            writer.close()
        self._open.clear()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError):
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            writer.write(_UNAVAILABLE)
            await writer.drain()
        writer.close()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, tls: bool) -> None:
        good, bad = (self._sites.https, self._secure) if tls else (self._sites.http, self._plain)
        self._open.add(writer)
        there, back = await asyncio.open_connection("127.0.0.1", bad if self.bad else good)

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, asyncio.CancelledError):
                while data := await source.read(1 << 16):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        with suppress(asyncio.CancelledError):
            await asyncio.gather(pass_on(reader, back), pass_on(there, writer))


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


@pytest.fixture
def sites(shared: Path, tmp_path: Path) -> Iterator[replay.Sites]:
    with replay.serve(shared, tmp_path) as served:
        yield served


class Year:
    """The virtual clock of one app."""

    def __init__(self, opened: app.App) -> None:
        self.now = _START
        self.opened = opened

    async def until(self, end: datetime) -> None:
        while self.now < end:
            await self.opened.engine.run_once()
            self.now += _STEP


def _sources(store: db.Store) -> dict[str, model.Source]:
    with store.begin() as conn:
        from aggregator.store import sources

        names = conn.execute(select(tables.sources.c.name)).scalars().all()
        claimed = sources.claim_due(conn, now=_START, limit=999, owner="t", lease=timedelta(0), names=names)
        sources.release(conn, ["t"])
    return {source.name: source for source in claimed}


async def test_after_a_day_of_503_everything_is_polled_within_its_usual_interval(
    sites: replay.Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The spacing that refusals lead to is of the real clock: a minute of it would make the test last for days.
    monkeypatch.setattr(manners, "_WIDEST", 0.01)
    weather, authority = Weather(sites), trustme.CA()
    listed = sites.sources.read_text()
    hosts = {
        urlsplit(line.split("url:")[1].strip().strip("\"'")).hostname for line in listed.splitlines() if "url:" in line
    }
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*sorted(host for host in hosts if host)).configure_cert(context)
    bundle = tmp_path / "both.pem"
    bundle.write_bytes(sites.ca.read_bytes() + authority.cert_pem.bytes())
    async with weather.there(context):
        path = replay.configure(tmp_path / "config", sites, f"sqlite:///{tmp_path}/corpus.db")
        told = json.loads(path.read_text())
        told["poll"] = {}
        told["harvest"] = {"workers": 2, "revisit": []}
        told["http"] |= {
            "ca_bundle": str(bundle),
            "connect_to": {"*:443": f"127.0.0.1:{weather.https}", "*:80": f"127.0.0.1:{weather.http}"},
        }
        path.write_text(json.dumps(told))
        settings = config.load(path, {})
        store = app.open_store(settings)
        with store.begin() as conn:
            conn.execute(text("UPDATE sources SET next_poll_at = '2025-09-18T00:00:00Z'"))
        year: Year
        opened = app.App(settings, store, now=lambda: year.now)
        year = Year(opened)
        try:
            # A first day to learn what is usual.
            await year.until(_START + _DAY)
            usual = {
                name: (source.next_poll_at or year.now) - (source.last_polled_at or year.now)
                for name, source in _sources(store).items()
                if source.state == "active"
            }
            well = {name for name, source in _sources(store).items() if source.state == "active"}
            items = _count(store)

            weather.change(bad=True)
            dark = year.now
            await year.until(dark + _DAY)
            weather.change(bad=False)
            light = year.now
            during = {name: source for name, source in _sources(store).items() if name in well}

            await year.until(light + max(usual.values()) * 1.2 + _HOUR)
            after = _sources(store)
        finally:
            await opened.engine.drain(timedelta(seconds=1))
            await opened.aclose()
            store.close()

    assert len(well) > 60
    assert weather.requests >= len(well)
    # Nobody is blamed, and what went wrong is told all the same.
    assert {name: source for name, source in during.items() if source.failures} == {}
    assert {source.error_code for source in during.values()} == {"http_503"}
    late = {name: after[name].last_success_at for name in well if (after[name].last_success_at or dark) <= light}
    assert late == {}
    waited = _first_success(tmp_path / "corpus.db", light)
    assert {name: waited[name] for name in well if waited[name] > usual[name] * 1.2 + 2 * _STEP} == {}
    assert _counted(tmp_path / "corpus.db") >= items
    assert _given_up(tmp_path / "corpus.db") == 0


def _count(store: db.Store) -> int:
    with store.read() as conn:
        return int(conn.execute(text("SELECT count(*) FROM items")).scalar_one())


def _counted(path: Path) -> int:
    store = db.Store(f"sqlite:///{path}")
    try:
        return _count(store)
    finally:
        store.close()


def _given_up(path: Path) -> int:
    """Items whose page was given up because of the bad day."""
    store = db.Store(f"sqlite:///{path}")
    with store.read() as conn:
        said = "SELECT count(*) FROM items WHERE next_visit_at IS NULL AND state_reason LIKE '%503%'"
        count = int(conn.execute(text(said)).scalar_one())
    store.close()
    return count


def _first_success(path: Path, since: datetime) -> dict[str, timedelta]:
    """How long after `since` each source was first polled well."""
    store = db.Store(f"sqlite:///{path}")
    polls, sources = tables.polls, tables.sources
    with store.read() as conn:
        rows = conn.execute(
            select(sources.c.name, polls.c.at)
            .join_from(polls, sources)
            .where(polls.c.at >= since, polls.c.outcome != "failed")
            .order_by(polls.c.at.desc())
        ).all()
    store.close()
    return {row.name: row.at - since for row in rows}
