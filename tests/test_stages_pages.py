"""What the page of an item comes to, over a real server, real workers and both databases."""

import hashlib

import pytest

from aggregator import spool
from tests.staged import PAGE, PARAGRAPH, WORDS, Bench, bench, entry, rss

__all__ = ["bench"]


async def test_a_missing_page_is_tried_again_and_then_given_up_with_the_feeds_text(bench: Bench) -> None:
    more = "<description>What the feed itself has to say of it.</description>"
    bench.server.serve("/one.xml", rss(entry(1, bench.server.url("/missing"), more=more)))
    await bench.round()
    (waiting,) = bench.rows("SELECT * FROM items")
    bench.due()

    await bench.round()

    (given_up,) = bench.rows("SELECT * FROM items")
    assert (waiting["state"], waiting["attempts"]) == ("pending", 1)
    assert "HTTP 404" in waiting["state_reason"]
    assert waiting["text"] == "What the feed itself has to say of it."
    assert waiting["next_visit_at"] is not None
    assert (given_up["state"], given_up["next_visit_at"]) == ("feed_only", None)
    assert "given up after 2 tries" in given_up["state_reason"]


async def test_a_page_that_comes_back_becomes_ok(bench: Bench) -> None:
    bench.server.serve("/one.xml", rss(entry(1, bench.server.serve("/a", status="503 Service Unavailable"))))
    await bench.round()
    bench.server.serve("/a", PAGE.encode(), content_type="text/html")
    bench.due()

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert (item["state"], item["attempts"], item["state_reason"]) == ("ok", 0, None)
    assert bench.rows("SELECT * FROM revisions") == []


async def test_ten_tries_are_enough(bench: Bench) -> None:
    bench.server.serve("/one.xml", rss(entry(1, bench.server.serve("/a", status="500 Internal Server Error"))))
    for _ in range(10):
        await bench.round()
        bench.due()

    (item,) = bench.rows("SELECT * FROM items")
    assert (item["state"], item["attempts"], item["next_visit_at"]) == ("failed", 10, None)
    assert len([asked for asked in bench.server.requests if asked.path == "/a"]) == 10


@pytest.mark.parametrize(
    ("body", "content_type", "state"),
    [
        (b"%PDF-1.7 " + b"x" * 1000, "application/pdf", "not_html"),
        (b"<html><title>Just a moment...</title><body>Checking your browser</body></html>", "text/html", "blocked"),
        (b"<html><body><p>Subscribe now to continue reading this story.</p></body></html>", "text/html", "paywalled"),
        (b"<html><body></body></html>", "text/html", "failed"),
    ],
)
async def test_a_page_without_an_article_says_what_it_is(
    bench: Bench, body: bytes, content_type: str, state: str
) -> None:
    bench.server.serve("/one.xml", rss(entry(1, bench.server.serve("/a", body, content_type=content_type))))

    await bench.round()

    (item,) = bench.rows("SELECT state, state_reason FROM items")
    assert item["state"] == state
    assert item["state_reason"]


async def test_feed_content_that_is_the_whole_article_needs_no_page(bench: Bench) -> None:
    whole = f"<content:encoded><![CDATA[<p>{WORDS}</p>" + f"<p>{PARAGRAPH}</p>" * 5 + "]]></content:encoded>"
    document = rss(entry(1, bench.server.url("/a"), more=whole)).replace(
        b'version="2.0"', b'version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    )
    bench.server.serve("/one.xml", document)

    await bench.round()

    (item,) = bench.rows("SELECT state, extractor FROM items")
    assert dict(item) == {"state": "ok", "extractor": "feed"}
    assert [asked.path for asked in bench.server.requests] == ["/one.xml"]


async def test_full_text_never_keeps_to_the_feed(bench: Bench) -> None:
    bench.server.serve(
        "/one.xml", rss(entry(1, bench.server.url("/a"), more="<description>All there is.</description>"))
    )

    await bench.round(full_text="never")

    (item,) = bench.rows("SELECT state, text, state_reason FROM items")
    assert (item["state"], item["text"]) == ("feed_only", "All there is.")
    assert [asked.path for asked in bench.server.requests] == ["/one.xml"]


async def test_the_same_text_at_two_addresses_is_one_cluster(bench: Bench) -> None:
    first, second = (bench.server.serve(path, PAGE.encode(), content_type="text/html") for path in ("/a", "/b"))
    bench.server.serve("/one.xml", rss(entry(1, first)))
    bench.server.serve("/two.xml", rss(entry(2, second)))

    await bench.round("one", "two")

    rows = bench.rows("SELECT cluster_id FROM items")
    assert len(rows) == 2
    assert rows[0]["cluster_id"] == rows[1]["cluster_id"] is not None
    (shown,) = bench.rows("SELECT title, copies FROM unique_items")
    assert dict(shown) == {"title": "Title 1", "copies": 2}


async def test_an_edited_page_is_a_revision(bench: Bench) -> None:
    url = bench.server.serve("/a", PAGE.encode(), content_type="text/html")
    bench.server.serve("/one.xml", rss(entry(1, url)))
    await bench.round()
    bench.server.serve("/a", PAGE.replace("on day 7", "on the seventh day").encode(), content_type="text/html")
    bench.server.serve("/one.xml", rss(entry(1, url, title="Title 1, corrected")))

    await bench.round()

    history = bench.rows("SELECT title, origin, text FROM item_history ORDER BY revision_id")
    assert [row["title"] for row in history] == ["Title 1", "Title 1, corrected", "Title 1, corrected"]
    assert "on day 7" in history[0]["text"]
    assert "on the seventh day" in history[-1]["text"]


async def test_versions_that_go_in_turns_are_written_down_twice_and_then_left_alone(bench: Bench) -> None:
    url = bench.server.serve("/a", PAGE.encode(), content_type="text/html")
    documents = [rss(entry(1, url, title=title)) for title in ("Minister resigns", "Minister stays")]

    for number in range(6):
        bench.server.serve("/one.xml", documents[number % 2])
        await bench.round(harvests=False)

    assert [report.changed for report in bench.polls] == [0, 1, 1, 0, 0, 0]
    assert [row["title"] for row in bench.rows("SELECT title FROM revisions ORDER BY id")] == [
        "Minister resigns",
        "Minister stays",
        "Minister resigns",
    ]
    assert [row["title"] for row in bench.rows("SELECT title FROM items")] == ["Minister stays"]


async def test_a_page_for_which_our_own_disk_has_no_room_costs_no_try(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    bench.server.serve("/one.xml", rss(entry(1, bench.server.url("/page"))))
    bench.server.serve("/page", PAGE.encode() + b"<!-- -->" * 100_000, content_type="text/html")
    with monkeypatch.context() as patch:
        patch.setattr(spool, "NamedTemporaryFile", full)
        await bench.round()
    (waiting,) = bench.rows("SELECT * FROM items")
    bench.due()
    await bench.round()

    assert (waiting["state"], waiting["attempts"]) == ("pending", 0)
    assert "no room" in waiting["state_reason"]
    assert [row["state"] for row in bench.rows("SELECT state FROM items")] == ["ok"]


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        ("application/pdf", b"%PDF-1.7 " + b"x" * 2991, "a PDF of 3 kB"),
        ("image/jpeg", b"\xff\xd8\xff" + b"x" * 997, "an image of 1 kB"),
        ("text/html", b"%PDF-1.7 " + b"x" * 2991, "a PDF of 3 kB"),
        ("text/html; charset=utf-8", b"\xef\xbb\xbf\n%PDF-1.4 " + b"x" * 988, "a PDF of 1 kB"),
        ("application/octet-stream", b"%PDF-1.7 " + b"x" * 2991, "a PDF of 3 kB"),
        ("application/octet-stream", bytes(range(256)) * 8, "a binary file of 2 kB"),
        ("audio/mpeg", b"\xff\xfb\x90\x00" + b"x" * 996, "a sound of 1 kB"),
        ("video/mp4", b"\x00\x00\x00\x18ftypmp42" + b"x" * 988, "a video of 1 kB"),
        ("application/vnd.ms-excel", b"\xd0\xcf" + b"x" * 998, "a file of type application/vnd.ms-excel of 1 kB"),
    ],
)
async def test_what_is_no_page_is_recorded_with_its_type_and_size(
    bench: Bench, content_type: str, body: bytes, said: str
) -> None:
    url = bench.server.serve("/a", body, content_type=content_type)
    bench.server.serve("/one.xml", rss(entry(1, url)))

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert (item["state"], item["next_visit_at"]) == ("not_html", None)
    assert said in item["state_reason"]
    (page,) = bench.rows("SELECT * FROM pages")
    assert page["sha256"] == hashlib.sha256(body).hexdigest()


async def test_a_pdf_that_is_too_large_to_fetch_says_so_too(bench: Bench) -> None:
    url = bench.server.serve(
        "/a", b"%PDF-1.7", content_type="application/pdf; charset=binary", content_length=str(30 << 20)
    )
    bench.server.serve("/one.xml", rss(entry(1, url)))

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert item["state"] == "not_html"
    assert item["state_reason"].startswith("the document (application/pdf, 30 MiB) is larger than 8 MiB")
