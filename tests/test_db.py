"""The database itself: opening, migrating, refusing what cannot work, one transaction at a time."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text

from aggregator import errors
from aggregator.store import db, sources, tables
from tests import make
from tests.old_schema import AT, Old, old

__all__ = ["old"]


def test_the_migrations_make_exactly_the_declared_tables(store: db.Store) -> None:
    with store.read() as conn:
        found = MigrationContext.configure(conn, opts={"compare_type": True})
        differences = compare_metadata(found, tables.metadata)

    # The full-text index is made by hand: its tables on SQLite, its expression index on Postgres.
    assert [d for d in differences if "items_fts" not in repr(d)] == []


def test_upgrading_twice_changes_nothing(store: db.Store) -> None:
    before, after = store.upgrade()

    assert before == after


def test_an_upgrade_of_an_empty_database_is_one_transaction(tmp_path: Path) -> None:
    store = db.Store(f"sqlite:///{tmp_path}/deep/down/corpus.db")

    before, after = store.upgrade()

    assert before is None
    assert after
    assert store.check(full=True) == ()
    store.close()


def test_what_was_stored_before_backfill_was_found_by_feeds_and_its_gaps_say_what_to_do(old: Old) -> None:
    store = old("0006", (None, "k"))
    with store.begin() as conn:
        gap = "INSERT INTO gaps (source_id, from_at, to_at, reason) VALUES (1, :at, :at, 'none was known')"
        conn.execute(text(gap), {"at": AT})

    store.upgrade()

    with store.read() as conn:
        found = conn.execute(select(tables.items.c.discovered_by)).scalar()
        kept = conn.execute(select(tables.gaps)).mappings().one()
    assert found == "feed"
    assert (kept["filled_at"], kept["pages"], kept["found"]) == (None, 0, 0)
    assert kept["result"] == "from before there was backfill: aggregator backfill NAME tries it"


def test_items_go_by_todays_keys_after_an_upgrade_and_none_is_thrown_away(old: Old) -> None:
    told = (
        ("https://example.org/a", "example.org/a"),
        ("https://m.example.org/a", "m.example.org/a"),
        ("https://amp.example.org/b", "amp.example.org/b"),
        ("https://mobile.example.org/b", "mobile.example.org/b"),
        ("https://m.example.org/live", f"m.example.org/live#{'0' * 32}"),
        (None, f"source:1#{'1' * 32}"),
    )
    store = old("0005", *told)
    with store.begin() as conn:
        sighting = (
            "INSERT INTO sightings (item_id, source_id, entry_hash, first_seen_at, last_seen_at, position) "
            "VALUES (:n, 1, 'h', :at, :at, 1)"
        )
        conn.execute(text(sighting), [{"n": n, "at": AT} for n, _ in enumerate(told, 1)])
        shown = {"source_id": 1, "url": "u", "entries": b"keys of then", "touched_at": make.NOW}
        conn.execute(insert(tables.shown), shown)

    store.upgrade()

    with store.read() as conn:
        keys = conn.execute(select(tables.items.c.url_key).order_by(tables.items.c.id)).scalars().all()
        notes = conn.execute(select(tables.sightings.c.note).order_by(tables.sightings.c.item_id)).scalars().all()
        remembered = conn.execute(select(tables.shown)).all()
    assert remembered == []
    assert keys == [
        "example.org/a",
        "example.org/a#item-2",
        "example.org/b",
        "example.org/b#item-4",
        f"example.org/live#{'0' * 32}",
        f"source:1#{'1' * 32}",
    ]
    assert [n for n, note in enumerate(notes, 1) if note] == [2, 4]
    assert notes[3] == "stored twice by an older version: the address is that of item 3"


def test_a_database_of_a_newer_program_is_refused(store: db.Store) -> None:
    with store.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    for refused in (store.upgrade, store.check, store.require_schema):
        with pytest.raises(errors.UnavailableError, match="newer than this program") as caught:
            refused()
        assert caught.value.code == "schema_newer"


def test_times_come_back_as_they_went_in_and_sort(store: db.Store) -> None:
    eastern = timezone(timedelta(hours=-5))
    moments = [datetime(2025, 9, 18, 22, 59, tzinfo=UTC), datetime(2025, 9, 18, 19, 30, tzinfo=eastern)]

    with store.begin() as conn:
        made = make.add_sources(conn, 1)
        rows = [{"source_id": made[0].id, "from_at": at, "to_at": at, "reason": "test"} for at in moments]
        conn.execute(insert(tables.gaps), rows)
    with store.read() as conn:
        found = conn.execute(select(tables.gaps.c.from_at).order_by(tables.gaps.c.from_at)).scalars().all()

    assert found == sorted(moments)
    assert all(at.tzinfo is not None for at in found)


def test_times_written_by_hand_into_sqlite_are_read(tmp_path: Path, _sqlite_template: Path) -> None:
    path = tmp_path / "corpus.db"
    shutil.copy(_sqlite_template, path)
    store = db.Store(f"sqlite:///{path}")
    with store.begin() as conn:
        make.add_sources(conn, 1)
        sources.release(conn)
        for written in ("2000-01-01", "2000-01-01 10:00:00", "2000-01-01T10:00:00.123Z"):
            conn.execute(text("UPDATE sources SET next_poll_at = :at"), {"at": written})
            (claimed,) = sources.claim_due(conn, now=make.NOW, limit=1, owner="a", lease=timedelta(minutes=1))
            sources.release(conn)
            assert claimed.next_poll_at is not None
            assert claimed.next_poll_at.year == 2000
    store.close()


def test_a_failed_transaction_leaves_nothing(store: db.Store) -> None:
    with pytest.raises(RuntimeError), store.begin() as conn:
        make.add_sources(conn, 3)
        raise RuntimeError("boom")

    with store.read() as conn:
        assert conn.execute(select(tables.sources)).all() == []


def test_a_broken_constraint_is_a_conflict(store: db.Store) -> None:
    with pytest.raises(errors.ConflictError), store.begin() as conn:
        make.add_sources(conn, 1)
        conn.execute(
            insert(tables.sources).values(name="Source 1", url="u", feed_url="u", state="active", added_at=make.NOW)
        )


def test_many_threads_write_without_an_error(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
    failed: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for n in range(10):
                with store.begin() as conn:
                    make.poll(conn, source, [make.entry(worker * 100 + n)])
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    with store.read() as conn:
        assert len(conn.execute(select(tables.items.c.id)).all()) == 60


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///:memory:", "needs a file"),
        ("nonsense", "database:"),
        ("oracle://x/y", "database:"),
    ],
)
def test_a_database_url_that_cannot_work_is_told_in_one_line(url: str, said: str) -> None:
    with pytest.raises(errors.UnavailableError, match=said) as caught:
        db.Store(url)

    assert "\n" not in str(caught.value)


def test_an_unreachable_server_is_told_in_one_line_without_the_password() -> None:
    store = db.Store("postgresql+psycopg://somebody:s3cret@127.0.0.1:9/nothing?password=s3cret")

    with pytest.raises(errors.UnavailableError) as caught:
        store.upgrade()

    assert caught.value.code == "unreachable"
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_never_written_to(tmp_path: Path, _sqlite_template: Path) -> None:
    path = tmp_path / "corpus.db"
    shutil.copy(_sqlite_template, path)
    body = bytearray(path.read_bytes())
    body[8192:16384] = b"\xa5" * 8192
    path.write_bytes(body)
    store = db.Store(f"sqlite:///{path}")

    with pytest.raises(errors.UnavailableError, match="damaged") as caught:
        store.refuse_if_corrupt()

    assert caught.value.code == "corrupt"
    assert path.read_bytes() == bytes(body)
    store.close()


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "corpus.db"
    path.write_text("This is a letter, not a database. " * 100)
    store = db.Store(f"sqlite:///{path}")

    with pytest.raises(errors.UnavailableError) as caught:
        store.upgrade()

    assert caught.value.code == "corrupt"
    store.close()


def test_a_second_daemon_on_the_same_file_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first, second = (db.DaemonLock(tmp_path / "corpus.db") for _ in range(2))
    first.acquire()

    with pytest.raises(errors.UnavailableError, match="already runs") as caught:
        second.acquire()
    assert caught.value.code == "locked"

    first.release()
    second.acquire()
    second.release()


def test_a_full_disk_is_a_clear_error_and_what_was_there_stays(tmp_path: Path, _sqlite_template: Path) -> None:
    path = tmp_path / "corpus.db"
    shutil.copy(_sqlite_template, path)
    store = db.Store(f"sqlite:///{path}")
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
    with pytest.raises(errors.UnavailableError) as caught, store.begin() as conn:
        conn.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        make.poll(conn, source, [make.entry(n, content="x" * 50_000) for n in range(1, 20)])

    assert caught.value.code == "disk_full"
    with store.read() as conn:
        assert conn.execute(select(tables.sources.c.name)).scalars().all() == ["Source 1"]
        assert conn.execute(select(tables.items.c.id)).all() == []
    store.close()


def test_sqlite_runs_in_wal_with_foreign_keys(tmp_path: Path, _sqlite_template: Path) -> None:
    path = tmp_path / "corpus.db"
    shutil.copy(_sqlite_template, path)
    store = db.Store(f"sqlite:///{path}")

    with store.read() as conn:
        told = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "foreign_keys", "synchronous")
        }
    store.close()

    assert told == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1}
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_revisions_that_files_are_named_by_are_alembics_own() -> None:
    script = ScriptDirectory(str(db._migrations()))

    assert db._revisions() == tuple(sorted(known.revision for known in script.walk_revisions()))
    assert script.get_current_head() == db._head()


def test_a_schema_made_apart_is_this_programs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/corpus.db"
    with closing(db.Store(url)) as store:
        before = store.is_current()

        db.upgrade_apart(url)

        assert (before, store.is_current()) == (False, True)


def test_what_goes_wrong_apart_is_said_as_if_it_had_been_here(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(errors.UnavailableError, match="cannot create"):
        db.upgrade_apart(f"sqlite:///{tmp_path}/file/corpus.db")


def test_a_schema_made_apart_outlives_nobody_who_was_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/corpus.db"
    code = f"from aggregator.store import db\nif __name__ == '__main__': print('on', flush=True); db.upgrade_apart({url!r})"
    (tmp_path / "upgrading.py").write_text(code)
    process = subprocess.Popen([sys.executable, str(tmp_path / "upgrading.py")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)

    process.kill()

    # Its child has the same output: what is left of it ends too.
    assert process.communicate(timeout=30)[0] == b""


def test_a_writer_that_could_not_begin_writes_when_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "_PRAGMAS", (*db._PRAGMAS, "PRAGMA busy_timeout = 1"))
    path = tmp_path / "corpus.db"
    with closing(db.Store(f"sqlite:///{path}")) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        with store.begin() as conn:
            conn.execute(text("CREATE TABLE told (word)"))
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(errors.UnavailableError, match="another program keeps it locked"), store.begin():
                pass
        other.execute("ROLLBACK")

        with store.begin() as conn:
            conn.execute(text("INSERT INTO told VALUES ('one')"))
        with pytest.raises(errors.StoreError), store.begin() as conn:
            conn.execute(text("INSERT INTO told VALUES ('two')"))
            conn.execute(text("INSERT INTO nowhere VALUES (1)"))
        with store.begin() as conn:
            conn.execute(text("INSERT INTO told VALUES ('three')"))

        with store.read() as conn:
            assert conn.execute(text("SELECT word FROM told")).scalars().all() == ["one", "three"]
