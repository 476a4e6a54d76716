"""The values that flow between the steps: one per step, each knowing only what is known there.

All are frozen and pickle. Times are aware UTC datetimes of whole seconds, except where a comment says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from aggregator.spool import Body


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


# ---------------------------------------------------------------------------------------------------- fetching


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What the server at `url` last sent, verbatim, to be sent back to exactly that URL (RFC 9110 §13.1)."""

    url: str = ""
    etag: str | None = None
    last_modified: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One document to fetch. `max_bytes` bounds the answer on the wire and, separately, after decoding.

    `port`, which the source's own URL names, may be asked for besides the web's. `heed_pause`: whether a Retry-After that the
    host gave to another request holds for this one too. `heed_robots`: whether robots.txt is asked, as it is for pages.
    `cut`: whether of a larger document the first `max_bytes` are enough. `proxy`: None for the general one, if there is one.
    `form` makes it a POST of these fields.
    """

    url: str
    accept: str
    max_bytes: int
    validators: Validators = Validators()
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    user_agent: str | None = None
    proxy: str | None = field(default=None, repr=False)
    port: int | None = None
    heed_pause: bool = True
    heed_robots: bool = False
    cut: bool = False
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A usable answer: status 200 with its decoded body, or 304 with none.

    `url` is where the answer came from; `permanent_url` how far 301 and 308 alone lead from the requested URL.
    `headers` have lower-case names. `wire_bytes` counts the body before decoding; a large `body` is on disk (`spool`).
    """

    url: str
    permanent_url: str
    status: int
    headers: Mapping[str, str]
    body: Body
    wire_bytes: int
    took: timedelta
    validators: Validators = Validators()

    @property
    def not_modified(self) -> bool:
        return self.status == 304


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """What is remembered of a host between runs: until when it asked to be left alone, and its robots.txt.

    `robots` is the text, empty where there is none; `robots_error` says why it could not be had, `robots_since` since when.
    `own_limits`: another document of it was served during such a pause, so its limits concern single documents.
    """

    host: str
    retry_after: datetime | None = None
    own_limits: bool = False
    crawl_delay: float | None = None
    robots: str | None = None
    robots_at: datetime | None = None
    robots_error: str | None = None
    robots_since: datetime | None = None


# ---------------------------------------------------------------------------------------------------- polling


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a document asks of those who poll it: `ttl` (RSS), `update` (sy:updatePeriod ÷ updateFrequency) from `update_base`
    on, and when not to come: `skip_hours` 0–23 and `skip_days` 0–6 from Monday, both in UTC."""

    ttl: timedelta | None = None
    update: timedelta | None = None
    update_base: datetime | None = None
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[int, ...] = ()


class Mark(NamedTuple):
    """An entry's hashes, 8 bytes each: of its bytes, and of what matters in them (see `feed.split`)."""

    exact: bytes
    loose: bytes


class Face(NamedTuple):
    """What tells the entries of a document apart, as 32 bits each, 0 for nothing: guid, URL key, title (with the date, without URL)."""

    guid: int
    key: int
    title: int


class ShownEntry(NamedTuple):
    """An entry of a source's last document, and the item that it is."""

    mark: Mark
    item_id: int
    face: Face


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a document said of itself, but for its hints; `hash` is of its head, in hex."""

    hash: str
    version: str
    title: str | None = None
    site_url: str | None = None
    language: str | None = None
    hubs: tuple[str, ...] = ()
    self_url: str | None = None
    older: tuple[tuple[str, str], ...] = ()
    generator: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the last document at `url` showed. `packed` has its entries (see `feed.familiar`), `hints` what it asked for.

    Their `last_seen_at` was written at `touched_at`. `size` counts its entries, packed or not; None where that is not known.
    """

    url: str
    packed: bytes = b""
    head: Head | None = None
    hints: Hints = Hints()
    touched_at: datetime | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source as the store keeps it; how to ask it (headers, select, …) stays in the configuration."""

    id: int
    name: str
    url: str
    feed_url: str
    category: str | None = None
    language: str | None = None
    state: str = SourceState.ACTIVE
    failures: float = 0.0
    error_code: str | None = None
    error: str | None = None
    validators: Validators = Validators()
    document_hash: str | None = None
    next_poll_at: datetime | None = None
    last_polled_at: datetime | None = None
    last_success_at: datetime | None = None
    last_new_at: datetime | None = None
    learned_gap: timedelta | None = None
    hints: Hints = Hints()
    last_document_at: datetime | None = None
    moved_to: str | None = None
    moved_since: datetime | None = None
    moved_sightings: int = 0
    advice: str | None = None
    # The hubs its document names, () for none, None as long as nobody has looked; and the topic to subscribe to.
    hubs: tuple[str, ...] | None = None
    topic: str | None = None
    # The hub that pushes it, as we have seen for ourselves, and until when it has promised to.
    pushed_by: str | None = None
    pushed_until: datetime | None = None
    shown: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """An attached file as the feed names it; `length` in bytes where stated."""

    url: str
    type: str | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One element of a feed, cleaned: `title` and `summary` are plain text, `content` is safe HTML, URLs are absolute http(s).

    `entry_hash` covers what a reader would notice, not counters and stamps: equal hash, nothing to do.
    """

    position: int
    guid: str | None
    url: str | None
    title: str
    entry_hash: str
    authors: tuple[str, ...] = ()
    summary: str = ""
    content: str = ""
    categories: tuple[str, ...] = ()
    language: str | None = None
    published_at: datetime | None = None
    published_raw: str | None = None
    date_source: str | None = None
    updated_at: datetime | None = None
    updated_raw: str | None = None
    image: str | None = None
    enclosures: tuple[Enclosure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """A feed document as published. `damage` says, in words, why only a part of it could be read; None when whole.

    `left` counts the entries that were not read, for too many are new: the next look reads on. `beyond` counts those that never will be,
    for the document has too many.

    `hubs` and `self_url` are what it says of WebSub: where to subscribe, and to which topic. `older` is where it says that older
    entries are, as pairs of relation and address; `generator` what made it.

    `entries` are those that were parsed. `known` names the others, which this source has shown before, by their positions.
    `marks` has two hashes for each entry, parsed or not, in order; none where the document had to be read as a whole.
    """

    version: str
    entries: tuple[Entry, ...]
    title: str | None = None
    site_url: str | None = None
    language: str | None = None
    damage: str | None = None
    left: int = 0
    beyond: int = 0
    hints: Hints = Hints()
    hubs: tuple[str, ...] = ()
    self_url: str | None = None
    older: tuple[tuple[str, str], ...] = ()
    generator: str | None = None
    known: Mapping[int, ShownEntry] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    head_hash: bytes = b""

    @property
    def size(self) -> int:
        """How many entries the document has."""
        return len(self.entries) + len(self.known) + self.left + self.beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItem:
    """What the store knows of an item when an entry may be it.

    `guid` and `entry_hash` are this source's own sighting, None where it never showed the item.
    `first_poll` tells whether the owning source found it in its very first poll.
    """

    id: int
    url_key: str
    owner_id: int
    title: str
    summary: str
    content: str
    url: str | None = None
    published_at: datetime | None = None
    first_poll: bool = False
    guid: str | None = None
    entry_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An entry nobody has shown before, with the key it will be known by."""

    url_key: str
    entry: Entry
    matched_by: str = MatchedBy.NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenItem:
    """An entry that is a known item.

    `what`: the fields in which the owner shows other words. `adopted`: this source takes the item over (see `feed.identity`).
    `resighted`: the sighting row itself must be written, for it is new, or its guid or hash differ. `readdressed`: the owner
    shows it at another address. `redated`: its publisher's new date, with the words for it. `alone`: why its other words are left
    alone (see `feed.edits`).
    """

    item: KnownItem
    entry: Entry
    matched_by: str = MatchedBy.BOTH
    resighted: bool = False
    what: tuple[str, ...] = ()
    adopted: bool = False
    readdressed: bool = False
    redated: tuple[datetime, str | None] | None = None
    alone: str | None = None

    @property
    def edited(self) -> bool:
        return bool(self.what) and self.alone is None


class Place(NamedTuple):
    """Which item the entry at a position is: `item` its id, or the URL key of a new one."""

    position: int
    item: int | str
    face: Face


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one document means for the corpus. `repeated` counts entries that were in the document before.

    `kept` are the items of entries that were not parsed, because they are as they were. `places` names the item of every entry that
    was: by its id, or by the URL key of a new one.
    """

    new: tuple[NewItem, ...] = ()
    seen: tuple[SeenItem, ...] = ()
    repeated: int = 0
    kept: frozenset[int] = frozenset()
    places: tuple[Place, ...] = ()

    @property
    def edited(self) -> int:
        return sum(seen.edited for seen in self.seen)

    @property
    def familiar(self) -> int:
        """How many known items the document shows."""
        return len(self.seen) + len(self.kept)

    @property
    def shared(self) -> int:
        """How many of them this source itself has shown before."""
        return len(self.kept) + sum(seen.item.entry_hash is not None for seen in self.seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A permanent redirect `to` another URL, seen so often `since` then; `adopt` says that it has been seen enough.

    Without `to` there is none.
    """

    to: str | None = None
    since: datetime | None = None
    sightings: int = 0
    adopt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When next, and why, in a sentence."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollReport:
    """What one poll did: the `polls` row, the log line and the line of the table on the terminal."""

    source_id: int
    source: str
    url: str
    at: datetime
    outcome: Outcome
    state: str
    due: Due | None
    took: timedelta = timedelta(0)
    http_status: int | None = None
    bytes: int = 0
    entries: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    error_code: str | None = None
    error: str | None = None
    origin: Origin = Origin.POLL


# ---------------------------------------------------------------------------------------------------- harvesting


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item claimed for harvest by `lease_owner`: what its feed said and what is already known of its page. `learned` are the hashes
    of the paragraphs that its source is known for.

    `fate` is what has become of a page that was read before, as long as it has not returned; `moved_to` where it has moved for good.
    """

    id: int
    url: str | None
    title: str
    source_id: int
    source: str
    state: str
    first_seen_at: datetime
    lease_owner: str | None = None
    state_reason: str | None = None
    summary: str = ""
    content: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    language: str | None = None
    image: str | None = None
    published_at: datetime | None = None
    date_source: str | None = None
    attempts: int = 0
    text: str | None = None
    text_hash: str | None = None
    whole_hash: str | None = None
    extractor: str | None = None
    cluster_id: int | None = None
    boilerplate: str | None = None
    html: str | None = None
    learned: frozenset[int] = frozenset()
    validators: Validators = Validators()
    fate: str | None = None
    moved_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """`kind` is topic, keyword, category, source or year; `origin` says who gave it (`taxonomy@…`, feed, config, text)."""

    tag: str
    kind: str
    origin: str
    score: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """The text read from a page or from feed content; paragraphs of `text` are separated by a newline. `html` is the same with what the
    page marks in it; empty as long as nobody has made it. `canonical` is the address that the page gives for its own."""

    text: str
    extractor: str
    html: str = ""
    canonical: str | None = None
    title: str | None = None
    authors: tuple[str, ...] = ()
    language: str | None = None
    published_at: datetime | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftJob:
    """All that the CPU work on one item needs. `page` is None where the feed's own text is to be used; `text` is the one that is
    stored; paragraphs that are `learned` are cut from both."""

    title: str
    summary: str
    content: str
    now: datetime
    page: bytes | None = None
    page_url: str | None = None
    page_type: str | None = None
    authors: tuple[str, ...] = ()
    language: str | None = None
    published_at: datetime | None = None
    categories: tuple[str, ...] = ()
    source_category: str | None = None
    source_tags: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    text: str | None = None
    learned: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What is compared of a text, as `dedup.fingerprint` packs it: how many `tokens` it has, the hashes of its runs of five of them in
    their order, where its numbers are and their hashes; by which hashes others are `asked` for and it is `stored`. `algo` names the rules,
    `dense` a script without spaces."""

    algo: int
    tokens: int
    shingles: bytes
    numbers_at: bytes
    numbers: bytes
    asked: tuple[int, ...]
    stored: tuple[int, ...]
    dense: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the corpus will say of the item: its best text, why it is not better, its hash and its tags.

    `reason` explains every state but `ok`. `html` is `text` as clean HTML. `text_hash` is None for a text without words. `title` is the
    page's, for items whose feed gave none. `boilerplate` was cut from the text; `paragraphs` are those of the whole that may be, by their hashes.
    `before` is the stored text where it has to be cut as well before the two are compared. `failure` is the code of the failure after
    which a later visit is planned (`cadence.next_try`); None if none will bring more. `whole_hash` and `fingerprint` are of what the page
    says as a whole, by which it is compared with other items.
    """

    state: str
    text: str
    text_hash: str | None
    word_count: int
    extractor: str | None
    html: str | None = None
    reason: str | None = None
    title: str | None = None
    authors: tuple[str, ...] = ()
    language: str | None = None
    published_at: datetime | None = None
    image: str | None = None
    canonical: str | None = None
    tags: tuple[Tag, ...] = ()
    boilerplate: str | None = None
    paragraphs: Mapping[int, str] = field(default_factory=dict)
    before: str | None = None
    before_hash: str | None = None
    whole_hash: str | None = None
    fingerprint: Fingerprint | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recut:
    """A stored text that holds paragraphs which its source became known for later, and its draft without them; `due` is the next visit
    of an item that turns out to have none."""

    item: Item
    draft: Draft
    due: Due | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCopy:
    """A fetched page as kept for evidence: `body` is zstd, `sha256` of the bytes before compression."""

    at: datetime
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPage:
    """The last copy of the page of a claimed item."""

    item: Item
    page: PageCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What has become of a page, and in words how that showed; of one that moved, where to."""

    kind: FateKind
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What one harvest decided, to be written in one go. `draft` is None where there is no new text to look at.

    `canonical` is the other address that the page gives for its own, where that is worth knowing. `due` is the next visit, if there is to
    be one; `attempts` counts the failed visits in a row. `fate` is what has become of the page
    since the last visit. `reread`: nobody was asked, a kept copy was read anew; what is planned stays.
    """

    item: Item
    at: datetime
    state: str
    reason: str | None
    attempts: int
    due: Due | None = None
    draft: Draft | None = None
    page: PageCopy | None = None
    fate: Fate | None = None
    reread: bool = False
    canonical: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestReport:
    """What one harvest did."""

    item_id: int
    url: str | None
    source: str
    at: datetime
    state: str
    reason: str | None = None
    words: int = 0
    attempts: int = 0
    due: Due | None = None
    revised: bool = False
    cluster_id: int | None = None
    error_code: str | None = None
    took: timedelta = timedelta(0)
