"""Tags: what a text is about, and who says so."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import config, model, tagging
from tests import make

ROOT = Path(__file__).resolve().parent.parent
TAXONOMY = config.Taxonomy.model_validate(
    {
        "version": "7",
        "topics": [
            {"tag": "solar", "label": "Solar", "words": {"en": ["solar power", "solar"], "es": ["energía solar"]}},
            {"tag": "floods", "label": "Floods", "words": {"en": ["flood*"]}},
            {"tag": "ai", "label": "AI", "threshold": 1, "words": {"en": ["ai", "u.s."]}},
        ],
    }
)


def _tags(text: str, title: str = "", **values: Any) -> dict[tuple[str, str], model.Tag]:
    told: dict[str, Any] = {"title": title, "summary": "", "content": "", "now": make.NOW} | values
    job = model.DraftJob(**told)
    found = tagging.tags(job, text, TAXONOMY)
    assert list(found) == sorted(found, key=lambda tag: (-tag.score, tag.tag, tag.kind))
    return {(tag.kind, tag.tag): tag for tag in found}


def test_a_topic_needs_its_threshold_and_says_which_rule_gave_it() -> None:
    assert ("topic", "floods") not in _tags("One flood.")

    tag = _tags("A flood after the flooding.")["topic", "floods"]

    assert (tag.score, tag.origin) == (2.0, "taxonomy@7")


def test_the_title_weighs_three_times() -> None:
    assert _tags("", title="Floods in Spain")["topic", "floods"].score == 3.0


def test_the_longest_words_count_once() -> None:
    assert _tags("Solar power and solar power.")["topic", "solar"].score == 2.0


@pytest.mark.parametrize("text", ["said aim rain maintain", "solarium solars floo"])
def test_only_whole_words_count(text: str) -> None:
    assert not [kind for kind, _ in _tags(text) if kind == "topic"]


def test_case_apostrophes_and_points_do_not_matter() -> None:
    assert ("topic", "ai") in _tags("The U.S. and AI")


def test_words_are_looked_for_in_the_items_language_and_in_english_if_unknown() -> None:
    assert ("topic", "solar") in _tags("La energía solar y más energía solar", language="es-MX")
    assert ("topic", "solar") not in _tags("solar solar", language="es")
    assert ("topic", "solar") in _tags("solar solar", language="xx")


def test_the_feed_the_configuration_and_the_date_give_tags_too() -> None:
    found = _tags(
        "",
        categories=("Climate Policy", "", "  "),
        source_category="environmental_news",
        source_tags=("Europe",),
        published_at=datetime(2025, 9, 18, tzinfo=UTC),
    )

    assert {key: tag.origin for key, tag in found.items()} == {
        ("category", "climate-policy"): "feed",
        ("category", "environmental_news"): "config",
        ("source", "europe"): "config",
        ("year", "year-2025"): "date",
    }


def test_keywords_are_the_frequent_words_without_those_that_say_nothing() -> None:
    text = "The reservoir held. The reservoir broke when the reservoir could not hold, said the engineer."

    found = {tag for kind, tag in _tags(text, title="Engineer warns", language="en") if kind == "keyword"}

    assert {"reservoir", "engineer"} <= found
    assert not {"the", "said", "could", "when"} & found


@pytest.mark.parametrize(
    ("word", "slug"),
    [("Climate & Energy!", "climate-energy"), ("  ", ""), ("Été 2025", "été-2025"), ("x" * 200, "x" * 80)],
)
def test_slugs(word: str, slug: str) -> None:
    assert tagging.slug(word) == slug


@given(st.text(max_size=300), st.text(max_size=50))
def test_the_same_text_always_has_the_same_tags(text: str, title: str) -> None:
    assert _tags(text, title) == _tags(text, title)


def test_the_shipped_taxonomy_knows_a_story_of_its_field() -> None:
    shipped = config.load(ROOT / "config" / "aggregator.yaml", {}).taxonomy
    text = (
        "Japan buys carbon credits from a forest project in Cambodia. Deforestation there went on, and critics of carbon offsets "
        "speak of greenwashing. Tree-cutting rose in the forests, satellite images of the rainforest show. Tokyo counts the "
        "offsets towards its climate target under the Paris Agreement; a climate plan says so."
    )
    job = model.DraftJob(title="Carbon trading in doubt", summary="", content="", now=make.NOW, language="en")

    topics = {tag.tag for tag in tagging.tags(job, text, shipped) if tag.kind == "topic"}

    assert {"carbon-markets", "deforestation", "climate-policy", "asia"} <= topics
    assert not {"wind-power", "plastics", "nuclear-power"} & topics


def test_the_shipped_taxonomy_is_consistent() -> None:
    shipped = config.load(ROOT / "config" / "aggregator.yaml", {}).taxonomy

    assert len(shipped.topics) >= 40
    assert all(topic.words.get("en") for topic in shipped.topics)


# ------------------------------------------------------------------------------------------------------------- patterns


def _topics(text: str, words: dict[str, list[str]], language: str | None = None) -> dict[str, float]:
    """The scores of topics that are named after their one English pattern, from the first hit on."""
    topics = [
        {"tag": tag, "label": tag, "threshold": 1, "words": {language or "en": patterns}}
        for tag, patterns in words.items()
    ]
    taxonomy = config.Taxonomy.model_validate({"version": "1", "topics": topics})
    job = model.DraftJob(title="", summary="", content="", now=make.NOW, language=language)
    return {tag.tag: tag.score for tag in tagging.tags(job, text, taxonomy) if tag.kind == "topic"}


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("política* climática*", "Las políticas climáticas", True),
        ("net zero", "a net-zero target", True),
        ("net-zero", "net zero by 2050", True),
        ("coal plant*", "They burn coal. Plants grow.", False),
        ("coal plant*", "coal (plants", False),
        ("1.5°c", "within 1.5°C of", True),
        ("redd+", "a REDD+ project", True),
        ("d'eau", "pénuries d’eau", True),
        ("flood*", "FLOODING", True),
        ("flood*", "ﬂoods", True),
        ("été", "e\u0301te\u0301", True),
        ("気候", "今の気候は", True),
        ("जलवायु", "जलवायु परिवर्तन", True),
        ("जल", "जलवायु", False),
    ],
)
def test_a_pattern_is_words_in_a_row(pattern: str, text: str, found: bool) -> None:
    assert bool(_topics(text, {"it": [pattern]})) is found


def test_a_stretch_of_text_counts_once_for_each_topic_that_has_words_there() -> None:
    words = {
        "floods": ["flood*", "flood defence*"],
        "defence": ["flood defence*"],
        "wind": ["wind and solar"],
        "solar": ["solar power"],
    }

    found = _topics("New flood defences, and wind and solar power.", words)

    assert found == {"floods": 1.0, "defence": 1.0, "wind": 1.0, "solar": 1.0}


def test_a_changed_taxonomy_counts_at_once_even_under_its_old_version() -> None:
    assert _topics("rain", {"a": ["rain"]}) == {"a": 1.0}
    assert _topics("rain", {"a": ["snow"]}) == {}


def test_a_regional_language_goes_before_the_language() -> None:
    assert _topics("ônibus", {"a": ["ônibus"]}, "pt-br") == {"a": 1.0}


def test_text_beyond_200_000_characters_is_not_looked_at() -> None:
    assert _topics(". " * 100_000 + "flood", {"a": ["flood"]}) == {}
    assert _topics("flood" + " ." * 100_000, {"a": ["flood"]}) == {"a": 1.0}


def test_a_slug_keeps_the_marks_that_belong_to_its_letters() -> None:
    assert tagging.slug("जलवायु परिवर्तन") == "जलवायु-परिवर्तन"


def test_keywords_know_no_contractions_numbers_or_sentences_without_spaces() -> None:
    found = {
        tag
        for kind, tag in _tags("It doesn't matter in 2025 2025. 大雨で川が 大雨で川が", language="en")
        if kind == "keyword"
    }

    assert found == set()


def test_every_pattern_of_the_shipped_taxonomy_is_found_by_its_own_words() -> None:
    shipped = config.load(ROOT / "config" / "aggregator.yaml", {}).taxonomy
    missed = []

    for topic in shipped.topics:
        for language, patterns in topic.words.items():
            for pattern in patterns:
                text = f"{pattern.replace('*', '')} . " * 5
                job = model.DraftJob(title="", summary="", content="", now=make.NOW, language=language)
                if topic.tag not in {tag.tag for tag in tagging.tags(job, text, shipped)}:
                    missed.append((topic.tag, language, pattern))

    assert missed == []


@pytest.mark.parametrize(
    ("language", "text", "topic"),
    [
        ("es", "Las energías renovables crecen. Los paneles solares y los parques solares también.", "solar-power"),
        ("fr", "Les centrales à charbon ferment, et avec elles les centrales à charbon du nord.", "coal"),
        ("de", "Das Hochwasser kam nachts. Nach den Überschwemmungen wird aufgeräumt.", "floods"),
        ("pt", "O desmatamento caiu. Sem desmatamento, dizem, a floresta amazônica volta.", "deforestation"),
    ],
)
def test_the_shipped_taxonomy_reads_other_languages(language: str, text: str, topic: str) -> None:
    shipped = config.load(ROOT / "config" / "aggregator.yaml", {}).taxonomy
    job = model.DraftJob(title="", summary="", content="", now=make.NOW, language=language)

    assert topic in {tag.tag for tag in tagging.tags(job, text, shipped) if tag.kind == "topic"}
