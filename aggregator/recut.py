"""Texts that were stored before their source's boilerplate was known, cut again: a correction of ours, so without a revision."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from aggregator import cadence, clock, config, draft, errors, harvest, log, model
from aggregator.store import boilerplate, db, recuts
from aggregator.workers import Workers

# Texts that are to be cut again can wait; there are few.
EVERY = timedelta(minutes=1)
# So many texts are cut and written together: it holds up other writers for a tenth of a second at most.
_TOGETHER = 25
_FORGET = timedelta(days=1)
# Another writer may be at work on an item of the same cluster.
_CONFLICTS = 3

_log = log.logger("recut")


class Recutter:
    """Cuts again what is due. What it does not finish is due the next time."""

    def __init__(
        self, *, store: db.Store, workers: Workers, settings: config.Settings, now: clock.Clock = clock.now
    ) -> None:
        self._store, self._workers, self._settings, self._now = store, workers, settings, now
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}
        self._forget_at: datetime | None = None

    async def ring(self) -> None:
        """Cut what is due. Raises StoreError."""
        await self.run()

    async def run(self) -> int:
        """Cut all texts that are due; returns how many were corrected. A text that cannot be cut stays due. Raises StoreError."""
        corrected = 0
        await asyncio.to_thread(self._forget)
        while items := await asyncio.to_thread(self._due):
            drafts = [await self._cut(item) for item in items]
            made = [_recut(item, cut, self._now()) for item, cut in zip(items, drafts, strict=True) if cut]
            if not made:
                break
            corrected += await asyncio.to_thread(self._write, made)
        if corrected:
            _log.info("recut.done", items=corrected)
        return corrected

    def _forget(self) -> None:
        now = self._now()
        if self._forget_at is None or now >= self._forget_at:
            with self._store.begin() as conn:
                boilerplate.forget(conn, now)
            self._forget_at = now + _FORGET

    def _due(self) -> tuple[model.Item, ...]:
        with self._store.read() as conn:
            return recuts.due(conn, now=self._now(), limit=_TOGETHER)

    async def _cut(self, item: model.Item) -> model.Draft | None:
        now = self._now()
        job = harvest.job(item, self._configured.get(item.source), now)
        try:
            return await self._workers.run(harvest.DRAFT_LIMIT, draft.recut, job, item, self._settings.taxonomy)
        except errors.WorkerError as exc:
            _log.warning("recut.failed", item=item.id, error=str(exc), code=exc.code)
            return None

    def _write(self, made: list[model.Recut]) -> int:
        return self._store.commit(lambda conn: recuts.write(conn, made, self._now()), tries=_CONFLICTS)


def _recut(item: model.Item, made: model.Draft, now: datetime) -> model.Recut:
    due = cadence.next_try(made.failure, attempts=1, item_id=item.id, now=now) if made.failure else None
    return model.Recut(item=item, draft=made, due=due)
