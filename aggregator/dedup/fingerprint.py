"""A text into hashes: one that is equal for equal stories, and those of its runs of five tokens, by which parts of it are recognised."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import xxhash

from aggregator import model
from aggregator.dedup import normalize

# Of 64 and of 32 bits; in Python 3.11 `array` takes no parameter but in quotes.
Hashes: TypeAlias = "array[int]"
Places: TypeAlias = "array[int]"

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
# The first is stored and asked for by all: an excerpt of eight tokens has few others, and begins where its article does.
_FIRST = 1
# A text of fewer shingles stores about eight of them in any case, and asks for all.
_FEW = 64

# Bytes.
_HASH = 8


@dataclass(frozen=True, eq=False)
class Text:
    """What is compared of a text: the hashes of its shingles in their order, and where its numbers are."""

    tokens: int
    shingles: Hashes
    numbers_at: Places
    numbers: Hashes
    dense: bool = False

    @cached_property
    def stored(self) -> tuple[int, ...]:
        """The hashes by which others find this text."""
        count = len(self.shingles)
        if count < _FEW:
            return tuple(sorted(_smallest(self.shingles, max(2, count // 8)).union(self.shingles[:_FIRST])))
        found = _smallest(self.shingles, _window(count, dense=self.dense))
        return tuple(sorted(found.union(_smallest(self.shingles[:_LEAD], _ASKED), self.shingles[:_FIRST])))

    @cached_property
    def asked(self) -> tuple[int, ...]:
        """The hashes by which this text finds others, those that it stores among them."""
        few = len(self.shingles) < _FEW
        return tuple(
            sorted(set(self.shingles) if few else _smallest(self.shingles, _ASKED).union(self.shingles[:_FIRST]))
        )


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
    # Tokens have no spaces; to encode them together takes a third of the time.
    encoded = " ".join(tokens).encode("utf-8", "surrogatepass").split(b" ") if tokens else []
    hashes = array("Q", map(xxhash.xxh3_64_intdigest, encoded))
    at = [place for place, token in enumerate(tokens) if not token.isalpha() and any(map(str.isdigit, token))]
    single = [*map(len, tokens)].count(1)
    return Text(
        tokens=len(tokens),
        shingles=_shingles(hashes),
        numbers_at=array("i", at),
        numbers=_signed(hashes[place] for place in at),
        dense=2 * single > len(tokens),
    )


def _hashed(token: str) -> int:
    return xxhash.xxh3_64_intdigest(token.encode("utf-8", "surrogatepass"))


def _signed(hashes: Iterable[int]) -> Hashes:
    """Hashes as a database keeps them."""
    return array("q", array("Q", hashes).tobytes())


def hashed(*words: str) -> int:
    """One hash of all these, as a database keeps it."""
    return _signed([_hashed(f"{ALGO} " + " ".join(words))])[0]


def _shingles(words: Hashes) -> Hashes:
    """The hash of each run of five tokens; of all of them, where there are fewer."""
    if not words:
        return array("q")
    width = min(WIDTH, len(words))
    packed, size = words.tobytes(), width * _HASH
    starts = range(0, len(packed) - size + 1, _HASH)
    digest = xxhash.xxh3_64_intdigest
    return _signed([digest(packed[start : start + size], ALGO) for start in starts])


def _smallest(hashes: Hashes, window: int) -> set[int]:
    """The smallest of every `window` hashes in a row (winnowing: Schleimer, Wilkerson, Aiken 2003)."""
    window = min(window, len(hashes))
    if not window:
        return set()
    least = min(hashes[:window])
    at, found = hashes.index(least), {least}
    for place, one in enumerate(hashes[window:], window):
        if one <= least:
            least, at = one, place
            found.add(one)
        elif at <= place - window:
            # It has left the window, of which most see none leave.
            least = min(hashes[place - window + 1 : place + 1])
            at = hashes.index(least, place - window + 1)
            found.add(least)
    return found


def pack(text: Text) -> model.Fingerprint:
    """`text` as it crosses from a worker process."""
    return model.Fingerprint(
        algo=ALGO,
        tokens=text.tokens,
        shingles=text.shingles.tobytes(),
        numbers_at=text.numbers_at.tobytes(),
        numbers=text.numbers.tobytes(),
        asked=text.asked,
        stored=text.stored,
        dense=text.dense,
    )


def unpack(packed: model.Fingerprint) -> Text:
    """What `pack` has packed."""
    text = Text(
        tokens=packed.tokens,
        shingles=array("q", packed.shingles),
        numbers_at=array("i", packed.numbers_at),
        numbers=array("q", packed.numbers),
        dense=packed.dense,
    )
    # As if they had been asked for already: a worker had time to find them.
    vars(text).update(asked=packed.asked, stored=packed.stored)
    return text
