"""Texts into tokens and hashes: equal for equal stories."""

import html
import sys
import time
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import markup
from aggregator.dedup import fingerprint, normalize

TEXT = "The minister’s plan – “bold”, she said – costs €3.5 billion; critics disagree. Más café für alle."


@pytest.mark.parametrize(
    "dressed",
    [
        f"<p>{TEXT}</p>",
        "<div>" + TEXT.replace(" ", "&nbsp;") + "</div>",
        html.escape(TEXT),
        html.escape(html.escape(f"<p>{TEXT}</p>")),
        TEXT.upper(),
        unicodedata.normalize("NFD", TEXT),
        TEXT.replace(" ", "\n"),
        TEXT.replace("’", "'").replace("“", '"').replace("”", '"').replace("–", "-"),
        f"{TEXT}\nThe post Some title appeared first on Some site.",
        f"{TEXT} Read more »",
        f"{TEXT} https://example.org/more?x=1",
        TEXT.replace("minister", "min\u00adis\u200bter"),
        f"---\ntitle: x\n---\n{TEXT}",
        f"<script>var x = 1;</script>{TEXT}<!-- comment -->",
        TEXT.replace("critics", "[critics](https://example.org/c)"),
    ],
)
def test_the_same_story_in_another_dress_has_the_same_hash(dressed: str) -> None:
    assert fingerprint.text_hash(dressed, "t") == fingerprint.text_hash(TEXT, "t")


def test_another_story_has_another_hash() -> None:
    assert fingerprint.text_hash(TEXT.replace("3.5", "3.6")) != fingerprint.text_hash(TEXT)


def test_a_text_without_tokens_has_none_and_equals_no_other() -> None:
    assert fingerprint.text_hash(" … — <br> ") is None


def test_a_very_short_text_is_hashed_with_its_title() -> None:
    assert fingerprint.text_hash("Photo of the day", "Monday") != fingerprint.text_hash("Photo of the day", "Tuesday")
    assert fingerprint.text_hash(TEXT, "Monday") == fingerprint.text_hash(TEXT, "Tuesday")


def test_every_character_is_a_token_where_there_are_no_spaces() -> None:
    assert normalize.tokens("気候変動 news") == ["気", "候", "変", "動", "news"]
    assert markup.count_words("気候変動 and more") == 6


def test_a_text_of_a_million_words_is_compared_by_its_beginning() -> None:
    assert len(normalize.tokens("word " * 1_000_000)) == 20_000


@given(st.text(max_size=300))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize.normal(text)

    assert normalize.normal(once) == once


@given(st.lists(st.sampled_from(["climate", "Énergie", "3.5", "気候", "don’t", "A&B"]), min_size=1, max_size=30))
def test_mark_up_entities_and_line_breaks_do_not_matter(words: list[str]) -> None:
    text = " ".join(words)

    assert normalize.tokens("<p>" + html.escape(text).replace(" ", "</p>\n<p>") + "</p>") == normalize.tokens(text)


# ----------------------------------------------------------------------------------------------------------- one by one


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("re<b>new</b>able", "renewable"),
        ("re<!-- 1 < 2 -->new<script>let a = '<p>'</script>able", "renewable"),
        ("one<p>two<br/>three", "one two three"),
        ('<img src="data:image/png;base64,' + "A" * 50_000 + '">one', "one"),
        ("<![CDATA[one]]> <?php two ?> <!DOCTYPE html>three", "one three"),
        ("<!-- one", "one"),
        ("<script>one", "one"),
        ("1 < 2 and 3 > 2", "1 2 and 3 2"),
        ("&amp;lt;p&amp;gt;one &amp;amp;eacute;", "one é"),
        ("https://t.example/abc中文", "中 文"),
        ("一个https://t.example/a，二", "一 个 二"),
        ('![a chart](https://x.example/a.png "title") of it', "a chart of it"),
        ("ﬁve ½ ＷＩＤＥ", "five 1 2 wide"),
        ("Straße STRASSE", "strasse strasse"),
        ("한국 뉴스", "한 국 뉴 스"),
        ("naïve \u200bro\u00adle\ufe0f", "naïve role"),
        ("a\u200d\u0301", "á"),
        ("The post River rises appeared first on Salon.com. Next story", "next story"),
        ("The post office. The post A first appeared on B", "the post office"),
        ("One. Read more » Two. Continue reading → Three […]", "one two three"),
        ("continue continue reading reading one", "one"),
        ("正文(责任编辑:张三)", "正 文"),
        ("正文[详细]", "正 文"),
        ("---\none\n---\ntwo", "one two"),
        ("---\ntitle: one\n---\ntwo", "two"),
    ],
)
def test_each_rule(text: str, tokens: str) -> None:
    assert normalize.normal(text) == tokens


def test_the_invisible_characters_are_those_that_unicode_calls_so() -> None:
    invisible = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]
    seen = [hex(ord(character)) for character in invisible if normalize.normal(f"a{character}\u0301") != "á"]

    assert len(invisible) > 150
    assert seen == []


PIECES = st.sampled_from(
    "read|more| |continue|reading|the post |appeared first on|first appeared on|x|—|.|\n|<b>|&lt;|&amp;lt;|[a](b)|www.|http://|\u00ad|"
    "\u0301|가|字|ก|่|ᾀ|\u0345|İ|ß|ﬁ|²|---\na:\n---\n|<!--|-->|<script>|</script>|责任编辑:".split("|")
)


@given(st.lists(PIECES, max_size=25).map("".join))
def test_normalising_twice_changes_nothing_even_where_every_rule_has_work(text: str) -> None:
    once = normalize.normal(text)

    assert normalize.normal(once) == once


Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: list[Form] = ["NFC", "NFD", "NFKC", "NFKD"]
LETTERS = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Mn"]), min_size=1, max_size=8)


@given(st.lists(LETTERS, min_size=1, max_size=20), st.sampled_from(FORMS))
def test_the_unicode_form_does_not_matter(words: list[str], form: Form) -> None:
    text = unicodedata.normalize("NFC", " ".join(words))

    assert normalize.tokens(unicodedata.normalize(form, text)) == normalize.tokens(text)


@pytest.mark.parametrize(
    "piece",
    [
        "<script>",
        "<!--",
        "<a ",
        "<",
        "the post ",
        "the post appeared first on ",
        "[",
        "[a](",
        "&amp;",
        "www.",
        "continue ",
    ],
)
def test_no_text_takes_longer_than_its_length(piece: str) -> None:
    started = time.process_time()

    normalize.tokens(piece * (1_000_000 // len(piece)))

    # Measured at most 0.4 s; what is quadratic takes minutes.
    assert time.process_time() - started < 10
