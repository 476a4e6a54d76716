"""Redirects at real loopback servers: how far they are followed, what each one means for the address, which lead nowhere."""

import pytest

from aggregator import errors
from aggregator.net import fetcher
from tests import scripted_web as loopback
from tests.fetching import BODY, OK, asking, client, refused
from tests.scripted_web import Answer, moved, web

__all__ = ["client", "web"]


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
