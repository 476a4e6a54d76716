"""trafilatura with the same results in half of its time: its XPath expressions are written so that they ask less, its elements are
made without Python, the page is copied once instead of five times, and another engine is asked for its opinion only where that can count."""

import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial
from types import ModuleType
from typing import Any

from lxml import etree, html

from aggregator import selecting

# What trafilatura looks for in a page to take it for a forum.
_FORUM = "DiscussionForumPosting"
# trafilatura takes readability's text only if it is more than twice as long as its own.
_TIMES = 2
_HAS_PARAGRAPHS = etree.XPath("boolean(.//p//text())")

Extract = Callable[[Any, Any], tuple[Any, str]]
Compare = Callable[[Any, Any, Any, str, Any], tuple[Any, str]]


@lru_cache
def trafilatura() -> ModuleType:
    """The module, prepared: 20 MB that only the workers need. Changes it in place, for this whole process."""
    import trafilatura
    from trafilatura import core, external, htmlprocessing, main_extractor, utils, xpaths

    for listed in vars(xpaths).values():
        if isinstance(listed, list) and all(isinstance(one, etree.XPath) for one in listed):
            listed[:] = [selecting.quick(one) for one in listed]
    # lxml.html asks a function in Python for the class of every element that is touched, to tell forms and inputs from others.
    plain = etree.ElementDefaultClassLookup(
        element=html.HtmlElement, comment=html.HtmlComment, pi=html.HtmlProcessingInstruction, entity=html.HtmlEntity
    )
    utils.HTML_PARSER.set_element_class_lookup(plain)
    core.__dict__["_extract_and_compare"] = _extracting(
        main_extractor.extract_content, external.compare_extraction, external.SANITIZED_XPATH
    )
    utils.__dict__["INVALID_XML_CHARS"] = _Invalid(utils.INVALID_XML_CHARS)
    for module in (htmlprocessing, main_extractor):
        module.__dict__["prune_unwanted_nodes"] = _pruning(htmlprocessing.prune_unwanted_nodes)
    return trafilatura


def _known(found: Sequence[Any], _tree: Any) -> Sequence[Any]:
    return found


def _pruning(prune: Callable[[Any, Any, bool], Any]) -> Callable[[Any, Any, bool], Any]:
    """What takes out the elements that any of some expressions selects; `prune` is trafilatura's own, which asks them one after the other."""

    def pruned(tree: Any, nodelist: Sequence[Any], with_backup: bool = False) -> Any:
        # Taken out already is what stands in what was taken out before.
        found = selecting.selected(tree, nodelist)
        return prune(tree, [partial(_known, one) for one in found], with_backup)

    return pruned


# ------------------------------------------------------------------------------------------------------------ one copy


def text(tree: Any, *, precision: bool) -> str:
    """The text of the article on a page, which stays as it is: what trafilatura's `bare_extraction` says, without comments and metadata;
    nothing if it finds none. Raises whatever it raises."""
    engine, options = trafilatura(), _options(precision)
    if not precision:
        found = engine.bare_extraction(tree, options=options)
        return str(getattr(found, "text", None) or "")
    try:
        body, length = _precisely(tree, options)
    except (TypeError, ValueError):
        return ""
    return str(engine.xml.xmltotxt(body, options.formatting)) if length >= options.min_output_size else ""


@lru_cache
def _options(precision: bool) -> Any:
    """Made once: each time trafilatura would read a file of settings for it."""
    return trafilatura().settings.Extractor(output_format="python", precision=precision, comments=False)


def _precisely(tree: Any, options: Any) -> tuple[Any, int]:
    """What trafilatura does for precision's sake, and how long the text in it is. It takes copies of the page at each of its steps, in case
    that it finds too little; here they are made again from the page if it does."""
    from trafilatura import core, external, htmlprocessing, xpaths

    is_forum = any(_FORUM in (script.text or "") for script in tree.iter("script")) and core._forum_thread_page(tree)

    def pruned() -> Any:
        return htmlprocessing.prune_unwanted_nodes(
            copy(tree), [*xpaths.RAW_TREE_PRUNE_XPATH, *xpaths.REMOVE_COMMENTS_AND_LISTS_XPATH]
        )

    def cleaned() -> Any:
        return htmlprocessing.tree_cleaning(pruned(), options)

    def converted(page: Any) -> Any:
        page = htmlprocessing.convert_tags(page, options)
        return page if is_forum else htmlprocessing.prune_unwanted_nodes(page, xpaths.REMOVE_COMMENTS_XPATH)

    page = cleaned()
    shown = _Shown.on(page)
    body, text = _content(converted(page), lambda: converted(cleaned()), options)
    if not _is_plenty(shown, body, text, options, external.SANITIZED_XPATH):
        body, text = external.compare_extraction(cleaned(), pruned(), body, text, options)
    return body, len(text)


def _content(page: Any, again: Callable[[], Any], options: Any) -> tuple[Any, str]:
    """As `main_extractor.extract_content`; the page as it was, for more of it, is only made where too little is found."""
    from trafilatura import main_extractor as main
    from trafilatura import utils, xml
    from trafilatura.settings import MIN_DUPLICATE_LENGTH

    order = list(page.iter())
    body, text, tags = main._extract(page, options)
    if len(body) == 0 or len(text) < options.min_extracted_size:
        backup = again()
        consumed = {twin for one, twin in zip(order, backup.iter(), strict=True) if one.tag == "done"}
        body = main.recover_wild_text(backup, body, options, tags, consumed)
        text = " ".join(map(str, body.itertext())).strip()
    previous = None
    for one in list(body):
        said = main._elem_text(one)
        if said and said == previous and len(said) > MIN_DUPLICATE_LENGTH:
            xml.delete_element(one, keep_tail=False)
        else:
            previous = said
    etree.strip_elements(body, "done")
    etree.strip_tags(body, "div")
    for broken in body.iter("lb"):
        is_blank = broken.tail and not utils.text_chars_test(broken.tail)
        if is_blank and not any(around.tag in utils.SPACING_PROTECTED for around in broken.iterancestors()):
            broken.tail = None
    return body, text


# ------------------------------------------------------------------------------------------------------ second opinions


def _extracting(extract: Extract, compare: Compare, unclean: str) -> Callable[[Any, Any, Any, Any], tuple[Any, str]]:
    """trafilatura's extraction, and the comparison that has readability read a copy of the page, too, for a third of all the time. Nine
    pages of ten do not have twice as many characters outside links as were found, so that readability cannot win."""

    def extracted(converted: Any, cleaned: Any, tree: Any, options: Any) -> tuple[Any, str]:
        body, text = extract(converted, options)
        if options.fast:
            return body, text
        if options.focus != "recall" and _is_plenty(_Shown.on(cleaned), body, text, options, unclean):
            return body, text
        return compare(cleaned, copy(tree), body, text, options)

    return extracted


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a page says, and what of it is links."""

    text: str
    links: Sequence[str]

    @classmethod
    def on(cls, page: Any) -> "_Shown":
        """Taken from a page that is going to be changed."""
        return cls(page.text_content(), [link.text_content() for link in page.iter("a")])

    def is_within(self, most: int) -> bool:
        """Whether there are no more than so many characters outside links."""
        shown = _characters(self.text)
        return shown <= most or shown - sum(map(_characters, self.links)) <= most


def _is_plenty(shown: _Shown, body: Any, text: str, options: Any, unclean: str) -> bool:
    """Whether `text`, that was found in `body`, is as much as the page can have, and has nothing `unclean`, an expression."""
    if len(text) < options.min_extracted_size or not _HAS_PARAGRAPHS(body):
        return False
    if len(body.findall(".//table")) > len(body.findall(".//p")):
        return False
    return shown.is_within(_TIMES * len(text)) and not body.xpath(unclean)


class _Invalid:
    """A pattern for characters that XML does not have, which only looks for them one by one where there are any."""

    _CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def sub(self, to: str, text: str) -> str:
        """As the pattern's own."""
        coded = text.encode("utf-8", "surrogatepass")
        odd = "\ufffe" in text or "\uffff" in text
        if not odd and len(coded.translate(None, self._CONTROLS)) == len(coded):
            return text
        return self._pattern.sub(to, text)


def _characters(text: str) -> int:
    return len(" ".join(text.split()))
