"""The further addresses of items: which they get, what is found by them, and what two polls at the same moment make of it."""

import dataclasses
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, delete, insert, select
from typer.testing import CliRunner

from aggregator import errors, model
from aggregator.cli import cli
from aggregator.feed import identity
from aggregator.store import addresses, db, items, tables, trail
from tests import make
from tests.conftest import create_database
from tests.old_schema import Old, old

__all__ = ["old"]

HOUR = timedelta(hours=1)
OLD, NEW, LATER = (f"https://news.example/{slug}" for slug in ("articles/1", "a-better-name", "the-best-name"))
OTHER = {"title": "Quite another article of the day", "published_at": make.NOW - 40 * HOUR}


def _polled(source: model.Source) -> model.Source:
    return dataclasses.replace(source, last_success_at=make.NOW, last_new_at=make.NOW)


def _rows(store: db.Store, table: Any) -> list[RowMapping]:
    with store.read() as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key.columns)).mappings())


def _further(store: db.Store) -> list[tuple[str, int]]:
    return [(row["url"], row["item_id"]) for row in _rows(store, tables.item_urls)]


class Sources:
    """Two sources that are polled in turn, an hour apart."""

    def __init__(self, store: db.Store) -> None:
        self.store, self.now = store, make.NOW
        with store.begin() as conn:
            self.known = [_polled(source) for source in make.add_sources(conn, 2)]

    def poll(self, which: int, *entries: model.Entry) -> model.Decision:
        self.now += HOUR
        with self.store.begin() as conn:
            return make.poll(conn, self.known[which], list(entries), self.now)


@pytest.fixture
def feeds(store: db.Store) -> Sources:
    return Sources(store)


A, B = 0, 1


def _seen(decision: model.Decision) -> Sequence[tuple[int, str]]:
    return [(seen.item.id, seen.matched_by) for seen in decision.seen]


# ------------------------------------------------------------------------------------------------------- recognised


def test_an_item_is_known_by_the_address_that_its_feed_gave_it_later_and_by_the_first(
    feeds: Sources, store: db.Store
) -> None:
    feeds.poll(A, make.entry(1))
    feeds.poll(A, make.entry(1, url=NEW))

    by_new = feeds.poll(B, make.entry(1, url=f"{NEW}?utm_source=b", guid="b"))
    by_old = feeds.poll(B, make.entry(1, guid="b again"))

    (item,) = _rows(store, tables.items)
    assert (item["url"], item["url_key"]) == (NEW, identity.url_key(OLD))
    assert [_seen(one) for one in (by_new, by_old)] == [[(1, "url")], [(1, "url")]]
    assert [row["matched_by"] for row in _rows(store, tables.sightings)] == ["guid", "url"]
    (further,) = _rows(store, tables.item_urls)
    assert dict(further) == {
        "url_key": identity.url_key(NEW),
        "item_id": 1,
        "url": NEW,
        "first_seen_at": make.NOW + 2 * HOUR,
    }


def test_an_edited_address_under_a_renamed_guid_is_known_too(feeds: Sources, store: db.Store) -> None:
    feeds.poll(A, make.entry(1))
    feeds.poll(A, make.entry(1, url="https://elsewhere.example/articles/1", guid="renamed"))

    decision = feeds.poll(B, make.entry(1, url="https://elsewhere.example/articles/1", guid="b"))

    assert _seen(decision) == [(1, "url")]
    assert [row["matched_by"] for row in _rows(store, tables.sightings)] == ["moved", "url"]


def test_what_another_source_shows_at_an_address_of_its_own_is_known_by_that(feeds: Sources, store: db.Store) -> None:
    feeds.poll(A, make.entry(1))
    feeds.poll(B, make.entry(1, guid="b"))
    feeds.poll(B, make.entry(1, guid="b", url=NEW))

    decision = feeds.poll(A, make.entry(1, guid="renamed", url=NEW, published_at=None))

    assert _seen(decision) == [(1, "url")]
    assert len(_rows(store, tables.items)) == 1


def test_a_poll_that_is_repeated_leaves_the_same_database(feeds: Sources, store: db.Store) -> None:
    feeds.poll(A, make.entry(1))
    feeds.poll(A, make.entry(1, url=NEW))
    before = [_rows(store, table) for table in (tables.item_urls, tables.sightings, tables.changes, tables.revisions)]

    again = feeds.poll(A, make.entry(1, url=NEW))

    after = [_rows(store, table) for table in (tables.item_urls, tables.sightings, tables.changes, tables.revisions)]
    assert [dict(row) for rows in after for row in rows if "last_seen_at" not in row] == [
        dict(row) for rows in before for row in rows if "last_seen_at" not in row
    ]
    assert (_seen(again), again.seen[0].further_key, again.seen[0].resighted) == ([(1, "both")], None, False)


def test_an_address_that_goes_back_again_is_known_by_both(feeds: Sources, store: db.Store) -> None:
    for url in (OLD, NEW, OLD):
        feeds.poll(A, make.entry(1, url=url))

    same, retitled = (
        make.entry(1, url=NEW, guid="b"),
        make.entry(1, url=NEW, guid="c", title="By the way of B: Title 1"),
    )
    assert _seen(feeds.poll(B, same)) == [(1, "url")]
    assert _seen(feeds.poll(B, retitled)) == [(1, "url")]
    assert _further(store) == [(NEW, 1)]
    assert _rows(store, tables.items)[0]["url"] == OLD


def test_another_article_at_an_address_that_was_given_in_error_is_not_lost(feeds: Sources, store: db.Store) -> None:
    for url in (OLD, NEW, OLD):
        feeds.poll(A, make.entry(1, url=url))

    decision = feeds.poll(A, make.entry(1), make.entry(2, url=NEW, **OTHER))

    assert [one.url_key for one in decision.new] == [identity.url_key(NEW)]
    with store.read() as conn:
        assert (trail.find(conn, NEW), trail.find(conn, OLD)) == (2, 1)
    assert _seen(feeds.poll(B, make.entry(1, url=NEW, guid="b"))) == [(2, "url")]


# ------------------------------------------------------------------------------------------------------- not recognised


def test_an_address_at_which_another_item_is_stays_that_items(feeds: Sources, store: db.Store) -> None:
    feeds.poll(A, make.entry(1))
    feeds.poll(B, make.entry(1, url=NEW, guid="b"))

    feeds.poll(A, make.entry(1, url=NEW))
    decision = feeds.poll(B, make.entry(1, url=NEW, guid="b"))

    assert [item["url"] for item in _rows(store, tables.items)] == [NEW, NEW]
    assert _further(store) == []
    assert _seen(decision) == [(2, "both")]
    with store.read() as conn:
        assert (trail.find(conn, NEW), trail.find(conn, OLD)) == (2, 1)


def test_swapped_addresses_name_the_items_that_are_there_now(feeds: Sources, store: db.Store) -> None:
    one, two = make.entry(1), make.entry(2, **OTHER)
    feeds.poll(A, one, two)
    swapped = dataclasses.replace(one, url=two.url, entry_hash="x"), dataclasses.replace(two, url=OLD, entry_hash="y")

    swap, again = feeds.poll(A, *swapped), feeds.poll(A, *swapped)
    here = feeds.poll(B, make.entry(3, url=OLD, title=two.title), make.entry(4, url=two.url, title=one.title))
    back = feeds.poll(A, one, two)
    there = feeds.poll(B, make.entry(5, url=OLD, title=one.title), make.entry(6, url=two.url, title=two.title))

    assert not any(decision.new for decision in (swap, again, here, back, there))
    assert [_seen(one) for one in (swap, again)] == [[(1, "guid"), (2, "guid")], [(1, "both"), (2, "both")]]
    assert [_seen(one) for one in (here, there)] == [[(2, "url"), (1, "url")], [(1, "url"), (2, "url")]]
    assert _further(store) == [(OLD, 2), (two.url, 1)]


def test_an_address_that_several_entries_are_given_is_none_of_them(feeds: Sources, store: db.Store) -> None:
    entries = [make.entry(n) for n in (1, 2)]
    feeds.poll(A, *entries)
    feeds.poll(A, *(dataclasses.replace(one, url="https://news.example/live", entry_hash="x") for one in entries))
    feeds.poll(A, dataclasses.replace(entries[0], url="https://news.example/", entry_hash="y"))

    # The page there is none of their own: they stay where theirs are.
    assert [item["url"] for item in _rows(store, tables.items)] == [one.url for one in entries]
    assert _further(store) == []
    assert [row["kind"] for row in _rows(store, tables.changes)] == ["new", "new"]


def test_an_address_that_items_come_to_share_one_after_the_other_is_none_of_them(
    feeds: Sources, store: db.Store
) -> None:
    one, two = make.entry(1), make.entry(2, **OTHER)
    feeds.poll(A, one, two)
    at_first = dataclasses.replace(one, url="https://news.example/archive", entry_hash="x")
    feeds.poll(A, at_first, two)
    before = _further(store)
    feeds.poll(A, at_first, dataclasses.replace(two, url="https://news.example/archive", entry_hash="y"))

    assert before == [("https://news.example/archive", 1)]
    assert _further(store) == []
    shown = make.entry(3, url="https://news.example/archive", title="All that was published so far")
    assert len(feeds.poll(B, shown).new) == 1


def test_an_item_with_a_key_of_its_own_gets_the_address_of_its_own_and_never_the_shared_one(
    feeds: Sources, store: db.Store
) -> None:
    live = "https://news.example/live"
    one, two = make.entry(1, url=live), make.entry(2, url=live)
    feeds.poll(A, one, two)
    feeds.poll(A, dataclasses.replace(one, entry_hash="alone"))
    alone = _further(store)
    feeds.poll(A, make.entry(1, url=NEW))

    assert alone == []
    ((url, item_id),) = _further(store)
    assert url == NEW
    assert _seen(feeds.poll(B, make.entry(1, url=NEW, guid="b"))) == [(item_id, "url")]


def test_two_entries_that_come_to_one_address_in_one_document_are_not_stored_again(
    feeds: Sources, store: db.Store
) -> None:
    feeds.poll(A, make.entry(1))

    decision = feeds.poll(A, make.entry(1, url=NEW), make.entry(1, url=NEW, guid="the same once more"))

    assert (len(decision.new), len(decision.seen), decision.repeated) == (0, 1, 1)
    assert _further(store) == [(NEW, 1)]


def test_a_guid_that_was_given_to_another_article_gives_its_item_no_address(feeds: Sources, store: db.Store) -> None:
    feeds.poll(A, make.entry(1))
    decision = feeds.poll(A, make.entry(1, url=NEW, **OTHER))

    assert [one.url_key for one in decision.new] == [identity.url_key(NEW)]
    assert _further(store) == []


def test_of_an_address_that_is_another_one_at_every_look_the_latest_are_kept_and_no_more_told(
    feeds: Sources, store: db.Store
) -> None:
    urls = [f"https://news.example/{n}/articles" for n in range(addresses.MOST + 5)]
    for n, url in enumerate(urls):
        feeds.poll(A, make.entry(1, url=url, entry_hash=f"{n}"))

    assert len(_rows(store, tables.items)) == 1
    assert [url for url, _ in _further(store)] == sorted(urls[-addresses.MOST :])
    assert [row["kind"] for row in _rows(store, tables.changes)] == ["new", *["address"] * addresses.MOST]
    with store.read() as conn:
        assert addresses.find(conn, urls[-1]) == 1
    assert len(feeds.poll(B, make.entry(1, url=urls[-1], guid="b")).new) == 0


# What each of these articles is called, by its number.
TITLES = (
    "Fishermen protest against new quota in the Baltic",
    "Parliament votes on budget after long night",
    "Volcano erupts near the capital of Iceland",
)
Documents = Sequence[Sequence[tuple[int, str]]]


@pytest.mark.parametrize(
    "documents",
    [
        # An address that was given in error is corrected as the article comes that it belongs to.
        [[(0, "n/0")], [(0, "n/1")], [(0, "n/0"), (1, "n/1")]],
        [[(0, "n/0")], [(0, "n/1")], [(1, "n/1"), (0, "n/0")]],
        # The latest is always at one address, until the next one comes.
        [[(0, "latest")], [(1, "latest"), (0, "archive/0")], [(2, "latest"), (1, "archive/1"), (0, "archive/0")]],
        [[(0, "latest")], [(0, "archive/0"), (1, "latest")], [(0, "archive/0"), (1, "archive/1"), (2, "latest")]],
        [[(0, "latest")], [(0, "archive/0")], [(0, "archive/0"), (1, "latest")]],
        # All move on by one; two change places.
        [[(0, "p/1"), (1, "p/2")], [(2, "p/1"), (0, "p/2"), (1, "p/3")]],
        [[(0, "n/0")], [(0, "n/1"), (1, "n/0")]],
    ],
)
def test_an_article_at_an_address_that_another_leaves_is_one_of_its_own(
    documents: Documents, feeds: Sources, store: db.Store
) -> None:
    for document in (*documents, documents[-1]):
        entries = [
            make.entry(n, url=f"https://news.example/{path}", title=TITLES[n], entry_hash=f"{n} {path}", **_dated(n))
            for n, path in document
        ]
        feeds.poll(A, *entries)

    told = {n for document in documents for n, _ in document}
    items = _rows(store, tables.items)
    assert sorted(item["title"] for item in items) == sorted(TITLES[n] for n in told)
    last = {TITLES[n]: f"https://news.example/{path}" for n, path in documents[-1]}
    assert {item["title"]: item["url"] for item in items} == last
    assert _rows(store, tables.revisions) == []


def _dated(n: int) -> dict[str, Any]:
    return {"published_at": make.NOW - n * HOUR, "published_raw": f"{n} hours ago"}


# ------------------------------------------------------------------------------------------------------- beside


def test_items_that_are_deleted_take_their_addresses_with_them(feeds: Sources, store: db.Store) -> None:
    feeds.poll(A, make.entry(1))
    feeds.poll(A, make.entry(1, url=NEW))

    with store.begin() as conn:
        conn.execute(delete(tables.items))

    assert _further(store) == []
    assert store.check(full=True) == ()
    assert len(feeds.poll(A, make.entry(1, url=NEW)).new) == 1


@pytest.mark.parametrize("command", ["show", "why", "history"])
def test_an_item_is_shown_for_its_old_address_and_the_new_ones(command: str, feeds: Sources, config_file: Path) -> None:
    for url in (OLD, NEW, LATER):
        feeds.poll(A, make.entry(1, url=url))

    told = [CliRunner().invoke(cli, [command, url, "--config", str(config_file)]) for url in (OLD, NEW, LATER)]

    assert [one.exit_code for one in told] == [0, 0, 0]
    assert len({one.stdout for one in told}) == 1
    if command == "show":
        assert f"also at  {NEW}\n" in told[0].stdout


def test_the_present_addresses_of_items_of_before_are_filled_in_where_they_are_theirs_alone(old: Old) -> None:
    store = old(
        "0017",
        ("https://x.example/here", "x.example/here"),
        ("https://x.example/moved", "x.example/was"),
        ("https://x.example/here", "x.example/taken"),
        ("https://x.example/both", "x.example/one"),
        ("https://x.example/both", "x.example/two"),
        ("https://x.example/", "x.example/front"),
        ("https://x.example/live", f"x.example/live#{'0' * 32}"),
        ("https://x.example/live", "x.example/seven"),
        ("https://x.example/was", "x.example/left"),
        (None, f"source:1#{'1' * 32}"),
    )

    store.upgrade()

    assert [[*row.values()] for row in _rows(store, tables.item_urls)] == [
        ["x.example/moved", 2, "https://x.example/moved", make.NOW],
        ["x.example/was", 9, "https://x.example/was", make.NOW],
    ]


# ------------------------------------------------------------------------------------------------------- at one moment


def test_a_poll_that_moves_an_item_and_one_that_brings_its_new_address_lose_nothing_at_one_moment(
    postgres: str, _postgres_template: str
) -> None:
    with closing(db.Store(create_database(postgres, template=_postgres_template))) as store:
        feeds = Sources(store)
        numbers = range(1, 41)
        feeds.poll(A, *(make.entry(n) for n in numbers))
        urls = {n: f"https://news.example/better/{n}" for n in numbers}
        moved = [[make.entry(n, url=urls[n]) for n in numbers[start : start + 4]] for start in range(0, 40, 4)]
        brought = [[dataclasses.replace(one, guid=f"b{one.position}") for one in part] for part in moved]
        failed: list[BaseException] = []
        together = threading.Barrier(2)

        def poll(which: int, documents: list[list[model.Entry]]) -> None:
            try:
                for entries in documents:
                    together.wait(60)
                    store.commit(lambda conn: make.poll(conn, feeds.known[which], entries), tries=5)  # noqa: B023
            except BaseException as exc:
                failed.append(exc)

        threads = [threading.Thread(target=poll, args=told) for told in ((A, moved), (B, brought))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        again = feeds.poll(B, *(one for part in brought for one in part))

        assert failed == []
        assert not again.new
        found = _rows(store, tables.items)
        twice = len(found) - len(numbers)
        sighted = {(row["source_id"], row["guid"]) for row in _rows(store, tables.sightings)}
        assert sighted == {(1, f"guid-{n}") for n in numbers} | {(2, f"b{n}") for n in numbers}
        # Who comes first is left to chance: B's own item, or the moved one with two sightings.
        assert {row["url"] for row in found} == set(urls.values())
        assert len(_further(store)) in range(len(numbers) - twice, len(numbers) + 1)
        assert store.check(full=True) == ()


def test_the_address_of_an_item_that_is_deleted_at_the_same_moment_is_a_conflict(store: db.Store) -> None:
    gone = addresses.Further(url_key="news.example/gone", item_id=99, url=NEW, at=make.NOW)

    with pytest.raises(errors.ConflictError), store.begin() as conn:
        addresses.add(conn, [gone])


def test_an_address_that_two_polls_give_an_item_at_one_moment_is_kept_once(feeds: Sources, store: db.Store) -> None:
    feeds.poll(A, make.entry(1))
    entries = identity.keyed([make.entry(1, url=NEW)], 1)
    with store.begin() as conn:
        decision = identity.decide(feeds.known[A], entries, items.known(conn, feeds.known[A], entries))
        conn.execute(
            insert(tables.item_urls).values(url_key=identity.url_key(NEW), item_id=1, url=NEW, first_seen_at=make.NOW)
        )

        items.write(conn, [items.Brought(source=feeds.known[A], decision=decision, at=make.NOW + HOUR)])

    assert _further(store) == [(NEW, 1)]
