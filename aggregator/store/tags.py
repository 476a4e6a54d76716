"""The vocabulary of tags and the tags of items."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, delete, or_, select, update

from aggregator import model
from aggregator.store import items, tables

_tags, _item_tags = tables.tags, tables.item_tags


def label(conn: Connection, labels: Mapping[str, str], now: datetime) -> None:
    """Name the topics: `labels` maps tags to what people call them."""
    known = {
        row.tag: row.label for row in conn.execute(select(_tags.c.tag, _tags.c.label).where(_tags.c.kind == "topic"))
    }
    new = [
        {"kind": "topic", "tag": tag, "label": name, "added_at": now}
        for tag, name in labels.items()
        if tag not in known
    ]
    if new:
        conn.execute(items.insert_new(conn, _tags), new)
    for tag, name in labels.items():
        if tag in known and known[tag] != name:
            conn.execute(update(_tags).where(_tags.c.kind == "topic", _tags.c.tag == tag).values(label=name))


def write(conn: Connection, item_id: int, tags: Sequence[model.Tag], now: datetime) -> None:
    """Make `tags` the tags of an item."""
    conn.execute(delete(_item_tags).where(_item_tags.c.item_id == item_id))
    if not tags:
        return
    _add_words(conn, sorted({(tag.kind, tag.tag) for tag in tags}), now)
    rows = [
        {"item_id": item_id, "kind": tag.kind, "tag": tag.tag, "origin": tag.origin, "score": tag.score} for tag in tags
    ]
    conn.execute(items.insert_new(conn, _item_tags), rows)


def _add_words(conn: Connection, words: Sequence[tuple[str, str]], now: datetime) -> None:
    named = or_(*(and_(_tags.c.kind == kind, _tags.c.tag == tag) for kind, tag in words))
    known = {(row.kind, row.tag) for row in conn.execute(select(_tags.c.kind, _tags.c.tag).where(named))}
    if missing := [word for word in words if word not in known]:
        conn.execute(
            items.insert_new(conn, _tags), [{"kind": kind, "tag": tag, "added_at": now} for kind, tag in missing]
        )
