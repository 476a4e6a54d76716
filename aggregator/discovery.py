"""The feeds of a page: looked for where `feed.discover` says, asked for, read and ranked. Writes nothing, and asks for little.

1. `_first`   the document itself, which may be a feed
2. `_stages`  what the page names, what its platform is known for, its links, the front page, the usual places: one kind of address after
              the other, until one of them gave a feed
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from aggregator import clock, config, errors, findings, model, reading, spool
from aggregator.diagnosis import Document
from aggregator.feed import discover
from aggregator.feed.discover import Candidate, How
from aggregator.net import fetcher
from aggregator.workers import Workers

# Of one search, robots.txt and redirects not counted.
MOST_REQUESTS = 16
_READ_LIMIT = 10.0
# A feed with nothing newer is offered after the others.
_STALE = timedelta(days=365)
# No answer of the host at all: its usual places need not be tried.
_SILENT = frozenset(
    {
        "dns",
        "connect",
        "timeout",
        "address",
        "port",
        "scheme",
        "url",
        "retry_after",
        "proxy",
        "proxy_auth",
        "proxy_refused",
    }
)
_PAGES = frozenset({"html", "error_page", "login", "consent", "challenge", "parked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A feed that was found and read. `url` is where it is, as far as permanent redirects lead."""

    url: str
    how: How
    comments: bool
    document: Document
    feed: model.ParsedFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search came to: `offers`, the best first. `title` is the page's; `error` why the page itself could not be read; `failed` what
    might have been a feed, and why it is none."""

    url: str
    title: str | None = None
    offers: tuple[Offer, ...] = ()
    error: str | None = None
    failed: tuple[tuple[str, str], ...] = ()
    requests: int = 0


@dataclass(slots=True, kw_only=True)
class _Search:
    """One search under way. `source` says how to ask. With `robots`, robots.txt is asked for all that the site does not name a feed."""

    url: str
    source: config.SourceConfig
    robots: bool
    left: int
    observe: Callable[[str], None]
    asked: set[str] = field(default_factory=set)
    offers: list[Offer] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    title: str | None = None
    error: errors.AggregatorError | None = None

    def satisfied(self) -> bool:
        return any(one.document.entries and not one.comments for one in self.offers)


class Discovery:
    """Searches pages for feeds, with the project's own client and limits."""

    def __init__(
        self, *, fetcher: fetcher.Fetcher, workers: Workers, settings: config.Settings, now: clock.Clock = clock.now
    ) -> None:
        self._fetcher, self._workers, self._http, self._now = fetcher, workers, settings.http, now

    async def find(
        self,
        url: str,
        source: config.SourceConfig,
        *,
        robots: bool = True,
        most: int = MOST_REQUESTS,
        observe: Callable[[str], None] = lambda _url: None,
    ) -> Found:
        """The feeds of the page at `url`, asked for as `source` is, with at most so many requests; itself, if it is one. Never raises an
        AggregatorError.

        `robots`: whether robots.txt is asked before the page, as it always is before what nobody named. `observe` learns of every request.
        """
        search = _Search(url=url, source=source, robots=robots, left=most, observe=observe)
        page = await self._first(search)
        if page is not None:
            await self._stages(search, page)
        return Found(
            url=url,
            title=search.title,
            offers=_ranked(search.offers, url, self._now()),
            error=str(search.error) if search.error is not None and page is not None else None,
            failed=tuple(search.failed),
            requests=most - search.left,
        )

    async def _first(self, search: _Search) -> discover.Page | None:
        """What the document at the URL says of feeds; None if it is one."""
        given = Candidate(url=search.url, how=How.GIVEN)
        page = await self._ask(search, given, robots=search.robots)
        search.title = page.title
        return None if search.offers else page

    async def _stages(self, search: _Search, page: discover.Page) -> None:
        """Ask for one kind of address after the other, until there is a feed."""
        by_url = discover.of_url(search.url)
        named = [one for one in page.candidates if one.how is How.NAMED]
        rest = [one for one in page.candidates if one.how is not How.NAMED]
        reachable = search.error is None or search.error.code not in _SILENT
        stages: Sequence[Callable[[], Awaitable[None]]] = (
            lambda: self._verify(search, [*named, *by_url]),
            lambda: self._verify(search, [one for one in rest if one.how is How.PLATFORM]),
            lambda: self._verify(search, [one for one in rest if one.how is How.LINKED]),
            lambda: self._front(search),
            lambda: self._verify(search, discover.guesses(search.url)),
        )
        for stage in stages[: None if reachable else 1]:
            await stage()
            if search.satisfied():
                return

    async def _front(self, search: _Search) -> None:
        """What the front page of the site names."""
        parts = urlsplit(search.url)
        if parts.path in ("", "/"):
            return
        front = Candidate(url=f"{parts.scheme}://{parts.netloc}/", how=How.GUESSED)
        page = await self._ask(search, front, robots=True)
        search.title = search.title or page.title
        await self._verify(search, page.candidates)

    async def _verify(self, search: _Search, candidates: Iterable[Candidate]) -> None:
        """Ask for each, and for what pages among them name."""
        waiting = list(candidates)
        while waiting and search.left > 0:
            candidate = waiting.pop(0)
            page = await self._ask(search, candidate, robots=candidate.how is How.GUESSED)
            if candidate.how is not How.GUESSED:
                # One step further: a page "Our feeds" has them.
                more = [replace(one, how=candidate.how) for one in page.candidates if one.how is How.NAMED]
                waiting += (
                    [one for one in more if one.url not in search.asked] if candidate.how is not How.PLATFORM else []
                )

    # ------------------------------------------------------------------------------------------------- one request

    async def _ask(self, search: _Search, candidate: Candidate, *, robots: bool) -> discover.Page:
        """Add the feed at the address, if there is one; what the page there says, if that is what it is."""
        if search.left <= 0 or candidate.url in search.asked:
            return discover.Page()
        search.left -= 1
        search.asked.add(candidate.url)
        search.observe(candidate.url)
        try:
            return await self._read(search, candidate, robots)
        except errors.AggregatorError as exc:
            if candidate.how is How.GIVEN:
                search.error = exc
            elif not (candidate.how is How.GUESSED and _is_nothing(exc)):
                search.failed.append((candidate.url, str(exc)))
            return discover.Page()

    async def _read(self, search: _Search, candidate: Candidate, robots: bool) -> discover.Page:
        asked = candidate.how is not How.GIVEN
        request = reading.request(
            candidate.url, search.source, self._http, validators=model.Validators(), heed_pause=asked or search.robots
        )
        now = self._now()
        # A large document keeps others out of memory until it is read.
        async with AsyncExitStack() as held:
            response = await self._fetcher.fetch(replace(request, heed_robots=robots), held)
            if asked and response.url in search.asked - {candidate.url}:
                # Several addresses may lead to one document.
                return discover.Page()
            search.asked |= {response.url, response.permanent_url}
            try:
                feed = await reading.parsed(self._workers, response, now)
            except errors.ParseError as exc:
                if exc.code not in _PAGES:
                    raise
                if candidate.how is How.GIVEN:
                    search.error = exc if exc.code != "html" else None
                elif candidate.how is not How.GUESSED:
                    search.failed.append((candidate.url, str(exc)))
                return await self._page(response)
        offer = Offer(
            url=response.permanent_url,
            how=candidate.how,
            comments=candidate.comments,
            document=findings.describe(feed, "never"),
            feed=feed,
        )
        if all(one.url != offer.url for one in search.offers):
            search.offers.append(offer)
        return discover.Page()

    async def _page(self, response: model.Response) -> discover.Page:
        body, headers = spool.crossing(response.body), dict(response.headers)
        return await self._workers.run(_READ_LIMIT, discover.read, body, url=response.url, headers=headers)


def _is_nothing(error: errors.AggregatorError) -> bool:
    """Whether there is simply nothing where a feed might have been, or we may not look."""
    return error.code == "robots" or (isinstance(error, errors.StatusError) and error.status in (404, 410))


def _ranked(offers: Iterable[Offer], page: str, now: datetime) -> tuple[Offer, ...]:
    """The best first: with entries, of the publisher, alive, named; of the page itself rather than of its whole site; in its order."""
    below = page.rstrip("/") + "/"

    def rank(one: Offer) -> tuple[object, ...]:
        newest = one.document.newest_at
        stale = newest is not None and now - newest > _STALE
        return not one.document.entries, one.comments, stale, one.how, not one.url.startswith(below)

    return tuple(sorted(offers, key=rank))
