"""A document → the byte span of each entry with two hashes of it, in one pass of expat; and the document without the entries that are
known (`glance` makes the same of a document that is mostly known). Pure. Refuses whatever could be read differently when a part of it
is missing: that goes whole to feedparser.

Two hashes, for two questions. `exact` is of the bytes. `loose` is of what matters in them: it leaves out what is counted or stamped anew
at every request, by the rules below, each with its source. All of them leave out only what `entry_hash` and `url_key` leave out too.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple
from xml.parsers import expat

import xxhash

from aggregator.feed import document, tracking

_XML = "http://www.w3.org/XML/1998/namespace"
_INHERITED = (f"{_XML} base", f"{_XML} lang", "base", "lang")
_ABOUT = "http://www.w3.org/1999/02/22-rdf-syntax-ns# about"
_LINK = "http://www.w3.org/2005/Atom link"


class _Kind(Enum):
    """What an element is to us."""

    OTHER = auto()
    ENTRY = auto()
    GUID = auto()
    LINK = auto()
    COUNTER = auto()
    STAMP = auto()


# Counters, by namespace and name:
_COUNTERS = {
    # RSS 1.0 module Slash (web.resource.org/rss/1.0/modules/slash): comments, and hits by threshold. In every WordPress feed.
    "http://purl.org/rss/1.0/modules/slash/": ("comments", "hit_parade"),
    # Atom Threading Extensions (RFC 4685 §5): the number of replies.
    "http://purl.org/syndication/thread/1.0": ("total",),
    # Media RSS (rssboard.org/media-rss): media:community holds views, favourites and ratings. In every YouTube feed.
    "http://search.yahoo.com/mrss/": ("community", "statistics", "starRating"),
    "http://search.yahoo.com/mrss": ("community", "statistics", "starRating"),
    # The ancestors of those (YouTube data API 2, GData common elements).
    "http://gdata.youtube.com/schemas/2007": ("statistics", "rating"),
    "http://schemas.google.com/g/2005": ("rating", "comments"),
    # LiveJournal's feeds: replies to an entry.
    "http://www.livejournal.org/rss/lj/1.0/": ("reply-count",),
    # Lists of torrents (nyaa.si/xmlns/nyaa).
    "https://nyaa.si/xmlns/nyaa": ("seeders", "leechers", "downloads", "comments"),
}
_COUNTED = frozenset(f"{space} {name}" for space, names in _COUNTERS.items() for name in names)
# Dates, whatever their namespace: an edit never moves an item's date. Some publishers stamp every entry with the time of the request.
_STAMPS = frozenset("pubdate published issued created updated modified lastbuilddate date".split())
_GUIDS = frozenset({"guid", "id"})
_ENTRIES = frozenset({"item", "entry"})
# An entry stands in the root or in its channel.
_PLACES = (1, 2)

# A query in a URL, also inside escaped HTML.
_QUERY = re.compile(rb"\?(?:(?!&(?:quot|apos|#34|#39|lt|gt);)[^\s\"'<>])*")
# The parameters that `url_key` folds on every site. In XML and in escaped HTML each begins after `?`, `&` or the `;` of an escaped `&`.
_TRACKED = re.compile(
    rb"([?&;])(?:(?:%s)[\w.-]*|(?:%s))=[^&]*"
    % tuple(
        b"|".join(re.escape(name.encode()) for name in sorted(names))
        for names in (tracking.FAMILIES, tracking.TRACKING.keys() - tracking.KEPT_ON.keys())
    ),
    re.IGNORECASE,
)
# Pictures, players and attachments have signatures, advertisements and cache busters in their queries. `entry_hash` knows words and,
# of attachments, addresses without their queries.
_ASSET = re.compile(rb"""(?:src|srcset|url|poster)=(?:["']|&quot;|&\#3[49];)[^"'<>]*""", re.VERBOSE)
_LONGEST_ASSET = 500
# An entry with more is a trap, or its text is all questions.
_MOST_QUERIES = 500
# hnrss.org, and its many copies, write the points and comments of Hacker News into the description.
_HACKER_NEWS = re.compile(rb"(Points|# Comments): \d+")
# An element's name as it stands in its tags.
_WRITTEN = re.compile(rb"[^\s/>]+")
_SPACES = re.compile(rb"xmlns(?::([\w.-]+))?\s*=\s*[\"']([^\"']*)[\"']")
# feedparser goes by these addresses, whatever prefix they have.
_KNOWN_SPACES = frozenset({b"http://www.w3.org/1999/xhtml", b"http://www.w3.org/2005/Atom"})


class Part(NamedTuple):
    """An entry: its bytes from `start` to `end`, and the hash of them.

    `salt` stands for what it inherits, `left_out` are the spans of counters, comments and stamps in it.
    """

    start: int
    end: int
    exact: bytes
    salt: bytes
    left_out: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A well-formed document, UTF-8 without declaration. `head_hash` is of all that is in no entry, without comments and dates.

    `beyond` counts the entries after the last of the `parts`, which are at `rest`: too many to be kept apart.
    """

    data: bytes
    root: str
    parts: tuple[Part, ...]
    head_hash: bytes
    beyond: int = 0
    rest: tuple[int, int] = (0, 0)

    def loose(self, part: Part) -> bytes:
        """The hash of what matters in an entry."""
        matters = _cut(self.data[part.start : part.end], part.left_out, part.start)
        return fingerprint(lasting(matters), part.salt)

    def without(self, positions: Collection[int]) -> bytes:
        """The document without the entries at these positions, which count from 1, and without those beyond."""
        pieces, at = [], 0
        for position, part in enumerate(self.parts, 1):
            if position in positions:
                pieces.append(self.data[at : part.start])
                at = part.end
        if self.beyond:
            pieces.append(self.data[at : self.rest[0]])
            at = self.rest[1]
        return b"".join([*pieces, self.data[at:]])


def lasting(data: bytes) -> bytes:
    """`data` without what is made anew for every request: tracking parameters, the queries of pictures, points."""
    matters = _QUERY.sub(_lasting, data) if data.count(b"?") <= _MOST_QUERIES else data
    return _HACKER_NEWS.sub(rb"\1", matters) if b"Points: " in matters else matters


def fingerprint(data: bytes, salt: bytes = b"") -> bytes:
    """8 bytes: within the few thousand entries of one source no two are equal by chance. `salt` is of 8 bytes at most."""
    return xxhash.xxh3_64_digest(data, int.from_bytes(salt))


def _lasting(query: re.Match[bytes]) -> bytes:
    """What of a query is not made anew for every request."""
    before = query.string[max(0, query.start() - _LONGEST_ASSET) : query.start()]
    equals = before.rfind(b"=")
    if equals >= 0 and _ASSET.fullmatch(before, max(before.rfind(b" ", 0, equals), before.rfind(b"\n", 0, equals)) + 1):
        return b""
    # A template would be looked up anew for every query.
    return _TRACKED.sub(_first, query[0])


def _first(found: re.Match[bytes]) -> bytes:
    return found[1]


def outline(text: str, most_entries: int) -> Outline | None:
    """The first `most_entries` entries of the XML document `text`; None where expat refuses it, or where an entry might mean something
    else without the others.

    That is so with a DOCTYPE, which may declare entities; with entries in entries, or in unusual places; and where entries declare
    namespaces in contradiction to one another.
    """
    data = document.bare(text).encode("utf-8", "surrogatepass")
    if not data.startswith(b"<"):
        return None
    found = Pass(data, most_entries)
    if not found.read() or contradictory(data, found.entries[0].start if found.entries else len(data)):
        return None
    return Outline(
        data=data,
        root=found.root,
        parts=found.parts(),
        head_hash=found.head_hash(),
        beyond=found.beyond,
        rest=found.rest,
    )


def contradictory(data: bytes, first: int) -> bool:
    """Whether what an entry declares, the `first` of which begins there, could change how feedparser names the elements of another: it
    never forgets a namespace."""
    if data.find(b"xmlns", first) < 0:
        return False
    pairs = set(_SPACES.findall(data))
    declared = set(_SPACES.findall(data, first))
    prefixes, uris = Counter(prefix for prefix, _ in pairs), Counter(uri for _, uri in pairs)
    return any(
        (prefix and prefixes[prefix] > 1) or (uri not in _KNOWN_SPACES and uris[uri] > 1) for prefix, uri in declared
    )


class _RefusedError(Exception):
    """What this pass does not vouch for."""


class Entry:
    """An entry while it is read: the spans of what is left out of its looser hash."""

    def __init__(self, start: int, salt: bytes, about: str) -> None:
        self.start, self.end, self.salt = start, 0, salt
        self.guid = about.encode("utf-8", "surrogatepass")
        self.counters: list[tuple[int, int]] = []
        self.stamps: list[tuple[int, int]] = []


class Pass:
    """Takes down the first `most` entries as expat meets them, and of the others where they are."""

    def __init__(self, data: bytes, most: int) -> None:
        self.data, self._most, self._read = data, most, 0
        self.beyond, self.rest = 0, (0, 0)
        self.root = ""
        self.entries: list[Entry] = []
        self._left_out: list[tuple[int, int]] = []
        self._ancestors: list[bytes] = []
        self._kinds: dict[str, _Kind] = {}
        self._entry: Entry | None = None
        # How often root and channel declare a namespace.
        self.declared = 0
        # Elements open inside an entry, or inside an element of the head that is no ancestor of entries.
        self._depth = 0
        self._held: tuple[int, int, _Kind] | None = None
        self._bounds = (0, 0)
        parser = self._parser = expat.ParserCreate("utf-8", " ")
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._stop
        parser.CommentHandler, parser.StartDoctypeDeclHandler = self._comment, self._doctype

    def read(self) -> bool:
        """Whether the whole document was read, and holds nothing unusual."""
        with closing(self):
            return self.go_on(self.data)

    def begin(self, first: int) -> bytes | None:
        """Read as far as where the `first` entry seems to begin: the salt of entries there; None where none can be. To be closed."""
        if not self._fed(self.data[:first], last=False) or self._depth or len(self._ancestors) not in _PLACES:
            return None
        self._read = first
        return b"".join(self._ancestors)

    def go_on(self, data: bytes) -> bool:
        """Whether `data`, which begins with what was read so far, was read to its end, and holds nothing unusual."""
        self.data = data
        return self._fed(data[self._read :], last=True)

    def close(self) -> None:
        """It holds us by its handlers: without it there is no circle, and what was read is freed at once."""
        del self._parser

    def _fed(self, piece: bytes, *, last: bool) -> bool:
        try:
            self._parser.Parse(piece, last)
        except (expat.ExpatError, _RefusedError):
            return False
        return True

    def places(self) -> list[tuple[int, int]]:
        """Where the entries are."""
        return [(entry.start, entry.end) for entry in self.entries]

    def parts(self) -> tuple[Part, ...]:
        guids = Counter(entry.guid for entry in self.entries)
        # Without guids an entry may be told from another by its date alone.
        dated = any(count > 1 or not guid for guid, count in guids.items())
        return tuple(self._part(entry, dated=dated) for entry in self.entries)

    def _part(self, entry: Entry, *, dated: bool) -> Part:
        left_out = entry.counters if dated else sorted(entry.counters + entry.stamps)
        exact = fingerprint(self.data[entry.start : entry.end], entry.salt)
        return Part(
            start=entry.start,
            end=entry.end,
            exact=exact,
            salt=entry.salt,
            left_out=tuple(left_out),
        )

    def head_hash(self) -> bytes:
        """Of everything from the beginning to the end of the root that is in no entry, and neither comment nor date."""
        entries = self.places()
        start, end = self._bounds
        left_out = self._left_out
        if self.beyond:
            left_out = [span for span in left_out if span[1] <= self.rest[0] or span[0] >= self.rest[1]]
            entries.append(self.rest)
        inside = [span for span in sorted(left_out + entries) if span[0] >= start and span[1] <= end]
        return fingerprint(_cut(self.data[start:end], inside, start))

    # ------------------------------------------------------------------------------------------------- expat

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(attributes) > document.MOST_ATTRIBUTES:
            raise _RefusedError
        kind = self._kinds.get(name) or self._kind(name)
        if self._entry is not None:
            self._inside(kind, attributes)
        elif kind is _Kind.ENTRY:
            if self._depth or len(self._ancestors) not in _PLACES:
                raise _RefusedError
            self._entry = Entry(
                self._parser.CurrentByteIndex,
                b"".join(self._ancestors),
                attributes.get(_ABOUT) or attributes.get("about", ""),
            )
        elif self._depth or len(self._ancestors) == max(_PLACES) or (kind is _Kind.STAMP and self._ancestors):
            self._depth += 1
            if kind is _Kind.STAMP and self._held is None:
                self._held = (self._depth, self._parser.CurrentByteIndex, kind)
        else:
            self._ancestor(name, attributes)

    def _ancestor(self, name: str, attributes: Mapping[str, str]) -> None:
        """Root and channel: what they declare holds for the entries in them."""
        start = self._parser.CurrentByteIndex
        tag = self.data[start : self.data.index(b">", start) + 1]
        if not self._ancestors:
            self.root = name.rpartition(" ")[2]
            self._bounds = (start, len(self.data))
        inherited = [f"{key}={attributes[key]}" for key in _INHERITED if key in attributes]
        spaces = sorted(b"=".join(pair) for pair in _SPACES.findall(tag))
        self.declared += tag.count(b"xmlns")
        self._ancestors.append(fingerprint(repr((inherited, spaces)).encode("utf-8", "surrogatepass")))

    def _inside(self, kind: _Kind, attributes: Mapping[str, str]) -> None:
        if kind is _Kind.ENTRY:
            raise _RefusedError
        self._depth += 1
        if kind is _Kind.OTHER or self._held is not None:
            return
        if kind is _Kind.LINK:
            # RFC 4685 §3: thr:count and thr:updated stand on the link to the replies.
            kind = _Kind.COUNTER if attributes.get("rel") == "replies" else _Kind.OTHER
        if kind is not _Kind.OTHER and (kind is not _Kind.GUID or self._depth == 1):
            self._held = (self._depth, self._parser.CurrentByteIndex, kind)

    def _stop(self, _: str) -> None:
        entry = self._entry
        if self._depth:
            if self._held is not None and self._held[0] == self._depth:
                self._release(entry, *self._held[1:])
            self._depth -= 1
        elif entry is not None:
            entry.end, self._entry = self._end(entry.start), None
            if len(self.entries) < self._most:
                self.entries.append(entry)
            else:
                self.rest = (self.rest[0] or entry.start, entry.end)
                self.beyond += 1
        else:
            self._ancestors.pop()
            if not self._ancestors:
                self._bounds = (self._bounds[0], self._end(self._bounds[0]))

    def _release(self, entry: Entry | None, start: int, kind: _Kind) -> None:
        self._held = None
        span = (start, self._end(start))
        if entry is None:
            self._left_out.append(span)
        elif kind is _Kind.GUID:
            entry.guid += self.data[slice(*span)]
        else:
            (entry.counters if kind is _Kind.COUNTER else entry.stamps).append(span)

    def _comment(self, _: str) -> None:
        if self._held is None:
            start = self._parser.CurrentByteIndex
            spans = self._left_out if self._entry is None else self._entry.counters
            spans.append((start, self.data.index(b"-->", start) + 3))

    def _doctype(self, *_: object) -> None:
        raise _RefusedError

    def _end(self, start: int) -> int:
        """Where the element ends that began at `start`, and has ended just now."""
        name = _WRITTEN.match(self.data, start + 1)
        return document.end_of_tag(self.data, self._parser.CurrentByteIndex, name[0] if name else b"")

    def _kind(self, name: str) -> _Kind:
        local = name.rpartition(" ")[2].lower()
        kind = _Kind.OTHER
        if local in _ENTRIES:
            kind = _Kind.ENTRY
        elif name in _COUNTED:
            kind = _Kind.COUNTER
        elif local in _STAMPS:
            kind = _Kind.STAMP
        elif local in _GUIDS:
            kind = _Kind.GUID
        elif name == _LINK:
            kind = _Kind.LINK
        self._kinds[name] = kind
        return kind


def _cut(data: bytes, spans: Sequence[tuple[int, int]], start: int) -> bytes:
    """`data`, which begins at `start`, without `spans`, which are in order and apart."""
    if not spans:
        return data
    pieces, at = [], 0
    for begin, end in spans:
        pieces.append(data[at : begin - start])
        at = end - start
    return b"".join([*pieces, data[at:]])
