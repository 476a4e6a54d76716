"""Clusters of items with the same text."""

import threading
from datetime import timedelta

from sqlalchemy import func, select, text

from aggregator import model
from aggregator.store import db, matches, tables, visits
from tests import make
from tests.placed import LEASE, again, clusters


def _fill(store: db.Store, *texts: str) -> tuple[model.Item, ...]:
    """Items with these texts, each at an address of its own, harvested in this order."""
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(n) for n in range(1, len(texts) + 1)])
        claimed = visits.claim_due(conn, now=make.NOW, limit=99, owner="me", lease=LEASE, per_host=99)
    for item, words in zip(claimed, texts, strict=True):
        _settle(store, item, words)
    return claimed


def _settle(store: db.Store, item: model.Item, words: str, state: str = "ok") -> model.HarvestReport:
    visit = model.Visit(item=item, at=make.NOW, state=state, reason=None, attempts=0, draft=make.draft(words))
    with store.begin() as conn:
        return visits.settle(conn, visit)


def _shown(store: db.Store) -> list[str]:
    with store.read() as conn:
        return list(conn.execute(text("SELECT title FROM unique_items ORDER BY id")).scalars())


def test_items_with_the_same_text_share_a_cluster_and_others_have_none(store: db.Store) -> None:
    _fill(store, "same", "other", "same", "same")

    first, other, third, fourth = clusters(store)
    assert first is not None
    assert (third, fourth, other) == (first, first, None)


def test_a_cluster_shows_its_earliest_member_and_hides_nothing_else(store: db.Store) -> None:
    _fill(store, "same", "other", "same")

    assert _shown(store) == ["Title 1", "Title 2"]
    with store.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM feed_items")).scalar() == 3
        assert conn.execute(text("SELECT copies FROM unique_items WHERE title = 'Title 1'")).scalar() == 2


def test_the_pair_is_recorded_with_its_method(store: db.Store) -> None:
    _fill(store, "same", "same")

    with store.read() as conn:
        (match,) = conn.execute(select(tables.matches)).mappings().all()
    assert (match["item_id"], match["other_id"], match["relation"], match["method"]) == (2, 1, "exact", "text_hash")


def test_an_item_whose_text_changes_leaves_its_cluster_and_the_rest_stays(store: db.Store) -> None:
    _fill(store, "same", "same", "same")

    _settle(store, again(store, 1), "rewritten")

    first, second, third = clusters(store)
    assert first is None
    assert second == third is not None
    assert _shown(store) == ["Title 1", "Title 2"]


def test_a_cluster_of_one_is_dissolved(store: db.Store) -> None:
    _fill(store, "same", "same")

    _settle(store, again(store, 2), "rewritten")

    assert clusters(store) == [None, None]
    with store.read() as conn:
        assert conn.execute(select(func.count()).select_from(tables.clusters)).scalar() == 0
        assert conn.execute(select(func.count()).select_from(tables.matches)).scalar() == 0


def test_walls_with_the_same_text_are_no_duplicates(store: db.Store) -> None:
    claimed = _fill(store, "a", "b")
    for item in claimed:
        _settle(store, again(store, item.id), "Please accept our cookies", state="blocked")

    assert clusters(store) == [None, None]


def test_items_without_words_match_nothing(store: db.Store) -> None:
    _fill(store, "", "")

    assert clusters(store) == [None, None]


def test_two_copies_harvested_at_the_same_moment_end_in_one_cluster(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
    for round_ in range(5):
        with store.begin() as conn:
            make.poll(conn, source, [make.entry(100 * round_ + n) for n in (1, 2, 3, 4)])
            claimed = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=LEASE, per_host=9)
        together = threading.Barrier(len(claimed))

        def settle(item: model.Item, words: str = f"copy {round_}", together: threading.Barrier = together) -> None:
            together.wait()
            _settle(store, item, words)

        threads = [threading.Thread(target=settle, args=(item,)) for item in claimed]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = clusters(store)
    assert [len(set(found[start : start + 4])) for start in range(0, 20, 4)] == [1] * 5
    assert None not in found


def test_choosing_does_not_depend_on_the_order_of_arrival(store: db.Store) -> None:
    claimed = _fill(store, "a", "b", "c")
    for item in reversed(claimed):
        _settle(store, again(store, item.id), "same")

    assert _shown(store) == ["Title 1"]


def test_leaving_twice_is_harmless(store: db.Store) -> None:
    _fill(store, "same", "same")

    with store.begin() as conn:
        matches.withdraw(conn, [2], make.NOW)
        matches.withdraw(conn, [2], make.NOW)

    assert clusters(store) == [None, None]


def test_an_item_may_leave_a_cluster_and_open_one_that_gets_its_number(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1), make.entry(2), make.entry(3)])
        lease = timedelta(minutes=5)
        for item in visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=lease, per_host=9):
            visits.settle(conn, make.visit(item, make.draft("the same"), due=model.Due(at=make.NOW, reason="revisit")))
        claimed = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=lease, per_host=9)

        for item, words in zip(claimed, ("two of a kind", "two of a kind", "another one"), strict=True):
            visits.settle(conn, make.visit(item, make.draft(words)))

        found = conn.execute(select(tables.items.c.cluster_id).order_by(tables.items.c.id)).scalars().all()
    assert found[0] == found[1] is not None
    assert found[2] is None
