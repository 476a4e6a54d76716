"""Items in the store: what a document writes, what an edit keeps, who owns what."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import RowMapping, select

from aggregator import errors, model
from aggregator.feed import identity
from aggregator.store import db, items, tables
from tests import make

HOUR = timedelta(hours=1)


def _rows(store: db.Store, table: Any) -> list[RowMapping]:
    with store.read() as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key.columns)).mappings())


def _polled(source: model.Source) -> model.Source:
    return dataclasses.replace(source, last_success_at=make.NOW, last_new_at=make.NOW)


def test_a_new_item_is_stored_at_once_as_pending_with_what_its_feed_said(store: db.Store) -> None:
    entry = make.entry(
        1,
        authors=("A. Writer",),
        categories=("Energy",),
        content="<p>Whole text</p>",
        image="https://news.example/i.jpg",
        language="en",
        enclosures=(model.Enclosure(url="https://news.example/a.mp3", type="audio/mpeg", length=5_000_000_000),),
    )
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [entry])

    (item,) = _rows(store, tables.items)
    assert (item["state"], item["next_visit_at"], item["title"]) == ("pending", make.NOW, "Title 1")
    assert (item["authors"], item["categories"]) == (["A. Writer"], ["Energy"])
    assert (item["published_at"], item["date_source"]) == (entry.published_at, "published")
    assert item["host"] == "news.example"
    (enclosure,) = _rows(store, tables.enclosures)
    assert enclosure["length"] == 5_000_000_000
    assert [row["kind"] for row in _rows(store, tables.changes)] == ["new"]


def test_an_item_without_a_date_is_dated_when_it_was_first_seen_and_says_so(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1, published_at=None, published_raw="yesterday", date_source=None)])

    (item,) = _rows(store, tables.items)
    assert (item["published_at"], item["date_source"], item["published_raw"]) == (make.NOW, "first_seen", "yesterday")


def test_the_same_document_again_adds_nothing(store: db.Store) -> None:
    entries = [make.entry(n) for n in range(1, 20)]
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, entries)
    before = (_rows(store, tables.items), _rows(store, tables.sightings))

    with store.begin() as conn:
        decision = make.poll(conn, _polled(source), entries)

    assert (len(decision.new), decision.edited) == (0, 0)
    assert (_rows(store, tables.items), _rows(store, tables.sightings)) == before


def test_one_article_in_two_feeds_is_one_item_with_two_sightings(store: db.Store) -> None:
    with store.begin() as conn:
        first, second = make.add_sources(conn, 2)
        make.poll(conn, first, [make.entry(1)])
        make.poll(conn, second, [make.entry(1, guid="other", url="http://www.news.example/articles/1/?utm_source=rss")])

    (item,) = _rows(store, tables.items)
    sightings = _rows(store, tables.sightings)
    assert item["source_id"] == first.id
    assert [(row["source_id"], row["guid"]) for row in sightings] == [(first.id, "guid-1"), (second.id, "other")]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_order_of_first_polls_does_not_matter(store: db.Store, order: tuple[int, int]) -> None:
    documents = ([make.entry(1, title="As one has it")], [make.entry(1, guid="g", title="As the other has it")])
    with store.begin() as conn:
        made = make.add_sources(conn, 2)
        for index in order:
            make.poll(conn, made[index], documents[index])

    (item,) = _rows(store, tables.items)
    assert (item["source_id"], item["title"]) == (made[0].id, "As one has it")
    assert _rows(store, tables.revisions) == []


def test_an_edit_keeps_both_versions(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1, title="Minister resigns")])
        edited = make.entry(1, title="Minister sacked", summary="Summary 1 and more")
        decision = make.poll(conn, _polled(source), [edited], make.NOW + HOUR)

    (item,) = _rows(store, tables.items)
    first, second = _rows(store, tables.revisions)
    assert decision.edited == 1
    assert (item["title"], item["next_visit_at"], item["published_at"]) == (
        "Minister sacked",
        make.NOW + HOUR,
        edited.published_at,
    )
    assert (first["title"], first["at"]) == ("Minister resigns", make.NOW)
    assert (second["title"], second["origin"], second["added"], second["removed"]) == ("Minister sacked", "feed", 3, 1)
    assert [row["kind"] for row in _rows(store, tables.changes)] == ["new", "title"]


def test_an_edit_never_moves_the_date_of_first_publication(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1)])
        later = make.entry(1, title="New", published_at=make.NOW + HOUR)
        make.poll(conn, _polled(source), [later], make.NOW + 2 * HOUR)

    (item,) = _rows(store, tables.items)
    assert item["published_at"] == make.entry(1).published_at


def test_a_lost_race_is_a_conflict_and_the_second_look_finds_the_item(store: db.Store) -> None:
    with store.begin() as conn:
        first, second = make.add_sources(conn, 2)
        make.poll(conn, first, [make.entry(1)])
    blind = model.Decision(new=(model.NewItem(url_key="news.example/articles/1", entry=make.entry(1)),))

    with pytest.raises(errors.ConflictError), store.begin() as conn:
        items.write(conn, [items.Brought(source=second, decision=blind, at=make.NOW)])
    with store.begin() as conn:
        make.poll(conn, second, [make.entry(1)])

    assert len(_rows(store, tables.items)) == 1
    assert len(_rows(store, tables.sightings)) == 2


def test_five_thousand_entries_are_stored_in_one_go(store: db.Store) -> None:
    entries = [make.entry(n) for n in range(5000)]
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, entries)
        again = make.poll(conn, _polled(source), entries)

    assert len(_rows(store, tables.items)) == 5000
    assert len(again.new) == 0


def test_text_that_databases_refuse_is_stored_without_it(store: db.Store) -> None:
    odd = "quote ' \" % :name \\ {} emoji 🌍 bidi \u202e zero\u200bwidth"
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1, title=odd, guid=odd)])

    (item,) = _rows(store, tables.items)
    assert item["title"] == odd


# ------------------------------------------------------------------------------------------------------- identity


def test_a_sighting_says_by_what_its_entry_was_recognised(store: db.Store) -> None:
    with store.begin() as conn:
        first, second = make.add_sources(conn, 2)
        make.poll(conn, first, [make.entry(1)])
        make.poll(conn, second, [make.entry(1, guid="other")])
        before = list(
            conn.execute(select(tables.sightings.c.matched_by).order_by(tables.sightings.c.source_id)).scalars()
        )
        make.poll(conn, _polled(first), [make.entry(1, guid="renamed")])

    assert before == ["new", "url"]
    assert [row["matched_by"] for row in _rows(store, tables.sightings)] == ["url", "url"]


def test_a_site_that_moves_and_renames_its_guids_does_not_double_the_corpus(store: db.Store) -> None:
    old = [make.entry(n) for n in range(1, 21)]
    moved = [
        make.entry(n, guid=f"https://new.example/?p={n}", url=f"https://new.example/articles/{n}") for n in range(1, 21)
    ]
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, old)
        decision = make.poll(conn, _polled(source), moved, make.NOW + HOUR)
        again = make.poll(conn, _polled(source), moved, make.NOW + 2 * HOUR)

    rows = _rows(store, tables.items)
    assert (len(decision.new), len(decision.seen), len(rows)) == (0, 20, 20)
    assert {row["matched_by"] for row in _rows(store, tables.sightings)} == {"moved"}
    assert {row["host"] for row in rows} == {"new.example"}
    assert not any(seen.resighted for seen in again.seen)
    assert _rows(store, tables.revisions) == []


# ------------------------------------------------------------------------------------------------------- edits


def _told(store: db.Store, *titles: str, **values: Any) -> list[model.Decision]:
    """One item, polled with these titles in turn, an hour apart."""
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        return [
            make.poll(
                conn, source if n == 0 else _polled(source), [make.entry(1, title=title, **values)], make.NOW + n * HOUR
            )
            for n, title in enumerate(titles)
        ]


def test_a_revision_says_what_changed(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1, content="<p>one two</p>")])
        make.poll(conn, _polled(source), [make.entry(1, content="<p>one two three</p>")], make.NOW + HOUR)
        make.poll(
            conn, _polled(source), [make.entry(1, title="New", summary="New", content="<p>one two three</p>")], make.NOW
        )

    told = [(row["what"], row["content"], row["added"], row["removed"]) for row in _rows(store, tables.revisions)]
    assert told == [
        ("first", "<p>one two</p>", 0, 0),
        ("content", "<p>one two three</p>", 1, 0),
        ("title, summary", None, 2, 4),
    ]
    assert [row["kind"] for row in _rows(store, tables.changes)] == ["new", "text", "title"]


def test_two_versions_in_turn_are_recognised_and_left_alone(store: db.Store) -> None:
    decisions = _told(store, *"ABABABABAB")

    (item,), (sighting,) = _rows(store, tables.items), _rows(store, tables.sightings)
    assert [row["title"] for row in _rows(store, tables.revisions)] == ["A", "B", "A"]
    assert [decision.edited for decision in decisions] == [0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert sighting["note"] == "2 versions in turn, since 2025-09-19 03:00 UTC: such edits are left alone"
    # It says what its feed says, but was neither visited nor told of for it.
    assert (item["title"], item["changed_at"], item["next_visit_at"]) == ("B", make.NOW + 2 * HOUR, make.NOW + 2 * HOUR)
    assert len(_rows(store, tables.changes)) == 3


def test_a_flapping_item_that_is_really_edited_has_a_new_version(store: db.Store) -> None:
    _told(store, *"ABABABC")

    assert [row["title"] for row in _rows(store, tables.revisions)] == ["A", "B", "A", "C"]


def test_a_live_blog_keeps_all_its_versions(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        for n in range(60):
            at = make.NOW + n * HOUR
            live = make.entry(1, summary=f"Entry number {n} of the day", updated_at=at, updated_raw=at.isoformat())
            make.poll(conn, source if n == 0 else _polled(source), [live], at)

    (item,) = _rows(store, tables.items)
    assert len(_rows(store, tables.revisions)) == 60
    assert item["updated_at"] == make.NOW + 59 * HOUR


def test_what_is_rewritten_for_ever_by_a_few_characters_is_left_alone_after_24_times(store: db.Store) -> None:
    _told(store, *(f"Now with {n} of them" for n in range(60)))

    (sighting,) = _rows(store, tables.sightings)
    assert len(_rows(store, tables.revisions)) == 25
    assert sighting["note"].startswith("rewritten more than 24 times")


def test_two_sources_with_different_texts_of_one_item_do_not_revise_it_in_turns(store: db.Store) -> None:
    with store.begin() as conn:
        first, second = make.add_sources(conn, 2)
        for n in range(4):
            own, other = make.entry(1, title="As one has it"), make.entry(1, guid="g", title="As the other has it")
            make.poll(conn, first if n == 0 else _polled(first), [own], make.NOW + n * HOUR)
            make.poll(conn, second if n == 0 else _polled(second), [other], make.NOW + n * HOUR)

    (item,) = _rows(store, tables.items)
    assert item["title"] == "As one has it"
    assert _rows(store, tables.revisions) == []


def test_a_date_that_is_moved_by_an_edit_is_the_last_update(store: db.Store) -> None:
    later = make.NOW + HOUR
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1)])
        moved = make.entry(1, title="Edited", published_at=later, published_raw="Fri, 19 Sep 2025 01:00:00 GMT")
        make.poll(conn, _polled(source), [moved], later)

    (item,) = _rows(store, tables.items)
    assert (item["published_at"], item["published_raw"]) == (make.entry(1).published_at, make.entry(1).published_raw)
    assert (item["updated_at"], item["updated_raw"]) == (later, "Fri, 19 Sep 2025 01:00:00 GMT")


def test_what_several_sources_may_have_shown_is_looked_up_for_each_by_itself(store: db.Store) -> None:
    """The same guid and the same address mean something else to another source."""
    shared, own = make.entry(1), make.entry(2)
    with store.begin() as conn:
        first, second, third = (_polled(source) for source in make.add_sources(conn, 3))
        make.poll(conn, first, [shared, own])
        moved = dataclasses.replace(own, guid="other", url="https://news.example/moved/2")
        asked = [
            (first, identity.keyed([shared], first.id)),
            (second, identity.keyed([shared], second.id)),
            (first, identity.keyed([moved], first.id)),
            (third, ()),
        ]

        found = items.known_of(conn, asked)
        alone = [items.known(conn, source, entries) for source, entries in asked]

    assert list(found) == alone
    assert [len(one.by_guid) for one in found] == [1, 0, 0, 0]
    assert [[item.entry_hash for item in one.by_key.values()] for one in found] == [[shared.entry_hash], [None], [], []]
    assert [[item.title for item in one.moved] for one in found] == [[], [], [own.title], []]
