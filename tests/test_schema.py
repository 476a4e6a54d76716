"""The schema as it is documented: every table, view and column, and the queries of docs/schema.md on both databases."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from aggregator import model
from aggregator.store import db, sources, tables, views, visits
from tests import make

DOCUMENT = (Path(__file__).parent.parent / "docs" / "schema.md").read_text()
QUERIES = re.findall(r"^([^\n]+):\n```sql\n(.*?);\n```", DOCUMENT, re.S | re.M)


def _documented() -> dict[str, list[str]]:
    sections = re.split(r"^### ", DOCUMENT, flags=re.M)[1:]
    rows = {section.split()[0]: re.findall(r"^\| (\w+) \|", section, re.M) for section in sections}
    return {name: [column for column in columns if column != "column"] for name, columns in rows.items()}


@pytest.fixture
def corpus(store: db.Store) -> db.Store:
    """Two sources, three items: one in both feeds, two with the same text, one edited, one that failed."""
    with store.begin() as conn:
        first, second = make.add_sources(conn, 2)
        make.poll(conn, first, [make.entry(1), make.entry(2)])
        make.poll(conn, second, [make.entry(1), make.entry(3), make.entry(4)])
        for source, outcome in ((first, model.Outcome.NEW), (second, model.Outcome.FAILED)):
            failed = outcome is model.Outcome.FAILED
            report = model.PollReport(
                source_id=source.id,
                source=source.name,
                url=source.feed_url,
                at=make.NOW,
                outcome=outcome,
                state="failing" if failed else "active",
                due=model.Due(at=make.NOW + timedelta(hours=1), reason="every 1 h"),
                error="HTTP 503" if failed else None,
                new=2,
                bytes=100,
            )
            make.finish(conn, report, failures=float(failed))
        claimed = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=timedelta(minutes=1), per_host=9)
    tag = model.Tag(tag="carbon-markets", kind="topic", origin="taxonomy@1", score=3.0)
    for item, words in zip(claimed, ("a text", "same text", "same text", ""), strict=True):
        state, reason = ("ok", None) if words else ("failed", "HTTP 404 Not Found; given up after 2 tries")
        draft = make.draft(words, tags=(tag,)) if words else None
        visit = model.Visit(item=item, at=make.NOW, state=state, reason=reason, attempts=0, draft=draft)
        with store.begin() as conn:
            visits.settle(conn, visit)
    with store.begin() as conn:
        (again,) = sources.claim_due(
            conn, now=make.NOW, limit=1, owner="me", lease=timedelta(minutes=1), names=["Source 1"]
        )
        make.poll(conn, again, [make.entry(1, title="Title edited"), make.entry(2)], make.NOW + timedelta(hours=1))
    return store


def test_every_table_and_view_is_documented_with_all_its_columns(store: db.Store) -> None:
    with store.read() as conn:
        shown = {name: list(conn.execute(text(f"SELECT * FROM {name}")).keys()) for name in views.VIEWS}
    declared = {table.name: [column.name for column in table.columns] for table in tables.metadata.sorted_tables}

    assert _documented() == shown | declared


def test_both_databases_hold_the_declared_tables(store: db.Store) -> None:
    with store.read() as conn:
        found = {name for name in inspect(conn).get_table_names() if not name.startswith(("items_fts", "alembic"))}

    assert found == set(tables.metadata.tables)


def test_there_are_ten_questions() -> None:
    assert len(QUERIES) == 10


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title[:40] for title, _ in QUERIES])
def test_each_question_has_an_answer_on_both_databases(corpus: db.Store, title: str, query: str) -> None:
    with corpus.read() as conn:
        rows = conn.execute(text(query)).all()

    assert rows, title


def test_feed_items_tells_all_of_an_item_in_one_row(corpus: db.Store) -> None:
    with corpus.read() as conn:
        row = conn.execute(text("SELECT * FROM feed_items WHERE id = 1")).mappings().one()

    assert (row["title"], row["source_feed"], row["feed_category"]) == ("Title edited", "Source 1", "news")
    assert "carbon-markets" in str(row["tags"])
    assert (row["body"], row["sightings"], row["revisions"]) == ("a text", 2, 2)


def test_unique_items_names_all_outlets_of_a_story(corpus: db.Store) -> None:
    with corpus.read() as conn:
        rows = conn.execute(text("SELECT * FROM unique_items ORDER BY id")).mappings().all()

    assert [(row["id"], row["copies"]) for row in rows] == [(1, 1), (2, 2), (4, 1)]
    assert all(name in str(rows[1]["outlets"]) for name in ("Source 1", "Source 2"))


def test_coverage_counts_by_source_and_day(corpus: db.Store) -> None:
    with corpus.read() as conn:
        rows = conn.execute(text("SELECT * FROM coverage WHERE source = 'Source 2' ORDER BY day")).mappings().all()

    published, seen = rows
    assert (published["day"], published["published"], published["full_text"], published["failed"]) == (
        "2025-09-18",
        3,
        2,
        1,
    )
    assert (seen["day"], seen["collected"], seen["polls"], seen["polls_failed"]) == ("2025-09-19", 3, 1, 1)


def test_item_history_has_every_version_and_the_unchanged_items(corpus: db.Store) -> None:
    with corpus.read() as conn:
        rows = conn.execute(text("SELECT item_id, title, origin FROM item_history ORDER BY item_id, revision_id")).all()

    assert [tuple(row) for row in rows[:2]] == [(1, "Title 1", "page"), (1, "Title edited", "feed")]
    assert [row.item_id for row in rows] == [1, 1, 2, 3, 4]
