"""What is stored: one set of tables for SQLite and Postgres. `docs/schema.md` says what each column means."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    TableClause,
    Text,
    UniqueConstraint,
    column,
    false,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from aggregator import errors
from aggregator.store import moments

T = TypeVar("T")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

UTCTime = moments.UTCTime
# SQLite makes rowid aliases of INTEGER PRIMARY KEY only; Postgres's integer has 32 bits.
Id = BigInteger().with_variant(Integer, "sqlite")
Json = JSON().with_variant(JSONB, "postgresql")


def _reference(target: str, *, name: str, nullable: bool = False, primary_key: bool = False) -> Column[int]:
    return Column(name, Id, ForeignKey(target, ondelete="CASCADE"), nullable=nullable, primary_key=primary_key)


sources = Table(
    "sources",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("feed_url", Text, nullable=False),
    Column("site_url", Text),
    Column("title", Text),
    Column("category", Text),
    Column("language", Text),
    Column("state", Text, nullable=False),
    Column("failures", Float, nullable=False, server_default=text("0")),
    Column("error_code", Text),
    Column("error", Text),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("validators_url", Text),
    Column("document_hash", Text),
    Column("next_poll_at", UTCTime),
    Column("due_reason", Text),
    Column("last_polled_at", UTCTime),
    Column("last_success_at", UTCTime),
    Column("last_new_at", UTCTime),
    Column("learned_gap", Integer),
    Column("host", Text, nullable=False, server_default=text("''")),
    Column("hints", Json),
    Column("last_document_at", UTCTime),
    Column("moved_to", Text),
    Column("moved_since", UTCTime),
    Column("moved_sightings", Integer, nullable=False, server_default=text("0")),
    Column("advice", Text),
    Column("added_at", UTCTime, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", UTCTime),
    Column("hubs", Json),
    Column("topic", Text),
    Column("pushed_by", Text),
    Column("pushed_until", UTCTime),
    Column("health", Text),
    Column("health_reason", Text),
    Column("health_at", UTCTime),
    Column("sought_at", UTCTime),
    Index(None, "next_poll_at"),
    Index(None, "host"),
)

polls = Table(
    "polls",
    metadata,
    Column("id", Id, primary_key=True),
    _reference("sources.id", name="source_id"),
    Column("at", UTCTime, nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("http_status", Integer),
    Column("bytes", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("error_code", Text),
    Column("error", Text),
    Column("next_poll_at", UTCTime),
    Column("due_reason", Text),
    Column("origin", Text, nullable=False, server_default=text("'poll'")),
    Index(None, "source_id", "at"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Id, primary_key=True),
    _reference("sources.id", name="source_id"),
    Column("hub", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("token", Text, nullable=False, unique=True),
    Column("secret", Text, nullable=False),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("next_try_at", UTCTime),
    Column("requested_at", UTCTime),
    Column("base_url", Text),
    Column("verified_at", UTCTime),
    Column("active_since", UTCTime),
    Column("lease_until", UTCTime),
    Column("pushes", Integer, nullable=False, server_default=text("0")),
    Column("refused", Integer, nullable=False, server_default=text("0")),
    Column("last_push_at", UTCTime),
    Column("push_hash", Text),
    Column("waiting_at", UTCTime),
    Column("last_missed_at", UTCTime),
    Column("suspect_at", UTCTime),
    Column("added_at", UTCTime, nullable=False),
    Index(None, "source_id"),
    Index(None, "next_try_at"),
    # At most one of a source is wanted, whoever finds its hub first.
    Index(
        "ix_subscriptions_wanted",
        "source_id",
        unique=True,
        sqlite_where=text("state NOT IN ('ending', 'ended')"),
        postgresql_where=text("state NOT IN ('ending', 'ended')"),
    ),
)

# Of an item: neither has it a text, nor is one waited for. As an index has it, which serves who asks in the same words.
REFUSED = "state NOT IN ('ok', 'pending')"

items = Table(
    "items",
    metadata,
    Column("id", Id, primary_key=True),
    Column("url", Text),
    Column("url_key", Text, nullable=False, unique=True),
    Column("host", Text, nullable=False),
    _reference("sources.id", name="source_id"),
    Column("title", Text, nullable=False),
    Column("authors", Json, nullable=False),
    Column("categories", Json, nullable=False),
    Column("summary", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("language", Text),
    Column("published_at", UTCTime, nullable=False),
    Column("published_raw", Text),
    Column("date_source", Text, nullable=False),
    Column("updated_at", UTCTime),
    Column("updated_raw", Text),
    Column("first_seen_at", UTCTime, nullable=False),
    Column("last_seen_at", UTCTime, nullable=False),
    Column("image", Text),
    Column("text", Text),
    Column("text_hash", Text),
    Column("whole_hash", Text),
    Column("tokens", Integer),
    Column("algo", Integer),
    Column("word_count", Integer),
    Column("boilerplate", Text),
    Column("html", Text),
    Column("extractor", Text),
    Column("state", Text, nullable=False),
    Column("state_reason", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_visit_at", UTCTime),
    Column("visited_at", UTCTime),
    Column("cluster_id", Id, ForeignKey("clusters.id", ondelete="SET NULL")),
    Column("changed_at", UTCTime, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", UTCTime),
    Column("discovered_by", Text, nullable=False, server_default=text("'feed'")),
    Column("canonical_url", Text),
    Column("page_title", Text),
    Index(None, "published_at"),
    # Of what is asked for often, nothing but what the question needs: the texts of a row stand in the way of the rest.
    Index(None, "source_id", "published_at", "discovered_by"),
    Index(None, "source_id", "state"),
    Index("ix_items_refused", "state", "state_reason", sqlite_where=text(REFUSED), postgresql_where=text(REFUSED)),
    Index(None, "text_hash"),
    Index(None, "whole_hash"),
    Index(None, "cluster_id"),
    Index(
        "ix_items_due",
        "next_visit_at",
        "id",
        "host",
        "source_id",
        "lease_until",
        sqlite_where=text("next_visit_at IS NOT NULL"),
        postgresql_where=text("next_visit_at IS NOT NULL"),
    ),
    Index(
        "ix_items_leased",
        "lease_until",
        sqlite_where=text("lease_until IS NOT NULL"),
        postgresql_where=text("lease_until IS NOT NULL"),
    ),
    Index(
        "ix_items_canonical_url",
        "canonical_url",
        sqlite_where=text("canonical_url IS NOT NULL"),
        postgresql_where=text("canonical_url IS NOT NULL"),
    ),
)

# Further addresses only: the first is the item's own `url_key`.
item_urls = Table(
    "item_urls",
    metadata,
    Column("url_key", Text, primary_key=True),
    _reference("items.id", name="item_id", primary_key=True),
    Column("url", Text, nullable=False),
    Column("first_seen_at", UTCTime, nullable=False),
    Index(None, "item_id"),
)

sightings = Table(
    "sightings",
    metadata,
    _reference("items.id", name="item_id", primary_key=True),
    _reference("sources.id", name="source_id", primary_key=True),
    Column("guid", Text),
    Column("guid_hash", Text),
    Column("entry_hash", Text, nullable=False),
    Column("first_seen_at", UTCTime, nullable=False),
    Column("last_seen_at", UTCTime, nullable=False),
    Column("position", Integer, nullable=False),
    Column("backlog", Boolean, nullable=False, server_default=false()),
    Column("matched_by", Text),
    Column("note", Text),
    Index(None, "source_id", "guid_hash"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("id", Id, primary_key=True),
    _reference("items.id", name="item_id"),
    Column("at", UTCTime, nullable=False),
    Column("origin", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("text", Text),
    Column("text_hash", Text),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("what", Text),
    Column("content", Text),
    Column("version_hash", Text),
    Index(None, "item_id", "at"),
)

pages = Table(
    "pages",
    metadata,
    Column("id", Id, primary_key=True),
    _reference("items.id", name="item_id"),
    Column("at", UTCTime, nullable=False),
    Column("url", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Json, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    UniqueConstraint("item_id", "sha256"),
)

clusters = Table(
    "clusters",
    metadata,
    Column("id", Id, primary_key=True),
    # The member to show; no foreign key, for items already refers to clusters.
    Column("item_id", Id, nullable=False),
    Column("created_at", UTCTime, nullable=False),
    Index(None, "item_id"),
)

matches = Table(
    "matches",
    metadata,
    _reference("items.id", name="item_id", primary_key=True),
    _reference("items.id", name="other_id", primary_key=True),
    Column("relation", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("coverage", Float, nullable=False, server_default=text("1")),
    Column("other_coverage", Float, nullable=False, server_default=text("1")),
    Column("method", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("0")),
    Column("at", UTCTime, nullable=False),
    Index(None, "other_id"),
)

fingerprints = Table(
    "fingerprints",
    metadata,
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    _reference("items.id", name="item_id", primary_key=True),
    Index(None, "item_id"),
    sqlite_with_rowid=False,
)

tags = Table(
    "tags",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("label", Text),
    Column("added_at", UTCTime, nullable=False),
)

item_tags = Table(
    "item_tags",
    metadata,
    _reference("items.id", name="item_id", primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("score", Float, nullable=False),
    Index(None, "tag", "kind"),
)

paragraphs = Table(
    "paragraphs",
    metadata,
    _reference("items.id", name="item_id", primary_key=True),
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    _reference("sources.id", name="source_id"),
    Column("at", UTCTime, nullable=False),
    Column("cut", Boolean, nullable=False, server_default=false()),
    Column("edge", Boolean, nullable=False, server_default=false()),
    Index(None, "source_id", "hash"),
)

boilerplate = Table(
    "boilerplate",
    metadata,
    _reference("sources.id", name="source_id", primary_key=True),
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("items", Integer, nullable=False),
    Column("learned_at", UTCTime, nullable=False),
    # NULL while texts that are older hold it.
    Column("cut_at", UTCTime),
    Index(None, "cut_at"),
)

enclosures = Table(
    "enclosures",
    metadata,
    _reference("items.id", name="item_id", primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("type", Text),
    Column("length", BigInteger),
)

gaps = Table(
    "gaps",
    metadata,
    Column("id", Id, primary_key=True),
    _reference("sources.id", name="source_id"),
    Column("from_at", UTCTime, nullable=False),
    Column("to_at", UTCTime, nullable=False),
    Column("estimated", Integer),
    Column("reason", Text, nullable=False),
    Column("kept", Json),
    Column("filled_at", UTCTime),
    Column("method", Text),
    Column("pages", Integer, nullable=False, server_default=text("0")),
    Column("found", Integer, nullable=False, server_default=text("0")),
    Column("result", Text),
    Index(None, "source_id", "from_at"),
)

backfills = Table(
    "backfills",
    metadata,
    # One of a source at a time: one walk back fills all its gaps.
    _reference("sources.id", name="source_id", primary_key=True),
    Column("origin", Text, nullable=False),
    Column("since_at", UTCTime),
    Column("started_at", UTCTime, nullable=False),
    Column("trail", Json, nullable=False),
    Column("pages", Integer, nullable=False, server_default=text("0")),
    Column("found", Integer, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_try_at", UTCTime),
    Column("result", Text),
    Column("lease_owner", Text),
    Column("lease_until", UTCTime),
    Index(None, "next_try_at"),
)

changes = Table(
    "changes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UTCTime, nullable=False),
    Column("kind", Text, nullable=False),
    # One of the two: what it happened to.
    _reference("items.id", name="item_id", nullable=True),
    _reference("sources.id", name="source_id", nullable=True),
    Column("detail", Text),
    Index(None, "item_id"),
    sqlite_autoincrement=True,
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", Text, primary_key=True),
    Column("next_at", UTCTime),
    Column("retry_after", UTCTime),
    Column("robots", Text),
    Column("robots_at", UTCTime),
    Column("robots_error", Text),
    Column("robots_since", UTCTime),
    Column("crawl_delay", Float),
    Column("own_limits", Boolean, nullable=False, server_default=false()),
    Column("failures", Float, nullable=False, server_default=text("0")),
)

shown = Table(
    "shown",
    metadata,
    _reference("sources.id", name="source_id", primary_key=True),
    Column("url", Text, nullable=False),
    Column("entries", LargeBinary, nullable=False),
    Column("head", Json),
    Column("touched_at", UTCTime, nullable=False),
    Column("size", Integer),
)

# What somebody may have taken to work on.
LEASED = (sources, items, backfills)


def unclaimed(claimed: Table, now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Whether a row of a leased table is in nobody's hands."""
    return or_(claimed.c.lease_until.is_(None), claimed.c.lease_until <= now)


def known(conn: Connection, names: Collection[str]) -> None:
    """Raises NotFoundError for the name of a source that there never was."""
    found = set(conn.execute(select(sources.c.name).where(sources.c.name.in_(names))).scalars()) if names else set()
    if unknown := [name for name in names if name not in found]:
        raise errors.NotFoundError(f"no source is called {unknown[0]!r}")


def view(name: str, columns: str, **types: Any) -> TableClause:
    """A view as something to select from: `columns` are its names, `types` those that need converting."""
    return table(name, *(column(key, types.get(key)) for key in columns.split()))
