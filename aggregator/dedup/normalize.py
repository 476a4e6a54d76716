"""A text into the tokens that its story consists of: free of mark-up, entities, Unicode forms, case, punctuation and trailers."""

import html
import re
import unicodedata

# Longer texts are compared by their beginning (dedup.md §4.1).
_MOST_TOKENS = 20_000
_MOST_CHARACTERS = 2_000_000
_LEVELS = 3

_FRONT_MATTER = re.compile(r"\A\ufeff?---\r?\n.{0,20000}?\r?\n---\r?\n", re.DOTALL)
_SILENT = re.compile(
    r"<(script|style)\b[^>]{0,2000}>.{0,200000}?</\1\s{0,20}>|<!--.{0,200000}?-->", re.IGNORECASE | re.DOTALL
)
_BLOCK = re.compile(
    r"</?(?:p|div|br|li|ul|ol|h[1-6]|tr|td|th|table|blockquote|section|article|figure|figcaption|pre|hr|dd|dt|dl)\b[^<>]{0,2000}>",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,2000}>")
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,2000}(?:\s\"[^\"]{0,300}\")?\)")
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"']{1,2000}", re.IGNORECASE)
_TRAILERS = re.compile(
    r"the post [^\n]{1,300}? (?:appeared first on|first appeared on) [^\n.]{1,200}\.?|"
    r"\bread (?:more|original article|the full story)\b\s{0,5}[»→>…]{0,3}|\bcontinue reading\b\s{0,5}[»→>…]{0,3}|"
    r"\[\s{0,3}(?:\.\.\.|…)\s{0,3}\]|[(（]?责任编辑[:：][^)）\n]{0,40}[)）]?",
    re.IGNORECASE,
)
# Scripts that put no spaces between words: each character is a token of its own.
_SPACELESS = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x3FFFF),
)  # fmt: skip
_INVISIBLE = frozenset(range(0xFE00, 0xFE10)) | frozenset(range(0xE0100, 0xE01F0))


def tokens(text: str) -> list[str]:
    """The tokens of `text`, at most 20,000. The tokens of the tokens joined by spaces are the same."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _bare(text[:_MOST_CHARACTERS])).casefold())
    return folded.translate(_FOLDING).split()[:_MOST_TOKENS]


def normal(text: str) -> str:
    """The normal form: the tokens joined by spaces."""
    return " ".join(tokens(text))


def count(text: str) -> int:
    """How many words `text` has; in scripts without spaces every character counts as one."""
    return len(text.translate(_SPACING).split())


def _bare(text: str) -> str:
    text = _FRONT_MATTER.sub("", text)
    for _ in range(_LEVELS):
        before = text
        text = _SILENT.sub(" ", text)
        text = _TAG.sub("", _BLOCK.sub("\n", text))
        text = html.unescape(text)
        if text == before:
            break
    text = _MARKDOWN_LINK.sub(r"\1", text)
    return _TRAILERS.sub(" ", _URL.sub(" ", text))


class _Folding(dict[int, str | None]):
    """Letters, digits and marks stay, format characters vanish, all else is a space; filled as characters turn up."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        folded: str | None = " "
        if category == "Cf" or code in _INVISIBLE:
            folded = None
        elif category[0] in "LNM":
            folded = f" {character} " if _spaceless(code) else character
        self[code] = folded
        return folded


class _Spacing(dict[int, str]):
    """Characters of scripts without spaces become words."""

    def __missing__(self, code: int) -> str:
        self[code] = f" {chr(code)} " if _spaceless(code) else chr(code)
        return self[code]


def _spaceless(code: int) -> bool:
    return code >= _SPACELESS[0][0] and any(low <= code <= high for low, high in _SPACELESS)


_FOLDING, _SPACING = _Folding(), _Spacing()
