"""Feed documents of every format, what is no feed, and what nobody would call a document."""

import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator import errors, model
from tests import feeds

# ---------------------------------------------------------------------------------------------------- whole feeds


def _told(feed: model.ParsedFeed) -> dict[str, Any]:
    """The feed as JSON, without what is empty and without hashes."""

    def filled(value: dict[str, Any]) -> dict[str, Any]:
        return {key: each for key, each in value.items() if each not in (None, "", (), [], {}) and key != "entry_hash"}

    def plainly(value: object) -> object:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    told = asdict(replace(feed, marks=(), known={}))
    read = {key: value for key, value in told.items() if key not in ("head_hash", "left", "beyond")}
    plain = json.loads(json.dumps(read, default=plainly), object_hook=filled)
    return {**plain, "entries": [{k: v for k, v in one.items() if v != []} for one in plain["entries"]]}


@pytest.mark.parametrize(
    "name",
    "rss090.rdf rss091.xml rss10.rdf rss20.xml atom03.xml atom10.xml podcast.xml mediarss.xml jsonfeed10.json jsonfeed11.json".split(),
)
def test_a_feed_of_each_format_reads_as_is_written_beside_it(name: str) -> None:
    expected = json.loads((feeds.CORPUS / f"{name}.expected.json").read_text(encoding="utf-8"))

    assert _told(feeds.read((feeds.CORPUS / name).read_bytes())) == expected


def test_a_feed_without_entries_is_a_feed() -> None:
    feed = feeds.read(feeds.rss(""))

    assert (feed.version, feed.entries, feed.damage) == ("rss20", (), None)


def test_the_content_type_does_not_decide_what_a_document_is() -> None:
    assert feeds.read(feeds.rss(feeds.THREE), "text/html").version == "rss20"
    assert feeds.read((feeds.CORPUS / "jsonfeed11.json").read_bytes(), "application/rss+xml").version == "json11"


# ---------------------------------------------------------------------------------------------------- no feeds


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "empty", "the document is empty (0 bytes)"),
        (b" \r\n", "empty", "the document is blank (3 bytes)"),
        (
            "<!DOCTYPE html><title>Just a\nmoment...</title><p>x",
            "challenge",
            "a bot check titled 'Just a moment...' instead of a feed",
        ),
        ("<html xmlns:a='http://www.w3.org/2005/Atom'><p>x</html>", "html", "HTML page instead of a feed"),
        ("<p>Parked &copy;</p>", "html", "HTML page instead of a feed"),
        (b"%PDF-1.7\n%", "not_a_feed", "a PDF document instead of a feed"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not_a_feed", "a PNG image instead of a feed"),
        (b"\x1f\x8b\x08\0", "not_a_feed", "a gzip archive instead of a feed"),
        (bytes(range(1, 256)), "not_a_feed", "binary data instead of a feed"),
        ("Not found,\nsorry", "not_a_feed", "text instead of a feed: 'Not found, sorry'"),
        ('<opml version="2.0"><body/></opml>', "not_a_feed", "an OPML list of feeds instead of a feed"),
        ('<opml xmlns="http://www.w3.org/2005/Atom"/>', "not_a_feed", "an OPML list of feeds instead of a feed"),
        ('<?xml version="1.0"?><urlset/>', "not_a_feed", "a sitemap instead of a feed"),
        ("<configuration><a/></configuration>", "not_a_feed", "an XML document <configuration> that is no feed"),
    ],
)
def test_what_is_no_feed_is_named(body: bytes | str, code: str, words: str) -> None:
    assert feeds.refused(body) == (code, words)


def test_a_file_path_as_body_is_text_and_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_text(feeds.rss(feeds.THREE))

    assert feeds.refused(str(path))[0] == "not_a_feed"


# ---------------------------------------------------------------------------------------------------- anything

SEEDS = [path.read_bytes() for path in sorted(feeds.CORPUS.iterdir()) if ".expected." not in path.name]
PIECES = [
    b"<",
    b"&",
    b"]]>",
    b"<![CDATA[",
    b"&#xD800;",
    b"&#0",
    b"\0",
    b"\xff",
    b"<item>",
    b"</item>",
    b"<!DOCTYPE r [",
    b"-->",
    b"{",
    b'"',
]


@st.composite
def broken_feeds(draw: st.DrawFn) -> bytes:
    """A feed with a few stretches taken out, repeated, or replaced by something awkward."""
    body = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 200)))
        between = draw(st.one_of(st.sampled_from(PIECES), st.just(body[start:end] * 2), st.binary(max_size=4)))
        body = body[:start] + between + body[end:]
    return body


@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.one_of(
        broken_feeds(), st.binary(max_size=400), st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)
    ),
    content_type=st.sampled_from(
        ["application/rss+xml", "text/xml; charset=utf-16", "text/html; charset=x", "", "\0;charset="]
    ),
)
def test_no_bytes_bring_anything_but_a_feed_or_a_parse_error(body: bytes, content_type: str) -> None:
    feed: model.ParsedFeed | errors.ParseError
    try:
        feed = feeds.read(body, content_type)
    except errors.ParseError as exc:
        feed = exc

    if isinstance(feed, errors.ParseError):
        assert feed.code in {"empty", "html", "not_a_feed", "entities", "unreadable"}
        assert str(feed).isprintable()
    else:
        words = "".join(f"{one.title}{one.summary}{one.content}{one.guid}{one.url}" for one in feed.entries)
        assert not set("\0\ud800\uffff") & set(words)


def test_an_entry_on_which_feedparser_stumbles_costs_only_itself() -> None:
    space = "xmlns:gml='http://www.opengis.net/gml'"
    items = [f"<item><guid>{n}</guid><title>Title {n}</title>{{}}</item>" for n in range(1, 4)]
    inside = "".join(item.format("<gml:pos>45 -71</gml:pos>" if n == 1 else "") for n, item in enumerate(items))

    feed = feeds.read(f"<rss version='2.0' {space}><channel><title>F</title>{inside}</channel></rss>")

    assert [(entry.position, entry.title) for entry in feed.entries] == [(1, "Title 1"), (3, "Title 3")]
    assert feed.damage == "1 of its entries cannot be read: feedparser cannot read it: KeyError"
    assert (feed.title, feed.size, len(feed.marks)) == ("F", 2, 3)
