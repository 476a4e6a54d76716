"""`diff`: two articles side by side, on both databases."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from aggregator import comparing, worddiff
from aggregator.cli import cli
from aggregator.store import db, visits
from tests import make

FIRST = "The river rose by three metres.\nNobody was hurt, the mayor said.\nMore rain is expected on Sunday."
SECOND = "The river rose by four metres.\nNobody was hurt, the mayor said.\nMore rain is expected on Sunday.\nRead our live blog."


@pytest.fixture
def stored(store: db.Store, config_file: Path) -> db.Store:
    """Two articles of two sources, the second an hour later."""
    with store.begin() as conn:
        one, other = make.add_sources(conn, 2)
        make.poll(conn, one, [make.entry(1, title="River floods town", published_at=make.NOW - timedelta(hours=1))])
        make.poll(conn, other, [make.entry(2, title="River floods a town", published_at=make.NOW)])
        claimed = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=timedelta(minutes=1), per_host=9)
        for item, text in zip(sorted(claimed, key=lambda item: item.id), (FIRST, SECOND), strict=True):
            visits.settle(conn, make.visit(item, make.draft(text)))
    return store


def _run(*arguments: str, config_file: Path, code: int = 0) -> str:
    result = CliRunner().invoke(cli, [*arguments, "--config", str(config_file)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert code, result.exception
        return str(result.exception)
    assert result.exit_code == code, result.output
    return result.stdout


def test_two_articles_are_shown_with_who_had_it_first_and_what_was_changed(stored: db.Store, config_file: Path) -> None:
    shown = _run("diff", "1", "2", config_file=config_file)

    assert "Source 1 had it first; Source 2 1 h later" in shown
    assert "17 words are in both, 1 only in the first, 5 in the second" in shown
    assert "by [-three-] metres" in shown
    assert "by {+four+} metres" in shown
    assert "{+Read our live blog.+}" in shown
    assert "floods {+a+} town" in shown


def test_the_order_of_the_two_is_the_readers(stored: db.Store, config_file: Path) -> None:
    shown = _run("diff", "2", "1", config_file=config_file)

    assert "Source 1 had it first; Source 2 1 h later" in shown
    assert "by [-four-] metres" in shown


def test_for_programs_all_words_are_told(stored: db.Store, config_file: Path) -> None:
    told: dict[str, Any] = json.loads(_run("diff", "1", "2", "--json", config_file=config_file))

    assert [one["source"] for one in told["items"]] == ["Source 1", "Source 2"]
    assert (told["both"], told["only_first"], told["only_second"]) == (17, 1, 5)
    first = "".join(part["text"] for part in told["text"] if part["op"] != worddiff.ADDED)
    assert first.split() == FIRST.split()
    assert told["matches"] == []


def test_what_the_corpus_has_not_or_has_once_is_an_error(stored: db.Store, config_file: Path) -> None:
    assert "no item has the id 77" in _run("diff", "1", "77", config_file=config_file, code=2)
    assert "both are item 1; its versions: aggregator history 1" in _run(
        "diff", "1", "1", config_file=config_file, code=2
    )


@pytest.mark.parametrize("width", [60, 140])
def test_paragraphs_in_both_are_told_as_a_number_and_lines_fit(width: int) -> None:
    same = "\n".join(f"Paragraph {n} is in both of them." for n in range(9))
    parts = worddiff.parts(f"{same}\nThe end came late.\n", f"{same}\nThe end came early.\n")
    out = io.StringIO()
    console = Console(file=out, width=width)

    for line in comparing._columns(console, list(comparing._rows(parts))):
        console.print(line)

    lines = out.getvalue().splitlines()
    assert lines[0] == "… 9 paragraphs that are in both …"
    assert len(lines) == (2 if width == 140 else 3)
    assert max(map(len, lines)) <= width
    assert "The end came [-late.-]" in lines[1]
