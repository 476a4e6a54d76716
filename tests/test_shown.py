"""What a source's last document showed, in the store: forgotten when it must be, true to what whole documents would have brought."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text, update

from aggregator import model
from aggregator.feed import identity, parse
from aggregator.store import db, items, revisions, shown, sources, tables
from tests import feeds, make

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RSS = "application/rss+xml"


def _claim(store: db.Store) -> model.Source:
    """The only source, as a claim reads it."""
    with store.begin() as conn:
        conn.execute(update(tables.sources).values(next_poll_at=make.NOW, lease_until=None))
        (source,) = sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=HOUR)
    return source


def _poll(
    store: db.Store, body: str, hours: int = 0, *, whole: bool = False
) -> tuple[model.ParsedFeed, model.Decision]:
    """What the poll stage does with a document, without the network."""
    now = make.NOW + hours * HOUR
    source = _claim(store)
    if whole:
        source = replace(source, shown=None)
    known = shown.before_at(source)
    feed = parse.parse(body.encode(), url=feeds.URL, headers={"content-type": RSS}, now=feeds.NOW, shown=known)
    with store.begin() as conn:
        keyed = identity.keyed(feed.entries, source.id, [one.face for one in feed.known.values()])
        decision = identity.decide(source, keyed, items.known(conn, source, keyed), feed.known)
        decision = revisions.judge(conn, decision, now)
        ids = items.write(conn, [items.Brought(source=source, decision=decision, at=now)])
        shown.remember(conn, [shown.Seen(source=source, feed=feed, decision=decision, at=now)], ids)
        report = model.PollReport(
            source_id=source.id, source=source.name, url=source.feed_url, at=now, outcome=model.Outcome.NEW, state="active",
            due=model.Due(at=now, reason=""), new=len(decision.new),
        )  # fmt: skip
        make.finish(conn, report, failures=0.0)
    return feed, decision


@pytest.fixture
def polled(store: db.Store) -> db.Store:
    """A source that has shown three entries."""
    with store.begin() as conn:
        make.add_sources(conn, 1)
    _poll(store, feeds.rss(feeds.THREE))
    return store


def _seen(store: db.Store) -> dict[str, int]:
    """When each item was last seen, in hours from the first poll."""
    with store.read() as conn:
        rows = conn.execute(select(tables.items.c.title, tables.items.c.last_seen_at)).all()
        again = conn.execute(select(tables.items.c.title, tables.sightings.c.last_seen_at).join(tables.sightings)).all()
    found = {row.title: round((row.last_seen_at - make.NOW) / HOUR) for row in rows}
    assert found == {row.title: round((row.last_seen_at - make.NOW) / HOUR) for row in again}
    return found


def _count(store: db.Store, table: Any) -> int:
    with store.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def test_the_next_document_is_read_only_where_it_differs(polled: db.Store) -> None:
    feed, decision = _poll(polled, feeds.rss(feeds.ITEM.format(4) + feeds.THREE), 1)

    assert [entry.guid for entry in feed.entries] == ["g4"]
    assert (len(decision.new), len(decision.kept), decision.familiar) == (1, 3, 3)
    assert _count(polled, tables.items) == 4


def test_what_another_url_has_shown_means_nothing(polled: db.Store) -> None:
    with polled.begin() as conn:
        conn.execute(update(tables.sources).values(feed_url="https://moved.example/rss"))

    feed, decision = _poll(polled, feeds.rss(feeds.THREE), 1)

    assert (len(feed.entries), len(decision.new)) == (3, 0)
    assert _poll(polled, feeds.rss(feeds.THREE), 2)[0].entries == ()


@pytest.mark.parametrize("table", [tables.items, tables.sightings], ids=["item", "sighting"])
def test_what_the_operator_deletes_is_taken_up_again(polled: db.Store, table: Any) -> None:
    with polled.begin() as conn:
        key = table.c.id if table is tables.items else table.c.item_id
        conn.execute(delete(table).where(key == select(func.min(key)).scalar_subquery()))

    feed, _ = _poll(polled, feeds.rss(feeds.THREE), 1)

    assert len(feed.entries) == 3
    assert (_count(polled, tables.items), _count(polled, tables.sightings)) == (3, 3)


def test_it_is_taken_up_even_if_it_was_deleted_while_the_document_was_on_its_way(polled: db.Store) -> None:
    source = _claim(polled)
    feed = parse.parse(
        feeds.rss(feeds.ITEM.format(4) + feeds.THREE).encode(),
        url=feeds.URL,
        headers={},
        now=feeds.NOW,
        shown=source.shown,
    )
    with polled.begin() as conn:
        conn.execute(text("DELETE FROM items WHERE title = 'Title 1'"))
    with polled.begin() as conn:
        keyed = identity.keyed(feed.entries, source.id, [one.face for one in feed.known.values()])
        decision = identity.decide(source, keyed, identity.Known(by_guid={}, by_key={}), feed.known)
        ids = items.write(conn, [items.Brought(source=source, decision=decision, at=make.NOW)])
        shown.remember(conn, [shown.Seen(source=source, feed=feed, decision=decision, at=make.NOW)], ids)

    _poll(polled, feeds.rss(feeds.ITEM.format(4) + feeds.THREE), 1)

    assert _count(polled, tables.items) == 4


def test_last_seen_is_exact_once_an_entry_has_left_and_a_day_old_at_most_before(polled: db.Store) -> None:
    three, two = feeds.rss(feeds.THREE), feeds.rss(feeds.ITEM.format(1) + feeds.ITEM.format(2))
    _poll(polled, three, 1)
    assert _seen(polled) == {"Title 1": 0, "Title 2": 0, "Title 3": 0}

    _poll(polled, two, 2)
    assert _seen(polled) == {"Title 1": 0, "Title 2": 0, "Title 3": 1}

    _poll(polled, two, 24)
    assert _seen(polled) == {"Title 1": 24, "Title 2": 24, "Title 3": 1}


def test_there_is_nothing_to_write_of_a_document_that_shows_the_same(polled: db.Store) -> None:
    source = _claim(polled)

    def same(body: str, later: timedelta = HOUR) -> bool:
        feed = parse.parse(body.encode(), url=feeds.URL, headers={}, now=feeds.NOW, shown=source.shown)
        return shown.as_before(source, feed, make.NOW + later)

    assert same(feeds.rss(feeds.THREE))
    assert not same(feeds.rss(feeds.THREE), DAY)
    assert not same(feeds.rss(feeds.ITEM.format(1)))
    assert not same(feeds.rss(feeds.ITEM.format(4) + feeds.THREE))
    assert not same(feeds.rss(feeds.THREE).replace("<title>Feed</title>", "<title>Other</title>"))


def test_a_second_entry_of_an_item_stays_a_second_entry_when_it_changes(store: db.Store) -> None:
    """The first entry counts: its twin must not be taken for an edit because the first was not parsed."""
    with store.begin() as conn:
        make.add_sources(conn, 1)
    twin = "<item><title>Story</title><link>https://feed.example/1</link><description>{}</description></item>"
    _poll(store, feeds.rss(twin.format("first") + twin.format("second")))

    _, decision = _poll(store, feeds.rss(twin.format("first") + twin.format("third")), 1)

    assert (decision.repeated, decision.edited, decision.kept) == (1, 0, frozenset({1}))
    assert _count(store, tables.revisions) == 0


def test_versions_that_go_in_turns_are_parsed_when_they_come_and_not_while_they_stay(polled: db.Store) -> None:
    one = feeds.rss(feeds.THREE)
    other = one.replace("Title 1", "Quite another title")

    for hours, body in enumerate((other, one, other, one, other), 1):
        assert len(_poll(polled, body, hours)[0].entries) == 1
    revisions = _count(polled, tables.revisions)
    _, turned = _poll(polled, one, 6)
    stayed, _ = _poll(polled, one, 7)

    assert [(seen.alone is not None, seen.edited) for seen in turned.seen] == [(True, False)]
    assert stayed.entries == ()
    assert _count(polled, tables.revisions) == revisions == 3
    with polled.read() as conn:
        notes = conn.execute(select(tables.sightings.c.note).order_by(tables.sightings.c.item_id)).scalars().all()
    assert [note is not None for note in notes] == [True, False, False]


def test_an_item_whose_entry_is_not_parsed_is_in_the_document_and_was_not_moved(store: db.Store) -> None:
    story = (
        "<item><title>Ministers meet in Paris</title><link>https://{0}.example/1</link><guid isPermaLink='false'>{0}</guid>"
        "<pubDate>Thu, 18 Sep 2025 10:20:30 GMT</pubDate></item>"
    )
    with store.begin() as conn:
        make.add_sources(conn, 1)
    _poll(store, feeds.rss(story.format("one")))

    feed, beside = _poll(store, feeds.rss(story.format("one") + story.format("two")), 1)
    _, moved = _poll(store, feeds.rss(story.format("three") + story.format("two")), 2)

    assert (len(feed.entries), len(beside.new), len(beside.seen)) == (1, 1, 0)
    assert [(seen.item.id, seen.matched_by) for seen in moved.seen] == [(1, "moved")]
    assert _count(store, tables.items) == 2


# ---------------------------------------------------------------------------------------------------- as whole documents

ENTRIES = st.builds(
    lambda n, guid, link, title, words, counter: (
        f"<item>{guid.format(n)}{link.format(n)}<title>{title} {n}</title><description>{words}</description>"
        f"<slash:comments xmlns:slash='http://purl.org/rss/1.0/modules/slash/'>{counter}</slash:comments></item>"
    ),
    st.integers(1, 6),
    st.sampled_from(["<guid isPermaLink='false'>g{0}</guid>"]),
    st.sampled_from(["<link>https://feed.example/{0}</link>", "<link>https://feed.example/{0}?utm_source=x</link>"]),
    st.sampled_from(["Story", "Edited story"]),
    st.sampled_from(["words", "other words"]),
    st.integers(0, 3),
)
DOCUMENTS = st.lists(ENTRIES, max_size=6, unique_by=lambda entry: entry[: entry.index("</guid>")])
PICTURES = (
    "SELECT url_key, title, summary, content FROM items",
    "SELECT i.url_key, g.guid, g.first_seen_at FROM sightings g JOIN items i ON i.id = g.item_id",
    "SELECT i.url_key, r.title, r.summary FROM revisions r JOIN items i ON i.id = r.item_id",
    "SELECT c.kind, i.url_key FROM changes c JOIN items i ON i.id = c.item_id",
    "SELECT i.url_key, g.matched_by, coalesce(g.note, '') FROM sightings g JOIN items i ON i.id = g.item_id",
)


def _history(store: db.Store, documents: list[str], *, whole: bool) -> tuple[list[Any], int]:
    """The corpus after these documents, and how many entries were parsed for it."""
    with store.begin() as conn:
        for table in ("changes", "items", "sources"):
            conn.execute(text(f"DELETE FROM {table}"))
        make.add_sources(conn, 1)
    parsed = sum(len(_poll(store, body, hours, whole=whole)[0].entries) for hours, body in enumerate(documents))
    with store.read() as conn:
        return [sorted(tuple(row) for row in conn.execute(text(query))) for query in PICTURES], parsed


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DOCUMENTS, min_size=2, max_size=5))
def test_any_row_of_documents_comes_to_the_same_read_whole_or_in_parts(
    store: db.Store, documents: list[list[str]]
) -> None:
    bodies = [feeds.rss("".join(entries)) for entries in documents]
    twice = [body for body in bodies for _ in range(2)]

    whole, all_parsed = _history(store, bodies, whole=True)
    parts, parsed = _history(store, bodies, whole=False)
    repeated, parsed_again = _history(store, twice, whole=False)

    # When an item was first seen depends on the hour of the document, which is another where each comes twice.
    timeless = (0, 2, 3)
    assert parts == whole
    assert [repeated[number] for number in timeless] == [parts[number] for number in timeless]
    assert parsed_again == parsed <= all_parsed
