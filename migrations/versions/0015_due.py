"""All by which the next visits are chosen is in the index of their times: a site with a thousand articles to read has them looked through
whenever another has a seat free. And the few items that somebody has are in one of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_items_next_visit_at", "items")
    waiting = sa.text("next_visit_at IS NOT NULL")
    op.create_index(
        "ix_items_due",
        "items",
        ["next_visit_at", "id", "host", "source_id", "lease_until"],
        unique=False,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    leased = sa.text("lease_until IS NOT NULL")
    op.create_index(
        "ix_items_leased", "items", ["lease_until"], unique=False, sqlite_where=leased, postgresql_where=leased
    )
