"""Whether something may have been missed between two documents of a source: the later one shows nothing that the earlier one did. Pure."""

from dataclasses import dataclass
from datetime import datetime

from aggregator import cadence, model

# A feed of so few entries may show others at every poll and miss nothing.
_FEW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A gap since `from_at`, the last poll that went well: so many items by the source's rate, None where that is not known."""

    from_at: datetime
    estimated: int | None
    reason: str


def missed(source: model.Source, feed: model.ParsedFeed, decision: model.Decision, now: datetime) -> Missed | None:
    """The gap before the document `feed`, which came to `decision`, if there is one.

    Entries that are items of this source, under whatever guid or address, are shared; those that only other sources have shown are not.
    There is none to speak of where nothing came before: at a first poll, after an empty document, at another URL. A feed of up to
    three entries, which may replace all of them as a matter of course, has none where its rate says that it published no more; nor has
    one of a single entry whose rate is not known yet.
    """
    before, since = source.shown, source.last_success_at
    if since is None or decision.shared or not feed.size:
        return None
    if before is not None and (before.url != source.feed_url or before.size == 0):
        return None
    # Whose entries all were another source's first has never brought anything new, and yet shown something.
    if (before is None or before.size is None) and source.last_new_at is None:
        return None
    estimated = _estimated(source, feed, since, now)
    if (feed.size <= _FEW and estimated == 0) or (feed.size == 1 and estimated is None):
        return None
    shows = f"none of the {feed.size} entries was" if feed.size > 1 else "its only entry was not"
    reason = f"{shows} in the document before, {cadence.words(now - since)} earlier"
    if source.failures:
        reason += f"; in between it could not be polled ({source.error_code or 'failed'})"
    return Missed(from_at=since, estimated=estimated, reason=reason)


def _estimated(source: model.Source, feed: model.ParsedFeed, since: datetime, now: datetime) -> int | None:
    """What its rate would have brought in the meantime, but for what the document shows."""
    if not source.learned_gap:
        return None
    return max(0, round((now - since) / source.learned_gap) - feed.size)
