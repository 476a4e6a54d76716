"""What stays in a feed for another reason than time does not hide a gap, nor end the walk that fills it: over real sockets, on both databases."""

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import archives, scripted_web
from tests.archives import HOUR, Site, down, rss
from tests.archives import site as unkept

__all__ = ["unkept"]

SIZE = 20


@pytest.fixture
def site(unkept: Site) -> Site:
    keep(unkept, [1])
    return unkept


def keep(site: Site, kept: Sequence[int]) -> None:
    """The feed shows the newest 20 below these, as do the pages of its archive at /page?n=2 …"""

    def page(n: int) -> bytes:
        first = site.newest - SIZE * (n - 1)
        listed = [number for number in down(first, max(first - SIZE + 1, 1)) if number not in kept]
        return rss([*kept, *listed], site.web, f'<atom:link rel="next" href="/page?n={n + 1}"/>')

    def asked(heard: scripted_web.Heard) -> scripted_web.Answer:
        return site.answer(page(int(parse_qs(urlsplit(heard.target).query)["n"][0])))

    site.web.answers["/feed.xml"] = lambda _heard: site.answer(page(1))
    site.web.answers["/page"] = asked


async def learn(site: Site) -> None:
    """Polls enough to know that an article comes every hour."""
    await site.poll()
    for _ in range(12):
        site.newest += 1
        await site.poll(HOUR)


async def pass_by(site: Site, count: int) -> None:
    site.newest += count
    await site.poll(count * HOUR)


async def test_all_but_the_entry_on_top_is_replaced_and_that_is_a_gap_which_its_archive_fills(site: Site) -> None:
    await learn(site)
    await pass_by(site, 50)

    gap = site.gap()
    assert gap["estimated"] == 30
    assert gap["reason"] == (
        "only 1 of the 21 entries was known, 2 d after the document before: "
        f"that one, of {archives.at(1):%Y-%m-%d}, stays, while 20 younger ones are gone"
    )

    await site.walk()

    assert site.gap()["result"] == "filled: 30 items on 3 pages, by the feed's own archive"
    assert site.titles() == ["Title 1", *site.all_of(81, 162)]


async def test_what_moves_on_below_the_entry_on_top_is_no_gap(site: Site) -> None:
    await learn(site)
    for count in (19, 18, 1, 19):
        await pass_by(site, count)

    assert site.rows("SELECT * FROM gaps") == []


async def test_an_entry_that_has_just_been_put_on_top_does_not_hide_a_gap(site: Site) -> None:
    keep(site, [])
    await learn(site)
    keep(site, [site.newest])
    await pass_by(site, 50)

    assert site.gap()["reason"] == (
        f"only 1 of the 21 entries was known, 2 d after the document before: "
        f"that one, of {archives.at(112):%Y-%m-%d}, stays out of the order of dates"
    )

    await site.walk()

    assert site.gap()["filled_at"] is not None
    assert site.titles() == site.all_of(81, 162)


async def test_an_old_one_that_comes_back_to_the_top_does_not_hide_a_gap(site: Site) -> None:
    keep(site, [])
    await learn(site)
    await pass_by(site, 10)
    keep(site, [95])
    await pass_by(site, 50)

    assert len(site.rows("SELECT * FROM gaps")) == 1


async def test_the_entry_on_top_of_the_feed_itself_fills_nothing(site: Site) -> None:
    await learn(site)
    await pass_by(site, 50)
    del site.web.answers["/page"]

    await site.walk()

    gap = site.gap()
    assert gap["filled_at"] is None
    assert gap["result"].startswith("not filled: ")


async def test_a_feed_that_shows_what_was_missed_after_all_fills_it(site: Site) -> None:
    await learn(site)
    await pass_by(site, 50)
    site.web.answers["/feed.xml"] = site.answer(rss([1, *down(site.newest, 112)], site.web))

    await site.walk()

    assert site.gap()["method"] == "feed"


async def test_once_unpinned_it_fills_nothing_from_where_an_archive_keeps_it(site: Site) -> None:
    await learn(site)
    await pass_by(site, 50)
    site.web.answers["/feed.xml"] = site.answer(
        rss(down(site.newest, site.newest - 4), site.web, '<atom:link rel="next" href="/page?n=2"/>')
    )

    await site.walk()

    assert site.gap()["found"] == 30
