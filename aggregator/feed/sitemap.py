"""A sitemap (sitemaps.org, with Google's news extension) → the addresses in it that may be articles of a source, as entries.

Made to run in a worker process: reads a stream of at most 50 MiB, plain or gzipped, keeps no tree, expands no entity.
"""

import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit
from xml.parsers import expat

from aggregator import errors, markup, model
from aggregator.feed import dates, document, entry, identity

# sitemaps.org: "each must have no more than 50,000 URLs and must be no larger than 50 MB", uncompressed.
MOST_LISTED, MOST_BYTES = 50_000, 52_428_800
_PIECE = 65_536
# Those of a whole site need four; a sitemap of images in news has six.
_DEEPEST = 12
_LONGEST_URL, _LONGEST_TITLE, _LONGEST_WORD = 4_096, 1_000, 100
# `2025-09-18`
_DAY = 10
_MOST_CHILDREN = 1_000
# Where sitemaps are, if robots.txt does not say: Google's examples, Yoast, WordPress 5.5.
USUAL = ("/news-sitemap.xml", "/sitemap-news.xml", "/sitemap.xml", "/sitemap_index.xml", "/wp-sitemap.xml")
# The rank of those that have no articles.
NEVER = 9
# Of so many known items that a sitemap lists more than half cannot have changed since they were last in the feed.
_FEWEST_WITNESSES = 3
# A section that so many articles have another word for is any word.
_VARIED = 4
_WORDS = re.compile(r"[a-z]+")
_LATELY = frozenset("news latest recent googlenews current".split())
_ARTICLES = frozenset("post posts article articles story stories".split())
_OTHERS = frozenset(
    "image images video videos tag tags category categories author authors user users product products job jobs event events taxonomies".split()
)
_FILE = re.compile(r"\.(?:html?|php|aspx?|shtml|jsp|cms|ece)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for: addresses of the `home` hosts and domains that look like the `articles` known so far, changed `since`.

    `known` are the URL keys of items that are known, `before` of those that were known before that. What is said to be from after `until`
    is left to the feed. At most `most` are believed to have changed since then.
    """

    home: tuple[str, ...]
    articles: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    most: int = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a sitemap had: the `sitemaps` it names, if it is an index, those first that are likely to have news; else the `entries` that
    are wanted, out of `listed`, and those of the keys in `Wanted.before` that it lists. `doubt` says why some were not believed."""

    sitemaps: tuple[str, ...] = ()
    entries: tuple[model.Entry, ...] = ()
    listed: int = 0
    before: tuple[str, ...] = ()
    doubt: str | None = None
    damage: str | None = None


@dataclass(slots=True)
class _Listed:
    """One address, with what is said of it."""

    told: dict[str, str] = field(default_factory=dict)

    def stamp(self, now: datetime) -> dates.Stamp:
        if (news := dates.best(self.told.get("published"), now=now)).at is not None:
            return news
        changed = dates.best(self.told.get("changed"), now=now)
        return changed._replace(source=model.DateSource.SITEMAP) if changed.at is not None else changed


def read(body: bytes, *, url: str, now: datetime, wanted: Wanted) -> Read:
    """The sitemap in `body`, which came from `url`. Raises ParseError: `empty`, `entities`, `not_a_sitemap`."""
    if not body.strip():
        raise errors.ParseError("the sitemap is empty", code="empty")
    found = _Reader()
    damage = found.read(_pieces(body))
    if found.root not in _PLACES:
        what = f"an XML document <{markup.line(found.root, 50)}>" if found.root else "no XML"
        raise errors.ParseError(f"{what} instead of a sitemap", code="not_a_sitemap")
    if found.root == "sitemapindex":
        return Read(sitemaps=_children(found.listed, url, wanted, now), listed=len(found.listed), damage=damage)
    return replace(_selected(found.listed, url, wanted, now), damage=damage)


def _pieces(body: bytes) -> Iterator[bytes]:
    """`body` in pieces, unpacked if it is gzipped, up to the largest size."""
    if not body.startswith(b"\x1f\x8b"):
        yield from (body[at : at + _PIECE] for at in range(0, min(len(body), MOST_BYTES), _PIECE))
        return
    unpacker, left, data = zlib.decompressobj(wbits=31), MOST_BYTES, body
    while left > 0 and data and not unpacker.eof:
        try:
            piece = unpacker.decompress(data, min(_PIECE, left))
        except zlib.error as exc:
            raise errors.ParseError("a gzip archive that cannot be read", code="not_a_sitemap") from exc
        data, left = unpacker.unconsumed_tail, left - len(piece)
        yield piece


# ---------------------------------------------------------------------------------------------------- reading

# What stands where, by local names below the root: news:title is a title, image:title is none.
_PLACES: Mapping[str, str] = {"urlset": "url", "sitemapindex": "sitemap"}
_TEXTS = {
    ("loc",): ("url", _LONGEST_URL),
    ("lastmod",): ("changed", _LONGEST_WORD),
    ("news", "title"): ("title", _LONGEST_TITLE),
    ("news", "publication_date"): ("published", _LONGEST_WORD),
    ("news", "publication", "language"): ("language", _LONGEST_WORD),
}


class _FullError(Exception):
    """More is not read."""


class _Reader:
    """Takes down what expat meets."""

    def __init__(self) -> None:
        self.root = ""
        self.listed: list[_Listed] = []
        self._open: list[str] = []
        self._one: _Listed | None = None
        self._text: tuple[str, int] | None = None

    def read(self, pieces: Iterable[bytes]) -> str | None:
        """Read it all; returns, in words, why only a part of it could be read."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._stop
        parser.CharacterDataHandler, parser.EntityDeclHandler = self._said, self._entity
        try:
            for piece in pieces:
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except expat.ExpatError:
            return f"it is cut off or broken after {len(self.listed):,} addresses"
        except _FullError:
            return f"only its first {len(self.listed):,} addresses were read"
        return None

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(attributes) > document.MOST_ATTRIBUTES or len(self._open) >= _DEEPEST:
            raise errors.ParseError("nests or has attributes as no sitemap does", code="not_a_sitemap")
        local = name.rpartition(":")[2].lower()
        if not self._open:
            self.root = local
        elif len(self._open) == 1 and local == _PLACES.get(self.root):
            if len(self.listed) >= MOST_LISTED:
                raise _FullError
            self._one = _Listed()
        self._open.append(local)
        place = _TEXTS.get(tuple(self._open[2:])) if self._one is not None else None
        self._text = place if place is not None and place[0] not in self._told else None

    @property
    def _told(self) -> dict[str, str]:
        return self._one.told if self._one is not None else {}

    def _said(self, data: str) -> None:
        if self._text is not None and self._one is not None:
            key, longest = self._text
            self._one.told[key] = (self._one.told.get(key, "") + data)[:longest]

    def _stop(self, _: str) -> None:
        self._open.pop()
        self._text = None
        if len(self._open) == 1 and self._one is not None:
            if self._one.told.get("url", "").strip():
                self.listed.append(self._one)
            self._one = None

    def _entity(self, *_: object) -> None:
        raise errors.ParseError("declares entities", code="entities")


# ---------------------------------------------------------------------------------------------------- choosing


def _late(stamp: dates.Stamp, since: datetime | None) -> bool:
    """Whether it is from then or later; many dates of sitemaps are mere days."""
    if since is None:
        return True
    mere_day = len((stamp.raw or "").strip()) <= _DAY
    return stamp.at is not None and (stamp.at >= since or (mere_day and stamp.at.date() >= since.date()))


def _children(listed: Sequence[_Listed], base: str, wanted: Wanted, now: datetime) -> tuple[str, ...]:
    """The sitemaps of an index that may have what is wanted: the likely ones first, of those the ones that changed last."""
    kept = []
    for one in listed:
        url, stamp = entry.address(one.told["url"], base), one.stamp(now)
        if url is not None and (stamp.at is None or _late(stamp, wanted.since)):
            kept.append((rank(url), -stamp.at.timestamp() if stamp.at is not None else 0.0, url))
    return tuple(dict.fromkeys(url for order, _, url in sorted(kept) if order < NEVER))[:_MOST_CHILDREN]


def rank(url: str) -> int:
    """How soon a sitemap is worth a look, by its name; 9 for those that have no articles."""
    parts = urlsplit(url)
    words = set(_WORDS.findall(f"{parts.path.rpartition('/')[2]} {parts.query}".lower()))
    if words & _OTHERS:
        return NEVER
    return 0 if words & _LATELY else 1 if words & _ARTICLES else 3 if "page" in words or "pages" in words else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    url: str
    stamp: dates.Stamp
    told: Mapping[str, str]

    @property
    def by_change(self) -> bool:
        return self.stamp.source == model.DateSource.SITEMAP


@dataclass(slots=True)
class _Tally:
    """How many addresses like those of articles it lists with a date and, though unknown, without one; and of those known before, with
    the date of a change, how many have changed since."""

    dated: int = 0
    undated: int = 0
    witnesses: int = 0
    changed: int = 0


def _selected(listed: Sequence[_Listed], base: str, wanted: Wanted, now: datetime) -> Read:
    likeness, tally = Likeness(wanted.articles), _Tally()
    kept: list[_Candidate] = []
    before: list[str] = []
    for one in listed:
        url = entry.address(one.told["url"], base)
        if url is None or not within(identity.host_of(url), wanted.home) or not likeness.has(url):
            continue
        candidate = _Candidate(url=url, stamp=one.stamp(now), told=one.told)
        late = _late(candidate.stamp, wanted.since)
        key = identity.url_key(url) if wanted.known else ""
        tally.dated += candidate.stamp.at is not None
        if key in wanted.before:
            before.append(key)
            tally.witnesses += candidate.by_change
            tally.changed += late and candidate.by_change
        elif key not in wanted.known:
            tally.undated += candidate.stamp.at is None
            if late and not _after(candidate.stamp, wanted.until):
                kept.append(candidate)
    lie = _lie(sum(one.by_change for one in kept), tally, wanted)
    doubt = lie or _silence(tally, wanted)
    believed = [one for one in kept if lie is None or not one.by_change]
    believed.sort(key=lambda one: one.stamp.at.timestamp() if one.stamp.at is not None else 0.0, reverse=True)
    entries = tuple(_entry(n, one) for n, one in enumerate(believed[: entry.MOST_ENTRIES], 1))
    return Read(entries=entries, listed=len(listed), before=tuple(before), doubt=doubt)


def _after(stamp: dates.Stamp, until: datetime | None) -> bool:
    return until is not None and stamp.at is not None and stamp.at > until


def _lie(unknown: int, tally: _Tally, wanted: Wanted) -> str | None:
    """Why the dates of changes, by which so many addresses are `unknown`, cannot be meant so."""
    if wanted.since is None or not unknown:
        return None
    if tally.witnesses >= _FEWEST_WITNESSES and 2 * tally.changed > tally.witnesses:
        told = f"{tally.changed} in {tally.witnesses} articles known before"
        return f"a sitemap says of {told} that they have changed since: not believed"
    if unknown > wanted.most:
        return f"a sitemap says of {unknown:,} unknown addresses that they have changed since: not believed"
    return None


def _silence(tally: _Tally, wanted: Wanted) -> str | None:
    """Why it cannot be told which addresses are from the time that is looked for."""
    if wanted.since is None or tally.undated <= tally.dated:
        return None
    return f"a sitemap gives no dates for {tally.undated:,} unknown addresses"


def _entry(position: int, one: _Candidate) -> model.Entry:
    """The address as an entry: its text comes with its page."""
    title = entry.Text(value=one.told.get("title", ""))
    languages = (one.told.get("language", ""),)
    told = entry.Published(
        position=position, base=one.url, links=(one.url,), title=title, languages=languages, stamp=one.stamp
    )
    return replace(entry.clean(told), entry_hash=model.OUTLINE)


def within(host: str, home: Collection[str]) -> bool:
    """Whether `host` is one of the hosts and domains in `home`, or below one."""
    return any(host == own or host.endswith(f".{own}") for own in home)


# ---------------------------------------------------------------------------------------------------- what articles look like


class Likeness:
    """Whether an address is built like those of the articles that are known: as many steps, figures where they have figures, a title
    where they have one, the same section, or any if theirs vary."""

    def __init__(self, articles: Iterable[str]) -> None:
        shapes = {_shape(url) for url in articles}
        wide = Counter(_wide(shape) for shape in shapes)
        self._shapes = shapes
        self._wide = {shape for shape, count in wide.items() if count >= _VARIED}

    def has(self, url: str) -> bool:
        """Of an address among none that is known, whether it ends as titles do."""
        shape = _shape(url)
        if not self._shapes:
            return bool(shape) and shape[-1].startswith(_TITLE)
        return shape in self._shapes or _wide(shape) in self._wide


_YEAR, _SHORT, _NUMBER, _TITLE, _ANY = "#year", "#", "##", "#title", "*"


def _shape(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    steps = [step for step in parts.path.split("/") if step]
    names = tuple(f"?{name}" for name, _ in sorted(parse_qsl(parts.query)))
    return (*map(_step, steps), *names)


def _step(step: str) -> str:
    ending = _FILE.search(step)
    name, kind = (step[: ending.start()], ending[0].lower()) if ending else (step, "")
    if name.isdigit():
        return (_YEAR if len(name) == 4 and name[:2] in ("19", "20") else _SHORT if len(name) < 3 else _NUMBER) + kind
    titled = "-" in name or "_" in name or any(letter.isdigit() for letter in name) or "%" in name
    return (_TITLE if titled else name.lower()) + kind


def _wide(shape: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(step if step.startswith(("#", "?")) else _ANY for step in shape)
