"""trafilatura's XPath expressions select the same elements when they are asked with less work."""

import importlib.util
import re
import string
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html

from aggregator import selecting

RE = {"re": "http://exslt.org/regular-expressions"}
# What is asked of every page.
SELECTING = (
    "BODY_XPATH", "RAW_TREE_PRUNE_XPATH", "REMOVE_COMMENTS_XPATH", "REMOVE_COMMENTS_AND_LISTS_XPATH", "OVERALL_DISCARD_XPATH",
    "TEASER_DISCARD_XPATH", "PRECISION_DISCARD_XPATH", "DISCARD_IMAGE_ELEMENTS",
)  # fmt: skip
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
        rewritten = etree.XPath(selecting.faster(asked.path), namespaces=RE)
        assert rewritten(page) == asked(page), asked.path
        assert selecting.quick(asked)(page) == asked(page), asked.path


PATTERNS = sorted({found for asked in EXPRESSIONS for found in re.findall(r"re:test\(@[\w|@]+, '([^']+)'", asked.path)})
MATCHED = st.sampled_from(PATTERNS).flatmap(
    lambda pattern: st.from_regex(pattern.replace(r"\s", " "), alphabet=string.printable)
)


@given(
    st.sampled_from(TAGS), st.permutations(NAMES), st.lists(MATCHED | st.sampled_from(WORDS), min_size=1, max_size=4)
)
def test_what_a_regular_expression_matches_is_found_by_its_words(tag: str, names: list[str], values: list[str]) -> None:
    values = [re.sub(r"[^ -~]", " ", value) for value in values]
    page = html.Element("html")
    page.append(html.Element(tag, dict(zip(names, values, strict=False))))

    for asked in EXPRESSIONS:
        assert selecting.quick(asked)(page) == asked(page), asked.path


def test_most_expressions_are_asked_by_their_words() -> None:
    asked = [one.path for listed in SELECTING for one in vars(XPATHS)[listed]]
    by_words = [
        path for path in asked if isinstance(selecting.quick(etree.XPath(path, namespaces=RE)), selecting.Selection)
    ]

    assert len(by_words) >= len(asked) - 3
    assert len(asked) == 15


@pytest.mark.parametrize(
    "path",
    [
        ".//a", ".//*[self::a][b]", ".//*[@a and @b]", ".//*[@a]|.//b", ".//*[@a='x'][2]", ".//*[not(@a='x')]",
        ".//*[re:test(@a, 'x{2}')]", ".//*[re:test(@a, 'b*')]", ".//*[@a='']", "(.//*[@a='b'])[2]", ".//*[@a='x'][1][@b]",
    ],
)  # fmt: skip
def test_an_expression_of_another_form_is_left_to_libxml2(path: str) -> None:
    with pytest.raises(ValueError, match="another form"):
        selecting.Selection(path)


def test_the_first_is_the_first_of_its_parent_or_of_all() -> None:
    page = html.fromstring("<main><p><b id=x1></b><b id=x2></b></p><p><b id=x3></b></p></main>")

    assert [one.get("id") for one in selecting.Selection(".//*[contains(@id, 'x')][1]")(page)] == ["x1", "x3"]
    assert [one.get("id") for one in selecting.Selection("(.//*[contains(@id, 'x')])[1]")(page)] == ["x1"]


def test_the_expressions_are_still_written_as_we_know_them() -> None:
    changed = [asked.path for asked in EXPRESSIONS if selecting.faster(asked.path) != asked.path]
    asking = [asked.path for asked in EXPRESSIONS if "re:test" in asked.path]

    assert len(changed) > 20
    quick = [selecting.faster(path) for path in asking]
    assert all(path.count(") and re:test(") == path.count("re:test(") for path in quick)
    assert 0 < sum(path.count("re:test(") for path in quick) < 0.8 * sum(path.count("re:test(") for path in asking)


def test_an_expression_that_counts_or_matches_nothing_stays() -> None:
    assert selecting.faster(".//*[self::div][1]") == ".//*[self::div][1]"
    assert selecting.faster("a[re:test(@id, 'x*')]") == "a[re:test(@id, 'x*')]"


def test_what_only_looks_for_words_is_asked_of_no_regular_expression() -> None:
    assert (
        selecting.faster("a[re:test(@id|@class, '^b|c d')]")
        == "a[(starts-with(@id|@class, 'b') or contains(@id|@class, 'c d'))]"
    )
    assert selecting.faster("a[re:test(@id, 'b', 'i')]") == "a[((@id) and re:test(@id, 'b', 'i'))]"
