"""Placing all again: what the command gives, beside other writers and over what older versions stored."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update
from typer.testing import CliRunner

from aggregator.cli import cli
from aggregator.dedup import fingerprint
from aggregator.store import db, tables
from tests.placed import FIRST, PAGE, SECOND, THIRD, clusters, consistent, fill, groups, pairs
from tests.test_comparison import prose


def run(config_file: Path, *arguments: str, code: int = 0) -> Any:
    ran = CliRunner().invoke(cli, ["recluster", *arguments, "--json", "--config", str(config_file)])
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout[ran.stdout.index("{\n") :])


CORPUS = [FIRST, SECOND, PAGE, f"One. {FIRST}", f"Two. {FIRST}", SECOND, prose(9, 200), " ".join(THIRD.split()[:40])]


def _told(store: db.Store) -> Any:
    relations = ("exact", "near", "contains")
    return groups(store), {relation: pairs(store, relation) for relation in relations}


def test_placing_all_again_gives_what_the_arrival_gave(store: db.Store, config_file: Path) -> None:
    fill(store, *CORPUS)
    before, numbers = _told(store), clusters(store)

    told = run(config_file, "--all")

    assert told["placed"] >= 1
    assert _told(store)[0] == before[0]
    assert clusters(store) == numbers
    assert _told(store)[1]["contains"] == before[1]["contains"]
    consistent(store)


def test_what_was_stored_by_a_version_without_fingerprints_is_placed(store: db.Store, config_file: Path) -> None:
    fill(store, *CORPUS)
    before = _told(store)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(algo=None, tokens=None, cluster_id=None))
        for table in (tables.matches, tables.fingerprints, tables.clusters):
            conn.execute(delete(table))

    run(config_file)

    assert _told(store) == before
    assert run(config_file)["placed"] == 0


@pytest.mark.parametrize("choice", [("--source", "Source 8"), ("--where", "source_id = 8 AND word_count > 0")])
def test_only_what_is_chosen_is_placed_again(store: db.Store, config_file: Path, choice: tuple[str, str]) -> None:
    fill(store, *CORPUS)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(algo=0))

    run(config_file, *choice)

    with store.read() as conn:
        algos = list(conn.execute(select(tables.items.c.algo).order_by(tables.items.c.id)).scalars())
    assert algos == [0, 0, 0, 0, 0, 0, fingerprint.ALGO, 0]


def test_another_normal_form_is_no_revision(store: db.Store, config_file: Path) -> None:
    fill(store, FIRST, FIRST)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(algo=0, text_hash="0" * 32))

    run(config_file)

    with store.read() as conn:
        assert set(conn.execute(select(tables.items.c.text_hash)).scalars()) == {fingerprint.text_hash(FIRST)}
        assert conn.execute(select(func.count()).select_from(tables.revisions)).scalar() == 0
    assert groups(store) == {frozenset({1, 2})}


def test_an_item_in_the_hands_of_another_writer_is_left_to_it(store: db.Store, config_file: Path) -> None:
    if store.sqlite:
        pytest.skip("there is one writer")
    fill(store, FIRST, SECOND)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(algo=0))

    with store.begin() as conn:
        conn.execute(select(tables.items.c.id).where(tables.items.c.id == 1).with_for_update())
        told = run(config_file, code=1)

    assert (told["placed"], told["busy"]) == (1, 1)
    assert run(config_file)["placed"] == 1
