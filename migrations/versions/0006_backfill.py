"""How items were found, what became of gaps, and how far back each source was fetched."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.tables import Id, Json, UTCTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("discovered_by", sa.Text(), nullable=False, server_default=sa.text("'feed'")))
    op.add_column("shown", sa.Column("size", sa.Integer()))
    for column in (
        sa.Column("method", sa.Text()),
        sa.Column("pages", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("found", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("result", sa.Text()),
    ):
        op.add_column("gaps", column)
    # By then the documents that showed them are long gone, but an archive may still have what was between.
    op.execute("UPDATE gaps SET result = 'from before there was backfill: aggregator backfill NAME tries it'")
    op.create_table(
        "backfills",
        sa.Column("source_id", Id, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("since_at", UTCTime()),
        sa.Column("started_at", UTCTime(), nullable=False),
        sa.Column("trail", Json, nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("found", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("next_try_at", UTCTime()),
        sa.Column("result", sa.Text()),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", UTCTime()),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_backfills_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", name="pk_backfills"),
    )
    op.create_index("ix_backfills_next_try_at", "backfills", ["next_try_at"], unique=False)
