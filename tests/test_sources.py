"""Sources in the store: syncing with the configuration, claiming with a lease, finishing a poll."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from aggregator import model
from aggregator.store import db, sources, tables
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
        sources.finish(conn, _report(source), failures=3.0, facts=facts)
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
        sources.finish(conn, _report(first), failures=0)

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
        sources.finish(conn, _report(source), failures=0)
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
        sources.finish(conn, _report(source), failures=0)

    assert _row(store, "Source 1")["state"] == "removed"


def test_a_gone_source_that_answers_when_polled_by_hand_is_active_again(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        sources.finish(conn, _report(source, outcome=model.Outcome.FAILED, state="gone", due=None, new=0), failures=1)
        assert sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE) == ()
        (again,) = sources.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE, names=["Source 1"])
        sources.finish(conn, _report(again), failures=0)

    assert _row(store, "Source 1")["state"] == "active"


def test_a_failed_poll_keeps_the_validators_and_says_why(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        facts = sources.FeedFacts(
            validators=model.Validators(url="u", etag='W/"1"', last_modified="x"), document_hash="h"
        )
        sources.finish(conn, _report(source), failures=0, facts=facts)
        failed = _report(
            source, outcome=model.Outcome.FAILED, state="failing", error="HTTP 503", error_code="http_503", new=0
        )
        sources.finish(conn, failed, failures=0.5)
        (health,) = sources.health(conn)

    row = _row(store, "Source 1")
    assert (row["etag"], row["document_hash"]) == ('W/"1"', "h")
    assert (health["state"], health["reason"], health["polls_failed"]) == ("failing", "HTTP 503", 1)
