"""A fetched document into a `model.ParsedFeed`, or into the reason why it is no feed. Made to run in a worker process."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aggregator import errors, markup, model
from aggregator.feed import archive, dates, document, entry, familiar, glance, hints, impostor, jsonfeed, lean, split

_LONGEST_TITLE, _LONGEST_GENERATOR = 1_000, 200
# A glance takes five microseconds for each entry.
_MOST_ENTRIES = 1_000
# A first look takes a microsecond or two for each tag and each query of a URL; new items of a JSON feed are read in it.
_MOST_MARKS = ((b"<", 6_000), (b"?", 2_000), (b"{", 100))
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")

_BLANK = b" \t\r\n\x00\xef\xbb\xbf\xfe\xff"
_MAGIC = (
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (WebP image, sound or film)"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
)
_ROOTS = {
    "urlset": "a sitemap",
    "sitemapindex": "an index of sitemaps",
    "opml": "an OPML list of feeds",
    "svg": "an SVG image",
    "opensearchdescription": "an OpenSearch description",
    "rsd": "an RSD description",
}
_FEED_ROOTS = frozenset({"rss", "rdf", "feed", "channel", "entry", "item"})
_HTML_ROOTS = frozenset(
    {"head", "body", "meta", "title", "script", "style", "div", "p", "center", "h1", "table", "link", "br"}
)
_HTML = re.compile(r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+<(?:!doctype\s+html|html)\b", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """What is left to parse of a document: `data` with the entries at `positions`.

    `feed` tells the rest of it: what its entries are known by, and which of them were known.
    """

    data: bytes
    root: str
    positions: tuple[int, ...]
    feed: model.ParsedFeed


def parse(
    body: bytes, *, url: str, headers: Mapping[str, str], now: datetime, shown: model.Shown | None = None
) -> model.ParsedFeed:
    """The feed in `body`, as it came from `url` with `headers` (lower-case names). Entries that this source has `shown` before are
    not parsed.

    Raises ParseError, its code `empty`, `not_a_feed`, `entities`, `unreadable`, or for an HTML page what kind of page it is: `login`,
    `consent`, `challenge`, `parked`, `error_page`, else `html`. What is only damaged is read as far as it goes, and `damage` says so.
    A feed without entries is a feed.
    """
    if not body.strip(_BLANK):
        raise errors.ParseError(f"the document is {'blank' if body else 'empty'} ({len(body):,} bytes)", code="empty")
    for start, what in _MAGIC:
        if body.startswith(start):
            raise errors.ParseError(f"{what} instead of a feed")
    text = document.decode(body, headers)
    if jsonfeed.recognises(text):
        return jsonfeed.read(text, url=url, now=now, shown=shown)
    if _HTML.match(text.lstrip("\ufeff")):
        raise _no_feed(text, "html", url)
    outline = _glance(body, headers, shown, entry.MOST_LISTED) or split.outline(text, entry.MOST_LISTED)
    feed = _rest(outline, shown) if outline is not None else None
    if isinstance(feed, Remainder):
        feed = finish(feed, url=url, now=now)
    return feed or _whole(text, url, now)


def load() -> None:
    """Import feedparser now rather than at the first entry: it takes 50 ms."""
    lean.load()


def begin(
    body: bytes, *, url: str, headers: Mapping[str, str], now: datetime, shown: model.Shown
) -> model.ParsedFeed | Remainder | None:
    """The first look at a document of a source that has `shown` one before: the feed where it shows nothing new; what is left to
    `finish`; None where it must be parsed as a whole, or has so many parts that the look takes more than some milliseconds."""
    if (outline := _glance(body, headers, shown, _MOST_ENTRIES)) is not None:
        return _rest(outline, shown)
    if any(body.count(mark) > most for mark, most in _MOST_MARKS):
        return None
    text = document.decode(body, headers)
    if jsonfeed.recognises(text):
        return jsonfeed.read(text, url=url, now=now, shown=shown)
    outline = split.outline(text, entry.MOST_LISTED)
    return _rest(outline, shown) if outline is not None else None


def finish(rest: Remainder, *, url: str, now: datetime) -> model.ParsedFeed | None:
    """The feed of which only `rest` had to be parsed; None where feedparser sees other entries in it than expat does. Raises ParseError."""
    try:
        feed = _read(rest.data, rest.root, rest.positions, url, now)
    except errors.ParseError as exc:
        feed = _one_by_one(rest, url, now, exc)
    if feed is None:
        return None
    return replace(
        feed,
        left=rest.feed.left,
        beyond=rest.feed.beyond,
        marks=rest.feed.marks,
        known=rest.feed.known,
        head_hash=rest.feed.head_hash,
    )


def _read(data: bytes, root: str, positions: Sequence[int], url: str, now: datetime) -> model.ParsedFeed | None:
    found = lean.read_clean(data)
    entries = _dicts(found, "entries")
    if not _string(found, "version") or len(entries) != len(positions) or root.lower() not in _FEED_ROOTS:
        return None
    return _feed(found, entries, positions, data, url, now)


def _one_by_one(rest: Remainder, url: str, now: datetime, failure: errors.ParseError) -> model.ParsedFeed | None:
    """The same where feedparser stumbles on one of the entries: the others. Raises `failure` where it reads none of them, and none is known."""
    outline = split.outline(rest.data.decode("utf-8", "surrogatepass"), len(rest.positions))
    if outline is None or not outline.parts or len(outline.parts) != len(rest.positions):
        raise failure
    data, parts = outline.data, outline.parts
    head, tail = data[: parts[0].start], data[parts[-1].end :]
    read: list[model.ParsedFeed] = []
    for position, part in zip(rest.positions, parts, strict=True):
        try:
            feed = _read(b"".join((head, data[part.start : part.end], tail)), rest.root, [position], url, now)
        except errors.ParseError:
            continue
        if feed is None:
            return None
        read.append(feed)
    if not read and not rest.feed.known:
        raise failure
    first = read[0] if read else _read(head + tail, rest.root, [], url, now)
    if first is None:
        return None
    said = f"{len(parts) - len(read)} of its entries cannot be read: {failure}"
    return replace(first, entries=tuple(one for feed in read for one in feed.entries), damage=said)


def _glance(body: bytes, headers: Mapping[str, str], shown: model.Shown | None, most: int) -> split.Outline | None:
    data = document.utf8(body, headers) if shown is not None and shown.packed else None
    if shown is None or data is None:
        return None
    return glance.outline(data, most, familiar.exact_marks(shown.packed))


def _rest(outline: split.Outline, shown: model.Shown | None) -> model.ParsedFeed | Remainder:
    marks, known = familiar.recognise(outline, shown)
    unknown = sorted(set(range(1, len(marks) + 1)).difference(known))
    new, left = unknown[: entry.MOST_ENTRIES], unknown[entry.MOST_ENTRIES :]
    feed = model.ParsedFeed(
        version="",
        entries=(),
        left=len(left),
        beyond=outline.beyond,
        marks=marks,
        known=known,
        head_hash=outline.head_hash,
    )
    head = shown.head if shown is not None else None
    if shown is not None and head is not None and len(known) == len(marks) and head.hash == outline.head_hash.hex():
        return familiar.as_before(feed, head, shown.hints)
    return Remainder(
        data=outline.without({*known, *left}),
        root=outline.root,
        positions=tuple(new),
        feed=feed,
    )


def _whole(text: str, url: str, now: datetime) -> model.ParsedFeed:
    xml = document.prepare(text, entry.MOST_ENTRIES)
    found = lean.read(xml.data)
    version, entries = _string(found, "version"), _dicts(found, "entries")
    if not version or (xml.root.rpartition(":")[2].lower() not in _FEED_ROOTS and not entries):
        raise _no_feed(text, xml.root, url)
    beyond = xml.beyond + len(entries[entry.MOST_ENTRIES :])
    entries = entries[: entry.MOST_ENTRIES]
    feed = _feed(found, entries, range(1, len(entries) + 1), xml.data, url, now)
    return replace(feed, damage=xml.damage, beyond=beyond)


def _feed(
    found: dict[str, Any],
    entries: Sequence[dict[str, Any]],
    positions: Sequence[int],
    data: bytes,
    url: str,
    now: datetime,
) -> model.ParsedFeed:
    version = _string(found, "version")
    reader = _Reader(url=url, version=version, head=dict.get(found, "feed", {}), now=now)
    links = [(_string(link, "rel"), _string(link, "href")) for link in _dicts(reader.head, "links")]
    hubs, self_url = hints.websub(links, url)
    return model.ParsedFeed(
        version=version,
        entries=tuple(entry.clean(reader.published(n, one)) for n, one in zip(positions, entries, strict=True)),
        title=entry.one_line(reader.text(reader.head, "title"), _LONGEST_TITLE) or None,
        site_url=entry.first_address(_links(reader.head), url),
        language=entry.language([_string(reader.head, "language")]),
        hints=hints.read({name: _string(reader.head, name) for name in hints.TOLD}, data, now=now),
        hubs=hubs,
        self_url=self_url,
        older=archive.named(links, url),
        generator=entry.one_line(reader.text(reader.head, "generator"), _LONGEST_GENERATOR) or None,
    )


# ---------------------------------------------------------------------------------------------------- what it is instead


def _no_feed(text: str, root: str, url: str) -> errors.ParseError:
    """The error that says what `text` from `url`, whose first element is `root`, is instead of a feed."""
    local = root.rpartition(":")[2].lower()
    if local == "html" or local in _HTML_ROOTS:
        code, what = impostor.kind(text)
        links = impostor.feed_links(text, url)
        named = f"; it names {', '.join(links)} as its feed{'s' if links[1:] else ''}" if links else ""
        return errors.ParseError(f"{what} instead of a feed{named}", code=code, named=links)
    if local in _ROOTS:
        return errors.ParseError(f"{_ROOTS[local]} instead of a feed")
    if text.lstrip("\ufeff \t\r\n").startswith("<") and root:
        return errors.ParseError(f"an XML document <{markup.line(root, 50)}> that is no feed")
    if "\x00" in text[:1000] or "\ufffd" in text[:1000]:
        return errors.ParseError("binary data instead of a feed")
    return errors.ParseError(f"text instead of a feed: {markup.line(text[:1000], 60)!r}")


# ---------------------------------------------------------------------------------------------------- entries


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads feedparser's dictionaries. A document may put a value of any type at almost any of their keys."""

    url: str
    version: str
    head: dict[str, Any]
    now: datetime

    def published(self, position: int, one: dict[str, Any]) -> entry.Published:
        contents = _dicts(one, "content")
        details = [_dict(one, "title_detail"), *contents, _dict(one, "summary_detail")]
        return entry.Published(
            position=position,
            base=self.url,
            guid=_string(one, "id"),
            guid_is_link=dict.get(one, "guidislink") is True,
            links=tuple(_links(one)),
            title=self.text(one, "title"),
            # Without its detail it is a copy that feedparser made of the content.
            summary=self.text(one, "summary") if "summary_detail" in one else entry.Text(),
            contents=tuple(self._text(each, _string(each, "value")) for each in contents if _readable(each)),
            authors=tuple(self._authors(one)),
            categories=tuple(_string(tag, "term") or _string(tag, "label") for tag in _dicts(one, "tags")),
            languages=(
                _string(one, "language"),
                *(_string(detail, "language") for detail in details),
                _string(self.head, "language"),
            ),
            images=tuple(_images(one)),
            enclosures=tuple(_enclosures(one)),
            stamp=dates.best(_string(one, "published"), _string(one, "updated"), _string(one, "created"), now=self.now),
        )

    def text(self, holder: dict[str, Any], key: str) -> entry.Text:
        return self._text(_dict(holder, f"{key}_detail"), _string(holder, key))

    def _text(self, detail: dict[str, Any], value: str) -> entry.Text:
        told = _string(detail, "base")
        base = (entry.address(told, self.url) if told else None) or self.url
        return entry.Text(value=value, html=_string(detail, "type") in _HTML_TYPES, base=base)

    def _authors(self, one: dict[str, Any]) -> list[str]:
        """The names of the entry's authors; in Atom those of its source or of the feed where it has none (RFC 4287 §4.2.1)."""
        holders = [one]
        if self.version.startswith("atom"):
            holders += [_dict(one, "source"), self.head]
        for holder in holders:
            if names := [name for name in _names(holder) if name]:
                return names
        return []


def _names(holder: dict[str, Any]) -> Iterator[str]:
    """The names or addresses of authors, the last one's in the publisher's words if feedparser took them apart.

    It ends every address after four letters of its top-level domain, and takes the rest of it for the name.
    """
    authors, words = _dicts(holder, "authors"), _string(holder, "author")
    for author in authors[:-1]:
        yield _string(author, "name") or _string(author, "email")
    name, email = (_string(authors[-1], "name"), _string(authors[-1], "email")) if authors else ("", "")
    yield words if "@" in words and words != f"{name} ({email})" else name or email or words


def _links(holder: dict[str, Any]) -> Iterator[str]:
    """Where an entry or a feed may be read, best first; not its guid, which feedparser puts in the place of a link."""
    yield _string(holder, "feedburner_origlink")
    alternates = [one for one in _dicts(holder, "links") if _string(one, "rel") == "alternate"]
    pages = [_string(one, "href") for one in alternates if _string(one, "type") in _HTML_TYPES]
    link = _string(holder, "link")
    if link in pages or link != _string(holder, "id"):
        yield link
    yield from pages
    yield from (_string(one, "href") for one in alternates)


def _readable(content: dict[str, Any]) -> bool:
    """Whether it is text, and stands here: Atom content may be any media type and elsewhere (RFC 4287 §4.1.3)."""
    kind = _string(content, "type")
    return (kind in _HTML_TYPES or kind.startswith("text/")) and "src" not in content


def _images(one: dict[str, Any]) -> Iterator[str]:
    """Pictures for the entry, best first."""
    yield from (_string(media, "url") for media in _dicts(one, "media_content") if _is_image(media))
    yield from (_string(media, "url") for media in _dicts(one, "media_thumbnail"))
    yield _string(_dict(one, "image"), "href")
    yield from (_string(link, "href") for link in _attached(one) if _is_image(link))


def _enclosures(one: dict[str, Any]) -> Iterator[tuple[str, str, object]]:
    """URL, type and length of everything attached; Media RSS pictures are illustrations, not attachments."""
    for link in _attached(one):
        yield _string(link, "href"), _string(link, "type"), _string(link, "length")
    for media in _dicts(one, "media_content"):
        if not _is_image(media):
            yield _string(media, "url"), _string(media, "type"), _string(media, "filesize")


def _attached(one: dict[str, Any]) -> list[dict[str, Any]]:
    return [link for link in _dicts(one, "links") if _string(link, "rel") == "enclosure"]


def _is_image(media: dict[str, Any]) -> bool:
    kind, medium = _string(media, "type").lower(), _string(media, "medium").lower()
    if kind or medium:
        return medium == "image" or kind.startswith("image/")
    address = _string(media, "url") or _string(media, "href")
    return address.partition("?")[0].lower().endswith(_IMAGE_ENDINGS)


# feedparser's own `get` maps keys to others, and warns where it maps `updated` to `published`.


def _string(holder: dict[str, Any], key: str) -> str:
    value = dict.get(holder, key)
    return value if isinstance(value, str) else ""


def _dict(holder: dict[str, Any], key: str) -> dict[str, Any]:
    value = dict.get(holder, key)
    return value if isinstance(value, dict) else {}


def _dicts(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = dict.get(holder, key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
