"""How the document of a source is asked for and read: what a poll does, and a live check does in the same way. Knows no database."""

from datetime import datetime, timedelta

from aggregator import cadence, config, model, spool
from aggregator.feed import parse
from aggregator.net import fetcher
from aggregator.workers import Workers

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, application/xml;q=0.9, "
    "text/xml;q=0.9, application/json;q=0.8, */*;q=0.1"
)
# hazards, rule 1: a parser that needs longer is caught in a trap.
PARSE_LIMIT = 10.0
_LEAST_PARSE_LIMIT, _PARSED_A_SECOND, _SMALL = 3.0, 300_000, 250_000
# feedparser takes 15 ms for 600 tags: with so few it does not hold up the event loop, and a process need not be crossed, which costs as
# much as an entry.
_FEW_TAGS, _LITTLE = 600, 50_000
# An interval below this is for trying things out; nothing is learned at that scale.
_TOO_SHORT_TO_LEARN = timedelta(minutes=1)


def request(
    url: str,
    configured: config.SourceConfig | None,
    http: config.HttpSettings,
    *,
    validators: model.Validators,
    heed_pause: bool,
) -> model.Request:
    """The request for the document at `url`, with what is configured for its source."""
    asked = model.Request(
        url=url, accept=ACCEPT, max_bytes=http.max_feed_bytes, validators=validators, heed_pause=heed_pause
    )
    return fetcher.personal(asked, configured) if configured is not None else asked


async def parsed(
    workers: Workers, response: model.Response, now: datetime, shown: model.Shown | None = None
) -> model.ParsedFeed:
    """The feed in `response`, but for what the last document had `shown`; read in a worker process unless that is little. Raises
    ParseError and WorkerError."""
    body, url, headers, size = response.body, response.url, dict(response.headers), len(response.body)
    # Honest documents take 0.3 s a megabyte; ten times that on a machine that is busy.
    limit = min(_LEAST_PARSE_LIMIT + size / _PARSED_A_SECOND, PARSE_LIMIT)
    if shown is not None and shown.packed and isinstance(body, bytes) and size <= _SMALL:
        begun = parse.begin(body, url=url, headers=headers, now=now, shown=shown)
        if isinstance(begun, model.ParsedFeed):
            return begun
        if begun is not None:
            if len(begun.data) <= _LITTLE and begun.data.count(b"<") <= _FEW_TAGS:
                feed = parse.finish(begun, url=url, now=now)
            else:
                feed = await workers.run_small(limit, parse.finish, begun, url=url, now=now)
            if feed is not None:
                return feed
            shown = None
    run = workers.run_small if size <= _SMALL else workers.run
    return await run(limit, parse.parse, spool.crossing(body), url=url, headers=headers, now=now, shown=shown)


def limits(poll: config.PollSettings, configured: config.SourceConfig | None) -> cadence.Limits:
    """The bounds between two polls of a source."""
    own = configured.interval if configured else None
    fixed = own is not None or poll.interval == poll.min_interval or poll.interval < _TOO_SHORT_TO_LEARN
    return cadence.Limits(
        interval=own or poll.interval,
        min_interval=poll.min_interval,
        max_interval=poll.max_interval,
        fixed=fixed,
        own=own is not None,
    )
