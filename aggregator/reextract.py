"""Kept pages read anew by the engine of today: copy → draft → one commit. Asks nobody, and may run beside a daemon.

What it has not come to is there the next time: an item whose text is the present engine's is skipped.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import zstandard

from aggregator import batch, clock, config, draft, errors, fate, harvest, log, model
from aggregator.store import db, pages, rereads, sources
from aggregator.workers import Workers

_LEASE = timedelta(minutes=15)
# Claimed at once: enough for all workers, and few enough to be done long before the lease ends.
_CLAIMED = 32
# From this its name is learned: an article as plain as can be.
_SAMPLE = "<html><body><article>" + "<p>A plain sentence that every engine takes for a part of the text.</p>" * 20

_log = log.logger("reextract")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """One item: `revised` if its text is another now, `kept` if it was left as it was, `error` if its copy could not be read."""

    item_id: int
    url: str | None
    source: str
    state: str
    revised: bool = False
    kept: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What is to be done: `total` items have a copy that `engine` has not read; `all` of them, if that was asked for."""

    engine: str
    total: int


class Reextractor:
    """Reads kept pages anew. `begun` is told before the first, `observe` of each after its commit, `reached` the id up to which all of
    them were read, or left to others."""

    def __init__(
        self,
        *,
        store: db.Store,
        workers: Workers,
        settings: config.Settings,
        begun: Callable[[Begun], None],
        observe: Callable[[Reread], None],
        reached: Callable[[int], None],
        now: clock.Clock = clock.now,
    ) -> None:
        self._store, self._workers, self._settings, self._now = store, workers, settings, now
        self._begun, self._observe, self._reached = begun, observe, reached
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}
        self._visits = batch.Batch(self._settle, most=batch.MOST_TOGETHER, gather=batch.PATIENT, longest=batch.LONG)
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    async def run(self, choice: pages.Choice, *, everything: bool) -> int:
        """All of `choice`, `everything` also what the present engine has read; returns how many were in somebody's hands. Raises
        StoreError, WorkerError."""
        engine = await self._engine()
        choice = replace(choice, but=None if everything else engine)
        total = await asyncio.to_thread(self._count, choice)
        self._begun(Begun(engine=engine, total=total))
        busy = 0
        try:
            while (claimed := await asyncio.to_thread(self._claim, choice)).last is not None:
                await asyncio.gather(*(self._reread(kept) for kept in claimed.pages))
                busy, choice = busy + claimed.busy, replace(choice, after=claimed.last)
                self._reached(claimed.last)
        finally:
            await self._visits.aclose()
            await asyncio.to_thread(self._release)
        return busy

    async def _engine(self) -> str:
        """What the workers' extractor calls itself; only they load it."""
        sample = model.DraftJob(title="", summary="", content="", now=self._now(), page=_SAMPLE.encode())
        made = await self._workers.run(harvest.DRAFT_LIMIT, draft.make, sample, self._settings.taxonomy)
        return made.extractor or ""

    async def _reread(self, kept: model.KeptPage) -> None:
        item = kept.item
        try:
            visit = await self._visit(kept)
        except (errors.WorkerError, zstandard.ZstdError) as exc:
            _log.warning("reextract.failed", item=item.id, url=item.url, error=str(exc))
            self._tell(item, error=str(exc))
            return
        if visit is None:
            self._tell(item, kept=True)
            return
        try:
            report = await self._visits.add(visit)
        except errors.StoreError as exc:
            # Its feed has changed it meanwhile, so that its page is asked for anyway.
            _log.info("reextract.not_stored", item=item.id, error=str(exc), code=exc.code)
            self._tell(item, error=str(exc))
        else:
            self._observe(
                Reread(item_id=item.id, url=item.url, source=item.source, state=report.state, revised=report.revised)
            )

    def _tell(self, item: model.Item, *, kept: bool = False, error: str | None = None) -> None:
        self._observe(
            Reread(item_id=item.id, url=item.url, source=item.source, state=item.state, kept=kept, error=error)
        )

    async def _visit(self, kept: model.KeptPage) -> model.Visit | None:
        """The visit that the page would have been today; None where the text that is there is to stay."""
        item, page, now = kept.item, kept.page, self._now()
        body = await asyncio.to_thread(zstandard.ZstdDecompressor().decompress, page.body)
        about = harvest.job(item, self._configured.get(item.source), now)
        read = replace(about, page=body, page_url=page.url, page_type=page.headers.get("content-type"))
        made = await self._workers.run(harvest.DRAFT_LIMIT, draft.make, read, self._settings.taxonomy)
        if made.state not in model.SETTLED and item.state in model.SETTLED:
            of_page = item.extractor not in (None, "feed")
            # A wall was never an article; that this engine finds none is no proof that there was none.
            if not (of_page and made.failure is not None):
                return None
        reason = fate.said(item, None) if made.state == model.ItemState.OK else made.reason
        return model.Visit(
            item=item,
            at=now,
            state=made.state,
            reason=fate.still(item, reason),
            attempts=item.attempts,
            draft=made,
            reread=True,
            canonical=harvest.canonical(item, made, page.url),
        )

    # ------------------------------------------------------------------------------------------------- the database

    def _count(self, choice: pages.Choice) -> int:
        with self._store.read() as conn:
            return rereads.count(conn, choice)

    def _claim(self, choice: pages.Choice) -> rereads.Claimed:
        with self._store.begin() as conn:
            return rereads.claim(conn, choice, limit=_CLAIMED, owner=self._owner, lease=_LEASE, now=self._now())

    def _settle(self, made: Sequence[model.Visit]) -> Sequence[model.HarvestReport]:
        return harvest.settled(self._store, made)

    def _release(self) -> None:
        with self._store.begin() as conn:
            sources.release(conn, [self._owner])


def chosen(
    settings: config.Settings,
    names: Sequence[str],
    *,
    state: str | None = None,
    since: datetime | None = None,
    extractor: str | None = None,
    where: str | None = None,
    after: int = 0,
) -> pages.Choice:
    """The choice that these options mean. Raises ConfigError for a state that there is not."""
    if state is not None and state not in tuple(model.ItemState):
        raise errors.ConfigError(f"there is no state {state!r}; there are {', '.join(model.ItemState)}")
    known = {source.name.casefold(): source.name for source in settings.sources}
    wanted = tuple(known.get(name.casefold(), name) for name in names)
    return pages.Choice(sources=wanted, state=state, since=since, extractor=extractor, where=where, after=after)


def check(store: db.Store, choice: pages.Choice) -> None:
    """Raises ConfigError for a condition that the database does not understand, NotFoundError for a source that is not there; StoreError
    where it cannot be asked."""
    try:
        with store.read() as conn:
            pages.check(conn, choice)
    except errors.StoreError as exc:
        if choice.where is None or isinstance(exc, errors.UnavailableError | errors.NotFoundError):
            raise
        raise errors.ConfigError(f"--where {choice.where}: {exc}") from exc
