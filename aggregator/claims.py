"""What a page says of itself: its titles, what it is about, its text for search engines, who wrote it and when. Nothing of it is
believed here but the title, which several places must agree on."""

import html as entities
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # 5 MB, which only the workers need.
    from lxml import html

# Larger scripts are data of the site. Whole articles of 30 kB have been seen, with their comments ten times that.
_MOST_SCRIPT = 500_000
_MOST_DEPTH = 12
_TAGS = re.compile(r"<[^<>]{0,2000}>")
_WORD = re.compile(r"\w+")
# What stands between a title and the name of its site or section.
_BETWEEN = re.compile(r"\s+(?:[|»›•·]|[-–—]|::?)\s+|\s*[|»]\s*|:\s+")
_SOFT = ("\u00ad", "\u200b")
_TITLES = ("og:title", "dc.title")
_DESCRIPTIONS = ("og:description", "description", "twitter:description", "dc.description")
_DATES = ("article:published_time", "datepublished", "og:published_time", "date", "dc.date", "dc.date.issued", "parsely-pub-date",
          "sailthru.date", "pubdate", "publish-date", "publishdate", "article.published")  # fmt: skip
# A heading that the titles do not confirm must share so much with one of them, or be so long, to be the article's.
_CONFIRMED, _RELATED, _ALONE = 0.5, 1 / 3, 4
# What stands before a colon may be a section; so many words are a title.
_LEAST_PART = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """`titles` as told to other programs, the best first; `headings` as shown; `body` the article as told to search engines."""

    titles: tuple[str, ...] = ()
    named: str = ""
    headings: tuple[str, ...] = ()
    subheadings: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    body: str = ""
    authors: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    canonical: str = ""


def read(tree: "html.HtmlElement") -> Claims:
    """The claims of a whole page."""
    told = _metas(tree)
    linked = list(_linked(tree))
    articles = [one for one in linked if _is_article(one)]
    return Claims(
        titles=_lines([*_of(told, _TITLES), *_texts(articles, "headline")]) or _lines(_of(told, ("twitter:title",))),
        named=_line(tree.findtext(".//title") or ""),
        headings=_lines(_shown(tree, "h1", 5)),
        subheadings=_lines(_shown(tree, "h2", 5)),
        descriptions=_lines([*_of(told, _DESCRIPTIONS), *_texts(articles, "description")]),
        body=max((_plain(body) for body in _texts(linked, "articleBody")), key=len, default=""),
        authors=_lines([*_names(articles), *_of(told, ("author", "article:author", "dc.creator"))]),
        dates=(*_of(told, _DATES[:2]), *_texts(articles, "datePublished"), *_of(told, _DATES[2:])),
        canonical=_canonical(tree),
    )


def key(text: str) -> str:
    """The words of `text` alone, to compare them."""
    for invisible in _SOFT:
        text = text.replace(invisible, "")
    return " ".join(_WORD.findall(text.lower()))


def title(claims: Claims) -> str | None:
    """The title of the article: a heading that the titles for other programs confirm, or else the first of these."""
    told = [*claims.titles, claims.named]
    for headings in (claims.headings, claims.subheadings):
        confirmed = [
            (share, heading)
            for heading in headings
            if (share := _confirmed(heading, told)) >= _CONFIRMED and _is_of(heading, claims.titles)
        ]
        if confirmed:
            return max(confirmed, key=lambda one: one[0])[1]
    if len(claims.headings) == 1:
        heading = claims.headings[0]
        agreed = (one for one in claims.titles[:1] if _confirmed(one, [claims.named]) >= _CONFIRMED)
        if better := next((one for one in agreed if _shared(heading, one) > _RELATED), None):
            return _unsigned(better)
        if len(_words(heading)) >= _ALONE or any(_shared(heading, one) >= _RELATED for one in claims.titles):
            return heading
    if claims.titles:
        return _unsigned(claims.titles[0])
    return _unsigned(claims.named) or next(iter(claims.headings), None)


def _is_of(heading: str, titles: Sequence[str]) -> bool:
    """Whether a heading has anything to do with the titles, if there are any: if not, it is the name of the site."""
    return not titles or any(_words(heading) & _words(one) for one in titles)


def _confirmed(heading: str, told: Sequence[str]) -> float:
    """The largest share of a title that the heading is, if it stands in one word for word."""
    inside = key(heading)
    if not inside:
        return 0.0
    shares = (len(inside) / len(whole) for one in told if (whole := key(one)) and f" {inside} " in f" {whole} ")
    return max(shares, default=0.0)


def _shared(heading: str, told: str) -> float:
    mine, others = _words(heading), _words(told)
    return len(mine & others) / max(len(mine), len(others), 1)


def _words(text: str) -> frozenset[str]:
    return frozenset(key(text).split())


def _unsigned(text: str) -> str:
    """A title without the name of its site: the longest of its parts, unless they are much alike."""
    parts = [part for part in re.split(r"\s+(?:[|»›•·]|[-–—])\s+|\s*[|»]\s*", text) if part]
    longest = max(parts, key=len, default="")
    return longest if len(longest) > len(text) / 2 and len(parts) > 1 else text


def heads(claims: Claims) -> frozenset[str]:
    """The keys of all that a line may say to be no more than the title again."""
    told = [*claims.titles, claims.named, *claims.headings]
    parts = (_BETWEEN.split(one)[0] for one in told)
    return frozenset(
        [*filter(None, map(key, told)), *(key(part) for part in parts if len(_words(part)) >= _LEAST_PART)]
    )


# ------------------------------------------------------------------------------------------------------------- sources


def _metas(tree: "html.HtmlElement") -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for element in tree.iter("meta", "time"):
        content = element.get("content") or (element.get("datetime") if element.get("itemprop") else None)
        for attribute in ("property", "name", "itemprop"):
            if content and (name := element.get(attribute)):
                told.setdefault(str(name).strip().lower(), []).append(str(content).strip())
    return told


def _canonical(tree: "html.HtmlElement") -> str:
    """The address that the page gives for its own; a page that gives several gives none."""
    links = (link for link in tree.iter("link") if "canonical" in (link.get("rel") or "").lower().split())
    given = {(link.get("href") or "").strip() for link in links}
    return given.pop() if len(given) == 1 else ""


def _of(told: dict[str, list[str]], names: Sequence[str]) -> list[str]:
    return [text for name in names for text in told.get(name, ()) if text]


def _shown(tree: "html.HtmlElement", tag: str, most: int) -> list[str]:
    found = []
    for element in tree.iter(tag):
        found.append(str(element.text_content()))
        if len(found) == most:
            break
    return found


def _linked(tree: "html.HtmlElement") -> Iterator[dict[str, Any]]:
    """All objects of the page's JSON-LD (schema.org)."""
    left = _MOST_SCRIPT
    for script in tree.iter("script"):
        text = script.text
        if not text or "ld+json" not in (script.get("type") or "").lower() or len(text) > left:
            continue
        left -= len(text)
        try:
            yield from _objects(json.loads(text.strip().removesuffix(";"), strict=False), 0)
        except (ValueError, RecursionError):
            # Broken by the site's own templates; one in twenty is.
            continue


def _objects(node: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            if isinstance(one, dict | list):
                yield from _objects(one, depth + 1)


def _is_article(node: dict[str, Any]) -> bool:
    kinds = node.get("@type")
    return any(
        isinstance(kind, str) and kind.endswith(("Article", "Posting", "Report", "Review"))
        for kind in (kinds if isinstance(kinds, list) else [kinds])
    )


def _texts(nodes: Sequence[dict[str, Any]], name: str) -> list[str]:
    return [text for node in nodes if isinstance(text := node.get(name), str) and text.strip()]


def _names(articles: Sequence[dict[str, Any]]) -> Iterator[str]:
    for article in articles:
        authors = article.get("author")
        for author in authors if isinstance(authors, list) else [authors]:
            name = author.get("name") if isinstance(author, dict) else author
            if isinstance(name, str):
                yield name


def _plain(told: str) -> str:
    return _TAGS.sub(" ", entities.unescape(told)) if "<" in told or "&" in told else told


def _line(text: str) -> str:
    return " ".join(entities.unescape(text).split())


def _lines(texts: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for text in texts if (line := _line(text))))
