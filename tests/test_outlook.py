"""Whether it is them or us."""

from dataclasses import replace

from aggregator import model, outlook
from tests import make


def well(n: int, **values: object) -> model.Source:
    return replace(make.source(n), last_success_at=make.NOW, **values)  # type: ignore[arg-type]


def fail(seen: outlook.Outlook, source: model.Source, host: str | None = None) -> tuple[int, ...]:
    return seen.failed(source, host or f"h{source.id}.example", make.NOW)


def test_three_hosts_that_were_well_and_fail_in_a_row_are_an_outage_and_nobody_is_blamed() -> None:
    seen = outlook.Outlook()

    told = [fail(seen, well(n)) for n in (1, 2, 3, 4)]

    assert told == [(), (), (1, 2, 3), ()]
    assert seen.outage
    assert seen.since == make.NOW


def test_an_answer_in_between_says_that_the_network_is_there() -> None:
    seen = outlook.Outlook()

    for n in range(1, 30):
        fail(seen, well(n))
        if n % 2 == 0:
            assert seen.succeeded("up.example") is False

    assert not seen.outage


def test_among_hundreds_that_answer_a_handful_that_fails_in_a_row_is_chance() -> None:
    seen = outlook.Outlook()
    for n in range(200):
        seen.succeeded(f"up{n}.example")

    told = [fail(seen, well(n)) for n in range(1, 26)]

    assert told[:-1] == [()] * 24
    assert told[-1] == tuple(range(1, 26))
    assert seen.outage


def test_an_outage_ends_with_the_first_answer() -> None:
    seen = outlook.Outlook()
    for n in (1, 2, 3):
        fail(seen, well(n))

    assert seen.succeeded("up.example") is True
    assert not seen.outage
    assert fail(seen, well(4)) == ()


def test_sources_of_one_host_and_those_that_were_ill_before_prove_nothing() -> None:
    seen = outlook.Outlook()

    for n in range(1, 9):
        fail(seen, well(n), host="one.example")
        fail(seen, well(n + 100, failures=2.0))
    seen.succeeded("up.example")
    for n in range(1, 9):
        fail(seen, make.source(n))

    assert not seen.outage


def test_where_nothing_ever_answered_it_takes_ten_hosts() -> None:
    seen = outlook.Outlook()

    for n in range(1, 10):
        fail(seen, make.source(n))
    assert not seen.outage
    fail(seen, make.source(10))

    assert seen.outage
