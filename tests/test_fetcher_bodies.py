"""Bodies from real loopback servers: decoded, bounded, cut, slow, kept on disk."""

import asyncio
import gzip
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator import cadence, errors, spool
from aggregator.net import fetcher
from tests import scripted_web as loopback
from tests.fetching import BODY, OK, asking, client, fetching, refused
from tests.scripted_web import Answer, moved, web

__all__ = ["client", "web"]

# ------------------------------------------------------------------------------------------------------- body, size


async def test_a_gzipped_body_is_decoded_and_its_wire_bytes_counted(
    web: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    packed = gzip.compress(BODY * 100, mtime=0)
    web.answers["/feed"] = Answer(body=packed, headers={"Content-Encoding": "gzip"})

    response = await client.fetch(asking(web.url("/feed")))

    assert (response.body, response.wire_bytes) == (BODY * 100, len(packed))


async def test_a_chunked_body_is_put_together(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    web.answers["/feed"] = Answer(raw=raw)

    assert (await client.fetch(asking(web.url("/feed")))).body == b"hello world"


@pytest.mark.parametrize("headers", [{}, {"content-length": None, "connection": "close"}])
async def test_a_body_up_to_the_limit_is_taken_and_one_beyond_it_not(
    web: loopback.Loopback, client: fetcher.Fetcher, headers: dict[str, str | None]
) -> None:
    web.answers["/feed"] = Answer(body=b"x" * 5000, headers=headers, close=True)

    assert len((await client.fetch(asking(web.url("/feed"), max_bytes=5000))).body) == 5000
    failure = await refused(client.fetch(asking(web.url("/feed"), max_bytes=4999)))

    assert isinstance(failure, errors.TooLargeError)
    assert failure.code == "too_large"


async def test_a_gzip_bomb_does_not_go_off(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/feed"] = Answer(body=gzip.compress(bytes(200 << 20), mtime=0), headers={"Content-Encoding": "gzip"})

    failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert isinstance(failure, errors.TooLargeError)
    assert failure.code == "too_large_decoded"


@pytest.mark.parametrize(
    ("body", "coding", "code"),
    [
        (gzip.compress(BODY, mtime=0)[:-4], "gzip", "encoding_cut"),
        (BODY, "gzip", "encoding"),
        (BODY, "br", "encoding"),
        (gzip.compress(gzip.compress(BODY, mtime=0), mtime=0), "gzip, gzip", "encoding"),
    ],
)
async def test_a_body_that_cannot_be_decoded_whole_is_an_error(
    web: loopback.Loopback, client: fetcher.Fetcher, body: bytes, coding: str, code: str
) -> None:
    web.answers["/feed"] = Answer(body=body, headers={"Content-Encoding": coding})

    failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert (failure.code, failure.url) == (code, web.url("/feed"))


async def test_others_go_on_while_a_large_body_is_decoded(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/feed"] = Answer(body=gzip.compress(bytes(64 << 20), mtime=0), headers={"Content-Encoding": "gzip"})
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    going_on = asyncio.create_task(others())
    failure = await refused(client.fetch(asking(web.url("/feed"), max_bytes=32 << 20)))
    going_on.cancel()

    # 32 MiB in pieces of 256 KiB, between each of which the loop went round.
    assert failure.code == "too_large_decoded"
    assert turns >= 128


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=BODY, headers={"content-length": str(len(BODY) + 10)}, close=True),
        Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        Answer(raw=b""),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Le"),
    ],
)
async def test_an_answer_that_was_cut_is_an_error(
    web: loopback.Loopback, client: fetcher.Fetcher, answer: Answer
) -> None:
    web.answers["/feed"] = answer

    failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert (type(failure), failure.code) == (errors.TransportError, "reset")


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"<html>HTTP/0.9</html>\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"\x00\x1b[31m\xff\xfe\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_http_is_an_error_of_one_clean_line(
    web: loopback.Loopback, client: fetcher.Fetcher, raw: bytes
) -> None:
    web.answers["/feed"] = Answer(raw=raw)

    failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert (type(failure), failure.code) == (errors.TransportError, "protocol")
    assert str(failure).isprintable()


async def test_a_large_body_waits_on_disk_and_is_gone_when_it_is_let_go(web: loopback.Loopback) -> None:
    large = b"news " * 200_000
    web.answers["/feed"] = Answer(body=gzip.compress(large, mtime=0), headers={"Content-Encoding": "gzip"})
    async with fetching() as client, AsyncExitStack() as held:
        response = await client.fetch(asking(web.url("/feed")), held)

        assert isinstance(response.body, spool.Spooled)
        assert (len(response.body), b"".join(spool.pieces(response.body))) == (len(large), large)
        kept = Path(response.body._path)
        assert kept.exists()
        await held.aclose()
        assert not kept.exists()


async def test_a_disk_without_room_is_our_fault_and_said_so(
    web: loopback.Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "NamedTemporaryFile", full)
    web.answers["/feed"] = Answer(body=b"news " * 200_000)
    async with fetching() as client, AsyncExitStack() as held:
        failure = await refused(client.fetch(asking(web.url("/feed")), held))

    assert (failure.code, "No space left" in str(failure)) == ("storage", True)
    assert cadence.weight(failure.code) == 0.25


# ------------------------------------------------------------------------------------------------------------ time


@pytest.mark.parametrize(
    ("answer", "waited_for"),
    [
        (Answer(wait=60), "the headers"),
        (Answer(body=b"x" * 1000, drip=0.05), "the body"),
        (Answer(body=b"x", headers={"content-length": "10"}, stall=True), "the body"),
        (Answer(raw=b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3, stall=True, wait=60), "the headers"),
    ],
)
async def test_a_server_that_takes_its_time_is_given_up(
    web: loopback.Loopback, answer: Answer, waited_for: str
) -> None:
    web.answers["/feed"] = answer

    async with fetching(timeout=0.3) as client:
        failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert (type(failure), failure.code) == (errors.TransportError, "timeout")
    assert waited_for in str(failure)


async def test_the_time_is_for_all_redirects_together(web: loopback.Loopback) -> None:
    for number in range(9):
        web.answers[f"/{number}"] = replace(moved(f"/{number + 1}"), wait=0.2)

    async with fetching(timeout=0.5) as client:
        failure = await refused(client.fetch(asking(web.url("/0"))))

    assert failure.code == "timeout"
    assert 2 <= len(web.heard) <= 3


async def test_waiting_for_a_turn_does_not_use_up_the_time(web: loopback.Loopback) -> None:
    web.answers["/old"], web.answers["/feed"] = moved("/feed"), OK

    async with fetching(timeout=0.5, per_host={"concurrency": 1, "spacing": 0.8}) as client:
        response = await client.fetch(asking(web.url("/old")))

    assert response.body == BODY
    assert web.heard[1].at - web.heard[0].at >= 0.7
    assert response.took < timedelta(seconds=0.5)


async def test_a_handshake_that_never_ends_is_given_up(web: loopback.Loopback) -> None:
    web.greeting = Answer(raw=b"", wait=60)

    async with fetching(timeout=0.3) as client:
        failure = await refused(client.fetch(asking(web.url("/feed").replace("http:", "https:"))))

    assert failure.code == "timeout"
    assert "TLS" in str(failure)


async def test_whoever_asks_may_be_cancelled(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/slow"], web.answers["/feed"] = Answer(wait=60), OK
    slow = asyncio.create_task(client.fetch(asking(web.url("/slow"))))
    while not web.heard:
        await asyncio.sleep(0.01)

    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow

    assert (await client.fetch(asking(web.url("/feed")))).body == BODY
