"""Where a text belongs among those that are known: which of them may be related to it, what each is to it, and which cluster it joins.

Pure. What is known is a `Neighbourhood`: whoever keeps the texts brings what may matter, and writes down what came of it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from aggregator.dedup import comparison, fingerprint
from aggregator.dedup.comparison import Relation, Subject, Verdict

# So many texts are compared with a new one, those first that share most with it.
MOST_COMPARED = 24
# So many items are remembered for one hash: more would make each question longer and no answer better.
MOST_POSTINGS = 24
# A hash that is in more clusters than this is a footer's, a template's or a quotation's, and tells nothing.
_TELLING = 8
# A hash of so few is worth a look at each of them.
_RARE = 2
# What two texts share tells too little if, of so many hashes, only such a share does.
_HITS, _TELLING_SHARE = 3, 0.34
# Of two texts of which one is in the other so many common hashes are to be expected; those that have far fewer are not compared.
_EXPECTED, _ENOUGH = 4.0, 0.2
# Whoever finds the item that covers this text so well finds this one through it.
_COVERED = 0.9
# Of the longer and of the shorter of two texts: a copy of one, nine tenths of it, may be the same as the other, though these are not.
_NEARLY = 0.48, 0.61
# A page of two articles: what it would be a copy of leaves room in it, and another article fills so many tokens and this share of it;
# a larger one where the titles say that it is the same story.
_ROOM, _FURTHER, _FURTHER_SHARE, _FURTHER_UNDER_ONE_TITLE = 0.8, 60, 0.08, 0.25
# Two articles have no more than this in common.
_OVERLAP = 0.2
# A shorter name of an outlet may stand in a credit by chance; and where there is one outlet only nobody copies another.
_NAME, _BOTH = 4, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An item of a cluster, as far as it matters for which of them is shown. `canonical` is the URL key of the address that its page gives
    for its own, `credits` is where it may name who had it first: its authors, and what was cut from its text."""

    item_id: int
    published_at: datetime
    first_seen_at: datetime
    url_key: str
    source: str = ""
    canonical: str | None = None
    credits: str = ""


def representative(members: Iterable[Member]) -> int:
    """The member that stands for its cluster: the one that most of the others give for theirs; the one whose outlet most of them credit;
    the earliest published, then the first seen, then by its key, which does not depend on the order of arrival."""
    everyone = list(members)
    told = Counter(one.canonical for one in everyone if one.canonical not in (None, one.url_key))
    credited = _credited(everyone)

    def rank(one: Member) -> tuple[int, int, datetime, datetime, str]:
        return -told[one.url_key], -credited[one.source], one.published_at, one.first_seen_at, one.url_key

    return min(everyone, key=rank).item_id


def _credited(members: Sequence[Member]) -> Counter[str]:
    """How many of them, of other outlets, name each outlet."""
    names = {one.source for one in members if len(one.source) >= _NAME}
    if len(names) < _BOTH:
        return Counter()
    named = {name: re.compile(rf"(?<!\w){re.escape(name.casefold())}(?!\w)") for name in names}
    return Counter(
        name
        for one in members
        for name, pattern in named.items()
        if name != one.source and pattern.search(one.credits.casefold())
    )


@dataclass(slots=True, kw_only=True)
class Known:
    """An item that is known. Its `cluster` is None as long as it stands alone; `subject` is None where nobody needs its text."""

    item_id: int
    tokens: int
    text_hash: str | None
    cluster: int | None = None
    subject: Subject | None = None

    @property
    def group(self) -> tuple[bool, int]:
        """Its cluster, or, for one that stands alone, itself."""
        return (True, self.cluster) if self.cluster is not None else (False, self.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An item that is to be placed."""

    item_id: int
    text_hash: str
    subject: Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What an item is to another, and how that was found out."""

    other_id: int
    verdict: Verdict
    method: str = "shingles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What came of a newcomer: the items whose clusters it `joins`, which are one from now on, the best first; those that contain it
    or that it contains; the hashes by which it is to be found; the items whose texts it was compared with; those that say the
    `same`, whether it joins them or not, and those that do so `nearly`: a copy of theirs may."""

    item_id: int
    joins: tuple[Link, ...] = ()
    parts: tuple[Link, ...] = ()
    stored: tuple[int, ...] = ()
    compared: frozenset[int] = frozenset()
    same: frozenset[int] = frozenset()
    nearly: frozenset[int] = frozenset()


@dataclass(slots=True, kw_only=True)
class Neighbourhood:
    """The items that may be related to the newcomers: by their ids, by the hashes that they have stored, and by their whole text.

    Clusters that are new have numbers below zero; `merged` are those that have become part of another, `moved` the items whose cluster
    is not the one that they came with.
    """

    known: dict[int, Known] = field(default_factory=dict)
    postings: dict[int, list[int]] = field(default_factory=dict)
    twins: dict[str, list[int]] = field(default_factory=dict)
    members: dict[int, set[int]] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)
    opened: int = 0

    def add(self, item: Known, stored: Iterable[int] = ()) -> None:
        """Make an item known that is found by these hashes."""
        self.known[item.item_id] = item
        if item.text_hash is not None:
            self.twins.setdefault(item.text_hash, []).append(item.item_id)
        if item.cluster is not None:
            self.members.setdefault(item.cluster, set()).add(item.item_id)
        for one in stored:
            self.postings.setdefault(one, []).append(item.item_id)

    def settle(self, newcomer: Newcomer, placed: Placed) -> None:
        """Make `newcomer` known where it was placed."""
        item = Known(
            item_id=newcomer.item_id,
            tokens=newcomer.subject.text.tokens,
            text_hash=newcomer.text_hash,
            subject=newcomer.subject,
        )
        self.add(item, placed.stored)
        for link in placed.joins:
            self._unite(self.known[link.other_id], item)

    def _unite(self, one: Known, other: Known) -> None:
        """Put both into one cluster: that of the first, or else of the second, or else a new one."""
        if one.cluster is None and other.cluster is None:
            self.opened -= 1
            self._move([one.item_id, other.item_id], self.opened)
        elif one.cluster is None or other.cluster is None:
            cluster = one.cluster if one.cluster is not None else other.cluster
            self._move([one.item_id, other.item_id], cluster or 0)
        elif one.cluster != other.cluster:
            # The one that is older stays: of two that are there already the lower number, and any rather than one that is new.
            into, gone = sorted((one.cluster, other.cluster), key=lambda number: (number < 0, abs(number)))
            self.merged[gone] = into
            self._move(self.members.pop(gone), into)

    def group(self, item_id: int) -> tuple[bool, int]:
        """The cluster of an item, or itself; itself, too, where nobody needed to know it."""
        known = self.known.get(item_id)
        return known.group if known is not None else (False, item_id)

    def part_of(self, cluster: int) -> int:
        """The cluster that this one belongs to by now: itself, unless it was merged."""
        while cluster in self.merged:
            cluster = self.merged[cluster]
        return cluster

    def _move(self, items: Iterable[int], cluster: int) -> None:
        for item_id in items:
            if self.known[item_id].cluster != cluster:
                self.known[item_id].cluster = cluster
                self.moved.add(item_id)
            self.members.setdefault(cluster, set()).add(item_id)


def worth_knowing(newcomer: Newcomer, around: Neighbourhood) -> set[int]:
    """The items of whose hashes `newcomer` has so many that more is to be learned of them. Those that share a single one with a text of
    some length, and that one with many others, are most of all in a large corpus and related to it never."""
    text, single, found = newcomer.subject.text, set[int](), set[int]()
    short = _is_enough(1, text.tokens, text)
    for one in _held(text, around):
        holders = around.postings[one]
        if short or len(holders) <= _RARE:
            found.update(holders)
        else:
            found.update(single.intersection(holders))
            single.update(holders)
    return found


def candidates(newcomer: Newcomer, around: Neighbourhood) -> list[int]:
    """The items that `newcomer` is to be compared with, the likeliest first, as far as they are known."""
    text = newcomer.subject.text
    hits: dict[int, int] = {}
    telling: dict[int, int] = {}
    for one in _held(text, around):
        holders = around.postings[one]
        known = [holder for holder in holders if holder in around.known]
        if not known:
            continue
        # So many items are in no more clusters.
        tells = len(holders) <= _TELLING or len({around.group(holder) for holder in holders}) <= _TELLING
        for holder in known:
            hits[holder] = hits.get(holder, 0) + 1
            telling[holder] = telling.get(holder, 0) + tells
    hits.pop(newcomer.item_id, None)
    ranked = []
    for item_id, count in hits.items():
        if count >= _HITS and telling[item_id] < _TELLING_SHARE * count:
            continue
        size = around.known[item_id].tokens
        if _is_enough(count, size, text):
            ranked.append((-count, -count / max(_expected(size, text), 1.0), item_id))
    return [item_id for _, _, item_id in sorted(ranked)[:MOST_COMPARED]]


def _held(text: fingerprint.Text, around: Neighbourhood) -> Iterable[int]:
    """The hashes of a text that anybody has stored: few of them."""
    return filter(around.postings.__contains__, text.asked)


def _expected(size: int, text: fingerprint.Text) -> float:
    return fingerprint.expected(size, min(text.tokens, size), dense=text.dense)


def _is_enough(hits: int, size: int, text: fingerprint.Text) -> bool:
    """Whether a text of so many tokens may have something to do with this one, of whose hashes it has stored so many."""
    expected = _expected(size, text)
    return expected < _EXPECTED or hits >= _ENOUGH * expected


def place(newcomer: Newcomer, around: Neighbourhood) -> Placed:
    """Where `newcomer` belongs; `around` has the texts of its candidates."""
    found = _links(newcomer, around)
    related = [link for link in found if link.verdict.relation is not Relation.DIFFERENT]
    same = sorted((link for link in related if link.verdict.relation is Relation.SAME), key=_likeness)
    joins: list[Link] = []
    parts = [link for link in related if link.verdict.relation is not Relation.SAME]
    for link in same:
        if _is_page(newcomer, link, related, around):
            held = replace(link.verdict, relation=Relation.CONTAINS, reason="a page of several articles")
            parts.append(replace(link, verdict=held))
        # A short text that is like two others does not make them one: forms are short.
        elif not joins or newcomer.subject.text.tokens >= comparison.SHORT:
            joins.append(link)
    groups = {around.known[link.other_id].group for link in joins}
    return Placed(
        item_id=newcomer.item_id,
        joins=tuple(joins),
        parts=tuple(link for link in parts if around.known[link.other_id].group not in groups),
        stored=_stored(newcomer, joins, around),
        compared=frozenset(link.other_id for link in found if link.method != "text_hash"),
        same=frozenset(link.other_id for link in same),
        nearly=frozenset(link.other_id for link in found if _is_near(link.verdict)),
    )


def _links(newcomer: Newcomer, around: Neighbourhood) -> list[Link]:
    twins = [twin for twin in around.twins.get(newcomer.text_hash, ()) if twin != newcomer.item_id]
    found = []
    if twins:
        whole = Verdict(relation=Relation.SAME, covered=1.0, covered_other=1.0)
        found.append(Link(other_id=min(twins), verdict=whole, method="text_hash"))
    for item_id in candidates(newcomer, around):
        other = around.known[item_id].subject
        if other is not None and item_id not in twins:
            found.append(Link(other_id=item_id, verdict=comparison.judge(newcomer.subject, other)))
    return found


def _is_near(verdict: Verdict) -> bool:
    shares = sorted((verdict.covered, verdict.covered_other))
    return verdict.relation is not Relation.SAME and shares[0] >= _NEARLY[0] and shares[1] >= _NEARLY[1]


def _likeness(link: Link) -> tuple[float, float, int]:
    """To sort by: what covers most comes first."""
    verdict = link.verdict
    return (-min(verdict.covered, verdict.covered_other), -max(verdict.covered, verdict.covered_other), link.other_id)


def _is_page(newcomer: Newcomer, link: Link, related: Sequence[Link], around: Neighbourhood) -> bool:
    """Whether `newcomer` is no copy of the item that `link` names, but a page that holds it and another article."""
    copied = around.known[link.other_id]
    if link.verdict.covered >= _ROOM or copied.subject is None:
        return False
    text, titled = newcomer.subject.text, comparison.alike(newcomer.subject, copied.subject)
    needed = max(_FURTHER, text.tokens * (_FURTHER_UNDER_ONE_TITLE if titled else _FURTHER_SHARE))
    taken = comparison.covering(text, copied.subject.text)
    for other in (around.known[one.other_id] for one in related if one.verdict.relation is not Relation.CONTAINED):
        if other.group == copied.group or other.subject is None:
            continue
        if _is_version(other.subject, newcomer.subject, copied.subject):
            continue
        if (comparison.covering(text, other.subject.text) & ~taken).bit_count() >= needed:
            return True
    return False


def _is_version(other: Subject, *of: Subject) -> bool:
    """Whether `other` is a version of one of these rather than another article: versions of one story cover other parts of a third."""
    overlap = comparison.share(other.text, of[-1].text)
    return overlap >= _OVERLAP or any(comparison.alike(other, one) for one in of)


def _stored(newcomer: Newcomer, joins: Sequence[Link], around: Neighbourhood) -> tuple[int, ...]:
    """The hashes by which `newcomer` is to be found, unless it is through the item whose cluster it joins."""
    text = newcomer.subject.text
    if joins:
        best = joins[0]
        through = min(best.verdict.covered, best.verdict.covered_other) >= _COVERED
        if best.method == "text_hash" or (through and text.tokens >= comparison.SHORT):
            return ()
    return tuple(one for one in text.stored if len(around.postings.get(one, ())) < MOST_POSTINGS)


def doubtful(newcomer: Newcomer, placed: Placed, around: Neighbourhood) -> tuple[int, ...]:
    """The items of clusters that turn out to hold `newcomer` as well: they are to be placed again, for they may be pages of several
    articles, which are merged with none."""
    text = newcomer.subject.text
    found = []
    for link in placed.parts:
        page = around.known[link.other_id]
        if link.verdict.relation is not Relation.CONTAINED or page.cluster is None or page.subject is None:
            continue
        large = text.tokens >= max(_FURTHER, _FURTHER_SHARE * page.tokens)
        if large and not comparison.alike(newcomer.subject, page.subject):
            found.append(page.item_id)
    return tuple(found)


def headline(title: Sequence[str]) -> int | None:
    """The hash by which items are found that have the same words in their titles; None for a title of too few to tell."""
    words = sorted(set(title))
    return fingerprint.hashed("headline", *words) if len(words) >= _HEADLINE else None


# "Photo of the day", "News in brief" and the like name no story.
_HEADLINE = 5
