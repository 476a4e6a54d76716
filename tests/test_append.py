"""A source added to a file of sources: its layout and comments stay, or nothing is written."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aggregator import config, errors
from aggregator.config import append, document

NEW = {"name": "New", "url": "https://new.example/feed"}
ITEM = "  - name: New\n    url: https://new.example/feed\n"

CASES = {
    "empty": ("", "sources:\n" + ITEM),
    "only comments": ("# ours\n", "# ours\nsources:\n" + ITEM),
    "no value": ("sources:\n", "sources:\n" + ITEM),
    "no value, no end of line": ("sources:", "sources:\n" + ITEM),
    "no value and a comment": ("sources: # none yet\n  # a hint\n", "sources: # none yet\n  # a hint\n" + ITEM),
    "null": ("sources: null # none\n", "sources: # none\n" + ITEM),
    "empty list": ("# a\nsources: []  # none yet\n", "# a\nsources:  # none yet\n" + ITEM),
    "empty list over lines": ("sources: [\n]\n", 'sources: [\n{"name": "New", "url": "https://new.example/feed"}]\n'),
    "a list": (
        "sources:\n  - name: A # first\n    url: https://a.example/\n",
        "sources:\n  - name: A # first\n    url: https://a.example/\n" + ITEM,
    ),
    "not indented": (
        "sources:\n- name: A\n  url: https://a.example/\n",
        "sources:\n- name: A\n  url: https://a.example/\n- name: New\n  url: https://new.example/feed\n",
    ),
    "no end of line": (
        "sources:\n  - name: A\n    url: https://a.example/",
        "sources:\n  - name: A\n    url: https://a.example/\n" + ITEM,
    ),
    "empty lines between, comments after": (
        "sources:\n  - name: A\n    url: https://a.example/\n\n  # ---- more\n  - name: B\n    url: https://b.example/\n\n  # the end\n",
        "sources:\n  - name: A\n    url: https://a.example/\n\n  # ---- more\n  - name: B\n    url: https://b.example/\n\n"
        + ITEM
        + "\n  # the end\n",
    ),
    "windows": (
        "sources:\r\n  - name: A\r\n    url: https://a.example/\r\n",
        "sources:\r\n  - name: A\r\n    url: https://a.example/\r\n  - name: New\r\n    url: https://new.example/feed\r\n",
    ),
    "a document with its marks": (
        "---\nsources:\n  - name: A\n    url: https://a.example/\n...\n",
        "---\nsources:\n  - name: A\n    url: https://a.example/\n" + ITEM + "...\n",
    ),
    "items in braces": (
        "sources:\n  - {name: A, url: https://a.example/}\n",
        "sources:\n  - {name: A, url: https://a.example/}\n" + ITEM,
    ),
    "a last value over lines": (
        "sources:\n  - url: https://a.example/\n    name: >-\n      A\n      B\n",
        "sources:\n  - url: https://a.example/\n    name: >-\n      A\n      B\n" + ITEM,
    ),
    "JSON": (
        '{"sources": [{"name": "A", "url": "https://a.example/"}]}',
        '{"sources": [{"name": "A", "url": "https://a.example/"}, {"name": "New", "url": "https://new.example/feed"}]}\n',
    ),
    "empty JSON": (
        '{"sources": []}\n',
        '{"sources": [{"name": "New", "url": "https://new.example/feed"}]}\n',
    ),
    "JSON over lines": (
        '{\n  "sources": [\n    {\n      "name": "A",\n      "url": "https://a.example/"\n    }\n  ]\n}\n',
        '{\n  "sources": [\n    {\n      "name": "A",\n      "url": "https://a.example/"\n    },\n'
        '    {"name": "New", "url": "https://new.example/feed"}\n  ]\n}\n',
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_a_source_is_added_where_a_person_would_have_written_it(before: str, after: str) -> None:
    assert append.with_source(before, NEW) == after


@pytest.mark.parametrize(
    "text", ["- a\n", "sources: text\n", "sources: *a\n", "sources: {a: b}\n", "sources: [\n", "other: 1\n"]
)
def test_what_is_no_list_of_sources_is_left_alone(text: str) -> None:
    with pytest.raises(document.FlawError):
        append.with_source(text, NEW)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=30))
def test_whatever_its_name_is_the_name_that_is_read(name: str) -> None:
    for before in ("", "sources:\n- {name: A, url: b}\n", '{"sources": []}'):
        text = append.with_source(before, {"name": name, "url": "https://new.example/?a=b:c#d"})
        read = document.parse(text, document.Document(path=Path("x"), name="x"))

        assert isinstance(read, dict)
        assert read["sources"][-1] == {"name": name, "url": "https://new.example/?a=b:c#d"}


# ---------------------------------------------------------------------------------------------------- the file

SOURCES = "# ours\nsources:\n  - name: Old News # kept\n    url: https://old.example/feed\n"


def configured(folder: Path, sources: str = SOURCES) -> Path:
    (folder / "sources.yaml").write_text(sources)
    (folder / "taxonomy.yaml").write_text("version: '1'\ntopics: []\n")
    path = folder / "aggregator.yaml"
    path.write_text(json.dumps({"database": f"sqlite:///{folder}/corpus.db"}))
    return path


def add(path: Path, **item: str) -> str:
    settings = config.load(path, {}, empty=True)
    return append.add(settings, item, settings.files[1], lambda: config.load(path, {}))


def test_the_file_has_it_and_the_configuration_too(tmp_path: Path) -> None:
    path = configured(tmp_path)
    (tmp_path / "sources.yaml").chmod(0o640)

    place = add(path, **NEW, category="news")

    assert (tmp_path / "sources.yaml").read_text() == SOURCES + ITEM + "    category: news\n"
    assert place.endswith("sources.yaml:5")
    assert [(one.name, one.category) for one in config.load(path, {}).sources][1] == ("New", "news")
    assert (tmp_path / "sources.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["aggregator.yaml", "sources.yaml", "taxonomy.yaml"]


def test_the_first_source_of_all_is_added_to_an_empty_file(tmp_path: Path) -> None:
    path = configured(tmp_path, "")
    with pytest.raises(errors.ConfigError, match="nothing to collect"):
        config.load(path, {})

    add(path, **NEW)

    assert [one.name for one in config.load(path, {}).sources] == ["New"]


def test_a_byte_order_mark_stays_at_the_beginning(tmp_path: Path) -> None:
    path = configured(tmp_path)
    (tmp_path / "sources.yaml").write_bytes(b"\xef\xbb\xbf" + SOURCES.encode())

    add(path, **NEW)

    assert (tmp_path / "sources.yaml").read_bytes() == b"\xef\xbb\xbf" + (SOURCES + ITEM).encode()


def test_a_link_to_a_file_stays_one(tmp_path: Path) -> None:
    path = configured(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sources.yaml").rename(tmp_path / "elsewhere" / "real.yaml")
    (tmp_path / "sources.yaml").symlink_to(tmp_path / "elsewhere" / "real.yaml")

    add(path, **NEW)

    assert (tmp_path / "sources.yaml").is_symlink()
    assert (tmp_path / "elsewhere" / "real.yaml").read_text() == SOURCES + ITEM


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"name": "old  news", "url": "https://x.example/"}, "sources.yaml:3: there is already a source with the name Old News"),
        ({"name": "X", "url": "https://OLD.example:443/feed"}, "sources.yaml:4: there is already a source with the URL https://old.example/feed"),
        ({"name": "X", "url": "ftp://x.example/"}, "sources.yaml: url: expected an http:// or https:// URL"),
        ({"name": "X", "url": "https://u:secret@x.example/"}, "may not hold a password"),
        ({"name": "X", "url": "https://x.example/", "language": "Klingon!"}, "language: expected"),
    ],
)  # fmt: skip
def test_what_is_known_or_wrong_is_refused_with_its_place_and_nothing_is_written(
    tmp_path: Path, item: dict[str, str], said: str
) -> None:
    path = configured(tmp_path)

    with pytest.raises(errors.ConfigError) as caught:
        add(path, **item)

    assert said in caught.value.lines[0]
    assert "secret" not in str(caught.value)
    assert (tmp_path / "sources.yaml").read_text() == SOURCES


def test_if_the_whole_is_wrong_afterwards_the_file_is_put_back(tmp_path: Path) -> None:
    path = configured(tmp_path)
    settings = config.load(path, {})

    def refuse() -> None:
        assert "New" in (tmp_path / "sources.yaml").read_text()
        raise errors.ConfigError("no")

    with pytest.raises(errors.ConfigError, match="no"):
        append.add(settings, NEW, settings.files[1], refuse)

    assert (tmp_path / "sources.yaml").read_text() == SOURCES


def test_aliases_and_merged_texts_are_read_as_before_or_not_touched(tmp_path: Path) -> None:
    text = "sources:\n  - &a\n    name: A\n    url: https://a.example/\n    tags: &t [x]\n  - name: B\n    url: https://b.example/\n    tags: *t\n"
    path = configured(tmp_path, text)

    add(path, **NEW)

    assert (tmp_path / "sources.yaml").read_text() == text + ITEM
    assert yaml.safe_load(text + ITEM)["sources"][1]["tags"] == ["x"]
