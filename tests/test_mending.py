"""A text of an engine mended by what the page tells and shows."""

from lxml import html

from aggregator import claims, mending

PARAGRAPHS = [
    f"Paragraph {n} of the report says that the river rose by {n} metres in a single night of rain."
    for n in range(1, 13)
]


def _never() -> str:
    raise AssertionError("read again without need")


def _mended(text: str, page: str, again: str | None = None) -> list[str]:
    tree = html.document_fromstring(page)
    return mending.mend(text, tree, claims.read(tree), _never if again is None else lambda: again).split("\n")


def _page(body: str, head: str = "") -> str:
    return f"<html><head>{head}</head><body>{body}</body></html>"


def _all(paragraphs: list[str], tag: str = "p") -> str:
    return "".join(f"<{tag}>{text}</{tag}>" for text in paragraphs)


def test_a_good_text_stays_as_it_is() -> None:
    page = _page(f"<article>{_all(PARAGRAPHS)}</article>")

    assert _mended("\n".join(PARAGRAPHS), page) == PARAGRAPHS


def test_the_title_is_no_line_of_the_text() -> None:
    page = _page(f"<article><h1>The river rises again</h1>{_all(PARAGRAPHS)}</article>")

    assert _mended("\n".join(["The river rises again!", *PARAGRAPHS]), page) == PARAGRAPHS


def test_the_title_deep_in_the_text_is_a_line_of_it() -> None:
    text = [*PARAGRAPHS[:6], "The river rises again", *PARAGRAPHS[6:]]

    assert _mended("\n".join(text), _page("<h1>The river rises again</h1>")) == text


def test_the_lead_that_the_page_shows_is_put_before_the_text() -> None:
    lead = "The valley has not seen such a flood since its first bridge was built."
    page = _page(
        f"<header><div><p class=lead><b>{lead}</b> It will come again.</p></div></header><article>{_all(PARAGRAPHS)}</article>",
        f'<meta property="og:description" content="{lead[:50]}...">',
    )

    assert _mended("\n".join(PARAGRAPHS), page) == [f"{lead} It will come again.", *PARAGRAPHS]


def test_a_description_that_the_page_does_not_show_or_has_beside_the_article_is_no_lead() -> None:
    lead = "The valley has not seen such a flood since its first bridge was built."
    head = f'<meta property="og:description" content="{lead}">'
    related = f"<div class='related-stories'><p>{lead}</p></div>"

    assert _mended("\n".join(PARAGRAPHS), _page(_all(PARAGRAPHS), head)) == PARAGRAPHS
    assert _mended("\n".join(PARAGRAPHS), _page(related + _all(PARAGRAPHS), head)) == PARAGRAPHS


def test_paragraphs_in_later_parts_of_the_article_are_found() -> None:
    halves = f"<div class=body>{_all(PARAGRAPHS[:6])}</div><div>Advertisement</div><div class=body>{_all(PARAGRAPHS[6:])}</div>"

    assert _mended("\n".join(PARAGRAPHS[:6]), _page(f"<article>{halves}</article>")) == PARAGRAPHS


def test_paragraphs_left_out_stand_where_the_page_has_them() -> None:
    page = _page(f"<article><div class=body>{_all(PARAGRAPHS)}</div></article>")

    assert _mended("\n".join(PARAGRAPHS[:3] + PARAGRAPHS[8:]), page) == PARAGRAPHS


def test_comments_other_articles_and_lists_of_links_are_not_parts_of_the_article() -> None:
    linked = [f"<a href=/{n}>{text}</a>" for n, text in enumerate(PARAGRAPHS[6:])]
    beside = [
        f"<div class=comments><div class=body>{_all(PARAGRAPHS[6:])}</div></div>",
        f"<article><div class=body>{_all(PARAGRAPHS[6:])}</div></article>",
        f"<article><aside><div class=body>{_all(PARAGRAPHS[6:])}</div></aside></article>",
    ]
    first = f"<article><div class=body>{_all(PARAGRAPHS[:6])}</div></article>"

    for other in beside:
        assert _mended("\n".join(PARAGRAPHS[:6]), _page(first + other)) == PARAGRAPHS[:6]
    with_links = f"<article><div class=body>{_all(PARAGRAPHS[:6])}</div><div class=body>{_all(linked)}</div></article>"
    assert _mended("\n".join(PARAGRAPHS[:6]), _page(with_links)) == PARAGRAPHS[:6]


def test_a_text_that_has_too_little_of_what_search_engines_are_told_is_read_again() -> None:
    body = " ".join(PARAGRAPHS)
    head = f'<script type="application/ld+json">{{"@type": "NewsArticle", "articleBody": "{body}"}}</script>'
    whole = "\n".join(PARAGRAPHS)

    assert _mended("\n".join(PARAGRAPHS[:5]), _page("", head), again=whole) == PARAGRAPHS
    assert _mended("\n".join(PARAGRAPHS[:5]), _page("", head), again="Menu\nContact") == PARAGRAPHS[:5]
    assert _mended(whole, _page("", head)) == PARAGRAPHS


def test_a_few_words_of_a_page_of_many_are_read_again() -> None:
    page = _page(f"<div class=x>{_all(PARAGRAPHS, 'p')}</div>")

    assert _mended("Photo of the day.", page, again="\n".join(PARAGRAPHS)) == PARAGRAPHS
    assert _mended("Photo of the day.", page, again="Another photo.") == ["Photo of the day."]


def test_nothing_stays_nothing() -> None:
    assert _mended("", _page("<h1>Title</h1>")) == [""]
