"""A text into tags: topics of the taxonomy, the feed's categories, the configured ones, the year, and keywords. Pure, same in same out."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aggregator import config, model

# What stands in the title is what an article is about.
_TITLE_WEIGHT = 3.0
_MOST_CHARACTERS = 200_000
_KEYWORDS = 10
_SHORTEST_KEYWORD = 4
_WORD = re.compile(r"[^\W\d_][\w’'-]*[^\W_]", re.UNICODE)
_SLUG = re.compile(r"[^\w]+", re.UNICODE)

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
        "used using way ways whether whose work works yet",
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
    text = text[:_MOST_CHARACTERS]
    found = [
        *_topics(job, text, taxonomy),
        *_configured(job),
        *_year(job),
        *_keywords(job, text),
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
    return _SLUG.sub("-", unicodedata.normalize("NFKC", word).casefold()).strip("-_")[:80].rstrip("-")


# -------------------------------------------------------------------------------------------------------------- topics


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One pattern for all words of a language, and which topics each word speaks for."""

    pattern: re.Pattern[str]
    exact: Mapping[str, tuple[str, ...]]
    prefixes: Mapping[str, tuple[str, ...]]
    longest: int


def _topics(job: model.DraftJob, text: str, taxonomy: config.Taxonomy) -> Iterable[model.Tag]:
    compiled = _compile(taxonomy.model_dump_json(), _language(job.language, taxonomy))
    if compiled is None:
        return
    scores: dict[str, float] = {}
    for part, weight in ((job.title, _TITLE_WEIGHT), (text, 1.0)):
        for name, count in _hits(compiled, part).items():
            scores[name] = scores.get(name, 0.0) + count * weight
    origin = f"taxonomy@{taxonomy.version}"
    for topic in taxonomy.topics:
        score = round(scores.get(topic.tag, 0.0), 3)
        if score >= topic.threshold:
            yield model.Tag(tag=topic.tag, kind="topic", origin=origin, score=score)


def _hits(compiled: _Compiled, text: str) -> Counter[str]:
    hits: Counter[str] = Counter()
    for found in compiled.pattern.findall(fold(text)):
        for topic in _speaks_for(compiled, found):
            hits[topic] += 1
    return hits


def _speaks_for(compiled: _Compiled, found: str) -> Sequence[str]:
    if topics := compiled.exact.get(found):
        return topics
    for end in range(min(len(found), compiled.longest), 0, -1):
        if topics := compiled.prefixes.get(found[:end]):
            return topics
    return ()


def _language(language: str | None, taxonomy: config.Taxonomy) -> str:
    """The language whose words are looked for: the item's if the taxonomy has it, English otherwise."""
    primary = (language or "en").partition("-")[0].lower()
    return primary if any(primary in topic.words for topic in taxonomy.topics) else "en"


def fold(text: str) -> str:
    """Text as the patterns see it: compatibility forms, lower case, straight apostrophes, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).replace("’", "'").casefold().split())


@lru_cache(maxsize=16)
def _compile(taxonomy: str, language: str) -> _Compiled | None:
    exact: dict[str, list[str]] = {}
    prefixes: dict[str, list[str]] = {}
    for topic in config.Taxonomy.model_validate_json(taxonomy).topics:
        for word in topic.words.get(language, ()):
            folded = fold(word)
            kind, name = (prefixes, folded[:-1]) if folded.endswith("*") else (exact, folded)
            if topic.tag not in kind.setdefault(name, []):
                kind[name].append(topic.tag)
    if not exact and not prefixes:
        return None
    # The longest first, so that "carbon capture" is not taken for "carbon".
    words = sorted({*exact, *(f"{name}*" for name in prefixes)}, key=lambda word: (-len(word), word))
    alternatives = "|".join(re.escape(word[:-1]) + r"\w*" if word.endswith("*") else re.escape(word) for word in words)
    return _Compiled(
        re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)"),
        {name: tuple(topics) for name, topics in exact.items()},
        {name: tuple(topics) for name, topics in prefixes.items()},
        max(map(len, prefixes), default=0),
    )


# ------------------------------------------------------------------------------------------------------------ keywords


def _keywords(job: model.DraftJob, text: str) -> Iterable[model.Tag]:
    """The words that occur most, those of the title first; words that say nothing left out."""
    stop = _STOP.get((job.language or "").partition("-")[0].lower(), _EVERY_STOP)
    counts = Counter(_words(text, stop))
    titled = set(_words(job.title, stop))
    scores = {
        word: float(count) * (_TITLE_WEIGHT if word in titled else 1.0)
        for word, count in counts.items()
        if count > 1 or word in titled
    }
    for word in titled:
        scores.setdefault(word, _TITLE_WEIGHT)
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:_KEYWORDS]
    for word, score in ranked:
        if name := slug(word):
            yield model.Tag(tag=name, kind="keyword", origin="text", score=round(score, 3))


def _words(text: str, stop: frozenset[str]) -> list[str]:
    found = (word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text.casefold()))
    return [word for word in found if len(word) >= _SHORTEST_KEYWORD and word not in stop]
