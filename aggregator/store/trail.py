"""Everything the corpus knows of one item, and the newest items: what `show` and the page print."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, or_, select

from aggregator import errors
from aggregator.store import addresses, tables

_items, _sources = tables.items, tables.sources

_FEED_ITEMS = tables.view(
    "feed_items",
    "id title date categories tags keywords description external_url source_feed feed_category authors published_categories "
    "language image body body_html feed_html word_count state state_reason extractor date_raw date_source first_seen_at last_seen_at "
    "changed_at next_visit_at discovered_by sightings revisions cluster_id",
    **dict.fromkeys(("date", "first_seen_at", "last_seen_at", "changed_at", "next_visit_at"), tables.UTCTime),
    **dict.fromkeys(("categories", "tags", "keywords", "authors", "published_categories"), tables.Json),
)


_COPIES = tables.view(
    "copies",
    "first_id first_source first_url second_id second_source second_url hours_later relation kept taken",
)


def find(conn: Connection, reference: str) -> int:
    """The item with this id, or with this address, now or before, but for what does not name the article. Raises NotFoundError."""
    found: int | None
    if reference.isdigit() and len(reference) < 19:
        found = conn.execute(select(_items.c.id).where(_items.c.id == int(reference))).scalar()
    else:
        found = addresses.find(conn, reference)
    if found is None:
        kind = "id" if reference.isdigit() else "address"
        raise errors.NotFoundError(f"no item has the {kind} {reference}")
    return found


def item(conn: Connection, item_id: int) -> RowMapping:
    """The row of `feed_items`."""
    return conn.execute(select(_FEED_ITEMS).where(_FEED_ITEMS.c.id == item_id)).mappings().one()


def parts(conn: Connection, item_id: int) -> Mapping[str, Sequence[RowMapping]]:
    """What hangs on an item: `sightings`, `copies` (the other members of its cluster), `related` (the rows of the view `copies`),
    `revisions`, `tags`, `enclosures`, `addresses` (the further ones)."""
    seen, tags, kept, further = tables.sightings, tables.item_tags, tables.enclosures, tables.item_urls
    history = tables.revisions
    cluster = select(_items.c.cluster_id).where(_items.c.id == item_id).scalar_subquery()
    others = _items.c.cluster_id.is_not(None) & (_items.c.cluster_id == cluster) & (_items.c.id != item_id)
    told = (_items.c.id, _items.c.url, _items.c.title, _items.c.published_at, _sources.c.name.label("source"))
    wanted: Mapping[str, Select[Any]] = {
        "sightings": select(_sources.c.name.label("source"), seen.c.guid, seen.c.first_seen_at, seen.c.last_seen_at)
        .join_from(seen, _sources)
        .where(seen.c.item_id == item_id)
        .order_by(seen.c.first_seen_at, _sources.c.id),
        "copies": select(*told).join_from(_items, _sources).where(others).order_by(_items.c.published_at, _items.c.id),
        "related": select(_COPIES)
        .where(or_(_COPIES.c.first_id == item_id, _COPIES.c.second_id == item_id))
        .order_by(_COPIES.c.first_id, _COPIES.c.second_id),
        "revisions": select(history.c.at, history.c.origin, history.c.title, history.c.added, history.c.removed)
        .where(history.c.item_id == item_id)
        .order_by(history.c.at, history.c.id),
        "tags": select(tags.c.kind, tags.c.tag, tags.c.origin, tags.c.score)
        .where(tags.c.item_id == item_id)
        .order_by(tags.c.kind, tags.c.score.desc(), tags.c.tag),
        "enclosures": select(kept.c.url, kept.c.type, kept.c.length)
        .where(kept.c.item_id == item_id)
        .order_by(kept.c.position),
        "addresses": select(further.c.url, further.c.first_seen_at)
        .where(further.c.item_id == item_id)
        .order_by(further.c.first_seen_at, further.c.url_key),
    }
    return {name: conn.execute(select).mappings().all() for name, select in wanted.items()}


def latest(conn: Connection, limit: int = 30) -> Sequence[RowMapping]:
    """The items first seen last."""
    told = (_items.c.id, _items.c.title, _items.c.url, _items.c.published_at, _items.c.state, _items.c.word_count)
    newest = select(*told, _sources.c.name.label("source")).join_from(_items, _sources)
    return conn.execute(newest.order_by(_items.c.id.desc()).limit(limit)).mappings().all()
