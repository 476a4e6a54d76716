"""Texts that several items of one host or source have under different titles, so that they are no articles: learned as whole texts of
their sources (the table `boilerplate`), by which drafts know them from then on. Those stored before are cut again (`recuts`)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, Text, bindparam, func, or_, select, update

from aggregator import announced, boilerplate, model
from aggregator.feed import identity
from aggregator.store import boilerplate as learned
from aggregator.store import statements, tables
from aggregator.store.boilerplate import Lesson

# An item, its source, and the title by which it went at first.
_Titled = tuple[int, int, str]

_items, _paragraphs, _boilerplate, _revisions = tables.items, tables.paragraphs, tables.boilerplate, tables.revisions

# So many tell a wall from an article, and are put right at once; of more the others are when they are visited next.
_LOOKED_AT = 50
# Built once: to put a statement together takes longer than to run it.
# A wall may have given an article its own title: it goes by the one that it had at first.
_titled = select(_revisions.c.title).where(_revisions.c.item_id == _items.c.id).order_by(_revisions.c.id).limit(1)
_SAME = (
    select(_items.c.id, _items.c.source_id, func.coalesce(_titled.scalar_subquery(), _items.c.title).label("title"))
    .where(
        _items.c.text_hash == bindparam("text_hash"),
        _items.c.id != bindparam("of"),
        _items.c.state.in_(model.SETTLED),
        _items.c.extractor != "feed",
        or_(_items.c.source_id == bindparam("source"), _items.c.host == bindparam("host")),
    )
    .order_by(_items.c.id)
    .limit(_LOOKED_AT)
)
_REOPEN = (
    update(_boilerplate)
    .where(
        _boilerplate.c.source_id.in_(bindparam("sources", expanding=True)), _boilerplate.c.hash == bindparam("whole")
    )
    .values(cut_at=None)
)


def alike(conn: Connection, lessons: Sequence[Lesson]) -> Mapping[int, Sequence[_Titled]]:
    """The pages of one's host or source that have the same text as each of these, of those that have any: by the item that is taught of."""
    teaching = [one for one in lessons if _may_be(one.draft)]
    if not teaching:
        return {}
    rows = [{"of": one.item.id, "text_hash": one.draft.text_hash} for one in teaching]
    shared = set(conn.execute(_sharing(conn.dialect.name), statements.asking(conn, rows)).scalars())
    found: dict[int, Sequence[_Titled]] = {}
    for one in teaching:
        if one.item.id in shared:
            where = {"source": one.item.source_id, "host": identity.host_of(one.item.url)}
            same = conn.execute(_SAME, {**where, "of": one.item.id, "text_hash": one.draft.text_hash})
            found[one.item.id] = [(row.id, row.source_id, row.title) for row in same]
    return found


def _may_be(draft: model.Draft) -> bool:
    return draft.state in model.SETTLED and draft.extractor not in (None, "feed") and draft.text_hash is not None


@lru_cache
def _sharing(dialect: str) -> Select[Any]:
    """Those whose text another item has: hardly any."""
    asked = statements.asked(dialect, of=BigInteger, text_hash=Text)
    other = select(_items.c.id).where(_items.c.text_hash == asked.c.text_hash, _items.c.id != asked.c.of)
    return select(asked.c.of).where(other.exists())


def learn(conn: Connection, lessons: Sequence[Lesson], others: Mapping[int, Sequence[_Titled]]) -> None:
    """Notice that the text of a page is that of a wall, if it is, with what is `alike`; no two of these have a source in common, nor others
    of one source. To be called in the sources' turns (`boilerplate.take_turns`)."""
    wholes = {one.item.id: boilerplate.hashed(one.draft.text) for one in lessons if _may_be(one.draft)}
    teaching = [one for one in lessons if one.item.id in wholes]
    if not teaching:
        return
    # Learned between the draft and now: this item, too, is still to be put right.
    known = learned.known(conn, {one.item.source_id: [wholes[one.item.id]] for one in teaching})
    for one in teaching:
        item, draft = one.item, one.draft
        items = [(item.id, item.source_id, item.title or draft.title or ""), *others.get(item.id, ())]
        if item.source_id not in known and not announced.is_wall(draft.text, [title for _, _, title in items]):
            continue
        walled = [(item_id, source_id) for item_id, source_id, title in items if not announced.tells(draft.text, title)]
        if walled:
            _write(conn, walled, draft.text, wholes[item.id], one.at)


def _write(conn: Connection, walled: Sequence[tuple[int, int]], text: str, whole: int, now: datetime) -> None:
    sources = sorted({source_id for _, source_id in walled})
    told: dict[str, Any] = {"hash": whole, "text": text, "items": len(walled), "learned_at": now}
    statements.add(conn, _boilerplate, [{"source_id": source_id, **told} for source_id in sources], anew=True)
    conn.execute(_REOPEN, {"sources": sources, "whole": whole})
    held = [
        {"item_id": item_id, "hash": whole, "source_id": source_id, "at": now} for item_id, source_id in sorted(walled)
    ]
    statements.add(conn, _paragraphs, held, anew=True)
