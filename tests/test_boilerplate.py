"""What is cut from a text: what is known for boilerplate, and what a source is known for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import boilerplate

STORY = [
    f"Paragraph {n} of the story says that the river rose by {n} metres in a night, and that it will rise again."
    for n in range(1, 9)
]
TEXT = "\n".join(STORY)
BOX = "Sign up for our weekly newsletter and never miss a flood again."
TEASER = "Sep 16, 2025 News “Emergency”: report shows what the rain does The alliance documents how it harms people. Read more"


def _cut(*lines: str, title: str = "", learned: tuple[str, ...] = ()) -> list[str]:
    hashes = frozenset(map(boilerplate.hashed, learned))
    return boilerplate.cut("\n".join(lines), title, hashes).text.split("\n")


# --------------------------------------------------------------------------------------------------------- known kinds


@pytest.mark.parametrize(
    "line",
    [
        "The post River rises appeared first on The News.",
        "The post River rises first appeared on The News",
        "Read more: Where the water went",
        "READ ALSO | Where the water went",
        "Related stories:",
        "Also on news.example Where the water went",
        "Like this story? Share it with a friend!",
        "Share this article",
        "Share on Facebook",
        "Facebook Twitter LinkedIn WhatsApp Email",
        "Share via: Facebook, X and LinkedIn",
        "ADVERTISEMENT",
        "Story continues below advertisement",
        TEASER,
    ],
)
def test_what_is_known_for_boilerplate_is_cut_from_the_first_article_on(line: str) -> None:
    found = boilerplate.cut("\n".join([*STORY[:4], line, *STORY[4:]]))

    assert found.text == TEXT
    assert found.apart == (line,)


@pytest.mark.parametrize(
    "line",
    [
        "Also on Tuesday the mayor said that the dam would hold.",
        "Facebook said that it would share its maps with the town.",
        "The post office of the valley first appeared on a map of 1801.",
        "On Sep 16, 2025 News of the flood reached the capital, where people wanted to read more.",
        "Read more books, she said: they are dry.",
        "Share prices fell by a tenth.",
        "Related to the flood is the drought of the year before.",
        "Sep 16, 2025",
        "They are people who read more",
    ],
)
def test_a_sentence_that_only_begins_like_boilerplate_stays(line: str) -> None:
    assert _cut(*STORY[:4], line, *STORY[4:]) == [*STORY[:4], line, *STORY[4:]]


def test_a_teaser_is_cut_whether_on_one_line_or_inside_one_or_on_several() -> None:
    several = ["Sep 16, 2025", "News", "Where the water went", "The alliance says where.", "Read more"]

    assert _cut(*STORY[:4], *several, *STORY[4:]) == STORY
    assert _cut(f"{STORY[0]} {TEASER} {TEASER} {STORY[1]}") == [f"{STORY[0]} {STORY[1]}"]


def test_what_follows_the_footer_of_the_article_is_another_article() -> None:
    lines = [*STORY[:4], "The post River rises appeared first on The News.", "Another story", *STORY[4:]]

    assert _cut(*lines, title="River rises!") == STORY[:4]
    assert _cut(*lines, title="Something else") == [*STORY[:4], "Another story", *STORY[4:]]


def test_the_words_behind_the_last_sentence_that_lead_elsewhere_are_cut() -> None:
    assert _cut("It rose again. Continue reading...") == ["It rose again."]


def test_a_caption_that_stands_twice_in_a_text_without_lines_is_cut() -> None:
    caption = "Flooded fields near the town of Prey. Photo: U.S. Embassy photo by A. B./US Embassy"
    story = " ".join(STORY) + " " + " ".join(STORY).upper()

    assert _cut(f"{story} {caption} {caption} The water fell.") == [f"{story} The water fell."]
    assert _cut(f"{story} {caption} The water fell.") == [f"{story} {caption} The water fell."]


@given(st.text(max_size=500), st.text(max_size=50), st.frozensets(st.integers(0, 2**63 - 1), max_size=5))
def test_no_text_is_lost_that_is_not_kept_apart(text: str, title: str, learned: frozenset[int]) -> None:
    found = boilerplate.cut(text, title, learned)

    assert sorted(" ".join([found.text, *found.apart]).split()) == sorted(text.split())


# ------------------------------------------------------------------------------------------------------------ learning


def test_what_the_source_is_known_for_is_cut_wherever_it_stands() -> None:
    assert _cut(STORY[0], BOX, *STORY[1:], BOX, learned=(BOX,)) == STORY


def test_an_item_that_would_have_no_words_left_is_left_alone() -> None:
    assert _cut(BOX, "Please refer to the file.", learned=(BOX, "Please refer to the file.")) == [
        BOX,
        "Please refer to the file.",
    ]


def test_short_lines_are_headings_and_never_learned() -> None:
    assert boilerplate.hashed("What we know") not in boilerplate.candidates("What we know\n" + TEXT)
    assert boilerplate.hashed(BOX) in boilerplate.candidates(BOX + "\n" + TEXT)


def test_long_paragraphs_in_the_middle_are_not_remembered() -> None:
    long = " ".join(["long"] * 50)
    text = "\n".join([*STORY, long, *STORY])

    assert boilerplate.hashed(long) not in boilerplate.candidates(text)
    assert boilerplate.hashed(long) in boilerplate.candidates(f"{text}\n{long}")


def test_what_an_article_teaches_does_not_depend_on_what_is_known_already() -> None:
    text = "\n".join([BOX, *STORY])

    anew, known = boilerplate.cut(text), boilerplate.cut(text, learned=frozenset({boilerplate.hashed(BOX)}))

    assert known.text == TEXT
    taught = boilerplate.candidates(anew.uncut)
    assert boilerplate.candidates(known.uncut) == taught
    assert taught[boilerplate.hashed(BOX)] == BOX


@pytest.mark.parametrize(("articles", "asked"), [(1, 3), (150, 3), (151, 4), (200, 4), (400, 8), (10_000, 10)])
def test_of_a_source_with_many_articles_more_must_have_it(articles: int, asked: int) -> None:
    assert boilerplate.least(articles) == asked


@pytest.mark.parametrize(("articles", "asked"), [(1, 4), (16, 4), (25, 7), (400, 100), (10_000, 113)])
def test_of_what_may_be_background_a_quarter_must_have_it(articles: int, asked: int) -> None:
    assert boilerplate.large(articles) == asked


@pytest.mark.parametrize(
    ("paragraph", "may"),
    [
        ("word " * 30, False),
        ("word " * 31, True),
        ("新酷产品第一时间免费试玩，还有众多优质达人分享独到生活经验。" * 2, False),
        ("气候变化使河流上涨，城市的供水系统承受压力。" * 4, True),
    ],
)
def test_what_is_as_long_as_a_paragraph_of_an_article_may_be_background(paragraph: str, may: bool) -> None:
    assert boilerplate.may_be_background(paragraph) is may


@pytest.mark.parametrize(
    ("behind", "last"), [([], [STORY[7]]), ([BOX], [STORY[7], BOX]), ([BOX, BOX[:40]], [BOX, BOX[:40]])]
)
def test_the_edges_of_an_article_are_its_first_paragraph_and_its_last_with_one_short_line(
    behind: list[str], last: list[str]
) -> None:
    taught = boilerplate.candidates("\n".join([*STORY, *behind]))

    assert boilerplate.edges(taught) == set(map(boilerplate.hashed, [STORY[0], *last]))
    assert boilerplate.edges({}) == frozenset()


def test_articles_that_have_a_paragraph_in_common_are_different() -> None:
    assert boilerplate.different({item: {7, 10 * item, 10 * item + 1} for item in range(1, 6)}) == 5


def test_versions_of_one_article_are_one() -> None:
    same = {item: {1, 2, 3, 4, 10 + item} for item in range(5)}
    beginnings = {item: set(range(3 + item * 10)) for item in range(5)}

    assert boilerplate.different(same) == 1
    assert boilerplate.different(beginnings) == 1


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (4, 3, 2, 1), (2, 1, 4, 3)])
def test_a_version_between_two_others_does_not_make_them_one(order: tuple[int, ...]) -> None:
    # The second shares seven of ten paragraphs with the first and with the third, these share four with each other.
    articles = {1: set(range(10)), 2: set(range(3, 13)), 3: set(range(6, 16)), 4: {7, 50, 51}}

    assert boilerplate.different({item: articles[item] for item in order}) == 3
