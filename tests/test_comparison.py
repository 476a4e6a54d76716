"""Two texts into how they are related, whichever comes first."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.dedup import comparison, fingerprint, normalize
from aggregator.dedup.comparison import Relation, Subject, Verdict

WORDS = "climate river minister budget forest harbour treaty engine winter signal copper village doctor market bridge".split()


def prose(seed: int, words: int) -> str:
    """Words in an order that no other seed has."""
    chosen = random.Random(seed)
    return " ".join(
        f"{chosen.choice(WORDS)}{chosen.randrange(40)}".rstrip("0123456789")
        + "ab"[chosen.randrange(2)] * 2
        + chosen.choice("aeiou") * chosen.randrange(1, 4)
        for _ in range(words)
    )


def subject(text: str, title: str = "", source_id: int | None = None) -> Subject:
    return Subject(
        text=fingerprint.read(normalize.tokens(text)),
        title=frozenset(normalize.tokens(title)),
        source_id=source_id,
    )


def judged(one: str, other: str) -> Verdict:
    return comparison.judge(subject(one), subject(other))


ARTICLE, SECOND, THIRD = (prose(seed, 300) for seed in (1, 2, 3))


def test_the_same_text_is_the_same_and_another_is_not() -> None:
    assert judged(ARTICLE, ARTICLE.upper()).relation is Relation.SAME
    assert judged(ARTICLE, SECOND).relation is Relation.DIFFERENT


def test_a_text_under_another_headline_and_with_a_trailer_is_the_same() -> None:
    dressed = f"EXCLUSIVE from our desk. {ARTICLE} Also read our other stories of the day."

    found = judged(ARTICLE, dressed)

    assert found.relation is Relation.SAME
    assert found.covered == 1.0
    assert 0.9 < found.covered_other < 1.0


def test_an_article_is_contained_in_a_page_of_several_and_the_page_contains_it() -> None:
    page = f"{SECOND}\n{ARTICLE}\n{THIRD}"

    assert judged(ARTICLE, page).relation is Relation.CONTAINED
    assert judged(page, ARTICLE).relation is Relation.CONTAINS


def test_an_excerpt_is_contained_in_its_article() -> None:
    assert judged(" ".join(ARTICLE.split()[40:70]), ARTICLE).relation is Relation.CONTAINED


def test_a_form_that_was_filled_in_twice_is_no_copy() -> None:
    def quake(size: int, place: str, depth: int) -> str:
        return (
            f"A quake of magnitude {size} struck near {place} early on the morning of the day, the survey said in a note to the press. It had a "
            f"depth of {depth} kilometres and was felt by {size * 100} people in the towns nearby, who left their homes and waited in the open. "
            f"There were no reports of damage so far. A program wrote this from what the instruments had recorded at {depth} past."
        )

    assert judged(quake(5, "Wellington", 33), quake(6, "Tokyo", 71)).relation is Relation.DIFFERENT
    assert (
        judged(quake(5, "Wellington", 33), quake(5, "Wellington", 33) + " Filed under science.").relation
        is Relation.SAME
    )


def test_of_one_source_under_other_titles_more_is_asked_for_than_of_two() -> None:
    footer = prose(9, 120)
    one, other = f"{prose(10, 30)} {footer}", f"{prose(11, 30)} {footer}"
    first, second = "The river has risen again", "A minister resigns at last"

    at_home = comparison.judge(subject(one, first, 1), subject(other, second, 1))
    abroad = comparison.judge(subject(one, first, 1), subject(other, second, 2))

    assert (at_home.relation, abroad.relation) == (Relation.DIFFERENT, Relation.SAME)
    assert at_home.reason == "too little in common for one source"


def test_a_short_text_with_another_number_is_another() -> None:
    one = "The Federal Reserve entered the market to arrange two billion of agreements, dealers said funds traded at 6 pct today."

    assert judged(one, one.replace("6", "7")).relation is Relation.DIFFERENT
    assert judged(one, one.replace("6", "six")).relation is Relation.DIFFERENT


def test_short_texts_under_other_titles_are_no_copies() -> None:
    text = "Our photographers have been out again and these are the pictures that they have brought back from the day."

    assert (
        comparison.judge(subject(text, "Monday in the city"), subject(text + " Enjoy.", "A storm at sea")).relation
        is Relation.DIFFERENT
    )
    assert comparison.judge(subject(text, "Monday in the city"), subject(text + " Enjoy.")).relation is Relation.SAME


@pytest.mark.parametrize("text", ["", "one", "one two three four five"])
def test_what_says_too_little_is_related_to_nothing(text: str) -> None:
    assert judged(text, text).relation is Relation.DIFFERENT
    assert judged(text, ARTICLE).relation is Relation.DIFFERENT


PARTS = st.lists(
    st.sampled_from([prose(seed, 30) for seed in range(20, 26)] + ["12", "7 of 9", "気候変動", "read more"]), max_size=8
)


@given(PARTS, PARTS, st.sampled_from(["", "The river has risen", "A minister resigns"]), st.sampled_from([None, 1, 2]))
def test_same_is_symmetric_and_contains_is_the_other_side_of_contained(
    one: list[str], other: list[str], title: str, source: int | None
) -> None:
    first, second = subject(" ".join(one), title, 1), subject(" ".join(other), "The river has risen", source)

    there, back = comparison.judge(first, second), comparison.judge(second, first)

    assert back == there.turned()
    assert there.relation is not Relation.CONTAINS or back.relation is Relation.CONTAINED


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_texts_can_be_compared(one: str, other: str) -> None:
    found = judged(one, other)

    assert 0 <= found.covered <= 1 and 0 <= found.covered_other <= 1


@pytest.mark.parametrize(
    "text",
    ["word " * 1_000_000, "x" * 20_000_000, "气" * 7_000_000, "1 " * 1_000_000, "<b>" * 5_000_000],
    ids=[
        "one word a million times",
        "20 MB without a space",
        "20 MB of one character",
        "numbers only",
        "20 MB of tags",
    ],
)
def test_no_text_takes_long_or_much(text: str) -> None:
    started = time.process_time()

    made = subject(text)
    comparison.judge(made, subject(text[: len(text) // 2]))

    # Measured at most 0.7 s.
    assert time.process_time() - started < 10
    assert len(made.text.shingles) <= 20_000
    assert len(made.text.stored) < 1000
