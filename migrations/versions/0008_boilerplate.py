"""Paragraphs that a source puts into many of its articles are learned, cut from texts and kept apart."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.tables import Id, UTCTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("boilerplate", sa.Text()))
    op.create_table(
        "paragraphs",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("hash", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_id", Id, nullable=False),
        sa.Column("at", UTCTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_paragraphs_item_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_paragraphs_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id", "hash", name="pk_paragraphs"),
    )
    op.create_index("ix_paragraphs_source_id_hash", "paragraphs", ["source_id", "hash"], unique=False)
    op.create_table(
        "boilerplate",
        sa.Column("source_id", Id, nullable=False),
        sa.Column("hash", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("learned_at", UTCTime(), nullable=False),
        sa.Column("cut_at", UTCTime()),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_boilerplate_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "hash", name="pk_boilerplate"),
    )
    op.create_index("ix_boilerplate_cut_at", "boilerplate", ["cut_at"], unique=False)
