"""feedparser over one document, without the detours that we do not need: it neither cleans HTML nor resolves URLs, it is handed text in
whole pieces, and its strict parser elements without the layers of SAX. What it reads stays what it reads.
"""

import io
import re
from collections.abc import Callable
from functools import cache, lru_cache
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar
from xml.parsers import expat

from aggregator import errors

# expat hands out text in pieces of at most this size.
_PIECE = 65_536
_C1 = re.compile("[\x80-\x9f]")
# Longer names are of no feed, and not worth remembering.
_LONGEST_NAME = 200
# What feedparser's strict parser reads in lower case, and what it looks at in all elements.
_LOWERED, _OF_ALL = ("rel", "type"), frozenset({"xml:base", "base", "xml:lang", "lang"})
_USERLAND = "http://backend.userland.com/rss"
_OWN_SPACES = ("http://www.w3.org/1998/Math/MathML ", "http://www.w3.org/2000/svg ")
_OWN = {("math", "http://www.w3.org/1998/Math/MathML"), ("svg", "http://www.w3.org/2000/svg")}

T = TypeVar("T")
# Two names, and whether it is one of `_OF_ALL`.
_Attribute = tuple[str, str, bool]


def read(data: bytes) -> dict[str, Any]:
    """What feedparser reads in the UTF-8 `data`, whatever is wrong with it; never a file or a URL, which it would open if `data` were one
    (hazards, §3).

    Raises ParseError, code `unreadable`.
    """
    headers = {"content-type": "application/xml; charset=utf-8"}
    # Without content-location: relative guids stay as published, and links are resolved by us.
    options = {"response_headers": headers, "sanitize_html": False, "resolve_relative_uris": False}
    return _guarded(lambda: dict(load().parse(io.BytesIO(data), **options)))


def read_clean(data: bytes) -> dict[str, Any]:
    """The same for a document that expat has read whole, in UTF-8 and without DOCTYPE, in a third of the time.

    Raises ParseError, code `unreadable`.
    """
    return _guarded(lambda: _Bridge().read(data))


def _guarded(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    # We read dates ourselves (`dates`), and ask its dictionaries for nothing by another name; whoever else uses feedparser has both.
    handlers = load().datetimes._date_handlers
    kept = [*handlers]
    handlers.clear()
    _fill(_strict().Mapping)
    try:
        return call()
    except MemoryError:
        raise
    except Exception as exc:
        # feedparser promises none, and lets through what its own code stumbles on (hazards, §3).
        raise errors.ParseError(f"feedparser cannot read it: {type(exc).__name__}", code="unreadable") from exc
    finally:
        handlers[:] = kept
        _fill(load().FeedParserDict)


def _fill(kind: Any) -> None:
    """What feedparser's methods make dictionaries of."""
    for module in _filling():
        module.FeedParserDict = kind
    _filling()[0].copy.deepcopy = kind


@cache
def _filling() -> tuple[Any, ...]:
    from feedparser import mixin
    from feedparser.namespaces import _base, admin, cc, dc, georss, itunes, mediarss

    return (mixin, _base, admin, cc, dc, georss, itunes, mediarss)


@cache
def _strict() -> Any:
    from aggregator.feed import strict

    return strict


@cache
def load() -> ModuleType:
    """feedparser, imported where it is first used, with the costliest of its detours taken out: no value differs (its own 1,120 cases,
    tests/quality)."""
    import feedparser
    from feedparser import api, mixin, util

    # Every text passes through this table; a character that it lacks costs an exception, one that it maps to itself nothing.
    mixin._cp1252 = {code: code for code in range(128)} | mixin._cp1252
    # In the strict parser this hook does nothing, and is the last before that table.
    api.StrictFeedParser.decode_entities = staticmethod(lambda _, text: _Text(text))
    # It copies nothing but dictionaries of strings.
    mixin.copy = SimpleNamespace(deepcopy=util.FeedParserDict)
    mixin._urljoin = _joining(mixin._urljoin)
    # And below a base, it with itself.
    mixin.make_safe_absolute_uri = lru_cache(maxsize=64)(mixin.make_safe_absolute_uri)
    return feedparser  # type: ignore[no-any-return]


def _joining(join: Callable[[str, str], str]) -> Callable[[str, str], str]:
    """feedparser's `_urljoin`: it joins the base of every element with nothing, and nearly every address with no base. Without one only
    slashes that are too many would be taken out."""

    def joined(base: str, uri: str) -> str:
        if not uri:
            return base
        return uri if not base and ":///" not in uri else join(base, uri)

    return joined


class _Text(str):
    """A text on its way through feedparser's table of windows-1252, which takes it letter by letter where any is beyond ASCII."""

    __slots__ = ()

    def translate(self, table: Any) -> str:
        """The same as a string, of which only C1 controls can change."""
        return super().translate(table) if _C1.search(self) else str(self)


class _Bridge:
    """Hands expat's events to feedparser's strict parser, as its own `_StrictFeedParser` does from SAX events, the names of elements and
    attributes worked out once for a document."""

    def __init__(self) -> None:
        load()
        self._reader = _strict().Parser()
        self._elements: dict[str, Any] = {}
        self._attributes: dict[str, _Attribute] = {}

    def read(self, data: bytes) -> dict[str, Any]:
        parser = expat.ParserCreate("utf-8", " ")
        parser.namespace_prefixes, parser.buffer_text, parser.buffer_size = True, True, _PIECE
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._stop
        parser.CharacterDataHandler = self._reader.handle_data
        parser.StartNamespaceDeclHandler = self._declare
        parser.Parse(data, True)
        # They hold us: without them there is no circle, and what was read is freed with its last use.
        parser.StartElementHandler = parser.EndElementHandler = parser.StartNamespaceDeclHandler = None
        reader = self._reader
        return {"feed": reader.feeddata, "entries": reader.entries, "version": reader.version}

    def _declare(self, prefix: str | None, space: str | None) -> None:
        self._elements.clear()
        self._reader.startPrefixMapping(prefix, space)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        reader, known = self._reader, self._attributes
        told, reader.decls = reader.decls, {}
        if name.startswith(_OWN_SPACES) and (own := _own_space(name)):
            told["xmlns"] = own
        usual = not told and not reader.incontent
        for key, value in attributes.items():
            called, _, of_all = known.get(key) or self._attribute(key)
            told[called] = value
            usual = usual and not of_all
        for key, value in attributes.items():
            told[known[key][1]] = value
        element = self._elements.get(name) or self._element(name)
        if usual:
            for key in _LOWERED:
                if key in told:
                    told[key] = told[key].lower()
            reader.opened(element, told)
        else:
            reader.unknown_starttag(element.tag, list(told.items()))

    def _stop(self, name: str) -> None:
        self._reader.closed(self._elements.get(name) or self._element(name))

    def _element(self, name: str) -> Any:
        """What feedparser calls an element: by its own prefix for a namespace that it knows, else by the first that it has met."""
        tag = _remembered(_tag, name)
        if tag is not None:
            element = self._elements[name] = self._reader.element(tag)
            return element
        space, local, _ = _parts(name)
        met = (prefix for prefix, uri in self._reader.namespaces_in_use.items() if prefix and uri == space)
        local = local.lower()
        return self._reader.element(f"{prefix}:{local}".lower() if (prefix := next(met, None)) else local)

    def _attribute(self, name: str) -> _Attribute:
        attribute = self._attributes[name] = _remembered(_called, name)
        return attribute


def _remembered(call: Callable[[str], T], name: str) -> T:
    """`call(name)`, from memory for the names that all feeds use."""
    return call(name) if len(name) <= _LONGEST_NAME else call.__wrapped__(name)  # type: ignore[attr-defined]


@lru_cache(maxsize=1024)
def _tag(name: str) -> str | None:
    """What feedparser calls an element by its own prefix; None where that goes by the document."""
    spaces: dict[str, str] = _strict().Parser._matchnamespaces
    space, local, _ = _parts(name)
    local, lowered = local.lower(), space.lower()
    if _USERLAND.removeprefix("http://") in lowered:
        space = lowered = _USERLAND
    if prefix := spaces.get(lowered):
        return f"{prefix.lower()}:{local}"
    return local if not space or lowered in spaces else None


@lru_cache(maxsize=1024)
def _called(name: str) -> _Attribute:
    """An attribute by feedparser's prefix, and as it is written; and whether it looks at such attributes of all elements."""
    space, local, written = _parts(name)
    prefix = _strict().Parser._matchnamespaces.get(space.lower(), "")
    by_prefix = f"{prefix}:{local}".lower() if prefix else local.lower()
    as_written = f"{written}:{local}".lower() if written else local.lower()
    of_all = any(one in _OF_ALL or one.startswith("xmlns") for one in (by_prefix, as_written))
    return by_prefix, as_written, of_all


def _own_space(name: str) -> str:
    """The namespace of an element for which feedparser adds an attribute."""
    space, local, _ = _parts(name)
    return space if (local.lower(), space) in _OWN else ""


def _parts(name: str) -> tuple[str, str, str]:
    """Namespace, local name and prefix, where there are any, as expat joins them."""
    parts = name.split()
    return ("", name, "") if len(parts) == 1 else (parts[0], parts[1], parts[2] if len(parts) > 2 else "")
