"""Near copies, parts and pages in the store: what is placed where, whatever happens to the items afterwards."""

import itertools
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, func, select, text

from aggregator import model
from aggregator.dedup import fingerprint, placement
from aggregator.store import db, matches, tables, visits
from tests import make
from tests.placed import (
    FIRST,
    PAGE,
    SECOND,
    THIRD,
    again,
    claim,
    clusters,
    consistent,
    draft,
    fill,
    groups,
    pairs,
    settle,
)
from tests.test_comparison import prose


def test_a_story_under_another_headline_joins_its_cluster_with_both_coverages(store: db.Store) -> None:
    fill(store, FIRST, SECOND, f"NAIROBI, Friday. {FIRST} Read more of this.")

    assert groups(store) == {frozenset({1, 3})}
    with store.read() as conn:
        (match,) = conn.execute(select(tables.matches)).mappings().all()
    assert (match["item_id"], match["other_id"], match["relation"], match["method"]) == (3, 1, "near", "shingles")
    assert (match["other_coverage"], match["version"]) == (1.0, fingerprint.ALGO)
    assert 0.95 < match["coverage"] == match["score"] < 1


def test_a_page_of_several_articles_is_linked_with_each_whichever_comes_first_and_merged_with_none(
    store: db.Store,
) -> None:
    fill(store, FIRST, PAGE, SECOND, THIRD)

    assert clusters(store) == [None] * 4
    assert pairs(store, "contains") == {(2, 1), (2, 3), (2, 4)}


def test_a_page_is_linked_with_the_copies_of_what_it_holds_as_well(store: db.Store) -> None:
    fill(store, FIRST, f"Exclusive. {FIRST}", FIRST, PAGE, f"{FIRST} Filed under news.")

    assert groups(store) == {frozenset({1, 2, 3, 5})}
    assert pairs(store, "contains") == {(4, 1), (4, 2), (4, 3), (4, 5)}


def test_a_copy_that_turns_out_to_hold_another_article_leaves_its_cluster(store: db.Store) -> None:
    short = prose(4, 110)
    fill(store, FIRST, f"{FIRST}\n{short}")
    assert groups(store) == {frozenset({1, 2})}

    (item,) = claim(store, ["Something else"], first=3)
    settle(store, item, short)

    assert clusters(store) == [None] * 3
    assert pairs(store, "contains") == {(2, 1), (2, 3)}
    assert pairs(store, "near") == set()
    consistent(store)


def test_a_text_that_joins_two_clusters_makes_them_one(store: db.Store) -> None:
    words = FIRST.split()
    beginning, end = " ".join(words[:190]), " ".join(words[110:])
    fill(store, beginning, beginning, end, end)
    assert groups(store) == {frozenset({1, 2}), frozenset({3, 4})}

    (item,) = claim(store, ["Whole"], first=5)
    settle(store, item, FIRST)

    assert groups(store) == {frozenset({1, 2, 3, 4, 5})}
    consistent(store)


def test_one_between_an_article_and_an_excerpt_is_the_same_as_both_though_all_come_at_once(store: db.Store) -> None:
    words = prose(7, 252).split()
    texts = [" ".join(words), " ".join(words[:120]), " ".join(words[:180])]
    items = claim(store, ["One", "Two", "Three"])

    visits_made = [make.visit(item, draft(text, item.title)) for item, text in zip(items, texts, strict=True)]
    store.commit(lambda conn: visits.settle_all(conn, visits_made), tries=5)

    assert groups(store) == {frozenset({1, 2, 3})}
    assert pairs(store, "near") == {(3, 1), (3, 2)}
    assert pairs(store, "contains") == {(1, 2)}
    consistent(store)


def _at_the_border(seed: int) -> list[str]:
    """An article, a copy that is found through it, and a text that is the same as the copy, but not as the article."""
    words = prose(seed, 300).split()
    return [" ".join(some) for some in (words, words[:285], words[:200] + prose(seed + 1, 140).split())]


def _a_page_and_what_it_holds(seed: int) -> list[str]:
    """An article, a page of it and of a second, that one, and a copy of the first."""
    article, second = prose(seed, 300), prose(seed + 1, 110)
    return [article, f"{article}\n{second}", second, f"Exclusive. {article}"]


@pytest.mark.parametrize("made", [_at_the_border, _a_page_and_what_it_holds])
@pytest.mark.parametrize("last", [0, 1, 2])
def test_clusters_are_those_of_the_order_of_the_ids_whichever_text_is_harvested_first(
    store: db.Store, made: Callable[[int], Sequence[str]], last: int
) -> None:
    found = []
    first = 1
    for n, order in enumerate(itertools.permutations(range(len(made(0))))):
        texts = made(1_000 + 2 * n)
        texts = [*texts[last + 1 :], *texts[: last + 1]]
        items = claim(store, [prose(n, 6) for n in range(len(texts))], first=first)
        for at in order:
            settle(store, items[at], texts[at])
        mine = clusters(store)[first - 1 :]
        found.append([mine.index(cluster) if cluster is not None else None for cluster in mine])
        first += len(texts)

    assert found == [found[0]] * len(found)
    consistent(store)


def test_a_revision_is_no_copy_of_its_earlier_version_and_places_its_item_again(store: db.Store) -> None:
    fill(store, FIRST)

    settle(store, again(store, 1), f"{FIRST} With a correction at the end.")
    assert (clusters(store), pairs(store, "near", "exact")) == ([None], set())

    (item,) = claim(store, ["Other"], first=2)
    settle(store, item, SECOND)
    settle(store, again(store, 1), SECOND)

    assert groups(store) == {frozenset({1, 2})}
    consistent(store)


def test_the_copies_of_an_item_that_leaves_stay_together_and_are_found(store: db.Store) -> None:
    fill(store, FIRST, f"Exclusive. {FIRST}", FIRST)
    number = clusters(store)[1]

    settle(store, again(store, 1), SECOND)

    assert groups(store) == {frozenset({2, 3})}
    assert clusters(store)[1] == number
    (item,) = claim(store, ["Late"], first=4)
    settle(store, item, f"{FIRST} Filed under news.")
    assert groups(store) == {frozenset({2, 3, 4})}
    consistent(store)


def test_a_revision_that_changes_little_keeps_the_number_of_the_cluster_and_tells_nobody(store: db.Store) -> None:
    fill(store, FIRST, FIRST, FIRST)
    before = clusters(store)
    with store.begin() as conn:
        conn.execute(delete(tables.changes))

    settle(store, again(store, 1), f"{FIRST} With a correction.")

    assert clusters(store) == before
    with store.read() as conn:
        assert set(conn.execute(select(tables.changes.c.kind)).scalars()) == {"text"}


def test_an_item_that_is_withdrawn_leaves_nothing_behind_and_the_others_are_in_order(store: db.Store) -> None:
    fill(store, FIRST, FIRST, f"Exclusive. {FIRST}", PAGE)

    with store.begin() as conn:
        matches.withdraw(conn, [1], make.NOW)
        conn.execute(delete(tables.items).where(tables.items.c.id == 1))

    with store.read() as conn:
        found = conn.execute(select(tables.items.c.id, tables.items.c.cluster_id).order_by(tables.items.c.id)).all()
        shown = conn.execute(select(tables.clusters.c.item_id)).scalars().all()
    assert found[0].cluster_id == found[1].cluster_id is not None
    assert shown in ([2], [3])
    assert pairs(store, "contains") == {(4, 2), (4, 3)}


def test_of_a_cluster_whose_shown_item_is_deleted_by_hand_the_next_is_shown_and_none_of_one_that_is_gone(
    store: db.Store,
) -> None:
    fill(store, FIRST, FIRST, f"Exclusive. {FIRST}", SECOND)

    shown = []
    for gone in ([1], [2], [3]):  # Of two the one that is left is in no cluster.
        with store.begin() as conn:
            conn.execute(delete(tables.items).where(tables.items.c.id.in_(gone)))
        with store.read() as conn:
            shown.append([row[0] for row in conn.execute(text("SELECT id FROM unique_items ORDER BY id"))])

    assert shown == [[2, 4], [3, 4], [4]]
    with store.read() as conn:
        assert conn.execute(select(tables.clusters.c.id)).all() == []


def test_of_a_large_cluster_the_first_may_leave_and_the_rest_is_found_all_the_same(store: db.Store) -> None:
    fill(store, *[FIRST] * 60)

    settle(store, again(store, 1), SECOND)
    (item,) = claim(store, ["Late"], first=61)
    settle(store, item, f"Exclusive. {FIRST}")

    assert groups(store) == {frozenset(range(2, 62))}
    consistent(store)


def test_an_item_of_a_lower_id_that_comes_late_joins_a_large_cluster_as_it_is(store: db.Store) -> None:
    late, *items = claim(store, [f"Title {n}" for n in range(61)])
    for n, item in enumerate(items):
        settle(store, item, f"Take {n}. {FIRST}")

    settle(store, late, f"Exclusive. {FIRST}")

    assert groups(store) == {frozenset(range(1, 62))}
    consistent(store)


def test_an_outlets_wall_is_no_text_and_a_wall_that_goes_up_leaves_the_cluster(store: db.Store) -> None:
    fill(store, FIRST, FIRST)

    settle(store, again(store, 2), FIRST, state="blocked")

    assert clusters(store) == [None, None]
    consistent(store)


def test_headlines_without_a_text_are_related_by_their_titles_and_never_merged(store: db.Store) -> None:
    title, other = "Ministers agree on a treaty for the river", "Ministers agree on nothing for the harbour"
    items = claim(store, [title, f"{title}!", other, title])
    settle(store, items[0], FIRST)
    for item in items[1:3]:
        bare = make.visit(item, draft("", item.title), state="failed", reason="no text")
        store.commit(lambda conn, bare=bare: visits.settle_all(conn, [bare]), tries=5)  # type: ignore[misc]
    settle(store, items[3], SECOND)

    assert clusters(store) == [None] * 4
    assert pairs(store, "headline") == {(2, 1), (4, 2)}
    with store.read() as conn:
        assert set(conn.execute(select(tables.matches.c.method)).scalars()) == {"title"}


def test_what_failed_for_good_without_a_draft_is_a_headline_too(store: db.Store) -> None:
    title = "Ministers agree on a treaty for the river"
    first, second = claim(store, [title, title])
    settle(store, first, FIRST)
    gone = model.Visit(item=second, at=make.NOW, state="failed", reason="404", attempts=10)

    with store.begin() as conn:
        visits.settle_all(conn, [gone])

    assert pairs(store, "headline") == {(2, 1)}


def test_fingerprints_are_forgotten_by_age_and_exact_copies_are_still_found(store: db.Store) -> None:
    fill(store, FIRST, SECOND)
    later = make.NOW + timedelta(days=100)

    with store.begin() as conn:
        assert matches.forget(conn, make.NOW - timedelta(days=1), limit=99) == 0
        assert matches.forget(conn, later, limit=1) == 1
        assert matches.forget(conn, later, limit=99) == 1
        assert conn.execute(select(func.count()).select_from(tables.fingerprints)).scalar() == 0
    for n, words in ((3, FIRST), (4, f"{SECOND} Filed under news.")):
        (item,) = claim(store, [f"Late {n}"], first=n)
        settle(store, item, words)

    assert groups(store) == {frozenset({1, 3})}


def test_what_many_stand_under_is_remembered_for_so_many_only(store: db.Store) -> None:
    title = "The same title for every one of these items"
    fill(store, *(prose(n, 80) for n in range(100, 170)), titles=[title] * 70)

    with store.read() as conn:
        held = select(func.count()).select_from(tables.fingerprints).group_by(tables.fingerprints.c.hash)
        assert max(conn.execute(held).scalars()) == placement.MOST_POSTINGS


def test_no_more_questions_are_asked_for_many_texts_than_for_one(store: db.Store) -> None:
    def counted(items: Sequence[model.Item], texts: Sequence[str]) -> int:
        asked = []
        made = [make.visit(item, draft(words, item.title)) for item, words in zip(items, texts, strict=True)]
        with store.begin() as conn:
            visits.write(conn, made)
            listening = lambda _conn, _cursor, statement, *_: asked.append(statement)  # noqa: E731
            event.listen(conn, "before_cursor_execute", listening)
            found = [one for visit in made if (one := visits.arrival(visit, alone=False)) is not None]
            matches.place(conn, found)
            event.remove(conn, "before_cursor_execute", listening)
        return len(asked)

    fill(store, FIRST, SECOND, THIRD)
    one = counted(claim(store, ["one"], first=4), [f"One. {FIRST}"])
    many = counted(
        claim(store, [f"many {n}" for n in range(12)], first=5), [f"{n}. {FIRST} {SECOND}" for n in range(12)]
    )

    assert many <= one + 3


# ------------------------------------------------------------------------------------------------------------- writers


def test_copies_that_are_harvested_at_the_same_instant_end_in_one_cluster(store: db.Store) -> None:
    rounds, copies = 6, 4
    for round_ in range(rounds):
        story = prose(500 + round_, 200)
        items = claim(store, [f"Copy {round_} {n}" for n in range(copies)], first=1 + round_ * copies)
        together(store, [[(item, f"Take {n}. {story}")] for n, item in enumerate(items)])

    assert sorted(map(sorted, groups(store))) == [
        list(range(1 + n * copies, 1 + (n + 1) * copies)) for n in range(rounds)
    ]
    consistent(store)


def test_batches_that_hold_copies_of_each_other_in_any_order_wait_in_no_circle(store: db.Store) -> None:
    stories = [prose(600 + n, 150) for n in range(8)]
    items = claim(store, [f"Item {n}" for n in range(32)])
    batches = [
        [(items[8 * writer + n], f"Take {writer}. {stories[(n * 3 + writer) % 8]}") for n in range(8)]
        for writer in range(4)
    ]

    together(store, batches)

    assert sorted(len(members) for members in groups(store)) == [4] * 8
    # The same again, with revisions that send every item into another cluster.
    claimed = [again(store, item.id) for item in items]
    together(
        store,
        [
            [(claimed[8 * writer + n], f"Take {writer}. {stories[(n + writer) % 8]}") for n in range(8)]
            for writer in range(4)
        ],
    )

    assert sorted(len(members) for members in groups(store)) == [4] * 8
    consistent(store)


def together(store: db.Store, batches: Sequence[Sequence[tuple[model.Item, str]]]) -> None:
    """Each of these batches in a transaction of its own, all at the same instant."""
    barrier, failed = threading.Barrier(len(batches)), []

    def write(batch: Sequence[tuple[model.Item, str]]) -> None:
        made = [make.visit(item, draft(words, item.title)) for item, words in batch]
        barrier.wait()
        try:
            with store.read() as conn:
                visits.foresee(conn, made)
            store.commit(lambda conn: visits.settle_all(conn, made), tries=20)
        except Exception as exc:
            failed.append(exc)

    threads = [threading.Thread(target=write, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
