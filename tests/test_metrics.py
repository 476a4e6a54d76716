"""Metrics: counted once, and with labels from closed lists only."""

import dataclasses
from datetime import timedelta

from aggregator import metrics, model
from tests import make

POLL = model.PollReport(
    source_id=1,
    source="A",
    url="u",
    at=make.NOW,
    outcome=model.Outcome.NEW,
    state="active",
    due=None,
    took=timedelta(seconds=1),
    bytes=100,
    new=3,
    changed=1,
)


def _text(made: metrics.Metrics) -> str:
    body, content_type = made.render()
    assert content_type.startswith("text/plain")
    return body.decode()


def test_what_backfill_found_is_counted_by_how() -> None:
    made = metrics.Metrics()

    made.backfilled("", 0)
    made.backfilled("sitemap", 4)

    assert 'aggregator_backfilled_items_total{method="sitemap"} 4.0' in _text(made)
    assert 'method=""' not in _text(made)


def test_what_is_pushed_is_counted_beside_the_polls() -> None:
    made = metrics.Metrics()

    made.polled(dataclasses.replace(POLL, origin=model.Origin.PUSH))
    made.pushed("unsigned")

    text = _text(made)
    assert 'aggregator_pushes_total{outcome="new"} 1.0' in text
    assert 'aggregator_pushes_total{outcome="unsigned"} 1.0' in text
    assert 'aggregator_items_total{event="new"} 3.0' in text
    assert "aggregator_polls_total{" not in text


def test_polls_and_harvests_are_counted() -> None:
    made = metrics.Metrics()

    made.polled(POLL)
    made.harvested(model.HarvestReport(item_id=1, url="u", source="A", at=make.NOW, state="ok"))
    made.depths(5, 2)

    text = _text(made)
    for line in (
        'aggregator_polls_total{outcome="new"} 1.0',
        'aggregator_items_total{event="new"} 3.0',
        "aggregator_feed_bytes_total 100.0",
        'aggregator_harvests_total{state="ok"} 1.0',
        "aggregator_items_due 5.0",
        "aggregator_sources_due 2.0",
    ):
        assert line in text


def test_a_strange_code_makes_no_new_series() -> None:
    made = metrics.Metrics()

    made.polled(dataclasses.replace(POLL, error_code='x"} evil 1\n'))
    made.polled(dataclasses.replace(POLL, error_code="http_404"))

    assert 'code="other"' in _text(made)
    assert 'code="http_404"' in _text(made)
    assert "evil" not in _text(made)


def test_two_daemons_in_one_process_do_not_share_counters() -> None:
    first, second = metrics.Metrics(), metrics.Metrics()

    first.polled(POLL)

    assert "aggregator_feed_bytes_total 0.0" in _text(second)
