"""What the daemon must never contact, by every spelling and by every road: the real client, and a record of all connections that this
process makes."""

import socket
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from aggregator import config, errors, model
from aggregator.net import fetcher, manners
from tests import scripted_web as loopback

# Numbers of special networks: the IANA registries, and the clouds' own addresses.
ADDRESSES_4 = """
0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.0.0.53
127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.123 169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.1
172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1
198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
""".split()
ADDRESSES_6 = """
:: ::1 ::2 ::7f00:1 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:0:127.0.0.1 ::ffff:192.168.1.1 ::ffff:0.0.0.0 ::ffff:100.64.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe
64:ff9b:1::7f00:1 64:ff9b:1::808:808 100::1 2001::1 2001:0:7f00:1:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1
2001:db8::1 2002:7f00:1::1 2002:a00:1::1 2002:808:808::1 3fff::1 4000::1 5f00::1 fc00::1 fd00::1 fd00:ec2::254 fe80::1
febf::1 fec0::1 ff01::1 ff02::1 ff05::2 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:ffff:7f00:0001
""".split()
# Spellings that some library or C function reads as one of them.
SPELLINGS = """
127.1 127.0.1 0 00 0x0 2130706433 017700000001 0x7f000001 0x7F.0x0.0x0.0x1 0177.0.0.1 0177.0.01 0x7f.1 127.0x1 127.000.000.001
2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 0xa9.254.169.254 10.1 0xa000001 012.0.0.1 167772161 192.168.257
3232235777 0300.0250.1.1 127.0.0.1. 127.0.0.1.. 127。0。0。1 １２７.0.0.1 ①②⑦.0.0.1 127.0.0.1%00 127.0.0.1%2f %31%32%37.0.0.1 0x7f.0.0.1.
localhost LOCALHOST localhost. ip6-localhost localhost.localdomain ⓛocalhost lo%63alhost
""".split()
# Names, and what the name server of the test says of them: one bad address among good ones is enough.
NAMES = {
    "metadata.google.internal": ("169.254.169.254",),
    "metadata.azure.internal": ("168.63.129.16",),
    "instance-data.ec2.internal": ("fd00:ec2::254", "169.254.169.254"),
    "intranet.example": ("10.1.2.3",),
    "router.example": ("192.168.0.1",),
    "mixed.example": ("93.184.216.34", "127.0.0.1"),
    "mixed-6.example": ("2606:4700::1111", "::1"),
    "mapped.example": ("::ffff:127.0.0.1",),
    "nat64.example": ("64:ff9b::7f00:1",),
    "last-of-many.example": (*(f"93.184.216.{n}" for n in range(40)), "10.0.0.1"),
    "scoped.example": ("fe80::1%lo",),
    "cgnat.example": ("100.64.0.7",),
    "multicast.example": ("224.0.0.251",),
    "nothing.example": ("0.0.0.0",),
}
# Whole URLs: schemes, ports, user info and slashes that one parser takes for another host than the next does.
URLS = """
file:///etc/passwd file://127.0.0.1/etc/passwd FILE:///etc/passwd ftp://127.0.0.1/ gopher://127.0.0.1:6379/_INFO dict://127.0.0.1:11211/
data:text/xml,<rss/> javascript:alert(1) unix:///var/run/docker.sock ws://127.0.0.1/ jar:http://127.0.0.1!/ ldap://127.0.0.1/
feed://127.0.0.1/ view-source:http://127.0.0.1/ http+unix://%2Fvar%2Frun%2Fdocker.sock/ //127.0.0.1/ http:127.0.0.1 http:/127.0.0.1
http:///127.0.0.1/ http://good.example@127.0.0.1/ http://127.0.0.1#@good.example/ http://127.0.0.1?@good.example/
http://127.0.0.1\\@good.example/ http://good.example\\@127.0.0.1/ http://127.0.0.1:80\\@good.example:80/ http://good.example:80@127.0.0.1:80/
http://[::1]:80/ http://[::1%25lo]/ http://[0:0:0:0:0:ffff:127.0.0.1]/ http://[::ffff:7f00:1]:80/ http://127.0.0.1:00080/
http://public.example:22/ http://public.example:25/ http://public.example:6379/ http://public.example:11211/ http://public.example:2375/
http://public.example:9200/ http://public.example:0/ http://public.example:65536/ http://public.example:-1/ http://public.example:1023/
https://127.0.0.1/ https://[::1]/ https://localhost/ https://169.254.169.254/latest/meta-data/
""".split()

TABLE = [
    *(f"http://{address}/" for address in (*ADDRESSES_4, *SPELLINGS, *NAMES)),
    *(f"http://[{address}]/" for address in ADDRESSES_6),
    *URLS,
]

PUBLIC = {"public.example": ("93.184.216.34",), "good.example": ("93.184.216.35",), "front.example": ("127.0.0.1",)}


class Record:
    """The addresses of all connections begun, as the interpreter reports them, while `on`."""

    def __init__(self) -> None:
        self.on, self.seen = False, list[str]()

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if self.on and event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
            self.seen.append(f"{args[1][0]}:{args[1][1]}")


_RECORD = Record()
# An audit hook stays for good: one for all tests.
sys.addaudithook(_RECORD)


@pytest.fixture
def record() -> Iterator[Record]:
    _RECORD.seen.clear()
    _RECORD.on = True
    yield _RECORD
    _RECORD.on = False


@pytest.fixture
async def front() -> AsyncIterator[loopback.Loopback]:
    """A server that the operator has allowed, and that redirects to what it is told."""
    async with loopback.serve() as served:
        yield served


@pytest.fixture
async def client(front: loopback.Loopback, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[fetcher.Fetcher]:
    real, known = socket.getaddrinfo, NAMES | PUBLIC

    def getaddrinfo(host: str, port: int, **options: int) -> list[tuple[object, ...]]:
        if host in known:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]
        if any(letter.isalpha() for letter in host.removeprefix("0x")) and "localhost" not in host:
            # Nobody is asked about names.
            options["flags"] = socket.AI_NUMERICHOST
        return list(real(host, port, **options))

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    http = config.HttpSettings.model_validate(
        {
            "timeout": "5s",
            "per_host": {"concurrency": 20, "spacing": "0s"},
            "allow_networks": [f"front.example:{front.port}"],
        }
    )
    ready = fetcher.Fetcher(http, manners.Manners(http.per_host))
    yield ready
    await ready.aclose()


def asking(url: str, port: int | None = None) -> model.Request:
    return model.Request(url=url, accept="*/*", max_bytes=1 << 20, port=port)


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) == len(set(TABLE))
    assert len(TABLE) >= 120


@pytest.mark.parametrize("url", TABLE)
async def test_none_of_them_is_contacted(url: str, client: fetcher.Fetcher, record: Record) -> None:
    with pytest.raises(errors.FetchError) as caught:
        await client.fetch(asking(url))

    assert caught.value.code in {"address", "url", "scheme", "port", "dns"}
    assert record.seen == []


# A header holds no other letters; what is sent instead is not what the table means.
@pytest.mark.parametrize("url", [url for url in TABLE if url.isascii()])
async def test_no_redirect_leads_there(
    url: str, client: fetcher.Fetcher, front: loopback.Loopback, record: Record
) -> None:
    front.answers["/"] = loopback.moved(url)
    # The one that stands for itself where a browser would go on from here: a path of this server.
    stays = url.startswith(("http:1", "http:/1"))

    with pytest.raises(errors.FetchError) as caught:
        await client.fetch(asking(front.url("/", host="front.example")))

    codes = {"address", "url", "scheme", "port", "dns", "bad_redirect"}
    assert caught.value.code in codes | ({"http_404"} if stays else set())
    assert set(record.seen) == {front.address}
    assert front.connections == 1


@pytest.mark.parametrize("host", [*SPELLINGS, "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"])
async def test_a_listener_on_the_very_port_hears_nothing(
    host: str, client: fetcher.Fetcher, front: loopback.Loopback, record: Record
) -> None:
    """With the port permitted, as it is where a source's own URL names it, the address decides."""
    with pytest.raises(errors.FetchError) as caught:
        await client.fetch(asking(f"http://{host}:{front.port}/", front.port))

    assert caught.value.code in {"address", "url", "dns"}
    assert record.seen == []
    assert front.connections == 0


async def test_what_may_be_contacted_is(client: fetcher.Fetcher, front: loopback.Loopback, record: Record) -> None:
    """The record and the name server of these tests do see a connection that is made."""
    front.answers["/"] = loopback.Answer(body=b"<rss/>")

    response = await client.fetch(asking(front.url("/", host="front.example")))

    assert response.body == b"<rss/>"
    assert record.seen == [front.address]
