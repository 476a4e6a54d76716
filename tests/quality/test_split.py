"""Splitting against recorded documents: with any of its entries cut out, the rest of a document reads as it does in the whole."""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aggregator import errors, model
from aggregator.feed import document, familiar, parse, split
from tests.test_split import glanced, outlined

NOW = datetime(2026, 10, 1, tzinfo=UTC)
URL = "https://feed.example/feed"
FLOORS: dict[str, Any] = json.loads((Path(__file__).parent / "floors.json").read_text())["split"]
# The seeds: everybody cuts the same entries out.
SEEDS = (1, 2, 3)


def _feeds(shared: Path) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    corpus = shared / "corpus"
    for line in (corpus / "feeds" / "index.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        headers = {"content-type": row["content_type"]} if row["content_type"] else {}
        yield row["file"], gzip.decompress((corpus / row["file"]).read_bytes()), headers


def _suite(shared: Path) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    folder = shared / "corpus" / "suites" / "feedparser"
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["file"], _bytes(folder / row["file"]), dict(row.get("headers") or {})


def _bytes(path: Path) -> bytes:
    packed = path.with_name(f"{path.name}.gz")
    return gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()


def _read(body: bytes, headers: dict[str, str], shown: model.Shown | None = None) -> model.ParsedFeed | None:
    try:
        return parse.parse(body, url=URL, headers=headers, now=NOW, shown=shown)
    except errors.ParseError:
        return None


def _shown(feed: model.ParsedFeed, positions: set[int]) -> model.Shown:
    """As if the last document had shown these entries, whose items have their positions for ids."""
    face = model.Face(1, 1, 1)
    entries = [model.ShownEntry(feed.marks[position - 1], position, face) for position in sorted(positions)]
    return model.Shown(url=URL, packed=familiar.pack(entries), head=familiar.head(feed), hints=feed.hints)


def _whole(body: bytes, headers: dict[str, str]) -> model.ParsedFeed:
    """The document as feedparser reads it without our help."""
    text = document.decode(body, headers)
    return parse._whole(text, URL, NOW)


def _cut(whole: model.ParsedFeed, kept: set[int]) -> model.ParsedFeed:
    entries = tuple(entry for entry in whole.entries if entry.position in kept)
    return replace(whole, entries=entries, marks=(), known={}, head_hash=b"")


def _differences(body: bytes, headers: dict[str, str]) -> tuple[int, list[str]]:
    """How many entries could be cut out, and what was read differently without some of them."""
    first = _read(body, headers)
    if first is None or not first.marks:
        return 0, []
    count, wrong = len(first.marks), []
    whole = first if first.version.startswith("json") else _whole(body, headers)
    if _cut(first, set(range(1, count + 1))) != _cut(whole, set(range(1, len(whole.entries) + 1))):
        wrong.append("all")
    for seed in SEEDS:
        chance = random.Random(seed)
        known = {position for position in range(1, count + 1) if chance.random() < chance.choice((0.1, 0.5, 0.9, 1.0))}
        again = _read(body, headers, _shown(first, known))
        assert again is not None
        # Entries that are the same in all that matters are known together.
        cut = set(again.known)
        if not known <= cut or any(
            first.marks[one - 1].loose not in {first.marks[n - 1].loose for n in known} for one in cut
        ):
            wrong.append(f"seed {seed}: {sorted(cut)} were known instead of {sorted(known)}")
        if _cut(again, set(range(1, count + 1))) != _cut(whole, set(range(1, count + 1)) - cut):
            wrong.append(f"seed {seed}")
    return count, wrong


@pytest.mark.slow
@pytest.mark.parametrize(("documents", "floor"), [(_feeds, "feeds"), (_suite, "feedparser")])
def test_any_entries_can_be_cut_out_and_the_rest_reads_the_same(documents: Any, floor: str, shared: Path) -> None:
    wrong, split_up, entries = {}, 0, 0

    for name, body, headers in documents(shared):
        count, differences = _differences(body, headers)
        entries += count
        split_up += bool(count)
        if differences:
            wrong[name] = differences

    assert wrong == {}
    assert split_up >= FLOORS[floor]["documents"], split_up
    assert entries >= FLOORS[floor]["entries"], entries


@pytest.mark.slow
def test_an_entry_reads_the_same_whatever_stood_beside_it(shared: Path) -> None:
    """Each case of feedparser's suite with the entry of the case before it, of the same kind, put in front of its own."""
    others: dict[str, bytes] = {}
    wrong, tried = {}, 0

    for name, body, headers in _suite(shared):
        outline = split.outline(document.decode(body, headers), 5000)
        if outline is None or not outline.parts:
            continue
        start, end = outline.parts[0].start, outline.parts[0].end
        other, others[outline.root] = others.get(outline.root), outline.data[start:end]
        if other is None:
            continue
        both = outline.data[:start] + other + outline.data[start:]
        count, differences = _differences(both, {"content-type": "application/xml; charset=utf-8"})
        tried += count > 1
        if differences:
            wrong[name] = differences

    assert wrong == {}
    assert tried >= FLOORS["beside"], tried


@pytest.mark.slow
def test_the_spans_of_recorded_documents_hold_their_entries_and_nothing_else(shared: Path) -> None:
    for name, body, headers in _feeds(shared):
        outline = split.outline(document.decode(body, headers), 5000)
        for part in outline.parts if outline else ():
            assert outline is not None
            span = outline.data[part.start : part.end]
            assert span.startswith(b"<"), name
            assert span.endswith(b">"), name
            assert span.lower().count(b"item") + span.lower().count(b"entry") > 0, name


@pytest.mark.slow
@pytest.mark.parametrize("documents", [_feeds, _suite])
def test_an_outline_is_the_same_whatever_was_shown_before(documents: Any, shared: Path) -> None:
    wrong = []

    for name, body, headers in documents(shared):
        text = document.decode(body, headers)
        plain = split.outline(text, 5000)
        if plain is None:
            continue
        for seed in SEEDS:
            chance = random.Random(seed)
            shown = {part.exact for part in plain.parts if chance.random() < chance.choice((0.5, 0.9, 1.0))}
            again = glanced(text, shown)
            if again is None or outlined(again, shown) != outlined(plain, shown):
                wrong.append(f"{name}, seed {seed}")

    assert wrong == []
