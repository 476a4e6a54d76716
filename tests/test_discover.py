"""Where the feeds of a page may be, by what it says and by its address: pure."""

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feed import discover, platforms
from aggregator.feed.discover import How

URL = "https://news.example/blog/"


def found(head: str = "", body: str = "", url: str = URL, **headers: str) -> list[tuple[str, str]]:
    """What a page says: URL and how."""
    page = discover.read(
        f"<!doctype html><html><head><title>T</title>{head}</head><body>{body}</body></html>".encode(),
        url=url,
        headers=headers,
    )
    return [(one.url, one.how.name) for one in page.candidates]


def alternate(href: str, kind: str = "application/rss+xml", **told: str) -> str:
    more = "".join(f' {name}="{value}"' for name, value in told.items())
    return f'<link rel="alternate" type="{kind}" href="{href}"{more}>'


def test_the_feeds_that_a_page_names_come_in_its_order_and_those_of_comments_last() -> None:
    page = discover.read(
        (
            "<title>The  News</title>"
            + alternate("/comments/feed/", title="News » Comments Feed")
            + alternate("/feed/", title="News » Feed")
            + alternate("atom.xml", "application/atom+xml")
            + alternate("/feed.json", "application/feed+json; charset=utf-8")
        ).encode(),
        url=URL,
        headers={},
    )

    assert page.title == "The News"
    assert [(one.url, one.title, one.comments) for one in page.candidates] == [
        ("https://news.example/feed/", "News » Feed", False),
        ("https://news.example/blog/atom.xml", None, False),
        ("https://news.example/feed.json", None, False),
        ("https://news.example/comments/feed/", "News » Comments Feed", True),
    ]
    assert {one.how for one in page.candidates} == {How.NAMED}


def test_what_is_no_feed_is_not_taken_for_one() -> None:
    assert (
        found(
            alternate("/wp-json/wp/v2/posts/1", "application/json")
            + alternate("/de/", "text/html", hreflang="de")
            + '<link rel="stylesheet" type="application/rss+xml" href="/x">'
            + alternate("javascript:alert(1)")
            + alternate("https://user:secret@news.example/feed")
            + alternate("")
        )
        == []
    )


def test_an_alternate_of_a_vague_type_counts_if_it_says_that_it_is_a_feed() -> None:
    assert found(alternate("/feed.json", "application/json") + alternate("/x.xml", "text/xml", title="RSS")) == [
        ("https://news.example/feed.json", "NAMED"),
        ("https://news.example/x.xml", "NAMED"),
    ]


def test_addresses_stand_against_the_base_of_the_page() -> None:
    assert found('<base href="https://cdn.example/a/">' + alternate("feed.xml")) == [
        ("https://cdn.example/a/feed.xml", "NAMED")
    ]


def test_a_link_in_the_headers_of_the_answer_counts() -> None:
    link = '</style.css>; rel=preload, </feed.atom>; rel="alternate"; type="application/atom+xml"; title="All"'
    assert found(link=link) == [("https://news.example/feed.atom", "NAMED")]


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ('<a href="/rss">x</a>', "https://news.example/rss"),
        ('<a href="/news/feed/">x</a>', "https://news.example/news/feed/"),
        ('<a href="/index.rdf">x</a>', "https://news.example/index.rdf"),
        ('<a href="/?format=rss">x</a>', "https://news.example/?format=rss"),
        ('<a href="/news.xml">RSS</a>', "https://news.example/news.xml"),
        ('<a href="/news.xml" title="News feed"><img src="rss.png"></a>', "https://news.example/news.xml"),
        ('<a href="feed://news.example/x.xml">x</a>', "http://news.example/x.xml"),
        ('<a href="feed:https://news.example/x.xml">x</a>', "https://news.example/x.xml"),
        ('<a href="https://feedly.com/i/subscription/feed%2Fhttps%3A%2F%2Fnews.example%2Fx.xml">x</a>', "https://news.example/x.xml"),
        ('<a href="https://www.inoreader.com/login">Follow</a>', None),
        ('<a href="https://www.inoreader.com/?add_feed=https://news.example/x.xml">Follow</a>', "https://news.example/x.xml"),
        ('<a href="/feedback">Feedback</a>', None),
        ('<a href="/about">About our newsfeeds and what else there is to be said of the history of syndication</a>', None),
        ('<a href="/img/rss.png">x</a>', None),
        ('<a href="#rss">RSS</a>', None),
        ('<a href="mailto:rss@news.example">RSS</a>', None),
        ('<a href="https://www.facebook.com/dialog/feed?link=x">Share</a>', None),
    ],
)  # fmt: skip
def test_links_that_look_like_feeds(link: str, url: str | None) -> None:
    assert found(body=link) == ([(url, "LINKED")] if url else [])


@pytest.mark.parametrize(
    ("url", "feed"),
    [
        ("https://www.youtube.com/channel/UCabcdefghijklmnopqrstuv", "https://www.youtube.com/feeds/videos.xml?channel_id=UCabcdefghijklmnopqrstuv"),
        ("https://m.youtube.com/user/NASA/videos", "https://www.youtube.com/feeds/videos.xml?user=NASA"),
        ("https://www.youtube.com/playlist?list=PL123", "https://www.youtube.com/feeds/videos.xml?playlist_id=PL123"),
        ("https://www.youtube.com/watch?v=x&list=PL123", "https://www.youtube.com/feeds/videos.xml?playlist_id=PL123"),
        ("https://medium.com/@someone/a-story-1", "https://medium.com/feed/@someone"),
        ("https://medium.com/publication", "https://medium.com/feed/publication"),
        ("https://medium.com/tag/climate", "https://medium.com/feed/tag/climate"),
        ("https://someone.medium.com/", "https://someone.medium.com/feed"),
        ("https://some.substack.com/p/a-post", "https://some.substack.com/feed"),
        ("https://some.wordpress.com/2020/", "https://some.wordpress.com/feed/"),
        ("https://some.blogspot.co.uk/", "https://some.blogspot.co.uk/feeds/posts/default"),
        ("https://some.tumblr.com/", "https://some.tumblr.com/rss"),
        ("https://some.tumblr.com/tagged/sea", "https://some.tumblr.com/tagged/sea/rss"),
        ("https://www.tumblr.com/some", "https://some.tumblr.com/rss"),
        ("https://old.reddit.com/r/climate/", "https://www.reddit.com/r/climate/.rss"),
        ("https://www.reddit.com/r/climate/top", "https://www.reddit.com/r/climate/top/.rss"),
        ("https://reddit.com/u/someone", "https://www.reddit.com/user/someone/.rss"),
        ("https://github.com/owner/project", "https://github.com/owner/project/releases.atom"),
        ("https://github.com/owner/project.git", "https://github.com/owner/project/releases.atom"),
        ("https://github.com/owner/project/commits/main", "https://github.com/owner/project/commits.atom"),
        ("https://github.com/owner/project/tags", "https://github.com/owner/project/tags.atom"),
        ("https://github.com/owner", "https://github.com/owner.atom"),
        ("https://gitlab.com/group/sub/project/-/issues", "https://gitlab.com/group/sub/project/-/releases.atom"),
        ("https://stackoverflow.com/questions/tagged/rss", "https://stackoverflow.com/feeds/tag/rss"),
        ("https://arxiv.org/list/physics.ao-ph/recent", "https://rss.arxiv.org/rss/physics.ao-ph"),
        ("https://vimeo.com/someone", "https://vimeo.com/someone/videos/rss"),
        ("https://bsky.app/profile/some.one", "https://bsky.app/profile/some.one/rss"),
        ("https://dev.to/someone", "https://dev.to/feed/someone"),
        ("https://mastodon.example/@someone", "https://mastodon.example/@someone.rss"),
        ("https://lemmy.example/c/climate", "https://lemmy.example/feeds/c/climate.xml"),
        ("https://news.ycombinator.com/newest", "https://news.ycombinator.com/rss"),
        ("https://github.com/features", None),
        ("https://www.youtube.com/@handle", None),
        ("https://news.example/a/b", None),
        ("https://[bad", None),
    ],
)  # fmt: skip
def test_the_address_of_a_page_on_a_platform_tells_its_feed(url: str, feed: str | None) -> None:
    assert next((one.url for one in discover.of_url(url)), None) == feed


def test_the_page_of_a_channel_tells_what_its_handle_does_not() -> None:
    script = '<script>var ytInitialData = {"metadata":{"externalId":"UCabcdefghijklmnopqrstuv"}};</script>'

    assert found(body=script, url="https://www.youtube.com/@handle") == [
        ("https://www.youtube.com/feeds/videos.xml?channel_id=UCabcdefghijklmnopqrstuv", "PLATFORM")
    ]


@pytest.mark.parametrize(
    ("head", "feed"),
    [
        ('<meta name="generator" content="WordPress 6.4">', "https://news.example/blog/feed/"),
        ('<link rel="https://api.w.org/" href="https://news.example/wp-json/">', "https://news.example/blog/feed/"),
        ('<meta content="Ghost 5.2" name="generator">', "https://news.example/blog/rss/"),
        ('<meta name="generator" content="Hugo 0.120">', "https://news.example/blog/index.xml"),
        ('<meta name="generator" content="Drupal 10">', "https://news.example/rss.xml"),
        ('<meta name="generator" content="Discourse 3.2">', "https://news.example/latest.rss"),
        ('<script src="https://substackcdn.com/x.js"></script>', "https://news.example/feed"),
        ('<meta name="generator" content="Joomla! - Open Source">', "https://news.example/blog?format=feed&type=rss"),
        ('<meta name="generator" content="my own">', None),
    ],
)
def test_the_program_that_made_a_page_tells_where_its_feed_is(head: str, feed: str | None) -> None:
    assert next(iter(found(head)), None) == ((feed, "PLATFORM") if feed else None)


def test_the_usual_places_are_tried_below_the_page_first_and_are_few() -> None:
    addresses = platforms.guesses("https://news.example/blog/?page=2")

    assert addresses[:3] == (
        "https://news.example/blog/feed", "https://news.example/blog/rss", "https://news.example/feed",
    )  # fmt: skip
    assert len(addresses) == len(set(addresses)) == 13
    assert platforms.guesses("https://news.example/")[0] == "https://news.example/feed"
    assert platforms.guesses("https://news.example/a/story.html")[0] == "https://news.example/feed"


@given(st.binary(max_size=300), st.sampled_from(["", "text/html; charset=utf-16", "text/html; charset=klingon"]))
def test_no_bytes_whatsoever_break_it(noise: bytes, kind: str) -> None:
    for body in (
        noise,
        b"<link rel=alternate type=application/rss+xml href=" + noise,
        b"<a href='" + noise + b"'>rss</a>",
    ):
        for one in discover.read(
            body, url=URL, headers={"content-type": kind, "link": noise.decode("latin-1")}
        ).candidates:
            assert re.match(r"https?://[^/]", one.url)


@given(st.text(max_size=60))
def test_no_address_whatsoever_breaks_the_rules_for_platforms(text: str) -> None:
    for url in (
        text,
        f"https://{text}",
        f"https://github.com/{text}",
        f"https://www.youtube.com/{text}",
        f"https://www.tumblr.com/{text}",
    ):
        assert all(one.url.startswith(("http://", "https://")) for one in discover.of_url(url))


def test_of_recorded_pages_every_named_feed_is_found(shared: Path) -> None:
    pages = seen = 0
    for line in gzip.decompress((shared / "corpus" / "articles" / "index.jsonl.gz").read_bytes()).splitlines():
        told = json.loads(line)
        body = gzip.decompress((shared / "corpus" / told["file"]).read_bytes())
        url = told["url"] or URL
        named = {one.url for one in discover.read(body, url=url, headers={}).candidates if one.how is How.NAMED}
        wanted = set(_absolute(re.sub(rb"<!--.*?-->", b"", body, flags=re.S)))
        if wanted:
            pages, seen = pages + 1, seen + len(wanted)
            assert wanted <= named, told["file"]
    assert pages > 100
    assert seen > 200


def _absolute(body: bytes) -> list[str]:
    """The addresses in the links of a page that say that they are feeds, of those that are absolute and plain."""
    links = [link for link in re.findall(rb"<link\b[^>]*>", body) if re.search(rb"application/(?:rss|atom)\+xml", link)]
    found = (re.search(rb"""href=["'](https?://[\w./-]+)["']""", link) for link in links if b"alternate" in link)
    return [one[1].decode() for one in found if one]
