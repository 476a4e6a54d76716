"""Articles as clean HTML: the words of the text, with what the page marks in them, and nothing that could run."""

import gzip
import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from aggregator import article, errors, rendition

URL = "https://news.example/2025/09/story"
FIRST = "The river rose by two metres in a single night of rain, said the people of the town."
SECOND = "Nobody was hurt when the bridge gave way, but the road to the north is closed for weeks."
BODY = f"<p>{FIRST}</p><p>{SECOND}</p>"


def _rendered(body: str, text: str, head: str = "") -> str:
    return rendition.render(text, html.document_fromstring(f"<html><head>{head}</head><body>{body}</body></html>"), URL)


def test_paragraphs_keep_their_links_and_what_is_marked_in_them() -> None:
    page = (
        "<p>The <b>river</b> rose by <i>two</i> <span class=x>metres</span>, <a href='/rain?a=1&b=2' onclick='x()'>said</a> the "
        "<a href='mailto:a@b.example'>people</a>.</p>"
    )

    assert _rendered(page, "The river rose by two metres, said the people.") == (
        "<p>The <strong>river</strong> rose by <em>two</em> metres, "
        '<a href="https://news.example/rain?a=1&amp;b=2" rel="noopener noreferrer nofollow">said</a> the people.</p>'
    )


def test_headings_lists_quotations_and_code_stay_what_they_are() -> None:
    page = (
        "<h1>The flood</h1><p>What is known:</p><ul><li>One thing</li><li>Another <em>thing</em></li></ul><ol><li>First of all</li></ol>"
        "<h3>What they say</h3><blockquote><p>We saw it.</p><p>It was high.</p></blockquote><pre>a  =  1\nb = 2</pre>"
    )
    text = "The flood\nWhat is known:\n- One thing\n- Another thing\n- First of all\nWhat they say\nWe saw it.\nIt was high.\na = 1\nb = 2"

    assert _rendered(page, text).split("\n", 6)[:6] == [
        "<h2>The flood</h2>",
        "<p>What is known:</p>",
        "<ul><li>One thing</li><li>Another <em>thing</em></li></ul>",
        "<ol><li>First of all</li></ol>",
        "<h3>What they say</h3>",
        "<blockquote><p>We saw it.</p><p>It was high.</p></blockquote>",
    ]
    assert _rendered(page, text).endswith("<pre>a  =  1\nb = 2</pre>")


def test_a_table_is_one_and_a_page_that_is_laid_out_by_tables_is_none() -> None:
    rows = "<tr><th>Place</th><th>Metres</th></tr><tr><td>North bridge</td><td>2.4</td></tr>"
    layout = f"<table><tr><td>{BODY}</td></tr></table>"

    assert _rendered(f"<table>{rows}</table>", "| Place | Metres |\n|---|---|\n| North bridge | 2.4 |") == (
        "<table><tr><th>Place</th><th>Metres</th></tr><tr><td>North bridge</td><td>2.4</td></tr></table>"
    )
    assert _rendered(layout, f"{FIRST}\n{SECOND}") == f"<p>{FIRST}</p>\n<p>{SECOND}</p>"


def test_pictures_stand_where_they_stood_with_what_is_said_of_them() -> None:
    page = (
        f"<article><header><figure><img src='/lead.jpg' alt='The  river'><figcaption>The river © AP</figcaption></figure></header>"
        f"<div><p>{FIRST}</p><img src='data:image/gif;base64,x' data-src='//cdn.example/late.jpg'><p>{SECOND}</p></div></article>"
    )

    assert _rendered(page, f"{FIRST}\n{SECOND}").split("\n") == [
        '<figure><img src="https://news.example/lead.jpg" alt="The river"><figcaption>The river © AP</figcaption></figure>',
        f"<p>{FIRST}</p>",
        '<figure><img src="https://cdn.example/late.jpg" alt=""></figure>',
        f"<p>{SECOND}</p>",
    ]


@pytest.mark.parametrize(
    "between",
    [
        "<img src=/pixel.gif>",
        "<img src=https://count.example/1x1.png>",
        "<img src=/i.png width=1 height=1>",
        "<img src=javascript:alert(1)>",
        "<img src=/x.svg width=24>",
        "<div class=related-stories><img src=/other.jpg></div>",
        "<div><div><div><div><img src=/far.jpg></div></div></div></div>",
        "<iframe src=https://video.example/></iframe>",
        "<script>alert(1)</script>",
        "<form action=/x><input name=mail><button>Send</button></form>",
        "<object data=/x.swf></object><svg onload=alert(1)></svg><video src=/x.mp4></video>",
    ],
)
def test_what_measures_runs_or_belongs_to_others_is_left_out(between: str) -> None:
    assert (
        _rendered(f"<p>{FIRST}</p>{between}<p>{SECOND}</p>", f"{FIRST}\n{SECOND}") == f"<p>{FIRST}</p>\n<p>{SECOND}</p>"
    )


def test_lines_that_are_one_paragraph_of_the_page_are_one_again() -> None:
    page = f"<p>The river (<a href=/r>see the map</a>) rose.</p><p>{SECOND}</p>"

    assert _rendered(page, f"The river (\nsee the map\n) rose.\n{SECOND}").startswith(
        '<p>The river (<a href="https://news.example/r"'
    )


def test_a_line_that_the_page_does_not_have_is_a_plain_paragraph() -> None:
    assert _rendered(BODY, f"A lead with <b>brackets</b> & more.\n{FIRST}").split("\n")[0] == (
        "<p>A lead with &lt;b&gt;brackets&lt;/b&gt; &amp; more.</p>"
    )


def test_the_base_of_the_page_is_heeded_and_one_that_is_no_address_is_not() -> None:
    link = "<p>The <a href='x'>river</a> rose.</p>"

    assert 'href="https://cdn.example/d/x"' in _rendered(
        link, "The river rose.", "<base href='https://cdn.example/d/'>"
    )
    assert 'href="https://news.example/2025/09/x"' in _rendered(link, "The river rose.", "<base href='javascript:x'>")


def test_what_was_cut_from_the_text_is_cut_from_what_was_rendered_before() -> None:
    page = f"<p>{FIRST}</p><figure><img src=/a.jpg></figure><p>Share this!</p><ul><li>One</li><li>Two</li></ul>"
    whole = _rendered(page, f"{FIRST}\nShare this!\n- One\n- Two")

    assert rendition.again(f"{FIRST}\n- One\n- Two", whole) == whole.replace("<p>Share this!</p>\n", "")
    assert rendition.again(f"{FIRST}\nShare this!\n- One\n- Two", whole) == whole
    assert rendition.again("Only & this", "") == "<p>Only &amp; this</p>"


ATTACKS = st.lists(
    st.sampled_from(
        ["<p>", "</p>", "<div>", "<a href=javascript:x>", "<a href='https://x.example/\"><script>'>", "</a>", "<img src=x onerror=y>", "<table>",
         "<tr><td>", "<li>", "<b>", "</i>", "<svg><p>", "<math><mi>", "<style>", "</style>", "<noscript>", "<!--", "-->", "<![CDATA[",
         "&lt;script&gt;",
         "words of a line", "<script>alert(1)</script>", "<br>", "<pre>", "\x00", "\ud800", "<base href=//e>", "<iframe srcdoc='<p>x'>"]
    ),
    max_size=30,
)  # fmt: skip


@given(
    ATTACKS,
    st.lists(
        st.sampled_from(["words of a line", "<script>alert(1)</script>", "- | |", "x", "|", "", "&lt;"]), max_size=8
    ),
)
def test_nothing_can_run_whatever_the_page_is(pieces: list[str], lines: list[str]) -> None:
    markup = "".join(pieces).encode("utf-8", "ignore")
    tree = html.document_fromstring(b"<html><body><p>x</p>" + markup)

    made = rendition.render("\n".join(lines), tree, URL)

    tags = {
        (one.tag, *one.attrib) for one in html.fragment_fromstring(made, create_parent="div").iter() if one.tag != "div"
    }
    assert {tag[0] for tag in tags} <= {
        "p", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "table", "tr", "td", "th", "figure", "figcaption", "img", "a",
        "strong", "em", "sub", "sup", "code", "del", "mark", "q", "cite", "abbr",
    }  # fmt: skip
    assert {name for tag in tags for name in tag[1:]} <= {"href", "rel", "src", "alt"}
    assert all(address.startswith(("http://", "https://")) for address in re.findall(r'(?:href|src)="([^"]*)"', made))


@pytest.mark.parametrize(
    "page",
    [
        "<p>Words and words.</p>" * 20_000,
        "<p>Words and words.</p><img src=/a.jpg>" * 10_000,
        "<div>" * 5_000 + "Words and words.",
        "<table><tr><td>x" * 5_000,
    ],
)  # fmt: skip
def test_the_time_grows_with_the_page_and_not_with_its_square(page: str) -> None:
    tree = html.document_fromstring(f"<html><body>{page}</body></html>")
    text = "Words and words.\n" * 20_000

    began = time.process_time()
    made = rendition.render(text, tree, URL)

    assert made.count("Words and words.") == 20_000
    assert time.process_time() - began < 10


@pytest.mark.slow
def test_the_words_of_every_recorded_article_are_those_of_its_text(shared: Path) -> None:
    with gzip.open(shared / "corpus" / "articles" / "index.jsonl.gz", "rt", encoding="utf-8") as lines:
        files = [shared / "corpus" / json.loads(line)["file"] for line in lines]
    different, linked, pictured, plain = [], 0, 0, 0
    for file in files:
        try:
            read = article.read(gzip.decompress(file.read_bytes()), URL, ask=frozenset())
        except errors.ExtractError:
            continue
        made = html.fragment_fromstring(read.html, create_parent="div")
        linked, pictured = linked + bool(made.findall(".//a")), pictured + bool(made.findall(".//img"))
        plain += not {one.tag for one in made.iter()} - {"div", "p"}
        for figure in made.findall(".//figure"):
            figure.drop_tree()
        if _letters(made.text_content()) != _letters(read.text):
            different.append(file.name)

    assert different == []
    assert linked > 200
    assert pictured > 150
    assert plain < 60


def _letters(text: str) -> str:
    """Without white space, and without what stands for lists and tables in a text."""
    return re.sub(r"[\s|\u00ad\u200b-\u200d\u2060\ufeff-]", "", text)
