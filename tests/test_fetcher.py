"""The one client against real loopback servers: what it sends, what it follows, what it refuses and how it says so."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from aggregator import __version__, cadence, config, errors, model, spool
from aggregator.net import fetcher, manners
from tests import scripted_web as loopback
from tests.scripted_web import Answer, moved

BODY = b"<rss><channel><title>Ice</title></channel></rss>"
OK = Answer(body=BODY)


@pytest.fixture
async def web() -> AsyncIterator[loopback.Loopback]:
    async with loopback.serve() as served:
        yield served


@pytest.fixture
async def other() -> AsyncIterator[loopback.Loopback]:
    async with loopback.serve() as served:
        yield served


@pytest.fixture
async def client() -> AsyncIterator[fetcher.Fetcher]:
    async with fetching() as ready:
        yield ready


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA) -> Iterator[Path]:
    with authority.cert_pem.tempfile() as path:
        yield Path(path)


@asynccontextmanager
async def fetching(**settings: Any) -> AsyncIterator[fetcher.Fetcher]:
    """A client that may contact loopback, does not space its requests, and gives up after five seconds."""
    usual = {
        "timeout": "5s",
        "per_host": {"concurrency": 20, "spacing": "0s"},
        "allow_networks": ["127.0.0.0/8"],
    }
    http = config.HttpSettings.model_validate(usual | settings)
    ready = fetcher.Fetcher(http, manners.Manners(http.per_host))
    try:
        yield ready
    finally:
        await ready.aclose()


def tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def asking(url: str, **changes: Any) -> model.Request:
    return replace(model.Request(url=url, accept="application/rss+xml, */*;q=0.1", max_bytes=1 << 20), **changes)


async def refused(answer: Awaitable[model.Response]) -> errors.FetchError:
    with pytest.raises(errors.FetchError) as caught:
        await answer
    assert "\n" not in str(caught.value)
    assert 0 < len(str(caught.value)) <= 300
    return caught.value


# -------------------------------------------------------------------------------------------------- what is sent


async def test_a_document_comes_with_all_that_is_known_of_it(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    headers = {"ETag": '"v1"', "Last-Modified": "Fri, 19 Sep 2025 07:00:00 GMT", "Content-Type": "application/rss+xml"}
    web.answers["/feed"] = Answer(body=BODY, headers=headers)

    response = await client.fetch(asking(web.url("/feed")))

    assert (response.status, response.body, response.wire_bytes) == (200, BODY, len(BODY))
    assert response.url == response.permanent_url == web.url("/feed")
    assert response.headers["content-type"] == "application/rss+xml"
    assert response.validators == model.Validators(
        url=web.url("/feed"), etag='"v1"', last_modified="Fri, 19 Sep 2025 07:00:00 GMT"
    )
    assert timedelta(0) < response.took < timedelta(seconds=5)


async def test_a_request_says_who_asks_and_no_more(web: loopback.Loopback) -> None:
    web.answers["/feed"] = OK

    async with fetching(contact="https://example.org/bot") as client:
        await client.fetch(asking(web.url("/feed")))

    assert web.heard[0].method == "GET"
    assert web.heard[0].headers == {
        "host": web.address,
        "user-agent": f"aggregator/{__version__} (+https://example.org/bot)",
        "accept": "application/rss+xml, */*;q=0.1",
        "accept-encoding": "gzip, deflate, br, zstd",
    }


async def test_without_a_contact_the_name_is_all_and_a_source_may_have_its_own(
    web: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    web.answers["/feed"] = OK

    await client.fetch(asking(web.url("/feed")))
    await client.fetch(asking(web.url("/feed"), user_agent="Special/1"))

    assert [heard.headers["user-agent"] for heard in web.heard] == [f"aggregator/{__version__}", "Special/1"]


async def test_cookies_that_a_server_sets_are_not_sent_back(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/feed"] = Answer(body=BODY, headers={"Set-Cookie": "track=1"})
    web.answers["/wall"] = Answer(status=302, headers={"Location": "/feed", "Set-Cookie": "consent=1"})

    await client.fetch(asking(web.url("/feed")))
    await client.fetch(asking(web.url("/wall")))

    assert len(web.heard) == 3
    assert all("cookie" not in heard.headers and "referer" not in heard.headers for heard in web.heard)


async def test_the_environment_names_no_proxy(
    web: loopback.Loopback, other: loopback.Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.answers["/feed"] = OK
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{other.address}")

    async with fetching() as client:
        await client.fetch(asking(web.url("/feed")))

    assert (other.connections, web.connections) == (0, 1)


async def test_a_connection_is_used_again(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/feed"] = OK
    web.answers["/same"] = Answer(status=304)

    await client.fetch(asking(web.url("/feed")))
    await client.fetch(asking(web.url("/same"), validators=model.Validators(url=web.url("/same"), etag='"v1"')))
    await client.fetch(asking(web.url("/feed")))

    assert web.connections == 1


async def test_a_kept_connection_that_the_server_drops_just_then_is_replaced(
    web: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    web.answers["/feed"] = lambda heard: OK if heard.nth == 1 else Answer(raw=b"")

    await client.fetch(asking(web.url("/feed")))
    response = await client.fetch(asking(web.url("/feed")))

    assert (response.body, web.connections) == (BODY, 2)


# -------------------------------------------------------------------------------------------------- credentials


SECRETS: dict[str, Any] = {"headers": {"X-Key": "s3cret"}, "cookies": {"sid": "s3cret", "b": "2"}, "auth": ("me", "pä")}


async def test_headers_cookies_and_password_go_to_the_site_that_was_asked(
    web: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    web.answers["/old"], web.answers["/feed"] = moved("/feed"), OK

    await client.fetch(asking(web.url("/old"), **SECRETS))

    for heard in web.heard:
        assert heard.headers["x-key"] == "s3cret"
        assert heard.headers["cookie"] == "sid=s3cret; b=2"
        assert heard.headers["authorization"] == "Basic bWU6cMOk"


async def test_nothing_secret_follows_a_redirect_to_another_site_or_back(
    web: loopback.Loopback, other: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    web.answers["/feed"], other.answers["/on"] = moved(other.url("/on")), moved(web.url("/end"))
    web.answers["/end"] = OK

    response = await client.fetch(asking(web.url("/feed"), **SECRETS))

    assert response.url == web.url("/end")
    assert "authorization" in web.heard[0].headers
    for heard in (*other.heard, *web.heard[1:]):
        assert not {"x-key", "cookie", "authorization"} & heard.headers.keys()


async def test_a_password_in_a_redirect_is_not_used(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/feed"], web.answers["/end"] = moved(f"http://user:s3cret@{web.address}/end"), OK

    response = await client.fetch(asking(web.url("/feed")))

    assert response.url == web.url("/end")
    assert "authorization" not in web.heard[1].headers


async def test_a_password_in_the_url_is_neither_sent_nor_told(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    failure = await refused(client.fetch(asking(f"http://user:s3cret@{web.address}/gone")))

    assert "authorization" not in web.heard[0].headers
    assert "s3cret" not in f"{failure} {failure.url}"


@pytest.mark.parametrize("secret", ["s3cret\r\nX-More: 1", "s3cret\u20ac"])
async def test_a_header_that_cannot_be_sent_is_an_error_that_does_not_show_it(
    web: loopback.Loopback, client: fetcher.Fetcher, secret: str
) -> None:
    failure = await refused(client.fetch(asking(web.url("/feed"), headers={"X-Key": secret})))

    assert failure.code == "protocol"
    assert "s3cret" not in str(failure)
    assert web.heard == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("https://news.example/feed", True),
        ("https://NEWS.example:443/other", True),
        ("http://news.example/feed", False),
        ("https://news.example:8443/feed", False),
        ("https://www.news.example/feed", False),
        ("https://other.example/feed", False),
        ("not a url", False),
        ("http://[broken/", False),
    ],
)
def test_what_a_source_keeps_secret_is_told_to_its_own_site_alone(asked: str, told: bool) -> None:
    source = config.SourceConfig.model_validate(
        {
            "name": "News",
            "url": "https://news.example/feed",
            "category": "c",
            "headers": {"X-Key": "s"},
            "cookies": {"sid": "s"},
            "auth": "me:pw",
            "user_agent": "Special/1",
        }
    )

    request = fetcher.personal(asking(asked), source)

    assert request.user_agent == "Special/1"
    assert (request.headers, request.cookies, request.auth) == (
        ({"X-Key": "s"}, {"sid": "s"}, ("me", "pw")) if told else ({}, {}, None)
    )


def test_a_site_that_moved_to_https_is_still_the_sources_own() -> None:
    source = config.SourceConfig.model_validate(
        {"name": "News", "url": "http://news.example/feed", "category": "c", "auth": "me:pw"}
    )

    assert fetcher.personal(asking("https://news.example/feed"), source).auth == ("me", "pw")


# ---------------------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(web: loopback.Loopback, client: fetcher.Fetcher, status: int) -> None:
    web.answers["/a/old"], web.answers["/a/new"] = moved("new?x=1#frag", status), OK

    response = await client.fetch(asking(web.url("/a/old")))

    assert (response.url, response.body) == (web.url("/a/new?x=1"), BODY)


@pytest.mark.parametrize(
    ("statuses", "permanent"),
    [
        ((301, 308), "/2"),
        ((302,), "/0"),
        ((301, 302), "/1"),
        ((302, 301), "/0"),
        ((308, 307, 301), "/1"),
        ((), "/0"),
    ],
)
async def test_the_permanent_url_is_as_far_as_permanent_redirects_alone_lead(
    web: loopback.Loopback, client: fetcher.Fetcher, statuses: tuple[int, ...], permanent: str
) -> None:
    for number, status in enumerate(statuses):
        web.answers[f"/{number}"] = moved(f"/{number + 1}", status)
    web.answers[f"/{len(statuses)}"] = OK

    response = await client.fetch(asking(web.url("/0")))

    assert response.permanent_url == web.url(permanent)
    assert response.url == web.url(f"/{len(statuses)}")


async def test_the_url_that_was_asked_for_stays_as_it_was_written(
    web: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    web.answers["/%C3%A9"] = OK
    written = web.url("/é#top").replace("http:", "HTTP:")

    response = await client.fetch(asking(written))

    assert response.url == response.permanent_url == response.validators.url == written


async def test_ten_redirects_are_followed_and_sixty_are_not(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    for number in range(60):
        web.answers[f"/{number}"] = moved(f"/{number + 1}")
    web.answers["/60"] = OK

    assert (await client.fetch(asking(web.url("/50")))).body == BODY
    failure = await refused(client.fetch(asking(web.url("/0"))))

    assert (failure.code, failure.status) == ("redirects", 302)
    assert web.paths()[-1] == "/10"


async def test_a_circle_is_noticed(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/self"] = moved("/self")
    web.answers["/ping"], web.answers["/pong"] = moved("/pong"), moved("/ping#again")

    assert (await refused(client.fetch(asking(web.url("/self"))))).code == "redirect_loop"
    failure = await refused(client.fetch(asking(web.url("/ping"))))

    assert (failure.code, failure.url) == ("redirect_loop", web.url("/pong"))
    assert web.paths() == ["/self", "/ping", "/pong"]


async def test_redirects_that_grow_end_too(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/grow"] = lambda heard: moved(heard.target + "?" + "a" * 2000)

    failure = await refused(client.fetch(asking(web.url("/grow"))))

    assert failure.code == "bad_redirect"


@pytest.mark.parametrize("location", [None, "", "http://", "http:///x", "http://h:port/", "http://[", "https://"])
async def test_a_redirect_to_nowhere_is_an_error(
    web: loopback.Loopback, client: fetcher.Fetcher, location: str | None
) -> None:
    web.answers["/feed"] = Answer(status=301, headers={"location": location})

    failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert (failure.code, failure.status, failure.url) == ("bad_redirect", 301, web.url("/feed"))


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("file:///etc/passwd", "scheme"),
        ("ftp://news.example/x", "scheme"),
        ("gopher://127.0.0.1:6379/_x", "scheme"),
        ("data:text/xml,<rss/>", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("feed:https://news.example/", "scheme"),
        ("ws://127.0.0.1/", "scheme"),
        ("unix:///run/x.sock", "scheme"),
        ("http://192.0.2.1:22/", "port"),
        ("http://127.0.0.1:0/", "port"),
        ("http://127.0.0.1:99999/", "port"),
        ("http://169.254.169.254/latest/meta-data/", "address"),
        ("http://[::ffff:169.254.169.254]/", "address"),
        ("http://10.0.0.1/", "address"),
        ("http://[fe80::1]/", "address"),
    ],
)
async def test_a_redirect_to_where_nobody_may_go_is_refused(
    web: loopback.Loopback, client: fetcher.Fetcher, location: str, code: str
) -> None:
    web.answers["/feed"] = moved(location)

    failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert isinstance(failure, errors.BlockedError)
    assert failure.code == code


async def test_a_location_in_raw_utf8_is_understood(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/feed"] = moved("/h\u00e9".encode().decode("latin-1"))
    web.answers["/h%C3%A9"] = OK

    assert (await client.fetch(asking(web.url("/feed")))).url == web.url("/h%C3%A9")


# --------------------------------------------------------------------------------------------- conditional requests


async def test_validators_go_verbatim_to_the_url_that_gave_them(
    web: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    web.answers["/feed"] = Answer(status=304)
    given = model.Validators(url=web.url("/feed"), etag='W/"od d', last_modified="yesterday, about noon")

    response = await client.fetch(asking(web.url("/feed"), validators=given))

    assert web.heard[0].headers["if-none-match"] == 'W/"od d'
    assert web.heard[0].headers["if-modified-since"] == "yesterday, about noon"
    assert (response.not_modified, response.body, response.validators) == (True, b"", given)


async def test_a_304_updates_what_it_carries_and_keeps_the_rest(
    web: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    web.answers["/feed"] = Answer(status=304, headers={"ETag": '"v2"', "Last-Modified": "é"})
    given = model.Validators(url=web.url("/feed"), etag='"v1"', last_modified="then")

    response = await client.fetch(asking(web.url("/feed"), validators=given))

    assert response.validators == model.Validators(url=web.url("/feed"), etag='"v2"', last_modified="then")


async def test_across_redirects_only_their_own_url_gets_the_validators(
    web: loopback.Loopback, client: fetcher.Fetcher
) -> None:
    web.answers["/old"] = moved("/feed", 301)
    web.answers["/feed"] = lambda heard: Answer(status=304) if "if-none-match" in heard.headers else OK
    given = model.Validators(url=web.url("/feed"), etag='"v1"')

    response = await client.fetch(asking(web.url("/old"), validators=given))

    assert ["if-none-match" in heard.headers for heard in web.heard] == [False, True]
    assert (response.not_modified, response.url, response.permanent_url) == (True, web.url("/feed"), web.url("/feed"))


async def test_validators_of_another_url_are_not_sent(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/feed"] = Answer(body=BODY, headers={"ETag": '"new"'})
    given = model.Validators(url=web.url("/former"), etag='"v1"', last_modified="then")

    response = await client.fetch(asking(web.url("/feed"), validators=given))

    assert not {"if-none-match", "if-modified-since"} & web.heard[0].headers.keys()
    assert response.validators == model.Validators(url=web.url("/feed"), etag='"new"')


async def test_a_304_that_nobody_asked_for_is_an_error(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.answers["/feed"], web.answers["/old"] = Answer(status=304), moved("/feed")
    of_the_first = model.Validators(url=web.url("/old"), etag='"v1"')

    for request in (asking(web.url("/feed")), asking(web.url("/old"), validators=of_the_first)):
        failure = await refused(client.fetch(request))
        assert isinstance(failure, errors.StatusError)
        assert (failure.code, failure.status) == ("unasked_304", 304)


@pytest.mark.parametrize("value", ["x" * 1025, '"caf\u00e9"', '"a\tb"', ""])
async def test_a_validator_nobody_could_mean_is_dropped(
    web: loopback.Loopback, client: fetcher.Fetcher, value: str
) -> None:
    web.answers["/feed"] = Answer(body=BODY, headers={"ETag": value, "Last-Modified": "then"})

    response = await client.fetch(asking(web.url("/feed")))

    assert response.validators == model.Validators(url=web.url("/feed"), last_modified="then")


# --------------------------------------------------------------------------------------------------------- statuses


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (201, "http_201", "HTTP 201 Created"),
        (204, "http_204", "HTTP 204 No Content"),
        (205, "http_205", "HTTP 205 Reset Content"),
        (206, "http_206", "HTTP 206 Partial Content"),
        (300, "http_300", "HTTP 300 Multiple Choices"),
        (305, "http_305", "HTTP 305 Use Proxy"),
        (401, "http_401", "HTTP 401 Unauthorized"),
        (403, "http_403", "HTTP 403 Forbidden"),
        (404, "http_404", "HTTP 404 Not Found"),
        (410, "gone", "HTTP 410 Gone"),
        (429, "http_429", "HTTP 429 Too Many Requests"),
        (451, "http_451", "HTTP 451 Unavailable For Legal Reasons"),
        (500, "http_500", "HTTP 500 Internal Server Error"),
        (503, "http_503", "HTTP 503 Service Unavailable"),
        (599, "http_599", "HTTP 599"),
        (999, "http_999", "HTTP 999"),
    ],
)
async def test_every_other_status_is_an_error_of_its_own(
    web: loopback.Loopback, client: fetcher.Fetcher, status: int, code: str, words: str
) -> None:
    web.answers["/feed"] = Answer(status=status, headers={"location": "/elsewhere"})

    failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert isinstance(failure, errors.GoneError if status == 410 else errors.StatusError)
    assert (str(failure), failure.code, failure.status, failure.url) == (words, code, status, web.url("/feed"))
    assert failure.retry_after is None
    assert web.paths() == ["/feed"]


def _date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (lambda: "120", 120),
        (lambda: _date(7200), 7200),
        (lambda: "0", 0),
        (lambda: _date(-3600), 0),
        (lambda: "Fri, 31 Dec 9999 23:59:59 -2359", None),
        (lambda: "9" * 5000, 86400),
        (lambda: "Fri, 31 Dec 9999 23:59:59 GMT", 86400),
    ],
)
async def test_retry_after_is_read_as_seconds_or_date_and_kept_within_a_day(
    web: loopback.Loopback, client: fetcher.Fetcher, status: int, value: Callable[[], str], seconds: int | None
) -> None:
    web.answers["/feed"] = Answer(status=status, headers={"Retry-After": value()})
    before = datetime.now(UTC)

    retry_after = (await refused(client.fetch(asking(web.url("/feed"))))).retry_after

    if seconds is None:
        assert retry_after is None
    else:
        assert retry_after is not None
        assert retry_after.microsecond == 0
        assert timedelta(seconds=seconds - 1) <= retry_after - before <= timedelta(seconds=min(seconds + 6, 86405))
        assert retry_after >= before


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "\u0661", "Mon, 99 Foo 2025"])
async def test_a_retry_after_that_is_neither_is_ignored(
    web: loopback.Loopback, client: fetcher.Fetcher, value: str
) -> None:
    web.answers["/feed"] = Answer(status=503, headers={"Retry-After": value.encode().decode("latin-1")})

    assert (await refused(client.fetch(asking(web.url("/feed"))))).retry_after is None


async def test_retry_after_pauses_the_whole_host(web: loopback.Loopback) -> None:
    web.answers["/busy"] = Answer(status=429, headers={"Retry-After": "3600"})
    polite = manners.Manners(config.PerHost())
    http = config.HttpSettings(allow_networks=("127.0.0.0/8",))
    client = fetcher.Fetcher(http, polite)

    first = await refused(client.fetch(asking(web.url("/busy"))))
    second = await refused(client.fetch(asking(web.url("/another"))))
    await client.aclose()

    assert polite.busy() == {"127.0.0.1"}
    assert (second.code, second.retry_after, second.url) == ("retry_after", first.retry_after, web.url("/another"))
    assert web.paths() == ["/busy"]


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


# --------------------------------------------------------------------------------------------------------- manners


async def test_few_requests_go_to_one_host_at_once_and_spaced(web: loopback.Loopback) -> None:
    web.answers["/feed"] = replace(OK, wait=0.1)

    async with fetching(per_host={"concurrency": 2, "spacing": 0.02}) as client:
        await asyncio.gather(*(client.fetch(asking(web.url("/feed"))) for _ in range(6)))

    begun = sorted(heard.at for heard in web.heard)
    assert web.most_at_once == 2
    # From the first to the last: what lies between two neighbours may shrink on its way here.
    assert begun[-1] - begun[0] >= 0.08


# --------------------------------------------------------------------------------------------------- addresses, TLS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.0.0.1", "2130706433"])
async def test_loopback_is_not_contacted_unless_allowed(web: loopback.Loopback, host: str) -> None:
    async with fetching(allow_networks=[]) as client:
        failure = await refused(client.fetch(asking(web.url("/feed", host), port=web.port)))

    assert isinstance(failure, errors.BlockedError)
    assert (failure.code, failure.url) == ("address", web.url("/feed", host))
    assert web.connections == 0


async def test_a_redirect_into_the_network_is_stopped_at_the_connection(
    web: loopback.Loopback, other: loopback.Loopback
) -> None:
    web.answers["/feed"] = moved(other.url("/secret"))

    async with fetching(allow_networks=[web.address]) as client:
        failure = await refused(client.fetch(asking(web.url("/feed"), port=other.port)))

    assert isinstance(failure, errors.BlockedError)
    assert (failure.code, failure.url) == ("address", other.url("/secret"))
    assert (web.connections, other.connections) == (1, 0)


@pytest.mark.parametrize(
    ("url", "code"),
    [("", "scheme"), ("news.example/feed", "scheme"), ("http://", "url"), ("http://a\nb/", "url")],
)
async def test_a_url_that_is_none_is_refused(client: fetcher.Fetcher, url: str, code: str) -> None:
    failure = await refused(client.fetch(asking(url)))

    assert (type(failure), failure.code) == (errors.BlockedError, code)


async def test_a_port_that_was_asked_for_by_name_is_asked(client: fetcher.Fetcher) -> None:
    # Nobody listens on 127.0.0.9:9, but it was tried.
    assert (await refused(client.fetch(asking("http://127.0.0.9:9/feed", port=9)))).code == "connect"


async def test_an_unknown_host_is_said_so(client: fetcher.Fetcher) -> None:
    failure = await refused(client.fetch(asking(f"http://{'a' * 64}.example/feed")))

    assert (type(failure), failure.code) == (errors.TransportError, "dns")


async def test_what_is_no_proxy_is_refused_rather_than_ignored(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    failure = await refused(client.fetch(asking(web.url("/feed"), proxy="ftp://me:geheim@proxy.example")))

    assert (failure.code, web.connections) == ("proxy", 0)
    assert "geheim" not in str(failure)


async def test_tls_checks_the_name_in_the_url_wherever_the_connection_goes(authority: trustme.CA, bundle: Path) -> None:
    async with loopback.serve(tls(authority.issue_cert("news.example"))) as secure:
        secure.answers["/feed"] = OK
        everything = {"*:443": secure.address}
        async with fetching(ca_bundle=bundle, connect_to=everything, allow_networks=[]) as client:
            response = await client.fetch(asking("https://news.example/feed"))
            failure = await refused(client.fetch(asking("https://other.example/feed")))

    assert (response.body, response.url) == (BODY, "https://news.example/feed")
    assert secure.heard[0].headers["host"] == "news.example"
    assert failure.code == "tls_name"
    assert len(secure.heard) == 1


async def test_an_authority_that_is_not_listed_is_not_trusted(authority: trustme.CA) -> None:
    async with loopback.serve(tls(authority.issue_cert("127.0.0.1"))) as secure, fetching() as client:
        failure = await refused(client.fetch(asking(secure.url("/feed"))))

    assert (type(failure), failure.code) == (errors.TransportError, "tls_authority")
    assert secure.heard == []


async def test_a_certificate_out_of_its_time_is_not_trusted(authority: trustme.CA, bundle: Path) -> None:
    now = datetime.now(UTC)
    old = authority.issue_cert("127.0.0.1", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1))
    early = authority.issue_cert("127.0.0.1", not_before=now + timedelta(days=1), not_after=now + timedelta(days=9))

    for certificate, words in ((old, "has expired"), (early, "is not valid yet")):
        async with loopback.serve(tls(certificate)) as secure, fetching(ca_bundle=bundle) as client:
            failure = await refused(client.fetch(asking(secure.url("/feed"))))
        assert failure.code == "tls_expired"
        assert str(failure) == f"the server's certificate {words}"


async def test_what_is_not_tls_is_said_so(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.greeting = Answer(raw=b"HTTP/1.1 400 Bad Request\r\n\r\n")

    failure = await refused(client.fetch(asking(web.url("/feed").replace("http:", "https:"))))

    assert (type(failure), failure.code) == (errors.TransportError, "tls")


async def test_a_redirect_to_bad_tls_is_an_error(authority: trustme.CA, web: loopback.Loopback) -> None:
    async with loopback.serve(tls(authority.issue_cert("127.0.0.1"))) as secure, fetching() as client:
        web.answers["/feed"] = moved(secure.url("/feed"))
        failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert (failure.code, failure.url) == ("tls_authority", secure.url("/feed"))


async def test_a_bundle_that_holds_no_certificates_is_a_mistake_of_the_operator(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing here")

    with pytest.raises(errors.ConfigError) as caught:
        async with fetching(ca_bundle=tmp_path / "ca.pem"):
            pass

    assert "http.ca_bundle" in str(caught.value)


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
