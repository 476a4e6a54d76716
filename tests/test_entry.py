"""What is made of an entry: its address, its words, its hash."""

import html
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import markup
from aggregator.feed import entry
from tests import feeds

PIECES = (
    "/",
    "//",
    "a",
    "..",
    "/./",
    ":",
    ":80",
    "@",
    "?",
    "#",
    ";",
    "&amp;",
    "x=1",
    " ",
    "%20",
    "é",
    "[",
    "\\",
    "\x85",
    "*",
)
BASES = ("", "http://base.example/x/y?z", "https://base.example/feed", "https://a.example")

# ---------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("inner", "url"),
    [
        ("<link>/a/1</link>", "https://feed.example/a/1"),
        ("<link> HTTPS://Feed.example/a b\n</link>", "https://Feed.example/a%20b"),
        ("<link>javascript:alert(1)</link>", None),
        ("<link>data:text/html,x</link>", None),
        ("<link>file:///etc/passwd</link>", None),
        ("<link>https://[bad/</link>", None),
        ("<link>https://feed.example:99999/</link>", None),
        (f"<link>https://feed.example/{'a' * 4_100}</link>", None),
        ("<guid>https://feed.example/p/1</guid>", "https://feed.example/p/1"),
        ('<guid isPermaLink="false">https://feed.example/p/1</guid>', None),
        ("<guid>12345</guid>", None),
        ("<guid>12345</guid><link>/a/1</link>", "https://feed.example/a/1"),
        ("<link>/same</link><guid>/same</guid>", "https://feed.example/same"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_entry_s_url_is_absolute_http_or_absent(inner: str, url: str | None) -> None:
    assert feeds.item(f"<title>t</title>{inner}").url == url


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.sampled_from(BASES))
def test_an_address_is_absolute_as_the_standard_says(rest: str, base: str) -> None:
    raw = f"https://a.example{rest}"

    try:
        parts = urlsplit(expected := urljoin(base, markup.line(raw)))
        usable = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False

    assert entry.address(raw, base) == (expected.replace(" ", "%20") if usable else None)


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.sampled_from(BASES[1:]))
def test_a_link_from_the_root_is_where_the_standard_says(rest: str, base: str) -> None:
    url = f"/{rest}"

    try:
        expected: str | None = urljoin(base, url.strip())
        urlsplit(expected or "")
    except ValueError:
        expected = None
    attribute = (
        f' href="{html.escape(expected, quote=False).replace(chr(34), "&quot;")}"' if expected is not None else ""
    )

    cleaned = markup.safe(f'<a href="{html.escape(url)}">x</a>', base)
    assert markup.tidy(html.unescape(cleaned)) == markup.tidy(
        html.unescape(f'<a{attribute} rel="noopener noreferrer nofollow">x</a>')
    )


def test_the_original_link_is_preferred_to_feedburner_s() -> None:
    space = 'xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0"'
    link = f"<link>https://feeds.example/~r/1</link><feedburner:origLink {space}>https://feed.example/1</feedburner:origLink>"

    assert feeds.item(link).url == "https://feed.example/1"


def test_of_atom_s_links_the_alternate_counts() -> None:
    links = '<link rel="self" href="/self"/><link rel="related" href="/related"/><link rel="enclosure" href="/a.mp3"/>'
    page = '<link rel="alternate" type="application/pdf" href="/pdf"/><link type="text/html" href="/page"/>'

    assert feeds.atom(links + page + "<id>https://feed.example/id</id>").url == "https://feed.example/page"


@pytest.mark.parametrize("base", ["javascript:alert(1)//", "data:,", "file:///etc/"])
def test_a_hostile_base_is_not_used(base: str) -> None:
    entry = feeds.atom(
        f'<title>t</title><link href="a"/><content type="html" xml:base="{base}">&lt;a href="b">b&lt;/a></content>'
    )

    assert entry.url == "https://feed.example/news/a"
    assert 'href="https://feed.example/news/b"' in entry.content


@pytest.mark.parametrize(
    ("raw", "guid"),
    [
        ("", None),
        (" \n ", None),
        (" 17\n", "17"),
        ("Caf\u0065\u0301", "Café"),
        ("x" * 2_000, "x" * 2_000),
        ("x" * 2_001, "sha256:"),
    ],
)
def test_a_guid_is_as_published_and_bounded(raw: str, guid: str | None) -> None:
    found = feeds.item(f"<title>t</title><guid>{raw}</guid>").guid

    assert found == guid if guid != "sha256:" else found is not None and len(found) == len("sha256:") + 64


# ---------------------------------------------------------------------------------------------------- words


def test_what_can_run_is_not_in_the_content() -> None:
    entry = feeds.item(
        "<title>t</title><description><![CDATA[<p onclick='x()'>a<script>b()</script>"
        "<a href='java&#10;script:x()'>c</a><img src=x onerror=y()><iframe src='//e'></iframe><form>d</form></p>]]></description>"
    )

    assert not any(bad in entry.content for bad in ("script", "onclick", "onerror", "iframe", "form"))
    assert "c</a>" in entry.content


def test_a_description_without_markup_is_a_summary_and_no_content() -> None:
    entry = feeds.item("<title>t</title><description>Fish &amp; chips, &lt; 5</description>")

    assert (entry.summary, entry.content) == ("Fish & chips, < 5", "")


def test_content_without_a_description_leaves_the_summary_empty() -> None:
    entry = feeds.item("<title>t</title><content:encoded>&lt;p>All of it&lt;/p></content:encoded>")

    assert (entry.summary, entry.content) == ("", "<p>All of it</p>")


def test_of_several_contents_html_is_preferred() -> None:
    both = '<content type="text">Plain, and longer than the other</content><content type="html">&lt;p>Rich&lt;/p></content>'

    assert feeds.atom(f"<title>t</title>{both}").content == "<p>Rich</p>"


@pytest.mark.parametrize("kind", ["image/png", "application/xml", "application/octet-stream"])
def test_atom_content_that_is_no_text_is_left_out(kind: str) -> None:
    assert feeds.atom(f'<title>t</title><content type="{kind}">aGVsbG8=</content>').content == ""


def test_a_title_may_be_missing() -> None:
    assert feeds.item("<description>Only this</description>").title == ""


def test_long_values_are_cut() -> None:
    categories = "".join(f"<category>{n} {'c' * 300}</category>" for n in range(120))
    files = "".join(
        f'<enclosure url="https://feed.example/{n}.mp3" length="{n}" type="audio/mpeg"/>' for n in range(60)
    )
    text = "word " * 10_000

    entry = feeds.item(f"<title>{'t' * 1_100}</title><description>{text}</description>{categories}{files}")

    assert (len(entry.title), len(entry.summary)) == (1_000, 19_999)
    assert markup.text(entry.content) == text.strip()
    assert (len(entry.categories), {len(name) for name in entry.categories}) == (100, {200})
    assert len(entry.enclosures) == 50


def test_content_is_cut_to_two_million_characters_of_safe_html() -> None:
    entry = feeds.item(f"<title>t</title><description><![CDATA[<b>{'> ' * 1_200_000}]]></description>")

    assert 1_500_000 < len(entry.content) <= 2_000_000
    assert entry.content.endswith("</b>")


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        ("desk@paper.example (Ann Lee)", ("Ann Lee",)),
        ("Ann Lee &lt;desk@paper.example&gt;", ("Ann Lee",)),
        ("desk@paper.example", ("desk@paper.example",)),
        ("Ann  Lee\n", ("Ann Lee",)),
        ("Ann &amp;amp; Bo", ("Ann & Bo",)),
        ("", ()),
    ],
)
def test_an_author_is_a_name_where_there_is_one(raw: str, names: tuple[str, ...]) -> None:
    assert feeds.item(f"<title>t</title><author>{raw}</author>").authors == names


def test_the_first_usable_picture_is_the_entry_s() -> None:
    entry = feeds.item(
        '<media:content url="javascript:x" medium="image"/><media:thumbnail url="/small.jpg"/>'
        '<enclosure url="https://feed.example/big.png" type="image/png"/>'
    )

    assert entry.image == "https://feed.example/small.jpg"


@pytest.mark.parametrize(
    ("length", "expected"),
    [("17", 17), ("0", 0), ("-1", None), ("12 MB", None), ("", None), ("9" * 30, None), ("１", None)],
)
def test_the_length_of_an_enclosure_is_a_number_or_unknown(length: str, expected: int | None) -> None:
    (enclosure,) = feeds.item(f'<enclosure url="/a.mp3" length="{length}" type="audio/mpeg"/>').enclosures

    assert enclosure.length == expected


@pytest.mark.parametrize(
    ("raw", "language"), [("en_US", "en-us"), ("pt-BR", "pt-br"), ("English", None), ("x" * 30, None), ("", None)]
)
def test_the_language_is_a_language_tag(raw: str, language: str | None) -> None:
    assert feeds.read(feeds.rss(f"<language>{raw}</language>{feeds.ITEM}")).entries[0].language == language


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ("<pubDate>Thu, 18 Sep 2025 08:00:00 GMT</pubDate>", ("Thu, 18 Sep 2025 08:00:00 GMT", "published", 8)),
        ("<pubDate>yesterday</pubDate>", ("yesterday", None, None)),
        ("<pubDate>Thu, 18 Sep 2036 08:00:00 GMT</pubDate>", ("Thu, 18 Sep 2036 08:00:00 GMT", None, None)),
        ("", (None, None, None)),
    ],
)
def test_the_date_is_kept_in_the_publisher_s_words(
    dates: str, expected: tuple[str | None, str | None, int | None]
) -> None:
    entry = feeds.item(f"<title>t</title>{dates}")

    hour = entry.published_at.hour if entry.published_at else None
    assert (entry.published_raw, entry.date_source, hour) == expected


# ---------------------------------------------------------------------------------------------------- the hash

PARTS = {
    "title": "<title>Title</title>",
    "link": "<link>https://feed.example/1</link>",
    "description": "<description>Words</description>",
    "content": "<content:encoded>&lt;p>More words&lt;/p></content:encoded>",
    "author": "<author>Ann</author>",
    "category": "<category>Ships</category>",
    "enclosure": '<enclosure url="https://feed.example/a.mp3" length="1" type="audio/mpeg"/>',
    "date": "<pubDate>Thu, 18 Sep 2025 08:00:00 GMT</pubDate>",
    "image": '<media:thumbnail url="https://feed.example/a.jpg?sig=1"/>',
}


def _hash(**changed: str) -> str:
    return feeds.item("".join((PARTS | changed).values())).entry_hash


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("title", "<title>Other</title>"),
        ("link", "<link>https://feed.example/2</link>"),
        ("description", "<description>Other</description>"),
        ("content", "<content:encoded>&lt;p>Other words&lt;/p></content:encoded>"),
        ("author", "<author>Bo</author>"),
        ("category", "<category>Tides</category>"),
        ("enclosure", '<enclosure url="https://feed.example/b.mp3" length="1" type="audio/mpeg"/>'),
    ],
)
def test_what_a_reader_would_notice_changes_the_hash(part: str, value: str) -> None:
    assert _hash(**{part: value}) != _hash()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("date", "<pubDate>Thu, 18 Sep 2025 09:00:00 GMT</pubDate>"),
        ("link", "<link>https://feed.example/1?utm_source=feed</link>"),
        ("content", "<content:encoded>&lt;div class='x2'>&lt;p>More words&lt;/p>&lt;/div></content:encoded>"),
        ("enclosure", '<enclosure url="https://feed.example/a.mp3?sig=2" length="2" type="audio/mpeg"/>'),
        ("image", '<media:thumbnail url="https://feed.example/a.jpg?sig=2"/>'),
    ],
)
def test_what_a_reader_would_not_notice_leaves_the_hash_alone(part: str, value: str) -> None:
    assert _hash(**{part: value}) == _hash()
