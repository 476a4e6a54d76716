"""Full-text search on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from aggregator import errors
from aggregator.store import db, search, tables
from tests import make


@pytest.fixture
def filled(store: db.Store) -> db.Store:
    texts = {
        1: ("Carbon markets grow", "Trading of carbon credits"),
        2: ("Rain in Spain", "Floods follow carbon dioxide"),
        3: ("Football", "A match report"),
    }
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(n, title=title, summary=summary) for n, (title, summary) in texts.items()])
    return store


def _found(store: db.Store, words: str) -> list[str]:
    with store.read() as conn:
        return [hit.title for hit in search.search(conn, words)]


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("carbon", {"Carbon markets grow", "Rain in Spain"}),
        ("CARBON credits", {"Carbon markets grow"}),
        ('"carbon dioxide"', {"Rain in Spain"}),
        ("carbon -rain", {"Carbon markets grow"}),
        ("football or rain", {"Football", "Rain in Spain"}),
        ("nothing", set()),
        ("", set()),
        ("-carbon", set()),
    ],
)
def test_the_notation_of_web_search_works_on_both(filled: db.Store, words: str, titles: set[str]) -> None:
    if words == "-carbon" and not filled.sqlite:
        titles = {"Football"}

    assert set(_found(filled, words)) == titles


def test_what_is_found_can_be_of_some_sources_and_since_a_day(filled: db.Store) -> None:
    with filled.begin() as conn:
        other = make.add_sources(conn, 2)[-1]
        make.poll(conn, other, [make.entry(2, title="Rain in Spain", summary="Floods follow carbon dioxide")])

    def found(**limits: Any) -> set[str]:
        with filled.read() as conn:
            return {hit.title for hit in search.search(conn, "carbon", **limits)}

    # The second of them was seen in both.
    assert found(sources=["Source 1"]) == {"Carbon markets grow", "Rain in Spain"}
    assert found(sources=["Source 2"]) == {"Rain in Spain"}
    assert found(sources=["Source 1", "Source 2"]) == {"Carbon markets grow", "Rain in Spain"}
    assert found(since=datetime(2025, 9, 18, 2, tzinfo=UTC)) == {"Rain in Spain"}
    assert found(since=datetime(2025, 9, 18, 2, tzinfo=UTC), sources=["Source 2"]) == {"Rain in Spain"}
    assert found(since=datetime(2025, 9, 20, tzinfo=UTC)) == set()
    with pytest.raises(errors.NotFoundError, match="no source is called 'Another'"):
        found(sources=["Source 1", "Another"])


def test_a_title_weighs_more(filled: db.Store) -> None:
    assert _found(filled, "carbon")[0] == "Carbon markets grow"


def test_the_index_follows_what_happens_to_the_rows(filled: db.Store) -> None:
    with filled.begin() as conn:
        conn.execute(text("UPDATE items SET text = 'a word like zeppelin' WHERE id = 3"))
        conn.execute(tables.items.delete().where(tables.items.c.id == 1))

    assert _found(filled, "zeppelin") == ["Football"]
    assert _found(filled, "credits") == []


def test_the_view_can_be_asked_in_plain_sql(filled: db.Store) -> None:
    ask = "document MATCH 'carbon'" if filled.sqlite else "document @@ websearch_to_tsquery('simple', 'carbon')"

    with filled.read() as conn:
        rows = conn.execute(text(f"SELECT item_id FROM item_search WHERE {ask} ORDER BY item_id")).scalars().all()

    assert rows == [1, 2]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.text(max_size=60))
def test_nothing_a_user_types_is_an_error(filled: db.Store, words: str) -> None:
    _found(filled, words.encode("utf-8", "ignore").decode())


@pytest.mark.parametrize(
    "words", ['"', '""', "a AND", "NEAR(", "title:x", "x*", "a OR", "OR", "^a", "(", "-", '-"a b"', "a:b NOT c"]
)
def test_no_syntax_of_the_engine_leaks_through(filled: db.Store, words: str) -> None:
    _found(filled, words)
