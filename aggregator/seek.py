"""The search for feeds that are no longer where they were: their sites are looked through now and then, and what is found is proposed to
the operator. Never follows a feed by itself.

1. claim      sources that have answered 404, 410 or with a page, again and again; their turns come later and later
2. `_search`  the feeds of the site, as its last document named it, then of its front page
3. `_best`    the one with most of the source's own items; without any, only one that the site itself names, and that lives
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from aggregator import clock, config, discovery, errors, log, markup
from aggregator.feed import identity
from aggregator.feed.discover import How
from aggregator.store import db, lost

EVERY = timedelta(minutes=15)
# At each turn, one after the other.
_AT_ONCE = 4
# For each of two pages to begin with, robots.txt not counted.
_MOST_REQUESTS = 8
# A feed nobody knows an entry of must have had one lately.
_LIVING = timedelta(days=60)

_log = log.logger("seek")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    """A feed that may be the lost one; `familiar`: how many of its entries the source has shown."""

    offer: discovery.Offer
    familiar: int

    @property
    def said(self) -> str:
        url, entries = self.offer.url, len(self.offer.feed.entries)
        if self.familiar:
            known = f"{self.familiar} of its {entries} entries {'is' if self.familiar == 1 else 'are'} familiar"
            return f"its site now offers {url}: {known}; to follow, set url in sources.yaml"
        title = f" titled {markup.line(self.offer.document.title, 80)!r}" if self.offer.document.title else ""
        return f"its site now names {url}, a living feed{title} with no entry that we know; look at it, and to follow set url in sources.yaml"


class Seeker:
    """Looks for the lost feeds of one store, by one configuration."""

    def __init__(
        self,
        *,
        store: db.Store,
        discovery: discovery.Discovery,
        settings: config.Settings,
        now: clock.Clock = clock.now,
    ) -> None:
        self._store, self._discovery, self._now = store, discovery, now
        self._configured: Mapping[str, config.SourceConfig] = {source.name: source for source in settings.sources}

    async def seek(self) -> None:
        """Look for those whose turn it is. Raises StoreError."""
        for one in await asyncio.to_thread(self._claim):
            if (source := self._configured.get(one.source.name)) is not None:
                await self._seek(one, source)

    def _claim(self) -> tuple[lost.Lost, ...]:
        with self._store.begin() as conn:
            return lost.claim(conn, self._now(), _AT_ONCE)

    async def _seek(self, one: lost.Lost, source: config.SourceConfig) -> None:
        try:
            proposal = await self._search(one, source)
        except errors.StoreError:
            raise
        except Exception:
            _log.exception("seek.crashed", source=source.name)
            return
        noted = proposal is not None and await asyncio.to_thread(self._propose, one, proposal)
        said = proposal.said if proposal is not None and noted else "no feed of its own on its site"
        _log.info("source.sought", source=source.name, said=said, proposed=noted)

    async def _search(self, one: lost.Lost, source: config.SourceConfig) -> _Proposal | None:
        for page in _pages(one):
            found = await self._discovery.find(page, source, most=_MOST_REQUESTS)
            # Only its own page can speak for it: a platform's front page is everybody's.
            trusted = page == (one.site_url or page)
            if (best := await asyncio.to_thread(self._best, one, found.offers, trusted)) is not None:
                return best
        return None

    def _best(self, one: lost.Lost, offers: Iterable[discovery.Offer], trusted: bool) -> _Proposal | None:
        others = {config.same_url(each.url) for name, each in self._configured.items() if name != one.source.name}
        taken = others | {config.same_url(one.source.url), config.same_url(one.source.feed_url)}
        free = [
            each
            for each in offers
            if each.feed.entries and not each.comments and config.same_url(each.url) not in taken
        ]
        with self._store.read() as conn:
            known = [
                _Proposal(offer=each, familiar=lost.familiar(conn, one.source, each.feed.entries)) for each in free
            ]
        best = max(known, key=lambda each: each.familiar / len(each.offer.feed.entries), default=None)
        if best is None or best.familiar:
            return best
        living = (each for each in known if trusted and _lives(each.offer, one, self._now()))
        return next(living, None)

    def _propose(self, one: lost.Lost, proposal: _Proposal) -> bool:
        with self._store.begin() as conn:
            return lost.propose(conn, one.source, proposal.offer.url, proposal.said, self._now())


def _pages(one: lost.Lost) -> tuple[str, ...]:
    """Where its site is: as its feed said, and the front page of the host that served it."""
    parts = urlsplit(one.source.feed_url)
    pages = [one.site_url, f"{parts.scheme}://{parts.netloc}/"]
    return tuple(dict.fromkeys(page for page in pages if page and page not in (one.source.url, one.source.feed_url)))


def _lives(offer: discovery.Offer, one: lost.Lost, now: datetime) -> bool:
    """Whether the site names it as its own, on its own host, and it has had news lately."""
    newest = offer.document.newest_at
    hosts = {_bare(url) for url in (one.site_url, one.source.url, one.source.feed_url)}
    return offer.how is How.NAMED and _bare(offer.url) in hosts and newest is not None and now - newest <= _LIVING


def _bare(url: str | None) -> str:
    return identity.host_of(url).removeprefix("www.")
