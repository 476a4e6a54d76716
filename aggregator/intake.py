"""What both ways into the corpus share, being polled and being pushed: a document is parsed, its entries are stored, the next poll is due."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from aggregator import cadence, config, model, overlap, reading
from aggregator.feed import identity, parse
from aggregator.store import Connection, db, gaps, items, revisions
from aggregator.store import shown as known
from aggregator.workers import Workers

T = TypeVar("T")

_CONFLICTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A document of `source`, read at `at`."""

    source: model.Source
    feed: model.ParsedFeed
    at: datetime


class Intake:
    """Documents into the store, by one configuration."""

    def __init__(self, *, store: db.Store, workers: Workers, settings: config.Settings) -> None:
        self._store, self._workers, self._settings = store, workers, settings
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}
        parse.load()

    async def parse(
        self, response: model.Response, now: datetime, shown: model.Shown | None = None
    ) -> model.ParsedFeed:
        """The feed in `response`, but for what was `shown` before. Raises ParseError and WorkerError."""
        return await reading.parsed(self._workers, response, now, shown)

    def stored(self, write: Callable[[Connection], T]) -> T:
        """What `write` returns, once it is committed; it may be called again. Raises StoreError."""
        return self._store.commit(write, tries=_CONFLICTS)

    def pushed(self, conn: Connection, arrival: Arrival) -> model.Decision:
        """Decide what the entries of a document are that may be only a part of its feed, and write that."""
        entries = _keyed(arrival)
        stored = items.known(conn, arrival.source, entries)
        brought, _, _ = self._decide(conn, arrival, entries, stored, model.DiscoveredBy.PUSH)
        items.write(conn, [brought])
        return brought.decision

    def entries(self, conn: Connection, arrivals: Sequence[Arrival]) -> Sequence[model.Decision]:
        """The same for whole documents of several sources, with few statements: those that have nothing in common are written together."""
        decisions: list[model.Decision] = []
        keyed = [_keyed(arrival) for arrival in arrivals]
        while (done := len(decisions)) < len(arrivals):
            together = list(self._apart(conn, arrivals[done:], keyed[done:]))
            self._write(conn, arrivals[done : done + len(together)], together)
            decisions += [one.decision for one in together]
        return decisions

    def _apart(
        self, conn: Connection, arrivals: Sequence[Arrival], keyed: Sequence[Sequence[identity.Keyed]]
    ) -> Iterator[items.Brought]:
        """What the first of `arrivals` mean, up to the one that has to do with what those before it will write."""
        touched: set[int | str] = set()
        found = items.known_of(conn, [(one.source, entries) for one, entries in zip(arrivals, keyed, strict=True)])
        for arrival, entries, stored in zip(arrivals, keyed, found, strict=True):
            brought, looked, writes = self._decide(conn, arrival, entries, stored, model.DiscoveredBy.FEED)
            if touched & looked:
                return
            touched |= writes
            yield brought

    def _decide(
        self,
        conn: Connection,
        arrival: Arrival,
        entries: Sequence[identity.Keyed],
        stored: identity.Known,
        by: model.DiscoveredBy,
    ) -> tuple[items.Brought, set[int | str], set[int | str]]:
        """What a document means; the URL keys and items that this depends on, and those that will be written."""
        source, feed = arrival.source, arrival.feed
        source = replace(source, language=source.language or feed.language)
        decision = identity.decide(source, entries, stored, feed.known)
        decision = revisions.judge(conn, decision, arrival.at)
        looked: set[int | str] = {seen.item.id for seen in decision.seen}
        # Also those that an entry is found not to be, for what they are now.
        looked |= {item.id for item in (*stored.by_guid.values(), *stored.by_key.values())}
        looked |= {one.url_key for one in entries} | {one.also for one in entries if one.also}
        writes: set[int | str] = {one.url_key for one in decision.new}
        for seen in decision.seen:
            writes |= {seen.item.id} | _moves(seen)
        return items.Brought(source=source, decision=decision, at=arrival.at, by=by), looked, writes

    def _write(self, conn: Connection, arrivals: Sequence[Arrival], brought: Sequence[items.Brought]) -> None:
        ids = items.write(conn, brought)
        documents = [
            known.Seen(source=one.source, feed=arrival.feed, decision=one.decision, at=one.at)
            for arrival, one in zip(arrivals, brought, strict=True)
        ]
        known.remember(conn, documents, ids)
        for one in documents:
            doubtful = overlap.doubtful(one.source, one.feed, one.decision)
            published = gaps.published(conn, doubtful) if doubtful else None
            if (gap := overlap.missed(one.source, one.feed, one.decision, one.at, published)) is not None:
                gaps.record(conn, one.source, gap, one.at, backfill=self._settings.poll.backfill_pages > 0)

    def older(
        self, conn: Connection, source: model.Source, feed: model.ParsedFeed, now: datetime, by: model.DiscoveredBy
    ) -> model.Decision:
        """Store what is new among the entries of a page that the feed no longer shows. What is known stays as it is: an archive may
        have older words than the feed."""
        decision = self.recognised(conn, source, feed)
        first_sights = tuple(seen for seen in decision.seen if seen.item.entry_hash is None)
        source = replace(source, language=source.language or feed.language)
        found = items.Brought(source=source, decision=replace(decision, seen=first_sights), at=now, by=by)
        items.add(conn, [found])
        return decision

    def recognised(self, conn: Connection, source: model.Source, feed: model.ParsedFeed) -> model.Decision:
        """What its entries are, without writing anything."""
        entries = identity.keyed(feed.entries, source.id)
        return identity.decide(source, entries, items.known(conn, source, entries))

    # ------------------------------------------------------------------------------------------------- when next

    def limits(self, source: model.Source) -> cadence.Limits:
        """The configured bounds between two polls of the source."""
        return reading.limits(self._settings.poll, self._configured.get(source.name))

    def backup(self, source: model.Source, hub: str, now: datetime) -> model.Due:
        """The next poll of a source that is pushed: by its own interval if it has one, else as late as polls may be."""
        every = self._interval(source) or self._settings.poll.max_interval
        return cadence.backup(source, hub=hub, every=every, now=now)

    def wants_push(self, source: model.Source) -> bool:
        """Whether the operator wants the source to be pushed."""
        configured = self._configured.get(source.name)
        return configured is not None and configured.websub

    def _interval(self, source: model.Source) -> timedelta | None:
        configured = self._configured.get(source.name)
        return configured.interval if configured is not None else None


def usual_gaps(
    conn: Connection, arrivals: Sequence[Arrival], decisions: Sequence[model.Decision]
) -> Mapping[int, timedelta | None]:
    """The rhythm of the sources whose news may have changed it, or of whom none is known yet, once what arrived is written."""
    learning = {
        one.source.id: one.at
        for one, decision in zip(arrivals, decisions, strict=True)
        if decision.new or one.source.learned_gap is None
    }
    times = items.latest_times(conn, learning)
    return {source_id: cadence.usual_gap(times.get(source_id, ()), now=at) for source_id, at in learning.items()}


def _keyed(arrival: Arrival) -> Sequence[identity.Keyed]:
    feed = arrival.feed
    return identity.keyed(feed.entries, arrival.source.id, [entry.face for entry in feed.known.values()])


def _moves(seen: model.SeenItem) -> set[str]:
    """The URL keys of the addresses that an item leaves, or comes to."""
    urls = (seen.item.url, seen.entry.url) if seen.readdressed or seen.adopted else ()
    keys = {identity.url_key(url) for url in urls if url}
    return keys | {key for key in (seen.further_key, seen.shared_key) if key}
