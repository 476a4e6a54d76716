"""A backfill by hand on the terminal: what is seen of it while it walks, and the table of what came."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import TextColumn

from aggregator import app, backfill, config, daemon, terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What a walk came to; not `finished` where a signal has ended it."""

    source: str
    pages: tuple[backfill.Report, ...]
    finished: bool

    @property
    def waits(self) -> bool:
        """Whether it has to go on another time."""
        return any(page.waits for page in self.pages)

    @property
    def new(self) -> int:
        return sum(page.new for page in self.pages)

    @property
    def said(self) -> str:
        """Why it ended."""
        return next((page.said for page in reversed(self.pages) if page.said), "")


def walk(settings: config.Settings, name: str, *, since: datetime | None, most_pages: int) -> Walked:
    """Walk back through what the feed of `name` no longer shows, with a progress bar. Raises NotFoundError, ConflictError."""
    pages: list[backfill.Report] = []
    with terminal.progress(TextColumn("{task.fields[last]}")) as bar:
        task = bar.add_task("pages", total=most_pages, last="")

        def on_page(page: backfill.Report) -> None:
            pages.append(page)
            back = f", back to {page.oldest:%Y-%m-%d}" if page.oldest is not None else ""
            bar.update(task, advance=1, last=f"{sum(page.new for page in pages):,} new{back}")

        finished = daemon.walk_back(
            settings,
            app.Observers(backfilled=on_page),
            name,
            since=terminal.from_day(since),
            most_pages=most_pages,
        )
    return Walked(source=name, pages=tuple(pages), finished=finished)


def plain(walked: Walked) -> Mapping[str, Any]:
    """For programs."""
    told = {"source": walked.source, "new": walked.new, "result": walked.said, "waits": walked.waits}
    return told | {"pages": [asdict(page) for page in walked.pages if page.url]}


def show(out: Console, walked: Walked) -> None:
    """One line for each page that was asked for, and why it ended."""
    table = terminal.table("way", "page>", "entries>", "new>", "back to", "address")
    for page in walked.pages:
        if not page.url:
            continue
        table.add_row(
            page.method or "feed",
            str(page.page),
            str(page.entries),
            str(page.new),
            terminal.when(page.oldest),
            escape(page.url if page.error_code is None else f"{page.url}: {page.said}"),
        )
    out.print(table)
    items = "item" if walked.new == 1 else "items"
    out.print(f"{walked.new:,} new {items}; {escape(walked.said)}", highlight=False, soft_wrap=True)
    if walked.new:
        out.print("their articles are fetched by the daemon, or by: aggregator run --once", highlight=False)
