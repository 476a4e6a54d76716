"""What a feed no longer shows, fetched over real sockets into both databases: each way back, where it ends, and what it survives."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import archives, scripted_web
from tests.archives import HOUR, Site, down, rss


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    async with scripted_web.serve() as web:
        made = Site(web, database_url)
        try:
            yield made
        finally:
            await made.end()


def paged_archive(site: Site, relation: str = "next", size: int = 5) -> None:
    """The feed names its second page, that the third, and so on: /page?n=2 …"""

    def link(n: int) -> str:
        return f'<atom:link rel="{relation}" href="/page?n={n}"/>'

    def page(heard: scripted_web.Heard) -> scripted_web.Answer:
        n = int(parse_qs(urlsplit(heard.target).query)["n"][0])
        first = site.newest - size * (n - 1)
        return site.answer(rss(down(first, max(first - size + 1, 1)), site.web, link(n + 1)))

    site.head = lambda: link(2)
    site.web.answers["/page"] = page


async def test_a_gap_is_filled_from_the_archive_that_the_feed_names(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)

    await site.walk()

    assert site.titles() == site.all_of(96, 117)
    assert site.found_by() == {"feed": 10, "archive": 12}
    gap = site.gap()
    assert gap["filled_at"] is not None
    assert (gap["method"], gap["pages"], gap["found"]) == ("archive", 4, 12)
    assert gap["result"] == "filled: 12 items on 4 pages, by the feed's own archive"
