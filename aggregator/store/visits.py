"""Items on their way to a full text: who is due for a visit, and writing what the visit brought."""

import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    Update,
    bindparam,
    func,
    not_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.types import NullType

from aggregator import errors, model
from aggregator.feed import identity
from aggregator.store import (
    boilerplate,
    changes,
    matches,
    neighbours,
    pages,
    revisions,
    statements,
    tables,
    tags,
    walls,
)

_items = tables.items

# Of the due items only so many are looked at for a claim, so that a long backlog does not make every claim slow: a window at a time,
# each without the hosts that filled the one before.
_WINDOW, _WINDOWS = 500, 4


# ------------------------------------------------------------------------------------------------------ claiming


def claim_due(
    conn: Connection,
    *,
    now: datetime,
    limit: int,
    owner: str,
    lease: timedelta,
    busy: Collection[str] = (),
    per_host: int = 2,
    pageless: Collection[str] = (),
) -> tuple[model.Item, ...]:
    """Take up to `limit` due items for `owner`: at most `per_host` of one host, and none of the `busy` hosts, so that one slow
    site never takes all seats. The items of the sources `pageless` need no page, and so no host."""
    own = _pageless(conn, now, limit, pageless) if pageless else []
    asked: list[Any] = []
    crowded = set(busy)
    for _ in range(_WINDOWS):
        if len(asked) >= limit:
            break
        shown = _window(conn, now, crowded, pageless)
        asked += _fair(shown, limit - len(asked), per_host, crowded)
        if len(shown) < _WINDOW:
            break
    ids = _in_turn(own, asked, limit)
    ids = list(conn.execute(_FREE, {"ids": ids, "now": now}).scalars()) if ids else []
    if not ids:
        return ()
    conn.execute(_TAKE, {"ids": ids, "owner": owner, "until": now + lease})
    return claimed(conn, ids)


# Built once, as below: to put these together takes longer than to run them.
_now = bindparam("now", type_=_items.c.next_visit_at.type)
_those = _items.c.id.in_(bindparam("ids", expanding=True))
_FREE = select(_items.c.id).where(_those, tables.unclaimed(_items, _now)).with_for_update(skip_locked=True)
_TAKE = (
    update(_items)
    .where(_those)
    .values(lease_owner=bindparam("owner"), lease_until=bindparam("until", type_=_items.c.lease_until.type))
)


def _pageless(conn: Connection, now: datetime, limit: int, names: Collection[str]) -> Sequence[Any]:
    given = {"now": now, "names": statements.listing(conn, names), "limit": limit}
    return conn.execute(_looking(conn.dialect.name, pageless=True), given).all()


def _in_turn(one: Sequence[Any], other: Sequence[Any], limit: int) -> list[int]:
    """Of either kind one after the other, beginning with the one that is due the longest: ten thousand entries of one document do not keep
    pages waiting, nor pages the entries."""
    first, second = (
        (other, one) if other and (not one or other[0].next_visit_at < one[0].next_visit_at) else (one, other)
    )
    both = itertools.chain.from_iterable(itertools.zip_longest(first, second))
    return [row.id for row in both if row is not None][:limit]


def _window(conn: Connection, now: datetime, crowded: Collection[str], pageless: Collection[str]) -> Sequence[Any]:
    """The longest due of the hosts that are not crowded."""
    given = {"now": now, "limit": _WINDOW}
    if crowded:
        given["hosts"] = statements.listing(conn, crowded)
    if pageless:
        given["names"] = statements.listing(conn, pageless)
    seen = _looking(conn.dialect.name, crowded=bool(crowded), pageless=False if pageless else None)
    return conn.execute(seen, given).all()


@lru_cache
def _looking(dialect: str, *, pageless: bool | None, crowded: bool = False) -> Select[Any]:
    """Those that are due, the longest first: of all sources, of those without pages, or of the others; none of crowded hosts."""
    # They are only compared: to read 500 of them takes as long as to find them.
    at = type_coerce(_items.c.next_visit_at, NullType()).label("next_visit_at")
    due = select(_items.c.id, _items.c.host, at).where(_items.c.next_visit_at <= _now, tables.unclaimed(_items, _now))
    if crowded:
        due = due.where(not_(statements.listed(dialect, _items.c.host, "hosts")))
    if pageless is not None:
        named = select(tables.sources.c.id).where(statements.listed(dialect, tables.sources.c.name, "names"))
        due = due.where(_items.c.source_id.in_(named) if pageless else _items.c.source_id.not_in(named))
    return due.order_by(_items.c.next_visit_at, _items.c.id).limit(bindparam("limit"))


def _fair(shown: Sequence[Any], limit: int, per_host: int, crowded: set[str]) -> list[Any]:
    """One of each host, then the second of each, up to `per_host` and `limit`; the hosts that have had theirs are `crowded` from now on."""
    turns: list[list[Any]] = [[] for _ in range(per_host)]
    taken: Counter[str] = Counter()
    free: list[Any] = []
    for row in shown:
        if row.host == "":
            free.append(row)
        elif taken[row.host] < per_host:
            turns[taken[row.host]].append(row)
            taken[row.host] += 1
    crowded.update(host for host, count in taken.items() if count == per_host)
    return [*itertools.chain.from_iterable(turns), *free][:limit]


def claimed(conn: Connection, ids: Sequence[int]) -> tuple[model.Item, ...]:
    """These items, as they are handed to whoever has claimed them."""
    found = rows(conn, ids)
    # After its feed changed an item its text and tags are made anew, so its page is asked for without conditions.
    read = [row for row in found if row["state"] in model.SETTLED]
    latest = pages.validators(conn, [row["id"] for row in read if row["visited_at"] is not None])
    standing = changes.standing(conn, [row["id"] for row in read])
    learned = boilerplate.learned(conn, {row["source_id"] for row in found})
    return tuple(item(row, learned, latest.get(row["id"]), standing.get(row["id"])) for row in found)


def rows(conn: Connection, ids: Sequence[int]) -> Sequence[RowMapping]:
    """These items, by their ids, each with the name of its source."""
    return conn.execute(_ROWS, {"ids": list(ids)}).mappings().all()


_ROWS = (
    select(_items, tables.sources.c.name.label("source"))
    .join_from(_items, tables.sources)
    .where(_those)
    .order_by(_items.c.id)
)


def item(
    row: RowMapping,
    learned: Mapping[int, frozenset[int]],
    validators: model.Validators | None = None,
    became: changes.Standing | None = None,
) -> model.Item:
    """A row of items with the name of its source."""
    became = became or changes.Standing()
    same = (
        "id url title source_id source state state_reason first_seen_at visited_at lease_owner summary content language image "
        "published_at date_source attempts text text_hash whole_hash extractor cluster_id boilerplate html page_title"
    ).split()
    return model.Item(
        **{key: row[key] for key in same},
        authors=tuple(row["authors"]),
        categories=tuple(row["categories"]),
        learned=learned.get(row["source_id"], frozenset()),
        # Without ETag and date they are false, and still tell where the last copy came from.
        validators=validators if validators is not None else model.Validators(),
        fate=became.fate,
        moved_to=became.moved_to,
        shares_address=bool(row["url"]) and identity.lacks_page(row["url_key"], row["url"]),
    )


# ------------------------------------------------------------------------------------------------------- settling


def foresee(conn: Connection, made: Sequence[model.Visit]) -> None:
    """Read ahead what `settle_all` will look at, before it keeps others waiting."""
    neighbours.foresee(conn, [one for visit in made if (one := arrival(visit, alone=False)) is not None])


def new_words(conn: Connection, made: Sequence[model.Visit]) -> list[model.Tag]:
    """The tags of these visits that are not part of the vocabulary."""
    return tags.unknown(conn, [tag for visit in made if visit.draft is not None for tag in visit.draft.tags])


def settle(conn: Connection, visit: model.Visit) -> model.HarvestReport:
    """`settle_all` for one."""
    return settle_all(conn, [visit])[0]


def settle_all(conn: Connection, made: Sequence[model.Visit]) -> list[model.HarvestReport]:
    """Write what these visits came to, of any number of writers at a time: the texts with their revisions, clusters and tags, the
    pages, the next visits, the end of the leases.

    Raises ConflictError, code `superseded`, if an item is no longer this visit's: its lease ran out, or its feed changed it
    meanwhile and wants it visited anew.
    """
    if not made:
        return []
    drafts = [(visit, visit.draft) for visit in made if visit.draft is not None]
    matches.expect(conn, [visit.item.id for visit, _ in drafts])
    tags.know(conn, [tag for _, draft in drafts for tag in draft.tags], made[0].at)
    told: dict[int, model.HarvestReport] = {}
    arrivals: list[neighbours.Arrival] = []
    anew: set[int] = set()
    for visit, report, judged in write(conn, made):
        told[report.item_id] = report
        if (placing := arrival(visit, alone=judged.alone)) is not None:
            arrivals.append(placing)
            if placing.text_hash != visit.item.whole_hash:
                anew.add(placing.item_id)
    tags.write(conn, {visit.item.id: draft.tags for visit, draft in sorted(drafts, key=lambda one: one[0].item.id)})
    # What only one writer at a time may do comes last, for he keeps others from it until the commit.
    boilerplate.take_turns(conn, {visit.item.source_id for visit, _ in drafts})
    _learn(conn, [boilerplate.Lesson(visit.item, draft, visit.at) for visit, draft in drafts])
    clusters = matches.place(conn, arrivals, anew=anew)
    reports = (told[visit.item.id] for visit in made)
    return [replace(report, cluster_id=clusters.get(report.item_id, report.cluster_id)) for report in reports]


def arrival(visit: model.Visit, *, alone: bool) -> neighbours.Arrival | None:
    """What may have to be placed after a visit; None where it brought nothing that could be. Where the text is left `alone` the stored
    one counts."""
    item, draft = visit.item, visit.draft
    settled = visit.state in model.SETTLED
    brought = draft is not None and draft.word_count > 0
    bare = not settled and visit.state != model.ItemState.PENDING and not brought and not item.text
    if draft is None and not bare:
        return None
    whole_hash = None if draft is None or not settled else item.whole_hash if alone else _whole_hash(draft)
    return neighbours.Arrival(
        item_id=item.id,
        source_id=item.source_id,
        at=visit.at,
        title=item.title or (draft.title if draft else None) or "",
        text_hash=whole_hash,
        fingerprint=draft.fingerprint if draft is not None and not alone else None,
        headline=bare,
    )


def _learn(conn: Connection, lessons: Sequence[boilerplate.Lesson]) -> None:
    """What these texts teach. What one of them writes, those with a higher id see; those that write of different sources see nothing of each
    other, and are taken together."""
    lessons = sorted(lessons, key=lambda one: one.item.id)
    alike = walls.alike(conn, lessons)
    rounds: list[list[boilerplate.Lesson]] = []
    rounds_of: dict[int, int] = {}
    for one in lessons:
        written = {one.item.source_id, *(source_id for _, source_id, _ in alike.get(one.item.id, ()))}
        number = max(rounds_of.get(source_id, 0) for source_id in written)
        rounds_of |= dict.fromkeys(written, number + 1)
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(one)
    for together in rounds:
        boilerplate.learn(conn, together)
        walls.learn(conn, together, alike)


def write(
    conn: Connection, made: Sequence[model.Visit]
) -> list[tuple[model.Visit, model.HarvestReport, revisions.Judged]]:
    """Write what these visits came to, but for their tags, what their texts teach and their places among others, which come last; returns
    them by their ids. Raises ConflictError as `settle_all` does."""
    held = _held(conn, [visit.item.id for visit in made])
    came = []
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    told: list[tuple[str, int, datetime, str | None]] = []
    for visit in sorted(made, key=lambda visit: visit.item.id):
        item = visit.item
        holder = held.pop(item.id, None)
        if holder is None or holder.lease_owner != item.lease_owner:
            raise errors.ConflictError(f"item {item.id} changed while it was visited", code="superseded")
        values, judged = _judged(conn, visit)
        rows.setdefault(tuple(values), []).append({"of": item.id, **{f"to_{key}": values[key] for key in values}})
        if judged.told is not None:
            told.append((judged.told, item.id, visit.at, None))
        if visit.fate is not None:
            told.append((visit.fate.kind, item.id, visit.at, visit.fate.detail))
        came.append((visit, _report(visit, values["state_reason"], judged, holder.cluster_id), judged))
    for keys, theirs in rows.items():
        conn.execute(_settling(keys), theirs)
    changes.tell_all(conn, told)
    pages.keep_all(conn, {visit.item.id: visit.page for visit, _, _ in came if visit.page is not None})
    return came


def _held(conn: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """These items' rows, which are ours until the commit."""
    return {row.id: row for row in conn.execute(_holding(conn.dialect.name), {"ids": statements.listing(conn, ids)})}


def _judged(conn: Connection, visit: model.Visit) -> tuple[dict[str, Any], revisions.Judged]:
    """What a visit sets of its item, and what its text is."""
    item, draft = visit.item, visit.draft
    values: dict[str, Any] = {
        "state": visit.state,
        "state_reason": visit.reason,
        "lease_owner": None,
        "lease_until": None,
    }
    if not visit.reread:
        planned = visit.due.at if visit.due else None
        values |= {"attempts": visit.attempts, "next_visit_at": planned, "visited_at": visit.at}
    judged = revisions.Judged()
    if draft is not None:
        judged = revisions.of_visit(conn, visit, draft)
        values |= _texts(visit, draft, text=not judged.alone) | {"canonical_url": visit.canonical}
        values["state_reason"] = visit.reason or judged.said
        if judged.title is not None:
            values["title"] = judged.title
    if visit.state != item.state or judged.revised or visit.fate is not None:
        values["changed_at"] = visit.at
    return values, judged


def _report(
    visit: model.Visit, reason: str | None, judged: revisions.Judged, cluster_id: int | None
) -> model.HarvestReport:
    return model.HarvestReport(
        item_id=visit.item.id,
        url=visit.item.url,
        source=visit.item.source,
        at=visit.at,
        state=visit.state,
        reason=reason,
        words=visit.draft.word_count if visit.draft else 0,
        attempts=visit.attempts,
        due=visit.due,
        revised=judged.revised,
        cluster_id=cluster_id,
    )


# Built once: to put a statement together takes longer than to run it.
@lru_cache
def _holding(dialect: str) -> Select[Any]:
    # In the order of their ids: writers that meet wait for each other in one direction only.
    those = select(_items.c.id, _items.c.lease_owner, _items.c.cluster_id).order_by(_items.c.id)
    # As UPDATE locks a row, and no more: who relates an item to this one must not wait, for he has what we wait for in the end.
    return those.where(statements.listed(dialect, _items.c.id, "ids")).with_for_update(key_share=True)


def _whole_hash(draft: model.Draft) -> str | None:
    return draft.whole_hash or draft.text_hash


@lru_cache(maxsize=64)
def _settling(keys: tuple[str, ...]) -> Update:
    """The statement that sets these columns of one item."""
    columns = {key: bindparam(f"to_{key}", type_=_items.c[key].type) for key in keys}
    return update(_items).where(_items.c.id == bindparam("of")).values(columns)


def _texts(visit: model.Visit, draft: model.Draft, *, text: bool) -> dict[str, Any]:
    """What a draft brings: its `text`, unless that is left alone, and what the feed left out."""
    item = visit.item
    names = ("text", "html", "text_hash", "word_count", "boilerplate", "extractor") if text else ()
    values: dict[str, Any] = {name: getattr(draft, name) for name in names}
    if text:
        values["whole_hash"] = _whole_hash(draft)
    if draft.title and draft.extractor != "feed":
        values["page_title"] = draft.title
    # What the feed said stands; the page fills what the feed left out.
    if not item.title and draft.title:
        values["title"] = draft.title
    if not item.authors and draft.authors:
        values["authors"] = list(draft.authors)
    if not item.language and draft.language:
        values["language"] = draft.language
    if not item.image and draft.image:
        values["image"] = draft.image
    # A page whose date is later than our first sight of it tells of an update.
    if (
        item.date_source in (model.DateSource.FIRST_SEEN, model.DateSource.SITEMAP)
        and draft.published_at
        and draft.published_at <= item.first_seen_at
    ):
        values |= {"published_at": draft.published_at, "date_source": model.DateSource.PAGE}
    return values


# ------------------------------------------------------------------------------------------------------- counting


def due_count(conn: Connection, now: datetime, *, without: Collection[str] = ()) -> int:
    """How many items are due for a visit and in nobody's hands, those of the hosts `without` not counted."""
    free = tables.unclaimed(_items, now)
    due = select(func.count()).select_from(_items).where(_items.c.next_visit_at <= now, free)
    if without:
        due = due.where(_items.c.host.not_in(without))
    return int(conn.execute(due).scalar_one())
