"""What becomes of pages after they were read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator import errors, fate, model
from tests import make

URL = "https://news.example/2025/a"


def _item(**values: object) -> model.Item:
    told: dict[str, object] = {
        "id": 1, "url": URL, "title": "T", "source_id": 1, "source": "S", "state": "ok", "first_seen_at": make.NOW,
        "text": "words", "validators": model.Validators(url=URL),
    }  # fmt: skip
    return model.Item(**(told | values))  # type: ignore[arg-type]


def _answer(url: str = URL, permanent: str | None = None) -> model.Response:
    return model.Response(
        url=url, permanent_url=permanent or url, status=200, headers={}, body=b"", wire_bytes=0, took=timedelta(0)
    )


def test_a_404_is_believed_when_it_is_seen_again_and_a_410_at_once() -> None:
    missing = errors.StatusError("HTTP 404 Not Found", code="http_404")
    gone = errors.GoneError("HTTP 410 Gone")

    assert fate.of_failure(_item(), missing, given_up=False) is None
    assert fate.of_failure(_item(), missing, given_up=True) == model.Fate(
        kind=model.FateKind.VANISHED, detail="HTTP 404 Not Found"
    )
    assert fate.of_failure(_item(), gone, given_up=False) is not None


def test_what_is_known_is_not_told_again() -> None:
    gone = errors.GoneError("HTTP 410 Gone")

    assert fate.of_failure(_item(fate="vanished"), gone, given_up=True) is None
    assert fate.of_failure(_item(fate="paywalled"), gone, given_up=True) is not None


@pytest.mark.parametrize("code", ["http_500", "timeout", "http_403", "robots", "worker"])
def test_other_failures_tell_nothing_of_the_page(code: str) -> None:
    assert fate.of_failure(_item(), errors.FetchError("said", code=code), given_up=True) is None


@pytest.mark.parametrize(
    ("permanent", "told"),
    [
        (URL, False),
        ("http://www.news.example/2025/a/", False),
        (f"{URL}?utm_source=rss", False),
        ("https://news.example/2025/b", True),
        ("https://other.example/2025/a", True),
    ],
)
def test_a_page_has_moved_where_its_address_leads_to_another_article(permanent: str, told: bool) -> None:
    assert (fate.of_answer(_item(), _answer(permanent)) is not None) is told


def test_a_page_that_led_elsewhere_from_the_first_has_not_moved() -> None:
    to = "https://elsewhere.example/x"

    assert fate.of_answer(_item(validators=model.Validators(url=to)), _answer(to)) is None
    assert fate.of_answer(_item(moved_to=to), _answer(to)) is None
    assert fate.of_answer(_item(validators=model.Validators()), _answer(to)) is None


def test_a_passing_redirect_is_no_move() -> None:
    assert fate.of_answer(_item(), _answer("https://elsewhere.example/x", permanent=URL)) is None


@pytest.mark.parametrize(
    ("asked", "came", "is_front"),
    [
        (URL, "https://news.example/", True),
        (URL, "https://news.example", True),
        (URL, "https://news.example/2025/b", False),
        (URL, "https://news.example/?p=17", False),
        ("https://news.example/", "https://news.example/", False),
        ("https://news.example/?p=1", "https://news.example/", True),
    ],
)
def test_an_article_that_leads_to_the_front_page_was_taken_away(asked: str, came: str, is_front: bool) -> None:
    assert (fate.front_page(_item(url=asked), _answer(came)) is not None) is is_front
    assert fate.front_page(_item(url=asked, text=None), _answer(came)) is None


def test_the_reason_says_what_became_of_the_page_as_long_as_it_holds() -> None:
    vanished = model.Fate(kind=model.FateKind.VANISHED, detail="HTTP 410 Gone")
    returned = model.Fate(kind=model.FateKind.RETURNED, detail="")

    said = fate.said(_item(), vanished)

    assert said == "its page has vanished: HTTP 410 Gone; the text of an earlier visit is kept"
    assert fate.said(_item(fate="vanished", state_reason=said), None) == said
    assert fate.said(_item(fate="vanished", state_reason=said), returned) is None
    assert fate.said(_item(moved_to="https://b.example/"), None) == "its page has moved for good to https://b.example/"


def test_a_look_in_vain_is_told_behind_what_is_known_and_knows_when_the_page_was_read() -> None:
    due, later = model.Due(at=make.NOW + timedelta(hours=1), reason="try 2 of 2"), make.NOW + timedelta(hours=1)
    moved = _item(state_reason="its page shows 2 versions in turn", visited_at=make.NOW - timedelta(days=1))

    first = fate.missed(moved, "failed: HTTP 404", due, make.NOW)
    second = fate.missed(replace(moved, state_reason=first, visited_at=make.NOW), "was put off: it asked", None, later)

    assert first == (
        "its page shows 2 versions in turn; the last revisit at 2025-09-19 00:00 UTC failed: HTTP 404; "
        "asked again at 2025-09-19 01:00 UTC; the text stays as it was read on 2025-09-18 00:00 UTC"
    )
    assert second == (
        "its page shows 2 versions in turn; the last revisit at 2025-09-19 01:00 UTC was put off: it asked; "
        "no further visit is planned; the text stays as it was read on 2025-09-18 00:00 UTC"
    )
    assert fate.before(replace(moved, state_reason=second)) == "its page shows 2 versions in turn"
    assert fate.missed(_item(), "failed", None, later).endswith("; the text of an earlier visit is kept")
    assert fate.still(replace(moved, state_reason=second), None) == fate.in_vain(second)
    assert fate.still(_item(state_reason="said"), "anew") == "anew"


@pytest.mark.parametrize(
    ("state", "failure", "given_up", "told"),
    [
        ("failed", "http_404", True, model.FateKind.VANISHED),
        ("failed", "http_404", False, None),
        ("failed", "http_503", True, None),
        ("blocked", "blocked", True, None),
        ("paywalled", "paywalled", False, model.FateKind.PAYWALLED),
    ],
)
def test_a_page_that_says_it_is_not_there_has_vanished_when_it_says_so_again(
    state: str, failure: str, given_up: bool, told: model.FateKind | None
) -> None:
    made = make.draft(state=state, failure=failure, reason="the page says so")

    assert fate.of_wall(_item(), made, given_up=given_up) == (
        model.Fate(kind=told, detail="the page says so") if told else None
    )
