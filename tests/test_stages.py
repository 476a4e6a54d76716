"""The two stages over a real server, real workers and both databases: what a poll and a harvest come to, and what they survive."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from aggregator import config, intake, model, upkeep
from aggregator.store import db, tables
from tests import loopback, scripted_proxy
from tests.staged import PAGE, Bench, bench, entry, rss

__all__ = ["bench"]


async def test_an_entry_becomes_an_item_with_text_tags_and_page(bench: Bench) -> None:
    url = bench.server.serve("/a", PAGE.encode(), content_type="text/html", etag='"p1"')
    bench.server.serve("/one.xml", rss(entry(1, url)), etag='"f1"')

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
    bench.server.serve("/one.xml", rss(entry(1, url)), etag='"f1"', last_modified="Thu, 18 Sep 2025 00:00:00 GMT")
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
    bench.server.serve("/one.xml", rss(entry(1, bench.server.url("/a"))))
    await bench.round(harvests=False)
    monkeypatch.delattr(intake.Intake, "parse")

    await bench.round(harvests=False)

    last = bench.polls[-1]
    assert (last.outcome, last.entries, last.new, last.unchanged) == (model.Outcome.UNCHANGED, 1, 0, 1)


async def test_validators_outlive_an_error_and_die_with_their_document(bench: Bench) -> None:
    bench.server.serve("/one.xml", rss(entry(1, bench.server.url("/a"))), etag='"f1"')
    await bench.round(harvests=False)
    bench.server.serve("/one.xml", status="503 Service Unavailable")
    await bench.round(harvests=False)
    bench.server.serve("/one.xml", rss(entry(2, bench.server.url("/b"))))
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
    bench.server.serve("/good.xml", rss(entry(1, bench.server.url("/a"))))

    await bench.round("bad", "good", harvests=False)

    bad, good = bench.rows("SELECT * FROM source_health ORDER BY name")
    assert (bad["error_code"], bad["state"]) == (code, state)
    assert bad["reason"]
    assert (good["state"], good["items"], good["reason"]) == ("active", 1, None)


async def test_a_cut_document_gives_what_it_has_and_says_so_until_it_is_whole(bench: Bench) -> None:
    whole = rss(*(entry(n, bench.server.url(f"/{n}")) for n in (1, 2, 3)))
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


async def test_a_document_that_shares_nothing_with_the_last_is_a_gap(bench: Bench) -> None:
    bench.server.serve("/one.xml", rss(*(entry(n, bench.server.url(f"/{n}")) for n in (1, 2))))
    await bench.round(harvests=False)
    bench.server.serve("/one.xml", rss(*(entry(n, bench.server.url(f"/{n}")) for n in (8, 9))))

    await bench.round(harvests=False)

    (gap,) = bench.rows("SELECT reason, filled_at FROM gaps")
    assert "none of the 2 entries" in gap["reason"]


async def test_a_hanging_server_costs_only_its_own_source(bench: Bench) -> None:
    async def hang(_asked: loopback.Asked, _writer: Any) -> None:
        import asyncio

        await asyncio.sleep(10)

    bench.server.answers["/slow.xml"] = hang
    bench.server.serve("/good.xml", rss(entry(1, bench.server.url("/a"))))

    await bench.round("slow", "good", harvests=False)

    slow, good = sorted(bench.polls, key=lambda report: report.source, reverse=True)
    assert (slow.error_code, good.new) == ("timeout", 1)


async def test_a_killed_processs_work_is_done_again(bench: Bench) -> None:
    bench.server.serve("/one.xml", rss(entry(1, bench.server.serve("/a", PAGE.encode(), content_type="text/html"))))
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
    odd = entry(1, "javascript:alert(1)", title="a\x00b &lt;script&gt; \U0001f30d &#0;").encode("utf-8", "ignore")
    long = entry(2, bench.server.url("/" + "x" * 3000), title="t" * 5000)
    bench.server.serve("/one.xml", rss(odd.decode(), long))

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
                server.serve(f"/{name}.xml", rss(entry(n, f"http://{name}.example/page")))
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


async def test_an_item_that_was_deleted_is_taken_up_again_from_the_same_document(bench: Bench) -> None:
    bench.server.serve("/one.xml", rss(entry(1, bench.server.url("/a"))))
    await bench.round(full_text="never")
    store = db.Store(bench.database)
    with store.begin() as conn:
        conn.execute(delete(tables.items))
    store.close()

    await bench.round(full_text="never")

    assert len(bench.rows("SELECT * FROM items")) == 1
