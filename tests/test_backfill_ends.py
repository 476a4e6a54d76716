"""Where the walk back through an archive ends, by itself and by hand, over real sockets and in both databases."""

import pytest

from aggregator import errors
from tests import archives, scripted_web
from tests.archives import HOUR, Site, article, down, paged_archive, rss, site, sitemap, wordpress

__all__ = ["site"]

# ------------------------------------------------------------------------------------------------------- where it ends


async def test_an_archive_that_ends_too_early_leaves_the_gap_open(site: Site) -> None:
    wordpress(site, pages=2)
    await site.miss(17)

    await site.walk()

    gap = site.gap()
    assert (gap["filled_at"], gap["found"]) == (None, 5)
    assert gap["result"].startswith("not filled: the feed names no older pages; ?paged=: page 3: HTTP 404 Not Found")
    assert site.titles() == site.all_of(96, 100) + site.all_of(108, 117)


async def test_a_circle_of_links_ends(site: Site) -> None:
    numbers = {"/a": down(112, 108), "/b": down(107, 103)}

    def page(path: str, to: str) -> scripted_web.Answer:
        return site.answer(rss(numbers[path], site.web, f'<atom:link rel="next" href="{to}"/>'))

    site.head = lambda: '<atom:link rel="next" href="/b"/>'
    site.web.answers["/b"] = lambda _: page("/b", "/a")
    site.web.answers["/a"] = lambda _: page("/a", "/b")
    await site.miss(12)

    await site.walk()

    assert "its archive: page 3 leads back to a page before it" in site.gap()["result"]
    assert site.asked().count("/b") == 1


async def test_a_page_that_repeats_itself_under_ever_new_addresses_ends(site: Site) -> None:
    site.head = lambda: '<atom:link rel="next" href="/page?n=2"/>'

    def page(heard: scripted_web.Heard) -> scripted_web.Answer:
        n = int(heard.target.rpartition("=")[2])
        return site.answer(rss(down(107, 103), site.web, f'<atom:link rel="next" href="/page?n={n + 1}"/>'))

    site.web.answers["/page"] = page
    await site.miss(12)

    await site.walk()

    assert "page 3 shows the same entries as the page before" in site.gap()["result"]
    assert [target for target in site.asked() if "page" in target] == ["/page?n=2", "/page?n=3"]


async def test_a_page_on_another_host_is_not_asked_for(site: Site) -> None:
    site.head = lambda: f'<atom:link rel="next" href="{site.web.url("/page", host="localhost")}"/>'
    await site.miss(12)

    await site.walk()

    assert "its older pages are on another host (localhost)" in site.gap()["result"]
    assert "/page" not in site.asked()


async def test_an_endless_archive_is_left_after_so_many_pages_and_may_be_gone_on_with_by_hand(site: Site) -> None:
    paged_archive(site)
    site.renew(pages=4)
    site.newest = 500
    await site.miss(400)

    await site.walk()

    gap = site.gap()
    assert gap["result"] == (
        "not filled: stopped after 4 pages (poll.backfill_pages); it goes on with: aggregator backfill 'News'"
    )
    assert len(site.titles()) == 10 + 15
    await site.by_hand(pages=3)
    assert len(site.titles()) == 10 + 30
    assert [target for target in site.asked() if "page" in target] == [f"/page?n={n}" for n in range(2, 8)]


async def test_dates_end_a_walk_only_where_nothing_is_new(site: Site) -> None:
    site.head = lambda: '<atom:link rel="next" href="/page?n=2"/>'
    older = {"2": down(107, 103), "3": down(90, 86), "4": down(85, 83), "5": down(85, 83)}

    def page(heard: scripted_web.Heard) -> scripted_web.Answer:
        n = heard.target.rpartition("=")[2]
        return site.answer(rss(older[n], site.web, f'<atom:link rel="next" href="/page?n={int(n) + 1}"/>'))

    site.web.answers["/page"] = page
    await site.miss(12)

    await site.walk()

    gap = site.gap()
    assert gap["filled_at"] is None
    assert "page 5 shows the same entries as the page before" in gap["result"]
    assert {f"Title {n}" for n in (*range(83, 91), *range(103, 108))} <= {*site.titles()}


async def test_two_gaps_are_filled_by_one_walk(site: Site) -> None:
    paged_archive(site)
    await site.miss(12)
    site.newest += 13
    await site.poll(13 * HOUR)

    await site.walk()
    await site.walk()

    gaps = site.rows("SELECT filled_at FROM gaps")
    assert len(gaps) == 2
    assert all(gap["filled_at"] is not None for gap in gaps)
    assert site.titles() == site.all_of(96, 125)


async def test_an_entry_that_is_kept_on_top_does_not_end_a_walk(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    wrapped = site.web.answers["/page"]

    def with_old_one(heard: scripted_web.Heard) -> scripted_web.Answer:
        assert callable(wrapped)
        body = wrapped(heard).body.replace(b"<item>", archives.entry(99, site.web).encode() + b"<item>", 1)
        return site.answer(body)

    site.web.answers["/page"] = with_old_one
    shown = rss([99, *down(117, 113)], site.web, '<atom:link rel="next" href="/page?n=2"/>')
    site.web.answers["/feed.xml"] = site.answer(shown)

    await site.walk()

    assert site.gap()["filled_at"] is not None


# ------------------------------------------------------------------------------------------------------- by hand


async def test_by_hand_a_walk_ends_at_the_first_page_without_anything_new(site: Site) -> None:
    paged_archive(site)
    await site.poll()

    await site.by_hand(pages=5)
    await site.by_hand(pages=5)

    assert [report.new for report in site.reports if report.url] == [0, 5, 5, 5, 5, 5, 5, 5, 5, 5]
    assert site.titles() == site.all_of(51, 100)
    assert site.rows("SELECT * FROM gaps") == []
    site.head = lambda: '<atom:link rel="next" href="/page?n=11"/>'
    site.web.answers["/page"] = site.answer(rss(down(60, 56), site.web))
    await site.by_hand(pages=5)
    # Taken up again it may stand among what is known by now.
    assert site.reports[-1].said == "page 11 is the last"


async def test_by_hand_back_to_a_date_known_pages_are_passed(site: Site) -> None:
    paged_archive(site)
    await site.poll()
    await site.by_hand(pages=3)

    await site.by_hand(since=archives.at(72), pages=50)

    assert site.titles()[0] == "Title 66"
    assert site.reports[-1].said == "page 7 is older than 2025-09-18 08:00 UTC"
    assert site.reports[-1].ended


async def test_a_source_that_was_never_polled_is_not_backfilled(site: Site) -> None:
    with pytest.raises(errors.NotFoundError, match="has not been polled yet; first: aggregator poll 'News'"):
        await site.by_hand()


async def test_two_at_a_time_are_kept_apart(site: Site) -> None:
    paged_archive(site)
    await site.miss(17)
    (claimed,) = site.app.engine._claim_walks(site.now, 1)

    with pytest.raises(errors.ConflictError, match="being backfilled at this moment"):
        await site.by_hand()

    await site.app.backfiller.run(claimed)
    assert site.gap()["filled_at"] is not None


async def test_by_hand_back_to_a_date_sitemaps_are_read_too(site: Site) -> None:
    listed = [article(site, n) for n in down(100, 1)]
    foreign = ("http://elsewhere.example/2025/9-title", archives.at(99).isoformat(), "")
    site.web.answers["/sitemap.xml"] = site.answer(sitemap(foreign, *listed))
    await site.poll()

    await site.by_hand()
    assert "sitemaps are read only back to a date (--since)" in (site.reports[-1].said or "")
    await site.by_hand(since=archives.at(80))

    assert site.found_by() == {"feed": 5, "sitemap": 16}
    assert site.rows("SELECT * FROM items WHERE host = 'elsewhere.example'") == []


async def test_ten_thousand_pages_are_bounded_by_what_was_asked_for(site: Site) -> None:
    paged_archive(site, size=1)
    site.newest = 10_000
    await site.poll()

    await site.by_hand(since=archives.at(-20_000), pages=60)

    assert len([target for target in site.asked() if "page" in target]) == 59
    (walk,) = site.rows("SELECT pages, trail FROM backfills")
    assert walk["pages"] == 60
    assert len(str(walk["trail"])) < 3_000
