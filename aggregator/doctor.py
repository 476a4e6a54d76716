"""One live check: a configured source → what a poll would meet there, and what to do about it. Writes nothing, never raises.

1. `_read`    the document, as a poll asks for it, with every exchange written down; where it is lost, `_elsewhere`: what its site names
2. `_look`    once more on condition that it has changed; over https; robots.txt for the newest page
3. `findings` what all that means
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from aggregator import cadence, clock, config, errors, findings, log, model, reading, spool
from aggregator.diagnosis import Access, Address, Conditional, Diagnosis, Met, Pages
from aggregator.net import fetcher, trail
from aggregator.workers import Workers

# The feed may be found anew where its site is.
_LOST = frozenset({"http_404", "gone", "html", "error_page"})

_log = log.logger("doctor")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the next questions are compared with: the document in short."""

    url: str
    validators: model.Validators
    digest: str
    entries: frozenset[str]


class Doctor:
    """Checks sources, so many at once as would be polled. With `heed_pause` none is asked whose host has asked another one to wait."""

    def __init__(
        self,
        *,
        fetcher: fetcher.Fetcher,
        workers: Workers,
        settings: config.Settings,
        heed_pause: bool = True,
        now: clock.Clock = clock.now,
    ) -> None:
        self._heed_pause = heed_pause
        self._fetcher, self._workers, self._settings, self._now = fetcher, workers, settings, now
        self._names: Mapping[str, str] = {one.url: one.name for one in reversed(settings.sources) if one.enabled}

    async def examine_all(self, sources: Sequence[config.SourceConfig], observe: Callable[[Diagnosis], None]) -> None:
        """Examine `sources`; `observe` is told of each when it is done."""
        seats = asyncio.Semaphore(self._settings.poll.concurrency)

        async def seated(source: config.SourceConfig) -> None:
            async with seats:
                observe(await self.examine(source))

        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(seated(source))

    async def examine(self, source: config.SourceConfig) -> Diagnosis:
        """What a poll of `source` would meet now, and some more questions that a poll does not ask."""
        told = trail.Trail()
        limits = reading.limits(self._settings.poll, source)
        met = Met(
            name=source.name,
            url=config.redact(source.url),
            at=self._now(),
            interval=limits.interval,
            own_interval=source.interval is not None,
            largest=self._settings.http.max_feed_bytes,
        )
        try:
            met = await self._met(source, met, told)
        except Exception as exc:
            _log.exception("doctor.crashed", source=source.name)
            met = replace(met, error_code="crash", error=f"unexpected {type(exc).__name__}: {exc}")
        return findings.diagnose(replace(met, steps=told.steps))

    async def _met(self, source: config.SourceConfig, met: Met, told: trail.Trail) -> Met:
        request = self._request(source, source.url, heed_pause=self._heed_pause)
        met, seen = await self._read(source, request, replace(met, addresses=await self._addresses(request)), told)
        if seen is None:
            return replace(met, named=met.named or await self._elsewhere(source, met))
        return await self._look(source, request, met, seen)

    async def _read(
        self, source: config.SourceConfig, request: model.Request, met: Met, told: trail.Trail
    ) -> tuple[Met, _Seen | None]:
        """`met` with the document; without the other it failed.

        A large document keeps others out of memory until it is read. The next questions come when it is gone: they may bring it
        again, which would wait for its place for ever.
        """
        async with AsyncExitStack() as held:
            try:
                response = await self._fetcher.fetch(request, held, told)
                met = self._answered(met, response)
                feed = await reading.parsed(self._workers, response, met.at)
            except errors.AggregatorError as exc:
                return _failed(met, exc), None
            met = await self._described(source, met, response.url, feed)
            digest = await asyncio.to_thread(spool.sha256, response.body)
        return met, _Seen(url=response.url, validators=response.validators, digest=digest, entries=_known_by(feed))

    def _request(self, source: config.SourceConfig, url: str, *, heed_pause: bool = True) -> model.Request:
        http = self._settings.http
        return reading.request(url, source, http, validators=model.Validators(), heed_pause=heed_pause)

    async def _addresses(self, request: model.Request) -> tuple[Address, ...]:
        try:
            return await self._fetcher.addresses(request)
        except errors.FetchError:
            # The request itself says so in a moment.
            return ()

    async def _elsewhere(self, source: config.SourceConfig, met: Met) -> tuple[str, ...]:
        """The feeds that the site's front page names, where the one we know is no longer there."""
        parts = urlsplit(source.url)
        if met.error_code not in _LOST or parts.path in ("", "/"):
            return ()
        front = self._request(source, parts._replace(path="/", query="", fragment="").geturl())
        front = replace(front, accept="text/html, */*;q=0.1", heed_robots=True)
        try:
            await reading.parsed(self._workers, await self._fetcher.fetch(front), met.at)
        except errors.ParseError as exc:
            return tuple(url for url in exc.named if url != source.url)
        except errors.AggregatorError:
            # Only a favour: what is wrong with the source is known.
            return ()
        return ()

    # ------------------------------------------------------------------------------------------------- the document

    def _answered(self, met: Met, response: model.Response) -> Met:
        taken_by = self._names.get(response.permanent_url)
        now = self._now()
        return replace(
            met,
            permanent_url=response.permanent_url,
            taken_by=taken_by if taken_by != met.name else None,
            validators=response.validators,
            fresh_for=cadence.fresh_for(response.headers, now=now),
            skew=findings.skew(response.headers, now),
        )

    async def _described(self, source: config.SourceConfig, met: Met, url: str, feed: model.ParsedFeed) -> Met:
        full_text = source.full_text or self._settings.harvest.full_text
        document = await asyncio.to_thread(findings.describe, feed, full_text)
        limits = reading.limits(self._settings.poll, source)
        due = cadence.after_success(
            model.Source(id=0, name=source.name, url=source.url, feed_url=url),
            now=met.at,
            limits=limits,
            hints=model.Hints() if limits.fixed else feed.hints,
            fresh_for=met.fresh_for,
            gap=cadence.usual_gap([one.published_at for one in feed.entries if one.published_at], now=met.at),
            last_new_at=document.newest_at,
        )
        return replace(
            met,
            document=document,
            wishes=findings.wishes(feed.hints, met.fresh_for),
            rhythm=due.reason,
            error_code="damaged" if feed.damage else None,
            error=feed.damage,
        )

    # ------------------------------------------------------------------------------------------------- the questions

    async def _look(self, source: config.SourceConfig, request: model.Request, met: Met, seen: _Seen) -> Met:
        conditional, said = await self._conditional(request, seen)
        return replace(
            met,
            conditional=conditional,
            conditional_said=said,
            secure=await self._secure(source, seen),
            pages=await self._pages(source, met),
        )

    async def _conditional(self, request: model.Request, seen: _Seen) -> tuple[Conditional | None, str | None]:
        """What the server answers to its own validators; None where it may not be asked now."""
        if not seen.validators:
            return Conditional.ABSENT, None
        asked = replace(request, validators=seen.validators, heed_pause=True)
        try:
            again = await self._fetcher.fetch(asked)
        except errors.FetchError as exc:
            if exc.code == "retry_after":
                return None, None
            return Conditional.FAILED, str(exc)
        if again.not_modified:
            return Conditional.WORKS, None
        same = again.validators == seen.validators or await asyncio.to_thread(spool.sha256, again.body) == seen.digest
        return (Conditional.IGNORED if same else Conditional.CHANGED), None

    async def _secure(self, source: config.SourceConfig, seen: _Seen) -> bool | None:
        """Whether a feed that came over http is served over https too; None where it came over https, or from a port of its own."""
        parts = urlsplit(seen.url)
        if parts.scheme != "http" or parts.port not in (None, 80):
            return None
        url = parts._replace(scheme="https", netloc=parts.hostname or "").geturl()
        try:
            answer = await self._fetcher.fetch(self._request(source, url))
            feed = await reading.parsed(self._workers, answer, self._now())
        except errors.AggregatorError:
            return False
        return answer.url.startswith("https:") and _known_by(feed) == seen.entries

    async def _pages(self, source: config.SourceConfig, met: Met) -> Pages | None:
        """Whether the newest page may be fetched; None where none would be, or nobody may ask now."""
        found = met.document
        if found is None or found.page_url is None:
            return None
        page = model.Request(url=found.page_url, accept="*/*", max_bytes=self._settings.http.max_page_bytes)
        try:
            delay = await self._fetcher.permitted(fetcher.personal(page, source))
        except errors.FetchError as exc:
            if exc.code == "retry_after":
                return None
            return Pages(url=page.url, access=_access(exc), reason=str(exc), code=exc.code)
        return Pages(url=page.url, access=Access.ALLOWED, crawl_delay=delay)


def _known_by(feed: model.ParsedFeed) -> frozenset[str]:
    """The guids, or titles, of its entries: links may differ in their scheme."""
    return frozenset(one.guid or one.title for one in feed.entries)


def _access(exc: errors.FetchError) -> Access:
    if isinstance(exc, errors.BlockedError):
        return Access.FORBIDDEN if exc.code == "robots" else Access.REFUSED
    return Access.UNREACHABLE


def _failed(met: Met, exc: errors.AggregatorError) -> Met:
    return replace(
        met,
        error_code=exc.code,
        error=str(exc),
        retry_after=exc.retry_after if isinstance(exc, errors.FetchError) else None,
        named=exc.named if isinstance(exc, errors.ParseError) else (),
    )
