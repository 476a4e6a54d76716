"""A text into hashes: one that is equal for equal stories, and those of its runs of five tokens, by which parts of it are recognised."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy
import xxhash
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from aggregator import model
from aggregator.dedup import normalize

Hashes: TypeAlias = NDArray[numpy.int64]
Places: TypeAlias = NDArray[numpy.int32]

# Which rules made a fingerprint: those of different numbers share no hash. A change of `normalize` or of what is below needs the next
# one, and `aggregator recluster` brings a corpus along.
ALGO = 1
# Tokens in a shingle.
WIDTH = 5
# Below this a body alone says too little ("Photo of the day"): the title is hashed with it.
_SHORT = 16
# Of so many shingles in a row the smallest is asked for.
_ASKED = 8
# Of so many it is stored, the more the longer the text is: what is smallest of many is smallest of few, so coarse answers meet fine
# questions. A text has some twenty rows, and any run that it shares is found if it has 44 tokens, in a long one 68.
_STORED = (40, 64)
_ROWS = 10
# A character of a script without spaces is less than a word.
_STORED_DENSE = 1.5
# What is quoted or cut short is mostly the beginning: of so many shingles there twelve tokens in a row are enough.
_LEAD = 40
# A text of fewer shingles stores about eight of them in any case, and asks for all.
_FEW = 64

_BASE = numpy.uint64(0x9E3779B97F4A7C15)
# The finaliser of splitmix64 (Steele, Lea, Flood 2014): without it neighbours have neighbouring hashes.
_MIX = (numpy.uint64(0xBF58476D1CE4E5B9), numpy.uint64(0x94D049BB133111EB))


@dataclass(frozen=True, eq=False)
class Text:
    """What is compared of a text: the hashes of its shingles in their order, and where its numbers are."""

    tokens: int
    shingles: Hashes
    numbers_at: Places
    numbers: Hashes
    dense: bool = False

    @cached_property
    def distinct(self) -> Hashes:
        """The hashes, sorted, each once."""
        return numpy.unique(self.shingles)

    @cached_property
    def stored(self) -> tuple[int, ...]:
        """The hashes by which others find this text."""
        count = len(self.shingles)
        if count < _FEW:
            return tuple(_smallest(self.shingles, max(2, count // 8)).tolist())
        found = _smallest(self.shingles, _window(count, dense=self.dense))
        return tuple(numpy.union1d(found, _smallest(self.shingles[:_LEAD], _ASKED)).tolist())

    @cached_property
    def asked(self) -> tuple[int, ...]:
        """The hashes by which this text finds others, those that it stores among them."""
        found = self.distinct if len(self.shingles) < _FEW else _smallest(self.shingles, _ASKED)
        return tuple(found.tolist())


def _window(count: int, *, dense: bool) -> int:
    """Of how many of these shingles in a row the smallest is stored."""
    window = min(max(count // _ROWS, _STORED[0]), _STORED[1])
    return int(window * _STORED_DENSE) if dense else window


def expected(tokens: int, shared: int, *, dense: bool) -> float:
    """How many hashes a text of so many tokens has probably stored of a part of so many that it shares."""
    return 2 * shared / (_window(tokens, dense=dense) + 1)


def text_hash(text: str, title: str = "") -> str | None:
    """32 hex digits of the normal form; None for a text without tokens, which equals no other."""
    return _text_hash(normalize.tokens(text), title)


def _text_hash(found: Sequence[str], title: str) -> str | None:
    if not found:
        return None
    if len(found) < _SHORT:
        found = [*normalize.tokens(title), "\n", *found]
    return hashlib.sha256(" ".join(found).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def make(text: str, title: str = "") -> tuple[str | None, model.Fingerprint]:
    """The hash of the normal form, and what else is kept of the text until it is placed."""
    tokens = normalize.tokens(text)
    return _text_hash(tokens, title), pack(read(tokens))


def read(tokens: Sequence[str]) -> Text:
    """What is compared of a text of these tokens."""
    words = [_hashed(token) for token in tokens]
    hashes = numpy.array(words, dtype=numpy.uint64)
    at = [place for place, token in enumerate(tokens) if not token.isalpha() and any(map(str.isdigit, token))]
    single = sum(len(token) == 1 for token in tokens)
    return Text(
        tokens=len(tokens),
        shingles=_shingles(hashes),
        numbers_at=numpy.array(at, dtype=numpy.int32),
        numbers=hashes[at].view(numpy.int64) if at else numpy.empty(0, numpy.int64),
        dense=2 * single > len(tokens),
    )


def _hashed(token: str) -> int:
    return xxhash.xxh3_64_intdigest(token.encode("utf-8", "surrogatepass"))


def hashed(*words: str) -> int:
    """One hash of all these, as a database keeps it."""
    found = numpy.array([_hashed(f"{ALGO} " + " ".join(words))], dtype=numpy.uint64)
    return int(found.view(numpy.int64)[0])


def _shingles(words: NDArray[numpy.uint64]) -> Hashes:
    """The hash of each run of five tokens; of all of them, where there are fewer."""
    if not len(words):
        return numpy.empty(0, numpy.int64)
    width = min(WIDTH, len(words))
    count = len(words) - width + 1
    rolled = numpy.full(count, ALGO, numpy.uint64)
    for start in range(width):
        rolled = rolled * _BASE + words[start : start + count]
    rolled = (rolled ^ (rolled >> numpy.uint64(30))) * _MIX[0]
    rolled = (rolled ^ (rolled >> numpy.uint64(27))) * _MIX[1]
    return (rolled ^ (rolled >> numpy.uint64(31))).view(numpy.int64)


def _smallest(hashes: Hashes, window: int) -> Hashes:
    """The smallest of every `window` hashes in a row, sorted, each once (winnowing: Schleimer, Wilkerson, Aiken 2003)."""
    if not len(hashes):
        return hashes
    return numpy.unique(sliding_window_view(hashes, min(window, len(hashes))).min(axis=1))


def pack(text: Text) -> model.Fingerprint:
    """`text` as it crosses from a worker process."""
    return model.Fingerprint(
        algo=ALGO,
        tokens=text.tokens,
        shingles=text.shingles.tobytes(),
        numbers_at=text.numbers_at.tobytes(),
        numbers=text.numbers.tobytes(),
        dense=text.dense,
    )


def unpack(packed: model.Fingerprint) -> Text:
    """What `pack` has packed."""
    return Text(
        tokens=packed.tokens,
        shingles=numpy.frombuffer(packed.shingles, numpy.int64),
        numbers_at=numpy.frombuffer(packed.numbers_at, numpy.int32),
        numbers=numpy.frombuffer(packed.numbers, numpy.int64),
        dense=packed.dense,
    )
