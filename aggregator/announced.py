"""What a feed had said of an article, and whether a page or a text shows it: by the words of its title, and by its own words in runs.

Never by a phrase of one language: words are compared by their beginnings, scripts without spaces by pairs of characters.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from aggregator import claims, languages, markup

# The share of the announced title's words that a page has to show to be the article's, and at which it plainly shows something else.
# Of 379 real articles 372 have half of it in their titles, and one has a fifth or less, whose text tells it (docs/decisions/0010-gate.md).
_TITLED, _UNTITLED = 0.5, 0.2
# The same for a text: of 379 real articles 290 say six tenths of their title, 20 say less than four.
_TOLD, _UNTOLD = 0.6, 0.4
# The same for runs of three words of the feed's own text.
_RUN, _LEAST_RUNS, _TOLD_RUNS, _UNTOLD_RUNS = 3, 4, 0.25, 0.1
# A title of fewer words tells too little. Endings change with the grammar, in Russian or Turkish more than in English.
_LEAST_STEMS, _STEM = 3, 5
# To say that a page shows another thing than its title takes more, and numbers say nothing: "Story 123 of feed 45" may be any.
_LEAST_PLAIN = 4
_MOST_TEXT, _BEGINNING = 8_000, 1_000
_COMMON = frozenset(word for words in languages.COMMON.values() for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What the feed said of the article: its title, the longest text that it has of its own, and its language."""

    title: str = ""
    text: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """Whether the page's titles, and its text, are what the feed announced; None where that cannot be told. `others` are its titles and
    headings that are not."""

    titled: bool | None
    told: bool | None
    others: tuple[str, ...] = ()


def shown(told: claims.Claims, text: str, announced: Announced) -> Shown:
    """What a page of these claims and this text shows of what was announced."""
    wanted = _stems(announced.title)
    titles = [title for title in (*told.titles, told.named, *told.headings) if title]
    found = {title: _stems(title) for title in titles}
    others = tuple(title for title in titles if not (wanted and _share(wanted, found[title]) >= _TITLED))
    tells = len(wanted) >= _LEAST_STEMS
    titled = _share(wanted, frozenset().union(*found.values())) if wanted else None
    plain = sum(not stem.isdecimal() for stem in wanted) >= _LEAST_PLAIN
    shows = None if titled is None else True if titled >= _TITLED else False if plain and titled <= _UNTITLED else None
    # Most articles say their title's words soon; that is found out at a tenth of the cost.
    if tells and any(_share(wanted, _stems(part)) >= _TOLD for part in (text[:_BEGINNING], text[:_MOST_TEXT])):
        return Shown(shows, told=True, others=others)
    ran = _ran(announced.text, text)
    if ran is not None and ran >= _TOLD_RUNS:
        return Shown(shows, told=True, others=others)
    share = _share(wanted, _stems(text[:_MOST_TEXT])) if wanted else 1.0
    untold = share < _UNTOLD and (
        tells if ran is None else ran < _UNTOLD_RUNS and (tells or is_silent(text, announced.text))
    )
    return Shown(shows, told=False if untold else None, others=others)


def is_silent(text: str, announced: str) -> bool:
    """Whether a text says nothing of what its feed said."""
    wanted = _stems(announced)
    return len(wanted) >= 2 * _LEAST_STEMS and _share(wanted, _stems(text)) <= _UNTITLED


def tells(text: str, title: str) -> bool:
    """Whether a text is plainly that of the title."""
    wanted = _stems(title)
    return len(wanted) >= _LEAST_STEMS and _share(wanted, _stems(text)) >= _TOLD


def is_wall(text: str, titles: Sequence[str]) -> bool:
    """Whether a text that items of these titles have in common is that of a wall: they are different stories, and it says nothing of
    most of them. An article that is published again, under whatever title, or a report that goes on under several, is none."""
    stems = [_stems(title) for title in titles]
    different = any(one and other and not _alike(one, other) for one, other in itertools.combinations(stems, 2))
    if not different:
        return False
    inside = _stems(text)
    untold = sum(bool(one) and _share(one, inside) < _TITLED for one in stems)
    return 2 * untold > len(titles)


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return 2 * len(one & other) >= min(len(one), len(other))


def _share(wanted: frozenset[str], found: frozenset[str]) -> float:
    return len(wanted & found) / len(wanted)


def _ran(announced: str, text: str) -> float | None:
    """How much of what the feed said word for word the text says, too; None where it said too little."""
    runs = _runs(announced)
    return len(runs & _runs(text)) / len(runs) if len(runs) >= _LEAST_RUNS else None


def _stems(text: str) -> frozenset[str]:
    """The beginnings of the words of `text` that say something; of scripts without spaces the pairs of characters."""
    found: set[str] = set()
    for word in claims.key(text).split():
        if not word.isascii() and markup.SPACELESS.search(word):
            found.update(word[at : at + 2] for at in range(len(word) - 1))
        elif len(word) > 2 and word not in _COMMON:
            found.add(word[:_STEM])
    return frozenset(found)


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = claims.key(markup.spaced(text[:_MOST_TEXT])).split()
    return frozenset(zip(*(words[start:] for start in range(_RUN)), strict=False))
