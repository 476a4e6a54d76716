"""A text into the tokens that its story consists of: free of mark-up, entities, Unicode forms, case, punctuation and trailers.

Their order matters: what one step uncovers, a later one may have to take away. Every pattern is linear in the text, and the normal
form of a normal form is itself.
"""

import html
import re
import unicodedata
from collections.abc import Sequence

from aggregator import markup

# Longer texts are compared by their beginning.
_MOST_TOKENS = 20_000
_MOST_CHARACTERS = 2_000_000
# Feeds escape HTML inside escaped HTML; a third level is the deepest seen.
_LEVELS = 3

# YAML as static sites put it before a post: a key must follow, for a line of hyphens is also a rule.
_FRONT_MATTER = re.compile(
    r"\A\s{0,20}---\r?\n(?=[\w\"'-]{1,60}[ \t]{0,5}:).{0,20000}?\r?\n---[ \t]{0,20}(?:\r?\n|\Z)", re.DOTALL
)
# None of the classes below holds `<`, so no two attempts run over the same characters.
_SILENT = re.compile(r"<(script|style)(?=[\s>/])|<!--", re.IGNORECASE)
_ENDS = {
    "script": re.compile(r"</script[^<>]*>", re.IGNORECASE),
    "style": re.compile(r"</style[^<>]*>", re.IGNORECASE),
    "": re.compile("-->"),
}
_BLOCK = re.compile(rf"</?(?:{'|'.join(sorted(markup.BLOCKS))})\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!\[CDATA\[|\]\]>|<[!?][a-zA-Z][^<>]*>")
# What Unicode calls Cf, and the variation selectors. Gone before NFKC, for they keep letters and accents apart.
_INVISIBLE = re.compile(
    "[\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001-\U000e01ef]"
)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,2000}(?:\s\"[^\"]{0,300}\")?\)")
# An address ends where Chinese, Japanese or Korean begins, which follows it without a space.
_URL = re.compile(
    r"(?<![a-z0-9])(?:https?://|www\.)[^\s<>\"'\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]{1,2000}"
)
# WordPress appends it to what it syndicates; it ends with its line or its sentence.
_THE_POST = re.compile(
    r"\bthe post (?:(?!\bthe post )[^\n]){1,300}? (?:appeared first|first appeared) on [^\n]{1,80}?(?:\.(?=\s|\Z)|$)",
    re.MULTILINE,
)
# The editor in charge, as Chinese agencies name him, and "more" in brackets.
_CHINESE = re.compile(r"\(?责任编辑:[^)\n]{0,40}\)?|\[(?:详细|阅读全文|查看全文)\]")
_HANGUL = re.compile("[\uac00-\ud7af]")

_PHRASES = ("read more", "read original article", "read the full story", "continue reading")
_PHRASES_BY_END = {
    end: [phrase.split() for phrase in _PHRASES if phrase.endswith(f" {end}")]
    for end in {one.split()[-1] for one in _PHRASES}
}


def tokens(text: str) -> list[str]:
    """The tokens of `text`, at most 20,000; in scripts without spaces, and in Hangul, every character is one."""
    folded = _folded(_bare(text[:_MOST_CHARACTERS]))
    if "appeared" in folded:
        folded = _THE_POST.sub(" ", folded)
    if not folded.isascii():
        folded = _HANGUL.sub(r" \g<0> ", _CHINESE.sub(" ", folded))
    words = markup.spaced(folded.translate(_LETTERS))
    return _without_trailers(words.split()[:_MOST_TOKENS])


def normal(text: str) -> str:
    """The normal form: the tokens joined by spaces."""
    return " ".join(tokens(text))


def _bare(text: str) -> str:
    """`text` without front matter, mark-up, entities, link targets and addresses."""
    text = _FRONT_MATTER.sub("", text)
    for _ in range(_LEVELS):
        before = text
        if "<" in text:
            text = _TAG.sub("", _BLOCK.sub("\n", _without_silent(text)))
        text = html.unescape(text)
        if text == before:
            break
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    if "](" in text:
        text = _MARKDOWN_LINK.sub(r"\1", text)
    text = text.casefold()
    return _URL.sub(" ", text) if "://" in text or "www." in text else text


def _without_silent(text: str) -> str:
    """`text` without comments, scripts and styles; one that never ends is left, for then it is none."""
    kept, at, endless = [], 0, set()
    for found in _SILENT.finditer(text):
        kind = (found[1] or "").lower()
        if found.start() < at or kind in endless:
            continue
        end = _ENDS[kind].search(text, found.end())
        if end is None:
            endless.add(kind)
            continue
        kept.append(text[at : found.start()])
        at = end.end()
    return "".join([*kept, text[at:]])


def _folded(text: str) -> str:
    """`text` in NFKC and without case. One round is not always enough: folding may leave what composes and folds again."""
    for _ in range(4):
        again = unicodedata.normalize("NFKC", text.casefold())
        if again == text:
            break
        text = again
    return text


def _without_trailers(words: list[str]) -> list[str]:
    """`words` without the phrases that lead on to somewhere else."""
    whole = " ".join(words)
    kept = _without_phrases(words) if any(phrase in whole for phrase in _PHRASES) else words
    # What punctuation hid from the pattern above: longer than 400 characters no trailer is.
    while "appeared" in kept[-80:]:
        tail = " ".join(kept[-200:])
        shorter = _THE_POST.sub("", tail)
        if shorter == tail:
            break
        kept[-200:] = shorter.split()
    return kept


def _without_phrases(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for word in words:
        kept.append(word)
        for phrase in _PHRASES_BY_END.get(word, ()):
            if kept[-len(phrase) :] == phrase:
                del kept[-len(phrase) :]
                break
    return kept


class _Letters(dict[int, str | None]):
    """Letters, digits and marks stay, format characters vanish, all else is a space; filled as characters
    turn up."""

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        self[code] = None if category == "Cf" else chr(code) if category[0] in "LNM" else " "
        return self[code]


_LETTERS = _Letters()
