"""What configuration means: defaults, values, sources, the environment, and what is shipped and documented of it."""

import pickle
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aggregator import config
from tests.config_folder import ONE_SOURCE, TAXONOMY, Files, files

__all__ = ["files"]

ROOT = Path(__file__).parent.parent


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
