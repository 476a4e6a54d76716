"""Texts that several items of one host or source have under different titles, so that they are no articles: learned as whole texts of
their sources (the table `boilerplate`), by which drafts know them from then on. Those stored before are cut again (`recuts`)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update

from aggregator import announced, boilerplate, model
from aggregator.feed import identity
from aggregator.store import statements, tables

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
_KNOWN = select(_boilerplate.c.hash).where(
    _boilerplate.c.source_id == bindparam("source"), _boilerplate.c.hash == bindparam("hash")
)
_REOPEN = (
    update(_boilerplate)
    .where(
        _boilerplate.c.source_id.in_(bindparam("sources", expanding=True)), _boilerplate.c.hash == bindparam("whole")
    )
    .values(cut_at=None)
)


def learn(conn: Connection, item: model.Item, draft: model.Draft, now: datetime) -> None:
    """Notice that the text of a page is that of a wall, if it is. To be called in the source's turn (`boilerplate.take_turns`)."""
    if draft.state not in model.SETTLED or draft.extractor in (None, "feed") or draft.text_hash is None:
        return
    whole = boilerplate.hashed(draft.text)
    where = {"source": item.source_id, "host": identity.host_of(item.url)}
    others = conn.execute(_SAME, {**where, "of": item.id, "text_hash": draft.text_hash}).all()
    items = [(item.id, item.source_id, item.title or draft.title or ""), *map(tuple, others)]
    # Learned between the draft and now: this item, too, is still to be put right.
    known = conn.execute(_KNOWN, {"source": item.source_id, "hash": whole}).first()
    if known is None and not announced.is_wall(draft.text, [title for _, _, title in items]):
        return
    walled = [(item_id, source_id) for item_id, source_id, title in items if not announced.tells(draft.text, title)]
    if walled:
        _write(conn, walled, draft.text, whole, now)


def _write(conn: Connection, walled: Sequence[tuple[int, int]], text: str, whole: int, now: datetime) -> None:
    sources = sorted({source_id for _, source_id in walled})
    told: dict[str, Any] = {"hash": whole, "text": text, "items": len(walled), "learned_at": now}
    statements.add(conn, _boilerplate, [{"source_id": source_id, **told} for source_id in sources], anew=True)
    conn.execute(_REOPEN, {"sources": sources, "whole": whole})
    held = [
        {"item_id": item_id, "hash": whole, "source_id": source_id, "at": now} for item_id, source_id in sorted(walled)
    ]
    statements.add(conn, _paragraphs, held, anew=True)
