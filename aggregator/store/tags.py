"""The vocabulary of tags and the tags of items."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, Delete, delete, select, update

from aggregator import model
from aggregator.store import statements, tables

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
        statements.add(conn, _tags, new, anew=True)
    for tag, name in labels.items():
        if tag in known and known[tag] != name:
            conn.execute(update(_tags).where(_tags.c.kind == "topic", _tags.c.tag == tag).values(label=name))


def unknown(conn: Connection, tags: Sequence[model.Tag]) -> list[model.Tag]:
    """Those of these words that are not part of the vocabulary."""
    kinds = {tag.kind for tag in tags}
    if not kinds:
        return []
    words = statements.among(conn, _tags.c.tag, {tag.tag for tag in tags})
    known = conn.execute(select(_tags.c.kind, _tags.c.tag).where(statements.among(conn, _tags.c.kind, kinds), words))
    there = {(row.kind, row.tag) for row in known}
    return [tag for tag in tags if (tag.kind, tag.tag) not in there]


def know(conn: Connection, tags: Iterable[model.Tag], now: datetime) -> None:
    """Make these words part of the vocabulary, all those of a transaction at once: in one order, so that two writers that meet wait for each
    other in one direction only."""
    words = sorted({(tag.kind, tag.tag) for tag in tags})
    if words:
        statements.add(conn, _tags, [{"kind": kind, "tag": tag, "added_at": now} for kind, tag in words], anew=True)


def write(conn: Connection, of: Mapping[int, Sequence[model.Tag]]) -> None:
    """Make these tags, which are part of the vocabulary, the tags `of` each of these items."""
    if not of:
        return
    conn.execute(_forgetting(conn.dialect.name), {"items": statements.listing(conn, of)})
    rows = [
        {"item_id": item_id, "kind": tag.kind, "tag": tag.tag, "origin": tag.origin, "score": tag.score}
        for item_id, tags in of.items()
        for tag in tags
    ]
    if rows:
        statements.add(conn, _item_tags, rows, anew=True)


@lru_cache
def _forgetting(dialect: str) -> Delete:
    return delete(_item_tags).where(statements.listed(dialect, _item_tags.c.item_id, "items"))
