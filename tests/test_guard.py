"""What may be contacted: URLs, addresses, and the connections that a Guard makes or refuses."""

import asyncio
import socket
import threading
from collections.abc import Callable

import httpcore2
import pytest

from aggregator import diagnosis, errors
from aggregator.net import guard
from tests import scripted_web as loopback
from tests.scripted_web import web

__all__ = ["web"]

Names = Callable[..., None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Play the name server: `names(host, address, …)`. Every other name is unknown."""
    known: dict[str, tuple[str, ...]] = {}

    def getaddrinfo(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    def teach(host: str, *addresses: str) -> None:
        known[host] = addresses

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return teach


def guarding(*allowed: str) -> guard.Guard:
    return guard.Guard(allowed=guard.Allowed.of(allowed), connect_to={})


# -------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "this network"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("10.0.0.5", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "carrier NAT"),
        ("100.100.100.200", "carrier NAT"),
        ("100.127.255.255", "carrier NAT"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "cloud metadata"),
        ("168.63.129.16", "cloud metadata"),
        ("192.0.0.8", "reserved"),
        ("192.0.0.192", "reserved"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("192.88.99.1", "6to4"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("::8.8.8.8", "IPv4-compatible"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "cloud metadata"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:0:127.0.0.1", "not public"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "cloud metadata"),
        ("64:ff9b:1::7f00:1", "local NAT64"),
        ("64:ff9b:1::808:808", "local NAT64"),
        ("2002:7f00:1::1", "6to4"),
        ("2002:808:808::1", "6to4"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
        ("2001:10::1", "reserved"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("5f00::1", "not public"),
        ("100::1", "not public"),
        ("4000::1", "not public"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("127.1", "no address"),
        ("0177.0.0.1", "no address"),
        ("localhost", "no address"),
        ("", "no address"),
    ],
)
def test_an_address_that_is_not_public_is_refused_by_name(address: str, why: str) -> None:
    assert guard.check(address, 80) == why


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "169.253.255.255",
        "192.0.1.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2a00:1450:4001::1",
        "2606:4700::1111",
    ],
)
def test_a_public_address_may_be_contacted(address: str) -> None:
    assert guard.check(address, 80) is None


@pytest.mark.parametrize(
    ("entry", "address", "port", "may"),
    [
        ("127.0.0.0/8", "127.0.0.1", 80, True),
        ("127.0.0.0/8", "127.9.9.9", 8080, True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", 80, True),
        ("127.0.0.0/8", "10.0.0.1", 80, False),
        ("127.0.0.0/8", "::1", 80, False),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.1", "127.0.0.2", 80, False),
        ("10.0.0.5:8080", "10.0.0.5", 8080, True),
        ("10.0.0.5:8080", "10.0.0.5", 80, False),
        ("10.0.0.5:8080", "10.0.0.6", 8080, False),
        ("10.0.0.0/8:8080", "10.200.0.1", 8080, True),
        ("10.0.0.0/8:8080", "10.200.0.1", 8081, False),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:80", "::1", 81, False),
        ("[::1]:80", "127.0.0.1", 80, False),
        ("fd00::/8", "fd12::1", 443, True),
        ("fd00::/8:8080", "fd12::1", 8080, True),
        ("fd00::/8:8080", "fd12::1", 443, False),
        ("host.example:8080", "10.0.0.5", 8080, False),
    ],
)
def test_what_the_operator_lists_is_allowed_and_no_more(entry: str, address: str, port: int, may: bool) -> None:
    assert (guard.check(address, port, guard.Allowed.of([entry])) is None) == may


# -------------------------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "scheme"),
        ("ftp://news.example/", "scheme"),
        ("gopher://news.example/", "scheme"),
        ("ws://news.example/", "scheme"),
        ("data:text/xml,<rss/>", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("feed:https://news.example/", "scheme"),
        ("unix:/run/socket", "scheme"),
        ("//news.example/feed", "scheme"),
        ("/feed", "scheme"),
        ("", "scheme"),
        ("http:", "url"),
        ("http:///feed", "url"),
        ("https://user@/feed", "url"),
        ("http://news.example:eighty/", "url"),
        ("http://[", "url"),
        ("http://exa mple/", "url"),
        ("http://news\\example/", "url"),
        ("http://[fe80::1%25eth0]/", "url"),
        ("http://news.example/\x00", "url"),
        ("http://" + "\u00e9" * 100 + ".example/", "url"),
        ("http://news.example/" + "a" * 8192, "url"),
        ("http://news.example:0/", "port"),
        ("http://news.example:65536/", "port"),
        ("http://news.example:22/", "port"),
        ("http://news.example:25/", "port"),
        ("https://news.example:1023/", "port"),
        ("http://news.example:8080/", "port"),
        ("http://127.0.0.1:65535/", "port"),
    ],
)
def test_a_url_that_is_none_of_the_webs_is_refused(url: str, code: str) -> None:
    with pytest.raises(errors.BlockedError) as caught:
        guard.checked(url)

    assert caught.value.code == code


@pytest.mark.parametrize("port", [80, 443, 1024, 8080, 65535])
def test_the_webs_ports_and_the_high_one_that_was_named_are_asked(port: int) -> None:
    assert guard.port_of(guard.checked(f"http://news.example:{port}/", port=port)) == port


def test_a_low_port_is_not_asked_because_a_source_names_it() -> None:
    with pytest.raises(errors.BlockedError) as caught:
        guard.checked("http://news.example:81/", port=81)

    assert (caught.value.code, "http.allow_networks" in str(caught.value)) == ("port", True)


@pytest.mark.parametrize(
    ("entry", "url", "may"),
    [
        ("News.example:81", "http://news.example:81/", True),
        ("news.example:81", "http://news.example:82/", False),
        ("news.example:81", "http://other.example:81/", False),
        ("10.0.0.0/8", "http://10.1.2.3:25/", True),
        ("10.0.0.0/8:8080", "http://10.1.2.3:8080/", True),
        ("10.0.0.0/8:8080", "http://10.1.2.3:8081/", False),
        ("[fd00::1]:8080", "http://[fd00::1]:8080/", True),
        ("10.0.0.0/8", "http://news.example:8080/", False),
    ],
)
def test_a_port_is_asked_where_the_operator_lists_it(entry: str, url: str, may: bool) -> None:
    allowed = guard.Allowed.of([entry])
    if may:
        assert str(guard.checked(url, allowed=allowed)) == url
    else:
        with pytest.raises(errors.BlockedError):
            guard.checked(url, allowed=allowed)


def test_user_password_and_fragment_are_not_part_of_what_is_asked() -> None:
    assert str(guard.checked("http://user:secret@news.example/feed?a=1#top")) == "http://news.example/feed?a=1"


# ------------------------------------------------------------------------------------------------------- connections


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::ffff:127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0", "0.0.0.0"]
)
async def test_loopback_in_any_spelling_is_refused_before_a_connection(host: str, web: loopback.Loopback) -> None:
    with pytest.raises(errors.BlockedError) as caught:
        await guarding().connect_tcp(host, web.port)

    assert caught.value.code == "address"
    assert web.connections == 0


async def test_a_name_with_one_bad_address_among_good_ones_is_refused(names: Names, web: loopback.Loopback) -> None:
    names("mixed.example", "93.184.216.34", "127.0.0.1")

    with pytest.raises(errors.BlockedError) as caught:
        await guarding().connect_tcp("mixed.example", web.port)

    assert "127.0.0.1" in str(caught.value)
    assert web.connections == 0


async def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch, web: loopback.Loopback
) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.66"]])
    asked = []

    def getaddrinfo(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(answers)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    stream = await guarding("127.0.0.1").connect_tcp("flips.example", web.port)

    assert stream.get_extra_info("server_addr") == ("127.0.0.1", web.port)
    assert asked == ["flips.example"]
    await stream.aclose()


async def test_an_allowed_name_may_lead_anywhere_on_its_port_and_only_there(
    names: Names, web: loopback.Loopback
) -> None:
    names("intranet.example", "127.0.0.1")
    careful = guarding(f"intranet.example:{web.port}")

    await (await careful.connect_tcp("Intranet.example", web.port)).aclose()
    with pytest.raises(errors.BlockedError):
        await careful.connect_tcp("intranet.example", web.port + 1)


async def test_the_next_address_is_tried_when_one_refuses(names: Names, web: loopback.Loopback) -> None:
    names("two.example", "127.0.0.2", "127.0.0.1")

    stream = await guarding("127.0.0.0/8").connect_tcp("two.example", web.port, timeout=5)

    assert stream.get_extra_info("server_addr") == ("127.0.0.1", web.port)
    await stream.aclose()


async def test_a_port_where_nobody_listens_is_said_so() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(errors.TransportError) as caught:
            await guarding("127.0.0.0/8").connect_tcp("127.0.0.1", port)

    assert (caught.value.code, str(caught.value)) == ("connect", f"127.0.0.1:{port} refuses connections")


@pytest.mark.parametrize("host", ["nowhere.example", "exa%20mple"])
async def test_an_unknown_name_is_said_so(host: str, names: Names) -> None:
    with pytest.raises(errors.TransportError) as caught:
        await guarding().connect_tcp(host, 80)

    assert (caught.value.code, str(caught.value)) == ("dns", f"no such host: {host} (DNS)")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_a_name_that_dns_cannot_hold_is_said_so(host: str) -> None:
    with pytest.raises(errors.TransportError) as caught:
        await guarding().connect_tcp(host, 80)

    assert caught.value.code == "dns"


async def test_whoever_asks_is_told_every_address_and_what_is_wrong_with_it(names: Names) -> None:
    names("both.test", "93.184.215.14", "10.0.0.5")
    listed = guard.Guard(allowed=guard.Allowed.of(["both.test:80"]), connect_to={"away.test:80": "127.0.0.1:8080"})

    assert await guarding().look_up("both.test", 80) == (
        diagnosis.Address(address="93.184.215.14"),
        diagnosis.Address(address="10.0.0.5", refused="private"),
    )
    assert [one.refused for one in await listed.look_up("both.test", 80)] == [None, None]
    assert await listed.look_up("away.test", 80) == (diagnosis.Address(address="127.0.0.1"),)


async def test_a_name_server_out_of_order_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*query: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(errors.TransportError) as caught:
        await guarding().connect_tcp("news.example", 80)

    assert caught.value.code == "dns"
    assert "Temporary failure" in str(caught.value)


async def test_a_silent_name_server_holds_up_few_threads_and_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    answering, inside, most = threading.Event(), 0, 0

    def getaddrinfo(*query: object, **options: object) -> list[object]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        answering.wait(10)
        inside -= 1
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(guard, "_LOOKUP_LIMIT", 0.1)
    careful = guarding()
    failures = await asyncio.gather(
        *(careful.connect_tcp(f"n{number}.example", 80) for number in range(40)), return_exceptions=True
    )
    answering.set()

    assert {getattr(failure, "code", None) for failure in failures} == {"dns"}
    assert most <= 16


async def test_connect_to_sends_a_host_and_port_elsewhere_and_its_target_is_allowed(
    web: loopback.Loopback, names: Names
) -> None:
    exact = guard.Guard(allowed=guard.NOTHING, connect_to={"News.example:443": web.address, "*:80": web.address})

    for host, port in (("news.example", 443), ("any.example", 80), ("NEWS.EXAMPLE", 443)):
        stream = await exact.connect_tcp(host, port)
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", web.port)
        await stream.aclose()
    with pytest.raises(errors.TransportError) as caught:
        await exact.connect_tcp("other.example", 443)
    assert caught.value.code == "dns"


async def test_connections_other_than_tcp_are_not_made() -> None:
    with pytest.raises(NotImplementedError):
        await guarding().connect_unix_socket("/run/socket")
    assert isinstance(guarding(), httpcore2.AsyncNetworkBackend)
