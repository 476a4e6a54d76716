"""Documents that are written together: the same comes of them as one after the other, whatever they have in common."""

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aggregator import config, model
from aggregator.feed import familiar, parse
from aggregator.intake import Arrival, Intake
from aggregator.store import db, shown, sources, tables
from aggregator.workers import Workers
from tests import feeds, make

HOUR = timedelta(hours=1)
SOURCES = 5
# What of a row does not depend on which ids were given first.
TOLD = {
    "items": "url_key url source_id title summary state date_source published_at first_seen_at last_seen_at changed_at discovered_by",
    "sightings": "source_id guid entry_hash first_seen_at last_seen_at position backlog matched_by",
    "revisions": "at origin what title summary added removed",
    "changes": "at kind source_id",
    "item_urls": "url_key url first_seen_at",
}


@pytest.fixture
def intake(store: db.Store, tmp_path: Path) -> Intake:
    return _intake(store, tmp_path)


def _intake(store: db.Store, folder: Path) -> Intake:
    (folder / "sources.yaml").write_text("sources:\n  - {name: Source 1, url: 'https://feed1.example/rss'}\n")
    (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    path = folder / "aggregator.yaml"
    path.write_text("database: 'sqlite:///unused.db'\n")
    return Intake(store=store, workers=Workers.__new__(Workers), settings=config.load(path, {}))


def _document(entries: Sequence[tuple[int, str]], places: Sequence[int] = ()) -> str:
    """Entries at addresses of their number, or at `places`."""
    items = "".join(
        f"<item><guid>g{n}</guid><title>Story {n}, {words}</title><link>https://news.example/{place}</link></item>"
        for (n, words), place in zip(entries, places or [n for n, _ in entries], strict=True)
    )
    return feeds.rss(items)


def _claimed(store: db.Store, now: Any) -> list[model.Source]:
    with store.begin() as conn:
        return sorted(
            sources.claim_due(conn, now=now, limit=SOURCES, owner="me", lease=HOUR), key=lambda source: source.id
        )


def _round(store: db.Store, intake: Intake, documents: Sequence[str], number: int, together: int) -> None:
    """All sources polled once, so many documents written at a time."""
    now = make.NOW + number * timedelta(days=2)
    arrivals = []
    for source, body in zip(_claimed(store, now), documents, strict=True):
        known = shown.before_at(source)
        feed = parse.parse(body.encode(), url=source.feed_url, headers={}, now=now, shown=known)
        arrivals.append(Arrival(source=source, feed=feed, at=now + source.id * timedelta(seconds=1)))
    for start in range(0, len(arrivals), together):
        part = arrivals[start : start + together]
        with store.begin() as conn:
            decisions = intake.entries(conn, part)
            for arrival, decision in zip(part, decisions, strict=True):
                report = model.PollReport(
                    source_id=arrival.source.id, source=arrival.source.name, url=arrival.source.feed_url, at=arrival.at,
                    outcome=model.Outcome.NEW, state="active", due=model.Due(at=now + HOUR, reason=""), new=len(decision.new),
                )  # fmt: skip
                make.finish(conn, report, failures=0.0)


def _rows(store: db.Store) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    with store.read() as conn:
        keys = {row[0]: row[1] for row in conn.execute(select(tables.items.c.id, tables.items.c.url_key))}
        for name, told in TOLD.items():
            table = tables.metadata.tables[name]
            columns = [table.c[column] for column in told.split()]
            owner = table.c.id if name == "items" else table.c.item_id
            rows = conn.execute(select(owner, *columns))
            found[name] = sorted(((keys.get(row[0]), *row[1:]) for row in rows), key=repr)
        kept = conn.execute(select(tables.shown.c.source_id, tables.shown.c.entries, tables.shown.c.size))
        packed = familiar.unpack
        found["shown"] = sorted(
            (source, size, repr([(one.mark, keys[one.item_id], one.face) for one in packed(entries)]))
            for source, entries, size in kept
        )
    return found


@pytest.mark.parametrize("seed", range(6))
def test_what_is_written_together_is_what_would_have_been_written_one_after_the_other(
    intake: Intake, store: db.Store, tmp_path: Path, seed: int
) -> None:
    (tmp_path / "alone").mkdir()
    alone = db.Store(f"sqlite:///{tmp_path}/alone.db")
    alone.upgrade()
    by_itself = _intake(alone, tmp_path / "alone")
    for one in (store, alone):
        with one.begin() as conn:
            make.add_sources(conn, SOURCES)
            conn.execute(tables.sources.update().values(lease_until=None, next_poll_at=make.NOW))
    chance = random.Random(seed)

    for number in range(6):
        # Few stories, so that sources share them, and edits of them and of their addresses.
        documents = []
        for _ in range(SOURCES):
            told = [(n, chance.choice(("as it was", "edited"))) for n in chance.sample(range(9), chance.randrange(5))]
            documents.append(_document(told, [chance.choice((n, n, n, n + 10, (n + 1) % 9)) for n, _ in told]))
        _round(store, intake, documents, number, SOURCES)
        _round(alone, by_itself, documents, number, 1)

    together, apart = _rows(store), _rows(alone)
    alone.close()
    assert together["items"]
    assert together["revisions"]
    assert together["item_urls"]
    for name, rows in apart.items():
        assert together[name] == rows, name


def test_an_item_that_two_documents_bring_at_the_same_time_is_one_with_two_sightings(
    intake: Intake, store: db.Store
) -> None:
    with store.begin() as conn:
        first, second = make.add_sources(conn, 2)
        feed = feeds.read(_document([(1, "new")]))
        arrivals = [Arrival(source=source, feed=feed, at=make.NOW) for source in (first, second)]
        one, other = intake.entries(conn, arrivals)

    assert (len(one.new), len(one.seen)) == (1, 0)
    assert (len(other.new), len(other.seen)) == (0, 1)
    assert [row[1] for row in _rows(store)["sightings"]] == [1, 2]


def test_documents_that_have_nothing_in_common_are_written_with_one_statement(
    intake: Intake, store: db.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    monkeypatch.setattr(Intake, "_write", _counting(Intake._write, written))
    with store.begin() as conn:
        claimed = make.add_sources(conn, 3)
        arrivals = [
            Arrival(source=source, feed=feeds.read(_document([(n, "new")])), at=make.NOW)
            for n, source in enumerate(claimed)
        ]
        intake.entries(conn, arrivals)

    assert written == [3]


def _counting(write: Any, written: list[int]) -> Any:
    def counted(self: Intake, conn: Any, arrivals: Sequence[Arrival], brought: Any) -> None:
        written.append(len(arrivals))
        write(self, conn, arrivals, brought)

    return counted
