"""The kept pages on the command line: read anew by the present engine, and written out for other tools."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.markup import escape

from aggregator import __version__, config, daemon, errors, reextract, terminal
from aggregator.store import db, pages
from aggregator.terminal import DEFAULT, SOME_FAILED, STOPPED, ConfigFile, Json, err, out

export_commands = typer.Typer(help="The corpus for other tools.", no_args_is_help=True)

# A page has some 100 kB, 8 MiB at most: so many are in memory at a time.
_TOGETHER = 16

Sources = Annotated[list[str] | None, typer.Option("--source", help="Only items of this source; may be given again.")]
Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only items published on this day or later.")
]
Where = Annotated[
    str | None,
    typer.Option(help="Only items that fulfil this SQL condition on the columns of items, such as 'word_count < 100'."),
]


def reread(
    *,
    source: Sources = None,
    state: Annotated[str | None, typer.Option(help="Only items in this state, such as ok or blocked.")] = None,
    since: Since = None,
    where: Where = None,
    extractor: Annotated[
        str | None, typer.Option(help="Only texts of an extractor whose name begins so, such as 'trafilatura 2.0'.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also texts that the present extractor has made.")] = False,
    after: Annotated[
        int, typer.Option(help="Only items with a higher id: where  --all  goes on that was stopped.")
    ] = 0,
    config_file: ConfigFile = DEFAULT,
    as_json: Json = False,
) -> None:
    """Read the kept pages anew with the present extractor: texts, tags and clusters follow; a text that is another now is a revision
    of origin  reextract.

    Nobody is asked, nothing is fetched, and it may run beside the daemon. What was stopped goes on at the next call, for what the
    present extractor has made is skipped; with  --all  it says after which id. Exit code 1 if a copy could not be read, or an item was in
    the daemon's hands.
    """
    settings = terminal.settings(config_file)
    first = terminal.from_day(since)
    choice = reextract.chosen(
        settings, source or (), state=state, since=first, extractor=extractor, where=where, after=after
    )
    with terminal.reading(config_file) as store:
        reextract.check(store, choice)
    begun, done, busy, reached = _reread(settings, choice, everything=everything)
    counts = _counts(done) | {"busy": busy or 0}
    engine = begun[0].engine if begun else None
    if as_json:
        told = {"extractor": engine, "finished": busy is not None, "after": reached, **counts}
        terminal.as_json(told | {"items": [asdict(one) for one in done if one.revised or one.error]})
    else:
        _print_counts(counts, len(done), engine)
    if busy is None:
        if everything:
            err.print(f"stopped; it goes on with --all --after {reached}", highlight=False)
        raise typer.Exit(STOPPED)
    if busy or counts["failed"]:
        raise typer.Exit(SOME_FAILED)


def _reread(
    settings: config.Settings, choice: pages.Choice, *, everything: bool
) -> tuple[list[reextract.Begun], list[reextract.Reread], int | None, int]:
    """What was begun and done, how many items were busy (None if it was stopped), and up to which id all were read, with a progress
    bar."""
    begun: list[reextract.Begun] = []
    done: list[reextract.Reread] = []
    reached = [choice.after]
    with terminal.counting("pages") as (of, advance):

        def on_begun(one: reextract.Begun) -> None:
            begun.append(one)
            of(one.total)

        def on_reread(one: reextract.Reread) -> None:
            done.append(one)
            advance(1)

        busy = daemon.reread(settings, choice, on_begun, on_reread, reached.append, everything=everything)
    return begun, done, busy, reached[-1]


def _print_counts(counts: Mapping[str, int], read: int, engine: str | None) -> None:
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "revised")
    out.print(f"{read:,} pages read by {engine or 'nobody'}: {said}", highlight=False)


def _counts(done: list[reextract.Reread]) -> dict[str, int]:
    """How many are revised, unchanged, kept as they were, failed."""

    def kind(one: reextract.Reread) -> str:
        return "failed" if one.error else "kept" if one.kept else "revised" if one.revised else "unchanged"

    found = Counter(map(kind, done))
    return {name: found[name] for name in ("revised", "unchanged", "kept", "failed")}


@export_commands.command("warc")
def export_warc(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; compressed if it ends in .gz.")],
    source: Sources = None,
    since: Since = None,
    where: Where = None,
    config_file: ConfigFile = DEFAULT,
    as_json: Json = False,
) -> None:
    """Write the kept pages as WARC/1.1: one response record for each, with its SHA-256, its date and the address that it came from.

    FILE appears, or is replaced, when it is whole. Exit code 1 if a copy is damaged; it is left out. Needs the library warcio (pip
    install 'aggregator[warc]').
    """
    settings = terminal.settings(config_file)
    choice = reextract.chosen(settings, source or (), since=terminal.from_day(since), where=where)
    with terminal.reading(config_file) as store:
        reextract.check(store, choice)
        with _replacing(file) as out_file:
            written, damaged = _write_warc(store, choice, out_file, file.name)
    for url, said in damaged:
        err.print(escape(f"{url}: {said}"), style="red", highlight=False, soft_wrap=True)
    if as_json:
        told = [{"url": url, "error": said} for url, said in damaged]
        terminal.as_json({"file": str(file), "pages": written, "bytes": file.stat().st_size, "damaged": told})
    else:
        # What is written to standard output is the archive.
        console = err if _is_stream(file) else out
        console.print(f"{written:,} pages in {file}", highlight=False, soft_wrap=True)
    if damaged:
        raise typer.Exit(SOME_FAILED)


def _write_warc(
    store: db.Store, choice: pages.Choice, out_file: BinaryIO, name: str
) -> tuple[int, list[tuple[str, str]]]:
    """Returns how many pages were written, and which could not be, and why."""
    try:
        # Imported where it is needed: the library is an extra.
        from aggregator import warc
    except ModuleNotFoundError as exc:
        raise errors.ConfigError("WARC needs the library warcio: pip install 'aggregator[warc]'") from exc
    software = f"aggregator {__version__}"
    writer = warc.Writer(out_file, name=name, software=software, compress=name.endswith(".gz"))
    written, damaged = 0, []
    for one in _copies(store, choice):
        try:
            writer.add(one.page, {"WARC-Aggregator-Item": str(one.item_id), "WARC-Aggregator-Source": one.source})
        except errors.ExtractError as exc:
            damaged.append((one.page.url, str(exc)))
        else:
            written += 1
    return written, damaged


def _copies(store: db.Store, choice: pages.Choice) -> Iterator[pages.Copy]:
    with terminal.counting("pages") as (of, advance):
        with store.read() as conn:
            of(pages.count(conn, choice))
        after = 0
        while True:
            # Short transactions: a long one would keep SQLite's log from being shortened.
            with store.read() as conn:
                found = pages.copies(conn, choice, after=after, limit=_TOGETHER)
            if not found:
                return
            yield from found
            advance(len(found))
            after = found[-1].id


@contextmanager
def _replacing(file: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `file`, or of what it links to, once it is whole; a device or a pipe is written to as it is.
    Raises ConfigError if it cannot be written."""
    file = file.resolve()
    part = file if (stream := _is_stream(file)) else file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as opened:
            yield opened
            opened.flush()
            if not stream:
                os.fsync(opened.fileno())
        if not stream:
            part.replace(file)
    except OSError as exc:
        raise errors.ConfigError(f"cannot write {file}: {exc.strerror or exc}") from exc
    finally:
        if not stream:
            part.unlink(missing_ok=True)


def _is_stream(file: Path) -> bool:
    """Whether it is there and no file: a device, a pipe."""
    return file.exists() and not file.is_file() and not file.is_dir()
