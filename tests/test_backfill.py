"""What a feed no longer shows, fetched over real sockets into both databases: each way back, and what may not be asked for on it."""

import gzip
import json

from tests import archives, scripted_web
from tests.archives import HOUR, Site, article, down, paged_archive, rss, site, sitemap, wordpress

__all__ = ["site"]

# ------------------------------------------------------------------------------------------------------ ways back


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


def index(*urls: str) -> bytes:
    rows = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{rows}</sitemapindex>'.encode()


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
