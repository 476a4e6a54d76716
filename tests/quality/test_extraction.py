"""Extraction against 379 real pages whose text is known, as the scrapinghub benchmark counts: runs of four words."""

import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import trafilatura

from aggregator import article, charsets, errors

FLOORS: dict[str, Any] = json.loads((Path(__file__).parent / "floors.json").read_text())["extraction"]
RUN = 4
SETS = {
    "seb": "scrapinghub",
    "fundus": "fundus",
    "aed2023": "news 2023",
    "readability": "readability",
    "newspaper4k": "newspaper4k",
    "trafilatura": "trafilatura segments",
}
# Some ground truths have the title for search engines where the page shows another: those that share most words are the same.
ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Score:
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall)


@dataclass(frozen=True, slots=True)
class Result:
    page: Mapping[str, Any]
    ours: str
    theirs: str
    refused: str | None
    title: str | None = None
    at: datetime | None = None
    language: str | None = None


@pytest.fixture(scope="module")
def results(shared: Path) -> Sequence[Result]:
    with gzip.open(shared / "corpus" / "articles" / "index.jsonl.gz", "rt", encoding="utf-8") as lines:
        pages = [json.loads(line) for line in lines]
    files = [str(shared / "corpus" / page["file"]) for page in pages]
    # In processes, as always: trafilatura in threads corrupts its heap.
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_result, pages, files, chunksize=8))


def _result(page: dict[str, Any], file: str) -> Result:
    body = gzip.decompress(Path(file).read_bytes())
    own = trafilatura.bare_extraction(trafilatura.load_html(charsets.decode(body, None)), include_comments=False)
    theirs = str(getattr(own, "text", None) or "")
    address = page["url"] if str(page["url"]).startswith("http") else None
    try:
        read = article.read(body, address, "text/html")
    except errors.ExtractError as exc:
        return Result(page, "", theirs, str(exc))
    return Result(page, read.text, theirs, None, read.title, read.published_at, read.language)


# ---------------------------------------------------------------------------------------------------------------- text


def _show(line: str) -> None:
    """For those who run these tests with `-s`."""
    sys.stdout.write(f"{line}\n")


def _runs(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return (
        Counter(tuple(words[start : start + RUN]) for start in range(max(1, len(words) - RUN + 1)))
        if words
        else Counter()
    )


def _score(truths: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> Score:
    """Mean precision and mean recall over pages; over all segments together where only these are known."""
    if truths[0]["type"] == "segments":
        return _segments(truths, texts)
    precisions, recalls = [], []
    for truth, text in zip(truths, texts, strict=True):
        found, true = _runs(text), _runs(truth["text"])
        right = (found & true).total()
        precisions.append(right / found.total() if found else 0.0)
        recalls.append(right / true.total())
    return Score(mean(precisions), mean(recalls))


def _segments(truths: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> Score:
    right = wrong = missed = 0
    for truth, text in zip(truths, texts, strict=True):
        line = " ".join(text.split())
        found = [" ".join(segment.split()) in line for segment in truth["with"]]
        right, missed = right + sum(found), missed + len(found) - sum(found)
        wrong += sum(" ".join(segment.split()) in line for segment in truth["without"])
    return Score(right / (right + wrong), right / (right + missed))


def _scores(results: Sequence[Result]) -> Iterator[tuple[str, Score, Score]]:
    for name, said in SETS.items():
        chosen = [one for one in results if one.page["set"] == name]
        truths = [one.page["gt"] for one in chosen]
        yield said, _score(truths, [one.ours for one in chosen]), _score(truths, [one.theirs for one in chosen])


@pytest.mark.slow
def test_the_text_of_every_set_is_as_good_as_it_was(results: Sequence[Result]) -> None:
    scores = list(_scores(results))
    _show(f"\n{'':22}{'precision':>20}{'recall':>18}{'F1':>18}   (in brackets: trafilatura by default)")
    for name, ours, theirs in scores:
        pairs = ((ours.precision, theirs.precision), (ours.recall, theirs.recall), (ours.f1, theirs.f1))
        _show(f"{name:22}" + "".join(f"{mine:11.4f} ({other:.4f})" for mine, other in pairs))

    low = {name: ours for name, ours, _ in scores if ours.f1 < FLOORS["f1"][name]}
    lossy = {name: ours for name, ours, own in scores if ours.precision < own.precision - FLOORS["most_precision_lost"]}
    assert not low
    assert not lossy


@pytest.mark.slow
def test_no_real_article_is_refused(results: Sequence[Result]) -> None:
    refused = [(one.page["id"], one.refused) for one in results if one.refused]

    assert len(results) > 350
    assert len(refused) <= FLOORS["most_refused"], refused


# ------------------------------------------------------------------------------------------------------------ metadata


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.replace("\u00ad", "").lower())


def _same_title(mine: str, true: str) -> bool:
    """Equal, with or without the name of the site or section, or mostly the same words."""
    ours, theirs = _words(mine), _words(true)
    inside, whole = (f" {' '.join(words)} " for words in sorted((ours, theirs), key=len))
    shared = 2 * len(set(ours) & set(theirs)) / (len(set(ours)) + len(set(theirs)))
    return bool(ours) and (inside in whole or shared >= ALIKE)


def _same_day(at: datetime, true: str) -> bool:
    """On the day that the page shows, wherever on earth its clock stands."""
    try:
        day = datetime.fromisoformat(true[:10]).replace(tzinfo=UTC)
    except ValueError:
        return False
    return day - timedelta(hours=14) <= at < day + timedelta(days=1, hours=12)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["titles", "dates", "languages"])
def test_what_a_page_tells_besides_is_read_right(results: Sequence[Result], what: str) -> None:
    known: list[tuple[str, bool, object]] = []
    for one in results:
        page = one.page
        if what == "titles" and _words(page.get("title") or ""):
            known.append((page["id"], _same_title(one.title or "", page["title"]), one.title))
        if what == "dates" and page.get("date"):
            known.append((page["id"], one.at is not None and _same_day(one.at, page["date"]), one.at))
        if what == "languages" and page.get("lang"):
            known.append((page["id"], (one.language or "")[:2] == page["lang"][:2].lower(), one.language))

    right, wrong = sum(same for _, same, _ in known), [(name, found) for name, same, found in known if not same]
    _show(f"\n{what}: {right} of {len(known)} ({right / len(known):.1%})")
    assert len(known) >= 45
    assert right / len(known) >= FLOORS[what], wrong
