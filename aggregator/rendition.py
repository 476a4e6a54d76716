"""The text of an article as clean HTML: each line of it with the mark-up that it has on the page, and the pictures that stand between.

Nothing is looked for a second time: the words are those of the text, the page only tells what they are.
"""

import html as entities
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import urljoin, urlsplit

from lxml import etree, html

from aggregator import markup, mending

# What of a page is neither read nor shown.
_SKIPPED = markup.SILENT | frozenset(
    "aside nav footer button audio video canvas map embed input label option dialog".split()
)
_HEADINGS = {"h1": "h2"} | {f"h{level}": f"h{level}" for level in range(2, 7)}
_INLINE = {
    "a": "a", "b": "strong", "strong": "strong", "em": "em", "i": "em", "sub": "sub", "sup": "sup", "code": "code", "kbd": "code",
    "samp": "code", "tt": "code", "del": "del", "s": "del", "strike": "del", "mark": "mark", "q": "q", "cite": "cite", "abbr": "abbr",
}  # fmt: skip
# More of what looks like this is not set as a table, in rows, but as plain text.
_MOST_JOINED, _MOST_TRIED = 60, 20
_PROBE = 12
# What trafilatura sets below the head of a table.
_RULE = re.compile(r"\|[|\s:-]+")
# A picture belongs to the article if it stands within so many elements beside its text.
_NEAR, _MOST_LEADING = 4, 2
_ICON = 48
# The first that a browser would load, where scripts fill in the address later.
_SOURCES = ("src", "data-src", "data-lazy-src", "data-original", "data-lazy", "data-hi-res-src")
_PIXEL = re.compile(
    r"(?:^|[/_.-])(?:1x1|pixel|spacer|blank|beacon|tracking|transparent|placeholder)(?:[/_.?-]|$)", re.IGNORECASE
)
_MOST_CAPTION = 500
# Links of pictures alone, and what is left between them.
_EMPTY, _GAPS = re.compile(r"<([a-z]+)(?: [^<>]*)?>(\s*)</\1>"), re.compile(" {2,}")
# libxml2 stops at 256.
_DEEPEST = 300
# A lead or a table may stand elsewhere than the paragraphs do; where more is missing, the whole page is looked at.
_MOST_MISSED = 0.1
_SPACE, _SPACES = re.compile(r"\s+"), re.compile(r"[\n\t\r\f\xa0]|  ")
_UNSEEN = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")

Event = str | tuple[html.HtmlElement, bool]


@dataclass(slots=True)
class _Run:
    """Words that stand in one line: `events` are texts and the beginnings and ends of elements; `kind` is what they are within `within`."""

    kind: str
    within: html.HtmlElement
    events: list[Event] = field(default_factory=list)
    packed: str = ""


@dataclass(frozen=True, slots=True)
class _Picture:
    element: html.HtmlElement


@dataclass(frozen=True, slots=True)
class _Block:
    """`inside` of a line, that belongs with others of this `kind` `within` the same element."""

    kind: str
    within: html.HtmlElement | None
    inside: str


def render(text: str, tree: html.HtmlElement, url: str | None = None) -> str:
    """`text` as HTML with absolute links, as `tree` shows it. What is not there is a plain paragraph."""
    lines = [line for line in text.split("\n") if line and not _RULE.fullmatch(line)]
    whole = body if (body := tree.find("body")) is not None else tree
    part = _home(lines, whole)
    shown = _Shown(part)
    found = list(_aligned(lines, shown))
    if part is not whole and sum(not places for _, places in found) > _MOST_MISSED * len(found):
        shown = _Shown(whole)
        found = list(_aligned(lines, shown))
    base = _base(tree, url)
    pictures = shown.pictures([at for _, places in found for at in places])
    blocks: list[_Block] = []
    last = -1
    for line, places in found:
        if places:
            blocks += _drawn(pictures, last, places[0], base)
            last = max(last, places[-1])
        blocks.append(_block(line, [shown.runs[at] for at in places], base))
    return markup.article("\n".join(_grouped(blocks)))


def again(text: str, rendered: str) -> str:
    """What is left of an article that was rendered before, of which only `text` is."""
    return render(text, html.document_fromstring(f"<html><body>{rendered}</body></html>")) if rendered else plain(text)


def plain(text: str) -> str:
    """A text of which nothing else is known."""
    return "\n".join(f"<p>{entities.escape(line, quote=False)}</p>" for line in text.split("\n") if line)


def _home(lines: Sequence[str], whole: html.HtmlElement) -> html.HtmlElement:
    """The part of the page that holds all paragraphs of the text; a page is ten times as large."""
    wanted = {packed(line) for line in lines}
    paragraphs = list(whole.iter("p"))
    first = next((one for one in paragraphs if packed(one.text_content()) in wanted), None)
    if first is None:
        return whole
    last = next(one for one in reversed(paragraphs) if one is first or packed(one.text_content()) in wanted)
    above = set(last.iterancestors())
    home = next((one for one in first.iterancestors() if one in above), whole)
    around = [home, *islice(home.iterancestors(), _NEAR)]
    return next((one for one in around if one.tag in ("article", "main", "body")), around[min(1, len(around) - 1)])


# ----------------------------------------------------------------------------------------------------------- the page


class _Shown:
    """What a part of a page shows, in its order: runs of words and pictures."""

    def __init__(self, root: html.HtmlElement) -> None:
        self.entries: list[_Run | _Picture] = []
        self._open: list[html.HtmlElement] = []
        self._run, self._has_words = _Run("p", root), False
        self._walk(root, "p", root, 0)
        self._end("p", root)
        self.runs: Mapping[int, _Run] = {at: one for at, one in enumerate(self.entries) if isinstance(one, _Run)}
        self.by_text: dict[str, list[int]] = {}
        self.by_start: dict[str, list[int]] = {}
        for at, run in self.runs.items():
            self.by_text.setdefault(run.packed, []).append(at)
            self.by_start.setdefault(run.packed[:_PROBE], []).append(at)

    def _walk(self, element: html.HtmlElement, kind: str, within: html.HtmlElement, depth: int) -> None:
        tag = element.tag
        if tag in _SKIPPED or depth > _DEEPEST:
            return
        if tag in ("img", "figure", "picture") and (tag != "figure" or next(element.iter("img"), None) is not None):
            self.entries.append(_Picture(element))
            return
        block = tag in markup.BLOCKS
        if block:
            own_kind, own = _kind(element, kind, within)
            self._end(own_kind, own)
        else:
            own_kind, own = kind, within
            self._run.events.append((element, True))
            self._open.append(element)
        if text := element.text:
            self._say(text)
        for child in element.iterchildren(etree.Element):
            self._walk(child, own_kind, own, depth + 1)
            if text := child.tail:
                self._say(text)
        if block:
            self._end(kind, within)
        else:
            self._open.pop()
            self._run.events.append((element, False))

    def _say(self, text: str) -> None:
        if self._has_words or not text.isspace():
            self._has_words = True
            self._run.events.append(text)

    def _end(self, kind: str, within: html.HtmlElement) -> None:
        """The run that is under way ends, and one of another kind begins."""
        run, begun = self._run, [(element, True) for element in self._open] if self._open else []
        if self._has_words:
            run.packed = packed("".join([event for event in run.events if isinstance(event, str)]))
            if run.packed:
                self.entries.append(run)
            self._run, self._has_words = _Run(kind, within, [*begun]), False
        else:
            run.kind, run.within, run.events = kind, within, [*begun]

    def pictures(self, places: Sequence[int]) -> list[tuple[int, html.HtmlElement]]:
        """Where the pictures are that stand among the words at these places."""
        homes = {
            self.runs[at].within if self.runs[at].kind == "p" else self.runs[at].within.getparent() for at in places
        }
        articles = {next(one.iterancestors("article"), None) for one in homes if one is not None}
        homes = {one for one in homes | articles if one is not None}
        pictures = ((at, one.element) for at, one in enumerate(self.entries) if isinstance(one, _Picture))
        return [(at, element) for at, element in pictures if _is_near(element, homes)]


def _kind(element: html.HtmlElement, kind: str, within: html.HtmlElement) -> tuple[str, html.HtmlElement]:
    """What the words in a block are, and the element that they share with others of their kind."""
    tag, parent = str(element.tag), element.getparent()
    if tag in _HEADINGS:
        return _HEADINGS[tag], element
    if tag == "li" and parent is not None:
        return ("ol" if parent.tag == "ol" else "ul"), parent
    if tag in ("td", "th"):
        return "td", element
    if tag in ("blockquote", "pre"):
        return tag, element
    if kind != "p":
        return kind, within
    # Of a paragraph its place matters, of a line break nothing.
    return "p", (parent if tag == "p" and parent is not None else within if tag == "br" else element)


def _is_near(element: html.HtmlElement, homes: set[html.HtmlElement]) -> bool:
    for steps, one in enumerate(element.iterancestors(), 1):
        if one in homes:
            return True
        if steps == _NEAR or mending.is_beside(one):
            return False
    return False


def packed(text: str) -> str:
    """`text` without white space, which engines put in different places."""
    whole = "".join(text.split())
    return whole if whole.isascii() else unicodedata.normalize("NFC", _UNSEEN.sub("", whole))


def _base(tree: html.HtmlElement, url: str | None) -> str:
    told = next(tree.iter("base"), None)
    return (absolute(told.get("href") or "", url or "") if told is not None else None) or url or ""


# -------------------------------------------------------------------------------------------------------- the lines


def _aligned(lines: Sequence[str], shown: _Shown) -> Iterator[tuple[str, list[int]]]:
    """Each line with the places of the page that it is from, as far as possible in the page's order; lines that are one there together."""
    at, last = 0, -1
    while at < len(lines):
        taken, places = 1, _found(lines[at], shown, last)
        if not places:
            taken, places = _together(lines, at, shown, last)
        last = places[-1] if places else last
        yield " ".join(lines[at : at + taken]), places
        at += taken


def _found(line: str, shown: _Shown, last: int) -> list[int]:
    return next((places for words in _readings(line) if (places := _places(words, shown, last))), [])


def _together(lines: Sequence[str], start: int, shown: _Shown, last: int) -> tuple[int, list[int]]:
    """How many lines from `start` on are one run of the page that comes soon, and where that is."""
    for at in range(last + 1, min(last + 1 + _MOST_JOINED, len(shown.entries))):
        run, length = shown.runs.get(at), 0
        for number in range(start, len(lines)) if run is not None else ():
            words = packed(lines[number])
            if run is None or not run.packed.startswith(words, length):
                break
            length += len(words)
            if length == len(run.packed):
                return number - start + 1, [at]
    return 1, []


def _readings(line: str) -> Iterator[str]:
    """A line as trafilatura writes it: rows with bars between the cells, what is listed with a hyphen."""
    whole = packed(line)
    yield whole
    if line.startswith("- "):
        yield whole[1:]
    if "|" in line:
        yield whole.replace("|", "")


def _places(words: str, shown: _Shown, last: int) -> list[int]:
    if found := shown.by_text.get(words):
        at = bisect_right(found, last)
        return [found[at if at < len(found) else 0]]
    starts = sorted([*shown.by_start.get(words[:_PROBE], ()), *_shorter(words[:_PROBE], shown)])
    after = bisect_right(starts, last)
    for start in [*starts[after : after + _MOST_TRIED], *starts[: min(after, _MOST_TRIED)]]:
        if joined := _joined(words, start, shown):
            return joined
    return []


def _shorter(words: str, shown: _Shown) -> list[int]:
    return [at for size in range(1, len(words)) for at in shown.by_text.get(words[:size], ())[:_MOST_TRIED]]


def _joined(words: str, start: int, shown: _Shown) -> list[int]:
    """The places from `start` on that make up `words` together."""
    places, length = list[int](), 0
    for at in range(start, min(start + _MOST_JOINED, len(shown.entries))):
        run = shown.runs.get(at)
        if run is None:
            continue
        if not words.startswith(run.packed, length):
            return []
        places.append(at)
        length += len(run.packed)
        if length == len(words):
            return places
    return []


# ----------------------------------------------------------------------------------------------------------- as HTML


def _block(line: str, runs: Sequence[_Run], base: str) -> _Block:
    if not runs:
        kind, bare = ("ul", line[2:]) if line.startswith("- ") else ("p", line)
        return _Block(kind, None, entities.escape(bare, quote=False))
    kind, within = runs[0].kind, runs[0].within
    if kind == "td":
        table = next(within.iterancestors("table"), None)
        if "|" in line and table is not None:
            return _Block("table", table, _row(runs, base))
        kind = "p"
    inside = " ".join(_inside(run, base) for run in runs)
    return _Block(kind, None if kind == "p" else within, inside)


def _row(runs: Sequence[_Run], base: str) -> str:
    cells: dict[html.HtmlElement, list[str]] = {}
    for run in runs:
        cells.setdefault(run.within, []).append(_inside(run, base))
    return "".join(f"<{_cell(one)}>{' '.join(inside)}</{_cell(one)}>" for one, inside in cells.items())


def _cell(element: html.HtmlElement) -> str:
    return "th" if element.tag == "th" else "td"


def _inside(run: _Run, base: str) -> str:
    """The words of a run with what is marked in them."""
    pieces: list[str] = []
    ends: list[str] = []
    for event in run.events:
        if isinstance(event, str):
            escaped = entities.escape(event, quote=False)
            plain = run.kind == "pre" or not _SPACES.search(escaped)
            pieces.append(escaped if plain else _SPACE.sub(" ", escaped))
        elif event[1]:
            begin, end = _tags(event[0], base)
            pieces.append(begin)
            ends.append(end)
        elif ends:
            pieces.append(ends.pop())
    inside = "".join([*pieces, *reversed(ends)]).strip()
    return (
        inside
        if run.kind == "pre"
        else _GAPS.sub(" ", _EMPTY.sub(r"\2", inside) if "></" in inside or "> </" in inside else inside)
    )


def _tags(element: html.HtmlElement, base: str) -> tuple[str, str]:
    tag = _INLINE.get(str(element.tag))
    if tag == "a":
        address = absolute(element.get("href") or "", base)
        return (f'<a href="{entities.escape(address)}">', "</a>") if address else ("", "")
    return (f"<{tag}>", f"</{tag}>") if tag else ("", "")


def absolute(address: str, base: str) -> str | None:
    """An address on a page as a whole one; None for what is none of http or https."""
    try:
        address = address.strip()
        whole = address if address.startswith(("https://", "http://")) else urljoin(base, address)
        return whole if urlsplit(whole).scheme in ("http", "https") and urlsplit(whole).hostname else None
    except ValueError:
        return None


def _grouped(blocks: Sequence[_Block]) -> Iterator[str]:
    """Lines of one list, table or quotation together."""
    at = 0
    while at < len(blocks):
        first, end = blocks[at], at + 1
        if first.kind in ("ul", "ol", "table", "blockquote", "pre"):
            while end < len(blocks) and (blocks[end].kind, blocks[end].within) == (first.kind, first.within):
                end += 1
        inside = [block.inside for block in blocks[at:end]]
        if first.kind in ("ul", "ol"):
            yield f"<{first.kind}>{''.join(f'<li>{one}</li>' for one in inside)}</{first.kind}>"
        elif first.kind == "table":
            yield f"<table>{''.join(f'<tr>{one}</tr>' for one in inside)}</table>"
        elif first.kind == "blockquote":
            yield f"<blockquote>{''.join(f'<p>{one}</p>' for one in inside)}</blockquote>"
        elif first.kind == "pre":
            yield "<pre>" + "\n".join(inside) + "</pre>"
        else:
            yield f"<{first.kind}>{first.inside}</{first.kind}>" if first.kind else first.inside
        at = end


# ---------------------------------------------------------------------------------------------------------- pictures


def _drawn(pictures: Sequence[tuple[int, html.HtmlElement]], after: int, before: int, base: str) -> Iterator[_Block]:
    """The pictures between two places; before the first of all, where portraits and badges stand too, only those set as figures."""
    start, end = (bisect_right(pictures, at, key=lambda one: one[0]) for at in (after, before))
    between = [element for _, element in pictures[start:end]]
    if after < 0:
        between = [element for element in between if element.tag != "img"][-_MOST_LEADING:]
    drawn = dict.fromkeys(figure for element in between if (figure := _figure(element, base)))
    yield from (_Block("", None, figure) for figure in drawn)


def _figure(element: html.HtmlElement, base: str) -> str | None:
    """A picture with its caption; None for what only measures, or decorates."""
    image = element if element.tag == "img" else next(element.iter("img"), None)
    address = _source(image, base) if image is not None else None
    if image is None or address is None:
        return None
    caption = next(element.iter("figcaption"), None)
    told = _SPACE.sub(" ", caption.text_content()).strip() if caption is not None else ""
    alt = _SPACE.sub(" ", image.get("alt") or "").strip()
    drawn = f'<img src="{entities.escape(address)}" alt="{entities.escape(alt[:_MOST_CAPTION])}">'
    below = f"<figcaption>{entities.escape(told[:_MOST_CAPTION], quote=False)}</figcaption>" if told else ""
    return f"<figure>{drawn}{below}</figure>"


def _source(image: html.HtmlElement, base: str) -> str | None:
    if any(
        (image.get(side) or "").strip().isdigit() and int(image.get(side) or "") < _ICON for side in ("width", "height")
    ):
        return None
    told = (image.get(name) for name in _SOURCES)
    addresses = (absolute(one, base) for one in told if one and not one.strip().startswith("data:"))
    return next((one for one in addresses if one and not _PIXEL.search(urlsplit(one).path)), None)
