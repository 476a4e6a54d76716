"""Identity: which entry is which item."""

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import model
from aggregator.feed import identity
from tests import make


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://www.example.org/a", "https://example.org/a"),
        ("https://example.org/a/", "https://example.org/a"),
        ("https://example.org//a//b", "https://example.org/a/b"),
        ("https://EXAMPLE.org:443/a", "http://example.org:80/a"),
        ("https://example.org/a?utm_source=rss&utm_medium=feed", "https://example.org/a"),
        ("https://example.org/a?b=2&a=1&fbclid=xyz", "https://example.org/a?a=1&b=2"),
        ("https://example.org/a?x=1&amp;y=2", "https://example.org/a?y=2&x=1"),
        ("https://example.org/%7Eme/caf%C3%A9", "https://example.org/~me/café"),
        ("https://example.org/a#comments", "https://example.org/a"),
    ],
)
def test_addresses_that_name_the_same_article_have_one_key(one: str, other: str) -> None:
    assert identity.url_key(one) == identity.url_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a", "https://example.org/b"),
        ("https://example.org/A", "https://example.org/a"),
        ("https://example.org/?p=1", "https://example.org/?p=2"),
        ("https://one.example.org/a", "https://two.example.org/a"),
        ("https://example.org:8080/a", "https://example.org/a"),
        ("https://example.org/a?id=", "https://example.org/a?id=3"),
    ],
)
def test_addresses_of_different_articles_have_different_keys(one: str, other: str) -> None:
    assert identity.url_key(one) != identity.url_key(other)


def test_a_very_long_address_has_a_short_key() -> None:
    assert len(identity.url_key("https://example.org/" + "a" * 5000)) < 100


@given(st.text(max_size=200))
def test_no_address_whatever_breaks_the_key(url: str) -> None:
    assert isinstance(identity.url_key(url), str)
    assert isinstance(identity.host_of(url), str)


@given(
    st.from_regex(
        r"https?://[a-z]{1,8}\.example(/[a-zA-Z0-9%~.-]{0,8}){0,4}(\?[a-z]=[a-z0-9]{0,3}(&[a-z]=[0-9]){0,2})?",
        fullmatch=True,
    )
)
def test_the_key_of_a_key_is_itself(url: str) -> None:
    key = identity.url_key(url)

    assert identity.url_key(f"https://{key}") == key


def _decide(
    entries: list[model.Entry],
    known: list[model.KnownItem],
    source: model.Source | None = None,
    moved: Sequence[model.KnownItem] = (),
) -> model.Decision:
    source = source or make.source(last_success_at=make.NOW)
    keyed = identity.keyed(entries, source.id)
    by_guid = {item.guid: item for item in known if item.guid}
    found = identity.Known(by_guid=by_guid, by_key={item.url_key: item for item in known if item.url_key}, moved=moved)
    return identity.decide(source, keyed, found)


def _known(entry: model.Entry, item_id: int = 1, owner_id: int = 1, **values: object) -> model.KnownItem:
    item = model.KnownItem(
        id=item_id,
        url_key=identity.url_key(entry.url or ""),
        owner_id=owner_id,
        url=entry.url,
        published_at=entry.published_at,
        title=entry.title,
        summary=entry.summary,
        content=entry.content,
        guid=entry.guid,
        entry_hash=entry.entry_hash,
    )
    return dataclasses.replace(item, **values)  # type: ignore[arg-type]


def test_an_entry_nobody_knows_is_new() -> None:
    decision = _decide([make.entry(1), make.entry(2)], [_known(make.entry(1))])

    assert [one.entry.position for one in decision.new] == [2]
    assert [seen.item.id for seen in decision.seen] == [1]


def test_an_unchanged_entry_writes_no_sighting() -> None:
    (seen,) = _decide([make.entry(1)], [_known(make.entry(1))]).seen

    assert not (seen.resighted or seen.edited or seen.adopted)


def test_a_guid_that_returns_with_another_title_is_an_edit() -> None:
    decision = _decide([make.entry(1, title="Corrected")], [_known(make.entry(1))])

    assert not decision.new
    assert decision.edited == 1


def test_a_guid_that_returns_with_another_address_and_title_is_another_article() -> None:
    reused = make.entry(1, title="Quite another", url="https://news.example/articles/99", published_at=make.NOW)

    decision = _decide([reused, make.entry(2)], [_known(make.entry(1))])

    assert len(decision.new) == 2


def test_renamed_guids_do_not_double_the_corpus() -> None:
    decision = _decide([make.entry(1, guid="new-scheme-1")], [_known(make.entry(1))])

    assert not decision.new
    assert decision.seen[0].resighted


def test_an_edit_by_a_source_that_does_not_own_the_item_changes_only_its_sighting() -> None:
    (seen,) = _decide([make.entry(1, title="Other")], [_known(make.entry(1), owner_id=7)]).seen

    assert seen.resighted
    assert not seen.edited


def test_repeated_guids_are_not_believed() -> None:
    entries = [make.entry(n, guid="same") for n in (1, 2, 3)]

    decision = _decide(entries, [_known(make.entry(1, guid="same"))])

    assert len(decision.new) == 2
    assert len(decision.seen) == 1


def test_entries_that_share_an_address_and_differ_in_title_are_different_items() -> None:
    entries = [make.entry(n, url="https://news.example/live") for n in (1, 2)]

    assert len(_decide(entries, []).new) == 2


def test_the_same_article_listed_twice_is_one_item() -> None:
    entries = [make.entry(1), make.entry(2, url=make.entry(1).url + "?utm_source=x", title="Title 1")]  # type: ignore[operator]

    decision = _decide(entries, [])

    assert len(decision.new) == 1
    assert decision.repeated == 1


def test_entries_without_address_and_guid_are_known_by_title_and_date() -> None:
    bare = [make.entry(n, url=None, guid=None) for n in (1, 2)]
    keys = [one.url_key for one in identity.keyed(bare, 3)]

    assert len(set(keys)) == 2
    assert keys == [one.url_key for one in identity.keyed(bare, 3)]
    assert keys != [one.url_key for one in identity.keyed(bare, 4)]


def test_a_front_page_does_not_name_an_article() -> None:
    first, second = (make.entry(n, url="https://news.example/") for n in (1, 2))

    assert identity.keyed([first], 1)[0].url_key != identity.keyed([second], 1)[0].url_key


def test_between_two_first_polls_the_order_of_the_configuration_decides() -> None:
    item = _known(make.entry(1), owner_id=5, first_poll=True, guid=None, entry_hash=None)

    (earlier,) = _decide([make.entry(1)], [item], make.source(2)).seen
    (later,) = _decide([make.entry(1)], [item], make.source(9)).seen
    (settled,) = _decide([make.entry(1)], [item], make.source(2, last_success_at=make.NOW)).seen

    assert (earlier.adopted, later.adopted, settled.adopted) == (True, False, False)
