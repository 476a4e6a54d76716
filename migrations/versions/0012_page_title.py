"""What a page calls its article is kept, so that another headline is seen when it is looked at again."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("page_title", sa.Text(), nullable=True))
