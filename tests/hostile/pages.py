"""Article pages that cannot be had or read: the item is stored with the feed's own words, the page's error on the item."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

from tests.hostile.case import (
    PARSED,
    SECRET,
    WELL,
    Asked,
    Case,
    Check,
    Play,
    ResetError,
    Result,
    Want,
    head,
    http,
    moved,
    raw,
    rss,
    silence,
    that,
)  # fmt: skip
from tests.hostile.network import deflated

# What the feed itself says; nobody else says it.
OWN = "zebrafinch"
_WORDS = f"The {OWN} is a small bird of the dry country."
_ARTICLE = " ".join(f"Sentence {n} of the article says something about the weather of the day." for n in range(60))
_GERMAN = "Gr\u00f6\u00dfe " * 20
_UNFINISHED = {"pending", "failed", "blocked", "paywalled", "short", "not_html", "feed_only"}


def _feed(asked: Asked) -> bytes:
    """One entry with words of its own, whose page is on the second host."""
    one = (
        f"<item><title>Story 1</title><link>{asked.page}/page</link><guid isPermaLink='false'>{asked.page}</guid>"
        f"<pubDate>Thu, 18 Sep 2025 08:00:00 GMT</pubDate><description>{_WORDS}</description></item>"
    )
    return http(rss(one).encode())


def _kept(reason: str, states: set[str] = _UNFINISHED) -> Check:
    """The item is there with the feed's words, and says what was wrong with its page."""

    def check(result: Result) -> str | None:
        if not result.items:
            return None
        item = result.items[0]
        if item.state not in states:
            return f"its state is {item.state!r} ({item.reason}), not one of {sorted(states)}"
        if OWN not in (item.text or "") or OWN not in item.summary:
            return f"the feed's own words are not its text: {(item.text or '')[:60]!r} ({item.reason})"
        if not re.search(reason, item.reason or "", re.IGNORECASE):
            return f"its reason is {item.reason!r}, which does not match {reason!r}"
        if SECRET in item.words:
            return "the canary's words are stored"
        return None

    return check


def _page(name: str, page: Play | None, reason: str, *, kind: str = "http", heavy: bool = False,
          check: Callable[[Result], str | None] | None = None) -> Case:  # fmt: skip
    want = Want(
        steps=(frozenset({WELL}),),
        items=(1, 1),
        titles=frozenset({"Story 1"}),
        deadline=PARSED,
        check=check or _kept(reason),
    )
    return Case(id=f"page-{name}", play=_feed, page=page, page_kind=kind, full_text="always", want=want, heavy=heavy)


def _html(body: str, title: str = "An article", more: str = "") -> Play:
    page = f"<!doctype html><html><head><title>{title}</title>{more}</head><body>{body}</body></html>".encode()
    return lambda _: http(page, content_type="text/html; charset=utf-8")


# ----------------------------------------------------------------------------------------------------- not to be had


async def _silent(asked: Asked) -> AsyncIterator[bytes]:
    await silence()
    yield b""


async def _slow(asked: Asked) -> AsyncIterator[bytes]:
    yield head(content_type="text/html")
    while True:
        yield b"<p>word</p>"
        await asyncio.sleep(0.3)


async def _endless(asked: Asked) -> AsyncIterator[bytes]:
    yield head(content_type="text/html") + b"<!doctype html><body>"
    while True:
        yield b"<p>And so on and so forth.</p>" * 2_000


async def _fifty(asked: Asked) -> AsyncIterator[bytes]:
    yield head(content_type="text/html", content_length=str(50 << 20)) + b"<!doctype html><body>"
    for _ in range(50):
        yield b"<p>word</p> " * 87_381


async def _headers(asked: Asked) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"x-more: " + b"y" * 60_000 + b"\r\n"


async def _rst(asked: Asked) -> AsyncIterator[bytes]:
    yield head(content_type="text/html", content_length="5000") + b"<!doctype html><p>word"
    raise ResetError


def _to(where: str) -> Play:
    return lambda asked: moved(where.format(base=asked.page, canary=asked.canary))


ABSENT = (
    _page("refused", None, "refuses", kind="refused"),
    _page("silent", _silent, "not done within|timed out"),
    _page("slow", _slow, "not done within|timed out"),
    _page("endless", _endless, "larger than", heavy=True),
    _page("50mb", _fifty, "larger than"),
    _page("endless-headers", _headers, "not proper HTTP|closed"),
    _page("rst", _rst, "closed the connection"),
    _page("bomb", raw(http(deflated(1 << 28, 31), content_type="text/html", content_encoding="gzip")), "larger than", heavy=True),
    _page("compress", raw(http(b"\x1f\x9d\x90x", content_type="text/html", content_encoding="compress")), "coded as"),
    *(_page(f"http-{code}", raw(http(b"", f"{code} Whatever", content_type="text/html")), f"HTTP {code}")
      for code in (401, 402, 403, 404, 406, 410, 429, 451, 500, 502, 503, 520)),
    _page("429-pause", raw(http(b"", "429 Later", retry_after="3600")), "HTTP 429|Retry-After"),
    _page("to-canary", _to("http://127.0.0.1:{canary}/"), "not a public address|refused"),
    _page("to-file", _to("file:///etc/passwd"), "file: URLs"),
    _page("to-loop", _to("{base}/page"), "circle|redirects"),
    _page("to-data", _to("data:text/html,<p>x</p>"), "data: URLs|no URL"),
    _page("tls-unknown", lambda _: http(b""), "closed|HTTP", kind="tls-unknown"),
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- not an article


def _json_ld(size: int) -> str:
    escaped = '\\"' * size
    return f'<script type="application/ld+json">{{"@type":"NewsArticle","articleBody":"{escaped}"}}</script>'


def _stored_quickly(result: Result) -> str | None:
    """It may be read or given up, in time and with some text."""
    item = result.items[0] if result.items else None
    if item is None:
        return None
    if item.state == "pending" and item.text is None:
        return f"it has no text: {item.reason}"
    return None if item.text else f"it has no text: {item.state} ({item.reason})"


def _reads(words: str, absent: str = SECRET) -> Check:
    def check(result: Result) -> str | None:
        item = result.items[0] if result.items else None
        if item is None:
            return None
        if item.state != "ok" or words not in (item.text or ""):
            return f"it is {item.state!r} ({item.reason}): {(item.text or '')[:60]!r}"
        return f"{absent!r} is stored" if absent in item.words else None

    return check


def _refresh(asked: Asked) -> bytes:
    more = (
        f"<meta http-equiv=refresh content='0;url=http://127.0.0.1:{asked.canary}/'>"
        f"<link rel=canonical href='http://127.0.0.1:{asked.canary}/'><link rel=amphtml href='http://127.0.0.1:{asked.canary}/'>"
        f"<base href='http://127.0.0.1:{asked.canary}/'><img src='http://127.0.0.1:{asked.canary}/x.png'>"
    )
    return http(
        f"<!doctype html><html><head><title>An article</title>{more}</head><body><article><p>{_ARTICLE}</p></article>"
        "</body></html>".encode(), content_type="text/html",
    )  # fmt: skip


_XXE = (
    "<?xml version='1.0'?><!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><html xmlns='http://www.w3.org/1999/xhtml'>"
    f"<head><title>t</title></head><body><article><p>&x; {_ARTICLE}</p></article></body></html>"
)
_CONSENT = (
    "<h1>Your privacy</h1><p>We use cookies. Please accept all cookies to continue.</p><button>Accept all</button>"
)

READ = (
    _page("empty", raw(http(b"", content_type="text/html")), "empty"),
    _page("blank", raw(http(b"  \n", content_type="text/html")), "empty"),
    _page("pdf", raw(http(b"%PDF-1.7\n" + bytes(5_000), content_type="application/pdf")), "PDF"),
    _page("pdf-as-html", raw(http(b"%PDF-1.7\n" + bytes(5_000), content_type="text/html")), "PDF"),
    _page("binary", raw(http(bytes(range(256)) * 40, content_type="application/octet-stream")), "binary|no article|not to a page|read"),
    _page("image", raw(http(b"\x89PNG\r\n\x1a\n" + bytes(2_000), content_type="image/png")), "image"),
    _page("json", raw(http(b'{"a": 1}', content_type="application/json")), "JSON"),
    _page("consent", _html(_CONSENT, "Cookie consent"), "consent"),
    _page("login", _html("<p>Log in to continue.</p><form><input type=password></form>", "Log in"), "log in"),
    _page("captcha", _html("<p>Checking your browser before accessing.</p>", "Just a moment..."), "robot"),
    _page("paywall", _html("<p>Subscribe to continue reading. Already a subscriber? Log in.</p>"), "subscription"),
    _page("script-only", _html("<div id=root></div><noscript>You need to enable JavaScript to run this app.</noscript>"),
          "JavaScript|no article"),
    _page("no-words", _html("<div></div>"), "no article|empty"),
    _page("charset-lie", lambda _: http(
        f"<!doctype html><html><head><meta charset=utf-16><title>t</title></head><body><article><p>{_GERMAN}{_ARTICLE}</p></article>"
        "</body></html>".encode("latin-1"), content_type="text/html; charset=idna"
    ), "", check=_reads("Gr\u00f6\u00dfe")),
    _page("nul", _html(f"<article><p>A\0B {_ARTICLE}</p></article>"), "", check=_reads("Sentence 59", "\0")),
    _page("refresh-canonical", _refresh, "", check=_reads("Sentence 59")),
    _page("xxe", lambda _: http(_XXE.encode(), content_type="application/xhtml+xml"), "",
          check=_reads("Sentence 59", "root:x:")),
    _page("deep", _html("<div>" * 30_000 + _ARTICLE + "</div>" * 30_000), "", check=_stored_quickly, heavy=True),
    _page("tables", _html("<table><tr><td>x</td></tr></table>" * 10_000), "", check=_stored_quickly, heavy=True),
    _page("nested-tables", _html("<table><tr><td>" * 2_000 + _ARTICLE), "", check=_stored_quickly, heavy=True),
    _page("colspan", _html(f"<table><tr><td colspan={2**53}>{_ARTICLE}</td></tr></table>"), "", check=_stored_quickly),
    _page("links-50k", _html("<a href='/x'>x</a> " * 50_000), "", check=_stored_quickly, heavy=True),
    _page("breaks-100k", _html("word<br>" * 100_000), "", check=_stored_quickly, heavy=True),
    _page("json-ld", _html(f"<article><p>{_ARTICLE}</p></article>", more=_json_ld(400_000)), "", check=_stored_quickly, heavy=True),
    _page("attributes", _html("<p " + " ".join(f"a{n}=x" for n in range(100_000)) + f">{_ARTICLE}</p>"), "",
          check=_stored_quickly, heavy=True),
    _page("3mb", _html(f"<article>{f'<p>{_ARTICLE}</p>' * 700}</article>"), "", check=_stored_quickly, heavy=True),
    _page("active", _html(f"<article><p>{_ARTICLE}</p><script>alert(1)</script><img src=x onerror=alert(1)></article>"), "",
          check=_reads("Sentence 59", "alert(1)")),
)  # fmt: skip

# The feed itself has it all, in two megabytes: that is found out without holding up others.
BIG = Case(
    id="page-not-needed",
    play=lambda asked: http(
        rss(
            f"<item><title>Story 1</title><link>{asked.page}/page</link><guid isPermaLink='false'>1</guid>"
            f"<description>{'&lt;p&gt;Words and &lt;a href=x&gt;words&lt;/a&gt;.&lt;/p&gt; ' * 30_000}</description></item>"
        ).encode()
    ),
    page=lambda _: http(b"", "404 Not Found"),
    full_text="auto",
    want=Want(
        steps=(frozenset({WELL}),),
        items=(1, 1),
        deadline=PARSED,
        check=that(
            lambda result: "Words and words." in (result.items[0].text or "") if result.items else True,
            "it has no text",
        ),
    ),
)

CASES = (*ABSENT, *READ, BIG)
