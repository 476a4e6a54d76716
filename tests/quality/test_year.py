"""A year of recorded feeds through the real poll stage: nothing lost, nothing twice, and for less than hourly polls would have cost.

Every second of the traces, over 13 months (all of them with YEAR=all in the environment); on Postgres those that began last, over 74 days.
Every source has a clock of its own, which jumps from due time to due time. They stay within a day of one another, for sources share nothing
but items, and polls together cost a third.
"""

import asyncio
import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from sqlalchemy import RowMapping, select

from aggregator import app, batch, config, log
from aggregator.net import fetcher, manners, stream
from aggregator.store import db, health, sources, tables
from tests import wire
from tests.conftest import create_database
from tests.quality import trace

pytestmark = pytest.mark.slow

FLOORS: dict[str, Any] = json.loads((Path(__file__).parent / "floors.json").read_text())["year"]
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
# When the origin's list of feeds was changed: what is short of it by a minute is the same moment.
SETTLED = timedelta(minutes=2)
PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><p>Our site has a new face.</p></body></html>"
GOOD = (200, 304)

_now: ContextVar[datetime] = ContextVar("now")


@dataclass(frozen=True, slots=True)
class Served:
    """One request: when, in which state the feed was, and what was answered."""

    at: datetime
    state: int
    status: int


@dataclass
class Year:
    """What was asked, what was answered, and what the store holds in the end."""

    feeds: Mapping[str, trace.Feed]
    database: str
    half: bool = False
    served: dict[str, list[Served]] = field(default_factory=dict)
    # What the operator was last told of each source.
    health: dict[str, RowMapping] = field(default_factory=dict)
    rows: dict[str, Sequence[RowMapping]] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    # ---------------------------------------------------------------------------------------------- the web

    def answer(self, asked: wire.Asked) -> wire.Reply:
        number = int(asked.host.removeprefix("feed").removesuffix(".test"))
        feed, at = list(self.feeds.values())[number], _now.get()
        state = feed.at(at)
        reply = self._reply(asked, feed, state, number % 3)
        self.served.setdefault(feed.name, []).append(Served(at, state, reply.status))
        return reply

    def _reply(self, asked: wire.Asked, feed: trace.Feed, state: int, kind: int) -> wire.Reply:
        """Of three feeds, one has validators, one stamps its documents with the time, and one does neither."""
        if feed.dead:
            html = {"content-type": "text/html"}
            return wire.Reply(status=404) if feed.no_page else wire.Reply(body=PAGE, headers=html)
        if not feed.states[state].versions:
            return wire.Reply(status=503)
        headers = {"content-type": "application/rss+xml"} | ({"etag": f'"{state}"'} if kind == 0 else {})
        if kind == 0 and asked.headers.get("if-none-match") == headers["etag"]:
            return wire.Reply(status=304)
        stamp = f"<lastBuildDate>{format_datetime(_now.get())}</lastBuildDate>" if kind == 1 else ""
        return wire.Reply(body=feed.document(state, stamp), headers=headers)

    # ---------------------------------------------------------------------------------------------- the program

    def settings(self) -> config.Settings:
        told = [
            {"name": feed.name, "url": _url(number), "category": feed.category}
            for number, feed in enumerate(self.feeds.values())
        ]
        return config.Settings.model_validate(
            {
                "path": Path("aggregator.yaml"),
                "folder": Path(),
                "database": self.database,
                "harvest": {"workers": 1},
                "http": {"connect_to": {"*:80": "127.0.0.1:80"}, "per_host": {"spacing": 0}},
                "sources": [config.SourceConfig.model_validate(one) for one in told],
                "taxonomy": {},
            }
        )

    async def live(self, store: db.Store) -> None:
        """From the first poll to the last; the operator takes the feeds in and out when the origin did."""
        _now.set(min(feed.first for feed in self.feeds.values()))
        running = app.App(self.settings(), store, now=_now.get)
        try:
            for begin, end in pairwise(self._turns()):
                active = [
                    sources.Configured(name=feed.name, url=_url(number), category=feed.category)
                    for number, feed in enumerate(self.feeds.values())
                    if feed.first <= begin and feed.last >= end
                ]
                with store.begin() as conn:
                    sources.sync(conn, active, begin)
                until = begin
                while active and until < end:
                    until = min(until + DAY, end)
                    await self._until(running, store, until)
                # What the daemon does every quarter of an hour.
                _now.set(end)
                await running.watch.look()
                with store.read() as conn:
                    self.health |= {row["name"]: row for row in health.rows(conn) if row["state"] in sources.POLLED}
        finally:
            await running.aclose()

    def _turns(self) -> list[datetime]:
        """When feeds come and go, each time once: after all that come, before all that go."""
        begins, ends = ({getattr(feed, name) for feed in self.feeds.values()} for name in ("first", "last"))
        moments = sorted([(at, 1) for at in begins] + [(at, 0) for at in ends])
        turns: list[datetime] = []
        for at, comes in moments:
            if not turns or at - turns[-1] > SETTLED:
                turns.append(at)
            elif comes:
                turns[-1] = at
        return turns

    async def _until(self, running: app.App, store: db.Store, until: datetime) -> None:
        while True:
            with store.begin() as conn:
                due = sources.claim_due(conn, now=until - timedelta(seconds=1), limit=100, owner="year", lease=DAY)
            if not due:
                return
            polls = [
                asyncio.create_task(running.poller.poll(source), context=_context(source.next_poll_at))
                for source in due
            ]
            await asyncio.gather(*polls)

    def read(self, store: db.Store) -> None:
        with store.read() as conn:
            names = tables.sources.c.name
            seen = select(names, tables.sightings, tables.items.c.source_id.label("owner"), *_of_items())
            seen = seen.join_from(tables.sightings, tables.items).join(
                tables.sources, tables.sources.c.id == tables.sightings.c.source_id
            )
            self.rows["seen"] = conn.execute(seen).mappings().all()
            self.ids = {row.name: row.id for row in conn.execute(select(tables.sources.c.name, tables.sources.c.id))}
            self.rows["items"] = conn.execute(select(tables.items)).mappings().all()
            self.rows["revisions"] = conn.execute(select(tables.revisions)).mappings().all()
            gaps = select(names, tables.gaps).join_from(tables.gaps, tables.sources).order_by(tables.gaps.c.to_at)
            self.rows["gaps"] = conn.execute(gaps).mappings().all()

    def of(self, what: str, name: str) -> list[RowMapping]:
        """The rows of one source."""
        return [row for row in self.rows[what] if row["name"] == name]

    def told(self, name: str | None = None) -> tuple[int, int, int]:
        """How many items, revisions and gaps a source has, or all have."""
        owned = {row["id"] for row in self.rows["items"] if name is None or row["source_id"] == self.ids[name]}
        edits = sum(row["item_id"] in owned and row["what"] != "first" for row in self.rows["revisions"])
        return len(owned), edits, len(self.of("gaps", name) if name else self.rows["gaps"])

    def living(self) -> list[trace.Feed]:
        return [feed for feed in self.feeds.values() if not feed.dead and feed.name in self.served]

    def documents(self, feed: trace.Feed) -> Iterator[tuple[datetime, tuple[trace.Version, ...]]]:
        """What the source was shown, poll by poll."""
        for one in self.served[feed.name]:
            if one.status in GOOD:
                yield one.at, feed.states[one.state].versions


def _of_items() -> list[Any]:
    wanted = "url title summary published_at".split()
    return [tables.items.c[name] for name in wanted]


def _url(number: int) -> str:
    return f"http://feed{number}.test/rss"


def _context(at: datetime | None) -> Context:
    """In which it is `at`."""
    context = copy_context()
    assert at is not None
    context.run(_now.set, at)
    return context


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def year(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Year:
    """Half of the recorded year on SQLite, or all of it; the last feeds of it, 74 days, on Postgres."""
    feeds = trace.feeds(shared / "corpus")
    postgres = request.param == "postgres"
    half = not postgres and os.environ.get("YEAR") != "all"
    if postgres:
        latest = max(feed.first for feed in feeds)
        feeds = [feed for feed in feeds if latest - feed.first < SETTLED]
        url = create_database(
            request.getfixturevalue("postgres"), template=request.getfixturevalue("_postgres_template")
        )
    else:
        feeds = feeds[::2] if half else feeds
        path = tmp_path_factory.mktemp("year") / "corpus.db"
        shutil.copy(request.getfixturevalue("_sqlite_template"), path)
        url = f"sqlite:///{path}"
    told = Year({feed.name: feed for feed in feeds}, url, half=half)
    store, began = db.Store(url), time.perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "Backend", lambda: wire.Backend(told.answer))
        patch.setattr(batch, "_GATHER", 0)
        for module in (manners, fetcher):
            patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: _now.get().timestamp()))
        log.configure(config.LogSettings(level="error"))
        try:
            asyncio.run(told.live(store))
        finally:
            structlog.reset_defaults()
    told.seconds = time.perf_counter() - began
    told.read(store)
    store.close()
    return told


# ---------------------------------------------------------------------------------------------------- what is stored


def test_every_link_that_was_shown_is_stored_once_and_from_when_it_was_first_shown(year: Year) -> None:
    moved = 0
    for feed in year.living():
        first: dict[str, datetime] = {}
        beside: dict[str, set[str]] = defaultdict(set)
        versions: dict[str, set[trace.Version]] = defaultdict(set)
        for at, shown in year.documents(feed):
            keys = {version.key for version in shown}
            for version in shown:
                versions[version.key].add(version)
            for key in keys:
                first.setdefault(key, at)
                beside[key] |= keys
        stored = {trace.folded(row["guid"]): row for row in year.of("seen", feed.name)}
        assert len(stored) == len(year.of("seen", feed.name)), feed.name
        assert stored.keys() <= first.keys(), feed.name
        # The publisher gave it another address: it is stored under that one, since when it was first shown under the old one.
        for key in first.keys() - stored.keys():
            others = stored.keys() - beside[key]
            assert any(_moved(old, new) for old in versions[key] for other in others for new in versions[other]), key
            moved += 1
        for key, row in stored.items():
            assert row["first_seen_at"] <= first[key], (feed.name, key)
        on_time = sum(row["first_seen_at"] == first[key] for key, row in stored.items())
        assert len(stored) - on_time <= len(first) - len(stored), feed.name
    items = year.rows["items"]
    assert len({row["url_key"] for row in items}) == len(items)
    assert len({trace.folded(row["url"]) for row in items}) == len(items)
    assert moved <= FLOORS["most_moved"]


def _moved(old: trace.Version, new: trace.Version) -> bool:
    """Whether one article may be both: published in the same second, under much the same title."""
    if not old.dated or old.dated != new.dated:
        return False
    return SequenceMatcher(None, old.said[0].casefold(), new.said[0].casefold()).ratio() > 0.75


def test_no_article_that_moved_is_stored_twice(year: Year) -> None:
    """Of one source, second, title and words there is one item, unless both were in one document."""
    for feed in year.living():
        together = {
            frozenset((one.key, other.key))
            for _, shown in year.documents(feed)
            for one in shown
            for other in shown
            if one.key != other.key and one.said == other.said
        }
        same: dict[Any, list[str]] = defaultdict(list)
        last = {version.key: version for _, shown in year.documents(feed) for version in shown}
        for row in year.of("seen", feed.name):
            version = last[trace.folded(row["guid"])]
            if version.dated and version.said[1]:
                same[version.dated, version.said].append(version.key)
        twice = [keys for keys in same.values() if len(keys) > 1 and frozenset(keys) not in together]
        assert twice == [], feed.name


def test_every_edit_is_a_revision_and_the_item_says_what_its_feed_says(year: Year) -> None:
    revisions: dict[int, list[RowMapping]] = defaultdict(list)
    for row in year.rows["revisions"]:
        revisions[row["item_id"]].append(row)
    edited = 0
    for feed in year.living():
        said: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for _, shown in year.documents(feed):
            for version in shown:
                if not said[version.key] or said[version.key][-1] != version.said:
                    said[version.key].append(version.said)
        for row in year.of("seen", feed.name):
            if row["owner"] != row["source_id"]:
                continue
            told, kept = (
                said[trace.folded(row["guid"])],
                [one for one in revisions[row["item_id"]] if one["what"] != "first"],
            )
            where = (feed.name, row["guid"])
            assert trace.plain(row["title"]) == told[-1][0], where
            if row["note"]:
                assert len(set(told)) - 1 <= len(kept) <= len(told) - 1, where
            elif row["matched_by"] != "moved":
                assert len(kept) == len(told) - 1, where
            edited += len(kept)
    assert edited >= FLOORS["least_edits"][_kind(year)]


def _kind(year: Year) -> str:
    return year.database.partition(":")[0].partition("+")[0] + (" half" if year.half else "")


# ---------------------------------------------------------------------------------------------------- what is told


def test_a_gap_is_recorded_wherever_a_document_shares_nothing_with_what_came_before(year: Year) -> None:
    recorded = 0
    for feed in year.living():
        seen: set[Any] = set()
        wanted = []
        for at, shown in year.documents(feed):
            faces = {face for version in shown for face in _faces(version)}
            # Three entries may all be replaced as a matter of course (`overlap`).
            if seen and len(shown) > 3 and not faces & seen:
                wanted.append(at)
            seen |= faces
        assert [row["to_at"] for row in year.of("gaps", feed.name)] == wanted, feed.name
        recorded += len(wanted)
    assert recorded >= FLOORS["least_gaps"][_kind(year)]


def _faces(version: trace.Version) -> Iterator[Any]:
    """By what an article is known again: its link, or where that has changed, the second and the title."""
    yield version.key
    if version.dated:
        yield version.dated, version.said[0].casefold()


def test_what_was_lost_was_lost_between_two_polls_and_most_of_it_is_in_a_gap(
    year: Year, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = untold = total = 0
    for feed in year.living():
        known = {version.key for _, shown in year.documents(feed) for version in shown}
        gaps = [(row["from_at"], row["to_at"]) for row in year.of("gaps", feed.name)]
        good = [at for at, _ in year.documents(feed)]
        total += len(feed.appeared)
        for key in feed.appeared.keys() - known:
            spans = feed.spans(key)
            # It is in no document that we were given, and what is still shown at the end may be had by the next poll.
            assert not any(begin <= at < end for at in good for begin, end in spans), key
            if spans[-1][1] < feed.last:
                lost += 1
                untold += not all(any(since <= begin and end <= to for since, to in gaps) for begin, end in spans)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{_kind(year)}: {lost:,} of {total:,} links came and went between two polls, {untold} of them in no gap\n"
        )
    assert lost / total <= FLOORS["most_lost"][_kind(year)]
    assert untold <= FLOORS["most_untold"]


def test_the_dead_and_the_stale_are_flagged_and_the_living_are_not(year: Year) -> None:
    for name, row in year.health.items():
        feed = year.feeds[name]
        if feed.dead:
            assert (row["state"], row["error_code"]) == ("failing", "http_404" if feed.no_page else "html"), name
            assert row["advice"], name
        else:
            # What was stale has shown nothing new in all the time.
            assert row["health"] == (None if feed.appeared else "silent"), (name, row["health_reason"])
    flagged = [name for name, row in year.health.items() if row["state"] == "failing" or row["health"]]
    assert len(flagged) >= FLOORS["least_flagged"][_kind(year)]


# ---------------------------------------------------------------------------------------------------- what it costs


@dataclass
class Cost:
    """Requests, and how many minutes after each appeared it was found."""

    requests: int = 0
    delays: list[float] = field(default_factory=list)

    def add(self, other: "Cost") -> None:
        self.requests += other.requests
        self.delays += other.delays

    @property
    def delay(self) -> float:
        return median(self.delays) if self.delays else 0.0


def _learned(year: Year, feed: trace.Feed) -> Cost:
    found: dict[str, datetime] = {}
    for at, shown in year.documents(feed):
        for version in shown:
            found.setdefault(version.key, at)
    return Cost(len(year.served.get(feed.name, ())), _delays(feed, found))


def _hourly(feed: trace.Feed) -> Cost:
    """What a poll every hour would have found, and cost."""
    polls = [feed.first + n * trace.HOUR for n in range(int((feed.last - feed.first) / trace.HOUR) + 1)]
    found: dict[str, datetime] = {}
    for at in polls:
        for version in feed.states[feed.at(at)].versions:
            found.setdefault(version.key, at)
    return Cost(len(polls), _delays(feed, found))


def _delays(feed: trace.Feed, found: Mapping[str, datetime]) -> list[float]:
    return [(found[key] - at) / MINUTE for key, at in feed.appeared.items() if key in found]


def test_the_learned_rhythm_finds_as_soon_as_hourly_polls_and_costs_far_less(
    year: Year, capsys: pytest.CaptureFixture[str]
) -> None:
    learned, hourly, living, living_hourly = Cost(), Cost(), Cost(), Cost()
    lines = []
    for feed in year.feeds.values():
        one, other = _learned(year, feed), _hourly(feed)
        learned.add(one)
        hourly.add(other)
        if not feed.dead:
            living.add(one)
            living_hourly.add(other)
        lines.append(_line(feed.name, one, other, year.told(feed.name)))
    lines.append(_line("all", learned, hourly, year.told()))
    lines.append(_line("those that ever were feeds", living, living_hourly, year.told()))

    with capsys.disabled():
        sys.stdout.write(
            f"\n{_kind(year)}: {len(year.feeds)} feeds, {learned.requests:,} polls in {year.seconds:.0f} s\n"
        )
        sys.stdout.write(f"{'':51}requests  of hourly  median delay  (hourly)  items  revisions  gaps\n")
        sys.stdout.writelines(f"{line}\n" for line in lines)
    most = FLOORS["most_requests"][_kind(year)]
    assert learned.requests <= most["all"] * hourly.requests
    assert living.requests <= most["living"] * living_hourly.requests
    assert learned.delay <= hourly.delay


def _line(name: str, one: Cost, other: Cost, told: tuple[int, int, int]) -> str:
    share = one.requests / other.requests
    items, revisions, gaps = told
    return (
        f"{name[:50]:50} {one.requests:8,}  {share:9.0%}  {one.delay:8.0f} min  {other.delay:4.0f} min"
        f"  {items:5,}  {revisions:9,}  {gaps:4,}"
    )
