"""Extraction against real pages whose text is known, as the scrapinghub benchmark counts: runs of four words."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from aggregator import article, errors

FLOORS: dict[str, Any] = json.loads((Path(__file__).parent / "floors.json").read_text())["extraction"]
RUN = 4


def _runs(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return (
        Counter(tuple(words[start : start + RUN]) for start in range(max(1, len(words) - RUN + 1)))
        if words
        else Counter()
    )


def _read(page: bytes) -> tuple[str, str | None]:
    """The text of a page, and why there is none."""
    try:
        return article.read(page, content_type="text/html", metadata=False).text, None
    except errors.ExtractError as exc:
        return "", str(exc)


@pytest.mark.slow
def test_extraction_is_as_good_as_it_was(shared: Path) -> None:
    corpus = shared / "corpus"
    with gzip.open(corpus / "articles" / "index.jsonl.gz", "rt", encoding="utf-8") as lines:
        pages = [page for page in map(json.loads, lines) if page["gt"]["type"] == "fulltext"]
    precisions, recalls, refused = [], [], []

    for page in pages:
        text, reason = _read(gzip.decompress((corpus / page["file"]).read_bytes()))
        found, true = _runs(text), _runs(page["gt"]["text"])
        right = (found & true).total()
        precisions.append(right / found.total() if found else 0.0)
        recalls.append(right / true.total())
        if reason:
            refused.append((page["id"], reason))

    precision, recall = mean(precisions), mean(recalls)
    assert len(pages) > 100
    assert len(refused) <= FLOORS["most_refused"], refused
    assert 2 * precision * recall / (precision + recall) >= FLOORS["f1"]
