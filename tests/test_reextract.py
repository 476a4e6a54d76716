"""Reading kept pages anew, through the command, with real workers and on both databases."""

import dataclasses
import hashlib
import json
import re
import signal
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import RowMapping, select, update
from typer.testing import CliRunner

from aggregator import errors, model
from aggregator.cli import cli
from aggregator.store import db, pages, sources, tables, visits
from tests import make
from tests.e2e import replay

LEASE = timedelta(minutes=5)
PARAGRAPH = (
    "On day {n} the minister said of {what} that the price of carbon markets would rise, and nobody was surprised."
)
OLD = "trafilatura 0.1"


def _page(what: str) -> bytes:
    inside = "".join(f"<p>{PARAGRAPH.format(n=n, what=what)}</p>" for n in range(12))
    return f"<html lang=en><head><title>T</title></head><body><article>{inside}</article></body></html>".encode()


def _copy(body: bytes, url: str) -> model.PageCopy:
    return model.PageCopy(
        at=make.NOW,
        url=url,
        status=200,
        headers={"content-type": "text/html"},
        body=zstandard.compress(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )


Corpus = Callable[..., Any]


@pytest.fixture
def config_file(store: db.Store, database_url: str, tmp_path: Path) -> Path:
    """The settings of the store; the present taxonomy knows carbon markets."""
    configured = [{"name": f"Source {n}", "url": f"https://feed{n}.example/rss", "category": "news"} for n in (1, 2)]
    (tmp_path / "sources.yaml").write_text(json.dumps({"sources": configured}))
    topic = {"tag": "carbon-markets", "label": "Carbon", "words": {"en": ["carbon market*"]}}
    (tmp_path / "taxonomy.yaml").write_text(json.dumps({"version": "1", "topics": [topic]}))
    path = tmp_path / "aggregator.yaml"
    path.write_text(json.dumps({"database": database_url, "harvest": {"workers": 1}}))
    return path


def _fill(store: db.Store, *bodies: bytes, text: str = "What the old engine read.", **draft: Any) -> None:
    """An item for each page, with the text that an engine of long ago has made of it."""
    with store.begin() as conn:
        first, second = make.add_sources(conn, 2)
        for n, _ in enumerate(bodies, 1):
            make.poll(conn, first if n < 3 else second, [make.entry(n)])
        for item, body in zip(
            visits.claim_due(conn, now=make.NOW, limit=999, owner="me", lease=LEASE, per_host=999), bodies, strict=True
        ):
            made = make.draft(text, **({"extractor": OLD} | draft))
            visit = make.visit(item, made, page=_copy(body, item.url or ""), state=made.state, reason=made.reason)
            visits.settle(conn, dataclasses.replace(visit, due=model.Due(at=make.NOW + LEASE, reason="revisit")))


def _run(*arguments: str, config_file: Path, code: int = 0) -> Any:
    ran = CliRunner().invoke(
        cli, ["reextract", *arguments, "--json", "--config", str(config_file)], catch_exceptions=False
    )
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout[ran.stdout.index("{\n") :]) if code < 2 else ran


def _all(store: db.Store, table: Any) -> list[RowMapping]:
    with store.read() as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key.columns)).mappings())


def test_a_page_read_anew_gives_a_text_a_revision_and_tags(store: db.Store, config_file: Path) -> None:
    _fill(store, _page("trade"))
    before = _all(store, tables.items)[0]

    told = _run(config_file=config_file)

    assert (told["revised"], told["unchanged"], told["failed"], told["busy"]) == (1, 0, 0, 0)
    (item,) = _all(store, tables.items)
    assert "The minister" not in item["text"]
    assert "the minister said of trade" in item["text"]
    assert item["extractor"] == told["extractor"] != OLD
    first, second = _all(store, tables.revisions)
    assert (first["what"], first["text"]) == ("first", "What the old engine read.")
    assert (second["origin"], second["what"], second["text"]) == ("reextract", "text", item["text"])
    assert second["added"] > 100
    assert "carbon-markets" in {tag["tag"] for tag in _all(store, tables.item_tags)}
    planned = ("attempts", "next_visit_at", "visited_at", "state", "first_seen_at", "lease_owner")
    assert [item[name] for name in planned] == [before[name] for name in planned]


def test_what_the_present_engine_has_read_is_skipped_unless_all_is_wanted(store: db.Store, config_file: Path) -> None:
    _fill(store, _page("trade"), _page("coal"))
    _run(config_file=config_file)
    revisions = _all(store, tables.revisions)

    again = _run(config_file=config_file)
    everything = _run("--all", config_file=config_file)

    assert (again["revised"], again["unchanged"]) == (0, 0)
    assert (everything["revised"], everything["unchanged"]) == (0, 2)
    assert _all(store, tables.revisions) == revisions


def test_a_text_that_is_the_same_is_no_revision_and_has_its_new_extractor(store: db.Store, config_file: Path) -> None:
    _fill(store, _page("trade"))
    _run(config_file=config_file)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(extractor=OLD))
    revisions, told = _all(store, tables.revisions), _all(store, tables.changes)

    said = _run(config_file=config_file)

    assert (said["revised"], said["unchanged"]) == (0, 1)
    assert _all(store, tables.items)[0]["extractor"] == said["extractor"]
    assert (_all(store, tables.revisions), _all(store, tables.changes)) == (revisions, told)


def test_clusters_follow_the_new_texts(store: db.Store, config_file: Path) -> None:
    other = _page("trade")
    for n in range(12):
        said = PARAGRAPH.format(n=n, what="trade")
        other = other.replace(said.encode(), " ".join(sorted(said.split(), key=lambda word: word[::-1])).encode())
    _fill(store, _page("trade"), _page("trade"), other, text="The same for all three.")
    assert len({item["cluster_id"] for item in _all(store, tables.items)}) == 1

    _run(config_file=config_file)

    first, second, third = _all(store, tables.items)
    assert first["cluster_id"] == second["cluster_id"] is not None
    assert third["cluster_id"] is None


@pytest.mark.parametrize(
    ("options", "read"),
    [
        (("--source", "source 2"), [3]),
        (("--source", "Source 1", "--source", "Source 2"), [1, 2, 3]),
        (("--state", "ok"), [1, 2, 3]),
        (("--state", "blocked"), []),
        (("--since", "2025-09-18"), [1, 2, 3]),
        (("--since", "2025-09-19"), []),
        (("--extractor", "trafilatura 0"), [1, 2, 3]),
        (("--extractor", "trafilatura_0"), []),
        (("--where", "word_count < 100 AND title LIKE '%3' -- the third"), [3]),
        (("--where", "id > 1 AND state = 'ok:' OR id = 1"), [1]),
        (("--where", "id > 1", "--source", "Source 1"), [2]),
    ],
)
def test_only_what_was_chosen_is_read(
    store: db.Store, config_file: Path, options: tuple[str, ...], read: list[int]
) -> None:
    _fill(store, _page("a"), _page("b"), _page("c"))

    told = _run(*options, config_file=config_file)

    assert sorted(item["item_id"] for item in told["items"]) == read


def test_a_state_that_there_is_not_is_a_mistake(store: db.Store, config_file: Path) -> None:
    _fill(store, _page("a"))

    with pytest.raises(errors.ConfigError, match=r"there is no state .good."):
        CliRunner().invoke(cli, ["reextract", "--state", "good", "--config", str(config_file)], catch_exceptions=False)


@pytest.mark.parametrize(
    "where", ["nonsense = 1", "word_count <", "1=1); DELETE FROM items; --", "id IN (SELECT id FROM nowhere)"]
)
def test_a_condition_that_the_database_does_not_understand_is_a_mistake(
    store: db.Store, config_file: Path, where: str
) -> None:
    _fill(store, _page("a"))

    with pytest.raises(errors.ConfigError, match=r"--where .*database"):
        CliRunner().invoke(cli, ["reextract", "--where", where, "--config", str(config_file)], catch_exceptions=False)

    assert len(_all(store, tables.items)) == 1


def test_a_consent_page_that_was_taken_for_an_article_is_one_no_longer(store: db.Store, config_file: Path) -> None:
    wall = b"<html><title>Before you continue</title><body><p>We use cookies. Accept all cookies to go on.</p></body></html>"
    _fill(store, wall, text="We use cookies. Accept all cookies to go on.")

    _run(config_file=config_file)

    (item,) = _all(store, tables.items)
    assert item["state"] == "blocked"
    assert "cookies" not in (item["text"] or "")
    assert [row["origin"] for row in _all(store, tables.revisions)] == ["page", "reextract"]


def test_a_page_in_which_this_engine_finds_nothing_keeps_its_text(store: db.Store, config_file: Path) -> None:
    _fill(store, b"<html><body><div></div></body></html>")

    told = _run(config_file=config_file)

    assert (told["kept"], told["revised"]) == (1, 0)
    (item,) = _all(store, tables.items)
    assert (item["state"], item["text"], item["extractor"]) == ("ok", "What the old engine read.", OLD)
    assert item["lease_owner"] is None


def test_a_page_that_was_refused_is_an_article_where_the_engine_now_finds_one(
    store: db.Store, config_file: Path
) -> None:
    _fill(store, _page("trade"), text="", state="blocked", extractor=None, reason="the page asks to log in")

    _run(config_file=config_file)

    (item,) = _all(store, tables.items)
    assert (item["state"], item["state_reason"]) == ("ok", None)
    assert _all(store, tables.revisions) == []
    assert [row["kind"] for row in _all(store, tables.changes)] == ["new", "text"]


def test_the_last_copy_is_the_one_that_is_read(store: db.Store, config_file: Path) -> None:
    _fill(store, _page("the first version"))
    with store.begin() as conn:
        later, first = _copy(_page("the second version"), "u"), _copy(_page("the first version"), "u")
        pages.keep_all(conn, {1: dataclasses.replace(later, at=make.NOW + LEASE)})
        pages.keep_all(conn, {1: dataclasses.replace(first, at=make.NOW + 2 * LEASE)})

    _run(config_file=config_file)

    assert "the first version" in _all(store, tables.items)[0]["text"]


def test_what_somebody_is_visiting_is_left_to_them(store: db.Store, config_file: Path) -> None:
    _fill(store, _page("a"), _page("b"))
    with store.begin() as conn:
        held = {"lease_owner": "elsewhere:1:x", "lease_until": make.NOW + timedelta(days=36500)}
        conn.execute(update(tables.items).where(tables.items.c.id == 1).values(held))

    told = _run(config_file=config_file, code=1)

    assert (told["busy"], told["revised"]) == (1, 1)
    assert [item["lease_owner"] for item in _all(store, tables.items)] == ["elsewhere:1:x", None]


def test_a_damaged_copy_costs_only_itself(store: db.Store, config_file: Path) -> None:
    _fill(store, _page("a"), _page("b"))
    with store.begin() as conn:
        conn.execute(update(tables.pages).where(tables.pages.c.item_id == 1).values(body=b"no zstd"))

    told = _run(config_file=config_file, code=1)

    assert (told["failed"], told["revised"]) == (1, 1)
    assert [item["lease_owner"] for item in _all(store, tables.items)] == [None, None]


def test_an_item_that_its_feed_changed_meanwhile_is_left_to_its_visit(
    store: db.Store, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(store, _page("a"), _page("b"))
    write = visits.write

    def overtaken(conn: Any, made: Sequence[model.Visit]) -> Any:
        if any(visit.item.id == 1 for visit in made):
            conn.execute(update(tables.items).where(tables.items.c.id == 1).values(lease_owner=None))
        return write(conn, made)

    monkeypatch.setattr(visits, "write", overtaken)

    told = _run(config_file=config_file, code=1)

    assert (told["failed"], told["revised"]) == (1, 1)
    assert [item["extractor"] == OLD for item in _all(store, tables.items)] == [True, False]


def test_what_was_stopped_goes_on_at_the_next_call(store: db.Store, config_file: Path) -> None:
    _fill(store, *(_page(f"subject {n}") for n in range(120)))
    process = replay.aggregator("reextract", config=config_file)
    until = time.monotonic() + 60
    while not _revised(store) and time.monotonic() < until:
        time.sleep(0.02)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    done = _revised(store)
    with store.read() as conn:
        owners = {owner for owner in sources.lease_owners(conn) if owner != "test"}
    assert (process.returncode, owners) == (130, set())
    assert 0 < done < 120
    assert _run(config_file=config_file)["revised"] == 120 - done
    assert len(_all(store, tables.revisions)) == 240


def test_all_that_was_stopped_goes_on_after_the_id_that_it_says(store: db.Store, config_file: Path) -> None:
    _fill(store, *(_page(f"subject {n}") for n in range(120)))
    process = replay.aggregator("reextract", "--all", config=config_file)
    until = time.monotonic() + 60
    while _revised(store) < 32 and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    told = re.search(r"it goes on with --all --after (\d+)", said)
    assert told is not None, said
    reached = int(told[1])
    read = {row["item_id"] for row in _all(store, tables.revisions) if row["origin"] == "reextract"}

    rest = _run("--all", "--after", told[1], config_file=config_file)

    assert 32 <= reached < 120
    assert set(range(1, reached + 1)) <= read
    assert sum(rest[name] for name in ("revised", "unchanged")) == 120 - reached
    assert (rest["finished"], rest["after"], _revised(store)) == (True, 120, 120)


def _revised(store: db.Store) -> int:
    return sum(row["origin"] == "reextract" for row in _all(store, tables.revisions))


def test_an_error_page_that_was_stored_for_an_article_is_one_no_longer(store: db.Store, config_file: Path) -> None:
    body = "<p>Sorry, the page you are looking for has been moved, or it never was here. Try the search.</p>" * 3
    missing = f"<html lang=en><head><title>Page not found</title></head><body><main><h1>Page not found</h1>{body}</main></body></html>"
    _fill(store, missing.encode())

    _run(config_file=config_file)

    (item,) = _all(store, tables.items)
    assert (item["state"], item["state_reason"]) == ("failed", "the page says that there is no such article")
    assert item["text"] == "Summary 1"
