"""Connections, framing, headers and sizes: what is wrong before anybody looks at the document."""

import asyncio
import base64
import gzip
import zlib
from collections.abc import AsyncIterator

import zstandard

from tests.hostile.case import (
    WELL,
    Asked,
    Case,
    ResetError,
    bad,
    both,
    by_turn,
    doc,
    either,
    entry,
    feed,
    good,
    head,
    http,
    nothing_of,
    raw,
    rss,
    silence,
    steps,
    stories,
    that,
    unread,
    well,
)  # fmt: skip

MEGABYTE = 1 << 20
# A gibibyte of zeros in 809 bytes of brotli, compressed once more: packing it anew would take seconds.
_BROTLI = zlib.decompress(
    base64.b85decode(
        "c-lMv|9?G$3d5s~4n^<(|NQ@-zk$U;My%o8U;F?6|1(Zt=s3)DVekLv|Nq-F2r(2!FzovN|Ih#b><&x{eB2J-|IG)gV(?%%lF0bt-v7`4|I0IQHdyE|-2Gku@B"
        "e>h1xA5()&<r7&qFQQz)&)3$*3hm(Gq(A@n^2y"
    )
)


# ----------------------------------------------------------------------------------------------------- connections


async def _silence(asked: Asked) -> AsyncIterator[bytes]:
    await silence()
    yield b""


async def _reset(asked: Asked) -> AsyncIterator[bytes]:
    raise ResetError
    yield b""


async def _slow_headers(asked: Asked) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for n in range(1000):
        yield f"x-{n}: y\r\n".encode()
        await asyncio.sleep(0.5)


async def _slow_body(asked: Asked) -> AsyncIterator[bytes]:
    body = feed(asked.base)
    yield head(content_length=str(len(body)))
    for n in range(len(body)):
        yield body[n : n + 1]
        await asyncio.sleep(0.2)


async def _slow_chunks(asked: Asked) -> AsyncIterator[bytes]:
    yield head(transfer_encoding="chunked")
    while True:
        yield b"1\r\n \r\n"
        await asyncio.sleep(0.5)


async def _stall(asked: Asked) -> AsyncIterator[bytes]:
    body = feed(asked.base)
    yield head(content_length=str(len(body))) + body[: len(body) // 2]
    await silence()


async def _flood_1xx(asked: Asked) -> AsyncIterator[bytes]:
    while True:
        yield b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        await asyncio.sleep(0.01)


async def _cut_rst(asked: Asked) -> AsyncIterator[bytes]:
    body = feed(asked.base)
    yield head(content_length=str(len(body))) + body[:-100]
    await asyncio.sleep(0.1)
    raise ResetError


def _cut_length(asked: Asked) -> bytes:
    body = feed(asked.base)
    return head(content_length=str(len(body))) + body[:-100]


def _cut_chunked(asked: Asked) -> bytes:
    body = feed(asked.base)[:-100]
    return head(transfer_encoding="chunked") + b"%x\r\n" % len(body) + body


CONNECTIONS = (
    Case(id="net-nxdomain", url="http://no-such-host.invalid/feed", want=bad("dns", deadline=12)),
    Case(id="net-refused", kind="refused", want=bad("connect")),
    Case(id="net-blackhole", kind="blackhole", want=bad("timeout")),
    Case(id="net-silence", kind="raw", play=_silence, want=bad("timeout")),
    Case(id="net-silence-after-request", play=_silence, want=bad("timeout")),
    Case(id="net-close", kind="raw", play=raw(b""), want=bad("reset")),
    Case(id="net-close-after-request", play=raw(b""), want=bad("reset")),
    # Which of the two depends on whether the RST is there before connect() is done.
    Case(id="net-rst", kind="raw", play=_reset, want=bad("reset", "connect")),
    Case(id="net-rst-after-request", play=_reset, want=bad("reset")),
    Case(id="net-garbage", play=raw(bytes(range(256)) * 20), want=bad("protocol")),
    Case(id="net-http09", play=lambda asked: feed(asked.base), want=bad("protocol", "reset")),
    Case(id="net-ssh-banner", kind="raw", play=raw(b"SSH-2.0-OpenSSH_9.6\r\n"), want=bad("protocol", "reset")),
    Case(id="net-smtp-banner", kind="raw", play=raw(b"220 mail.example ESMTP\r\n"), want=bad("protocol", "reset")),
    Case(id="slow-headers", play=_slow_headers, want=bad("timeout")),
    Case(id="slow-body", play=_slow_body, want=bad("timeout")),
    Case(id="slow-chunks", play=_slow_chunks, want=bad("timeout")),
    Case(id="stall-mid-body", play=_stall, want=bad("timeout")),
    Case(id="flood-1xx", play=_flood_1xx, want=bad("timeout", "protocol")),
    Case(id="cut-rst", play=_cut_rst, want=bad("reset")),
    Case(id="cut-length", play=_cut_length, want=bad("reset")),
    Case(id="cut-chunked", play=_cut_chunked, want=bad("reset")),
    Case(
        id="cut-recovers",
        play=by_turn(_cut_length, _cut_chunked, good),
        want=steps("reset", "reset", WELL, items=3, titles=stories()),
        polls=3,
    ),
)


# ----------------------------------------------------------------------------------------------------- framing


def _chunked(*chunks: bytes) -> bytes:
    return head(transfer_encoding="chunked") + b"".join(chunks)


async def _trailer_flood(asked: Asked) -> AsyncIterator[bytes]:
    body = feed(asked.base)
    yield _chunked(b"%x\r\n" % len(body), body, b"\r\n0\r\n")
    for n in range(200_000):
        yield b"x-%d: %s\r\n" % (n, b"y" * 100)


def _too_short(asked: Asked) -> bytes:
    body = feed(asked.base)
    return head(content_length=str(len(body) - 50)) + body


def _too_long(asked: Asked) -> bytes:
    body = feed(asked.base)
    return head(content_length=str(len(body) + 50)) + body


def _two_lengths(asked: Asked) -> bytes:
    body = feed(asked.base)
    return head(content_length=f"{len(body)}\r\ncontent-length: {len(body) - 9}") + body


def _smuggled(asked: Asked) -> bytes:
    """Both framings at once: RFC 9112 §6.3 lets the chunks count."""
    body = feed(asked.base)
    return head(content_length="5", transfer_encoding="chunked") + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


FRAMING = (
    Case(id="chunk-size-words", play=raw(_chunked(b"ZZ\r\n<rss>\r\n0\r\n\r\n")), want=bad("protocol")),
    Case(id="chunk-size-negative", play=raw(_chunked(b"-5\r\n<rss>\r\n0\r\n\r\n")), want=bad("protocol")),
    Case(
        id="chunk-size-huge",
        play=raw(_chunked(b"ffffffffffffffffffffffff\r\n<rss>\r\n0\r\n\r\n")),
        want=bad("protocol", "reset", "too_large"),
    ),
    Case(id="chunk-no-end", play=raw(_chunked(b"5\r\n<rss>XX\r\n0\r\n\r\n")), want=bad("protocol")),
    Case(id="chunk-extension-flood", play=raw(_chunked(b"5;" + b"x" * 2_000_000)), want=bad("protocol", "reset")),
    Case(id="trailer-flood", play=_trailer_flood, want=bad("protocol", "timeout")),
    Case(id="length-negative", play=raw(head(content_length="-5") + b"<rss>"), want=bad("protocol")),
    Case(id="length-words", play=raw(head(content_length="many") + b"<rss>"), want=bad("protocol")),
    Case(id="length-two-different", play=_two_lengths, want=bad("protocol")),
    Case(id="length-too-short", play=_too_short, want=either("damaged", "unreadable", items=(0, 3))),
    Case(id="length-too-long", play=_too_long, want=bad("reset")),
    Case(id="length-and-chunks", play=_smuggled, want=either("protocol", WELL, items=(0, 3))),
    Case(id="te-unknown", play=raw(head(transfer_encoding="foo") + b"<rss>"), want=bad("protocol")),
    Case(id="te-gzip-chunked", play=raw(head(transfer_encoding="gzip, chunked") + b"0\r\n\r\n"), want=bad("protocol")),
)


# ----------------------------------------------------------------------------------------------------- headers


async def _endless_headers(asked: Asked) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"x-more: " + b"y" * 60_000 + b"\r\n"


def _many_headers(asked: Asked) -> bytes:
    lines = b"".join(b"x-%d: y\r\n" % n for n in range(100_000))
    return b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n" + feed(asked.base)


HEADERS = (
    Case(id="header-many", play=_many_headers, want=bad("protocol")),
    Case(id="header-long", play=doc(feed, x_long="y" * MEGABYTE), want=bad("protocol")),
    Case(id="header-endless", play=_endless_headers, want=bad("protocol")),
    Case(id="header-nul", play=raw(b"HTTP/1.1 200 OK\r\nx-nul: a\0b\r\n\r\n<rss>"), want=bad("protocol")),
    Case(id="header-no-colon", play=raw(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n<rss>"), want=bad("protocol")),
    Case(id="status-long", play=raw(b"HTTP/1.1 200 " + b"O" * MEGABYTE + b"K\r\n\r\n<rss>"), want=bad("protocol")),
    Case(id="status-words", play=raw(b"HTTP/1.1 fine OK\r\n\r\n<rss>"), want=bad("protocol")),
    # h11 takes any version, and what it says is then judged as a document.
    Case(id="status-version", play=raw(b"HTTP/7.3 200 OK\r\n\r\n<rss>"), want=unread("protocol", "damaged")),
    Case(
        id="header-cookies",
        # They are not kept: the next request has none.
        play=doc(feed, set_cookie="a=" + "b" * 50_000),
        want=well(
            3, check=that(lambda result: all("cookie" not in told for _, told in result.asked), "cookies are sent")
        ),
        polls=2,
    ),
)


# ----------------------------------------------------------------------------------------------------- sizes


async def _endless_comment(asked: Asked) -> AsyncIterator[bytes]:
    yield head() + b"<?xml version='1.0'?><rss version='2.0'><channel><!-- "
    while True:
        yield b"- " * 32_768


async def _endless_items(asked: Asked) -> AsyncIterator[bytes]:
    yield head() + b"<?xml version='1.0'?><rss version='2.0'><channel>"
    n = 0
    while True:
        yield "".join(entry(asked.base, n := n + 1) for _ in range(200)).encode()


async def _gibibyte(asked: Asked) -> AsyncIterator[bytes]:
    yield head(content_length=str(1 << 30))
    while True:
        yield b" " * 65_536


async def _gibibyte_unstated(asked: Asked) -> AsyncIterator[bytes]:
    yield head(transfer_encoding="chunked")
    while True:
        yield b"100000\r\n" + b" " * MEGABYTE + b"\r\n"


def deflated(size: int, wbits: int) -> bytes:
    """A bomb of `size` zeros: blocks after a full flush do not depend on what was before, so one is made and repeated."""
    squeezed = zlib.compressobj(9, zlib.DEFLATED, wbits)
    start = squeezed.compress(bytes(MEGABYTE)) + squeezed.flush(zlib.Z_FULL_FLUSH)
    block = squeezed.compress(bytes(MEGABYTE)) + squeezed.flush(zlib.Z_FULL_FLUSH)
    return start + block * (size // MEGABYTE)


def _zstandard_bomb() -> bytes:
    squeezer = zstandard.ZstdCompressor(level=3).compressobj()
    return b"".join([*(squeezer.compress(bytes(MEGABYTE)) for _ in range(256)), squeezer.flush()])


def _layers(body: bytes, count: int) -> bytes:
    for _ in range(count):
        body = gzip.compress(body, mtime=0)
    return body


def _coded(coding: str, count: int = 1) -> Case:
    layers = ", ".join([coding] * count)
    return Case(
        id=f"encoding-{count}-layers",
        play=lambda asked: http(_layers(feed(asked.base), count), content_encoding=layers),
        want=bad("encoding"),
    )


def _gzipped(asked: Asked) -> bytes:
    return gzip.compress(feed(asked.base), mtime=0)


def _many(count: int) -> Case:
    """Many honest entries, `count` of them, small."""

    def body(base: str) -> str:
        one = "<item><title>S{0}</title><link>{1}/{0}</link><guid>{1}/{0}</guid></item>"
        return rss(*(one.format(n, base) for n in range(count)))

    # 5,000 at every poll, and none beyond 10,000.
    want = well(count) if count <= 5_000 else well(5_000, most=10_000)
    return Case(id=f"entries-{count // 1000}k", play=doc(body), want=want, heavy=True)


def _one(inside: str, *, start: str = "<title>One</title>") -> str:
    return f"<item>{start}<guid isPermaLink='false'>one</guid>{inside}</item>"


def _longest(limit: int, what: str) -> str:
    return f"{what} of more than {limit} characters is stored"


SIZES = (
    Case(id="endless-comment", play=_endless_comment, want=bad("too_large", deadline=15), heavy=True),
    Case(id="endless-items", play=_endless_items, want=bad("too_large", deadline=15), heavy=True),
    Case(id="big-1gib", play=_gibibyte, want=bad("too_large")),
    Case(id="big-1gib-unstated", play=_gibibyte_unstated, want=bad("too_large", deadline=15), heavy=True),
    Case(
        id="bomb-gzip",
        play=raw(http(deflated(1 << 30, 31), content_encoding="gzip")),
        want=bad("too_large_decoded"),
        heavy=True,
    ),
    Case(
        id="bomb-deflate",
        play=raw(http(deflated(1 << 30, 15), content_encoding="deflate")),
        want=bad("too_large_decoded"),
        heavy=True,
    ),
    Case(
        id="bomb-deflate-bare",
        play=raw(http(deflated(1 << 30, -15), content_encoding="deflate")),
        want=bad("too_large_decoded"),
        heavy=True,
    ),
    Case(id="bomb-brotli", play=raw(http(_BROTLI, content_encoding="br")), want=bad("too_large_decoded"), heavy=True),
    Case(
        id="bomb-zstd",
        play=raw(http(_zstandard_bomb(), content_encoding="zstd")),
        want=bad("too_large_decoded"),
        heavy=True,
    ),
    Case(
        id="bomb-gzip-twice",
        play=raw(http(gzip.compress(deflated(1 << 30, 31), mtime=0), content_encoding="gzip, gzip")),
        want=bad("encoding", "too_large_decoded"),
    ),
    _coded("gzip", 60),
    Case(
        id="encoding-cut",
        play=lambda asked: http(_gzipped(asked)[:-40], content_encoding="gzip"),
        want=bad("encoding_cut"),
    ),
    Case(
        id="encoding-cut-recovers",
        play=by_turn(
            lambda asked: http(_gzipped(asked)[:-40], content_encoding="gzip", etag='"cut"'),
            lambda asked: http(_gzipped(asked), content_encoding="gzip"),
        ),
        want=steps("encoding_cut", WELL, items=3, titles=stories()),
        polls=2,
    ),
    Case(id="encoding-lie", play=doc(feed, content_encoding="gzip"), want=bad("encoding")),
    Case(id="encoding-unknown", play=doc(feed, content_encoding="x-rot13"), want=bad("encoding")),
    Case(
        id="encoding-crc",
        play=lambda asked: http(_gzipped(asked)[:-8] + b"\0" * 8, content_encoding="gzip"),
        want=bad("encoding"),
    ),
    Case(
        id="encoding-tail",
        play=lambda asked: http(_gzipped(asked) + b"\0" * 700, content_encoding="gzip"),
        want=well(3, titles=stories()),
    ),
    Case(
        id="gz-file",
        play=lambda asked: http(_gzipped(asked), content_type="application/gzip"),
        want=either("not_a_feed", WELL, items=(0, 3)),
    ),
    Case(
        id="gz-file-bomb",
        play=raw(http(deflated(1 << 30, 31), content_type="application/gzip")),
        want=unread("not_a_feed", "too_large_decoded"),
    ),
    _many(5_000),
    _many(100_000),
    Case(
        id="entry-10mb",
        play=doc(lambda _: rss(_one(f"<description>{'&lt;p>Words and words. &lt;/p>' * 400_000}</description>"))),
        want=either(WELL, "worker_time", "worker_memory", "damaged", items=(0, 1)),
        heavy=True,
    ),
    Case(
        id="title-1mb",
        play=doc(lambda _: rss(_one("", start=f"<title>{'long ' * 200_000}</title>"))),
        want=well(
            1, check=that(lambda result: len(result.items[0].title) <= 1_000, _longest(1_000, "a title"))
        ),
    ),
    Case(
        id="guid-1mb",
        play=doc(lambda _: rss(f"<item><title>One</title><guid isPermaLink='false'>{'g' * MEGABYTE}</guid></item>")),
        want=well(
            1, check=that(lambda result: len(result.items[0].guid or "") <= 2_000, _longest(2_000, "a guid"))
        ),
        polls=2,
    ),
    Case(
        id="link-1mb",
        play=doc(lambda base: rss(_one(f"<link>{base}/{'l' * MEGABYTE}</link>"))),
        want=well(1, check=that(lambda result: len(result.items[0].url or "") <= 8_192, _longest(8_192, "a URL"))),
        polls=2,
    ),
    Case(
        id="categories-50k",
        play=doc(lambda _: rss(_one("".join(f"<category>c{n}</category>" for n in range(50_000))))),
        want=either(
            WELL, "worker_time", "unreadable", items=(0, 1),
            check=both(
                that(lambda result: all(len(item.categories) <= 1_000 for item in result.items), "all are stored"),
                nothing_of("c49999"),
            ),
        ),
        heavy=True,
    ),
)  # fmt: skip

CASES = (*CONNECTIONS, *FRAMING, *HEADERS, *SIZES)
