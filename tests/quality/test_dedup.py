"""Duplicates over labelled pairs, streamed through the store as feeds bring them; and the two documents that started it all."""

import json
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aggregator import recluster
from aggregator.store import db, pages, tables
from bench import duplicates

pytestmark = pytest.mark.slow

FLOORS: Mapping[str, Any] = json.loads((Path(__file__).parent / "floors.json").read_text())["dedup"]
# What must be right to the last pair.
CERTAIN = ("exact:", "short:exact", "empty", "agg:", "seed:", "nat:template", "hn:template")

Answers = list[dict[str, Any]]


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "dedup"


def _within(found: Any, floors: Mapping[str, float]) -> None:
    for relation in ("same", "contains"):
        assert found[relation]["p"] >= floors[f"{relation}_precision"], relation
        assert found[relation]["r"] >= floors[f"{relation}_recall"], relation
    _roughly(found, floors)
    wrong = {name: right for name, (right, _) in found["relations"].items() if name.startswith(CERTAIN) and right < 1}
    assert wrong == {}
    assert found["direction"] == 1.0


def _roughly(found: Any, floors: Mapping[str, float]) -> None:
    assert found["macro_f1"] >= floors["macro_f1"]
    assert found["false_merges"] <= floors["most_false_merges"]


_answers: dict[str, Answers] = {}


def test_labelled_pairs_are_judged_as_they_are_labelled_and_alike_on_both_databases(
    store: db.Store, folder: Path
) -> None:
    labelled = duplicates.pairs(folder)

    ids = duplicates.stream(store, duplicates.documents(folder))

    answers = duplicates.predictions(store, ids, labelled)
    _within(duplicates.score(labelled, answers, folder), FLOORS["given"])
    with store.read() as conn:
        rows = len(conn.execute(select(tables.fingerprints.c.hash)).all())
    assert rows / len(ids) <= FLOORS["most_rows"]
    for other in _answers.values():
        assert answers == other
    _answers["sqlite" if store.sqlite else "postgres"] = answers
    if store.sqlite:
        recluster.Reclusterer(store=store, begun=lambda _: None, observe=lambda _: None).run(
            pages.Choice(), everything=True
        )
        again = duplicates.predictions(store, ids, labelled)
        _roughly(duplicates.score(labelled, again, folder), FLOORS["shuffled"])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_arrival_matters_little(seed: int, folder: Path, tmp_path: Path) -> None:
    store = db.Store(f"sqlite:///{tmp_path}/corpus.db")
    store.upgrade()
    arriving, labelled = duplicates.documents(folder), duplicates.pairs(folder)
    random.Random(seed).shuffle(arriving)

    ids = duplicates.stream(store, arriving)

    found = duplicates.score(labelled, duplicates.predictions(store, ids, labelled), folder)
    store.close()
    _roughly(found, FLOORS["shuffled"])


# ------------------------------------------------------------------------------------------------------ seed documents


def _parts(page: str) -> Iterator[tuple[str, str]]:
    """The titles and texts of the articles on the page that has several, each with its footer at its end."""
    footer = re.compile(r"The post (?P<title>.+?) appeared first on .+?\.$", re.MULTILINE)
    start = 0
    for found in footer.finditer(page):
        yield found["title"], page[start : found.end()].strip()
        start = found.end()


def test_the_page_of_several_articles_is_linked_with_each_and_merged_with_none(store: db.Store, shared: Path) -> None:
    seed = shared / "docs" / "seed"
    item = (seed / "feed_item.md").read_text(encoding="utf-8").split("---\n\n", 1)[1]
    page = (seed / "syndicated_page.txt").read_text(encoding="utf-8")
    others = list(_parts(page))[1:]
    title = next(_parts(page))[0]
    arriving = [
        {"id": "feed item", "source": "Climate Home News", "title": title, "text": item},
        {"id": "page", "source": "Syndication", "title": title, "text": page},
        *(
            {"id": f"other {n}", "source": "Origin", "title": name, "text": text}
            for n, (name, text) in enumerate(others)
        ),
    ]

    ids = duplicates.stream(store, arriving)

    with store.read() as conn:
        clusters = set(conn.execute(select(tables.items.c.cluster_id)).scalars())
        matches = conn.execute(select(tables.matches)).mappings().all()
    assert len(others) >= 2
    assert clusters == {None}
    assert {(one["item_id"], one["other_id"], one["relation"]) for one in matches} == {
        (ids["page"], other, "contains") for name, other in ids.items() if name != "page"
    }
