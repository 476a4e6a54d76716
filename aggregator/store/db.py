"""The database itself: opening it, one transaction at a time, its schema and its health. Knows the differences of SQLite and Postgres."""

import fcntl
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import IO, Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from aggregator import errors

T = TypeVar("T")

# WAL lets readers and the one writer work side by side; NORMAL lost nothing in 200 kills (hazards: SQLite).
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 30000",
    "PRAGMA journal_size_limit = 67108864",
    # What a reader has in memory another's commit makes worthless; the system keeps what was read in any case.
    "PRAGMA cache_size = -1000",
    "PRAGMA temp_store = MEMORY",
)
_READER_PRAGMAS = _PRAGMAS[-2:]
# The one writer's memory stays good from one commit to the next.
_WRITER_PRAGMA = "PRAGMA cache_size = -4000"
# So many in one INSERT: the usual thousand, of thirty columns, make a statement that takes 20 MB on its way to Postgres.
_ROWS = 100
# Any number: it must only be the same in all our processes.
_MIGRATION_LOCK = 0x6167677265676174
_QUICK_CHECK_BELOW = 256 * 1024 * 1024


class Store:
    """The corpus. `with store.begin() as conn:` writes, `with store.read() as conn:` reads; both end the transaction."""

    def __init__(self, url: str) -> None:
        try:
            self.url: URL = make_url(url)
            self.sqlite = self.url.get_backend_name() == "sqlite"
            self._engine = _sqlite(self.url) if self.sqlite else _postgres(self.url)
        except (ArgumentError, NoSuchModuleError) as exc:
            raise errors.UnavailableError(f"database: {exc}", code="database_url") from exc
        except ModuleNotFoundError as exc:
            hint = "pip install 'aggregator[postgres]'"
            raise errors.UnavailableError(
                f"database: no driver for {self.url.drivername} ({hint})", code="driver"
            ) from exc
        # SQLite's busy handler is unfair and can starve a writer for seconds: queue in the process instead, for one connection that is
        # kept, with the pages and statements it knows.
        self._turn = threading.RLock()
        self._writer: Connection | None = None

    @property
    def path(self) -> Path | None:
        """The database file, for SQLite."""
        return Path(self.url.database) if self.sqlite and self.url.database else None

    def __str__(self) -> str:
        # Without parameters: a password may be among them too.
        return self.url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One writing transaction: committed at the end, rolled back on any exception. Raises StoreError."""
        if not self.sqlite:
            with self._mapping(), self._engine.begin() as conn:
                yield conn
            return
        with self._turn, self._mapping():
            conn = self._kept()
            with conn.begin():
                yield conn

    def _kept(self) -> Connection:
        """The connection that writes."""
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(sqlite_begin="BEGIN IMMEDIATE")
            self._writer.connection.cursor().execute(_WRITER_PRAGMA)
        return self._writer

    def commit(self, write: Callable[[Connection], T], *, tries: int) -> T:
        """What `write` returns, once it is committed. Where another writer is in its way it is called again, so often in all: it then
        looks and decides anew. Raises StoreError."""
        for left in reversed(range(tries)):
            try:
                with self.begin() as conn:
                    return write(conn)
            except errors.ConflictError as exc:
                # The other codes say what no second try can change.
                if exc.code != errors.ConflictError.code or not left:
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction: a consistent picture. Keep it short, for a long one makes SQLite's WAL grow."""
        with self._mapping(), self._engine.begin() as conn:
            yield conn

    @contextmanager
    def _mapping(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as exc:
            raise _mapped(exc, str(self)) from exc

    def close(self) -> None:
        with self._turn:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self._engine.dispose()

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the schema to this program's version, in one transaction; returns the revisions before and after.

        Raises UnavailableError, code `schema_newer`, when the database belongs to a newer program.
        """
        # Imported where it is used: 10 MB that a daemon whose schema is right never needs.
        from alembic import command
        from alembic.config import Config

        if self.path is not None:
            _make_folder(self.path)
        config = Config()
        config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
        with self.begin() as conn:
            if not self.sqlite:
                conn.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            before = self._known_revision(conn)
            if before != _head():
                config.attributes["connection"] = conn
                command.upgrade(config, "head")
        return before, _head()

    def _known_revision(self, conn: Connection) -> str | None:
        # As Alembic keeps it; None for a database without our tables.
        table = sqlalchemy.table("alembic_version", sqlalchemy.column("version_num"))
        there = sqlalchemy.inspect(conn).has_table(table.name)
        revision: str | None = conn.execute(sqlalchemy.select(table.c.version_num)).scalar() if there else None
        if revision is not None and revision not in _revisions():
            raise errors.UnavailableError(
                f"database {self}: its schema ({revision}) is newer than this program; install the newer version",
                code="schema_newer",
            )
        return revision

    def is_current(self) -> bool:
        """Whether the schema is this program's. Raises UnavailableError, code `schema_newer`."""
        if self.path is not None and not self.path.exists():
            return False
        with self.read() as conn:
            return self._known_revision(conn) == _head()

    def require_schema(self) -> None:
        """Raises UnavailableError unless the schema is this program's: reading commands change nothing by themselves."""
        if not self.is_current():
            raise errors.UnavailableError(
                f"database {self}: its schema is older than this program; run aggregator db upgrade",
                code="schema_older",
            )

    def check(self, *, full: bool = False) -> tuple[str, ...]:
        """What is wrong with the database, a line each; empty when it is well. `full` reads every page of a SQLite file."""
        with self.read() as conn:
            revision, head = self._known_revision(conn), _head()
            problems = (
                [] if revision == head else [f"the schema is at {revision or 'nothing'}, this program needs {head}"]
            )
            if self.sqlite:
                pragma = "integrity_check" if full else "quick_check"
                found = [row[0] for row in conn.exec_driver_sql(f"PRAGMA {pragma}")]
                problems += [] if found == ["ok"] else found
                problems += [
                    f"broken reference: {row[0]} row {row[1]}"
                    for row in conn.exec_driver_sql("PRAGMA foreign_key_check")
                ]
        return tuple(problems)

    def refuse_if_corrupt(self) -> None:
        """At start: a damaged SQLite file is never written to. Files too big for a quick look are left to `db check`."""
        if self.path is None or not self.path.exists() or self.path.stat().st_size > _QUICK_CHECK_BELOW:
            return
        with self.read() as conn:
            found = [row[0] for row in conn.exec_driver_sql("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise errors.UnavailableError(
                f"database {self.path} is damaged ({found[0]}); restore a backup, or save what can be read with "
                f"`sqlite3 {self.path} .recover`",
                code="corrupt",
            )


class DaemonLock:
    """Lets one daemon at a time have a SQLite file: an exclusive lock on `<file>.lock`, freed by the system when the process ends."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises UnavailableError, code `locked`, naming the process that has it."""
        _make_folder(self.path)
        try:
            file = self.path.open("a+", encoding="utf-8")
        except OSError as exc:
            raise errors.UnavailableError(f"cannot write {self.path}: {exc.strerror}", code="read_only") from exc
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise errors.UnavailableError(
                f"another aggregator (process {owner}) already runs on {self.path.with_suffix('')}", code="locked"
            ) from exc
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _sqlite(url: URL) -> sqlalchemy.Engine:
    if not url.database or url.database == ":memory:":
        raise errors.UnavailableError(
            "database: SQLite needs a file, as in sqlite:///data/aggregator.db", code="database_url"
        )
    connect_args = {"check_same_thread": False, "timeout": 30}
    to_read = _to_read(Path(url.database))
    # The connection that was used last is taken first: each has pages of its own in memory, and few are at work at a time.
    engine = sqlalchemy.create_engine(
        to_read or url, connect_args=connect_args, insertmanyvalues_page_size=_ROWS, pool_use_lifo=True
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # pysqlite would begin transactions late and deferred by itself; we say when, and IMMEDIATE for writing:
        # a deferred one that turns writer fails at once with SQLITE_BUSY_SNAPSHOT (hazards: SQLite).
        connection.isolation_level = None
        for pragma in _PRAGMAS if to_read is None else _READER_PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        conn.exec_driver_sql(conn.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine


def _to_read(path: Path) -> URL | None:
    """The address of a file that can only be read: a copy on a read-only disk, or a corpus that another user collects. None for others.

    Without a WAL beside it, it is taken for a file that nobody changes (sqlite.org/wal.html#readonly).
    """
    folder_too = os.access(path.parent, os.W_OK)
    if not path.exists() or (folder_too and os.access(path, os.W_OK)):
        return None
    query = {"uri": "true", "mode": "ro"}
    if not folder_too and not path.with_name(f"{path.name}-wal").exists():
        query["immutable"] = "1"
    return URL.create("sqlite", database=path.resolve().as_uri(), query=query)


def _postgres(url: URL) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=10,
        pool_use_lifo=True,
        insertmanyvalues_page_size=_ROWS,
        connect_args={"connect_timeout": 10, "options": "-c timezone=UTC -c statement_timeout=600000"},
    )


def upgrade_apart(url: str) -> None:
    """`Store.upgrade` in a process of its own, which takes Alembic away with it. Raises what it raises.

    It waits for nobody: if we are killed it ends by itself.
    """
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_upgrade, args=(url, sender))
    child.start()
    sender.close()
    with receiver, suppress(EOFError):
        failure = receiver.recv()
        child.join()
        if failure is not None:
            raise failure
        return
    child.join()
    raise errors.StoreError(f"database: the process that was to upgrade its schema broke (exit code {child.exitcode})")


def _upgrade(url: str, sender: Pipe) -> None:
    failure: errors.AggregatorError | None = None
    try:
        with closing(Store(url)) as store:
            store.upgrade()
    except errors.AggregatorError as exc:
        failure = exc
    except Exception as exc:
        failure = errors.StoreError(f"database: unexpected {type(exc).__name__}: {exc}")
    with suppress(OSError):
        # Whoever started us may be gone.
        sender.send(failure)


def _migrations() -> Path:
    """They lie inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    return next(folder for folder in (package / "migrations", package.parent / "migrations") if folder.is_dir())


@cache
def _revisions() -> tuple[str, ...]:
    """Those that this program knows, the oldest first; each file's name begins with its own."""
    return tuple(sorted(file.name.partition("_")[0] for file in (_migrations() / "versions").glob("[0-9]*_*.py")))


def _head() -> str:
    return _revisions()[-1]


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise errors.UnavailableError(f"cannot create {path.parent}: {exc.strerror}", code="read_only") from exc


# What the drivers say, and what it is. SQLite: sqlite.org/rescode.html; Postgres: SQLSTATE classes 08, 53, 57.
_SAYINGS = (
    ("database or disk is full", "disk_full", "the disk is full"),
    ("no space left", "disk_full", "the disk is full"),
    ("readonly database", "read_only", "the file or its folder cannot be written"),
    ("unable to open database file", "read_only", "the file cannot be opened; its folder must exist and be writable"),
    ("disk i/o error", "disk", "the disk does not answer"),
    ("malformed", "corrupt", "the file is damaged; restore a backup"),
    ("file is not a database", "corrupt", "the file is not a SQLite database"),
    ("database is locked", "locked", "another program keeps it locked"),
    ("read-only transaction", "read_only", "the server is read-only"),
)


def _mapped(exc: SQLAlchemyError, where: str) -> errors.StoreError:
    cause = " ".join(str(getattr(exc, "orig", None) or exc).split())
    if isinstance(exc, IntegrityError):
        return errors.ConflictError(f"database {where}: {cause}")
    lowered = cause.lower()
    for saying, code, meaning in _SAYINGS:
        if saying in lowered:
            return errors.UnavailableError(f"database {where}: {meaning} ({cause})", code=code)
    state = str(getattr(getattr(exc, "orig", None), "sqlstate", None) or "")
    if state in ("40001", "40P01"):
        return errors.ConflictError(f"database {where}: {cause}")
    if isinstance(exc, DBAPIError) and (
        exc.connection_invalidated or state[:2] in ("08", "53", "57", "28", "3D") or "connect" in lowered
    ):
        return errors.UnavailableError(f"database {where} cannot be reached: {cause}", code="unreachable")
    return errors.StoreError(f"database {where}: {cause}")
