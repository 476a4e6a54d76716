"""The draft of an item: which text is the best, and why it is not better."""

import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import boilerplate, config, draft, model
from aggregator.dedup import fingerprint
from tests import make

TAXONOMY = config.Taxonomy.model_validate(
    {"version": "1", "topics": [{"tag": "floods", "label": "Floods", "words": {"en": ["flood*"]}}]}
)
SENTENCES = "".join(
    f"<p>Sentence {n} tells how the floods of the valley were seen by those who live there.</p>" for n in range(12)
)
PAGE = f"<html lang=en><head><title>Page title</title></head><body><article><h1>Page title</h1>{SENTENCES}</article></body></html>"


def _make(**values: Any) -> model.Draft:
    told: dict[str, Any] = {
        "title": "Floods",
        "summary": "",
        "content": "",
        "now": make.NOW,
        "page_type": "text/html",
    } | values
    return draft.make(model.DraftJob(**told), TAXONOMY)


def test_a_good_page_makes_a_good_draft() -> None:
    made = _make(page=PAGE.encode(), language="en")

    assert (made.state, made.reason) == ("ok", None)
    assert made.word_count > 100
    assert made.text_hash
    assert {"floods", "year-2025"} & {tag.tag for tag in made.tags} == {"floods"}
    assert (made.title, made.language) == ("Page title", "en")


def test_without_a_page_the_feeds_own_text_is_taken() -> None:
    made = _make(content="<p>All that the feed has.</p>")

    assert (made.state, made.text, made.extractor) == ("ok", "All that the feed has.", "feed")


def test_without_any_text_the_draft_says_so() -> None:
    made = _make()

    assert (made.state, made.text, made.text_hash, made.word_count) == ("failed", "", None, 0)
    assert made.reason


def test_a_wall_leaves_the_feeds_text_and_its_own_reason() -> None:
    made = _make(page=b"<html><title>Just a moment...</title></html>", summary="What the feed says.")

    assert (made.state, made.text, made.extractor) == ("blocked", "What the feed says.", "feed")
    assert made.reason == "the page asks to prove that we are no robot"


def test_the_feeds_text_is_taken_where_it_plainly_has_more() -> None:
    made = _make(page=b"<html><body><article><p>A teaser of the story.</p></article></body></html>", content=SENTENCES)

    assert (made.state, made.extractor) == ("feed_only", "feed")
    assert "the feed's own text has" in (made.reason or "")


def test_a_page_of_a_few_words_is_short() -> None:
    made = _make(page=b"<html><body><article><p>Only these few words.</p></article></body></html>")

    assert made.state == "short"
    assert made.reason == "the page had only 4 words"


def test_what_the_feed_told_is_not_looked_for_again() -> None:
    made = _make(page=PAGE.encode(), authors=("A",), published_at=make.NOW, language="de")

    assert (made.authors, made.language, made.published_at) == (("A",), "de", make.NOW)


def test_a_date_that_cannot_be_is_not_believed() -> None:
    future = PAGE.replace("<head>", '<head><meta property="article:published_time" content="2031-01-01T00:00:00Z">')

    assert _make(page=future.encode()).published_at is None


def test_a_draft_survives_the_way_back_from_its_process() -> None:
    made = _make(page=PAGE.encode())

    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize(
    ("page", "page_type", "said"),
    [
        (b"%PDF-1.4", "application/pdf", "the address leads to a PDF of 8 bytes, not to a page"),
        (b"<html><body></body></html>", "text/html", "no article text was found on the page"),
    ],
)
def test_a_page_that_will_never_have_the_text_is_settled_by_a_feed_that_has(
    page: bytes, page_type: str, said: str
) -> None:
    made = _make(page=page, page_type=page_type, content=SENTENCES)

    assert (made.state, made.extractor, made.word_count) == ("feed_only", "feed", 192)
    assert made.reason == f"{said}; the feed's own text has 192 words"


def test_a_page_that_may_open_later_keeps_its_state_however_much_the_feed_has() -> None:
    made = _make(page=b"<html><title>Just a moment...</title></html>", content=SENTENCES)

    assert (made.state, made.extractor, made.word_count) == ("blocked", "feed", 192)


def test_a_summary_does_not_settle_a_page_that_failed() -> None:
    made = _make(page=b"%PDF-1.4", summary="What the feed says of it.")

    assert (made.state, made.text) == ("not_html", "What the feed says of it.")


def test_a_page_that_says_nearly_as_much_as_the_feed_is_believed() -> None:
    made = _make(page=PAGE.encode(), content=SENTENCES + "<p>And a line that only the feed has.</p>")

    assert made.state == "ok"
    assert made.extractor is not None
    assert made.extractor.startswith("trafilatura")


def test_a_short_page_leaves_the_longer_text_of_the_feed() -> None:
    page = b"<html><body><article><p>Only these few words.</p></article></body></html>"
    made = _make(page=page, summary="The feed says a little more than the page does here.")

    assert (made.state, made.text) == ("short", "The feed says a little more than the page does here.")
    assert made.reason == "the page had only 4 words; the feed's own text has 11"


def test_what_only_the_page_knows_is_filled_in() -> None:
    told = '<head><meta name=author content="Jo Writer"><meta property="article:published_time" content="2025-09-18T10:00:00Z">'
    page = PAGE.replace("<head>", told + '<meta property="og:image" content="/i.jpg">')

    made = _make(title="", page=page.encode(), page_url="https://news.example/a")

    assert (made.title, made.authors, made.language) == ("Page title", ("Jo Writer",), "en")
    assert made.published_at == make.NOW - timedelta(hours=14)
    assert made.image == "https://news.example/i.jpg"
    assert "year-2025" in {tag.tag for tag in made.tags}


def test_what_the_feed_knows_is_not_replaced() -> None:
    told = '<head><meta name=author content="Jo Writer"><meta property="article:published_time" content="2020-01-01T00:00:00Z">'

    made = _make(page=PAGE.replace("<head>", told).encode(), authors=("A", "B"), published_at=make.NOW)

    assert (made.authors, made.published_at) == (("A", "B"), make.NOW)


def test_the_pages_title_stands_in_for_one_that_the_feed_did_not_give() -> None:
    page = b"<html><head><title>Floods</title></head><body><article><p>Photo of the day.</p></article></body></html>"

    made = _make(title="", page=page)

    assert made.text_hash == fingerprint.text_hash(made.text, "Floods")
    assert "floods" in {tag.tag for tag in made.tags if tag.kind == "topic"}


@pytest.mark.parametrize(("year", "believed"), [("1989", False), ("1990", True), ("2025", True), ("2026", False)])
def test_only_a_date_between_1990_and_tomorrow_is_believed(year: str, believed: bool) -> None:
    told = f'<head><meta property="article:published_time" content="{year}-06-01T00:00:00Z">'

    made = _make(page=PAGE.replace("<head>", told).encode())

    assert (made.published_at is not None and made.published_at.year == int(year)) is believed


@given(st.binary(max_size=200), st.sampled_from([None, "", "text/html; charset=x", "\x00/"]), st.text(max_size=100))
def test_nothing_that_a_page_or_a_feed_holds_raises(page: bytes, page_type: str | None, words: str) -> None:
    made = _make(page=page, page_type=page_type, title=words, summary=words, content=words)

    assert made.state in set(model.ItemState)
    assert (made.text_hash is None) or made.text
    assert made.reason or made.state == "ok"


def test_what_was_cut_counts_for_comparison_if_there_is_so_much_that_it_may_be_an_article() -> None:
    own = "".join(f"<p>Paragraph {n} of what this article says about the river.</p>" for n in range(20))
    footer = "<p>The post Floods appeared first on Salon.</p>"
    other = "".join(f"<p>Sentence {n} of another article, of coal and trade.</p>" for n in range(20))

    alone, page = _make(title="Floods", content=own + footer), _make(title="Floods", content=own + footer + other)

    assert alone.text == page.text
    assert alone.text_hash == page.text_hash == alone.whole_hash != page.whole_hash
    assert alone.fingerprint is not None
    assert page.fingerprint is not None
    assert page.fingerprint.tokens > alone.fingerprint.tokens + 100


BOX = "Sign up for our weekly newsletter and never miss a flood again."


def test_the_html_of_a_draft_has_what_is_left_of_its_text() -> None:
    page = PAGE.replace("</h1>", f"</h1><p>{BOX}</p>").replace("the floods", "<a href=/f>the floods</a>").encode()
    learned = frozenset({boilerplate.hashed(BOX)})

    whole = _make(page=page, page_url="https://news.example/a")
    cut = _make(page=page, page_url="https://news.example/a", learned=learned)

    assert f"<p>{BOX}</p>" in (whole.html or "")
    assert cut.html == (whole.html or "").replace(f"<p>{BOX}</p>\n", "")
    assert 'href="https://news.example/f"' in (cut.html or "")


def test_the_html_of_a_feeds_own_text_is_the_feeds() -> None:
    content = "<p>All that <b>the</b> feed <a href='https://x.example/'>has</a>.</p><ul><li>and more</li></ul>"
    linked = '<a href="https://x.example/" rel="noopener noreferrer nofollow">has</a>'

    assert (
        _make(content=content).html
        == f"<p>All that <strong>the</strong> feed {linked}.</p>\n<ul><li>and more</li></ul>"
    )
    assert _make(summary="All & nothing.").html == "<p>All &amp; nothing.</p>"
    assert _make().html is None
