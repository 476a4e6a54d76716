"""One walk back through what a feed no longer shows: page after page → what is new in it → one commit each. Never raises.

1. `_look`    the feed itself, a page of its archive, or a sitemap
2. `_settle`  store what is new, fill the gaps it closes and keep how far the walk has come, in one transaction
3. again, until the walk ends (`feed.archive` says when), or has to wait: a crash loses the page that was under way, no more
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aggregator import cadence, clock, config, errors, intake, log, model, outlook, reading, spool
from aggregator.feed import archive, identity, sitemap
from aggregator.net import fetcher, manners
from aggregator.store import Connection, db, gaps
from aggregator.workers import Workers

# A page waits for its host's turn and for a worker; longer than this only a dead process holds a walk.
LEASE = timedelta(minutes=15)
# The largest sitemaps take a second or two.
_PARSE_LIMIT = 10.0
_ACCEPT_SITEMAP = "application/xml, text/xml;q=0.9, application/gzip;q=0.8, */*;q=0.1"
# While our own network is down, or robots.txt cannot be had.
_PAUSE = timedelta(minutes=15)
# Nothing was asked, or nobody there is to blame.
_WAITS = frozenset({"retry_after", "robots_unreachable", "proxy", "proxy_auth"})
# The page may be had another time.
_PASSING = frozenset({"http_408", "http_425", "http_429", "encoding_cut", "storage"})
# Where nothing tells how many items are missing, a sitemap is believed to know of so many; and of ten times as many as are expected.
_FEWEST_BELIEVED, _BELIEVED = 100, 10

_log = log.logger("backfill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One page: where it was, how it was come by (empty for the feed itself), what it brought. `said` is why the walk ended, went another
    way or waits; `ended`, `waits` say which. `filled` counts the gaps that it closed."""

    source: str
    method: str
    page: int
    url: str
    entries: int = 0
    new: int = 0
    oldest: datetime | None = None
    said: str | None = None
    ended: bool = False
    waits: bool = False
    filled: int = 0
    error_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What the network brought: a page, or a sitemap."""

    url: str
    page: archive.Page | None = None
    read: sitemap.Read | None = None


# The walk after a page, None where it does not go on; and what is told of the page.
_Step = tuple[gaps.Backfill | None, Report]


class Backfiller:
    """Walks. `observe` is told of every page after its commit."""

    def __init__(
        self,
        *,
        store: db.Store,
        fetcher: fetcher.Fetcher,
        workers: Workers,
        intake: intake.Intake,
        settings: config.Settings,
        observe: Callable[[Report], None],
        outlook: outlook.Outlook,
        now: clock.Clock = clock.now,
    ) -> None:
        self._store, self._fetcher, self._workers, self._intake = store, fetcher, workers, intake
        self._settings, self._observe, self._outlook, self._now = settings, observe, outlook, now
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}
        self._closing = False

    def close(self) -> None:
        """No walk goes on after the page that is under way."""
        self._closing = True

    async def run(self, walk: gaps.Backfill, most_pages: int | None = None) -> None:
        """Go on with a claimed walk until it ends or has to wait; by hand for `most_pages` more at most."""
        most = walk.pages + most_pages if most_pages is not None else self._settings.poll.backfill_pages
        while not self._closing:
            if walk.pages >= most:
                await self._stop(walk)
                return
            after = await self._step(walk)
            if after is None:
                return
            walk = after
        await self._last(walk, lambda conn: gaps.let_go(conn, walk, self._now()), None)

    async def _step(self, walk: gaps.Backfill) -> gaps.Backfill | None:
        """The walk after its next page; None where it does not go on."""
        now = self._now()
        found: _Looked | errors.AggregatorError
        # A large page keeps others out of memory until it is stored.
        async with AsyncExitStack() as held:
            try:
                walk = await self._prepared(walk)
                found = await self._look(walk, now, held)
            except errors.AggregatorError as exc:
                found = exc
            except Exception as exc:
                found = _crashed(walk, exc)
        try:
            try:
                after, report = await asyncio.to_thread(self._settle, walk, found, now)
            except errors.StoreError:
                raise
            except Exception as exc:
                after, report = await asyncio.to_thread(self._settle, walk, _crashed(walk, exc), now)
        except errors.StoreError as exc:
            _log.error("backfill.not_stored", source=walk.source.name, error=str(exc), code=exc.code)
            return None
        self._observe(report)
        return after

    async def _stop(self, walk: gaps.Backfill) -> None:
        said = f"stopped after {walk.pages:,} pages"
        if walk.origin == gaps.BY_ITSELF:
            said += " (poll.backfill_pages)"
        said += f"; it goes on with: aggregator backfill {walk.source.name!r}"
        now = self._now()

        def write(conn: Connection) -> None:
            gaps.end(conn, walk, said, now, for_good=False)

        await self._last(walk, write, said)

    async def _last(self, walk: gaps.Backfill, write: Callable[[Connection], None], said: str | None) -> None:
        try:
            await asyncio.to_thread(self._intake.stored, write)
        except errors.StoreError as exc:
            _log.error("backfill.not_stored", source=walk.source.name, error=str(exc), code=exc.code)
            return
        if said is not None:
            self._observe(_report(walk, "", said=said, ended=True))

    # ------------------------------------------------------------------------------------------------- the network

    async def _look(self, walk: gaps.Backfill, now: datetime, held: AsyncExitStack) -> _Looked:
        trail = walk.trail
        if trail.sitemap:
            return await self._read_sitemap(walk, now, held)
        request = reading.request(
            trail.step.url if trail.step is not None else walk.source.feed_url,
            self._configured.get(walk.source.name),
            self._settings.http,
            validators=model.Validators(),
            heed_pause=True,
        )
        # The operator asked for the feed, which names its own pages; others are a guess of ours.
        guessed = trail.method == model.DiscoveredBy.PAGED
        response = await self._fetched(walk, replace(request, heed_robots=guessed), held)
        feed = await self._intake.parse(response, now)
        return _Looked(url=response.url, page=archive.Page(url=response.url, feed=feed, headers=response.headers))

    def _sitemap_request(self, walk: gaps.Backfill, url: str) -> model.Request:
        configured = self._configured.get(walk.source.name)
        request = reading.request(url, configured, self._settings.http, validators=model.Validators(), heed_pause=True)
        return replace(request, accept=_ACCEPT_SITEMAP, heed_robots=True)

    async def _fetched(self, walk: gaps.Backfill, request: model.Request, held: AsyncExitStack) -> model.Response:
        response, trail = await self._fetcher.fetch(request, held), walk.trail
        if trail.step is not None and archive.at_home(trail, request.url) and not archive.at_home(trail, response.url):
            said = f"leads to another host ({identity.host_of(response.url)})"
            raise errors.BlockedError(said, code="other_host", url=response.url)
        return response

    async def _prepared(self, walk: gaps.Backfill) -> gaps.Backfill:
        """The walk, which knows which sitemaps there are once it comes to them: those that robots.txt names, else the usual ones."""
        trail = walk.trail
        if trail.step is None or not trail.sitemap or trail.sitemaps is not None:
            return walk
        root = trail.step.url
        named = await self._fetcher.sitemaps(self._sitemap_request(walk, root))
        return replace(walk, trail=replace(trail, sitemaps=archive.sitemaps(trail, named, root)))

    async def _read_sitemap(self, walk: gaps.Backfill, now: datetime, held: AsyncExitStack) -> _Looked:
        trail = walk.trail
        if not trail.sitemaps:
            return _Looked(url="")
        response = await self._fetched(walk, self._sitemap_request(walk, trail.sitemaps[0].url), held)
        known = await asyncio.to_thread(self._known, walk.source.id)
        since = walk.since
        believed = max(_FEWEST_BELIEVED, _BELIEVED * walk.expected)
        wanted = sitemap.Wanted(
            home=trail.home,
            articles=known.urls,
            known=frozenset(known.since),
            before=frozenset(key for key, at in known.since.items() if since is not None and at <= since),
            since=since,
            until=walk.source.last_success_at,
        )
        if walk.origin == gaps.BY_ITSELF:
            wanted = replace(wanted, most=believed)
        body = spool.crossing(response.body)
        read = await self._workers.run(_PARSE_LIMIT, sitemap.read, body, url=response.url, now=now, wanted=wanted)
        return _Looked(url=response.url, read=read)

    def _known(self, source_id: int) -> gaps.Known:
        with self._store.read() as conn:
            return gaps.known(conn, source_id)

    # ------------------------------------------------------------------------------------------------- the verdict

    def _settle(self, walk: gaps.Backfill, found: _Looked | errors.AggregatorError, now: datetime) -> _Step:
        return self._intake.stored(lambda conn: self._write(conn, walk, found, now))

    def _write(
        self, conn: Connection, walk: gaps.Backfill, found: _Looked | errors.AggregatorError, now: datetime
    ) -> _Step:
        if isinstance(found, errors.AggregatorError):
            return self._failed(conn, walk, found, now)
        walk = replace(walk, pages=walk.pages + 1)
        if found.read is not None:
            return self._write_sitemap(conn, walk, found.url, found.read, now)
        if found.page is None:
            return self._after_sitemaps(conn, walk, now)
        if walk.trail.step is None:
            return self._write_feed(conn, walk, found.page, now)
        return self._write_page(conn, walk, found.page, now)

    def _write_feed(self, conn: Connection, walk: gaps.Backfill, page: archive.Page, now: datetime) -> _Step:
        """What the feed itself shows is left to its polls, but for what it tells: where older pages are, and what was known before."""
        decision = self._intake.recognised(conn, walk.source, page.feed)
        before, walk = walk, _filled(conn, walk, decision.seen, now)
        report = _report(before, page.url, feed=page.feed, filled=before.gaps - walk.gaps)
        if walk.origin == gaps.BY_ITSELF and not walk.gaps:
            end = archive.End(why="the feed shows what was known", reached=True)
            return self._ended(conn, walk, end, report, now)
        own = _domains(walk.source.feed_url, walk.source.url, page.feed.site_url)
        trail = archive.after_feed(walk.trail, page, home=own, sitemaps=walk.since is not None)
        return self._turned(conn, walk, archive.turn(trail), report, now)

    def _write_page(self, conn: Connection, walk: gaps.Backfill, page: archive.Page, now: datetime) -> _Step:
        trail, by = walk.trail, model.DiscoveredBy(walk.trail.method)
        decision = self._intake.older(conn, walk.source, page.feed, now, by)
        new = len(decision.new)
        walk = replace(walk, found=walk.found + new, resumed=walk.resumed and not new)
        on_top = [seen for seen in decision.seen if not archive.familiar_first(trail, seen.entry)]
        before, walk = walk, _filled(conn, walk, on_top, now)
        report = _report(before, page.url, feed=page.feed, new=new, filled=before.gaps - walk.gaps)
        page = replace(page, new=new, filled=walk.origin == gaps.BY_ITSELF and not walk.gaps)
        through = walk.since is not None or walk.gaps > 0 or walk.resumed
        aim = archive.Aim(since=walk.since, through_known=through, strict=walk.origin != gaps.BY_ITSELF)
        after = archive.after_page(trail, page, aim)
        if isinstance(after, archive.End):
            return self._ended(conn, walk, after, report, now)
        return self._onward(conn, replace(walk, trail=after), report, now)

    def _write_sitemap(
        self, conn: Connection, walk: gaps.Backfill, url: str, read: sitemap.Read, now: datetime
    ) -> _Step:
        feed = model.ParsedFeed(version="sitemap", entries=read.entries)
        decision = self._intake.older(conn, walk.source, feed, now, model.DiscoveredBy.SITEMAP)
        new, known = len(decision.new), gaps.known(conn, walk.source.id).since
        known_at = min((known[key] for key in read.before if key in known), default=None)
        report = _report(replace(walk, found=walk.found + new), url, feed=feed, new=new)
        trail = archive.after_sitemap(walk.trail, read, new=new, known_at=known_at)
        return self._onward(conn, replace(walk, trail=trail, found=walk.found + new), report, now)

    def _after_sitemaps(self, conn: Connection, walk: gaps.Backfill, now: datetime) -> _Step:
        # Nothing was fetched this time.
        walk = replace(walk, pages=walk.pages - 1)
        before, trail = walk, walk.trail
        if trail.known_at is not None and not trail.doubts and walk.gaps:
            walk = replace(walk, gaps=gaps.fill(conn, walk, trail.known_at, now))
        report = _report(walk, "", filled=before.gaps - walk.gaps)
        end = archive.after_sitemaps(trail, filled=not walk.gaps if before.gaps else trail.known_at is not None)
        return self._ended(conn, walk, end, report, now)

    # ------------------------------------------------------------------------------------------------- where to go on

    def _onward(self, conn: Connection, walk: gaps.Backfill, report: Report, now: datetime) -> _Step:
        gaps.go_on(conn, walk, now=now, lease=LEASE)
        return replace(walk, attempts=0), report

    def _turned(
        self, conn: Connection, walk: gaps.Backfill, trail: archive.Trail, report: Report, now: datetime
    ) -> _Step:
        if trail.step is not None:
            return self._onward(conn, replace(walk, trail=trail), report, now)
        said = archive.failure(trail)
        gaps.end(conn, walk, said, now)
        return None, replace(report, said=said, ended=True)

    def _ended(self, conn: Connection, walk: gaps.Backfill, end: archive.End, report: Report, now: datetime) -> _Step:
        """This way has come to its end: the next one, where it has not led to what was looked for."""
        by_hand = walk.origin == gaps.BY_HAND
        if not end.reached and (end.absent or not by_hand or walk.gaps):
            trail = archive.turn(walk.trail, end)
            return self._turned(conn, walk, trail, replace(report, said=end.why), now)
        said = end.why
        if not by_hand:
            said = f"{end.why} and shows nothing that was known" if walk.gaps else gaps.filled(walk)
        gaps.end(conn, walk, said, now)
        return None, replace(report, said=said, ended=True)

    def _failed(self, conn: Connection, walk: gaps.Backfill, error: errors.AggregatorError, now: datetime) -> _Step:
        trail, url = walk.trail, (isinstance(error, errors.FetchError) and error.url) or ""
        report = replace(_report(walk, url, said=str(error)), error_code=error.code)
        if (later := self._later(walk, error, now)) is not None:
            walk, due = later
            gaps.put_off(conn, walk, due)
            return None, replace(report, said=due.reason, waits=True)
        walk = replace(walk, pages=walk.pages + 1)
        if trail.sitemap and trail.sitemaps:
            passed = replace(walk, trail=archive.passed(trail, str(error)))
            return self._onward(conn, passed, report, now)
        if trail.step is None:
            said = f"the feed itself: {error}"
            gaps.end(conn, walk, said, now)
            return None, replace(report, said=said, ended=True)
        return self._ended(conn, walk, archive.missing(trail, str(error)), report, now)

    def _later(
        self, walk: gaps.Backfill, error: errors.AggregatorError, now: datetime
    ) -> tuple[gaps.Backfill, model.Due] | None:
        """When to try the page again, and with how many failures; None if there is no hope."""
        retry_after = error.retry_after if isinstance(error, errors.FetchError) else None
        theirs = isinstance(error, errors.TransportError | errors.StatusError)
        if error.code in _WAITS or (theirs and self._outlook.outage):
            return walk, model.Due(at=retry_after or now + _PAUSE, reason=f"waits: {error}")
        if walk.trail.step is not None and _lasting(error):
            return None
        tried = replace(walk, attempts=walk.attempts + 1)
        due = cadence.next_try(
            error.code, attempts=tried.attempts, item_id=walk.source.id, now=now, retry_after=retry_after
        )
        return (tried, replace(due, reason=f"{error}; {due.reason} at {due.at:%Y-%m-%d %H:%M} UTC")) if due else None


def _crashed(walk: gaps.Backfill, exc: Exception) -> errors.AggregatorError:
    _log.error("backfill.crashed", source=walk.source.name, exc_info=exc)
    return errors.AggregatorError(f"unexpected {type(exc).__name__}: {exc}", code="crash")


def _lasting(error: errors.AggregatorError) -> bool:
    """Whether the page will be no better another time."""
    if isinstance(error, errors.StatusError):
        return (error.status or 0) < 500 and error.code not in _PASSING
    return isinstance(error, errors.ParseError | errors.BlockedError | errors.TooLargeError | errors.WorkerError)


def _filled(conn: Connection, walk: gaps.Backfill, seen: Sequence[model.SeenItem], now: datetime) -> gaps.Backfill:
    """The walk, once what this source has shown before has filled the gaps after it."""
    own = [one.item.id for one in seen if one.item.entry_hash is not None and one.item.id not in walk.kept]
    known_at = gaps.known_since(conn, walk.source.id, own) if own and walk.gaps else None
    return replace(walk, gaps=gaps.fill(conn, walk, known_at, now)) if known_at is not None else walk


def _domains(*urls: str | None) -> tuple[str, ...]:
    """The registered domains of these addresses, or their hosts where they are below none."""
    hosts = [host for url in urls if (host := identity.host_of(url))]
    return tuple(dict.fromkeys(manners.registered_domain(host) or host for host in hosts))


def _report(
    walk: gaps.Backfill,
    url: str,
    *,
    feed: model.ParsedFeed | None = None,
    new: int = 0,
    filled: int = 0,
    said: str | None = None,
    ended: bool = False,
) -> Report:
    dates = [one.published_at for one in feed.entries if one.published_at is not None] if feed is not None else []
    return Report(
        source=walk.source.name,
        method=walk.trail.method,
        page=walk.trail.page,
        url=url,
        entries=len(feed.entries) if feed is not None else 0,
        new=new,
        oldest=min(dates, default=None),
        said=said,
        ended=ended,
        filled=filled,
    )
