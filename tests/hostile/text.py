"""Characters that no database wants, character sets that lie, and words that mean something to somebody else's program."""

import re
import unicodedata

from tests.hostile.case import (
    Case,
    Check,
    Result,
    doc,
    either,
    entry,
    http,
    rss,
    stories,
    tag,
    that,
    well,
)  # fmt: skip

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def _clean(result: Result) -> str | None:
    """No control character, surrogate or non-character is stored."""
    found = next((match for item in result.items if (match := _FORBIDDEN.search(item.words))), None)
    return f"{found[0]!r} is stored" if found else None


def _holds(*words: str) -> Check:
    """The first item's title holds all of `words`."""

    def check(result: Result) -> str | None:
        if flaw := _clean(result):
            return flaw
        title = result.items[0].title if result.items else ""
        return next((f"the title {title[:60]!r} has not {word!r}" for word in words if word not in title), None)

    return check


def _case(name: str, body: bytes | str, *words: str, charset: str | None = None, least: int = 1) -> Case:
    """One document, the same for all hosts; its single entry has no address."""
    data = body.encode() if isinstance(body, str) else body
    kind = "application/rss+xml" + (f"; charset={charset}" if charset else "")
    return Case(
        id=f"text-{name}",
        play=lambda _: http(data, content_type=kind),
        want=well(least, most=1, check=_holds(*words)),
    )


def _one(title: str, *, encoding: str = "utf-8", words: str = "Some words.") -> str:
    prolog = f'<?xml version="1.0" encoding="{encoding}"?>'
    return rss(f"<item><title>{title}</title><guid>1</guid><description>{words}</description></item>", prolog=prolog)


def _bytes(title: bytes) -> bytes:
    return _one("@@").encode().replace(b"@@", title)


def _hostile(name: str, words: str) -> Case:
    """It is stored as it stands, and does nothing."""
    return Case(
        id=f"text-{name}",
        play=doc(lambda base: rss(entry(base, 1, tag(words)), more=f"<category>{tag(words)}</category>")),
        want=well(1, check=_stored(words)),
    )


def _stored(words: str) -> Check:
    plain = " ".join(words.split())
    return that(lambda result: result.items[0].title == plain, "the title is not stored as it stands")


CHARACTERS = (
    _case("nul", _bytes(b"a\0b"), "a", "b"),
    _case("controls", _bytes(bytes(range(1, 9)) + b"\x0b\x0c\x0e\x1b[31mred\x7f"), "red"),
    _case("reference-nul", _one("a&#0;b&#x0;c"), "a", "c"),
    _case("reference-control", _one("a&#1;b&#x1b;c&#8;d"), "a", "d"),
    _case("reference-surrogate", _one("a&#xD800;b&#55357;&#56832;c"), "a", "c"),
    _case("reference-huge", _one("a&#x110000;b&#99999999999999999999;c"), "a", "c"),
    _case("reference-endless", _one(f"a&#{'9' * 100_000};c"), "a", "c"),
    _case("reference-nonchar", _one("a&#xFFFE;b&#xFFFF;&#x1FFFE;c"), "a", "c"),
    _case("surrogate-utf8", _bytes(b"a\xed\xa0\x80\xed\xbf\xbfb"), "a", "b"),
    _case("surrogate-cesu8", _bytes(b"a\xed\xa0\xbd\xed\xb8\x80b"), "a", "b"),
    _case(
        "surrogate-json-lone",
        '{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","title":"a\\ud800b"}]}',
        "a",
        "b",
    ),
    _case("utf8-invalid", _bytes(b"caf\xe9 a\xff\xfe\xc0\xafb"), "a", "b"),
    _case("utf8-overlong", _bytes(b"a\xc0\xbcscript\xc0\xbeb"), "a", "b"),
    _case("utf8-cut", _bytes("caf\u00e9".encode()[:-1]), "caf"),
    _case("nonchar", _bytes("a\ufffe\uffff\U0001fffeb".encode()), "a", "b"),
    _case("bidi", _one("\u202eevil\u202c \u2066x\u2069"), "evil"),
    _case("zero-width", _one("a\u200b\u200c\u200d\ufeff\u2060b"), "a"),
    _case("homoglyph", _one("\u0440\u0430\u0443\u0440\u0430l"), "\u0440\u0430\u0443\u0440\u0430l"),
    _case("nfd", _one(unicodedata.normalize("NFD", "Caf\u00e9 \uac00")), "Caf\u00e9", "\uac00"),
    _case("zalgo", _one("Z" + "\u0301\u0316\u0334" * 3_000 + "algo")),
    _case("astral", _one("\U0001f600 \U00020000 \U0010ffff"), "\U0001f600", "\U00020000"),
    _case("line-separators", _one("a\u2028b\u2029c\u0085d"), "a", "d"),
    _case("replacement", _one("a\ufffdb"), "a\ufffdb"),
)

# A codec's name, and what the header and the document say.
CHARSETS = (
    _case("utf16", _one("Caf\u00e9", encoding="utf-16").encode("utf-16"), "Caf\u00e9"),
    _case("utf16-no-mark", _one("Caf\u00e9", encoding="utf-16").encode("utf-16-be"), "Caf\u00e9"),
    _case("utf32", _one("Caf\u00e9", encoding="utf-32").encode("utf-32"), "Caf\u00e9"),
    _case("utf7", _one("Caf+AOk-", encoding="utf-7"), "Caf", charset="utf-7"),
    _case("latin1-said-utf8", _one("Caf\u00e9 Gr\u00f6\u00dfe").encode("latin-1"), "Caf\u00e9", charset="utf-8"),
    _case("utf8-said-latin1", _one("Caf\u00e9").encode(), "Caf\u00e9", charset="iso-8859-1"),
    _case("utf8-said-utf16", _one("Caf\u00e9", encoding="utf-16").encode(), "Caf\u00e9"),
    _case("utf8-said-ascii", _one("Caf\u00e9", encoding="us-ascii").encode(), "Caf\u00e9"),
    _case("cp1251", _one("\u041f\u0440\u0438\u0432\u0435\u0442", encoding="windows-1251").encode("cp1251"), "\u041f\u0440\u0438\u0432\u0435\u0442"),
    _case("gbk", _one("\u4f60\u597d", encoding="gb2312").encode("gb18030"), "\u4f60\u597d"),
    _case("shift-jis", _one("\u3053\u3093", encoding="shift_jis").encode("cp932"), "\u3053\u3093"),
    _case("iso-2022-jp", _one("\u3053\u3093", encoding="iso-2022-jp").encode("iso2022-jp"), "\u3053\u3093"),
    _case("ebcdic", _one("Cafe", encoding="cp037").encode("cp037"), "Cafe"),
    *(
        _case(f"codec-{codec}", _one("Cafe", encoding=codec), "Cafe", charset=codec)
        for codec in ("zlib", "base64", "rot13", "hex", "idna", "punycode", "unicode_escape", "undefined", "mbcs", "no-such", "../x")
    ),
    _case("codec-long", _one("Cafe", encoding="x" * 500), "Cafe", charset="y" * 5_000),
    _case("mark-and-declaration", b"\xef\xbb\xbf" + _one("Caf\u00e9", encoding="iso-8859-1").encode(), "Caf\u00e9"),
    _case("two-marks", b"\xef\xbb\xbf\xef\xbb\xbf" + _one("Caf\u00e9").encode(), "Caf\u00e9"),
)  # fmt: skip

INJECTIONS = (
    _hostile("sql", "'; DROP TABLE items; -- \" OR 1=1 \\' %27"),
    _hostile("sql-like", "100% of _all_ \\ :name ? $1 %s %(x)s"),
    _hostile("format", "{0} {item.__class__} %n%n%s ${x} #{x} {{7*7}} {% raw %}"),
    _hostile("jndi", "${jndi:ldap://127.0.0.1/a}"),
    _hostile("csv", "=cmd|' /C calc'!A0 +1 @SUM(1) -2"),
    _hostile("shell", "$(touch /tmp/owned) `id` | rm -rf / ; &&"),
    _hostile("path", "../../../../etc/passwd %2e%2e%2f \\\\host\\share"),
    _hostile("search", '" NEAR(a b) OR * AND NOT ( ^ :'),
    _hostile("null-words", "NULL None undefined NaN true -1e400"),
)

_FORGED = '{"event":"forged.line","level":"info"}'
LOGS = (
    Case(
        id="log-injection-title",
        play=doc(lambda base: rss(entry(base, 1, f"One\r\n{_FORGED}\x1b[2J\u2028{_FORGED}"), more=f"<title>\n{_FORGED}</title>")),
        want=well(1, check=that(lambda result: "\n" not in result.items[0].title, "a title has several lines")),
    ),
    Case(
        id="log-injection-error",
        # The name of the root element stands in the reason.
        play=doc(lambda _: f"<?xml version='1.0'?><x\u2028{_FORGED.replace(' ', '')}>\n{_FORGED}</x>"),
        want=either("not_a_feed", "unreadable", "html", items=(0, 0), check=that(
            lambda result: result.error.isprintable(), "the reason holds what does not print"
        )),
    ),
    Case(
        id="log-injection-redirect",
        play=lambda _: http(b"", "302 Found", location=f"http://[\x1b]2;x\x07{_FORGED}"),
        want=either("bad_redirect", "url", "protocol", items=(0, 0), check=that(
            lambda result: result.error.isprintable(), "the reason holds what does not print"
        )),
    ),
    Case(
        id="metric-injection",
        play=doc(lambda _: '<evil"} 1\naggregator_polls_total{outcome="x>y</evil>'),
        want=either("not_a_feed", "unreadable", "html", items=(0, 0)),
    ),
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- script

_SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)></svg>",
    "<svg><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java&#10;script:alert(1)'>x</a>",
    "<a href='&#1;javascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='javascript:alert(1)'></object>",
    "<form action='javascript:alert(1)'><input type=submit></form>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<style>@import 'http://127.0.0.1/x';</style>",
    "<base href='http://127.0.0.1/'>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1/'>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
)
_LIVE = re.compile(
    r"<(?:script|iframe|object|embed|form|input|style|base|meta|svg|math)\b|\son\w+\s*=|(?:java|vb)\s*script:|data:text/html|srcdoc",
    re.IGNORECASE,
)


def _inert(result: Result) -> str | None:
    """Nothing that could run is in the stored HTML; links lead to http(s) only."""
    for item in result.items:
        if found := _LIVE.search(item.content):
            return f"{found[0]!r} is in the stored HTML of {item.title!r}"
        if item.url is not None and not item.url.startswith(("http://", "https://")):
            return f"the stored link is {item.url[:40]!r}"
    return None


def _xss(base: str) -> str:
    return rss(
        *(
            f"<item><title>Story {n}</title><guid>x{n}</guid><link>{base}/x/{n}</link>"
            f"<description>{tag(f'<p>Before</p>{script}<p>After</p>')}</description></item>"
            for n, script in enumerate(_SCRIPTS, 1)
        )
    )


def _links(base: str) -> str:
    hrefs = (
        "javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", " java\nscript:alert(1)",
        "http://", "//", "http://[::1", "ftp://x.example/y", "about:blank", "blob:x", "mailto:a@b.example", "\\\\x\\y", "http:/\\evil",
    )  # fmt: skip
    return rss(
        *(
            f"<item><title>Story {n}</title><guid isPermaLink='false'>l{n}</guid><link>{tag(href)}</link>"
            f"<enclosure url='{tag(href)}' type='x' length='1'/><author>{tag(href)}</author></item>"
            for n, href in enumerate(hrefs, 1)
        )
    )


SCRIPTS = (
    Case(id="xss", play=doc(_xss), want=well(18, titles=stories(18), check=_inert)),
    Case(id="xss-links", play=doc(_links), want=well(14, titles=stories(14), check=_inert)),
    Case(
        id="xss-title",
        play=doc(lambda base: rss(entry(base, 1, tag(tag("<script>alert(1)</script>One"))))),
        want=well(1, check=that(lambda result: "One" in result.items[0].title, "the title is lost")),
    ),
    Case(
        id="xss-content",
        play=doc(
            lambda base: rss(
                entry(base, 1, more=f"<content:encoded><![CDATA[{''.join(_SCRIPTS)}<p>Words.</p>]]></content:encoded>")
            )
        ),
        want=well(1, check=_inert),
    ),
)

CASES = (*CHARACTERS, *CHARSETS, *INJECTIONS, *LOGS, *SCRIPTS)
