"""How often: int-*, and how many at once: rate-08, rate-09."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from aggregator import config
from aggregator.engine import local
from tests.behaviours import web
from tests.behaviours.cases import Case, body, checks
from tests.behaviours.conditional import RSS
from tests.behaviours.failures import DAY, HOUR
from tests.behaviours.script import play, reply, silence
from tests.behaviours.world import START, World
from tests.conftest import SHARED
from tests.quality import test_cadence as recorded

# What is added to every delay so that sources do not stay in step (`cadence._spread`).
JITTER = 1.1
EMPTY = b'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title></channel></rss>'
ONE = b'<rss version="2.0"><channel><title>T</title><item><title>One</title><guid>1</guid></item></channel></rss>'


@checks("rate-08")
async def a_host_is_asked_by_few_and_with_pauses(world: World, case: Case) -> None:
    del case
    defaults = config.PerHost()
    assert defaults.concurrency <= 2
    assert defaults.spacing >= timedelta(seconds=1)

    # The default but for the second, which would take 200 of them; long beside what a busy machine takes to hand on a request.
    spacing = 0.06
    world.told["http"] |= {"per_host": {"spacing": spacing}}
    crowd = {f"crowd {n}": f"http://big.test/{n}" for n in range(200)}
    others = {f"other {n}": f"http://{name}.test/" for n, name in enumerate(("cdn", "other", "site", "good"))}
    await world.configure(**crowd, **others)
    answer = web.Reply(headers=RSS, body=EMPTY, wait=0.01)
    world.web.pages |= dict.fromkeys((*crowd.values(), *others.values()), answer)

    began = time.monotonic()
    heard = await world.round()
    assert len(heard) == 204
    assert world.web.most_at_once["big.test"] <= 2
    asked = sorted(one.at for one in heard if web.host(one.url) == "big.test")
    # A request leaves when its time has come and arrives a moment later, or two at once where the machine was busy: so the time
    # that is left between two proves nothing, and the earliest that each may come does.
    assert all(at >= began + n * spacing for n, at in enumerate(asked))
    last = max(one.at for one in heard if web.host(one.url) != "big.test")
    assert last < asked[0] + (asked[-1] - asked[0]) / 4


@checks("rate-09")
async def a_304_is_a_poll(world: World, case: Case) -> None:
    """What the case adds of 24 h without validators is a configured minimum; cond-13 to cond-15 ask such a server after 3,600 s."""
    del case
    for least in (HOUR, DAY):
        world.told["poll"] = {} if least is HOUR else {"interval": "24h", "min_interval": "24h", "max_interval": "48h"}
        await world.configure(feed=f"http://feed.test/{least.days}")
        await world.poll("feed", web.Reply(headers=RSS | {"ETag": '"1"'}, body=body("A.xml")))
        for _ in range(5):
            before = world.clock.at
            await world.poll("feed", web.Reply(status=304))
            assert world.clock.at - before >= least
        await silence(world, least.total_seconds() - 1)


@checks("int-01")
async def what_stays_fresh_is_left_alone(world: World, case: Case) -> None:
    await play(world, case)
    assert "max-age" in world.source()["due_reason"]

    forever = {"Cache-Control": "max-age=999999999"}
    await world.poll("feed", web.Reply(headers=RSS | forever, body=body("A.xml")))
    assert DAY <= world.delay() <= DAY * JITTER


@checks("int-02")
async def the_age_of_an_answer_counts(world: World, case: Case) -> None:
    headers = reply(case.steps[0]).headers
    await world.poll("feed", web.Reply(headers=headers, body=ONE))
    assert HOUR <= world.delay() <= HOUR * JITTER


@checks("int-03")
async def expires_counts_where_there_is_no_max_age(world: World, case: Case) -> None:
    await play(world, case)
    assert DAY <= world.delay() <= DAY * JITTER


@checks("int-04")
async def no_cache_is_no_reason_to_hurry(world: World, case: Case) -> None:
    await play(world, case)
    assert world.delay() >= HOUR

    for hurried in ("no-cache", "max-age=0", "no-cache, must-revalidate"):
        await world.poll("feed", web.Reply(headers=RSS | {"Cache-Control": hurried}, body=body("A.xml")))
        assert world.delay() >= HOUR


@checks("int-05")
async def a_ttl_is_kept(world: World, case: Case) -> None:
    await play(world, case)
    assert world.delay() >= timedelta(minutes=120)


@checks("int-06")
async def a_ttl_is_kept_within_limits(world: World, case: Case) -> None:
    delays = []
    for n, step in enumerate(case.steps):
        await world.configure(feed=f"http://feed.test/{n}")
        await world.poll("feed", reply(step))
        delays.append(world.delay())
    limits = config.PollSettings()
    assert limits.min_interval <= delays[0]
    assert delays[0] >= HOUR
    assert limits.max_interval <= delays[1] <= limits.max_interval * JITTER


@checks("int-07")
async def hours_and_days_to_skip_are_skipped(world: World, case: Case) -> None:
    # A Saturday, half an hour before midnight.
    world.clock.at = datetime(2025, 9, 6, 23, 30, tzinfo=UTC)
    await play(world, case)
    due = world.source()["next_poll_at"]
    assert datetime(2025, 9, 8, 8, tzinfo=UTC) <= due <= datetime(2025, 9, 8, 9, tzinfo=UTC)


@checks("int-08")
async def twice_a_day_is_every_twelve_hours(world: World, case: Case) -> None:
    await play(world, case)
    assert 12 * HOUR <= world.delay() <= 12 * HOUR * JITTER

    await world.configure(feed="http://feed.test/hourly")
    hourly = body("sy_daily.xml").replace(b"daily", b"hourly").replace(b">2</sy", b">4</sy")
    await world.poll("feed", web.Reply(headers=RSS, body=hourly))
    assert world.delay() >= HOUR


@checks("int-09")
async def a_thousand_do_not_stay_in_step(world: World, case: Case) -> None:
    del case
    await world.configure(**{f"feed {n}": f"http://big.test/{n}" for n in range(1000)})
    world.told["http"] |= {"per_host": {"spacing": 0, "concurrency": 64}}
    await world.close()
    # All at one moment, which is worse than any start: that spreads them itself (cond-12).
    world.web.pages |= {told["url"]: web.Reply(headers=RSS, body=EMPTY) for told in world.sources.values()}

    assert len(await world.round()) == 1000
    spread = Counter(row["next_poll_at"] for row in world.rows("SELECT next_poll_at FROM sources"))
    assert max(spread.values()) <= 20


@checks("int-10")
async def a_leap_of_the_clock_neither_floods_nor_starves(world: World, case: Case) -> None:
    del case
    await world.configure(**{f"feed {n}": f"http://big.test/{n}" for n in range(200)})
    world.told["http"] |= {"per_host": {"spacing": 0, "concurrency": 64}}
    await world.close()
    world.web.pages |= {told["url"]: web.Reply(headers=RSS, body=EMPTY) for told in world.sources.values()}
    await world.round()

    real = time.monotonic() - world.clock.at.timestamp()
    leaping = SimpleNamespace(
        monotonic=time.monotonic, time=lambda: world.clock.at.timestamp() + time.monotonic() - real
    )
    engine = world.running.engine
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "time", leaping)
        patch.setattr(local, "_PULSE", 0.02)
        await engine.start()
        await _pulse()
        heard = len(world.web.heard)
        world.clock.advance(2 * DAY)
        await _pulse()
        # Two days asleep: everything is due, and is asked in turn.
        ahead = Counter(_due(world))
        assert len(world.web.heard) - heard <= 100
        assert max(ahead.values()) <= 60
        # Half of them have been asked when the clock is set back.
        world.clock.at = sorted(ahead)[len(ahead) // 2]
        for _ in range(10):
            await engine.tick()
            await asyncio.sleep(0.1)
        polled = {
            row["id"] for row in world.rows("SELECT id, last_polled_at FROM sources") if _later(row["last_polled_at"])
        }
        assert 0 < len(polled) < 200
        world.clock.advance(-DAY)
        await _pulse()
        due = {row["id"]: _at(row["next_poll_at"]) for row in world.rows("SELECT id, next_poll_at FROM sources")}
        await engine.drain(timedelta(seconds=2))
    stuck = {key for key, at in due.items() if at > world.clock.at + 2 * HOUR}
    assert not stuck & polled
    assert not stuck, f"{len(stuck)} of those that were not polled in between wait for a day"
    assert max(Counter(due.values()).values()) <= 60, "all at one moment"


def _at(told: object) -> datetime:
    return datetime.fromisoformat(str(told))


def _later(told: object) -> bool:
    """Whether it is of after the leap."""
    return _at(told) > START + DAY


def _due(world: World) -> list[datetime]:
    return [datetime.fromisoformat(str(row["next_poll_at"])) for row in world.rows("SELECT next_poll_at FROM sources")]


async def _pulse() -> None:
    """Until the engine has noticed."""
    await asyncio.sleep(0.3)


@checks("int-11")
async def the_learned_rhythm_beats_the_hour(world: World, case: Case) -> None:
    del world, case
    assert {recorded.FLOORS[f"most_{name}"] < 1 for name in ("median_delay", "mean_delay", "requests")} == {True}
    recorded.test_news_is_found_sooner_than_by_hourly_polls_and_with_fewer_requests(SHARED)


@checks("int-12")
async def by_default_nobody_is_asked_twice_in_an_hour(world: World, case: Case) -> None:
    """With the defaults, a source of which nothing is known; one that brings more is asked more often, as int-11 wants."""
    del case
    await world.poll("feed", web.Reply(headers=RSS, body=ONE))
    assert world.delay() >= HOUR
