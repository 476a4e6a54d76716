"""The kept pages on the command line: read anew by the present engine, and written out for other tools."""

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aggregator import daemon, reextract, terminal
from aggregator.terminal import DEFAULT, SOME_FAILED, STOPPED, ConfigFile, Json, err, out

Sources = Annotated[list[str] | None, typer.Option("--source", help="Only items of this source; may be given again.")]
Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only items published on this day or later.")
]


def reread(
    *,
    source: Sources = None,
    state: Annotated[str | None, typer.Option(help="Only items in this state, such as ok or blocked.")] = None,
    since: Since = None,
    extractor: Annotated[
        str | None, typer.Option(help="Only texts of an extractor whose name begins so, such as 'trafilatura 2.0'.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also texts that the present extractor has made.")] = False,
    config_file: ConfigFile = DEFAULT,
    as_json: Json = False,
) -> None:
    """Read the kept pages anew with the present extractor: texts, tags and clusters follow; a text that is another now is a revision
    of origin  reextract.

    Nobody is asked, nothing is fetched, and it may run beside the daemon. What was stopped goes on at the next call, for what the
    present extractor has made is skipped. Exit code 1 if a copy could not be read, or an item was in the daemon's hands.
    """
    settings = terminal.settings(config_file)
    begins = since.replace(tzinfo=UTC) if since is not None else None
    choice = reextract.chosen(settings, source or (), state=state, since=begins, extractor=extractor)
    begun: list[reextract.Begun] = []
    done: list[reextract.Reread] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as bar:
        task = bar.add_task("pages", total=None)

        def on_begun(one: reextract.Begun) -> None:
            begun.append(one)
            bar.update(task, total=one.total)

        def on_reread(one: reextract.Reread) -> None:
            done.append(one)
            bar.update(task, advance=1)

        busy = daemon.reread(settings, choice, on_begun, on_reread, everything=everything)
    counts = _counts(done) | {"busy": busy or 0}
    if as_json:
        told = {"extractor": begun[0].engine if begun else None, "finished": busy is not None, **counts}
        terminal.as_json(told | {"items": [asdict(one) for one in done if one.revised or one.error]})
    else:
        said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "revised")
        out.print(f"{len(done):,} pages read by {begun[0].engine if begun else 'nobody'}: {said}", highlight=False)
    if busy is None:
        raise typer.Exit(STOPPED)
    if busy or counts["failed"]:
        raise typer.Exit(SOME_FAILED)


def _counts(done: list[reextract.Reread]) -> dict[str, int]:
    """How many are revised, unchanged, kept as they were, failed."""

    def kind(one: reextract.Reread) -> str:
        return "failed" if one.error else "kept" if one.kept else "revised" if one.revised else "unchanged"

    found = Counter(map(kind, done))
    return {name: found[name] for name in ("revised", "unchanged", "kept", "failed")}
