"""What the feed itself had into the text of an article, and whether that is the whole of it."""

import re

from aggregator import markup, model

_WHOLE = 250
_WHOLE_TO_SUMMARY = 1.5
_WHOLE_PARAGRAPHS = 3
_MOST_LINKED = 0.4
_MORE = r"(?:read|continue|keep) (?:reading|more|on|the (?:full|whole|original|rest of the) (?:article|story|post))|read original article|weiterlesen|mehr lesen|lire la suite|leer más|seguir leyendo|leia mais|leggi tutto|lees meer"  # noqa: E501
# The last words of a text that goes on elsewhere.
_TRUNCATED = re.compile(
    rf"(?:…|\.\.\.|(?:(?<=\n)|(?<=[.!?…»\])] ))(?:{_MORE})(?: [^\n]{{1,60}})?|\(more\W{{0,3}})[\s\])}}»›→>.\"”']{{0,10}}\Z",
    re.IGNORECASE,
)
# What WordPress appends to what it syndicates, and links that say no more than "read more".
_THE_POST = re.compile(
    r"\s*\bThe post (?:(?!\bThe post )[^\n]){1,300}? (?:appeared first|first appeared) on [^\n]{1,100}\Z", re.IGNORECASE
)
_MORE_LINE = re.compile(rf"\n\W{{0,5}}(?:{_MORE})\W{{0,5}}\Z", re.IGNORECASE)
_LINK = re.compile(r"<a\b[^<>]*>(.{0,2000}?)</a>", re.IGNORECASE | re.DOTALL)


def from_feed(content: str, summary: str) -> model.Article | None:
    """The feed's own text, whichever of the two says more; None when there are no words."""
    text = max(cut_trailers(markup.text(content)), cut_trailers(markup.plain(summary)), key=len)
    return model.Article(text=text, extractor="feed") if any(map(str.isalnum, text)) else None


def is_whole(content: str, summary: str) -> bool:
    """Whether feed content is already the whole article, so that its page need not be fetched.

    Said only where it is plain: long, much longer than the summary, in paragraphs, not mostly links, and without a sign that it
    goes on elsewhere.
    """
    full = markup.text(content)
    without_post = _THE_POST.sub("", full).rstrip()
    words = markup.count_words(without_post)
    if (
        words < _WHOLE
        or words < _WHOLE_TO_SUMMARY * markup.count_words(summary)
        or _TRUNCATED.search(without_post[-200:])
    ):
        return False
    linked = sum(markup.count_words(markup.text(inside)) for inside in _LINK.findall(content))
    return without_post.count("\n") + 1 >= _WHOLE_PARAGRAPHS and linked <= _MOST_LINKED * words


def cut_trailers(text: str) -> str:
    """`text` without the lines at its end that are no part of the article."""
    start, end = text[:-1000], text[-1000:]
    for pattern in (_THE_POST, _MORE_LINE, _THE_POST):
        end = pattern.sub("", end)
    return (start + end).strip()
