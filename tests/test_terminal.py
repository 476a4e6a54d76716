"""What is printed: readable on narrow terminals and on wide ones."""

import io

import pytest
from rich.console import Console

from aggregator import terminal

REASON = "every 42 min: longer than the configured 30 min, for its usual gap is 7 h 50 min"


def _printed(width: int, *, clip: bool = False) -> list[str]:
    listing = terminal.Listing("source", "state", "items>", "next poll", "why", clip=clip)
    listing.add_row("The River News", "[red]failing[/red]", "1,205", "2025-09-19 06:57", REASON)
    listing.add_row("Quiet", "active", "3", "–", "")
    out = io.StringIO()
    Console(file=out, width=width).print(listing)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_listing_is_a_table_where_there_is_room() -> None:
    heading, first, second = _printed(180)

    assert heading.split() == ["source", "state", "items", "next", "poll", "why"]
    assert first == f"The River News  failing  1,205  2025-09-19 06:57  {REASON}"
    assert second.split() == ["Quiet", "active", "3", "–"]


@pytest.mark.parametrize("width", [40, 80, 100])
def test_on_a_narrow_terminal_what_belongs_together_stands_below_each_other(width: int) -> None:
    lines = _printed(width)

    assert max(map(len, lines)) <= width
    assert [line for line in lines if not line.startswith("  ")] == ["The River News", "Quiet"]
    told = " ".join(line.strip() for line in lines)
    assert (
        f"The River News state failing · items 1,205 · next poll 2025-09-19 06:57 {REASON} Quiet state active" in told
    )


def test_a_reason_that_is_told_in_full_elsewhere_is_cut_to_its_line() -> None:
    _, first, _ = _printed(120, clip=True)

    assert len(first) <= 120
    assert first.endswith("…")
