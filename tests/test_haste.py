"""trafilatura in less time: what is changed of it changes no result."""

import gzip
import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html

from aggregator import article, errors, haste

PARAGRAPH = "<p>A sentence of the article that is long enough to be taken for a part of its text by every engine.</p>"


@pytest.mark.parametrize(
    ("around", "found", "asked"),
    [
        ("<ul>" + "<li><a href=/>A link to another story of the site</a></li>" * 40 + "</ul>", 10, 0),
        ("<div>Words of the page that were not found, however many there are.</div>" * 40, 10, 1),
        ("", 1, 1),
    ],
)
def test_another_engine_is_asked_where_the_page_has_more_than_was_found(around: str, found: int, asked: int) -> None:
    asks: list[str] = []

    def compare(_cleaned: Any, _raw: Any, body: Any, text: str, _options: Any) -> tuple[Any, str]:
        asks.append(text)
        return body, text

    page = html.fromstring(f"<html><body>{PARAGRAPH * 10}{around}</body></html>")
    body = etree.fromstring(f"<body>{PARAGRAPH * found}</body>")
    text = " ".join(map(str, body.itertext()))

    options = SimpleNamespace(focus="precision", fast=False, min_extracted_size=250)
    haste._extracting(lambda *_: (body, text), compare, ".//aside")(page, page, page, options)

    assert len(asks) == asked


_UNTOUCHED = """
import gzip, json, sys, trafilatura
for file in sys.stdin.read().split():
    page = gzip.decompress(open(file, "rb").read())
    for precision in (True, False):
        found = trafilatura.bare_extraction(page, favor_precision=precision, include_comments=False, with_metadata=False)
        print(json.dumps(found.text if found else None))
"""


@pytest.mark.slow
def test_the_text_of_every_recorded_page_is_that_of_trafilatura_untouched(shared: Path) -> None:
    with gzip.open(shared / "corpus" / "articles" / "index.jsonl.gz", "rt", encoding="utf-8") as lines:
        files = [str(shared / "corpus" / json.loads(line)["file"]) for line in lines]
    told = subprocess.run(
        [sys.executable, "-c", _UNTOUCHED], input="\n".join(files), capture_output=True, text=True, check=True
    )
    untouched = [json.loads(line) for line in told.stdout.splitlines()]

    ours, whole = [], []
    for file in files:
        page = gzip.decompress(Path(file).read_bytes())
        tree = haste.trafilatura().load_html(page)
        before = etree.tostring(tree)
        for precision in (True, False):
            found = haste.trafilatura().bare_extraction(
                page, favor_precision=precision, include_comments=False, with_metadata=False
            )
            whole.append(found.text if found else None)
            ours.append(haste.text(tree, precision=precision))
        assert etree.tostring(tree) == before

    twice = [file for file in files for _ in (True, False)]
    assert len(untouched) == len(twice)
    assert [file for file, one, other in zip(twice, whole, untouched, strict=True) if one != other] == []
    assert [file for file, one, other in zip(twice, ours, untouched, strict=True) if one != (other or "")] == []


def test_articles_are_read_by_the_prepared_module() -> None:
    with pytest.raises(errors.ExtractError):
        article.read(b"<html><body><div></div></body></html>")

    assert haste.trafilatura.cache_info().currsize == 1


@given(st.text(st.sampled_from("ab<\t\n\r\x00\x08\x0b\x1f\x7fé€\ud800\ufffd\ufffe\uffff\U0001f600")))
def test_characters_that_xml_does_not_have_are_taken_out_as_before(text: str) -> None:
    pattern = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

    assert haste._Invalid(pattern).sub("", text) == pattern.sub("", text)


def test_the_pattern_of_such_characters_is_still_the_one_we_know() -> None:
    haste.trafilatura()
    utils = importlib.import_module("trafilatura.utils")

    assert utils.INVALID_XML_CHARS._pattern.pattern == r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
