"""Which addresses are public, and that nothing else is ever contacted."""

import ipaddress
from pathlib import Path

import pytest

from aggregator import errors
from aggregator.net import guard
from tests import loopback

FORBIDDEN = """
127.0.0.1 127.1.2.3 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 169.254.1.1 100.64.0.1 100.127.255.254
192.0.0.1 192.0.0.8 192.0.0.170 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250
240.0.0.1 255.255.255.255 ::1 :: ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1::1 2001:20::1 2001:db8::1 2002:7f00:1::1
2002:a00:1::1 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff05::2 4000::1 nonsense 1.2.3 0x7f000001 2130706433
""".split()
PUBLIC = """
1.1.1.1 8.8.8.8 93.184.216.34 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 192.167.1.1 198.17.0.1 223.255.255.254
2606:4700:4700::1111 2a00:1450:4001::200e 2001:200::1 2400:cb00::1 ::ffff:8.8.8.8 64:ff9b::808:808
""".split()


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_of_the_public_internet_is_known(address: str) -> None:
    assert not guard.public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert guard.public(address)


@pytest.mark.parametrize(
    ("text", "address", "port", "admitted"),
    [
        ("127.0.0.0/8", "127.9.9.9", 80, True),
        ("127.0.0.0/8", "10.0.0.1", 80, False),
        ("10.0.0.0/8:8080", "10.1.1.1", 8080, True),
        ("10.0.0.0/8:8080", "10.1.1.1", 80, False),
        ("10.0.0.5:8080", "10.0.0.5", 8080, True),
        ("10.0.0.5", "10.0.0.5", 1234, True),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:80", "::1", 81, False),
        ("fd00::/8", "fd12::1", 443, True),
        ("intern.example:8080", "10.2.3.4", 8080, True),
        ("intern.example:8080", "10.2.3.4", 80, False),
    ],
)
def test_allow_networks_admits_what_it_says_and_nothing_else(
    text: str, address: str, port: int, admitted: bool
) -> None:
    assert guard.rule(text).admits("intern.example", address, port) is admitted


async def test_a_name_with_one_bad_address_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_look_up", lambda _host, _port: ("93.184.216.34", "127.0.0.1"))

    with pytest.raises(errors.BlockedError, match=r"127\.0\.0\.1") as caught:
        await guard.Guard().connect_tcp("both.example", 80)

    assert caught.value.code == "address"


async def test_the_checked_address_is_the_one_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([("127.0.0.1",), ("10.0.0.1",)])
    monkeypatch.setattr(guard, "_look_up", lambda _host, _port: next(answers))

    async with loopback.server(tmp_path) as server:
        stream = await guard.Guard(allowed=["127.0.0.0/8"]).connect_tcp("rebinding.example", server.http, timeout=5)
        peer = stream.get_extra_info("server_addr")
        await stream.aclose()

    assert peer[0] == "127.0.0.1"
    assert next(answers) == ("10.0.0.1",)


async def test_a_name_that_does_not_exist_is_a_dns_error() -> None:
    with pytest.raises(errors.TransportError, match="no such host") as caught:
        await guard.Guard().connect_tcp("nothing.invalid", 80)

    assert caught.value.code == "dns"


def test_every_address_is_judged_whatever_its_form() -> None:
    for text in ("::ffff:127.0.0.1", "::ffff:7f00:1"):
        assert ipaddress.ip_address(text) == ipaddress.ip_address("::ffff:7f00:1")
        assert not guard.public(text)
