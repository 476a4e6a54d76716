"""Duplicates on the command line: items placed again by the present rules."""

from contextlib import closing, suppress
from typing import Annotated

import typer

from aggregator import recluster, reextract, terminal
from aggregator.dedup import fingerprint
from aggregator.evidence import Since, Sources, Where
from aggregator.terminal import DEFAULT, SOME_FAILED, STOPPED, ConfigFile, Json, out


def place_again(
    *,
    source: Sources = None,
    state: Annotated[str | None, typer.Option(help="Only items in this state, such as ok or feed_only.")] = None,
    since: Since = None,
    where: Where = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what the present rules have placed.")] = False,
    config_file: ConfigFile = DEFAULT,
    as_json: Json = False,
) -> None:
    """Find the place of items among the others anew: their fingerprints, clusters and matches, by the present rules.

    It may run beside the daemon. What was stopped goes on at the next call (without --all), for what the present rules have placed is
    skipped. Exit code 1 if an item was in the daemon's hands.
    """
    settings = terminal.settings(config_file)
    choice = reextract.chosen(settings, source or (), state=state, since=terminal.from_day(since), where=where)
    placed: list[int] = []
    busy: int | None = None
    store = terminal.existing(settings)
    with closing(store), suppress(KeyboardInterrupt), terminal.counting("items") as (of, advance):

        def on_placed(count: int) -> None:
            placed.append(count)
            advance(count)

        store.require_schema()
        reextract.check(store, choice)
        busy = recluster.Reclusterer(store=store, begun=of, observe=on_placed).run(choice, everything=everything)
    done = sum(placed)
    if as_json:
        terminal.as_json({"algo": fingerprint.ALGO, "finished": busy is not None, "placed": done, "busy": busy or 0})
    else:
        rest = f", {busy:,} busy" if busy else ""
        out.print(f"{done:,} items placed by rules {fingerprint.ALGO}{rest}", highlight=False)
    if busy is None:
        raise typer.Exit(STOPPED)
    if busy:
        raise typer.Exit(SOME_FAILED)
