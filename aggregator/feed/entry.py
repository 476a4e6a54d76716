"""What a feed says of an entry into a clean `model.Entry`: the one place where entries are cleaned, bounded and hashed."""

import functools
import hashlib
import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from aggregator import markup, model
from aggregator.feed import dates, edits, identity

# Bounds against floods (hazards, §2 "large but honest"): far above anything honest. So many entries are read at a time, and so many of a
# document are kept apart at all: to know them all again takes 2 kB for each while they are looked at (100,000: 340 MB).
MOST_ENTRIES = 5_000
MOST_LISTED = 10_000
_LONGEST_TITLE = 1_000
_LONGEST_GUID = 2_000
_LONGEST_URL = 4_096
_LONGEST_SUMMARY = 20_000
_LONGEST_CONTENT = 2_000_000
_LONGEST_NAME = 200
# Some journals name all authors of a paper in one element.
_LONGEST_AUTHOR = 2_000
_MOST_CATEGORIES = 100
_MOST_AUTHORS = 50
_MOST_ENCLOSURES = 50
# BCP 47 §4.4.1 asks for room for 35 characters; those in use have at most 11.
_LONGEST_LANGUAGE = 20

# html5ever, and with it nh3, needs time by the square of the depth: 98 s for 100,000 nested elements. libxml2 stops at 256.
_DEEPEST = 256
# Elements that are empty, or end where the next of their kind begins, nest nothing.
_FLAT = frozenset(
    "area base br col embed hr img input link meta param source track wbr p li dd dt td th tr tbody thead tfoot option rp rt".split()
)

# An absolute address that resolving would leave as it is.
_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(?::[1-9]\d{0,3})?(?:/[^ ;?#]*(?:\?[^ #]+)?(?:#[^ ]+)?)?")
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)[^>]*>")
_MARKUP = re.compile(r"<[a-zA-Z/!]")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8})*")
_PARAGRAPHS = re.compile(r"\n\s*\n")
_MAIL_AND_NAME = re.compile(r"\S+@\S+\s*\((.+)\)|(.+?)\s*<[^<>]*@[^<>]*>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text as published. Relative links in HTML are meant relative to `base`."""

    value: str = ""
    html: bool = False
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An entry as its document says it, nothing cleaned. Of `links`, `languages` and `images` the first usable one counts.

    `guid_is_link`: the document allows the guid to be taken for the entry's URL.
    """

    position: int
    base: str
    guid: str = ""
    guid_is_link: bool = False
    links: tuple[str, ...] = ()
    title: Text = Text()
    summary: Text = Text()
    contents: tuple[Text, ...] = ()
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    enclosures: tuple[tuple[str, str, object], ...] = ()
    stamp: dates.Stamp = dates.NO_DATE


def clean(published: Published) -> model.Entry:
    """The entry as the corpus may keep it."""
    base, stamp = published.base, published.stamp
    guid = markup.line(published.guid)
    url = first_address(published.links, base) or (address(guid, "") if published.guid_is_link else None)
    title = one_line(published.title, _LONGEST_TITLE)
    summary = plain(published.summary, _LONGEST_SUMMARY)
    content, words = _content(published)
    authors = tuple(_distinct(map(_name, published.authors), _MOST_AUTHORS))
    categories = tuple(_distinct((_unescaped(name) for name in published.categories), _MOST_CATEGORIES))
    enclosures = _enclosures(published)
    return model.Entry(
        position=published.position,
        guid=_bounded(guid) or None,
        url=url,
        title=title,
        entry_hash=identity.digest(
            edits.steady_title(title),
            identity.url_key(url or ""),
            edits.steady(summary),
            # Without what is between them, they are equal however they are marked up.
            edits.squeezed(words),
            "\n".join(authors),
            "\n".join(categories),
            "\n".join(map(_lasting, enclosures)),
        ),
        authors=authors,
        summary=summary,
        content=content,
        categories=categories,
        language=language(published.languages),
        published_at=stamp.at,
        published_raw=stamp.raw,
        date_source=stamp.source,
        updated_at=stamp.updated_at,
        updated_raw=stamp.updated_raw,
        image=first_address(published.images, base),
        enclosures=enclosures,
    )


def address(raw: str, base: str) -> str | None:
    """`raw` as an absolute http(s) URL, resolved against `base`; None if it is none, or longer than 4,096 characters."""
    raw = markup.line(raw)
    if not raw:
        return None
    if _PLAIN_ADDRESS.fullmatch(raw):
        return raw if len(raw) <= _LONGEST_URL else None
    try:
        url = urljoin(base, raw)
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    url = url.replace(" ", "%20")
    return url if usable and len(url) <= _LONGEST_URL else None


def first_address(candidates: Iterable[str], base: str) -> str | None:
    """The first of `candidates` that is a usable address."""
    return next((url for raw in candidates if (url := address(raw, base))), None)


def language(candidates: Iterable[str]) -> str | None:
    """The first of `candidates` that is a language tag (BCP 47), in lower case."""
    for raw in candidates:
        tag = raw.strip().replace("_", "-").lower()
        if len(tag) <= _LONGEST_LANGUAGE and _LANGUAGE.fullmatch(tag):
            return tag
    return None


def plain(text: Text, limit: int) -> str:
    """The words of `text`, at most `limit` characters."""
    # Mark-up takes room too, but not all of a document need be cleaned for the first words of it.
    value = text.value[: 20 * limit]
    if text.html and ("<" in value or "&" in value):
        return markup.text(_shallow(value))[:limit].rstrip()
    return markup.plain(value.replace("\n", " ") if text.html else value)[:limit].rstrip()


def one_line(text: Text, limit: int) -> str:
    """The words of `text` on one line, at most `limit` characters.

    Titles that say they are plain text are escaped twice so often that references in them are never meant literally.
    """
    words = plain(text, 2 * limit)
    return markup.line(words if text.html else html.unescape(words))[:limit].rstrip()


def _content(published: Published) -> tuple[str, str]:
    """The entry's body as safe HTML, and the words of it where the summary does not say the same.

    HTML comes before plain text, the longer before the shorter. A summary with mark-up, or too long for a summary, is a body
    too: in many feeds the whole article stands there and nowhere else.
    """
    bodies = [body for body in published.contents if body.value.strip()]
    summary = published.summary
    if len(summary.value) > _LONGEST_SUMMARY or (summary.html and _MARKUP.search(summary.value)):
        bodies.append(summary)
    if not bodies:
        return "", ""
    body = max(bodies, key=lambda body: (body.html, len(body.value)))
    base = body.base or published.base
    render = functools.partial(markup.safe, base=base) if body.html else _paragraphs
    safe = _within(_LONGEST_CONTENT, render, _shallow(body.value[:_LONGEST_CONTENT]) if body.html else body.value)
    if body is summary and len(body.value) <= _LONGEST_SUMMARY:
        return safe, ""
    return safe, markup.untagged(safe)


def _within(limit: int, render: Callable[[str], str], value: str) -> str:
    """`value` rendered as HTML of at most `limit` characters. HTML cannot be cut without care, and rendering may add to it."""
    room = limit
    while len(rendered := render(value[:room])) > limit:
        room = min(room, len(value)) * limit // len(rendered) * 9 // 10
    return rendered


def _shallow(value: str) -> str:
    """HTML as it is, or without any tags if they nest so deeply that only a trap can be meant."""
    if value.count("<") <= _DEEPEST:
        return value
    unclosed: Counter[str] = Counter()
    depth = 0
    for closing, raw in _TAG.findall(value):
        name = raw.lower()
        if name in _FLAT or (closing and not unclosed[name]):
            continue
        unclosed[name] += -1 if closing else 1
        depth += -1 if closing else 1
        if depth > _DEEPEST:
            return _TAG.sub(" ", value)
    return value


def _paragraphs(value: str) -> str:
    """Plain text as HTML: a paragraph for every stretch between blank lines, a break for every other new line."""
    paragraphs = (each.strip() for each in _PARAGRAPHS.split(markup.tidy(value)))
    return "".join(f"<p>{html.escape(each, quote=False).replace(chr(10), '<br>')}</p>" for each in paragraphs if each)


def _bounded(guid: str) -> str:
    if len(guid) <= _LONGEST_GUID:
        return guid
    return f"sha256:{hashlib.sha256(guid.encode('utf-8')).hexdigest()}"


def _name(raw: str) -> str:
    """The name in `raw`, which may be `name`, `mail (name)` or `name <mail>`."""
    name = _unescaped(raw, _LONGEST_AUTHOR)
    if match := _MAIL_AND_NAME.fullmatch(name):
        return str(match[1] or match[2]).strip()
    return markup.line(markup.text(name)) if _MARKUP.search(name) else name


def _unescaped(raw: str, longest: int = _LONGEST_NAME) -> str:
    raw = raw[: 5 * longest]
    return markup.line(html.unescape(raw) if "&" in raw else raw)[:longest].rstrip()


def _distinct(names: Iterable[str], limit: int) -> Iterator[str]:
    """The first `limit` different names, in order."""
    seen: set[str] = set()
    for name in names:
        if name and name not in seen:
            seen.add(name)
            yield name
            if len(seen) == limit:
                return


def _enclosures(published: Published) -> tuple[model.Enclosure, ...]:
    found: dict[str, model.Enclosure] = {}
    for raw, kind, length in published.enclosures:
        url = address(raw, published.base)
        if url is None or url in found:
            continue
        found[url] = model.Enclosure(url=url, type=_unescaped(kind).lower() or None, length=_length(length))
        if len(found) == _MOST_ENCLOSURES:
            break
    return tuple(found.values())


def _lasting(enclosure: model.Enclosure) -> str:
    """Its address without the query, which carries signatures and counters that change with every answer."""
    return identity.url_key(enclosure.url).partition("?")[0]


def _length(raw: object) -> int | None:
    """A number of bytes, or None: feeds also say "unknown", "12 MB", -1 and numbers that no database can hold."""
    digits = str(raw).strip() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None
