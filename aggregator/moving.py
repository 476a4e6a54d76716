"""Whether a source's feed has moved for good: a permanent redirect, seen often enough, onto a feed we know. Pure."""

from datetime import datetime, timedelta

from aggregator import model


def consider(
    source: model.Source,
    permanent_url: str,
    *,
    familiar: bool,
    taken_by: str | None,
    now: datetime,
    sightings: int,
    over: timedelta,
) -> model.Move:
    """What to make of an answer to which 301 and 308 alone led as far as `permanent_url`.

    `familiar`: the document there holds items of this source, or is the one of last time. `taken_by` names another source that polls
    that URL. Adopted after so many agreeing `sightings` `over` so long a time: a mistake, or a hotel's network, lasts shorter.
    """
    if permanent_url == source.feed_url:
        return model.Move()
    again = permanent_url == source.moved_to and source.moved_since is not None
    since = source.moved_since if again and source.moved_since is not None else now
    seen = (source.moved_sightings if again else 0) + familiar
    enough = seen >= sightings and now - since >= over
    return model.Move(to=permanent_url, since=since, sightings=seen, adopt=enough and familiar and taken_by is None)


def proposed(source: model.Source) -> bool:
    """Whether its feed is lost, and what its site offers instead stands in `moved_to`: no redirect has led there."""
    return source.moved_to is not None and source.moved_since is None


def advice(move: model.Move, *, taken_by: str | None, sightings: int) -> str | None:
    """What the operator should know of it."""
    if move.to is None or move.since is None or move.adopt:
        return None
    if taken_by is not None:
        return f"has moved for good to {move.to}, which is polled already as {taken_by!r}: remove one of the two"
    return (
        f"has moved for good to {move.to} (seen {move.seen} since {move.since:%Y-%m-%d %H:%M} UTC); "
        f"adopted after {sightings} sightings, or change its url"
    )
