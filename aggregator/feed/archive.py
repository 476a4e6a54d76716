"""A walk back through what a feed no longer shows: which page comes next, by which of four ways, and when it ends.

1. pages that the feed itself names: RFC 5005 (`prev-archive`, `next`), JSON Feed's `next_url`
2. the pages of a WordPress feed, `?paged=2` and so on
3. the sitemaps of its site (`feed.sitemap`)

A `Trail` says where a walk stands. Whoever walks fetches what it names, stores what is found and asks what comes next.
"""

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from aggregator import model
from aggregator.feed import entry, hints, identity, sitemap

# RFC 5005 §4 before §3, for its pages do not change while one walks. `next` leads to older entries wherever a feed is paged (Blogger,
# AtomPub). Of `previous` that is not sure: Atom Hopper means newer ones. It counts where a document says nothing else.
_RELATIONS = ("prev-archive", "next", "next_url", "previous", "prev")
_METHODS = {"next_url": model.DiscoveredBy.NEXT_URL}
_NAMED = (model.DiscoveredBy.ARCHIVE, model.DiscoveredBy.NEXT_URL)
_NAMES: Mapping[str, str] = {"archive": "its archive", "paged": "?paged=", "sitemap": "sitemaps"}
# The feed of a WordPress site ends so, whatever generator it states: wordpress.org/documentation/article/wordpress-feeds.
_WORDPRESS_PATH = re.compile(r"/feed/?(?:(?:rss|rss2|rdf|atom)/?)?$")
_PAGED = "paged"
# A circle that is longer is left by way of the limit of pages.
_MOST_VISITED = 1_000
# So many entries of a page are remembered, to tell whether the next one is the same.
_MOST_KEYS = 500

# An index may name indexes, though sitemaps.org does not allow it; and 50,000 sitemaps, which it does.
_DEEPEST_INDEX, _MOST_SITEMAPS, _MOST_DOUBTS = 2, 500, 5

FEED = "the feed"


class Step(NamedTuple):
    """A way back: what its items will be `discovered_by`, and the page to begin with."""

    method: str
    url: str
    relation: str = ""


class Sitemap(NamedTuple):
    """A sitemap that is still to be read; `depth` counts the indexes that led to it. Nobody has named one that is `guessed`."""

    url: str
    depth: int = 0
    guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """Where a walk stands. Without a `step` the feed itself is next, else what that says.

    `page` counts the pages of this way, the feed itself is the first; `gained` the items that they brought. `left` are the ways that are
    still to be tried, `said` why others did not do. `first` and `last` are the entries of the feed and of the page before, `visited` the
    pages, as 32 bits each. `home` are the hosts and domains whose pages count as the source's own. `sitemaps` is None until they are
    known; `known_at` is since when an item was known that they list, `doubts` why what they say is not all believed, `read` how many
    were no indexes. `offered`: a way was there, even if it did not lead far enough.
    """

    step: Step | None = None
    page: int = 1
    gained: int = 0
    left: tuple[Step, ...] = ()
    said: tuple[str, ...] = ()
    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    visited: tuple[int, ...] = ()
    home: tuple[str, ...] = ()
    sitemaps: tuple[Sitemap, ...] | None = None
    known_at: datetime | None = None
    doubts: tuple[str, ...] = ()
    read: int = 0
    offered: bool = False

    @property
    def method(self) -> str:
        return self.step.method if self.step is not None else ""

    @property
    def sitemap(self) -> bool:
        return self.method == model.DiscoveredBy.SITEMAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """How far a walk goes: back to `since`, without it to the end; through pages without anything new only if `through_known`.

    If not `strict`, a page older than `since` that has something new shows that the dates cannot be believed: it goes on. Feeds
    date entries by the day, and back.
    """

    since: datetime | None = None
    through_known: bool = False
    strict: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that was fetched from `url` with `headers`, and what became of it: `new` items; `filled` says that nothing is left to look
    for."""

    url: str
    feed: model.ParsedFeed
    headers: Mapping[str, str]
    new: int = 0
    filled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The walk is over on this way, in words why. `reached` tells that it came as far as it was to; `absent` that there is no such way."""

    why: str
    reached: bool = False
    absent: bool = False


# ---------------------------------------------------------------------------------------------------- the ways


def named(links: Iterable[tuple[str, str]], base: str) -> tuple[tuple[str, str], ...]:
    """Where a document says that older entries are, from `links`, pairs of relation and address; best first."""
    found: dict[str, str] = {}
    for relations, href in links:
        for relation in relations.lower().split():
            if relation in _RELATIONS and relation not in found and (url := entry.address(href, base)):
                found[relation] = url
    return tuple((relation, found[relation]) for relation in _RELATIONS if relation in found)


def ways(page: Page, *, sitemaps: bool) -> tuple[Step, ...]:
    """The ways back that the feed itself, as the first page, opens up; best first."""
    steps = [Step(_METHODS.get(rel, model.DiscoveredBy.ARCHIVE), url, rel) for rel, url in _older(page)[:1]]
    if _is_wordpress(page.feed.generator, page.url):
        steps.append(Step(model.DiscoveredBy.PAGED, with_page(page.url, 2)))
        if page.feed.site_url and identity.host_of(page.feed.site_url) != identity.host_of(page.url):
            # A copy of the feed elsewhere (FeedBurner) has no pages.
            steps.append(Step(model.DiscoveredBy.PAGED, with_page(urljoin(page.feed.site_url, "/feed/"), 2)))
    if sitemaps:
        steps.append(Step(model.DiscoveredBy.SITEMAP, urljoin(page.feed.site_url or page.url, "/")))
    return tuple(steps)


def _older(page: Page) -> Sequence[tuple[str, str]]:
    return page.feed.older or named(hints.links(page.headers.get("link", "")), page.url)


def _is_wordpress(generator: str | None, url: str) -> bool:
    parts = urlsplit(url)
    by_query = any(name == "feed" for name, _ in parse_qsl(parts.query))
    return "wordpress" in (generator or "").lower() or bool(_WORDPRESS_PATH.search(parts.path)) or by_query


def with_page(url: str, number: int) -> str:
    """The address of that page of a WordPress feed."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != _PAGED]
    return urlunsplit(parts._replace(query=urlencode([*kept, (_PAGED, str(number))]), fragment=""))


# ---------------------------------------------------------------------------------------------------- walking


def after_feed(trail: Trail, page: Page, *, home: Iterable[str], sitemaps: bool) -> Trail:
    """The feed itself was read: the ways back that there are. Those that lead away from `home` are none."""
    keys, said = _keys(page.feed.entries), []
    trail = replace(trail, first=keys, last=keys, visited=(_bits(page.url),), home=tuple(home))
    steps = ways(page, sitemaps=sitemaps)
    away = [step for step in steps if not at_home(trail, step.url) and not _is_blogger(page, step)]
    if not steps or steps[0].method not in _NAMED:
        said.append("the feed names no older pages")
    if not sitemaps:
        said.append("sitemaps are read only back to a date (--since)")
    said += [f"its older pages are on another host ({identity.host_of(step.url)})" for step in away]
    return replace(trail, left=tuple(step for step in steps if step not in away), said=tuple(said))


def _is_blogger(page: Page, step: Step) -> bool:
    """Every blog's feed is paged there, whatever the blog's own domain."""
    return (page.feed.generator or "").lower() == "blogger" and identity.host_of(step.url) == "www.blogger.com"


def turn(trail: Trail, end: End | None = None) -> Trail:
    """The next way, after the present one has ended; without a `step` if there is no other."""
    said = (*trail.said, f"{_NAMES.get(trail.method, trail.method)}: {end.why}") if end is not None else trail.said
    step, *left = trail.left or (None,)
    return Trail(
        step=step,
        page=2 if step is not None else 1,
        left=tuple(left),
        said=said,
        first=trail.first,
        last=trail.first,
        visited=(*trail.visited[:1], _bits(step.url)) if step is not None else (),
        home=trail.home,
        offered=trail.offered or (end is not None and not end.absent),
    )


def failure(trail: Trail) -> str:
    """Why no way led to what was looked for."""
    return ("" if trail.offered else "no archive offered: ") + "; ".join(trail.said)


def after_page(trail: Trail, page: Page, aim: Aim) -> Trail | End:
    """Where to go on after a page of an archive, or why not."""
    step, keys = trail.step, _keys(page.feed.entries)
    if step is None:
        raise ValueError("the feed itself is no page of an archive")
    if page.filled:
        return End(why=f"page {trail.page} shows what was known", reached=True)
    opening = trail.page == 2
    if not keys:
        return End(why=f"page {trail.page} is empty", absent=opening)
    # Pages that the feed names may be smaller than it is; of those that are guessed one article may just have come.
    guessed = step.method == model.DiscoveredBy.PAGED
    if set(keys) == {*trail.last} or (guessed and set(keys) <= {*trail.last}):
        before = FEED if opening else "the page before"
        return End(why=f"page {trail.page} shows the same entries as {before}", absent=opening)
    newest = max((one.published_at for one in page.feed.entries if one.published_at is not None), default=None)
    late = aim.strict or not page.new
    if late and aim.since is not None and newest is not None and newest < aim.since:
        return End(why=f"page {trail.page} is older than {aim.since:%Y-%m-%d %H:%M} UTC", reached=True)
    if not page.new and not aim.through_known:
        return End(why=f"page {trail.page} has nothing new", reached=True)
    url = with_page(step.url, trail.page + 1) if step.method == model.DiscoveredBy.PAGED else _same_way(page, step)
    if url is None:
        return End(why=f"page {trail.page} is the last")
    if not at_home(trail, url) and not _is_blogger(page, step):
        return End(why=f"page {trail.page} leads to another host ({identity.host_of(url)})")
    if _bits(url) in trail.visited:
        return End(why=f"page {trail.page} leads back to a page before it")
    return replace(
        trail,
        step=step._replace(url=url),
        page=trail.page + 1,
        gained=trail.gained + page.new,
        offered=True,
        last=keys,
        visited=(*trail.visited, _bits(url))[-_MOST_VISITED:],
    )


def _same_way(page: Page, step: Step) -> str | None:
    """What the page names in the same relation: another may lead forward again."""
    return dict(_older(page)).get(step.relation)


def after_sitemap(trail: Trail, read: sitemap.Read, *, new: int, known_at: datetime | None) -> Trail:
    """What is left after a sitemap, whose items were `new`, or known since `known_at`."""
    inner = [Sitemap(url, _depth(trail) + 1) for url in read.sitemaps if at_home(trail, url)]
    ahead = [one for one in inner if one.depth <= _DEEPEST_INDEX and _bits(one.url) not in trail.visited]
    known = [at for at in (trail.known_at, known_at) if at is not None]
    rest = passed(trail)
    return replace(
        rest,
        sitemaps=(*ahead, *(rest.sitemaps or ()))[:_MOST_SITEMAPS],
        visited=(*trail.visited, *(_bits(one.url) for one in ahead))[-_MOST_VISITED:],
        gained=trail.gained + new,
        known_at=min(known, default=None),
        doubts=(*trail.doubts, read.doubt) if read.doubt and read.doubt not in trail.doubts else trail.doubts,
        read=trail.read + (0 if read.sitemaps else 1),
    )


def passed(trail: Trail, why: str | None = None) -> Trail:
    """The first sitemap is done with; in words why, where it could not be read though somebody has named it."""
    first, *rest = trail.sitemaps or (Sitemap(""),)
    doubts = (*trail.doubts, f"{first.url}: {why}")[:_MOST_DOUBTS] if why and not first.guessed else trail.doubts
    return replace(trail, sitemaps=tuple(rest), page=trail.page + 1, doubts=doubts)


def sitemaps(trail: Trail, named: Iterable[str], root: str) -> tuple[Sitemap, ...]:
    """Where to begin: with those that are `named` and at home, else with the usual ones below `root`; the likely ones first."""
    urls = [url for one in named if (url := entry.address(one, root)) and at_home(trail, url)]
    likely = sorted((url for url in dict.fromkeys(urls) if sitemap.rank(url) < sitemap.NEVER), key=sitemap.rank)
    if likely:
        return tuple(Sitemap(url) for url in likely)
    return tuple(Sitemap(urljoin(root, path), guessed=True) for path in sitemap.USUAL)


def missing(trail: Trail, said: str) -> End:
    """The page could not be had, in words why."""
    return End(why=f"page {trail.page}: {said}", absent=trail.page == 2)


def _depth(trail: Trail) -> int:
    return trail.sitemaps[0].depth if trail.sitemaps else 0


def after_sitemaps(trail: Trail, *, filled: bool) -> End:
    """All sitemaps were read."""
    doubts = "; ".join(trail.doubts)
    if not trail.read:
        return End(why=f"no sitemap could be read{': ' if doubts else ''}{doubts}", absent=True)
    if doubts:
        return End(why=doubts)
    return End(
        why="its sitemaps list what was known" if filled else "its sitemaps list nothing that was known", reached=filled
    )


def at_home(trail: Trail, url: str) -> bool:
    """Whether `url` is on a host, or below a domain, of the source's own."""
    return sitemap.within(identity.host_of(url), trail.home)


def familiar_first(trail: Trail, one: model.Entry) -> bool:
    """Whether the feed itself shows the entry too: one that is kept on top tells nothing of how far back a page reaches."""
    return trail.page > 1 and _key(one) in trail.first


def _keys(entries: Iterable[model.Entry]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(_key, entries)))[:_MOST_KEYS]


def _key(one: model.Entry) -> int:
    return _bits(one.url or one.guid or f"{one.title} {one.published_raw}")


def _bits(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


# ---------------------------------------------------------------------------------------------------- keeping


def stored(trail: Trail) -> dict[str, Any]:
    """As JSON keeps it."""
    return asdict(trail) | {"known_at": trail.known_at.isoformat() if trail.known_at is not None else None}


def restored(values: Mapping[str, Any]) -> Trail:
    """The trail that `stored` has made JSON of."""
    step, sitemaps, at = values["step"], values["sitemaps"], values["known_at"]
    lists = {name: tuple(values[name]) for name in ("said", "first", "last", "visited", "home", "doubts")}
    return Trail(
        **lists,
        page=values["page"],
        gained=values["gained"],
        read=values["read"],
        offered=values["offered"],
        step=Step(*step) if step is not None else None,
        left=tuple(Step(*one) for one in values["left"]),
        sitemaps=tuple(Sitemap(*one) for one in sitemaps) if sitemaps is not None else None,
        known_at=datetime.fromisoformat(at) if at is not None else None,
    )
