"""What the client may contact, and servers that must prove who they are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregator import errors
from aggregator.net import fetcher
from tests import scripted_web as loopback
from tests.fetching import BODY, OK, asking, bundle, client, fetching, refused, tls
from tests.scripted_web import Answer, moved, other, web

__all__ = ["bundle", "client", "other", "web"]


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


async def test_tls_checks_the_name_in_the_url_wherever_the_connection_goes(bundle: Path) -> None:
    async with loopback.serve(tls("news.example")) as secure:
        secure.answers["/feed"] = OK
        everything = {"*:443": secure.address}
        async with fetching(ca_bundle=bundle, connect_to=everything, allow_networks=[]) as client:
            response = await client.fetch(asking("https://news.example/feed"))
            failure = await refused(client.fetch(asking("https://other.example/feed")))

    assert (response.body, response.url) == (BODY, "https://news.example/feed")
    assert secure.heard[0].headers["host"] == "news.example"
    assert failure.code == "tls_name"
    assert len(secure.heard) == 1


async def test_an_authority_that_is_not_listed_is_not_trusted() -> None:
    async with loopback.serve(tls("127.0.0.1")) as secure, fetching() as client:
        failure = await refused(client.fetch(asking(secure.url("/feed"))))

    assert (type(failure), failure.code) == (errors.TransportError, "tls_authority")
    assert secure.heard == []


async def test_a_certificate_out_of_its_time_is_not_trusted(bundle: Path) -> None:
    now = datetime.now(UTC)
    old = tls("127.0.0.1", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1))
    early = tls("127.0.0.1", not_before=now + timedelta(days=1), not_after=now + timedelta(days=9))

    for certificate, words in ((old, "has expired"), (early, "is not valid yet")):
        async with loopback.serve(certificate) as secure, fetching(ca_bundle=bundle) as client:
            failure = await refused(client.fetch(asking(secure.url("/feed"))))
        assert failure.code == "tls_expired"
        assert str(failure) == f"the server's certificate {words}"


async def test_what_is_not_tls_is_said_so(web: loopback.Loopback, client: fetcher.Fetcher) -> None:
    web.greeting = Answer(raw=b"HTTP/1.1 400 Bad Request\r\n\r\n")

    failure = await refused(client.fetch(asking(web.url("/feed").replace("http:", "https:"))))

    assert (type(failure), failure.code) == (errors.TransportError, "tls")


async def test_a_redirect_to_bad_tls_is_an_error(web: loopback.Loopback) -> None:
    async with loopback.serve(tls("127.0.0.1")) as secure, fetching() as client:
        web.answers["/feed"] = moved(secure.url("/feed"))
        failure = await refused(client.fetch(asking(web.url("/feed"))))

    assert (failure.code, failure.url) == ("tls_authority", secure.url("/feed"))


async def test_a_bundle_that_holds_no_certificates_is_a_mistake_of_the_operator(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing here")

    with pytest.raises(errors.ConfigError) as caught:
        async with fetching(ca_bundle=tmp_path / "ca.pem"):
            pass

    assert "http.ca_bundle" in str(caught.value)
