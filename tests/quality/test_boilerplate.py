"""Boilerplate over recorded posts and the two documents that started it all: what recurs is cut, what is unique stays."""

import gzip
import html
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from aggregator import boilerplate, config, draft, harvest, markup, model
from aggregator.dedup import fingerprint, normalize
from aggregator.store import db, recuts, sources, tables, visits
from tests import make

TAXONOMY = config.Taxonomy(version="1", topics=())
FLOORS: Mapping[str, float] = json.loads((Path(__file__).parent / "floors.json").read_text())["boilerplate"]
TITLE = "As governments bet on carbon trading, Japan’s early scheme spotlights pitfalls"
LEASE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Post:
    host: str
    title: str
    lines: tuple[str, ...]


# ------------------------------------------------------------------------------------------------------ seed documents


def test_a_feeds_text_and_a_page_that_syndicates_it_are_one_article_after_cutting(shared: Path) -> None:
    seed = shared / "docs" / "seed"
    item = (seed / "feed_item.md").read_text(encoding="utf-8").split("---\n\n", 1)[1]
    page = (seed / "syndicated_page.txt").read_text(encoding="utf-8")

    ours, theirs = (boilerplate.cut(markup.plain(html.unescape(text)), TITLE) for text in (item, page))

    assert normalize.tokens(ours.text) == normalize.tokens(theirs.text)
    assert fingerprint.text_hash(ours.text) == fingerprint.text_hash(theirs.text)
    assert ours.text.endswith("“could enable greenwashing on a scale that we have never seen before”.")
    assert sum(piece.endswith("Read more") for piece in ours.apart) == 3
    assert "Bittersweet" in theirs.apart


# -------------------------------------------------------------------------------------------------------------- posts


def _posts(path: Path) -> list[Post]:
    """Each article once, with its paragraphs."""
    found: dict[str, Post] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            host = urlsplit(row["external_url"] or "").hostname or ""
            paragraphs = tuple(markup.plain(html.unescape(row["content"] or "")).split("\n"))
            if host and any(paragraphs):
                found.setdefault(row["external_url"], Post(host.removeprefix("www."), row["title"], paragraphs))
    return list(found.values())


def _paragraphs(post: Post) -> list[str]:
    return boilerplate.paragraphs(boilerplate.cut("\n".join(post.lines), post.title).text)


def _harvested(store: db.Store, posts: Sequence[Post]) -> Iterator[tuple[Post, str]]:
    """What each post's text is in the end, harvested in the order of the file."""
    hosts = sorted({post.host for post in posts})
    with store.begin() as conn:
        named = [sources.Configured(name=host, url=f"https://{host}/feed") for host in hosts]
        sources.sync(conn, named, make.NOW)
        claimed = sources.claim_due(conn, now=make.NOW, limit=len(hosts), owner="test", lease=LEASE)
        for source in claimed:
            entries = [
                make.entry(
                    n,
                    url=f"https://{source.name}/articles/{n}",
                    title=post.title,
                    guid=f"{source.name}-{n}",
                    summary="",
                )
                for n, post in enumerate(posts)
                if post.host == source.name
            ]
            make.poll(conn, source, entries)
    by_url = {f"https://{post.host}/articles/{n}": post for n, post in enumerate(posts)}
    _visit(store, by_url)
    _recut(store)
    with store.read() as conn:
        for row in conn.execute(select(tables.items.c.url, tables.items.c.text)):
            yield by_url[row.url], row.text


def _visit(store: db.Store, by_url: Mapping[str, Post]) -> None:
    while True:
        with store.begin() as conn:
            items = visits.claim_due(conn, now=make.NOW, limit=20, owner="me", lease=LEASE, per_host=20)
        made = []
        for item in items:
            job = harvest.job(item, None, make.NOW)
            content = "".join(f"<p>{html.escape(line)}</p>" for line in by_url[item.url or ""].lines)
            told = {name: getattr(job, name) for name in ("title", "summary", "now", "learned")}
            made.append(make.visit(item, draft.make(model.DraftJob(**told, content=content), TAXONOMY)))
        if not made:
            return
        with store.begin() as conn:
            for visit in made:
                visits.settle(conn, visit)


def _recut(store: db.Store) -> None:
    while True:
        with store.read() as conn:
            items = recuts.due(conn, now=make.NOW, limit=50)
        if not items:
            return
        made = [
            model.Recut(item=item, draft=draft.recut(harvest.job(item, None, make.NOW), item, TAXONOMY))
            for item in items
        ]
        with store.begin() as conn:
            recuts.write(conn, made, make.NOW)


@pytest.mark.slow
def test_over_recorded_posts_what_recurs_is_cut_and_what_is_unique_stays(shared: Path, tmp_path: Path) -> None:
    posts = _posts(shared / "corpus" / "origin_site" / "posts.jsonl.gz")
    store = db.Store(f"sqlite:///{tmp_path / 'corpus.db'}")
    store.upgrade()

    articles, held = Counter(post.host for post in posts), defaultdict[str, Counter[int]](Counter)
    for post in posts:
        held[post.host].update({boilerplate.hashed(one) for one in _paragraphs(post)})
    lost, left, cut = list[tuple[str, str]](), list[tuple[str, str]](), 0
    for post, text in _harvested(store, posts):
        # What is known for boilerplate is cut whether it recurs or not: that is tested above, piece by piece.
        for line in _paragraphs(post):
            count = held[post.host][boilerplate.hashed(line)]
            recurs = count >= max(3, min(0.02 * articles[post.host], 10)) and markup.count_words(line) >= 4
            # A post that is nothing but its footer has no text.
            if count == 1 and line not in text and text:
                lost.append((post.host, line))
            # A notice of one paragraph that its source sends often stays what it is.
            if recurs and markup.count_words(text) >= 40:
                cut, left = (cut + 1, left) if line not in text else (cut, [*left, (post.host, line)])
    store.close()

    sys.stdout.write(f"\n{cut} recurring paragraphs cut, {len(left)} left, {len(lost)} unique ones lost\n")
    assert len(posts) > 3000
    assert lost == []
    assert cut >= FLOORS["cut"]
    assert cut / (cut + len(left)) >= FLOORS["share"], left
