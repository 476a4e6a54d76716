"""Which item an entry is: keys from URLs and guids, and the decision what is new, known or edited. Never asks the database."""

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from aggregator import model

# Parameters that say where a reader came from, never what is shown (ClearURLs, matomo.org/faq/reports, each vendor's documentation).
TRACKING_PREFIXES = ("utm_", "mtm_", "pk_", "piwik_", "matomo_", "hsa_")
TRACKING = frozenset(
    "fbclid gclid gclsrc dclid gbraid wbraid msclkid twclid igshid igsh yclid ysclid mkt_tok mc_cid mc_eid _hsenc _hsmi __hssc "
    "__hstc hsctatracking ocid ncid cmpid s_cid ito ns_campaign ns_mchannel ns_source ns_linkname ns_fee xtor at_medium "
    "at_campaign at_link_type at_ptr_name at_format wt_mc smid smtyp sr_share taid tracking_source soc_src soc_trk feature_src "
    "ref_src ref_url guccounter guce_referrer guce_referrer_sig cmpredirect vero_id vero_conv oly_enc_id oly_anon_id".split()
)
# Beyond this a key is hashed: Postgres indexes at most 2,704 bytes.
_LONGEST_KEY = 1000
# FreshRSS, app/Models/Feed.php: above this share of missing or repeated guids a document's guids mean nothing.
_BAD_GUIDS = 0.05
_HOME = frozenset({"", "/", "/index.html", "/index.php"})


def url_key(url: str) -> str:
    """`url` folded to what names the article: no scheme, `www.`, default port, fragment, tracking parameters or last slash.

    The host is lower case, the path keeps its case and is percent-encoded one way. Longer than 1,000 characters it is hashed.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return _bounded(url.strip())
    host = host.removeprefix("www.")
    at_port = f":{port}" if port and port not in (80, 443) else ""
    path = "/".join(
        quote(unquote(step, errors="surrogateescape"), safe="!$&'()*+,;=:@~", errors="surrogateescape")
        for step in parts.path.split("/")
    )
    while "//" in path:
        path = path.replace("//", "/")
    kept = sorted(
        pair
        for pair in parse_qsl(parts.query.replace("&amp;", "&"), keep_blank_values=True, errors="replace")
        if not tracks(pair[0])
    )
    query = f"?{urlencode(kept)}" if kept else ""
    return _bounded(f"{host}{at_port}{path.rstrip('/')}{query}")


def tracks(parameter: str) -> bool:
    """Whether a query parameter only tracks."""
    name = parameter.lower()
    return name in TRACKING or name.startswith(TRACKING_PREFIXES)


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
    """An entry with the key it goes by, its guid if that can be trusted in this document, and its face."""

    entry: model.Entry
    url_key: str
    guid: str | None
    face: model.Face


def keyed(entries: Sequence[model.Entry], source_id: int, beside: Iterable[model.Face] = ()) -> tuple[Keyed, ...]:
    """Every entry with its keys, judged from the document as a whole: from these entries and from those `beside` them.

    A URL that several differently titled entries share, or that is a site's front page, does not name an article: there the
    guid does. An entry with neither is known by its title and date within its source.
    """
    keys = [url_key(entry.url) if entry.url else "" for entry in entries]
    own = [_face(entry, key) for entry, key in zip(entries, keys, strict=True)]
    faces = [*own, *beside]
    guids = Counter(face.guid for face in faces)
    bad = sum(count for guid, count in guids.items() if not guid or count > 1)
    trusted = bad <= _BAD_GUIDS * len(faces)
    titles: dict[int, set[int]] = {}
    for face in faces:
        titles.setdefault(face.key, set()).add(face.title)
    unnamed = Counter(face.title for face in faces if not face.key)
    result = []
    for shared, face, entry in zip(keys, own, entries, strict=True):
        key, unique = shared, guids[face.guid] == 1 and entry.guid is not None
        if not key or ((len(titles[face.key]) > 1 or _front_page(entry.url)) and (unique or entry.title)):
            key = _own_key(key, entry, source_id, unique=unique, alone=unnamed[face.title] == 1)
        guid = entry.guid if trusted and unique else None
        result.append(Keyed(entry=entry, url_key=key, guid=guid, face=face))
    return tuple(result)


def _face(entry: model.Entry, key: str) -> model.Face:
    words = (entry.title.casefold(),) if key else (entry.title, entry.published_raw or "")
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


def _front_page(url: str | None) -> bool:
    parts = urlsplit(url or "")
    return parts.path in _HOME and not parts.query


def decide(
    source: model.Source,
    entries: Iterable[Keyed],
    by_guid: Mapping[str, model.KnownItem],
    by_key: Mapping[str, model.KnownItem],
    known: Mapping[int, model.ShownEntry] | None = None,
) -> model.Decision:
    """What is new, known, or edited. The first entry of a document that is a given item counts, later ones are `repeated`; `known` are
    those that were not parsed, by their positions.

    An item belongs to the source that carried it first. What a source shows in its very first poll may be of any age, so between
    two first polls the order of the configuration decides: the corpus is then the same in whatever order they were made.
    """
    new: dict[str, model.NewItem] = {}
    seen: dict[int, model.SeenItem] = {}
    places, repeated = [], 0
    kept: dict[int, int] = {}
    for position, shown in (known or {}).items():
        kept[shown.item_id] = min(position, kept.get(shown.item_id, position))
    for one in entries:
        item, position = _match(one, by_guid, by_key), one.entry.position
        places.append(model.Place(position, one.url_key if item is None else item.id, one.face))
        if item is None and one.url_key not in new:
            new[one.url_key] = model.NewItem(url_key=one.url_key, entry=one.entry)
        elif item is not None and item.id not in seen and kept.get(item.id, position) >= position:
            seen[item.id] = _seen(source, item, one)
        else:
            repeated += 1
    return model.Decision(
        new=tuple(new.values()),
        seen=tuple(seen.values()),
        repeated=repeated,
        kept=frozenset(kept) - seen.keys(),
        places=tuple(places),
    )


def _match(
    one: Keyed, by_guid: Mapping[str, model.KnownItem], by_key: Mapping[str, model.KnownItem]
) -> model.KnownItem | None:
    item = by_guid.get(one.guid) if one.guid else None
    # A guid that comes back with another address *and* another title was given to another article.
    if item is not None and item.url_key != one.url_key and item.title.casefold() != one.entry.title.casefold():
        item = None
    return item or by_key.get(one.url_key)


def _seen(source: model.Source, item: model.KnownItem, one: Keyed) -> model.SeenItem:
    entry = one.entry
    first_sight = item.entry_hash is None
    first_poll = source.last_success_at is None
    adopted = first_sight and first_poll and item.first_poll and source.id < item.owner_id
    differs = (item.title, item.summary, item.content) != (entry.title, entry.summary, entry.content)
    return model.SeenItem(
        item=item,
        entry=entry,
        resighted=first_sight or item.entry_hash != entry.entry_hash or item.guid != entry.guid,
        edited=not first_sight and item.owner_id == source.id and item.entry_hash != entry.entry_hash and differs,
        adopted=adopted,
    )
