"""An HTML page that came in place of a feed → what kind of page it is, in a word and in words, and the feed it names. Never a guess about
a page that says a lot: only its title, its host's own signature or a handful of words are evidence.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aggregator import markup, signs
from aggregator.feed import entry

# Real pages of these kinds have some tens of kilobytes, most of it style.
_LOOKED_AT = 200_000
# Of visible text: more than a page with little on it can have.
_MOST_TEXT = 8_000
_LONGEST_TITLE, _LONGEST_ATTRIBUTES, _LONGEST_LINK = 1_000, 4_000, 500
_MOST_LINKS = 5
# Words on a page that has nothing else to say than what it is.
_FEW, _HARDLY_ANY = 150, 40

_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml"})

# What is said of it, and the word that is kept.
_SAID = {
    "challenge": "a bot check",
    "parked": "a page for a parked domain",
    "consent": "a consent page",
    "login": "a login page",
    "error_page": "an error page",
    "html": "HTML page",
}

# Which of the kinds of `signs` are which of these.
_CODES = {
    "challenge": "challenge", "parked": "parked", "missing": "error_page", "denied": "error_page", "rate": "error_page", "server": "error_page",
    "paused": "error_page", "suspended": "error_page", "default": "error_page", "files": "error_page", "login": "login", "consent": "consent",
}  # fmt: skip

# --------------------------------------------------------------------------------------------------------- evidence

# Where a page with hardly any words sends the browser.
_SENT_TO_LOGIN = ("login", "signin", "sign-in", "sign_in", "/sso", "/auth", "oauth", "/cas/", "anmeld", "connexion")
_SENT_TO_CONSENT = ("consent", "cookiewall", "cookie-wall", "privacygate", "privacy-gate", "guce.")
_SENT = re.compile(
    r"""location(?:\.(?:href|replace|assign))?\s{0,9}(?:=|\()\s{0,9}["'`]([^"'`<>\s]{1,500})["'`]""", re.IGNORECASE
)

_SEPARATORS = re.compile(r"\s[|\-–—·•:»«/~]+\s|[|»«·•]|::|:\s")
_TRIMMED = " \t.…!?¡¿。！？،؟,:;-–—|[](){}\"'“”„«»"

# ------------------------------------------------------------------------------------------------------------- a page

_TAG = re.compile(r"<(/?[A-Za-z][A-Za-z0-9:-]*)([^<>]*)>")
_ATTRIBUTE = re.compile(r"""(?<![\w-])([\w-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]++))""")
# Their content is no text; a title's is, but not the page's.
_OPAQUE = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in ("script", "style", "template", "svg", "title")}


@dataclass(slots=True)
class _Page:
    """What a page shows and where it sends. `scripts` are those written into it, `feeds` whether of comments, and where."""

    title: str = ""
    text: list[str] = field(default_factory=list)
    length: int = 0
    passwords: int = 0
    refresh: str = ""
    base: str = ""
    feeds: list[tuple[bool, str]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)

    def shows(self, text: str) -> None:
        if self.length < _MOST_TEXT and (text := text[:_MOST_TEXT].strip()):
            self.text.append(text)
            self.length += len(text)


def kind(text: str) -> tuple[str, str]:
    """What the page `text` is: `challenge`, `parked`, `consent`, `login`, `error_page` or else `html`; and a noun phrase that says so,
    with its title."""
    page = _scanned(text)
    code = _code(page, text[:_LOOKED_AT].lower())
    title = markup.line(html.unescape(page.title), 100)
    return code, f"{_SAID[code]} titled {title!r}" if title else _SAID[code]


def feed_links(text: str, url: str) -> tuple[str, ...]:
    """The feeds that the page `text` at `url` names as its own, those of comments last: http(s) URLs of at most 500 characters."""
    page = _scanned(text)
    base = (entry.address(page.base, url) if page.base else None) or url
    # A feed of comments is hardly ever meant, and sometimes first.
    named = [entry.address(href, base) for _, href in sorted(page.feeds[:20], key=lambda one: one[0]) if href]
    # They are shown in messages, where a password must not be.
    shown = [one for one in named if one and len(one) <= _LONGEST_LINK and "@" not in urlsplit(one).netloc]
    return tuple(dict.fromkeys(shown))[:_MOST_LINKS]


def _code(page: _Page, source: str) -> str:
    """The kind of the page, by the best evidence there is."""
    shown = _plain(" ".join(page.text))
    words = markup.count_words(shown)
    if code := _found(signs.SURE, source) or _titled(page.title):
        return code
    if words > _FEW:
        return "html"
    if page.passwords:
        return "login"
    sent = _sent(page) if words <= _HARDLY_ANY else None
    return _found(signs.MARKS, source) or sent or _found(signs.PHRASES, shown) or "html"


def _found(evidence: Mapping[str, Sequence[str]], text: str) -> str | None:
    found = (kind for kind, known in evidence.items() if kind in _CODES and any(sign in text for sign in known))
    return next((_CODES[kind] for kind in found), None)


def _titled(title: str) -> str | None:
    """What a title says of its page, or a part of it."""
    whole = _plain(title)[:300]
    parts = [part.strip(_TRIMMED) for part in (whole, *_SEPARATORS.split(whole))]
    found = (
        kind for kind, known in signs.WHOLE.items() if kind in _CODES and any(known.fullmatch(part) for part in parts)
    )
    return next((_CODES[kind] for kind in found), None)


def _plain(text: str) -> str:
    """`text` in lower case, on one line and with straight apostrophes."""
    return " ".join(html.unescape(text).split()).lower().replace("’", "'")


def _sent(page: _Page) -> str | None:
    """What kind of page the browser is sent on to, if its address tells."""
    sent = _SENT.search(" ".join(page.scripts)[:20_000])
    target = (page.refresh or (sent[1] if sent else "")).lower()
    if any(word in target for word in _SENT_TO_CONSENT):
        return "consent"
    return "login" if any(word in target for word in _SENT_TO_LOGIN) else None


def _scanned(text: str) -> _Page:
    """One pass over the first of `text`, each character looked at a few times at most."""
    text, page, at = text[:_LOOKED_AT], _Page(), 0
    while (start := text.find("<", at)) >= 0:
        page.shows(text[at:start])
        if text.startswith("<!--", start):
            at = text.find("-->", start)
            if at < 0:
                return page
            at += 3
            continue
        tag = _TAG.match(text, start)
        if tag is None:
            at = start + 1
            continue
        name, at = tag[1].lower(), tag.end()
        if name in _OPAQUE:
            end = _OPAQUE[name].search(text, at)
            inside = text[at : end.start() if end else len(text)]
            if name == "title" and not page.title:
                page.title = inside[:_LONGEST_TITLE]
            elif name == "script":
                page.scripts.append(inside[:_LONGEST_ATTRIBUTES])
            if end is None:
                return page
            at = end.start()
        elif name in ("input", "meta", "link", "base"):
            _note(page, name, dict(_attributes(tag[2])))
    page.shows(text[at:])
    return page


def _note(page: _Page, name: str, told: dict[str, str]) -> None:
    if name == "input":
        page.passwords += told.get("type", "").lower() == "password"
        if told.get("type", "").lower() in ("submit", "button"):
            page.shows(told.get("value", ""))
    elif name == "meta":
        if told.get("http-equiv", "").lower() == "refresh" and not page.refresh:
            page.refresh = told.get("content", "").partition(";")[2]
    elif name == "base":
        page.base = page.base or told.get("href", "")
    elif _leads_to_feed(told):
        of_comments = "comment" in f"{told.get('href', '')} {told.get('title', '')}".lower()
        page.feeds.append((of_comments, told.get("href", "")))


def _leads_to_feed(told: Mapping[str, str]) -> bool:
    kind_told = told.get("type", "").partition(";")[0].strip().lower()
    return kind_told in _FEED_TYPES and "alternate" in told.get("rel", "").lower().split()


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for found in _ATTRIBUTE.finditer(text[:_LONGEST_ATTRIBUTES]):
        yield found[1].lower(), html.unescape(found[2] or found[3] or found[4] or "")
