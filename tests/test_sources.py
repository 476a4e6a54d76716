"""Sources in the store: syncing with the configuration, claiming with a lease, finishing a poll."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from aggregator import model
from aggregator.store import db, health, sources, tables
from tests import make

LEASE = timedelta(minutes=5)


def _configured(*names: str, **values: object) -> list[sources.Configured]:
    return [sources.Configured(name=name, url=f"https://{name}.example/feed", **values) for name in names]  # type: ignore[arg-type]


def _row(store: db.Store, name: str) -> dict[str, object]:
    with store.read() as conn:
        return dict(conn.execute(select(tables.sources).where(tables.sources.c.name == name)).mappings().one())


def test_new_sources_are_due_at_once_in_the_order_of_the_configuration(store: db.Store) -> None:
    with store.begin() as conn:
        synced = sources.sync(conn, _configured("b", "a"), make.NOW)
        claimed = sources.claim_due(conn, now=make.NOW, limit=10, owner="me", lease=LEASE)

    assert synced.added == ("b", "a")
    assert [source.name for source in claimed] == ["b", "a"]


def test_syncing_twice_changes_nothing(store: db.Store) -> None:
    with store.begin() as conn:
        sources.sync(conn, _configured("a"), make.NOW)
        before = conn.execute(select(tables.sources)).all()
        synced = sources.sync(conn, _configured("a"), make.NOW + LEASE)

        assert synced == sources.Synced()
        assert conn.execute(select(tables.sources)).all() == before


def test_a_source_that_leaves_the_configuration_keeps_its_rows_and_is_no_longer_polled(store: db.Store) -> None:
    with store.begin() as conn:
        sources.sync(conn, _configured("a", "b"), make.NOW)
        synced = sources.sync(conn, _configured("a"), make.NOW)
        claimed = sources.claim_due(conn, now=make.NOW, limit=10, owner="me", lease=LEASE)

    assert synced.removed == ("b",)
    assert [source.name for source in claimed] == ["a"]
    assert _row(store, "b")["state"] == "removed"


def test_a_source_that_comes_back_is_polled_again(store: db.Store) -> None:
    with store.begin() as conn:
        for names in (("a",), (), ("a",)):
            sources.sync(conn, _configured(*names), make.NOW)

    assert _row(store, "a")["state"] == "active"


def test_a_new_name_for_a_known_url_is_a_renaming(store: db.Store) -> None:
    with store.begin() as conn:
        sources.sync(conn, [sources.Configured(name="Old", url="https://x.example/feed")], make.NOW)
        synced = sources.sync(conn, [sources.Configured(name="New", url="https://x.example/feed")], make.NOW)

    assert synced.renamed == ("New",)
    assert _row(store, "New")["id"] == 1


def test_a_new_url_starts_afresh(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        facts = sources.FeedFacts(
            validators=model.Validators(url=source.feed_url, etag='"1"', last_modified=None), document_hash="h"
        )
        make.finish(conn, _report(source), failures=3.0, facts=facts)
        synced = sources.sync(
            conn, [sources.Configured(name="Source 1", url="https://elsewhere.example/feed")], make.NOW
        )

    row = _row(store, "Source 1")
    assert synced.moved == ("Source 1",)
    assert (row["etag"], row["document_hash"], row["failures"]) == (None, None, 0.0)
    assert row["feed_url"] == "https://elsewhere.example/feed"


def test_a_disabled_source_is_paused_and_an_enabled_one_resumes(store: db.Store) -> None:
    with store.begin() as conn:
        sources.sync(conn, _configured("a", enabled=False), make.NOW)
        assert sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE) == ()
        sources.sync(conn, _configured("a"), make.NOW)
        assert len(sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE)) == 1


def test_a_claimed_source_is_nobody_elses_until_the_lease_ends(store: db.Store) -> None:
    with store.begin() as conn:
        sources.sync(conn, _configured("a"), make.NOW)
    with store.begin() as conn:
        assert len(sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE)) == 1
    with store.begin() as conn:
        assert sources.claim_due(conn, now=make.NOW, limit=1, owner="you", lease=LEASE) == ()
        assert len(sources.claim_due(conn, now=make.NOW + LEASE, limit=1, owner="you", lease=LEASE)) == 1


def test_released_leases_are_free_again(store: db.Store) -> None:
    with store.begin() as conn:
        make.add_sources(conn, 2)

        assert sources.lease_owners(conn) == ("test",)
        assert sources.release(conn, ["somebody"]) == 0
        assert sources.release(conn, ["test"]) == 2
        assert len(sources.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=LEASE)) == 2


def test_named_sources_are_claimed_whether_due_or_not(store: db.Store) -> None:
    with store.begin() as conn:
        first, _ = make.add_sources(conn, 2)
        make.finish(conn, _report(first), failures=0)

        assert sources.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=LEASE) == ()
        claimed = sources.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=LEASE, names=["Source 1"])

    assert [source.name for source in claimed] == ["Source 1"]


def test_two_writers_never_claim_the_same_source(store: db.Store) -> None:
    if store.sqlite:
        pytest.skip("SQLite has one writer at a time: nothing to race")
    with store.begin() as conn:
        sources.sync(conn, _configured(*(f"s{n}" for n in range(10))), make.NOW)
    with store.begin() as one:
        mine = sources.claim_due(one, now=make.NOW, limit=6, owner="me", lease=LEASE)
        with store.begin() as other:
            yours = sources.claim_due(other, now=make.NOW, limit=6, owner="you", lease=LEASE)

    assert len(mine) == 6
    assert len(yours) == 4
    assert not {source.id for source in mine} & {source.id for source in yours}


def _report(source: model.Source, **values: object) -> model.PollReport:
    told: dict[str, object] = {
        "source_id": source.id,
        "source": source.name,
        "url": source.feed_url,
        "at": make.NOW,
        "outcome": model.Outcome.NEW,
        "state": model.SourceState.ACTIVE,
        "due": model.Due(at=make.NOW + timedelta(minutes=30), reason="every 30 min"),
        "new": 2,
    } | values
    return model.PollReport(**told)  # type: ignore[arg-type]


def test_a_poll_leaves_its_row_the_next_due_time_and_no_lease(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.finish(conn, _report(source), failures=0)
        (poll,) = conn.execute(select(tables.polls)).mappings().all()

    row = _row(store, "Source 1")
    assert (poll["outcome"], poll["new"], poll["due_reason"]) == ("new", 2, "every 30 min")
    assert row["next_poll_at"] == make.NOW + timedelta(minutes=30)
    assert row["last_success_at"] == row["last_new_at"] == make.NOW
    assert (row["lease_owner"], row["lease_until"]) == (None, None)


def test_a_source_removed_while_it_is_polled_stays_removed(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        sources.sync(conn, [], make.NOW)
        make.finish(conn, _report(source), failures=0)

    assert _row(store, "Source 1")["state"] == "removed"


def test_a_gone_source_that_answers_when_polled_by_hand_is_active_again(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.finish(conn, _report(source, outcome=model.Outcome.FAILED, state="gone", due=None, new=0), failures=1)
        assert sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE) == ()
        (again,) = sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE, names=["Source 1"])
        make.finish(conn, _report(again), failures=0)

    assert _row(store, "Source 1")["state"] == "active"


def test_a_failed_poll_keeps_the_validators_and_says_why(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        facts = sources.FeedFacts(
            validators=model.Validators(url="u", etag='W/"1"', last_modified="x"), document_hash="h"
        )
        make.finish(conn, _report(source), failures=0, facts=facts)
        failed = _report(
            source, outcome=model.Outcome.FAILED, state="failing", error="HTTP 503", error_code="http_503", new=0
        )
        make.finish(conn, failed, failures=0.5)
        (healthy,) = health.rows(conn)

    row = _row(store, "Source 1")
    assert (row["etag"], row["document_hash"]) == ('W/"1"', "h")
    assert (healthy["state"], healthy["reason"], healthy["polls_failed"]) == ("failing", "HTTP 503", 1)


def _due(store: db.Store) -> dict[str, tuple[datetime | None, str | None]]:
    with store.read() as conn:
        rows = conn.execute(select(tables.sources.c.name, tables.sources.c.next_poll_at, tables.sources.c.due_reason))
        return {row.name: (row.next_poll_at, row.due_reason) for row in rows}


def _hosted(*urls: str) -> list[sources.Configured]:
    return [sources.Configured(name=url.rpartition("/")[2], url=url) for url in urls]


def test_one_host_does_not_take_all_seats(store: db.Store) -> None:
    crowd = [f"https://big.example/a{n}" for n in range(50)]
    with store.begin() as conn:
        sources.sync(conn, _hosted(*crowd, "https://small.example/b", "https://tiny.example/c"), make.NOW)
        first = sources.claim_due(conn, now=make.NOW, limit=4, owner="me", lease=LEASE, per_host=2)
        full = frozenset({"big.example"})
        second = sources.claim_due(conn, now=make.NOW, limit=4, owner="me", lease=LEASE, per_host=2, busy=full)

    assert [one.name for one in first] == ["a0", "a1", "b", "c"]
    assert second == ()


def test_a_pause_postpones_the_other_sources_of_the_host_that_were_polled_before(store: db.Store) -> None:
    until = make.NOW + timedelta(hours=2)
    with store.begin() as conn:
        urls = [
            f"https://{host}.example/{name}"
            for host, name in (("big", "a"), ("big", "b"), ("big", "new"), ("other", "c"))
        ]
        sources.sync(conn, _hosted(*urls), make.NOW)
        polled = tables.sources.c.name != "new"
        conn.execute(update(tables.sources).where(polled).values(last_polled_at=make.NOW - timedelta(hours=1)))
        ids = {row.name: row.id for row in conn.execute(select(tables.sources.c.name, tables.sources.c.id))}
        sources.postpone_host(conn, "big.example", until=until, reason="postponed: it said so", but=ids["a"])

    due = _due(store)
    assert due["b"] == (until, "postponed: it said so")
    assert {name for name, (at, _) in due.items() if at == make.NOW} == {"a", "new", "c"}


def test_what_is_overdue_is_spaced_out(store: db.Store) -> None:
    with store.begin() as conn:
        sources.sync(conn, _configured(*(f"s{n:03}" for n in range(100))), make.NOW)
        count = sources.spread(conn, make.NOW + timedelta(days=2), a_second=10, longest=timedelta(minutes=30))
        soon = sources.claim_due(conn, now=make.NOW + timedelta(days=2), limit=1000, owner="me", lease=LEASE)

    assert count == 100
    assert len(soon) == 10
    last = max(at for at, _ in _due(store).values() if at)
    assert last == make.NOW + timedelta(days=2, seconds=9)


def test_after_the_clock_was_set_back_nothing_is_out_of_reach(store: db.Store) -> None:
    then, back = make.NOW, make.NOW - timedelta(days=365)
    with store.begin() as conn:
        sources.sync(conn, _configured("s1", "s2"), then)
        later = {"last_polled_at": then, "next_poll_at": then + timedelta(hours=1)}
        conn.execute(update(tables.sources).where(tables.sources.c.name == "s1").values(later))
        conn.execute(
            update(tables.sources)
            .where(tables.sources.c.name == "s2")
            .values(lease_owner="dead", lease_until=then, last_polled_at=back, next_poll_at=back)
        )
        count = sources.clamp(conn, back, within=timedelta(minutes=30))
        claimed = sources.claim_due(conn, now=back + timedelta(minutes=30), limit=9, owner="me", lease=LEASE)

    assert count == 1
    assert [one.name for one in claimed] == ["s1", "s2"]


def test_sources_that_were_well_are_forgiven(store: db.Store) -> None:
    with store.begin() as conn:
        one, two = make.add_sources(conn, 2)
        for source in (one, two):
            report = _report(source, outcome=model.Outcome.FAILED, state="failing")
            make.finish(conn, report, failures=0.5)
        sources.forgive(conn, [one.id], model.Due(at=make.NOW + timedelta(hours=1), reason="it was us"))
        again = sources.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=LEASE, names=["Source 1", "Source 2"])

    assert [(source.failures, source.state) for source in again] == [(0.0, "active"), (0.5, "failing")]
    assert _due(store)["Source 1"] == (make.NOW + timedelta(hours=1), "it was us")


def test_hints_and_moves_survive_storing(store: db.Store) -> None:
    hints = model.Hints(
        ttl=timedelta(minutes=90), update=timedelta(hours=12), update_base=make.NOW, skip_hours=(0, 1), skip_days=(6,)
    )
    facts = sources.FeedFacts(
        validators=model.Validators(), document_hash="x", hints=hints, learned_gap=timedelta(hours=3)
    )
    move = model.Move(to="https://new.example/feed", since=make.NOW, sightings=2)
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.finish(conn, _report(source), failures=0.0, facts=facts, move=move, advice="has moved")
        (again,) = sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE, names=[source.name])

    assert (again.hints, again.learned_gap) == (hints, timedelta(hours=3))
    assert (again.moved_to, again.moved_since, again.moved_sightings) == (move.to, make.NOW, 2)
    assert again.advice == "has moved"


def test_an_adopted_move_changes_where_the_source_is_asked_and_nothing_else(store: db.Store) -> None:
    move = model.Move(to="https://new.example/feed", since=make.NOW, sightings=5, adopt=True)
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.finish(conn, _report(source), failures=0.0, move=move)
        sources.tell_moved(conn, source, move, make.NOW)
        (again,) = sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE, names=[source.name])
        told = conn.execute(select(tables.changes.c.kind, tables.changes.c.source_id, tables.changes.c.detail)).one()

    assert (again.url, again.feed_url, again.moved_to) == (source.url, move.to, None)
    assert (told.kind, told.source_id) == ("moved", source.id)
    assert f"{source.feed_url} has moved for good to {move.to}" in told.detail
