"""The paragraphs that a source puts into many of its articles: remembering what its articles consist of, and what recurs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, Select, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from aggregator import boilerplate, model
from aggregator.store import statements, tables

_paragraphs, _boilerplate = tables.paragraphs, tables.boilerplate

# What recurs does so within this time.
_REMEMBERED = timedelta(days=90)

# Any number: it tells these locks from others.
_LOCK_SPACE = 1_946_812
# Built once: to put a statement together takes longer than to run it.
# In the order in which they are given: `unnest` keeps it.
_SOURCES = func.unnest(bindparam("sources", type_=ARRAY(Integer))).column_valued("source")
_LOCK = select(func.pg_advisory_xact_lock(bindparam("space", type_=Integer), _SOURCES))
_HELD = _paragraphs.c.source_id == bindparam("source"), _paragraphs.c.hash.in_(bindparam("hashes", expanding=True))
# Those that came last are enough to tell: ten different ones are asked for at most.
_HOLDERS = select(_paragraphs.c.item_id).where(*_HELD).distinct().order_by(_paragraphs.c.item_id.desc()).limit(50)
_CONSIST = select(_paragraphs.c.item_id, _paragraphs.c.hash, _paragraphs.c.edge).where(
    _paragraphs.c.item_id.in_(_HOLDERS)
)
# Rows are looked at in the order of their hashes, which is none: of a source with more of them, these are of more articles than count.
_SAMPLE = 16 * boilerplate.COUNTED
_SOME = (
    select(_paragraphs.c.item_id)
    .where(_paragraphs.c.source_id == bindparam("source"))
    .order_by(_paragraphs.c.hash)
    .limit(_SAMPLE)
    .subquery()
)
# Of a document that is read article by article all count from the first one on, or it would depend on their order what is rare.
_ARTICLES = select(
    select(func.count())
    .select_from(select(_SOME.c.item_id).distinct().limit(boilerplate.COUNTED).subquery())
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
    for row in conn.execute(_LEARNED, {"sources": list(source_ids)}) if source_ids else ():
        found.setdefault(row.source_id, set()).add(row.hash)
    return {source: frozenset(hashes) for source, hashes in found.items()}


_LEARNED = select(_boilerplate.c.source_id, _boilerplate.c.hash).where(
    _boilerplate.c.source_id.in_(bindparam("sources", expanding=True))
)


def take_turns(conn: Connection, source_ids: Iterable[int]) -> None:
    """Wait until no other writer is at work on the paragraphs of these sources, and keep others out until this transaction ends.

    Of two that learn neither would see what the other adds, and both would count too few; what is cut must not close a paragraph
    that another text is about to bring.
    """
    if conn.dialect.name == "postgresql":
        sources = sorted({source_id % 2**31 for source_id in source_ids})
        conn.execute(_LOCK, {"space": _LOCK_SPACE, "sources": sources})


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an item's text may teach, at a moment."""

    item: model.Item
    draft: model.Draft
    at: datetime


def learn(conn: Connection, lessons: Sequence[Lesson]) -> None:
    """Remember what these articles consist of, each of another source, and learn what recurs by now. The articles of one document teach the
    same in whatever order: what each consists of does not depend on what was cut from it, nor which of them are versions of one on which
    came last. Of more than one document, what is rare depends on it: once learned, a paragraph stays so. To be called in one's turn
    (`take_turns`)."""
    teaching = [one for one in lessons if one.draft.paragraphs and one.draft.state in model.SETTLED]
    if not teaching:
        return
    # Sorted, so that two writers that meet wait for each other in one direction only.
    statements.add(conn, _paragraphs, [row for one in teaching for row in _held(one)], anew=True)
    fresh = {
        one.item.source_id: [paragraph for paragraph in one.draft.paragraphs if paragraph not in one.item.learned]
        for one in teaching
    }
    for source, hashes in known(conn, fresh).items():
        # Learned between the draft and now: this text, too, is still to be cut.
        conn.execute(_REOPEN, {"source": source, "hashes": list(hashes)})
        fresh[source] = [paragraph for paragraph in fresh[source] if paragraph not in hashes]
    counts = _counts(conn, fresh, boilerplate.least(0))
    for one in teaching:
        source = one.item.source_id
        if source in counts:
            many = articles(conn, source)
            often = {
                paragraph: count for paragraph, count in counts[source].items() if count >= boilerplate.least(many)
            }
            _learn(conn, source, often, many, one.draft.paragraphs, one.at)


def _held(lesson: Lesson) -> list[dict[str, Any]]:
    """The rows of an article's paragraphs."""
    item, paragraphs = lesson.item, lesson.draft.paragraphs
    edges = boilerplate.edges(paragraphs)
    same = {"item_id": item.id, "source_id": item.source_id, "at": lesson.at}
    return [
        {**same, "hash": paragraph, "cut": paragraph in item.learned, "edge": paragraph in edges}
        for paragraph in sorted(paragraphs)
    ]


def known(conn: Connection, hashes: Mapping[int, Iterable[int]]) -> Mapping[int, set[int]]:
    """Those of the hashes of each source that it is known for, of those sources that are known for any."""
    found: dict[int, set[int]] = {}
    for source, paragraph in conn.execute(_known(conn.dialect.name), _asking(conn, hashes)):
        found.setdefault(source, set()).add(paragraph)
    return found


@lru_cache
def _known(dialect: str) -> Select[Any]:
    asked = statements.asked(dialect, source=Integer, hash=BigInteger)
    theirs = (_boilerplate.c.source_id == asked.c.source) & (_boilerplate.c.hash == asked.c.hash)
    return select(_boilerplate.c.source_id, _boilerplate.c.hash).join_from(asked, _boilerplate, theirs)


def _asking(conn: Connection, hashes: Mapping[int, Iterable[int]]) -> Mapping[str, Any]:
    return statements.asking(
        conn, [{"source": source, "hash": one} for source, those in hashes.items() for one in those]
    )


def articles(conn: Connection, source_id: int) -> int:
    """How many articles of a source are remembered, or how many entries its document has, if those are more. All of them are not
    counted: from `boilerplate.COUNTED` on it makes no difference."""
    return max(size or 0 for size in conn.execute(_ARTICLES, {"source": source_id}).one())


def _learn(
    conn: Connection, source_id: int, often: Mapping[int, int], many: int, texts: Mapping[int, str], now: datetime
) -> None:
    """Learn those of these paragraphs, given with how often they are held, that enough different of so `many` articles have. What is
    learned may show that articles are different which shared it: what else these have is looked at again."""
    known = set(learned(conn, [source_id]).get(source_id, ()))
    least = boilerplate.least(many)
    while often:
        consist: dict[int, set[int]] = {}
        outer = set[tuple[int, int]]()
        for item_id, paragraph, edge in conn.execute(_CONSIST, {"source": source_id, "hashes": list(often)}):
            consist.setdefault(item_id, set()).add(paragraph)
            if edge:
                outer.add((item_id, paragraph))
        rows = {}
        for paragraph in sorted(often):
            holders = {item: held for item, held in consist.items() if paragraph in held}
            items = boilerplate.different(holders, known)
            if items < least or not (text := texts.get(paragraph) or _text(conn, holders, paragraph)):
                continue
            if boilerplate.may_be_background(text) and often[paragraph] < boilerplate.large(many):
                at_edge = {item: held for item, held in holders.items() if (item, paragraph) in outer}
                items = boilerplate.different(at_edge, known)
            if items >= least:
                told = {"hash": paragraph, "text": text, "items": items, "learned_at": now}
                rows[paragraph] = {"source_id": source_id, **told}
        if not rows:
            return
        statements.add(conn, _boilerplate, list(rows.values()), anew=True)
        known |= rows.keys()
        beside = set().union(*(held for held in consist.values() if not held.isdisjoint(rows))) - known
        often = _counts(conn, {source_id: beside}, least).get(source_id, {})


def _counts(conn: Connection, hashes: Mapping[int, Iterable[int]], least: int) -> Mapping[int, Mapping[int, int]]:
    """How many articles of each source have each of these paragraphs, of those that so many have."""
    found: dict[int, dict[int, int]] = {}
    for source, paragraph, count in conn.execute(
        _counting(conn.dialect.name), {**_asking(conn, hashes), "least": least}
    ):
        found.setdefault(source, {})[paragraph] = count
    return found


@lru_cache
def _counting(dialect: str) -> Select[Any]:
    asked = statements.asked(dialect, source=Integer, hash=BigInteger)
    theirs = (_paragraphs.c.source_id == asked.c.source) & (_paragraphs.c.hash == asked.c.hash)
    each = _paragraphs.c.source_id, _paragraphs.c.hash
    held = select(*each, func.count()).join_from(asked, _paragraphs, theirs).group_by(*each)
    return held.having(func.count() >= bindparam("least"))


def _text(conn: Connection, holders: Iterable[int], paragraph: int) -> str | None:
    """A paragraph as one of the articles has it."""
    texts = conn.execute(select(tables.items.c.text).where(tables.items.c.id.in_(list(holders)))).scalars()
    parts = (part for text in texts if text for part in boilerplate.paragraphs(text))
    return next((part for part in parts if boilerplate.hashed(part) == paragraph), None)


def forget(conn: Connection, now: datetime) -> int:
    """Drop what articles consisted of that are too old to teach anything; returns how many paragraphs that were."""
    old = delete(_paragraphs).where(_paragraphs.c.at < now - _REMEMBERED)
    return conn.execute(old).rowcount
