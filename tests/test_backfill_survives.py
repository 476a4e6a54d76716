"""What the walk back through an archive survives, what it leaves alone, and who begins it, over real sockets and in both databases."""

import asyncio
from datetime import timedelta

import pytest

from aggregator.engine import local
from aggregator.feed import archive
from tests import archives, scripted_web
from tests.archives import HOUR, Site, down, paged_archive, rss, site

__all__ = ["site"]

# ------------------------------------------------------------------------------------------------------- what it survives


async def test_a_crash_in_the_middle_loses_a_page_and_comes_to_the_same_rows(site: Site) -> None:
    paged_archive(site)
    await site.miss(32)
    (claimed,) = site.app.engine._claim_walks(site.now, 1)
    for _ in range(3):
        step = await site.app.backfiller._step(claimed)
        assert step is not None
        claimed = step
    before = len(site.asked())

    # The process is gone; its lease is freed by the next start, or runs out.
    site.renew()
    await site.walk(20 * 60 * archives.SECOND)

    assert site.titles() == site.all_of(96, 132)
    assert site.gap()["filled_at"] is not None
    assert site.asked()[before:] == [f"/page?n={n}" for n in range(4, 8)]
    assert site.gap()["pages"] == 7


async def test_a_host_that_asks_to_be_left_alone_is(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    served = site.web.answers["/page"]
    site.web.answers["/page"] = scripted_web.Answer(status=429, headers={"retry-after": "3600"})

    await site.walk()

    (walk,) = site.rows("SELECT * FROM backfills")
    assert "HTTP 429" in walk["result"]
    assert (site.gap()["result"], walk["attempts"], walk["lease_owner"]) == (None, 1, None)
    (health,) = site.rows("SELECT gap FROM source_health")
    assert "HTTP 429" in health["gap"]
    asked = len(site.asked())
    await site.walk(30 * 60 * archives.SECOND)
    assert len(site.asked()) == asked
    site.web.answers["/page"] = served
    await site.walk(31 * 60 * archives.SECOND)
    assert site.gap()["filled_at"] is not None


async def test_a_page_that_is_broken_for_good_is_given_up_after_some_tries(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    site.web.answers["/page"] = scripted_web.Answer(status=500)

    for _ in range(15):
        await site.walk(archives.DAY)

    gap = site.gap()
    assert gap["filled_at"] is None
    assert "its archive: page 2: HTTP 500" in gap["result"]
    assert [target for target in site.asked() if "page" in target] == ["/page?n=2"] * 10


async def test_a_page_that_is_no_feed_ends_its_way(site: Site) -> None:
    site.head = lambda: '<atom:link rel="next" href="/page"/>'
    site.web.answers["/page"] = scripted_web.Answer(body=b"<html><body>nothing</body></html>")
    await site.miss(12)

    await site.walk()

    assert "its archive: page 2: " in site.gap()["result"]
    assert "instead of a feed" in site.gap()["result"]


async def test_a_mistake_of_ours_costs_the_page_not_the_walk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    paged_archive(site)
    await site.miss(17)

    def broken(*_: object) -> None:
        raise ValueError("a mistake")

    with monkeypatch.context() as patched:
        patched.setattr(archive, "after_page", broken)
        await site.walk()
    (walk,) = site.rows("SELECT * FROM backfills")

    assert walk["result"].startswith("unexpected ValueError: a mistake; try 2 of 10 at ")
    assert (walk["attempts"], walk["found"], site.found_by()) == (1, 0, {"feed": 10})
    await site.walk(HOUR)
    assert site.gap()["filled_at"] is not None
    assert site.titles() == site.all_of(96, 117)


async def test_what_is_fetched_afterwards_is_no_fresh_news(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    before = site.rows("SELECT last_new_at, learned_gap, last_success_at, last_polled_at, next_poll_at FROM sources")

    await site.walk()

    kept = "SELECT last_new_at, learned_gap, last_success_at, last_polled_at, next_poll_at FROM sources"
    assert site.rows(kept) == before
    backlog = site.rows(
        "SELECT i.discovered_by, g.backlog FROM items i JOIN sightings g ON g.item_id = i.id WHERE i.title IN ('Title 105', 'Title 117')"
    )
    assert {(row["discovered_by"], bool(row["backlog"])) for row in backlog} == {("archive", True), ("feed", False)}


async def test_an_archive_with_older_words_changes_nothing(site: Site) -> None:
    paged_archive(site)
    await site.miss(7)
    wrapped = site.web.answers["/page"]

    def stale(heard: scripted_web.Heard) -> scripted_web.Answer:
        assert callable(wrapped)
        return site.answer(wrapped(heard).body.replace(b"Title 99", b"Old title 99"))

    site.web.answers["/page"] = stale

    await site.walk()

    assert site.titles() == site.all_of(96, 107)
    assert site.rows("SELECT * FROM revisions") == []
    await site.poll(HOUR)
    assert site.rows("SELECT * FROM revisions") == []


async def test_with_backfill_off_a_gap_is_only_written_down(site: Site) -> None:
    site.renew(pages=0)
    paged_archive(site)
    await site.miss(17)

    await site.walk()

    assert site.gap()["result"] == "automatic backfill is off (poll.backfill_pages: 0)"
    assert site.rows("SELECT * FROM backfills") == []


async def test_a_poll_in_the_middle_of_a_walk_stores_nothing_twice(site: Site) -> None:
    paged_archive(site)
    await site.miss(32)
    (claimed,) = site.app.engine._claim_walks(site.now, 1)
    site.web.answers["/feed.xml"] = lambda _: site.answer(rss(down(site.newest, 96), site.web, site.head()))

    await asyncio.gather(site.app.backfiller.run(claimed), site.app.engine.run_once(names=["News"], harvests=False))

    assert site.titles() == site.all_of(96, 132)
    assert site.rows("SELECT item_id FROM sightings GROUP BY item_id, source_id HAVING count(*) > 1") == []
    assert site.gap()["filled_at"] is not None


# ------------------------------------------------------------------------------------------------------- by itself


async def test_a_round_polls_fills_gaps_and_then_harvests(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)

    await site.app.engine.run_once()

    assert site.gap()["filled_at"] is not None
    assert {row["state"] for row in site.rows("SELECT state FROM items")} == {"feed_only"}


async def test_the_daemon_fills_gaps_by_itself(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_BACKFILL_BELL", timedelta(milliseconds=500))
    paged_archive(site)
    await site.miss(17)

    await site.app.engine.start()

    async with asyncio.timeout(20):
        while site.gap()["filled_at"] is None:
            await asyncio.sleep(0.05)
    assert site.titles() == site.all_of(96, 117)
    # The last bell has rung, and what it began has ended, before the database is closed.
    scheduler = site.app.engine._scheduler
    assert scheduler is not None
    scheduler.pause()
    await asyncio.sleep(0.3)


async def test_a_drain_in_the_middle_keeps_what_was_walked(site: Site) -> None:
    paged_archive(site)
    await site.miss(32)
    served, held = site.web.answers["/page"], asyncio.Event()

    def slow(heard: scripted_web.Heard) -> scripted_web.Answer:
        assert callable(served)
        answer = served(heard)
        if heard.target.endswith("=3"):
            held.set()
            return scripted_web.Answer(body=answer.body, headers=answer.headers, wait=1.0)
        return answer

    site.web.answers["/page"] = slow
    (claimed,) = site.app.engine._claim_walks(site.now, 1)
    walking = asyncio.create_task(site.app.backfiller.run(claimed))
    await held.wait()

    site.app.backfiller.close()
    await walking

    (walk,) = site.rows("SELECT pages, found, lease_owner FROM backfills")
    assert (walk["pages"], walk["found"], walk["lease_owner"]) == (3, 10, None)
    site.renew()
    await site.walk()
    assert site.titles() == site.all_of(96, 132)
