"""Article pages: art-*."""

import asyncio
import time
from datetime import datetime, timedelta

import pytest

from aggregator import harvest
from tests.behaviours import web
from tests.behaviours.cases import Case, checks
from tests.behaviours.etiquette import PAGE, article, feed_of
from tests.behaviours.world import World

OWN = "What the feed itself has to say of it."
LONG = " ".join(f"Sentence {n} of the feed's own text says something that the page does not." for n in range(20))


async def _harvest(world: World, pages: dict[str, web.Answer], *, summary: str = OWN) -> None:
    world.web.pages |= pages
    await world.poll("feed", feed_of(*pages, summary=summary), harvests=True)


@checks("art-01")
async def a_missing_page_is_given_up_after_a_while(world: World, case: Case) -> None:
    del case
    pages = {f"http://site.test/{status}": web.Reply(status=status) for status in (404, 410)}
    await _harvest(world, dict(pages))
    world.web.pages["http://feed.test/feed.xml"] = web.Reply(status=503)
    for _ in range(20):
        due = world.rows("SELECT min(next_visit_at) AS at FROM items")[0]["at"]
        if due is None:
            break
        world.clock.at = max(world.clock.at, datetime.fromisoformat(str(due)))
        await world.round(harvests=True)
    for item, status in zip(world.items(), (404, 410), strict=True):
        assert (item["state"], item["text"], item["next_visit_at"]) == ("feed_only", OWN, None)
        assert str(status) in item["state_reason"]
    assert all(2 <= world.web.urls().count(url) <= 10 for url in pages)


@checks("art-03")
async def what_is_no_page_is_not_read_as_one(world: World, case: Case) -> None:
    del case
    types = {
        "application/pdf": (b"%PDF-1.7 " + b"x" * 999, "PDF"),
        "image/png": (b"\x89PNG\r\n\x1a\n" + b"x" * 999, "image"),
        "video/mp4": (b"\x00\x00\x00\x18ftypmp42" + b"x" * 999, "video"),
    }
    pages: dict[str, web.Answer] = {
        f"http://site.test/{n}": web.Reply(headers={"Content-Type": one}, body=content)
        for n, (one, (content, _)) in enumerate(types.items())
    }
    await _harvest(world, pages)
    for item, (_, word) in zip(world.items(), types.values(), strict=True):
        assert item["state"] == "not_html"
        assert word in item["state_reason"]
        assert item["text"] == OWN


@checks("art-04")
async def a_wall_does_not_replace_what_the_feed_has(world: World, case: Case) -> None:
    del case
    teaser = article("the teaser", paragraphs=1)
    wall = b"<html><title>Before you continue</title><body><p>We use cookies. Accept all cookies to go on.</p></body></html>"
    pages: dict[str, web.Answer] = {
        "http://site.test/teaser": web.Reply(headers=PAGE, body=teaser),
        "http://site.test/wall": web.Reply(headers=PAGE, body=wall),
        # One that looks like an article, the same for all.
        "http://site.test/same/1": web.Reply(headers=PAGE, body=article("our subscriptions", paragraphs=9)),
        "http://site.test/same/2": web.Reply(headers=PAGE, body=article("our subscriptions", paragraphs=9)),
    }
    await _harvest(world, pages, summary=LONG)
    short, walled, first, second = world.items()
    assert short["text"] == LONG
    assert (walled["state"], walled["text"]) == ("blocked", LONG)
    assert first["cluster_id"] == second["cluster_id"] is not None


@checks("art-06")
async def tracking_is_kept_in_the_link_and_left_out_of_the_key(world: World, case: Case) -> None:
    del case
    given = "http://site.test/a?id=7&utm_source=rss&utm_medium=feed#top"
    asked = given.removesuffix("#top")
    world.web.pages[asked] = web.Reply(headers=PAGE, body=article("tracking"))
    await world.poll("feed", feed_of(given), harvests=True)
    (item,) = world.items()
    assert item["url"] == given
    assert "utm" not in item["url_key"]
    assert asked in world.web.urls()

    await world.configure(feed="http://feed.test/feed.xml", other="http://other.test/feed.xml")
    await world.poll("other", feed_of("http://site.test/a?id=7"), harvests=False)
    assert len(world.items()) == 1
    assert len(world.rows("SELECT * FROM sightings")) == 2


@checks("art-07")
async def a_monstrous_page_costs_only_itself(world: World, case: Case) -> None:
    del case
    # It takes the extractor most of a minute.
    slow_page = b"<html><body><article>" + b"<p>Some words <b>of</b> a page <a href=x>that</a> goes on.</p>" * 30_000
    large = b"<html><body>" + b"<p>word</p>" * 200_000 + b"</body></html>"
    world.told["http"] |= {"max_page_bytes": "1900kB"}
    world.told["harvest"] = {"workers": 1}
    lags: list[float] = []

    async def pulse() -> None:
        while True:
            # By what this thread has worked: a machine that is busy with others proves nothing.
            began = time.thread_time()
            await asyncio.sleep(0.01)
            lags.append(time.thread_time() - began)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harvest, "DRAFT_LIMIT", 0.5)
        feeling = asyncio.create_task(pulse())
        await _harvest(
            world,
            {
                "http://site.test/slow": web.Reply(headers=PAGE, body=slow_page),
                "http://site.test/large": web.Reply(headers=PAGE, body=large),
                "http://site.test/fine": web.Reply(headers=PAGE, body=article("the rest")),
            },
        )
        feeling.cancel()
    slow, large_one, fine = world.items()
    assert "took longer than 0.5 s" in slow["state_reason"]
    assert slow["text"] == OWN
    assert large_one["state"] == "feed_only"
    assert "larger than" in large_one["state_reason"]
    assert fine["state"] == "ok"
    # In the worker: the loop that polls is not held up.
    assert max(lags) < 0.4


@checks("art-08")
async def one_link_is_one_page(world: World, case: Case) -> None:
    del case
    link = "http://site.test/both"
    world.web.pages[link] = web.Reply(headers=PAGE, body=article("both"))
    twice = feed_of(link).body.decode()
    again = twice.replace(f"<guid isPermaLink='false'>{link}", "<guid isPermaLink='false'>another")
    entries = again[again.index("<item>") : again.index("</channel>")]
    document = twice.replace("</channel>", f"{entries}</channel>").encode()
    await world.poll("feed", web.Reply(headers={"Content-Type": "application/rss+xml"}, body=document), harvests=True)
    await world.configure(feed="http://feed.test/feed.xml", other="http://other.test/feed.xml")
    world.clock.advance(timedelta(seconds=1))
    await world.poll("other", feed_of(link), harvests=True)
    assert world.web.urls().count(link) == 1
