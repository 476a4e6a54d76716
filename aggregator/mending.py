"""The text that trafilatura read from a page, with what it left out and without what it took too much: whole parts of the article,
its lead, its title. Looks only at what the page itself tells and shows; no rule is for one site."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from lxml import etree, html

from aggregator import claims

_WORD = re.compile(r"\w+")
_RUN = 4
# The article as told to search engines is believed from so many words on; less of it than this share in a text is suspicious, and
# another text must have so much more.
_TOLD_WORDS, _COVERED, _GAIN = 40, 0.95, 0.03
# A text of so few words, out of so many in paragraphs, of which another reading finds so many times more.
_FEW, _SHOWN, _FEW_SHARE, _MANY_TIMES = 150, 150, 0.1, 8
# Paragraphs that stand where at least so many of the article's stand are its own, if they are many: one alone is rather a caption.
_STANDING, _LEFT_OUT, _LEFT_SHARE = 3, 4, 0.15
_LONG, _MOST_LINKED, _PROBE = 60, 0.5, 70
# A description is the lead where the page shows it, and no more than this besides.
_LEAD_WORDS, _LEAD_PROBE, _LEAD_START, _LEAD_MOST, _LEAD_TIMES = 5, 30, 60, 600, 3
_CUT = re.compile(r"\s*(?:\.\.\.|…|\[…\]|\[\.\.\.\])\s*$")
# The title again is only looked for in the first lines.
_HEAD_LINES = 4
_ASIDE = frozenset("aside footer nav form figure figcaption a noscript template button blockquote iframe".split())
_BESIDE = re.compile(
    r"comment|related|teaser|footer|cookie|consent|sidebar|disqus|newsletter|promo|recommend", re.IGNORECASE
)
_INLINE = frozenset("a abbr b em font i mark small span strong u".split())
_SPACELESS = re.compile("[\u0e00-\u0fff\u3040-\u30ff\u3400-\u9fff]")
_SHOWN_TEXT = etree.XPath("/descendant::body/descendant::*/text()[contains(., $probe)]/..")
_NOT_SHOWN = frozenset("script style noscript template textarea iframe".split())

Place = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class _Paragraph:
    element: html.HtmlElement
    text: str
    packed: str
    place: Place
    article: html.HtmlElement | None

    def is_linked(self) -> bool:
        """Whether it is mostly links, or holds what is not shown."""
        if any(True for _ in self.element.iter("style", "script")):
            return True
        return sum(len(link.text_content()) for link in self.element.iter("a")) >= _MOST_LINKED * len(self.text)


def mend(text: str, tree: html.HtmlElement, told: claims.Claims, again: Callable[[], str]) -> str:
    """`text` mended. `again` reads the page with other options, which takes as long as the first time: only where the first text
    is suspicious."""
    text = _without_title(_second_look(text, tree, told, again), told)
    return _with_lead(_with_left_out(text, tree), tree, told) if text else text


# --------------------------------------------------------------------------------------------------------- second look


def _second_look(text: str, tree: html.HtmlElement, told: claims.Claims, again: Callable[[], str]) -> str:
    body = _runs(told.body)
    if body.total() >= _TOLD_WORDS:
        covered = _covered(body, text)
        if covered < _COVERED and _covered(body, other := again()) > covered + _GAIN:
            return other
        return text
    words = len(text.split())
    if words < _FEW:
        shown = sum(len(paragraph.text_content().split()) for paragraph in tree.iter("p"))
        if shown > _SHOWN and words < _FEW_SHARE * shown and len((other := again()).split()) > _MANY_TIMES * words:
            return other
    return text


def _runs(text: str) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text)
    return Counter(zip(*(words[start:] for start in range(_RUN)), strict=False))


def _covered(body: Counter[tuple[str, ...]], text: str) -> float:
    return (body & _runs(text)).total() / body.total()


# --------------------------------------------------------------------------------------------------------------- title


def _without_title(text: str, told: claims.Claims) -> str:
    lines = text.split("\n")
    heads = claims.heads(told)
    kept = [line for line in lines[:_HEAD_LINES] if claims.key(line) not in heads]
    return "\n".join([*kept, *lines[_HEAD_LINES:]]) or text


# ----------------------------------------------------------------------------------------------------------- left out


def _with_left_out(text: str, tree: html.HtmlElement) -> str:
    """The text with the paragraphs that stand in the page's same places: trafilatura takes the first of several containers."""
    lines = text.split("\n")
    at = {_packed(line): number for number, line in reversed(list(enumerate(lines)))}
    paragraphs = list(_paragraphs(tree))
    standing = Counter((one.place, one.article) for one in paragraphs if one.packed in at)
    whole, after, missing, last = _packed(text), dict[int, list[str]](), 0, -1
    for one in paragraphs:
        if one.packed in at:
            last = at[one.packed]
        elif standing[one.place, one.article] >= _STANDING and one.packed[:_PROBE] not in whole and not one.is_linked():
            after.setdefault(last, []).append(one.text)
            missing += len(one.text)
    if sum(map(len, after.values())) < _LEFT_OUT or missing < _LEFT_SHARE * len(text):
        return text
    return "\n".join(_interleaved(lines, after))


def _packed(text: str) -> str:
    """`text` without white space, which engines put in different places around links."""
    return "".join(text.split())


def _interleaved(lines: Sequence[str], after: Mapping[int, Sequence[str]]) -> Iterator[str]:
    yield from after.get(-1, ())
    for number, line in enumerate(lines):
        yield line
        yield from after.get(number, ())


def _paragraphs(tree: html.HtmlElement) -> Iterator[_Paragraph]:
    """The longer paragraphs of the page that are not beside its subject, with where they stand."""
    known: dict[html.HtmlElement, tuple[Place, html.HtmlElement | None] | None] = {}
    for element in tree.iter("p"):
        words = element.text_content().split()
        text, parent = " ".join(words), element.getparent()
        if len(text) < _LONG or parent is None:
            continue
        if parent not in known:
            known[parent] = _place(parent)
        if (stands := known[parent]) is not None:
            place = ((str(element.tag), element.get("class")), *stands[0])
            yield _Paragraph(element, text, "".join(words), place, stands[1])


def _place(element: html.HtmlElement) -> tuple[Place, html.HtmlElement | None] | None:
    """The three innermost elements around a paragraph by tag and class, and the article that it is in; None beside the subject."""
    place: list[tuple[str, str | None]] = []
    for one in (element, *element.iterancestors()):
        if one.tag in _ASIDE or is_beside(one):
            return None
        if len(place) < 3:
            place.append((str(one.tag), one.get("class")))
        if one.tag == "article":
            return tuple(place), one
    return tuple(place), None


def is_beside(element: html.HtmlElement) -> bool:
    """Whether it says of itself that what it holds is not the subject of its page."""
    # Of the whole page such words say only what it can show.
    if element.tag in {"body", "html"}:
        return False
    return _BESIDE.search(f"{element.get('class') or ''} {element.get('id') or ''}") is not None


# ---------------------------------------------------------------------------------------------------------------- lead


def _with_lead(text: str, tree: html.HtmlElement, told: claims.Claims) -> str:
    """The text with the page's description before it, where the page shows that as part of itself."""
    have = _packed(text)
    for description in told.descriptions:
        said = _CUT.sub("", description)
        start = _packed(said)[:_LEAD_START]
        if len(_WORD.findall(said)) < _LEAD_WORDS and not _SPACELESS.search(said):
            continue
        if start in have:
            return text
        if lead := next(_leads(tree, said, start, claims.heads(told)), None):
            return f"{lead}\n{text}"
    return text


def _leads(tree: html.HtmlElement, said: str, start: str, heads: frozenset[str]) -> Iterator[str]:
    probe = said[:_LEAD_PROBE].rsplit(" ", 1)[0]
    for found in cast(list[html.HtmlElement], _SHOWN_TEXT(tree, probe=probe)):
        if found.tag in _NOT_SHOWN:
            continue
        element = next(one for one in _upwards(found) if one.tag not in _INLINE or one.getparent() is None)
        shown = " ".join(element.text_content().split())
        if len(shown) > max(_LEAD_TIMES * len(said), _LEAD_MOST) or not _packed(shown).startswith(start):
            continue
        beside = any(one.tag in {"footer", "aside", "nav", "form"} or is_beside(one) for one in _upwards(element))
        if not beside and claims.key(shown) not in heads:
            yield shown


def _upwards(element: html.HtmlElement) -> Iterator[html.HtmlElement]:
    yield element
    yield from element.iterancestors()
