"""Why an entry is an item, what an edit changed, the publisher's last update; and the address keys of the items by today's rules."""

import re

import sqlalchemy as sa
from alembic import op

from aggregator.feed import identity
from aggregator.store.tables import UTCTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BATCH = 2_000
_WAITING = "recomputed:"
# An entry that shares its address with others is known by this behind its key.
_OWN = re.compile(r"#[0-9a-f]{32}$")

_items = sa.table("items", sa.column("id", sa.Integer), sa.column("url", sa.Text), sa.column("url_key", sa.Text))
_sightings = sa.table("sightings", sa.column("item_id", sa.Integer), sa.column("note", sa.Text))


def upgrade() -> None:
    for table, columns in (
        ("items", (sa.Column("updated_at", UTCTime()), sa.Column("updated_raw", sa.Text()))),
        ("sightings", (sa.Column("matched_by", sa.Text()), sa.Column("note", sa.Text()))),
        ("revisions", tuple(sa.Column(name, sa.Text()) for name in ("what", "content", "version_hash"))),
    ):
        for column in columns:
            op.add_column(table, column)
    _set_aside()
    _rekey()
    # It holds keys too, as 32 bits each: the next documents are read as a whole.
    op.execute("DELETE FROM shown")


def _set_aside() -> None:
    """Keys that change make room first: an item's new key may be another's old one."""
    bind, last = op.get_bind(), 0
    some = sa.select(_items).where(_items.c.id > sa.bindparam("last"), _items.c.url.is_not(None))
    while rows := bind.execute(some.order_by(_items.c.id).limit(_BATCH), {"last": last}).all():
        last = rows[-1].id
        changed = [
            {"of": row.id, "key": f"{_WAITING}{row.id}:{key}"} for row in rows if (key := _key(row)) != row.url_key
        ]
        _write(changed)


def _rekey() -> None:
    """The new keys. Where another item has it already nothing is thrown away: the later one keeps a key of its own and says so."""
    bind, last = op.get_bind(), 0
    waiting = sa.select(_items).where(_items.c.id > sa.bindparam("last"), _items.c.url_key.like(f"{_WAITING}%"))
    while rows := bind.execute(waiting.order_by(_items.c.id).limit(_BATCH), {"last": last}).all():
        last = rows[-1].id
        wanted = {row.id: row.url_key.split(":", 2)[2] for row in rows}
        held = sa.select(_items.c.url_key, _items.c.id).where(_items.c.url_key.in_(set(wanted.values())))
        holders: dict[str, int] = {row.url_key: row.id for row in bind.execute(held)}
        keys, notes = [], []
        for item_id, key in wanted.items():
            if (holder := holders.setdefault(key, item_id)) == item_id:
                keys.append({"of": item_id, "key": key})
                continue
            keys.append({"of": item_id, "key": f"{key}#item-{item_id}"})
            notes.append(
                {"of": item_id, "said": f"stored twice by an older version: the address is that of item {holder}"}
            )
        _write(keys)
        if notes:
            noted = sa.update(_sightings).where(_sightings.c.item_id == sa.bindparam("of"))
            bind.execute(noted.values(note=sa.bindparam("said")), notes)


def _key(row: sa.Row[tuple[int, str, str]]) -> str:
    own = _OWN.search(row.url_key)
    return identity.url_key(row.url) + (own[0] if own else "")


def _write(keys: list[dict[str, object]]) -> None:
    if keys:
        changed = sa.update(_items).where(_items.c.id == sa.bindparam("of")).values(url_key=sa.bindparam("key"))
        op.get_bind().execute(changed, keys)
