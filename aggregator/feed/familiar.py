"""What a source's last document showed ⇄ bytes for the store, and which entries of the next document are among it."""

import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import replace
from typing import TypeVar

from aggregator import model
from aggregator.feed import split

# Two hashes, the item, three halves of a face: 36 bytes an entry.
_ENTRY = struct.Struct("<8s8sqIII")
_EXACT, _MARK = 8, 16

T = TypeVar("T")


def pack(entries: Iterable[model.ShownEntry]) -> bytes:
    """Entries in order, as the store keeps them."""
    return b"".join(_ENTRY.pack(*entry.mark, entry.item_id, *entry.face) for entry in entries)


def unpack(packed: bytes) -> tuple[model.ShownEntry, ...]:
    """What `pack` has packed; nothing if that cannot be."""
    return () if len(packed) % _ENTRY.size else tuple(_unpacked(packed))


def _unpacked(packed: bytes) -> Iterator[model.ShownEntry]:
    """One after the other: ten thousand at once take 4 MB."""
    for exact, loose, item_id, guid, key, title in _ENTRY.iter_unpack(packed):
        yield model.ShownEntry(model.Mark(exact, loose), item_id, model.Face(guid, key, title))


class Known(Mapping[int, model.ShownEntry]):
    """Entries by their positions, in order, packed: as objects they take ten times the room, and crossing from a worker twice that."""

    __slots__ = ("_packed", "_positions")

    def __init__(self, positions: "array[int]", packed: bytes) -> None:
        """The entries at these positions, as `pack` has packed them."""
        self._positions, self._packed = positions, packed

    @classmethod
    def all(cls, packed: bytes) -> "Known":
        """Every entry of a document, as `pack` has packed them."""
        return cls(array("I", range(1, len(packed) // _ENTRY.size + 1)), packed)

    def __getitem__(self, position: int) -> model.ShownEntry:
        at = bisect_left(self._positions, position)
        if at == len(self._positions) or self._positions[at] != position:
            raise KeyError(position)
        exact, loose, item_id, *face = _ENTRY.unpack_from(self._packed, at * _ENTRY.size)
        return model.ShownEntry(model.Mark(exact, loose), item_id, model.Face(*face))

    def __iter__(self) -> Iterator[int]:
        return iter(self._positions)

    def items(self) -> ItemsView[int, model.ShownEntry]:
        return _Items(self)

    def values(self) -> ValuesView[model.ShownEntry]:
        return _Values(self)

    def __len__(self) -> int:
        return len(self._positions)


class _Items(ItemsView[int, model.ShownEntry]):
    """All of them at once: one by one each is looked for."""

    _mapping: Known

    def __iter__(self) -> Iterator[tuple[int, model.ShownEntry]]:
        return zip(self._mapping, _unpacked(self._mapping._packed), strict=True)


class _Values(ValuesView[model.ShownEntry]):
    _mapping: Known

    def __iter__(self) -> Iterator[model.ShownEntry]:
        return _unpacked(self._mapping._packed)


def item_ids(packed: bytes) -> set[int]:
    """The items in what `pack` has packed, without making an object of every entry."""
    return {fields[2] for fields in _ENTRY.iter_unpack(packed)} if len(packed) % _ENTRY.size == 0 else set()


def exact_marks(packed: bytes) -> set[bytes]:
    """The exact hashes in it."""
    return set(_exact(packed))


def _exact(packed: bytes) -> Iterator[bytes]:
    return (fields[0] for fields in _ENTRY.iter_unpack(packed)) if len(packed) % _ENTRY.size == 0 else iter(())


def loose_marks(packed: bytes) -> set[bytes]:
    """The looser hashes in it."""
    return {fields[1] for fields in _ENTRY.iter_unpack(packed)} if len(packed) % _ENTRY.size == 0 else set()


def recognise(
    outline: split.Outline, shown: model.Shown | None
) -> tuple[tuple[model.Mark, ...], Mapping[int, model.ShownEntry]]:
    """The marks of all entries, and by their positions those that were shown before."""
    return match(outline.parts, lambda part: part.exact, outline.loose, shown)


def match(
    parts: Sequence[T], exact: Callable[[T], bytes], loose: Callable[[T], bytes], shown: model.Shown | None
) -> tuple[tuple[model.Mark, ...], Mapping[int, model.ShownEntry]]:
    """The same for any kind of parts. The looser hash, which takes longer, is made only of what has changed."""
    if shown is not None and [exact(part) for part in parts] == list(_exact(shown.packed)):
        return tuple(model.Mark(*fields[:2]) for fields in _ENTRY.iter_unpack(shown.packed)), Known.all(shown.packed)
    # As they are packed: as objects they take longer to make than to find.
    before = _rows(shown.packed) if shown is not None else []
    by_exact = {row[:_EXACT]: row for row in reversed(before)}
    by_loose = {row[_EXACT:_MARK]: row for row in reversed(before)}
    marks: list[model.Mark] = []
    positions, known = array("I"), bytearray()
    for position, part in enumerate(parts, 1):
        key = exact(part)
        row = by_exact.get(key)
        mark = model.Mark(key, row[_EXACT:_MARK] if row is not None else loose(part))
        row = row or by_loose.get(mark.loose)
        marks.append(mark)
        if row is not None:
            positions.append(position)
            known += key + row[_EXACT:]
    return tuple(marks), Known(positions, bytes(known))


def _rows(packed: bytes) -> list[bytes]:
    """The entries in what `pack` has packed, each still packed."""
    if len(packed) % _ENTRY.size:
        return []
    return [packed[start : start + _ENTRY.size] for start in range(0, len(packed), _ENTRY.size)]


def as_before(feed: model.ParsedFeed, head: model.Head, hints: model.Hints) -> model.ParsedFeed:
    """`feed`, of which nothing was parsed, with what its head says, which is what it said last time."""
    return replace(
        feed,
        version=head.version,
        title=head.title,
        site_url=head.site_url,
        language=head.language,
        hubs=head.hubs,
        self_url=head.self_url,
        older=head.older,
        generator=head.generator,
        hints=hints,
    )


def after(feed: model.ParsedFeed, decision: model.Decision, ids: Mapping[str, int]) -> Iterator[model.ShownEntry]:
    """What the document shows, once its new items have `ids` by their URL keys; nothing where it had to be read as a whole."""
    if not feed.marks:
        return
    places = {place.position: place for place in decision.places}
    # Both are in the order of the document.
    known = iter(feed.known.items())
    following = next(known, None)
    for position, mark in enumerate(feed.marks, 1):
        before = None
        if following is not None and following[0] == position:
            before, following = following[1], next(known, None)
        if (place := places.get(position)) is not None:
            item_id = place.item if isinstance(place.item, int) else ids[place.item]
            yield model.ShownEntry(mark, item_id, place.face)
        elif before is not None:
            yield before


def head(feed: model.ParsedFeed) -> model.Head | None:
    """What its head says, to be remembered; None where the document had to be read as a whole."""
    if not feed.head_hash:
        return None
    return model.Head(
        hash=feed.head_hash.hex(),
        version=feed.version,
        title=feed.title,
        site_url=feed.site_url,
        language=feed.language,
        hubs=feed.hubs,
        self_url=feed.self_url,
        older=feed.older,
        generator=feed.generator,
    )
