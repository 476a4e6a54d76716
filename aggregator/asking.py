"""Articles on the terminal: `search` finds them, `history` shows their versions with what changed, `why` every step from feed to cluster."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.text import Text

from aggregator import errors, fate, markup, model, terminal, worddiff
from aggregator.feed import identity
from aggregator.store import journeys, search
from aggregator.terminal import DEFAULT, ConfigFile, Json, Reference, out

# So many words around a change are shown; what lies between is left out.
_CONTEXT = 8
_STYLES = {worddiff.ADDED: "green", worddiff.REMOVED: "red strike"}
# As wdiff and git write them, where there are no colours.
_BRACKETS = {worddiff.ADDED: ("{+", "+}"), worddiff.REMOVED: ("[-", "-]")}
# What the log of changes tells of an item and no version does.
_HAPPENED = ("address", "vanished", "moved", "paywalled", "returned")


def search_for(
    words: Annotated[list[str], typer.Argument(help='All must occur; "a phrase", this or that, -without.')],
    config_file: ConfigFile = DEFAULT,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="Only what was seen in this one; may be repeated."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was published on this day or later.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    as_json: Json = False,
) -> None:
    """Search titles, summaries and texts."""
    begins = terminal.from_day(since)
    with terminal.reading(config_file) as store, store.read() as conn:
        hits = search.search(conn, " ".join(words), limit=limit, sources=source or (), since=begins)
    if as_json:
        terminal.as_json([asdict(hit) for hit in hits])
        return
    if not hits:
        where = f" in {' or '.join(source)}" if source else ""
        out.print(escape(f"nothing{where} has all of these words"), highlight=False)
        return
    table = terminal.table("id>", "published", "source", "title", "where")
    for hit in hits:
        table.add_row(
            str(hit.id), terminal.when(hit.published_at), escape(hit.source), escape(hit.title), escape(hit.excerpt)
        )
    out.print(table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version, with what changed in which of its fields."""

    at: datetime
    origin: str
    what: str | None
    title: str
    added: int
    removed: int
    words: int
    diffs: tuple[tuple[str, tuple[worddiff.Part, ...]], ...] = ()


def history(item: Reference, config_file: ConfigFile = DEFAULT, as_json: Json = False) -> None:
    """Show the versions of an article: when each was first seen, whether its feed or its page changed, and the words that came and went.

    New words are green and removed ones red; without colours they stand as {+new+} and [-removed-]. What else became of its page
    (vanished, moved, behind a paywall, returned) stands between them.
    """
    with terminal.reading(config_file) as store, store.read() as conn:
        item_id = journeys.find(conn, item)
        rows, told = journeys.versions(conn, item_id), journeys.happenings(conn, item_id)
        facts = journeys.item(conn, item_id)["item"]
    events = [dict(one) for one in told if one["kind"] in _HAPPENED]
    versions = _versions([dict(row) for row in rows])
    if as_json:
        terminal.as_json(
            {"id": item_id, "url": facts["url"], "title": facts["title"]}
            | {"versions": [_plain(one) for one in versions], "events": events}
        )
        return
    out.print(escape(facts["title"] or "(no title)"), style="bold", highlight=False)
    out.print(escape(f"{facts['url'] or 'no address'} ({item_id})"), highlight=False, soft_wrap=True)
    for _, _, shown in sorted(
        [(one.at, 0, list(_shown(one, n))) for n, one in enumerate(versions, 1)]
        + [(one["at"], 1, [Text(_event(one), style="yellow")]) for one in events],
        key=lambda entry: entry[:2],
    ):
        out.print()
        for line in shown:
            out.print(line, highlight=False, soft_wrap=True)
    if len(versions) == 1:
        out.print("\nit has not changed since", highlight=False)


def _versions(rows: Sequence[Mapping[str, Any]]) -> list[Version]:
    versions: list[Version] = []
    before: dict[str, str] | None = None
    for row in rows:
        now = {name: row[name] or "" for name in ("title", "summary", "text")}
        kept = before["content"] if before else ""
        now["content"] = markup.text(row["content"]) if row["content"] is not None else kept
        versions.append(
            Version(
                at=row["at"],
                origin=row["origin"],
                what=row["what"],
                title=row["title"],
                added=row["added"],
                removed=row["removed"],
                words=markup.count_words(now["text"]),
                diffs=tuple(_differences(before, now)) if before else (),
            )
        )
        before = now
    return versions


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, tuple[worddiff.Part, ...]]]:
    for name in ("title", "summary", "content", "text"):
        # A text made of the feed's content says the same once more.
        if before[name].split() != now[name].split() and not (name == "content" and before["text"] != now["text"]):
            yield name, worddiff.parts(before[name], now[name])


def _plain(version: Version) -> dict[str, Any]:
    told = {name: getattr(version, name) for name in ("at", "origin", "what", "title", "added", "removed", "words")}
    diffs = {name: [{"op": part.op, "text": part.text} for part in parts] for name, parts in version.diffs}
    return told | {"diffs": diffs}


def _shown(version: Version, number: int) -> Iterator[Text]:
    changed = f"+{version.added} −{version.removed} words" if number > 1 else f"{version.words} words"
    by = {"feed": "its feed", "page": "its page", "reextract": "read anew by us"}.get(version.origin, "first seen")
    what = version.what if version.what not in (None, "first") else "first version"
    yield Text(f"{number}  {terminal.when(version.at)} UTC  {what}, {by}  {changed}", style="bold")
    for name, parts in version.diffs:
        yield Text.assemble((f"   {name:<8} ", "dim"), *_diff(parts))


def _diff(parts: Sequence[worddiff.Part]) -> Iterator[tuple[str, str]]:
    """The changes with some words around them."""
    colours = out.color_system is not None and out.is_terminal
    for place, part in enumerate(parts):
        text = " ".join(part.text.split("\n" if part.op == worddiff.SAME else None))
        if part.op == worddiff.SAME:
            yield _around(text, first=place == 0, last=place == len(parts) - 1), ""
        elif colours:
            yield f"{text} ", _STYLES[part.op]
        else:
            opens, closes = _BRACKETS[part.op]
            yield f"{opens}{text}{closes} ", ""


def _around(text: str, *, first: bool, last: bool) -> str:
    words = text.split()
    head = [] if first else words[:_CONTEXT]
    tail = [] if last else words[max(len(head), len(words) - _CONTEXT) :]
    left_out = len(words) > len(head) + len(tail)
    return " ".join([*head, *(["…"] if left_out else []), *tail]) + " "


def _event(one: Mapping[str, Any]) -> str:
    return f"–  {terminal.when(one['at'])} UTC  {one['kind']}" + (f": {one['detail']}" if one["detail"] else "")


# ---------------------------------------------------------------------------------------------------------------- why


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step on the way of an address: `well` is False where it stopped, None where it waits."""

    name: str
    said: tuple[str, ...]
    well: bool | None = True


def why(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of an article, or the id of an item.")],
    config_file: ConfigFile = DEFAULT,
    as_json: Json = False,
) -> None:
    """Show the trail of one address: by which source it was discovered and how, the visits to its page, what was read there, and its
    cluster; or where it stopped, and why.

    Of an address that is not in the corpus: which of the configured sources would carry it, and how they are.
    """
    with terminal.reading(config_file) as store, store.read() as conn:
        try:
            found = journeys.item(conn, journeys.find(conn, url))
        except errors.NotFoundError:
            near = [dict(row) for row in journeys.carriers(conn, url)]
            gaps = [dict(row) for row in journeys.gaps_around(conn, [row["name"] for row in near])]
            steps, verdict = _unknown(url, near, gaps)
            told: dict[str, Any] = {"known": False, "url": url, "sources": near, "gaps": gaps}
        else:
            steps, verdict = _steps(found), _verdict(found["item"])
            told = {"known": True} | {name: _rows(value) for name, value in found.items()}
    if as_json:
        said = [{"step": step.name, "well": step.well, "said": list(step.said)} for step in steps]
        terminal.as_json(told | {"steps": said, "verdict": verdict})
        return
    for step in steps:
        colour = {True: "green", False: "red", None: "yellow"}[step.well]
        for n, line in enumerate(step.said):
            name = f"[{colour}]{step.name:>11}[/{colour}]" if n == 0 else " " * 11
            out.print(f"{name}  {escape(line)}", highlight=False, soft_wrap=True)
    out.print(f"\n{escape(verdict)}", style="bold", highlight=False, soft_wrap=True)


def _rows(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return [dict(row) for row in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


def _steps(found: Mapping[str, Any]) -> list[Step]:
    item = found["item"]
    steps = [Step(name="discovered", said=tuple(_discovered(found))), Step(name="polled", said=tuple(_polled(found)))]
    waiting = item["state"] == model.ItemState.PENDING
    read = item["state"] in model.SETTLED
    missed = fate.in_vain(item["state_reason"]) is not None
    well = None if waiting or (read and missed) else read
    steps.append(Step(name="visited", said=tuple(_visited(found)), well=well))
    if item["extractor"]:
        by = "the feed's own text" if item["extractor"] == "feed" else item["extractor"]
        versions = f"; {found['versions']} versions: aggregator history {item['id']}" if found["versions"] else ""
        said = [f"{item['word_count']} words by {by}{versions}"]
        if apart := markup.count_words(item["boilerplate"] or ""):
            said.append(f"{apart} words that other articles of its source have too are kept apart (items.boilerplate)")
        steps.append(Step(name="extracted", said=tuple(said), well=read))
    if read:
        steps.append(Step(name="clustered", said=tuple(_clustered(found))))
    told = [_event(one).removeprefix("–  ") for one in found["changes"] if one["kind"] in _HAPPENED]
    return [*steps, *([Step(name="since then", said=tuple(told), well=None)] if told else [])]


_HOW = {
    model.DiscoveredBy.FEED: "by a poll of its feed",
    model.DiscoveredBy.PUSH: "pushed by a hub",
    model.DiscoveredBy.ARCHIVE: "by backfill, in the feed's archive",
    model.DiscoveredBy.NEXT_URL: "by backfill, on a further page of the feed",
    model.DiscoveredBy.PAGED: "by backfill, on an older page of the feed",
    model.DiscoveredBy.SITEMAP: "by backfill, in a sitemap of the site",
}


def _discovered(found: Mapping[str, Any]) -> Iterator[str]:
    item = found["item"]
    yield (
        f"{terminal.when(item['first_seen_at'])} UTC {_HOW[item['discovered_by']]}; published "
        f"{terminal.when(item['published_at'])} UTC ({item['date_source']})"
    )
    for one in found["sightings"]:
        matched = "" if one["matched_by"] in (None, model.MatchedBy.NEW) else f", recognised by {one['matched_by']}"
        backlog = ", in the first document we had of it" if one["backlog"] else ""
        seen = f"seen in {one['source']} from {terminal.when(one['first_seen_at'])}"
        yield f"{seen} to {terminal.when(one['last_seen_at'])} UTC{matched}{backlog}"
        if one["note"]:
            yield f"  {one['note']}"


def _polled(found: Mapping[str, Any]) -> Iterator[str]:
    for name, said in (("found", "the poll that found it"), ("last", "the last poll of its source")):
        for poll in found[name]:
            error = f", {poll['error']}" if poll["error"] else ""
            push = "push" if poll["origin"] == model.Origin.PUSH else "poll"
            yield f"{said.replace('poll', push, 1)}: {terminal.when(poll['at'])} UTC, {poll['outcome']}, {poll['new']} new{error}"
    if not found["last"]:
        yield "no poll of its source is on record"


def _visited(found: Mapping[str, Any]) -> Iterator[str]:
    item = found["item"]
    at = f"last {terminal.when(item['visited_at'])} UTC" if item["visited_at"] else "not yet"
    tries = f", {item['attempts']} in a row in vain" if item["attempts"] else ""
    reason = f" – {item['state_reason']}" if item["state_reason"] else ""
    yield f"{at}{tries}: {item['state']}{reason}"
    yield (
        f"next visit {terminal.when(item['next_visit_at'])} UTC"
        if item["next_visit_at"]
        else "no further visit is planned"
    )
    for page in found["pages"]:
        yield f"kept {terminal.when(page['at'])} UTC: HTTP {page['status']} {page['url']} (sha256 {page['sha256'][:12]}…)"
    for host in found["host"]:
        if host["robots_error"]:
            yield f"robots.txt of {item['host']} cannot be had: {host['robots_error']}"
        if host["retry_after"]:
            yield f"{item['host']} asked to be left alone until {terminal.when(host['retry_after'])} UTC"


def _clustered(found: Mapping[str, Any]) -> Iterator[str]:
    item = found["item"]
    if item["cluster_id"] is None:
        yield "no other item has the same text"
    else:
        yield f"cluster {item['cluster_id']}, with {len(found['copies'])} more"
    for one in found["copies"]:
        yield f"  {one['source']}: {one['url']} ({one['id']})"
    for pair in found["matches"]:
        first = pair["item_id"] == item["id"]
        other = pair["other_id"] if first else pair["item_id"]
        if pair["relation"] == "contains":
            yield f"  {'contains' if first else 'is contained in'} {other} by {pair['method']}, score {pair['score']:g}"
        else:
            yield f"  {pair['relation']} match with {other} by {pair['method']}, score {pair['score']:g}"


def _verdict(item: Mapping[str, Any]) -> str:
    state, reason = item["state"], item["state_reason"]
    if state == model.ItemState.OK:
        return "; ".join(filter(None, ("it went all the way", fate.in_vain(reason))))
    if state == model.ItemState.PENDING:
        when = f"{terminal.when(item['next_visit_at'])} UTC" if item["next_visit_at"] else "the present visit"
        return f"it waits for its page, until {when}"
    if state == model.ItemState.FEED_ONLY:
        return f"it stopped at its page, and has the feed's own text: {reason}"
    return f"it stopped at its page: {reason}"


def _unknown(url: str, near: Sequence[Mapping[str, Any]], gaps: Sequence[Mapping[str, Any]]) -> tuple[list[Step], str]:
    host = identity.host_of(url)
    if not host:
        return [], f"no item has the id or address {url}"
    steps = [Step(name=f"source {n}", said=tuple(_carrier(one)), well=_well(one)) for n, one in enumerate(near, 1)]
    missed = tuple(
        f"{one['name']}, {terminal.when(one['from_at'])} to {terminal.when(one['to_at'])} UTC: {one['reason']}"
        for one in gaps
    )
    if missed:
        steps.append(Step(name="gaps", said=missed, well=None))
    if not near:
        return steps, f"it is not in the corpus, and no configured source has ever shown anything of {host}"
    lost = "it may have been in one of the gaps" if missed else "none of them has shown it in a document we had"
    return steps, f"it is not in the corpus; {len(near)} of the sources might carry it: {lost}"


def _well(one: Mapping[str, Any]) -> bool:
    return one["state"] == model.SourceState.ACTIVE and one["health"] is None


def _carrier(one: Mapping[str, Any]) -> Iterator[str]:
    newest = f", the newest of {terminal.when(one['newest'])} UTC" if one["newest"] else ""
    yield f"{one['name']} ({one['feed_url']}) has {one['items']} items of this host{newest}"
    health = f", {one['health']}" if one["health"] else ""
    error = f": {one['error']}" if one["error"] else ""
    polled = f"last polled {terminal.when(one['last_polled_at'])} UTC, next {terminal.when(one['next_poll_at'])} UTC"
    yield f"{one['state']}{health}{error}; {polled}"
