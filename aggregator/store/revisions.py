"""The versions of items: which edits are one, and writing them down with what they changed."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, insert, select, update

from aggregator import markup, model
from aggregator.feed import edits
from aggregator.store import changes, pages, tables

_items, _sightings, _revisions = tables.items, tables.sightings, tables.revisions


def judge(conn: Connection, decision: model.Decision, now: datetime) -> model.Decision:
    """`decision` with what is to be left alone of its edits, and with the new dates that the publisher gave the others."""
    ids = [seen.item.id for seen in decision.seen if seen.what or seen.readdressed]
    if not ids:
        return decision
    past, dates = _past(conn, ids), _dates(conn, ids)
    judged = []
    for seen in decision.seen:
        if seen.what or seen.readdressed:
            redated = _redated(seen.entry, *dates[seen.item.id])
            versions = past.get(seen.item.id, ())
            alone = edits.left_alone(seen, versions, now, redated=redated is not None) if seen.what else None
            judged.append(replace(seen, alone=alone, redated=redated))
        else:
            judged.append(seen)
    return replace(decision, seen=tuple(judged))


def _past(conn: Connection, ids: Sequence[int]) -> Mapping[int, Sequence[edits.Past]]:
    told = select(_revisions.c.item_id, _revisions.c.at, _revisions.c.version_hash)
    of_feed = and_(
        _revisions.c.item_id.in_(ids), (_revisions.c.origin == "feed") | _revisions.c.version_hash.is_not(None)
    )
    found: dict[int, list[edits.Past]] = {}
    for row in conn.execute(told.where(of_feed).order_by(_revisions.c.id)):
        found.setdefault(row.item_id, []).append(edits.Past(version=row.version_hash, at=row.at))
    return found


def _dates(conn: Connection, ids: Sequence[int]) -> Mapping[int, tuple[datetime, datetime | None]]:
    rows = conn.execute(select(_items.c.id, _items.c.published_at, _items.c.updated_at).where(_items.c.id.in_(ids)))
    return {row.id: (row.published_at, row.updated_at) for row in rows}


def _redated(
    entry: model.Entry, published_at: datetime, updated_at: datetime | None
) -> tuple[datetime, str | None] | None:
    """The publisher's new date, with its words: the first date of publication stays, whichever of the two was moved."""
    told = ((entry.updated_at, entry.updated_raw), (entry.published_at, entry.published_raw))
    newest = max(((at, raw) for at, raw in told if at is not None), key=lambda one: one[0], default=None)
    return newest if newest and newest[0] > (updated_at or published_at) else None


def write(conn: Connection, seen: Sequence[model.SeenItem], now: datetime) -> None:
    """A revision for each of these edits, and a word to those who follow the changes."""
    if not seen:
        return
    ids = [one.item.id for one in seen]
    keep_originals(conn, ids)
    texts = conn.execute(select(_items.c.id, _items.c.text, _items.c.text_hash).where(_items.c.id.in_(ids))).all()
    text_of = {row.id: (row.text, row.text_hash) for row in texts}
    conn.execute(insert(_revisions), [_revision(one, *text_of[one.item.id], now) for one in seen])
    retitled = {one.item.id for one in seen if "title" in one.what}
    changes.tell(conn, "title", [item_id for item_id in ids if item_id in retitled], now)
    changes.tell(conn, "text", [item_id for item_id in ids if item_id not in retitled], now)


def _revision(seen: model.SeenItem, text: str | None, text_hash: str | None, now: datetime) -> dict[str, Any]:
    entry = seen.entry
    added, removed = markup.changed_words(*edits.words(seen))
    told = {"title": entry.title, "summary": entry.summary, "text": text, "text_hash": text_hash}
    of_feed = {
        "what": ", ".join(seen.what),
        "content": entry.content if "content" in seen.what else None,
        "version_hash": edits.version(entry.title, entry.summary, entry.content),
    }
    return {"item_id": seen.item.id, "at": now, "origin": "feed", "added": added, "removed": removed, **told, **of_feed}


def keep_originals(conn: Connection, item_ids: Sequence[int]) -> None:
    """Before an item's first change: its first version becomes a revision too, so that its history is whole.
    Items that never change have none and cost nothing."""
    unrevised = select(_items).where(
        _items.c.id.in_(item_ids), ~select(_revisions.c.id).where(_revisions.c.item_id == _items.c.id).exists()
    )
    rows = conn.execute(unrevised).mappings().all()
    if rows:
        conn.execute(insert(_revisions), [_original(row) for row in rows])


def _original(row: RowMapping) -> dict[str, Any]:
    origin = "page" if row["extractor"] and row["extractor"] != "feed" else "feed"
    told = {key: row[key] for key in ("title", "summary", "text", "text_hash", "content")}
    version = edits.version(row["title"], row["summary"], row["content"])
    first = {"at": row["first_seen_at"], "origin": origin, "added": 0, "removed": 0, "what": "first"}
    return {"item_id": row["id"], "version_hash": version, **first, **told}


def follow(conn: Connection, source_id: int, seen: Sequence[model.SeenItem], now: datetime) -> None:
    """The items say what their feed says, without a version, a word or a visit for it; once, the sighting says why."""
    if not seen:
        return
    shown = ("title", "summary", "content")
    rows = [{"of": one.item.id, **{f"new_{key}": getattr(one.entry, key) for key in shown}} for one in seen]
    words: dict[str, Any] = {key: bindparam(f"new_{key}") for key in shown}
    conn.execute(update(_items).where(_items.c.id == bindparam("of")).values(words), rows)
    notes = [
        {"of": one.item.id, "said": f"{one.alone}, since {now:%Y-%m-%d %H:%M} UTC: such edits are left alone"}
        for one in seen
    ]
    mine = and_(
        _sightings.c.item_id == bindparam("of"), _sightings.c.source_id == source_id, _sightings.c.note.is_(None)
    )
    conn.execute(update(_sightings).where(mine).values(note=bindparam("said")), notes)


# ----------------------------------------------------------------------------------------------------------- of pages


@dataclass(frozen=True, slots=True)
class Judged:
    """What a visit's text is: a version of its own (`revised`), or one that is left `alone`, and why that is worth saying; the `title`
    that the page has given the article since; and what those who follow the changes are `told` of, `text` or `title`."""

    revised: bool = False
    title: str | None = None
    alone: bool = False
    said: str | None = None
    told: str | None = None


def of_visit(conn: Connection, visit: model.Visit, draft: model.Draft) -> Judged:
    """A revision, if the item had a text from the same kind of place and it now has other words or its page another title; of a copy that is
    read anew, whatever place it was from."""
    item = visit.item
    origin, before = _origin(draft.extractor), _origin(item.extractor)
    comparable = (
        item.state in model.SETTLED and visit.state in model.SETTLED and item.extractor is not None and origin == before
    )
    if visit.reread:
        comparable, origin = item.extractor is not None, "reextract"
    title = _new_title(conn, visit, draft) if comparable and origin == "page" else None
    # What is cut from now on is no change of the article.
    old, old_hash = (item.text, item.text_hash) if draft.before_hash is None else (draft.before, draft.before_hash)
    if draft.text_hash == old_hash or not comparable:
        new = item.state not in model.SETTLED if visit.reread else item.state == model.ItemState.PENDING
        judged = _retitled(conn, visit, title)
        return replace(judged, told="text") if new and visit.state in model.SETTLED else judged
    if origin == "reextract" and edits.page_version(old or "") == edits.page_version(draft.text):
        return Judged()
    if origin == "page":
        said = edits.page_left_alone(old or "", draft.text, _past_of_page(conn, item, visit.at), visit.at)
        if said is not None:
            return replace(_retitled(conn, visit, title), alone=True, said=said or None)
    if origin == "page" and _read_anew(conn, visit, draft):
        origin = "reextract"
    keep_originals(conn, [item.id])
    text = {"text": draft.text, "text_hash": draft.text_hash}
    if origin == "feed" and (version := _same_edit(conn, item)) is not None:
        conn.execute(update(_revisions).where(_revisions.c.id == version).values(text))
    else:
        renamed = {"what": "title, text", "title": title} if title else {"what": "text"}
        words = f"{item.title}\n{old or ''}", f"{title or item.title}\n{draft.text}"
        _add(conn, visit, words, {"origin": origin, **renamed, **text})
    return Judged(revised=True, title=title, told="text" if title is None else "title")


def _new_title(conn: Connection, visit: model.Visit, draft: model.Draft) -> str | None:
    """The title that the page has now, where it had another one when this engine looked last; not if it has two in turn."""
    item = visit.item
    if not draft.title or not item.page_title or draft.extractor != item.extractor:
        return None
    new = edits.steady(draft.title)
    if new in (edits.steady(item.page_title), edits.steady(item.title)):
        return None
    mine = (_revisions.c.item_id == item.id) & (_revisions.c.at >= visit.at - edits.MEMORY)
    told = conn.execute(select(_revisions.c.title).where(mine).order_by(_revisions.c.id)).scalars()
    past = [one for one, _ in itertools.groupby(edits.steady(title) for title in told)]
    return None if new in past and len(set(past)) < len(past) else draft.title


def _retitled(conn: Connection, visit: model.Visit, title: str | None) -> Judged:
    """A version of which only the title is new, if it is."""
    item = visit.item
    if title is None:
        return Judged()
    keep_originals(conn, [item.id])
    told = {"origin": "page", "what": "title", "title": title, "text": item.text, "text_hash": item.text_hash}
    _add(conn, visit, (item.title, title), told)
    return Judged(revised=True, title=title, told="title")


def _add(conn: Connection, visit: model.Visit, words: tuple[str, str], told: Mapping[str, str | None]) -> None:
    """A version of which this is `told`, with how many of its words are new; a title that it has not got is the item's."""
    added, removed = markup.changed_words(*words)
    same = {"item_id": visit.item.id, "at": visit.at, "title": visit.item.title, "summary": visit.item.summary}
    conn.execute(insert(_revisions).values(same | {"added": added, "removed": removed, **told}))


def _read_anew(conn: Connection, visit: model.Visit, draft: model.Draft) -> bool:
    """Whether the page is as it was, so that other words are the doing of another version of the engine."""
    page, item = visit.page, visit.item
    return draft.extractor != item.extractor and page is not None and pages.known(conn, item.id, page.sha256)


def _past_of_page(conn: Connection, item: model.Item, now: datetime) -> Sequence[edits.Past]:
    """The texts that the page has had, the present one last; of an item that never changed it is the only one."""
    mine = (_revisions.c.item_id == item.id) & (_revisions.c.origin != "feed") & _revisions.c.text.is_not(None)
    rows = conn.execute(select(_revisions.c.text, _revisions.c.at).where(mine).order_by(_revisions.c.id)).all()
    past = [edits.Past(version=edits.page_version(row.text), at=row.at) for row in rows]
    return past or [edits.Past(version=edits.page_version(item.text or ""), at=now)]


def _same_edit(conn: Connection, item: model.Item) -> int | None:
    """The last revision, if it is the edit of the feed's content that this text was made of."""
    last = select(_revisions).where(_revisions.c.item_id == item.id).order_by(_revisions.c.id.desc()).limit(1)
    row = conn.execute(last).mappings().one()
    same = row["what"] != "first" and row["content"] == item.content and row["text_hash"] == item.text_hash
    return int(row["id"]) if same else None


def _origin(extractor: str | None) -> str:
    return "feed" if extractor == "feed" else "page"
