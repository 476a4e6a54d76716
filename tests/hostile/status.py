"""Answers whose status, validators or page in the place of a feed mislead."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.hostile.case import (
    WELL,
    Asked,
    Case,
    Check,
    Play,
    Result,
    Want,
    bad,
    by_turn,
    feed,
    good,
    http,
    raw,
    steps,
    stories,
    that,
    unread,
    well,
)  # fmt: skip

_PAGE = "<!doctype html><html><head><title>{0}</title></head><body><h1>{0}</h1><p>{1}</p></body></html>"


# ------------------------------------------------------------------------------------------------------- statuses


def _plain(code: int) -> Case:
    """The body is a healthy feed: nothing of it may be stored."""
    return Case(
        id=f"http-{code}", play=lambda asked: http(feed(asked.base), f"{code} Whatever"), want=bad(f"http_{code}")
    )


STATUSES = tuple(
    _plain(code)
    for code in (
        201, 202, 203, 206, 226, 400, 401, 402, 403, 404, 405, 406, 408, 409, 418, 421, 422, 425, 426, 428, 429, 431, 451,
        500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 522, 526, 599, 999,
    )
)  # fmt: skip

BODILESS = (
    Case(id="http-204", play=raw(http(b"", "204 No Content", content_length=None)), want=bad("http_204")),
    Case(id="http-205", play=raw(http(b"", "205 ResetError Content")), want=bad("http_205")),
    Case(id="http-410", play=lambda asked: http(feed(asked.base), "410 Gone"), want=bad("gone")),
    Case(
        id="http-410-after-good",
        play=by_turn(good, raw(http(b"", "410 Gone"))),
        want=steps(WELL, "gone", items=3, titles=stories()),
        polls=2,
    ),
    Case(
        id="http-304-unasked",
        play=raw(http(b"", "304 Not Modified", content_length=None)),
        want=bad("unasked_304"),
        polls=2,
    ),
    Case(
        id="http-500-after-good",
        play=by_turn(good, raw(http(b"", "500 Whatever")), good),
        want=steps(WELL, "http_500", WELL, items=3, titles=stories()),
        polls=3,
    ),
)


# ------------------------------------------------------------------------------------------------------- Retry-After


def _next_after(least: float, most: float) -> Check:
    """The next poll of the first failed one comes so many seconds later."""

    def check(result: Result) -> str | None:
        poll = result.polls[0]
        if poll.next_at is None:
            return "there is no next poll"
        later = (poll.next_at - poll.at).total_seconds()
        # A whole second, and what passed between the start of the poll and the answer.
        return None if least - 2 <= later <= most + 8 else f"the next poll is {later:.0f} s later"

    return check


def _told(name: str, code: int, retry_after: str | Callable[[], str], least: float, most: float) -> Case:
    def play(asked: Asked) -> bytes:
        return http(b"", f"{code} Later", retry_after=retry_after if isinstance(retry_after, str) else retry_after())

    return Case(id=f"retry-after-{name}", play=play, want=bad(f"http_{code}", check=_next_after(least, most)))


def _date(ahead: timedelta) -> Callable[[], str]:
    return lambda: format_datetime(datetime.now(UTC) + ahead, usegmt=True)


_DAY = 86_400.0
# Never before the server wants it. What is not believed leaves the usual back-off from 30 s on, and of a 429 at most from an hour.
_USUAL, _HOUR = (30.0, 50.0), 4_500.0
PAUSES = (
    _told("seconds", 429, "300", 300, _HOUR),
    _told("seconds-503", 503, "300", 300, 300),
    _told("date", 429, _date(timedelta(minutes=10)), 600, _HOUR),
    _told("date-503", 503, _date(timedelta(minutes=10)), 600, 600),
    # hazards: clamped to 1 min .. 7 days.
    _told("absurd", 429, "999999999999", 60, 7 * _DAY),
    _told("absurd-digits", 503, "9" * 5_000, 60, 7 * _DAY),
    _told("absurd-date", 503, "Fri, 31 Dec 9999 23:59:59 GMT", 60, 7 * _DAY),
    _told("negative", 429, "-60", 30, _HOUR),
    _told("zero", 429, "0", 30, _HOUR),
    _told("past", 503, "Thu, 01 Jan 1970 00:00:00 GMT", *_USUAL),
    _told("words", 429, "in a while, \u00e9ventuellement", 30, _HOUR),
    _told("float", 503, "1e9", *_USUAL),
    _told("two", 429, "300\r\nretry-after: 5", 5, _HOUR),
)


# ------------------------------------------------------------------------------------------------------- no document


def _html(title: str, words: str, more: str = "") -> bytes:
    page = _PAGE.format(title, words).replace("</body>", f"{more}</body>")
    return http(page.encode(), content_type="text/html; charset=utf-8")


_LOGIN = _html(
    "Log in",
    "Please sign in to continue.",
    "<form><input name=u><input name=p type=password><button>Log in</button></form>",
)
_CONSENT = _html(
    "Before you continue",
    "We and our partners use cookies. Do you accept all cookies?",
    "<button>Accept all</button><button>Reject all</button>",
)
_CAPTCHA = _html(
    "Just a moment...",
    "Checking your browser before accessing the site. Complete the security check.",
    "<script src='/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1'></script>",
)
_SOFT_404 = _html("Page not found", "404. The page you are looking for does not exist.")
_PARKED = _html(
    "example.org", "This domain is for sale. Buy this domain today.", "<a href='//parking'>Related searches</a>"
)
_HOME = _html("A newspaper", "All the news of today. " * 40)
_XHTML = http(
    b"<?xml version='1.0'?><!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'http://www.w3.org/TR/xhtml1/DTD/"
    b"xhtml1-strict.dtd'><html xmlns='http://www.w3.org/1999/xhtml'><head><title>t</title></head><body><p>x</p></body></html>"
)
_LOGIN_AS_FEED = _LOGIN.replace(b"text/html; charset=utf-8", b"application/rss+xml")


def _impostor(name: str, answer: bytes, *codes: str) -> tuple[Case, Case]:
    """In the place of the feed from the start, and after good days: what is stored stays."""
    codes = ("html", "not_a_feed", *codes)
    return (
        Case(id=f"html-{name}", play=raw(answer), want=unread(*codes)),
        Case(
            id=f"html-{name}-after-good",
            play=by_turn(good, raw(answer)),
            want=steps(WELL, codes, items=3, titles=stories()),
            polls=2,
        ),
    )


IMPOSTORS = (
    *_impostor("login", _LOGIN, "login"),
    *_impostor("login-as-feed", _LOGIN_AS_FEED, "login"),
    *_impostor("consent", _CONSENT, "consent"),
    *_impostor("captcha", _CAPTCHA, "challenge"),
    *_impostor("soft-404", _SOFT_404, "error_page"),
    *_impostor("parked", _PARKED, "parked"),
    *_impostor("home", _HOME),
    *_impostor("xhtml", _XHTML),
    Case(
        id="html-then-recovers",
        play=by_turn(good, raw(_CAPTCHA), good),
        want=steps(WELL, ("html", "challenge"), WELL, items=3, titles=stories()),
        polls=3,
    ),
    Case(id="empty-200", play=raw(http(b"")), want=unread("empty")),
    Case(id="blank-200", play=raw(http(b" \r\n\t \n")), want=unread("empty")),
    Case(id="bom-200", play=raw(http(b"\xef\xbb\xbf\n")), want=unread("empty")),
    Case(
        id="empty-after-good",
        play=by_turn(good, raw(http(b"")), good),
        want=steps(WELL, "empty", WELL, items=3, titles=stories()),
        polls=3,
    ),
    Case(
        id="no-entries-after-good",
        # A feed without entries is a feed; what is stored stays.
        play=by_turn(good, raw(http(b"<rss version='2.0'><channel><title>A feed</title></channel></rss>"))),
        want=steps(WELL, items=3, titles=stories()),
        polls=2,
    ),
    Case(
        id="text-instead",
        play=raw(http(b"Service temporarily unavailable, sorry.", content_type="text/plain")),
        want=unread("not_a_feed"),
    ),
    Case(
        id="php-error-before",
        play=lambda asked: http(
            b"<br />\n<b>Warning</b>: mysql_connect() in <b>/var/www/db.php</b>\n" + feed(asked.base)
        ),
        want=Want(steps=(frozenset({WELL, "html", "error_page"}),), items=(0, 3), deadline=60),
    ),
)


# ------------------------------------------------------------------------------------------------------- validators


def _conditional(asked: Asked) -> bytes:
    if asked.headers.get("if-none-match") == '"v1"':
        return http(b"", "304 Not Modified", content_length=None, etag='"v1"')
    return http(feed(asked.base), etag='"v1"', last_modified="Thu, 18 Sep 2025 08:00:00 GMT")


def _sent(name: str, *allowed: str | None) -> Check:
    """Every request but the first sends one of `allowed` as the header `name`."""

    def check(result: Result) -> str | None:
        told = [headers.get(name) for path, headers in result.asked if path == "/feed"]
        if told and told[0] is not None:
            return f"the first request has {name}"
        return next((f"{name}: {value!r} is sent" for value in told[1:] if value not in allowed), None)

    return check


def _validator(name: str, want: Want, play: Play, polls: int = 2) -> Case:
    return Case(id=name, want=want, play=play, polls=polls)


def _with(**headers: str) -> Play:
    return lambda asked: http(feed(asked.base), **headers)


def _changes(asked: Asked) -> bytes:
    """A new document and a new ETag each time."""
    return http(feed(asked.base, 2 + asked.nth), etag=f'"v{asked.nth}"')


def _echoed(result: Result) -> str | None:
    told = [headers.get("if-none-match") for _, headers in result.asked]
    flaw = next((n for n, value in enumerate(told[1:], 1) if value != f'"v{n}"'), None)
    return None if flaw is None else f"request {flaw + 1} sends {told[flaw]!r}"


VALIDATORS = (
    _validator("etag-304", well(3, check=_sent("if-none-match", '"v1"')), _conditional, 3),
    _validator("etag-64k", well(3, check=_sent("if-none-match", None)), _with(etag='"' + "e" * 65_000 + '"')),
    _validator("etag-odd", well(3, check=_sent("if-none-match", None)), _with(etag='"\xe9\xff\x80"')),
    _validator(
        "etag-unquoted", well(3, check=_sent("if-none-match", "not quoted at all")), _with(etag="not quoted at all")
    ),
    _validator("etag-weak", well(3, check=_sent("if-none-match", 'W/"a"')), _with(etag='W/"a"')),
    _validator("etag-empty", well(3, check=_sent("if-none-match", None)), _with(etag="")),
    _validator(
        "lastmod-garbage", well(3, check=_sent("if-modified-since", "yesterday, or so", None)),
        _with(last_modified="yesterday, or so"),
    ),
    _validator(
        "lastmod-future", well(3, check=_sent("if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT", None)),
        _with(last_modified="Fri, 31 Dec 9999 23:59:59 GMT"),
    ),
    _validator(
        "etag-changes",
        Want(steps=(frozenset({WELL}),), items=(4, 60), deadline=60, check=_echoed),
        _changes,
        3,
    ),
    _validator(
        "etag-kept-over-error",
        steps(WELL, "http_500", WELL, items=3, check=_sent("if-none-match", '"v1"')),
        by_turn(_conditional, raw(http(b"", "500 Whatever")), _conditional),
        3,
    ),
    # Sixty polls apart or one: it is asked again, and within a day.
    _validator(
        "maxage-huge",
        well(3, check=that(
            lambda result: all(
                poll.next_at is not None and (poll.next_at - poll.at).total_seconds() <= 1.1 * _DAY for poll in result.polls
            ),
            "the next poll is more than a day and its spread away",
        )),
        _with(cache_control="public, max-age=99999999999999999999", expires="Fri, 31 Dec 9999 23:59:59 GMT"),
        1,
    ),
)  # fmt: skip

CASES = (*STATUSES, *BODILESS, *PAUSES, *IMPOSTORS, *VALIDATORS)
