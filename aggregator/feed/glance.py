"""The outline of a document most of whose entries were shown before, byte for byte: expat reads only the rest. What comes out is what `split`
makes of the same document, or nothing. Pure.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass

from aggregator.feed import split

# The first tag of an entry, as nearly all documents write it; what ends a name; an identity without a prefix.
_OPENING = re.compile(rb"<(item|entry)(?=[\s>])")
_AFTER_NAME = frozenset({b">", b" ", b"\t", b"\r", b"\n"})
_OWN_GUID = re.compile(rb"<(guid|id)\b[^>]*>.*?</\1>", re.DOTALL)
# What is left to expat and `split.lasting` takes them a microsecond or two for each of these.
_MOST_MARKS = ((b"<", 6_000), (b"?", 2_000))

_Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hollow:
    """A document with an empty element in the place of each row of known entries that only blanks divide: where one entry may stand,
    another may stand beside it. `places` are where its entries are, `numbers` which of them are no row."""

    data: bytes
    places: tuple[_Span, ...]
    numbers: Mapping[int, int]


def outline(data: bytes, most: int, shown: AbstractSet[bytes]) -> split.Outline | None:
    """The outline of the UTF-8 document `data`, at least half of whose entries, at most `most`, have hashes that were `shown` before. None
    where that is not so, or it is not proven that expat would find just these entries."""
    name = _OPENING.search(data)
    spans = _spans(data, name[1], most) if name is not None else []
    if not spans or name is None or not data.startswith(b"<"):
        return None
    with closing(split.Pass(data, most)) as found:
        salt = found.begin(spans[0][0])
        if salt is None:
            return None
        parts = [_part(data, span, salt) for span in spans]
        known = [part.exact in shown for part in parts]
        hollow = _hollow(data, spans, known, name[1]) if 2 * sum(known) >= len(parts) else None
        if hollow is None or not found.go_on(hollow.data) or not _as_expected(found, hollow, salt):
            return None
        # What is known did not contradict itself, nor root and channel: all that stood together in the last document.
        declared = hollow.data.count(b"xmlns") > found.declared
        if declared and split.contradictory(data, spans[0][0]):
            return None
    new = {number: found.entries[place] for number, place in hollow.numbers.items()}
    if new and not _told_apart(data, [part for part, one in zip(parts, known, strict=True) if one], new):
        return None
    return split.Outline(
        data=data,
        root=found.root,
        parts=tuple(_moved(part, new[number]) if number in new else part for number, part in enumerate(parts)),
        head_hash=found.head_hash(),
    )


def _spans(data: bytes, name: bytes, most: int) -> list[_Span]:
    """Where the elements `name` seem to be; nothing where there are more than `most`."""
    opening, closing_tag = b"<" + name, b"</" + name + b">"
    spans: list[_Span] = []
    at = data.find(opening)
    while at >= 0 and len(spans) <= most:
        end = at + len(opening)
        if data[end : end + 1] in _AFTER_NAME:
            end = data.find(closing_tag, end) + len(closing_tag)
            if end < at:
                return []
            spans.append((at, end))
        at = data.find(opening, end)
    return spans if len(spans) <= most else []


def _part(data: bytes, span: _Span, salt: bytes) -> split.Part:
    start, end = span
    return split.Part(start=start, end=end, exact=split.fingerprint(data[start:end], salt), salt=salt, left_out=())


def _hollow(data: bytes, spans: Sequence[_Span], known: Sequence[bool], name: bytes) -> _Hollow | None:
    """`data` without what is known of it; None where too much is left."""
    pieces: list[bytes] = []
    places: list[_Span] = []
    numbers: dict[int, int] = {}
    at = size = 0
    row = False
    for number, (start, end) in enumerate(spans):
        between, inside = data[at:start], b"<" + name + b"/>" if known[number] else data[start:end]
        row = row and known[number] and (not between or between.isspace())
        if row:
            inside = b""
        else:
            places.append((size + len(between), size + len(between) + len(inside)))
        if not known[number]:
            numbers[number] = len(places) - 1
        pieces += [between, inside]
        size, at, row = size + len(between) + len(inside), end, known[number]
    left = b"".join([*pieces, data[at:]])
    if any(left.count(mark) > most for mark, most in _MOST_MARKS):
        return None
    return _Hollow(data=left, places=tuple(places), numbers=numbers)


def _as_expected(found: split.Pass, hollow: _Hollow, salt: bytes) -> bool:
    """Whether expat has met the entries where they seemed to be."""
    return tuple(found.places()) == hollow.places and all(entry.salt == salt for entry in found.entries)


def _told_apart(data: bytes, known: Sequence[split.Part], new: Mapping[int, split.Entry]) -> bool:
    """Whether every entry has a guid of its own; else all of them must be looked at."""
    guids = [_OWN_GUID.search(data, part.start, part.end) for part in known]
    told = Counter(entry.guid for entry in new.values())
    for guid, part in zip(guids, known, strict=True):
        # The guid of another feed, from which an entry was taken, is none of its own.
        if guid is None or data.find(b"<source", part.start, guid.end()) >= 0:
            return False
        told[guid[0]] += 1
    return all(guid and count == 1 for guid, count in told.items())


def _moved(part: split.Part, entry: split.Entry) -> split.Part:
    """What was found of an entry that stands elsewhere in its whole document."""
    by = part.start - entry.start
    left_out = sorted((start + by, end + by) for start, end in entry.counters + entry.stamps)
    return part._replace(left_out=tuple(left_out))
