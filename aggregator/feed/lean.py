"""feedparser over one document, without the detours that we do not need: it neither cleans HTML nor resolves URLs, it is handed text in
whole pieces, and its strict parser elements without the layers of SAX. What it reads stays what it reads.
"""

import io
import re
from collections.abc import Callable
from functools import cache, lru_cache
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.parsers import expat

from aggregator import errors

# expat hands out text in pieces of at most this size.
_PIECE = 65_536
_C1 = re.compile("[\x80-\x9f]")
_USERLAND = "http://backend.userland.com/rss"
_OWN = {("math", "http://www.w3.org/1998/Math/MathML"), ("svg", "http://www.w3.org/2000/svg")}


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
    """The same for a document that expat has read whole, in UTF-8 and without DOCTYPE, in three quarters of the time.

    Raises ParseError, code `unreadable`.
    """
    return _guarded(lambda: _Bridge().read(data))


def _guarded(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    # We read dates ourselves (`dates`); whoever else asks feedparser for them has them.
    handlers = load().datetimes._date_handlers
    kept = [*handlers]
    handlers.clear()
    try:
        return call()
    except MemoryError:
        raise
    except Exception as exc:
        # feedparser promises none, and lets through what its own code stumbles on (hazards, §3).
        raise errors.ParseError(f"feedparser cannot read it: {type(exc).__name__}", code="unreadable") from exc
    finally:
        handlers[:] = kept


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
    # For every element it joins its base with nothing.
    join = mixin._urljoin
    mixin._urljoin = lambda base, uri: join(base, uri) if uri else base
    # And below a base, it with itself.
    mixin.make_safe_absolute_uri = lru_cache(maxsize=64)(mixin.make_safe_absolute_uri)
    util.FeedParserDict.get = _get(util.FeedParserDict)
    return feedparser  # type: ignore[no-any-return]


class _Text(str):
    """A text on its way through feedparser's table of windows-1252, which takes it letter by letter where any is beyond ASCII."""

    __slots__ = ()

    def translate(self, table: Any) -> str:
        """The same as a string, of which only C1 controls can change."""
        return super().translate(table) if _C1.search(self) else str(self)


def _get(kind: Any) -> Callable[..., Any]:
    """`FeedParserDict.get`, straight for the keys that have no other name and no meaning of their own."""
    usual, special = kind.get, {*kind.keymap, "category", "enclosures", "license", "updated", "updated_parsed"}

    def get(self: dict[str, Any], key: str, default: Any = None) -> Any:
        return usual(self, key, default) if key in special else dict.get(self, key, default)

    return get


class _Bridge:
    """Hands expat's events to feedparser's strict parser, as its own `_StrictFeedParser` does from SAX events, the names of elements and
    attributes worked out once for a document."""

    def __init__(self) -> None:
        load()
        from feedparser import api

        reader = self._reader = api.StrictFeedParser("", None, "utf-8")
        reader.resolve_relative_uris = reader.sanitize_html = False
        self._spaces: dict[str, str] = reader._matchnamespaces
        self._tags: dict[str, str] = {}
        self._keys: dict[str, tuple[str, str]] = {}

    def read(self, data: bytes) -> dict[str, Any]:
        parser = expat.ParserCreate("utf-8", " ")
        parser.namespace_prefixes, parser.buffer_text, parser.buffer_size = True, True, _PIECE
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._stop
        parser.CharacterDataHandler = self._reader.handle_data
        parser.StartNamespaceDeclHandler = self._reader.startPrefixMapping
        parser.Parse(data, True)
        # They hold us: without them there is no circle, and what was read is freed with its last use.
        parser.StartElementHandler = parser.EndElementHandler = None
        reader = self._reader
        return {"feed": reader.feeddata, "entries": reader.entries, "version": reader.version}

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        reader = self._reader
        told, reader.decls = reader.decls, {}
        space, local, _ = _parts(name)
        if (local.lower(), space) in _OWN:
            told["xmlns"] = space
        keys = self._keys
        for key, value in attributes.items():
            told[(keys.get(key) or self._attribute(key))[0]] = value
        for key, value in attributes.items():
            told[keys[key][1]] = value
        reader.unknown_starttag(self._tags.get(name) or self._tag(name), list(told.items()))

    def _stop(self, name: str) -> None:
        self._reader.unknown_endtag(self._tags.get(name) or self._tag(name))

    def _tag(self, name: str) -> str:
        """What feedparser calls an element: by its own prefix for a namespace that it knows, else by the first that it has met."""
        space, local, _ = _parts(name)
        local, lowered = local.lower(), space.lower()
        if _USERLAND.removeprefix("http://") in lowered:
            space = lowered = _USERLAND
        if prefix := self._spaces.get(lowered):
            tag = self._tags[name] = f"{prefix.lower()}:{local}"
            return tag
        if not space or lowered in self._spaces:
            self._tags[name] = local
            return local
        met = (prefix for prefix, uri in self._reader.namespaces_in_use.items() if prefix and uri == space)
        return f"{prefix}:{local}".lower() if (prefix := next(met, None)) else local

    def _attribute(self, name: str) -> tuple[str, str]:
        """An attribute by feedparser's prefix, and as it is written."""
        space, local, written = _parts(name)
        prefix = self._spaces.get(space.lower(), "")
        keys = self._keys[name] = (
            f"{prefix}:{local}".lower() if prefix else local.lower(),
            f"{written}:{local}".lower() if written else local.lower(),
        )
        return keys


def _parts(name: str) -> tuple[str, str, str]:
    """Namespace, local name and prefix, where there are any, as expat joins them."""
    parts = name.split()
    return ("", name, "") if len(parts) == 1 else (parts[0], parts[1], parts[2] if len(parts) > 2 else "")
