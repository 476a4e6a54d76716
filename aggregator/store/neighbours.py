"""What is known around texts that are to be placed: a few questions to the index, however many texts there are. Writes nothing."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from aggregator import boilerplate, model
from aggregator.dedup import comparison, fingerprint, normalize, placement
from aggregator.dedup.placement import Known, Neighbourhood, Newcomer
from aggregator.store import statements, tables

_items, _fingerprints = tables.items, tables.fingerprints

# Texts that were read lately, by their hashes: what comes in is compared with what came in just before. 8 bytes a token, so 4 MB at most.
_TOKENS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An item whose place is to be found. `text_hash` is None where it has no text that could be related; if it has none at all,
    `headline` says to relate it by its title. `fingerprint` may be left out, for what is stored."""

    item_id: int
    source_id: int
    at: datetime
    title: str
    text_hash: str | None
    fingerprint: model.Fingerprint | None = None
    headline: bool = False


class _Texts:
    """Texts by their hashes, those that were used last."""

    def __init__(self, tokens: int) -> None:
        self._most, self._held, self._lock = tokens, 0, threading.Lock()
        self._texts: OrderedDict[str, fingerprint.Text] = OrderedDict()

    def find(self, text_hash: str) -> fingerprint.Text | None:
        with self._lock:
            if text_hash in self._texts:
                self._texts.move_to_end(text_hash)
            return self._texts.get(text_hash)

    def keep(self, text_hash: str, text: fingerprint.Text) -> None:
        with self._lock:
            if text_hash in self._texts:
                return
            self._texts[text_hash] = text
            self._held += text.tokens
            while self._held > self._most:
                self._held -= self._texts.popitem(last=False)[1].tokens


_texts = _Texts(_TOKENS)


def title_words(title: str) -> frozenset[str]:
    """The words by which titles are compared."""
    return frozenset(normalize.tokens(title))


def headline(title: str) -> int | None:
    """The hash by which items under this title are found."""
    return placement.headline(sorted(title_words(title)))


def newcomers(conn: Connection, arrivals: Iterable[Arrival]) -> list[Newcomer]:
    """Those of them that have a text; where no fingerprint came with it, it is made of what is stored."""
    having = [(one, one.text_hash) for one in arrivals if one.text_hash is not None]
    read = texts(conn, [one.item_id for one, _ in having if one.fingerprint is None])
    found = []
    for one, text_hash in having:
        if one.fingerprint is not None:
            read[one.item_id] = fingerprint.unpack(one.fingerprint)
            _texts.keep(text_hash, read[one.item_id])
        subject = comparison.Subject(text=read[one.item_id], title=title_words(one.title), source_id=one.source_id)
        found.append(Newcomer(item_id=one.item_id, text_hash=text_hash, subject=subject))
    return found


def around(
    conn: Connection, those: Sequence[Newcomer], hashes: Collection[int] = (), *, without: Collection[int] = ()
) -> Neighbourhood:
    """What may be related to them, as far as it is not among them nor among those `without` which it is to be, with the texts that they
    are to be compared with; and who has stored these `hashes`."""
    mine = {one.item_id for one in those}.union(without)
    found = Neighbourhood()
    asked = {one for newcomer in those for one in newcomer.subject.text.asked}.union(hashes)
    if asked:
        for one, item_ids in _holders(conn, asked):
            if others := [item_id for item_id in item_ids if item_id not in mine]:
                found.postings[one] = others
    holders = {item_id for one in those for item_id in placement.worth_knowing(one, found)}
    holders |= {item_id for one in hashes for item_id in found.postings.get(one, ())}
    for known in _known(conn, holders, {one.text_hash for one in those}):
        if known.item_id not in mine:
            found.add(known)
    compared = {item_id for one in those for item_id in placement.candidates(one, found)}
    _give_texts(conn, found, compared)
    return found


def _holders(conn: Connection, hashes: Collection[int]) -> list[tuple[int, list[int]]]:
    """Who has stored these hashes: a row for each hash, for those that are common have two dozen."""
    stored = conn.execute(_holding(conn.dialect.name), {"hashes": statements.listing(conn, hashes)})
    return [(row[0], row[1]) for row in stored]


# Built once, as below: to put these together takes longer than to run them.
@lru_cache
def _holding(dialect: str) -> Select[Any]:
    theirs = statements.gathered(dialect, _fingerprints.c.item_id)
    stored = select(_fingerprints.c.hash, theirs).where(statements.listed(dialect, _fingerprints.c.hash, "hashes"))
    return stored.group_by(_fingerprints.c.hash)


def _known(conn: Connection, ids: Collection[int], text_hashes: Collection[str]) -> Iterable[Known]:
    """These items, and those with these texts."""
    if not ids and not text_hashes:
        return
    given = {"ids": statements.listing(conn, ids), "hashes": statements.listing(conn, text_hashes)}
    for row in conn.execute(_knowing(conn.dialect.name), given):
        # A text that has not been placed may be a wall's, or a stopgap until the page can be had.
        if row.id in ids or row.algo is not None or row.state in model.SETTLED:
            yield Known(item_id=row.id, tokens=row.tokens or 0, text_hash=row.whole_hash, cluster=row.cluster_id)


@lru_cache
def _knowing(dialect: str) -> Select[Any]:
    columns = (_items.c.id, _items.c.tokens, _items.c.whole_hash, _items.c.cluster_id, _items.c.state, _items.c.algo)
    ids = statements.listed(dialect, _items.c.id, "ids")
    return (
        select(*columns)
        .where(or_(ids, statements.listed(dialect, _items.c.whole_hash, "hashes")))
        .order_by(_items.c.id)
    )


def _give_texts(conn: Connection, found: Neighbourhood, ids: Collection[int]) -> None:
    if not ids:
        return
    read = texts(conn, ids)
    told = select(_items.c.id, _items.c.title, _items.c.source_id).where(statements.among(conn, _items.c.id, ids))
    for row in conn.execute(told):
        subject = comparison.Subject(text=read[row.id], title=title_words(row.title), source_id=row.source_id)
        found.known[row.id].subject = subject


def texts(conn: Connection, ids: Collection[int]) -> dict[int, fingerprint.Text]:
    """The stored texts of these items, as far as it can be without reading them."""
    if not ids:
        return {}
    hashes = select(_items.c.id, _items.c.whole_hash).where(statements.among(conn, _items.c.id, ids))
    found: dict[int, fingerprint.Text] = {}
    unread = []
    for row in conn.execute(hashes):
        if row.whole_hash is not None and (text := _texts.find(row.whole_hash)) is not None:
            found[row.id] = text
        else:
            unread.append(row.id)
    if unread:
        columns = (_items.c.id, _items.c.text, _items.c.boilerplate, _items.c.whole_hash)
        read = select(*columns).where(statements.among(conn, _items.c.id, unread))
        for item_id, text, apart, whole_hash in conn.execute(read):
            found[item_id] = fingerprint.read(normalize.tokens(boilerplate.whole(text or "", apart)))
            if whole_hash is not None:
                _texts.keep(whole_hash, found[item_id])
    return found


def stored(conn: Connection, ids: Collection[int], now: datetime) -> list[Arrival]:
    """These items as they are stored, to be placed again."""
    rows = conn.execute(_stored(conn.dialect.name), {"ids": statements.listing(conn, ids)}) if ids else ()
    return [
        Arrival(
            item_id=row.id,
            source_id=row.source_id,
            at=now,
            title=row.title,
            # An item whose feed changed waits for its visit and stays where it is meanwhile.
            text_hash=row.whole_hash if row.state in (*model.SETTLED, model.ItemState.PENDING) else None,
            headline=row.whole_hash is None and row.state != model.ItemState.PENDING,
        )
        for row in rows
    ]


@lru_cache
def _stored(dialect: str) -> Select[Any]:
    columns = (_items.c.id, _items.c.source_id, _items.c.title, _items.c.whole_hash, _items.c.state)
    return select(*columns).where(statements.listed(dialect, _items.c.id, "ids")).order_by(_items.c.id)


def foresee(conn: Connection, arrivals: Iterable[Arrival]) -> None:
    """Read ahead what they will be compared with: while others wait, nothing is left to do then but to look again."""
    around(conn, newcomers(conn, [one for one in arrivals if one.fingerprint is not None]))
