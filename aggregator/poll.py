"""One poll: a claimed source → its document → what is new in it → one commit. Never fetches pages, never raises.

1. `_fetch`   ask for the document, conditionally
2. `_parse`   in a worker process, unless it is the document of last time
3. `_commit`  look up what is known, decide (`feed.identity`), write items, validators and the next due time in one transaction
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aggregator import cadence, config, errors, log, model
from aggregator.feed import identity, parse
from aggregator.net import fetcher
from aggregator.store import Connection, db, items, sources
from aggregator.workers import Workers

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, application/xml;q=0.9, "
    "text/xml;q=0.9, application/json;q=0.8, */*;q=0.1"
)
# hazards, rule 1: a parser that needs longer is caught in a trap.
PARSE_LIMIT = 10.0
# A poll waits for its host's turn and for a worker; longer than this only a dead process holds it.
LEASE = timedelta(minutes=15)
_CONFLICTS = 5

_log = log.logger("poll")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the network brought: the response, and the parsed document unless it is the one of last time."""

    response: model.Response
    document_hash: str | None
    feed: model.ParsedFeed | None


class Poller:
    """Polls sources. `observe` is told of every report after its commit."""

    def __init__(
        self,
        *,
        store: db.Store,
        fetcher: fetcher.Fetcher,
        workers: Workers,
        settings: config.Settings,
        observe: Callable[[model.PollReport], None],
    ) -> None:
        self._store, self._fetcher, self._workers, self._observe = store, fetcher, workers, observe
        self._settings = settings
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}

    async def poll(self, source: model.Source) -> model.PollReport | None:
        """One poll of a claimed source; None if its result could not be written, in which case the lease runs out."""
        now, started = datetime.now(UTC).replace(microsecond=0), time.monotonic()
        answer: _Answer | errors.AggregatorError
        try:
            answer = await self._read(source, now)
        except errors.AggregatorError as exc:
            answer = exc
        except Exception as exc:
            _log.exception("poll.crashed", source=source.name)
            answer = errors.AggregatorError(f"unexpected {type(exc).__name__}: {exc}", code="crash")
        took = timedelta(seconds=time.monotonic() - started)
        try:
            report = await asyncio.to_thread(self._commit, source, answer, now, took)
        except errors.StoreError as exc:
            _log.error("poll.not_stored", source=source.name, error=str(exc), code=exc.code)
            return None
        self._observe(report)
        return report

    # ------------------------------------------------------------------------------------------------- the network

    async def _read(self, source: model.Source, now: datetime) -> _Answer:
        response = await self._fetch(source)
        if response.not_modified:
            return _Answer(response=response, document_hash=source.document_hash, feed=None)
        document_hash = hashlib.sha256(response.body).hexdigest()[:32]
        if document_hash == source.document_hash:
            return _Answer(response=response, document_hash=document_hash, feed=None)
        feed = await self._parse(response, now)
        return _Answer(response=response, document_hash=document_hash, feed=feed)

    async def _fetch(self, source: model.Source) -> model.Response:
        request = model.Request(
            url=source.feed_url,
            accept=ACCEPT,
            max_bytes=self._settings.http.max_feed_bytes,
            validators=source.validators,
            # What one feed of a host was told says little of the others: each keeps its own next poll.
            heed_pause=False,
        )
        if (configured := self._configured.get(source.name)) is not None:
            request = fetcher.personal(request, configured)
        return await self._fetcher.fetch(request)

    async def _parse(self, response: model.Response, now: datetime) -> model.ParsedFeed:
        headers = dict(response.headers)
        return await self._workers.run(
            PARSE_LIMIT, parse.parse, response.body, url=response.url, headers=headers, now=now
        )

    # ------------------------------------------------------------------------------------------------ the database

    def _commit(
        self, source: model.Source, answer: _Answer | errors.AggregatorError, now: datetime, took: timedelta
    ) -> model.PollReport:
        for left in reversed(range(_CONFLICTS)):
            try:
                with self._store.begin() as conn:
                    if isinstance(answer, errors.AggregatorError):
                        return self._failed(conn, source, answer, now, took)
                    return self._succeeded(conn, source, answer, now, took)
            except errors.ConflictError:
                # Another poll stored one of the same items between our look and our insert: look again.
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _limits(self, source: model.Source) -> cadence.Limits:
        poll = self._settings.poll
        configured = self._configured.get(source.name)
        interval = (configured and configured.interval) or poll.interval
        return cadence.Limits(interval=interval, min_interval=poll.min_interval, max_interval=poll.max_interval)

    def _failed(
        self,
        conn: Connection,
        source: model.Source,
        error: errors.AggregatorError,
        now: datetime,
        took: timedelta,
    ) -> model.PollReport:
        failures = source.failures + cadence.weight(error.code)
        gone = isinstance(error, errors.GoneError)
        retry_after = error.retry_after if isinstance(error, errors.FetchError) else None
        due = (
            None
            if gone
            else cadence.after_failure(
                source, failures=failures, now=now, limits=self._limits(source), retry_after=retry_after
            )
        )
        report = model.PollReport(
            source_id=source.id,
            source=source.name,
            url=source.feed_url,
            at=now,
            outcome=model.Outcome.FAILED,
            state=model.SourceState.GONE if gone else model.SourceState.FAILING,
            due=due,
            took=took,
            http_status=error.status if isinstance(error, errors.FetchError) else None,
            error_code=error.code,
            error=str(error),
        )
        sources.finish(conn, report, failures=failures)
        return report

    def _succeeded(
        self, conn: Connection, source: model.Source, answer: _Answer, now: datetime, took: timedelta
    ) -> model.PollReport:
        decision = self._store_entries(conn, source, answer.feed, now) if answer.feed else model.Decision()
        report = self._report(source, answer, decision, now, took)
        if damage := _damage(source, answer):
            return self._damaged(conn, source, damage, answer, report)
        sources.finish(conn, report, failures=0.0, facts=_facts(answer))
        return report

    def _store_entries(
        self, conn: Connection, source: model.Source, feed: model.ParsedFeed, now: datetime
    ) -> model.Decision:
        source = replace(source, language=source.language or feed.language)
        entries = identity.keyed(feed.entries, source.id)
        by_guid = items.known_by_guid(conn, source.id, {one.guid for one in entries if one.guid})
        by_key = items.known_by_key(conn, source.id, {one.url_key for one in entries})
        decision = identity.decide(source, entries, by_guid, by_key)
        items.write(conn, source, decision, now)
        if source.last_new_at is not None and decision.new and not decision.seen:
            reason = f"none of the {len(feed.entries)} entries was in the document before"
            items.record_gap(conn, source, to_at=now, estimated=None, reason=reason)
        return decision

    def _report(
        self, source: model.Source, answer: _Answer, decision: model.Decision, now: datetime, took: timedelta
    ) -> model.PollReport:
        return model.PollReport(
            source_id=source.id,
            source=source.name,
            url=answer.response.url,
            at=now,
            outcome=_outcome(answer, decision),
            state=model.SourceState.ACTIVE,
            due=cadence.after_success(source, now=now, limits=self._limits(source)),
            took=took,
            http_status=answer.response.status,
            bytes=answer.response.wire_bytes,
            entries=len(answer.feed.entries) if answer.feed else 0,
            new=len(decision.new),
            changed=decision.edited,
            unchanged=len(decision.seen) - decision.edited,
        )

    def _damaged(
        self, conn: Connection, source: model.Source, damage: str, answer: _Answer, report: model.PollReport
    ) -> model.PollReport:
        """What could be read is kept, but the source is not well: no validators, so that the next poll gets it whole."""
        facts = sources.FeedFacts(validators=model.Validators(), document_hash=answer.document_hash)
        failures = source.failures + cadence.weight("damaged")
        due = cadence.after_failure(source, failures=failures, now=report.at, limits=self._limits(source))
        told = replace(
            report,
            outcome=model.Outcome.FAILED,
            state=model.SourceState.FAILING,
            due=due,
            error_code="damaged",
            error=damage,
        )
        sources.finish(conn, told, failures=failures, facts=facts)
        return told


def _damage(source: model.Source, answer: _Answer) -> str | None:
    """What is wrong with the document; the same as last time if it is the same document."""
    if answer.feed is not None:
        return answer.feed.damage
    same = source.error_code == "damaged" and not answer.response.not_modified
    return source.error if same else None


def _outcome(answer: _Answer, decision: model.Decision) -> model.Outcome:
    if answer.response.not_modified:
        return model.Outcome.NOT_MODIFIED
    if decision.new:
        return model.Outcome.NEW
    return model.Outcome.CHANGED if decision.edited else model.Outcome.UNCHANGED


def _facts(answer: _Answer) -> sources.FeedFacts:
    feed = answer.feed
    return sources.FeedFacts(
        validators=answer.response.validators,
        document_hash=answer.document_hash,
        title=feed.title if feed else None,
        site_url=feed.site_url if feed else None,
    )
