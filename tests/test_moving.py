"""A permanent redirect is adopted when it has been seen often enough, and never by mistake."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aggregator import model, moving
from tests import make

THERE = "https://new.example/feed"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def consider(source: model.Source, **values: Any) -> model.Move:
    told = {"familiar": True, "taken_by": None, "now": make.NOW, "sightings": 5, "over": DAY} | values
    return moving.consider(source, told.pop("to", THERE), **told)


def after(source: model.Source, move: model.Move) -> model.Source:
    return replace(source, moved_to=move.to, moved_since=move.since, moved_sightings=move.sightings)


def test_it_takes_five_sightings_over_a_day() -> None:
    source, adopted = make.source(), []

    for n in range(6):
        move = consider(source, now=make.NOW + n * 6 * HOUR)
        adopted.append(move.adopt)
        source = after(source, move)

    assert adopted == [False, False, False, False, True, True]


def test_any_number_of_sightings_within_an_hour_are_not_enough() -> None:
    source = make.source()
    for n in range(60):
        source = after(source, consider(source, now=make.NOW + n * timedelta(minutes=1)))

    assert source.moved_sightings == 60
    assert not consider(source, now=make.NOW + HOUR).adopt
    assert consider(source, now=make.NOW + DAY).adopt


def test_another_target_starts_the_count_anew() -> None:
    source = replace(make.source(), moved_to="https://other.example/", moved_since=make.NOW - DAY, moved_sightings=4)

    assert consider(source) == model.Move(to=THERE, since=make.NOW, sightings=1)


def test_a_source_that_answers_where_it_was_has_not_moved() -> None:
    source = replace(make.source(), moved_to=THERE, moved_since=make.NOW - DAY, moved_sightings=4)

    assert consider(source, to=source.feed_url) == model.Move()


@pytest.mark.parametrize("why", [{"familiar": False}, {"taken_by": "Another"}])
def test_neither_an_unknown_feed_nor_anothers_is_adopted(why: dict[str, Any]) -> None:
    source = replace(make.source(), moved_to=THERE, moved_since=make.NOW - 9 * DAY, moved_sightings=99)

    move = consider(source, **why)

    assert not move.adopt
    assert move.to == THERE
    assert move.sightings == 99 + why.get("familiar", True)


def test_the_operator_is_told_what_is_going_on() -> None:
    move = model.Move(to=THERE, since=make.NOW, sightings=2)

    waiting, taken = (moving.advice(move, taken_by=name, sightings=5) for name in (None, "Another"))

    assert (
        waiting
        == f"has moved for good to {THERE} (seen 2 times since 2025-09-19 00:00 UTC); adopted after 5 sightings, or change its url"
    )
    once = moving.advice(replace(move, sightings=1), taken_by=None, sightings=5)
    assert once is not None and "(seen once since 2025-09-19 00:00 UTC)" in once
    assert taken == f"has moved for good to {THERE}, which is polled already as 'Another': remove one of the two"
    assert moving.advice(model.Move(), taken_by=None, sightings=5) is None
