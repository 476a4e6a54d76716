"""The words that are stored: states, outcomes, and how a thing was found or known."""

from enum import StrEnum


class SourceState(StrEnum):
    """What `sources.state` may hold."""

    ACTIVE = "active"
    PAUSED = "paused"
    FAILING = "failing"
    GONE = "gone"
    REMOVED = "removed"


class ItemState(StrEnum):
    """What `items.state` may hold; the reason for everything but `ok` stands in `items.state_reason`."""

    PENDING = "pending"
    OK = "ok"
    SHORT = "short"
    BLOCKED = "blocked"
    PAYWALLED = "paywalled"
    NOT_HTML = "not_html"
    FAILED = "failed"
    FEED_ONLY = "feed_only"


# In these an item has a text that may be compared with the next one.
SETTLED = (ItemState.OK, ItemState.FEED_ONLY)


class Outcome(StrEnum):
    """What `polls.outcome` may hold."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_MODIFIED = "not_modified"
    FAILED = "failed"
    # Not stored: nothing was asked.
    POSTPONED = "postponed"


class MatchedBy(StrEnum):
    """By what a source's entry was recognised as the item (`sightings.matched_by`)."""

    # Nobody had shown it.
    NEW = "new"
    GUID = "guid"
    URL = "url"
    BOTH = "both"
    # It has neither of the two, or shares its address: by its title and date.
    TITLE = "title"
    # Guid and address were both changed: by its date, title and words.
    MOVED = "moved"


class Origin(StrEnum):
    """What `polls.origin` may hold: who began, we or a hub."""

    POLL = "poll"
    PUSH = "push"


class FateKind(StrEnum):
    """What may become of a page that was read before (`changes.kind`)."""

    VANISHED = "vanished"
    PAYWALLED = "paywalled"
    RETURNED = "returned"
    MOVED = "moved"


class DateSource(StrEnum):
    """Where `items.published_at` was found (`items.date_source`)."""

    PUBLISHED = "published"
    UPDATED = "updated"
    PAGE = "page"
    # The last change of the page, by its sitemap: a page that tells its own date knows better.
    SITEMAP = "sitemap"
    FIRST_SEEN = "first_seen"


# The `entry_hash` of what only a sitemap has listed: what the feed says of it, should it show it, is the first word on it.
OUTLINE = "outline"


class DiscoveredBy(StrEnum):
    """How an item was first found (`items.discovered_by`): polled or pushed, or else by which kind of backfill."""

    FEED = "feed"
    PUSH = "push"
    # Pages that the feed names (RFC 5005), that a JSON Feed names, that WordPress has, and the site's sitemaps.
    ARCHIVE = "archive"
    NEXT_URL = "next_url"
    PAGED = "paged"
    SITEMAP = "sitemap"
