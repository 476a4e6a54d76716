"""The first schema: sources, polls, items and all that hangs on them, with full-text search."""

import sqlalchemy as sa
from alembic import op

from aggregator.store import search
from aggregator.store.tables import Id, Json, UTCTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clusters",
        sa.Column("id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("created_at", UTCTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clusters"),
    )
    op.create_index("ix_clusters_item_id", "clusters", ["item_id"], unique=False)
    op.create_table(
        "hosts",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("next_at", UTCTime(), nullable=True),
        sa.Column("retry_after", UTCTime(), nullable=True),
        sa.Column("robots", sa.Text(), nullable=True),
        sa.Column("robots_at", UTCTime(), nullable=True),
        sa.Column("crawl_delay", sa.Float(), nullable=True),
        sa.Column("failures", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_hosts"),
    )
    op.create_table(
        "sources",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("feed_url", sa.Text(), nullable=False),
        sa.Column("site_url", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("failures", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("validators_url", sa.Text(), nullable=True),
        sa.Column("document_hash", sa.Text(), nullable=True),
        sa.Column("next_poll_at", UTCTime(), nullable=True),
        sa.Column("due_reason", sa.Text(), nullable=True),
        sa.Column("last_polled_at", UTCTime(), nullable=True),
        sa.Column("last_success_at", UTCTime(), nullable=True),
        sa.Column("last_new_at", UTCTime(), nullable=True),
        sa.Column("learned_gap", sa.Integer(), nullable=True),
        sa.Column("added_at", UTCTime(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", UTCTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("name", name="uq_sources_name"),
    )
    op.create_index("ix_sources_next_poll_at", "sources", ["next_poll_at"], unique=False)
    op.create_table(
        "tags",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("added_at", UTCTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "tag", name="pk_tags"),
    )
    op.create_table(
        "gaps",
        sa.Column("id", Id, nullable=False),
        sa.Column("source_id", Id, nullable=False),
        sa.Column("from_at", UTCTime(), nullable=False),
        sa.Column("to_at", UTCTime(), nullable=False),
        sa.Column("estimated", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("filled_at", UTCTime(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_gaps_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_gaps"),
    )
    op.create_index("ix_gaps_source_id_from_at", "gaps", ["source_id", "from_at"], unique=False)
    op.create_table(
        "items",
        sa.Column("id", Id, nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("url_key", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("source_id", Id, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("authors", Json, nullable=False),
        sa.Column("categories", Json, nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("published_at", UTCTime(), nullable=False),
        sa.Column("published_raw", sa.Text(), nullable=True),
        sa.Column("date_source", sa.Text(), nullable=False),
        sa.Column("first_seen_at", UTCTime(), nullable=False),
        sa.Column("last_seen_at", UTCTime(), nullable=False),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("text_hash", sa.Text(), nullable=True),
        sa.Column("word_count", sa.Integer(), nullable=True),
        sa.Column("extractor", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_visit_at", UTCTime(), nullable=True),
        sa.Column("visited_at", UTCTime(), nullable=True),
        sa.Column("cluster_id", Id, nullable=True),
        sa.Column("changed_at", UTCTime(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", UTCTime(), nullable=True),
        sa.ForeignKeyConstraint(["cluster_id"], ["clusters.id"], name="fk_items_cluster_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_items_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_items"),
        sa.UniqueConstraint("url_key", name="uq_items_url_key"),
    )
    op.create_index("ix_items_cluster_id", "items", ["cluster_id"], unique=False)
    op.create_index(
        "ix_items_next_visit_at",
        "items",
        ["next_visit_at"],
        unique=False,
        sqlite_where=sa.text("next_visit_at IS NOT NULL"),
        postgresql_where=sa.text("next_visit_at IS NOT NULL"),
    )
    op.create_index("ix_items_published_at", "items", ["published_at"], unique=False)
    op.create_index("ix_items_source_id_published_at", "items", ["source_id", "published_at"], unique=False)
    op.create_index("ix_items_text_hash", "items", ["text_hash"], unique=False)
    op.create_table(
        "polls",
        sa.Column("id", Id, nullable=False),
        sa.Column("source_id", Id, nullable=False),
        sa.Column("at", UTCTime(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("next_poll_at", UTCTime(), nullable=True),
        sa.Column("due_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_polls_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_polls"),
    )
    op.create_index("ix_polls_source_id_at", "polls", ["source_id", "at"], unique=False)
    op.create_table(
        "changes",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", UTCTime(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_changes_item_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_item_id", "changes", ["item_id"], unique=False)
    op.create_table(
        "enclosures",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_enclosures_item_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id", "position", name="pk_enclosures"),
    )
    op.create_table(
        "fingerprints",
        sa.Column("hash", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_fingerprints_item_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", "item_id", name="pk_fingerprints"),
    )
    op.create_index("ix_fingerprints_item_id", "fingerprints", ["item_id"], unique=False)
    op.create_table(
        "item_tags",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_item_tags_item_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id", "kind", "tag", name="pk_item_tags"),
    )
    op.create_index("ix_item_tags_tag_kind", "item_tags", ["tag", "kind"], unique=False)
    op.create_table(
        "matches",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("other_id", Id, nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("at", UTCTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_matches_item_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["other_id"], ["items.id"], name="fk_matches_other_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id", "other_id", name="pk_matches"),
    )
    op.create_index("ix_matches_other_id", "matches", ["other_id"], unique=False)
    op.create_table(
        "pages",
        sa.Column("id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("at", UTCTime(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", Json, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_pages_item_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_pages"),
        sa.UniqueConstraint("item_id", "sha256", name="uq_pages_item_id_sha256"),
    )
    op.create_table(
        "revisions",
        sa.Column("id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("at", UTCTime(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("text_hash", sa.Text(), nullable=True),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_revisions_item_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_revisions"),
    )
    op.create_index("ix_revisions_item_id_at", "revisions", ["item_id", "at"], unique=False)
    op.create_table(
        "sightings",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("source_id", Id, nullable=False),
        sa.Column("guid", sa.Text(), nullable=True),
        sa.Column("guid_hash", sa.Text(), nullable=True),
        sa.Column("entry_hash", sa.Text(), nullable=False),
        sa.Column("first_seen_at", UTCTime(), nullable=False),
        sa.Column("last_seen_at", UTCTime(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("backlog", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_sightings_item_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_sightings_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id", "source_id", name="pk_sightings"),
    )
    op.create_index("ix_sightings_source_id_guid_hash", "sightings", ["source_id", "guid_hash"], unique=False)
    search.create_index(op.get_bind())
