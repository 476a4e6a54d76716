"""Whatever a feed shows in turn, through the real poll stage: looking twice, or dying in between, comes to the same database."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select, update

from aggregator import app, batch, config, errors, model, poll
from aggregator.net import fetcher, manners, stream
from aggregator.store import db, sources, tables
from tests import feeds, make, wire

HOUR = timedelta(hours=1)
PAGE = b"<!DOCTYPE html><html><head><title>Sorry</title></head><body>Back soon.</body></html>"
RSS = {"content-type": "application/rss+xml"}


@dataclass(frozen=True)
class Shown:
    """What the server has at a time: entries as (number, title, words), or something else in their place."""

    entries: tuple[tuple[int, str, str], ...] = ()
    guids: bool = True
    moved: bool = False
    fault: str = ""

    def reply(self, asked: wire.Asked, *, validators: bool, noise: str) -> wire.Reply:
        if self.fault == "503":
            return wire.Reply(status=503)
        if self.fault == "page":
            return wire.Reply(body=PAGE, headers={"content-type": "text/html"})
        items = "".join(self._item(*one) for one in self.entries)
        body = feeds.rss(items).encode()
        if self.fault == "cut":
            body = body[: -len("</item></channel></rss>")]
        etag = f'"{hash(body)}"'
        if validators and asked.headers.get("if-none-match") == etag:
            return wire.Reply(status=304)
        return wire.Reply(body=body + noise.encode(), headers=RSS | ({"etag": etag} if validators else {}))

    def _item(self, number: int, title: str, words: str) -> str:
        guid = f"<guid isPermaLink='false'>g{number}</guid>" if self.guids else ""
        link = f"<link>https://feed.example/{'moved/' * self.moved}{number}</link>"
        dated = f"<pubDate>Thu, 18 Sep 2025 {number:02}:00:00 GMT</pubDate>"
        return f"<item>{guid}{link}<title>{title} {number}</title>{dated}<description>{words}</description></item>"


ENTRIES = st.tuples(
    st.integers(1, 6), st.sampled_from(["Story", "Another story"]), st.sampled_from(["", "Words", "<b>Other</b> words"])
)
SHOWN = st.builds(
    Shown,
    entries=st.lists(ENTRIES, min_size=1, max_size=6, unique_by=lambda one: one[0]).map(tuple),
    guids=st.sampled_from([True, True, False]),
    moved=st.sampled_from([False, False, True]),
    fault=st.sampled_from(["", "", "", "", "cut", "page", "503"]),
)


class DyingStore(db.Store):
    """Loses the next transaction that it is told to lose, when all of it has been said and nothing is committed."""

    dies = False

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with super().begin() as conn:
            yield conn
            if self.dies:
                self.dies = False
                raise errors.UnavailableError("the database went away", code="unreachable")


@dataclass
class Bench:
    """The poll stage over one source; every example begins with an empty database."""

    store: DyingStore
    now: datetime = make.NOW
    shown: Shown = field(default_factory=Shown)
    validators: bool = True
    noise: str = ""
    reports: list[model.PollReport | None] = field(default_factory=list)
    running: app.App | None = None

    def answer(self, asked: wire.Asked) -> wire.Reply:
        return self.shown.reply(asked, validators=self.validators, noise=self.noise)

    async def open(self) -> None:
        told = {
            "path": Path("aggregator.yaml"),
            "folder": Path(),
            "database": "sqlite:///unused.db",
            "harvest": {"workers": 1},
            "http": {"connect_to": {"*:80": "127.0.0.1:80"}, "per_host": {"spacing": 0}},
            "taxonomy": {},
            "sources": [config.SourceConfig.model_validate({"name": "one", "url": "http://feed.test/rss"})],
        }
        self.running = app.App(config.Settings.model_validate(told), self.store, now=lambda: self.now)

    def empty(self) -> None:
        self.now, self.noise, self.validators = make.NOW, "", True
        with self.store.begin() as conn:
            for table in ("changes", "items", "sources", "hosts"):
                conn.execute(delete(tables.metadata.tables[table]))
            sources.sync(conn, [sources.Configured(name="one", url="http://feed.test/rss")], self.now)

    async def poll(self) -> model.PollReport | None:
        """The source's turn, whoever has its lease: that one is dead."""
        with self.store.begin() as conn:
            conn.execute(update(tables.sources).values(lease_owner=None, lease_until=None, state="active"))
            (source,) = sources.claim_due(conn, now=self.now, limit=1, owner="me", lease=poll.LEASE, names=["one"])
        assert self.running is not None
        return await self.running.poller.poll(source)

    def picture(self) -> dict[str, list[Any]]:
        """All rows of all tables, without those of `polls`, and without what numbers the rows of an emptied table."""
        with self.store.read() as conn:
            keys = {row.id: row.url_key for row in conn.execute(select(tables.items.c.id, tables.items.c.url_key))}
            found = {}
            for name in ("items", "item_urls", "sightings", "revisions", "enclosures", "changes", "gaps", "sources"):
                rows = conn.execute(select(tables.metadata.tables[name])).mappings().all()
                found[name] = sorted((_plain(name, dict(row), keys) for row in rows), key=repr)
            return found


# What a poll says of itself: when it was, how it went, and when the next one is.
_OF_THE_POLL = (
    "last_polled_at last_success_at next_poll_at due_reason etag last_modified document_hash last_document_at".split()
)


def _plain(name: str, row: dict[str, Any], keys: dict[int, str]) -> dict[str, Any]:
    key = keys.get(row.get("item_id") or (row["id"] if name == "items" else 0))
    left_out = {"id", "item_id", "source_id", *(("failures", "advice", *_OF_THE_POLL) if name == "sources" else ())}
    return {"item": key} | {column: value for column, value in row.items() if column not in left_out}


@pytest.fixture
def bench(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Runs what is to be awaited, with the bench, over one loop for all examples."""
    store = DyingStore(database_url)
    made = Bench(store)
    monkeypatch.setattr(stream, "Backend", lambda: wire.Backend(made.answer))
    monkeypatch.setattr(batch, "_GATHER", 0)
    # An hour passes with every look: no host is still busy, or slowed down for what it answered.
    hours = itertools.count(step=3600)
    for module in (manners, fetcher):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: float(next(hours))))
    with asyncio.Runner() as runner:
        runner.run(made.open())
        yield lambda call, *args, **kwargs: runner.run(call(made, *args, **kwargs))
        assert made.running is not None
        runner.run(made.running.aclose())
    store.close()


async def _history(bench: Bench, documents: Sequence[Shown], again: Sequence[str] = ()) -> dict[str, list[Any]]:
    """The database after these documents, an hour apart; `again` says in what way each is looked at a second time."""
    bench.empty()
    for number, shown in enumerate(documents):
        bench.shown, bench.now = shown, make.NOW + number * HOUR
        way = again[number % len(again)] if again else ""
        bench.store.dies = False
        bench.validators = way != "no validators"
        if way == "death":
            # The first transaction after the claim is the one that would have written what came.
            await _dying(bench)
        else:
            assert await bench.poll() is not None
        if way:
            bench.noise = f"<!-- {number} -->" if way == "noise" else ""
            assert await bench.poll() is not None
            bench.noise = ""
    return bench.picture()


async def _dying(bench: Bench) -> None:
    with bench.store.begin() as conn:
        conn.execute(update(tables.sources).values(lease_owner=None, lease_until=None, state="active"))
        (source,) = sources.claim_due(conn, now=bench.now, limit=1, owner="dead", lease=poll.LEASE, names=["one"])
    before = bench.picture()
    bench.store.dies = True
    assert bench.running is not None
    assert await bench.running.poller.poll(source) is None
    assert bench.picture()["items"] == before["items"]


WAYS = ("same", "no validators", "noise", "death")


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SHOWN, min_size=1, max_size=4), st.lists(st.sampled_from(WAYS), min_size=1, max_size=4))
def test_what_is_polled_twice_comes_to_the_same_database(
    bench: Callable[..., Any], documents: list[Shown], again: list[str]
) -> None:
    once = bench(_history, documents)
    twice = bench(_history, documents, again)

    assert twice == once


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SHOWN, min_size=1, max_size=5))
def test_nothing_that_was_shown_is_lost_and_every_edit_is_a_revision(
    bench: Callable[..., Any], documents: list[Shown]
) -> None:
    # A version that returns a second time goes in turns, which is another matter.
    said: dict[int, list[tuple[str, str]]] = {}
    kept = []
    for document in documents:
        entries = [one for one in document.entries if _first(said, one)]
        if document.fault in ("page", "503"):
            kept.append(document)
            continue
        # Of a document that is cut the last entry is not whole.
        whole = entries[:-1] if document.fault == "cut" else entries
        for number, title, words in whole:
            said.setdefault(number, []).append((title, words))
        kept.append(replace(document, entries=tuple(entries), guids=True, moved=False))

    found = bench(_history, kept)

    assert {item["url"] for item in found["items"]} == {f"https://feed.example/{number}" for number in said}
    versions = {number: _turns(told) for number, told in said.items()}
    for number, told in versions.items():
        url = f"https://feed.example/{number}"
        (item,) = [one for one in found["items"] if one["url"] == url]
        edits = [one for one in found["revisions"] if one["item"] == item["url_key"] and one["what"] != "first"]
        assert item["title"] == f"{told[-1][0]} {number}"
        assert len(edits) == len(told) - 1


def _first(said: dict[int, list[tuple[str, str]]], entry: tuple[int, str, str]) -> bool:
    """Whether the entry says something that it has not said before it said something else."""
    number, *words = entry
    told = _turns(said.get(number, []))
    return tuple(words) not in told[:-1]


def _turns(told: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each version once for as long as it stood."""
    return [one for n, one in enumerate(told) if n == 0 or told[n - 1] != one]
