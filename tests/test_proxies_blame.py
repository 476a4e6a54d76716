"""Requests by way of a proxy that fail, against real ones on loopback: whether the proxy is to blame, the server, or we."""

from pathlib import Path

import pytest

from aggregator import advice, errors
from tests import make
from tests.fetching import asking, bundle, tls
from tests.proxied import AUTH, Shelf, Start, fetching, looked_up, refused, start
from tests.scripted_web import Answer

__all__ = ["bundle", "looked_up", "start"]


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy_auth", "wants a user"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy_refused", "does not let us reach news.example: HTTP 403 Forbidden"),
        (b"HTTP/1.1 405 No\r\n\r\n", "proxy_refused", "HTTP 405"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy_gateway", "could not reach news.example: HTTP 502 Bad Gateway"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "proxy_gateway", "HTTP 503"),
        (b"HTTP/1.1 504 Gateway Timeout\r\n\r\n", "proxy_gateway", "HTTP 504"),
        (b"", "proxy", "closed the connection, or is none"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "proxy", "closed the connection, or is none"),
        (b"HTTP/1.1 200 OK\r\n\r\nnonsense", "tls", "TLS"),
    ],
)
async def test_what_a_proxy_says_to_connect(says: bytes, code: str, words: str, start: Start) -> None:
    net = await start()
    net.proxy.says = says

    async with fetching(proxy=net.proxy.url()) as client:
        failure = await refused(client.fetch(asking("https://news.example/feed")))

    assert (type(failure), failure.code) == (errors.TransportError, code)
    assert words in str(failure)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"\x01", "proxy_gateway"),
        (b"\x02", "proxy_refused"),
        (b"\x03", "proxy_gateway"),
        (b"\x04", "proxy_gateway"),
        (b"\x05", "proxy_gateway"),
        (b"\x06", "proxy_gateway"),
        (b"\x07", "proxy_refused"),
        (b"\x08", "proxy_refused"),
        (b"\x63", "proxy"),
    ],
)
async def test_what_a_socks_proxy_says(reply: bytes, code: str, start: Start) -> None:
    net = await start(socks=True)
    net.proxy.says = reply

    async with fetching(proxy=net.proxy.url()) as client:
        failure = await refused(client.fetch(asking("https://news.example/feed")))

    assert failure.code == code


@pytest.mark.parametrize("socks", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("given", "words"), [("", "wants"), ("reader:wrong-geheim", "does not take")])
async def test_a_wrong_password_is_told_from_none(
    socks: bool, scheme: str, given: str, words: str, start: Start
) -> None:
    net = await start(socks=socks, auth=AUTH)

    async with fetching(proxy=net.proxy.url(given)) as client:
        failure = await refused(client.fetch(asking(f"{scheme}://news.example/feed")))

    assert (failure.code, words in str(failure)) == ("proxy_auth", True)
    assert net.plain.connections == net.secure.connections == 0


async def test_a_407_of_the_server_is_not_the_proxys(start: Start, bundle: Path) -> None:
    net = await start()
    net.secure.answers["/feed"] = Answer(status=407)

    async with fetching(ca_bundle=bundle, proxy=net.proxy.url()) as client:
        failure = await refused(client.fetch(asking("https://news.example/feed")))

    assert (type(failure), failure.code) == (errors.StatusError, "http_407")


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_a_proxy_that_is_not_there_is_our_own_network(scheme: str) -> None:
    async with fetching(proxy=f"{scheme}://{AUTH}@127.0.0.1:9") as client:
        failure = await refused(client.fetch(asking("https://news.example/feed")))

    assert failure.code == "proxy"
    assert str(failure) == "the proxy cannot be reached: 127.0.0.1:9 refuses connections"


async def test_the_proxys_name_is_looked_up_and_nobody_elses(looked_up: list[str]) -> None:
    async with fetching(proxy="http://proxy.example:3128") as client:
        failure = await refused(client.fetch(asking("https://news.example/feed")))

    assert (failure.code, str(failure)) == ("proxy", "the proxy cannot be reached: no such host: proxy.example (DNS)")
    assert looked_up == ["proxy.example"]


async def test_a_proxy_must_prove_its_name(start: Start, bundle: Path) -> None:
    net = await start(tls=tls("elsewhere.example"))

    async with fetching(ca_bundle=bundle, proxy=net.proxy.url(AUTH)) as client:
        failure = await refused(client.fetch(asking("https://news.example/feed")))

    assert (failure.code, str(failure)) == (
        "proxy",
        "no TLS with the proxy: the proxy's certificate is for another name",
    )
    assert net.proxy.heard == []


@pytest.mark.parametrize("socks", [False, True])
async def test_a_server_must_prove_its_name_behind_a_proxy_too(socks: bool, start: Start, bundle: Path) -> None:
    net = await start(socks=socks)
    net.proxy.names["other.example:443"] = net.secure.port

    async with fetching(ca_bundle=bundle, proxy=net.proxy.url()) as client:
        failure = await refused(client.fetch(asking("https://other.example/feed")))

    assert (failure.code, str(failure)) == ("tls_name", "the server's certificate is for another name")
    assert net.secure.heard == []


@pytest.mark.parametrize("socks", [False, True])
async def test_a_proxy_that_says_nothing_is_given_up_within_the_limit(socks: bool, start: Start) -> None:
    net = await start(socks=socks)
    net.proxy.silent = True

    async with fetching(proxy=net.proxy.url(), timeout="1s") as client:
        failure = await refused(client.fetch(asking("https://news.example/feed")))

    assert failure.code == "timeout"
    assert str(failure) == "not done within 1 s: waiting for an answer by way of the proxy"


@pytest.mark.parametrize("socks", [False, True])
async def test_a_server_that_breaks_off_is_to_blame_itself(socks: bool, start: Start, bundle: Path) -> None:
    net = await start(socks=socks)
    net.secure.answers["/feed"] = Answer(raw=b"")
    net.plain.answers["/feed"] = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")

    async with fetching(ca_bundle=bundle, proxy=net.proxy.url()) as client:
        failure = await refused(client.fetch(asking("https://news.example/feed")))
        other = await refused(client.fetch(asking("http://news.example/feed"))) if socks else failure

    assert (failure.code, other.code) == ("reset", "reset")


async def test_robots_txt_that_our_proxy_cannot_bring_is_no_word_of_the_host() -> None:
    async with fetching(Shelf(), proxy="http://127.0.0.1:9") as client:
        failure = await refused(client.fetch(asking("https://news.example/page", heed_robots=True)))

    assert failure.code == "proxy"


@pytest.mark.parametrize("code", ["proxy", "proxy_auth", "proxy_refused", "proxy_gateway"])
def test_there_is_advice_for_each(code: str) -> None:
    assert "proxy" in (advice.on(code, since=make.NOW) or "")
