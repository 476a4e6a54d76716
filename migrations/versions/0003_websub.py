"""WebSub: where a source is pushed from, its subscriptions, and which rows of `polls` came by push."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.tables import Id, Json, UTCTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Columns that may be NULL, or have a constant default, are added without copying the table.
    op.add_column("sources", sa.Column("hubs", Json))
    op.add_column("sources", sa.Column("topic", sa.Text()))
    op.add_column("sources", sa.Column("pushed_by", sa.Text()))
    op.add_column("sources", sa.Column("pushed_until", UTCTime()))
    op.add_column("polls", sa.Column("origin", sa.Text(), nullable=False, server_default=sa.text("'poll'")))
    op.create_table(
        "subscriptions",
        sa.Column("id", Id, nullable=False),
        sa.Column("source_id", Id, nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("next_try_at", UTCTime()),
        sa.Column("requested_at", UTCTime()),
        sa.Column("base_url", sa.Text()),
        sa.Column("verified_at", UTCTime()),
        sa.Column("active_since", UTCTime()),
        sa.Column("lease_until", UTCTime()),
        sa.Column("pushes", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("refused", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("last_push_at", UTCTime()),
        sa.Column("push_hash", sa.Text()),
        sa.Column("waiting_at", UTCTime()),
        sa.Column("last_missed_at", UTCTime()),
        sa.Column("suspect_at", UTCTime()),
        sa.Column("added_at", UTCTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_subscriptions_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        sa.UniqueConstraint("token", name="uq_subscriptions_token"),
    )
    op.create_index("ix_subscriptions_source_id", "subscriptions", ["source_id"], unique=False)
    op.create_index("ix_subscriptions_next_try_at", "subscriptions", ["next_try_at"], unique=False)
    wanted = sa.text("state NOT IN ('ending', 'ended')")
    op.create_index(
        "ix_subscriptions_wanted",
        "subscriptions",
        ["source_id"],
        unique=True,
        sqlite_where=wanted,
        postgresql_where=wanted,
    )
