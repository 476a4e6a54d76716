"""Texts that hold paragraphs which their source became known for after they were stored, and their correction. No revision: it is not the
article that changed; but a wall in the place of an article was one, and the article's return is another."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, exists, insert, select, update

from aggregator import markup, model
from aggregator.store import boilerplate, matches, neighbours, tables, tags, visits

_items, _paragraphs, _boilerplate, _revisions = tables.items, tables.paragraphs, tables.boilerplate, tables.revisions
_HELD = and_(
    _paragraphs.c.source_id == _boilerplate.c.source_id,
    _paragraphs.c.hash == _boilerplate.c.hash,
    _paragraphs.c.cut.is_(False),
)

# Built once: to put a statement together takes longer than to run it.
_CORRECT = (
    update(_items)
    .where(_items.c.id == bindparam("of"), _items.c.text_hash == bindparam("old"))
    .values(
        text=bindparam("to_text"),
        text_hash=bindparam("to_hash"),
        whole_hash=bindparam("to_whole"),
        word_count=bindparam("to_words"),
        boilerplate=bindparam("to_boilerplate"),
        html=bindparam("to_html"),
        changed_at=bindparam("now", type_=_items.c.changed_at.type),
    )
)
_TURNED = (
    update(_items)
    .where(_items.c.id == bindparam("of"))
    .values(
        state=bindparam("to_state"),
        state_reason=bindparam("to_reason"),
        extractor=bindparam("to_extractor"),
        attempts=1,
        next_visit_at=bindparam("to_visit", type_=_items.c.next_visit_at.type),
    )
)
_LATEST = (
    update(_revisions)
    .where(_revisions.c.item_id == bindparam("of"), _revisions.c.text_hash == bindparam("old"))
    .values(text=bindparam("to_text"), text_hash=bindparam("to_hash"))
)


def due(conn: Connection, *, now: datetime, limit: int) -> tuple[model.Item, ...]:
    """Up to `limit` items in nobody's hands that are to be cut again."""
    held = (
        select(_paragraphs.c.item_id)
        .join_from(_boilerplate, _paragraphs, _HELD)
        .join(_items, _items.c.id == _paragraphs.c.item_id)
        .where(_boilerplate.c.cut_at.is_(None), tables.unclaimed(_items, now))
        .distinct()
        .order_by(_paragraphs.c.item_id)
        .limit(limit)
    )
    ids = list(conn.execute(held).scalars())
    if not ids:
        return ()
    rows = visits.rows(conn, ids)
    learned = boilerplate.learned(conn, {row["source_id"] for row in rows})
    earlier = _earlier(conn, {row["id"]: row["text_hash"] for row in rows})
    return tuple(replace(visits.item(row, learned), earlier=earlier.get(row["id"])) for row in rows)


def _earlier(conn: Connection, present: Mapping[int, str | None]) -> Mapping[int, tuple[str, str]]:
    """The title and the text of the last version of a page that is not the present one."""
    told = select(_revisions.c.item_id, _revisions.c.title, _revisions.c.text, _revisions.c.text_hash)
    told = told.where(_revisions.c.item_id.in_(present), _revisions.c.origin == "page", _revisions.c.text.is_not(None))
    return {
        row.item_id: (row.title, row.text)
        for row in conn.execute(told.order_by(_revisions.c.id))
        if row.text_hash != present[row.item_id]
    }


def write(conn: Connection, recuts: Sequence[model.Recut], now: datetime) -> int:
    """Correct the texts that are still what was cut, with their tags and clusters; returns how many."""
    matches.expect(conn, [one.item.id for one in recuts])
    free = select(_items.c.id).where(_items.c.id.in_([one.item.id for one in recuts]), tables.unclaimed(_items, now))
    ids = set(conn.execute(free.order_by(_items.c.id).with_for_update(key_share=True)).scalars())
    ours = [one for one in recuts if one.item.id in ids]
    # In the order of those who write visits: first the items, then the turns.
    boilerplate.take_turns(conn, {one.item.source_id for one in recuts})
    tags.know(conn, [tag for one in ours for tag in one.draft.tags], now)
    corrected = [one for one in ours if _correct(conn, one, now)]
    _done(conn, ours, now)
    matches.place(conn, [_arrival(one, now) for one in corrected], anew={one.item.id for one in corrected})
    return len(corrected)


def _correct(conn: Connection, one: model.Recut, now: datetime) -> bool:
    item, draft = one.item, one.draft
    if draft.text == item.text:
        return False
    values = {"of": item.id, "old": item.text_hash, "to_text": draft.text, "to_hash": draft.text_hash}
    told = {
        "to_whole": draft.whole_hash,
        "to_words": draft.word_count,
        "to_boilerplate": draft.boilerplate,
        "to_html": draft.html,
        "now": now,
    }
    if not conn.execute(_CORRECT, values | told).rowcount:
        return False
    if draft.title is None:
        # The version that is shown in the item's history is the one that the item has.
        conn.execute(_LATEST, values)
    else:
        _go_back(conn, item, draft.title, draft, now)
    tags.write(conn, {item.id: draft.tags})
    if draft.state != item.state or draft.failure:
        visit = one.due.at if one.due else None
        turned = {
            "to_state": draft.state,
            "to_reason": draft.reason,
            "to_extractor": draft.extractor,
            "to_visit": visit,
        }
        conn.execute(_TURNED, {"of": item.id, **turned})
    return True


def _go_back(conn: Connection, item: model.Item, title: str, draft: model.Draft, now: datetime) -> None:
    """The wall was a version, and this is another one: the one before it once more."""
    conn.execute(update(_items).where(_items.c.id == item.id).values(title=title))
    added, removed = markup.changed_words(f"{item.title}\n{item.text}", f"{title}\n{draft.text}")
    told = {"origin": "page", "what": "text" if title == item.title else "title, text", "summary": item.summary}
    words = {"title": title, "text": draft.text, "text_hash": draft.text_hash, "added": added, "removed": removed}
    conn.execute(insert(_revisions).values({"item_id": item.id, "at": now, **told, **words}))


def _arrival(one: model.Recut, now: datetime) -> neighbours.Arrival:
    settled = one.draft.state in model.SETTLED
    return neighbours.Arrival(
        item_id=one.item.id,
        source_id=one.item.source_id,
        at=now,
        title=one.item.title,
        text_hash=one.draft.whole_hash if settled else None,
        fingerprint=one.draft.fingerprint,
    )


def _done(conn: Connection, recuts: Sequence[model.Recut], now: datetime) -> None:
    """Take off the list what was cut, and close the paragraphs of these sources that no text holds any more."""
    for one in recuts:
        its = _paragraphs.c.item_id == one.item.id, _paragraphs.c.hash.in_(one.item.learned)
        conn.execute(update(_paragraphs).where(*its).values(cut=True))
    theirs = _boilerplate.c.source_id.in_({one.item.source_id for one in recuts})
    closing = update(_boilerplate).where(theirs, _boilerplate.c.cut_at.is_(None), ~exists().where(_HELD))
    conn.execute(closing.values(cut_at=now))
