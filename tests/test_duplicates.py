"""Near copies, parts and pages in the store: what is placed where, whatever happens to the items afterwards."""

import itertools
import json
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, func, select, text, update
from typer.testing import CliRunner

from aggregator import model
from aggregator.cli import cli
from aggregator.dedup import fingerprint, placement
from aggregator.store import db, matches, tables, visits
from tests import make
from tests.test_comparison import prose

LEASE = timedelta(minutes=5)
FIRST, SECOND, THIRD = (prose(seed, 300) for seed in (1, 2, 3))
PAGE = f"{FIRST}\n{SECOND}\n{THIRD}"


def draft(words: str, title: str = "", **values: Any) -> model.Draft:
    """A draft as a worker makes it."""
    text_hash, made = fingerprint.make(words, title)
    return make.draft(words, text_hash=text_hash, fingerprint=made, **values)


def claim(store: db.Store, titles: Sequence[str], first: int = 1) -> list[model.Item]:
    """Items with these titles, each at an address and of a source of its own, claimed."""
    with store.begin() as conn:
        rows = conn.execute(select(tables.sources.c.id).order_by(tables.sources.c.id)).scalars().all()
        known = [make.source(source_id) for source_id in rows] or list(make.add_sources(conn, 40))
        for n, title in enumerate(titles, first):
            make.poll(conn, known[n % 40], [make.entry(n, title=title)])
        return list(visits.claim_due(conn, now=make.NOW, limit=99, owner="me", lease=LEASE, per_host=99))


def settle(store: db.Store, item: model.Item, words: str, state: str = "ok") -> None:
    visit = make.visit(item, draft(words, item.title), state=state)
    store.commit(lambda conn: visits.settle_all(conn, [visit]), tries=5)


def fill(store: db.Store, *texts: str, titles: Sequence[str] = ()) -> list[model.Item]:
    """Items with these texts, harvested in this order."""
    items = claim(store, titles or [f"Title {n}" for n in range(1, len(texts) + 1)])
    for item, words in zip(items, texts, strict=True):
        settle(store, item, words)
    return items


def again(store: db.Store, item_id: int) -> model.Item:
    with store.begin() as conn:
        conn.execute(update(tables.items).where(tables.items.c.id == item_id).values(next_visit_at=make.NOW))
        (item,) = visits.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE)
    return item


def clusters(store: db.Store) -> list[int | None]:
    with store.read() as conn:
        return list(conn.execute(select(tables.items.c.cluster_id).order_by(tables.items.c.id)).scalars())


def groups(store: db.Store) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for item_id, cluster in enumerate(clusters(store), 1):
        if cluster is not None:
            found.setdefault(cluster, set()).add(item_id)
    return {frozenset(members) for members in found.values()}


def pairs(store: db.Store, *relations: str) -> set[tuple[int, int]]:
    with store.read() as conn:
        rows = conn.execute(select(tables.matches).where(tables.matches.c.relation.in_(relations)))
        return {(row.item_id, row.other_id) for row in rows}


def consistent(store: db.Store) -> None:
    """Every cluster has two members or more, shows one of them, and nothing else refers to it."""
    with store.read() as conn:
        shown = {row.id: row.item_id for row in conn.execute(select(tables.clusters))}
    members = clusters(store)
    assert {cluster for cluster in members if cluster is not None} == set(shown)
    assert all(members.count(cluster) > 1 and members[item_id - 1] == cluster for cluster, item_id in shown.items())


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
            for visit in made:
                visits.settle_one(conn, visit)
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


# ----------------------------------------------------------------------------------------------------------- recluster


def run(config_file: Path, *arguments: str, code: int = 0) -> Any:
    ran = CliRunner().invoke(cli, ["recluster", *arguments, "--json", "--config", str(config_file)])
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout[ran.stdout.index("{\n") :])


CORPUS = [FIRST, SECOND, PAGE, f"One. {FIRST}", f"Two. {FIRST}", SECOND, prose(9, 200), " ".join(THIRD.split()[:40])]


def _told(store: db.Store) -> Any:
    relations = ("exact", "near", "contains")
    return groups(store), {relation: pairs(store, relation) for relation in relations}


def test_placing_all_again_gives_what_the_arrival_gave(store: db.Store, config_file: Path) -> None:
    fill(store, *CORPUS)
    before, numbers = _told(store), clusters(store)

    told = run(config_file, "--all")

    assert told["placed"] >= 1
    assert _told(store)[0] == before[0]
    assert clusters(store) == numbers
    assert _told(store)[1]["contains"] == before[1]["contains"]
    consistent(store)


def test_what_was_stored_by_a_version_without_fingerprints_is_placed(store: db.Store, config_file: Path) -> None:
    fill(store, *CORPUS)
    before = _told(store)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(algo=None, tokens=None, cluster_id=None))
        for table in (tables.matches, tables.fingerprints, tables.clusters):
            conn.execute(delete(table))

    run(config_file)

    assert _told(store) == before
    assert run(config_file)["placed"] == 0


@pytest.mark.parametrize("choice", [("--source", "Source 8"), ("--where", "source_id = 8 AND word_count > 0")])
def test_only_what_is_chosen_is_placed_again(store: db.Store, config_file: Path, choice: tuple[str, str]) -> None:
    fill(store, *CORPUS)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(algo=0))

    run(config_file, *choice)

    with store.read() as conn:
        algos = list(conn.execute(select(tables.items.c.algo).order_by(tables.items.c.id)).scalars())
    assert algos == [0, 0, 0, 0, 0, 0, fingerprint.ALGO, 0]


def test_another_normal_form_is_no_revision(store: db.Store, config_file: Path) -> None:
    fill(store, FIRST, FIRST)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(algo=0, text_hash="0" * 32))

    run(config_file)

    with store.read() as conn:
        assert set(conn.execute(select(tables.items.c.text_hash)).scalars()) == {fingerprint.text_hash(FIRST)}
        assert conn.execute(select(func.count()).select_from(tables.revisions)).scalar() == 0
    assert groups(store) == {frozenset({1, 2})}


def test_an_item_in_the_hands_of_another_writer_is_left_to_it(store: db.Store, config_file: Path) -> None:
    if store.sqlite:
        pytest.skip("there is one writer")
    fill(store, FIRST, SECOND)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(algo=0))

    with store.begin() as conn:
        conn.execute(select(tables.items.c.id).where(tables.items.c.id == 1).with_for_update())
        told = run(config_file, code=1)

    assert (told["placed"], told["busy"]) == (1, 1)
    assert run(config_file)["placed"] == 1


# ------------------------------------------------------------------------------------------------------ who copied whom


def test_who_had_it_who_had_it_later_and_how_much_of_it_is_a_row(store: db.Store) -> None:
    fill(store, FIRST, f"{FIRST}\nAnd a line of its own.", PAGE)

    with store.read() as conn:
        told = "first_source, second_source, relation, kept, taken FROM copies ORDER BY first_id, second_id"
        rows = conn.execute(text(f"SELECT {told}")).all()

    near, *parts = [tuple(row) for row in rows]
    assert near[:3] == ("Source 2", "Source 3", "near")
    assert near[3] == 1.0
    assert 0.9 < near[4] < 1
    assert [row[2] for row in parts] == ["contains"] * len(parts)
    assert parts
    assert all(kept > 0.9 and taken < 0.5 for *_, kept, taken in parts)


def test_the_outlet_that_a_copy_credits_is_shown_for_both(store: db.Store) -> None:
    copy, original = claim(store, ["Title", "Title"])
    credit = "The post Title appeared first on Source 3."
    for item, cut in ((copy, credit), (original, None)):
        with store.begin() as conn:
            visits.settle_all(conn, [make.visit(item, draft(FIRST, "Title", boilerplate=cut))])

    with store.read() as conn:
        shown = conn.execute(text("SELECT id, source, copies FROM unique_items")).all()

    assert [tuple(row) for row in shown] == [(original.id, "Source 3", 2)]


def test_the_address_that_a_copy_gives_for_its_own_is_shown_for_both(store: db.Store) -> None:
    copy, original = claim(store, ["Title", "Title"])
    for item, address in ((copy, original.url), (original, None)):
        with store.begin() as conn:
            visits.settle_all(conn, [make.visit(item, draft(FIRST, "Title"), canonical=address)])

    with store.read() as conn:
        shown = conn.execute(text("SELECT id, copies FROM unique_items")).all()

    assert [tuple(row) for row in shown] == [(original.id, 2)]


def test_show_tells_what_a_page_contains_and_what_an_article_is_part_of(
    store: db.Store, database_url: str, tmp_path: Path
) -> None:
    part, page = fill(store, FIRST, PAGE)
    (tmp_path / "sources.yaml").write_text("sources:\n  - {name: Source 1, url: 'https://feed1.example/rss'}\n")
    (tmp_path / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    config = tmp_path / "aggregator.yaml"
    config.write_text(json.dumps({"database": database_url}))

    shown = {
        one.id: CliRunner().invoke(cli, ["show", str(one.id), "--config", str(config)]).output for one in (part, page)
    }

    assert f"part of  Source 3: {page.url} ({page.id})" in shown[part.id]
    assert f"contains  Source 2: {part.url} ({part.id})" in shown[page.id]
