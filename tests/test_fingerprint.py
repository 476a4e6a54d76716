"""Texts into hashes: equal for equal stories, and for no others."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.dedup import fingerprint, normalize

SIXTEEN = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


def test_the_hash_is_half_of_the_sha256_of_the_normal_form() -> None:
    expected = hashlib.sha256(SIXTEEN.encode()).digest()[:16].hex()

    assert fingerprint.text_hash(f"<p>{SIXTEEN.upper()}!</p>") == expected


def test_the_title_counts_under_sixteen_tokens_and_no_longer_from_there_on() -> None:
    fifteen = SIXTEEN.rpartition(" ")[0]

    assert fingerprint.text_hash(fifteen, "Monday") != fingerprint.text_hash(fifteen, "Tuesday")
    assert fingerprint.text_hash(fifteen, "Monday") == fingerprint.text_hash(fifteen, "<b>MONDAY</b>.")
    assert fingerprint.text_hash(SIXTEEN, "Monday") == fingerprint.text_hash(SIXTEEN, "Tuesday")


def test_a_word_that_moves_from_the_title_to_the_text_makes_another_hash() -> None:
    assert fingerprint.text_hash("two three", "one") != fingerprint.text_hash("three", "one two")


@pytest.mark.parametrize("text", ["", " \n", "…", "<br>", "https://example.org/", "Read more »", "\u200b"])
def test_a_text_without_tokens_has_no_hash_whatever_its_title(text: str) -> None:
    assert fingerprint.text_hash(text, "A title") is None


@given(st.text(max_size=200), st.text(max_size=50))
def test_any_text_has_a_hash_or_no_tokens(text: str, title: str) -> None:
    found = fingerprint.text_hash(text, title)

    assert (found is None) == (not normalize.tokens(text))
    assert found is None or re.fullmatch("[0-9a-f]{32}", found)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield from map(json.loads, data.decode().splitlines())


def test_labelled_pairs_are_equal_where_only_the_dress_differs_and_no_two_stories_are(shared: Path) -> None:
    hashes = {
        one["id"]: fingerprint.text_hash(one["text"], one.get("title") or "")
        for one in _lines(shared / "dedup/docs.jsonl.gz")
    }
    dressed, others = [], []

    for pair in _lines(shared / "dedup/pairs.jsonl"):
        equal = hashes[pair["a"]] is not None and hashes[pair["a"]] == hashes[pair["b"]]
        if pair["label"] != "same" and equal:
            others.append(pair)
        if pair["relation"].startswith(("exact:", "short:exact")) and not equal:
            dressed.append(pair)

    assert (dressed, others) == ([], [])


# ------------------------------------------------------------------------------------------------------------ shingles

PINNED, PINNED_TITLE = 2514126581077352440, 8470077478021624941
LONG = " ".join(f"{word}{n}" for n in range(40) for word in SIXTEEN.split())


def test_what_is_stored_is_asked_for_too() -> None:
    for text in (SIXTEEN, LONG, LONG[:1500], "気候変動の影響で川が増えた" * 40):
        read = fingerprint.read(normalize.tokens(text))

        assert set(read.stored) <= set(read.asked)


@pytest.mark.parametrize("length", [5, 8, 30])
def test_a_beginning_and_its_text_find_each_other_whichever_comes_first(length: int) -> None:
    words = [[f"{story}w{n}" for n in range(500)] for story in range(50)]
    wholes, beginnings = map(fingerprint.read, words), (fingerprint.read(each[:length]) for each in words)

    for whole, beginning in zip(wholes, beginnings, strict=True):
        assert set(beginning.asked) & set(whole.stored)
        assert set(whole.asked) & set(beginning.stored)


def test_an_article_stores_some_twenty_hashes() -> None:
    assert len(fingerprint.read(normalize.tokens(LONG)).stored) in range(15, 35)


def test_a_text_comes_back_from_a_worker_as_it_went() -> None:
    read = fingerprint.read(normalize.tokens(LONG))
    hashed, packed = fingerprint.make(LONG)
    back = fingerprint.unpack(packed)

    assert hashed == fingerprint.text_hash(LONG)
    assert (back.tokens, back.stored, back.asked) == (read.tokens, read.stored, read.asked)
    assert back.numbers.tolist() == read.numbers.tolist() and back.numbers_at.tolist() == read.numbers_at.tolist()


def test_the_hashes_are_the_same_on_every_machine() -> None:
    read = fingerprint.read(["one", "two", "three", "four", "five"])

    assert read.shingles.tolist() == [PINNED]
    assert fingerprint.hashed("headline", "one") == PINNED_TITLE


def test_dress_does_not_change_the_hashes() -> None:
    plain = fingerprint.read(normalize.tokens(LONG))

    assert fingerprint.read(normalize.tokens(f"<p>{LONG.upper().replace(' ', '&nbsp;')}</p>")).stored == plain.stored


@given(st.text(max_size=400))
def test_any_text_can_be_read(text: str) -> None:
    read = fingerprint.read(normalize.tokens(text))

    assert set(read.stored) <= set(read.asked)
    assert len(read.shingles) == max(min(read.tokens, 1), read.tokens - 4)
