"""Word diffs: what they show, and that nothing is lost in them."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from aggregator import markup, worddiff
from aggregator.worddiff import ADDED, REMOVED, SAME, Part

TEXTS = st.lists(st.sampled_from(["the", "sea", "rose", "fell", "\n", "日本", "by", "12", "cm."]), max_size=30).map(
    " ".join
)


def test_a_changed_word_stands_between_those_that_stayed() -> None:
    shown = worddiff.parts("The sea rose by 12 cm.", "The sea rose by 15 cm.")

    assert shown == (
        Part(SAME, "The sea rose by "),
        Part(REMOVED, "12 "),
        Part(ADDED, "15 "),
        Part(SAME, "cm."),
    )


def test_a_new_paragraph_leaves_the_others_alone() -> None:
    shown = worddiff.parts("One.\nThree.", "One.\nTwo.\nThree.")

    assert shown == (Part(SAME, "One.\n"), Part(ADDED, "Two.\n"), Part(SAME, "Three."))


def test_other_spaces_are_no_change() -> None:
    assert [part.op for part in worddiff.parts("One  two\nthree", "One two\nthree ")] == [SAME]


def test_without_spaces_each_character_is_a_word() -> None:
    shown = worddiff.parts("海面上昇は十二", "海面上昇は十五")

    assert shown == (Part(SAME, "海面上昇は十"), Part(REMOVED, "二"), Part(ADDED, "五"))


def test_a_word_in_common_does_not_cut_a_rewritten_sentence_to_pieces() -> None:
    shown = worddiff.parts(
        "All old words here and some more there", "Quite new sentences stand and nothing else remains"
    )

    assert [part.op for part in shown] == [REMOVED, ADDED]


def test_nothing_becomes_nothing_and_a_first_text_is_all_new() -> None:
    assert worddiff.parts("", "") == ()
    assert worddiff.parts("", "A b") == (Part(ADDED, "A b"),)
    assert worddiff.parts("A b", "") == (Part(REMOVED, "A b"),)


@given(TEXTS, TEXTS)
def test_both_versions_can_be_read_from_the_parts(old: str, new: str) -> None:
    shown = worddiff.parts(old, new)

    assert _read(shown, REMOVED) == markup.spaced(new).split()
    assert _read(shown, ADDED) == markup.spaced(old).split()


def _read(shown: Sequence[Part], without: str) -> list[str]:
    """The words that are there without one kind of parts."""
    return markup.spaced(" ".join(part.text for part in shown if part.op != without)).split()


def test_two_long_texts_with_nothing_in_common_are_told_at_once() -> None:
    old, new = (" ".join(f"{side}{n}" for n in range(20_000)) for side in "ab")

    shown = worddiff.parts(old, new)

    assert [part.op for part in shown] == [REMOVED, ADDED]
