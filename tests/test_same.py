"""The same text in the place of different stories, through the store: no wall stays an article, and no article becomes one."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, select, update

from aggregator import announced, config, draft, harvest, model, recut
from aggregator.store import db, tables, visits
from aggregator.workers import Workers
from tests import make
from tests.walls import document, paragraphs

TAXONOMY = config.Taxonomy(version="1", topics=())
SETTINGS = config.Settings(path=Path(), folder=Path(), sources=(), taxonomy=TAXONOMY)
SAME = "the page shows the same text as others of its host under other titles"
HOUR = timedelta(hours=1)

# It looks like an article, down to what search engines are told, and has no word that gives it away.
WALL = document(
    "Welcome to the family of the Coast Group",
    "<main><article><h1>Welcome to the family of the Coast Group</h1>"
    + paragraphs(
        "The Coast Group is glad that you are here. For a hundred and twenty years our papers have come to your door in the morning.",
        "From now on you can have all eleven of them in one place, on paper and on every screen, for the whole household.",
        "Come and see us in one of our offices, where coffee is always ready, and somebody will be there to help you.",
    )
    + "</article></main>",
    head='<meta property="article:published_time" content="2025-09-18T10:00:00Z">',
)
TITLES = (
    "Council votes to close the old river bridge", "Harvest begins two weeks early in the upper valley", "Night trains to the coast return in spring",
    "Museum of clocks reopens after repairs", "Teachers and ministry agree on smaller classes",
)  # fmt: skip


def _story(title: str) -> str:
    texts = (
        f"{title}, it was said on Thursday. That is part {n} of a report with the words that belong to it."
        for n in range(1, 6)
    )
    return document(title, f"<main><article><h1>{title}</h1>{paragraphs(*texts)}</article></main>")


def _poll(store: db.Store, *titles: str, sources: int = 1, **values: Any) -> None:
    """Entries of these titles, in turn from so many sources."""
    with store.begin() as conn:
        for n, source in enumerate(make.add_sources(conn, sources)):
            mine = [k for k in range(len(titles)) if k % sources == n]
            make.poll(conn, source, [make.entry(k + 1, title=titles[k], **values) for k in mine])


def _claim(store: db.Store, now: Any = make.NOW) -> tuple[model.Item, ...]:
    with store.begin() as conn:
        return visits.claim_due(conn, now=now, limit=99, owner="me", lease=timedelta(minutes=1), per_host=99)


def _visit(store: db.Store, item: model.Item, html: str) -> None:
    """A visit to an item whose page is this, drafted as in a worker."""
    about = harvest.job(item, None, make.NOW)
    told = {
        name: getattr(about, name) for name in ("title", "summary", "content", "now", "text", "learned", "language")
    }
    made = draft.make(model.DraftJob(**told, page=html.encode(), page_type="text/html", page_url=item.url), TAXONOMY)
    with store.begin() as conn:
        visits.settle(conn, make.visit(item, made, state=made.state, reason=made.reason))


async def _recut(store: db.Store) -> int:
    workers = Workers(1)
    try:
        return await recut.Recutter(store=store, workers=workers, settings=SETTINGS, now=lambda: make.NOW + HOUR).run()
    finally:
        workers.close()


def _rows(store: db.Store) -> list[RowMapping]:
    with store.read() as conn:
        return list(conn.execute(select(tables.items).order_by(tables.items.c.id)).mappings())


async def test_two_stories_with_the_text_of_neither_are_blocked_and_keep_what_their_feed_said(store: db.Store) -> None:
    _poll(store, *TITLES[:2])
    for item in _claim(store):
        _visit(store, item, WALL)

    assert await _recut(store) == 2

    rows = _rows(store)
    assert [(row["state"], row["state_reason"]) for row in rows] == [("blocked", SAME)] * 2
    assert [(row["text"], row["extractor"], row["word_count"]) for row in rows] == [
        ("Summary 1", "feed", 2),
        ("Summary 2", "feed", 2),
    ]
    assert all(
        row["next_visit_at"] > make.NOW + HOUR and row["attempts"] == 1 and row["cluster_id"] is None for row in rows
    )


async def test_articles_that_were_read_before_go_back_to_what_they_were_and_say_so(store: db.Store) -> None:
    _poll(store, *TITLES[:2])
    for item, title in zip(_claim(store), TITLES, strict=False):
        _visit(store, item, _story(title))
    before = _rows(store)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(next_visit_at=make.NOW))
    for item in _claim(store, make.NOW + HOUR):
        _visit(store, item, WALL)
    walls = [row["title"] for row in _rows(store)]

    assert await _recut(store) == 2

    rows = _rows(store)
    assert walls == ["Welcome to the family of the Coast Group"] * 2
    assert [(row["state"], row["state_reason"]) for row in rows] == [
        ("ok", f"{SAME}; the text of an earlier visit is kept")
    ] * 2
    for name in ("title", "text", "text_hash", "whole_hash", "word_count", "extractor"):
        assert [row[name] for row in rows] == [row[name] for row in before]
    assert all(row["next_visit_at"] > make.NOW + HOUR and row["attempts"] == 1 for row in rows)
    with store.read() as conn:
        told = conn.execute(select(tables.revisions).where(tables.revisions.c.item_id == 1)).mappings().all()
    assert [(row["what"], row["title"]) for row in told] == [
        ("first", TITLES[0]),
        ("title, text", walls[0]),
        ("title, text", TITLES[0]),
    ]
    assert told[0]["text_hash"] == told[2]["text_hash"]
    assert await _recut(store) == 0
    # And when the page is back it says nothing new.
    for item, title in zip(_claim(store, make.NOW + 9 * HOUR), TITLES, strict=False):
        _visit(store, item, _story(title))
    assert [(row["state"], row["title"]) for row in _rows(store)] == [("ok", title) for title in TITLES[:2]]
    with store.read() as conn:
        assert len(conn.execute(select(tables.revisions.c.id)).all()) == 6


async def test_the_next_one_is_known_at_once(store: db.Store) -> None:
    _poll(store, *TITLES)
    items = _claim(store)
    for item in items[:2]:
        _visit(store, item, WALL)
    await _recut(store)

    for item in _claim(store, make.NOW + 2 * HOUR):
        if item.id > 2:
            _visit(store, item, WALL)

    assert [row["state"] for row in _rows(store)] == ["blocked"] * 5
    assert {row["state_reason"] for row in _rows(store)} == {SAME}
    assert await _recut(store) == 0


async def test_one_that_was_being_read_while_the_wall_was_learned_is_blocked_too(store: db.Store) -> None:
    _poll(store, *TITLES[:3])
    items = _claim(store)
    for item in items[:2]:
        _visit(store, item, WALL)
    await _recut(store)

    _visit(store, items[2], WALL)

    assert _rows(store)[2]["state"] == "ok"
    assert await _recut(store) == 1
    assert [row["state"] for row in _rows(store)] == ["blocked"] * 3


async def test_a_wall_of_a_host_is_one_in_all_of_its_feeds(store: db.Store) -> None:
    _poll(store, *TITLES[:2], sources=2)
    for item in _claim(store):
        _visit(store, item, WALL)

    assert await _recut(store) == 2
    assert [row["state"] for row in _rows(store)] == ["blocked"] * 2


async def test_a_wall_that_opens_later_leaves_the_article(store: db.Store) -> None:
    _poll(store, *TITLES[:2])
    for item in _claim(store):
        _visit(store, item, WALL)
    await _recut(store)

    for item in _claim(store, make.NOW + 24 * HOUR):
        _visit(store, item, _story(item.title))

    assert [(row["state"], row["state_reason"]) for row in _rows(store)] == [("ok", None)] * 2
    assert await _recut(store) == 0


@pytest.mark.parametrize(
    "titles",
    [
        (TITLES[0], TITLES[0]),
        (TITLES[0], "Update: council votes to close the old river bridge"),
        (TITLES[0], "River bridge to be closed, council votes"),
        (TITLES[0], "What a night"),
        (TITLES[0], "WATCH: eleven hours of talk"),
    ],
)
async def test_an_article_at_two_addresses_stays_one_whatever_it_is_called_the_second_time(
    store: db.Store, titles: tuple[str, str]
) -> None:
    _poll(store, *titles)
    for item in _claim(store):
        about = _story(TITLES[0]).replace(
            "<head>", '<head><meta property="article:published_time" content="2025-09-18T10:00:00Z">'
        )
        _visit(store, item, about)

    assert await _recut(store) == 0
    rows = _rows(store)
    assert [row["state"] for row in rows] == ["ok", "ok"]
    assert rows[0]["cluster_id"] is not None
    assert rows[0]["cluster_id"] == rows[1]["cluster_id"]


async def test_where_lost_articles_lead_to_a_real_one_that_one_stays(store: db.Store) -> None:
    head = '<meta property="article:published_time" content="2025-09-18T10:00:00Z">'
    real = _story(TITLES[0]).replace("<head>", f"<head>{head}")
    _poll(store, *TITLES[:3])
    for item in _claim(store):
        _visit(store, item, real)

    assert await _recut(store) == 2

    assert [row["state"] for row in _rows(store)] == ["ok", "blocked", "blocked"]


async def test_what_feeds_themselves_say_of_several_items_is_no_wall(store: db.Store) -> None:
    same = "Listen to the new episode of our weekly programme about the life in the valley, its people and its animals."
    _poll(store, *TITLES[:3], content=f"<p>{same}</p>")
    for item in _claim(store):
        made = draft.make(harvest.job(item, None, make.NOW), TAXONOMY)
        with store.begin() as conn:
            visits.settle(conn, make.visit(item, made, state="feed_only", reason="full_text is 'never'"))

    assert await _recut(store) == 0
    assert {row["state"] for row in _rows(store)} == {"feed_only"}


async def test_the_same_text_on_another_host_of_another_source_is_another_matter(store: db.Store) -> None:
    with store.begin() as conn:
        one, other = make.add_sources(conn, 2)
        make.poll(conn, one, [make.entry(1, title=TITLES[0])])
        make.poll(conn, other, [make.entry(2, title=TITLES[1], url="https://elsewhere.example/2")])
    for item in _claim(store):
        _visit(store, item, WALL)

    assert await _recut(store) == 0
    assert [row["state"] for row in _rows(store)] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("titles", "wall"),
    [
        (["市议会决定关闭河上老桥", "山谷葡萄收获提前两周开始"], True),
        (["市议会决定关闭河上老桥", "市议会决定关闭老桥"], False),
        (["Городской совет закрыл старый мост", "Сбор винограда начался раньше"], True),
        ([TITLES[0], ""], False),
        (["", ""], False),
        ([TITLES[0]], False),
    ],
)
def test_titles_tell_different_stories_in_any_script(titles: list[str], wall: bool) -> None:
    assert (
        announced.is_wall("Welcome to the family of the Coast Group, which is glad that you are here.", titles) is wall
    )
