"""Identity: which entry is which item."""

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import model
from aggregator.feed import identity
from tests import make


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


# ---------------------------------------------------------------------------------------------------------- by what


def _matched(entry: model.Entry, *known: model.KnownItem) -> str:
    (seen,) = _decide([entry], list(known)).seen
    return seen.matched_by


def test_by_what_an_entry_was_recognised_is_told() -> None:
    known = _known(make.entry(1))

    assert _decide([make.entry(1)], []).new[0].matched_by == "new"
    assert _matched(make.entry(1), known) == "both"
    assert _matched(make.entry(1, guid="renamed"), known) == "url"
    assert _matched(make.entry(1, url="https://elsewhere.example/1"), known) == "guid"
    bare = make.entry(1, guid=None, url=None)
    key = identity.keyed([bare], 1)[0].url_key
    assert _matched(bare, _known(bare, url_key=key)) == "title"


def test_a_guid_that_returns_with_an_edited_title_and_address_is_the_same_article() -> None:
    old = make.entry(1, title="Ministers meet in Paris to talk about coal")
    dated = make.entry(1, title="Coal talks", url="https://news.example/coal-talks", published_at=old.published_at)
    reworded = make.entry(
        1, title="Ministers meet in Paris to talk about gas", url="https://news.example/g", published_at=None
    )

    assert _matched(dated, _known(old, published_at=old.published_at)) == "guid"
    assert _matched(reworded, _known(old)) == "guid"


def test_of_a_mere_day_the_date_proves_nothing() -> None:
    midnight = make.NOW
    old = make.entry(1, title="One", published_at=midnight)
    new = make.entry(1, title="Quite another", url="https://news.example/other", published_at=midnight)

    assert len(_decide([new], [_known(old)]).new) == 1


LONG = "A summary that is long enough to tell one article from any other."


def test_an_entry_under_a_new_guid_on_a_new_host_is_the_article_it_was() -> None:
    old, other = _known(make.entry(1), item_id=1), _known(make.entry(2), item_id=2)
    moved = make.entry(1, guid="new-1", url="https://new-host.example/articles/1")

    (seen,) = _decide([moved], [], moved=[old, other]).seen

    assert (seen.item.id, seen.matched_by, seen.readdressed) == (1, "moved", True)


def test_an_entry_under_a_new_guid_at_another_address_is_known_by_its_date_and_words() -> None:
    old = _known(make.entry(1, summary=LONG, title="Ministers meet in Paris"))
    same = make.entry(1, summary=LONG, title="Ministers meet in Paris", guid="n", url="https://news.example/x")
    corrected = make.entry(1, summary=LONG, title="Ministers met in Paris", guid="n", url="https://news.example/x")
    later = make.entry(
        1, summary=LONG, title="Ministers meet in Paris", guid="n", url="https://news.example/x", published_at=make.NOW
    )
    short = make.entry(1, summary="", title="Ministers meet in Paris", guid="n", url="https://news.example/x")
    part = make.entry(1, summary=LONG, title="Ministers meet in Paris 2", guid="n", url="https://news.example/x")

    assert len(_decide([same], [], moved=[old]).seen) == 1
    assert len(_decide([corrected], [], moved=[old]).seen) == 1
    assert len(_decide([later], [], moved=[old]).new) == 1
    assert len(_decide([short], [], moved=[old]).new) == 1
    assert len(_decide([part], [], moved=[old]).new) == 1


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("https://news.example/a/ministers-meet-in-paris?key=1f", "https://news.example/a/ministers-meet-in-paris?key=2e", True),
        ("https://news.example/a/123456.html?key=1f", "https://news.example/a/123456.html?key=2e", True),
        ("https://news.example/article.php?id=5", "https://news.example/article.php?id=6", False),
        ("https://news.example/press-release-details.aspx?id=5", "https://news.example/press-release-details.aspx?id=6", False),
        ("https://news.example/show_meeting_agenda?of=parks", "https://news.example/show_meeting_agenda?of=roads", False),
        ("https://news.example/a/ministers-meet-in-paris?key=1f", "https://other.example/a/ministers-meet-in-paris?key=2e", False),
        ("https://news.example/a/ministers-meet-in-paris?key=1f", "https://news.example/a/ministers-meet-in-rome?key=1f", False),
    ],
)  # fmt: skip
def test_an_address_whose_query_is_made_anew_for_every_request_makes_no_item_anew(
    old: str, new: str, *, same: bool
) -> None:
    entry = make.entry(1, guid=old, url=old, summary="")
    again = make.entry(1, guid=new, url=new, summary="")

    decision = _decide([again], [], moved=[_known(entry)])

    assert (len(decision.seen), len(decision.new)) == ((1, 0) if same else (0, 1))


def test_comments_on_one_article_are_items_of_their_own_whatever_their_titles() -> None:
    one, two, three = (
        make.entry(n, title="", guid=f"https://news.example/1#{n}", url=f"https://news.example/1#{n}")
        for n in (1, 2, 3)
    )

    first = _decide([one, two], [])
    (later,) = identity.keyed([three], 1, [place.face for place in first.places])

    assert (len(first.new), later.by) == (2, "guid")


def test_what_stands_at_the_same_path_of_another_host_is_another_article_where_its_summary_says_so() -> None:
    title = "Weather warning"
    kent = make.entry(1, title=title, summary=f"{LONG} In Kent it will rain.", url="https://kent.example/warning")
    moved = dataclasses.replace(
        kent, guid="new", url="https://www.kent-news.example/warning", summary=f"{LONG} In Kent it will rain!"
    )
    essex = dataclasses.replace(
        kent, guid="new", url="https://essex.example/warning", summary="Nobody knows what the day will bring to us."
    )

    assert len(_decide([moved], [], moved=[_known(kent)]).seen) == 1
    assert len(_decide([essex], [], moved=[_known(kent)]).new) == 1


def test_of_a_mere_day_a_short_title_and_the_same_words_prove_nothing() -> None:
    day = make.NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    old = make.entry(1, title="Notice", summary=LONG, url="https://news.example/n/101", published_at=day)
    other = dataclasses.replace(old, guid="new", url="https://news.example/n/102")
    longer = dataclasses.replace(other, title="Notice of what was decided today")

    assert len(_decide([other], [], moved=[_known(old)]).new) == 1
    assert len(_decide([longer], [], moved=[_known(dataclasses.replace(old, title=longer.title))]).seen) == 1


def test_an_item_that_is_in_the_document_was_not_moved() -> None:
    old = _known(make.entry(1, summary=LONG))
    again = make.entry(1, summary=LONG)
    twin = make.entry(1, summary=LONG, position=2, guid="twin", url="https://news.example/twin")

    decision = _decide([again, twin], [old], moved=[old])

    assert (len(decision.seen), len(decision.new)) == (1, 1)


TOWNS = ("", "Paris", "Lisbon", "Geneva", "Nairobi", "Lima")


def test_corrected_titles_under_new_guids_are_believed_three_times_in_a_document() -> None:
    olds = [
        _known(make.entry(n, summary=f"{LONG} {n}", title=f"Ministers meet in {TOWNS[n]}"), item_id=n)
        for n in range(1, 6)
    ]
    news = [
        make.entry(
            n,
            summary=f"{LONG} {n}",
            title=f"Ministers met in {TOWNS[n]}",
            guid=f"n{n}",
            url=f"https://news.example/x{n}",
        )
        for n in range(1, 6)
    ]

    decision = _decide(news, [], moved=olds)

    assert (len(decision.seen), len(decision.new)) == (3, 2)


def test_an_address_that_is_shared_in_one_document_and_not_in_the_next_names_the_same_items() -> None:
    one, two = (make.entry(n, guid=None, url="https://news.example/live") for n in (1, 2))
    shared = identity.keyed([one, two], 1)
    known = [
        _known(entry, item_id=n, url_key=key.url_key)
        for n, (entry, key) in enumerate(zip((one, two), shared, strict=True), 1)
    ]

    (alone,) = _decide([one], known).seen
    both = _decide([one, two], [_known(one)])

    assert (alone.item.id, alone.matched_by) == (1, "title")
    assert ([seen.item.id for seen in both.seen], len(both.new)) == ([1], 1)


def test_an_owner_that_shows_an_item_at_another_address_readdresses_it() -> None:
    elsewhere = make.entry(1, url="https://new-host.example/articles/1")

    (own,) = _decide([elsewhere], [_known(make.entry(1))]).seen
    (others,) = _decide([elsewhere], [_known(make.entry(1), owner_id=7)]).seen

    assert (own.readdressed, own.edited, others.readdressed) == (True, False, False)


# ---------------------------------------------------------------------------------------------------------- further addresses


def _keys(decision: model.Decision) -> dict[int, str | None]:
    return {seen.item.id: seen.further_key for seen in decision.seen}


def test_the_address_under_which_a_known_guid_returns_is_a_further_one_of_its_item_whoever_shows_it() -> None:
    moved = make.entry(1, url="https://news.example/moved")

    own, others = (_decide([moved], [_known(make.entry(1), owner_id=owner)]) for owner in (1, 7))

    assert _keys(own) == _keys(others) == {1: "news.example/moved"}
    assert _keys(_decide([make.entry(1)], [_known(make.entry(1))])) == {1: None}


def test_an_address_where_another_item_is_or_that_names_no_article_is_no_further_one() -> None:
    here, there = _known(make.entry(1)), _known(make.entry(2), item_id=2)
    front, live = "https://news.example/", "https://news.example/live"
    own = _known(make.entry(1, url=live), url_key=f"news.example/live#{'0' * 32}")

    assert _keys(_decide([make.entry(1, url=there.url)], [here, there])) == {1: None}
    assert _keys(_decide([make.entry(1, url=front)], [here])) == {1: None}
    assert _keys(_decide([make.entry(n, url=live) for n in (1, 2)], [here, there])) == {1: None, 2: None}
    assert _keys(_decide([make.entry(1, url=live)], [own])) == {1: None}


def test_addresses_that_are_swapped_in_one_document_change_hands() -> None:
    one, two = (_known(make.entry(n), item_id=n) for n in (1, 2))

    decision = _decide([make.entry(1, url=two.url), make.entry(2, url=one.url)], [one, two])

    assert _keys(decision) == {1: two.url_key, 2: one.url_key}


def test_of_items_that_were_at_an_address_the_one_that_is_there_now_is_the_nearest() -> None:
    here, first, elsewhere = "https://news.example/here", "news.example/first", "https://news.example/elsewhere"
    key = identity.url_key(here)
    told = [(key, here), (first, here), (key, elsewhere), (first, elsewhere), (first, None)]

    ranks = [identity.nearness(key, *one) for one in told]

    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 4


def test_an_entry_at_an_address_that_its_item_has_passed_is_another_article_unless_title_or_date_are_the_same() -> None:
    passed = "https://news.example/passed"
    item = _known(make.entry(1, url="https://news.example/now"), url_key="news.example/first", guid=None)
    found = identity.Known(by_guid={}, by_key={identity.url_key(passed): item})
    told = {"guid": "g", "url": passed}

    def is_new(entry: model.Entry, known: identity.Known = found) -> bool:
        source = make.source(2, last_success_at=make.NOW)
        return bool(identity.decide(source, identity.keyed([entry], 2), known).new)

    assert not is_new(make.entry(1, **told))
    assert not is_new(make.entry(1, **told, title="Another title for it"))
    assert not is_new(make.entry(1, **told, published_at=make.NOW))
    assert is_new(make.entry(1, **told, title="Another article", published_at=make.NOW))
    there = identity.Known(by_guid={}, by_key={identity.url_key(passed): dataclasses.replace(item, url=passed)})
    assert not is_new(make.entry(1, **told, title="Another article", published_at=make.NOW), there)


_words = st.text(max_size=30)


@given(st.lists(st.builds(lambda g, u, t, s: make.entry(1, guid=g or None, url=u, title=t, summary=s), _words,
                          st.sampled_from((None, "https://a.example/", "https://a.example/1", "https://b.example/1")), _words, _words),
                max_size=6))  # fmt: skip
def test_no_entries_break_the_decision_and_each_is_counted_once(entries: list[model.Entry]) -> None:
    decision = _decide(
        entries, [_known(entry, item_id=n) for n, entry in enumerate(entries[:3], 1)], moved=[_known(make.entry(1))]
    )

    assert len(decision.new) + len(decision.seen) + decision.repeated == len(entries)
