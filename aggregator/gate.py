"""A page that was read, and what its feed had announced, into the verdict on it: an article, or what came in the place of one.

Evidence of two kinds: whether the page shows what was announced, by title and text, and what it shows else, by where it stands
(a consent manager's box, a heading, a form, the end of a text that breaks off) and by what it says (`signs`). A page that shows the
title and the text of its article is never refused for its words, but for a subscription that keeps the rest of it.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from lxml import etree, html

from aggregator import announced, claims, languages, markup, model, signs

# Measured on 379 real articles (docs/decisions/0010-gate.md). The shortest that is kept from its readers by nothing but a mark has
# 270 words; what paywalls let through has up to 200.
_TEASER = 200
# A longer beginning is one only if the page says so in two ways.
_LONG_TEASER = 600
# Pages that have nothing but a message to show; of so few words a single phrase is proof, of more two are.
_FEW, _LITTLE = 60, 150
# A browser without scripts sees so few words of a page that is put together by them.
_SHELL = 12
# What asks to subscribe says so in few words, and behind the text.
_LINE, _LAST_LINES, _VERY_LAST = 30, 8, 4
_MOST_TEXT = 8_000
# More of them no wall has; a hostile page has any number.
_MOST_BOXES, _MOST_ELEMENTS, _LONGEST_NAME = 40, 400, 300
# A box around so much of the text is where the text is from.
_BOXED = 0.5
# A list of articles has a linked headline for so few words.
_HEADLINES, _WORDS_EACH, _HEADLINE_SHARE = 5, 60, 0.25
# One word in so many is about cookies, and so many are.
_COOKIE_EVERY, _COOKIES = 60, 3

_STATES = {
    "paywall": model.ItemState.PAYWALLED,
    **dict.fromkeys(
        (
            "missing",
            "server",
            "paused",
            "parked",
            "suspended",
            "default",
            "files",
            "list",
            "foreign",
            "other",
            "onward",
        ),
        model.ItemState.FAILED,
    ),
}
# Stable: what follows in a `state_reason` begins with one of these.
SAID = {
    "challenge": "the page asks to prove that we are no robot",
    "script": "the page needs JavaScript",
    "denied": "the page refuses access",
    "consent": "the page asks for consent to cookies",
    "login": "the page asks to log in",
    "register": "the page asks to log in",
    "mail": "the page asks for an e-mail address",
    "paywall": "the page asks for a subscription",
    "region": "the page is not shown in our region",
    "age": "the page asks for our age",
    "app": "the page wants to be read in an app",
    "browser": "the page refuses our browser",
    "rate": "the page says that too many requests were made",
    "missing": "the page says that there is no such article",
    "server": "the page shows an error of its server",
    "paused": "the page says that its site is being maintained",
    "parked": "the page is that of a parked domain",
    "suspended": "the page says that its site was suspended",
    "default": "the page is the default page of a web server",
    "files": "the page is a list of files",
    "list": "the page is a list of other articles",
    "onward": "the page only leads on to another address",
    "foreign": "the page is in another language than its feed",
    "other": "the page shows something else than its feed announced",
    "same": "the page shows the same text as others of its host under other titles",
}
# As what a later visit is planned: as after the answer of HTTP that should have come. What is not recognised may pass as well.
_AS = {
    **dict.fromkeys(("missing", "list", "files", "parked"), "http_404"),
    **dict.fromkeys(("server", "paused", "suspended", "default"), "http_503"),
    "rate": "http_429",
    "paywall": "paywalled",
}

_SEPARATORS = re.compile(r"\s[|\-–—·•»/~]+\s|\s*[|»«·•]\s*|\s›\s")
_TRIMMED = " \t.…!?¡¿。！？،؟,:;-–—|[](){}\"'“”„«»"
# What stands beside such a part of a title is the name of a site, if it is as short as that.
_SITE_WORDS = 5
_COOKIE = re.compile(
    r"cookie|クッキー|ملفات تعريف|ملفات الارتباط|ملف تعريف|файл\w* cookie|çerez|quảng cáo|쿠키|informasjonskaps|evästei|sütik",
    re.IGNORECASE,
)
_COOKIE_TITLE = re.compile(
    r"cookie|privacy|datenschutz|confidentialité|privacidad|privacidade|prywatno|クッキー", re.IGNORECASE
)
_CONSENT_BOX = re.compile(
    r"onetrust|didomi|sp_message|sp-message|qc-cmp|usercentrics|\buc-|cmpbox|cmp-?(?:wall|container|banner|popup|root)|fc-consent|truste|iubenda|"
    r"cookiebot|cybotcookie|cookie|consent|gdpr|rodo|privacy-?(?:wall|gate|manager|layer)|tarteaucitron|axeptio|klaro|borlabs|termly|osano|cookiefirst",
    re.IGNORECASE,
)
_GATE_BOX = re.compile(
    r"pay-?wall|premium-?(?:wall|box|gate|teaser|offer)|(?:subscri\w*|abo|member\w*|plus|reg\w*|sign-?up|login|content|meter\w*|article)[-_]{0,2}"
    r"(?:wall|gate|prompt|barrier|blocker|lock|required)|tp-(?:modal|container)|piano|regwall|gated|locked|subscriber-only|barrier|offer-?page",
    re.IGNORECASE,
)
# In a box of that name: stems of what is sold there.
_SOLD = re.compile(
    r"subscri|paywall|abonn|abonent|abbon|\babos?\b|suscri|assin|prenumer|subskry|подписк|подпиш|подписч|abonelik|abone ol|tilaa|předplat|előfizet|"
    r"有料|会員|会员|购买|订阅|付费|구독|اشتر|مشترك",
    re.IGNORECASE,
)
# What stands beside that in an offer to read on: a word for those who have subscribed already, or a price with a word for reading. An
# appeal for support has a price alone.
_OFFER = re.compile(
    r"(?:log|sign)[ -]?in|anmelden|einloggen|connecte|identifi|inicia sesión|accede|entra\b|entrar|accedi|inloggen|zaloguj|logga in|logg inn|"
    r"giriş yap|войти|войдите|ログイン|登录|登入|로그인|سجل الدخول|تسجيل الدخول",
    re.IGNORECASE,
)
_PRICE = re.compile(r"\d[.,]?\d*\s?(?:€|\$|£|zł|kr\b|euro?s?\b|円|元|₺|руб|دولار|ريال)|[€$£¥₺]\s?\d", re.IGNORECASE)
_READING = re.compile(
    r"\bread|lesen\b|\blies\b|\blire\b|\blisez|\bleer\b|leyendo|\blee\b|legg|\bler\b|lendo|\bleia|\blee?s\b|lezen|czyta|\bläs|\blæs|\bles\b|lue\b|okuma|okuyun|"
    r"чита|読|阅读|閱讀|全文|قراءة|اقرأ",
    re.IGNORECASE,
)
_UNSEEN = re.compile(r"\bhid(?:e|den)\b|display:\s*none", re.IGNORECASE)
_NOT_FREE = re.compile(r"isaccessibleforfree[\"']?\s*[:=]\s*[\"']?false", re.IGNORECASE)
_FREE = re.compile(r"isaccessibleforfree[\"']?\s*[:=]\s*[\"']?true", re.IGNORECASE)
_ONWARD = re.compile(r"\s*\d+\s*[;,]\s*url\s*=", re.IGNORECASE)
_SCRIPTED = re.compile(r"<script\b[^>]*\bsrc\s*=|<noscript\b", re.IGNORECASE)
_HIDDEN = frozenset({"script", "style", "template", "head", "title"})
_WHOLE_PAGE = frozenset({"html", "body", "main", "article", "input"})
_CHROME = frozenset({"nav", "aside", "footer", "header"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as it was read: `tree` without scripts but those that are data, `text` that of the article, `source` all of it."""

    tree: html.HtmlElement
    text: str
    told: claims.Claims
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the page is in place of an article, in words that are the same for all of its kind. `lead` is the beginning of the article, if
    that is shown; a later visit is planned as after the failure `code`."""

    state: str
    said: str
    code: str
    lead: str = ""


def judge(page: Page, feed: announced.Announced) -> Verdict | None:
    """The verdict on a page that is no article; None if it may be one. `feed` is what was announced."""
    words = markup.count_words(page.text)
    shown = announced.shown(page.told, page.text, feed)
    if shown.titled is not False or shown.told:
        gated = _gated(page, words, f"{feed.title} {feed.text}")
        if gated is not None:
            return verdict(gated, _before_gate(page))
        if (shown.told and not _only_beside(page, words)) or (
            shown.titled and shown.told is not False and words > _SHELL
        ):
            return None
    kind = _by_marks(page, words, shown) or _by_title(words, shown) or _by_words(page, words, shown)
    kind = kind or _by_form(page, words, shown) or _stray(page, words, shown, feed)
    return verdict(kind) if kind else None


def verdict(kind: str, lead: str = "") -> Verdict:
    """The verdict on a page of this kind."""
    state = _STATES.get(kind, model.ItemState.BLOCKED)
    return Verdict(state=state, said=SAID[kind], code=_AS.get(kind, "blocked"), lead=lead)


# --------------------------------------------------------------------------------------------------------------- gates


def _gated(page: Page, words: int, said: str) -> str | None:
    """What keeps the rest of the article from its readers: a subscription, an account, an address. `said` is what the feed says."""
    if words > _LONG_TEASER:
        return None
    # An article about subscriptions speaks of them, too.
    about = _SOLD.search(_plain(said)) is not None
    asked = None if about else _asked_last(page, _LAST_LINES if words <= _TEASER else _VERY_LAST)
    if words > _TEASER:
        return asked if asked and (_is_paid(page) or _in_box(page)) else None
    if _is_paid(page):
        return "paywall"
    return asked or _in_box(page) or ("paywall" if not about and _is_offered(page) else None)


def _asked_last(page: Page, lines: int) -> str | None:
    """What one of the last lines asks for."""
    asked = [(line, kind) for line in page.text.split("\n")[-lines:] if (kind := _asked(line))]
    if not asked:
        return None
    unseen = "".join(_packed(_visible(box)) for box in _boxes(page.tree, _GATE_BOX) if _is_unseen(box))
    return next((kind for line, kind in asked if _packed(line) not in unseen), None)


def _is_offered(page: Page) -> bool:
    """Whether a line beside the text, or at its end, names a subscription together with its price or with those who have one."""
    lines = page.text.split("\n")[-_VERY_LAST:]
    within = (
        column.iter("h2", "h3", "h4", "p", "li", "a", "button", "span") for column in page.tree.iter("article", "main")
    )
    beside = (
        element.text_content() for element in itertools.islice(itertools.chain.from_iterable(within), _MOST_ELEMENTS)
    )
    return any(len(line) <= _LINE * 10 and _is_offer(_plain(line)) for line in [*lines, *beside])


def _is_offer(said: str) -> bool:
    if not _SOLD.search(said):
        return False
    return _OFFER.search(said) is not None or (_PRICE.search(said) is not None and _READING.search(said) is not None)


def _asked(line: str) -> str | None:
    """What a line asks for, if it says nothing else."""
    if markup.count_words(line) > 2 * _LINE or (not _is_spaceless(line) and markup.count_words(line) > _LINE):
        return None
    said = _plain(line)
    kinds = ("paywall", "register", "mail")
    return next((kind for kind in kinds if _says(said, kind)), None)


def _is_spaceless(line: str) -> bool:
    return markup.SPACELESS.search(line) is not None


def _is_paid(page: Page) -> bool:
    """Whether the page tells search engines that not all of the article is shown."""
    return _NOT_FREE.search(page.source) is not None and _FREE.search(page.source) is None


def _in_box(page: Page) -> str | None:
    """What is asked for in a box that its name tells from the article."""
    for box in _boxes(page.tree, _GATE_BOX):
        parent = box.getparent()
        # What lies over the whole page, or is not shown, has its scripts to decide whom to keep out, and holds back no text.
        if parent is None or parent.tag == "body" or _is_unseen(box):
            continue
        said = _plain(_visible(box))
        kinds = ("paywall", "register", "mail")
        found = next((kind for kind in kinds if _says(said, kind)), None)
        if found or ((_SOLD.search(said) or _PRICE.search(said)) and markup.count_words(said) <= _LITTLE):
            return found or "paywall"
    return None


def _is_unseen(box: html.HtmlElement) -> bool:
    return _UNSEEN.search(f"{box.get('class')} {box.get('style')}") is not None


def _before_gate(page: Page) -> str:
    """The text up to where it asks for something."""
    boxed = "".join(_packed(_visible(box)) for box in _boxes(page.tree, _GATE_BOX))
    kept: list[str] = []
    for line in page.text.split("\n"):
        if _asked(line) or _packed(line) in boxed:
            break
        kept.append(line)
    return "\n".join(kept)


# --------------------------------------------------------------------------------------------------------------- rules


def _by_marks(page: Page, words: int, shown: announced.Shown) -> str | None:
    """By what only the makers of such pages put into a source, or around a text."""
    if words <= _LITTLE and not shown.told:
        source = page.source.lower()
        evidence = [signs.SURE] if shown.titled and words > _SHELL else [signs.SURE, signs.MARKS]
        if found := next(
            (kind for known in evidence for kind, marks in known.items() if any(mark in source for mark in marks)), None
        ):
            return found
    # An empty text stands in every box.
    return "consent" if words and _is_boxed(page) else None


def _is_boxed(page: Page) -> bool:
    """Whether the text is that of a consent manager."""
    boxes = (box for box in _boxes(page.tree, _CONSENT_BOX) if box.find(".//article") is None)
    boxed = "".join(_packed(_visible(box)) for box in boxes)
    lines = [_packed(line) for line in page.text.split("\n")]
    inside = sum(len(line) for line in lines if line in boxed)
    return bool(boxed) and inside >= _BOXED * sum(map(len, lines))


def _by_title(words: int, shown: announced.Shown) -> str | None:
    if found := next(filter(None, map(_titled, shown.others)), None):
        return found
    if shown.titled is None and words > _LITTLE:
        return None
    return next(filter(None, (_phrase(_plain(title)) for title in shown.others)), None)


def _titled(title: str) -> str | None:
    """What a title says as a whole, or beside the name of a site."""
    whole = _plain(title)[:300]
    parts = [part.strip(_TRIMMED) for part in _SEPARATORS.split(whole)]
    sole = [part for part in parts if markup.count_words(" ".join(parts).replace(part, "", 1)) <= _SITE_WORDS]
    said = [whole.strip(_TRIMMED), *sole]
    return next((kind for kind, known in signs.WHOLE.items() if any(known.fullmatch(part) for part in said)), None)


def _by_words(page: Page, words: int, shown: announced.Shown) -> str | None:
    text = _plain(page.text[:_MOST_TEXT])
    if words <= _FEW:
        everywhere = shown.titled is False or not page.text
        if found := _phrase(text) or (_phrase(_plain(_visible(page.tree))) if everywhere else None):
            return found
    elif words <= _LITTLE or shown.titled is False:
        counts = {kind: sum(phrase in text for phrase in known) for kind, known in signs.PHRASES.items()}
        most = max(counts, key=lambda kind: counts[kind])
        if counts[most] >= 2:
            return most
    cookies = len(_COOKIE.findall(text))
    if cookies < 2 or cookies * _COOKIE_EVERY < words:
        return None
    sure = shown.titled is False or words <= _FEW
    return "consent" if sure or (cookies >= _COOKIES and _says(text, "consent")) else None


def _says(said: str, kind: str) -> bool:
    return any(phrase in said for phrase in signs.PHRASES[kind])


def _phrase(said: str) -> str | None:
    return next((kind for kind, known in signs.PHRASES.items() if any(phrase in said for phrase in known)), None)


def _by_form(page: Page, words: int, shown: announced.Shown) -> str | None:
    """By what a page without much text wants its reader or browser to do."""
    if words > _LITTLE or shown.told:
        return None
    tree = page.tree
    asks = shown.titled is False or (shown.titled is None and words <= _FEW // 2)
    if asks and any(field.get("type", "").lower() == "password" for field in tree.iter("input")):
        return "login"
    if words <= _FEW and any(_leads_on(meta) for meta in tree.iter("meta")):
        return "onward"
    shell = words <= _SHELL and markup.count_words(_visible(tree)) <= _SHELL
    return "script" if shell and _SCRIPTED.search(page.source) else None


def _leads_on(meta: html.HtmlElement) -> bool:
    refresh = (meta.get("http-equiv") or "").lower() == "refresh"
    return refresh and _ONWARD.match(meta.get("content") or "") is not None


def _stray(page: Page, words: int, shown: announced.Shown, feed: announced.Announced) -> str | None:
    """By what the page shows: other articles, or another thing than was announced."""
    if not words:
        return None
    # What search engines are told of an article: no other page has it.
    is_article = bool(page.told.dates or page.told.body)
    if shown.titled:
        # Interstitials have the title of what they hide; but what they say has nothing to do with it.
        silent = words <= _LITTLE and shown.told is False and announced.is_silent(page.text, feed.text)
        return "other" if silent else None
    if is_article:
        return None
    if shown.titled is False and _is_list(page, words):
        return "list"
    if shown.told is None and shown.titled is None:
        return None
    if _is_foreign(page.text, feed):
        return "foreign"
    return "other" if shown.titled is False and shown.told is False else None


def _is_foreign(text: str, feed: announced.Announced) -> bool:
    own, said = languages.guess(text), (feed.language or "").partition("-")[0].lower()
    # What calls itself English is often a template that nobody has changed.
    told = languages.guess(f"{feed.title} {feed.text}") or (said if said != "en" else "")
    return bool(own and told) and own != told


def _is_list(page: Page, words: int) -> bool:
    lines = [_packed(line) for line in page.text.split("\n")]
    headlines = {_packed(headline) for headline in itertools.islice(_headlines(page.tree), _MOST_ELEMENTS)}
    shown = sum(line in headlines for line in lines)
    many = len(headlines) >= _HEADLINES and words <= _WORDS_EACH * len(headlines)
    return many or (shown >= _HEADLINES and shown >= _HEADLINE_SHARE * len(lines))


def _only_beside(page: Page, words: int) -> bool:
    """Whether what was announced is only shown as one of many headlines."""
    return not (page.told.dates or page.told.body) and _is_list(page, words)


# ---------------------------------------------------------------------------------------------------------------- page


def _headlines(tree: html.HtmlElement) -> Iterator[str]:
    """The headings that lead elsewhere."""
    for heading in tree.iter("h2", "h3", "h4"):
        leads = any(True for _ in heading.iter("a")) or any(up.tag == "a" for up in heading.iterancestors())
        if leads and not any(up.tag in _CHROME for up in heading.iterancestors()):
            yield heading.text_content()


def _boxes(tree: html.HtmlElement, name: re.Pattern[str]) -> Sequence[html.HtmlElement]:
    """The outermost elements of that name, if there are not too many of them."""
    found: list[html.HtmlElement] = []
    inside: set[html.HtmlElement] = set()
    for element in tree.iter(etree.Element):
        if element.tag in _WHOLE_PAGE or not _is_named(name, element.get("id") or "", element.get("class") or ""):
            continue
        if inside.isdisjoint(element.iterancestors()):
            found.append(cast(html.HtmlElement, element))
            inside.add(cast(html.HtmlElement, element))
            if len(found) == _MOST_BOXES:
                break
    return found


# The pages of a site have the same few hundred names: to look them up takes a tenth of the time.
@lru_cache(maxsize=10_000)
def _is_named(name: re.Pattern[str], *named: str) -> bool:
    return name.search(" ".join(named)[:_LONGEST_NAME]) is not None


def _visible(tree: html.HtmlElement) -> str:
    """What a browser shows of an element, with or without scripts."""
    pieces = (
        piece.strip()
        for element in tree.iter(etree.Element)
        for piece in ((None if element.tag in _HIDDEN else element.text), None if element is tree else element.tail)
        if piece
    )
    found, length = list[str](), 0
    for piece in pieces:
        found.append(piece)
        length += len(piece)
        if length > _MOST_TEXT:
            break
    return markup.plain(" ".join(found))


def _packed(text: str) -> str:
    return "".join(text.split())


def _plain(text: str) -> str:
    """`text` in lower case, on one line and with straight apostrophes."""
    return " ".join(text.split()).lower().replace("’", "'")
