"""The search for the feeds of a page, over a real web on loopback: what is asked, in which order, and what is offered first."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from aggregator import app, config, discovery
from aggregator.feed.discover import How
from tests import scripted_web
from tests.scripted_web import Answer, Loopback

NOW = datetime(2025, 9, 19, tzinfo=UTC)
DAY = timedelta(days=1)
HTML = {"content-type": "text/html; charset=utf-8"}


class Site:
    """A site on loopback, and the search for its feeds."""

    def __init__(self, served: Loopback, practice: app.Practice) -> None:
        self.web, self._practice = served, practice

    def page(self, path: str, head: str = "", body: str = "") -> None:
        text = f"<!doctype html><html><head><title>Page {path}</title>{head}</head><body>{body}</body></html>"
        self.web.answers[path] = Answer(body=text.encode(), headers=HTML)

    def feed(self, path: str, title: str = "Feed", *, entries: int = 2, newest: datetime = NOW - DAY) -> None:
        items = "".join(
            f"<item><guid>{path}{n}</guid><title>{n}</title><pubDate>{format_datetime(newest - n * DAY)}</pubDate></item>"
            for n in range(entries)
        )
        body = f'<rss version="2.0"><channel><title>{title}</title>{items}</channel></rss>'
        self.web.answers[path] = Answer(body=body.encode(), headers={"content-type": "application/rss+xml"})

    async def find(self, path: str, *, robots: bool = False, most: int = discovery.MOST_REQUESTS) -> discovery.Found:
        url = self.web.url(path)
        source = config.SourceConfig(name="new", url=url)
        return await self._practice.discovery.find(url, source, robots=robots, most=most)

    def paths(self, found: discovery.Found) -> list[str]:
        return [one.url.removeprefix(self.web.url("")) for one in found.offers]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with scripted_web.serve() as served:
        settings = config.Settings.model_validate(
            {
                "path": tmp_path / "aggregator.yaml",
                "folder": tmp_path,
                "sources": [],
                "taxonomy": {},
                "http": {"allow_networks": ["127.0.0.0/8"], "per_host": {"spacing": 0}, "timeout": "2s"},
                "harvest": {"workers": 1},
            }
        )
        practice = app.Practice(settings, heed_pause=False, now=lambda: NOW)
        try:
            yield Site(served, practice)
        finally:
            await practice.aclose()


def alternate(path: str, title: str = "") -> str:
    return f'<link rel="alternate" type="application/rss+xml" href="{path}" title="{title}">'


async def test_a_feed_is_its_own_answer(site: Site) -> None:
    site.feed("/feed.xml", "The News", entries=3)

    found = await site.find("/feed.xml")

    (offer,) = found.offers
    assert (offer.how, offer.document.title, offer.document.kind, offer.document.entries) == (
        How.GIVEN,
        "The News",
        "RSS 2.0",
        3,
    )
    assert offer.document.newest_at == NOW - DAY
    assert site.web.paths() == ["/feed.xml"]


async def test_the_best_comes_first_then_stale_ones_then_comments_then_the_empty(site: Site) -> None:
    names = ("comments.xml", "empty.xml", "stale.xml", "a.xml", "b.xml")
    site.page("/", "".join(alternate(f"/{name}", "Comments" if name == "comments.xml" else "") for name in names))
    site.feed("/comments.xml")
    site.feed("/empty.xml", entries=0)
    site.feed("/stale.xml", newest=NOW - 400 * DAY)
    site.feed("/a.xml")
    site.feed("/b.xml")

    found = await site.find("/")

    assert site.paths(found) == ["/a.xml", "/b.xml", "/stale.xml", "/comments.xml", "/empty.xml"]
    assert found.title == "Page /"


async def test_the_feed_of_a_section_is_better_than_that_of_the_whole_site(site: Site) -> None:
    site.page("/climate/", alternate("/feed/") + alternate("/climate/feed/"))
    site.feed("/feed/")
    site.feed("/climate/feed/")

    assert site.paths(await site.find("/climate/")) == ["/climate/feed/", "/feed/"]


async def test_one_kind_of_address_is_tried_after_the_other_and_no_more_than_needed(site: Site) -> None:
    site.page("/", alternate("/broken.xml"), '<a href="/feeds.html">RSS</a> <a href="/rss/all">Feed</a>')
    site.page("/feeds.html", alternate("/one.xml"))
    site.feed("/rss/all")
    site.feed("/one.xml")

    found = await site.find("/")

    assert site.web.paths() == ["/", "/broken.xml", "/feeds.html", "/rss/all", "/one.xml"]
    assert site.paths(found) == ["/rss/all", "/one.xml"]
    assert {one.how for one in found.offers} == {How.LINKED}
    assert found.requests == 5


async def test_the_front_page_is_asked_where_a_page_says_nothing(site: Site) -> None:
    site.page("/about/us")
    site.page("/", alternate("/news.xml"))
    site.feed("/news.xml")

    assert site.paths(await site.find("/about/us")) == ["/news.xml"]
    assert site.web.paths() == ["/about/us", "/robots.txt", "/", "/news.xml"]


async def test_a_page_that_refuses_is_told_and_the_usual_places_are_tried(site: Site) -> None:
    site.web.answers["/"] = Answer(status=403)
    site.feed("/feed")

    found = await site.find("/")

    assert site.paths(found) == ["/feed"]
    assert found.offers[0].how is How.GUESSED
    assert found.error == "HTTP 403 Forbidden"


async def test_who_does_not_answer_is_asked_once(site: Site) -> None:
    site.web.answers["/"] = Answer(stall=True, wait=60)

    found = await site.find("/")

    assert (found.offers, found.requests) == ((), 1)
    assert found.error is not None
    assert "not done within 2 s" in found.error


async def test_no_search_asks_more_than_it_may(site: Site) -> None:
    site.page("/", "".join(alternate(f"/{n}.xml") for n in range(19)))

    found = await site.find("/", most=7)

    assert (found.offers, found.requests) == ((), 7)
    assert len(site.web.paths()) == 7


async def test_a_feed_behind_a_permanent_redirect_is_offered_where_it_is_and_once(site: Site) -> None:
    site.page("/", alternate("/old.xml") + alternate("/now.xml") + alternate("/new.xml"))
    site.web.answers["/old.xml"] = scripted_web.moved("/new.xml", 301)
    site.web.answers["/now.xml"] = scripted_web.moved("/new.xml", 302)
    site.feed("/new.xml")

    assert site.paths(await site.find("/")) == ["/new.xml"]


async def test_with_robots_the_page_itself_is_asked_only_where_it_may_be(site: Site) -> None:
    site.page("/", alternate("/news.xml"))
    site.feed("/news.xml")
    site.web.answers["/robots.txt"] = Answer(body=b"User-agent: *\nDisallow: /\n")

    assert (await site.find("/", robots=True)).offers == ()
    assert site.web.paths() == ["/robots.txt"]
    assert site.paths(await site.find("/")) == ["/news.xml"]


async def test_addresses_that_are_not_public_are_not_asked_whatever_a_page_says(site: Site) -> None:
    site.page(
        "/",
        alternate("http://10.0.0.1/feed.xml")
        + alternate("http://169.254.169.254/latest")
        + alternate("file:///etc/passwd"),
    )

    found = await site.find("/", most=4)

    assert found.offers == ()
    assert {path for path in site.web.paths() if path not in ("/", "/robots.txt")} <= {"/feed", "/rss", "/feed.xml"}
