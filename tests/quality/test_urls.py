"""The key of an address against the cases of four libraries, which disagree by design, and against the URL standard's own."""

import json
from pathlib import Path
from typing import Any

from aggregator.feed import identity, tracking

# What these functions make of an address is another address of the same article; the others answer other questions.
_SAME = frozenset(
    "canonicalize_url url_normalize normalize_url remove_tracking_params normalize_query_filters clean_url scrub_url "
    "safe_url_string safe_download_url".split()
)
_REST_OF_MARKUP = "cuts what may be left of mark-up: such an address names a page of its own, or none"
_SHARED_LINK = "takes the address inside a link for sharing: that a page is shared makes it no article of ours"
_MEANS_SOMETHING = "such a name is an article's own on other sites, and two articles must not become one item"
# The cases that do not hold, by what they begin with.
EXCEPTIONS = {
    'https://example.org/abc"': _REST_OF_MARKUP,
    "https://example.org/abc<": _REST_OF_MARKUP,
    "https://g__https://": "repairs a scheme written twice: no feed of the recorded ones has it",
    "https://twitter.com/share": _SHARED_LINK,
    "https://www.facebook.com/sharer.php": _SHARED_LINK,
    "https://www.test.com/{user_name}": _REST_OF_MARKUP,
    'https://www.test.com/"<p>': _REST_OF_MARKUP,
    "http://test.org/?s_cid=123&clickid=1": _MEANS_SOMETHING,
    "http://test.org/?aftr_source=0": _MEANS_SOMETHING,
    "http://test.org/?this_affiliate=0": _MEANS_SOMETHING,
    "http://test.net/foo.html?testid=1": "its strict mode drops every parameter it does not know",
    "http://www.example.com/do?c=1;b=2;a=3": "asks for `;` between parameters, which no browser knows any more",
    "http://www.example.com/do?b=&a=2": "asks to drop empty parameters, which may be switches",
    "http://www.example.com/résumé?country=Россия": "asks for another encoding than UTF-8",
    "https://google.com:8080/search?q=test&ref=test": _MEANS_SOMETHING,
    "https://example|org/": "answers an impossible address with nothing; for us it is the key of itself",
}


def _cases(shared: Path) -> list[dict[str, Any]]:
    lines = (shared / "corpus/urls/normalisation_cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    return [
        case
        for case in cases
        if case["function"] in _SAME
        and case["args"]
        and str(case["args"][0]).lower().startswith(("http://", "https://"))
    ]


def test_what_four_libraries_take_for_one_address_has_one_key_but_for_the_exceptions(shared: Path) -> None:
    cases = _cases(shared)
    differ = [
        case["args"][0]
        for case in cases
        if identity.url_key(case["args"][0]) != identity.url_key(str(case["expected"]))
    ]

    assert len(cases) == 114
    unexplained = [url for url in differ if not any(url.startswith(start) for start in EXCEPTIONS)]
    assert unexplained == []
    assert [start for start in EXCEPTIONS if not any(url.startswith(start) for url in differ)] == []


def test_addresses_that_are_equal_by_the_url_standard_have_one_key(shared: Path) -> None:
    rows = json.loads((shared / "corpus/urls/whatwg_urltestdata.json").read_text(encoding="utf-8"))
    cases = [row for row in rows if isinstance(row, dict)]
    whole = [
        row
        for row in cases
        if not row.get("failure")
        and row["href"].startswith(("http://", "https://"))
        and (not row.get("base") or "://" in row["input"])
    ]

    assert len(whole) > 100
    for row in whole:
        assert identity.url_key(row["input"]) == identity.url_key(row["href"]), row["input"]


def test_no_address_of_the_url_standards_cases_breaks_the_key_and_the_key_of_a_key_is_itself(shared: Path) -> None:
    rows = json.loads((shared / "corpus/urls/whatwg_urltestdata.json").read_text(encoding="utf-8"))
    urls = [row["input"] for row in rows if isinstance(row, dict)]

    assert [url for url in urls if identity.url_key(key := identity.url_key(url)) != key] == []


def test_every_name_that_two_of_the_lists_have_is_in_the_table_or_has_its_reason(shared: Path) -> None:
    told = json.loads((shared / "corpus/urls/tracking_params.json").read_text(encoding="utf-8"))
    # miniflux and Neat URL drop it; the lists' own note warns of sites where it names something.
    kept = {"campaign_id"}

    missing = {name for name in told["in_at_least_two_lists"] if not tracking.tracks(name.replace("*", "source"))}
    assert missing == kept
