"""Whether a paragraph stands at the beginning or end of its article: long ones inside are rather background than boilerplate."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("paragraphs", sa.Column("edge", sa.Boolean(), nullable=False, server_default=sa.false()))
