"""Who had a story, who had it later, and what a page contains, as SQL and commands tell it."""

import json
from pathlib import Path

from sqlalchemy import text
from typer.testing import CliRunner

from aggregator.cli import cli
from aggregator.store import db, visits
from tests import make
from tests.placed import (
    FIRST,
    PAGE,
    claim,
    draft,
    fill,
)


def test_who_had_it_who_had_it_later_and_how_much_of_it_is_a_row(store: db.Store) -> None:
    fill(store, FIRST, f"{FIRST}\nAnd a line of its own.", PAGE)

    with store.read() as conn:
        told = "first_source, second_source, relation, kept, taken FROM copies ORDER BY first_id, second_id"
        rows = conn.execute(text(f"SELECT {told}")).all()

    near, *parts = [tuple(row) for row in rows]
    assert near[:3] == ("Source 2", "Source 3", "near")
    assert near[3] == 1.0
    assert 0.9 < near[4] < 1
    assert [row[2] for row in parts] == ["contains"] * len(parts)
    assert parts
    assert all(kept > 0.9 and taken < 0.5 for *_, kept, taken in parts)


def test_the_outlet_that_a_copy_credits_is_shown_for_both(store: db.Store) -> None:
    copy, original = claim(store, ["Title", "Title"])
    credit = "The post Title appeared first on Source 3."
    for item, cut in ((copy, credit), (original, None)):
        with store.begin() as conn:
            visits.settle_all(conn, [make.visit(item, draft(FIRST, "Title", boilerplate=cut))])

    with store.read() as conn:
        shown = conn.execute(text("SELECT id, source, copies FROM unique_items")).all()

    assert [tuple(row) for row in shown] == [(original.id, "Source 3", 2)]


def test_the_address_that_a_copy_gives_for_its_own_is_shown_for_both(store: db.Store) -> None:
    copy, original = claim(store, ["Title", "Title"])
    for item, address in ((copy, original.url), (original, None)):
        with store.begin() as conn:
            visits.settle_all(conn, [make.visit(item, draft(FIRST, "Title"), canonical=address)])

    with store.read() as conn:
        shown = conn.execute(text("SELECT id, copies FROM unique_items")).all()

    assert [tuple(row) for row in shown] == [(original.id, 2)]


def test_show_tells_what_a_page_contains_and_what_an_article_is_part_of(
    store: db.Store, database_url: str, tmp_path: Path
) -> None:
    part, page = fill(store, FIRST, PAGE)
    (tmp_path / "sources.yaml").write_text("sources:\n  - {name: Source 1, url: 'https://feed1.example/rss'}\n")
    (tmp_path / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    config = tmp_path / "aggregator.yaml"
    config.write_text(json.dumps({"database": database_url}))

    shown = {
        one.id: CliRunner().invoke(cli, ["show", str(one.id), "--config", str(config)]).output for one in (part, page)
    }

    assert f"part of  Source 3: {page.url} ({page.id})" in shown[part.id]
    assert f"contains  Source 2: {part.url} ({part.id})" in shown[page.id]
