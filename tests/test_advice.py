"""What the operator is told of documents that are well-formed and yet not well."""

from dataclasses import replace

import pytest

from aggregator import advice, model
from tests import make

SOURCE = make.source()
EMPTY = model.ParsedFeed(version="rss20", entries=())
FULL = model.ParsedFeed(version="rss20", entries=(make.entry(1), make.entry(2)))


def test_a_document_without_entries_is_told_of_since_it_was_seen_first() -> None:
    said = advice.of_document(SOURCE, EMPTY, make.NOW)

    assert said is not None
    assert said.startswith("no entry in its document since 2025-09-19")
    later = replace(SOURCE, advice=said)
    assert advice.of_document(later, EMPTY, make.NOW.replace(year=2026)) == said
    assert advice.of_document(later, None, make.NOW) == said
    assert advice.of_document(later, FULL, make.NOW) is None


def test_entries_that_are_still_to_be_read_are_counted() -> None:
    said = advice.of_document(SOURCE, replace(FULL, left=3_000), make.NOW)

    assert said == "3,000 of its 3,002 entries are still to be read: the next polls go on"
    assert advice.of_document(replace(SOURCE, advice=said), FULL, make.NOW) is None


def test_entries_that_are_never_read_are_told_of_as_long_as_the_document_has_them() -> None:
    said = advice.of_document(SOURCE, replace(FULL, beyond=3_000), make.NOW)

    assert said is not None
    assert said.startswith("only the first 2 of its 3,002 entries are read")
    assert advice.of_document(replace(SOURCE, advice=said), None, make.NOW) == said
    assert advice.of_document(replace(SOURCE, advice=said), FULL, make.NOW) is None


@pytest.mark.parametrize("code", ["gone", "http_404", "damaged"])
def test_failures_that_an_operator_can_mend_have_advice(code: str) -> None:
    assert advice.on(code, since=make.NOW)
