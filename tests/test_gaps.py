"""What is a gap between two documents and what only looks like one, over real sockets and in both databases."""

from aggregator import app, config, upkeep
from tests import scripted_web
from tests.archives import HOUR, Site, down, rss, site

__all__ = ["site"]


async def test_an_empty_document_and_what_comes_after_it_are_no_gap(site: Site) -> None:
    await site.poll()
    serving = site.web.answers["/feed.xml"]
    site.web.answers["/feed.xml"] = site.answer(rss([], site.web))
    await site.poll(HOUR)
    assert site.rows("SELECT * FROM gaps") == []

    site.newest, site.web.answers["/feed.xml"] = 120, serving
    await site.poll(20 * HOUR)

    assert site.rows("SELECT * FROM gaps") == []


async def test_a_feed_of_one_entry_at_its_own_rhythm_has_no_gap_until_it_must_have_missed_some(site: Site) -> None:
    site.web.answers["/feed.xml"] = lambda _: site.answer(rss([site.newest], site.web))
    await site.poll()
    for _ in range(8):
        site.newest += 1
        await site.poll(HOUR)
    assert site.rows("SELECT * FROM gaps") == []
    assert len(site.titles()) == 9

    site.newest += 6
    await site.poll(6 * HOUR)

    assert site.gap()["estimated"] == 5


async def test_guids_and_addresses_that_are_all_renamed_are_no_gap(site: Site) -> None:
    await site.poll()
    body = rss(down(100, 96), site.web).replace(b"'false'>g", b"'false'>new-g")
    site.web.answers["/feed.xml"] = site.answer(body)
    await site.poll(HOUR)
    site.web.answers["/feed.xml"] = site.answer(body.replace(b"-title</link>", b"-titles</link>"))

    await site.poll(HOUR)

    assert site.rows("SELECT * FROM gaps") == []
    assert len(site.titles()) == 5


async def test_after_an_outage_the_gap_begins_at_the_last_good_poll(site: Site) -> None:
    await site.poll()
    serving = site.web.answers["/feed.xml"]
    site.web.answers["/feed.xml"] = scripted_web.Answer(status=500)
    await site.poll(10 * HOUR)
    site.newest, site.web.answers["/feed.xml"] = 130, serving

    await site.poll(20 * HOUR)

    gap = site.gap()
    assert gap["reason"] == (
        "none of the 5 entries was in the document before, 30 h earlier; in between it could not be polled (http_500)"
    )
    assert gap["estimated"] == 25
    (source,) = site.rows("SELECT due_reason FROM sources")
    assert "halved, for only 0 % of its entries were known" in source["due_reason"]
    times = site.rows("SELECT from_at, to_at FROM gaps")
    assert [str(value)[:13].replace("T", " ") for value in times[0].values()] == ["2025-09-19 12", "2025-09-20 18"]


async def test_another_address_in_the_configuration_is_no_gap(site: Site) -> None:
    await site.poll()
    site.web.answers["/other.xml"] = site.answer(rss(down(60, 56), site.web))
    site.renew(url=site.web.url("/other.xml"))

    await site.poll(HOUR)

    assert site.rows("SELECT * FROM gaps") == []
    assert len(site.titles()) == 10


async def test_what_only_another_source_has_shown_is_not_shared(site: Site) -> None:
    site.web.answers["/second.xml"] = lambda _: site.answer(rss(down(site.newest, site.newest - 9), site.web))
    await site.poll()
    second = {"name": "Second", "url": site.web.url("/second.xml")}
    settings = site.settings.model_copy(
        update={"sources": (*site.settings.sources, config.SourceConfig.model_validate(second))}
    )
    upkeep.sync_sources(site.store, settings, site.now)
    site.app = app.App(settings, site.store, now=lambda: site.now)
    site.apps.append(site.app)
    site.newest += 17
    await site.app.engine.run_once(names=["Second"], harvests=False)

    await site.poll(17 * HOUR)

    assert site.gap()["reason"].startswith("none of the 5 entries was in the document before")
