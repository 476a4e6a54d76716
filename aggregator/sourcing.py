"""The commands about the sources in the configuration: which there are, and one more found by the address of its site."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.markup import escape
from rich.status import Status

from aggregator import config, daemon, discovery, errors, findings, markup, terminal
from aggregator.config import append
from aggregator.feed.discover import How
from aggregator.terminal import DEFAULT, SOME_FAILED, STOPPED, ConfigFile, Json, err, out

# Some feeds call themselves by a whole sentence, to be found by search engines.
_LONGEST_NAME = 80

commands = typer.Typer(help="The sources in the configuration: list them, add one.", no_args_is_help=True)


@commands.command("list")
def list_sources(config_file: ConfigFile = DEFAULT, as_json: Json = False) -> None:
    """List the configured sources as the files name them; no database is needed. How they do is told by  aggregator status."""
    settings = terminal.settings(config_file, empty=True)
    if as_json:
        # Headers, cookies and passwords are nobody's business.
        told = ("name", "url", "category", "enabled", "language", "tags", "websub", "full_text")
        terminal.as_json([{key: getattr(source, key) for key in told} for source in settings.sources])
        return
    table = terminal.table("source", "category", "enabled", "url")
    for source in settings.sources:
        table.add_row(
            escape(source.name), escape(source.category or "–"), "yes" if source.enabled else "no", escape(source.url)
        )
    out.print(table)
    files = ", ".join(config.shown(path) for path in append.source_files(settings))
    out.print(f"{len(settings.sources)} sources in {files}", highlight=False, soft_wrap=True)


@commands.command("add")
def add_source(
    url: Annotated[str, typer.Argument(help="The address of a site, of one of its pages, or of the feed itself.")],
    config_file: ConfigFile = DEFAULT,
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it; without, as the feed calls itself.")
    ] = None,
    category: Annotated[str | None, typer.Option("--category", help="The category of the source.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Which of several files of sources it goes into; without, the first.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take the best of the feeds without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Find the feed of a page and add it to the file of sources, whose comments and layout stay as they are.

    Looks at what the page names as its feeds, what its platform (WordPress, YouTube, Medium, …) is known for, its links and the usual
    places, asks for each and shows those that are feeds. On a terminal you choose; otherwise  --yes  takes the best. A running daemon
    takes the new source up by itself. Exit code 1 if there is no feed, 2 if the source is known already.
    """
    settings = terminal.settings(config_file, empty=True)
    target = _target(settings, file)
    address = append.address(url)
    append.refuse_known(settings, {"url": address} | ({"name": name} if name else {}))
    found = _found(settings, address, quiet=as_json)
    if not found.offers:
        _say_none(found)
        raise typer.Exit(SOME_FAILED)
    if not as_json:
        _show(settings, found)
    offer = _chosen(found, yes=yes, ask=not as_json and sys.stdin.isatty() and err.is_terminal)
    item = {"name": name or _title(found, offer), "url": offer.url} | ({"category": category} if category else {})
    place = append.add(settings, item, target, lambda: config.load(config_file, os.environ))
    if as_json:
        terminal.as_json({"added": item | {"place": place}, "feeds": [_plain(one) for one in found.offers]})
    else:
        said = f"added {item['name']!r}, {item['url']}, in {place}; a running daemon takes it up by itself"
        out.print(escape(said), style="green", highlight=False, soft_wrap=True)


def _say_none(found: discovery.Found) -> None:
    """That there is no feed, with what might have been one."""
    none = "what it might have as feeds is none" if found.failed else "it names none"
    why = found.error or f"{none}, and there is none in the usual places"
    err.print(f"no feed found at {escape(found.url)}: {escape(why)}", style="red", highlight=False, soft_wrap=True)
    for tried, said in found.failed:
        err.print(f"  {escape(tried)}: {escape(said)}", highlight=False, soft_wrap=True)


def _title(found: discovery.Found, offer: discovery.Offer) -> str:
    return markup.line(offer.document.title or found.title or urlsplit(offer.url).hostname or offer.url, _LONGEST_NAME)


def _target(settings: config.Settings, file: Path | None) -> Path:
    files = append.source_files(settings)
    if file is None:
        return files[0]
    for known in files:
        if known.resolve() == file.resolve():
            return known
    raise errors.ConfigError(f"--file: {file} is none of the files of sources: {', '.join(map(config.shown, files))}")


def _found(settings: config.Settings, url: str, *, quiet: bool) -> discovery.Found:
    with Status("", console=err) as status:
        if quiet:
            status.stop()
        found = daemon.discover(settings, url, lambda asked: status.update(escape(f"asking {asked}")))
    if found is None:
        raise typer.Exit(STOPPED)
    return found


def _show(settings: config.Settings, found: discovery.Found) -> None:
    known = {config.same_url(source.url): source.name for source in settings.sources}
    table = terminal.table("no>", "title", "kind", "entries>", "newest>", "found", "url")
    for number, offer in enumerate(found.offers, 1):
        document, name = offer.document, known.get(config.same_url(offer.url))
        how = (
            ("comments, " if offer.comments else "") + offer.how.words + (f"; already added as {name}" if name else "")
        )
        table.add_row(
            str(number), escape(document.title or "–"), escape(document.kind), str(document.entries), _age(document.newest_at),
            escape(how), escape(offer.url),
        )  # fmt: skip
    out.print(table)


def _age(at: datetime | None) -> str:
    if at is None:
        return "–"
    passed = datetime.now(UTC) - at
    return findings.age(passed) if passed > timedelta(0) else "now"


def _chosen(found: discovery.Found, *, yes: bool, ask: bool) -> discovery.Offer:
    """The one to be added. Raises ConfigError where nobody can be asked."""
    best = found.offers[0]
    if yes or (best.how is How.GIVEN and len(found.offers) == 1):
        return best
    if not ask:
        listed = [
            f"{one.url}  ({one.document.kind}, {one.document.entries} entries, {one.how.words})" for one in found.offers
        ]
        raise errors.ConfigError(lines=("choose a feed by its own address, or take the first with --yes:", *listed))
    numbers = {str(number): one for number, one in enumerate(found.offers, 1)}
    while True:
        answer = typer.prompt("Which one? (0 for none)", default="1", err=True).strip()
        if answer in numbers:
            return numbers[answer]
        if answer == "0":
            raise typer.Exit


def _plain(offer: discovery.Offer) -> dict[str, Any]:
    document = offer.document
    told = ("title", "kind", "entries", "newest_at")
    return {"url": offer.url, "how": offer.how.name.lower(), "comments": offer.comments} | {
        key: getattr(document, key) for key in told
    }
