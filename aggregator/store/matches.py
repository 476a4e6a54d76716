"""Which items say the same, and which contain others: clusters, their members, and the pairs that say why. Never deletes or hides an
item.

Everything that changes a cluster goes through `place`, in its writer's transaction and as the last thing in it: writers wait for each
other here, so whoever comes second sees what the first has stored, and two copies that arrive at the same instant meet.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, bindparam, delete, func, insert, or_, select, update

from aggregator import errors
from aggregator.dedup import fingerprint, placement
from aggregator.dedup.comparison import Relation
from aggregator.dedup.placement import Link, Neighbourhood, Newcomer, Placed
from aggregator.feed import identity
from aggregator.store import changes, neighbours, statements, tables
from aggregator.store.neighbours import Arrival

_items, _clusters, _matches, _fingerprints = tables.items, tables.clusters, tables.matches, tables.fingerprints

# Any number: it tells this lock from others. Whoever has it waits for nobody, so it is never part of a circle.
_LOCK_KEY = 0x636C757374657273
# A page that holds a text is linked with so many of its copies, and a headline with so many items that have it.
_MOST_LINKED = 100

# The members of a cluster are placed again when one of them leaves or changes, for it may have held them together. Those of larger ones
# stay, and one of them is to be found in its place.
_SMALL = 50
# One that comes late has no more items than about this placed again: all other writers wait for it.
_MOST_AGAIN = 200
# So much of what was cut from a text is looked through.
_CREDITS = 1_000

# Built once: to put a statement together takes longer than to run it.
_LOCK = select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger)))
_TO = {name: bindparam(f"to_{name}", type_=_items.c[name].type) for name in ("cluster_id", "tokens", "algo")}
_SETTLE = update(_items).where(_items.c.id == bindparam("of")).values(_TO)
_MOVE = update(_items).where(_items.c.id == bindparam("of")).values(cluster_id=_TO["cluster_id"])
_SHOW = update(_clusters).where(_clusters.c.id == bindparam("of")).values(item_id=bindparam("shown"))

# Who deletes an item by hand leaves its cluster another one to show, or none, for nothing is in a cluster of one. The rest of what `withdraw`
# does is left to `recluster`.
_ITS = "FROM items i WHERE i.cluster_id = OLD.cluster_id"
_SHOWN = (
    f"UPDATE items SET cluster_id = NULL WHERE cluster_id = OLD.cluster_id AND (SELECT count(*) {_ITS}) = 1; "
    f"DELETE FROM clusters WHERE id = OLD.cluster_id AND NOT EXISTS (SELECT 1 {_ITS}); "
    f"UPDATE clusters SET item_id = (SELECT i.id {_ITS} ORDER BY i.published_at, i.first_seen_at, i.url_key LIMIT 1) "
    "WHERE id = OLD.cluster_id AND item_id = OLD.id"
)
SHOWING: Mapping[str, tuple[str, ...]] = {
    "sqlite": (
        f"CREATE TRIGGER items_shown AFTER DELETE ON items WHEN OLD.cluster_id IS NOT NULL BEGIN {_SHOWN}; END",
    ),
    "postgresql": (
        f"CREATE FUNCTION items_shown() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_SHOWN}; RETURN NULL; END $$",
        "CREATE TRIGGER items_shown AFTER DELETE ON items FOR EACH ROW WHEN (OLD.cluster_id IS NOT NULL) "
        "EXECUTE FUNCTION items_shown()",
    ),
}


@dataclass(kw_only=True)
class _Round:
    """What is placed together: the `arrivals` by their ids, the clusters in which they and the others `were` before, what is `around`
    them, and what came of each."""

    arrivals: Mapping[int, Arrival]
    were: dict[int, int | None]
    titles: Mapping[int, int] = field(default_factory=dict)
    around: Neighbourhood = field(default_factory=Neighbourhood)
    newcomers: Sequence[Newcomer] = ()
    placed: list[Placed] = field(default_factory=list)
    doubtful: set[int] = field(default_factory=set)
    numbers: dict[int, int] = field(default_factory=dict)

    def is_bare(self, item_id: int) -> bool:
        """Whether an item has no text."""
        if item_id in self.arrivals:
            return self.arrivals[item_id].text_hash is None
        return self.around.known[item_id].tokens == 0

    def cluster(self, item_id: int) -> int | None:
        """The number of the cluster of an item that is known by now."""
        known = self.around.known.get(item_id)
        if known is None or known.cluster is None:
            return None
        return self.numbers.get(known.cluster, known.cluster)


def place(conn: Connection, arrivals: Iterable[Arrival], *, anew: Collection[int] = ()) -> dict[int, int | None]:
    """Find the place of items that were just written, in this transaction; returns their clusters. What stands where it was placed by
    the present rules stays, unless it is to be placed `anew`.

    Correct with any number of writers. Raises ConflictError where another one is at work on an item that is to be moved: its
    transaction has to be begun again.
    """
    given = {one.item_id: one for one in arrivals}
    rows = _rows(conn, given)
    clusters = {item_id: row.cluster_id for item_id, row in rows.items()}
    moving = {key: one for key, one in given.items() if _is_moved(one, rows[key], anew)}
    if moving:
        if conn.dialect.name == "postgresql":
            conn.execute(_LOCK, {"key": _LOCK_KEY})
        doubtful = _place(conn, moving, late=True)
        if doubtful:
            _place(conn, _again(conn, doubtful, max(one.at for one in moving.values())), late=False)
        clusters = {key: row.cluster_id for key, row in _rows(conn, given).items()}
    return clusters


def expect(conn: Connection, item_ids: Collection[int]) -> None:
    """Before these items are written: wait for whoever is at work on them or on the others of their clusters, in the order of the ids, so
    that writers that need each other's items do not begin again and again."""
    if conn.dialect.name == "sqlite" or not item_ids:
        return
    clusters = {row.cluster_id for row in _rows(conn, item_ids).values() if row.cluster_id is not None}
    if clusters:
        wanted = sorted({*item_ids, *_mates(_inside(conn, clusters), item_ids)[0]})
        held = select(_items.c.id).where(statements.among(conn, _items.c.id, wanted)).order_by(_items.c.id)
        conn.execute(held.with_for_update(key_share=True))


def _mates(inside: Mapping[int, int], but: Collection[int]) -> tuple[dict[int, int], list[int]]:
    """The others of these clusters with their clusters; and, of each that is too large, one."""
    left: dict[int, list[int]] = {}
    for key, cluster in inside.items():
        if key not in but:
            left.setdefault(cluster, []).append(key)
    mates = {key: cluster for cluster, keys in left.items() if len(keys) <= _SMALL for key in keys}
    return mates, [keys[0] for keys in left.values() if len(keys) > _SMALL]


def withdraw(conn: Connection, item_ids: Collection[int], now: datetime) -> None:
    """Take items out of their clusters and all that relates them to others, before they are deleted, say. Raises ConflictError."""
    place(
        conn, [Arrival(item_id=one, source_id=0, at=now, title="", text_hash=None) for one in item_ids], anew=item_ids
    )


def _rows(conn: Connection, ids: Collection[int]) -> dict[int, Any]:
    return {row.id: row for row in conn.execute(_placed(conn.dialect.name), {"ids": statements.listing(conn, ids)})}


@lru_cache
def _placed(dialect: str) -> Select[Any]:
    columns = (_items.c.id, _items.c.cluster_id, _items.c.algo)
    return select(*columns).where(statements.listed(dialect, _items.c.id, "ids"))


def _is_moved(arrival: Arrival, row: Any, anew: Collection[int]) -> bool:
    wanted = arrival.text_hash is not None or arrival.headline
    there = row.cluster_id is not None or row.algo is not None
    if not wanted:
        return there
    return row.algo != fingerprint.ALGO or arrival.item_id in anew


# ------------------------------------------------------------------------------------------------------------ placing


def _place(conn: Connection, moving: Mapping[int, Arrival], *, late: bool) -> set[int]:
    """Place these items and the others of their clusters, which they might have held together; returns whose place is in doubt since.

    They may be `late`: what says the same and has a higher id is placed again after them, for the outcome to be that of the order of the
    ids, whichever writer came first.
    """
    now = max(one.at for one in moving.values())
    this, bearers = _tried(conn, moving, now)
    while late and len(moving) < _MOST_AGAIN and (after := _after(conn, this)):
        moving = {**moving, **_again(conn, after, now)}
        this, bearers = _tried(conn, moving, now)
    _leave(conn, this)
    _write(conn, this, now)
    _keep_found(conn, bearers)
    return this.doubtful


def _after(conn: Connection, this: _Round) -> set[int]:
    """The items that were there before, have a higher id than one of these and say the same, or may: they are in a cluster of which it
    knows one that does, at least nearly, and did not join. Those of large clusters stay where they are."""
    close = [(one.item_id, other) for one in this.placed for other in one.same | one.nearly]
    clusters = {other: cluster for _, other in close if (cluster := this.were.get(other)) is not None}
    mates, _ = _mates(_inside(conn, {*clusters.values()}), this.arrivals)
    found = {other for one in this.placed for other in one.same if other > one.item_id}
    lowest: dict[int, int] = {}
    for item_id, other in close:
        if other in clusters and this.around.group(other) != this.around.group(item_id):
            lowest[clusters[other]] = min(item_id, lowest.get(clusters[other], item_id))
    found.update(mate for mate, cluster in mates.items() if mate > lowest.get(cluster, mate))
    return {one for one in found.difference(this.arrivals) if one in mates or one not in clusters}


def _again(conn: Connection, ids: Collection[int], now: datetime) -> dict[int, Arrival]:
    """Items that were there before, to be placed again. Raises ConflictError."""
    _hold(conn, ids)
    return {one.item_id: one for one in neighbours.stored(conn, ids, now)}


def _tried(conn: Connection, moving: Mapping[int, Arrival], now: datetime) -> tuple[_Round, list[int]]:
    """What comes of these items and the others of their clusters; of those that are too large one item each, which is to be found from now
    on. Writes nothing."""
    were: dict[int, int | None] = {key: row.cluster_id for key, row in _rows(conn, moving).items()}
    inside = _inside(conn, {cluster for cluster in were.values() if cluster is not None})
    mates, bearers = _mates(inside, moving)
    together = {**moving, **_again(conn, mates, now)}
    this = _Round(arrivals=dict(sorted(together.items())), were={**were, **mates})
    this.titles = {
        key: hashed
        for key, one in this.arrivals.items()
        if (one.text_hash is not None or one.headline) and (hashed := neighbours.headline(one.title)) is not None
    }
    this.newcomers = neighbours.newcomers(conn, this.arrivals.values())
    this.around = neighbours.around(conn, this.newcomers, this.titles.values(), without=this.arrivals.keys())
    this.were |= {key: known.cluster for key, known in this.around.known.items()}
    for one in this.newcomers:
        placed = placement.place(one, this.around)
        this.around.settle(one, placed)
        this.placed.append(placed)
        this.doubtful.update(placement.doubtful(one, placed, this.around))
    return this, bearers


def _keep_found(conn: Connection, ids: Sequence[int]) -> None:
    """Store the hashes of these items, in place of others of their clusters."""
    texts = neighbours.texts(conn, ids)
    rows = [{"hash": one, "item_id": item_id} for item_id in ids for one in texts[item_id].stored]
    if rows:
        statements.add(conn, _fingerprints, rows, anew=True)


def _leave(conn: Connection, this: _Round) -> None:
    """Forget what relates these items to others and how they are found, if they were placed before."""
    rows = _rows(conn, this.arrivals)
    before = [key for key, row in rows.items() if row.algo is not None or row.cluster_id is not None]
    if before:
        theirs = or_(
            statements.among(conn, _matches.c.item_id, before), statements.among(conn, _matches.c.other_id, before)
        )
        conn.execute(delete(_matches).where(theirs))
        conn.execute(delete(_fingerprints).where(statements.among(conn, _fingerprints.c.item_id, before)))


def _hold(conn: Connection, ids: Collection[int]) -> None:
    """Keep other writers away from these items. Never waits, for whoever has them may be waiting for us."""
    if not ids or conn.dialect.name == "sqlite":
        return
    wanted = select(_items.c.id).where(statements.among(conn, _items.c.id, sorted(ids))).order_by(_items.c.id)
    held = conn.execute(wanted.with_for_update(key_share=True, skip_locked=True)).all()
    if len(held) < len(ids):
        raise errors.ConflictError("another writer is at work on an item of the same cluster")


def _inside(conn: Connection, clusters: Collection[int]) -> dict[int, int]:
    """The items of these clusters, each with its cluster."""
    if not clusters:
        return {}
    theirs = statements.among(conn, _items.c.cluster_id, sorted(clusters))
    rows = conn.execute(select(_items.c.id, _items.c.cluster_id).where(theirs).order_by(_items.c.id))
    return {row.id: row.cluster_id for row in rows}


def _members(conn: Connection, clusters: Collection[int]) -> dict[int, tuple[int, placement.Member]]:
    """The same with what decides which of them is shown."""
    if not clusters:
        return {}
    same = [_items.c[name] for name in ("published_at", "first_seen_at", "url_key")]
    # Who had it first is told at the beginning of what was cut, or among the authors.
    apart = func.substr(_items.c.boilerplate, 1, _CREDITS).label("apart")
    columns = (
        _items.c.id,
        _items.c.cluster_id,
        *same,
        _items.c.canonical_url,
        _items.c.authors,
        apart,
        tables.sources.c.name,
    )
    theirs = statements.among(conn, _items.c.cluster_id, sorted(clusters))
    return {
        row.id: (
            row.cluster_id,
            placement.Member(
                item_id=row.id,
                published_at=row.published_at,
                first_seen_at=row.first_seen_at,
                url_key=row.url_key,
                source=row.name,
                canonical=identity.url_key(row.canonical_url) if row.canonical_url else None,
                credits="\n".join([*row.authors, row.apart or ""]),
            ),
        )
        for row in conn.execute(select(*columns).join_from(_items, tables.sources).where(theirs).order_by(_items.c.id))
    }


# ------------------------------------------------------------------------------------------------------------ writing


def _write(conn: Connection, this: _Round, now: datetime) -> None:
    moved = _moved(conn, this)
    _hold(conn, moved)
    _number(conn, this, now)
    clusters = {item_id: this.cluster(item_id) for item_id in this.arrivals}
    others = {item_id: this.numbers.get(cluster, cluster) for item_id, cluster in moved.items()}
    _settle(conn, this, clusters)
    if others:
        conn.execute(_MOVE, [{"of": key, "to_cluster_id": cluster} for key, cluster in sorted(others.items())])
    now_in = clusters | others
    told = [key for key, cluster in now_in.items() if cluster not in (None, this.were.get(key))]
    changes.tell(conn, "cluster", sorted(told), now)
    _index(conn, this)
    touched = {cluster for key in now_in for cluster in (now_in[key], this.were.get(key)) if cluster is not None}
    linked = {number for one in this.placed for link in one.parts if (number := this.cluster(link.other_id))}
    members = _members(conn, touched | linked)
    _relate(conn, this, members)
    _choose(conn, touched, members)


def _moved(conn: Connection, this: _Round) -> dict[int, int]:
    """The clusters of the items that were there before and are in another now: of those that stood alone until they were joined, and of
    the members of clusters that are part of another now."""
    merged = _inside(conn, {cluster for cluster in this.around.merged if cluster > 0})
    this.were |= merged
    found = {key: this.around.part_of(cluster) for key, cluster in merged.items()}
    known = {key: this.around.known[key].cluster for key in this.around.moved}
    found |= {key: cluster for key, cluster in known.items() if cluster is not None}
    return {key: cluster for key, cluster in found.items() if key not in this.arrivals}


def _settle(conn: Connection, this: _Round, clusters: Mapping[int, int | None]) -> None:
    tokens = {one.item_id: one.subject.text.tokens for one in this.newcomers}
    rows = [
        {
            "of": key,
            "to_cluster_id": clusters[key],
            "to_tokens": tokens.get(key, 0 if one.headline else None),
            "to_algo": fingerprint.ALGO if one.text_hash is not None or one.headline else None,
        }
        for key, one in this.arrivals.items()
    ]
    conn.execute(_SETTLE, rows)


def _number(conn: Connection, this: _Round, now: datetime) -> None:
    """Numbers for the clusters that are new: one that its members had before, where nobody else has it now."""
    taken = {known.cluster for known in this.around.known.values() if known.cluster is not None and known.cluster > 0}
    unnumbered = []
    for cluster, members in sorted(this.around.members.items(), reverse=True):
        if cluster > 0:
            continue
        had = Counter(number for item_id in members if (number := this.were.get(item_id)) is not None)
        free = sorted((-count, number) for number, count in had.items() if number not in taken)
        if free:
            this.numbers[cluster] = free[0][1]
            taken.add(free[0][1])
        else:
            unnumbered.append((cluster, min(members)))
    if unnumbered:
        rows = [{"item_id": item_id, "created_at": now} for _, item_id in unnumbered]
        made = conn.execute(insert(_clusters).returning(_clusters.c.id, sort_by_parameter_order=True), rows)
        this.numbers |= {cluster: number for (cluster, _), number in zip(unnumbered, made.scalars(), strict=True)}


def _index(conn: Connection, this: _Round) -> None:
    """By what they are found from now on: parts of their texts, and their titles."""
    rows = [{"hash": one, "item_id": placed.item_id} for placed in this.placed for one in placed.stored]
    room = {
        hashed: placement.MOST_POSTINGS - len(this.around.postings.get(hashed, ())) for hashed in this.titles.values()
    }
    for item_id, hashed in this.titles.items():
        if room[hashed] > 0:
            rows.append({"hash": hashed, "item_id": item_id})
            room[hashed] -= 1
    if rows:
        statements.add(conn, _fingerprints, rows, anew=True)


def _relate(conn: Connection, this: _Round, members: Mapping[int, tuple[int, placement.Member]]) -> None:
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    copies: dict[int, list[int]] = {}
    for item_id, (cluster, _) in members.items():
        copies.setdefault(cluster, []).append(item_id)
    # Those that are the same first: one may have been found to be a part before a third showed that it is not.
    for placed in this.placed:
        for link in placed.joins:
            _add(rows, _same(placed.item_id, link, this.arrivals[placed.item_id].at))
    for placed in this.placed:
        at, own = this.arrivals[placed.item_id].at, this.cluster(placed.item_id)
        for link in placed.parts:
            _add(rows, _part(placed.item_id, link, at))
            # Who copied what a page holds is on that page as well.
            number = this.cluster(link.other_id)
            if number == own:
                continue
            others = [key for key in copies.get(number or 0, ()) if key not in placed.compared]
            for other_id in others[:_MOST_LINKED]:
                mate = Link(other_id=other_id, verdict=link.verdict, method="cluster")
                _add(rows, _part(placed.item_id, mate, at))
    for row in _headlines(this):
        _add(rows, row)
    if rows:
        statements.add(conn, _matches, [rows[key] for key in sorted(rows)], anew=True)


def _add(rows: dict[tuple[int, int], dict[str, Any]], row: dict[str, Any]) -> None:
    rows.setdefault((row["item_id"], row["other_id"]), row)


def _same(item_id: int, link: Link, at: datetime) -> dict[str, Any]:
    verdict = link.verdict
    relation = "exact" if link.method == "text_hash" else "near"
    score = min(verdict.covered, verdict.covered_other)
    return _match(item_id, link.other_id, (relation, link.method, score), (verdict.covered, verdict.covered_other), at)


def _part(item_id: int, link: Link, at: datetime) -> dict[str, Any]:
    """The item that contains the other comes first, whichever of them is the newcomer."""
    whole, part = (item_id, link.other_id), (link.verdict.covered, link.verdict.covered_other)
    if link.verdict.relation is Relation.CONTAINED:
        whole, part = whole[::-1], part[::-1]
    return _match(*whole, ("contains", link.method, part[1]), part, at)


def _headlines(this: _Round) -> Iterable[dict[str, Any]]:
    """Items without a text and those that have the same words in their titles, whether they have a text or not."""
    holders = {hashed: list(this.around.postings.get(hashed, ())) for hashed in this.titles.values()}
    for item_id, hashed in this.titles.items():
        bare = this.arrivals[item_id].text_hash is None
        for other_id in holders[hashed][:_MOST_LINKED]:
            if bare or this.is_bare(other_id):
                yield _match(item_id, other_id, ("headline", "title", 1.0), (0.0, 0.0), this.arrivals[item_id].at)
        holders[hashed].append(item_id)


def _match(
    item_id: int, other_id: int, found: tuple[str, str, float], covered: tuple[float, float], at: datetime
) -> dict[str, Any]:
    relation, method, score = found
    return {
        "item_id": item_id,
        "other_id": other_id,
        "relation": relation,
        "score": round(score, 4),
        "coverage": round(covered[0], 4),
        "other_coverage": round(covered[1], 4),
        "method": method,
        "version": fingerprint.ALGO,
        "at": at,
    }


def _choose(conn: Connection, clusters: Collection[int], members: Mapping[int, tuple[int, placement.Member]]) -> None:
    """Name the member that each of these clusters shows; those without members are gone."""
    theirs: dict[int, list[placement.Member]] = {}
    for cluster, member in members.values():
        theirs.setdefault(cluster, []).append(member)
    gone = [number for number in clusters if number not in theirs]
    if gone:
        conn.execute(delete(_clusters).where(statements.among(conn, _clusters.c.id, gone)))
    shown = [
        {"of": number, "shown": placement.representative(theirs[number])}
        for number in sorted(clusters)
        if number in theirs
    ]
    if shown:
        conn.execute(_SHOW, shown)


# --------------------------------------------------------------------------------------------------------- forgetting


def forget(conn: Connection, before: datetime, *, limit: int) -> int:
    """Drop the fingerprints of up to `limit` items that were first seen before then; returns of how many. Items are numbered as they come,
    so the oldest are looked at alone."""
    lowest = select(_fingerprints.c.item_id).distinct().order_by(_fingerprints.c.item_id).limit(limit).subquery()
    old = select(_items.c.id).join(lowest, lowest.c.item_id == _items.c.id).where(_items.c.first_seen_at < before)
    ids = list(conn.execute(old).scalars())
    if ids:
        conn.execute(delete(_fingerprints).where(statements.among(conn, _fingerprints.c.item_id, ids)))
    return len(ids)
