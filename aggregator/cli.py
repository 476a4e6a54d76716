"""The commands: parse, call, print. No logic."""

import difflib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import TextColumn

from aggregator import (
    __version__,
    app,
    asking,
    checkup,
    clustering,
    comparing,
    config,
    daemon,
    diagnosis,
    errors,
    evidence,
    model,
    sourcing,
    terminal,
    walking,
)
from aggregator.store import db, health, items, trail
from aggregator.terminal import DEFAULT, SOME_FAILED, STOPPED, WRONG, ConfigFile, Json, err, out

cli = typer.Typer(
    name="aggregator",
    help="""Collects news from feeds into a SQL corpus.

Start with  [bold]aggregator check[/bold]  (is the configuration right?), then  [bold]aggregator run[/bold]  (the daemon) or
[bold]aggregator run --once[/bold]  (one round, for cron). Ask what came with  [bold]status[/bold],  [bold]search[/bold],  [bold]show[/bold],
or with any SQL client: the tables and views are described in docs/schema.md.

Exit codes: 0 done, 1 some sources failed, 2 wrong configuration or usage.""",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
db_commands = typer.Typer(help="The database: its schema and its health.", no_args_is_help=True)
config_commands = typer.Typer(help="The configuration files.", no_args_is_help=True)
cli.add_typer(db_commands, name="db")
cli.add_typer(config_commands, name="config")
cli.add_typer(sourcing.commands, name="sources")
cli.add_typer(evidence.export_commands, name="export")
cli.command("search")(asking.search_for)
cli.command()(asking.history)
cli.command()(asking.why)
cli.command()(comparing.diff)
cli.command("reextract")(evidence.reread)
cli.command("recluster")(clustering.place_again)

# Of more sources than these only those with news or trouble are shown.
_LONGEST_TABLE = 100
_COLOURS = {model.Outcome.FAILED: "red", model.Outcome.POSTPONED: "yellow"}


def main() -> None:
    """The console command: every expected mistake is one line and exit code 2."""
    try:
        cli()
    except errors.ConfigError as exc:
        for line in exc.lines:
            err.print(escape(line), style="red", soft_wrap=True, highlight=False)
        sys.exit(WRONG)
    except errors.AggregatorError as exc:
        err.print(escape(str(exc)), style="red", soft_wrap=True, highlight=False)
        sys.exit(WRONG)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(STOPPED)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"aggregator {__version__}", highlight=False)
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


# ------------------------------------------------------------------------------------------------------- collecting


@cli.command()
def run(
    config_file: ConfigFile = DEFAULT,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Poll what is due, fetch the articles that are due, stop. Exit code 1 if a source failed."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the daemon in the foreground: poll every source when it is due, fetch its articles, serve the page.

    Stop it with Ctrl-C or SIGTERM: what is under way is finished, within ten seconds; the rest is done after the next start.
    """
    settings = terminal.settings(config_file)
    if not once:
        daemon.run(
            settings,
            announce=lambda line: err.print(line, highlight=False, soft_wrap=True),
            reload=lambda: config.load(config_file, os.environ),
        )
        return
    _round(settings, None, harvests=True, exclusive=True, as_json=as_json)


@cli.command()
def poll(
    names: Annotated[list[str] | None, typer.Argument(help="Sources by name; all of them without.")] = None,
    config_file: ConfigFile = DEFAULT,
    as_json: Json = False,
) -> None:
    """Poll sources now, due or not, and show what came. May run beside the daemon.

    New items are stored at once; their articles are fetched by the daemon or by  run --once.
    """
    settings = terminal.settings(config_file)
    wanted = [source.name for source in _named(settings, names)]
    _round(settings, wanted, harvests=False, exclusive=False, as_json=as_json)


def _named(settings: config.Settings, names: Sequence[str] | None) -> list[config.SourceConfig]:
    """The enabled sources of these names, all without any. Raises ConfigError for a name that none has."""
    known = {source.name.casefold(): source for source in settings.sources if source.enabled}
    if unknown := [name for name in names or () if name.casefold() not in known]:
        near = difflib.get_close_matches(unknown[0], [source.name for source in known.values()], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise errors.ConfigError(f"no enabled source is called {unknown[0]!r}{hint}")
    return [known[name] for name in dict.fromkeys(map(str.casefold, names or known))]


def _round(
    settings: config.Settings, names: Sequence[str] | None, *, harvests: bool, exclusive: bool, as_json: bool
) -> None:
    polled: list[model.PollReport] = []
    harvested: list[model.HarvestReport] = []
    with _progress(len(names) if names is not None else None, harvests=harvests) as (on_poll, on_harvest):

        def on_polled(report: model.PollReport) -> None:
            polled.append(report)
            on_poll(report)

        def on_harvested(report: model.HarvestReport) -> None:
            harvested.append(report)
            on_harvest(report)

        observers = app.Observers(polled=on_polled, harvested=on_harvested)
        finished = daemon.once(settings, observers, names=names, harvests=harvests, exclusive=exclusive)
    polled.sort(key=lambda report: report.source_id)
    if as_json:
        terminal.as_json({"polls": [_poll_json(report) for report in polled], "harvests": _harvest_counts(harvested)})
    else:
        _poll_table(polled)
        _summary(polled, harvested, harvests=harvests)
    if not finished:
        raise typer.Exit(STOPPED)
    if any(report.outcome is model.Outcome.FAILED for report in polled):
        raise typer.Exit(SOME_FAILED)


@contextmanager
def _progress(
    total: int | None, *, harvests: bool
) -> Iterator[tuple[Callable[[model.PollReport], None], Callable[[model.HarvestReport], None]]]:
    with terminal.progress(TextColumn("{task.fields[last]}")) as bar:
        polls = bar.add_task("sources", total=total, last="")
        articles = bar.add_task("articles", total=None, last="", visible=harvests)
        yield (
            lambda report: bar.update(polls, advance=1, last=escape(report.source[:40])),
            lambda report: bar.update(articles, advance=1, last=escape(report.source[:40])),
        )


def _poll_table(polled: Sequence[model.PollReport]) -> None:
    table = terminal.Listing("source", "status", "entries>", "new>", "changed>", "time>", "next", "why")
    quiet = (model.Outcome.UNCHANGED, model.Outcome.NOT_MODIFIED)
    listed = [report for report in polled if len(polled) <= _LONGEST_TABLE or report.outcome not in quiet]
    for report in listed:
        colour = _COLOURS.get(report.outcome, "green")
        status = f"[{colour}]{escape(report.error or str(report.outcome))}[/{colour}]"
        table.add_row(
            escape(report.source),
            status,
            str(report.entries),
            str(report.new),
            str(report.changed),
            f"{report.took.total_seconds():.1f} s",
            f"{report.due.at:%m-%d %H:%M}" if report.due else "–",
            escape(report.due.reason if report.due else "the publisher says it is gone (410)"),
        )
    if listed:
        out.print(table)
    if hidden := len(polled) - len(listed):
        out.print(f"{hidden} sources without news are not listed", highlight=False)


def _summary(polled: Sequence[model.PollReport], harvested: Sequence[model.HarvestReport], *, harvests: bool) -> None:
    failed = sum(report.outcome is model.Outcome.FAILED for report in polled)
    new = sum(report.new for report in polled)
    changed = sum(report.changed for report in polled)
    out.print(f"{len(polled)} sources polled, {failed} failed; {new} new items, {changed} changed", highlight=False)
    if harvests:
        states = ", ".join(f"{count} {state}" for state, count in _harvest_counts(harvested).items())
        out.print(f"{len(harvested)} items visited{': ' if states else ''}{states}", highlight=False)
    elif new:
        out.print("their articles are fetched by the daemon, or by: aggregator run --once", highlight=False)


def _harvest_counts(harvested: Sequence[model.HarvestReport]) -> dict[str, int]:
    states = sorted({str(report.state) for report in harvested})
    return {state: sum(report.state == state for report in harvested) for state in states}


def _poll_json(report: model.PollReport) -> dict[str, Any]:
    told = {field.name: getattr(report, field.name) for field in fields(report)}
    due = {"at": report.due.at, "reason": report.due.reason} if report.due else None
    return told | {"took": round(report.took.total_seconds(), 3), "due": due}


@cli.command()
def backfill(
    name: Annotated[str, typer.Argument(help="The source.")],
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Back to this day, also through pages that bring nothing new."),
    ] = None,
    max_pages: Annotated[int, typer.Option(min=1, max=10_000, help="How many pages are asked for at most.")] = 150,
    config_file: ConfigFile = DEFAULT,
    as_json: Json = False,
) -> None:
    """Fetch what the feed of a source no longer shows: from its archive, its pages or, back to a date, the site's sitemaps.

    It stops at the first page with nothing new, or at  --since; the next call goes on where --max-pages or Ctrl-C has stopped it. May run
    beside the daemon, which fills the gaps that it notices by itself. Exit code 1 if it has to wait, as for a host that asks for it.
    """
    settings = terminal.settings(config_file)
    (source,) = _named(settings, [name])
    walked = walking.walk(settings, source.name, since=since, most_pages=max_pages)
    if as_json:
        terminal.as_json(walking.plain(walked))
    else:
        walking.show(out, walked)
    if not walked.finished:
        raise typer.Exit(STOPPED)
    if walked.waits:
        raise typer.Exit(SOME_FAILED)


# ----------------------------------------------------------------------------------------------------- configuration


@cli.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="With --live: sources by name; all of them without.")
    ] = None,
    config_file: ConfigFile = DEFAULT,
    live: Annotated[
        bool, typer.Option("--live", help="Ask every source what a poll would meet, and say what to do about it.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="With --live: all that was met, and hints for sources that are well."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the configuration: every mistake in one line with file and line number, exit code 2; nothing is started.

    With  --live  also its sources: names, certificates, redirects, validators, what the feeds hold, robots.txt for their pages. Nothing
    is stored and no database is needed; it may run beside the daemon. Exit code 1 if a poll of one would fail.
    """
    settings = terminal.settings(config_file)
    if live:
        _check_live(settings, names or (), verbose=verbose, as_json=as_json)
        return
    if names or verbose:
        raise errors.ConfigError("names of sources and --verbose are for: aggregator check --live")
    told = {
        "config": str(settings.path),
        "database": config.redact(settings.database),
        "sources": len(settings.sources),
        "enabled": sum(source.enabled for source in settings.sources),
        "topics": len(settings.taxonomy.topics),
        "page": settings.web.listen if settings.web else None,
    }
    if as_json:
        terminal.as_json(told)
        return
    out.print(f"{settings.path} is right", style="green", highlight=False)
    for key in ("database", "sources", "enabled", "topics", "page"):
        out.print(f"  {key}: {told[key] if told[key] is not None else 'off'}", highlight=False)


def _check_live(settings: config.Settings, names: Sequence[str], *, verbose: bool, as_json: bool) -> None:
    wanted = [source.name for source in _named(settings, names)]
    found: list[diagnosis.Diagnosis] = []
    with terminal.progress(TextColumn("{task.fields[last]}")) as bar:
        task = bar.add_task("sources", total=len(wanted), last="")

        def on_examined(one: diagnosis.Diagnosis) -> None:
            found.append(one)
            bar.update(task, advance=1, last=escape(one.met.name[:40]))

        finished = daemon.examine(settings, wanted if names else None, on_examined)
    found.sort(key=lambda one: wanted.index(one.met.name))
    if as_json:
        terminal.as_json({"sources": checkup.plain(found)})
    else:
        checkup.show(out, found, verbose=verbose or len(names) == 1)
    if not finished:
        raise typer.Exit(STOPPED)
    if any(one.verdict is diagnosis.Verdict.FAILED for one in found):
        raise typer.Exit(SOME_FAILED)


@config_commands.command("schema")
def config_schema() -> None:
    """Print a JSON Schema of the configuration, for editors that complete and check YAML."""
    terminal.as_json(config.schema())


# ----------------------------------------------------------------------------------------------------------- asking


@cli.command()
def status(config_file: ConfigFile = DEFAULT, as_json: Json = False) -> None:
    """Show every source with its health, those in trouble first, and how many items are in which state."""
    with terminal.reading(config_file) as store, store.read() as conn:
        rows, counts, reasons = health.rows(conn), items.counts(conn), items.reasons(conn)
    if as_json:
        why = [{"state": state, "reason": reason, "items": number} for (state, reason), number in reasons.items()]
        terminal.as_json({"items": dict(counts), "reasons": why, "sources": [dict(row) for row in rows]})
        return
    table = terminal.Listing("source", "state", "items>", "full text>", "waiting>", "last new", "next poll", "why")
    for row in rows:
        bad = row["state"] not in (model.SourceState.ACTIVE, model.SourceState.PAUSED)
        style = "red" if bad else "yellow" if row["health"] else "green"
        table.add_row(
            escape(row["name"]),
            f"[{style}]{', '.join(filter(None, [row['state'], row['health']]))}[/{style}]",
            str(row["items"]),
            str(row["items_ok"]),
            str(row["items_pending"]),
            terminal.when(row["last_new_at"]),
            terminal.when(row["next_poll_at"]),
            escape("\n".join(_why(dict(row)))),
        )
    out.print(table)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    out.print(f"{sum(counts.values())} items{': ' if told else ''}{told}", highlight=False)
    for (state, reason), number in reasons.items():
        out.print(f"  {number} {state}: {escape(reason)}", highlight=False)


def _why(row: Mapping[str, Any]) -> Iterator[str]:
    yield row["reason"] or row["due_reason"] or ""
    yield from filter(None, [row["advice"], row["health_reason"]])
    if row["push"]:
        yield f"push {row['push']}"
    if row["gap"]:
        yield f"gap: {row['gap']}"


@cli.command()
def show(
    item: Annotated[
        str, typer.Argument(metavar="ID|URL", help="As search and status print them, or the article's address.")
    ],
    config_file: ConfigFile = DEFAULT,
    as_json: Json = False,
) -> None:
    """Show all that is known of one item: where it was seen, its state and why, tags, copies, revisions, text."""
    with terminal.reading(config_file) as store, store.read() as conn:
        item_id = trail.find(conn, item)
        row, parts = trail.item(conn, item_id), trail.parts(conn, item_id)
    if as_json:
        terminal.as_json(dict(row) | {name: [dict(part) for part in rows] for name, rows in parts.items()})
        return
    out.print(escape(row["title"] or "(no title)"), style="bold", highlight=False)
    _facts(dict(row), {name: [dict(part) for part in rows] for name, rows in parts.items()})
    out.print()
    out.print(escape(row["body"] or row["description"] or "no text yet"), highlight=False, soft_wrap=True)


def _facts(row: Mapping[str, Any], parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    topics = [f"{tag['tag']} ({tag['origin']})" for tag in parts["tags"] if tag["kind"] != "keyword"]
    state = row["state"] + (f" – {row['state_reason']}" if row["state_reason"] else "")
    facts = {
        "id": row["id"],
        "address": row["external_url"],
        "also at": "; ".join(one["url"] for one in parts["addresses"] if one["url"] != row["external_url"]),
        "state": state,
        "next visit": terminal.when(row["next_visit_at"]) if row["next_visit_at"] else None,
        "published": f"{terminal.when(row['date'])} UTC ({row['date_source']}: {row['date_raw']})",
        "authors": ", ".join(row["authors"]),
        "language": row["language"],
        "text by": f"{row['extractor']}, {row['word_count']} words" if row["extractor"] else None,
        "seen in": "; ".join(
            f"{one['source']} since {terminal.when(one['first_seen_at'])}" for one in parts["sightings"]
        ),
        "tags": ", ".join(topics),
        "keywords": ", ".join(row["keywords"]),
        "copies": "; ".join(f"{one['source']}: {one['url']} ({one['id']})" for one in parts["copies"]),
        "contains": "; ".join(_related(row["id"], parts["related"], whole=True)),
        "part of": "; ".join(_related(row["id"], parts["related"], whole=False)),
        "revisions": "; ".join(
            f"{terminal.when(one['at'])} {one['origin']} +{one['added']} -{one['removed']} words"
            for one in parts["revisions"]
        ),
        "attached": "; ".join(f"{one['url']} ({one['type'] or 'unknown type'})" for one in parts["enclosures"]),
    }
    for name, value in facts.items():
        if value not in (None, ""):
            out.print(f"[bold]{name:>10}[/bold]  {escape(str(value))}", highlight=False, soft_wrap=True)


def _related(item_id: int, related: Sequence[Mapping[str, Any]], *, whole: bool) -> Iterator[str]:
    """The parts of an item, or the pages that it is part of."""
    for one in related:
        ours, other = ("first", "second") if one["first_id"] == item_id else ("second", "first")
        in_other, in_ours = (one["kept"], one["taken"]) if ours == "first" else (one["taken"], one["kept"])
        if one["relation"] == "contains" and (in_ours > in_other) == whole:
            yield f"{one[f'{other}_source']}: {one[f'{other}_url']} ({one[f'{other}_id']})"


# --------------------------------------------------------------------------------------------------------- database


@db_commands.command("upgrade")
def db_upgrade(config_file: ConfigFile = DEFAULT) -> None:
    """Bring the schema to this program's version. The daemon does it by itself at start."""
    store = db.Store(terminal.settings(config_file).database)
    before, after = store.upgrade()
    store.close()
    done = "is at" if before == after else f"upgraded from {before or 'nothing'} to"
    out.print(f"database {store}: schema {done} {after}", highlight=False, soft_wrap=True)


@db_commands.command("check")
def db_check(
    config_file: ConfigFile = DEFAULT,
    full: Annotated[
        bool, typer.Option("--full", help="Read and verify every page and index of a SQLite file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that the database can be read, has the right schema and is not damaged; exit code 2 if not."""
    store = terminal.existing(terminal.settings(config_file))
    problems = store.check(full=full)
    store.close()
    if as_json:
        terminal.as_json({"database": str(store), "well": not problems, "problems": problems})
    for problem in () if as_json else problems:
        err.print(escape(problem), style="red", highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(WRONG)
    if not as_json:
        out.print(f"database {store} is well", style="green", highlight=False, soft_wrap=True)
