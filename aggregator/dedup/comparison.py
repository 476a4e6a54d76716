"""Two texts into how they are related: the same, one in the other, or different, with coverages and the reason. Pure, and the same
whichever of the two comes first."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from aggregator.dedup import fingerprint

# All shares below were measured on labelled pairs; docs/decisions/0009 says what other values gave.

# A text is recognised in another by this share of its tokens.
_FOUND = 0.68
# Both are the same story if what is not shared is less than half of the longer; under other titles a little more is asked for.
_SAME, _SAME_UNLIKE = 0.54, 0.58
# A text of fewer tokens must be there nearly whole, one of still fewer says nothing.
SHORT, _FOUND_SHORT, _LEAST = 60, 0.90, 6
# What an outlet puts around its articles: under other titles two of its texts must be the same in nearly everything.
_FOUND_AT_HOME, _BOTH_AT_HOME = 0.95, 0.85
# Titles of the same story share this much of their words; those of one outlet may have been made by a form.
_ALIKE, _ALIKE_AT_HOME = 0.4, 0.5
# A form that was filled in: what is shared has many gaps of at most so many tokens, or numbers in them; both for each 100 tokens shared.
_GAP, _MOST_GAPS, _MOST_NUMBERS = 8, 6.0, 1.5
# A notice of at most so many tokens, with so many numbers, of which this share must recur.
_NOTICE, _NUMBERS, _NUMBERS_KEPT = 160, 4, 0.6

_ZEROS = re.compile(rb"\0+")


class Relation(StrEnum):
    """What the first of two texts is to the second."""

    SAME = "same"
    CONTAINS = "contains"
    CONTAINED = "contained"
    DIFFERENT = "different"

    def turned(self) -> "Relation":
        """What the second is to the first."""
        return _TURNED.get(self, self)


_TURNED = {Relation.CONTAINS: Relation.CONTAINED, Relation.CONTAINED: Relation.CONTAINS}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One of two texts that are compared: what it says, the words of its title, whose it is."""

    text: fingerprint.Text
    title: frozenset[str] = frozenset()
    source_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the first text is to the second, which share of each is in the other, and the reason where it is not that alone."""

    relation: Relation
    covered: float = 0.0
    covered_other: float = 0.0
    reason: str = ""

    def turned(self) -> "Verdict":
        """The verdict seen from the second."""
        return Verdict(
            relation=self.relation.turned(),
            covered=self.covered_other,
            covered_other=self.covered,
            reason=self.reason,
        )


def judge(one: Subject, other: Subject) -> Verdict:
    """What `one` is to `other`."""
    return _judge(one, other) if _order(one) <= _order(other) else _judge(other, one).turned()


def _order(subject: Subject) -> tuple[int, bytes]:
    return subject.text.tokens, subject.text.shingles.tobytes()


def _judge(small: Subject, large: Subject) -> Verdict:
    """What the text of fewer tokens is to the other."""
    if small.text.tokens < _LEAST:
        return Verdict(relation=Relation.DIFFERENT, reason="too short")
    shared, also = covering(small.text, large.text), covering(large.text, small.text)
    mine, theirs = _share(shared, small.text), _share(also, large.text)
    if small.text.tokens < SHORT:
        reason = _against_short(small, large, mine, theirs)
        if _numbers_in_gaps(large.text, _gaps(also)):
            reason = reason or "a short text with other numbers"
    else:
        reason = _against(small, large, mine, theirs) or _form(small.text, large.text, shared)
    enough = _SAME_UNLIKE if small.title and large.title and not alike(small, large) else _SAME
    relation = Relation.DIFFERENT if reason else Relation.SAME if theirs >= enough else Relation.CONTAINED
    return Verdict(relation=relation, covered=mine, covered_other=theirs, reason=reason)


def _against_short(small: Subject, large: Subject, mine: float, theirs: float) -> str:
    """Why a short text and another are different; empty if they are not."""
    if mine < _FOUND_SHORT:
        return "a short text that is not there whole"
    if not set(small.text.numbers).issubset(large.text.numbers):
        return "a short text with other numbers"
    titled = bool(small.title and large.title)
    return "short texts under other titles" if theirs >= _SAME and titled and not alike(small, large) else ""


def _against(small: Subject, large: Subject, mine: float, theirs: float) -> str:
    """Why two texts are different by what they share; empty if they are not."""
    if mine < _FOUND:
        return "too little in common"
    at_home = small.source_id is not None and small.source_id == large.source_id
    if at_home and mine < _FOUND_AT_HOME and min(mine, theirs) < _BOTH_AT_HOME:
        return "" if alike(small, large, share=_ALIKE_AT_HOME) else "too little in common for one source"
    return ""


def alike(one: Subject, other: Subject, *, share: float = _ALIKE) -> bool:
    """Whether both have titles, and these have enough words in common."""
    if not one.title or not other.title:
        return False
    return len(one.title & other.title) >= share * len(one.title | other.title)


def covering(text: fingerprint.Text, other: fingerprint.Text) -> int:
    """Which tokens of `text` lie in a shingle that `other` has, too: a byte for each, 1 or 0, as one number, the first token lowest. So
    what two texts share is counted and combined at once (`int.bit_count`)."""
    shared = int.from_bytes(bytes(map(_distinct(other).__contains__, text.shingles)), "little")
    covered = 0
    for start in range(text.tokens - len(text.shingles) + 1):
        covered |= shared << 8 * start
    return covered


def share(text: fingerprint.Text, other: fingerprint.Text) -> float:
    """Which share of `text` is in `other`."""
    return _share(covering(text, other), text)


def _share(covered: int, text: fingerprint.Text) -> float:
    return covered.bit_count() / text.tokens if text.tokens else 0.0


# A new text is compared with one after the other.
@lru_cache(maxsize=2)
def _distinct(text: fingerprint.Text) -> frozenset[int]:
    return frozenset(text.shingles)


def _form(small: fingerprint.Text, large: fingerprint.Text, shared: int) -> str:
    """Why two texts are one form, filled in twice; empty if they are not."""
    hundreds = shared.bit_count() / 100
    gaps = _gaps(shared)
    if sum(end - start <= _GAP for start, end in gaps) > _MOST_GAPS * hundreds:
        return "a form: many short gaps"
    numbers = _numbers_in_gaps(small, gaps)
    if numbers >= 2 and numbers > _MOST_NUMBERS * hundreds:
        return "a form: other numbers in short gaps"
    if small.tokens < _NOTICE and len(small.numbers) >= _NUMBERS:
        kept = (Counter(small.numbers) & Counter(large.numbers)).total()
        if kept < _NUMBERS_KEPT * len(small.numbers):
            return "a notice with other numbers"
    return ""


def _numbers_in_gaps(text: fingerprint.Text, gaps: Sequence[tuple[int, int]]) -> int:
    """How many numbers are in the short ones of these gaps."""
    at = text.numbers_at
    return sum(bisect_left(at, end) - bisect_left(at, start) for start, end in gaps if end - start <= _GAP)


def _gaps(shared: int) -> list[tuple[int, int]]:
    """Where the runs that are not shared begin and end, those before the first and after the last shared one left out."""
    mask = shared.to_bytes((shared.bit_length() + 7) // 8, "little")
    return [gap.span() for gap in _ZEROS.finditer(mask, max(mask.find(1), 0))]
