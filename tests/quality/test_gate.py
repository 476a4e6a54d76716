"""No real article is refused: 379 pages with the title they have, and the pages of the recorded sites with what their feeds said of them."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from aggregator import config, draft, errors, model
from aggregator.feed import parse
from tests import make

TAXONOMY = config.Taxonomy(version="1", topics=())
# Snippets of a library's own tests, of 1, 8 and 16 words: no articles.
SNIPPETS = {"readability/005-unescape-html-entities", "readability/invalid-attributes", "readability/ol"}


@dataclass(frozen=True, slots=True)
class Told:
    """A page and what its feed says of it."""

    name: str
    file: Path
    title: str
    summary: str = ""
    content: str = ""
    url: str | None = None
    media: str = "text/html"


def _made(told: Told) -> tuple[str, str, str | None, int]:
    body = gzip.decompress(told.file.read_bytes()) if told.file.suffix == ".gz" else told.file.read_bytes()
    job = model.DraftJob(
        title=told.title,
        summary=told.summary,
        content=told.content,
        now=make.NOW,
        page=body,
        page_url=told.url,
        page_type=told.media,
    )
    found = draft.make(job, TAXONOMY)
    return told.name, str(found.state), found.reason, found.word_count


def _drafts(told: Sequence[Told]) -> list[tuple[str, str, str | None, int]]:
    # In processes, as always: trafilatura in threads corrupts its heap.
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_made, told, chunksize=8))


@pytest.fixture(scope="module")
def pages(shared: Path) -> Sequence[dict[str, Any]]:
    with gzip.open(shared / "corpus" / "articles" / "index.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("titled", [True, False], ids=["with its title", "without"])
def test_no_article_with_known_text_is_refused_whether_its_feed_has_a_title_or_none(
    shared: Path, pages: Sequence[dict[str, Any]], titled: bool
) -> None:
    told = [
        Told(page["id"], shared / "corpus" / page["file"], (page.get("title") or "") if titled else "")
        for page in pages
        if page["id"] not in SNIPPETS
    ]

    refused = [one for one in _drafts(told) if one[1] != "ok"]

    assert len(told) == 376
    assert refused == []


def _entries(shared: Path) -> Iterator[Told]:
    """The entries of all recorded feeds whose page was recorded, each page once."""
    corpus = shared / "corpus"
    with (corpus / "replay" / "manifest.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    at = {(row["host"], row["path"], row["query"] or ""): row for row in rows if row["kind"] == "article"}
    for row in rows:
        if row["kind"] != "feed" or row["status"] != 200 or not row["file"]:
            continue
        headers = {name.lower(): value for name, value in row["headers"].items()}
        body = (corpus / row["file"]).read_bytes()
        body = gzip.decompress(body) if row["file"].endswith(".gz") else body
        try:
            feed = parse.parse(body, url=f"https://{row['host']}{row['path']}", headers=headers, now=make.NOW)
        except errors.ParseError:
            continue
        for entry in feed.entries:
            where = urlsplit(entry.url or "")
            page = at.pop((where.netloc, where.path, where.query), None)
            if page is not None and page["status"] == 200 and page["file"]:
                media = {name.lower(): value for name, value in page["headers"].items()}.get("content-type", "")
                yield Told(
                    entry.url or "", corpus / page["file"], entry.title, entry.summary, entry.content, entry.url, media
                )


@pytest.mark.slow
def test_no_page_of_the_recorded_sites_is_taken_for_a_wall(shared: Path) -> None:
    told = list(_entries(shared))

    made = _drafts(told)

    states = Counter(state for _, state, _, _ in made)
    walled = [
        one for one in made if (one[2] or "").startswith("the page ") and "the page had only" not in (one[2] or "")
    ]
    assert len(told) > 300, states
    assert walled == [], states
