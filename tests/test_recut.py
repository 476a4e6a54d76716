"""Cutting again, as the daemon rings for it."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from aggregator import boilerplate, config, errors, recut
from aggregator.store import db, tables, visits
from aggregator.workers import Workers
from tests import make

BOX = "Sign up for our weekly newsletter and never miss a flood again."
SETTINGS = config.Settings(path=Path(), folder=Path(), sources=(), taxonomy=config.Taxonomy(version="1", topics=()))


def _story(n: int) -> str:
    return "\n".join(
        f"Paragraph {k} of story {n} says how the river rose by {k * n} metres in one night." for k in range(9)
    )


def _html(text: str) -> str:
    return "\n".join(f"<p>{line}</p>" for line in text.split("\n"))


@pytest.fixture
def stored(store: db.Store) -> db.Store:
    """Sixty articles with a box that is known by now."""
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.poll(conn, source, [make.entry(n) for n in range(60)])
    with store.begin() as conn:
        for item in visits.claim_due(conn, now=make.NOW, limit=60, owner="me", lease=timedelta(minutes=1), per_host=60):
            text = f"{_story(item.id)}\n{BOX}"
            made = make.draft(text, html=_html(text), paragraphs=boilerplate.candidates(text))
            visits.settle(conn, make.visit(item, made))
    return store


@pytest.fixture
def workers() -> Workers:
    return Workers(1)


async def test_every_text_that_is_due_is_cut_again(stored: db.Store, workers: Workers) -> None:
    recutter = recut.Recutter(store=stored, workers=workers, settings=SETTINGS, now=lambda: make.NOW)

    assert await recutter.run() == 60
    assert await recutter.run() == 0

    with stored.read() as conn:
        rows = conn.execute(select(tables.items.c.id, tables.items.c.text, tables.items.c.html)).all()
    assert len(rows) == 60
    assert all(row.text == _story(row.id) for row in rows)
    assert all(row.html == _html(_story(row.id)) for row in rows)
    workers.close()


async def test_a_worker_that_breaks_leaves_its_text_for_the_next_time(
    stored: db.Store, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    recutter = recut.Recutter(store=stored, workers=workers, settings=SETTINGS, now=lambda: make.NOW)

    async def broken(*_: object) -> None:
        raise errors.WorkerError("took longer than 20 s", code="worker_time")

    with monkeypatch.context() as patched:
        patched.setattr(workers, "run", broken)
        assert await recutter.run() == 0

    assert await recutter.run() == 60
    workers.close()
