import hashlib
import os
import pickle
from pathlib import Path

from aggregator import spool
from aggregator.workers import Workers


def files(spooled: spool.Spooled) -> Path:
    return Path(spooled._path)


def test_what_is_spooled_reaches_a_worker_as_bytes_and_leaves_nothing_behind() -> None:
    spooled = spool.Spooled().write(b"ab" * 300_000).write(b"c")
    try:
        assert pickle.loads(pickle.dumps(spooled)) == b"ab" * 300_000 + b"c"
        assert len(spooled) == 600_001
        assert len(pickle.dumps(spooled)) < 200
        assert b"".join(spool.pieces(spooled)) == b"ab" * 300_000 + b"c"
        assert spool.sha256(spooled) == hashlib.sha256(b"ab" * 300_000 + b"c").hexdigest()
        assert files(spooled).stat().st_mode & 0o077 == 0
    finally:
        spooled.close()

    assert not files(spooled).exists()


async def test_a_worker_in_another_process_reads_it() -> None:
    workers, spooled = Workers(1), spool.Spooled().write(b"words " * 500_000)
    try:
        digest, pid = await workers.run(10.0, digest_and_process, spool.crossing(spooled))
    finally:
        workers.close()
        spooled.close()

    assert digest == hashlib.sha256(b"words " * 500_000).hexdigest()
    assert pid != os.getpid()


def digest_and_process(body: bytes) -> tuple[str, int]:
    return hashlib.sha256(body).hexdigest(), os.getpid()


def test_a_small_body_is_itself() -> None:
    assert list(spool.pieces(b"abc")) == [b"abc"]
    assert spool.crossing(b"abc") == b"abc"
