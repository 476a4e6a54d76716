"""What each source's last document showed: entries that were in it are not parsed again."""

import sqlalchemy as sa
from alembic import op

from aggregator.store import shown
from aggregator.store.tables import Id, Json, UTCTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shown",
        sa.Column("source_id", Id, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.Column("head", Json, nullable=True),
        sa.Column("touched_at", UTCTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_shown_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", name="pk_shown"),
    )
    for statement in shown.FORGETTING[op.get_bind().dialect.name]:
        op.execute(statement)
