"""The two stages over a real server, real workers and both databases: what a poll and a harvest come to, and what they survive."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, delete, select, text, update

from aggregator import app, config, intake, model, spool, upkeep
from aggregator.store import db, tables
from tests import loopback, scripted_proxy

WORDS = " ".join(f"The minister said on day {n} that carbon markets would grow." for n in range(40))
PARAGRAPH = "Nobody in the hall had expected it, and so the applause came late, after the doors had closed behind him."
PAGE = f"<html lang=en><head><title>T</title></head><body><article><h1>T</h1><p>{WORDS}</p><p>{WORDS}</p></article></body></html>"


def _rss(*entries: str, language: str = "en") -> bytes:
    inside = "".join(entries)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><language>{language}</language>{inside}</channel></rss>'.encode()


def _entry(n: int, url: str, *, title: str | None = None, more: str = "") -> str:
    dated = f"<pubDate>Thu, 18 Sep 2025 {n:02}:00:00 GMT</pubDate>"
    return f"<item><guid isPermaLink='false'>g{n}</guid><title>{title or f'Title {n}'}</title><link>{url}</link>{dated}{more}</item>"


class Bench:
    """An app over a test server: `round()` is what `run --once` does."""

    def __init__(self, server: loopback.Server, database: str) -> None:
        self.server, self.database = server, database
        self.polls: list[model.PollReport] = []
        self.harvests: list[model.HarvestReport] = []

    def settings(self, *names: str, **harvest: Any) -> config.Settings:
        feeds = [
            {"name": name, "url": self.server.url(f"/{name}.xml"), "category": "environmental_news"}
            for name in names or ("one",)
        ]
        return config.Settings.model_validate(
            {
                "path": Path("aggregator.yaml"),
                "folder": Path(),
                "database": self.database,
                "poll": {"interval": "1s", "min_interval": "1s"},
                "harvest": {"workers": 1} | harvest,
                "http": {
                    "allow_networks": ["127.0.0.0/8"],
                    "per_host": {"spacing": 0, "concurrency": 4},
                    "timeout": "2s",
                },
                "sources": [config.SourceConfig.model_validate(feed) for feed in feeds],
                "taxonomy": {
                    "version": "1",
                    "topics": [{"tag": "carbon-markets", "label": "Carbon", "words": {"en": ["carbon market*"]}}],
                },
            }
        )

    async def round(self, *names: str, harvests: bool = True, **harvest: Any) -> None:
        settings = self.settings(*names, **harvest)
        store = app.open_store(settings)
        with store.begin() as conn:
            conn.execute(
                update(tables.sources)
                .where(tables.sources.c.state != "gone")
                .values(next_poll_at=datetime(2000, 1, 1, tzinfo=UTC))
            )
        observers = app.Observers(polled=self.polls.append, harvested=self.harvests.append)
        opened = app.App(settings, store, observers)
        try:
            await opened.engine.run_once(harvests=harvests)
        finally:
            await opened.engine.drain(timedelta(seconds=1))
            await opened.aclose()
            store.close()

    def rows(self, query: str, **values: Any) -> list[RowMapping]:
        store = db.Store(self.database)
        with store.read() as conn:
            found = list(conn.execute(text(query), values).mappings())
        store.close()
        return found

    def due(self) -> None:
        """Make every waiting visit due."""
        store = db.Store(self.database)
        with store.begin() as conn:
            waiting = tables.items.c.next_visit_at.is_not(None)
            conn.execute(update(tables.items).where(waiting).values(next_visit_at=datetime(2000, 1, 1, tzinfo=UTC)))
        store.close()


@pytest.fixture
async def bench(tmp_path: Path, database_url: str) -> AsyncIterator[Bench]:
    async with loopback.server(tmp_path) as server:
        yield Bench(server, database_url)


async def test_an_entry_becomes_an_item_with_text_tags_and_page(bench: Bench) -> None:
    url = bench.server.serve("/a", PAGE.encode(), content_type="text/html", etag='"p1"')
    bench.server.serve("/one.xml", _rss(_entry(1, url)), etag='"f1"')

    await bench.round()

    (item,) = bench.rows("SELECT * FROM feed_items")
    assert (item["state"], item["title"], item["source_feed"]) == ("ok", "Title 1", "one")
    assert "carbon markets would grow" in item["body"]
    assert "carbon-markets" in str(item["tags"])
    assert "environmental_news" in str(item["categories"])
    (page,) = bench.rows("SELECT * FROM pages")
    assert (page["status"], page["url"]) == (200, url)


async def test_the_second_poll_is_conditional_and_changes_nothing(bench: Bench) -> None:
    url = bench.server.serve("/a", PAGE.encode(), content_type="text/html")
    bench.server.serve("/one.xml", _rss(_entry(1, url)), etag='"f1"', last_modified="Thu, 18 Sep 2025 00:00:00 GMT")
    await bench.round()
    before = bench.rows("SELECT * FROM items")
    bench.server.serve("/one.xml", status="304 Not Modified", content_length="")

    await bench.round()

    assert bench.server.requests[-1].headers["if-none-match"] == '"f1"'
    assert bench.rows("SELECT * FROM items") == before
    assert [report.outcome for report in bench.polls] == [model.Outcome.NEW, model.Outcome.NOT_MODIFIED]


async def test_a_document_without_validators_that_did_not_change_is_not_parsed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.url("/a"))))
    await bench.round(harvests=False)
    monkeypatch.delattr(intake.Intake, "parse")

    await bench.round(harvests=False)

    last = bench.polls[-1]
    assert (last.outcome, last.entries, last.new, last.unchanged) == (model.Outcome.UNCHANGED, 1, 0, 1)


async def test_validators_outlive_an_error_and_die_with_their_document(bench: Bench) -> None:
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.url("/a"))), etag='"f1"')
    await bench.round(harvests=False)
    bench.server.serve("/one.xml", status="503 Service Unavailable")
    await bench.round(harvests=False)
    bench.server.serve("/one.xml", _rss(_entry(2, bench.server.url("/b"))))
    await bench.round(harvests=False)
    await bench.round(harvests=False)

    sent = [asked.headers.get("if-none-match") for asked in bench.server.requests]
    assert sent == [None, '"f1"', '"f1"', None]


@pytest.mark.parametrize(
    ("answer", "code", "state"),
    [
        ({"status": "404 Not Found"}, "http_404", "failing"),
        ({"status": "410 Gone"}, "gone", "gone"),
        ({"body": b""}, "empty", "failing"),
        (
            {"body": b"<html><title>Log in</title><body>Please</body></html>", "content_type": "text/html"},
            "login",
            "failing",
        ),
        ({"body": b"%PDF-1.7 something"}, "not_a_feed", "failing"),
        (
            {
                "body": b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><rss version="2.0"><channel/></rss>'
            },
            "entities",
            "failing",
        ),
        ({"body": b"x", "content_encoding": "compress"}, "encoding", "failing"),
    ],
)
async def test_a_broken_feed_has_its_reason_and_disturbs_no_other(
    bench: Bench, answer: dict[str, Any], code: str, state: str
) -> None:
    bench.server.serve("/bad.xml", **answer)
    bench.server.serve("/good.xml", _rss(_entry(1, bench.server.url("/a"))))

    await bench.round("bad", "good", harvests=False)

    bad, good = bench.rows("SELECT * FROM source_health ORDER BY name")
    assert (bad["error_code"], bad["state"]) == (code, state)
    assert bad["reason"]
    assert (good["state"], good["items"], good["reason"]) == ("active", 1, None)


async def test_a_cut_document_gives_what_it_has_and_says_so_until_it_is_whole(bench: Bench) -> None:
    whole = _rss(*(_entry(n, bench.server.url(f"/{n}")) for n in (1, 2, 3)))
    bench.server.serve("/one.xml", whole[: whole.index(b"g3")], etag='"cut"')
    await bench.round(harvests=False)
    await bench.round(harvests=False)
    (cut,) = bench.rows("SELECT state, reason, items FROM source_health")
    bench.server.serve("/one.xml", whole, etag='"whole"')

    await bench.round(harvests=False)

    (mended,) = bench.rows("SELECT state, reason, items FROM source_health")
    assert (cut["state"], cut["items"]) == ("failing", 2)
    assert "cut off" in cut["reason"]
    assert dict(mended) == {"state": "active", "reason": None, "items": 3}
    assert all("if-none-match" not in asked.headers for asked in bench.server.requests)


async def test_a_missing_page_is_tried_again_and_then_given_up_with_the_feeds_text(bench: Bench) -> None:
    more = "<description>What the feed itself has to say of it.</description>"
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.url("/missing"), more=more)))
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
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.serve("/a", status="503 Service Unavailable"))))
    await bench.round()
    bench.server.serve("/a", PAGE.encode(), content_type="text/html")
    bench.due()

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert (item["state"], item["attempts"], item["state_reason"]) == ("ok", 0, None)
    assert bench.rows("SELECT * FROM revisions") == []


async def test_ten_tries_are_enough(bench: Bench) -> None:
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.serve("/a", status="500 Internal Server Error"))))
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
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.serve("/a", body, content_type=content_type))))

    await bench.round()

    (item,) = bench.rows("SELECT state, state_reason FROM items")
    assert item["state"] == state
    assert item["state_reason"]


async def test_feed_content_that_is_the_whole_article_needs_no_page(bench: Bench) -> None:
    whole = f"<content:encoded><![CDATA[<p>{WORDS}</p>" + f"<p>{PARAGRAPH}</p>" * 5 + "]]></content:encoded>"
    document = _rss(_entry(1, bench.server.url("/a"), more=whole)).replace(
        b'version="2.0"', b'version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    )
    bench.server.serve("/one.xml", document)

    await bench.round()

    (item,) = bench.rows("SELECT state, extractor FROM items")
    assert dict(item) == {"state": "ok", "extractor": "feed"}
    assert [asked.path for asked in bench.server.requests] == ["/one.xml"]


async def test_full_text_never_keeps_to_the_feed(bench: Bench) -> None:
    bench.server.serve(
        "/one.xml", _rss(_entry(1, bench.server.url("/a"), more="<description>All there is.</description>"))
    )

    await bench.round(full_text="never")

    (item,) = bench.rows("SELECT state, text, state_reason FROM items")
    assert (item["state"], item["text"]) == ("feed_only", "All there is.")
    assert [asked.path for asked in bench.server.requests] == ["/one.xml"]


async def test_the_same_text_at_two_addresses_is_one_cluster(bench: Bench) -> None:
    first, second = (bench.server.serve(path, PAGE.encode(), content_type="text/html") for path in ("/a", "/b"))
    bench.server.serve("/one.xml", _rss(_entry(1, first)))
    bench.server.serve("/two.xml", _rss(_entry(2, second)))

    await bench.round("one", "two")

    rows = bench.rows("SELECT cluster_id FROM items")
    assert len(rows) == 2
    assert rows[0]["cluster_id"] == rows[1]["cluster_id"] is not None
    (shown,) = bench.rows("SELECT title, copies FROM unique_items")
    assert dict(shown) == {"title": "Title 1", "copies": 2}


async def test_an_edited_page_is_a_revision(bench: Bench) -> None:
    url = bench.server.serve("/a", PAGE.encode(), content_type="text/html")
    bench.server.serve("/one.xml", _rss(_entry(1, url)))
    await bench.round()
    bench.server.serve("/a", PAGE.replace("on day 7", "on the seventh day").encode(), content_type="text/html")
    bench.server.serve("/one.xml", _rss(_entry(1, url, title="Title 1, corrected")))

    await bench.round()

    history = bench.rows("SELECT title, origin, text FROM item_history ORDER BY revision_id")
    assert [row["title"] for row in history] == ["Title 1", "Title 1, corrected", "Title 1, corrected"]
    assert "on day 7" in history[0]["text"]
    assert "on the seventh day" in history[-1]["text"]


async def test_versions_that_go_in_turns_are_written_down_twice_and_then_left_alone(bench: Bench) -> None:
    url = bench.server.serve("/a", PAGE.encode(), content_type="text/html")
    documents = [_rss(_entry(1, url, title=title)) for title in ("Minister resigns", "Minister stays")]

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


async def test_a_document_that_shares_nothing_with_the_last_is_a_gap(bench: Bench) -> None:
    bench.server.serve("/one.xml", _rss(*(_entry(n, bench.server.url(f"/{n}")) for n in (1, 2))))
    await bench.round(harvests=False)
    bench.server.serve("/one.xml", _rss(*(_entry(n, bench.server.url(f"/{n}")) for n in (8, 9))))

    await bench.round(harvests=False)

    (gap,) = bench.rows("SELECT reason, filled_at FROM gaps")
    assert "none of the 2 entries" in gap["reason"]


async def test_a_hanging_server_costs_only_its_own_source(bench: Bench) -> None:
    async def hang(_asked: loopback.Asked, _writer: Any) -> None:
        import asyncio

        await asyncio.sleep(10)

    bench.server.answers["/slow.xml"] = hang
    bench.server.serve("/good.xml", _rss(_entry(1, bench.server.url("/a"))))

    await bench.round("slow", "good", harvests=False)

    slow, good = sorted(bench.polls, key=lambda report: report.source, reverse=True)
    assert (slow.error_code, good.new) == ("timeout", 1)


async def test_a_killed_processs_work_is_done_again(bench: Bench) -> None:
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.serve("/a", PAGE.encode(), content_type="text/html"))))
    await bench.round(harvests=False)
    store = db.Store(bench.database)
    with store.begin() as conn:
        until = datetime.now(UTC) + timedelta(hours=1)
        conn.execute(update(tables.items).values(lease_owner="elsewhere:1:x", lease_until=until))
    await bench.round()
    (held,) = bench.rows("SELECT state FROM items")

    upkeep.release_dead_leases(store, alone=True)
    await bench.round()

    with store.read() as conn:
        assert conn.execute(select(tables.items.c.state)).scalar_one() == "ok"
    store.close()
    assert held["state"] == "pending"


async def test_what_a_feed_says_cannot_break_the_store(bench: Bench) -> None:
    odd = _entry(1, "javascript:alert(1)", title="a\x00b &lt;script&gt; \U0001f30d &#0;").encode("utf-8", "ignore")
    long = _entry(2, bench.server.url("/" + "x" * 3000), title="t" * 5000)
    bench.server.serve("/one.xml", _rss(odd.decode(), long))

    await bench.round(harvests=False)

    rows = bench.rows("SELECT title, url FROM items ORDER BY title")
    assert len(rows) == 2
    assert all("\x00" not in row["title"] for row in rows)
    assert not any((row["url"] or "").startswith("javascript") for row in rows)


class Behind(Bench):
    """Three sources on three hosts, which only `proxy` can find."""

    proxy: str = ""

    def settings(self, *names: str, **harvest: Any) -> config.Settings:
        straight = super().settings(**harvest)
        feeds = [{"name": name, "url": f"http://{name}.example/{name}.xml"} for name in names]
        return straight.model_copy(
            update={
                "http": straight.http.model_copy(update={"proxy": self.proxy, "allow_networks": ()}),
                "sources": tuple(config.SourceConfig.model_validate(feed) for feed in feeds),
            }
        )


async def test_a_proxy_that_fails_is_blamed_on_no_source_and_costs_no_page(tmp_path: Path, database_url: str) -> None:
    names = ("one", "two", "three")
    async with loopback.server(tmp_path) as server:
        behind = Behind(server, database_url)
        async with scripted_proxy.serve(auth="reader:geheim") as proxy:
            proxy.names = {f"{name}.example:80": server.http for name in names}
            for n, name in enumerate(names):
                server.serve(f"/{name}.xml", _rss(_entry(n, f"http://{name}.example/page")))
            server.serve("/page", PAGE.encode(), content_type="text/html")
            behind.proxy = proxy.url("reader:geheim")
            await behind.round(*names, harvests=False)
        await behind.round(*names)
        while_down = behind.rows("SELECT * FROM sources")
        items = behind.rows("SELECT state, attempts FROM items")
        async with scripted_proxy.serve() as proxy:
            proxy.names = {f"{name}.example:80": server.http for name in names}
            behind.proxy = proxy.url()
            behind.due()
            await behind.round(*names)

    assert [report.error_code for report in behind.polls] == [None] * 3 + ["proxy"] * 3 + [None] * 3
    assert {(row["state"], row["failures"]) for row in while_down} == {("active", 0.0)}
    assert "probably our own network" in str(while_down)
    assert "geheim" not in str(while_down) + str(behind.rows("SELECT * FROM polls"))
    assert {(row["state"], row["attempts"]) for row in items} == {("pending", 0)}
    assert {row["state"] for row in behind.rows("SELECT state FROM items")} == {"ok"}


async def test_a_page_for_which_our_own_disk_has_no_room_costs_no_try(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.url("/page"))))
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
    bench.server.serve("/one.xml", _rss(_entry(1, url)))

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
    bench.server.serve("/one.xml", _rss(_entry(1, url)))

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert item["state"] == "not_html"
    assert item["state_reason"].startswith("the document (application/pdf, 30 MiB) is larger than 8 MiB")


async def test_entries_that_share_an_address_keep_the_texts_of_their_feed(bench: Bench) -> None:
    url = bench.server.serve("/alerts", PAGE.encode(), content_type="text/html")
    told = [f"<description>Warning {n}: {'the river rises and rises. ' * 12}</description>" for n in range(3)]
    bench.server.serve("/one.xml", _rss(*(_entry(n, f"{url}#part-{n}", more=more) for n, more in enumerate(told))))

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
    bench.server.serve("/one.xml", _rss(_entry(1, url, more=told)))

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert (item["state"], item["state_reason"]) == (
        "feed_only",
        "the feed gives the front page of a site for its address; the feed's own text is kept",
    )
    assert [one.path for one in bench.server.requests if one.path == "/"] == []


async def test_its_page_is_read_as_soon_as_it_has_one_of_its_own(bench: Bench) -> None:
    front, own = (bench.server.serve(path, PAGE.encode(), content_type="text/html") for path in ("/", "/own"))
    bench.server.serve("/one.xml", _rss(_entry(1, front)))
    await bench.round()
    bench.server.serve("/one.xml", _rss(_entry(1, own)))

    await bench.round()

    (item,) = bench.rows("SELECT * FROM items")
    assert (item["url"], item["state"], item["state_reason"]) == (own, "ok", None)
    assert [one.path for one in bench.server.requests if one.path in ("/", "/own")] == ["/own"]


async def test_an_item_that_was_deleted_is_taken_up_again_from_the_same_document(bench: Bench) -> None:
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.url("/a"))))
    await bench.round(full_text="never")
    store = db.Store(bench.database)
    with store.begin() as conn:
        conn.execute(delete(tables.items))
    store.close()

    await bench.round(full_text="never")

    assert len(bench.rows("SELECT * FROM items")) == 1


async def test_an_entry_with_nothing_but_a_title_says_why_its_page_is_not_read(bench: Bench) -> None:
    bench.server.serve("/one.xml", _rss(_entry(1, bench.server.url("/a"))))

    await bench.round(full_text="never")

    (item,) = bench.rows("SELECT * FROM items")
    assert item["state_reason"] == "full_text is 'never' for this source, and the feed has no text for it"
    assert (item["attempts"], item["next_visit_at"]) == (0, None)


async def test_an_address_that_the_feed_gives_anew_is_a_change_with_both(bench: Bench) -> None:
    old, new = (bench.server.serve(path, PAGE.encode(), content_type="text/html") for path in ("/a", "/a-better-name"))
    bench.server.serve("/one.xml", _rss(_entry(1, old)))
    await bench.round()
    bench.server.serve("/one.xml", _rss(_entry(1, new)))

    await bench.round()
    await bench.round()

    assert [item["url"] for item in bench.rows("SELECT url FROM items")] == [new]
    assert [row["detail"] for row in bench.rows("SELECT detail FROM changes WHERE kind = 'address'")] == [
        f"{old} → {new}"
    ]


async def test_an_item_is_known_by_the_address_that_its_feed_gave_it_later_and_by_the_first(bench: Bench) -> None:
    old, new = bench.server.url("/a"), bench.server.url("/a-better-name")
    bench.server.serve("/two.xml", _rss())
    for url in (old, new):
        bench.server.serve("/one.xml", _rss(_entry(1, url)))
        await bench.round("one", "two", harvests=False)
    for number, url in ((7, new), (8, old), (8, old)):
        bench.server.serve("/two.xml", _rss(_entry(number, url, title="Title 1")))
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
