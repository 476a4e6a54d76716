"""The bytes of an XML document into UTF-8 that feedparser can read without harm, or into the reason why it shall not.

Decodes, refuses entities that expand into others or come from elsewhere, drops what XML cannot hold, and takes a document that is
cut off, or has too many entries, down to its whole entries.
"""

import codecs
import html
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from aggregator import errors, markup

# feedparser copies the attributes of an element with a linear search for each: 156 kB of them take 15 s (hazards, §3).
MOST_ATTRIBUTES = 200
# What all uses of a document's own entities may add to it, in characters.
_MOST_EXPANDED = 1_000_000
# A DOCTYPE is a line, with the 253 entities of HTML 4 declared in it some 20 kB.
_LONGEST_DOCTYPE = 65_536
_ENTRIES = frozenset({"item", "entry"})
# An entry stands in the root or in its channel; deeper ones are something else.
_DEEPEST_ENTRY = 3

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# XML 1.0, appendix F.1: the first characters of a declaration without a byte order mark.
_MARKS = (
    (b"\x00\x00\x00<", "utf-32-be"),
    (b"<\x00\x00\x00", "utf-32-le"),
    (b"\x00<\x00?", "utf-16-be"),
    (b"<\x00?\x00", "utf-16-le"),
    (b"\x4c\x6f\xa7\x94", "cp037"),
)
# Codecs of Python that are no character sets, by their own names.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
# Character sets whose label is also used for the larger one that contains it (encoding.spec.whatwg.org, "names and labels").
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "shift_jis": "cp932", "ascii": "cp1252"}
# These decode anything, so that nothing follows from their success.
_WESTERN = frozenset({"iso8859-1", "cp1252", "iso8859-15"})

_BLANK = "\ufeff \t\r\n"
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s"';]+)""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([^"'>]+)["']""")
_DECLARATION = re.compile(r"<\?xml(?:\s[^>]*)?>")
_BYTES_DECLARATION = re.compile(_DECLARATION.pattern.encode("ascii"))
_ROOT = re.compile(r"<\?xml|<(?:\w+:)?(?:rss|feed|RDF)\b")
_PROLOG = re.compile(r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_DOCTYPE = re.compile(
    r"""<!DOCTYPE((?:"[^"]*+"|'[^']*+'|[^\["'>])*+)"""
    r"""(?:\[((?:<!--.*?-->|<\?.*?\?>|<(?!!--|\?)|"[^"]*+"|'[^']*+'|[^\]"'<])*+)\]\s*+)?>""",
    re.DOTALL | re.IGNORECASE,
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ENTITY = re.compile(
    r"""<!ENTITY\s+(?P<parameter>%\s+)?(?P<name>[^\s"'%<>]+)\s+"""
    r"""(?:(?P<external>SYSTEM|PUBLIC)\b(?P<where>(?:"[^"]*"|'[^']*'|[^"'>])*)|"(?P<double>[^"]*)"|'(?P<single>[^']*)')"""
)
# The names of HTML's characters, which many declare and nobody needs to fetch: lenient parsers know them.
_HARMLESS = "-//W3C//ENTITIES"
_NAME = re.compile(r"<\s*([A-Za-z_][\w.:-]*)")
_USE = re.compile(r"&([^\s&;#<>]+);")
_AMPERSAND = re.compile(r"&(?:(#[0-9]+|#x[0-9a-fA-F]+|[A-Za-z_][\w.-]*);)?")
_PREDEFINED = frozenset({"lt", "gt", "amp", "apos", "quot"})
_REFERENCE = re.compile(r"&#(?:0*([0-9]+)|[xX]0*([0-9a-fA-F]+));?")
# XML 1.0 §2.2 allows none of these, not even as references.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CUT = frozenset(
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
_ENTRY_END = re.compile(r"</(?:[\w.-]+:)?(?:item|entry)\s*>", re.IGNORECASE)
_ENTRY_START = re.compile(r"<(?:[\w.-]+:)?(?:item|entry)[\s>]", re.IGNORECASE)
_AFTER_NAME = frozenset({b">", b" ", b"\t", b"\r", b"\n"})
_ROOT_END = re.compile(r"</(?:[\w.-]+:)?(?:rss|feed|rdf|channel)\s*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """UTF-8 without declaration or mark. `root` is the first element's name; `damage` why entries are missing, in words; `beyond` how
    many more there are, which are too many."""

    data: bytes
    root: str
    damage: str | None = None
    beyond: int = 0


# ---------------------------------------------------------------------------------------------------- characters


def decode(body: bytes, headers: Mapping[str, str]) -> str:
    """`body` as text: by its byte order mark, else as the response says, else as the document says, else as UTF-8.

    The order of RFC 7303 §3. Where none of them reads the whole of it, the one whose text has few holes counts, and
    windows-1252 where there is none.
    """
    for start, codec in (*_BOMS, *_MARKS):
        if body.startswith(start):
            return body.decode(codec, "replace").removeprefix("\ufeff")
    charsets = _charsets(body, headers)
    for charset in charsets:
        try:
            return body.decode(charset)
        except UnicodeError:
            continue
    for charset in charsets:
        text = body.decode(charset, "replace")
        if charset not in _WESTERN and _mostly_read(text):
            return text
    return body.decode("cp1252", "replace")


def utf8(body: bytes, headers: Mapping[str, str]) -> bytes | None:
    """An XML document as the bytes of what `bare` leaves of its text, if `decode` takes it for UTF-8 where that reads all of it, which is
    not looked at; None if not."""
    if any(body.startswith(start) for start, codec in (*_BOMS, *_MARKS) if codec != "utf-8"):
        return None
    data = body.removeprefix(codecs.BOM_UTF8)
    if data is body and _charsets(body, headers)[0] != "utf-8":
        return None
    data = data.lstrip(b" \t\r\n")
    declaration = _BYTES_DECLARATION.match(data)
    return data[declaration.end() :].lstrip() if declaration else data


def _charsets(body: bytes, headers: Mapping[str, str]) -> list[str]:
    """Those that it may be in, the likeliest first."""
    told = _CHARSET.search(headers.get("content-type", ""))
    declared = _XML_ENCODING.search(body[:1000])
    names = [told[1] if told else "", declared[1].decode("latin-1") if declared else ""]
    charsets = [*dict.fromkeys([charset for name in names if (charset := _charset(name))]), "utf-8"]
    return ["utf-8", *charsets] if charsets[0] in _WESTERN else charsets


def _charset(name: str) -> str | None:
    """Python's name of the character set that is called `name`; None if there is no such."""
    name = name.lower().removeprefix("x-")
    try:
        b"x".decode(name, "replace")  # Refuses Python's codecs that do not yield text.
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    # UTF-16 and UTF-32 show in the first bytes: whoever declares them without it is wrong.
    if codec in _NO_CHARSETS or codec.startswith(("utf-16", "utf-32")):
        return None
    return _SUPERSETS.get(codec, codec)


def _mostly_read(text: str) -> bool:
    """Whether holes are rare among what is not ASCII: some bytes are broken, but the character set is right."""
    foreign = sum(map(len, re.findall(r"[^\x00-\x7f]+", text)))
    return text.count("\ufffd") * 3 <= foreign


# ---------------------------------------------------------------------------------------------------- the document


def prepare(text: str, most_entries: int) -> Document:
    """The XML document `text`, with its first `most_entries` entries. Raises ParseError, code `entities` or `unreadable`."""
    text = _REFERENCE.sub(_allowed, _FORBIDDEN.sub("", text)).lstrip(_BLANK)
    if not text.startswith("<") and (start := _ROOT.search(text)):
        text = text[start.start() :]
    text, root = _without_doctype_tricks(bare(text))
    return _whole_entries(text, root, most_entries)


def bare(text: str) -> str:
    """`text` without what stands before its first tag: a mark, blanks, an XML declaration, which tells of another encoding."""
    text = text.lstrip(_BLANK)
    declaration = _DECLARATION.match(text)
    return text[declaration.end() :].lstrip() if declaration else text


def _allowed(reference: re.Match[str]) -> str:
    """A character reference as it is if it refers to a character that XML allows, else nothing."""
    decimal, hexadecimal = reference.groups()
    if len(decimal or hexadecimal) > 7:
        return ""
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return "" if code > 0x10FFFF or _FORBIDDEN.match(chr(code)) else reference[0]


def _without_doctype_tricks(text: str) -> tuple[str, str]:
    """`text` with nothing but simple entities left inside its DOCTYPE, and the name of its root element."""
    prolog = _PROLOG.match(text)
    start = prolog.end() if prolog else 0
    doctype = _DOCTYPE.match(text, start, start + _LONGEST_DOCTYPE)
    if doctype is None:
        # Nothing else can declare entities, but what cannot be read here may be readable to others.
        if text[start : start + 9].upper() == "<!DOCTYPE" and "<!ENTITY" in text:
            raise errors.ParseError("declares entities in a DOCTYPE that cannot be read", code="entities")
        return text, _name(text, start)
    subset = f" [\n{_simple_entities(doctype[2], text)}]" if doctype[2] else ""
    return f"{text[:start]}<!DOCTYPE{doctype[1]}{subset}>{text[doctype.end() :]}", _name(text, doctype.end())


def _name(text: str, start: int) -> str:
    prolog = _PROLOG.match(text, start)
    found = _NAME.search(text, prolog.end() if prolog else start)
    return found[1] if found else ""


def _simple_entities(subset: str, text: str) -> str:
    """The declarations of entities in the internal `subset`, if all of them are simple strings and add little to `text`."""
    subset = _COMMENT.sub("", subset)
    values: dict[str, str] = {}
    found = list(_ENTITY.finditer(subset))
    for match in found:
        if match["parameter"] and _HARMLESS in (match["where"] or ""):
            continue
        if match["external"]:
            where = re.findall(r"\"[^\"]*\"|'[^']*'", match["where"]) or ["''"]
            raise errors.ParseError(
                f"declares external entities ({markup.line(where[-1][1:-1], 100)})", code="entities"
            )
        if match["parameter"]:
            raise errors.ParseError("declares parameter entities", code="entities")
        # The first declaration of a name counts (XML 1.0 §4.2).
        values.setdefault(match["name"], match["double"] or match["single"] or "")
    if len(found) != subset.count("<!ENTITY"):
        raise errors.ParseError("declares entities in a way that cannot be read", code="entities")
    for name, value in values.items():
        # `&#38;` in a value is an ampersand by the time the entity is used.
        inner = re.sub("&#(?:0*38|[xX]0*26);", "&", value)
        if any(used not in _PREDEFINED for used in _USE.findall(inner)):
            raise errors.ParseError(f"declares nested entities ({markup.line(name, 100)})", code="entities")
    uses = Counter(_USE.findall(text)) if values else Counter[str]()
    if sum(uses[name] * len(value) for name, value in values.items()) > _MOST_EXPANDED:
        raise errors.ParseError("declares entities that expand beyond all measure", code="entities")
    escaped = ((name, value.replace('"', "&#34;").replace("<", "&#60;")) for name, value in values.items())
    return "".join(f'<!ENTITY {name} "{value}">\n' for name, value in escaped)


# ---------------------------------------------------------------------------------------------------- its entries


class _Outline:
    """Counts a document's entries as expat meets them, and remembers where it could end after the last one wanted.

    `end` is a byte index, `unclosed` the elements open there.
    """

    def __init__(self, data: bytes, most_entries: int) -> None:
        self.data = data
        self._most = most_entries
        self._open: list[str] = []
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._stop
        self.entries = 0
        self.end: int | None = None
        self.unclosed: tuple[str, ...] = ()

    def read(self) -> int:
        """The error code of expat, 0 if the document is well-formed."""
        try:
            self._parser.Parse(self.data, True)
        except expat.ExpatError as exc:
            return exc.code
        finally:
            # It holds us by its handlers: without it there is no circle, and the document is freed at once.
            del self._parser
        return 0

    def closed(self) -> bytes:
        """The document up to `end`, with all elements closed."""
        return self.data[: self.end] + "".join(f"</{name}>" for name in reversed(self.unclosed)).encode()

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(attributes) > MOST_ATTRIBUTES:
            raise errors.ParseError(f"has an element with {len(attributes):,} attributes", code="unreadable")
        if self.end is None and self._is_entry(name):
            self.end, self.unclosed = self._parser.CurrentByteIndex, tuple(self._open)
        self._open.append(name)

    def _stop(self, name: str) -> None:
        self._open.pop()
        if self._is_entry(name):
            self.entries += 1
            if self.entries <= self._most:
                self.end = end_of_tag(self.data, self._parser.CurrentByteIndex, name.encode())
                self.unclosed = tuple(self._open)

    def _is_entry(self, name: str) -> bool:
        return len(self._open) < _DEEPEST_ENTRY and _local(name) in _ENTRIES


def end_of_tag(data: bytes, at: int, name: bytes) -> int:
    """Where the tag ends that ended the element `name`, as it is written, when expat was `at`. Of an empty element it has read the tag by
    then: what follows is the end of another, if any."""
    after = at + 2 + len(name)
    own = data.startswith(b"</" + name, at) and data[after : after + 1] in _AFTER_NAME
    return data.index(b">", at) + 1 if own else at


def _whole_entries(text: str, root: str, most_entries: int) -> Document:
    outline, error = _outlined(text, most_entries)
    if error and error not in _CUT:
        text = _mended(text)
        outline, error = _outlined(text, most_entries)
    if outline.entries > most_entries:
        return Document(data=outline.closed(), root=root, beyond=outline.entries - most_entries)
    if not error:
        return Document(data=outline.data, root=root)
    if error not in _CUT:
        return _ill_formed(text, root, most_entries)
    data = outline.data if outline.end is None else outline.closed()
    return Document(data=data, root=root, damage=_cut_off(outline.entries))


def _outlined(text: str, most_entries: int) -> tuple[_Outline, int]:
    outline = _Outline(text.encode(), most_entries)
    return outline, outline.read()


def _mended(text: str) -> str:
    """`text` with the commonest mistakes undone: ampersands that begin nothing, and names that only HTML defines.

    feedparser's lenient parser makes `AT&T;` of `AT&T`.
    """
    declared = {match["name"] for match in _ENTITY.finditer(text, 0, _LONGEST_DOCTYPE)} | _PREDEFINED

    def mended(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "&amp;"
        if name in declared or name.startswith("#"):
            return match[0]
        return html.escape(html.unescape(match[0]), quote=False)

    first, *rest = text.split("<![CDATA[")
    pieces = [_AMPERSAND.sub(mended, first)]
    for piece in rest:
        inside, end, outside = piece.partition("]]>")
        pieces += ["<![CDATA[", inside, end, _AMPERSAND.sub(mended, outside)]
    return "".join(pieces)


def _ill_formed(text: str, root: str, most_entries: int) -> Document:
    """A document that only a lenient parser can read: whether it is cut off as well shows in its last tags."""
    ends = [match.end() for match in _ENTRY_END.finditer(text)]
    if len(ends) > most_entries:
        return Document(data=text[: ends[most_entries - 1]].encode(), root=root, beyond=len(ends) - most_entries)
    last = ends[-1] if ends else 0
    if _ROOT_END.search(text, last) or _local(root) in _ENTRIES:
        return Document(data=text.encode(), root=root)
    begun = _ENTRY_START.search(text, last)
    kept = text[: last or (begun.start() if begun else None)]
    return Document(data=kept.encode(), root=root, damage=_cut_off(len(ends)))


def _local(name: str) -> str:
    """An element's name in lower case without its prefix."""
    return name.rpartition(":")[2].lower()


def _cut_off(entries: int) -> str:
    if not entries:
        return "the document is cut off before the end of its first entry"
    return f"the document is cut off after {entries:,} {'entry' if entries == 1 else 'entries'}"
