"""Whether a source has been quiet for too long, and when its site was last searched for its lost feed."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.tables import UTCTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("health", sa.Text()),
        sa.Column("health_reason", sa.Text()),
        sa.Column("health_at", UTCTime()),
        sa.Column("sought_at", UTCTime()),
    ):
        op.add_column("sources", column)
