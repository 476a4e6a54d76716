"""What configuration says of the network: addresses, networks, proxies, and the address at which hubs can reach us."""

from pathlib import Path

import pytest

from aggregator import config
from tests.config_folder import ONE_SOURCE, Files, files

__all__ = ["files"]


def test_an_address_to_listen_on_may_be_ipv6(files: Files) -> None:
    files.write(main="web: {listen: '[::1]:9090'}")

    web = files.load().web

    assert web
    assert (web.host, web.port) == ("::1", 9090)


def test_addresses_and_networks_are_taken_in_every_form_of_the_contract(files: Files) -> None:
    networks = [
        "10.0.0.0/8",
        "192.168.1.0/24:80",
        "10.0.0.5",
        "10.0.0.5:8080",
        "intranet.example:80",
        "[::1]:80",
        "fd00::/8",
    ]
    files.write(
        main=f"http:\n  allow_networks: {networks}\n  connect_to: {{'*:443': '127.0.0.1:8443', 'a.b:80': '[::1]:1'}}"
    )

    http = files.load().http

    assert http.allow_networks == tuple(networks)
    assert http.connect_to == {"*:443": "127.0.0.1:8443", "a.b:80": "[::1]:1"}


@pytest.mark.parametrize(
    "text", ["10.0.0.5/8", "10.0.0.0/33", "intranet", "10.0.0.0/8:0", "[10.0.0.1]:80", "*:80", "a:70000"]
)
def test_what_is_no_network_is_refused(text: str, files: Files) -> None:
    files.write(main=f"http:\n  allow_networks: ['127.0.0.0/8', '{text}']")

    (mistake,) = files.mistakes()

    assert mistake.startswith("config/aggregator.yaml:2: http.allow_networks[1]: expected a network such as 10.0.0.0/8")


def test_a_ca_bundle_is_looked_for_beside_the_file_and_must_be_there(files: Files) -> None:
    files.write(main="http:\n  ca_bundle: ca.pem")

    assert files.mistakes() == [
        "config/aggregator.yaml:2: http.ca_bundle: "
        "expected a file that can be read, its path relative to this file, found 'ca.pem'"
    ]

    (files.root / "config/ca.pem").write_text("")

    assert files.load().http.ca_bundle == Path("config/ca.pem")


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "user", "password"),
    [
        ("http://proxy.example:3128", "http", "proxy.example", 3128, "", ""),
        ("http://proxy.example:3128/", "http", "proxy.example", 3128, "", ""),
        ("https://ann:geheim@10.0.0.9:443", "https", "10.0.0.9", 443, "ann", "geheim"),
        ("socks5://ann@[fd00::1]:1080", "socks5", "fd00::1", 1080, "ann", ""),
        ("socks5h://proxy:1080", "socks5h", "proxy", 1080, "", ""),
        ("http://ann:a@b/c?d:e%20f%25@proxy:3128", "http", "proxy", 3128, "ann", "a@b/c?d:e f%"),
    ],
)
def test_a_proxy_is_a_url_with_a_port_whose_password_may_hold_anything(
    text: str, scheme: str, host: str, port: int, user: str, password: str
) -> None:
    found = config.proxy_address(text)

    assert (found.scheme, found.host, found.port, found.user, found.password) == (scheme, host, port, user, password)
    assert "geheim" not in repr(found)


def test_a_source_takes_the_password_of_its_proxy_from_the_environment_or_a_file(files: Files) -> None:
    (files.root / "config/secret").write_text("geheim\n")

    by_name = files.source("proxy: 'http://ann:${PASSWORD}@proxy:3128'", {"PASSWORD": "geheim"})
    by_file = files.source("proxy: 'socks5://ann:${file:secret}@proxy:1080'")
    direct = files.source("proxy: direct")

    assert by_name.proxy == "http://ann:geheim@proxy:3128"
    assert by_file.proxy == "socks5://ann:geheim@proxy:1080"
    assert direct.proxy == config.DIRECT
    assert "geheim" not in repr((by_name, by_file))


def test_the_general_proxy_comes_from_the_file_or_the_environment(files: Files) -> None:
    secret = files.root / "secret"
    secret.write_text("https://ann:geheim@proxy:3129\n")
    files.write(main="http: {proxy: 'http://proxy:3128'}")

    written = files.load()
    told = files.load({"AGGREGATOR_HTTP__PROXY": "socks5h://proxy:1080"})
    filed = files.load({"AGGREGATOR_HTTP__PROXY_FILE": str(secret)})
    off = files.load({"AGGREGATOR_HTTP__PROXY": "null"})

    assert [each.http.proxy for each in (written, told, filed, off)] == [
        "http://proxy:3128",
        "socks5h://proxy:1080",
        "https://ann:geheim@proxy:3129",
        None,
    ]
    assert "geheim" not in repr(filed)


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("http://ann:${PASSWORD}@proxy:3128", "http.proxy: ${…} is filled in only in sources.yaml"),
        ("direct", "http.proxy: expected http://host:port"),
        ("http://ann:geheim@:3128", "http.proxy: expected host:port"),
    ],
)
def test_a_mistaken_general_proxy_is_one_line_that_shows_no_secret(value: str, mistake: str, files: Files) -> None:
    files.write(main=f"http: {{proxy: '{value}'}}")

    (found,) = files.mistakes()

    assert found.startswith(f"config/aggregator.yaml:1: {mistake}")
    assert "geheim" not in found


def test_socks_without_its_library_is_a_mistake_that_says_what_to_install(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    files.write(main="http: {proxy: 'socks5://ann:geheim@proxy:1080'}")

    assert files.mistakes() == [
        "config/aggregator.yaml:1: http.proxy: SOCKS5 needs the library socksio: pip install 'aggregator[socks]'"
    ]


@pytest.mark.parametrize(
    ("main", "flaw"),
    [
        ("", "needs web.base_url, the public address at which hubs can reach us"),
        ("web: null", "needs web.base_url, the public address at which hubs can reach us"),
        (
            "web: {base_url: 'http://localhost:8080'}",
            "needs a web.base_url that hubs can reach; localhost is not public",
        ),
        (
            "web: {base_url: 'http://a.localhost'}",
            "needs a web.base_url that hubs can reach; a.localhost is not public",
        ),
        ("web: {base_url: 'http://collector'}", "needs a web.base_url that hubs can reach; collector is not public"),
        ("web: {base_url: 'http://127.0.0.1'}", "needs a web.base_url that hubs can reach; 127.0.0.1 is not public"),
        ("web: {base_url: 'http://[fd00::1]/'}", "needs a web.base_url that hubs can reach; fd00::1 is not public"),
        (
            "web: {base_url: 'http://10.1.2.3'}\nhttp: {allow_networks: [192.168.0.0/16]}",
            "needs a web.base_url that hubs can reach; 10.1.2.3 is not public",
        ),
        (
            "web: {base_url: 'https://a.example/?b'}",
            "needs a web.base_url without ? and #, found 'https://a.example/?b'",
        ),
    ],
)
def test_websub_needs_an_address_that_hubs_can_reach_and_says_so_once(main: str, flaw: str, files: Files) -> None:
    more = "    websub: true\n  - {name: B, url: https://b.example/, websub: true}\n"
    files.write(main=main, sources=ONE_SOURCE + more)

    (mistake,) = files.mistakes()

    assert mistake.startswith(f"config/sources.yaml:4: sources[0].websub: {flaw}")


@pytest.mark.parametrize(
    ("base_url", "allowed", "public"),
    [
        ("https://news.example.org/path", "[]", True),
        ("http://93.184.216.34", "[]", True),
        ("http://localhost:8080", "[127.0.0.0/8]", False),
        ("http://10.1.2.3", "['10.0.0.0/8:80']", False),
        ("http://collector.lan", "[]", True),
        ("http://collector", "['collector:80']", False),
        ("http://[fd00::1]", "['[fd00::1]:80']", False),
    ],
)
def test_such_an_address_is_public_or_of_a_network_that_is_listed(
    base_url: str, allowed: str, public: bool, files: Files
) -> None:
    files.write(main=f"web: {{base_url: '{base_url}'}}\nhttp: {{allow_networks: {allowed}}}")

    assert files.source("websub: true").websub is True
    web = files.load().web
    assert web is not None
    assert web.public is public


def test_websub_may_get_its_address_from_the_environment(files: Files) -> None:
    source = files.source("websub: true", {"AGGREGATOR_WEB__BASE_URL": "https://news.example.org"})

    assert source.websub is True
