"""What was cut from an article is remembered with the rest of it: whether articles are versions of each other must not depend on it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("paragraphs", sa.Column("cut", sa.Boolean(), nullable=False, server_default=sa.false()))
