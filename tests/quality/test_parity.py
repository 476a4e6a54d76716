"""What other readers find in recorded documents, and what we keep of it: nothing is lost, and where we differ the reason is written here."""

import calendar
import gzip
import html
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feedparser
import pytest

from aggregator import errors, markup, model
from aggregator.feed import dates, document, identity, parse

NOW = datetime(2026, 10, 1, tzinfo=UTC)
URL = "https://feed.example/feed"
DIFFERENCES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "parity.json").read_text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What another reader says of an entry."""

    title: str = ""
    link: str = ""
    id: str = ""
    date: datetime | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    enclosures: tuple[str, ...] = ()
    words: str = ""


def _letters(text: str) -> str:
    """Letters and digits only, however they are escaped and marked up."""
    for _ in range(3):
        text = html.unescape(text)
    return "".join(char for char in re.sub(r"<[^>]*>", "", text) if char.isalnum()).casefold()


def _same_address(ours: str | None, theirs: str) -> bool:
    return ours is not None and (ours == theirs or identity.url_key(ours) == identity.url_key(theirs))


def _lost(ours: model.Entry, theirs: Facts) -> Iterator[str]:
    """The kinds of facts of theirs that are not among ours."""
    if _letters(theirs.title)[:500] != _letters(ours.title)[:500]:
        yield "title"
    if theirs.link.startswith(("http://", "https://")) and not _same_address(ours.url, theirs.link):
        yield "link"
    if theirs.id and markup.line(theirs.id) not in (ours.guid, ours.url):
        yield "id"
    if theirs.date is not None and ours.published_at != theirs.date:
        yield "date"
    names = _letters(" ".join(ours.authors))
    if any(_letters(name) not in names for name in theirs.authors):
        yield "author"
    kept = {_letters(name) for name in ours.categories}
    if any(_letters(name) not in kept for name in theirs.categories if _letters(name)):
        yield "category"
    attached = [one.url for one in ours.enclosures]
    if any(not any(_same_address(url, one) for url in attached) for one in theirs.enclosures if one.startswith("http")):
        yield "enclosure"
    words = _letters(f"{ours.summary} {ours.content}")
    if _letters(theirs.words)[:2000] not in words:
        yield "content"


def _compare(body: bytes, headers: dict[str, str], told: list[Facts] | None, url: str = URL) -> Counter[str]:
    """How many facts of each kind are lost; `entries` where there are more or fewer."""
    try:
        feed = parse.parse(body, url=url, headers=headers, now=NOW)
    except errors.ParseError as exc:
        return Counter({f"refused ({exc.code})": 1} if told else {})
    if told is None:
        return Counter()
    if len(told) != len(feed.entries):
        return Counter({"entries": len(feed.entries) - len(told)})
    return Counter(kind for ours, theirs in zip(feed.entries, told, strict=True) for kind in _lost(ours, theirs))


# ---------------------------------------------------------------------------------------------------- feedparser


def _by_feedparser(body: bytes, headers: dict[str, str]) -> list[Facts]:
    text = document.decode(body, headers)
    # In the characters that we read: feedparser takes the word of documents that lie about them.
    data = document.bare(text).encode("utf-8", "replace")
    found = feedparser.parse(io.BytesIO(data), response_headers={"content-type": "application/xml; charset=utf-8"})
    return [_entry(one) for one in found.entries]


def _entry(one: Any) -> Facts:
    stamps = [dict.get(one, key) for key in ("published_parsed", "created_parsed", "updated_parsed")]
    moments = [
        datetime.fromtimestamp(calendar.timegm(stamp), UTC) for stamp in stamps if stamp and stamp.tm_year >= 1970
    ]
    date = next((at for at in moments if dates.EARLIEST <= at <= NOW), None)
    contents = [each.get("value", "") for each in one.get("content", []) if each.get("type", "").startswith("text/")]
    return Facts(
        title=one.get("title", ""),
        link=one.get("link", ""),
        id=one.get("id", ""),
        date=date,
        authors=tuple(each["name"] for each in one.get("authors", []) if each.get("name")),
        categories=tuple(each["term"] for each in one.get("tags", []) if each.get("term")),
        enclosures=tuple(
            each["href"] for each in dict.get(one, "links", []) if each.get("rel") == "enclosure" and each.get("href")
        ),
        words=max(contents, key=len, default="") or one.get("summary", ""),
    )


# ---------------------------------------------------------------------------------------------------- the suites


def _strings(values: Iterable[Any], *keys: str) -> tuple[str, ...]:
    """The strings among `values`, or at the first of `keys` that an object has."""
    found = (
        next((one[key] for key in keys if one.get(key)), "") if isinstance(one, dict) else one for one in values or ()
    )
    return tuple(one for one in found if isinstance(one, str) and one)


def _date(*raw: Any) -> datetime | None:
    return next((at for one in raw if isinstance(one, str) and (at := dates.parse(one)) and at >= dates.EARLIEST), None)


def _gofeed(expected: dict[str, Any]) -> list[Facts]:
    return [
        Facts(
            title=one.get("title") or "",
            link=one.get("link") or "",
            id=one.get("guid", {}).get("value", "")
            if isinstance(one.get("guid"), dict)
            else one.get("guid") or one.get("id") or "",
            date=_date(one.get("publishedParsed"), one.get("pubDateParsed"), one.get("updatedParsed")),
            authors=_strings(one.get("authors") or [one.get("author")], "name"),
            categories=_strings(one.get("categories") or (), "term", "value"),
            enclosures=_strings(one.get("enclosures") or [one.get("enclosure")], "url"),
            words=one.get("content") or one.get("description") or ""
            if isinstance(one.get("content") or "", str)
            else "",
        )
        for one in expected.get("items") or expected.get("entries") or ()
    ]


def _feed_rs(expected: dict[str, Any]) -> list[Facts]:
    def text(one: Any) -> str:
        return (one or {}).get("content") or (one or {}).get("body") or ""

    return [
        Facts(
            title=text(one.get("title")),
            link=next((link["href"] for link in one.get("links") or () if link.get("rel") in (None, "alternate")), ""),
            date=_date(one.get("published"), one.get("updated")),
            authors=_strings(one.get("authors") or (), "name"),
            categories=_strings(one.get("categories") or (), "term"),
            words=text(one.get("content")) or text(one.get("summary")),
        )
        for one in expected.get("entries") or ()
    ]


def _rss_parser(expected: dict[str, Any]) -> list[Facts]:
    return [
        Facts(
            title=one.get("title") or "",
            link=one.get("link") or "",
            id=one.get("guid") or one.get("id") or "" if isinstance(one.get("guid") or "", str) else "",
            date=_date(one.get("isoDate")),
            categories=_strings(one.get("categories") or (), "_"),
            enclosures=_strings([one.get("enclosure")], "url"),
            words=one.get("contentSnippet") or "",
        )
        for one in expected["feed"].get("items") or ()
    ]


def _reader(expected: dict[str, Any]) -> list[Facts]:
    return [
        Facts(
            title=one.get("title") or "",
            link=one.get("link") or "",
            id=one.get("id") or "",
            date=_date(one.get("published"), one.get("updated")),
            authors=_strings(one.get("authors") or [one.get("author")], "name"),
            enclosures=_strings(one.get("enclosures") or (), "href"),
        )
        for one in expected.get("entries") or ()
    ]


def _open(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _pairs(suite: Path) -> Iterator[tuple[str, bytes, Any]]:
    """Each document of a suite, with what is expected beside it."""
    files = {str(path.relative_to(suite)).removesuffix(".gz"): path for path in suite.rglob("*") if path.is_file()}
    for name, path in sorted(files.items()):
        stem = name.rpartition(".")[0]
        beside = [f"{stem}.json"] if name.endswith(".xml") else []
        beside += [f"{stem}_expected.json", f"{name}.expected.json", f"{stem}.serde.json"]
        beside += [f"output/{Path(stem).name}.json"] if name.startswith("input/") else []
        expected = next((files[each] for each in beside if each in files), None)
        if expected is not None:
            yield name, _open(path), json.loads(_open(expected))


SUITES = {"gofeed": _gofeed, "feed-rs": _feed_rs, "rss-parser": _rss_parser, "reader": _reader}


def _listed(found: dict[str, Counter[str]], suite: str) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """What is lost, and what is listed as lost, each by document."""
    listed: dict[str, dict[str, int]] = defaultdict(dict)
    for reason in DIFFERENCES[suite].values():
        for name, kinds in reason.items():
            listed[name] |= kinds
    return {name: dict(kinds) for name, kinds in found.items() if kinds}, dict(listed)


@pytest.mark.slow
def test_nothing_that_feedparser_finds_in_recorded_feeds_is_lost(shared: Path) -> None:
    corpus, found = shared / "corpus", {}

    for line in (corpus / "feeds" / "index.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        headers = {"content-type": row["content_type"]} if row["content_type"] else {}
        body = _open(corpus / row["file"])
        found[row["file"]] = _compare(body, headers, _by_feedparser(body, headers) or None)

    lost, listed = _listed(found, "feeds")
    assert lost == listed


@pytest.mark.slow
def test_nothing_that_feedparser_finds_in_its_own_cases_is_lost(shared: Path) -> None:
    suite, found = shared / "corpus" / "suites" / "feedparser", {}

    for line in (suite / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        path = suite / row["file"]
        body, headers = _open(path if path.exists() else path.with_name(f"{path.name}.gz")), dict(row["headers"] or {})
        found[row["file"]] = _compare(body, headers, _by_feedparser(body, headers) or None)

    lost, listed = _listed(found, "feedparser")
    assert len(found) == 1120
    assert lost == listed


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_what_other_libraries_expect_is_kept(suite: str, shared: Path) -> None:
    found = {
        name: _compare(body, {}, SUITES[suite](expected), "http://example.com/feed")
        for name, body, expected in _pairs(shared / "corpus" / "suites" / suite)
    }

    lost, listed = _listed(found, suite)
    assert found
    assert lost == listed
