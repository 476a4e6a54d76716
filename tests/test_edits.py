"""Which other words are an edit, and which edits are kept."""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import model
from aggregator.feed import edits, identity
from tests import make

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A story. 12 comments", "A story. 1,345 comments"),
        ("Comments (3)", "Comments (14)"),
        ("Points: 121 # Comments: 56", "Points: 9 # Comments: 7"),
        ("Read 3 times.", "Read 4 times."),
        ("5 minutes ago", "6 minutes ago"),
        ("vor 5 Minuten", "vor 17 Minuten"),
        ("il y a 3 heures", "il y a 5 heures"),
        ("Updated 18 Sep 2025 10:35 GMT", "Updated 18 Sep 2025 11:02 GMT"),
        ("Last updated at 10:35", "Last updated at 10:50"),
    ],
)
def test_counters_and_stamps_are_no_edits(one: str, other: str) -> None:
    assert edits.steady(one) == edits.steady(other)


STRETCHES = (
    "word ",
    "12 comments ",
    "updated 10:35 ",
    "\u3000",
    "\u2003é",
    "\n\t",
    "letter",
    "\x85",
    " ",
    "12,",
    "\ud800",
)


@given(st.lists(st.sampled_from(STRETCHES), max_size=400).map("".join))
def test_words_without_spaces_are_steady_where_they_are_with_them(text: str) -> None:
    assert edits.squeezed(text) == "".join(edits.steady(" ".join(text.split())).split())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12 dead in fire", "15 dead in fire"),
        ("She won with 234 votes", "She won with 240 votes"),
        ("Updated figures show 15 dead", "Updated figures show 16 dead"),
        ("It happened on 3 May at 10:35", "It happened on 4 May at 10:35"),
        ("A budget of 3.5m", "A budget of 4.5m"),
        ("Updated: 12 killed", "Updated: 19 killed"),
        ("Electricity generated 300 megawatts", "Electricity generated 900 megawatts"),
        ("The ice melted 12,000 years ago", "The ice melted 120,000 years ago"),
        ("Death toll updated: 34", "Death toll updated: 43"),
    ],
)
def test_figures_are_edits(one: str, other: str) -> None:
    assert edits.steady(one) != edits.steady(other)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Government gets 5,000 comments", "Government gets 50,000 comments", False),
        ("Company to sell its shares: 1.5", "Company to sell its shares: 2.5", False),
        ("Attack 5 days ago", "Attack 2 days ago", False),
        ("Live score: 2-1", "Live score: 2-2", False),
        ("A story (12 comments)", "A story (13 comments)", True),
        ("A story – updated 10:35", "A story – updated 11:07", True),
        ("A story [Views: 3]", "A story [Views: 4]", True),
    ],
)
def test_in_a_headline_a_counter_stands_apart(one: str, other: str, *, equal: bool) -> None:
    assert (edits.steady_title(one) == edits.steady_title(other)) is equal


@given(st.text(max_size=300), st.text(max_size=50))
def test_no_text_breaks_it(one: str, other: str) -> None:
    assert isinstance(edits.steady(one), str)
    assert edits.version(one, other, "") == edits.version(one, other, "")
    assert edits.steady(edits.steady(one)) == edits.steady(one)


def _seen(old: model.Entry, new: model.Entry) -> model.SeenItem:
    item = model.KnownItem(
        id=1,
        url_key=identity.url_key(old.url or ""),
        owner_id=1,
        title=old.title,
        summary=old.summary,
        content=old.content,
    )
    return model.SeenItem(item=item, entry=new, what=edits.changed(item, new))


def test_what_changed_is_named_and_mark_up_alone_is_no_change() -> None:
    old = make.entry(1, content="<p>One two</p>")

    assert _seen(old, make.entry(1, content="<div><p>One <b>two</b></p></div>")).what == ()
    assert _seen(old, make.entry(1, title="New", content="<p>One three</p>")).what == ("title", "content")


def _past(*titles: str, days: int = 0) -> tuple[edits.Past, ...]:
    told = [make.entry(1, title=title) for title in titles]
    return tuple(
        edits.Past(version=edits.version(one.title, one.summary, one.content), at=make.NOW - days * DAY) for one in told
    )


def _alone(past: tuple[edits.Past, ...], new: str, *, redated: bool = False) -> str | None:
    seen = _seen(make.entry(1, title="Some title"), make.entry(1, title=new))
    return edits.left_alone(seen, past, make.NOW, redated=redated)


def test_an_edit_that_is_taken_back_is_a_version_and_what_returns_after_that_goes_in_turns() -> None:
    assert _alone(_past("A", "B"), "A") is None
    assert _alone(_past("A", "B", "A"), "B") == "2 versions in turn"
    assert _alone(_past("A", "B", "A"), "C") is None


def test_versions_of_long_ago_are_forgotten() -> None:
    assert _alone(_past("A", "B", "A", days=31), "B") is None


def test_after_24_rewrites_only_a_new_date_or_many_words_make_a_version() -> None:
    past = _past(*(f"Some title {n}" for n in range(25)))

    assert _alone(past, "Some title 99") == "rewritten more than 24 times by a few characters, without a new date"
    assert _alone(past[:24], "Some title 99") is None
    assert _alone(past, "Some title 99", redated=True) is None
    assert _alone(past, "Minister resigns after hours of negotiations with unions, parliament adjourned") is None


def test_versions_of_before_the_words_were_hashed_count_but_match_nothing() -> None:
    unknown = tuple(dataclasses.replace(one, version=None) for one in _past("A", "B", "A"))

    assert _alone(unknown, "B") is None


TEXT = "The minister said five days ago that 12 people had come.\nNobody believed it."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 minutes ago", "3 hours ago"),
        ("Published an hour ago by A. Writer", "Published yesterday by A. Writer"),
        ("vor 5 Minuten", "vor einem Tag"),
        ("il y a 3 heures", "il y a 2 jours"),
        ("hace 2 horas", "hace 3 días"),
        ("Updated 18 Sep 2025 10:35 GMT", "Updated 19 Sep 2025 11:02 GMT"),
        ("Advertisement", "Anzeige:"),
        ("1.2K", "12"),
        ("12 comments", "1,345 comments"),
    ],
)
def test_a_page_that_only_tells_the_time_or_counts_is_the_same(one: str, other: str) -> None:
    assert edits.page_version(f"{one}\n{TEXT}") == edits.page_version(f"{other}\n{TEXT}")
    assert edits.page_version(f"{TEXT}\n{one}") == edits.page_version(f"{TEXT}\n{other}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12 people", "15 people"),
        ("five days ago", "six days ago"),
        ("Nobody", "Somebody"),
        ("Nobody believed it.", ""),
    ],
)
def test_other_words_of_a_page_are_another_version(one: str, other: str) -> None:
    assert edits.page_version(TEXT) != edits.page_version(TEXT.replace(one, other))


def test_a_page_may_go_back_once_and_after_that_goes_in_turns() -> None:
    def past(*texts: str) -> list[edits.Past]:
        return [edits.Past(version=edits.page_version(text), at=make.NOW) for text in texts]

    assert edits.page_left_alone("b", "a", past("a", "b"), make.NOW + DAY) is None
    assert edits.page_left_alone("a", "b", past("a", "b", "a"), make.NOW + DAY) is not None
    assert edits.page_left_alone("a", "c", past("a", "b", "a"), make.NOW + DAY) is None
    assert edits.page_left_alone("a", "b", past("a", "b", "a"), make.NOW + 40 * DAY) is None


def test_a_page_rewritten_without_end_is_only_heard_when_it_says_something() -> None:
    past = [edits.Past(version=str(n), at=make.NOW) for n in range(edits.REWRITES + 1)]
    more = "Quite another paragraph stands here, with so much to say that it cannot be a counter."

    assert edits.page_left_alone("a b", "a c", past, make.NOW) is not None
    assert edits.page_left_alone("a b", f"a b {more}", past, make.NOW) is None
