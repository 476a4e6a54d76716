"""What is related to what: fingerprints by which near copies are found, both coverages and the rules' version of each match."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.tables import Id

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("whole_hash", sa.Text()))
    op.execute("UPDATE items SET whole_hash = text_hash")
    op.create_index("ix_items_whole_hash", "items", ["whole_hash"], unique=False)
    op.add_column("items", sa.Column("tokens", sa.Integer()))
    op.add_column("items", sa.Column("algo", sa.Integer()))
    # All that there are so far are pairs of equal texts, found by the rules before the first that have a number.
    for column in (
        sa.Column("coverage", sa.Float(), nullable=False, server_default=sa.text("1")),
        sa.Column("other_coverage", sa.Float(), nullable=False, server_default=sa.text("1")),
        sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("0")),
    ):
        op.add_column("matches", column)
    # Nothing has been written to it so far; SQLite keeps it in the order of its key alone.
    op.drop_table("fingerprints")
    op.create_table(
        "fingerprints",
        sa.Column("hash", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_fingerprints_item_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", "item_id", name="pk_fingerprints"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fingerprints_item_id", "fingerprints", ["item_id"], unique=False)
