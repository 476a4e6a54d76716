"""feedparser's strict parser as `lean` drives it: the same methods are called for the same elements, and leave the same behind. What it does
for every element and every text alike, and has no effect on most, is looked at once. Imported where feedparser is.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from feedparser import api, mixin, util

from aggregator import markup

_XHTML = "application/xhtml+xml"
_QUERIED = re.compile("&([A-Za-z0-9_]+);")
_DIVISIONS = ("xhtml:div", "div")
_ROOTS = ("feed", "rss", "rdf:RDF")
# The elements in which it takes an RSS picture, or a text input, for open.
_OF_IMAGE = ("title", "link", "description", "url", "href", "width", "height")
_OF_INPUT = ("title", "link", "description", "name")
# What these say is kept elsewhere.
_KEPT_ELSEWHERE = ("category", "tags", "itunes_keywords")
_NAMES = {key: name[0] if isinstance(name, list) else name for key, name in util.FeedParserDict.keymap.items()}


class Mapping(util.FeedParserDict):  # type: ignore[misc]
    """Its dictionary while it fills it: what it asks for then has no other name, so the dictionary's own methods find it."""

    __getitem__ = dict.__getitem__
    __contains__ = dict.__contains__
    __hash__ = object.__hash__
    get = dict.get
    setdefault = dict.setdefault

    def __setitem__(self, key: str, value: Any) -> None:
        dict.__setitem__(self, _NAMES.get(key, key), value)


class Element(NamedTuple):
    """What feedparser does with elements of one name: its methods, if it has any; what it calls them otherwise; what they end."""

    tag: str
    start: Callable[..., Any] | None
    end: Callable[..., Any] | None
    unknown: str
    is_root: bool
    ends_image: bool
    ends_input: bool


class Parser(api.StrictFeedParser):  # type: ignore[misc]
    """It, neither cleaning HTML nor resolving URLs in it."""

    baseuri: str
    lang: str | None

    def __init__(self) -> None:
        super().__init__("", None, "utf-8")
        self.resolve_relative_uris = self.sanitize_html = False

    def element(self, tag: str) -> Element:
        """What is to be done with elements `tag`, as long as no namespace is declared."""
        prefix = tag.partition(":")[0] if ":" in tag else ""
        return _element(tag, self.namespacemap.get(prefix, prefix))

    def opened(self, one: Element, attributes: dict[str, str]) -> None:
        """As `unknown_starttag`, outside content, with attributes that say nothing of namespaces, languages and bases."""
        self.depth += 1
        base = self.baseuri
        if base:
            self.baseuri = base = mixin.make_safe_absolute_uri(base, base) or base
        self.basestack.append(base)
        lang = self.lang
        if lang and one.is_root:
            self.feeddata["language"] = lang.replace("_", "-")
        self.langstack.append(lang)
        if one.ends_input:
            self.intextinput = 0
        if one.ends_image:
            self.inimage = 0
        if one.start is not None:
            try:
                one.start(self, attributes)
            except AttributeError:
                pass
            else:
                return
        if attributes:
            self._get_context()[one.unknown] = attributes
        else:
            self.push(one.unknown, 1)

    def closed(self, one: Element) -> None:
        """As `unknown_endtag`."""
        if self.svgOK:
            self.unknown_endtag(one.tag)
            return
        try:
            if one.end is None:
                self.pop(one.unknown)
            else:
                one.end(self)
        except AttributeError:
            self.pop(one.unknown)
        if self.incontent and self._left_open(one.tag):
            return
        bases, languages = self.basestack, self.langstack
        if bases:
            bases.pop()
            if bases and bases[-1]:
                self.baseuri = bases[-1]
        if languages:
            languages.pop()
            if languages:
                self.lang = languages[-1]
        self.depth -= 1

    def _left_open(self, tag: str) -> bool:
        """The end of an element inside content, which is mark-up of it."""
        if not self.contentparams.get("type", "xml").endswith("xml"):
            if tag in _DIVISIONS:
                return True
            self.contentparams["type"] = _XHTML
        if self.contentparams.get("type") == _XHTML:
            self.handle_data(f"</{tag.rpartition(':')[2]}>", escape=0)
        return False

    def pop(self, element: str, strip_whitespace: int = 1) -> Any:
        """What was said in an element, kept where it belongs."""
        stack, told = self.elementstack, self.contentparams
        if not stack or stack[-1][0] != element:
            return None
        kind = told.get("type")
        if kind == _XHTML or told.get("base64") or self.insource:
            return super().pop(element, strip_whitespace)
        _, expecting_text, pieces = stack.pop()
        output = "".join(pieces)
        if strip_whitespace:
            output = output.strip()
        if not expecting_text:
            return output
        if output:
            if element in self.can_be_relative_uri and (element != "id" or self.guidislink):
                output = self.resolve_uri(output)
            if kind == "text/plain" and not self.version.startswith("atom") and self._is_html(output):
                told["type"] = "text/html"
            output = _mended(output)
        told.pop("mode", None)
        told.pop("base64", None)
        if element in _KEPT_ELSEWHERE or (element == "title" and -1 < self.title_depth <= self.depth):
            return output
        if element == "link":
            return self._keep_link(output)
        if self.inentry:
            self._keep(element, output)
        elif self.infeed:
            self._keep_of_feed("subtitle" if element == "description" else element, output)
        return output

    def _is_html(self, text: str) -> bool:
        return ("<" in text or "&" in text) and self.looks_like_html(text)

    def _keep(self, element: str, output: str) -> None:
        entry = self.entries[-1]
        if element == "content":
            entry.setdefault(element, []).append(Mapping(self.contentparams, value=output))
            return
        if element == "description":
            element = "summary"
        depths = self.property_depth_map.setdefault(entry, {})
        before = depths.get(element)
        if before is None or self.depth <= before:
            depths[element] = self.depth
            entry[element] = output
        if self.incontent:
            entry[f"{element}_detail"] = Mapping(self.contentparams, value=output)

    def _keep_of_feed(self, element: str, output: str) -> None:
        context = self._get_context()
        context[element] = output
        if self.incontent:
            context[f"{element}_detail"] = Mapping(self.contentparams, value=output)

    def _keep_link(self, output: str) -> str:
        if (self.inentry and self.inimage) or not (self.inentry or self.infeed):
            return output
        if "&" in output:
            # It undoes what other parsers do to queries.
            output = _QUERIED.sub(r"&\g<1>", output.replace("&amp;", "&") if self.inentry else output)
        context = self.entries[-1] if self.inentry else self._get_context()
        context["link"] = output
        if output or not self.inentry:
            context["links"][-1]["href"] = output
        return output


@lru_cache(maxsize=1024)
def _element(tag: str, prefix: str) -> Element:
    suffix = tag.partition(":")[2] if ":" in tag else tag
    name = f"{prefix}_{suffix}" if prefix else suffix
    return Element(
        tag=tag,
        start=getattr(api.StrictFeedParser, f"_start_{name}", None),
        end=getattr(api.StrictFeedParser, f"_end_{name}", None),
        unknown=name,
        is_root=tag in _ROOTS,
        ends_image=not prefix and tag not in _OF_IMAGE,
        ends_input=not prefix and tag not in _OF_INPUT,
    )


def _mended(text: str) -> str:
    """UTF-8 that was taken for latin-1 and encoded once more, and characters of windows-1252 that were taken for controls, as they were
    meant."""
    if text.isascii():
        return text
    with suppress(UnicodeEncodeError, UnicodeDecodeError):
        text = text.encode("iso-8859-1").decode("utf-8")
    # C1 controls are what feedparser's table of windows-1252 changes.
    return text.translate(mixin._cp1252) if markup.C1.search(text.encode("utf-8", "surrogatepass")) else text
