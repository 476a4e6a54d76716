"""Where a text belongs among those that are known."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aggregator.dedup import fingerprint, placement
from aggregator.dedup.comparison import Relation, Subject
from aggregator.dedup.placement import Member, Neighbourhood, Newcomer, Placed
from tests.test_comparison import prose, subject

FIRST, SECOND, THIRD = (prose(seed, 300) for seed in (1, 2, 3))
T0 = datetime(2025, 9, 1, tzinfo=UTC)


def newcomer(item_id: int, text: str, title: str = "", source_id: int | None = None) -> Newcomer:
    found = fingerprint.text_hash(text, title)
    assert found is not None
    return Newcomer(item_id=item_id, text_hash=found, subject=subject(text, title, source_id))


def stream(newcomers: Sequence[Newcomer]) -> tuple[Neighbourhood, list[Placed]]:
    """The newcomers, placed one after another."""
    around, placed = Neighbourhood(), []
    for one in newcomers:
        placed.append(placement.place(one, around))
        around.settle(one, placed[-1])
    return around, placed


def clusters(around: Neighbourhood) -> set[frozenset[int]]:
    return {frozenset(members) for members in around.members.values()}


def related(placed: Placed) -> set[tuple[int, Relation]]:
    return {(link.other_id, link.verdict.relation) for link in placed.parts}


def test_copies_share_a_cluster_and_others_stand_alone() -> None:
    around, placed = stream(
        [newcomer(1, FIRST), newcomer(2, SECOND), newcomer(3, f"Breaking news. {FIRST}"), newcomer(4, FIRST)]
    )

    assert clusters(around) == {frozenset({1, 3, 4})}
    assert around.known[2].cluster is None
    assert [link.method for one in placed for link in one.joins] == ["shingles", "text_hash"]


def test_a_page_of_several_articles_is_linked_to_each_and_merged_with_none() -> None:
    page = f"{FIRST}\n{SECOND}\n{THIRD}"

    around, placed = stream([newcomer(1, FIRST), newcomer(2, page), newcomer(3, SECOND), newcomer(4, THIRD)])

    assert clusters(around) == set()
    assert related(placed[1]) == {(1, Relation.CONTAINS)}
    assert related(placed[2]) == related(placed[3]) == {(2, Relation.CONTAINED)}


def test_a_page_that_is_mostly_one_article_is_no_copy_of_it_where_the_other_article_is_known() -> None:
    short = prose(4, 110)
    page = newcomer(3, f"{FIRST}\n{short}")

    around, placed = stream([newcomer(1, FIRST), newcomer(2, short), page])

    assert clusters(around) == set()
    assert related(placed[2]) == {(1, Relation.CONTAINS), (2, Relation.CONTAINS)}


def test_a_page_that_was_taken_for_a_copy_is_in_doubt_once_the_other_article_arrives() -> None:
    short = newcomer(3, prose(4, 110))
    around, _ = stream([newcomer(1, FIRST), newcomer(2, f"{FIRST}\n{prose(4, 110)}")])
    assert clusters(around) == {frozenset({1, 2})}

    placed = placement.place(short, around)

    assert placement.doubtful(short, placed, around) == (2,)


def test_versions_that_have_little_in_common_are_one_story_once_the_whole_arrives() -> None:
    words = FIRST.split()
    beginning, end = newcomer(1, " ".join(words[:190])), newcomer(2, " ".join(words[110:]))

    around, _ = stream([beginning, end])
    assert clusters(around) == set()
    whole = newcomer(3, FIRST)
    around.settle(whole, placement.place(whole, around))

    assert clusters(around) == {frozenset({1, 2, 3})}


def test_clusters_that_become_one_keep_the_older_number() -> None:
    words = FIRST.split()
    around = Neighbourhood()
    for item_id, cluster, part in ((1, 7, words[:190]), (2, 5, words[110:])):
        one = newcomer(item_id, " ".join(part))
        known = placement.Known(
            item_id=item_id, tokens=190, text_hash=one.text_hash, cluster=cluster, subject=one.subject
        )
        around.add(known, one.subject.text.stored)
    whole = newcomer(3, FIRST)

    around.settle(whole, placement.place(whole, around))

    assert around.merged == {7: 5}
    assert {known.cluster for known in around.known.values()} == {5}


def test_a_copy_is_not_indexed_and_found_through_the_one_that_it_joined() -> None:
    _, placed = stream([newcomer(1, FIRST), newcomer(2, FIRST)])

    assert placed[0].stored
    assert placed[1].stored == ()


def test_what_many_stories_share_makes_none_of_them_related_not_even_those_of_a_sister_site() -> None:
    footer = prose(99, 90)

    def article(n: int, source_id: int) -> Newcomer:
        return newcomer(n, f"{prose(100 + n, 30)}. {footer}", prose(200 + n, 8), source_id)

    _, placed = stream([article(n, 1) for n in range(1, 16)] + [article(n, 2) for n in range(20, 25)])

    assert not [link for one in placed for link in (*one.joins, *one.parts)]


def test_no_more_than_so_many_texts_are_compared() -> None:
    parts = [newcomer(n, prose(100 + n, 120)) for n in range(1, 60)]
    page = newcomer(99, " ".join(prose(100 + n, 120) for n in range(1, 60)))
    around, _ = stream(parts)

    assert len(placement.place(page, around).compared) == placement.MOST_COMPARED


def test_a_text_of_one_word_repeated_has_one_hash_and_is_found_again() -> None:
    around, placed = stream([newcomer(1, "word " * 50_000), newcomer(2, "word " * 50_000)])

    assert len(placed[0].stored) == 1
    assert clusters(around) == {frozenset({1, 2})}


def test_any_run_of_44_words_of_an_ordinary_article_is_found() -> None:
    article = newcomer(1, FIRST)
    around, _ = stream([article])
    words = FIRST.split()

    for start in range(len(words) - 44):
        part = newcomer(2, " ".join(words[start : start + 44]))
        assert placement.candidates(part, around) == [1]


def test_the_order_of_arrival_does_not_matter_for_copies_and_pages() -> None:
    page = f"{FIRST}\n{SECOND}\n{THIRD}"
    texts = [FIRST, SECOND, THIRD, page, f"Exclusive. {FIRST}", f"{SECOND} Read more", f"{page} Share this."]
    found = set()
    for seed in range(12):
        order = list(enumerate(texts, 1))
        random.Random(seed).shuffle(order)
        around, _ = stream([newcomer(*one) for one in order])
        found.add(frozenset(clusters(around)))

    assert found == {frozenset({frozenset({1, 5}), frozenset({2, 6}), frozenset({4, 7})})}


def test_the_earliest_published_stands_for_its_cluster_then_the_first_seen_then_its_key() -> None:
    def member(item_id: int, published: int = 0, seen: int = 0, key: str = "a") -> Member:
        hours = timedelta(hours=1)
        return Member(
            item_id=item_id, published_at=T0 + published * hours, first_seen_at=T0 + seen * hours, url_key=key
        )

    assert placement.representative([member(1, 2), member(2, 1, 9), member(3, 3)]) == 2
    assert placement.representative([member(1, 1, 2), member(2, 1, 1)]) == 2
    assert placement.representative([member(1, key="b"), member(2, key="a")]) == 2


def test_the_outlet_that_the_others_name_stands_for_its_cluster_however_late_its_feed_was() -> None:
    def member(item_id: int, source: str, **told: Any) -> Member:
        at = T0 + item_id * timedelta(hours=1)
        return Member(item_id=item_id, published_at=at, first_seen_at=at, url_key=f"k{item_id}", source=source, **told)

    early, wire, late = "Early Bird", "Climate Home News", "Last Minute"
    by_link = [member(1, early, canonical="k2"), member(2, wire), member(3, late)]
    by_credit = [member(1, early, credits="The post X appeared first on Climate Home News."), member(2, wire)]
    by_itself = [member(1, early), member(2, wire, credits="Climate Home News")]
    elsewhere = [member(1, early, canonical="k9"), member(2, wire)]
    both = [member(1, early, canonical="k3", credits=wire), member(2, wire), member(3, late)]

    assert placement.representative(by_link) == 2
    assert placement.representative(by_credit) == 2
    assert placement.representative(by_itself) == 1
    assert placement.representative(elsewhere) == 1
    assert placement.representative(both) == 3


def test_a_name_within_a_word_or_of_three_letters_is_no_credit() -> None:
    def member(item_id: int, source: str, told: str = "") -> Member:
        at = T0 + item_id * timedelta(hours=1)
        return Member(
            item_id=item_id, published_at=at, first_seen_at=at, url_key=f"k{item_id}", source=source, credits=told
        )

    assert placement.representative([member(1, "Early Bird", "Voxels, Gristle"), member(2, "Grist")]) == 1
    assert placement.representative([member(1, "Early Bird", "by Vox"), member(2, "Vox")]) == 1


def test_titles_of_few_words_name_no_story_and_the_order_of_the_words_does_not_matter() -> None:
    assert placement.headline("photo of the day".split()) is None
    assert placement.headline("river rises above its old banks".split()) == placement.headline(
        "above its old banks river rises".split()
    )
    assert placement.headline("river rises above its old banks".split()) != placement.headline(
        "river rises above its new banks".split()
    )


def test_a_subject_without_text_is_related_to_nothing() -> None:
    nothing = Newcomer(item_id=1, text_hash="0" * 32, subject=Subject(text=fingerprint.read([])))

    assert stream([nothing, nothing])[1][0].joins == ()


def test_of_items_that_share_a_single_common_hash_nothing_is_asked() -> None:
    article, notice = newcomer(99, FIRST), newcomer(98, " ".join(FIRST.split()[:50]))
    common, rare = article.subject.text.asked[:2]
    around = Neighbourhood(postings={common: list(range(1, 21)), rare: [5, 30]})
    around.postings |= {one: list(range(1, 21)) for one in notice.subject.text.asked[:1]}

    assert placement.worth_knowing(article, around) == {5, 30}
    assert placement.worth_knowing(notice, around) >= set(range(1, 21))
