"""The bytes of a page into its text: by what is declared, and where nothing is, by what its language was written in before UTF-8. Never
fails."""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence

import charset_normalizer

from aggregator import languages

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Codecs of Python that are no character sets of pages; UTF-16 and UTF-32 show in the first bytes or are not meant.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf-7"})
# Labels that mean the larger set which contains them (encoding.spec.whatwg.org, "names and labels").
_SUPERSETS = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874", "gb2312": "gb18030",
    "gbk": "gb18030", "big5": "big5hkscs", "euc_kr": "cp949", "shift_jis": "cp932",
}  # fmt: skip
_TOLD_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.-]{2,40})""")
# Of a page in a wrong character set every tenth character would be a hole; a cut or pasted byte makes one or two.
_MOST_HOLES = 0.005
# Where these are fewer than the holes, nothing says that it is UTF-8 at all.
_SOUND = re.compile("[^\x00-\x7f\ufffd]")

# What browsers assume by the language (html.spec.whatwg.org, "determining the character encoding"), with what else it was written in.
# Of those in Latin letters the second is meant where no byte is one of its control characters.
_WEST = ("cp1252",)
_CENTRAL = ("cp1250", "iso8859_2")
_LATIN: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("cs", "hr", "hu", "pl", "sk", "sl"), _CENTRAL),
    # Browsers take windows-1252, in which Romanian cannot be written.
    "ro": _CENTRAL,
    **dict.fromkeys(("az", "ku", "tr"), ("cp1254",)),
    **dict.fromkeys(("et", "lt", "lv"), ("cp1257", "iso8859_13")),
    "vi": ("cp1258",),
}
_CYRILLIC = ("cp1251", "koi8_r", "iso8859_5", "cp866")
_OTHERS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("be", "bg", "kk", "ky", "mk", "ru", "sr", "tg", "tt"), _CYRILLIC),
    "uk": ("cp1251", "koi8_u", "iso8859_5", "cp1125"),
    "el": ("cp1253", "iso8859_7"),
    "ar": ("cp1256", "iso8859_6"),
    "fa": ("cp1256",),
    "he": ("cp1255", "iso8859_8"),
    "th": ("cp874",),
    "ja": ("cp932", "euc_jis_2004"),
    "ko": ("cp949",),
    "zh": ("gb18030", "big5hkscs"),
}
_CONTROLS = re.compile(rb"[\x80-\x9f]")
_LOOKED_AT = 200_000
# Neither runs over the same bytes twice, whatever a page leaves open.
_SCRIPT, _TAG = re.compile(rb"<(/?)(?:script|style)\b", re.IGNORECASE), re.compile(rb"<[^<>]*>")
_LANG = re.compile(rb"""<html\b[^>]{0,300}?\blang\s*=\s*["']?([A-Za-z]{2,3})\b""", re.IGNORECASE)
# Letters outside ASCII are few and stand alone among Latin ones, and are many and stand together in any other script.
_LETTERS, _HIGH, _TOGETHER = (
    re.compile(rb"[A-Za-z\x80-\xff]"),
    re.compile(rb"[\x80-\xff]"),
    re.compile(rb"[\x80-\xff]{2,}"),
)
_LEAST, _MANY, _MOSTLY = 20, 0.1, 0.5
# Of so many letters at least a piece of text is rather a sentence than a label.
_SENTENCE = 60


def decode(page: bytes, content_type: str | None, language: str | None = None) -> str:
    """The page as text: by its byte order mark, as UTF-8 if it is, as declared, or by its language; `language` is what its feed tells of
    that."""
    for mark, codec in _BOMS:
        if page.startswith(mark):
            return page[len(mark) :].decode(codec, "replace")
    declared = list(_declared(page, content_type))
    # What is whole UTF-8 is UTF-8, whatever is said of it; but ISO-2022 is written in ASCII.
    for codec in [*(one for one in declared if one.startswith("iso2022")), "utf-8", *declared]:
        try:
            return page.decode(codec)
        except UnicodeError:
            continue
    for codec in [*declared, "utf-8"]:
        text = page.decode(codec, "replace")
        holes = text.count("\ufffd")
        if holes <= max(3, _MOST_HOLES * len(text)) and (declared or len(_SOUND.findall(text)) > holes):
            return text
    return page.decode(_undeclared(page, language), "replace")


def _declared(page: bytes, content_type: str | None) -> Iterator[str]:
    """Python's names of the character sets that the answer and the page name."""
    told = _TOLD_CHARSET.search(content_type or "")
    inside = [pattern.search(page[:4096]) for pattern in (_META_CHARSET, _XML_CHARSET)]
    for name in [told and told[1], *(found and found[1].decode("ascii") for found in inside)]:
        try:
            codec = codecs.lookup((name or "").lower().removeprefix("x-"))
        except LookupError:
            continue
        # `_is_text_encoding` is how Python itself tells character sets from base64 and the like.
        usable = codec.name not in _NO_CHARSETS and not codec.name.startswith(("utf-16", "utf-32"))
        if usable and getattr(codec, "_is_text_encoding", False):
            yield _SUPERSETS.get(codec.name, codec.name)


# ---------------------------------------------------------------------------------------------------------- undeclared


def _undeclared(page: bytes, language: str | None) -> str:
    text = _text(page[:_LOOKED_AT])
    own = _LANG.search(page[:4096])
    told = [_primary(one) for one in (language, own and own[1].decode("ascii")) if one]
    if _is_other_script(text):
        return _of_other_script(text, told)
    # The commonest words are written in ASCII in all of these languages.
    spoken = languages.guess("\n".join(_sentences(text)))
    charsets = next((_LATIN.get(one, _WEST) for one in (spoken, *told) if one), _WEST)
    return charsets[0] if _CONTROLS.search(page) else charsets[-1]


def _text(page: bytes) -> bytes:
    """What stands between the tags, but for scripts and styles."""
    outer, *others = _SCRIPT.split(page)
    behind = (piece for closes, piece in zip(others[::2], others[1::2], strict=True) if closes)
    return _TAG.sub(b"\n", b"\n".join([outer, *behind]))


def _primary(language: str) -> str:
    return language.lower().partition("-")[0]


def _is_other_script(text: bytes) -> bool:
    high = len(_HIGH.findall(text))
    together = sum(map(len, _TOGETHER.findall(text)))
    return high > max(_LEAST, _MANY * len(_LETTERS.findall(text))) and together > _MOSTLY * high


def _of_other_script(text: bytes, told: Sequence[str]) -> str:
    """The likeliest by what its bytes look like, of those of the languages that are told if one of them fits."""
    known = [codec for one in told for codec in _OTHERS.get(one, ())]
    best = charset_normalizer.from_bytes(text, cp_isolation=known).best() if known else None
    best = best or charset_normalizer.from_bytes(text).best()
    return _SUPERSETS.get(best.encoding, best.encoding) if best else "cp1252"


def _sentences(text: bytes) -> Iterator[str]:
    for line in text.split(b"\n"):
        if len(line) >= _SENTENCE:
            yield line.decode("cp1252", "replace")
