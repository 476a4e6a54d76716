"""What a feed no longer shows, fetched over real sockets into both databases: each way back, where it ends, and what it survives."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from aggregator import app, config, errors, upkeep
from aggregator.engine import local
from aggregator.feed import archive
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
        return site.page(n, size, link(n + 1))

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


def wordpress(site: Site, *, pages: int = 100, size: int = 5) -> None:
    """The feed is one of WordPress, whose pages are at ?paged=2 and so on; the one after the last is missing."""

    def page(heard: scripted_web.Heard) -> scripted_web.Answer:
        n = int(parse_qs(urlsplit(heard.target).query).get("paged", ["1"])[0])
        if n > pages or site.newest <= size * (n - 1):
            return scripted_web.Answer(status=404)
        return site.page(n, size, generator)

    generator = "<generator>https://wordpress.org/?v=6.8</generator>"
    site.web.answers["/feed.xml"] = page


async def test_the_pages_of_a_wordpress_feed_fill_a_gap(site: Site) -> None:
    wordpress(site)
    await site.miss(12)

    await site.walk()

    assert site.titles() == site.all_of(96, 112)
    assert site.found_by() == {"feed": 10, "paged": 7}
    assert site.gap()["result"] == "filled: 7 items on 3 pages, by ?paged="
    assert [target for target in site.asked() if "paged" in target] == ["/feed.xml?paged=2", "/feed.xml?paged=3"]


async def test_a_json_feed_is_walked_by_its_next_url(site: Site) -> None:
    def feed(first: int, page: int) -> bytes:
        items = [
            {
                "id": f"g{n}",
                "url": site.web.url(f"/2025/{n}-title"),
                "title": f"Title {n}",
                "date_published": archives.at(n).isoformat(),
            }
            for n in down(first, first - 4)
        ]
        told = {"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items}
        return json.dumps(told | {"next_url": f"/more?page={page + 1}"}).encode()

    def more(heard: scripted_web.Heard) -> scripted_web.Answer:
        page = int(heard.target.rpartition("=")[2])
        return site.answer(feed(site.newest - 5 * (page - 1), page), **{"content-type": "application/feed+json"})

    site.web.answers["/feed.xml"] = lambda _: site.answer(feed(site.newest, 1))
    site.web.answers["/more"] = more
    await site.miss(12)

    await site.walk()

    assert site.titles() == site.all_of(96, 112)
    assert site.found_by() == {"feed": 10, "next_url": 7}
    assert site.gap()["method"] == "next_url"


def sitemap(*told: tuple[str, str, str], space: str = "") -> bytes:
    """Addresses with the date of their last change, and more."""
    rows = "".join(
        f"<url><loc>{loc}</loc>{f'<lastmod>{changed}</lastmod>' if changed else ''}{more}</url>"
        for loc, changed, more in told
    )
    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset {spaces} {space}>{rows}</urlset>'.encode()


def index(*urls: str) -> bytes:
    rows = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{rows}</sitemapindex>'.encode()


def article(site: Site, n: int, *, news: bool = False, changed: str | None = None) -> tuple[str, str, str]:
    when = archives.at(n).isoformat()
    more = f"<news:news><news:title>Title {n}</news:title><news:publication_date>{when}</news:publication_date></news:news>"
    return site.web.url(f"/2025/{n}-title"), when if changed is None else changed, more if news else ""


async def test_a_sitemap_fills_a_gap_where_the_feed_has_no_archive(site: Site) -> None:
    site.web.answers["/sitemap.xml"] = lambda _: site.answer(
        sitemap((site.web.url("/about"), "2025-09-20", ""), *(article(site, n) for n in down(site.newest, 1)))
    )
    await site.miss(12)

    await site.walk()

    rows = site.rows("SELECT * FROM items WHERE discovered_by = 'sitemap' ORDER BY published_at")
    assert [row["url"] for row in rows] == [site.web.url(f"/2025/{n}-title") for n in range(101, 108)]
    assert {(row["title"], row["date_source"], row["state"]) for row in rows} == {("", "sitemap", "pending")}
    assert [row["published_raw"] for row in rows] == [archives.at(n).isoformat() for n in range(101, 108)]
    gap = site.gap()
    assert gap["filled_at"] is not None
    assert gap["result"] == "filled: 7 items on 6 pages, by sitemaps"


async def test_robots_txt_names_the_sitemaps_and_an_index_leads_to_the_news(site: Site) -> None:
    listed = [article(site, n, news=True, changed="") for n in down(112, 95)]
    site.web.answers |= {
        "/robots.txt": scripted_web.Answer(
            body=f"User-agent: *\nAllow: /\nSitemap: {site.web.url('/maps')}\n".encode()
        ),
        "/maps": site.answer(index(site.web.url("/image-sitemap.xml"), site.web.url("/news.xml.gz"))),
        "/news.xml.gz": site.answer(gzip.compress(sitemap(*listed)), **{"content-type": "application/gzip"}),
    }
    await site.miss(12)

    await site.walk()

    rows = site.rows("SELECT title, date_source FROM items WHERE discovered_by = 'sitemap' ORDER BY published_at")
    assert [(row["title"], row["date_source"]) for row in rows] == [
        (f"Title {n}", "published") for n in range(101, 108)
    ]
    assert site.gap()["filled_at"] is not None
    assert "/image-sitemap.xml" not in site.asked()


async def test_a_sitemap_that_says_that_everything_has_changed_is_not_believed(site: Site) -> None:
    listed = [article(site, n, changed=(site.now + 12 * HOUR).isoformat()) for n in down(112, 1)]
    site.web.answers["/sitemap.xml"] = site.answer(sitemap(*listed))
    await site.miss(12)

    await site.walk()

    gap = site.gap()
    assert gap["filled_at"] is None
    assert "5 in 5 articles known before that they have changed since: not believed" in gap["result"]
    assert site.found_by() == {"feed": 10}


async def test_what_a_sitemap_brought_takes_the_words_of_the_feed_when_that_shows_it(site: Site) -> None:
    site.web.answers["/sitemap.xml"] = lambda _: site.answer(sitemap(*(article(site, n) for n in down(112, 90))))
    await site.miss(12)
    await site.walk()
    site.web.answers["/feed.xml"] = site.answer(rss(down(112, 105), site.web))

    await site.poll(HOUR)

    (row,) = site.rows("SELECT * FROM feed_items WHERE title = 'Title 105'")
    assert (row["date_source"], row["discovered_by"], row["description"]) == ("published", "sitemap", "Summary of 105")
    assert site.rows("SELECT * FROM revisions") == []


async def test_without_any_archive_the_gap_stays_open_and_says_why(site: Site) -> None:
    await site.miss(12)

    await site.walk()

    gap = site.gap()
    assert gap["filled_at"] is None
    assert gap["result"] == (
        "not filled: no archive offered: the feed names no older pages; sitemaps: no sitemap could be read"
    )
    (health,) = site.rows("SELECT gaps_open, gap FROM source_health")
    assert health["gaps_open"] == 1
    assert gap["reason"] in health["gap"]
    assert "no archive offered" in health["gap"]
    (walk,) = site.rows("SELECT * FROM backfills")
    assert (walk["next_try_at"], walk["lease_owner"]) == (None, None)


async def test_a_wordpress_feed_whose_pages_are_all_the_same_is_no_archive(site: Site) -> None:
    site.head = lambda: "<generator>https://wordpress.org/?v=6.8</generator>"
    await site.miss(12)

    await site.walk()

    assert "?paged=: page 2 shows the same entries as the feed" in site.gap()["result"]
    assert site.found_by() == {"feed": 10}


# ------------------------------------------------------------------------------------------------------- where it ends


async def test_an_archive_that_ends_too_early_leaves_the_gap_open(site: Site) -> None:
    wordpress(site, pages=2)
    await site.miss(17)

    await site.walk()

    gap = site.gap()
    assert (gap["filled_at"], gap["found"]) == (None, 5)
    assert gap["result"].startswith("not filled: the feed names no older pages; ?paged=: page 3: HTTP 404 Not Found")
    assert site.titles() == site.all_of(96, 100) + site.all_of(108, 117)


async def test_a_circle_of_links_ends(site: Site) -> None:
    numbers = {"/a": down(112, 108), "/b": down(107, 103)}

    def page(path: str, to: str) -> scripted_web.Answer:
        return site.answer(rss(numbers[path], site.web, f'<atom:link rel="next" href="{to}"/>'))

    site.head = lambda: '<atom:link rel="next" href="/b"/>'
    site.web.answers["/b"] = lambda _: page("/b", "/a")
    site.web.answers["/a"] = lambda _: page("/a", "/b")
    await site.miss(12)

    await site.walk()

    assert "its archive: page 3 leads back to a page before it" in site.gap()["result"]
    assert site.asked().count("/b") == 1


async def test_a_page_that_repeats_itself_under_ever_new_addresses_ends(site: Site) -> None:
    site.head = lambda: '<atom:link rel="next" href="/page?n=2"/>'

    def page(heard: scripted_web.Heard) -> scripted_web.Answer:
        n = int(heard.target.rpartition("=")[2])
        return site.answer(rss(down(107, 103), site.web, f'<atom:link rel="next" href="/page?n={n + 1}"/>'))

    site.web.answers["/page"] = page
    await site.miss(12)

    await site.walk()

    assert "page 3 shows the same entries as the page before" in site.gap()["result"]
    assert [target for target in site.asked() if "page" in target] == ["/page?n=2", "/page?n=3"]


async def test_a_page_on_another_host_is_not_asked_for(site: Site) -> None:
    site.head = lambda: f'<atom:link rel="next" href="{site.web.url("/page", host="localhost")}"/>'
    await site.miss(12)

    await site.walk()

    assert "its older pages are on another host (localhost)" in site.gap()["result"]
    assert "/page" not in site.asked()


async def test_an_endless_archive_is_left_after_so_many_pages_and_may_be_gone_on_with_by_hand(site: Site) -> None:
    paged_archive(site)
    site.renew(pages=4)
    site.newest = 500
    await site.miss(400)

    await site.walk()

    gap = site.gap()
    assert gap["result"] == (
        "not filled: stopped after 4 pages (poll.backfill_pages); it goes on with: aggregator backfill 'News'"
    )
    assert len(site.titles()) == 10 + 15
    await site.by_hand(pages=3)
    assert len(site.titles()) == 10 + 30
    assert [target for target in site.asked() if "page" in target] == [f"/page?n={n}" for n in range(2, 8)]


async def test_dates_end_a_walk_only_where_nothing_is_new(site: Site) -> None:
    site.head = lambda: '<atom:link rel="next" href="/page?n=2"/>'
    older = {"2": down(107, 103), "3": down(90, 86), "4": down(85, 83), "5": down(85, 83)}

    def page(heard: scripted_web.Heard) -> scripted_web.Answer:
        n = heard.target.rpartition("=")[2]
        return site.answer(rss(older[n], site.web, f'<atom:link rel="next" href="/page?n={int(n) + 1}"/>'))

    site.web.answers["/page"] = page
    await site.miss(12)

    await site.walk()

    gap = site.gap()
    assert gap["filled_at"] is None
    assert "page 5 shows the same entries as the page before" in gap["result"]
    assert {f"Title {n}" for n in (*range(83, 91), *range(103, 108))} <= {*site.titles()}


async def test_two_gaps_are_filled_by_one_walk(site: Site) -> None:
    paged_archive(site)
    await site.miss(12)
    site.newest += 13
    await site.poll(13 * HOUR)

    await site.walk()
    await site.walk()

    gaps = site.rows("SELECT filled_at FROM gaps")
    assert len(gaps) == 2
    assert all(gap["filled_at"] is not None for gap in gaps)
    assert site.titles() == site.all_of(96, 125)


async def test_an_entry_that_is_kept_on_top_does_not_end_a_walk(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    wrapped = site.web.answers["/page"]

    def with_old_one(heard: scripted_web.Heard) -> scripted_web.Answer:
        assert callable(wrapped)
        body = wrapped(heard).body.replace(b"<item>", archives.entry(99, site.web).encode() + b"<item>", 1)
        return site.answer(body)

    site.web.answers["/page"] = with_old_one
    shown = rss([99, *down(117, 113)], site.web, '<atom:link rel="next" href="/page?n=2"/>')
    site.web.answers["/feed.xml"] = site.answer(shown)

    await site.walk()

    assert site.gap()["filled_at"] is not None


# ------------------------------------------------------------------------------------------------------- what it survives


async def test_a_crash_in_the_middle_loses_a_page_and_comes_to_the_same_rows(site: Site) -> None:
    paged_archive(site)
    await site.miss(32)
    (claimed,) = site.app.engine._claim_walks(site.now, 1)
    for _ in range(3):
        step = await site.app.backfiller._step(claimed)
        assert step is not None
        claimed = step
    before = len(site.asked())

    # The process is gone; its lease is freed by the next start, or runs out.
    site.renew()
    await site.walk(20 * 60 * archives.SECOND)

    assert site.titles() == site.all_of(96, 132)
    assert site.gap()["filled_at"] is not None
    assert site.asked()[before:] == [f"/page?n={n}" for n in range(4, 8)]
    assert site.gap()["pages"] == 7


async def test_a_host_that_asks_to_be_left_alone_is(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    served = site.web.answers["/page"]
    site.web.answers["/page"] = scripted_web.Answer(status=429, headers={"retry-after": "3600"})

    await site.walk()

    (walk,) = site.rows("SELECT * FROM backfills")
    assert "HTTP 429" in walk["result"]
    assert (site.gap()["result"], walk["attempts"], walk["lease_owner"]) == (None, 1, None)
    (health,) = site.rows("SELECT gap FROM source_health")
    assert "HTTP 429" in health["gap"]
    asked = len(site.asked())
    await site.walk(30 * 60 * archives.SECOND)
    assert len(site.asked()) == asked
    site.web.answers["/page"] = served
    await site.walk(31 * 60 * archives.SECOND)
    assert site.gap()["filled_at"] is not None


async def test_a_page_that_is_broken_for_good_is_given_up_after_some_tries(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    site.web.answers["/page"] = scripted_web.Answer(status=500)

    for _ in range(15):
        await site.walk(archives.DAY)

    gap = site.gap()
    assert gap["filled_at"] is None
    assert "its archive: page 2: HTTP 500" in gap["result"]
    assert [target for target in site.asked() if "page" in target] == ["/page?n=2"] * 10


async def test_a_page_that_is_no_feed_ends_its_way(site: Site) -> None:
    site.head = lambda: '<atom:link rel="next" href="/page"/>'
    site.web.answers["/page"] = scripted_web.Answer(body=b"<html><body>nothing</body></html>")
    await site.miss(12)

    await site.walk()

    assert "its archive: page 2: " in site.gap()["result"]
    assert "instead of a feed" in site.gap()["result"]


async def test_a_mistake_of_ours_costs_the_page_not_the_walk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    paged_archive(site)
    await site.miss(17)

    def broken(*_: object) -> None:
        raise ValueError("a mistake")

    with monkeypatch.context() as patched:
        patched.setattr(archive, "after_page", broken)
        await site.walk()
    (walk,) = site.rows("SELECT * FROM backfills")

    assert walk["result"].startswith("unexpected ValueError: a mistake; try 2 of 10 at ")
    assert (walk["attempts"], walk["found"], site.found_by()) == (1, 0, {"feed": 10})
    await site.walk(HOUR)
    assert site.gap()["filled_at"] is not None
    assert site.titles() == site.all_of(96, 117)


async def test_what_is_fetched_afterwards_is_no_fresh_news(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    before = site.rows("SELECT last_new_at, learned_gap, last_success_at, last_polled_at, next_poll_at FROM sources")

    await site.walk()

    kept = "SELECT last_new_at, learned_gap, last_success_at, last_polled_at, next_poll_at FROM sources"
    assert site.rows(kept) == before
    backlog = site.rows(
        "SELECT i.discovered_by, g.backlog FROM items i JOIN sightings g ON g.item_id = i.id WHERE i.title IN ('Title 105', 'Title 117')"
    )
    assert {(row["discovered_by"], bool(row["backlog"])) for row in backlog} == {("archive", True), ("feed", False)}


async def test_an_archive_with_older_words_changes_nothing(site: Site) -> None:
    paged_archive(site)
    await site.miss(7)
    wrapped = site.web.answers["/page"]

    def stale(heard: scripted_web.Heard) -> scripted_web.Answer:
        assert callable(wrapped)
        return site.answer(wrapped(heard).body.replace(b"Title 99", b"Old title 99"))

    site.web.answers["/page"] = stale

    await site.walk()

    assert site.titles() == site.all_of(96, 107)
    assert site.rows("SELECT * FROM revisions") == []
    await site.poll(HOUR)
    assert site.rows("SELECT * FROM revisions") == []


async def test_with_backfill_off_a_gap_is_only_written_down(site: Site) -> None:
    site.renew(pages=0)
    paged_archive(site)
    await site.miss(17)

    await site.walk()

    assert site.gap()["result"] == "automatic backfill is off (poll.backfill_pages: 0)"
    assert site.rows("SELECT * FROM backfills") == []


# ------------------------------------------------------------------------------------------------------- by hand


async def test_by_hand_a_walk_ends_at_the_first_page_without_anything_new(site: Site) -> None:
    paged_archive(site)
    await site.poll()

    await site.by_hand(pages=5)
    await site.by_hand(pages=5)

    assert [report.new for report in site.reports if report.url] == [0, 5, 5, 5, 5, 5, 5, 5, 5, 5]
    assert site.titles() == site.all_of(51, 100)
    assert site.rows("SELECT * FROM gaps") == []
    site.head = lambda: '<atom:link rel="next" href="/page?n=11"/>'
    site.web.answers["/page"] = site.answer(rss(down(60, 56), site.web))
    await site.by_hand(pages=5)
    # Taken up again it may stand among what is known by now.
    assert site.reports[-1].said == "page 11 is the last"


async def test_by_hand_back_to_a_date_known_pages_are_passed(site: Site) -> None:
    paged_archive(site)
    await site.poll()
    await site.by_hand(pages=3)

    await site.by_hand(since=archives.at(72), pages=50)

    assert site.titles()[0] == "Title 66"
    assert site.reports[-1].said == "page 7 is older than 2025-09-18 08:00 UTC"
    assert site.reports[-1].ended


async def test_a_source_that_was_never_polled_is_not_backfilled(site: Site) -> None:
    with pytest.raises(errors.NotFoundError, match="has not been polled yet; first: aggregator poll 'News'"):
        await site.by_hand()


async def test_two_at_a_time_are_kept_apart(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    (claimed,) = site.app.engine._claim_walks(site.now, 1)

    with pytest.raises(errors.ConflictError, match="being backfilled at this moment"):
        await site.by_hand()

    await site.app.backfiller.run(claimed)
    assert site.gap()["filled_at"] is not None


async def test_by_hand_back_to_a_date_sitemaps_are_read_too(site: Site) -> None:
    listed = [article(site, n) for n in down(100, 1)]
    foreign = ("http://elsewhere.example/2025/9-title", archives.at(99).isoformat(), "")
    site.web.answers["/sitemap.xml"] = site.answer(sitemap(foreign, *listed))
    await site.poll()

    await site.by_hand()
    assert "sitemaps are read only back to a date (--since)" in (site.reports[-1].said or "")
    await site.by_hand(since=archives.at(80))

    assert site.found_by() == {"feed": 5, "sitemap": 16}
    assert site.rows("SELECT * FROM items WHERE host = 'elsewhere.example'") == []


async def test_ten_thousand_pages_are_bounded_by_what_was_asked_for(site: Site) -> None:
    paged_archive(site, size=1)
    site.newest = 10_000
    await site.poll()

    await site.by_hand(since=archives.at(-20_000), pages=60)

    assert len([target for target in site.asked() if "page" in target]) == 59
    (walk,) = site.rows("SELECT pages, trail FROM backfills")
    assert walk["pages"] == 60
    assert len(str(walk["trail"])) < 3_000


# ------------------------------------------------------------------------------------------------------- manners


async def test_robots_txt_is_heeded_for_what_the_feed_does_not_name(site: Site) -> None:
    wordpress(site)
    site.web.answers["/robots.txt"] = scripted_web.Answer(
        body=b"User-agent: *\nDisallow: /*?paged=\nDisallow: /*sitemap"
    )
    await site.miss(12)

    await site.walk()

    result = site.gap()["result"]
    assert "?paged=: page 2: robots.txt of 127.0.0.1" in result
    assert not [target for target in site.asked() if "paged" in target or "sitemap" in target]


async def test_robots_txt_is_not_asked_for_pages_that_the_feed_names(site: Site) -> None:
    paged_archive(site)
    site.web.answers["/robots.txt"] = scripted_web.Answer(body=b"User-agent: *\nDisallow: /")
    await site.miss(17)

    await site.walk()

    assert site.gap()["filled_at"] is not None
    assert "/robots.txt" not in site.asked()


async def test_a_page_that_leads_to_another_host_is_not_taken(site: Site) -> None:
    site.head = lambda: '<atom:link rel="next" href="/page"/>'
    site.web.answers["/page"] = scripted_web.moved(site.web.url("/elsewhere", host="localhost"))
    site.web.answers["/elsewhere"] = site.answer(rss(down(50, 40), site.web))
    await site.miss(12)

    await site.walk()

    assert "its archive: page 2: leads to another host (localhost)" in site.gap()["result"]
    assert site.found_by() == {"feed": 10}


async def test_a_poll_in_the_middle_of_a_walk_stores_nothing_twice(site: Site) -> None:
    paged_archive(site)
    await site.miss(32)
    (claimed,) = site.app.engine._claim_walks(site.now, 1)
    site.web.answers["/feed.xml"] = lambda _: site.answer(rss(down(site.newest, 96), site.web, site.head()))

    await asyncio.gather(site.app.backfiller.run(claimed), site.app.engine.run_once(names=["News"], harvests=False))

    assert site.titles() == site.all_of(96, 132)
    assert site.rows("SELECT item_id FROM sightings GROUP BY item_id, source_id HAVING count(*) > 1") == []
    assert site.gap()["filled_at"] is not None


# ------------------------------------------------------------------------------------------------------- what is no gap


async def test_an_empty_document_and_what_comes_after_it_are_no_gap(site: Site) -> None:
    await site.poll()
    serving = site.web.answers["/feed.xml"]
    site.web.answers["/feed.xml"] = site.answer(rss([], site.web))
    await site.poll(HOUR)
    assert site.rows("SELECT * FROM gaps") == []

    site.newest, site.web.answers["/feed.xml"] = 120, serving
    await site.poll(20 * HOUR)

    assert site.rows("SELECT * FROM gaps") == []


async def test_a_feed_of_one_entry_at_its_own_rhythm_has_no_gap_until_it_must_have_missed_some(site: Site) -> None:
    site.web.answers["/feed.xml"] = lambda _: site.answer(rss([site.newest], site.web))
    await site.poll()
    for _ in range(8):
        site.newest += 1
        await site.poll(HOUR)
    assert site.rows("SELECT * FROM gaps") == []
    assert len(site.titles()) == 9

    site.newest += 6
    await site.poll(6 * HOUR)

    assert site.gap()["estimated"] == 5


async def test_guids_and_addresses_that_are_all_renamed_are_no_gap(site: Site) -> None:
    await site.poll()
    body = rss(down(100, 96), site.web).replace(b"'false'>g", b"'false'>new-g")
    site.web.answers["/feed.xml"] = site.answer(body)
    await site.poll(HOUR)
    site.web.answers["/feed.xml"] = site.answer(body.replace(b"-title</link>", b"-titles</link>"))

    await site.poll(HOUR)

    assert site.rows("SELECT * FROM gaps") == []
    assert len(site.titles()) == 5


async def test_after_an_outage_the_gap_begins_at_the_last_good_poll(site: Site) -> None:
    await site.poll()
    serving = site.web.answers["/feed.xml"]
    site.web.answers["/feed.xml"] = scripted_web.Answer(status=500)
    await site.poll(10 * HOUR)
    site.newest, site.web.answers["/feed.xml"] = 130, serving

    await site.poll(20 * HOUR)

    gap = site.gap()
    assert gap["reason"] == (
        "none of the 5 entries was in the document before, 30 h earlier; in between it could not be polled (http_500)"
    )
    assert gap["estimated"] == 25
    (source,) = site.rows("SELECT due_reason FROM sources")
    assert "halved, for only 0 % of its entries were known" in source["due_reason"]
    times = site.rows("SELECT from_at, to_at FROM gaps")
    assert [str(value)[:13].replace("T", " ") for value in times[0].values()] == ["2025-09-19 12", "2025-09-20 18"]


async def test_another_address_in_the_configuration_is_no_gap(site: Site) -> None:
    await site.poll()
    site.web.answers["/other.xml"] = site.answer(rss(down(60, 56), site.web))
    site.renew(url=site.web.url("/other.xml"))

    await site.poll(HOUR)

    assert site.rows("SELECT * FROM gaps") == []
    assert len(site.titles()) == 10


async def test_what_only_another_source_has_shown_is_not_shared(site: Site) -> None:
    site.web.answers["/second.xml"] = lambda _: site.answer(rss(down(site.newest, site.newest - 9), site.web))
    await site.poll()
    second = {"name": "Second", "url": site.web.url("/second.xml")}
    settings = site.settings.model_copy(
        update={"sources": (*site.settings.sources, config.SourceConfig.model_validate(second))}
    )
    upkeep.sync_sources(site.store, settings, site.now)
    site.app = app.App(settings, site.store, now=lambda: site.now)
    site.apps.append(site.app)
    site.newest += 17
    await site.app.engine.run_once(names=["Second"], harvests=False)

    await site.poll(17 * HOUR)

    assert site.gap()["reason"].startswith("none of the 5 entries was in the document before")


# ------------------------------------------------------------------------------------------------------- by itself


async def test_a_round_polls_fills_gaps_and_then_harvests(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)

    await site.app.engine.run_once()

    assert site.gap()["filled_at"] is not None
    assert {row["state"] for row in site.rows("SELECT state FROM items")} == {"feed_only"}


async def test_the_daemon_fills_gaps_by_itself(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_BACKFILL_BELL", timedelta(milliseconds=500))
    paged_archive(site)
    await site.miss(17)

    await site.app.engine.start()

    async with asyncio.timeout(20):
        while site.gap()["filled_at"] is None:
            await asyncio.sleep(0.05)
    assert site.titles() == site.all_of(96, 117)
    # The last bell has rung, and what it began has ended, before the database is closed.
    scheduler = site.app.engine._scheduler
    assert scheduler is not None
    scheduler.pause()
    await asyncio.sleep(0.3)


async def test_a_drain_in_the_middle_keeps_what_was_walked(site: Site) -> None:
    paged_archive(site)
    await site.miss(32)
    served, held = site.web.answers["/page"], asyncio.Event()

    def slow(heard: scripted_web.Heard) -> scripted_web.Answer:
        assert callable(served)
        answer = served(heard)
        if heard.target.endswith("=3"):
            held.set()
            return scripted_web.Answer(body=answer.body, headers=answer.headers, wait=1.0)
        return answer

    site.web.answers["/page"] = slow
    (claimed,) = site.app.engine._claim_walks(site.now, 1)
    walking = asyncio.create_task(site.app.backfiller.run(claimed))
    await held.wait()

    site.app.backfiller.close()
    await walking

    (walk,) = site.rows("SELECT pages, found, lease_owner FROM backfills")
    assert (walk["pages"], walk["found"], walk["lease_owner"]) == (3, 10, None)
    site.renew()
    await site.walk()
    assert site.titles() == site.all_of(96, 132)
