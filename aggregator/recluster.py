"""What is known of duplicates, kept in order: items placed again by the rules of today, old fingerprints forgotten. Asks nobody, and may
run beside a daemon.

What it has not come to is there the next time: an item that the present rules have placed is skipped.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from aggregator import clock, config, draft, log
from aggregator.store import db, matches, pages, reclusters

# So many items are written in one transaction: it holds up other writers for a tenth of a second at most.
_TOGETHER = 25
# Marking is quick.
_MARKED = 5_000
# Another writer may be at work on an item of the same cluster.
_CONFLICTS = 10
SWEEP_EVERY = timedelta(hours=1)
# Items whose fingerprints are forgotten in one transaction.
_SWEPT = 500

_log = log.logger("recluster")


class Reclusterer:
    """Places items again. `begun` is told how many there are before the first, `observe` how many were placed after each commit."""

    def __init__(
        self,
        *,
        store: db.Store,
        begun: Callable[[int], None],
        observe: Callable[[int], None],
        now: clock.Clock = clock.now,
    ) -> None:
        self._store, self._begun, self._observe, self._now = store, begun, observe, now

    def run(self, choice: pages.Choice, *, everything: bool) -> int:
        """All of `choice` that the present rules have not placed, `everything` also what they have; returns how many were in somebody's
        hands. Raises StoreError."""
        if everything:
            self._mark(choice)
        with self._store.read() as conn:
            total = reclusters.count(conn, choice)
        self._begun(total)
        after = busy = 0
        while items := self._due(choice, after):
            after = items[-1].item_id
            placed = self._place(items, self._now())
            busy += len(items) - placed
            self._observe(placed)
        return busy

    def _mark(self, choice: pages.Choice) -> None:
        after: int | None = 0
        while after is not None:
            with self._store.begin() as conn:
                after = reclusters.mark(conn, choice, after=after, limit=_MARKED)

    def _due(self, choice: pages.Choice, after: int) -> list[reclusters.Stored]:
        with self._store.read() as conn:
            return reclusters.due(conn, choice, after=after, limit=_TOGETHER)

    def _place(self, items: Sequence[reclusters.Stored], now: datetime) -> int:
        renewed = [_renewed(one) for one in items]
        return self._store.commit(lambda conn: reclusters.write(conn, renewed, now), tries=_CONFLICTS)


def _renewed(item: reclusters.Stored) -> reclusters.Renewed:
    text_hash, whole_hash, made = draft.hashes(item.text, item.boilerplate, item.title)
    return reclusters.Renewed(item=item, text_hash=text_hash, whole_hash=whole_hash, fingerprint=made)


class Sweeper:
    """Forgets fingerprints that are too old to find anything: copies come within days. What is exactly the same is found at any age."""

    def __init__(self, *, store: db.Store, settings: config.DedupSettings, now: clock.Clock = clock.now) -> None:
        self._store, self._settings, self._now = store, settings, now

    async def sweep(self) -> None:
        """Forget what is due. Raises StoreError."""
        swept = 0
        while count := await asyncio.to_thread(self._some):
            swept += count
        if swept:
            _log.info("fingerprints.forgotten", items=swept)

    def _some(self) -> int:
        with self._store.begin() as conn:
            return matches.forget(conn, self._now() - self._settings.remember, limit=_SWEPT)
