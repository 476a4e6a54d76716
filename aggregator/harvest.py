"""One harvest: a claimed item → its page if needed → draft → one commit. Never raises; a page that fails is tried again for a day.

1. `_plan`    does this item need its page, or is the feed's own text the whole article?
2. `_fetch`   the page, conditionally where we have it already
3. `_draft`   text, hash and tags, in a worker process
4. `_settle`  text, state and reason, revision, cluster, tags, page and next visit in one transaction, together with other visits that
              ended at the same moment (`batch`)
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import zstandard

from aggregator import batch, cadence, clock, config, draft, errors, fate, log, model, outlook, spool
from aggregator.feed import identity, text
from aggregator.net import fetcher, manners
from aggregator.store import db, tags, visits
from aggregator.workers import Workers

ACCEPT = "text/html, application/xhtml+xml, application/xml;q=0.8, */*;q=0.1"
# hazards, rule 1: the slowest real pages need a second or two.
DRAFT_LIMIT = 20.0
LEASE = timedelta(minutes=15)
_CONFLICTS = 5
_LONGEST_URL = 2000
# Looking through more content than this takes longer than the event loop has.
_LONG = 10_000
# Headers worth keeping with a page: what it is, and what proves when and by whom it was served.
_EVIDENCE = ("content-type", "content-language", "date", "etag", "last-modified", "server", "link", "x-robots-tag")
# While our own network is down, pages wait this long before they are looked at again.
_NETWORK_PAUSE = timedelta(minutes=15)

# Why the page at the address of an entry is none of its own.
_FRONT = "the feed gives the front page of a site for its address"
_SHARED = "the feed gives other entries the same address"

# What keeps a page waiting without a fault of its own.
_WAITS = {
    "retry_after": "the host asked for it (Retry-After)",
    "robots_unreachable": "robots.txt cannot be had, so nothing may be fetched (RFC 9309)",
    "proxy": "our own proxy cannot be reached",
    "proxy_auth": "our own proxy does not let us in",
    "storage": "our own folder for temporary files has no room",
}

_log = log.logger("harvest")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How to come by the text: `page` says whether to fetch it, `why_not` why there is only the feed's text."""

    page: bool
    why_not: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the visit found: a draft, the page it was made from, or the error that stood in the way; `fate`: what became of the page."""

    draft: model.Draft | None = None
    page: model.PageCopy | None = None
    error: errors.AggregatorError | None = None
    fate: model.Fate | None = None
    page_url: str | None = None


class Harvester:
    """Harvests items. `observe` is told of every report after its commit."""

    def __init__(
        self,
        *,
        store: db.Store,
        fetcher: fetcher.Fetcher,
        workers: Workers,
        settings: config.Settings,
        observe: Callable[[model.HarvestReport], None],
        outlook: outlook.Outlook,
        now: clock.Clock = clock.now,
    ) -> None:
        self._store, self._fetcher, self._workers, self._observe = store, fetcher, workers, observe
        self._settings, self._outlook, self._now = settings, outlook, now
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}
        self._visits = batch.Batch(self._settle, most=batch.MOST_TOGETHER, gather=batch.PATIENT, longest=batch.LONG)

    async def aclose(self) -> None:
        """Wait until what was visited is written."""
        await self._visits.aclose()

    async def harvest(self, item: model.Item) -> model.HarvestReport | None:
        """One visit to a claimed item; None if its result could not be written, in which case the lease runs out."""
        configured = self._configured.get(item.source)
        # A large page keeps others out of memory until it is stored.
        async with AsyncExitStack() as held:
            return await self._harvest(item, configured, held)

    async def _harvest(
        self, item: model.Item, configured: config.SourceConfig | None, held: AsyncExitStack
    ) -> model.HarvestReport | None:
        now, started = self._now(), time.monotonic()
        long = len(item.content) > _LONG
        plan = await asyncio.to_thread(self._plan, item, configured) if long else self._plan(item, configured)
        try:
            found = await self._look(item, configured, plan, now, held)
        except Exception as exc:
            _log.exception("harvest.crashed", item=item.id, url=item.url)
            found = _Found(error=errors.AggregatorError(f"unexpected {type(exc).__name__}: {exc}", code="crash"))
        visit = self._visit(item, plan, found, now)
        try:
            report = await self._visits.add(visit)
        except errors.StoreError as exc:
            if exc.code == "superseded":
                # Its feed has changed it meanwhile: it is visited again for that.
                _log.info("harvest.superseded", item=item.id)
            else:
                _log.error("harvest.not_stored", item=item.id, error=str(exc), code=exc.code)
            return None
        code = found.error.code if found.error else None
        report = replace(report, took=timedelta(seconds=time.monotonic() - started), error_code=code)
        self._observe(report)
        return report

    def _plan(self, item: model.Item, configured: config.SourceConfig | None) -> _Plan:
        mode = (configured and configured.full_text) or self._settings.harvest.full_text
        if not item.url:
            return _Plan(page=False, why_not="the feed gives no address for this entry")
        if item.shares_address:
            return _Plan(page=False, why_not=_FRONT if identity.is_front_page(identity.url_key(item.url)) else _SHARED)
        if mode == "never":
            return _Plan(page=False, why_not="full_text is 'never' for this source")
        return _Plan(page=mode == "always" or not text.is_whole(item.content, item.summary))

    # ------------------------------------------------------------------------------------------------- the look

    async def _look(
        self,
        item: model.Item,
        configured: config.SourceConfig | None,
        plan: _Plan,
        now: datetime,
        held: AsyncExitStack,
    ) -> _Found:
        about = job(item, configured, now)
        if not plan.page:
            return _Found(draft=await self._draft(about))
        try:
            response = await self._fetch(item, configured, held)
            became = fate.of_answer(item, response)
            if response.not_modified:
                return _Found(fate=became)
            if error := fate.front_page(item, response):
                return _Found(error=error)
            page = replace(
                about,
                page=spool.crossing(response.body),
                page_url=response.url,
                page_type=response.headers.get("content-type"),
            )
            made = await self._draft(page)
        except (errors.FetchError, errors.WorkerError) as exc:
            # Until the page can be had, the feed's own text is better than none.
            fallback = await self._fallback(about) if item.text is None else None
            return _Found(draft=fallback, error=exc)
        keep = self._settings.harvest.keep_pages
        copy = await asyncio.to_thread(self._copy, response, now) if keep else None
        return _Found(draft=made, page=copy, fate=became, page_url=response.url)

    async def _fetch(
        self, item: model.Item, configured: config.SourceConfig | None, held: AsyncExitStack
    ) -> model.Response:
        request = model.Request(
            url=item.url or "",
            accept=ACCEPT,
            max_bytes=self._settings.http.max_page_bytes,
            # What has become of its page is the reason that stands there: once it is back, the draft gives its own again.
            validators=item.validators if item.fate is None else model.Validators(),
            heed_robots=True,
        )
        if configured is not None:
            request = fetcher.personal(request, configured)
        return await self._fetcher.fetch(request, held)

    async def _draft(self, job: model.DraftJob) -> model.Draft:
        """What breaks its worker is tried once more, alone: it may have been the others' doing, or the machine's. After that it is the
        page's own, and stays unread until its feed changes it."""
        try:
            return await self._workers.run(DRAFT_LIMIT, draft.make, job, self._settings.taxonomy)
        except errors.WorkerError as exc:
            _log.warning("harvest.worker_broke", url=job.page_url, error=str(exc), code=exc.code)
        try:
            return await self._workers.run_alone(DRAFT_LIMIT, draft.make, job, self._settings.taxonomy)
        except errors.WorkerError as exc:
            raise errors.WorkerError(f"reading it {exc}, and when it was read alone, too", code=exc.code) from exc

    async def _fallback(self, job: model.DraftJob) -> model.Draft | None:
        try:
            return await self._draft(job)
        except errors.WorkerError as exc:
            _log.warning("harvest.feed_text_failed", error=str(exc), code=exc.code)
            return None

    def _copy(self, response: model.Response, now: datetime) -> model.PageCopy:
        return model.PageCopy(
            at=now,
            url=response.url,
            status=response.status,
            headers={name: response.headers[name] for name in _EVIDENCE if name in response.headers},
            body=_compressed(response.body),
            sha256=spool.sha256(response.body),
        )

    # ------------------------------------------------------------------------------------------------- the verdict

    def _visit(self, item: model.Item, plan: _Plan, found: _Found, now: datetime) -> model.Visit:
        after = self._settings.harvest.revisit
        if found.error is not None:
            if wait := self._wait(found.error, now):
                return _postponed(item, wait, str(found.error), found.draft, now)
            if item.state in model.SETTLED and found.draft is None:
                return _missed(item, found.error, now, after)
            return _failed(item, found.error, found.draft, now)
        if found.draft is None:
            return _read(item, found, (item.state, fate.before(item)), now, after)
        if plan.why_not and found.draft.word_count:
            said = f"{plan.why_not}; the feed's own text is kept"
            return _read(item, found, (model.ItemState.FEED_ONLY, said), now, ())
        if found.draft.state in model.SETTLED:
            return _read(item, found, (found.draft.state, found.draft.reason), now, after if plan.page else ())
        if item.state in model.SETTLED:
            return _walled(item, found.draft, now, after if plan.page else ())
        if plan.why_not:
            nothing = replace(found.draft, reason=f"{plan.why_not}, and the feed has no text for it")
            return replace(_unreadable(item, nothing, None, now), attempts=0)
        return _unreadable(item, found.draft, found.page, now)

    def _wait(self, error: errors.AggregatorError, now: datetime) -> model.Due | None:
        """When to look again, if nothing was tried or our own network is to blame; None if the page has failed."""
        if isinstance(error, errors.FetchError) and error.code in _WAITS:
            return model.Due(at=error.retry_after or now + timedelta(hours=1), reason=_WAITS[error.code])
        if self._outlook.outage and isinstance(error, errors.TransportError | errors.StatusError):
            return model.Due(at=now + _NETWORK_PAUSE, reason="every source fails: probably our own network")
        return None

    def _settle(self, made: Sequence[model.Visit]) -> Sequence[model.HarvestReport]:
        return settled(self._store, made)


def settled(store: db.Store, made: Sequence[model.Visit]) -> Sequence[model.HarvestReport]:
    """What came of these visits, once it is written: in one transaction, but for words that are new to the vocabulary. Raises StoreError."""
    # Where there is one writer it has read what came in lately, and to look twice costs more than others wait.
    if not store.sqlite:
        _prepare(store, made)
    return store.commit(lambda conn: visits.settle_all(conn, made), tries=_CONFLICTS)


def _prepare(store: db.Store, made: Sequence[model.Visit]) -> None:
    """Do beforehand what would keep other writers waiting."""
    with store.read() as conn:
        visits.foresee(conn, made)
        new = visits.new_words(conn, made)
    if new:
        # Who brings the same new word at the same time waits for this transaction, not for the one of the visits.
        with store.begin() as conn:
            tags.know(conn, new, made[0].at)


def _compressed(body: spool.Body) -> bytes:
    # Against level 9: a tenth larger, in a quarter of the time, and a fraction of the memory.
    packer = zstandard.ZstdCompressor(level=3).compressobj(size=len(body))
    return b"".join([packer.compress(piece) for piece in spool.pieces(body)]) + packer.flush()


def job(item: model.Item, configured: config.SourceConfig | None, now: datetime) -> model.DraftJob:
    """What a worker needs to know of an item."""
    return model.DraftJob(
        title=item.title,
        summary=item.summary,
        content=item.content,
        now=now,
        authors=item.authors,
        language=item.language,
        published_at=item.published_at if item.date_source != model.DateSource.FIRST_SEEN else None,
        categories=item.categories,
        source_category=configured.category if configured else None,
        source_tags=configured.tags if configured else (),
        keep=configured.select.keep if configured else (),
        drop=configured.select.drop if configured else (),
        text=item.text,
        learned=item.learned,
    )


def _read(
    item: model.Item, found: _Found, said: tuple[str, str | None], now: datetime, after: tuple[timedelta, ...]
) -> model.Visit:
    """A page, or a text of the feed's own, that was read; `said` is the state that it leads to, and why."""
    state, reason = said
    if state == model.ItemState.OK:
        reason = fate.said(replace(item, fate=None), found.fate)
    return model.Visit(
        item=item,
        at=now,
        state=state,
        reason=reason,
        attempts=0,
        due=cadence.revisit(item, now=now, after=after),
        draft=found.draft,
        page=found.page,
        fate=found.fate,
        canonical=canonical(item, found.draft, found.page_url),
    )


def canonical(item: model.Item, made: model.Draft | None, page_url: str | None) -> str | None:
    """The other address that the page gives for its own, or for where its article comes from, if it may be an article's: not where it only
    says again where the page is, nor a front page or a section, which broken templates name on every page."""
    told = made.canonical if made else None
    if not told or not page_url or len(told) > _LONGEST_URL:
        return None
    key, here = identity.url_key(told), identity.url_key(page_url)
    if key in (here, identity.url_key(item.url or "")) or here.startswith(f"{key}/") or "/" not in key:
        return None
    return told if manners.registered_domain(key.partition("/")[0]) is not None else None


def _failed(item: model.Item, error: errors.AggregatorError, made: model.Draft | None, now: datetime) -> model.Visit:
    """A page that could not be had: tried again later, or given up with what the feed had."""
    attempts = item.attempts + 1
    retry_after = error.retry_after if isinstance(error, errors.FetchError) else None
    if error.code == "robots":
        return _forbidden(item, error, made, now)
    due = cadence.next_try(error.code, attempts=attempts, item_id=item.id, now=now, retry_after=retry_after)
    words = made.word_count if made else (1 if item.text else 0)
    if due is not None:
        state, reason = model.ItemState.PENDING, f"{error}; {due.reason} at {due.at:%Y-%m-%d %H:%M} UTC"
    else:
        state = model.ItemState.FEED_ONLY if words else _given_up(error)
        tail = "; the feed's own text is kept" if words else ""
        reason = f"{error}; given up after {attempts} {'try' if attempts == 1 else 'tries'}{tail}"
    draft_to_keep = made if made and made.word_count else None
    return model.Visit(item=item, at=now, state=state, reason=reason, attempts=attempts, due=due, draft=draft_to_keep)


def _missed(
    item: model.Item, error: errors.AggregatorError, now: datetime, after: tuple[timedelta, ...]
) -> model.Visit:
    """A page that was read before and could not be had: the text we have stays ours, whatever became of it. Given up, it is looked
    at again when it would have been anyway."""
    retry_after = error.retry_after if isinstance(error, errors.FetchError) else None
    if error.code == "robots":
        return _forbidden(item, error, None, now)
    attempts = item.attempts + 1
    due = cadence.next_try(error.code, attempts=attempts, item_id=item.id, now=now, retry_after=retry_after)
    became = fate.of_failure(item, error, given_up=due is None)
    return _kept(item, became, str(error), due, now, after)


def _walled(item: model.Item, made: model.Draft, now: datetime, after: tuple[timedelta, ...]) -> model.Visit:
    """A wall that went up later does not take away the text we have."""
    attempts = item.attempts + 1
    due = cadence.next_try(made.failure, attempts=attempts, item_id=item.id, now=now) if made.failure else None
    became = fate.of_wall(item, made, given_up=due is None)
    return _kept(item, became, made.reason or "there is no article", due, now, after)


def _kept(
    item: model.Item,
    became: model.Fate | None,
    why: str,
    due: model.Due | None,
    now: datetime,
    after: tuple[timedelta, ...],
) -> model.Visit:
    attempts = item.attempts + 1
    if due is None:
        due, attempts = cadence.revisit(item, now=now, after=after), 0
    # What is known to have happened to the page explains why it is not there.
    known = became or item.fate
    reason = fate.said(item, became) if known else fate.missed(item, f"failed: {why}", due, now)
    return model.Visit(item=item, at=now, state=item.state, reason=reason, attempts=attempts, due=due, fate=became)


def _postponed(item: model.Item, due: model.Due, said: str, made: model.Draft | None, now: datetime) -> model.Visit:
    """Nothing was tried, so nothing failed."""
    if item.state in model.SETTLED:
        reason = fate.missed(item, f"was put off: {said}", due, now)
    else:
        reason = f"postponed to {due.at:%Y-%m-%d %H:%M} UTC: {said}"
    return model.Visit(
        item=item,
        at=now,
        state=item.state,
        reason=reason,
        attempts=item.attempts,
        due=due,
        draft=made if made and made.word_count else None,
    )


def _forbidden(item: model.Item, error: errors.AggregatorError, made: model.Draft | None, now: datetime) -> model.Visit:
    """robots.txt says no: the feed's own text is all there will be, until the feed shows a change."""
    if item.state in model.SETTLED and made is None:
        reason = fate.missed(item, f"failed: {error}", None, now)
        return model.Visit(item=item, at=now, state=item.state, reason=reason, attempts=item.attempts)
    words = made.word_count if made else (1 if item.text else 0)
    state = model.ItemState.FEED_ONLY if words else model.ItemState.BLOCKED
    reason = f"{error}; the feed's own text is kept" if words else str(error)
    kept = made if made and made.word_count else None
    return model.Visit(item=item, at=now, state=state, reason=reason, attempts=item.attempts + 1, draft=kept)


def _given_up(error: errors.AggregatorError) -> model.ItemState:
    if isinstance(error, errors.TooLargeError) and error.media and "html" not in error.media:
        return model.ItemState.NOT_HTML
    refused = error.code in ("http_401", "http_403", "http_451", "blocked", "address", "port", "scheme", "url")
    return model.ItemState.BLOCKED if refused else model.ItemState.FAILED


def _unreadable(item: model.Item, made: model.Draft, page: model.PageCopy | None, now: datetime) -> model.Visit:
    """A page that was fetched and holds no article (a wall, a PDF, nothing): what may pass is asked about again."""
    attempts = item.attempts + 1
    due = cadence.next_try(made.failure, attempts=attempts, item_id=item.id, now=now) if made.failure else None
    return model.Visit(
        item=item, at=now, state=made.state, reason=made.reason, attempts=attempts, due=due, draft=made, page=page
    )
