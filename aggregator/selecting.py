"""trafilatura's XPath expressions into what selects the same elements in a quarter of the time.

Most look for attributes with certain words. libxml2 asks every element for every word; here the attributes of all elements are one text in
which each word is looked for, and libxml2 is only asked for the elements that have one. Others are written so that they ask less."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from lxml import etree

_REGEXP = "http://exslt.org/regular-expressions"
# `re:test(@class, '…')`, `re:test(@id|@class, '…', 'i')`.
_TEST = re.compile(r"re:test\((?P<what>@[\w-]+(?:\|@[\w-]+)*), (?P<rest>'(?P<pattern>[^']*)'(?:, '[a-z]*')?)\)")
# Expressions that are no more than words, which libxml2 finds by itself: looking for one takes a fiftieth of a call to Python.
_WORDS, _MOST_WORDS = re.compile(r"\^?[\w -]+(?:\|\^?[\w -]+)*"), 25
# At the beginning, after a bracket or a bar: not in the midst of a path.
_ANYWHERE = re.compile(r"(?<![\w)\]/.])\.//\*(?=\[)")
# What counts elements counts others on another axis.
_COUNTS = re.compile(r"\[\s*\d+\s*\]|position\(|last\(")
# `.//*[…]…`, `.//*[…]…[1]` and `(.//*[…]…)[1]`.
_FORM = re.compile(r"\s*(?P<sole>\()?\s*\.//\*(?P<asked>\[.*?\])\s*(?P<first>(?(sole)\)\s*)\[1\])?\s*", re.DOTALL)
_ELEMENTS = re.compile(r"\s*self::[\w-]+(?:\s+or\s+self::[\w-]+)*\s*")
_CONDITION = re.compile(
    r"(?P<name>@[\w-]+)"
    r"|@[\w-]+\s*=\s*'(?P<value>[^']+)'"
    r"|(?:contains|starts-with)\((?:@[\w|@-]+|translate\([^()]*\)),\s*'(?P<words>[^']+)'\)"
    r"|re:test\(@[\w|@-]+,\s*'(?P<pattern>[^']+)'(?:,\s*'i')?\)"
)
_AHEAD, _GROUP = re.compile(r"\(\?![^()]*\)"), re.compile(r"\((?:\?:)?([^()]*)\)")
# What is no letter of its own in a regular expression, or need not be there.
_NO_LETTERS = re.compile(r"\\?.[?*+{]|\\.|\[[^\]]*\][?*+{]?|[.^$]")


def selected(tree: Any, asked: Sequence["etree.XPath | Selection"]) -> list[Sequence[Any]]:
    """What each of these selects below `tree`; those that mean the same kinds of elements look through them together."""
    known: dict[tuple[tuple[str, ...], bool], Elements] = {}
    found: list[Sequence[Any]] = []
    for one in asked:
        if isinstance(one, Selection):
            if (one.tags, one.names) not in known:
                known[one.tags, one.names] = Elements(tree, one.tags, names=one.names)
            found.append(one.among(known[one.tags, one.names]))
        else:
            found.append(cast("list[Any]", one(tree)))
    return found


def quick(asked: etree.XPath) -> "etree.XPath | Selection":
    """What selects as `asked` does."""
    try:
        return Selection(asked.path)
    except ValueError:
        path = faster(asked.path)
        return asked if path == asked.path else etree.XPath(path, namespaces={"re": _REGEXP})


def faster(path: str) -> str:
    """An XPath expression that selects the same elements with less work.

    Regular expressions are Python's, and are asked of every element that has not got the attribute, too, unless told not to; many only look
    for words. And of `.//*[…]` libxml2 makes a list of all nodes, and then lists of the children of each.
    """
    guarded = _TEST.sub(_guarded, path)
    return guarded if _COUNTS.search(path) else _ANYWHERE.sub("descendant::*", guarded)


def _guarded(found: re.Match[str]) -> str:
    words = found["pattern"].split("|")
    if (
        _WORDS.fullmatch(found["pattern"])
        and len(words) <= _MOST_WORDS
        and found["rest"].endswith(f"'{found['pattern']}'")
    ):
        return f"({' or '.join(_plainly(found['what'], word) for word in words)})"
    # One that matches nothing at all would also match what is not there.
    if re.search(found["pattern"], "") is not None:
        return found[0]
    return f"(({' or '.join(found['what'].split('|'))}) and {found[0]})"


def _plainly(what: str, word: str) -> str:
    return f"starts-with({what}, '{word[1:]}')" if word.startswith("^") else f"contains({what}, '{word}')"


# ---------------------------------------------------------------------------------------------------- words in attributes


class Selection:
    """As etree.XPath, for an expression whose elements all have one of certain words in their attributes. Raises ValueError for another."""

    def __init__(self, path: str) -> None:
        found = _FORM.fullmatch(path)
        if found is None or _COUNTS.search(found["asked"]):
            raise ValueError("of another form")
        first, *rest = _predicates(found["asked"])
        self.path, self.tags = path, ("*",)
        if _ELEMENTS.fullmatch(first) and rest:
            self.tags, first = tuple(re.findall(r"self::([\w-]+)", first)), rest[0]
        self.words, self.names = _needed(first)
        self._is = etree.XPath(f"boolean(self::*{faster(found['asked'])})", namespaces={"re": _REGEXP})
        self._limited = "" if found["first"] is None else "all" if found["sole"] else "each"

    def __call__(self, tree: Any) -> list[Any]:
        """The elements below `tree` that are meant, in their order."""
        found = self.among(Elements(tree, self.tags, names=self.names))
        if self._limited == "all":
            return found[:1]
        return list(_first_of_each(found)) if self._limited else found

    def among(self, elements: "Elements") -> list[Any]:
        """Those of `elements` that are meant, in their order; all of them."""
        return [one for at in elements.having(self.words) if self._is(one := elements.all[at])]


class Elements:
    """The elements of some kinds below `tree`, and what their attributes say, with their names or without."""

    def __init__(self, tree: Any, tags: Sequence[str], *, names: bool) -> None:
        self.all = list(tree.iterdescendants(*tags))
        # No attribute holds a zero byte.
        told = [" ".join(one.values() + one.keys() if names else one.values()) for one in self.all]
        self._told = "\0".join(told).casefold()

    def having(self, words: Sequence[str]) -> list[int]:
        """Which of them have one of the words."""
        places = set()
        for word in words:
            at = self._told.find(word)
            while at >= 0:
                places.add(self._told.count("\0", 0, at))
                end = self._told.find("\0", at)
                at = self._told.find(word, end) if end >= 0 else -1
        return sorted(places)


def _first_of_each(found: Sequence[Any]) -> Iterator[Any]:
    """The first of those with the same parent."""
    known = set()
    for one in found:
        if (parent := one.getparent()) not in known:
            known.add(parent)
            yield one


def _predicates(asked: str) -> list[str]:
    """`[a][b]` as its parts."""
    parts, depth, quoted, start = list[str](), 0, False, 0
    for at, sign in enumerate(asked):
        quoted ^= sign == "'"
        if quoted or sign not in "[]":
            if not (depth or quoted or sign.isspace()):
                raise ValueError("of another form")
            continue
        depth += 1 if sign == "[" else -1
        if sign == "[" and depth == 1:
            start = at + 1
        elif depth == 0:
            parts.append(asked[start:at])
    return parts


def _needed(condition: str) -> tuple[tuple[str, ...], bool]:
    """The words of which an element must have one in its attributes, and whether the names of these count."""
    words, names = dict[str, None](), False
    for asked in re.split(r"\s+or\s+", condition.strip()):
        found = _CONDITION.fullmatch(asked)
        if found is None:
            raise ValueError("of another form")
        names |= found["name"] is not None
        whole = found["name"][1:] if found["name"] else found["value"] or found["words"]
        words.update(dict.fromkeys([whole.casefold()] if whole else _letters(found["pattern"])))
    return tuple(one for one in words if not any(other in one for other in words if other != one)), names


def _letters(pattern: str) -> Iterator[str]:
    """For each alternative of a regular expression letters that whatever it matches has."""
    if "{" in pattern:
        raise ValueError("of another form")
    for part in _alternatives(_AHEAD.sub("", pattern)):
        letters = max(_NO_LETTERS.sub("\0", _GROUP.sub("\0", part)).split("\0"), key=len)
        if letters and not re.search(r"[()|\[\]\\]", letters):
            yield letters.casefold()
        elif group := _GROUP.search(part):
            for inside in group[1].split("|"):
                yield from _letters(f"{part[: group.start()]}{inside}{part[group.end() :]}")
        else:
            raise ValueError("of another form")


def _alternatives(pattern: str) -> list[str]:
    """The parts of a regular expression between its outer bars."""
    parts, depth = [""], 0
    for sign in pattern:
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
