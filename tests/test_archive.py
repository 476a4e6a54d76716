"""Ways back through a feed: what a document names, what is recognised, where a walk goes on and where it ends."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import model
from aggregator.feed import archive, sitemap
from aggregator.net import robots
from tests import feeds, make

URL = "https://news.example/feed/"
HOME = ("news.example",)


def page(
    *numbers: int, url: str = URL, new: int = 1, link: str = "", filled: bool = False, **head: object
) -> archive.Page:
    feed = model.ParsedFeed(version="rss20", entries=tuple(make.entry(n) for n in numbers))
    headers = {"link": link} if link else {}
    return archive.Page(url=url, feed=replace(feed, **head), headers=headers, new=new, filled=filled)  # type: ignore[arg-type]


def on(step: archive.Step, first: archive.Page) -> archive.Trail:
    """A walk that has read the feed and stands before the first page of `step`."""
    trail = archive.after_feed(archive.Trail(), first, home=HOME, sitemaps=False)
    return archive.turn(replace(trail, left=(step,)))


NEXT = archive.Step("archive", "https://news.example/feed/2", "next")
PAGED = archive.Step("paged", f"{URL}?paged=2")
GAP = archive.Aim(since=datetime(2025, 9, 18, tzinfo=UTC), through_known=True)


def test_the_links_of_every_format_are_kept() -> None:
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><link rel="next" href="/p/2"/><link rel="PREV-archive" href="/a/9"/></feed>'
    rss = feeds.rss('<a:link xmlns:a="http://www.w3.org/2005/Atom" rel="next" href="https://feed.example/2"/>')
    told = {"version": "https://jsonfeed.org/version/1.1", "items": [], "next_url": "more.json"}

    assert feeds.read(atom).older == (
        ("prev-archive", "https://feed.example/a/9"),
        ("next", "https://feed.example/p/2"),
    )
    assert feeds.read(rss).older == (("next", "https://feed.example/2"),)
    assert feeds.read(json.dumps(told)).older == (("next_url", "https://feed.example/news/more.json"),)
    assert feeds.read(feeds.rss("")).older == ()


def test_an_archive_comes_before_pages_and_a_guess_after_both() -> None:
    first = page(1, older=(("prev-archive", "https://a.example/9"), ("next", "https://a.example/2")))

    ways = archive.ways(first, sitemaps=True)

    assert ways == (
        archive.Step("archive", "https://a.example/9", "prev-archive"),
        archive.Step("paged", "https://news.example/feed/?paged=2"),
        archive.Step("sitemap", "https://news.example/"),
    )


def test_a_link_header_names_the_next_page_too() -> None:
    first = page(1, url="https://news.example/rss", link='</rss?p=2>; rel="next"')

    assert archive.ways(first, sitemaps=False) == (archive.Step("archive", "https://news.example/rss?p=2", "next"),)


@pytest.mark.parametrize(
    ("url", "generator", "expected"),
    [
        ("https://a.example/feed", None, "https://a.example/feed?paged=2"),
        ("https://a.example/category/x/feed/atom/", None, "https://a.example/category/x/feed/atom/?paged=2"),
        ("https://a.example/?feed=rss2", None, "https://a.example/?feed=rss2&paged=2"),
        ("https://a.example/news.xml", "https://wordpress.org/?v=6.8.2", "https://a.example/news.xml?paged=2"),
        ("https://a.example/feeds/posts/default", "Blogger", None),
        ("https://a.example/feed.xml", None, None),
    ],
)
def test_wordpress_is_recognised_by_what_it_says_or_by_its_addresses(
    url: str, generator: str | None, expected: str | None
) -> None:
    paged = [step.url for step in archive.ways(page(1, url=url, generator=generator), sitemaps=False)]

    assert paged == ([expected] if expected else [])


def test_a_copy_of_a_wordpress_feed_elsewhere_is_walked_at_its_site() -> None:
    copy = page(1, url="https://feeds.copy.example/x", generator="WordPress", site_url="https://news.example/blog/")

    steps = archive.ways(copy, sitemaps=False)

    assert [step.url for step in steps] == [
        "https://feeds.copy.example/x?paged=2",
        "https://news.example/feed/?paged=2",
    ]


def test_a_blog_on_a_domain_of_its_own_has_its_pages_at_blogger() -> None:
    link = "https://www.blogger.com/feeds/1/posts/default?start-index=26"
    blog = page(1, older=(("next", link),), generator="Blogger", url="https://blog.example/feeds/posts/default")
    other = page(1, older=(("next", link),), url="https://blog.example/feeds/posts/default")

    assert archive.after_feed(archive.Trail(), blog, home=("blog.example",), sitemaps=False).left[0].url == link
    refused = archive.after_feed(archive.Trail(), other, home=("blog.example",), sitemaps=False)
    assert refused.left == ()
    assert "its older pages are on another host (www.blogger.com)" in refused.said


def test_a_walk_goes_on_by_the_relation_that_it_began_with() -> None:
    trail = on(NEXT, page(1, 2))

    after = archive.after_page(
        trail, page(3, 4, older=(("next", "https://news.example/feed/3"), ("previous", URL))), GAP
    )
    back = archive.after_page(trail, page(3, 4, older=(("previous", URL),)), GAP)

    assert isinstance(after, archive.Trail)
    assert (after.step, after.page, after.gained) == (NEXT._replace(url="https://news.example/feed/3"), 3, 1)
    assert back == archive.End(why="page 2 is the last")


def test_the_end_of_a_walk_has_its_reason() -> None:
    trail, hand = on(PAGED, page(1, 2)), archive.Aim()

    assert archive.after_page(trail, page(), hand) == archive.End(why="page 2 is empty", absent=True)
    assert archive.after_page(trail, page(2, 1), hand) == archive.End(
        why="page 2 shows the same entries as the feed", absent=True
    )
    assert archive.after_page(trail, page(3, new=0), hand) == archive.End(why="page 2 has nothing new", reached=True)
    assert archive.after_page(trail, page(3, filled=True), GAP) == archive.End(
        why="page 2 shows what was known", reached=True
    )
    assert isinstance(archive.after_page(trail, page(3, new=0), GAP), archive.Trail)
    late = archive.Aim(since=datetime(2025, 9, 19, tzinfo=UTC), through_known=True)
    older = archive.after_page(trail, page(3), late)
    assert older == archive.End(why="page 2 is older than 2025-09-19 00:00 UTC", reached=True)
    assert isinstance(archive.after_page(trail, page(3), replace(late, strict=False)), archive.Trail)
    assert archive.after_page(trail, page(3, new=0), replace(late, strict=False)) == older


def test_pages_that_the_feed_names_may_be_smaller_than_it_is() -> None:
    trail = on(NEXT, page(1, 2, 3))
    smaller = page(2, new=0, older=(("next", "https://news.example/feed/3"),))

    assert isinstance(archive.after_page(trail, smaller, GAP), archive.Trail)
    assert archive.after_page(trail, page(1, 2, 3), GAP) == archive.End(
        why="page 2 shows the same entries as the feed", absent=True
    )


def test_a_walk_keeps_little_however_long_it_is() -> None:
    trail: archive.Trail | archive.End = on(PAGED, page(1, 2))
    for n in range(3, 10_003):
        assert isinstance(trail, archive.Trail)
        trail = archive.after_page(trail, page(n), archive.Aim())

    assert isinstance(trail, archive.Trail)
    assert trail.page == 10_002
    assert len(json.dumps(archive.stored(trail))) < 20_000


@given(st.lists(st.sampled_from(["feed", "page", "turn", "maps"]), max_size=8))
def test_what_is_kept_of_a_walk_is_all_of_it(steps: list[str]) -> None:
    trail = archive.Trail()
    for n, step in enumerate(steps, 5):
        if step == "feed":
            trail = archive.after_feed(trail, page(1, older=(("next", NEXT.url),)), home=HOME, sitemaps=True)
        elif step == "turn":
            trail = archive.turn(trail, archive.End(why="it ended"))
        elif step == "maps" and trail.sitemap:
            found = archive.sitemaps(trail, ["/maps.xml", "https://other.example/x.xml"], URL)
            read = sitemap.Read(sitemaps=("https://news.example/m.xml",), doubt="who knows")
            trail = archive.after_sitemap(
                replace(trail, sitemaps=found), read, new=1, known_at=datetime(2025, 1, n, tzinfo=UTC)
            )
        elif trail.step is not None:
            after = archive.after_page(trail, page(n), GAP)
            trail = after if isinstance(after, archive.Trail) else trail

    assert archive.restored(json.loads(json.dumps(archive.stored(trail)))) == trail


def test_sitemaps_of_other_sites_and_of_pictures_are_left_out() -> None:
    trail = archive.Trail(home=HOME)
    named = [
        "https://other.example/sitemap.xml",
        "/video-sitemap.xml",
        "https://www.news.example/sitemap.xml",
        "/news.xml",
    ]

    assert archive.sitemaps(trail, named, "https://news.example/") == (
        archive.Sitemap("https://news.example/news.xml"),
        archive.Sitemap("https://www.news.example/sitemap.xml"),
    )
    assert all(one.guessed for one in archive.sitemaps(trail, named[:2], "https://news.example/"))


def test_the_sitemaps_of_a_robots_txt_belong_to_no_group() -> None:
    text = "Sitemap: https://a.example/1.xml\nUser-agent: other\nDisallow: /\nsitemap:/2.xml # the news\nSITEMAP : /3.xml\nSitemap:\n#Sitemap: /4.xml"

    assert robots.named_sitemaps(text) == ("https://a.example/1.xml", "/2.xml", "/3.xml")
    assert len(robots.named_sitemaps("\n".join(f"Sitemap: /{n}.xml" for n in range(1_000)))) == 50


# ---------------------------------------------------------------------------------------------------- recorded ones


def test_recorded_feeds_name_their_older_pages(shared: Path) -> None:
    corpus, steps, wordpress = shared / "corpus", [], 0
    for line in (corpus / "feeds" / "index.jsonl").read_text().splitlines():
        row = json.loads(line)
        body = (corpus / row["file"]).read_bytes()
        body = gzip.decompress(body) if row["file"].endswith(".gz") else body
        if b"rel='next'" not in body and b"wordpress.org" not in body:
            continue
        feed = feeds.read(body)
        found = archive.ways(archive.Page(url=feeds.URL, feed=feed, headers={}), sitemaps=False)
        steps += [step for step in found if step.method == "archive"]
        wordpress += any(step.method == "paged" for step in found)

    # All of them are Blogger's.
    assert len(steps) >= 7
    assert all("start-index=26" in step.url and step.relation == "next" for step in steps)
    assert wordpress >= 20


def test_recorded_robots_txt_name_their_sitemaps(shared: Path) -> None:
    named = [
        robots.named_sitemaps(file.read_text(errors="replace"))
        for file in sorted((shared / "corpus" / "robots" / "real").glob("*.robots.txt"))
    ]

    assert sum(map(bool, named)) >= 70
    assert all(" " not in url for urls in named for url in urls)
