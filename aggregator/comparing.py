"""Two articles side by side, on the terminal: who had it first, how much of each stands in the other, and the words that differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from aggregator import errors, findings, markup, terminal, worddiff
from aggregator.store import journeys, trail
from aggregator.terminal import DEFAULT, ConfigFile, Json, Reference, out

# Paragraphs in a row that are alike are told as a number, but for those beside one that differs.
_ALIKE = 2
# Two columns of fewer characters than this are hard to read: below each other then.
_NARROW = 90
_STYLES = {worddiff.ADDED: "green", worddiff.REMOVED: "red"}
_BRACKETS = {worddiff.ADDED: ("{+", "+}"), worddiff.REMOVED: ("[-", "-]")}

Row = tuple[list[worddiff.Part], list[worddiff.Part]]


def diff(first: Reference, second: Reference, config_file: ConfigFile = DEFAULT, as_json: Json = False) -> None:
    """Show two articles side by side: which was published first, what the corpus knows of the pair (the same, one contained in the other),
    and their words. What only the first has is red, what only the second has green; without colours they stand as [-first-] and {+second+}.

    Exit code 2 if the corpus has not both.
    """
    with terminal.reading(config_file) as store, store.read() as conn:
        ids = journeys.find(conn, first), journeys.find(conn, second)
        rows = [dict(trail.item(conn, item_id)) for item_id in ids]
        matches = [dict(row) for row in journeys.between(conn, *ids)]
    if ids[0] == ids[1]:
        raise errors.NotFoundError(f"both are item {ids[0]}; its versions: aggregator history {ids[0]}")
    texts = [str(row["body"] or markup.text(row["feed_html"] or "") or row["description"] or "") for row in rows]
    titles, parts = worddiff.parts(rows[0]["title"], rows[1]["title"]), worddiff.parts(*texts)
    if as_json:
        told = [_item(row, text) for row, text in zip(rows, texts, strict=True)]
        terminal.as_json(
            {"items": told, "matches": matches, "title": _plain(titles), "text": _plain(parts)} | _measured(parts)
        )
        return
    _head(rows, matches, parts)
    for line in _columns(out, [*_rows(titles), *_rows(parts)]):
        out.print(line, highlight=False)


def _item(row: Mapping[str, Any], text: str) -> dict[str, Any]:
    told = {"id": row["id"], "source": row["source_feed"], "url": row["external_url"], "published_at": row["date"]}
    return told | {"first_seen_at": row["first_seen_at"], "words": markup.count_words(text)}


def _plain(parts: Iterable[worddiff.Part]) -> list[dict[str, str]]:
    return [{"op": part.op, "text": part.text} for part in parts]


def _measured(parts: Iterable[worddiff.Part]) -> dict[str, int]:
    """How many words both have, and how many only one."""
    words = {worddiff.SAME: 0, worddiff.ADDED: 0, worddiff.REMOVED: 0}
    for part in parts:
        words[part.op] += markup.count_words(part.text)
    return {
        "both": words[worddiff.SAME],
        "only_first": words[worddiff.REMOVED],
        "only_second": words[worddiff.ADDED],
    }


def _head(
    rows: Sequence[Mapping[str, Any]], matches: Sequence[Mapping[str, Any]], parts: Sequence[worddiff.Part]
) -> None:
    for sign, row in zip(("[red]−[/red]", "[green]+[/green]"), rows, strict=True):
        out.print(
            f"{sign} {escape(row['source_feed'])}, {terminal.when(row['date'])} UTC  [bold]{escape(row['title'] or '(no title)')}[/bold]",
            highlight=False,
            soft_wrap=True,
        )
        out.print(f"  {escape(row['external_url'] or 'no address')} ({row['id']})", highlight=False, soft_wrap=True)
    out.print(escape(_order(rows)), highlight=False, soft_wrap=True)
    for line in [_said(match) for match in matches] or ["no relation between them is written down"]:
        out.print(escape(line), highlight=False, soft_wrap=True)
    words = _measured(parts)
    told = f"{words['both']} words are in both, {words['only_first']} only in the first, {words['only_second']} in the second"
    out.print(f"{told}\n", highlight=False, soft_wrap=True)


def _order(rows: Sequence[Mapping[str, Any]]) -> str:
    first, second = sorted(rows, key=lambda row: (row["date"], row["first_seen_at"], row["id"]))
    later: timedelta = second["date"] - first["date"]
    seen: datetime = second["first_seen_at"]
    here = f"seen here {terminal.when(seen)} UTC"
    if not later:
        return f"both were published at the same moment; {second['source_feed']} was {here}"
    return f"{first['source_feed']} had it first; {second['source_feed']} {findings.age(later)} later, {here}"


def _said(match: Mapping[str, Any]) -> str:
    return f"{match['item_id']} and {match['other_id']}: {match['relation']} ({match['method']}, {match['score']:.0%})"


# ---------------------------------------------------------------------------------------------------------- side by side


def _rows(parts: Iterable[worddiff.Part]) -> Iterator[Row]:
    """Left and right of what belongs together: a new row where both begin a new paragraph."""
    left: list[worddiff.Part] = []
    right: list[worddiff.Part] = []
    for part in parts:
        for sides in (left,) if part.op == worddiff.REMOVED else (right,) if part.op == worddiff.ADDED else ():
            sides.append(part)
        if part.op != worddiff.SAME:
            continue
        for line in part.text.splitlines(keepends=True):
            piece = worddiff.Part(worddiff.SAME, line)
            left.append(piece)
            right.append(piece)
            if line.endswith("\n"):
                yield left, right
                left, right = [], []
    if left or right:
        yield left, right


def _columns(console: Console, rows: Sequence[Row]) -> Iterator[Table | Text]:
    """The rows in two columns, or below each other on a narrow terminal; of many that are alike only the ends."""
    colours = console.color_system is not None and console.is_terminal
    alike = [_alike(row) for row in rows]
    at = 0
    while at < len(rows):
        end = at
        while end < len(rows) and alike[end]:
            end += 1
        if end - at > _ALIKE:
            yield Text(f"… {end - at} paragraphs that are in both …", style="dim")
            at = end
            continue
        yield from _row(rows[at], console.width, colours=colours)
        at += 1


def _alike(row: Row) -> bool:
    return all(part.op == worddiff.SAME for side in row for part in side)


def _row(row: Row, width: int, *, colours: bool) -> Iterator[Table | Text]:
    left, right = (_cell(side, colours=colours) for side in row)
    if width < _NARROW:
        yield left
        if not _alike(row):
            yield right
        return
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    table.add_row(left, right)
    yield table


def _cell(side: Sequence[worddiff.Part], *, colours: bool) -> Text:
    told: list[tuple[str, str]] = []
    for part in side:
        opens, closes = _BRACKETS.get(part.op, ("", "")) if not colours else ("", "")
        words = part.text.strip("\n")
        bare = words.rstrip(" ")
        told.append((f"{opens}{bare}{closes}{words[len(bare) :]}", _STYLES.get(part.op, "")))
    return Text.assemble(*told)
