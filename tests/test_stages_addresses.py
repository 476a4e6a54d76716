"""Which page belongs to an entry, over a real server, real workers and both databases: addresses that are shared, given anew, or none."""

from tests.staged import PAGE, Bench, bench, entry, rss

__all__ = ["bench"]


async def test_entries_that_share_an_address_keep_the_texts_of_their_feed(bench: Bench) -> None:
    url = bench.server.serve("/alerts", PAGE.encode(), content_type="text/html")
    told = [f"<description>Warning {n}: {'the river rises and rises. ' * 12}</description>" for n in range(3)]
    bench.server.serve("/one.xml", rss(*(entry(n, f"{url}#part-{n}", more=more) for n, more in enumerate(told))))

    await bench.round()

    items = bench.rows("SELECT * FROM items ORDER BY title")
    assert [item["state"] for item in items] == ["feed_only"] * 3
    assert {item["state_reason"] for item in items} == {
        "the feed gives other entries the same address; the feed's own text is kept"
    }
    assert all(f"Warning {n}" in item["text"] for n, item in enumerate(items))
    assert [one.path for one in bench.server.requests if one.path == "/alerts"] == []


async def test_an_entry_that_leads_to_the_front_page_says_so_though_no_other_does(bench: Bench) -> None:
    url = bench.server.serve("/", PAGE.encode(), content_type="text/html")
    told = f"<description>{'The river rises and rises. ' * 12}</description>"
    bench.server.serve("/one.xml", rss(entry(1, url, more=told)))

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert (item["state"], item["state_reason"]) == (
        "feed_only",
        "the feed gives the front page of a site for its address; the feed's own text is kept",
    )
    assert [one.path for one in bench.server.requests if one.path == "/"] == []


async def test_its_page_is_read_as_soon_as_it_has_one_of_its_own(bench: Bench) -> None:
    front, own = (bench.server.serve(path, PAGE.encode(), content_type="text/html") for path in ("/", "/own"))
    bench.server.serve("/one.xml", rss(entry(1, front)))
    await bench.round()
    bench.server.serve("/one.xml", rss(entry(1, own)))

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert (item["url"], item["state"], item["state_reason"]) == (own, "ok", None)
    assert [one.path for one in bench.server.requests if one.path in ("/", "/own")] == ["/own"]


async def test_an_entry_with_nothing_but_a_title_says_why_its_page_is_not_read(bench: Bench) -> None:
    bench.server.serve("/one.xml", rss(entry(1, bench.server.url("/a"))))

    await bench.round(full_text="never")

    (item,) = bench.rows("SELECT * FROM items")
    assert item["state_reason"] == "full_text is 'never' for this source, and the feed has no text for it"
    assert (item["attempts"], item["next_visit_at"]) == (0, None)


async def test_an_address_that_the_feed_gives_anew_is_a_change_with_both(bench: Bench) -> None:
    old, new = (bench.server.serve(path, PAGE.encode(), content_type="text/html") for path in ("/a", "/a-better-name"))
    bench.server.serve("/one.xml", rss(entry(1, old)))
    await bench.round()
    bench.server.serve("/one.xml", rss(entry(1, new)))

    await bench.round()
    await bench.round()

    assert [item["url"] for item in bench.rows("SELECT url FROM items")] == [new]
    assert [row["detail"] for row in bench.rows("SELECT detail FROM changes WHERE kind = 'address'")] == [
        f"{old} → {new}"
    ]


async def test_an_item_is_known_by_the_address_that_its_feed_gave_it_later_and_by_the_first(bench: Bench) -> None:
    old, new = bench.server.url("/a"), bench.server.url("/a-better-name")
    bench.server.serve("/two.xml", rss())
    for url in (old, new):
        bench.server.serve("/one.xml", rss(entry(1, url)))
        await bench.round("one", "two", harvests=False)
    for number, url in ((7, new), (8, old), (8, old)):
        bench.server.serve("/two.xml", rss(entry(number, url, title="Title 1")))
        await bench.round("one", "two", harvests=False)

    assert [
        (item["url"], item["sightings"]) for item in bench.rows("SELECT external_url AS url, sightings FROM feed_items")
    ] == [(new, 2)]
    assert [row["matched_by"] for row in bench.rows("SELECT matched_by FROM sightings ORDER BY source_id")] == [
        "guid",
        "url",
    ]
    assert [row["url"] for row in bench.rows("SELECT url FROM item_urls")] == [new]
    assert sum(report.new for report in bench.polls) == 1
