"""Sitemaps: what of them may be articles, what is not believed, and what cannot hurt."""

import gzip
import resource
import time
from datetime import UTC, datetime, timedelta

import pytest

from aggregator import errors, model
from aggregator.feed import identity, sitemap

NOW = datetime(2025, 9, 20, tzinfo=UTC)
SINCE = datetime(2025, 9, 18, 12, tzinfo=UTC)
ARTICLES = tuple(f"https://news.example/2025/0{n}/a-title-of-{n}/" for n in range(1, 9))
WANTED = sitemap.Wanted(home=("news.example",), articles=ARTICLES, since=SINCE)


def url(loc: str, changed: str = "2025-09-19T10:00:00Z", more: str = "") -> str:
    return f"<url><loc>{loc}</loc><lastmod>{changed}</lastmod>{more}</url>"


def urlset(*rows: str) -> bytes:
    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" xmlns:image="i"'
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset {spaces}>{"".join(rows)}</urlset>'.encode()


def index(*urls: tuple[str, str]) -> bytes:
    rows = "".join(f"<sitemap><loc>{loc}</loc><lastmod>{changed}</lastmod></sitemap>" for loc, changed in urls)
    return f"<sitemapindex>{rows}</sitemapindex>".encode()


def read(body: bytes, wanted: sitemap.Wanted = WANTED) -> sitemap.Read:
    return sitemap.read(body, url="https://news.example/sitemap.xml", now=NOW, wanted=wanted)


def new(n: int) -> str:
    return f"https://news.example/2025/09/another-title-{n}/"


def test_addresses_like_those_of_articles_become_entries_with_the_date_of_their_last_change() -> None:
    found = read(
        urlset(
            url(new(1)),
            url("https://news.example/about/"),
            url("https://news.example/tag/climate/"),
            url(new(2), "2025-09-01"),
            url(new(3), "2025-09-18"),
            url("https://other.example/2025/09/another-title-4/"),
        )
    )

    assert [one.url for one in found.entries] == [new(1), new(3)]
    first = found.entries[0]
    assert (first.title, first.date_source, first.published_raw) == ("", "sitemap", "2025-09-19T10:00:00Z")
    assert first.entry_hash == model.OUTLINE
    assert found.listed == 6


def test_news_have_a_title_a_language_and_a_date_of_publication() -> None:
    news = (
        "<image:image><image:loc>https://news.example/a.jpg</image:loc><image:title>Picture</image:title></image:image>"
        "<news:news><news:publication><news:name>News</news:name><news:language>de</news:language></news:publication>"
        "<news:publication_date>2025-09-19T08:00:00+02:00</news:publication_date><news:title>Ein Titel</news:title></news:news>"
    )

    (one,) = read(urlset(url(new(1), more=news))).entries

    assert (one.url, one.title, one.language) == (new(1), "Ein Titel", "de")
    assert (one.published_at, one.date_source) == (datetime(2025, 9, 19, 6, tzinfo=UTC), "published")


def test_dates_that_say_of_known_articles_that_they_changed_are_not_believed() -> None:
    before = frozenset(identity.url_key(one) for one in ARTICLES)
    news = "<news:news><news:publication_date>2025-09-19T08:00:00Z</news:publication_date></news:news>"

    found = read(
        urlset(*map(url, ARTICLES), url(new(1)), url(new(2), more=news)),
        sitemap.Wanted(home=WANTED.home, articles=ARTICLES, since=SINCE, known=before, before=before),
    )

    assert [one.url for one in found.entries] == [new(2)]
    assert found.doubt == "a sitemap says of 8 in 8 articles known before that they have changed since: not believed"
    assert len(found.before) == 8


def test_more_than_can_have_been_missed_is_not_believed() -> None:
    wanted = sitemap.Wanted(home=WANTED.home, articles=ARTICLES, since=SINCE, most=100)

    found = read(urlset(*(url(new(n)) for n in range(101))), wanted)

    assert found.entries == ()
    assert found.doubt == "a sitemap says of 101 unknown addresses that they have changed since: not believed"
    assert len(read(urlset(*(url(new(n)) for n in range(100))), wanted).entries) == 100


def test_what_is_newer_than_the_last_poll_is_left_to_the_feed() -> None:
    wanted = sitemap.Wanted(home=WANTED.home, articles=ARTICLES, since=SINCE, until=datetime(2025, 9, 19, tzinfo=UTC))

    found = read(urlset(url(new(1)), url(new(2), "2025-09-18T20:00:00Z")), wanted)

    assert [one.url for one in found.entries] == [new(2)]


def test_an_index_names_those_with_news_first_and_leaves_out_what_is_too_old_or_no_article() -> None:
    root = "https://news.example/"

    found = read(
        index(
            (f"{root}image-sitemap.xml", "2025-09-19"),
            (f"{root}post_tag-sitemap.xml", "2025-09-19"),
            (f"{root}page-sitemap.xml", "2025-09-19"),
            (f"{root}post-sitemap1.xml", "2025-09-19"),
            (f"{root}post-sitemap2.xml", "2025-01-01"),
            (f"{root}sitemap-3.xml", "2025-09-19"),
            (f"{root}news-sitemap.xml", "2025-09-18"),
        )
    )

    names = [one.rpartition("/")[2] for one in found.sitemaps]
    assert names == ["news-sitemap.xml", "post-sitemap1.xml", "sitemap-3.xml", "page-sitemap.xml"]
    assert found.entries == ()


def test_sections_that_vary_may_be_any_but_figures_and_depth_count() -> None:
    likeness = sitemap.Likeness(
        [f"https://a.example/{name}/12345/the-title.html" for name in "world uk art law".split()]
    )

    assert likeness.has("https://a.example/sport/777777/some-other-title.html")
    assert not likeness.has("https://a.example/sport/some-other-title.html")
    assert not likeness.has("https://a.example/sport/777777/some-other-title")
    few = sitemap.Likeness(["https://a.example/world/a-title"])
    assert few.has("https://a.example/world/b-title")
    assert not few.has("https://a.example/tags/b-title")
    assert sitemap.Likeness([]).has("https://a.example/b-title")
    assert not sitemap.Likeness([]).has("https://a.example/")


def test_a_gzipped_sitemap_is_unpacked() -> None:
    assert len(read(gzip.compress(urlset(url(new(1))))).entries) == 1
    with pytest.raises(errors.ParseError, match="gzip archive that cannot be read"):
        read(b"\x1f\x8b" + b"nothing of the kind" * 9)


def test_a_bomb_is_read_up_to_its_limits_in_little_memory_and_time() -> None:
    row = url(new(1)).encode()
    bomb = gzip.compress(urlset()[: -len("</urlset>")] + row * 1_000_000, compresslevel=9)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()

    found = read(bomb)

    assert len(bomb) < 1_000_000
    assert found.listed == sitemap.MOST_LISTED
    assert found.damage == "only its first 50,000 addresses were read"
    assert len(found.entries) <= 5_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    assert time.process_time() - began < 10
    zeros = gzip.compress(b"<urlset>" + b" " * 200_000_000)
    assert read(zeros).damage == "it is cut off or broken after 0 addresses"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<html><body>Not found</body></html>", "not_a_sitemap"),
        (b"just words", "not_a_sitemap"),
        (b'<!DOCTYPE urlset [<!ENTITY a "b">]><urlset><url><loc>&a;</loc></url></urlset>', "entities"),
        (b'<!DOCTYPE u [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset/>', "entities"),
        (b"<urlset>" + b"<a>" * 100, "not_a_sitemap"),
        (b"<urlset " + b"".join(b"a%d='1' " % n for n in range(500)) + b"/>", "not_a_sitemap"),
        (b"<rss><channel/></rss>", "not_a_sitemap"),
    ],
)
def test_what_is_no_sitemap_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(errors.ParseError) as caught:
        read(body)

    assert caught.value.code == code


def test_what_is_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = urlset(url(new(1)), url(new(2)), url(new(3)))

    found = read(whole[: whole.index(b"another-title-3")])

    assert [one.url for one in found.entries] == [new(1), new(2)]
    assert found.damage == "it is cut off or broken after 2 addresses"


def test_dates_still_to_come_are_none() -> None:
    assert read(urlset(url(new(1), (NOW + timedelta(days=400)).isoformat()))).entries == ()


def test_without_a_date_to_go_back_to_everything_like_an_article_counts() -> None:
    wanted = sitemap.Wanted(home=WANTED.home, articles=ARTICLES)

    found = read(urlset(f"<url><loc>{new(1)}</loc></url>", url(new(2), "2001-01-01")), wanted)

    assert [one.url for one in found.entries] == [new(2), new(1)]


def test_without_dates_it_cannot_be_told_what_was_missed() -> None:
    undated = [f"<url><loc>{new(n)}</loc></url>" for n in range(3)]

    found = read(urlset(*undated, url(new(7))))

    assert [one.url for one in found.entries] == [new(7)]
    assert found.doubt == "a sitemap gives no dates for 3 unknown addresses"
    known = frozenset(identity.url_key(new(n)) for n in range(3))
    wanted = sitemap.Wanted(home=WANTED.home, articles=ARTICLES, since=SINCE, known=known)
    assert read(urlset(*undated, url(new(7))), wanted).doubt is None
