"""Streams labelled texts through the drafts and the store, as feeds bring them, and says how many pairs were judged as their labels do:

python -m bench.duplicates [--database URL] [--shuffle SEED]
"""

import argparse
import gzip
import html
import importlib.util
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from aggregator import config, draft, harvest, model
from aggregator.dedup import placement
from aggregator.store import db, recuts, sources, tables, visits
from tests import make

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "dedup"
TAXONOMY = config.Taxonomy(version="1", topics=())
# What a harvester writes in one transaction at most.
TOGETHER = 16

Document = Mapping[str, Any]


def documents(folder: Path = SHARED) -> list[Document]:
    """The texts, in the order in which they are to arrive."""
    return [json.loads(line) for line in gzip.decompress((folder / "docs.jsonl.gz").read_bytes()).splitlines()]


def pairs(folder: Path = SHARED) -> list[dict[str, Any]]:
    """What is labelled."""
    return [json.loads(line) for line in (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]


def add(store: db.Store, arriving: Sequence[Document]) -> dict[str, int]:
    """Items that wait for their harvest, as polls leave them; returns their ids by those of the documents."""
    names = sorted({one["source"] or "unknown" for one in arriving})
    configured = [sources.Configured(name=name, url=f"https://f{n}.example/rss") for n, name in enumerate(names)]
    with store.begin() as conn:
        sources.sync(conn, configured, make.NOW)
        ids = {row.name: row.id for row in conn.execute(select(tables.sources.c.name, tables.sources.c.id))}
        rows = [
            {
                "id": number,
                "url": f"https://news.example/{one['id']}",
                "url_key": one["id"],
                "host": "",
                "source_id": ids[one["source"] or "unknown"],
                "title": one["title"] or "",
                "content": "".join(f"<p>{html.escape(line)}</p>" for line in one["text"].split("\n")),
                **{name: [] for name in ("authors", "categories")},
                **dict.fromkeys(("published_at", "first_seen_at", "last_seen_at", "changed_at"), make.NOW),
                "summary": "",
                "date_source": "published",
                "state": "pending",
            }
            for number, one in enumerate(arriving, 1)
        ]
        conn.execute(tables.items.insert(), rows)
    return {one["id"]: number for number, one in enumerate(arriving, 1)}


def harvested(store: db.Store, ids: Sequence[int]) -> None:
    """Harvest these items with `full_text: never`, all in one transaction."""
    with store.read() as conn:
        items = visits.claimed(conn, ids)
    made = [_visit(item) for item in items]
    harvest.settled(store, made)


def _visit(item: model.Item) -> model.Visit:
    found = draft.make(harvest.job(item, None, make.NOW), TAXONOMY)
    state = "feed_only" if found.word_count else "failed"
    return make.visit(item, found, state=state)


def recut(store: db.Store) -> None:
    """Cut again what holds paragraphs that its source became known for later, as the daemon does every minute."""
    while True:
        with store.read() as conn:
            due = recuts.due(conn, now=make.NOW, limit=25)
        if not due:
            return
        made = [
            model.Recut(item=item, draft=draft.recut(harvest.job(item, None, make.NOW), item, TAXONOMY)) for item in due
        ]
        with store.begin() as conn:
            recuts.write(conn, made, make.NOW)


def stream(store: db.Store, arriving: Sequence[Document]) -> dict[str, int]:
    """All of it; returns the ids of the items by those of the documents."""
    ids = add(store, arriving)
    waiting = list(ids.values())
    for start in range(0, len(waiting), TOGETHER):
        harvested(store, waiting[start : start + TOGETHER])
    recut(store)
    return ids


def predictions(store: db.Store, ids: Mapping[str, int], labelled: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the store says of each pair, as the scorer wants it."""
    with store.read() as conn:
        columns = select(tables.items.c.id, tables.items.c.cluster_id)
        clusters = {
            row.id: row.cluster_id for row in conn.execute(columns.where(tables.items.c.cluster_id.is_not(None)))
        }
        contains = select(tables.matches.c.item_id, tables.matches.c.other_id)
        parts = {(row[0], row[1]) for row in conn.execute(contains.where(tables.matches.c.relation == "contains"))}

    def said(one: Mapping[str, Any]) -> dict[str, Any]:
        a, b = ids[one["a"]], ids[one["b"]]
        if a in clusters and clusters[a] == clusters.get(b):
            return {"pred": "same"}
        if (a, b) in parts:
            return {"pred": "contains", "contained": one["b"]}
        return {"pred": "contains", "contained": one["a"]} if (b, a) in parts else {"pred": "different"}

    return [{"a": one["a"], "b": one["b"], **said(one)} for one in labelled]


def score(labelled: Sequence[Mapping[str, Any]], predicted: Sequence[Mapping[str, Any]], folder: Path = SHARED) -> Any:
    """The scorer that came with the labels."""
    spec = importlib.util.spec_from_file_location("dedup_score", folder / "score.py")
    assert spec is not None
    assert spec.loader is not None
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    return scorer.score(labelled, predicted)


@contextmanager
def comparisons() -> Iterator[list[int]]:
    """With how many texts each item is compared that is placed meanwhile."""
    found: list[int] = []
    place = placement.place

    def counting(newcomer: placement.Newcomer, around: placement.Neighbourhood) -> placement.Placed:
        placed = place(newcomer, around)
        found.append(len(placed.compared))
        return placed

    placement.place = counting
    try:
        yield found
    finally:
        placement.place = place


def spread(found: Sequence[int]) -> str:
    return f"{statistics.mean(found):.1f} on average, {sorted(found)[len(found) * 99 // 100]} at most for 99 of 100"


@contextmanager
def opened(url: str | None) -> Iterator[db.Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = db.Store(url or f"sqlite:///{folder}/corpus.db")
        try:
            store.upgrade()
            yield store
        finally:
            store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.duplicates")
    parser.add_argument("--database", metavar="URL", help="an empty database; a SQLite file of its own without it")
    parser.add_argument("--shuffle", type=int, metavar="SEED", help="let the texts arrive in another order")
    chosen = parser.parse_args()
    arriving, labelled, out = documents(), pairs(), Console()
    if chosen.shuffle is not None:
        random.Random(chosen.shuffle).shuffle(arriving)
    with opened(chosen.database) as store, comparisons() as compared:
        started = time.process_time()
        ids = stream(store, arriving)
        took = (time.process_time() - started) / len(arriving) * 1000
        found = score(labelled, predictions(store, ids, labelled))
        with store.read() as conn:
            rows = conn.execute(select(func.count()).select_from(tables.fingerprints)).scalar_one()
            related = conn.execute(select(func.count()).select_from(tables.matches)).scalar_one()
    relations = Table("relation", "pairs", "right")
    for name, (right, count) in found["relations"].items():
        relations.add_row(name, str(count), f"{right:.3f}")
    out.print(relations)
    for name in ("same", "contains", "different"):
        out.print(f"{name:10} precision {found[name]['p']:.4f}, recall {found[name]['r']:.4f}")
    out.print(f"macro F1 {found['macro_f1']:.4f}, false merges {found['false_merges']}")
    out.print(f"texts compared: {spread(compared)}")
    out.print(
        f"{rows / len(arriving):.1f} index rows an item, {related} matches, {took:.1f} ms CPU an item, drafts and SQL included"
    )


if __name__ == "__main__":
    main()
