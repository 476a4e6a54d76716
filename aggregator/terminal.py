"""What the commands have in common: their options, and how they print."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from aggregator import config, errors, log
from aggregator.store import db

# The last one as shells say it: ended by a signal.
SOME_FAILED, WRONG, STOPPED = 1, 2, 130

# Piped into a file or `less`, a table is not squeezed into the 80 columns that rich would assume.
_WIDTH = None if sys.stdout.isatty() else 180
# So many columns are wanted for a name and a reason, or they are hard to read.
_ROOM = 80
out, err = Console(width=_WIDTH), Console(stderr=True)

ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="AGGREGATOR_CONFIG", help="The settings; sources and taxonomy are found from there."
    ),
]
Reference = Annotated[str, typer.Argument(metavar="ID|URL", help="As search and show print them, or the address.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DEFAULT = Path("config/aggregator.yaml")


def settings(path: Path, *, empty: bool = False) -> config.Settings:
    """The configuration, without a source only if it may be `empty`; the log as it says. Raises ConfigError."""
    loaded = config.load(path, os.environ, empty=empty)
    log.configure(loaded.log)
    return loaded


@contextmanager
def reading(path: Path) -> Iterator[db.Store]:
    """The corpus, to be asked. Raises ConfigError, StoreError."""
    store = existing(settings(path))
    try:
        store.require_schema()
        yield store
    finally:
        store.close()


def existing(configured: config.Settings) -> db.Store:
    """Its store; UnavailableError if there is none yet."""
    store = db.Store(configured.database)
    if store.path is not None and not store.path.exists():
        raise errors.UnavailableError(
            f"there is no database {store.path} yet: start the daemon, or aggregator run --once"
        )
    return store


def table(*headings: str) -> Table:
    """An empty table; a heading that ends in > is of numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for heading in headings:
        right = heading.endswith(">")
        made.add_column(heading.rstrip(">"), justify="right" if right else "left", overflow="fold", no_wrap=right)
    return made


class Listing:
    """A table whose first column is a name and whose last is prose. Where the terminal is too narrow for both and the figures between
    them, they stand below each other. `clip`: in the table the prose is cut to its line."""

    def __init__(self, *headings: str, clip: bool = False) -> None:
        self._headings, self._clip = headings, clip
        self._rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        """Cells are rich's mark-up, as in its tables."""
        self._rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        between = table(*self._headings[1:-1])
        whole = table(*self._headings)
        name, prose = whole.columns[0], whole.columns[-1]
        # The prose has what the others leave.
        whole.expand, name.max_width, prose.ratio = True, _ROOM // 2, 1
        prose.no_wrap, prose.overflow = self._clip, "ellipsis" if self._clip else "fold"
        for row in self._rows:
            between.add_row(*row[1:-1])
            whole.add_row(*row)
        if options.max_width - Measurement.get(console, options, between).maximum >= _ROOM:
            yield whole
            return
        names = [heading.rstrip(">") for heading in self._headings[1:-1]]
        for called, *cells, said in self._rows:
            yield Text.from_markup(called, style="bold")
            told = " · ".join(f"{key} {cell}" for key, cell in zip(names, cells, strict=True))
            for below in filter(None, (told, said)):
                yield Padding(Text.from_markup(below), (0, 0, 0, 2))


def progress(last: ProgressColumn) -> Progress:
    """A bar on standard error that is gone when it is done; `last` is its last column."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, last, console=err, transient=True)


@contextmanager
def counting(what: str) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """Such a bar with the time that is left: to be told how many there are, and how many are done each time."""
    with progress(TimeRemainingColumn()) as bar:
        task = bar.add_task(what, total=None)
        yield (lambda total: bar.update(task, total=total)), (lambda done: bar.update(task, advance=done))


def from_day(day: datetime | None) -> datetime | None:
    """When the day of an option like --since begins: days are of UTC. Raises ConfigError for a day that has not come yet."""
    begins = day.replace(tzinfo=UTC) if day is not None else None
    if begins is not None and begins > datetime.now(UTC):
        raise errors.ConfigError(f"--since: {begins:%Y-%m-%d} has not come yet")
    return begins


def when(at: datetime | None) -> str:
    """To the minute, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at else "–"


def as_json(value: Any) -> None:
    """Print `value` for programs."""

    def plain(other: Any) -> Any:
        return other.isoformat() if isinstance(other, datetime) else str(other)

    sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False, indent=2) + "\n")
