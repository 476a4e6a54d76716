"""Which item an entry is: keys from URLs and guids, and the decision what is new, known or edited.

Never asks the database."""

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import ada_url

from aggregator import model
from aggregator.feed import edits, likeness, tracking

# Beyond this a key is hashed: Postgres indexes at most 2,704 bytes.
_LONGEST_KEY = 1000
# FreshRSS, app/Models/Feed.php: above this share of missing or repeated guids a document's guids mean nothing.
_BAD_GUIDS = 0.05
# The same article on another host: mobile pages, AMP.
_SAME_HOST = ("www.", "m.", "mobile.", "amp.")
# What servers show for a folder: Apache's DirectoryIndex, IIS's default documents.
_INDEX = frozenset(
    f"{name}.{ending}" for name in ("index", "default") for ending in "html htm shtml php asp aspx jsp cfm".split()
)
_NO_STEP = ("", ".", "..")
_AMP_ENDS = (".amp", ".amp.html", ".amp.htm")
# A last step that looks like an article's: the word `amp` alone may be a subject.
_SLUG = re.compile(r"[-_.\d]")
# As `_own_key` ends one; the fragments that keys have otherwise begin with `!` or `/`.
_SHARED = re.compile(r"#[0-9a-f]{32}\Z")
# Google's copies: developers.google.com/amp/cache/overview.
_AMP_CACHE = re.compile(
    r"(?:[a-z0-9-]+\.cdn\.ampproject\.org/(?:[a-z]/)+|(?:www\.)?google\.[a-z.]+/amp/(?:s/)?)(?=[^/]+\.[^/]+)"
)
_SESSION = re.compile(
    r";(?:jsessionid|phpsessid|sid)=[^/;]*|(?:^|/)\((?:[A-Z]\([0-9a-z]{20,}\))+\)(?=/|$)", re.IGNORECASE
)
_AMPERSAND = re.compile(r"&(?:amp|#0*38|#x0*26);", re.IGNORECASE)
_ESCAPED_ROUTE = "_escaped_fragment_"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._~/-]*")
_SAFE = "!$'()*+,;=:@~"


def url_key(url: str) -> str:
    """`url` folded to what names the article; two URLs that are equal by the WHATWG standard have one key.

    Without scheme, user, `www.`, `m.`, `mobile.`, `amp.`, default ports, doubled and last slashes, index pages, the marks of AMP pages,
    session ids, tracking parameters (`tracking`) and fragments, but for routes (`#!`, `#/`). The path keeps its case and is
    percent-encoded one way; parameters are sorted. Longer than 1,000 characters it is hashed. The key of a key is itself.
    """
    text = _unescaped(url.strip())
    try:
        href = ada_url.normalize_url(text)
    except ValueError:
        # Links without a scheme occur in feeds, and keys are such.
        return _bounded(text) if "://" in text else _schemeless(text)
    scheme, mark, rest = href.partition("://")
    if not mark or scheme not in ("http", "https"):
        return _bounded(text)
    if cached := _AMP_CACHE.match(rest):
        return url_key(f"https://{rest[cached.end() :]}")
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    host, _, path = rest.partition("/")
    host = _host(host)
    if not host:
        return _bounded(_unescaped(href))
    kept, route = _query(query, host)
    asked = f"?{urlencode(kept, errors='surrogateescape')}" if kept else ""
    return _bounded("/".join((host, *_steps(path))) + asked + _route(route or fragment))


def _schemeless(text: str) -> str:
    try:
        ada_url.normalize_url(f"https://{text}")
    except ValueError:
        return _bounded(text)
    return url_key(f"https://{text}")


def _unescaped(url: str) -> str:
    """`url` with ampersands that were escaped for HTML, once or more often."""
    while "&amp;" in url or "&#" in url:
        url, before = _AMPERSAND.sub("&", url), url
        if url == before:
            break
    return url


def _host(authority: str) -> str:
    """The host without what does not tell articles apart; empty for what no name in the DNS is like."""
    host = authority.rpartition("@")[2]
    if ".." in host or "&" in host:
        return ""
    if host.endswith((":80", ":443")):
        host = host.rpartition(":")[0]
    host = host.removesuffix(".")
    while host.startswith(_SAME_HOST) and "." in (rest := host.partition(".")[2]):
        host = rest
    return host.replace(".m.wiki", ".wiki") if ".m.wiki" in host else host


def _steps(path: str) -> list[str]:
    if not _PLAIN_PATH.fullmatch(path):
        path = _SESSION.sub("", "/".join(_encoded(step, _SAFE) for step in path.split("/")))
    # Steps of dots are left where a session id was cut off; the URL standard leaves none.
    steps = [step for step in path.split("/") if step not in _NO_STEP]
    while steps:
        last = steps[-1].lower()
        if last in _INDEX or last in _NO_STEP or (last == "amp" and len(steps) > 1 and _SLUG.search(steps[-2])):
            steps.pop()
        elif last.endswith(_AMP_ENDS) and len(last) > len(".amp.html"):
            steps[-1] = steps[-1].replace(".amp", "").replace(".AMP", "")
        else:
            break
    while len(steps) > 2 and steps[0] == "amp" and _SLUG.search(steps[-1]):
        del steps[0]
    return steps


def _query(query: str, host: str) -> tuple[list[tuple[str, str]], str]:
    """The parameters that count, sorted, and the route that crawlers were to ask for in the place of a `#!`."""
    if not query:
        return [], ""
    # A second question mark is what adding a tracker without looking makes.
    pairs = parse_qsl(query.replace("?utm_", "&utm_"), keep_blank_values=True, errors="surrogateescape")
    kept = sorted(pair for pair in pairs if not tracking.tracks(*pair, host))
    routes = [value for name, value in kept if name == _ESCAPED_ROUTE]
    return [pair for pair in kept if pair[0] != _ESCAPED_ROUTE], f"!{routes[0]}" if routes else ""


def _route(fragment: str) -> str:
    if len(fragment) < 2 or fragment[0] not in "!/":
        return ""
    return "#" + _encoded(fragment, _SAFE + "/?")


def _encoded(text: str, safe: str) -> str:
    return quote(unquote(text, errors="surrogateescape"), safe=safe, errors="surrogateescape")


def host_of(url: str | None) -> str:
    """The lower-case host of `url` without its port; empty if it has none."""
    try:
        return (urlsplit(url or "").hostname or "").lower()
    except ValueError:
        return ""


def digest(*parts: str) -> str:
    """32 hex characters for any strings; for keys, not for secrets."""
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _bounded(key: str) -> str:
    return key if len(key) <= _LONGEST_KEY else f"sha256:{digest(key)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """An entry with the key it goes by, its guid if that can be trusted in this document, and its face.

    `by` is what the key is made of. `also`, for entries without guid: the key it has in a document where others share its address,
    or no others do.
    """

    entry: model.Entry
    url_key: str
    guid: str | None
    face: model.Face
    by: str = model.MatchedBy.URL
    also: str | None = None


def keyed(entries: Sequence[model.Entry], source_id: int, beside: Iterable[model.Face] = ()) -> tuple[Keyed, ...]:
    """Every entry with its keys, judged from the document as a whole: from these entries and from those `beside` them.

    A URL that several entries share under other titles, or with guids and other fragments, or that is a site's front page, does not
    name an article: there the guid does. An entry with neither is known by its title and date within its source.
    """
    keys = [url_key(entry.url) if entry.url else "" for entry in entries]
    own = [_face(entry, key) for entry, key in zip(entries, keys, strict=True)]
    faces = [*own, *beside]
    guids = Counter(face.guid for face in faces)
    bad = sum(count for guid, count in guids.items() if not guid or count > 1)
    trusted = bad <= _BAD_GUIDS * len(faces)
    titles: dict[int, int] = {}
    several = {face.key for face in faces if titles.setdefault(face.key, face.title) != face.title}
    unnamed = Counter(face.title for face in faces if not face.key)
    result = []
    for shared, face, entry in zip(keys, own, entries, strict=True):
        unique = guids[face.guid] == 1 and entry.guid is not None
        believed = entry.guid if trusted and unique else None
        front, nameable = is_front_page(shared), unique or bool(entry.title)
        named = not shared or ((face.key in several or front) and nameable)
        name = ""
        if named or (believed is None and nameable):
            name = _own_key(shared, entry, source_id, unique=unique, alone=unnamed[face.title] == 1)
        key = name if named else shared
        by = model.MatchedBy.URL if not named else model.MatchedBy.GUID if unique else model.MatchedBy.TITLE
        also = (shared if named else name) if believed is None and shared and not front else None
        result.append(Keyed(entry=entry, url_key=key, guid=believed, face=face, by=by, also=also or None))
    return tuple(result)


def _face(entry: model.Entry, key: str) -> model.Face:
    words = [entry.title.casefold()] if key else [entry.title, entry.published_raw or ""]
    # A comment on what is at the address, say: all of them may have one title.
    if key and entry.guid and (fragment := (entry.url or "").partition("#")[2]):
        words.append(fragment)
    return model.Face(_bits(entry.guid or ""), _bits(key), _bits("\x00".join(words)))


def _bits(text: str) -> int:
    """32 bits for a string, 0 for the empty one only."""
    return (zlib.crc32(text.encode("utf-8", "surrogatepass")) or 1) if text else 0


def _own_key(url: str, entry: model.Entry, source_id: int, *, unique: bool, alone: bool) -> str:
    if unique and entry.guid is not None:
        name = digest(entry.guid)
    elif url or alone:
        name = digest(entry.title, entry.published_raw or "")
    else:
        name = digest(entry.title, entry.published_raw or "", entry.summary)
    return f"{url}#{name}" if url else f"source:{source_id}#{name}"


def shares_address(key: str) -> bool:
    """Whether a key is that of an entry whose address is another's too, or a front page: the page there is none of its own."""
    return _SHARED.search(key) is not None


def lacks_page(key: str, url: str) -> bool:
    """Whether the page at the present address of an item with this key is none of its own: the address is still the one by which the
    item could not be known."""
    return _base(key) == url_key(url)


def _base(key: str) -> str | None:
    """The key of the address that such an entry shares."""
    return key.rpartition("#")[0] if shares_address(key) else None


def is_front_page(key: str) -> bool:
    """Whether the address of this key is the front page of its site."""
    return not any(mark in key for mark in "/?#") and not key.startswith("sha256:")


def nearness(key: str, first: str, url: str | None) -> tuple[bool, bool]:
    """How near an item, with its `first` key and its present `url`, is to an address at which it is or was, the nearest being the
    least: there now before gone from there, its first address before a further one."""
    return url_key(url or "") != key, first != key


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows that the entries of a document may be. `by_key`: of the items that are or were at an address the nearest.
    `moved`: items of the source with the date of an entry that neither its guid nor its key finds. `taken`: keys that items have."""

    by_guid: Mapping[str, model.KnownItem]
    by_key: Mapping[str, model.KnownItem]
    moved: Sequence[model.KnownItem] = ()
    taken: Collection[str] = ()


_Match = tuple[model.KnownItem, str]
_NOT_BY_KEY = (model.MatchedBy.GUID, model.MatchedBy.MOVED)
_BY_GUID = (*_NOT_BY_KEY, model.MatchedBy.BOTH)


def unmatched(entries: Iterable[Keyed], known: Known) -> tuple[Keyed, ...]:
    """The entries that neither guid nor key makes a known item."""
    return tuple(one for one in entries if _match(one, known) is None)


def titles_by_date(entries: Iterable[Keyed]) -> Mapping[datetime, Sequence[str]]:
    """The titles of these entries by the moment of their publication, for those that have both."""
    found: dict[datetime, list[str]] = {}
    for one in entries:
        if one.entry.published_at is not None and one.entry.title:
            found.setdefault(one.entry.published_at, []).append(one.entry.title)
    return found


def decide(
    source: model.Source,
    entries: Sequence[Keyed],
    known: Known,
    shown: Mapping[int, model.ShownEntry] | None = None,
) -> model.Decision:
    """What is new, known, or edited. The first entry of a document that is a given item counts, later ones are `repeated`; `shown` are
    those that were not parsed, by their positions.

    An item belongs to the source that carried it first. What a source shows in its very first poll may be of any age, so between
    two first polls the order of the configuration decides: the corpus is then the same in whatever order they were made.
    """
    new: dict[str, model.NewItem] = {}
    seen: dict[int, model.SeenItem] = {}
    places, repeated = [], 0
    kept = _first_places(shown or {})
    matches = [_match(one, known) for one in entries]
    if known.moved:
        matches = _with_moved(entries, matches, known.moved, kept)
    matches = _without_left(entries, matches, kept)
    further = _further(source, entries, matches, known)
    for one, found in zip(entries, matches, strict=True):
        position = one.entry.position
        match = (further[one.url_key], one.by) if found is None and one.url_key in further else found
        key = _new_key(source, one, known)
        places.append(model.Place(position, key if match is None else match[0].id, one.face))
        if match is None and key not in new:
            new[key] = model.NewItem(url_key=key, entry=one.entry)
        elif match is not None and match[0].id not in seen and kept.get(match[0].id, position) >= position:
            seen[match[0].id] = _seen(source, one, *match, further)
        else:
            repeated += 1
    return model.Decision(
        new=tuple(new.values()),
        seen=tuple(seen.values()),
        repeated=repeated,
        kept=frozenset(kept) - seen.keys(),
        places=tuple(places),
    )


def _first_places(shown: Mapping[int, model.ShownEntry]) -> dict[int, int]:
    """The items of these entries, each with its first position."""
    kept: dict[int, int] = {}
    for position, before in shown.items():
        kept[before.item_id] = min(position, kept.get(before.item_id, position))
    return kept


def _new_key(source: model.Source, one: Keyed, known: Known) -> str:
    """The key of an entry if it is new. Whoever came to its address first, and has left it, goes by that for ever."""
    if one.url_key in known.taken and one.guid:
        return _own_key(one.url_key, one.entry, source.id, unique=True, alone=False)
    return one.url_key


def _match(one: Keyed, known: Known) -> _Match | None:
    item, there = known.by_guid.get(one.guid) if one.guid else None, known.by_key.get(one.url_key)
    if item is not None and (item.url_key == one.url_key or (there is not None and there.id == item.id)):
        return item, model.MatchedBy.BOTH
    if item is not None and not likeness.given_away(item, one.entry):
        return item, model.MatchedBy.GUID
    if there is not None and not (_passed(there, one.url_key) and likeness.given_away(there, one.entry)):
        return there, one.by
    item = known.by_key.get(one.also) if one.also else None
    if item is not None and item.title.casefold() == one.entry.title.casefold():
        return item, model.MatchedBy.TITLE
    return None


def _passed(item: model.KnownItem, key: str) -> bool:
    """Whether an item was at this address between its first one and the present: that may have been a mistake, and be another's."""
    return all(nearness(key, item.url_key, item.url))


def _with_moved(
    entries: Sequence[Keyed],
    matches: Sequence[_Match | None],
    moved: Sequence[model.KnownItem],
    kept: Collection[int],
) -> list[_Match | None]:
    """`matches`, and for entries without one the item that was moved: with another guid at another address, but of the same date.
    What the document shows, also of the items `kept`, was not moved."""
    taken = {match[0].id for match in matches if match} | set(kept)
    found, repaired = list(matches), 0
    for index, one in enumerate(entries):
        if found[index] is not None or one.entry.published_at is None:
            continue
        free = [item for item in moved if item.published_at == one.entry.published_at and item.id not in taken]
        same = [item for item in free if likeness.same_article(item, one.entry, one.url_key)]
        if not same and repaired < likeness.REPAIRS:
            same = [item for item in free if likeness.corrected(item, one.entry)]
            repaired += len(same) == 1
        if len(same) == 1:
            taken.add(same[0].id)
            found[index] = same[0], model.MatchedBy.MOVED
    return found


def _without_left(
    entries: Sequence[Keyed], matches: Sequence[_Match | None], kept: Collection[int]
) -> list[_Match | None]:
    """`matches`, but for entries of another article at an address that its item has left: the document shows that one under its own guid,
    so they only are where it was."""
    shown = {match[0].id for match in matches if match and match[1] in _BY_GUID} | set(kept)

    def left(one: Keyed, match: _Match) -> bool:
        item, by = match
        return by not in _BY_GUID and one.guid is not None and item.id in shown and likeness.given_away(item, one.entry)

    return [None if match and left(one, match) else match for one, match in zip(entries, matches, strict=True)]


def _further(
    source: model.Source, entries: Iterable[Keyed], matches: Iterable[_Match | None], known: Known
) -> Mapping[str, model.KnownItem]:
    """Whose the addresses are at which a document shows known items for the first time. An address that others share, or at which another
    item stays, is nobody's."""
    moved = [(one, match[0]) for one, match in zip(entries, matches, strict=True) if match and match[1] in _NOT_BY_KEY]
    leaving = {item.id for _, item in moved if item.owner_id == source.id}
    found: dict[str, model.KnownItem] = {}
    for one, item in moved:
        key, there = one.url_key, known.by_key.get(one.url_key)
        stays = there is not None and there.id not in leaving and url_key(there.url or "") == key
        if one.by == model.MatchedBy.URL and not stays and not item.url_key.startswith(f"{key}#"):
            found.setdefault(key, item)
    return found


def _seen(
    source: model.Source, one: Keyed, item: model.KnownItem, matched_by: str, further: Mapping[str, model.KnownItem]
) -> model.SeenItem:
    entry = one.entry
    first_sight = item.entry_hash is None
    first_poll = source.last_success_at is None
    adopted = first_sight and first_poll and item.first_poll and source.id < item.owner_id
    own = not first_sight and item.owner_id == source.id
    adopted = adopted or (own and item.entry_hash == model.OUTLINE != entry.entry_hash)
    rewritten = own and not adopted and item.entry_hash != entry.entry_hash
    shared = _base(one.url_key) if matched_by in _NOT_BY_KEY else None
    return model.SeenItem(
        item=item,
        entry=entry,
        matched_by=matched_by,
        resighted=first_sight or item.entry_hash != entry.entry_hash or item.guid != entry.guid,
        what=edits.changed(item, entry) if rewritten else (),
        adopted=adopted,
        readdressed=rewritten and shared is None and _elsewhere(item.url, entry.url),
        further_key=one.url_key if further.get(one.url_key) is item else None,
        shared_key=shared,
    )


def _elsewhere(old: str | None, new: str | None) -> bool:
    return new is not None and old != new and url_key(new) != url_key(old or "")
