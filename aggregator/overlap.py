"""Whether something may have been missed between two documents of a source: the later one shows nothing that the earlier one did, or
nothing but what is kept there for another reason than time (pinned, sticky). Pure.

A feed that moves on drops its oldest entries first. One that stays while newer ones go, or stands above newer ones, is kept: that both
documents have it does not tell that nothing came and went between them.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from aggregator import cadence, model
from aggregator.feed import familiar

# A feed of so few entries may show others at every poll and miss nothing.
_FEW = 3
# Nobody keeps more than one entry in so many on top, nor so many: where they are shared nothing was missed. So nothing more is asked of
# most polls.
_ONE_IN, _MANY = 5, 10
# What all but so many do holds for a feed, and all but one of seven: publishers date back, and delay.
_SOME, _BUT_ONE_OF = 0.1, 7
# From the beginning of one document to the end of the next, by more than half of it: so does what is all but gone.
_FAR = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A gap since `from_at`, the last poll that went well: so many items by the source's rate, None where that is not known. The items
    that are `kept` are on both sides of it."""

    from_at: datetime
    estimated: int | None
    reason: str
    kept: tuple[int, ...] = ()


def doubtful(source: model.Source, feed: model.ParsedFeed, decision: model.Decision) -> Collection[int]:
    """The items whose dates `missed` must know; none, unless nearly all of a document is new, and not quite all."""
    before = source.shown
    if not 0 < decision.shared < _enough(feed.size) or before is None or before.url != source.feed_url:
        return frozenset()
    shared, listed = _shared(feed, decision).keys(), familiar.item_ids(before.packed)
    return listed | shared if len(listed - shared) > _FEW else frozenset()


def _enough(size: int) -> int:
    """How many shared entries tell of a document of that size that nothing was missed, whatever they are; fewer may all be kept."""
    return min(size // _ONE_IN + 1, _MANY)


def missed(
    source: model.Source,
    feed: model.ParsedFeed,
    decision: model.Decision,
    now: datetime,
    published: Mapping[int, datetime] | None = None,
) -> Missed | None:
    """The gap before the document `feed`, which came to `decision`, if there is one; `published` are the dates of what is `doubtful`.

    Entries that are items of this source, under whatever guid or address, are shared; those that only other sources have shown are not.
    A few shared ones, up to a fifth, count for nothing if all of them are kept for another reason than time; where that cannot be told, none is.
    There is none to speak of where nothing came before: at a first poll, after an empty document, at another URL. A feed of up to
    three entries, which may replace all of them as a matter of course, has none where its rate says that it published no more; nor has
    one of a single entry whose rate is not known yet.
    """
    before, since = source.shown, source.last_success_at
    if since is None or not feed.size or (decision.shared and not published):
        return None
    if before is not None and (before.url != source.feed_url or before.size == 0):
        return None
    # Whose entries all were another source's first has never brought anything new, and yet shown something.
    if (before is None or before.size is None) and source.last_new_at is None:
        return None
    estimated = _estimated(source, feed.size - decision.shared, since, now)
    if (feed.size <= _FEW and estimated == 0) or (feed.size == 1 and estimated is None):
        return None
    shows = f"none of the {feed.size} entries was" if feed.size > 1 else "its only entry was not"
    reason = f"{shows} in the document before, {cadence.words(now - since)} earlier"
    if decision.shared:
        why = _kept(feed, decision, before, published, now) if before is not None and published else None
        if why is None:
            return None
        known = f"only {decision.shared} of the {feed.size} entries {'was' if decision.shared == 1 else 'were'} known"
        reason = f"{known}, {cadence.words(now - since)} after the document before: {why}"
    if source.failures:
        reason += f"; in between it could not be polled ({source.error_code or 'failed'})"
    return Missed(from_at=since, estimated=estimated, reason=reason, kept=tuple(_shared(feed, decision)))


def _estimated(source: model.Source, fresh: int, since: datetime, now: datetime) -> int | None:
    """What its rate would have brought in the meantime, but for what the document shows."""
    if not source.learned_gap:
        return None
    return max(0, round((now - since) / source.learned_gap) - fresh)


# ---------------------------------------------------------------------------------------------------- what is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """How one document followed another that was in the order of time: the dates of what has `gone`, sorted, and of what has `come` by
    its position. `down`: the newest is on top, not below."""

    gone: Sequence[datetime]
    come: Sequence[tuple[int, datetime]]
    down: bool

    def outlived(self, at: datetime) -> int:
        """How many younger ones have gone than one of that date; 0 where they are too few to tell."""
        younger = len(self.gone) - bisect_right(self.gone, at)
        return younger if younger > _FEW and 2 * younger >= len(self.gone) else 0

    def passing(self, before: float | None, now: float) -> bool:
        """Whether its place in the document, 0 on top and 1 below, has changed as time changes them: an old entry may be new there."""
        return before is not None and (now - before if self.down else before - now) > _FAR

    def misplaced(self, at: datetime, position: int) -> bool:
        """Whether one of that date stands above most of what has come, and that is younger."""
        passed = sum(one > at and (place > position) == self.down for place, one in self.come)
        return 2 * passed > len(self.come)


def _kept(
    feed: model.ParsedFeed,
    decision: model.Decision,
    before: model.Shown,
    published: Mapping[int, datetime],
    now: datetime,
) -> str | None:
    """Why no shared entry tells that the documents overlap, in words; None where one may."""
    shared = _shared(feed, decision)
    listed = dict.fromkeys(one.item_id for one in familiar.unpack(before.packed))
    places = {item: n / len(listed) for n, item in enumerate(listed)}
    turn = _turned(
        [published[item] for item in listed if item in published and item not in shared],
        sorted((one.position, one.published_at or now) for one in _come(decision)),
    )
    if turn is None or not shared.keys() <= published.keys():
        return None
    outlived = []
    for item, position in shared.items():
        younger = turn.outlived(published[item])
        if younger and not turn.passing(places.get(item), (position - 1) / feed.size):
            outlived.append(younger)
        elif not turn.misplaced(published[item], position):
            return None
    return _words(min(published[item] for item in shared), outlived, len(shared))


def _turned(gone: Sequence[datetime], come: Sequence[tuple[int, datetime]]) -> _Turn | None:
    """What has gone and come, in the order of both documents; None where they are not in that of time, one after the other: a list of
    the most read, by name, by chance, or one without dates of which nothing has been seen to come and go."""
    if min(len(gone), len(come)) <= _FEW:
        return None
    latest = sorted(gone)[-1 - round(_SOME * len(gone))]
    if not _nearly_all(sum(at >= latest for _, at in come), len(come)):
        return None
    down = _down([at for _, at in come], _down(gone))
    return _Turn(gone=sorted(gone), come=come, down=down) if down is not None else None


def _down(times: Sequence[datetime], otherwise: bool | None = None) -> bool | None:
    """Whether these dates fall, or rise; None where they do neither, `otherwise` where they are too few to tell."""
    if len(set(times)) <= _FEW:
        return otherwise
    steps = [one > other for one, other in pairwise(times) if one != other]
    falling = sum(steps)
    return (
        True if _nearly_all(falling, len(steps)) else False if _nearly_all(len(steps) - falling, len(steps)) else None
    )


def _nearly_all(count: int, total: int) -> bool:
    return total - count <= max(_SOME * total, total >= _BUT_ONE_OF)


def _words(since: datetime, outlived: Sequence[int], count: int) -> str:
    stays = f"that one, of {since:%Y-%m-%d}, stays" if count == 1 else f"those, of {since:%Y-%m-%d} or later, stay"
    if len(outlived) < count:
        return f"{stays} out of the order of dates"
    return f"{stays}, while {min(outlived)} younger ones are gone"


def _shared(feed: model.ParsedFeed, decision: model.Decision) -> Mapping[int, int]:
    """The positions of the items that this source has shown before."""
    kept: dict[int, int] = {}
    for position, one in feed.known.items():
        if one.item_id in decision.kept:
            kept.setdefault(one.item_id, position)
    return kept | {one.item.id: one.entry.position for one in decision.seen if one.item.entry_hash is not None}


def _come(decision: model.Decision) -> Iterator[model.Entry]:
    """The entries that it has not."""
    yield from (one.entry for one in decision.new)
    yield from (one.entry for one in decision.seen if one.item.entry_hash is None)
