"""One poll: a claimed source → its document → what is new in it → one commit. Never fetches pages, never raises.

1. `_fetch`   ask for the document, conditionally
2. `reading`  only the entries that the last document did not show; in a worker process, unless they are few
3. `_settle`  look up what is known, decide (`feed.identity`), write items, validators and the next due time in one transaction, together
              with other polls that ended at the same moment (`batch`)
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aggregator import (
    advice,
    batch,
    cadence,
    clock,
    config,
    errors,
    intake,
    log,
    model,
    moving,
    outlook,
    pushing,
    reading,
    spool,
    websub,
)
from aggregator.feed import identity
from aggregator.net import fetcher, manners
from aggregator.store import Connection, db, sources, subscriptions
from aggregator.store import shown as known

# A poll waits for its host's turn and for a worker; longer than this only a dead process holds it.
LEASE = timedelta(minutes=15)
# hazards §2: a server that says 304 for ever is asked without conditions once in this time.
_WHOLE_AGAIN = timedelta(days=7)
# A larger document is hashed beside the event loop.
_SMALL = 250_000
_SERVERS_FAULT = 500

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
        intake: intake.Intake,
        settings: config.Settings,
        observe: Callable[[model.PollReport], None],
        outlook: outlook.Outlook,
        now: clock.Clock = clock.now,
    ) -> None:
        self._store, self._fetcher, self._intake, self._observe = store, fetcher, intake, observe
        self._settings, self._now = settings, now
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}
        self._outlook = outlook
        self._quiet = batch.Batch(self._write)
        self._news = batch.Batch(self._write_news, most=batch.MOST_TOGETHER)

    async def aclose(self) -> None:
        """Wait until what was polled is written."""
        await self._news.aclose()
        await self._quiet.aclose()

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
        if document_hash == source.document_hash and not self._unlooked(source) and source.shown is not None:
            return _Answer(response=response, document_hash=document_hash, feed=None)
        feed = await self._intake.parse(response, now, known.before_at(source))
        return _Answer(response=response, document_hash=document_hash, feed=feed)

    async def _fetch(self, source: model.Source, now: datetime, held: AsyncExitStack) -> model.Response:
        stale = source.last_document_at is not None and now - source.last_document_at >= _WHOLE_AGAIN
        # Who deletes an item has what its sources have shown forgotten.
        stale = stale or self._unlooked(source) or source.shown is None
        request = reading.request(
            source.feed_url,
            self._configured.get(source.name),
            self._settings.http,
            validators=model.Validators() if stale else source.validators,
            # The operator has just named it: it is tried once, whatever another feed of its host was told.
            heed_pause=source.last_polled_at is not None,
        )
        return await self._fetcher.fetch(request, held)

    def _unlooked(self, source: model.Source) -> bool:
        """Whether it is to be pushed, and nobody has looked yet where from: its document is wanted whole, known or not."""
        return source.hubs is None and self._intake.wants_push(source)

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
        if self._outlook.succeeded(identity.host_of(polled.source.feed_url)):
            _log.info("network.back")
        moved = answer.response.permanent_url != polled.source.feed_url or polled.source.moved_to is not None
        decision = _as_before(polled, answer.feed)
        if decision is None or moved or self._unlooked(polled.source):
            return await self._news.add((polled, answer))
        return await self._quiet.add(self._succeeded(polled, answer, decision, model.Move(), None))

    def _write(self, finished: Sequence[sources.Finished]) -> Sequence[model.PollReport]:
        with self._store.begin() as conn:
            sources.finish_all(conn, finished)
        return [one.report for one in finished]

    # ------------------------------------------------------------------------------------------------- it failed

    def _postponed(self, polled: _Polled, error: errors.FetchError) -> model.PollReport:
        """Its host asked to be left alone: nothing was tried, so nothing failed."""
        source = polled.source
        due = model.Due(
            at=error.retry_after or polled.now + self._intake.limits(source).interval, reason=f"postponed: {error}"
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
        ours = _perhaps_ours(error)
        blamed = self._outlook.failed(source, host, polled.now) if ours else ()
        finished = self._failure(polled, error, outage=ours and self._outlook.outage)
        retry_after = error.retry_after if isinstance(error, errors.FetchError) else None
        if self._outlook.outage and not was_outage:
            _log.warning(
                "network.down",
                since=f"{self._outlook.since:%Y-%m-%dT%H:%M:%SZ}",
                said="every source fails: probably our own network",
            )
        if blamed:
            # The failures that are to be forgiven may still be on their way: written later, they would undo it.
            await self._quiet.aclose()
        if blamed or retry_after is not None:
            await asyncio.to_thread(self._write_failure, finished, host, retry_after, blamed)
        else:
            await self._quiet.add(finished)
        return finished.report

    def _failure(self, polled: _Polled, error: errors.AggregatorError, *, outage: bool) -> sources.Finished:
        source, limits = polled.source, self._intake.limits(polled.source)
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
        # What was found on its site says more than that it failed once more.
        told = source.advice if moving.proposed(source) else advice.on(error.code, since=polled.now)
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

    def _write_news(self, answers: Sequence[tuple[_Polled, _Answer]]) -> Sequence[model.PollReport]:
        return self._intake.stored(lambda conn: self._store_answers(conn, answers))

    def _store_answers(self, conn: Connection, answers: Sequence[tuple[_Polled, _Answer]]) -> list[model.PollReport]:
        reports: list[model.PollReport] = []
        for elsewhere, run in itertools.groupby(answers, _from_elsewhere):
            # Where one source is polled from now on matters to the next.
            for part in ([one] for one in run) if elsewhere else (list(run),):
                reports += self._store_together(conn, part)
        return reports

    def _store_together(
        self, conn: Connection, answers: Sequence[tuple[_Polled, _Answer]]
    ) -> Sequence[model.PollReport]:
        arrivals = [
            intake.Arrival(source=polled.source, feed=answer.feed, at=polled.now)
            for polled, answer in answers
            if answer.feed is not None
        ]
        read = self._intake.entries(conn, arrivals)
        decisions, gaps = iter(read), intake.usual_gaps(conn, arrivals, read)
        finished = [
            self._finished(conn, one, next(decisions) if one[1].feed else model.Decision(), gaps.get(one[0].source.id))
            for one in answers
        ]
        sources.finish_all(conn, finished)
        for one, (polled, _) in zip(finished, answers, strict=True):
            if one.move is not None and one.move.adopt:
                sources.tell_moved(conn, polled.source, one.move, polled.now)
        return [one.report for one in finished]

    def _finished(
        self, conn: Connection, answered: tuple[_Polled, _Answer], decision: model.Decision, gap: timedelta | None
    ) -> sources.Finished:
        polled, answer = answered
        source, feed = polled.source, answer.feed
        if feed is not None and self._intake.wants_push(source):
            source = _watch_push(conn, polled, answer, decision)
            polled = replace(polled, source=source)
        familiar = feed is None or bool(decision.familiar) or source.last_success_at is None
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
        return self._succeeded(polled, answer, decision, move, told, gap)

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
        again = _shown_again(source, answer)
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
            entries=feed.size if feed else again,
            new=len(decision.new),
            changed=decision.edited,
            unchanged=decision.familiar - decision.edited if feed else again,
        )
        if damage := _damage(source, answer):
            return self._damaged(polled, damage, answer, report)
        facts = replace(_facts(answer), learned_gap=gap)
        if feed is not None and feed.left:
            # The rest of it is to be had once more, whether it changes or not.
            facts = replace(facts, validators=model.Validators(), document_hash=None)
        told = told or advice.of_document(source, feed, now)
        return sources.Finished(report=report, failures=0.0, facts=facts, move=move, advice=told)

    def _due(self, polled: _Polled, answer: _Answer, decision: model.Decision, gap: timedelta | None) -> model.Due:
        source, feed, limits = polled.source, answer.feed, self._intake.limits(polled.source)
        if feed is not None and feed.left:
            reason = f"to read on: {feed.left:,} of its {feed.size:,} entries are left"
            return cadence.soon(
                replace(source, last_polled_at=polled.now), now=polled.now, limits=limits, reason=reason
            )
        if source.pushed_by and source.pushed_until is not None and source.pushed_until > polled.now:
            return self._intake.backup(replace(source, last_polled_at=polled.now), source.pushed_by, polled.now)
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
            source, failures=failures, now=report.at, limits=self._intake.limits(source), code="damaged"
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


def _perhaps_ours(error: errors.AggregatorError) -> bool:
    """Whether our own network may be to blame: not where a server has said what is wrong with the request, or a document came, nor where
    we refused to ask."""
    if isinstance(error, errors.StatusError):
        return error.status is not None and error.status >= _SERVERS_FAULT
    return isinstance(error, errors.TransportError)


async def _hash(body: spool.Body) -> str:
    return spool.quick_hash(body) if len(body) < _SMALL else await asyncio.to_thread(spool.quick_hash, body)


def _as_before(polled: _Polled, feed: model.ParsedFeed | None) -> model.Decision | None:
    """What a document comes to that shows nothing else than the one before; None if it does."""
    if feed is None:
        return model.Decision()
    if known.as_before(polled.source, feed, polled.now):
        return model.Decision(kept=frozenset(entry.item_id for entry in feed.known.values()))
    return None


def _damage(source: model.Source, answer: _Answer) -> str | None:
    """What is wrong with the document; the same as last time if it is the same document."""
    if answer.feed is not None:
        return answer.feed.damage
    same = source.error_code == "damaged" and not answer.response.not_modified
    return source.error if same else None


def _from_elsewhere(answered: tuple[_Polled, _Answer]) -> bool:
    """Whether the document came from where its source is not polled yet."""
    polled, answer = answered
    return answer.response.permanent_url != polled.source.feed_url


def _shown_again(source: model.Source, answer: _Answer) -> int:
    """How many entries a document has that is not read, for it is the last one once more."""
    before = known.before_at(source)
    return (before.size or 0) if before is not None and not answer.response.not_modified else 0


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
        pushed_from=_pushed_from(answer),
        whole_document=not answer.response.not_modified,
    )


def _overlap(decision: model.Decision) -> float:
    """The share of the entries that were known."""
    count = decision.familiar + len(decision.new)
    return decision.familiar / count if count else 1.0


# ---------------------------------------------------------------------------------------------------- where from, and whether


def _pushed_from(answer: _Answer) -> pushing.Discovery | None:
    response = answer.response
    return websub.discovered(response.headers, answer.feed, response.permanent_url) if answer.feed is not None else None


def _watch_push(conn: Connection, polled: _Polled, answer: _Answer, decision: model.Decision) -> model.Source:
    """Subscribe to where the document is pushed from, and compare the poll with what was pushed: the source, with what is left of the
    trust in its hub."""
    source, now = polled.source, polled.now
    if (found := _pushed_from(answer)) is not None and found.hubs:
        subscriptions.follow(conn, source.id, found, now)
    current = subscriptions.wanted_of(conn, source.id)
    if current is None or current.last_push_at is None:
        # Whoever pushed it was another hub, or of another topic.
        source = replace(source, pushed_by=None, pushed_until=None)
    # What was pushed and is not stored yet is not missed.
    if current is None or current.waiting_at is not None or not decision.new:
        return source
    new = [one.entry for one in decision.new]
    certain, possible = websub.missed(current, new, polled_before=source.last_success_at, now=now)
    if certain:
        reason = websub.missing(certain, current, now)
        subscriptions.broken(conn, current, reason=reason, again=cadence.after_broken(now=now), now=now)
    elif possible:
        subscriptions.suspect(conn, current, now)
    return replace(source, pushed_by=None, pushed_until=None) if certain or possible else source
