import pickle
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies
from pydantic import ValidationError

from aggregator import config, errors

ROOT = Path(__file__).parent.parent
ONE_SOURCE = "sources:\n  - name: Grist\n    url: https://grist.org/feed/\n"
TAXONOMY = """\
version: "1"
topics:
  - tag: renewable-energy
    label: Renewable energy
    words:
      en: ["renewable*", "wind power"]
      no: [vindkraft]
"""


class Files:
    """A config folder below the current directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "config").mkdir()
        self.write(main="", sources=ONE_SOURCE, taxonomy=TAXONOMY)

    def write(self, *, main: str | None = None, sources: str | None = None, taxonomy: str | None = None) -> None:
        for name, text in (("aggregator", main), ("sources", sources), ("taxonomy", taxonomy)):
            if text is not None:
                (self.root / f"config/{name}.yaml").write_text(text, encoding="utf-8")

    def load(self, env: Mapping[str, str] | None = None) -> config.Settings:
        return config.load(Path("config/aggregator.yaml"), env or {})

    def source(self, lines: str, env: Mapping[str, str] | None = None) -> config.SourceConfig:
        self.write(sources=ONE_SOURCE + "".join(f"    {line}\n" for line in lines.splitlines()))
        return self.load(env).sources[0]

    def mistakes(self, env: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(errors.ConfigError) as caught:
            self.load(env)
        return list(caught.value.lines)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path)


# ---------------------------------------------------------------------------------------------------- what is read


def test_an_empty_file_means_the_defaults_of_the_contract(files: Files) -> None:
    settings = files.load()

    assert settings.database == "sqlite:///data/aggregator.db"
    assert settings.engine == "local"
    assert settings.poll.interval == timedelta(hours=1)
    assert settings.poll.min_interval == timedelta(minutes=5)
    assert settings.poll.max_interval == timedelta(hours=24)
    assert settings.poll.concurrency == 64
    assert settings.poll.adopt_redirect == config.AdoptRedirect(sightings=5, over=timedelta(hours=24))
    assert settings.harvest.full_text == "auto"
    assert settings.harvest.concurrency == 32
    assert 1 <= settings.harvest.workers <= 8
    assert settings.harvest.revisit == (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
    assert settings.harvest.keep_pages is True
    assert settings.http.timeout == timedelta(seconds=30)
    assert settings.http.max_feed_bytes == 16 * 2**20
    assert settings.http.max_page_bytes == 8 * 2**20
    assert settings.http.per_host == config.PerHost(concurrency=2, spacing=timedelta(seconds=1))
    assert (settings.http.contact, settings.http.ca_bundle, settings.http.proxy) == (None, None, None)
    assert (settings.http.allow_networks, settings.http.connect_to) == ((), {})
    assert settings.web
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8080)
    assert (settings.publish, settings.retention) == ((), None)
    assert (settings.log.format, settings.log.level) == ("auto", "info")
    assert (settings.path, settings.folder) == (Path("config/aggregator.yaml"), Path("config"))


def test_a_source_keeps_everything_that_was_said_of_it(files: Files) -> None:
    source = files.source(
        "category: environmental_news\nenabled: no\ninterval: 1h30m\nfull_text: never\ntags: [press, us]\n"
        "language: no\nheaders: {X-Key: abc}\ncookies: {consent: '1'}\nauth: 'ann:a:b'\n"
        "user_agent: Reader/1\nselect: {keep: [article], drop: [.ad, '#more']}"
    )

    assert (source.name, source.url) == ("Grist", "https://grist.org/feed/")
    assert (source.category, source.enabled, source.full_text) == ("environmental_news", False, "never")
    assert source.interval == timedelta(minutes=90)
    assert (source.tags, source.language, source.user_agent) == (("press", "us"), "no", "Reader/1")
    assert (source.headers, source.cookies) == ({"X-Key": "abc"}, {"consent": "1"})
    assert source.credentials == ("ann", "a:b")
    assert source.select == config.Select(keep=("article",), drop=(".ad", "#more"))


def test_the_taxonomy_is_read_with_its_languages_norwegian_included(files: Files) -> None:
    taxonomy = files.load().taxonomy

    assert taxonomy.version == "1"
    assert taxonomy.topics[0].tag == "renewable-energy"
    assert taxonomy.topics[0].threshold == 2
    assert taxonomy.topics[0].words == {"en": ("renewable*", "wind power"), "no": ("vindkraft",)}


def test_sources_come_from_every_file_that_a_glob_matches_and_from_none_twice(files: Files) -> None:
    files.write(main="sources: [sources.yaml, 'more/*.yaml', sources.yaml]")
    (files.root / "config/more").mkdir()
    (files.root / "config/more/a.yaml").write_text("sources: [{name: A, url: 'https://a.example/feed'}]")
    (files.root / "config/more/b.yaml").write_text("")

    assert [source.name for source in files.load().sources] == ["Grist", "A"]


def test_settings_pickle_and_cannot_be_changed(files: Files) -> None:
    settings = files.load()

    assert pickle.loads(pickle.dumps(settings)) == settings
    for name in config.Settings.model_fields:
        with pytest.raises(ValidationError):
            setattr(settings, name, None)


def test_a_section_whose_keys_are_all_commented_out_keeps_its_defaults(files: Files) -> None:
    files.write(main="poll:\n  # interval: 1h\nhttp:\nlog:\nharvest:\n")

    assert files.load().poll == config.PollSettings()


def test_the_web_page_is_turned_off_by_null(files: Files) -> None:
    files.write(main="web: null")

    assert files.load().web is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("30m", 1800),
        ("1h", 3600),
        ("24h", 86400),
        ("7d", 604800),
        ("1h30m", 5400),
        ("90", 90),
        ("0.5", 0.5),
    ],
)
def test_a_duration_may_be_written_as(text: str, seconds: float, files: Files) -> None:
    files.write(main=f"http: {{timeout: {text}, per_host: {{spacing: 0}}}}")

    http = files.load().http

    assert http.timeout == timedelta(seconds=seconds)
    assert http.per_host.spacing == timedelta(0)


@pytest.mark.parametrize("text", ["'30 m'", "1w", "-5m", "0", "1e999", "true", "[]", "30m1h", "''", "99999d", "1:30"])
def test_what_is_no_duration_is_refused_with_the_forms_that_are(text: str, files: Files) -> None:
    files.write(main=f"http:\n  timeout: {text}\n")

    (mistake,) = files.mistakes()

    assert mistake.startswith("config/aggregator.yaml:2: http.timeout: expected a duration ")


@pytest.mark.parametrize(
    ("text", "size"), [("16MiB", 2**24), ("8MB", 8 * 10**6), ("512KiB", 2**19), ("1 kB", 1000), ("1000", 1000)]
)
def test_a_size_may_be_written_as(text: str, size: int, files: Files) -> None:
    files.write(main=f"http: {{max_feed_bytes: {text}}}")

    assert files.load().http.max_feed_bytes == size


@pytest.mark.parametrize("text", ["16 megabytes", "0", "-1", "1.5", "2GiB", "true", "null"])
def test_what_is_no_size_is_refused(text: str, files: Files) -> None:
    files.write(main=f"http: {{max_feed_bytes: {text}}}")

    (mistake,) = files.mistakes()

    assert mistake.startswith(
        "config/aggregator.yaml:1: http.max_feed_bytes: expected a size such as 16MiB, 8MB, 512KiB"
    )


def test_auto_means_a_worker_for_each_core_but_never_more_than_eight(files: Files) -> None:
    files.write(main="harvest: {workers: auto}")

    assert files.load().harvest.workers == config.HarvestSettings().workers
    assert [config.workers_for(cores) for cores in (0, 1, 2, 8, 64)] == [1, 1, 2, 8, 8]


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
    ("url", "kept"),
    [
        ("postgresql://ann@db/news", "postgresql+psycopg://ann@db/news"),
        ("postgresql+psycopg://ann@db/news", "postgresql+psycopg://ann@db/news"),
        ("sqlite:////var/lib/news.db", "sqlite:////var/lib/news.db"),
    ],
)
def test_a_database_is_sqlite_or_postgres(url: str, kept: str, files: Files) -> None:
    files.write(main=f"database: {url}")

    assert files.load().database == kept


# ---------------------------------------------------------------------------------------------------- mistakes


def test_every_mistake_of_every_file_is_reported_at_once_in_order(files: Files) -> None:
    files.write(
        main="poll:\n  intervall: 1h\n  concurrency: many\nweb:\n  listen: 8080\nengine: local\n",
        sources=ONE_SOURCE
        + "  - name: [A]\n    url: ftp://a.example/\n  - url: https://b.example/\n    intervall: 1h\n",
        taxonomy="version: '1'\ntopics:\n  - {tag: Sea Ice, label: Ice, words: {english: [ice]}, threshold: '2'}\n",
    )

    assert files.mistakes() == [
        "config/aggregator.yaml:2: poll.intervall: unknown key; did you mean 'interval'?",
        "config/aggregator.yaml:3: poll.concurrency: expected a whole number, found 'many'",
        "config/aggregator.yaml:5: web.listen: expected text (a number needs quotes), found 8080",
        "config/sources.yaml:4: sources[1].name: expected text (a number needs quotes), found a list",
        "config/sources.yaml:5: sources[1].url: expected an http:// or https:// URL with a host, found 'ftp://a.example/'",
        "config/sources.yaml:6: sources[2].name: required key is missing",
        "config/sources.yaml:7: sources[2].intervall: unknown key; did you mean 'interval'?",
        "config/taxonomy.yaml:3: topics[0].tag: "
        "expected lower-case letters, digits and single hyphens, such as sea-ice, found 'Sea Ice'",
        "config/taxonomy.yaml:3: topics[0].threshold: expected a number, found '2'",
        "config/taxonomy.yaml:3: topics[0].words.english: "
        "expected a language code such as en or pt-BR, found 'english'",
    ]


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        (
            "colour: red",
            "colour: unknown key; known are database, engine, poll, harvest, dedup, http, web, publish, retention,",
        ),
        ("poll: []", "poll: expected a mapping, found a list"),
        ("sources: sources.yaml", "sources: expected a list, found 'sources.yaml'"),
        ("sources: []", "sources: no files: there is nothing to collect"),
        ("sources: ['s.d/*.yaml']", "sources[0]: 's.d/*.yaml' matches no file in config"),
        ("poll: {concurrency: 0}", "poll.concurrency: expected at least 1, found 0"),
        ("poll: {concurrency: true}", "poll.concurrency: expected a whole number, found true"),
        ("poll: {interval: 1m}", "poll.interval: 1m is not within poll.min_interval, 5m, to poll.max_interval, 1d"),
        ("poll: {min_interval: 2d}", "poll.min_interval: 2d is longer than max_interval, 1d"),
        ("harvest: {workers: 9}", "harvest.workers: expected auto or a whole number from 1 to 8, found 9"),
        ("harvest: {full_text: maybe}", "harvest.full_text: expected 'auto', 'always' or 'never', found 'maybe'"),
        ("harvest: {keep_pages: perhaps}", "harvest.keep_pages: expected true or false, found 'perhaps'"),
        ("harvest: {revisit: [1d, 1h]}", "harvest.revisit: each revisit must come later than the one before it"),
        ("log: {level: loud}", "log.level: expected 'debug', 'info', 'warning' or 'error', found 'loud'"),
        (
            "web: {listen: localhost}",
            "web.listen: expected host:port, an IPv6 address in [brackets], found 'localhost'",
        ),
        ("web: {base_url: news.example}", "web.base_url: expected an http:// or https:// URL with a host, found"),
        ("http: {connect_to: {'*:443': '*:1'}}", "http.connect_to['*:443']: expected host:port, an IPv6 address in"),
        ("http: {connect_to: {'443': 'a:1'}}", "http.connect_to['443']: expected host:port or *:port, an IPv6"),
        ('http: {contact: "a\\nb"}', "http.contact: expected one line of"),
        ("database: mysql://ann:secret@db/news", "database: expected sqlite:///path/of/file.db or postgresql+psycopg"),
        ("database: 'sqlite:///:memory:'", "database: expected sqlite:///path/of/file.db"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line(line: str, mistake: str, files: Files) -> None:
    files.write(main=f"# settings\n{line}")

    (found,) = files.mistakes()

    assert found.startswith(f"config/aggregator.yaml:2: {mistake}")


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        ("url: http:///feed", "sources[0].url: key given twice, first in line 3"),
        ("interval: 1m", "sources[0].interval: 1m is not within poll.min_interval, 5m, to poll.max_interval, 1d"),
        ("headers: {Host: a.example}", "sources[0].headers.Host: this header may not be set"),
        (
            "headers: {Proxy-Authorization: geheim}",
            "sources[0].headers.Proxy-Authorization: this header may not be set",
        ),
        ("headers: {x-forwarded-for: a}", "sources[0].headers.x-forwarded-for: this header may not be set"),
        ("headers: {'A:B': a}", "sources[0].headers['A:B']: expected the name of a header, found 'A:B'"),
        (
            'headers: {A: "geheim\\r\\nHost: b"}',
            "sources[0].headers.A: expected printable ASCII, for it is sent in a header",
        ),
        ("headers: {A: 12345}", "sources[0].headers.A: expected text (a number needs quotes), found a number"),
        ("cookies: {a: 'geheim; b'}", "sources[0].cookies.a: expected ASCII without spaces"),
        ("auth: geheim", "sources[0].auth: expected user:password, found other text"),
        ("select: {remove: [.ad]}", "sources[0].select.remove: unknown key; known are keep, drop"),
        ("tags: press", "sources[0].tags: expected a list, found 'press'"),
        ("language: English", "sources[0].language: expected a language code such as en or pt-BR, found 'English'"),
        ("websub: maybe", "sources[0].websub: expected true or false, found 'maybe'"),
        ("proxy: 'ftp://ann:geheim@proxy:3128'", "sources[0].proxy: expected http://host:port, https://…, socks5://…"),
        ("proxy: 'http://ann:geheim@proxy'", "sources[0].proxy: expected host:port"),
        ("proxy: 'http://ann:geheim@proxy:99999'", "sources[0].proxy: expected host:port"),
        ("proxy: 'http://ann:geheim@proxy:3128/path'", "sources[0].proxy: expected http://host:port"),
        ("proxy: 'http://ann%3A:geheim@proxy:3128'", "sources[0].proxy: a user may hold no colon"),
        ("proxy: 'http://ann:geheim%0D%0AHost: b@proxy:3128'", "sources[0].proxy: a user may hold no colon"),
        (f"proxy: 'socks5://ann:{'geheim' * 50}@proxy:1080'", "sources[0].proxy: SOCKS5 knows no user or password"),
        ("proxy: 'http://ann:${PASSWORD}@proxy:3128'", "sources[0].proxy: the environment variable 'PASSWORD' is not"),
        ("proxy: geheim", "sources[0].proxy: expected http://host:port"),
        ("proxy: 12345", "sources[0].proxy: expected text (a number needs quotes), found a number"),
        ("include: [climate]", "sources[0].include: not available in this version"),
        ("exclude: [sport]", "sources[0].exclude: not available in this version"),
        ("auth: ann:${PASSWORD}", "sources[0].auth: the environment variable 'PASSWORD' is not set"),
        ("auth: ann:${PASSWORD", "sources[0].auth: '${' without its '}'"),
        ("auth: 'ann:${file:secret}'", "sources[0].auth: config/secret: cannot be read: no such file or directory"),
    ],
)
def test_a_mistake_in_a_source_is_one_line_that_shows_no_secret(lines: str, mistake: str, files: Files) -> None:
    files.write(sources=ONE_SOURCE + f"    {lines}\n")

    (found,) = files.mistakes()

    assert found.startswith(f"config/sources.yaml:4: {mistake}")
    assert "geheim" not in found
    assert "12345" not in found


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "/feed",
        "http:///feed",
        "https://a.example:99999/",
        "http://[::1/",
        "https://a b/",
        "javascript:1",
    ],
)
def test_a_source_needs_an_http_url_with_a_host(url: str, files: Files) -> None:
    files.write(sources=f"sources:\n  - name: A\n    url: '{url}'\n")

    (mistake,) = files.mistakes()

    assert mistake.startswith(
        "config/sources.yaml:3: sources[0].url: expected an http:// or https:// URL with a host, found"
    )


def test_a_url_may_not_hold_a_password_and_the_complaint_does_not_repeat_it(files: Files) -> None:
    files.write(sources="sources:\n  - name: A\n    url: https://ann:geheim@a.example/feed\n")

    (mistake,) = files.mistakes()

    assert mistake.startswith("config/sources.yaml:3: sources[0].url: a URL is stored and shown")
    assert "geheim" not in mistake


@pytest.mark.parametrize("line", ["publish: [{format: atom}]", "retention: 30d", "engine: cluster"])
def test_a_key_whose_feature_does_not_exist_yet_is_refused(line: str, files: Files) -> None:
    files.write(main=line)

    (mistake,) = files.mistakes()

    assert mistake.startswith("config/aggregator.yaml:1: ")
    assert mistake.endswith("not available in this version")


def test_such_a_key_may_say_that_it_is_off(files: Files) -> None:
    files.write(main="publish: []\nretention: null\nengine: local\nhttp: {proxy: null}")

    source = files.source("websub: no\ninclude: []\nexclude: []\nproxy: null")

    assert source.websub is False


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


def test_two_sources_of_one_name_or_url_are_refused_across_files_with_both_lines(files: Files) -> None:
    files.write(main="sources: [sources.yaml, b.yaml]")
    (files.root / "config/b.yaml").write_text(
        "sources:\n  - name: 'GRIST '\n    url: https://a.example/#b\n  - name: B\n    url: https://GRIST.org:443/feed/\n"
    )

    assert files.mistakes() == [
        "config/b.yaml:2: sources[0].name: the same name as sources[0].name in config/sources.yaml:2",
        "config/b.yaml:5: sources[1].url: the same URL as sources[0].url in config/sources.yaml:3",
    ]


def test_urls_that_differ_in_the_case_of_the_query_are_two_sources(files: Files) -> None:
    files.write(
        sources="sources:\n  - {name: 'A #1', url: 'https://a.example/?id=Ab'}\n  - {name: 'A #2', url: 'https://a.example/?id=aB'}\n"
    )

    assert len(files.load().sources) == 2


def test_two_topics_of_one_tag_are_refused(files: Files) -> None:
    files.write(taxonomy=TAXONOMY + "  - {tag: renewable-energy, label: Again, words: {en: [sun]}}\n")

    assert files.mistakes() == [
        "config/taxonomy.yaml:8: topics[1].tag: the same tag as topics[0].tag in config/taxonomy.yaml:3"
    ]


@pytest.mark.parametrize("text", ["", "sources:\n", "sources: []\n", "# nothing yet\n"])
def test_no_source_at_all_is_a_mistake(text: str, files: Files) -> None:
    files.write(sources=text)

    (mistake,) = files.mistakes()

    assert re.match(r"config/sources\.yaml(:1)?: sources: no sources: there is nothing to collect", mistake)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (b"sources:\n  - name: Caf\xe9\n", "config/sources.yaml:2: not UTF-8: byte 0xe9"),
        (b"sources:\n  - name: a: b\n", "config/sources.yaml:2: not YAML: mapping values are not allowed"),
        (b"sources:\n\t- a\n", "config/sources.yaml:2: not YAML: "),
        (b"sources:\n  - \x07\n", "config/sources.yaml:2: not YAML: character 0x07 is not allowed"),
        (b"\n- name: A\n", "config/sources.yaml:2: expected a mapping (key: value), found a list"),
        (b"just words", "config/sources.yaml:1: expected a mapping (key: value), found 'just words'"),
        (b"a: 1\n---\nb: 2\n", "config/sources.yaml:2: a second YAML document (---) in one file"),
        (
            b"sources:\n  - !!python/object/apply:os.system [ls]\n",
            "config/sources.yaml:2: the tag !!python/object/apply:os",
        ),
        (b"sources: !include x.yaml\n", "config/sources.yaml:1: the tag !include is not allowed"),
        (b"? [a, b]\n: c\n", "config/sources.yaml:1: expected text as key"),
        (b"sources: [*a]\n", "config/sources.yaml:1: the alias *a stands for nothing complete before it"),
        (b"sources: &a [*a]\n", "config/sources.yaml:1: the alias *a stands for nothing complete before it"),
        (b"sources: " + b"[" * 200_000, "config/sources.yaml:1: nested more than 32 deep"),
        (b"#" * (4 * 2**20 + 1), "config/sources.yaml: larger than 4 MiB"),
        (b"sources:\n" + b"- a\n" * 200_001, "config/sources.yaml:200000: more than 200,000 values"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:24]),
)
def test_a_file_that_cannot_be_used_is_one_line(text: bytes, mistake: str, files: Files) -> None:
    (files.root / "config/sources.yaml").write_bytes(text)

    (found,) = files.mistakes()

    assert found.startswith(mistake)


def test_a_bomb_of_aliases_is_refused_before_it_unfolds(files: Files) -> None:
    levels = [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]" for n in range(9)]
    files.write(sources="\n".join(["a: &a [lol]", *levels]))

    (mistake,) = files.mistakes()

    assert mistake == "config/sources.yaml:6: more than 200,000 values (an alias counts as what it stands for)"


def test_an_alias_may_repeat_headers(files: Files) -> None:
    files.write(
        sources="sources:\n  - {name: A, url: 'https://a.example/', headers: &ours {X-Key: '${KEY}'}}\n"
        "  - {name: B, url: 'https://b.example/', headers: *ours}\n"
    )

    sources = files.load({"KEY": "abc"}).sources

    assert [source.headers for source in sources] == [{"X-Key": "abc"}] * 2


def test_a_missing_file_and_a_folder_are_one_line(files: Files) -> None:
    (files.root / "config/taxonomy.yaml").unlink()
    (files.root / "config/sources.yaml").unlink()
    (files.root / "config/sources.yaml").mkdir()

    assert files.mistakes() == [
        "config/sources.yaml: cannot be read: is a directory",
        "config/taxonomy.yaml: cannot be read: no such file or directory",
    ]

    (files.root / "config/aggregator.yaml").unlink()

    assert files.mistakes() == ["config/aggregator.yaml: cannot be read: no such file or directory"]


def test_a_file_is_named_as_given_where_it_is_not_below_the_current_folder(
    files: Files, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(main="polls: {}")
    path = files.root / "config/aggregator.yaml"
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

    with pytest.raises(errors.ConfigError, match=re.escape(f"{path}:1: polls: unknown key; did you mean 'poll'?")):
        config.load(path, {})


PIECES = [
    "sources:",
    "name: ",
    "url: ",
    "https://a.example/",
    "headers",
    "${A}",
    "1e9",
    "é",
    "<<: ",
    "!x ",
    "---\n",
    "|\n",
]
SIGNS = [*"\n-[]{}?'\":%&*#,!>@`\0\x85\ufeff", "  ", "- ", ": ", "&a ", "*a"]


@hypothesis.given(text=strategies.lists(strategies.sampled_from(PIECES + SIGNS)).map("".join))
@hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
def test_no_text_at_all_makes_it_raise_anything_but_a_config_error(text: str, files: Files) -> None:
    files.write(main=text, taxonomy=text)

    try:
        lines = tuple(source.name for source in files.load().sources)
    except errors.ConfigError as error:
        lines = error.lines

    assert lines
    assert all(line.startswith(("config/", "Grist")) and "\n" not in line for line in lines)


# ---------------------------------------------------------------------------------------------------- environment


def test_the_environment_overrides_any_key(files: Files) -> None:
    files.write(main="database: sqlite:///a.db\npoll: {interval: 10m}\nhttp:\nweb: null\n")

    settings = files.load(
        {
            "AGGREGATOR_DATABASE": "postgresql://ann@db/news",
            "AGGREGATOR_POLL__INTERVAL": "1h",
            "AGGREGATOR_POLL__ADOPT_REDIRECT__SIGHTINGS": "3",
            "AGGREGATOR_HTTP__PER_HOST__SPACING": "0",
            "AGGREGATOR_HTTP__CONNECT_TO": '{"*:443": "127.0.0.1:8443"}',
            "AGGREGATOR_HTTP__ALLOW_NETWORKS": "[127.0.0.0/8]",
            "AGGREGATOR_HARVEST__KEEP_PAGES": "false",
            "AGGREGATOR_WEB__LISTEN": "[::1]:8080",
            "AGGREGATOR_CONFIG": "elsewhere.yaml",
            "HOME": "/root",
        }
    )

    assert settings.database == "postgresql+psycopg://ann@db/news"
    assert settings.poll.interval == timedelta(hours=1)
    assert settings.poll.adopt_redirect == config.AdoptRedirect(sightings=3, over=timedelta(days=1))
    assert settings.http.per_host.spacing == timedelta(0)
    assert settings.http.connect_to == {"*:443": "127.0.0.1:8443"}
    assert settings.http.allow_networks == ("127.0.0.0/8",)
    assert settings.harvest.keep_pages is False
    assert settings.web
    assert settings.web.host == "::1"


def test_a_secret_may_come_from_a_file(files: Files) -> None:
    (files.root / "secret").write_text("postgresql://ann:geheim@db/news\n")

    settings = files.load({"AGGREGATOR_DATABASE_FILE": str(files.root / "secret")})

    assert settings.database == "postgresql+psycopg://ann:geheim@db/news"
    assert "geheim" not in repr(settings)


def test_a_mistake_in_the_environment_names_its_variable(files: Files) -> None:
    files.write(main="http:\n  connect_to: {'*:80': 'a:1'}\n")

    mistakes = files.mistakes(
        {
            "AGGREGATOR_POLL__INTERVALL": "1h",
            "AGGREGATOR_LOG__LEVEL": "loud",
            "AGGREGATOR_HTTP__CONNECT_TO": "{'*:443': nowhere, '*:443': b}",
            "AGGREGATOR_HTTP__ALLOW_NETWORKS": "[10.0.0.0/8, x]",
            "AGGREGATOR_DATABASE": "mysql://ann:geheim@db/news",
            "AGGREGATOR_TAXONOMY": "taxonomy.yaml",
            "AGGREGATOR_TAXONOMY_FILE": "/nowhere",
            "AGGREGATOR_HTTP__CONTACT_FILE": "nowhere",
        }
    )

    assert [mistake.split(", found")[0] for mistake in mistakes] == [
        "AGGREGATOR_DATABASE: database: expected sqlite:///path/of/file.db or postgresql+psycopg://user@host/name",
        "AGGREGATOR_HTTP__ALLOW_NETWORKS: http.allow_networks[1]: "
        "expected a network such as 10.0.0.0/8 or 10.0.0.0/8:80, host:port or [IPv6]:port",
        "AGGREGATOR_HTTP__CONNECT_TO: ['*:443']: key given twice, first in line 1",
        "AGGREGATOR_HTTP__CONTACT_FILE: cannot be read: no such file or directory",
        "AGGREGATOR_LOG__LEVEL: log.level: expected 'debug', 'info', 'warning' or 'error'",
        "AGGREGATOR_POLL__INTERVALL: unknown variable; did you mean AGGREGATOR_POLL__INTERVAL?",
        "AGGREGATOR_TAXONOMY_FILE: only one of AGGREGATOR_TAXONOMY and AGGREGATOR_TAXONOMY_FILE may be set",
    ]
    assert "geheim" not in "".join(mistakes)


def test_a_source_takes_its_secrets_from_the_environment_and_from_files(files: Files) -> None:
    (files.root / "config/token").write_text("abc\n")

    source = files.source(
        "auth: '${NAME}:${PASSWORD}'\nheaders: {Authorization: 'Bearer ${file:token}'}\ncookies: {a: '${NAME}'}",
        {"NAME": "ann", "PASSWORD": "a:b"},
    )

    assert source.credentials == ("ann", "a:b")
    assert source.headers == {"Authorization": "Bearer abc"}
    assert source.cookies == {"a": "ann"}
    assert "a:b" not in repr(source)
    assert "abc" not in repr(source)


def test_a_secret_with_a_line_break_cannot_become_a_second_header(files: Files) -> None:
    files.write(sources=ONE_SOURCE + "    headers: {A: '${KEY}'}\n")

    (mistake,) = files.mistakes({"KEY": "geheim\r\nHost: b"})

    assert mistake.startswith("config/sources.yaml:4: sources[0].headers.A: expected printable ASCII")
    assert "geheim" not in mistake


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://ann:geheim@db:5432/news", "postgresql+psycopg://***@db:5432/news"),
        ("postgresql://ann:ge/h@e?im@db/news refused", "postgresql://***@db/news refused"),
        (
            "postgresql://db/news?user=ann&password=geheim&sslmode=require",
            "postgresql://db/news?user=ann&password=***&sslmode=require",
        ),
        ("GET http://token@a.example/ failed", "GET http://***@a.example/ failed"),
        ("sqlite:///data/ann@home.db", "sqlite:///data/ann@home.db"),
        ("https://medium.com/@ann/feed", "https://medium.com/@ann/feed"),
    ],
)
def test_a_password_in_a_url_is_masked_before_it_is_shown(text: str, shown: str) -> None:
    assert config.redact(text) == shown


# ---------------------------------------------------------------------------------------------------- what ships


def _named(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from _named(part)


def test_every_key_and_every_default_stands_in_the_documentation() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")

    missing = {key for key in _named(config.schema()) if f"`{key}`" not in text}

    assert not missing
    for section in config.schema()["$defs"].values():
        for key, rule in section["properties"].items():
            if isinstance(shown := rule.get("default"), str):
                assert re.search(rf"`{key}` \|.*`{re.escape(shown)}`", text), (key, shown)


def test_the_schema_describes_all_three_files_for_an_editor() -> None:
    schema = config.schema()

    assert schema["properties"]["database"]["default"] == "sqlite:///data/aggregator.db"
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["PollSettings"]["properties"]["interval"]["default"] == "1h"
    assert "url" in schema["$defs"]["SourceConfig"]["required"]
    assert "topics" in schema["$defs"]["Taxonomy"]["properties"]
    assert "sources" in schema["$defs"]["SourcesFile"]["properties"]


def test_the_shipped_configuration_loads_and_starts_with_climate_home_news(tmp_path: Path) -> None:
    for file in (ROOT / "config").glob("*.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    if not (tmp_path / "taxonomy.yaml").exists():
        (tmp_path / "taxonomy.yaml").write_text(TAXONOMY)

    settings = config.load(tmp_path / "aggregator.yaml", {})

    assert settings.sources[0].name == "Climate Home News"
    assert settings.sources[0].url == "https://www.climatechangenews.com/feed/"
    assert len(settings.sources) > 12
    assert all(source.category for source in settings.sources)


def test_what_the_shipped_file_shows_as_defaults_are_the_defaults(tmp_path: Path) -> None:
    text = (ROOT / "config/aggregator.yaml").read_text()
    uncommented = re.sub(r"^# ( *[a-z_]+:( |$))", r"\1", text, flags=re.M)
    (tmp_path / "aggregator.yaml").write_text(uncommented)
    (tmp_path / "sources.yaml").write_text(ONE_SOURCE)
    (tmp_path / "taxonomy.yaml").write_text(TAXONOMY)

    settings = config.load(tmp_path / "aggregator.yaml", {})

    assert "\npoll:\n  interval: 1h\n" in uncommented
    assert settings.model_dump(
        exclude={"path", "folder", "files", "sources", "taxonomy"}
    ) == config.AggregatorFile().model_dump(exclude={"sources", "taxonomy"})
