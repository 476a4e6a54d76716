"""Documents into entries: every format, what is missing or odd, and what is refused."""

import contextlib
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import errors, model
from aggregator.feed import parse

NOW = datetime(2025, 9, 19, tzinfo=UTC)
URL = "https://news.example/feeds/all.xml"

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>News &amp; more</title>
<link>https://news.example/</link><language>en-GB</language>{}</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de"><title>N</title><id>n</id>{}</feed>"""


def _parse(text: str | bytes, content_type: str = "application/xml") -> model.ParsedFeed:
    body = text if isinstance(text, bytes) else text.encode()
    return parse.parse(body, url=URL, headers={"content-type": content_type}, now=NOW)


def _item(inside: str) -> model.Entry:
    (entry,) = _parse(RSS.format(f"<item>{inside}</item>")).entries
    return entry


def test_an_rss_item_is_read_with_all_it_has() -> None:
    feed = _parse(
        RSS.format(
            "<item><title>A &lt;b&gt;bold&lt;/b&gt; title</title><link>/a</link><guid isPermaLink='false'>g1</guid>"
            "<pubDate>Thu, 18 Sep 2025 22:59:00 +0000</pubDate><dc:creator>Jo Writer</dc:creator><category>Energy</category>"
            "<description>&lt;p&gt;Short &lt;i&gt;summary&lt;/i&gt;.&lt;/p&gt;</description>"
            "<content:encoded><![CDATA[<p>Whole <a href='/b'>text</a><script>x</script></p>]]></content:encoded>"
            "<enclosure url='https://news.example/a.mp3' type='audio/mpeg' length='12'/></item>"
        )
    )

    (entry,) = feed.entries
    assert (feed.title, feed.site_url, feed.language) == ("News & more", "https://news.example/", "en-gb")
    assert (entry.title, entry.url, entry.guid) == ("A bold title", "https://news.example/a", "g1")
    assert (entry.published_at, entry.date_source) == (datetime(2025, 9, 18, 22, 59, tzinfo=UTC), "published")
    assert entry.published_raw == "Thu, 18 Sep 2025 22:59:00 +0000"
    assert (entry.authors, entry.categories, entry.summary) == (("Jo Writer",), ("Energy",), "Short summary.")
    assert 'href="https://news.example/b"' in entry.content
    assert "script" not in entry.content
    assert entry.enclosures == (model.Enclosure(url="https://news.example/a.mp3", type="audio/mpeg", length=12),)


def test_an_atom_entry_is_read_too() -> None:
    inside = (
        "<entry xml:base='https://other.example/x/'><id>tag:1</id><title>T</title><link href='y'/><updated>2025-09-18T10:00:00+02:00</updated>"
        "<author><name>A</name></author><author><name>B</name></author><content type='html'>&lt;p&gt;Text&lt;/p&gt;</content></entry>"
    )
    (entry,) = _parse(ATOM.format(inside)).entries

    assert (entry.url, entry.authors, entry.language) == ("https://other.example/x/y", ("A", "B"), "de")
    assert (entry.published_at, entry.date_source) == (datetime(2025, 9, 18, 8, tzinfo=UTC), "updated")


def test_rdf_is_read_too() -> None:
    rdf = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel rdf:about="x">'
        '<title>R</title></channel><item rdf:about="https://news.example/1"><title>One</title><link>https://news.example/1</link></item></rdf:RDF>'
    )

    assert [entry.url for entry in _parse(rdf).entries] == ["https://news.example/1"]


@pytest.mark.parametrize("version", ["1", "1.1"])
def test_a_json_feed_is_read_whatever_its_content_type(version: str) -> None:
    document = {
        "version": f"https://jsonfeed.org/version/{version}",
        "title": "J",
        "items": [
            {
                "id": 7,
                "url": "https://news.example/7",
                "content_text": "Words.",
                "date_published": "2025-09-18T10:00:00Z",
            }
        ],
    }

    (entry,) = _parse(json.dumps(document), "text/plain").entries

    assert (entry.guid, entry.url, entry.title) == ("7", "https://news.example/7", "")
    assert entry.published_at == datetime(2025, 9, 18, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "http://[bad"]
)
def test_a_link_that_is_no_web_address_is_dropped(link: str) -> None:
    assert _item(f"<title>T</title><link>{link}</link>").url is None


@pytest.mark.parametrize("date", ["yesterday", "", "Thu, 18 Sep 1969 00:00:00 GMT", "2099-01-01T00:00:00Z"])
def test_a_date_that_cannot_be_is_kept_as_a_string_only(date: str) -> None:
    entry = _item(f"<title>T</title><pubDate>{date}</pubDate>")

    assert entry.published_at is None
    assert entry.date_source is None
    assert (entry.published_raw or "") == date


def test_an_item_without_anything_is_still_an_entry() -> None:
    entry = _item("")

    assert (entry.title, entry.url, entry.guid, entry.summary) == ("", None, None, "")


def test_the_hash_of_an_entry_minds_what_a_reader_would_and_nothing_else() -> None:
    base = "<title>T</title><link>https://news.example/1</link><description>D</description>"
    slash = '<slash:comments xmlns:slash="http://purl.org/rss/1.0/modules/slash/">{}</slash:comments>'

    assert _item(base + slash.format(1)).entry_hash == _item(base + slash.format(2)).entry_hash
    assert _item(base).entry_hash != _item(base.replace("D", "E")).entry_hash


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"<!doctype html><html><title>Log in</title></html>", "html"),
        (b"%PDF-1.7", "not_a_feed"),
        (b"\x89PNG\r\n\x1a\n", "not_a_feed"),
        (b"just words", "not_a_feed"),
        (b'{"a": 1}', "not_a_feed"),
        (b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"></urlset>', "not_a_feed"),
        (
            b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss version="2.0"><channel/></rss>',
            "entities",
        ),
        (
            b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><rss version="2.0"><channel/></rss>',
            "entities",
        ),
    ],
)
def test_what_is_no_feed_says_what_it_is(body: bytes, code: str) -> None:
    with pytest.raises(errors.ParseError) as caught:
        parse.parse(body, url=URL, headers={}, now=NOW)

    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_a_feed_without_entries_is_a_feed() -> None:
    assert _parse(RSS.format("")).entries == ()


def test_a_cut_document_keeps_its_whole_entries_and_says_so() -> None:
    text = RSS.format("".join(f"<item><title>T{n}</title><guid>g{n}</guid></item>" for n in range(5)))

    feed = _parse(text[: text.index("T4")])

    assert [entry.title for entry in feed.entries] == ["T0", "T1", "T2", "T3"]
    assert "cut off" in (feed.damage or "")


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b"\n  ", b"\x00"])
def test_ill_formed_documents_are_read_leniently(prefix: bytes) -> None:
    body = prefix + RSS.format("<item><title>Fish & chips &nbsp; &#0; \x0b</title></item>").encode()

    (entry,) = _parse(body).entries

    assert entry.title.startswith("Fish & chips")
    assert not any(ord(character) < 32 for character in entry.title)


def test_a_legacy_character_set_is_decoded() -> None:
    body = '<?xml version="1.0" encoding="windows-1251"?><rss version="2.0"><channel><item><title>Новости</title></item></channel></rss>'

    assert _parse(body.encode("cp1251"), "text/xml; charset=windows-1251").entries[0].title == "Новости"


@given(st.binary(max_size=400))
def test_no_bytes_whatever_raise_anything_else(body: bytes) -> None:
    with contextlib.suppress(errors.ParseError):
        parse.parse(body, url=URL, headers={"content-type": "text/xml"}, now=NOW)


@pytest.mark.slow
def test_every_recorded_document_gives_its_entries(shared: Path) -> None:
    corpus = shared / "corpus"
    rows = [json.loads(line) for line in (corpus / "feeds" / "index.jsonl").read_text().splitlines()]
    wrong = []
    for row in rows:
        body = gzip.decompress((corpus / row["file"]).read_bytes())
        try:
            feed = _parse(body, row.get("content_type") or "text/xml")
        except errors.ParseError:
            found, cut = 0, 0
        else:
            # The entry in which a document breaks off is not an entry as published: feedparser counts it, we do not.
            found, cut = len(feed.entries), int(feed.damage is not None)
        # What feedparser does not recognise (the index's 0) may still be a JSON Feed.
        if row["entries"] - found not in (0, cut) and "not-recognised" not in row["features"]:
            wrong.append((row["file"], row["entries"], found))

    assert len(rows) > 390
    assert wrong == []
