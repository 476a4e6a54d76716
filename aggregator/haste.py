"""trafilatura with the same results in two thirds of its time: its XPath expressions are written so that they ask less, its elements are
made without Python, and another engine is asked for its opinion only where that can count."""

import re
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

from lxml import etree, html

_REGEXP = "http://exslt.org/regular-expressions"
# `re:test(@class, '…')`, `re:test(@id|@class, '…', 'i')`.
_TEST = re.compile(r"re:test\((?P<what>@[\w-]+(?:\|@[\w-]+)*), (?P<rest>'(?P<pattern>[^']*)'(?:, '[a-z]*')?)\)")
# At the beginning, after a bracket or a bar: not in the midst of a path.
_ANYWHERE = re.compile(r"(?<![\w)\]/.])\.//\*(?=\[)")
# What counts elements counts others on another axis.
_COUNTS = re.compile(r"\[\s*\d+\s*\]|position\(|last\(")
# trafilatura takes readability's text only if it is more than twice as long as its own.
_TIMES = 2
_HAS_PARAGRAPHS = etree.XPath("boolean(.//p//text())")

Compare = Callable[[Any, Any, Any, str, Any], tuple[Any, str]]


@lru_cache
def trafilatura() -> ModuleType:
    """The module, prepared: 20 MB that only the workers need. Changes it in place, for this whole process."""
    import trafilatura
    from trafilatura import core, external, utils, xpaths

    for listed in vars(xpaths).values():
        if isinstance(listed, list) and all(isinstance(one, etree.XPath) for one in listed):
            listed[:] = [_rewritten(one) for one in listed]
    # lxml.html asks a function in Python for the class of every element that is touched, to tell forms and inputs from others.
    plain = etree.ElementDefaultClassLookup(
        element=html.HtmlElement, comment=html.HtmlComment, pi=html.HtmlProcessingInstruction, entity=html.HtmlEntity
    )
    utils.HTML_PARSER.set_element_class_lookup(plain)
    core.__dict__["compare_extraction"] = _comparing(external.compare_extraction, external.SANITIZED_XPATH)
    return trafilatura


# --------------------------------------------------------------------------------------------------------------- XPath


def _rewritten(asked: etree.XPath) -> etree.XPath:
    path = faster(asked.path)
    return asked if path == asked.path else etree.XPath(path, namespaces={"re": _REGEXP})


def faster(path: str) -> str:
    """An XPath expression that selects the same elements with less work.

    Regular expressions are Python's, and are asked of every element that has not got the attribute, too, unless told not to. And of
    `.//*[…]` libxml2 makes a list of all nodes, and then lists of the children of each.
    """
    guarded = _TEST.sub(_guarded, path)
    return guarded if _COUNTS.search(path) else _ANYWHERE.sub("descendant::*", guarded)


def _guarded(found: re.Match[str]) -> str:
    # One that matches nothing at all would also match what is not there.
    if re.search(found["pattern"], "") is not None:
        return found[0]
    return f"(({' or '.join(found['what'].split('|'))}) and {found[0]})"


# ------------------------------------------------------------------------------------------------------ second opinions


def _comparing(compare: Compare, unclean: str) -> Compare:
    """`compare`, which has readability read the page too, for a third of all the time. Nine pages of ten do not have twice as many
    characters outside links as were found, so that readability cannot win."""
    is_unclean = etree.XPath(unclean)

    def compared(cleaned: Any, raw: Any, body: Any, text: str, options: Any) -> tuple[Any, str]:
        if options.focus != "recall" and _is_plenty(cleaned, body, text, options) and not is_unclean(body):
            return body, text
        return compare(cleaned, raw, body, text, options)

    return compared


def _is_plenty(cleaned: Any, body: Any, text: str, options: Any) -> bool:
    """Whether `text`, that was found in `body`, is as much as the page can have."""
    if len(text) < options.min_extracted_size or not _HAS_PARAGRAPHS(body):
        return False
    if len(body.findall(".//table")) > len(body.findall(".//p")):
        return False
    shown = _characters(cleaned) - sum(_characters(link) for link in cleaned.iter("a"))
    return shown <= _TIMES * len(text)


def _characters(element: Any) -> int:
    return len(" ".join(element.text_content().split()))
