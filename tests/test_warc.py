"""Kept pages as WARC, read back with warcio."""

import dataclasses
import gzip
import json
import os
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner
from warcio.archiveiterator import ArchiveIterator

import aggregator
from aggregator import errors
from aggregator.cli import cli
from aggregator.store import db, pages, tables
from tests import make
from tests.test_reextract import _copy, _fill, config_file

__all__ = ["config_file"]

FIRST, SECOND, THIRD = b"<p>first \xc3\xa9</p>", b"<p>second</p>" * 20_000, b"%PDF-1.7 \x00\x01\r\n\r\n"


def _run(*arguments: str, config_file: Path, code: int = 0) -> Any:
    ran = CliRunner().invoke(
        cli, ["export", "warc", *arguments, "--json", "--config", str(config_file)], catch_exceptions=False
    )
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout[ran.stdout.index("{\n") :])


def _records(file: Path) -> list[tuple[Any, bytes]]:
    with file.open("rb") as opened:
        return [(record, record.content_stream().read()) for record in ArchiveIterator(opened, check_digests="raise")]


@pytest.mark.parametrize("name", ["corpus.warc", "corpus.warc.gz"])
def test_other_tools_read_what_was_fetched(store: db.Store, config_file: Path, tmp_path: Path, name: str) -> None:
    _fill(store, FIRST, SECOND, THIRD)
    file = tmp_path / name

    told = _run(str(file), config_file=config_file)

    (info, about), *responses = _records(file)
    assert (told["pages"], told["damaged"]) == (3, [])
    assert told["bytes"] == file.stat().st_size
    assert (info.rec_type, info.rec_headers.get_header("WARC-Filename")) == ("warcinfo", name)
    assert b"software: aggregator" in about
    assert [body for _, body in responses] == [FIRST, SECOND, THIRD]
    record = responses[0][0]
    headers = record.rec_headers
    assert (record.rec_type, headers.protocol) == ("response", "WARC/1.1")
    assert headers.get_header("WARC-Target-URI") == "https://news.example/articles/1"
    assert headers.get_header("WARC-Date") == "2025-09-19T00:00:00Z"
    assert headers.get_header("WARC-Payload-Digest") == f"sha256:{_copy(FIRST, '').sha256}"
    assert headers.get_header("WARC-Aggregator-Source") == "Source 1"
    assert (record.http_headers.get_statuscode(), record.http_headers.get_header("Content-Type")) == (
        "200",
        "text/html",
    )
    assert all(one.digest_checker.passed for one, _ in responses)


def test_each_record_is_compressed_by_itself(store: db.Store, config_file: Path, tmp_path: Path) -> None:
    _fill(store, FIRST, SECOND)
    plain, packed = tmp_path / "a.warc", tmp_path / "a.warc.gz"

    _run(str(plain), config_file=config_file)
    _run(str(packed), config_file=config_file)

    assert packed.read_bytes().count(b"\x1f\x8b\x08") >= 3
    assert len(packed.read_bytes()) < len(plain.read_bytes()) / 10
    assert gzip.decompress(packed.read_bytes()).count(b"WARC/1.1\r\n") == 3


def test_every_copy_of_a_page_is_a_record_of_its_own(store: db.Store, config_file: Path, tmp_path: Path) -> None:
    _fill(store, FIRST)
    with store.begin() as conn:
        later = dataclasses.replace(_copy(SECOND, "u"), at=make.NOW + timedelta(days=1), url="https://b.example/")
        pages.keep_all(conn, {1: later})

    _run(str(tmp_path / "a.warc"), config_file=config_file)

    _, *responses = _records(tmp_path / "a.warc")
    dates = [record.rec_headers.get_header("WARC-Date") for record, _ in responses]
    assert dates == ["2025-09-19T00:00:00Z", "2025-09-20T00:00:00Z"]
    assert len({record.rec_headers.get_header("WARC-Record-ID") for record, _ in responses}) == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--source", "Source 2"), [THIRD]),
        (("--since", "2025-09-19"), []),
        (("--since", "2025-09-18"), [FIRST, SECOND, THIRD]),
    ],
)
def test_only_what_was_chosen_is_written(
    store: db.Store, config_file: Path, tmp_path: Path, options: tuple[str, ...], expected: list[bytes]
) -> None:
    _fill(store, FIRST, SECOND, THIRD)

    _run(str(tmp_path / "a.warc"), *options, config_file=config_file)

    assert [body for _, body in _records(tmp_path / "a.warc")[1:]] == expected


def test_a_copy_that_is_not_what_was_fetched_is_left_out_and_named(
    store: db.Store, config_file: Path, tmp_path: Path
) -> None:
    _fill(store, FIRST, SECOND, THIRD)
    with store.begin() as conn:
        conn.execute(update(tables.pages).where(tables.pages.c.id == 1).values(body=b"no zstd"))
        conn.execute(update(tables.pages).where(tables.pages.c.id == 2).values(body=_copy(FIRST, "").body))

    told = _run(str(tmp_path / "a.warc"), config_file=config_file, code=1)

    assert told["pages"] == 1
    assert [one["url"] for one in told["damaged"]] == [f"https://news.example/articles/{n}" for n in (1, 2)]
    assert "SHA-256 differs" in told["damaged"][1]["error"]
    assert [body for _, body in _records(tmp_path / "a.warc")[1:]] == [THIRD]


def test_a_file_that_was_there_is_replaced_only_by_a_whole_one(
    store: db.Store, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(store, FIRST)
    file = tmp_path / "a.warc"
    file.write_bytes(b"the one before")

    def broken(*_: Any, **__: Any) -> Any:
        raise errors.UnavailableError("the database is gone")

    monkeypatch.setattr(pages, "copies", broken)
    with pytest.raises(errors.UnavailableError):
        _run(str(file), config_file=config_file)

    assert file.read_bytes() == b"the one before"
    assert list(tmp_path.glob(".*part")) == []


def test_a_link_is_followed_and_a_pipe_is_written_to_as_it_is(
    store: db.Store, config_file: Path, tmp_path: Path
) -> None:
    _fill(store, FIRST)
    (tmp_path / "link.warc").symlink_to(tmp_path / "a.warc")
    os.mkfifo(tmp_path / "pipe.warc")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe.warc").read_bytes()))
    reader.start()

    for name in ("link.warc", "pipe.warc"):
        _run(str(tmp_path / name), config_file=config_file)

    reader.join(20)
    assert (tmp_path / "link.warc").is_symlink()
    assert [body for _, body in _records(tmp_path / "a.warc")[1:]] == [FIRST]
    assert (tmp_path / "pipe.warc").is_fifo()
    assert FIRST in read[0]


def test_where_it_cannot_be_written_that_is_said(store: db.Store, config_file: Path, tmp_path: Path) -> None:
    _fill(store, FIRST)

    with pytest.raises(errors.ConfigError, match=r"cannot write .*No such file or directory"):
        _run(str(tmp_path / "nowhere" / "a.warc"), config_file=config_file)


def test_without_the_library_it_says_what_to_install(
    store: db.Store, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(store, FIRST)
    monkeypatch.delitem(sys.modules, "aggregator.warc", raising=False)
    monkeypatch.delattr(aggregator, "warc", raising=False)
    monkeypatch.setitem(sys.modules, "warcio.warcwriter", None)

    with pytest.raises(errors.ConfigError, match=r"pip install 'aggregator\[warc\]'"):
        _run(str(tmp_path / "a.warc"), config_file=config_file)
