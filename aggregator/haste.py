"""trafilatura with the same results in two thirds of its time: its XPath expressions are written so that they ask less, its elements are
made without Python, and another engine is asked for its opinion only where that can count."""

import re
from collections.abc import Callable
from copy import copy
from functools import lru_cache
from types import ModuleType
from typing import Any

from lxml import etree, html

from aggregator import selecting

# trafilatura takes readability's text only if it is more than twice as long as its own.
_TIMES = 2
_HAS_PARAGRAPHS = etree.XPath("boolean(.//p//text())")

Extract = Callable[[Any, Any], tuple[Any, str]]
Compare = Callable[[Any, Any, Any, str, Any], tuple[Any, str]]


@lru_cache
def trafilatura() -> ModuleType:
    """The module, prepared: 20 MB that only the workers need. Changes it in place, for this whole process."""
    import trafilatura
    from trafilatura import core, external, main_extractor, utils, xpaths

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
    return trafilatura


# ------------------------------------------------------------------------------------------------------ second opinions


def _extracting(extract: Extract, compare: Compare, unclean: str) -> Callable[[Any, Any, Any, Any], tuple[Any, str]]:
    """trafilatura's extraction, and the comparison that has readability read a copy of the page, too, for a third of all the time. Nine
    pages of ten do not have twice as many characters outside links as were found, so that readability cannot win."""
    is_unclean = etree.XPath(unclean)

    def extracted(converted: Any, cleaned: Any, tree: Any, options: Any) -> tuple[Any, str]:
        body, text = extract(converted, options)
        if options.fast:
            return body, text
        if options.focus != "recall" and _is_plenty(cleaned, body, text, options) and not is_unclean(body):
            return body, text
        return compare(cleaned, copy(tree), body, text, options)

    return extracted


def _is_plenty(cleaned: Any, body: Any, text: str, options: Any) -> bool:
    """Whether `text`, that was found in `body`, is as much as the page can have."""
    if len(text) < options.min_extracted_size or not _HAS_PARAGRAPHS(body):
        return False
    if len(body.findall(".//table")) > len(body.findall(".//p")):
        return False
    shown = _characters(cleaned) - sum(_characters(link) for link in cleaned.iter("a"))
    return shown <= _TIMES * len(text)


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


def _characters(element: Any) -> int:
    return len(" ".join(element.text_content().split()))
