"""A live check on the terminal, in lines and in JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape

from aggregator import cadence, findings, terminal
from aggregator.diagnosis import Access, Conditional, Diagnosis, Document, Met, Step, Verdict
from aggregator.net import decode

COLOURS = {Verdict.FAILED: "red", Verdict.POSTPONED: "yellow", Verdict.WARNING: "yellow", Verdict.WELL: "green"}
_CONDITIONAL = {
    Conditional.WORKS: "work: asked whether the feed has changed, the server says 304",
    Conditional.IGNORED: "are ignored: the server sends the whole document again",
    Conditional.CHANGED: "change with every request: the server sends the whole document again",
    Conditional.ABSENT: "none: every poll carries the whole document",
    Conditional.FAILED: "the server fails when they are sent back",
}
_ORDER = list(Verdict)


def worst_first(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Those that failed, those with warnings, those that are well; otherwise in their order."""
    return sorted(found, key=lambda one: _ORDER.index(one.verdict))


def show(out: Console, found: Sequence[Diagnosis], *, verbose: bool) -> None:
    """A table with a line for each and what to do about those that are not well; `verbose`, all that was met at each."""
    if len(found) != 1:
        out.print(_table(found))
    for one in worst_first(found) if verbose else ():
        out.print()
        for line in trail(one):
            out.print(line, highlight=False, soft_wrap=True)
    if not verbose:
        out.print()
        for line in paragraphs(found):
            out.print(line, highlight=False, soft_wrap=True)
    out.print()
    out.print(summary(found, verbose=verbose), highlight=False, soft_wrap=True)


def _table(found: Sequence[Diagnosis]) -> terminal.Listing:
    table = terminal.Listing("source", "verdict", "status>", "feed", "entries>", "newest>", "time>", "why", clip=True)
    for one in worst_first(found):
        met, document, colour = one.met, one.met.document, COLOURS[one.verdict]
        status = met.last.status if met.last else None
        table.add_row(
            escape(met.name),
            f"[{colour}]{one.verdict}[/{colour}]",
            str(status or "–"),
            escape(document.kind) if document else "–",
            str(document.entries) if document else "–",
            newest(met),
            f"{_took(met).total_seconds():.1f} s",
            escape(_why(one)),
        )
    return table


def newest(met: Met) -> str:
    """How old the newest entry is."""
    if met.document is None or met.document.newest_at is None:
        return "–"
    passed = met.at - met.document.newest_at
    return findings.age(passed) if passed > timedelta(0) else "now"


def _why(one: Diagnosis) -> str:
    """The error; or the warnings, a word or two for each: the rest stands below the table."""
    if one.met.error is not None:
        return one.met.error
    return ", ".join(each.code.replace("_", " ") for each in one.advice if each.weight is not Verdict.WELL)


def _took(met: Met) -> timedelta:
    return sum((step.took or timedelta(0) for step in met.steps), timedelta(0))


def paragraphs(found: Sequence[Diagnosis]) -> Iterator[str]:
    """What to do about each source that failed or has warnings; those of which the same is to be said stand together."""
    alike: dict[tuple[str | None, ...], list[Diagnosis]] = {}
    for one in worst_first(found):
        if one.verdict not in (Verdict.WELL, Verdict.POSTPONED):
            alike.setdefault((one.met.error, *(each.text for each in one.advice)), []).append(one)
    for (error, *advice), group in alike.items():
        for one in group:
            colour = COLOURS[one.verdict]
            yield f"[{colour}]{escape(one.met.name)}[/{colour}]  {escape(one.met.url)}"
        if error is not None:
            yield f"  {escape(error)}"
        yield from (f"  → {escape(text or '')}" for text in advice)


def summary(found: Sequence[Diagnosis], *, verbose: bool) -> str:
    """How many are how, in a line."""
    counts = {verdict: sum(one.verdict is verdict for one in found) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    hinted = sum(one.verdict is Verdict.WELL and bool(one.advice) for one in found)
    more = f"; hints for {hinted} that are well: --verbose" if hinted and not verbose else ""
    if counts[Verdict.POSTPONED] and not verbose:
        more += "; what is postponed is asked all the same when it is named"
    return f"{len(found)} {'source' if len(found) == 1 else 'sources'} checked{': ' if told else ''}{told}{more}"


# ------------------------------------------------------------------------------------------------------- one source


def trail(one: Diagnosis) -> Iterator[str]:
    """All that was met at one source, as lines of a name and what is said of it."""
    met = one.met
    colour = COLOURS[one.verdict]
    yield f"[bold]{escape(met.name)}[/bold]  [{colour}]{one.verdict}[/{colour}]"
    told = [*_addresses(met), *_steps(met), *_answer(met)]
    if met.document is not None:
        told += [*_document(met, met.document), *_asked(met), *_pages(met)]
    if met.error is not None:
        told.append(("fails with", f"{met.error} ({met.error_code})"))
    if met.retry_after is not None:
        told.append(("", f"not to be asked before {met.retry_after:%Y-%m-%d %H:%M} UTC (Retry-After)"))
    told += [("advice" if not n else "", each.text) for n, each in enumerate(one.advice)]
    yield from (f"[bold]{name:>12}[/bold]  {escape(said)}" for name, said in told)


_Lines = Iterator[tuple[str, str]]


def _addresses(met: Met) -> _Lines:
    yield "source", met.url
    if met.addresses:
        each = (one.address + (f" (refused: {one.refused})" if one.refused else "") for one in met.addresses)
        yield "addresses", ", ".join(each)


def _steps(met: Met) -> _Lines:
    for number, step in enumerate(met.steps, 1):
        yield f"request {number}", f"{step.url} → {_said(step)}"
        if step.status is not None and (after := step.headers.get("location")):
            yield "", f"{'moved for good' if step.permanent else 'sent on for now'} to {after}"
        if step.tls is not None:
            left = step.tls.until - met.at
            ends = f"until {step.tls.until:%Y-%m-%d}, {left.days} days"
            yield "", f"{step.tls.version}, certificate by {step.tls.issuer} {ends}"


def _said(step: Step) -> str:
    if step.status is None:
        return "no answer"
    times = [f"first byte after {_seconds(step.first_byte)}", f"all after {_seconds(step.took)}"]
    where = f" from {step.address}" if step.address else ""
    return f"HTTP {step.status}{where}, {', '.join(times)}"


def _seconds(passed: timedelta | None) -> str:
    if passed is None:
        return "no end"
    seconds = passed.total_seconds()
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _answer(met: Met) -> _Lines:
    step = met.last
    if step is None or step.status is None:
        return
    if step.bytes:
        coding = step.headers.get("content-encoding", "uncoded")
        yield "document", f"{decode.size(step.wire_bytes)} on the wire ({coding}), {decode.size(step.bytes)} decoded"
    for header in ("content-type", "server", "retry-after"):
        if header in step.headers:
            yield header.replace("-", " "), step.headers[header]
    if met.conditional is not None:
        names = {"ETag": met.validators.etag, "Last-Modified": met.validators.last_modified}
        which = ", ".join(f"{name} {value}" for name, value in names.items() if value)
        said = met.conditional_said or _CONDITIONAL[met.conditional]
        yield "validators", f"{which}; {said}" if which else said


def _document(met: Met, found: Document) -> _Lines:
    yield "feed", f"{found.kind}" + (f": {found.title}" if found.title else "")
    yield (
        "entries",
        f"{found.entries}, of which {found.with_guid} with a guid, {found.with_date} with a date, {found.with_link} with a link",
    )
    if not found.entries:
        return
    when = f"{found.newest_at:%Y-%m-%d %H:%M} UTC ({newest(met)} ago)" if found.newest_at else "undated"
    yield "newest", f"{when}: {found.newest_title or 'without a title'}"
    visits = f"the pages of {found.pages} would be visited" if found.pages else "no page would be visited"
    yield "full text", f"{found.words} words in the middle one; {visits}"


def _asked(met: Met) -> _Lines:
    if met.wishes:
        yield "publisher", "; ".join(met.wishes)
    if met.rhythm:
        yield "polled", met.rhythm
    found = met.document
    if found is not None and found.hubs:
        yield "WebSub", f"{', '.join(found.hubs)} for {found.topic or 'no topic'}"
    if met.skew is not None:
        yield "clock", f"{cadence.words(abs(met.skew))} {'ahead' if met.skew > timedelta(0) else 'behind'}"


def _pages(met: Met) -> _Lines:
    if met.pages is None:
        return
    delay = f", {met.pages.crawl_delay:g} s apart" if met.pages.crawl_delay else ""
    said = f"allowed{delay}" if met.pages.access is Access.ALLOWED else f"{met.pages.access}: {met.pages.reason}"
    yield "robots.txt", f"{met.pages.url} {said}"


# -------------------------------------------------------------------------------------------------------------- JSON


def plain(value: Any) -> Any:
    """`value` for JSON: dataclasses as mappings, durations in seconds."""
    if isinstance(value, Diagnosis):
        return {"verdict": str(value.verdict), **plain(value.met), "advice": plain(value.advice)}
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, timedelta):
        return round(value.total_seconds(), 3)
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return dict(value) if isinstance(value, dict) else value
