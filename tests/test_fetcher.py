"""The one client against real loopback servers: what it sends, to whom it tells secrets, what it makes of statuses and validators."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from aggregator import __version__, config, errors, model
from aggregator.net import fetcher, manners
from tests import scripted_web as loopback
from tests.fetching import BODY, OK, asking, client, fetching, refused
from tests.scripted_web import Answer, moved, other, web

__all__ = ["client", "other", "web"]

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


# --------------------------------------------------------------------------------------------------------- manners


async def test_few_requests_go_to_one_host_at_once_and_spaced(web: loopback.Loopback) -> None:
    web.answers["/feed"] = replace(OK, wait=0.1)

    async with fetching(per_host={"concurrency": 2, "spacing": 0.02}) as client:
        await asyncio.gather(*(client.fetch(asking(web.url("/feed"))) for _ in range(6)))

    begun = sorted(heard.at for heard in web.heard)
    assert web.most_at_once == 2
    # From the first to the last: what lies between two neighbours may shrink on its way here.
    assert begun[-1] - begun[0] >= 0.08
