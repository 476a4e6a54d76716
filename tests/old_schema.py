"""Databases as an earlier version of the program left them, with a source and its items in them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from aggregator.store import db
from tests.conftest import create_database

Old = Callable[..., db.Store]
AT = "2025-09-19T00:00:00Z"
_SOURCE = "INSERT INTO sources (id, name, url, feed_url, state, added_at) VALUES (1, 's', 'u', 'u', 'active', :at)"
_ITEM = (
    "INSERT INTO items (id, url, url_key, host, source_id, title, authors, categories, summary, content, published_at, "
    "date_source, first_seen_at, last_seen_at, state, changed_at) "
    "VALUES (:n, :url, :key, '', 1, 't', '[]', '[]', '', '', :at, 'first_seen', :at, :at, 'ok', :at)"
)


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Old]:
    """`old(revision, (url, url_key), …)`: a database as the program had it before this revision, with source 1 and these items of it,
    counted from 1; the test runs once on each kind."""
    postgres = request.param == "postgres"
    url = create_database(request.getfixturevalue("postgres")) if postgres else f"sqlite:///{tmp_path}/old.db"
    with closing(db.Store(url)) as store:

        def made(revision: str, *items: tuple[str | None, str]) -> db.Store:
            _migrate_before(store, revision)
            rows = [{"n": n, "url": address, "key": key, "at": AT} for n, (address, key) in enumerate(items, 1)]
            with store.begin() as conn:
                conn.execute(text(_SOURCE), {"at": AT})
                conn.execute(text(_ITEM), rows)
            return store

        yield made


def _migrate_before(store: db.Store, revision: str) -> None:
    script = ScriptDirectory(str(db._migrations()))
    before = script.get_revision(revision).down_revision
    assert isinstance(before, str)
    with store.begin() as conn:
        steps = {"fn": lambda current, _: script._upgrade_revs(before, current)}
        migration = MigrationContext.configure(conn, opts=steps)
        with Operations.context(migration):
            migration.run_migrations()
