"""JSON Feeds, and other JSON."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator import errors, model
from aggregator.feed import jsonfeed, parse

NOW = datetime(2025, 9, 19, tzinfo=UTC)
URL = "https://feed.example/news/feed.json"
VERSION = "https://jsonfeed.org/version/1.1"


def read(value: Any, **feed: Any) -> model.ParsedFeed:
    """The feed whose `items` are `value`."""
    body = json.dumps({"version": VERSION, "items": value} | feed).encode()
    return parse.parse(body, url=URL, headers={"content-type": "application/json"}, now=NOW)


def item(**values: Any) -> model.Entry:
    (entry,) = read([values]).entries
    return entry


def refused(body: bytes) -> tuple[str, str]:
    with pytest.raises(errors.ParseError) as caught:
        parse.parse(body, url=URL, headers={}, now=NOW)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("https://jsonfeed.org/version/1", "json10"),
        ("https://jsonfeed.org/version/1.1", "json11"),
        ("http://www.jsonfeed.org/version/1.1/", "json11"),
        ("https://jsonfeed.org/version/2", "json"),
    ],
)
def test_the_version_is_named(version: str, name: str) -> None:
    assert read([], version=version).version == name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_it_is_read_in_any_unicode_encoding(encoding: str) -> None:
    text = json.dumps({"version": VERSION, "title": "Прилив", "items": []}, ensure_ascii=False)

    assert parse.parse(text.encode(encoding), url=URL, headers={}, now=NOW).title == "Прилив"


@pytest.mark.parametrize("body", [b'{"a": 1}', b"[1, 2]", b'{"version": 1, "items": []}', b'{"items": []}'])
def test_other_json_is_no_feed(body: bytes) -> None:
    assert refused(body) == ("not_a_feed", "JSON that is no JSON Feed")


def test_items_must_be_a_list() -> None:
    assert refused(json.dumps({"version": VERSION, "items": {"id": 1}}).encode())[0] == "not_a_feed"


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_json_that_is_cut_off_is_refused(cut: int) -> None:
    code, words = refused(json.dumps({"version": VERSION, "items": [{"id": "1", "content_text": "x"}]}).encode()[:-cut])

    assert code == "unreadable"
    assert words.startswith("JSON that cannot be read: ")


def test_json_made_to_exhaust_the_reader_is_refused() -> None:
    assert refused(b"[" * 200_000) == ("unreadable", "JSON nested too deeply to be read")
    assert refused(b'{"version": ' + b"9" * 10_000 + b"}")[0] == "unreadable"


def test_control_characters_inside_strings_are_forgiven() -> None:
    body = b'{"version": "https://jsonfeed.org/version/1", "items": [{"id": "a", "title": "one\ttwo\x01"}]}'

    (entry,) = parse.parse(body, url=URL, headers={}, now=NOW).entries

    assert entry.title == "one two"


def test_items_that_are_no_objects_are_left_out_and_told() -> None:
    feed = read([{"id": "a"}, "b", None])

    assert [entry.guid for entry in feed.entries] == ["a"]
    assert feed.damage == "2 of 3 items are no objects"


def test_of_many_new_items_5000_are_read_at_a_time_and_those_beyond_10000_never() -> None:
    some, many = (read([{"id": n} for n in range(count)]) for count in (5_001, 10_002))

    assert [len(some.entries), some.entries[-1].guid] == [5_000, "4999"]
    assert (some.damage, some.left, some.beyond) == (None, 1, 0)
    assert (len(many.entries), many.left, many.beyond, many.size) == (5_000, 5_000, 2, 10_002)


def test_values_of_the_wrong_type_are_as_if_absent() -> None:
    entry = item(
        id=["x"], url=3, title={"a": 1}, tags="news", authors="Ann", attachments=[1], date_published=True, image=[]
    )

    assert (entry.guid, entry.title, entry.categories, entry.authors, entry.image) == (None, "", (), (), None)


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"url": "/a", "id": "https://feed.example/b"}, "https://feed.example/a"),
        ({"id": "https://feed.example/b", "external_url": "https://other.example/"}, "https://feed.example/b"),
        ({"id": "b", "external_url": "https://other.example/"}, "https://other.example/"),
        ({"id": "b", "url": "javascript:alert(1)"}, None),
        ({"id": "b"}, None),
    ],
)
def test_an_item_s_url_is_its_own_page_before_the_one_it_is_about(values: dict[str, str], url: str | None) -> None:
    assert item(**values).url == url


def test_html_is_preferred_to_text_and_made_safe() -> None:
    entry = item(
        id="a", content_text="Plain and much longer", content_html="<p onclick=x()>Rich<script>y()</script></p>"
    )

    assert entry.content == "<p>Rich</p>"


def test_a_long_summary_is_kept_whole_as_content() -> None:
    words = "word " * 6_000

    entry = item(id="a", summary=words)

    assert len(entry.summary) <= 20_000
    assert entry.content == f"<p>{words.strip()}</p>"


def test_an_item_without_authors_has_those_of_the_feed() -> None:
    feed = read(
        [{"id": "a"}, {"id": "b", "author": {"name": "Bo"}}], authors=[{"name": "Ann"}, {"url": "https://x.example"}]
    )

    assert [entry.authors for entry in feed.entries] == [("Ann",), ("Bo",)]


def test_the_update_date_stands_in_for_a_missing_publication_date() -> None:
    entry = item(id="a", date_modified="2025-09-18T08:00:00Z")

    assert (entry.published_at, entry.date_source) == (datetime(2025, 9, 18, 8, tzinfo=UTC), "updated")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    "id url external_url title summary content_html content_text date_published image tags authors author attachments".split()
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.dictionaries(KEYS, JSON | st.lists(st.dictionaries(st.just("url"), JSON), max_size=2)), max_size=3))
def test_no_items_break_it(items: list[dict[str, Any]]) -> None:
    text = json.dumps({"version": VERSION, "items": items})

    assert len(jsonfeed.read(text, url=URL, now=NOW).entries) == len(items)
