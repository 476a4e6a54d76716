"""trafilatura in less time: what is changed of it changes no result."""

import gzip
import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html

from aggregator import article, errors, haste

# The module as it is, however the one that is loaded was changed.
_SPEC = importlib.util.find_spec("trafilatura.xpaths")
assert _SPEC is not None
assert _SPEC.loader is not None
XPATHS: ModuleType = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(XPATHS)
EXPRESSIONS = [
    one
    for listed in vars(XPATHS).values()
    if isinstance(listed, list)
    for one in listed
    if isinstance(one, etree.XPath)
]
WORDS = [
    "", "post", "entry", "article", "article-body", "comment-list", "Comments", "sidebar", "nav", "hidden", "hide-x", "widget", "tags",
    "bottom", "a link", "teaser", "author", "byline", "related", "infinite-scroll", "mvp-post-add-box", "caption", "main-content", "cookie",
]  # fmt: skip
TAGS = ["div", "p", "span", "section", "article", "ul", "li", "list", "item", "h1", "h2", "a", "main", "details"]
NAMES = ["id", "class", "role", "style", "itemprop", "data-component", "aria-hidden", "rel"]
ELEMENTS: st.SearchStrategy[Any] = st.recursive(
    st.builds(lambda tag, told: (tag, told, []), st.sampled_from(TAGS), st.dictionaries(st.sampled_from(NAMES), st.sampled_from(WORDS))),
    lambda children: st.builds(
        lambda tag, told, inside: (tag, told, inside),
        st.sampled_from(TAGS), st.dictionaries(st.sampled_from(NAMES), st.sampled_from(WORDS)), st.lists(children, max_size=4),
    ),
    max_leaves=20,
)  # fmt: skip


def _built(told: Any) -> html.HtmlElement:
    element = html.Element(told[0], told[1])
    element.text = "words"
    element.extend([_built(child) for child in told[2]])
    return element


@given(ELEMENTS)
def test_rewritten_expressions_select_what_they_selected_before(told: Any) -> None:
    page = html.Element("html")
    page.append(_built(told))

    for asked in EXPRESSIONS:
        quick = etree.XPath(haste.faster(asked.path), namespaces={"re": "http://exslt.org/regular-expressions"})
        assert quick(page) == asked(page), asked.path


def test_the_expressions_are_still_written_as_we_know_them() -> None:
    changed = [asked.path for asked in EXPRESSIONS if haste.faster(asked.path) != asked.path]
    asking = [asked.path for asked in EXPRESSIONS if "re:test" in asked.path]

    assert len(changed) > 20
    quick = [haste.faster(path) for path in asking]
    assert all(path.count(") and re:test(") == path.count("re:test(") for path in quick)
    assert 0 < sum(path.count("re:test(") for path in quick) < 0.8 * sum(path.count("re:test(") for path in asking)


def test_an_expression_that_counts_or_matches_nothing_stays() -> None:
    assert haste.faster(".//*[self::div][1]") == ".//*[self::div][1]"
    assert haste.faster("a[re:test(@id, 'x*')]") == "a[re:test(@id, 'x*')]"


def test_what_only_looks_for_words_is_asked_of_no_regular_expression() -> None:
    assert (
        haste.faster("a[re:test(@id|@class, '^b|c d')]")
        == "a[(starts-with(@id|@class, 'b') or contains(@id|@class, 'c d'))]"
    )
    assert haste.faster("a[re:test(@id, 'b', 'i')]") == "a[((@id) and re:test(@id, 'b', 'i'))]"


PARAGRAPH = "<p>A sentence of the article that is long enough to be taken for a part of its text by every engine.</p>"


@pytest.mark.parametrize(
    ("around", "found", "asked"),
    [
        ("<ul>" + "<li><a href=/>A link to another story of the site</a></li>" * 40 + "</ul>", 10, 0),
        ("<div>Words of the page that were not found, however many there are.</div>" * 40, 10, 1),
        ("", 1, 1),
    ],
)
def test_another_engine_is_asked_where_the_page_has_more_than_was_found(around: str, found: int, asked: int) -> None:
    asks: list[str] = []

    def compare(_cleaned: Any, _raw: Any, body: Any, text: str, _options: Any) -> tuple[Any, str]:
        asks.append(text)
        return body, text

    page = html.fromstring(f"<html><body>{PARAGRAPH * 10}{around}</body></html>")
    body = etree.fromstring(f"<body>{PARAGRAPH * found}</body>")
    text = " ".join(map(str, body.itertext()))

    options = SimpleNamespace(focus="precision", fast=False, min_extracted_size=250)
    haste._extracting(lambda *_: (body, text), compare, ".//aside")(page, page, page, options)

    assert len(asks) == asked


_UNTOUCHED = """
import gzip, json, sys, trafilatura
for file in sys.stdin.read().split():
    page = gzip.decompress(open(file, "rb").read())
    for precision in (True, False):
        found = trafilatura.bare_extraction(page, favor_precision=precision, include_comments=False, with_metadata=False)
        print(json.dumps(found.text if found else None))
"""


@pytest.mark.slow
def test_the_text_of_every_recorded_page_is_that_of_trafilatura_untouched(shared: Path) -> None:
    with gzip.open(shared / "corpus" / "articles" / "index.jsonl.gz", "rt", encoding="utf-8") as lines:
        files = [str(shared / "corpus" / json.loads(line)["file"]) for line in lines]
    told = subprocess.run(
        [sys.executable, "-c", _UNTOUCHED], input="\n".join(files), capture_output=True, text=True, check=True
    )
    untouched = [json.loads(line) for line in told.stdout.splitlines()]

    ours = []
    for file in files:
        page = gzip.decompress(Path(file).read_bytes())
        for precision in (True, False):
            found = haste.trafilatura().bare_extraction(
                page, favor_precision=precision, include_comments=False, with_metadata=False
            )
            ours.append(found.text if found else None)

    twice = [file for file in files for _ in (True, False)]
    assert len(untouched) == len(twice)
    assert [file for file, one, other in zip(twice, ours, untouched, strict=True) if one != other] == []


def test_articles_are_read_by_the_prepared_module() -> None:
    with pytest.raises(errors.ExtractError):
        article.read(b"<html><body><div></div></body></html>")

    assert haste.trafilatura.cache_info().currsize == 1


@given(st.text(st.sampled_from("ab<\t\n\r\x00\x08\x0b\x1f\x7fé€\ud800\ufffd\ufffe\uffff\U0001f600")))
def test_characters_that_xml_does_not_have_are_taken_out_as_before(text: str) -> None:
    pattern = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

    assert haste._Invalid(pattern).sub("", text) == pattern.sub("", text)


def test_the_pattern_of_such_characters_is_still_the_one_we_know() -> None:
    haste.trafilatura()
    utils = importlib.import_module("trafilatura.utils")

    assert utils.INVALID_XML_CHARS._pattern.pattern == r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
