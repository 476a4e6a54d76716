"""Items with texts that are related to each other, and what became of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from aggregator import model
from aggregator.dedup import fingerprint
from aggregator.store import db, tables, visits
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
    with store.read() as conn:
        assert [row for row in conn.execute(select(tables.matches)) if row.item_id == row.other_id] == []
    assert all(members.count(cluster) > 1 and members[item_id - 1] == cluster for cluster, item_id in shown.items())
