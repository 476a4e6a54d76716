"""What flows through a poll: the source, its document as read, what is known of its entries, what was decided, the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from aggregator.model.fetching import Validators
from aggregator.model.kinds import MatchedBy, Origin, Outcome, SourceState


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
    """What tells the entries of a document apart, as 32 bits each, 0 for nothing: guid, URL key, title (without URL with the date, with guid
    with the fragment of the URL)."""

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
    shows it at another address. `further_key`: the URL key of an address by which it was not known so far; `shared_key`: of one to which
    it came where others are. `redated`: its publisher's new date, with the words for it. `alone`: why its other words are left alone
    (see `feed.edits`).
    """

    item: KnownItem
    entry: Entry
    matched_by: str = MatchedBy.BOTH
    resighted: bool = False
    what: tuple[str, ...] = ()
    adopted: bool = False
    readdressed: bool = False
    further_key: str | None = None
    shared_key: str | None = None
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

    @property
    def seen(self) -> str:
        """How often, in words."""
        return "once" if self.sightings == 1 else f"{self.sightings} times"


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
