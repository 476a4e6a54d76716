"""The watch over the sources: who has been quiet for longer than chance explains, who answers and never has an entry. Asks nobody."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from aggregator import clock, log, silence
from aggregator.store import db, health

EVERY = timedelta(minutes=15)
# A verdict that nothing has contradicted is good for so long.
_AGAIN = timedelta(hours=6)
# A source is first polled well within this.
_MET = timedelta(days=1)
# The times of so many sources are asked for at once, two selections each: SQLite takes 500.
_AT_ONCE = 100

_log = log.logger("watch")


class Watch:
    """Judges the sources of one store; `tell` learns how many are silent and barren."""

    def __init__(
        self, *, store: db.Store, tell: Callable[[Mapping[str, int]], None], now: clock.Clock = clock.now
    ) -> None:
        self._store, self._tell, self._now = store, tell, now

    async def look(self) -> None:
        """Judge every source that a verdict may be due for. Raises StoreError."""
        await asyncio.to_thread(self._look)

    def _look(self) -> None:
        now = self._now()
        with self._store.read() as conn:
            watched = [source for source in health.watched(conn) if _due(source, now)]
        for some in _batched(watched):
            with self._store.read() as conn:
                quiet = _quiet(some, health.newest(conn, [one.id for one in some if not _suspected(one)]))
                news = health.news(conn, [one.id for one in quiet])
                judged = _judged(quiet, news, health.fruitless(conn, _unheard(quiet)))
            if not judged:
                continue
            with self._store.begin() as conn:
                health.write(conn, judged, now)
            for one in judged:
                if one.verdict.health != one.source.health:
                    said = one.verdict.reason or f"has news again; it was {one.source.health}"
                    _log.warning(f"source.{one.verdict.health or 'well'}", source=one.source.name, said=said)
        with self._store.read() as conn:
            self._tell(health.counts(conn))


def _due(source: health.Watched, now: datetime) -> bool:
    heard = source.last_new_at or source.added_at
    if source.health_at is not None and heard < source.health_at and now - source.health_at < _AGAIN:
        return False
    # What the first document showed may be of any age: the dates in it tell, not when we met it.
    return _suspected(source) or (source.last_new_at is not None and heard - source.added_at < _MET)


def _suspected(source: health.Watched) -> bool:
    """Whether it may be silent or barren by when we last heard of it, or was when it was last judged."""
    heard, ever = source.last_new_at or source.added_at, source.last_new_at is not None
    return source.health is not None or silence.worth_a_look(source.until - heard, source.gap, ever=ever)


def _quiet(some: Sequence[health.Watched], newest: Mapping[int, datetime]) -> list[health.Watched]:
    """Without those that showed something of late when we met them: all their times take fifty times as long to ask for."""
    return [
        one for one in some if _suspected(one) or (one.id in newest and one.until - newest[one.id] >= silence.LEAST)
    ]


def _batched(watched: Sequence[health.Watched]) -> Iterator[list[health.Watched]]:
    rest = iter(watched)
    while some := list(itertools.islice(rest, _AT_ONCE)):
        yield some


def _unheard(some: Sequence[health.Watched]) -> list[int]:
    return [one.id for one in some if one.last_new_at is None]


def _judged(
    some: Sequence[health.Watched], news: Mapping[int, Sequence[datetime]], fruitless: Mapping[int, health.Answers]
) -> list[health.Judged]:
    judged = []
    for source in some:
        verdict = silence.judge(news[source.id], until=source.until)
        if (answers := fruitless.get(source.id)) is not None:
            verdict = silence.barren(answers.count, since=answers.since, until=source.until)
        judged.append(health.Judged(source=source, verdict=verdict))
    return judged
