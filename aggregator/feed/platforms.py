"""Where well-known platforms keep the feeds of a page: by its URL alone, or by what the page shows of the program that made it. Pure.

Each rule is from the platform's own documentation or from what its pages name as their feed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

_YOUTUBE = "https://www.youtube.com/feeds/videos.xml"
_NAME = re.compile(r"[\w.~-]{1,100}")
# GitHub's own pages, which are nobody's.
_NOBODY = frozenset(
    "about apps collections contact customer-stories enterprise events explore features login marketplace new notifications orgs pricing "
    "readme search security settings signup sponsors topics trending".split()
)
_SUBREDDIT_SORTS = frozenset({"hot", "new", "top", "rising", "controversial"})

# By their addresses, in the order in which they are tried; for a page of no such platform.
GUESSES = (
    "/feed", "/rss", "/feed.xml", "/rss.xml", "/atom.xml", "/index.xml", "/feed.json", "/feed/atom", "/rss/index.xml", "/feeds", "/?feed=rss2",
)  # fmt: skip

Rule = Callable[[SplitResult, Sequence[str]], Iterator[str]]


def of_url(url: str) -> tuple[str, ...]:
    """The feeds of the page at `url`, the likeliest first; nothing for a page of no platform that its URL tells."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return ()
    steps = [step for step in parts.path.split("/") if step]
    rule = next((rule for pattern, rule in _HOSTS if pattern.fullmatch(host)), None)
    return tuple(dict.fromkeys(rule(parts, steps))) if rule is not None else ()


def of_program(url: str, generator: str, text: str) -> tuple[str, ...]:
    """The feeds of the page at `url`, whose source is `text`, as the program that made it keeps them."""
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    page = root + parts.path.rstrip("/")
    for signs, feeds in _PROGRAMS:
        if any(sign in generator for sign in signs) or any(sign in text for sign in signs if "/" in sign):
            return tuple(dict.fromkeys(feed.format(root=root, page=page) for feed in feeds))
    return ()


def guesses(url: str) -> tuple[str, ...]:
    """Where feeds often are: below the page, if it is not the front page, then below the root of its site."""
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    folder = parts.path.rstrip("/")
    below = [f"{root}{folder}{path}" for path in GUESSES[:2]] if folder and "." not in folder.rpartition("/")[2] else []
    return tuple(dict.fromkeys([*below, *(root + path for path in GUESSES)]))


def youtube(text: str) -> tuple[str, ...]:
    """The feed of the channel that a page of YouTube shows."""
    found = _CHANNEL.search(text)
    return (f"{_YOUTUBE}?channel_id={found[1]}",) if found else ()


_CHANNEL = re.compile(
    r'(?:"externalId":"|"channelId":"|itemprop="(?:channelId|identifier)" content="|/channel/|channel_id=)(UC[\w-]{22})\b'
)

# ---------------------------------------------------------------------------------------------------- by their addresses


def _youtube(parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    asked = parse_qs(parts.query)
    if steps[:1] == ["channel"] and len(steps) > 1:
        yield f"{_YOUTUBE}?channel_id={quote(steps[1])}"
    elif steps[:1] == ["user"] and len(steps) > 1:
        yield f"{_YOUTUBE}?user={quote(steps[1])}"
    elif "list" in asked:
        yield f"{_YOUTUBE}?playlist_id={quote(asked['list'][0])}"


def _medium(parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    if (parts.hostname or "").lower() != "medium.com":
        yield f"https://{parts.hostname}/feed"
    elif steps[:1] == ["tag"] and len(steps) > 1:
        yield f"https://medium.com/feed/tag/{quote(steps[1])}"
    elif steps:
        yield f"https://medium.com/feed/{quote(steps[0], safe='@')}"


def _below(path: str) -> Rule:
    def rule(parts: SplitResult, _steps: Sequence[str]) -> Iterator[str]:
        yield f"{parts.scheme}://{parts.netloc}{path}"

    return rule


def _tumblr(parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    host = (parts.hostname or "").lower()
    if host != "www.tumblr.com":
        yield (
            f"https://{host}/tagged/{quote(steps[1])}/rss"
            if steps[:1] == ["tagged"] and len(steps) > 1
            else f"https://{host}/rss"
        )
    else:
        name = steps[1] if steps[:1] in (["blog"], ["dashboard"]) and len(steps) > 1 else next(iter(steps), "")
        if _NAME.fullmatch(name):
            yield f"https://{name}.tumblr.com/rss"


def _reddit(_parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    if steps[:1] in (["r"], ["user"], ["u"]) and len(steps) > 1:
        kind = "r" if steps[0] == "r" else "user"
        if len(steps) > 2 and steps[2] in _SUBREDDIT_SORTS and kind == "r":
            yield f"https://www.reddit.com/r/{quote(steps[1])}/{steps[2]}/.rss"
        yield f"https://www.reddit.com/{kind}/{quote(steps[1])}/.rss"
    elif not steps:
        yield "https://www.reddit.com/.rss"


def _github(_parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    if not steps or steps[0] in _NOBODY:
        return
    owner = f"https://github.com/{quote(steps[0])}"
    if len(steps) == 1:
        yield f"{owner}.atom"
        return
    project = f"{owner}/{quote(steps[1].removesuffix('.git'))}"
    kinds = ["releases", "commits", "tags"]
    asked = {"commit": "commits", "tree": "commits", "releases": "releases", "commits": "commits", "tags": "tags"}
    first = asked.get(steps[2]) if len(steps) > 2 else None
    yield from (f"{project}/{kind}.atom" for kind in sorted(kinds, key=lambda kind: kind != first))


def _gitlab(_parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    if len(steps) > 1:
        project = "/".join(map(quote, steps[: steps.index("-")] if "-" in steps else steps))
        yield f"https://gitlab.com/{project}/-/releases.atom"
        yield f"https://gitlab.com/{project}/-/tags?format=atom"
        yield f"https://gitlab.com/{project}.atom"


def _overflow(parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    root = f"https://{parts.hostname}/feeds"
    if steps[:2] == ["questions", "tagged"] and len(steps) > 2:
        yield f"{root}/tag/{quote(steps[2], safe='+')}"
    elif steps[:1] == ["questions"] and len(steps) > 1 and steps[1].isdigit():
        yield f"{root}/question/{steps[1]}"
    else:
        yield root


def _arxiv(_parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    if steps[:1] == ["list"] and len(steps) > 1:
        yield f"https://rss.arxiv.org/rss/{quote(steps[1])}"


def _vimeo(_parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    if steps and not steps[0].isdigit():
        yield f"https://vimeo.com/{quote('/'.join(steps[:2] if steps[0] == 'channels' else steps[:1]))}/videos/rss"


def _bluesky(_parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    if steps[:1] == ["profile"] and len(steps) > 1:
        yield f"https://bsky.app/profile/{quote(steps[1], safe=':')}/rss"


def _dev_to(_parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    if steps[:1] == ["t"] and len(steps) > 1:
        yield f"https://dev.to/feed/tag/{quote(steps[1])}"
    elif steps:
        yield f"https://dev.to/feed/{quote(steps[0])}"


def _fediverse(parts: SplitResult, steps: Sequence[str]) -> Iterator[str]:
    """Mastodon and its kin, on whatever host: /@name, /users/name; Lemmy: /c/name."""
    root = f"{parts.scheme}://{parts.netloc}"
    if len(steps) == 1 and re.fullmatch(r"@\w{1,100}", steps[0]):
        yield f"{root}/{steps[0]}.rss"
    elif steps[:1] == ["users"] and len(steps) == 2 and _NAME.fullmatch(steps[1]):
        yield f"{root}/@{steps[1]}.rss"
    elif steps[:1] == ["c"] and len(steps) == 2 and _NAME.fullmatch(steps[1]):
        yield f"{root}/feeds/c/{steps[1]}.xml"


_HOSTS: Sequence[tuple[re.Pattern[str], Rule]] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"(?:www\.|m\.|music\.)?youtube\.com", _youtube),
        (r"(?:[\w-]+\.)?medium\.com", _medium),
        (r"[\w-]+\.substack\.com", _below("/feed")),
        (r"[\w-]+\.wordpress\.com", _below("/feed/")),
        (r"[\w-]+\.blogspot\.[a-z.]{2,6}", _below("/feeds/posts/default")),
        (r"[\w-]+\.tumblr\.com", _tumblr),
        (r"[\w-]+\.livejournal\.com", _below("/data/rss")),
        (r"(?:www\.|old\.|new\.)?reddit\.com", _reddit),
        (r"(?:www\.)?github\.com", _github),
        (r"gitlab\.com", _gitlab),
        (
            r"(?:[\w-]+\.)?stackexchange\.com|stackoverflow\.com|serverfault\.com|superuser\.com|mathoverflow\.net",
            _overflow,
        ),
        (r"(?:www\.)?arxiv\.org", _arxiv),
        (r"(?:www\.)?vimeo\.com", _vimeo),
        (r"bsky\.app", _bluesky),
        (r"dev\.to", _dev_to),
        (r"news\.ycombinator\.com", _below("/rss")),
        (r"lobste\.rs", _below("/rss")),
        (r".+", _fediverse),
    )
)

# ---------------------------------------------------------------------------------------------------- by their programs

# What the generator says, in lower case, or (with a slash) what the source holds; and where the feeds are.
_PROGRAMS: Sequence[tuple[tuple[str, ...], tuple[str, ...]]] = (
    (("wordpress", "/wp-content/", "//api.w.org/"), ("{page}/feed/", "{root}/feed/", "{root}/?feed=rss2")),
    (("ghost", "//ghost.org/"), ("{page}/rss/", "{root}/rss/")),
    (("//substackcdn.com/",), ("{root}/feed",)),
    (("//cdn-client.medium.com/", "//glyph.medium.com/"), ("{root}/feed",)),
    (("blogger", "//www.blogger.com/static/"), ("{root}/feeds/posts/default",)),
    (("squarespace", "//static1.squarespace.com/"), ("{page}?format=rss", "{root}/blog?format=rss")),
    (("wix.com", "//static.wixstatic.com/"), ("{root}/blog-feed.xml",)),
    (("drupal",), ("{root}/rss.xml",)),
    (("joomla",), ("{page}?format=feed&type=rss", "{root}/?format=feed&type=rss")),
    (("typo3",), ("{root}/rss.xml", "{root}/feed.xml")),
    (("jekyll", "eleventy", "gatsby", "astro"), ("{root}/feed.xml", "{root}/rss.xml", "{root}/atom.xml")),
    (("hugo",), ("{page}/index.xml", "{root}/index.xml")),
    (("hexo", "pelican"), ("{root}/atom.xml",)),
    (("discourse",), ("{root}/latest.rss", "{root}/posts.rss")),
    (("mediawiki",), ("{root}/w/index.php?title=Special:RecentChanges&feed=atom",)),
    (("shopify", "//cdn.shopify.com/"), ("{page}.atom", "{root}/blogs/news.atom")),
    (("tumblr", "//assets.tumblr.com/"), ("{root}/rss",)),
    (("buttondown", "//buttondown."), ("{root}/rss",)),
    (("beehiiv", "//media.beehiiv.com/"), ("{root}/feed",)),
)
