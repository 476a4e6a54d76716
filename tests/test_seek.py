"""Feeds that are lost are looked for on their sites, by the running program over a loopback web, on both databases."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.behaviours import web, world
from tests.behaviours.world import FEED, World

SITE, NEW = "http://site.test/", "http://site.test/new.xml"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def lost(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    """A source whose feed showed three entries of its site, and is then answered with 404."""
    async with asyncio.timeout(60), world.opened(tmp_path, database_url) as one:
        one.web.pages[FEED] = feed(one.clock.at, [1, 2, 3])
        await one.poll()
        del one.web.pages[FEED]
        yield one


def feed(at: datetime, numbers: Iterable[int], title: str = "The News") -> web.Reply:
    entries = "".join(
        f"<item><guid>{n}</guid><title>Title {n} of {title}</title><link>http://site.test/{title[-1]}/{n}</link>"
        f"<pubDate>{format_datetime(at - n * HOUR)}</pubDate></item>"
        for n in numbers
    )
    head = f"<title>{title}</title><link>{SITE}</link>"
    body = f'<?xml version="1.0"?><rss version="2.0"><channel>{head}{entries}</channel></rss>'
    return web.Reply(headers={"Content-Type": "application/rss+xml"}, body=body.encode())


def page(*urls: str) -> web.Reply:
    links = "".join(f'<link rel="alternate" type="application/rss+xml" href="{url}">' for url in urls)
    return web.Reply(
        headers={"Content-Type": "text/html"}, body=f"<!doctype html><html><title>Site</title>{links}</html>".encode()
    )


async def fail(lost: World, times: int = 3) -> None:
    for _ in range(times):
        await lost.poll()


async def seek(lost: World) -> list[str]:
    """Whose turn it is is looked for; the URLs that were asked."""
    before = len(lost.web.heard)
    await lost.running.seeker.seek()
    return [heard.url for heard in lost.web.heard[before:]]


def proposed(lost: World) -> list[str]:
    return [row["detail"] for row in lost.rows("SELECT detail FROM changes WHERE kind = 'proposed' ORDER BY id")]


async def test_a_feed_with_familiar_entries_is_proposed_and_not_followed(lost: World) -> None:
    lost.web.pages |= {SITE: page("/new.xml"), NEW: feed(lost.clock.at, [0, 1, 2])}
    await fail(lost)

    asked = await seek(lost)

    said = f"its site now offers {NEW}: 2 of its 3 entries are familiar; to follow, set url in sources.yaml"
    source = lost.source()
    assert (source["moved_to"], source["moved_since"], source["moved_sightings"]) == (NEW, None, 0)
    assert (source["advice"], source["feed_url"]) == (said, FEED)
    assert proposed(lost) == [said]
    assert asked == ["http://site.test/robots.txt", SITE, NEW]
    assert lost.rows("SELECT advice FROM source_health")[0]["advice"] == said

    heard = await lost.poll()

    assert [one.url for one in heard] == [FEED]
    assert lost.source()["advice"] == said


async def test_a_proposal_is_forgotten_when_the_feed_is_back(lost: World) -> None:
    lost.web.pages |= {SITE: page("/new.xml"), NEW: feed(lost.clock.at, [0, 1, 2])}
    await fail(lost)
    await seek(lost)

    lost.web.pages[FEED] = feed(lost.clock.at, [1, 2, 3])
    await lost.poll()

    assert (lost.source()["moved_to"], lost.source()["advice"], lost.source()["state"]) == (None, None, "active")


async def test_a_proposal_counts_for_nothing_when_the_feed_is_redirected_there_later(lost: World) -> None:
    lost.web.pages |= {SITE: page("/new.xml"), NEW: feed(lost.clock.at, [0, 1, 2])}
    await fail(lost)
    await seek(lost)

    lost.web.pages[FEED] = web.moved(NEW)
    await lost.poll()
    redirected = lost.clock.at

    assert lost.source()["moved_sightings"] == 1
    for _ in range(60):
        if lost.source()["feed_url"] == NEW:
            break
        await lost.poll()
    assert lost.source()["feed_url"] == NEW
    assert lost.clock.at - redirected >= DAY


async def test_one_failure_is_no_reason_to_search(lost: World) -> None:
    await fail(lost, 2)
    assert await seek(lost) == []

    await fail(lost, 1)
    assert await seek(lost) != []


async def test_a_page_in_the_place_of_the_feed_counts_as_lost(lost: World) -> None:
    lost.web.pages |= {FEED: page(NEW), SITE: page("/new.xml"), NEW: feed(lost.clock.at, [0, 1, 2])}
    await fail(lost, 2)

    await seek(lost)

    assert lost.source()["moved_to"] == NEW


async def test_a_server_in_trouble_has_lost_nothing(lost: World) -> None:
    lost.web.pages[FEED] = web.Reply(status=503)
    await fail(lost, 5)

    assert await seek(lost) == []


async def test_a_feed_of_strangers_is_proposed_only_if_the_site_names_it_and_it_lives(lost: World) -> None:
    lost.web.pages |= {SITE: page("/old.xml", "/comments.xml", "/new.xml")}
    lost.web.pages["http://site.test/old.xml"] = feed(lost.clock.at - 300 * DAY, [7, 8], "The Past")
    lost.web.pages["http://site.test/comments.xml"] = feed(lost.clock.at, [7, 8], "What readers say")
    lost.web.pages[NEW] = feed(lost.clock.at, [7, 8, 9], "The Future")
    await fail(lost)

    await seek(lost)

    assert lost.source()["moved_to"] == NEW
    assert proposed(lost) == [
        f"its site now names {NEW}, a living feed titled 'The Future' with no entry that we know; look at it, and to follow set url in "
        "sources.yaml"
    ]


async def test_a_feed_of_strangers_on_another_host_or_in_a_usual_place_is_not_proposed(lost: World) -> None:
    lost.web.pages |= {SITE: page("http://other.test/feed.xml")}
    lost.web.pages["http://other.test/feed.xml"] = feed(lost.clock.at, [7, 8], "Others")
    lost.web.pages["http://feed.test/feed"] = feed(lost.clock.at, [7, 8], "Guessed")
    await fail(lost)

    await seek(lost)

    assert lost.source()["moved_to"] is None
    assert lost.source()["advice"].startswith("nothing is at this address")


async def test_familiar_entries_count_wherever_they_are(lost: World) -> None:
    lost.web.pages |= {SITE: page("http://other.test/feed.xml")}
    lost.web.pages["http://other.test/feed.xml"] = feed(lost.clock.at, [3, 4, 5])
    await fail(lost)

    await seek(lost)

    assert lost.source()["moved_to"] == "http://other.test/feed.xml"
    assert "1 of its 3 entries is familiar" in lost.source()["advice"]


async def test_what_another_source_polls_is_never_proposed(lost: World) -> None:
    lost.web.pages |= {SITE: page("/new.xml"), NEW: feed(lost.clock.at, [0, 1, 2])}
    await fail(lost)
    await lost.configure(feed=FEED, other=NEW)

    await seek(lost)

    assert lost.source()["moved_to"] is None
    assert proposed(lost) == []


async def test_pages_are_asked_only_where_robots_txt_permits(lost: World) -> None:
    lost.web.pages |= {SITE: page("/new.xml"), NEW: feed(lost.clock.at, [0, 1, 2])}
    lost.web.pages["http://site.test/robots.txt"] = web.Reply(body=b"User-agent: *\nDisallow: /\n")
    lost.web.pages["http://feed.test/robots.txt"] = web.Reply(body=b"User-agent: *\nDisallow: /\n")
    await fail(lost)

    asked = await seek(lost)

    assert asked == ["http://site.test/robots.txt", "http://feed.test/robots.txt"]
    assert lost.source()["moved_to"] is None


async def test_the_front_page_of_its_host_is_searched_when_its_site_has_nothing(lost: World) -> None:
    lost.web.pages["http://feed.test/"] = page("/moved.xml")
    lost.web.pages["http://feed.test/moved.xml"] = feed(lost.clock.at, [0, 1, 2])
    await fail(lost)

    await seek(lost)

    assert lost.source()["moved_to"] == "http://feed.test/moved.xml"


async def test_searches_are_few_and_come_less_and_less_often(lost: World) -> None:
    await fail(lost)
    turns = []
    for hour in range(60 * 24):
        if asked := await seek(lost):
            turns.append(hour)
            assert len([url for url in asked if not url.endswith("/robots.txt")]) <= 16
        lost.clock.advance(HOUR)

    assert turns[0] == 0
    assert 5 <= len(turns) <= 8
    assert all(later - earlier >= 24 for earlier, later in itertools.pairwise(turns))
    assert turns[-1] - turns[-2] >= 10 * 24


async def test_what_is_gone_for_good_is_looked_for_too_and_followed_when_the_operator_says_so(lost: World) -> None:
    lost.web.pages |= {FEED: web.Reply(status=410), SITE: page("/new.xml"), NEW: feed(lost.clock.at, [0, 1, 2])}
    await fail(lost, 1)
    assert lost.source()["state"] == "gone"

    await seek(lost)
    assert lost.source()["moved_to"] == NEW

    await lost.configure(feed=NEW)
    await lost.poll()

    source = lost.source()
    assert (source["state"], source["moved_to"], source["advice"], source["sought_at"]) == ("active", None, None, None)
    assert len(lost.items()) == 4


async def test_a_feed_that_is_back_before_the_search_ends_is_left_alone(lost: World) -> None:
    def slow(_heard: web.Heard) -> web.Reply:
        lost.execute("UPDATE sources SET state = 'active', error_code = NULL")
        return feed(lost.clock.at, [0, 1, 2])

    lost.web.pages |= {SITE: page("/new.xml"), NEW: slow}
    await fail(lost)

    await seek(lost)

    assert lost.source()["moved_to"] is None
    assert proposed(lost) == []
