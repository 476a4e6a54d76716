"""Answers that send us elsewhere."""

from tests.hostile.case import (
    SECRET,
    WELL,
    Asked,
    Case,
    Check,
    Play,
    Want,
    bad,
    both,
    by_turn,
    either,
    feed,
    good,
    http,
    moved,
    nothing_of,
    raw,
    steps,
    stories,
    that,
    well,
)  # fmt: skip

_LOGIN = (
    b"<!doctype html><html><head><title>Sign in</title></head><body><form action='/login' method='post'>"
    b"<h1>Sign in to continue</h1><input name='user'><input name='password' type='password'></form></body></html>"
)


def _to(where: str, status: str = "302 Found") -> Play:
    """To `where`, with the addresses of the case filled in."""

    def play(asked: Asked) -> bytes:
        to = where.format(
            base=asked.base,
            host=asked.host,
            port=asked.port,
            page=asked.page,
            page_host=asked.page_host,
            canary=asked.canary,
        )
        return moved(to, status)

    return play


def _by_path(**plays: Play) -> Play:
    """One play for each path, named without its slash."""
    return lambda asked: plays.get(asked.path.strip("/").partition("?")[0], raw(http(b"", "404 Not Found")))(asked)


def _hops(asked: Asked) -> bytes:
    at = int(asked.path.rpartition("-")[2]) if "-" in asked.path else 0
    return moved(f"/hop-{at + 1}") if at < 50 else good(asked)


def _few_hops(asked: Asked) -> bytes:
    at = int(asked.path.rpartition("-")[2]) if "-" in asked.path else 0
    return moved(f"/hop-{at + 1}", "301 Moved Permanently") if at < 5 else good(asked)


def _growing(asked: Asked) -> bytes:
    return moved(f"{asked.path}/{'x' * 2_000}")


def _cookie_wall(asked: Asked) -> bytes:
    return http(b"", "302 Found", location=asked.path, set_cookie="seen=1")


def _credentials(asked: Asked) -> bytes:
    if asked.path == "/feed":
        return moved(f"http://user:s3cret@{asked.host}:{asked.port}/other")
    return good(asked)


def _stays(result_url: str) -> Check:
    return that(lambda result: result.feed_url.endswith(result_url), "a redirect was adopted as the feed's address")


def _refused(name: str, where: str, *codes: str) -> Case:
    return Case(
        id=f"redirect-{name}",
        play=_to(where),
        want=bad(*codes, check=both(_stays("/feed"), nothing_of(SECRET, "root:x:"))),
    )


def _mid_flight(want: Want, name: str, play: Play, polls: int = 1) -> Case:
    return Case(id=f"redirect-{name}", play=play, want=want, polls=polls)


SCHEMES = tuple(
    _refused(name, where, "scheme", "bad_redirect", "url")
    for name, where in (
        ("file", "file:///etc/passwd"),
        ("file-bare", "file:/etc/passwd"),
        ("ftp", "ftp://127.0.0.1:{canary}/feed"),
        ("gopher", "gopher://127.0.0.1:{canary}/_GET"),
        ("data", "data:text/xml,<rss version='2.0'><channel><item><title>x</title></item></channel></rss>"),
        ("javascript", "javascript:alert(1)"),
        ("feed", "feed:http://127.0.0.1:{canary}/"),
        ("feed-slashes", "feed://127.0.0.1:{canary}/"),
        ("unix", "http+unix://%2Fvar%2Frun%2Fdocker.sock/info"),
        ("ws", "ws://127.0.0.1:{canary}/"),
        ("mailto", "mailto:someone@example.org"),
        ("view-source", "view-source:http://127.0.0.1:{canary}/"),
    )
)

# To the operator's own services: never contacted, in whatever way the address is written.
FORBIDDEN = tuple(
    _refused(name, where, "address", "bad_redirect", "url", "port", "dns")
    for name, where in (
        ("to-canary", "http://127.0.0.1:{canary}/latest/meta-data"),
        ("to-canary-name", "http://localhost:{canary}/"),
        ("to-canary-decimal", "http://2130706433:{canary}/"),
        ("to-canary-hex", "http://0x7f000001:{canary}/"),
        ("to-canary-short", "http://127.1:{canary}/"),
        ("to-canary-octal", "http://0177.0.0.1:{canary}/"),
        ("to-canary-zero", "http://0.0.0.0:{canary}/"),
        ("to-canary-nought", "http://0:{canary}/"),
        ("to-canary-v6", "http://[::1]:{canary}/"),
        ("to-canary-mapped", "http://[::ffff:127.0.0.1]:{canary}/"),
        ("to-canary-any6", "http://[::]:{canary}/"),
        ("to-canary-ideographic", "http://127\u30020\u30020\u30021:{canary}/".encode().decode("latin-1")),
        ("to-canary-backslash", "http://127.0.0.1:{canary}\\@example.org/"),
        ("to-canary-userinfo", "http://example.org@127.0.0.1:{canary}/"),
        ("to-canary-nat64", "http://[64:ff9b::7f00:1]:{canary}/"),
        ("to-metadata", "http://169.254.169.254/latest/meta-data"),
        ("to-private", "http://10.0.0.1/feed"),
        ("to-port-22", "http://127.0.0.1:22/"),
    )
)

BROKEN = (
    _refused("empty", "", "bad_redirect"),
    _mid_flight(bad("bad_redirect"), "no-location", raw(http(b"", "302 Found"))),
    _refused("blank", "   ", "bad_redirect"),
    _refused("bad", "http://[not-an-address/", "bad_redirect"),
    _refused("no-host", "http:///feed", "bad_redirect", "url"),
    _refused("bare-scheme", "http:", "bad_redirect", "url"),
    _refused("bad-port", "http://{host}:99999/feed", "bad_redirect", "port", "url"),
    _refused("port-zero", "http://{host}:0/feed", "port", "bad_redirect"),
    _refused("long-label", "http://{long}.example/feed".replace("{long}", "a" * 70), "dns", "bad_redirect", "url"),
    _refused("long-url", "http://{host}:{port}/" + "x" * 9_000, "bad_redirect", "url"),
    _refused("binary", "http://\xff\xfe\x80/feed", "bad_redirect", "url", "dns"),
)

CHAINS = (
    _mid_flight(bad("redirect_loop", "redirects"), "loop", _to("{base}/feed")),
    _mid_flight(bad("redirect_loop", "redirects"), "ping-pong", _by_path(feed=_to("/pong"), pong=_to("/feed"))),
    # Eleven requests to one host, a second apart.
    _mid_flight(bad("redirects", deadline=20), "50-hops", _hops),
    _mid_flight(well(3, titles=stories()), "5-hops", _few_hops),
    _mid_flight(bad("redirects", "bad_redirect", "url"), "growing", _growing),
    _mid_flight(bad("redirect_loop", "redirects"), "cookie-wall", _cookie_wall),
    _mid_flight(bad("http_300"), "300", raw(http(b"", "300 Multiple Choices", location="/other"))),
    _mid_flight(bad("http_404", check=_stays("/feed")), "301-to-404", _by_path(feed=_to("/gone-away", "301 Moved Permanently"))),
    _mid_flight(
        bad("login", "html", deadline=60.0, check=_stays("/feed")),
        "301-to-login",
        _by_path(feed=_to("/login", "301 Moved Permanently"), login=raw(http(_LOGIN, content_type="text/html"))),
    ),
    _mid_flight(
        steps(WELL, check=_stays("/feed"), items=3, titles=stories()),
        "once",
        _by_path(feed=by_turn(_to("/other"), good), other=good),
        polls=2,
    ),
    _mid_flight(
        well(
            3,
            titles=stories(),
            check=both(
                that(lambda result: all("authorization" not in told for _, told in result.asked), "credentials were sent"),
                nothing_of("s3cret"),
            ),
        ),
        "userinfo",
        _credentials,
    ),
    Case(id="redirect-downgrade", kind="tls", url="https://{host}:{port}/feed", play=_to("{page}/feed"), page=good,
         want=either(WELL, "blocked", "scheme", items=(0, 3))),
    Case(id="redirect-to-bad-tls", play=_to("https://{page_host}:{port}/feed"), page=good, page_kind="tls-unknown",
         want=bad("tls_authority")),
    Case(id="redirect-to-expired-tls", play=_to("https://{page_host}:{port}/feed"), page=good, page_kind="tls-expired",
         want=bad("tls_expired")),
    Case(id="redirect-to-refused", play=_to("{page}/feed"), page=good, page_kind="refused", want=bad("connect")),
    Case(id="redirect-301-to-other-feed", play=_to("{page}/feed", "301 Moved Permanently"),
         page=lambda asked: http(feed(asked.page)), want=well(3, check=_stays("/feed")), polls=2),
)  # fmt: skip

CASES = (*SCHEMES, *FORBIDDEN, *BROKEN, *CHAINS)
