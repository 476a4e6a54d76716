"""A web page → the addresses at which its feeds may be: what it names, what its program or platform is known for, its links that look
like feeds. Made to run in a worker process; whether there is a feed is for others to see.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import unquote, urlsplit, urlunsplit

from aggregator import markup
from aggregator.feed import entry, platforms

_MOST_NAMED, _MOST_LINKS, _MOST_ELEMENTS = 20, 10, 20_000
_LOOKED_AT = 500_000
_LONGEST_TEXT = 60
_LONGEST_URL = 500

_FEED_TYPES = frozenset(
    "application/rss+xml application/atom+xml application/feed+json application/rdf+xml application/x.atom+xml application/x-rss+xml".split()
)
# Also what is no feed has these: only with a title or an address that says so.
_VAGUE_TYPES = frozenset({"application/json", "application/xml", "text/xml", "text/json"})
_FEED_SCHEMES = re.compile(r"(?:feed|itpc|pcast|podcast|rss):(?://)?(?=https?://|[\w-]+\.)", re.IGNORECASE)
# Of a path, a query, and of what is written on a link.
_FEED_PATH = re.compile(r"(?:^|[/._-])(?:rss2?|atom1?|feeds?|rdf)(?:[/._-]|$)", re.IGNORECASE)
_FEED_QUERY = re.compile(
    r"(?:^|&)(?:feed=|(?:format|type|alt|output|fmt)=(?:rss|atom|feed|rdf|json-?feed)|rss\b|atom\b)", re.IGNORECASE
)
_FEED_TEXT = re.compile(
    r"\b(?:rss(?:[ -]?feeds?)?|atom|(?:web|news|json)[ -]?feeds?|feeds?|syndication)\b", re.IGNORECASE
)
_OTHER_FILE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|ico|css|js|pdf|zip|mp[34]|html?)$", re.IGNORECASE)
# Where readers are offered, the feed's own address in a query or behind a path.
_READERS = re.compile(
    r"(?:feedly\.com|inoreader\.com|newsblur\.com|theoldreader\.com|netvibes\.com|add\.my\.yahoo\.com|my\.yahoo\.com|bloglines\.com|"
    r"subtome\.com|feedbin\.(?:com|me)|podcasts\.google\.com)$"
)
_INSIDE = re.compile(r"https?(?::|%3A)(?:/|%2F){2}[^\s\"'<>]{4,400}", re.IGNORECASE)
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_LINK_HEADER = re.compile(r"<([^<>]{1,2000})>((?:\s*;\s*[\w*-]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]+))?)*)")
_PARAMETER = re.compile(r"([\w*-]+)\s*=\s*(\"[^\"]*\"|[^\s;,\"]+)")
_COMMENTS = re.compile(
    r"\b(?:comments?|kommentar(?:e|er)?|commentaires|commenti|comentarios|coment[aá]rios|reacties|yorumlar)\b|коммент|コメント|评论|評論|댓글",
    re.IGNORECASE,
)
# Where pages are shared, which is no news of theirs.
_SHARING = re.compile(
    r"(?:facebook|twitter|x|linkedin|pinterest|reddit|whatsapp|telegram|t|instagram|tiktok)\.(?:com|me|[a-z]{2})$"
)


class How(IntEnum):
    """By what an address was found, the best first."""

    GIVEN = 0
    NAMED = 1
    PLATFORM = 2
    LINKED = 3
    GUESSED = 4

    @property
    def words(self) -> str:
        return _HOW[self]


_HOW = {
    How.GIVEN: "as given",
    How.NAMED: "named by the page",
    How.PLATFORM: "as its platform has it",
    How.LINKED: "linked from the page",
    How.GUESSED: "a usual place",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An address at which a feed may be, and what is said of it there. `comments`: whether of what readers write."""

    url: str
    how: How
    title: str | None = None
    comments: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page says of feeds: `candidates`, the best first."""

    title: str | None = None
    candidates: tuple[Candidate, ...] = ()


def of_url(url: str) -> tuple[Candidate, ...]:
    """What the address of a page tells by itself."""
    return tuple(Candidate(url=one, how=How.PLATFORM) for one in platforms.of_url(url))


def guesses(url: str) -> tuple[Candidate, ...]:
    """Where the feeds of the page at `url` are if they are where feeds usually are."""
    return tuple(Candidate(url=one, how=How.GUESSED) for one in platforms.guesses(url))


def read(body: bytes, *, url: str, headers: Mapping[str, str]) -> Page:
    """What the HTML page in `body`, as it came from `url` with `headers` (lower-case names), says. Anything else says nothing."""
    elements = _elements(body, headers)
    base = next((to for one in elements if one.tag == "base" and (to := entry.address(one.told("href"), url))), url)
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    found = [
        *_header(headers, url),
        *_named(elements, base),
        *_by_platform(elements, url, text),
        *_linked(elements, base),
    ]
    unique: dict[str, Candidate] = {}
    for one in sorted(found, key=lambda one: (one.how, one.comments)):
        unique.setdefault(one.url, one)
    title = next((one.text for one in elements if one.tag == "title" and one.text), None)
    return Page(title=title, candidates=tuple(unique.values()))


# ---------------------------------------------------------------------------------------------------- the page


@dataclass(frozen=True, slots=True)
class _Element:
    """An element that may tell of feeds; `text` is all that is written in it, on one line."""

    tag: str
    attributes: Mapping[str, str]
    text: str

    def told(self, name: str) -> str:
        return self.attributes.get(name, "")


def _elements(body: bytes, headers: Mapping[str, str]) -> list[_Element]:
    # Imported where it is used: 7 MB that only the workers need.
    from lxml import etree, html

    told = _CHARSET.search(headers.get("content-type", ""))
    try:
        body.decode("utf-8")
        encoding: str | None = "utf-8"
    except UnicodeDecodeError:
        encoding = told[1] if told else None
    try:
        tree = html.document_fromstring(body, parser=html.HTMLParser(encoding=encoding))
    except (etree.LxmlError, LookupError, ValueError):
        # What cannot be read names nothing.
        return []
    found = tree.iter("base", "link", "meta", "title", "a", "area")
    return [
        _Element(
            tag=str(one.tag),
            attributes={str(name).lower(): str(value) for name, value in one.attrib.items()},
            text=markup.line("".join(str(part) for part in one.itertext()), 100),
        )
        for one in itertools.islice(found, _MOST_ELEMENTS)
    ]


def _header(headers: Mapping[str, str], url: str) -> Iterator[Candidate]:
    """What the answer itself links to (RFC 8288)."""
    for target, parameters in _LINK_HEADER.findall(headers.get("link", "")[:10_000]):
        told = {name.lower(): value.strip('"') for name, value in _PARAMETER.findall(parameters)}
        if (found := _alternate(told | {"href": target}, url)) is not None:
            yield found


def _named(elements: Iterable[_Element], base: str) -> Iterator[Candidate]:
    named = (_alternate(one.attributes, base) for one in elements if one.tag in ("link", "a"))
    yield from itertools.islice((one for one in named if one is not None), _MOST_NAMED)


def _alternate(told: Mapping[str, str], base: str) -> Candidate | None:
    """What `told` names as another form of the page, if that is a feed."""
    relations = told.get("rel", "").lower().split()
    kind = told.get("type", "").partition(";")[0].strip().lower()
    title, href = markup.line(told.get("title", ""), 100), told.get("href", "")
    says_so = kind in _VAGUE_TYPES and (_FEED_TEXT.search(title) or _looks_like_feed(href))
    # WordPress names its REST interface as an alternate of type application/json.
    if not {"alternate", "feed"} & set(relations) or not (kind in _FEED_TYPES or "feed" in relations or says_so):
        return None
    return _candidate(href, base, How.NAMED, title)


def _by_platform(elements: Iterable[_Element], url: str, text: str) -> Iterator[Candidate]:
    metas = (one for one in elements if one.tag == "meta" and one.told("name").lower() == "generator")
    generator = " ".join(one.told("content").lower() for one in metas)[:500]
    host = (urlsplit(url).hostname or "").lower()
    addresses = [*platforms.of_url(url), *platforms.of_program(url, generator, text)]
    if host.endswith("youtube.com"):
        addresses = [*platforms.youtube(text), *addresses]
    yield from (Candidate(url=one, how=How.PLATFORM) for one in addresses)


# ---------------------------------------------------------------------------------------------------- links


def _linked(elements: Iterable[_Element], base: str) -> Iterator[Candidate]:
    links = (_link(one, base) for one in elements if one.tag in ("a", "area"))
    yield from itertools.islice((one for one in links if one is not None), _MOST_LINKS)


def _link(one: _Element, base: str) -> Candidate | None:
    href = one.told("href").strip()
    if not href or href.startswith("#"):
        return None
    said = " ".join([one.text, one.told("title"), one.told("aria-label")])
    scheme = _FEED_SCHEMES.match(href)
    if (
        scheme is None
        and not _looks_like_feed(href)
        and not (_FEED_TEXT.search(said) and len(one.text) <= _LONGEST_TEXT)
    ):
        return None
    return _candidate(href, base, How.LINKED, one.told("title") or one.text)


def _looks_like_feed(href: str) -> bool:
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    if _READERS.search(parts.hostname or ""):
        return bool(_INSIDE.search(href))
    return bool(_FEED_PATH.search(parts.path) or _FEED_QUERY.search(parts.query)) and not _OTHER_FILE.search(parts.path)


def _candidate(href: str, base: str, how: How, title: str) -> Candidate | None:
    url = _own(entry.address(_FEED_SCHEMES.sub(_as_http, href.strip(), count=1), base))
    # It is shown in messages, where a password must not be.
    if url is None or len(url) > _LONGEST_URL or "@" in urlsplit(url).netloc:
        return None
    if how is How.LINKED and _SHARING.search(urlsplit(url).hostname or ""):
        return None
    comments = bool(_COMMENTS.search(f"{title} {urlsplit(url).path}"))
    return Candidate(url=url, how=how, title=title or None, comments=comments)


def _as_http(found: re.Match[str]) -> str:
    rest = found.string[found.end() :].lower()
    return "" if rest.startswith(("http:", "https:")) else "http://"


def _own(url: str | None) -> str | None:
    """The feed's own address, where `url` is that of a reader that would subscribe to it; without what comes after #."""
    if url is None:
        return None
    parts = urlsplit(url)
    if _READERS.search(parts.hostname or ""):
        inside = _INSIDE.search(f"{parts.path}?{parts.query}")
        return entry.address(unquote(inside[0]), url) if inside else None
    return urlunsplit(parts._replace(fragment=""))
