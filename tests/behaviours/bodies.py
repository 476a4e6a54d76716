"""What comes as a document: body-*, disc-01, disc-02, and what parsing finds of WebSub."""

import asyncio
import gzip
import json
import resource
import time
import zlib

from pydantic import ValidationError

from aggregator import config
from aggregator.feed import parse
from tests.behaviours import web
from tests.behaviours.cases import Case, body, checks
from tests.behaviours.conditional import RSS
from tests.behaviours.script import play, reply
from tests.behaviours.world import FEED, START, World

XML = "<rss version='2.0'><channel><title>T</title><item><guid>{0}</guid><title>{0} {1}</title></item></channel></rss>"
MEGABYTE = 1 << 20


async def _answered(world: World, answers: dict[str, web.Reply]) -> dict[str, str | None]:
    """Each answer given to a source of its own, all at once; their error codes."""
    urls = {name: f"http://feed.test/{n}" for n, name in enumerate(answers)}
    await world.configure(**urls)
    world.web.pages |= {urls[name]: answer for name, answer in answers.items()}
    await world.round()
    return {
        row["name"]: row["error_code"]
        for row in world.rows("SELECT name, error_code FROM sources")
        if row["name"] in urls
    }


@checks("body-01")
async def a_text_is_read_in_the_characters_it_was_written_in(world: World, case: Case) -> None:
    del case
    russian, german = "Новости дня", "Grüße aus Köln"

    def made(name: str, text: str, codec: str, declared: str | None, content_type: str, mark: bytes = b"") -> web.Reply:
        prolog = f"<?xml version='1.0' encoding='{declared}'?>" if declared else "<?xml version='1.0'?>"
        return web.Reply(
            headers={"Content-Type": content_type}, body=mark + (prolog + XML.format(name, text)).encode(codec)
        )

    answers = {
        "mark": made("mark", russian, "utf-8", "windows-1251", "text/xml; charset=koi8-r", b"\xef\xbb\xbf"),
        "mark16": made("mark16", russian, "utf-16-le", "utf-8", "text/xml; charset=koi8-r", b"\xff\xfe"),
        "header": made("header", russian, "windows-1251", "utf-8", "application/rss+xml; charset=windows-1251"),
        "declared": made("declared", russian, "koi8-r", "koi8-r", "application/rss+xml"),
        "text": made("text", russian, "utf-8", "utf-8", "text/xml"),
        "undeclared": made("undeclared", russian, "utf-8", None, "text/xml"),
        "ascii": made("ascii", german, "utf-8", None, "text/xml; charset=us-ascii"),
        "wrong": made("wrong", german, "utf-8", "utf-8", "application/rss+xml; charset=iso-8859-1"),
        "unknown": made("unknown", german, "iso-8859-1", "iso-8859-1", "application/rss+xml; charset=x-nonsense"),
    }
    codes = await _answered(world, answers)
    assert set(codes.values()) == {None}
    expected = [f"{name} {german if name in {'ascii', 'wrong', 'unknown'} else russian}" for name in answers]
    assert sorted(world.titles()) == sorted(expected)


@checks("body-02")
async def marks_spaces_and_control_characters_do_no_harm(world: World, case: Case) -> None:
    for n, step in enumerate(case.steps):
        await world.configure(feed=f"http://feed.test/{n}")
        await world.poll("feed", reply(step))
        assert world.polls[-1].error_code is None
        assert world.polls[-1].entries == 3
    assert world.titles() == ["Item 1", "Item 2", "Item 3"]


@checks("body-03")
async def odd_compressions_end_cleanly(world: World, case: Case) -> None:
    del case
    packed = RSS | {"Content-Encoding": "gzip"}
    answers = {
        "unsaid": web.Reply(headers=RSS, body=gzip.compress(body("A.xml"))),
        "untrue": web.Reply(headers=packed, body=body("A.xml")),
        "twice": web.Reply(headers=packed, body=gzip.compress(gzip.compress(body("A.xml")))),
        "twice, and said": web.Reply(
            headers=RSS | {"Content-Encoding": "gzip, gzip"}, body=gzip.compress(gzip.compress(body("A.xml")))
        ),
        "cut": web.Reply(headers=packed, body=gzip.compress(body("A.xml"))[:200]),
    }
    codes = await _answered(world, answers)
    assert set(codes.values()) <= {None, "not_a_feed", "encoding", "encoding_cut"}
    assert all(world.source(name)["error"] for name, code in codes.items() if code)


@checks("body-04")
async def a_bomb_is_stopped_at_the_limit(world: World, case: Case) -> None:
    del case
    # A megabyte of zeros, flushed so that it can be repeated: a thousand times is what the case describes.
    packer = zlib.compressobj(wbits=31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = web.Reply(headers=RSS | {"Content-Encoding": "gzip"}, body=head + block * 1024)
    assert len(bomb.body) < 2 * MEGABYTE

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await world.poll("feed", bomb)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert world.source()["error_code"] == "too_large_decoded"
    assert grown < 100 * 1024


async def _endless(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await writer.drain()


@checks("body-05")
async def what_never_ends_is_ended(world: World, case: Case) -> None:
    del case
    world.told["http"] |= {"max_feed_bytes": "2MiB"}
    endless = web.Reply(headers=RSS | {"Transfer-Encoding": "chunked"}, rest=_endless)
    await world.poll("feed", endless)
    assert world.source()["error_code"] == "too_large"
    await asyncio.sleep(0.2)
    assert world.web.open == 0


async def _drip(writer: asyncio.StreamWriter) -> None:
    for byte in body("A.xml"):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.2)


@checks("body-06")
async def drops_do_not_hold_us_up(world: World, case: Case) -> None:
    """A byte every 0.2 s where 1 s is allowed: in the case a byte every 10 s where 30 s are."""
    del case
    world.told["http"] |= {"timeout": "1s"}
    started = time.monotonic()
    await world.poll("feed", web.Reply(headers={**RSS, "Content-Length": "890"}, rest=_drip))
    assert world.source()["error_code"] == "timeout"
    assert time.monotonic() - started < 20


@checks("body-07")
async def entities_are_not_expanded(world: World, case: Case) -> None:
    started = time.monotonic()
    await play(world, case)
    assert world.source()["error_code"] == "entities"
    assert time.monotonic() - started < 20


@checks("body-08")
async def entities_are_not_fetched(world: World, case: Case) -> None:
    await play(world, case)
    source = world.source()
    assert source["error_code"] == "entities"
    assert source["title"] is None
    assert len(world.web.heard) == 1


@checks("body-09")
async def a_feed_is_known_by_its_looks(world: World, case: Case) -> None:
    await play(world, case)
    types = ("text/plain", "application/octet-stream", "text/html", "image/png", "nonsense", "")
    codes = await _answered(
        world, {one: web.Reply(headers={"Content-Type": one}, body=body("A.xml")) for one in types if one}
    )
    assert set(codes.values()) == {None}
    assert len(world.items()) == 3


@checks("body-10")
async def json_is_a_feed_too(world: World, case: Case) -> None:
    del case
    types = ("application/feed+json", "application/json", "application/json; charset=utf-8", "text/plain")
    answers = {}
    for n, one in enumerate(types):
        entry = {"id": f"j{n}", "url": f"http://feed.test/j/{n}", "title": f"J{n}", "content_html": "<p>Text</p>"}
        document = {"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": [entry]}
        answers[one] = web.Reply(headers={"Content-Type": one}, body=json.dumps(document).encode())
    codes = await _answered(world, answers)
    assert set(codes.values()) == {None}
    assert world.titles() == ["J0", "J1", "J2", "J3"]


# ---------------------------------------------------------------------------------------------------- finding feeds


@checks("disc-01")
async def a_page_that_names_feeds_leads_to_them(world: World, case: Case) -> None:
    """However it is told: what the operator reads of the source must name the candidates, the comments last."""
    await play(world, case)
    told = f"{world.source()['error']} {world.source()['advice']}"
    wanted = ("http://feed.test/blog/atom.xml", "http://feed.test/feed.json", "http://feed.test/blog/comments.xml")
    places = [told.find(url) for url in wanted]
    assert -1 not in places, f"not named in: {told}"
    assert places[2] == max(places)
    assert "oembed" not in told
    assert "x.css" not in told


@checks("disc-02")
async def an_address_as_people_write_it_is_understood(world: World, case: Case) -> None:
    del world
    refused = {}
    for given in case.steps[0]["inputs"]:
        try:
            url = config.SourceConfig.model_validate({"name": "feed", "url": given}).url
        except ValidationError as exc:
            refused[given] = exc.errors()[0]["msg"]
            continue
        assert url in {"http://feed.test/a", "https://feed.test/a"}
    assert refused == {}


@checks("websub-102", "websub-103")
async def a_hub_is_found_in_the_document(world: World, case: Case) -> None:
    del world
    link = '<link rel="hub" href="http://hub.test/"/><link rel="self" href="http://feed.test/feed.xml"/>'
    atom = f'<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><id>t</id>{link}</feed>'.encode()
    document = atom if case.id == "websub-102" else body("hub.xml")
    found = parse.parse(document, url=FEED, headers={"content-type": "application/xml"}, now=START)
    assert (found.hubs, found.self_url) == (("http://hub.test/",), FEED)
