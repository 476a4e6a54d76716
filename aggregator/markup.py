"""Foreign strings and HTML into what may be stored: safe HTML, plain text, tidy strings. Never guesses what is content."""

import html
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

import nh3

# Tags that end a line of text; everything else inside a line is dropped and its words kept.
BLOCKS = frozenset(
    "address article aside blockquote br caption center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 "
    "h5 h6 header hr legend li main nav ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
SILENT = frozenset(
    {"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "head", "textarea", "select"}
)
SCHEMES = frozenset({"http", "https", "mailto"})

# C0 and C1 controls except tab and newline, and the code points that UTF-8 cannot carry (Postgres refuses NUL).
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ASCII_CONTROL = bytes(code for code in (*range(32), 127) if chr(code) not in "\t\n")
# The same in UTF-8, beyond ASCII.
C1, _NONCHARACTERS = re.compile(b"\xc2[\x80-\x9f]"), re.compile(b"\xef\xbf[\xbe\xbf]")
_ASCII, _ASCII_SPACE = bytes(range(128)), bytes(code for code in range(128) if chr(code).isspace())
_TAG = re.compile(r"<[^>]*>")
# Where a base begins, and what stands in another place there: to join them in full takes a quarter of the time of cleaning.
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?=[/?#]|\Z)")
_FROM_ROOT = re.compile(r"(?!//)(?:/(?!\.)[^/;?#\s\\]*)+(?:\?[^\s#]+)?(?:#\S+)?")
# Thai, Lao, Tibetan, Burmese, Khmer, kana and Han are written without spaces between words; Hangul has them.
SPACELESS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


def tidy(text: str, limit: int | None = None) -> str:
    """`text` as NFC without control characters and lone surrogates, cut to `limit` characters."""
    cleaned = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    if text.isascii():
        coded = cleaned.encode("ascii")
        kept = coded.translate(None, _ASCII_CONTROL)
        cleaned = cleaned if len(kept) == len(coded) else kept.decode("ascii")
    else:
        cleaned = unicodedata.normalize("NFC", _CONTROL.sub("", cleaned) if _has_controls(cleaned) else cleaned)
    return cleaned if limit is None or len(cleaned) <= limit else cleaned[:limit]


def _has_controls(text: str) -> bool:
    """Whether there is any, in half the time that it takes to look at every character: they are rare."""
    try:
        coded = text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    if len(coded.translate(None, _ASCII_CONTROL)) < len(coded):
        return True
    return C1.search(coded) is not None or _NONCHARACTERS.search(coded) is not None


def line(text: str, limit: int | None = None) -> str:
    """`text` on one line: runs of white space become one space."""
    return " ".join(tidy(text, limit).split())


def safe(markup: str, base: str | None = None) -> str:
    """`markup` as HTML that cannot run anything: nh3's allow-list, only http(s) and mailto links, relative ones resolved
    against `base` (dropped without one)."""
    return _cleaner(base or "").clean(tidy(markup)).strip()


@lru_cache(maxsize=8)
def _cleaner(base: str) -> nh3.Cleaner:
    """What cleans HTML whose links are relative to `base`: to make one takes as long as to clean a paragraph."""

    origin = _ORIGIN.match(base)

    def absolute(url: str) -> str | None:
        url = url.strip()
        if origin is not None and _FROM_ROOT.fullmatch(url):
            return origin[0] + url
        try:
            resolved = urljoin(base, url)
            return resolved if urlsplit(resolved).scheme in SCHEMES else None
        except ValueError:
            return None

    return nh3.Cleaner(
        clean_content_tags=set(SILENT),
        url_schemes=set(SCHEMES),
        url_relative=absolute,
        link_rel="noopener noreferrer nofollow",
    )


# All that an article is made of.
_OF_ARTICLES = nh3.Cleaner(
    tags=set(
        "p h2 h3 h4 h5 h6 ul ol li blockquote pre table tr td th figure figcaption img a strong em sub sup code del mark q cite abbr".split()
    ),
    attributes={"a": {"href"}, "img": {"src", "alt"}},
    clean_content_tags=set(SILENT),
    url_schemes={"http", "https"},
    link_rel="noopener noreferrer nofollow",
)


def article(markup: str) -> str:
    """`markup` as no more than paragraphs, headings, lists, tables, quotations, pictures and links to http(s); the words of all else stay."""
    return _OF_ARTICLES.clean(tidy(markup)).strip()


_TO_BLOCKS = nh3.Cleaner(tags=set(BLOCKS), attributes={}, clean_content_tags=set(SILENT), link_rel=None)


def text(markup: str) -> str:
    """The words of `markup` as plain text: one line a block, no empty lines, entities decoded, scripts and styles gone."""
    blocks = _TO_BLOCKS.clean(tidy(markup))
    # nh3 has escaped every `<` that is text, so what still looks like a tag is one.
    return plain(html.unescape(_TAG.sub("\n", blocks.replace("\n", " "))))


def untagged(markup: str) -> str:
    """Safe `markup` with a space in the place of each tag. To be hashed: `text` takes eight times as long."""
    return _TAG.sub(" ", markup).replace("&nbsp;", " ")


def squeezed(text: str) -> str:
    """`text` without white space."""
    coded = text.encode("utf-8", "surrogatepass")
    foreign = "" if len(coded) == len(text) else coded.translate(None, _ASCII).decode("utf-8", "surrogatepass")
    if len("".join(foreign.split())) < len(foreign):
        return "".join(text.split())
    return coded.translate(None, _ASCII_SPACE).decode("utf-8", "surrogatepass")


def plain(text: str) -> str:
    """Plain text with one space between words, one newline between paragraphs and none at the ends."""
    lines = (" ".join(each.split()) for each in tidy(text).split("\n"))
    return "\n".join(each for each in lines if each)


def changed_words(old: str, new: str) -> tuple[int, int]:
    """How many words `new` has that `old` had not, and the other way round; moved words count as neither."""
    before, after = Counter(old.split()), Counter(new.split())
    return (after - before).total(), (before - after).total()


def spaced(text: str) -> str:
    """`text` with each character of a script without spaces standing alone, as a word does."""
    return text if text.isascii() else SPACELESS.sub(r" \g<0> ", text)


def count_words(text: str) -> int:
    """How many words plain `text` has; in scripts without spaces every character counts as one."""
    if text.isascii():
        return len(text.split())
    rest, characters = SPACELESS.subn(" ", text)
    return characters + sum(any(map(str.isalnum, word)) for word in rest.split()) if characters else len(text.split())
