"""The article as clean HTML, beside its text; the address that its page gives for its own."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("html", sa.Text()))
    op.add_column("items", sa.Column("canonical_url", sa.Text()))
    told = sa.text("canonical_url IS NOT NULL")
    op.create_index("ix_items_canonical_url", "items", ["canonical_url"], sqlite_where=told, postgresql_where=told)
