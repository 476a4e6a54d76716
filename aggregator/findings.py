"""What a live check met → what it means for the operator, in plain words. Pure: no clock, no network."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from statistics import median

from aggregator import advice, cadence, markup, model
from aggregator.diagnosis import Access, Advice, Conditional, Diagnosis, Document, Met, Step, Verdict
from aggregator.feed import text

_KINDS = {
    "rss090": "RSS 0.90",
    "rss091n": "RSS 0.91",
    "rss091u": "RSS 0.91",
    "rss092": "RSS 0.92",
    "rss093": "RSS 0.93",
    "rss094": "RSS 0.94",
    "rss10": "RSS 1.0 (RDF)",
    "rss20": "RSS 2.0",
    "rss": "RSS of no known version",
    "atom01": "Atom 0.1",
    "atom02": "Atom 0.2",
    "atom03": "Atom 0.3",
    "atom10": "Atom 1.0",
    "atom": "Atom of no known version",
    "json10": "JSON Feed 1.0",
    "json11": "JSON Feed 1.1",
    "json": "JSON Feed of no known version",
    "cdf": "CDF",
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONGEST_TITLE = 120

# Half a year without a word is more than a holiday.
_SILENT = timedelta(days=180)
# Certificates are renewed with a third of their time left (letsencrypt.org, "Integration Guide"): with a sixth, somebody forgot.
_ENDS_SOON, _LEAST_SHARE = timedelta(days=14), 6
_SKEWED = timedelta(minutes=5)
_SLOW = timedelta(seconds=10)
# Beyond this a server that ignores its validators costs both sides something.
_LARGE = 100_000
_NEARLY_FULL = 0.8
_LONG_DELAY = 10.0

_PASSES = "mostly this passes, and it is polled again, later with every failure; if it stays, see whether the feed opens in a browser"
_STAYS = "see whether the feed opens in a browser; if it does not, the publisher should know"


def diagnose(met: Met) -> Diagnosis:
    """`met` with what to do about it, most important first."""
    order = list(Verdict)
    told = (_failure, _move, _entries, _pages, _connection, _conditional, _rhythm)
    found = [one for finds in told for one in finds(met)]
    return Diagnosis(met=met, advice=tuple(sorted(found, key=lambda one: order.index(one.weight))))


# ------------------------------------------------------------------------------------------------- what was fetched


def describe(feed: model.ParsedFeed, full_text: str) -> Document:
    """The feed in numbers. `full_text` is the source's: it says whose pages would be visited."""
    entries = feed.entries
    words = [max(markup.count_words(markup.text(one.content)), markup.count_words(one.summary)) for one in entries]
    visited = tuple(one for one in entries if one.url and _visits(one, full_text))
    newest = _newest(entries)
    return Document(
        kind=_KINDS.get(feed.version, feed.version),
        entries=len(entries),
        with_guid=sum(one.guid is not None for one in entries),
        with_date=sum(one.published_at is not None for one in entries),
        with_link=sum(one.url is not None for one in entries),
        pages=len(visited),
        words=round(median(words)) if words else 0,
        title=feed.title,
        newest_at=newest.published_at if newest else None,
        newest_title=markup.line(newest.title, _LONGEST_TITLE) if newest else None,
        newest_url=newest.url if newest else None,
        page_url=page.url if (page := _newest(visited)) else None,
        damage=feed.damage,
        hubs=feed.hubs,
        topic=feed.self_url,
        hints=feed.hints,
    )


def _visits(entry: model.Entry, full_text: str) -> bool:
    if full_text == "auto":
        return not text.is_whole(entry.content, entry.summary)
    return full_text == "always"


def _newest(entries: tuple[model.Entry, ...]) -> model.Entry | None:
    """The entry of the latest date; without dates the first, where publishers put the newest."""
    dated = [(one.published_at, -one.position, one) for one in entries if one.published_at is not None]
    return max(dated, key=lambda each: each[:2])[2] if dated else next(iter(entries), None)


def wishes(hints: model.Hints, fresh_for: timedelta | None) -> tuple[str, ...]:
    """What the publisher asks of those who poll, in words."""
    told: list[str] = []
    if fresh_for:
        told.append(f"the answer stays fresh for {cadence.words(fresh_for)} (max-age, Expires)")
    if hints.ttl:
        told.append(f"{cadence.words(hints.ttl)} between polls (ttl)")
    if hints.update:
        told.append(f"it is updated every {cadence.words(hints.update)} (sy:update)")
    if hints.skip_hours:
        told.append(f"no polls in the hours {', '.join(map(str, hints.skip_hours))} UTC (skipHours)")
    if hints.skip_days:
        told.append(f"no polls on {', '.join(_DAYS[day] for day in hints.skip_days)} (skipDays)")
    return tuple(told)


def skew(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How far the server's clock is ahead of ours; None where it does not tell the time, or a cache answered in its place."""
    told = cadence.http_date(headers.get("date", ""))
    return told - now if told is not None and headers.get("age", "0").strip() in ("", "0") else None


# -------------------------------------------------------------------------------------------------------- it failed


def _failure(met: Met) -> Iterator[Advice]:
    if met.error_code is None:
        return
    if met.error_code == "retry_after":
        yield Advice(
            code=met.error_code, weight=Verdict.POSTPONED, text="nothing to do: it is polled when that is over"
        )
        return
    if met.named:
        said = (
            f"the site names {'a feed' if len(met.named) == 1 else 'feeds'}: change the url to {' or '.join(met.named)}"
        )
        yield Advice(code="named_feed", weight=Verdict.FAILED, text=said)
    if (met.last.headers.get("cf-mitigated") if met.last else None) == "challenge":
        said = "Cloudflare's bot check stands before the feed: ask the publisher to let the user agent through"
        yield Advice(code="challenge", weight=Verdict.FAILED, text=said)
        return
    text = advice.on(met.error_code, since=met.at) or (_PASSES if cadence.weight(met.error_code) < 1 else _STAYS)
    yield Advice(code=met.error_code, weight=Verdict.FAILED, text=text)


# ---------------------------------------------------------------------------------------------------------- it moved


def _move(met: Met) -> Iterator[Advice]:
    answered = met.document is not None
    if answered and met.permanent_url and met.permanent_url != met.url:
        if met.taken_by is not None:
            text = f"has moved for good to {met.permanent_url}, which is polled already as {met.taken_by!r}: remove one of the two"
        else:
            text = f"has moved for good: change the url to {met.permanent_url}"
        yield _warning("moved", text)
    for step, after in zip(met.steps, met.steps[1:], strict=False):
        if step.url.startswith("https:") and after.url.startswith("http:"):
            said = (
                f"{step.url} leads from https back to http, where anybody on the way can change it: tell the publisher"
            )
            yield _warning("insecure_redirect", said)
    if met.secure:
        yield _hint("https", f"the same feed is served over https: change the url to {_https(met)}")


def _https(met: Met) -> str:
    return "https:" + (met.last.url if met.last else met.url).removeprefix("http:")


# --------------------------------------------------------------------------------------------------- what it holds


def _entries(met: Met) -> Iterator[Advice]:
    found = met.document
    if found is None:
        return
    if not found.entries:
        yield _warning("no_entries", "the feed has no entries: see whether the publisher has moved it")
        return
    if found.newest_at is not None and met.at - found.newest_at > _SILENT:
        said = f"the newest entry is of {found.newest_at:%Y-%m-%d}, {age(met.at - found.newest_at)} ago: it may have been abandoned"
        yield _warning("silent", said)
    if found.with_link < found.entries:
        said = f"{_share(found.with_link, found.entries)} a link: without one, only what the feed itself says is kept"
        yield (_hint if found.with_link else _warning)("no_links", said)
    if found.with_date < found.entries:
        said = f"{_share(found.with_date, found.entries)} a date: without one, it is the page's, or when the entry was first seen"
        yield _hint("no_dates", said)
    if found.with_guid < found.entries:
        said = f"{_share(found.with_guid, found.entries)} a guid: without one, an entry is known by its link, and new when that changes"
        yield _hint("no_guids", said)
    size = met.last.bytes if met.last else 0
    if size > _NEARLY_FULL * met.largest:
        yield _warning("nearly_too_large", f"the document is {size:,} bytes of http.max_feed_bytes, {met.largest:,}")


def _share(count: int, of: int) -> str:
    return f"only {count} of {of} entries have" if count else "no entry has"


def _pages(met: Met) -> Iterator[Advice]:
    if met.pages is None or met.pages.access is Access.ALLOWED:
        delay = met.pages.crawl_delay if met.pages else None
        if delay and delay >= _LONG_DELAY:
            yield _hint("crawl_delay", f"robots.txt asks for {delay:g} s between pages: full texts will come slowly")
        return
    said = met.pages.reason or ""
    if met.pages.access is Access.FORBIDDEN:
        text = f"{said}: set full_text: never for this source, or ask the publisher"
        yield _warning("robots", text)
    elif met.pages.access is Access.UNREACHABLE:
        yield _warning("robots_unreachable", f"{said}; until then its pages are not fetched")
    else:
        todo = advice.on(met.pages.code or "", since=met.at)
        yield _warning("page_refused", f"its pages cannot be fetched: {said}" + (f"; {todo}" if todo else ""))


# ------------------------------------------------------------------------------------------------------- the server


def _connection(met: Met) -> Iterator[Advice]:
    for host, step in _secured(met).items():
        tls = step.tls
        if tls is None:
            continue
        left, whole = tls.until - met.at, tls.until - tls.since
        if left < min(_ENDS_SOON, whole / _LEAST_SHARE):
            said = f"the certificate of {host} ends in {_days(left)}: if it is not renewed, polls will fail"
            yield _warning("certificate", said)
    if met.skew is not None and abs(met.skew) > _SKEWED:
        where = "ahead of" if met.skew > timedelta(0) else "behind"
        said = f"the server's clock is {cadence.words(abs(met.skew))} {where} ours: if ours is right, its dates are not"
        yield _hint("clock", said)
    if (
        met.document is not None
        and (took := sum((step.took or timedelta(0) for step in met.steps), timedelta(0))) > _SLOW
    ):
        yield _hint("slow", f"it took {took.total_seconds():.0f} s, and http.timeout ends it")


def _secured(met: Met) -> dict[str, Step]:
    """The first secured exchange with each host."""
    hosts: dict[str, Step] = {}
    for step in met.steps:
        if step.tls is not None:
            hosts.setdefault(step.url.split("/")[2], step)
    return hosts


def _days(left: timedelta) -> str:
    return f"{left.days} days" if left.days != 1 else "1 day"


def _conditional(met: Met) -> Iterator[Advice]:
    size = f"{met.last.wire_bytes:,} bytes" if met.last else "all of it"
    if met.conditional is Conditional.FAILED:
        said = f"the server fails when asked whether the feed has changed, as every poll asks: {met.conditional_said}"
        yield _warning("conditional_failed", said)
    elif met.conditional is Conditional.IGNORED:
        text = f"the server ignores its own ETag or Last-Modified: every poll carries the whole document, {size}"
        yield (_warning if met.last and met.last.wire_bytes > _LARGE else _hint)("validators_ignored", text)
    elif met.conditional is Conditional.ABSENT:
        said = f"the server sends neither ETag nor Last-Modified: every poll carries the whole document, {size}"
        yield _hint("no_validators", said)


def _rhythm(met: Met) -> Iterator[Advice]:
    hints = met.document.hints if met.document else model.Hints()
    asked = max((wish for wish in (hints.ttl, met.fresh_for) if wish is not None), default=timedelta(0))
    if met.interval is None or asked <= met.interval:
        return
    interval = cadence.words(met.interval)
    if met.own_interval:
        said = f"its publisher asks for {cadence.words(asked)} between polls, and its interval is {interval}: a longer one loses nothing"
        yield _warning("interval", said)
    else:
        said = f"its publisher asks for {cadence.words(asked)} between polls: so it is polled less often than every {interval}"
        yield _hint("interval", said)


def _warning(code: str, text: str) -> Advice:
    return Advice(code=code, weight=Verdict.WARNING, text=text)


def _hint(code: str, text: str) -> Advice:
    return Advice(code=code, weight=Verdict.WELL, text=text)


def age(passed: timedelta) -> str:
    """How long ago, roughly: `3 h`, `12 d`, `14 months`, `3 years`."""
    months = round(passed.days / 30.4)
    if passed.days < 60:
        return cadence.words(passed)
    return f"{months} months" if months < 24 else f"{round(months / 12)} years"
