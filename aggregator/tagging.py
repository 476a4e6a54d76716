"""A text into tags: topics of the taxonomy, the feed's categories, the configured ones, the year, and keywords. Pure, same in same out."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from aggregator import config, markup, model

# What stands in the title is what an article is about.
_TITLE_WEIGHT = 3.0
_MOST_CHARACTERS = 200_000
_KEYWORDS = 10
_SHORTEST_KEYWORD = 4
# A few MB, and more words than the texts of a day have.
_MOST_KNOWN = 50_000
# Letters, digits and the marks that go with them, which `\w` leaves out: of Hebrew, Arabic and the scripts of India.
_LETTERS = r"[\w\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff]+"
_WORD = re.compile(_LETTERS)
_PATTERN = re.compile(rf"{_LETTERS}\*?")
_WORD_OR_STOP = re.compile(rf"{_LETTERS}|[.,;:!?…](?=\s)|[()\n。，、！？]")

# The commonest words that say nothing of a text, by language.
_STOP: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "about above after again against also although among another around because been before being below between both "
        "came could does doing down during each even every first from further have having here hers herself himself however "
        "into itself just last least less like made make many might more most much must never next only onto other others over "
        "part people said same says should since some still such take than that their them then there these they this those "
        "three through told under until upon very want well were what when where which while will with within without would "
        "year years your according across already always around away back become becomes come going good including know long "
        "need news number often once ones our ours per put rather really right second several show shows side something two use "
        "used using way ways whether whose work works yet aren couldn didn doesn hadn hasn haven isn shouldn wasn weren wouldn",
        "es": "sobre entre para como pero más este esta estos estas desde hasta cuando donde porque también según todo todos todas "
        "otro otros otras años había sido será están tiene tienen hace hacer puede pueden muy sólo solo mismo ante contra durante "
        "quien quienes dijo parte cada ellos ellas nosotros aunque mientras después antes",
        "fr": "avec dans pour plus cette sont aussi mais comme tout tous toute leur leurs elle elles nous vous être avoir fait faire "
        "peut selon entre depuis encore même après avant sans sous très deux dont ainsi celui celle ceux alors autre autres chez "
        "était étaient sera années était contre pendant parce lors",
        "de": "aber alle allem allen aller alles also andere anderen auch auf aus bei beim bereits bis dabei damit dann dass dem den "
        "denn der des deshalb die dies diese diesem diesen dieser dieses doch dort durch eine einem einen einer eines etwa gegen "
        "habe haben hatte hatten hier ihre ihrem ihren ihrer immer jahr jahre jahren jetzt kann kein keine können mehr muss müssen "
        "nach nicht noch nur oder ohne schon sehr sein seine seinem seinen seiner seit sich sind sollen sowie über unter viele vom "
        "von vor waren was weil weiter wenn werden wird wurde wurden zum zur zwei zwischen",
        "pt": "sobre entre para como mais mas esta este estes estas desde até quando onde porque também segundo todo todos todas outro "
        "outros outras anos havia sido será estão tem ainda pode podem muito mesmo contra durante quem disse parte cada eles elas "
        "depois antes pelo pela pelos pelas isso não são foram",
        "it": "alla alle anche ancora anni anno avere aveva come contro così cosa dalla dalle dello degli delle della dopo dove erano "
        "essere fare fatto hanno loro molto nella nelle nello negli non ogni oltre perché però più poco prima quando quello quella "
        "questa queste questi questo sempre senza sono stata state stati stato sulla sulle tutti tutto una uno",
        "nl": "aan alle alleen andere bij door dan dat deze die dit doen door echter een geen haar hebben heeft hier hoe hun jaar jaren "
        "kan kunnen maar meer met moet moeten naar niet nog omdat onder ook over tegen tot tussen uit van veel voor waar waren wat "
        "wel werd werden wij wordt worden zal zich zijn zoals zou",
    }.items()
}
_EVERY_STOP = frozenset().union(*_STOP.values())


def tags(job: model.DraftJob, text: str, taxonomy: config.Taxonomy) -> tuple[model.Tag, ...]:
    """All tags of an item, the best first, then by name; no two of one kind are equal."""
    title, words = _split(job.title), _split(text[:_MOST_CHARACTERS])
    found = [
        *_topics(title, words, job.language, taxonomy),
        *_configured(job),
        *_year(job),
        *_keywords(title, words, job.language),
    ]
    best: dict[tuple[str, str], model.Tag] = {}
    for tag in found:
        best.setdefault((tag.kind, tag.tag), tag)
    return tuple(sorted(best.values(), key=lambda tag: (-tag.score, tag.tag, tag.kind)))


def _configured(job: model.DraftJob) -> Iterable[model.Tag]:
    if job.source_category and (name := slug(job.source_category)):
        yield model.Tag(tag=name, kind="category", origin="config")
    for word in job.source_tags:
        if name := slug(word):
            yield model.Tag(tag=name, kind="source", origin="config")
    for word in job.categories:
        if name := slug(word):
            yield model.Tag(tag=name, kind="category", origin="feed")


def _year(job: model.DraftJob) -> Iterable[model.Tag]:
    if job.published_at is not None:
        yield model.Tag(tag=f"year-{job.published_at.year}", kind="year", origin="date")


def slug(word: str) -> str:
    """`word` in lower case, its words joined by hyphens, at most 80 characters."""
    return "-".join(_WORD.findall(unicodedata.normalize("NFKC", word).casefold())).strip("-_")[:80].rstrip("-_")


# -------------------------------------------------------------------------------------------------------------- topics


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Words in a row, each with whether it may go on ("climat*"), and the topics they speak for."""

    words: tuple[tuple[str, bool], ...]
    topics: tuple[str, ...]

    def at(self, words: Sequence[str], start: int) -> bool:
        """Whether the phrase stands in `words` from `start` on."""
        if start + len(self.words) > len(words):
            return False
        for place, (word, open_ended) in enumerate(self.words, start):
            if not (words[place].startswith(word) if open_ended else words[place] == word):
                return False
        return True


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The phrases of a language, the longest first, by their first word or by its beginning."""

    whole: Mapping[str, tuple[_Phrase, ...]]
    beginnings: Mapping[str, tuple[_Phrase, ...]]
    lengths: tuple[int, ...]
    # What was found before: most words of a text are those of others.
    known: dict[str, tuple[_Phrase, ...]] = field(default_factory=dict)

    def among(self, words: Collection[str]) -> Mapping[str, tuple[_Phrase, ...]]:
        """Those of `words` that phrases begin with, most do not, with the phrases."""
        if len(self.known) >= _MOST_KNOWN:
            self.known.clear()
        each, known = set(words), self.known
        for word in each.difference(known):
            known[word] = self._starting_with(word)
        return {word: phrases for word in each if (phrases := known[word])}

    def _starting_with(self, word: str) -> tuple[_Phrase, ...]:
        """All phrases whose first word `word` may be."""
        found = [*self.whole.get(word, ())]
        for length in self.lengths:
            if length > len(word):
                break
            if phrases := self.beginnings.get(word[:length]):
                found += phrases
        return tuple(sorted(found, key=lambda phrase: -len(phrase.words))) if found else ()


def _topics(
    title: Sequence[str], words: Sequence[str], language: str | None, taxonomy: config.Taxonomy
) -> Iterable[model.Tag]:
    compiled = _compile(taxonomy.json_text, _language(language, taxonomy))
    scores: dict[str, float] = {}
    for part, weight in ((title, _TITLE_WEIGHT), (words, 1.0)):
        for name, count in _hits(compiled, part).items():
            scores[name] = scores.get(name, 0.0) + count * weight
    origin = f"taxonomy@{taxonomy.version}"
    for topic in taxonomy.topics:
        score = round(scores.get(topic.tag, 0.0), 3)
        if score >= topic.threshold:
            yield model.Tag(tag=topic.tag, kind="topic", origin=origin, score=score)


def _hits(compiled: _Compiled, words: Sequence[str]) -> Counter[str]:
    """How often each topic is spoken of. A stretch of text counts once for a topic, and for every topic that has words there."""
    hits: Counter[str] = Counter()
    taken: dict[str, int] = {}
    begins = compiled.among(words)
    for start in [at for at, word in enumerate(words) if word in begins]:
        for phrase in begins[words[start]]:
            for topic in phrase.topics if phrase.at(words, start) else ():
                if taken.get(topic, 0) <= start:
                    hits[topic] += 1
                    taken[topic] = start + len(phrase.words)
    return hits


def _split(text: str) -> list[str]:
    """Lower-case words, and the punctuation between them that ends a phrase: "coal. Plants" are no coal plants."""
    return _WORD_OR_STOP.findall(markup.spaced(unicodedata.normalize("NFKC", text).casefold()))


def _language(language: str | None, taxonomy: config.Taxonomy) -> str:
    """The language whose words are looked for: the item's if the taxonomy has it, English otherwise."""
    told = (language or "en").lower()
    known = {one for topic in taxonomy.topics for one in topic.words}
    return next((one for one in (told, told.partition("-")[0]) if one in known), "en")


@lru_cache(maxsize=16)
def _compile(taxonomy: str, language: str) -> _Compiled:
    """The phrases of `taxonomy`, which is its JSON: every job brings a copy of its own, and equal ones need be compiled once."""
    topics: dict[tuple[tuple[str, bool], ...], list[str]] = {}
    for topic in config.Taxonomy.model_validate_json(taxonomy).topics:
        for pattern in topic.words.get(language, ()):
            words = tuple((word.rstrip("*"), word.endswith("*")) for word in _PATTERN.findall(_plain(pattern)))
            if words and topic.tag not in topics.setdefault(words, []):
                topics[words].append(topic.tag)
    whole: dict[str, list[_Phrase]] = {}
    beginnings: dict[str, list[_Phrase]] = {}
    for words, tags in topics.items():
        first, open_ended = words[0]
        (beginnings if open_ended else whole).setdefault(first, []).append(_Phrase(words, tuple(tags)))
    return _Compiled(
        {first: tuple(phrases) for first, phrases in whole.items()},
        {first: tuple(phrases) for first, phrases in beginnings.items()},
        tuple(sorted({len(first) for first in beginnings})),
    )


def _plain(pattern: str) -> str:
    return markup.spaced(unicodedata.normalize("NFKC", pattern).casefold())


# ------------------------------------------------------------------------------------------------------------ keywords


def _keywords(title: Sequence[str], words: Sequence[str], language: str | None) -> Iterable[model.Tag]:
    """The words that occur most, those of the title before others; words that say nothing left out, and so are those of scripts
    without spaces, where a word is more than its characters."""
    stop = _STOP.get((language or "").partition("-")[0].lower(), _EVERY_STOP)
    every = Counter(words)
    counts, titled = Counter({word: every[word] for word in _telling(every, stop)}), set(_telling(title, stop))
    scores = {
        word: (counts[word] or 1) * (_TITLE_WEIGHT if word in titled else 1.0)
        for word in counts.keys() | titled
        if counts[word] > 1 or word in titled
    }
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:_KEYWORDS]
    for word, score in ranked:
        if name := slug(word):
            yield model.Tag(tag=name, kind="keyword", origin="text", score=round(score, 3))


def _telling(words: Iterable[str], stop: frozenset[str]) -> Iterable[str]:
    return (word for word in words if len(word) >= _SHORTEST_KEYWORD and word not in stop and not word[0].isdigit())
