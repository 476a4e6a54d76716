"""Sources whose feed is no longer where it was: who is to be looked for, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, and_, bindparam, or_, select, update

from aggregator import model
from aggregator.feed import identity
from aggregator.store import changes, items, sources, tables

_sources = tables.sources

# What says that the feed is no longer there, rather than that it cannot be had at the moment.
LOST = ("http_404", "gone", "html", "error_page", "not_a_feed")
# Three answers of 404, two pages in place of the feed (`cadence.weight`); 410 needs none to confirm it.
_REPEATED = 1.5
# The site is searched again when as much time has passed as the feed had been lost the last time, within these.
_SOONEST, _LATEST = timedelta(days=1), timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A source to be looked for. `since`: when it last answered well, or was added."""

    source: model.Source
    site_url: str | None
    since: datetime


def claim(conn: Connection, now: datetime, limit: int) -> tuple[Lost, ...]:
    """Up to `limit` sources whose feed has been lost for a while and whose turn it is; nobody else gets them until it is again."""
    failing = and_(_sources.c.state == model.SourceState.FAILING, _sources.c.failures >= _REPEATED)
    lost = and_(or_(failing, _sources.c.state == model.SourceState.GONE), _sources.c.error_code.in_(LOST))
    wanted = (
        select(_sources).where(lost).order_by(_sources.c.sought_at.is_not(None), _sources.c.sought_at, _sources.c.id)
    )
    due = [row for row in conn.execute(wanted.with_for_update(skip_locked=True)).mappings() if _due(row, now)][:limit]
    if due:
        taken = update(_sources).where(_sources.c.id.in_([row["id"] for row in due]))
        conn.execute(taken.values(sought_at=now))
    same = ("id", "name", "url", "feed_url", "language", "last_success_at", "last_new_at", "moved_to")
    return tuple(
        Lost(
            source=model.Source(**{key: row[key] for key in same}),
            site_url=row["site_url"],
            since=row["last_success_at"] or row["added_at"],
        )
        for row in due
    )


def _due(row: RowMapping, now: datetime) -> bool:
    since = row["last_success_at"] or row["added_at"]
    sought = row["sought_at"]
    if sought is None or sought < since:
        return True
    return bool(now - sought >= min(max(sought - since, _SOONEST), _LATEST))


def familiar(conn: Connection, source: model.Source, entries: Sequence[model.Entry]) -> int:
    """How many of these entries are items that this source has shown."""
    keyed = identity.keyed(entries, source.id)
    seen = identity.decide(source, keyed, items.known(conn, source, keyed)).seen
    return sum(one.item.owner_id == source.id or one.item.entry_hash is not None for one in seen)


def propose(conn: Connection, source: model.Source, url: str, said: str, now: datetime) -> bool:
    """Note that the feed seems to be at `url` now, unless another source polls that, or it is no longer lost; whether that was done.

    Told in `changes` once for each URL. `moved_since` stays empty: nobody was redirected.
    """
    if sources.polled_as(conn, url, but=source.id) is not None:
        return False
    still = _sources.c.state.in_((model.SourceState.FAILING, model.SourceState.GONE))
    mine = and_(_sources.c.id == bindparam("of"), still, _sources.c.url == bindparam("known"))
    noted = update(_sources).where(mine).values(moved_to=url, moved_since=None, moved_sightings=0, advice=said)
    if not conn.execute(noted, {"of": source.id, "known": source.url}).rowcount:
        return False
    if url != source.moved_to:
        changes.tell_of_source(conn, "proposed", source.id, now, said)
    return True
