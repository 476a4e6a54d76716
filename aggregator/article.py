"""A fetched page into the text of an article. Reads bytes that were fetched, never an address."""

import codecs
import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from importlib.metadata import version
from urllib.parse import urljoin

from cssselect import SelectorError
from lxml import etree, html

from aggregator import announced, charsets, claims, errors, gate, haste, languages, markup, mending, model, rendition

_ENGINE = f"trafilatura {version('trafilatura')}"
EXTRACTOR = f"{_ENGINE} precision, mended"
# What a page may be asked for besides, which costs as much as the text does where it is not told plainly.
METADATA = frozenset({"authors", "date"})
_NOTHING = "no article text was found on the page"

# ---------------------------------------------------------------------------------------------------------- other types

_HTML_START = re.compile(
    rb"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype html|html|head|body|title|meta|article|div|p)\b", re.I | re.S
)
_FEED_START = re.compile(rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,500}?-->\s*)?<(?:rss|feed|rdf:rdf)\b", re.I | re.S)
# XHTML is XML, too, but a page.
_XML_START = re.compile(
    rb"\s*<\?xml[^>]{0,200}>\s*(?:<\?[^>]{0,200}>\s*|<!--.{0,500}?-->\s*)*<(?!!doctype html|html|\w+:html|!--|\?)",
    re.I | re.S,
)
_JSON_START = re.compile(rb"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]\d-])")
_MAGIC = (
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"RIFF", "a media file"),
    (b"ID3", "a sound"),
    (b"\x1f\x8b", "a compressed file"),
    (b"PK\x03\x04", "a ZIP file"),
)
# The first that is found in the Content-Type.
_TYPES = (
    ("html", None),
    ("pdf", "a PDF"),
    ("json", "JSON data"),
    ("rss", "a feed"),
    ("atom", "a feed"),
    ("image/", "an image"),
    ("audio/", "a sound"),
    ("video/", "a video"),
    ("zip", "a ZIP file"),
    ("xml", None),
    ("text/plain", None),
    ("octet-stream", None),
)

# A tag that is so long may have more attributes than any page has.
_OVERLADEN, _MOST_ATTRIBUTES = re.compile(r"<(?P<name>[a-zA-Z][\w:-]*)[^<>]{20000,}>"), 1_000
# Wherever 20,000 characters stand without a `<`, one of the stretches that the page is divided into has none.
_STRETCH = 10_000
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}")


def read(
    page: bytes,
    url: str | None = None,
    content_type: str | None = None,
    keep: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    *,
    ask: frozenset[str] = METADATA,
    feed: announced.Announced | None = None,
) -> model.Article:
    """The article of a page. `keep` and `drop` are CSS selectors applied first; of `METADATA` only what is in `ask` is looked for,
    text, title, language and image always. `url` is what relative addresses stand against; nothing is fetched. What was
    announced in `feed` tells the article from a page in its place.

    Raises ExtractError with the state that the page leads to.
    """
    _refuse_other_types(page, content_type)
    source = _bearable(charsets.decode(page, content_type, feed.language if feed else None))
    tree = _parsed(source)
    told = claims.read(tree)
    _strip(tree)
    chosen = _selected(tree, keep, drop)
    text = mending.mend(_extracted(chosen), chosen, told, lambda: _extracted(chosen, precision=False))
    if not (keep and text):
        _refuse_walls(gate.Page(tree=chosen, text=text, told=told, source=source), feed or announced.Announced())
    if not text:
        raise errors.ExtractError(_NOTHING, state="failed")
    return model.Article(
        text=text,
        extractor=EXTRACTOR,
        html=rendition.render(text, chosen, url),
        canonical=(rendition.absolute(told.canonical, url or "") if told.canonical else None),
        language=_language(tree, text),
        image=_image(tree, url),
        title=markup.line(claims.title(told) or "", 1000) or None,
        authors=_authors(tree, told) if "authors" in ask else (),
        published_at=_published_at(tree, told) if "date" in ask else None,
    )


def _bearable(source: str) -> str:
    """The source of a page without the attributes of tags that have too many. A tag so long holds a whole stretch without another, which
    is found in a hundredth of the time that the pattern takes."""
    starts = range(0, len(source), _STRETCH)
    if all(source.find("<", start, start + _STRETCH) >= 0 for start in starts[:-1]):
        return source
    return _OVERLADEN.sub(_unladen, source)


def _unladen(tag: re.Match[str]) -> str:
    """A tag without its attributes if there are too many: libxml2 needs time by the square of them, a minute for 100,000."""
    return f"<{tag['name']}>" if tag[0].count("=") > _MOST_ATTRIBUTES else tag[0]


def _parsed(source: str) -> html.HtmlElement:
    try:
        tree = haste.trafilatura().load_html(source)
    except Exception as exc:
        raise _unreadable(exc) from exc
    if tree is None:
        raise errors.ExtractError(_NOTHING, state="failed")
    return tree


def _strip(tree: html.HtmlElement) -> None:
    """Take out what is never text and what nobody looks at any more: trafilatura copies the page four times (5 % of its time)."""
    etree.strip_elements(tree, "style", "svg", "template", etree.Comment, with_tail=False)
    for script in list(tree.iter("script")):
        if "ld+json" not in (script.get("type") or "") and script.getparent() is not None:
            script.drop_tree()


def _extracted(tree: html.HtmlElement, *, precision: bool = True) -> str:
    try:
        # Measured on 379 pages with known text (docs/decisions/0007-extraction.md).
        found = haste.text(tree, precision=precision)
    except Exception as exc:
        raise _unreadable(exc) from exc
    return markup.plain(found)


def _unreadable(exc: Exception) -> errors.ExtractError:
    """For anything at all that trafilatura raises: it meets whatever the web holds, and no page may end a harvest. What it does where
    there is no memory left says nothing of the page: that is its worker's end."""
    if isinstance(exc, MemoryError):
        raise exc
    return errors.ExtractError(f"the page could not be read ({type(exc).__name__})", state="failed")


# ---------------------------------------------------------------------------------------------------------- refusals


def _refuse_other_types(page: bytes, content_type: str | None) -> None:
    start = page[:4096].removeprefix(codecs.BOM_UTF8)
    if not start.strip():
        raise errors.ExtractError("the page is empty", state="failed")
    if _HTML_START.match(start):
        return
    shown = next((name for magic, name in _MAGIC if start.lstrip().startswith(magic)), None)
    if shown is None:
        starts = ((_FEED_START, "a feed"), (_JSON_START, "JSON data"), (_XML_START, "XML data"))
        shown = next((name for pattern, name in starts if pattern.match(start)), None) or _told(content_type)
    if shown is None and b"\x00" in start and not page.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        shown = "a binary file"
    if shown is not None:
        raise errors.ExtractError(
            f"the address leads to {shown} of {_size(len(page))}, not to a page", state="not_html"
        )


def _told(content_type: str | None) -> str | None:
    """What the Content-Type says the answer is, in words; None where it may be a page."""
    told = (content_type or "").partition(";")[0].strip().lower()
    if not told or "/" not in told:
        return None
    return next((name for sign, name in _TYPES if sign in told), f"a file of type {markup.line(told, 80)}")


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.0f} kB" if count < 999_500 else f"{count / 1e6:.1f} MB"


def _refuse_walls(page: gate.Page, feed: announced.Announced) -> None:
    """Raise if the page is a wall."""
    if found := gate.judge(page, feed):
        raise errors.ExtractError(found.said, state=found.state, lead=found.lead, failure=found.code)


# ---------------------------------------------------------------------------------------------------------- selection


def _selected(tree: html.HtmlElement, keep: tuple[str, ...], drop: tuple[str, ...]) -> html.HtmlElement:
    """The page with only what `keep` names in its body (all of it if nothing matches), without what `drop` names."""
    for element in _matching(tree, drop):
        if element.getparent() is not None:
            element.drop_tree()
    kept = _matching(tree, keep)
    if not kept or kept[0].tag in {"html", "body"}:
        return tree
    whole = html.Element("html")
    if (head := tree.find("head")) is not None:
        whole.append(deepcopy(head))
    body = etree.SubElement(whole, "body")
    inside = set(kept)
    for element in kept:
        if inside.isdisjoint(element.iterancestors()):
            copied = deepcopy(element)
            copied.tail = None
            body.append(copied)
    return whole


def _matching(tree: html.HtmlElement, selectors: Iterable[str]) -> list[html.HtmlElement]:
    """What the selectors name, in the order of the page."""
    named: set[html.HtmlElement] = set()
    for selector in selectors:
        try:
            named.update(one for one in tree.cssselect(selector) if isinstance(one, html.HtmlElement))
        except (SelectorError, etree.XPathError) as exc:
            raise errors.ExtractError(
                f"select: {selector!r} is no CSS selector: {exc}", state="failed", code="select"
            ) from exc
    return [one for one in tree.iter(etree.Element) if one in named] if named else []


# ---------------------------------------------------------------------------------------------------------- metadata


def _meta(tree: html.HtmlElement, *names: str) -> Iterator[str]:
    """What the page's <meta> elements say under `names`, in the order of the names."""
    told: dict[str, list[str]] = {}
    for element in tree.iter("meta"):
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            if name := element.get(attribute):
                told.setdefault(str(name).strip().lower(), []).append(str(element.get("content") or "").strip())
    for name in names:
        yield from filter(None, told.get(name, ()))


def _language(tree: html.HtmlElement, text: str) -> str | None:
    """The language that the page says it is in, as a lower-case BCP 47 tag, or else that of its text.

    English is what templates say in which nobody has changed it, so there the text is believed.
    """
    told = [tree.get("lang"), tree.get("xml:lang"), *_meta(tree, "content-language", "og:locale")]
    tags = (str(tag).strip().replace("_", "-").lower() for tag in told if tag)
    said = next((tag for tag in tags if _LANGUAGE.fullmatch(tag)), None)
    if said is None or said.partition("-")[0] == "en":
        guessed = languages.guess(text)
        return said if guessed is None or (said and guessed == "en") else guessed
    return said


def _image(tree: html.HtmlElement, url: str | None) -> str | None:
    for told in _meta(tree, "og:image", "og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src"):
        try:
            image = urljoin(url or "", told)
        except ValueError:
            continue
        if (
            image.startswith(("http://", "https://"))
            and image.isprintable()
            and len(image) <= 2000
            and " " not in image
        ):
            return image
    return None


def _authors(tree: html.HtmlElement, told: claims.Claims) -> tuple[str, ...]:
    names = told.authors
    if not names:
        # Imported where it is used, as above; it looks through the whole page and its JSON-LD once more.
        from trafilatura import metadata

        try:
            names = tuple((metadata.extract_author(tree) or "").split(";"))
        except Exception as exc:
            raise _unreadable(exc) from exc
    lines = (markup.line(name, 200) for name in names)
    # Some sites give the address of a profile in the place of a name.
    return tuple(dict.fromkeys(name for name in lines if name and "://" not in name))[:20]


def _published_at(tree: html.HtmlElement, told: claims.Claims) -> datetime | None:
    if at := next((at for moment in told.dates if (at := _moment(moment))), None):
        return at
    # As above: it costs half as much as the text itself.
    import htmldate

    try:
        return _moment(htmldate.find_date(deepcopy(tree), original_date=True) or "")
    except Exception as exc:
        raise _unreadable(exc) from exc


def _moment(text: str) -> datetime | None:
    """ISO 8601 as a moment; a day is its beginning, and what names no zone is taken for UTC."""
    try:
        at = datetime.fromisoformat(text).replace(microsecond=0)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
