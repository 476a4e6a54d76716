"""The paragraphs that a source puts into many of its articles: remembering what its articles consist of, and what recurs."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Integer, bindparam, delete, func, select, update

from aggregator import boilerplate, model
from aggregator.store import tables

_paragraphs, _boilerplate = tables.paragraphs, tables.boilerplate

# What recurs does so within this time.
_REMEMBERED = timedelta(days=90)

# Any number: it tells these locks from others.
_LOCK_SPACE = 1_946_812
# Built once: to put a statement together takes longer than to run it.
_LOCK = select(func.pg_advisory_xact_lock(bindparam("space", type_=Integer), bindparam("source", type_=Integer)))
_MINE = _paragraphs.c.source_id == bindparam("source"), _paragraphs.c.hash.in_(bindparam("hashes", expanding=True))
_OTHERS = select(_paragraphs.c.item_id, _paragraphs.c.hash).where(*_MINE, _paragraphs.c.item_id != bindparam("of"))
_SIZES = (
    select(_paragraphs.c.item_id, func.count())
    .where(_paragraphs.c.item_id.in_(bindparam("items", expanding=True)))
    .group_by(_paragraphs.c.item_id)
)
# Of a document that is read article by article all count from the first one on, or it would depend on their order what is rare.
_ARTICLES = select(
    select(func.count(_paragraphs.c.item_id.distinct()))
    .where(_paragraphs.c.source_id == bindparam("source"))
    .scalar_subquery(),
    select(tables.shown.c.size).where(tables.shown.c.source_id == bindparam("source")).scalar_subquery(),
)
_REOPEN = (
    update(_boilerplate)
    .where(
        _boilerplate.c.source_id == bindparam("source"),
        _boilerplate.c.hash.in_(bindparam("hashes", expanding=True)),
        _boilerplate.c.cut_at.is_not(None),
    )
    .values(cut_at=None)
)


def learned(conn: Connection, source_ids: Collection[int]) -> Mapping[int, frozenset[int]]:
    """The hashes of the paragraphs that each of these sources is known for."""
    found: dict[int, set[int]] = {}
    known = select(_boilerplate.c.source_id, _boilerplate.c.hash).where(_boilerplate.c.source_id.in_(source_ids))
    for row in conn.execute(known):
        found.setdefault(row.source_id, set()).add(row.hash)
    return {source: frozenset(hashes) for source, hashes in found.items()}


def take_turns(conn: Connection, source_ids: Iterable[int]) -> None:
    """Wait until no other writer is at work on the paragraphs of these sources, and keep others out until this transaction ends.

    Of two that learn neither would see what the other adds, and both would count too few; what is cut must not close a paragraph
    that another text is about to bring.
    """
    if conn.dialect.name == "postgresql":
        for source in sorted({source_id % 2**31 for source_id in source_ids}):
            conn.execute(_LOCK, {"space": _LOCK_SPACE, "source": source})


def learn(conn: Connection, item: model.Item, draft: model.Draft, now: datetime) -> None:
    """Remember what the article consists of, and learn what recurs by now. The articles of one document teach the same in whatever order;
    of more, what is rare depends on it: once learned, a paragraph stays so. To be called in one's turn (`take_turns`)."""
    if not draft.paragraphs or draft.state not in model.SETTLED:
        return
    # Sorted, so that two writers that meet wait for each other in one direction only.
    rows = [
        {"item_id": item.id, "hash": paragraph, "source_id": item.source_id, "at": now}
        for paragraph in sorted(draft.paragraphs)
    ]
    tables.add(conn, _paragraphs, rows, anew=True)
    mine = {"source": item.source_id, "hashes": draft.paragraphs}
    # Learned between the draft and now: this text, too, is still to be cut.
    conn.execute(_REOPEN, mine)
    others: dict[int, set[int]] = {}
    for row in conn.execute(_OTHERS, {**mine, "of": item.id}):
        others.setdefault(row.item_id, set()).add(row.hash)
    if len(others) < 2:
        return
    sizes = {row[0]: row[1] for row in conn.execute(_SIZES, {"items": sorted(others)})}
    remembered, shown = conn.execute(_ARTICLES, {"source": item.source_id}).one()
    articles = max(remembered, shown or 0)
    found = boilerplate.recurring(draft.paragraphs, others, sizes, articles)
    if found:
        _write(conn, item.source_id, draft.text, found, now)


def _write(conn: Connection, source_id: int, text: str, found: Mapping[int, int], now: datetime) -> None:
    lines = {boilerplate.hashed(line): line for line in boilerplate.paragraphs(text)}
    rows = [
        {
            "source_id": source_id,
            "hash": paragraph,
            "text": lines[paragraph],
            "items": found[paragraph],
            "learned_at": now,
        }
        for paragraph in sorted(found)
    ]
    tables.add(conn, _boilerplate, rows, anew=True)


def forget(conn: Connection, now: datetime) -> int:
    """Drop what articles consisted of that are too old to teach anything; returns how many paragraphs that were."""
    old = delete(_paragraphs).where(_paragraphs.c.at < now - _REMEMBERED)
    return conn.execute(old).rowcount
