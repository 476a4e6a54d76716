"""What stands in a text beside the article, cut from it and kept apart: paragraphs that a source puts into many of its articles, and
what is known for such from the first article on. No paragraph that stands in one article only is learned."""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from aggregator import markup

# Shorter paragraphs are often headings that articles share by chance ("Background"); in scripts without spaces a character is a word.
_LEAST_WORDS = 4
# Boxes are short, and what is longer stands at the beginning or at the end; the rest is not worth a row in the database.
_SHORT_WORDS, _FIRST, _LAST = 30, 2, 6
_LONGEST_SENTENCE = 60
# More of an article are not remembered: of a longer one the first and the last.
_MOST, _MOST_FIRST = 70, 10
# A paragraph in so many articles, that are so large a part of those remembered: one of fifty, but never more than ten.
_ARTICLES, _SHARE, _ENOUGH = 3, 0.02, 10
# What is longer than `_SHORT_WORDS` and stands inside is rather background that authors use again, unless so many have it; in scripts
# without spaces, where it takes two or three characters to say a word, longer than this.
_SHORT_DENSE = 75
_LARGE_ARTICLES, _LARGE_SHARE = 4, 0.25
# Such a line may follow what stands at the end: whom to follow, where to sign up.
_LINE_WORDS = 15
# From so many articles on `least` is what it is of any number, and more are not counted.
COUNTED = int((_ENOUGH - 1) / _SHARE) + 1
# Two items of which one has so much of the other are versions of one article, or a live report and its beginning.
_SAME_ARTICLE = 0.6
# Without so many words of its own an item is rather a notice that its source sends often.
_LEAST_LEFT = 20
# What was cut may be another article if it has so many words.
_ARTICLE = 60

_WORD = re.compile(r"\w+")
# What WordPress puts behind what it syndicates; a title begins with a capital, a post office does not.
_THE_POST = re.compile(
    r"\bThe post (?P<title>(?![a-z])(?:(?!\bThe post )[^\n]){1,300}?) (?:appeared first|first appeared) on [^\n]{1,80}?(?:\.(?=\s|\Z)|(?=\n)|\Z)"
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = rf"(?:{_MONTH} \d{{1,2}}, \d{{4}}|\d{{1,2}} {_MONTH} \d{{4}})"
_READ_MORE = r"(?:Read more|Read full article|Continue reading)"
# "Sep 16, 2025 News <title> <first sentence> Read more" inside a line, as the tags of a box leave it behind.
_TEASER = re.compile(
    rf"{_DATE} [A-Z][\w-]{{2,20}} (?:(?!{_DATE} |{_READ_MORE})[^\n]){{20,600}}? {_READ_MORE}(?![\w’'])(?: *[.»›→])*"
)
_DATE_LINE = re.compile(rf"{_DATE}(?:\W{{1,3}}?[A-Z][\w-]{{2,20}})?")
_MORE_LINE = re.compile(rf"{_READ_MORE}\W{{0,5}}", re.IGNORECASE)
# The lines of a teaser between its date and its "Read more".
_TEASER_LINES, _TEASER_WORDS = 4, 60
_NETWORK = (
    r"(?:facebook|twitter|x|linkedin|whatsapp|e-?mail|pinterest|reddit|telegram|bluesky|threads|mastodon|pocket|flipboard|tumblr|"
    r"print|copy link|link)"
)
_LINE = re.compile(
    # Links to other stories, named as such,
    r"(?:read (?:more|also|next)|also read|see also|related(?: (?:stor(?:y|ies)|articles?|content|posts?|reading))?|"
    r"more on this story)\s?[:|»].{0,200}"
    r"|also on [\w-]{2,30}\.[a-z]{2,12} .{0,200}"
    # invitations to share, advertisements and empty buttons.
    rf"|(?:(?:share|follow us)(?: (?:on|via|this)){{0,2}}\W{{0,3}})?(?:(?:on|via)? ?{_NETWORK}\b[\s,|/·•&]*(?:and |or )?){{2,10}}\W{{0,3}}"
    rf"|share (?:on|via|by) {_NETWORK}\W{{0,3}}"
    r"|(?:like (?:this|the) (?:story|article|post)\?|enjoyed (?:this|the) (?:story|article|post)\?) ?.{0,20}share.{0,60}"
    r"|(?:please )?share this(?: (?:article|story|post|page|entry))?(?: (?:with|on) .{1,40})?\W{0,3}"
    r"|advertisement\W{0,3}|story continues below(?: advertisement)?\W{0,3}|"
    r"article continues (?:below|after) (?:the |this )?(?:ad|advertisement)\W{0,3}",
    re.IGNORECASE,
)
_LINE_MOST = 260
# At the very end, behind a sentence.
_END = re.compile(rf"(?<=[.!?…\"”’)\]])\s{{1,3}}(?:{_READ_MORE}|\[?Read original article\]?)[\s.…»›→]{{0,6}}\Z")
_CREDIT = re.compile(r"\b(?:photos?|credits?|images?|pictures?|foto|bild|getty|reuters|afp|epa)\b|©", re.IGNORECASE)
# A line longer than this is a text that has lost its lines: its sentences stand for the paragraphs.
_FLAT = 1000
_SENTENCE = re.compile(r"(?<=[.!?…])[\"”’')\]]{0,2} +(?=[^\Wa-z_]|[“\"‘'(\[])")
_CAPTION_LEAST, _CAPTION_MOST = 6, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """`text` is the article, `apart` what was cut from it, a line each; `uncut` the text with what its source is known for, the same whatever
    was learned before."""

    text: str
    apart: tuple[str, ...] = ()
    uncut: str = ""


def cut(text: str, title: str = "", learned: AbstractSet[int] = frozenset()) -> Cut:
    """The text of an article without what is known for boilerplate, and without the paragraphs that its source is known for."""
    lines, apart = text.split("\n"), list[str]()
    for step in (_other_articles, _footers, _teasers, _known_lines, _captions):
        lines = step(lines, title, apart)
    whole = uncut = _joined(lines)
    if learned:
        whole = _joined(_unlearned(lines, learned, apart))
    end = _END.search(whole[-60:])
    if end is not None:
        apart.append(end[0].strip())
        whole = whole[: len(whole) - len(end[0])]
    return Cut(text=whole, apart=tuple(apart), uncut=uncut) if whole.strip() else Cut(text=text, uncut=uncut)


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line)


def _unlearned(lines: list[str], learned: AbstractSet[int], apart: list[str]) -> list[str]:
    """Without the paragraphs that the source is known for, unless hardly anything else is there."""
    parts = [[(part, hashed(part) in learned) for part in _parts(line)] for line in lines]
    left = [
        " ".join(part for part, known in line if not known) if any(known for _, known in line) else whole
        for whole, line in zip(lines, parts, strict=True)
    ]
    gone = [part for line in parts for part, known in line if known]
    if not gone or markup.count_words("\n".join(left)) < _LEAST_LEFT:
        return lines
    apart += gone
    return [line for line in left if line]


def paragraphs(text: str) -> list[str]:
    """What may recur in other articles: the lines of a text; the sentences of one that has lost its lines."""
    return [part for line in text.split("\n") for part in _parts(line)]


def _parts(line: str) -> list[str]:
    if len(line) <= _FLAT:
        return [line]
    ends = [found.end() for found in _SENTENCE.finditer(line)]
    return [line[start:end].strip() for start, end in zip([0, *ends], [*ends, len(line)], strict=True)]


# ------------------------------------------------------------------------------------------------------------ learning


def hashed(line: str) -> int:
    """A paragraph as 63 bits of its words."""
    words = " ".join(line.lower().split())
    return int.from_bytes(hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


def candidates(text: str) -> Mapping[int, str]:
    """The paragraphs that may turn out to be boilerplate of their source, by their hashes, at most seventy."""
    parts = [part for part in paragraphs(text) if markup.count_words(part) >= _LEAST_WORDS]
    longest = _SHORT_WORDS if max(map(len, text.split("\n"))) <= _FLAT else _LONGEST_SENTENCE
    outer = {*range(_FIRST), *range(len(parts) - _LAST, len(parts))}
    chosen = [part for number, part in enumerate(parts) if number in outer or markup.count_words(part) <= longest]
    found = {hashed(part): part for part in chosen}
    if len(found) <= _MOST:
        return found
    hashes = list(found)
    return {one: found[one] for one in (*hashes[:_MOST_FIRST], *hashes[_MOST_FIRST - _MOST :])}


def least(articles: int) -> int:
    """How many articles must have a paragraph, of so many."""
    return max(_ARTICLES, math.ceil(min(_SHARE * articles, _ENOUGH)))


def large(articles: int) -> int:
    """How many articles must have a paragraph that `may_be_background`."""
    return max(_LARGE_ARTICLES, math.ceil(_LARGE_SHARE * min(articles, COUNTED)))


def may_be_background(paragraph: str) -> bool:
    """Whether it is as long as a paragraph of an article: only where it stands tells it from one that is used again."""
    words, characters = markup.count_words(paragraph), len(markup.SPACELESS.findall(paragraph))
    return words > (_SHORT_DENSE if 2 * characters > words else _SHORT_WORDS)


def edges(paragraphs: Mapping[int, str]) -> frozenset[int]:
    """Those of an article's `candidates` that stand at its beginning or end, where no background stands."""
    hashes = list(paragraphs)
    ended = len(hashes) > 2 and markup.count_words(paragraphs[hashes[-1]]) <= _LINE_WORDS
    return frozenset((*hashes[:1], *hashes[-2 if ended else -1 :]))


def different(articles: Mapping[int, AbstractSet[int]], learned: AbstractSet[int] = frozenset()) -> int:
    """How many of these articles, of which each is the hashes of its paragraphs, are no versions of each other. What is versions of one
    counts once, in whatever order they came; the more is known for boilerplate, the fewer are."""
    alike = {
        one: [other for other in articles if other != one and _same(articles[one], articles[other], learned)]
        for one in articles
    }
    kept = set[int]()
    for one in sorted(alike, key=lambda one: (len(alike[one]), one)):
        if kept.isdisjoint(alike[one]):
            kept.add(one)
    return len(kept)


def _same(one: AbstractSet[int], other: AbstractSet[int], learned: AbstractSet[int]) -> bool:
    return len((one & other) - learned) > _SAME_ARTICLE * min(len(one), len(other))


# --------------------------------------------------------------------------------------------------------- known kinds


def _key(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def _other_articles(lines: list[str], title: str, apart: list[str]) -> list[str]:
    """Without what follows the footer of this article: pages that show several syndicated ones after each other."""
    wanted = _key(title)
    for number, line in enumerate(lines if wanted else ()):
        for found in _THE_POST.finditer(line):
            if _key(found["title"]) == wanted:
                rest = line[found.end() :].strip()
                apart += [found[0], *filter(None, [rest]), *lines[number + 1 :]]
                return [*lines[:number], line[: found.start()].strip()]
    return lines


def _footers(lines: list[str], _title: str, apart: list[str]) -> list[str]:
    return [_without(line, _THE_POST, apart) if "appeared" in line else line for line in lines]


def _teasers(lines: list[str], _title: str, apart: list[str]) -> list[str]:
    """Without boxes that lead to other stories, whether on one line or on several."""
    kept: list[str] = []
    at = 0
    while at < len(lines):
        end = _teaser_end(lines, at)
        if end:
            apart += lines[at:end]
            at = end
            continue
        line = lines[at]
        kept.append(_without(line, _TEASER, apart) if "ead" in line else line)
        at += 1
    return kept


def _teaser_end(lines: Sequence[str], at: int) -> int:
    """Where the teaser ends whose date is line `at`; 0 if there is none."""
    if len(lines[at]) > _LINE_MOST or not _DATE_LINE.fullmatch(lines[at].strip()):
        return 0
    words = 0
    for number in range(at + 1, min(at + _TEASER_LINES + 2, len(lines))):
        if _MORE_LINE.fullmatch(lines[number].strip()):
            return number + 1
        words += len(lines[number].split())
        if words > _TEASER_WORDS:
            break
    return 0


def _known_lines(lines: list[str], _title: str, apart: list[str]) -> list[str]:
    kept = []
    for line in lines:
        bare = line.strip(" -*•–")
        if len(bare) <= _LINE_MOST and _LINE.fullmatch(bare):
            apart.append(line)
        else:
            kept.append(line)
    return kept


def _captions(lines: list[str], _title: str, apart: list[str]) -> list[str]:
    """Without captions of pictures in texts whose lines were lost: they stand twice, once for those who do not see the picture."""
    return [_uncaptioned(line, apart) if len(line) > _FLAT else line for line in lines]


def _uncaptioned(line: str, apart: list[str]) -> str:
    words = line.split()
    at = 0
    while at < len(words):
        if _CREDIT.search(words[at]) and (twice := _twice(words, at)):
            start, size = twice
            apart += [" ".join(words[start : start + size])] * 2
            del words[start : start + 2 * size]
            at = start
        else:
            at += 1
    return " ".join(words)


def _twice(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """Where the words that stand twice in direct succession around word `at` begin, and how many they are."""
    for size in range(_CAPTION_LEAST, min(_CAPTION_MOST, len(words) - at - 1) + 1):
        if words[at] != words[at + size]:
            continue
        start, end = at, at + 1
        while start > 0 and end - start < size and words[start - 1] == words[start - 1 + size]:
            start -= 1
        while end + size < len(words) and end - start < size and words[end] == words[end + size]:
            end += 1
        if end - start == size:
            return start, size
    return None


def _without(line: str, pattern: re.Pattern[str], apart: list[str]) -> str:
    found = [one[0] for one in pattern.finditer(line)]
    if not found:
        return line
    apart += found
    return " ".join(pattern.sub(" ", line).split())


def whole(text: str, apart: str | None) -> str:
    """An article with what was cut from it, where that is so much that it may be articles, too: what a page says as a whole, whatever its
    source became known for since."""
    return f"{text}\n{apart}" if apart and markup.count_words(apart) >= _ARTICLE else text


def joined(*parts: Iterable[str] | None) -> str | None:
    """What was cut as it is stored, each line once; None if that is nothing."""
    return "\n".join(dict.fromkeys(line for part in parts for line in (part or ()) if line)) or None
