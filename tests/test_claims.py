"""What a page says of itself, and which of its titles is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from aggregator import claims


def _claims(head: str = "", body: str = "") -> claims.Claims:
    return claims.read(html.document_fromstring(f"<html><head>{head}</head><body>{body}<p>Text.</p></body></html>"))


def _linked(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title>The river rises | The News</title>", "<h1>The river rises</h1>", "The river rises"),
        # The heading for readers is preferred to the one for other programs, if they are of one thing.
        ('<meta property="og:title" content="River up, town down"><title>The river rises again - News</title>',
         "<h1>The river rises again</h1>", "The river rises again"),
        # The name of the site as its only heading.
        ("<title>The News » Archive » The river rises again</title>", "<h1>The News</h1>", "The News » Archive » The river rises again"),
        ('<meta property="og:title" content="Into the year"><title>Into the year | Blogname of ours</title>',
         "<h1>Blogname of ours</h1>", "Into the year"),
        ("<title>Blog » Number two: Leo</title>", "<h1>Blog</h1><h2>Number two: Leo</h2>", "Number two: Leo"),
        ("<title>Base test</title>", "<h1>Lorem</h1>", "Base test"),
        ("", "<h1>Only a heading</h1>", "Only a heading"),
        ("<title>A long story of the valley | Site</title>", "", "A long story of the valley"),
        (_linked('{"@type": "NewsArticle", "headline": "The river rises"}'), "", "The river rises"),
    ],
)  # fmt: skip
def test_the_title_is_what_several_places_agree_on(head: str, body: str, title: str) -> None:
    assert claims.title(_claims(head, body)) == title


def test_a_page_without_any_title_has_none() -> None:
    assert claims.title(_claims()) is None


def test_articles_are_found_wherever_they_are_in_the_linked_data() -> None:
    told = _claims(
        _linked(
            '{"@graph": [{"@type": "WebSite", "headline": "Site", "author": "Nobody"}, {"@type": ["NewsArticle"], '
            '"headline": "Rain &amp; flood", "articleBody": "<p>It rained.</p>", "datePublished": "2025-09-18T10:00:00Z", '
            '"author": [{"name": "Jo Writer"}, "Al Other"], "description": "It will not stop."}]}'
        )
    )

    assert (told.titles, told.authors, told.dates) == (
        ("Rain & flood",),
        ("Jo Writer", "Al Other"),
        ("2025-09-18T10:00:00Z",),
    )
    assert told.body.split() == ["It", "rained."]
    assert told.descriptions == ("It will not stop.",)


@pytest.mark.parametrize(
    "script", ["", "{", '{"articleBody": 7}', "[" * 5000, '{"articleBody": "' + "x" * 600_000 + '"}', "null"]
)
def test_linked_data_that_are_broken_or_too_large_say_nothing(script: str) -> None:
    assert _claims(_linked(script)).body == ""


def test_a_title_is_recognised_without_the_site_and_in_other_punctuation() -> None:
    heads = claims.heads(_claims("<title>“The river rises again” | The News</title>", "<h1>News</h1>"))

    assert claims.key("The river rises again") in heads
    assert claims.key("The river rises") not in heads


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_page_whatever_raises(head: str, body: str) -> None:
    told = _claims(f"<title>{head}</title>{_linked(head)}", f"<h1>{body}</h1>")

    assert claims.title(told) is None or isinstance(claims.title(told), str)
