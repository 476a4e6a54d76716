"""Dates against feedparser's own cases."""

import calendar
import json
from datetime import UTC, datetime
from pathlib import Path

from aggregator.feed import dates

_TWO_DIGITS = "ISO 8601:1988 with a year of two digits: `03-12-31` is as easily the 3rd of December"
EXCEPTIONS = {
    "-0312": _TWO_DIGITS,
    "031231": _TWO_DIGITS,
    "03-12-31": _TWO_DIGITS,
    "-03-12": _TWO_DIGITS,
    "03335": _TWO_DIGITS + "; and a day of the year, which feedparser reads as a month",
}


def test_dates_are_read_as_feedparser_reads_them_but_for_the_exceptions(shared: Path) -> None:
    lines = (shared / "corpus/suites/dates/feedparser_dates.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    differ = []
    for case in cases:
        told = case["expected_utc_struct_time"]
        expected = datetime.fromtimestamp(calendar.timegm(told), UTC) if told else None
        if dates.parse(case["input"]) != expected:
            differ.append(case["input"])

    assert len(cases) == 72
    assert sorted(differ) == sorted(EXCEPTIONS)
