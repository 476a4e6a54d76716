"""What polling politely for years needs: the publisher's hints, redirects on their way to adoption, robots.txt and pauses of hosts."""

from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

from aggregator.store.tables import Id, Json, UTCTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sources") as sources:
        sources.add_column(sa.Column("host", sa.Text(), nullable=False, server_default=sa.text("''")))
        sources.add_column(sa.Column("hints", Json))
        sources.add_column(sa.Column("last_document_at", UTCTime()))
        sources.add_column(sa.Column("moved_to", sa.Text()))
        sources.add_column(sa.Column("moved_since", UTCTime()))
        sources.add_column(sa.Column("moved_sightings", sa.Integer(), nullable=False, server_default=sa.text("0")))
        sources.add_column(sa.Column("advice", sa.Text()))
    op.create_index("ix_sources_host", "sources", ["host"], unique=False)
    with op.batch_alter_table("hosts") as hosts:
        hosts.add_column(sa.Column("robots_error", sa.Text()))
        hosts.add_column(sa.Column("robots_since", UTCTime()))
        hosts.add_column(sa.Column("own_limits", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("changes", table_kwargs={"sqlite_autoincrement": True}) as changes:
        changes.alter_column("item_id", existing_type=Id, nullable=True)
        changes.add_column(sa.Column("source_id", Id, nullable=True))
        changes.add_column(sa.Column("detail", sa.Text()))
        changes.create_foreign_key("fk_changes_source_id", "sources", ["source_id"], ["id"], ondelete="CASCADE")
    _name_hosts()


def _name_hosts() -> None:
    sources = sa.table(
        "sources", sa.column("id", sa.Integer), sa.column("feed_url", sa.Text), sa.column("host", sa.Text)
    )
    bind = op.get_bind()
    for row in bind.execute(sa.select(sources.c.id, sources.c.feed_url)).all():
        host = (urlsplit(row.feed_url).hostname or "").lower()
        bind.execute(sa.update(sources).where(sources.c.id == row.id).values(host=host))
