"""Mistakes in configuration: each of them is one line, with its file, its place and what was expected."""

import re

import hypothesis
import pytest
from hypothesis import strategies

from aggregator import config, errors
from tests.config_folder import ONE_SOURCE, TAXONOMY, Files, files

__all__ = ["files"]


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
