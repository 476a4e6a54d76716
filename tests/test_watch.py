"""The watch over the sources, on both databases: who is silent, barren, well again, and what is told of it."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from aggregator import model, watch
from aggregator.feed import identity
from aggregator.store import db, health, items, sources, tables
from tests import make

NOW, HOUR, DAY = make.NOW, timedelta(hours=1), timedelta(days=1)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> Any:
        return self.at


class Watched:
    """A watch over a store, and what it told."""

    def __init__(self, store: db.Store) -> None:
        self.store, self.clock, self.told = store, Clock(), list[Mapping[str, int]]()
        self.watch = watch.Watch(store=store, tell=self.told.append, now=self.clock)

    def poll(self, source: model.Source, numbers: range, *, entries: int = 10) -> model.Source:
        """An answer that shows these entries, some of them perhaps new."""
        at = self.clock.at
        with self.store.begin() as conn:
            new = make.poll(conn, source, [make.entry(n, published_at=at) for n in numbers], at).new
            report = model.PollReport(
                source_id=source.id,
                source=source.name,
                url=source.feed_url,
                at=at,
                took=timedelta(0),
                outcome=model.Outcome.NEW if new else model.Outcome.UNCHANGED,
                state="active",
                due=model.Due(at=at + HOUR, reason="every 1 h"),
                entries=entries,
                new=len(new),
            )
            facts = sources.FeedFacts(
                validators=model.Validators(), document_hash=None, learned_gap=6 * HOUR if new else None
            )
            make.finish(conn, report, failures=0.0, facts=facts)
            (again,) = sources.claim_due(conn, now=at, limit=1, owner="test", lease=timedelta(0), names=[source.name])
        return again

    async def look(self, after: timedelta = timedelta(0)) -> Mapping[str, Any]:
        self.clock.at += after
        await self.watch.look()
        with self.store.read() as conn:
            return dict(health.rows(conn)[0])

    def changes(self) -> list[tuple[str, str]]:
        kinds = ("silent", "barren", "well")
        with self.store.read() as conn:
            rows = conn.execute(select(tables.changes).where(tables.changes.c.kind.in_(kinds)))
            return [(row.kind, row.detail) for row in rows]


@pytest.fixture
def watched(store: db.Store) -> Watched:
    return Watched(store)


def added(store: db.Store, count: int = 1) -> tuple[model.Source, ...]:
    with store.begin() as conn:
        return make.add_sources(conn, count)


def regular(watched: Watched, source: model.Source, days: int = 20) -> model.Source:
    """`source` after so many days with something new every six hours."""
    for n in range(days * 4):
        source = watched.poll(source, range(n, n + 3))
        watched.clock.at += 6 * HOUR
    return source


async def test_a_source_that_stops_is_silent_is_told_of_once_and_is_well_again_with_its_next_news(
    watched: Watched,
) -> None:
    (source,) = added(watched.store)
    source = regular(watched, source)
    assert (await watched.look())["health"] is None

    watched.clock.at += 8 * DAY
    source = watched.poll(source, range(79, 82))
    found = await watched.look()
    again = await watched.look(7 * HOUR)

    assert (found["health"], again["health"]) == ("silent", "silent")
    assert found["health_reason"].startswith("nothing new for 8 days: less than 1 in a million at its usual 6 h")
    assert watched.changes() == [("silent", found["health_reason"])]
    assert watched.told[-1] == {"silent": 1, "barren": 0}

    watched.clock.at += HOUR
    watched.poll(source, range(80, 90))
    well = await watched.look(timedelta(minutes=1))

    assert (well["health"], well["health_reason"]) == (None, None)
    assert watched.changes()[1][0] == "well"
    assert "it was silent: nothing new for 8 days" in watched.changes()[1][1]
    assert watched.told[-1] == {"silent": 0, "barren": 0}


async def test_who_does_not_answer_is_not_silent_for_that(watched: Watched) -> None:
    (source,) = added(watched.store)
    regular(watched, source)

    found = await watched.look(30 * DAY)

    assert found["health"] is None


async def test_what_the_first_document_showed_counts_by_its_own_dates(watched: Watched) -> None:
    (source,) = added(watched.store)
    old = [make.entry(n, published_at=NOW - (400 + 20 * n) * DAY) for n in range(8)]
    with watched.store.begin() as conn:
        make.poll(conn, source, old, NOW)
        answered = update(tables.sources).values(last_success_at=NOW + 20 * DAY, last_new_at=NOW)
        conn.execute(answered)
    watched.clock.at += 20 * DAY

    found = await watched.look()

    assert found["health"] == "silent"
    assert found["health_reason"].startswith("nothing new for 420 days: 1 in ")
    assert "at its usual 20 days; the longest gap before was 20 days" in found["health_reason"]


async def test_what_was_fetched_afterwards_is_no_news_of_that_day(watched: Watched) -> None:
    (source,) = added(watched.store)
    source = regular(watched, source)
    watched.clock.at += 8 * DAY
    source = watched.poll(source, range(79, 82))
    with watched.store.begin() as conn:
        old = identity.keyed([make.entry(500 + n, published_at=NOW - n * DAY) for n in range(5)], source.id)
        decision = identity.decide(source, old, items.known(conn, source, old))
        old_items = items.Brought(source=source, decision=decision, at=watched.clock.at, by=model.DiscoveredBy.ARCHIVE)
        items.add(conn, [old_items])

    found = await watched.look()

    assert found["health"] == "silent"
    assert found["health_reason"].startswith("nothing new for 8 days")


async def test_a_source_that_answers_for_days_without_an_entry_is_barren_until_it_has_one(watched: Watched) -> None:
    (source,) = added(watched.store)
    for _ in range(8):
        source = watched.poll(source, range(0), entries=0)
        watched.clock.at += 12 * HOUR
    assert (await watched.look())["health"] is None

    for _ in range(4):
        source = watched.poll(source, range(0), entries=0)
        watched.clock.at += 12 * HOUR
    found = await watched.look(6 * HOUR)

    assert found["health"] == "barren"
    assert found["health_reason"].startswith("answered 12 times in 6 d and never had an entry")

    watched.poll(source, range(3))
    assert (await watched.look(timedelta(minutes=1)))["health"] is None
    assert [kind for kind, _ in watched.changes()] == ["barren", "well"]


async def test_whose_items_were_all_in_other_feeds_before_is_not_barren(watched: Watched) -> None:
    first, second = added(watched.store, 2)
    for _ in range(12):
        watched.poll(first, range(5))
        second = watched.poll(second, range(5), entries=5)
        watched.clock.at += 12 * HOUR

    await watched.look(6 * HOUR)

    with watched.store.read() as conn:
        assert {row["name"]: row["health"] for row in health.rows(conn)} == {"Source 1": None, "Source 2": None}


async def test_another_url_is_another_source_and_well_until_proven_otherwise(watched: Watched) -> None:
    (source,) = added(watched.store)
    source = regular(watched, source)
    watched.clock.at += 9 * DAY
    watched.poll(source, range(79, 82))
    assert (await watched.look())["health"] == "silent"

    with watched.store.begin() as conn:
        moved = sources.Configured(name=source.name, url="https://other.example/feed", category="news")
        sources.sync(conn, [moved], watched.clock.at)
        row = health.rows(conn)[0]

    assert (row["health"], row["health_reason"]) == (None, None)


async def test_many_sources_take_few_statements(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    added(watched.store, 250)
    with watched.store.begin() as conn:
        conn.execute(update(tables.sources).values(last_success_at=NOW + 30 * DAY, last_new_at=NOW, learned_gap=3600))
        ids = conn.execute(select(tables.sources.c.id)).scalars().all()
        conn.execute(insert(tables.items), [_item(key, n) for key in ids for n in range(6)])
        rows = conn.execute(select(tables.items.c.id, tables.items.c.source_id, tables.items.c.first_seen_at))
        conn.execute(insert(tables.sightings), [_sighting(*row) for row in rows])
    watched.clock.at += 90 * DAY
    asked: list[int] = []
    news = health.news

    def counted(conn: Connection, ids: Collection[int]) -> Mapping[int, list[datetime]]:
        asked.append(len(ids))
        return news(conn, ids)

    monkeypatch.setattr(health, "news", counted)

    await watched.look()

    assert asked == [100, 100, 50]


def _item(source_id: int, n: int) -> dict[str, Any]:
    at = NOW - n * HOUR
    return {
        "source_id": source_id, "url_key": f"news.example/{source_id}/{n}", "host": "news.example", "title": "T", "authors": [],
        "categories": [], "summary": "", "content": "", "published_at": at, "date_source": "published", "first_seen_at": at,
        "last_seen_at": at, "state": "pending", "changed_at": at,
    }  # fmt: skip


def _sighting(item_id: int, source_id: int, at: Any) -> dict[str, Any]:
    times = {"first_seen_at": at, "last_seen_at": at}
    return {"item_id": item_id, "source_id": source_id, "entry_hash": "h", "position": 1, **times}
