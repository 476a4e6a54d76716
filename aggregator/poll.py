"""One poll: a claimed source → its document → what is new in it → one commit. Never fetches pages, never raises.

1. `_fetch`   ask for the document, conditionally
2. `reading.parsed`   in a worker process, unless it is the document of last time
3. `_settle`  look up what is known, decide (`feed.identity`), write items, validators and the next due time in one transaction; where no
              entry is at stake, together with other polls that ended at the same moment (`batch`)
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aggregator import advice, batch, cadence, clock, config, errors, log, model, moving, outlook, reading, spool
from aggregator.feed import identity
from aggregator.net import fetcher, manners
from aggregator.store import Connection, db, items, sources
from aggregator.workers import Workers

# A poll waits for its host's turn and for a worker; longer than this only a dead process holds it.
LEASE = timedelta(minutes=15)
# hazards §2: a server that says 304 for ever is asked without conditions once in this time.
_WHOLE_AGAIN = timedelta(days=7)
_CONFLICTS = 5
# A smaller document is hashed in less time than a thread takes.
_SMALL = 250_000

_log = log.logger("poll")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the network brought: the response, and the parsed document unless it is the one of last time."""

    response: model.Response
    document_hash: str | None
    feed: model.ParsedFeed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Polled:
    """One poll on its way to the database."""

    source: model.Source
    now: datetime
    took: timedelta


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
        outlook: outlook.Outlook,
        now: clock.Clock = clock.now,
    ) -> None:
        self._store, self._fetcher, self._workers, self._observe = store, fetcher, workers, observe
        self._settings, self._now = settings, now
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}
        self._outlook = outlook
        self._batch = batch.Batch(self._write)

    async def aclose(self) -> None:
        """Wait until what was polled is written."""
        await self._batch.aclose()

    async def poll(self, source: model.Source) -> model.PollReport | None:
        """One poll of a claimed source; None if its result could not be written, in which case the lease runs out."""
        # A large document keeps others out of memory until it is stored.
        async with AsyncExitStack() as held:
            return await self._poll(source, held)

    async def _poll(self, source: model.Source, held: AsyncExitStack) -> model.PollReport | None:
        now, started = self._now(), time.monotonic()
        answer: _Answer | errors.AggregatorError
        try:
            answer = await self._read(source, now, held)
        except errors.AggregatorError as exc:
            answer = exc
        except Exception as exc:
            _log.exception("poll.crashed", source=source.name)
            answer = errors.AggregatorError(f"unexpected {type(exc).__name__}: {exc}", code="crash")
        polled = _Polled(source=source, now=now, took=timedelta(seconds=time.monotonic() - started))
        return await self._settled(polled, answer)

    # ------------------------------------------------------------------------------------------------- the network

    async def _read(self, source: model.Source, now: datetime, held: AsyncExitStack) -> _Answer:
        response = await self._fetch(source, now, held)
        if response.not_modified:
            return _Answer(response=response, document_hash=source.document_hash, feed=None)
        document_hash = await _hash(response.body)
        if document_hash == source.document_hash:
            return _Answer(response=response, document_hash=document_hash, feed=None)
        feed = await reading.parsed(self._workers, response, now)
        return _Answer(response=response, document_hash=document_hash, feed=feed)

    async def _fetch(self, source: model.Source, now: datetime, held: AsyncExitStack) -> model.Response:
        stale = source.last_document_at is not None and now - source.last_document_at >= _WHOLE_AGAIN
        request = reading.request(
            source.feed_url,
            self._configured.get(source.name),
            self._settings.http,
            validators=model.Validators() if stale else source.validators,
            # The operator has just named it: it is tried once, whatever another feed of its host was told.
            heed_pause=source.last_polled_at is not None,
        )
        return await self._fetcher.fetch(request, held)

    # ------------------------------------------------------------------------------------------------- the verdict

    async def _settled(self, polled: _Polled, answer: _Answer | errors.AggregatorError) -> model.PollReport | None:
        try:
            report = await self._settle(polled, answer)
        except errors.StoreError as exc:
            _log.error("poll.not_stored", source=polled.source.name, error=str(exc), code=exc.code)
            return None
        self._observe(report)
        return report

    async def _settle(self, polled: _Polled, answer: _Answer | errors.AggregatorError) -> model.PollReport:
        if isinstance(answer, errors.AggregatorError):
            if answer.code == "retry_after" and isinstance(answer, errors.FetchError):
                return await asyncio.to_thread(self._postponed, polled, answer)
            return await self._failed(polled, answer)
        if self._outlook.succeeded():
            _log.info("network.back")
        moved = answer.response.permanent_url != polled.source.feed_url or polled.source.moved_to is not None
        if answer.feed is not None or moved:
            return await asyncio.to_thread(self._commit, polled, answer)
        finished = self._succeeded(polled, answer, model.Decision(), model.Move(), None)
        await self._batch.add(finished)
        return finished.report

    def _write(self, finished: Sequence[sources.Finished]) -> None:
        with self._store.begin() as conn:
            sources.finish_all(conn, finished)

    def _limits(self, source: model.Source) -> cadence.Limits:
        return reading.limits(self._settings.poll, self._configured.get(source.name))

    # ------------------------------------------------------------------------------------------------- it failed

    def _postponed(self, polled: _Polled, error: errors.FetchError) -> model.PollReport:
        """Its host asked to be left alone: nothing was tried, so nothing failed."""
        source = polled.source
        due = model.Due(
            at=error.retry_after or polled.now + self._limits(source).interval, reason=f"postponed: {error}"
        )
        with self._store.begin() as conn:
            sources.postpone(conn, source.id, due)
        return model.PollReport(
            source_id=source.id, source=source.name, url=source.feed_url, at=polled.now, took=polled.took,
            outcome=model.Outcome.POSTPONED, state=source.state, due=due, error_code=error.code, error=str(error),
        )  # fmt: skip

    async def _failed(self, polled: _Polled, error: errors.AggregatorError) -> model.PollReport:
        source, host = polled.source, identity.host_of(polled.source.feed_url)
        was_outage = self._outlook.outage
        blamed = self._outlook.failed(source, host, polled.now)
        finished = self._failure(polled, error, outage=self._outlook.outage)
        retry_after = error.retry_after if isinstance(error, errors.FetchError) else None
        if self._outlook.outage and not was_outage:
            _log.warning("network.down", since=self._outlook.since, said="every source fails: probably our own network")
        if blamed:
            # The failures that are to be forgiven may still be on their way: written later, they would undo it.
            await self._batch.aclose()
        if blamed or retry_after is not None:
            await asyncio.to_thread(self._write_failure, finished, host, retry_after, blamed)
        else:
            await self._batch.add(finished)
        return finished.report

    def _failure(self, polled: _Polled, error: errors.AggregatorError, *, outage: bool) -> sources.Finished:
        source, limits = polled.source, self._limits(polled.source)
        retry_after = error.retry_after if isinstance(error, errors.FetchError) else None
        gone = isinstance(error, errors.GoneError)
        failures, state, said = source.failures + cadence.weight(error.code), model.SourceState.FAILING, str(error)
        if gone:
            due, state = None, model.SourceState.GONE
        elif outage:
            well = self._outlook.was_well(source)
            failures, state = (
                (0.0, model.SourceState.ACTIVE) if well else (source.failures, model.SourceState(source.state))
            )
            due = self._after_outage(source, polled.now, limits, retry_after)
        else:
            due = cadence.after_failure(
                source, failures=failures, now=polled.now, limits=limits, retry_after=retry_after, code=error.code
            )
        report = model.PollReport(
            source_id=source.id,
            source=source.name,
            url=source.feed_url,
            at=polled.now,
            outcome=model.Outcome.FAILED,
            state=state,
            due=due,
            took=polled.took,
            http_status=error.status if isinstance(error, errors.FetchError) else None,
            error_code=error.code,
            error=said,
        )
        told = advice.on(error.code, since=polled.now)
        return sources.Finished(report=report, failures=failures, advice=told)

    def _after_outage(
        self, source: model.Source, now: datetime, limits: cadence.Limits, retry_after: datetime | None
    ) -> model.Due:
        """Asked again as if it had answered: it is not to blame."""
        usual = cadence.after_success(
            source, now=now, limits=limits, hints=source.hints, gap=source.learned_gap, last_new_at=source.last_new_at
        )
        since = f"{self._outlook.since:%Y-%m-%d %H:%M}" if self._outlook.since else "now"
        reason = f"{usual.reason}; not blamed: every source fails since {since} UTC, probably our own network"
        return model.Due(at=max(usual.at, retry_after) if retry_after else usual.at, reason=reason)

    def _write_failure(
        self, finished: sources.Finished, host: str, retry_after: datetime | None, blamed: Sequence[int]
    ) -> None:
        report = finished.report
        with self._store.begin() as conn:
            sources.finish_all(conn, [finished])
            # What it asked for, unless its limits are known to concern single documents.
            if retry_after is not None and self._fetcher.paused(host):
                reason = f"postponed: {manners.asked(host, retry_after)}"
                sources.postpone_host(conn, host, until=retry_after, reason=reason, but=report.source_id)
            if blamed and report.due is not None:
                sources.forgive(conn, blamed, report.due)

    # ------------------------------------------------------------------------------------------------- it answered

    def _commit(self, polled: _Polled, answer: _Answer) -> model.PollReport:
        for left in reversed(range(_CONFLICTS)):
            try:
                with self._store.begin() as conn:
                    return self._store_answer(conn, polled, answer)
            except errors.ConflictError:
                # Another poll stored one of the same items between our look and our insert: look again.
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _store_answer(self, conn: Connection, polled: _Polled, answer: _Answer) -> model.PollReport:
        source, feed = polled.source, answer.feed
        decision = self._store_entries(conn, source, feed, polled.now) if feed else model.Decision()
        gap = None
        if decision.new or (feed and source.learned_gap is None):
            gap = cadence.usual_gap(items.latest_times(conn, source.id), now=polled.now)
        familiar = feed is None or bool(decision.seen) or source.last_success_at is None
        leads_to = answer.response.permanent_url
        taken_by = sources.polled_as(conn, leads_to, but=source.id) if leads_to != source.feed_url else None
        rule = self._settings.poll.adopt_redirect
        move = moving.consider(
            source,
            leads_to,
            familiar=familiar,
            taken_by=taken_by,
            now=polled.now,
            sightings=rule.sightings,
            over=rule.over,
        )
        told = moving.advice(move, taken_by=taken_by, sightings=rule.sightings)
        finished = self._succeeded(polled, answer, decision, move, told, gap)
        sources.finish_all(conn, [finished])
        if move.adopt:
            sources.tell_moved(conn, source, move, polled.now)
        return finished.report

    def _store_entries(
        self, conn: Connection, source: model.Source, feed: model.ParsedFeed, now: datetime
    ) -> model.Decision:
        source = replace(source, language=source.language or feed.language)
        entries = identity.keyed(feed.entries, source.id)
        decision = identity.decide(source, entries, items.known(conn, source, entries))
        decision = items.write(conn, source, decision, now)
        if source.last_new_at is not None and decision.new and not decision.seen:
            reason = f"none of the {len(feed.entries)} entries was in the document before"
            items.record_gap(conn, source, to_at=now, estimated=None, reason=reason)
        return decision

    def _succeeded(
        self,
        polled: _Polled,
        answer: _Answer,
        decision: model.Decision,
        move: model.Move,
        told: str | None,
        gap: timedelta | None = None,
    ) -> sources.Finished:
        source, feed, now = polled.source, answer.feed, polled.now
        report = model.PollReport(
            source_id=source.id,
            source=source.name,
            url=answer.response.url,
            at=now,
            outcome=_outcome(answer, decision),
            state=model.SourceState.ACTIVE,
            due=self._due(polled, answer, decision, gap),
            took=polled.took,
            http_status=answer.response.status,
            bytes=answer.response.wire_bytes,
            entries=len(feed.entries) if feed else 0,
            new=len(decision.new),
            changed=decision.edited,
            unchanged=len(decision.seen) - decision.edited,
        )
        if damage := _damage(source, answer):
            return self._damaged(polled, damage, answer, report)
        facts = replace(_facts(answer), learned_gap=gap)
        told = told or advice.of_empty(source, feed, now)
        return sources.Finished(report=report, failures=0.0, facts=facts, move=move, advice=told)

    def _due(self, polled: _Polled, answer: _Answer, decision: model.Decision, gap: timedelta | None) -> model.Due:
        source, feed, limits = polled.source, answer.feed, self._limits(polled.source)
        hints = feed.hints if feed else source.hints
        return cadence.after_success(
            source,
            now=polled.now,
            limits=limits,
            # Who sets an interval knows what the document asks for.
            hints=model.Hints() if limits.fixed else hints,
            fresh_for=cadence.fresh_for(answer.response.headers, now=polled.now),
            gap=gap or source.learned_gap,
            last_new_at=polled.now if decision.new else source.last_new_at,
            overlap=_overlap(decision) if feed and source.last_new_at is not None else None,
        )

    def _damaged(self, polled: _Polled, damage: str, answer: _Answer, report: model.PollReport) -> sources.Finished:
        """What could be read is kept, but the source is not well: no validators, so that the next poll gets it whole."""
        source = polled.source
        facts = sources.FeedFacts(validators=model.Validators(), document_hash=answer.document_hash)
        failures = source.failures + cadence.weight("damaged")
        due = cadence.after_failure(
            source, failures=failures, now=report.at, limits=self._limits(source), code="damaged"
        )
        told = replace(
            report,
            outcome=model.Outcome.FAILED,
            state=model.SourceState.FAILING,
            due=due,
            error_code="damaged",
            error=damage,
        )
        return sources.Finished(
            report=told, failures=failures, facts=facts, advice=advice.on("damaged", since=report.at)
        )


async def _hash(body: spool.Body) -> str:
    digest = spool.sha256(body) if len(body) < _SMALL else await asyncio.to_thread(spool.sha256, body)
    return digest[:32]


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
        hints=feed.hints if feed else None,
        whole_document=not answer.response.not_modified,
    )


def _overlap(decision: model.Decision) -> float:
    """The share of the entries that were known."""
    count = len(decision.seen) + len(decision.new)
    return len(decision.seen) / count if count else 1.0
