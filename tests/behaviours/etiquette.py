"""Good manners: eti-*."""

import asyncio
import importlib.util
from typing import Any

import pytest
import zstandard

from aggregator.net import connections
from tests.behaviours import web
from tests.behaviours.cases import Case, body, checks
from tests.behaviours.conditional import RSS
from tests.behaviours.pace import EMPTY
from tests.behaviours.script import play
from tests.behaviours.world import World

PAGE = {"Content-Type": "text/html; charset=utf-8"}


def article(about: str, paragraphs: int = 12) -> bytes:
    """A page with an article."""
    said = " ".join(
        f"On day {n} the council spoke at length about {about} and what would become of it." for n in range(4)
    )
    text = "".join(f"<p>Part {n}. {said}</p>" for n in range(paragraphs))
    return f"<html lang=en><head><title>{about}</title></head><body><article><h1>{about}</h1>{text}</article></body></html>".encode()


@checks("eti-01")
async def the_user_agent_says_who_asks(world: World, case: Case) -> None:
    """With `http.contact`, which only the operator can know."""
    await play(world, case)
    told = world.web.heard[-1].headers["user-agent"]
    assert "Mozilla" not in told
    await world.restart()
    await play(world, case)
    assert world.web.heard[-1].headers["user-agent"] == told


@checks("eti-02", "eti-03", "eti-06")
async def the_request_is_as_scripted(world: World, case: Case) -> None:
    await play(world, case)
    if case.id == "eti-06":
        assert "*/*" in world.web.heard[-1].headers["accept"]


@checks("eti-04")
async def a_url_is_asked_for_as_it_is_written(world: World, case: Case) -> None:
    await play(world, case)
    for odd in ("?b=2&a=%7E1&&x", "b//c;v=1?q=%2f%C3%A9&r=a+b", "%7Efeed?"):
        await world.configure(feed=f"http://feed.test/{odd}")
        (heard,) = await world.poll("feed", web.Reply(headers=RSS, body=body("A.xml")))
        assert heard.url == f"http://feed.test/{odd}"


@checks("eti-05")
async def one_get_per_poll(world: World, case: Case) -> None:
    await play(world, case)
    assert [heard.method for heard in world.web.heard] == ["GET"]


@checks("eti-07")
async def what_is_offered_can_be_decoded(world: World, case: Case) -> None:
    await play(world, case)
    assert len(world.items()) == 3

    offered = {one.strip().partition(";")[0] for one in world.web.heard[-1].headers["accept-encoding"].split(",")}
    assert offered <= {"gzip", "deflate", "zstd", "br", "identity"}
    assert "br" not in offered or importlib.util.find_spec("brotli") is not None
    if "zstd" in offered:
        packed = zstandard.compress(body("B.xml"))
        await world.poll("feed", web.Reply(headers=RSS | {"Content-Encoding": "zstd"}, body=packed))
        assert len(world.items()) == 4


@checks("eti-08")
async def connections_are_kept_but_few_and_not_for_long(world: World, case: Case) -> None:
    del case
    served = {f"feed {n}": f"http://h{n}.test/" for n in range(130)}
    world.told["http"] |= {"connect_to": {"*:80": f"127.0.0.1:{world.web.http}"}}
    await world.configure(**served)
    world.web.pages |= dict.fromkeys(served.values(), web.Reply(headers=RSS, body=EMPTY))
    await world.round()
    await asyncio.sleep(0.2)
    assert 0 < world.web.open <= 100

    await world.configure(a="http://feed.test/a", b="http://feed.test/b")
    world.told["http"] |= {"per_host": {"spacing": 0, "concurrency": 1}}
    before = world.web.connections
    world.web.script.extend([web.Reply(headers=RSS, body=EMPTY)] * 2)
    await world.round()
    assert world.web.connections == before + 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "_KEPT_SECONDS", 0.3)
        await world.configure(a="http://cdn.test/", b="http://other.test/")
        world.web.script.extend([web.Reply(headers=RSS, body=EMPTY)] * 2)
        await world.round()
        await asyncio.sleep(0.5)
        await world.poll("a", web.Reply(headers=RSS, body=EMPTY))
        await asyncio.sleep(0.1)
        assert world.web.open <= 1
    await world.close()
    await asyncio.sleep(0.1)
    assert world.web.open == 0


@checks("eti-09")
async def a_page_is_fetched_once(world: World, case: Case) -> None:
    del case
    pages = [f"http://feed.test/posts/{n}" for n in (1, 2, 3)]
    world.web.pages |= {page: web.Reply(headers=PAGE, body=article(page)) for page in pages}
    feed = web.Reply(headers=RSS, body=body("A.xml"))
    world.web.pages["http://feed.test/feed.xml"] = feed
    world.web.pages["http://feed.test/robots.txt"] = web.Reply(status=404)
    await world.poll(harvests=True)
    assert _pages(world, pages) == pages

    for _ in range(3):
        await world.poll(harvests=True)
    assert _pages(world, pages) == pages
    assert not any("favicon" in url for url in world.web.urls())

    # Its feed changes one: this one is a new revision.
    world.web.pages["http://feed.test/feed.xml"] = web.Reply(headers=RSS, body=body("B_edited.xml"))
    await world.poll(harvests=True)
    assert sorted(_pages(world, pages)) == sorted([*pages, pages[1]])

    # What the feed brings whole needs no page, and `never` wants none.
    told = " ".join(f"Sentence {n} of the whole that is here, in the feed." for n in range(30))
    whole = "".join(f"<p>Part {n}. {told}</p>" for n in range(4))
    for n, (mode, text) in enumerate((("auto", whole), ("never", "Little."))):
        await world.configure(feed={"url": f"http://feed.test/{n}.xml", "full_text": mode})
        item = f"<item><title>W{n}</title><link>http://feed.test/whole/{n}</link><content:encoded><![CDATA[{text}]]></content:encoded></item>"
        space = 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        document = f'<rss version="2.0" {space}><channel><title>T</title>{item}</channel></rss>'.encode()
        await world.poll("feed", web.Reply(headers=RSS, body=document), harvests=True)
        assert f"http://feed.test/whole/{n}" not in world.web.urls()


def _pages(world: World, pages: list[str]) -> list[str]:
    return sorted(url for url in world.web.urls() if url in pages)


def feed_of(*links: str, **more: Any) -> web.Reply:
    """A feed whose entries lead to these pages, with a summary each."""
    said = more.get("summary", "What the feed itself has to say of it.")
    entries = "".join(
        f"<item><guid isPermaLink='false'>{link}</guid><title>Title {n}</title><link>{link.replace('&', '&amp;')}</link>"
        f"<pubDate>Thu, 04 Sep 2025 {n:02}:00:00 GMT</pubDate><description><![CDATA[{said}]]></description></item>"
        for n, link in enumerate(links)
    )
    return web.Reply(
        headers=RSS, body=f'<rss version="2.0"><channel><title>T</title>{entries}</channel></rss>'.encode()
    )
