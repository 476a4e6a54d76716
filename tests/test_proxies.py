"""Requests by way of a proxy, against real ones on loopback: what they are told, what servers are told, what is refused."""

import base64
import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator import config
from aggregator.net import fetcher, guard
from tests.fetching import BODY, asking, bundle, tls
from tests.proxied import AUTH, Shelf, Start, fetching, looked_up, refused, start
from tests.scripted_web import Answer, moved

__all__ = ["bundle", "looked_up", "start"]

# ------------------------------------------------------------------------------------------------- ways through


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
@pytest.mark.parametrize("auth", [None, AUTH])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_every_kind_of_proxy_leads_to_servers_with_and_without_tls(
    kind: str, auth: str | None, scheme: str, start: Start, bundle: Path, looked_up: list[str]
) -> None:
    options = {"socks": kind == "socks5", "auth": auth, "tls": tls("127.0.0.1") if kind == "https" else None}
    net = await start(**options)
    server = net.secure if scheme == "https" else net.plain

    async with fetching(ca_bundle=bundle, proxy=net.proxy.url(auth or "")) as client:
        first = await client.fetch(asking(f"{scheme}://news.example/feed"))
        await client.fetch(asking(f"{scheme}://news.example/feed"))

    assert (first.status, first.body, first.url) == (200, BODY, f"{scheme}://news.example/feed")
    assert [heard.target for heard in server.heard] == ["/feed", "/feed"]
    # The proxy's password is the proxy's business.
    assert all(not name.startswith("proxy-") for heard in server.heard for name in heard.headers)
    assert server.heard[0].headers["host"] == "news.example"
    # One connection, kept; and nobody but the proxy looked a name up.
    assert net.proxy.connections == 1
    assert looked_up == []


async def test_https_is_asked_for_by_connect_and_http_by_its_whole_address(start: Start, bundle: Path) -> None:
    net = await start(auth=AUTH)
    told = base64.b64encode(AUTH.encode()).decode()

    async with fetching(ca_bundle=bundle, proxy=net.proxy.url(AUTH)) as client:
        await client.fetch(asking("https://news.example/feed", headers={"x-key": "k"}))
        await client.fetch(asking("http://news.example/feed"))

    connect, forward = (heard.split("\r\n") for heard in net.proxy.heard)
    assert connect[0] == "CONNECT news.example:443 HTTP/1.1"
    assert {line.lower() for line in connect[1:] if line} == {
        "host: news.example:443",
        "accept: */*",
        f"proxy-authorization: basic {told}".lower(),
    }
    assert forward[0] == "GET http://news.example/feed HTTP/1.1"
    assert f"Proxy-Authorization: Basic {told}" in forward
    assert net.secure.heard[0].headers["x-key"] == "k"


async def test_socks5h_is_socks5_for_names_are_never_looked_up_here(start: Start, looked_up: list[str]) -> None:
    net = await start(socks=True)

    async with fetching(proxy=net.proxy.url().replace("socks5", "socks5h")) as client:
        await client.fetch(asking("http://news.example/feed"))

    assert (net.proxy.heard, looked_up) == (["news.example:80"], [])


async def test_an_unusual_port_and_ipv6_are_written_as_urls_have_them(start: Start, bundle: Path) -> None:
    net = await start()
    six, port = "[2606:4700::6810:85e5]", net.secure.port
    net.proxy.names |= {f"{six}:443": port, f"{six}:8080": net.plain.port}

    async with fetching(ca_bundle=bundle, proxy=net.proxy.url()) as client:
        secured = await client.fetch(asking(f"https://{six}/feed"))
        plain = await client.fetch(asking(f"http://{six}:8080/feed", port=8080))

    assert secured.body == plain.body == BODY
    assert [heard.split("\r\n")[0] for heard in net.proxy.heard] == [
        f"CONNECT {six}:443 HTTP/1.1",
        f"GET http://{six}:8080/feed HTTP/1.1",
    ]
    assert net.plain.heard[0].headers["host"] == f"{six}:8080"


async def test_a_source_has_its_own_proxy_or_none(start: Start) -> None:
    general, own = await start(), await start()

    async with fetching(proxy=general.proxy.url(), allow_networks=["127.0.0.0/8"]) as client:
        await client.fetch(asking("http://news.example/feed"))
        await client.fetch(asking("http://news.example/feed", proxy=own.proxy.url()))
        await client.fetch(asking(own.plain.url("/feed"), port=own.plain.port, proxy=config.DIRECT))

    # Connections that are kept are not mixed up.
    assert (general.proxy.connections, len(general.plain.heard)) == (1, 1)
    assert (own.proxy.connections, len(own.plain.heard)) == (1, 2)


@pytest.mark.parametrize("url", ["https://news.example/feed", "https://other.example/page", "http://[broken"])
def test_the_proxy_of_a_source_is_for_its_pages_too_wherever_they_are(url: str) -> None:
    own = "http://reader:geheim@proxy.example:3128"
    source = config.SourceConfig(name="A", url="https://news.example/feed", proxy=own)

    request = fetcher.personal(asking(url), source)

    assert request.proxy == own
    assert "geheim" not in repr(request) + repr(source)


async def test_robots_txt_and_redirects_go_by_the_same_proxy(start: Start, bundle: Path) -> None:
    net = await start()
    net.plain.answers["/robots.txt"] = Answer(body=b"User-agent: *\nDisallow: /private")
    net.plain.answers["/old"] = moved("https://news.example/feed")
    net.plain.answers["/way"] = moved("https://news.example/private")

    async with fetching(Shelf(), ca_bundle=bundle) as client:
        page = asking("http://news.example/old", heed_robots=True, proxy=net.proxy.url())
        response = await client.fetch(page)
        failure = await refused(client.fetch(replace(page, url="http://news.example/way")))

    assert (response.url, response.body) == ("https://news.example/feed", BODY)
    assert (failure.code, failure.url) == ("robots", "https://news.example/private")
    assert net.plain.paths() == ["/robots.txt", "/old", "/way"]
    # One robots.txt for the host; nothing at all could have been reached without the proxy.
    assert net.secure.paths() == ["/feed"]


async def test_connect_to_is_for_straight_connections(start: Start) -> None:
    net = await start()

    async with fetching(
        proxy=net.proxy.url(), connect_to={"*:80": "127.0.0.1:9", f"*:{net.proxy.port}": "127.0.0.1:9"}
    ) as client:
        response = await client.fetch(asking("http://news.example/feed"))

    assert response.body == BODY


async def test_limits_and_decoding_are_the_same(start: Start, bundle: Path) -> None:
    net = await start()
    net.secure.answers["/gz"] = Answer(body=gzip.compress(BODY), headers={"content-encoding": "gzip"})
    net.secure.answers["/large"] = Answer(body=b"x" * 3000)
    net.secure.answers["/slow"] = Answer(body=BODY, drip=0.5)

    async with fetching(ca_bundle=bundle, proxy=net.proxy.url(), timeout="1s") as client:
        packed = await client.fetch(asking("https://news.example/gz"))
        large = await refused(client.fetch(asking("https://news.example/large", max_bytes=2000)))
        slow = await refused(client.fetch(asking("https://news.example/slow")))

    assert packed.body == BODY
    assert (large.code, slow.code) == ("too_large", "timeout")


async def test_a_kept_connection_that_the_proxy_drops_just_then_is_replaced(start: Start) -> None:
    net = await start()

    async with fetching(proxy=net.proxy.url()) as client:
        await client.fetch(asking("http://news.example/feed"))
        net.proxy.says = b""
        failure = await refused(client.fetch(asking("http://news.example/feed")))

    # The second of them was new, so that the blame is the proxy's.
    assert (failure.code, net.proxy.connections) == ("proxy", 2)


async def test_the_environment_names_no_proxy(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    net = await start()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, net.proxy.url())
    monkeypatch.setenv("NO_PROXY", "*")

    async with fetching(allow_networks=["127.0.0.0/8"]) as client:
        await client.fetch(asking(net.plain.url("/feed"), port=net.plain.port))
        await refused(client.fetch(asking("https://news.example/feed")))

    assert net.proxy.connections == 0


# ---------------------------------------------------------------------------------------------------- what is refused

LOCAL = """127.0.0.1 10.0.0.1 169.254.169.254 100.64.0.1 0.0.0.0 2130706433 0x7f000001 0x7f.1 0177.0.0.1 127.1 010.0.0.1 0 127.0.0.1.
[::1] [::ffff:10.0.0.1] [64:ff9b::a00:1] [fd00::1] [2002:7f00:1::1] localhost LOCALHOST localhost. www.localhost ip6-localhost router
localhost.localdomain printer.local metadata.google.internal nas.home.arpa 127.0.0.08 1.2.3.4.5 %31%32%37.0.0.1
１２７.０.０.１ 127。0。0。1 ⓛocalhost""".split()
TOO_LONG = "long." * 51 + "example"


@pytest.mark.parametrize("host", [*LOCAL, TOO_LONG])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_is_not_asked_for_our_own_network(host: str, scheme: str, start: Start) -> None:
    net = await start()
    # Headers are bytes: this is UTF-8.
    net.plain.answers["/away"] = moved(f"{scheme}://{host}/feed".encode().decode("latin-1"))

    async with fetching(proxy=net.proxy.url()) as client:
        failure = await refused(client.fetch(asking(f"{scheme}://{host}/feed")))
        asked = net.proxy.connections
        later = await refused(client.fetch(asking("http://news.example/away")))

    assert failure.code in {"address", "url"}
    assert later.code in {"address", "url", "bad_redirect"}
    assert asked == 0
    assert [heard.split(" ")[1] for heard in net.proxy.heard] == ["http://news.example/away"]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("10.0.0.1", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1:80"),
        ("[fd00::1]", "fd00::/8"),
        ("localhost", "localhost:80"),
        ("intranet", "intranet:80"),
        ("wiki.corp.internal", "wiki.corp.internal:80"),
    ],
)
async def test_what_is_allowed_is_asked_for_by_way_of_the_proxy(host: str, allowed: str, start: Start) -> None:
    net = await start()
    net.proxy.names[f"{host}:80"] = net.plain.port

    async with fetching(proxy=net.proxy.url(), allow_networks=[allowed]) as client:
        response = await client.fetch(asking(f"http://{host}/feed"))

    assert response.body == BODY


async def test_being_trusted_as_a_proxy_makes_no_target_of_it(start: Start) -> None:
    net = await start()

    async with fetching(proxy=net.proxy.url()) as client:
        failure = await refused(
            client.fetch(asking(f"http://127.0.0.1:{net.proxy.port}/", port=net.proxy.port, proxy=config.DIRECT))
        )

    assert (failure.code, net.proxy.connections) == ("address", 0)


@pytest.mark.parametrize("url", ["ftp://news.example/", "http://news.example:22/", "http://news.example:8080/"])
async def test_schemes_and_ports_are_those_of_straight_requests(url: str, start: Start) -> None:
    net = await start()

    async with fetching(proxy=net.proxy.url()) as client:
        failure = await refused(client.fetch(asking(url)))

    assert failure.code in {"scheme", "port"}
    assert net.proxy.connections == 0


@pytest.mark.parametrize(
    "host", ["news.example", "1.news.example", "8.8.8.8", "xn--bcher-kva.example", "local.example", "[2606:4700::1]"]
)
def test_public_names_and_addresses_are_left_to_the_proxy(host: str) -> None:
    guard.unresolved(guard.checked(f"https://{host}/"))
