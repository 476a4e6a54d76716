"""The address that a page gives for its own: told where it says something, never followed."""

from datetime import timedelta

import pytest
from lxml import html
from sqlalchemy import select

from aggregator import article, claims, harvest, model
from aggregator.store import db, tables, visits
from tests import make

HERE = "https://www.news.example.org/2025/09/story-of-the-day?id=7"


def _told(
    address: str | None, *, here: str | None = HERE, item: str = "https://news.example.org/short/7"
) -> str | None:
    about = model.Item(id=1, url=item, title="", source_id=1, source="S", state="pending", first_seen_at=make.NOW)
    return harvest.canonical(about, make.draft(canonical=address), here)


@pytest.mark.parametrize(
    "address",
    [
        "https://news.example.org/2025/09/the-story",
        "https://archive.example.org/story/9",
        "https://example.org/story-of-the-day",
        "https://other.example.net/2025/09/story-of-the-day",
    ],
)
def test_another_address_of_its_own_or_of_where_it_comes_from_is_told(address: str) -> None:
    assert _told(address) == address


@pytest.mark.parametrize(
    "address",
    [
        None,
        HERE,
        "http://news.example.org/2025/09/story-of-the-day/?id=7&utm_source=x#top",
        "https://amp.news.example.org/short/7",
        "https://news.example.org/",
        "https://news.example.org/2025",
        "https://news.example.org/2025/09/",
        "https://other.example.net/",
        "https://127.0.0.1/story",
        f"https://news.example.org/{'x' * 2000}",
    ],
)
def test_what_says_nothing_new_or_is_no_articles_is_not(address: str | None) -> None:
    assert _told(address) is None


def test_a_copy_in_the_amp_cache_is_of_the_site_that_it_was_made_of() -> None:
    cached = "https://news-example-org.cdn.ampproject.org/c/s/news.example.org/2025/09/story-of-the-day"

    assert (
        _told("https://news.example.org/2025/09/the-story", here=cached) == "https://news.example.org/2025/09/the-story"
    )
    assert _told("https://news.example.org/2025/09/story-of-the-day", here=cached) is None


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("<link rel=canonical href=' /a '>", "/a"),
        ("<link rel='Canonical shortlink' href=/a><link rel=canonical href=/a>", "/a"),
        ("<link rel=canonical href=/a><link rel=canonical href=/b>", ""),
        ("<link rel=alternate href=/a>", ""),
        ("<link rel=canonical>", ""),
    ],
)
def test_a_page_that_gives_one_address_is_believed_and_one_that_gives_several_is_not(head: str, told: str) -> None:
    assert (
        claims.read(html.document_fromstring(f"<html><head>{head}</head><body><p>x</p></body></html>")).canonical
        == told
    )


def test_an_article_tells_a_whole_address_of_http() -> None:
    body = "<p>A sentence of the article that is long enough to be taken for a part of its text.</p>" * 9
    page = "<html><head><link rel=canonical href='{}'></head><body><article>{}</article></body></html>"

    assert article.read(page.format("/a", body).encode(), HERE).canonical == "https://www.news.example.org/a"
    assert article.read(page.format("javascript:x", body).encode(), HERE).canonical is None


def test_items_that_share_one_stay_two_and_can_be_found(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1), make.entry(2)])
        claimed = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=timedelta(minutes=1))
        for item in claimed:
            visits.settle(conn, make.visit(item, make.draft(f"text {item.id}"), canonical="https://news.example/one"))

    with store.read() as conn:
        same = conn.execute(select(tables.items.c.id).where(tables.items.c.canonical_url == "https://news.example/one"))
        assert len(same.all()) == len(claimed) == 2


def test_a_visit_that_finds_none_forgets_the_one_before(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1)])
    for told in ("https://news.example/one", None):
        with store.begin() as conn:
            conn.execute(tables.items.update().values(next_visit_at=make.NOW))
            (item,) = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=timedelta(minutes=1))
            visits.settle(conn, make.visit(item, make.draft("text"), canonical=told))
        with store.read() as conn:
            assert conn.execute(select(tables.items.c.canonical_url)).scalar_one() == told
