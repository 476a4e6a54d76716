"""robots.txt: robots-*."""

import itertools
from collections.abc import Iterable
from datetime import timedelta

from tests.behaviours import web
from tests.behaviours.cases import Case, checks
from tests.behaviours.etiquette import PAGE, article, feed_of
from tests.behaviours.world import World

SITE = "http://site.test"
ROBOTS = f"{SITE}/robots.txt"
PAGES = tuple(f"{SITE}/private/{n}" for n in (1, 2, 3))
TEXT = {"Content-Type": "text/plain"}
NO = "User-agent: *\nDisallow: /private/\n"


def _said(rules: str) -> web.Reply:
    return web.Reply(headers=TEXT, body=rules.encode())


async def _harvest(world: World, robots: web.Answer, pages: Iterable[str] = PAGES[:1]) -> list[str]:
    """The site with this robots.txt, and a feed with these pages; which of them were fetched."""
    pages = list(pages)
    world.web.pages[ROBOTS] = robots
    world.web.pages |= {page: web.Reply(headers=PAGE, body=article(page)) for page in pages}
    before = len(world.web.heard)
    await world.poll("feed", feed_of(*pages), harvests=True)
    return [url for url in world.web.urls()[before:] if url in pages]


async def _visit(world: World) -> None:
    """Let time pass until an item is due."""
    due = world.rows("SELECT min(next_visit_at) AS at FROM items")[0]["at"]
    assert due is not None, "given up for good"
    world.clock.at = max(world.clock.at, type(world.clock.at).fromisoformat(str(due)))
    world.web.pages["http://feed.test/feed.xml"] = web.Reply(status=503)
    await world.round(harvests=True)


@checks("robots-01")
async def what_is_disallowed_is_not_fetched(world: World, case: Case) -> None:
    del case
    assert await _harvest(world, _said(NO)) == []

    (item,) = world.items()
    assert (item["state"], item["text"]) == ("feed_only", "What the feed itself has to say of it.")
    assert "robots" in item["state_reason"]
    # Our own group counts, and what it allows.
    await world.configure(feed="http://feed.test/2")
    ours = f"User-agent: aggregator\nAllow: /private/2\nDisallow: /private/\n\n{NO}"
    world.clock.advance(timedelta(hours=25))
    assert await _harvest(world, _said(ours), PAGES[1:]) == [PAGES[1]]


@checks("robots-02", "robots-03")
async def without_robots_txt_all_is_allowed(world: World, case: Case) -> None:
    statuses = (404, 410) if case.id == "robots-02" else (401, 403)
    for status, page in zip(statuses, PAGES, strict=False):
        await world.configure(feed=f"http://feed.test/{status}")
        assert await _harvest(world, web.Reply(status=status), [page]) == [page]
        assert ROBOTS in world.web.urls()
        world.clock.advance(timedelta(hours=25))


@checks("robots-04")
async def a_site_that_cannot_say_is_left_alone(world: World, case: Case) -> None:
    del case
    assert await _harvest(world, web.Reply(status=503)) == []
    (item,) = world.items()
    assert (item["state"], item["text"]) == ("pending", "What the feed itself has to say of it.")
    assert "robots" in item["state_reason"]

    # As long as it is ill. (Each 503 doubles the pause between two requests, which is sat out below.)
    await _visit(world)
    assert PAGES[0] not in world.web.urls()
    world.web.pages[ROBOTS] = web.Reply(status=404)
    for _ in range(3):
        await _visit(world)
        if PAGES[0] in world.web.urls():
            break
    assert world.items()[0]["state"] == "ok"


@checks("robots-05")
async def its_redirects_are_followed(world: World, case: Case) -> None:
    del case
    hops = [ROBOTS, f"{SITE}/r1", f"{SITE}/r2", f"{SITE}/r3", "http://other.test/r4", "http://other.test/r5"]
    for here, there in itertools.pairwise(hops):
        world.web.pages[here] = web.moved(there)
    world.web.pages[hops[-1]] = _said(NO)

    assert await _harvest(world, web.moved(hops[1])) == []
    assert hops[-1] in world.web.urls()
    assert "robots" in world.items()[0]["state_reason"]


@checks("robots-06")
async def of_a_long_one_the_beginning_counts(world: World, case: Case) -> None:
    del case
    filler = "# nothing to see here\n" * 23_000
    long = f"{filler}{NO}{filler}"
    assert len(filler) + len(NO) < 500 * 1024 < len(long)

    assert await _harvest(world, _said(long)) == []
    assert "robots" in world.items()[0]["state_reason"]


@checks("robots-07")
async def it_is_asked_for_once_a_day(world: World, case: Case) -> None:
    del case
    for n, page in enumerate(PAGES):
        await world.configure(feed=f"http://feed.test/{n}")
        # A restart in between does not forget it.
        assert await _harvest(world, web.Reply(status=404), [page]) == [page]
        world.clock.advance(timedelta(hours=7))
    assert world.web.urls().count(ROBOTS) == 1

    world.clock.advance(timedelta(hours=4))
    await world.configure(feed="http://feed.test/9")
    assert await _harvest(world, _said(NO), [f"{SITE}/private/9"]) == []
    assert world.web.urls().count(ROBOTS) == 2


@checks("robots-08")
async def a_crawl_delay_is_kept(world: World, case: Case) -> None:
    """One second; the ten of the case would take twenty. Without any spacing of our own there would be none for others either."""
    del case
    world.told["http"] |= {"per_host": {"spacing": 0.02}}
    assert len(await _harvest(world, _said("User-agent: *\nCrawl-delay: 1\n"), PAGES)) == 3
    at = [one.at for one in world.web.heard if one.url in PAGES]
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(at))
