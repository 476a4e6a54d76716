"""Parsing against recorded feeds: as many entries as were counted in them, in the characters they were written in."""

import calendar
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aggregator import errors, model
from aggregator.feed import dates, parse

FLOORS: dict[str, Any] = json.loads((Path(__file__).parent / "floors.json").read_text())["feeds"]
NOW = datetime(2026, 10, 1, tzinfo=UTC)

# The index counts what feedparser finds. Entries we have more: feedparser reads no JSON.
JSON_FEEDS = {
    "third_party_captures/kagi_2026/d4b7ab74da763119.json.gz": 10,
    "third_party_captures/netnewswire/allthis.json.gz": 12,
    "third_party_captures/feedjira/json_feed_with_escaped_uris.json.gz": 30,
}
# Entries we have fewer: these documents are cut off inside their last entry, which feedparser counts.
CUT_OFF = {
    "third_party_captures/charsets_2005/IBM855/aviaport.ru.xml.gz",
    "third_party_captures/charsets_2005/IBM855/greek.ru.xml.gz",
    "third_party_captures/charsets_2005/IBM855/susu.ac.ru.xml.gz",
    "third_party_captures/charsets_2005/iso-8859-5-russian/aviaport.ru.xml.gz",
    "third_party_captures/charsets_2005/iso-8859-5-russian/greek.ru.xml.gz",
    "third_party_captures/charsets_2005/iso-8859-5-russian/susu.ac.ru.xml.gz",
}
# These two are cut off as well, before any entry begins.
CUT_OFF_EARLY = {
    "third_party_captures/charsets_2005/IBM855/intertat.ru.xml.gz",
    "third_party_captures/charsets_2005/iso-8859-5-russian/intertat.ru.xml.gz",
}
NO_FEEDS = {
    "third_party_captures/charsets_2005/CP932/hardsoft.at.webry.info.xml.gz": "html",
    "third_party_captures/charsets_2005/CP932/www2.chuo-u.ac.jp-suishin.xml.gz": "html",
    "third_party_captures/charsets_2005/GB2312/_chromium_gb18030_with_no_encoding_specified.html.xml.gz": "html",
    # The RSS of scripting.com as JSON, which is no JSON Feed, and a JSON Feed that is cut off.
    "third_party_captures/netnewswire/ScriptingNews.json.gz": "not_a_feed",
    "third_party_captures/netnewswire/allthis-partial.json.gz": "unreadable",
    # Compressed twice; only the network may decompress.
    "third_party_captures/node-feedparser/compressed.xml.gz": "not_a_feed",
    "third_party_captures/node-feedparser/invalid-characters-gzipped.xml.gz": "not_a_feed",
    # Configurations of a logging library.
    "open/rome/logback-test.xml.gz": "not_a_feed",
    "third_party_captures/rome_modules/logback-test.xml.gz": "not_a_feed",
}


def _read(corpus: Path, row: dict[str, Any]) -> model.ParsedFeed:
    headers = {"content-type": row["content_type"]} if row["content_type"] else {}
    body = gzip.decompress((corpus / row["file"]).read_bytes())
    return parse.parse(body, url=row["url"] or "https://feed.example/feed", headers=headers, now=NOW)


@pytest.mark.slow
def test_every_recorded_feed_has_the_entries_that_were_counted_in_it(shared: Path) -> None:
    corpus = shared / "corpus"
    rows = [json.loads(line) for line in (corpus / "feeds" / "index.jsonl").read_text(encoding="utf-8").splitlines()]
    counts, damaged, refused, holes = {}, set(), {}, set()

    for row in rows:
        name = row["file"].removeprefix("feeds/")
        try:
            feed = _read(corpus, row)
        except errors.ParseError as exc:
            refused[name] = exc.code
            continue
        if feed.damage:
            damaged.add(name)
        if len(feed.entries) != row["entries"]:
            counts[name] = len(feed.entries) - row["entries"]
        if "charsets_2005" in name and any("\ufffd" in f"{one.title}{one.summary}" for one in feed.entries):
            holes.add(name)

    assert len(rows) == 401
    assert counts == JSON_FEEDS | dict.fromkeys(CUT_OFF, -1)
    assert damaged == CUT_OFF | CUT_OFF_EARLY
    assert refused == NO_FEEDS
    assert holes == set()


def test_recorded_dates_are_read_as_feedparser_reads_them(shared: Path) -> None:
    """But for the truncated years of ISO 8601:1988 (`-0312`, `03335`), which we refuse to guess."""
    lines = (shared / "corpus" / "suites" / "dates" / "feedparser_dates.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]

    wrong = []
    for case in cases:
        at, expected = dates.parse(case["input"]), case["expected_utc_struct_time"]
        if (at and int(at.timestamp())) != (expected and calendar.timegm(expected)):
            wrong.append(case["input"])

    assert len(cases) - len(wrong) >= FLOORS["dates"], wrong
