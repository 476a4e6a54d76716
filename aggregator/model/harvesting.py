"""What flows through a harvest: the item, the job of a worker and its draft, the page, the visit, the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aggregator.model.fetching import Validators
from aggregator.model.kinds import FateKind
from aggregator.model.polling import Due


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item claimed for harvest by `lease_owner`: what its feed said and what is already known of its page. `learned` are the hashes
    of the paragraphs that its source is known for.

    `fate` is what has become of a page that was read before, as long as it has not returned; `moved_to` where it has moved for good;
    `page_title` what it called the article. `shares_address`: its address is that of other entries too, or a front page, so that the page
    there is none of its own. `earlier`, where it is asked for: the title and the text that its page had before these.
    """

    id: int
    url: str | None
    title: str
    source_id: int
    source: str
    state: str
    first_seen_at: datetime
    visited_at: datetime | None = None
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
    page_title: str | None = None
    shares_address: bool = False
    earlier: tuple[str, str] | None = None


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
    page's: for items whose feed gave none, and to be compared with what it says later. `boilerplate` was cut from the text;
    `paragraphs` are those of the whole that may be, by their hashes.
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
