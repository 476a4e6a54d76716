"""The further addresses of items, which they are found by too; those at which they are now, other than at first, are filled in."""

from collections import Counter

import sqlalchemy as sa
from alembic import op

from aggregator.feed import identity
from aggregator.store.tables import Id, UTCTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BATCH = 2_000

_items = sa.table("items", *(sa.column(name) for name in ("id", "url", "url_key")), sa.column("changed_at", UTCTime()))


def upgrade() -> None:
    further = op.create_table(
        "item_urls",
        sa.Column("url_key", sa.Text(), nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("first_seen_at", UTCTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_item_urls_item_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("url_key", "item_id", name="pk_item_urls"),
    )
    op.create_index("ix_item_urls_item_id", "item_urls", ["item_id"], unique=False)
    moved, shared = _moved()
    times = Counter(row["url_key"] for row in moved)
    # An address of several items names none of them, nor does one that was given to an entry among others.
    rows = [row for row in moved if times[row["url_key"]] == 1 and row["url_key"] not in shared]
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        held = _at_home({str(row["url_key"]) for row in part})
        if mine := [row for row in part if row["url_key"] not in held]:
            op.bulk_insert(further, mine)


def _moved() -> tuple[list[dict[str, object]], set[str]]:
    """The items whose address is not that of their key, and the addresses that entries share. Nobody knows since when: at the latest
    since they last changed."""
    bind, last = op.get_bind(), 0
    moved: list[dict[str, object]] = []
    shared: set[str] = set()
    some = sa.select(_items).where(_items.c.id > sa.bindparam("last"), _items.c.url.is_not(None))
    while rows := bind.execute(some.order_by(_items.c.id).limit(_BATCH), {"last": last}).all():
        last = rows[-1].id
        for row in rows:
            key = identity.url_key(row.url)
            if row.url_key.startswith(f"{key}#"):
                shared.add(key)
            elif key != row.url_key and not identity.is_front_page(key):
                at = {"url": row.url, "first_seen_at": row.changed_at}
                moved.append({"url_key": key, "item_id": row.id} | at)
    return moved, shared


def _at_home(keys: set[str]) -> set[str]:
    """Those of these keys whose items are still at their first address."""
    held = sa.select(_items.c.url_key, _items.c.url).where(_items.c.url_key.in_(keys))
    return {row.url_key for row in op.get_bind().execute(held) if identity.url_key(row.url or "") == row.url_key}
