"""Which words of a text are new and which are gone: paragraphs are compared first, then the words of those that differ."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from aggregator import markup

SAME, ADDED, REMOVED = "=", "+", "-"
# A word with the space behind it; where words are not spaced each character is one, as elsewhere.
_WORD = re.compile(rf"(?:{markup.SPACELESS.pattern}|(?:(?!{markup.SPACELESS.pattern})\S)+)\s*")
# difflib needs a second for a million pairs of words that have nothing in common: more are told as one text in place of the other.
_MOST_PAIRS = 4_000_000
# A single word in common between two changes is no reason to read on.
_ISLAND = 2


@dataclass(frozen=True, slots=True)
class Part:
    """A run of text: `op` says whether both versions have it (`=`), only the new (`+`) or only the old (`-`)."""

    op: str
    text: str


def parts(old: str, new: str) -> tuple[Part, ...]:
    """How `old` becomes `new`: all parts but the removed ones have the words of `new`, all but the added ones those of `old`."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    matcher = SequenceMatcher(None, [_plain(each) for each in before], [_plain(each) for each in after], autojunk=False)
    found: list[Part] = []
    for op, i, j, k, m in matcher.get_opcodes():
        if op == "equal":
            found.append(Part(SAME, "".join(after[k:m])))
        else:
            found.extend(_words("".join(before[i:j]), "".join(after[k:m])))
    return tuple(_joined(found))


def _plain(paragraph: str) -> str:
    return " ".join(paragraph.split())


def _words(old: str, new: str) -> Iterator[Part]:
    before, after = _WORD.findall(old), _WORD.findall(new)
    if len(before) * len(after) > _MOST_PAIRS:
        yield from _replaced(before, after)
        return
    matcher = SequenceMatcher(
        None, [each.rstrip() for each in before], [each.rstrip() for each in after], autojunk=False
    )
    for op, i, j, k, m in _without_islands(matcher.get_opcodes()):
        if op == "equal":
            yield Part(SAME, "".join(after[k:m]))
        else:
            yield from _replaced(before[i:j], after[k:m])


def _without_islands(codes: Sequence[tuple[str, int, int, int, int]]) -> Iterator[tuple[str, int, int, int, int]]:
    """`codes` with what is equal for a word only, between two changes of several words, counted among them."""
    kept = list(codes)
    for place in range(1, len(kept) - 1):
        op, i, j, k, m = kept[place]
        around = min(_size(kept[place - 1]), _size(kept[place + 1]))
        if op == "equal" and j - i < _ISLAND and around > _ISLAND:
            kept[place] = ("replace", i, j, k, m)
    for equal, run in groupby(kept, key=lambda code: code[0] == "equal"):
        codes = list(run)
        yield ("equal" if equal else "replace", codes[0][1], codes[-1][2], codes[0][3], codes[-1][4])


def _size(code: tuple[str, int, int, int, int]) -> int:
    return max(code[2] - code[1], code[4] - code[3])


def _replaced(before: Sequence[str], after: Sequence[str]) -> Iterator[Part]:
    if before:
        yield Part(REMOVED, "".join(before))
    if after:
        yield Part(ADDED, "".join(after))


def _joined(found: Iterable[Part]) -> Iterator[Part]:
    for op, run in groupby((part for part in found if part.text), key=lambda part: part.op):
        yield Part(op, "".join(part.text for part in run))
