"""What is counted and dated stands in indexes: in a row it stands behind the texts, and takes as long to reach as they take to read."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_items_source_id_published_at", "items")
    op.create_index(
        "ix_items_source_id_published_at_discovered_by",
        "items",
        ["source_id", "published_at", "discovered_by"],
        unique=False,
    )
    op.create_index("ix_items_source_id_state", "items", ["source_id", "state"], unique=False)
    refused = sa.text("state NOT IN ('ok', 'pending')")
    op.create_index(
        "ix_items_refused",
        "items",
        ["state", "state_reason"],
        unique=False,
        sqlite_where=refused,
        postgresql_where=refused,
    )
