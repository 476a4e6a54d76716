"""The client over real sockets: what it sends, what it accepts, what it refuses and how it says so."""

import asyncio
import gzip
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregator import __version__, config, errors, model
from aggregator.net import fetcher, manners
from tests import loopback

LIMIT = 1 << 20


@asynccontextmanager
async def _client(**settings: Any) -> AsyncIterator[fetcher.Fetcher]:
    told = {"allow_networks": ["127.0.0.0/8"], "per_host": {"spacing": "0s", "concurrency": 4}} | settings
    parsed = config.HttpSettings.model_validate(told)
    client = fetcher.Fetcher(parsed, manners.Manners(parsed.per_host))
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[loopback.Server]:
    async with loopback.server(tmp_path) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[fetcher.Fetcher]:
    async with _client() as made:
        yield made


def _request(url: str, **values: Any) -> model.Request:
    told: dict[str, Any] = {"url": url, "accept": "text/xml", "max_bytes": LIMIT} | values
    return model.Request(**told)


async def _refusal(client: fetcher.Fetcher, url: str, **values: Any) -> errors.FetchError:
    with pytest.raises(errors.FetchError) as caught:
        await client.fetch(_request(url, **values))
    assert "\n" not in str(caught.value)
    return caught.value


# ------------------------------------------------------------------------------------------------------ what is sent


async def test_a_request_says_honestly_who_asks_and_nothing_more(server: loopback.Server) -> None:
    url = server.serve("/feed", b"x", set_cookie="id=1; Path=/")

    async with _client(contact="https://example.org/bot") as client:
        await client.fetch(_request(url))
        await client.fetch(_request(url))

    first, second = server.requests
    assert first.headers["user-agent"] == f"aggregator/{__version__} (+https://example.org/bot)"
    assert first.headers["accept-encoding"] == "gzip, deflate"
    assert first.headers["host"] == f"127.0.0.1:{server.http}"
    assert not {"cookie", "referer", "authorization"} & set(second.headers)


async def test_connections_are_kept(server: loopback.Server, client: fetcher.Fetcher) -> None:
    for _ in range(5):
        await client.fetch(_request(server.serve("/feed", b"x")))

    assert server.connections == 1


async def test_validators_are_sent_verbatim_and_only_to_the_url_they_came_from(
    server: loopback.Server, client: fetcher.Fetcher
) -> None:
    target = server.serve("/feed", b"", status="304 Not Modified", content_length="", etag='W/"new"')
    old = server.serve("/old", b"", status="302 Found", location="/feed")
    told = model.Validators(url=target, etag='W/"a b"', last_modified="whatever it said")

    answer = await client.fetch(_request(old, validators=told))

    first, second = server.requests
    assert "if-none-match" not in first.headers
    assert (second.headers["if-none-match"], second.headers["if-modified-since"]) == ('W/"a b"', "whatever it said")
    assert answer.not_modified
    assert answer.validators == model.Validators(url=target, etag='W/"new"', last_modified="whatever it said")


async def test_what_the_source_adds_goes_to_its_own_origin_only(
    server: loopback.Server, client: fetcher.Fetcher
) -> None:
    away = server.url("/there", host="localhost")
    server.serve("/there", b"x")
    url = server.serve("/here", b"", status="302 Found", location=away)

    await client.fetch(_request(url, headers={"X-Key": "k"}, cookies={"a": "b"}, auth=("me", "pässword")))

    here, there = server.requests
    assert (here.headers["x-key"], here.headers["cookie"]) == ("k", "a=b")
    assert here.headers["authorization"].startswith("Basic ")
    assert not {"x-key", "cookie", "authorization"} & set(there.headers)


def test_a_sources_secrets_are_for_its_own_host() -> None:
    source = config.SourceConfig.model_validate(
        {"name": "s", "url": "https://own.example/feed", "headers": {"X-Key": "k"}, "auth": "u:p", "user_agent": "Me"}
    )

    own = fetcher.personal(_request("https://own.example/article"), source)
    other = fetcher.personal(_request("https://other.example/article"), source)

    assert (own.headers, own.auth, own.user_agent) == ({"X-Key": "k"}, ("u", "p"), "Me")
    assert (other.headers, other.auth, other.user_agent) == ({}, None, "Me")


# -------------------------------------------------------------------------------------------------- what is accepted


async def test_a_document_comes_with_its_validators_and_sizes(server: loopback.Server, client: fetcher.Fetcher) -> None:
    body = b"<rss/>" * 100
    packed = gzip.compress(body)
    url = server.serve(
        "/feed", packed, content_encoding="gzip", etag='"1"', last_modified="yesterday", content_type="text/xml"
    )

    answer = await client.fetch(_request(url))

    assert (answer.body, answer.wire_bytes, answer.status) == (body, len(packed), 200)
    assert answer.validators == model.Validators(url=url, etag='"1"', last_modified="yesterday")
    assert answer.headers["content-type"] == "text/xml"


@pytest.mark.parametrize("value", ["x" * 2000, "caf\xe9"])
async def test_a_validator_that_cannot_be_meant_is_dropped(
    server: loopback.Server, client: fetcher.Fetcher, value: str
) -> None:
    answer = await client.fetch(_request(server.serve("/feed", b"x", etag=value)))

    assert answer.validators.etag is None


async def test_redirects_are_followed_and_the_permanent_part_is_told(
    server: loopback.Server, client: fetcher.Fetcher
) -> None:
    server.serve("/d", b"here")
    server.serve("/c", status="302 Found", location="/d")
    moved = server.serve("/b", status="308 Permanent Redirect", location="/c#part")
    url = server.serve("/a", status="301 Moved Permanently", location=moved)

    answer = await client.fetch(_request(url))

    assert answer.url == server.url("/d")
    assert answer.permanent_url == url
    direct = await client.fetch(_request(server.serve("/e", status="301 Moved Permanently", location="/d")))
    assert direct.permanent_url == server.url("/d")


async def test_https_is_verified_against_the_configured_authority(server: loopback.Server) -> None:
    server.serve("/feed", b"safe")

    async with _client(ca_bundle=str(server.ca)) as client:
        answer = await client.fetch(_request(server.url("/feed", host="localhost", tls=True)))

    assert answer.body == b"safe"


async def test_connect_to_leads_elsewhere_and_tls_still_verifies_the_name(tmp_path: Path) -> None:
    async with loopback.server(tmp_path, names=("news.example",)) as server:
        server.serve("/feed", b"there")
        settings = {
            "ca_bundle": str(server.ca),
            "connect_to": {"*:443": f"127.0.0.1:{server.https}"},
            "allow_networks": [],
        }
        async with _client(**settings) as client:
            answer = await client.fetch(_request("https://news.example/feed"))
            refused = await _refusal(client, "https://other.example/feed")

    assert answer.body == b"there"
    assert server.requests[0].headers["host"] == "news.example"
    assert refused.code == "tls_name"


# --------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("404 Not Found", "http_404", errors.StatusError),
        ("403 Forbidden", "http_403", errors.StatusError),
        ("410 Gone", "gone", errors.GoneError),
        ("500 Internal Server Error", "http_500", errors.StatusError),
        ("204 No Content", "http_204", errors.StatusError),
        ("206 Partial Content", "http_206", errors.StatusError),
        ("300 Multiple Choices", "http_300", errors.StatusError),
        ("304 Not Modified", "unasked_304", errors.StatusError),
        ("418 I'm a teapot", "http_418", errors.StatusError),
    ],
)
async def test_every_other_status_is_an_error_with_its_own_code(
    server: loopback.Server, client: fetcher.Fetcher, status: str, code: str, kind: type[errors.FetchError]
) -> None:
    error = await _refusal(client, server.serve("/feed", status=status))

    assert (error.code, type(error), error.status) == (code, kind, int(status[:3]))
    assert error.url == server.url("/feed")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("99999999", 86_400), ("0", 0), ("-5", None), ("soon", None), ("Mon, 01 Jan 2001 00:00:00 GMT", 0)],
)
async def test_retry_after_is_read_and_bounded(
    server: loopback.Server, client: fetcher.Fetcher, value: str, seconds: int | None
) -> None:
    before = datetime.now(UTC)

    error = await _refusal(client, server.serve("/feed", status="503 Service Unavailable", retry_after=value))

    if seconds is None:
        assert error.retry_after is None
    else:
        assert error.retry_after is not None
        assert abs((error.retry_after - before).total_seconds() - seconds) < 5


async def test_a_host_that_asks_for_a_pause_is_busy(server: loopback.Server) -> None:
    settings = config.HttpSettings.model_validate({"allow_networks": ["127.0.0.0/8"]})
    ledger = manners.Manners(settings.per_host)
    client = fetcher.Fetcher(settings, ledger)

    await _refusal(client, server.serve("/feed", status="429 Too Many Requests", retry_after="60"))
    await client.aclose()

    assert "127.0.0.1" in ledger.busy()
    assert "127.0.0.1" in ledger.paused()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.org/feed", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/xml,<rss/>", "scheme"),
        ("ws://example.org/", "scheme"),
        ("http://", "url"),
        ("http://example.org:99999/", "url"),
        ("http://example.org:22/", None),
        ("http://[::1/", "url"),
        ("https://" + "a" * 9000, "url"),
        ("http://127.0.0.2/", "address"),
        ("http://169.254.169.254/latest/meta-data", "address"),
        ("http://[::ffff:127.0.0.1]/", "address"),
        ("http://2130706433/", "address"),
        ("http://0x7f000001/", "address"),
        ("http://0/", "address"),
        ("http://localhost/", "address"),
    ],
)
async def test_an_address_that_may_not_be_asked_is_never_contacted(
    server: loopback.Server, url: str, code: str | None
) -> None:
    async with _client(allow_networks=[]) as client:
        direct = await _refusal(client, url)
    async with _client(allow_networks=["127.0.0.1:" + str(server.http)]) as client:
        redirected = await _refusal(client, server.serve("/go", status="302 Found", location=url))

    assert code is None or direct.code == code
    assert isinstance(redirected, (errors.BlockedError, errors.TransportError, errors.FetchError))
    assert [asked.path for asked in server.requests] == ["/go"]


async def test_an_address_without_a_host_is_refused(client: fetcher.Fetcher) -> None:
    assert (await _refusal(client, "http:///feed")).code == "url"


async def test_loopback_is_not_contacted_unless_it_is_allowed(server: loopback.Server) -> None:
    async with _client(allow_networks=[]) as client:
        error = await _refusal(client, server.serve("/feed", b"x"))

    assert isinstance(error, errors.BlockedError)
    assert server.connections == 0


async def test_a_port_below_1024_is_asked_only_if_the_source_names_it(
    server: loopback.Server, client: fetcher.Fetcher
) -> None:
    error = await _refusal(client, server.serve("/go", status="302 Found", location="http://127.0.0.1:25/"))

    assert error.code == "port"


@pytest.mark.parametrize(
    ("location", "code"), [("", "bad_redirect"), ("http://[", "bad_redirect"), ("/here", "redirect_loop")]
)
async def test_a_redirect_that_leads_nowhere_is_told(
    server: loopback.Server, client: fetcher.Fetcher, location: str, code: str
) -> None:
    error = await _refusal(client, server.serve("/here", status="302 Found", location=location))

    assert error.code == code


async def test_endless_redirects_end(server: loopback.Server, client: fetcher.Fetcher) -> None:
    for n in range(60):
        server.serve(f"/{n}", status="302 Found", location=f"/{n + 1}")

    error = await _refusal(client, server.url("/0"))

    assert error.code == "redirects"
    assert len(server.requests) == 11


@pytest.mark.parametrize("stated", [True, False])
async def test_a_document_beyond_the_limit_is_not_read_on(
    server: loopback.Server, client: fetcher.Fetcher, stated: bool
) -> None:
    sent = 0

    async def flood(_asked: loopback.Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        length = "content-length: 1073741824\r\n" if stated else ""
        writer.write(f"HTTP/1.1 200 OK\r\n{length}connection: close\r\n\r\n".encode())
        for _ in range(1000):
            writer.write(b"x" * 65_536)
            sent += 65_536
            await writer.drain()

    server.answers["/big"] = flood

    error = await _refusal(client, server.url("/big"), max_bytes=200_000)

    assert error.code == "too_large"
    assert sent < 30_000_000


async def test_a_bomb_is_not_unpacked(server: loopback.Server, client: fetcher.Fetcher) -> None:
    error = await _refusal(client, server.serve("/bomb", gzip.compress(b"\0" * 30_000_000), content_encoding="gzip"))

    assert error.code == "too_large_decoded"


# ------------------------------------------------------------------------------------------------- what takes too long


async def _drip_headers(_asked: loopback.Asked, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"y" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _drip_body(_asked: loopback.Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _silence(_asked: loopback.Asked, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _cut(_asked: loopback.Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")


async def _garbage(_asked: loopback.Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()


async def _close(_asked: loopback.Asked, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("handler", "codes"),
    [
        (_drip_headers, {"timeout"}),
        (_drip_body, {"timeout"}),
        (_silence, {"timeout"}),
        (_cut, {"protocol", "reset"}),
        (_garbage, {"protocol", "reset"}),
        (_close, {"reset", "protocol"}),
    ],
)
async def test_a_server_that_does_not_play_along_is_left_in_time(
    server: loopback.Server, handler: Any, codes: set[str]
) -> None:
    server.answers["/bad"] = handler

    async with _client(timeout="1s") as client:
        async with asyncio.timeout(5):
            error = await _refusal(client, server.url("/bad"))

    assert error.code in codes


async def test_nobody_listening_is_told(client: fetcher.Fetcher) -> None:
    error = await _refusal(client, "http://127.0.0.1:9/")

    assert error.code == "connect"
    assert "refused" in str(error)


@pytest.mark.parametrize(
    ("names", "expired", "trusted", "code"),
    [
        (("localhost",), False, False, "tls_authority"),
        (("other.example",), False, True, "tls_name"),
        (("localhost",), True, True, "tls_expired"),
    ],
)
async def test_a_certificate_that_cannot_be_trusted_is_told_apart(
    tmp_path: Path, names: tuple[str, ...], expired: bool, trusted: bool, code: str
) -> None:
    async with loopback.server(tmp_path, names=names, expired=expired) as server:
        server.serve("/feed", b"x")
        async with _client(**({"ca_bundle": str(server.ca)} if trusted else {})) as client:
            error = await _refusal(client, server.url("/feed", host="localhost", tls=True))

    assert error.code == code
    assert server.requests == []


async def test_plain_http_on_a_tls_port_is_told(server: loopback.Server, client: fetcher.Fetcher) -> None:
    error = await _refusal(client, server.url("/feed", tls=True).replace("https:", "http:"))

    assert error.code in ("reset", "protocol")


async def test_environment_proxies_are_ignored(server: loopback.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async with _client() as client:
        answer = await client.fetch(_request(server.serve("/feed", b"direct")))

    assert answer.body == b"direct"


# -------------------------------------------------------------------------------------------------------- the manners


@pytest.fixture
def per_host() -> config.PerHost:
    return config.PerHost.model_validate({"concurrency": 2, "spacing": "0s"})


async def test_a_host_has_only_so_many_seats_and_others_do_not_wait(per_host: config.PerHost) -> None:
    ledger, now, most = manners.Manners(per_host), 0, 0

    async def visit() -> None:
        nonlocal now, most
        async with ledger.turn("https://one.example/a"):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            async with ledger.turn("https://two.example/"):
                pass
            now -= 1

    await asyncio.gather(*(visit() for _ in range(8)))

    assert most == 2


async def test_requests_to_a_host_are_spaced() -> None:
    ledger = manners.Manners(config.PerHost.model_validate({"concurrency": 4, "spacing": "0.05s"} | {"spacing": 0.05}))
    loop, begun = asyncio.get_running_loop(), []

    async def visit() -> None:
        async with ledger.turn("https://one.example/"):
            begun.append(loop.time())

    await asyncio.gather(*(visit() for _ in range(4)))

    assert all(later - earlier > 0.04 for earlier, later in itertools.pairwise(begun))


async def test_the_ledger_forgets_hosts_that_are_at_rest(per_host: config.PerHost) -> None:
    ledger = manners.Manners(per_host)
    for n in range(50):
        async with ledger.turn(f"https://h{n}.example/"):
            pass

    assert ledger.busy() == frozenset()
    assert len(ledger._hosts) == 0


def test_a_pause_is_believed_for_a_day_at_most(per_host: config.PerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = manners.Manners(per_host)
    ledger.pause("https://one.example/", datetime.now(UTC) + timedelta(days=900))

    later = time.monotonic() + 25 * 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert ledger.paused() == frozenset()
