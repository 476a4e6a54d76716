"""What both ways into the corpus share, being polled and being pushed: a document is parsed, its entries are stored, the next poll is due."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator import cadence, config, errors, model
from aggregator.feed import identity, parse
from aggregator.store import Connection, db, items
from aggregator.workers import Workers

# hazards, rule 1: a parser that needs longer is caught in a trap.
PARSE_LIMIT = 10.0
_LEAST_PARSE_LIMIT, _PARSED_A_SECOND, _SMALL = 3.0, 300_000, 250_000
# An interval below this is for trying things out; nothing is learned at that scale.
_TOO_SHORT_TO_LEARN = timedelta(minutes=1)
_CONFLICTS = 5


class Intake:
    """Documents into the store, by one configuration."""

    def __init__(self, *, store: db.Store, workers: Workers, settings: config.Settings) -> None:
        self._store, self._workers, self._settings = store, workers, settings
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}

    async def parse(self, response: model.Response, now: datetime) -> model.ParsedFeed:
        """The feed in `response`, read in a worker process. Raises ParseError and WorkerError."""
        headers, size = dict(response.headers), len(response.body)
        # Honest documents take 0.3 s a megabyte; ten times that on a machine that is busy.
        limit = min(_LEAST_PARSE_LIMIT + size / _PARSED_A_SECOND, PARSE_LIMIT)
        run = self._workers.run_small if size <= _SMALL else self._workers.run
        return await run(limit, parse.parse, response.body, url=response.url, headers=headers, now=now)

    def stored(self, write: Callable[[Connection], model.PollReport]) -> model.PollReport:
        """What `write` returns, once it is committed; it may be called again. Raises StoreError."""
        for left in reversed(range(_CONFLICTS)):
            try:
                with self._store.begin() as conn:
                    return write(conn)
            except errors.ConflictError:
                # Another poll stored one of the same items between our look and our insert: look again.
                if not left:
                    raise
        raise AssertionError("unreachable")

    def entries(
        self, conn: Connection, source: model.Source, feed: model.ParsedFeed, now: datetime, *, whole: bool = True
    ) -> model.Decision:
        """Decide what the entries of `feed` are, and write that. `whole`: whether the document is all that the feed has."""
        source = replace(source, language=source.language or feed.language)
        entries = identity.keyed(feed.entries, source.id)
        by_guid = items.known_by_guid(conn, source.id, {one.guid for one in entries if one.guid})
        by_key = items.known_by_key(conn, source.id, {one.url_key for one in entries})
        decision = identity.decide(source, entries, by_guid, by_key)
        items.write(conn, source, decision, now)
        if whole and source.last_new_at is not None and decision.new and not decision.seen:
            reason = f"none of the {len(feed.entries)} entries was in the document before"
            items.record_gap(conn, source, to_at=now, estimated=None, reason=reason)
        return decision

    # ------------------------------------------------------------------------------------------------- when next

    def limits(self, source: model.Source) -> cadence.Limits:
        """The configured bounds between two polls of the source."""
        poll, own = self._settings.poll, self._interval(source)
        fixed = own is not None or poll.interval == poll.min_interval or poll.interval < _TOO_SHORT_TO_LEARN
        return cadence.Limits(
            interval=own or poll.interval, min_interval=poll.min_interval, max_interval=poll.max_interval, fixed=fixed
        )

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
