"""What `history` and `why` say of an article, on both databases."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import insert, update
from typer.testing import CliRunner

from aggregator import asking, errors, model, overlap, worddiff
from aggregator.cli import cli
from aggregator.store import changes, db, gaps, tables, visits
from tests import make

LEASE = timedelta(minutes=5)
DAY = timedelta(days=1)
URL = "https://news.example/articles/1"


def _run(*arguments: str, config_file: Path) -> str:
    ran = CliRunner().invoke(cli, [*arguments, "--config", str(config_file)], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def _json(*arguments: str, config_file: Path) -> Any:
    return json.loads(_run(*arguments, "--json", config_file=config_file))


def _item(store: db.Store, text: str = "The sea rose by 12 cm.", **entry: Any) -> model.Item:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        report = model.PollReport(
            source_id=source.id, source=source.name, url=source.feed_url, at=make.NOW, outcome=model.Outcome.NEW,
            state="active", due=model.Due(at=make.NOW + DAY, reason="every 1 d"), new=1,
        )  # fmt: skip
        make.poll(conn, source, [make.entry(1, **entry)])
        make.finish(conn, report, failures=0.0)
        (item,) = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=LEASE)
        visits.settle(conn, make.visit(item, make.draft(text), due=model.Due(at=make.NOW + DAY, reason="revisit")))
    return item


def _revisit(store: db.Store, text: str, at: Any = make.NOW + DAY) -> None:
    with store.begin() as conn:
        (item,) = visits.claim_due(conn, now=at, limit=9, owner="me", lease=LEASE)
        visits.settle(conn, make.visit(item, make.draft(text), at=at))


# ------------------------------------------------------------------------------------------------------------ search


def test_a_search_may_be_of_one_source_and_since_a_day(store: db.Store, config_file: Path) -> None:
    _item(store)
    asked = ("search", "sea", "--source", "Source 1", "--since")

    assert [hit["id"] for hit in _json(*asked, "2025-09-18", config_file=config_file)] == [1]
    assert _json(*asked, "2025-09-19", config_file=config_file) == []
    with pytest.raises(errors.NotFoundError):
        _run("search", "sea", "--source", "None", config_file=config_file)


def test_the_check_of_a_database_has_its_json(store: db.Store, config_file: Path) -> None:
    told = _json("db", "check", config_file=config_file)

    assert (told["well"], told["problems"]) == (True, [])


# ----------------------------------------------------------------------------------------------------------- history


def test_a_changed_page_is_shown_word_by_word(store: db.Store, config_file: Path) -> None:
    _item(store)
    _revisit(store, "The sea rose by 15 cm.")

    shown = _run("history", URL, config_file=config_file)

    assert "1  2025-09-19 00:00 UTC  first version, its page  6 words" in shown
    assert "2  2025-09-20 00:00 UTC  text, its page  +1 −1 words" in shown
    assert "The sea rose by [-12-] {+15+} cm." in shown


def test_a_changed_title_is_shown_and_by_whom(store: db.Store, config_file: Path) -> None:
    _item(store)
    with store.begin() as conn:
        make.poll(conn, make.source(1), [make.entry(1, title="Title one, edited")], make.NOW + DAY)

    shown = _json("history", "1", config_file=config_file)

    first, second = shown["versions"]
    assert (first["what"], first["diffs"]) == ("first", {})
    assert (second["origin"], second["what"]) == ("feed", "title")
    assert second["diffs"]["title"] == [
        {"op": "=", "text": "Title "},
        {"op": "-", "text": "1"},
        {"op": "+", "text": "one, edited"},
    ]
    assert set(second["diffs"]) == {"title"}


def test_what_became_of_the_page_stands_between_the_versions(store: db.Store, config_file: Path) -> None:
    item = _item(store)
    with store.begin() as conn:
        row = {"at": make.NOW + DAY / 2, "kind": "vanished", "item_id": item.id, "detail": "HTTP 410 Gone"}
        conn.execute(insert(tables.changes), row)
    _revisit(store, "The sea rose by 15 cm.")

    shown = _run("history", URL, config_file=config_file)

    assert shown.index("first version") < shown.index("vanished: HTTP 410 Gone") < shown.index("{+15+}")


def test_an_item_that_never_changed_has_one_version(store: db.Store, config_file: Path) -> None:
    _item(store)

    assert "it has not changed since" in _run("history", "1", config_file=config_file)
    assert len(_json("history", "1", config_file=config_file)["versions"]) == 1


def test_edited_content_of_a_feed_is_shown_as_words(store: db.Store, config_file: Path) -> None:
    _item(store, content="<p>Old <b>words</b> here.</p>")
    with store.begin() as conn:
        make.poll(conn, make.source(1), [make.entry(1, content="<p>New <i>words</i> here.</p>")], make.NOW + DAY)

    (_, second) = _json("history", "1", config_file=config_file)["versions"]

    assert [part["text"].strip() for part in second["diffs"]["content"]] == ["Old", "New", "words here."]


def test_long_texts_are_cut_to_the_words_around_a_change(store: db.Store, config_file: Path) -> None:
    many = " ".join(f"word{n}" for n in range(100))
    _item(store, f"{many} old {many}")
    _revisit(store, f"{many} new {many}")

    shown = _run("history", URL, config_file=config_file)

    assert "… word92 word93" in shown
    assert "word99 [-old-] {+new+} word0" in shown
    assert "word50" not in shown


def test_on_a_terminal_there_are_colours_instead_of_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "out", Console(force_terminal=True, color_system="standard"))

    shown = list(asking._diff(worddiff.parts("a b", "a c")))

    assert shown == [("a ", ""), ("b ", "red strike"), ("c ", "green")]


def test_brackets_in_a_text_are_no_markup(store: db.Store, config_file: Path) -> None:
    _item(store, "He said [red]so[/red] on Monday.", title="[bold]")
    _revisit(store, "He said [red]so[/red] on Tuesday.")

    shown = _run("history", URL, config_file=config_file)

    assert "[bold]" in shown
    assert "He said [red]so[/red] on [-Monday.-] {+Tuesday.+}" in shown


# --------------------------------------------------------------------------------------------------------------- why


def test_the_trail_of_an_article_names_every_step(store: db.Store, config_file: Path) -> None:
    _item(store)

    told = _json("why", URL, config_file=config_file)

    assert [step["step"] for step in told["steps"]] == ["discovered", "polled", "visited", "extracted", "clustered"]
    said = "\n".join(line for step in told["steps"] for line in step["said"])
    assert "2025-09-19 00:00 UTC by a poll of its feed; published 2025-09-18 01:00 UTC (published)" in said
    assert "seen in Source 1" in said
    assert "the poll that found it: 2025-09-19 00:00 UTC, new, 1 new" in said
    assert "next visit 2025-09-20 00:00 UTC" in said
    assert "6 words by trafilatura test" in said
    assert told["verdict"] == "it went all the way"


def test_where_it_stopped_is_said_with_the_reason(store: db.Store, config_file: Path) -> None:
    _item(store)
    with store.begin() as conn:
        conn.execute(update(tables.items).values(state="blocked", state_reason="HTTP 403 Forbidden", attempts=5))

    shown = _run("why", URL, config_file=config_file)

    assert "5 in a row in vain: blocked – HTTP 403 Forbidden" in shown
    assert "it stopped at its page: HTTP 403 Forbidden" in shown
    assert "clustered" not in shown


def test_a_revisit_in_vain_is_told_before_it_is_confirmed(store: db.Store, config_file: Path) -> None:
    _item(store)
    said = "the last revisit at 2025-09-19 06:00 UTC failed: HTTP 404 Not Found; asked again at 2025-09-19 07:00 UTC; the text stays"
    with store.begin() as conn:
        conn.execute(update(tables.items).values(state_reason=said, attempts=1))

    told = _json("why", URL, config_file=config_file)

    assert told["verdict"] == f"it went all the way; {said}"
    (visited,) = (step for step in told["steps"] if step["step"] == "visited")
    assert visited["well"] is None
    assert f"1 in a row in vain: ok – {said}" in visited["said"][0]


def test_what_waits_says_until_when(store: db.Store, config_file: Path) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1)])
        conn.execute(update(tables.items).values(next_visit_at=make.NOW + DAY))

    shown = _run("why", URL, config_file=config_file)

    assert "not yet: pending" in shown
    assert "it waits for its page, until 2025-09-20 00:00 UTC" in shown


def test_copies_and_their_matches_are_named(store: db.Store, config_file: Path) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1), make.entry(2)])
        for item in visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=LEASE, per_host=9):
            visits.settle(conn, make.visit(item, make.draft("the same words")))

    shown = _run("why", URL, config_file=config_file)

    assert "with 1 more" in shown
    assert "Source 1: https://news.example/articles/2 (2)" in shown
    assert "exact match with 2 by text_hash, score 1" in shown


def test_an_address_to_which_a_page_led_is_that_item(store: db.Store, config_file: Path) -> None:
    item = _item(store)
    page = {"item_id": item.id, "at": make.NOW, "status": 200, "headers": {}, "body": b"", "sha256": "ab"}
    with store.begin() as conn:
        conn.execute(insert(tables.pages).values(url="https://elsewhere.example/a", **page))

    assert _json("why", "https://elsewhere.example/a", config_file=config_file)["item"]["id"] == item.id


def test_an_unknown_address_names_the_sources_that_might_carry_it(store: db.Store, config_file: Path) -> None:
    _item(store)
    with store.begin() as conn:
        missed = overlap.Missed(from_at=make.NOW - DAY, estimated=3, reason="nothing was shared")
        gaps.record(conn, make.source(1), missed, make.NOW, backfill=False)

    told = _json("why", "https://news.example/articles/999", config_file=config_file)

    assert not told["known"]
    assert told["steps"][0]["said"][0].startswith("Source 1 (https://feed1.example/rss) has 1 items of this host")
    assert "nothing was shared" in str(told["steps"][1]["said"])
    assert told["verdict"].startswith("it is not in the corpus; 1 of the sources might carry it")


@pytest.mark.parametrize("address", ["https://stranger.example/a", "feed1.example.evil.test", "no address at all"])
def test_of_a_stranger_nothing_is_known(store: db.Store, config_file: Path, address: str) -> None:
    _item(store)

    told = _json("why", address, config_file=config_file)

    assert (told["known"], told["sources"]) == (False, [])
    assert "no " in told["verdict"]


def test_what_happened_to_the_page_later_is_told(store: db.Store, config_file: Path) -> None:
    item = _item(store)
    with store.begin() as conn:
        changes.tell(conn, "vanished", [item.id], make.NOW + DAY)

    assert "since then" in _run("why", URL, config_file=config_file)


# ------------------------------------------------------------------------------------------------------------- refusals


def test_why_and_status_say_what_came_in_the_place_of_an_article(store: db.Store, config_file: Path) -> None:
    said = {"state": "blocked", "reason": "the page asks for consent to cookies"}
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(n) for n in range(1, 6)])
        claimed = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=LEASE, per_host=9)
        for item in claimed[:3]:
            visits.settle(conn, make.visit(item, make.draft("Summary", extractor="feed", **said), **said))
        for words, item in enumerate(claimed[3:], 7):
            short = {"state": "short", "reason": f"the page had only {words} words; the feed's own text has 9"}
            visits.settle(conn, make.visit(item, make.draft("Summary", extractor="feed", **short), **short))

    assert "it stopped at its page: the page asks for consent to cookies" in _run("why", URL, config_file=config_file)
    told = _json("status", config_file=config_file)["reasons"]
    assert told == [
        {"state": "blocked", "reason": "the page asks for consent to cookies", "items": 3},
        {"state": "short", "reason": "the page had only a few words", "items": 2},
    ]
    assert "3 blocked: the page asks for consent to cookies" in _run("status", config_file=config_file)
