"""Visits in the store: fair claims, and what a visit writes."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import RowMapping, event, select, update

from aggregator import boilerplate, errors, harvest, model
from aggregator.store import db, sources, tables, tags, visits
from tests import make

LEASE = timedelta(minutes=5)
HOUR = timedelta(hours=1)


def _one(store: db.Store, table: Any) -> RowMapping:
    with store.read() as conn:
        return conn.execute(select(table)).mappings().one()


def _all(store: db.Store, table: Any) -> list[RowMapping]:
    with store.read() as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key.columns)).mappings())


def _items(store: db.Store, *entries: model.Entry) -> tuple[model.Item, ...]:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, list(entries or (make.entry(1),)))
        return visits.claim_due(conn, now=make.NOW, limit=99, owner="me", lease=LEASE, per_host=99)


def _again(store: db.Store, now: Any) -> model.Item:
    with store.begin() as conn:
        conn.execute(update(tables.items).values(next_visit_at=now))
        (item,) = visits.claim_due(conn, now=now, limit=1, owner="me", lease=LEASE)
    return item


def test_no_host_takes_more_than_its_share_of_the_seats(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        many = [make.entry(n) for n in range(1, 9)] + [
            make.entry(n, url=f"https://h{n}.example/a") for n in range(9, 12)
        ]
        make.poll(conn, source, many)
        claimed = visits.claim_due(conn, now=make.NOW, limit=20, owner="me", lease=LEASE, per_host=2)

    hosts = [item.url.split("/")[2] for item in claimed if item.url]
    assert hosts.count("news.example") == 2
    assert len(hosts) == 5


def test_items_of_busy_hosts_wait_and_items_without_address_never_do(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(
            conn, source, [make.entry(1), make.entry(2, url=None), make.entry(3, url=None), make.entry(4, url=None)]
        )
        claimed = visits.claim_due(
            conn, now=make.NOW, limit=20, owner="me", lease=LEASE, busy={"news.example"}, per_host=1
        )

    assert [item.url for item in claimed] == [None, None, None]


@pytest.mark.parametrize(
    ("earlier", "limit", "pages"), [("entries", 6, 3), ("entries", 1, 0), ("pages", 1, 1), ("pages", 99, 4)]
)
def test_entries_that_need_no_page_and_pages_take_turns(store: db.Store, earlier: str, limit: int, pages: int) -> None:
    with store.begin() as conn:
        entries, paged = make.add_sources(conn, 2)
        make.poll(conn, entries, [make.entry(n, url=f"https://one.example/{n}") for n in range(50)])
        make.poll(conn, paged, [make.entry(n, url=f"https://h{n}.example/a", guid=f"page-{n}") for n in range(50, 54)])
        late = paged if earlier == "entries" else entries
        later = make.NOW + timedelta(minutes=1)
        conn.execute(update(tables.items).where(tables.items.c.source_id == late.id).values(next_visit_at=later))
        claimed = visits.claim_due(
            conn, now=make.NOW + HOUR, limit=limit, owner="me", lease=LEASE, pageless=[entries.name]
        )

    sources_of = [item.source for item in claimed]
    assert sources_of.count(paged.name) == pages
    assert len(claimed) == min(limit, 54)


def test_a_claimed_item_is_nobody_elses_until_the_lease_ends(store: db.Store) -> None:
    _items(store)

    with store.begin() as conn:
        assert visits.claim_due(conn, now=make.NOW, limit=9, owner="you", lease=LEASE) == ()
        assert visits.due_count(conn, make.NOW) == 0
        assert len(visits.claim_due(conn, now=make.NOW + LEASE, limit=9, owner="you", lease=LEASE)) == 1


def test_a_good_visit_stores_text_tags_page_and_no_lease(store: db.Store) -> None:
    (item,) = _items(store, make.entry(1, image=None))
    tags = (
        model.Tag(tag="solar-power", kind="topic", origin="taxonomy@1", score=4.0),
        model.Tag(tag="sun", kind="keyword", origin="text"),
    )
    page = model.PageCopy(
        at=make.NOW, url=item.url or "", status=200, headers={"etag": '"1"'}, body=b"zstd", sha256="ab"
    )
    draft = make.draft("The text of it.", tags=tags, authors=("B. Line",), image="https://news.example/p.jpg")

    with store.begin() as conn:
        report = visits.settle(
            conn, make.visit(item, draft, page=page, due=model.Due(at=make.NOW + HOUR, reason="revisit"))
        )

    row = _one(store, tables.items)
    assert (row["state"], row["text"], row["word_count"], row["lease_owner"]) == ("ok", "The text of it.", 4, None)
    assert (row["authors"], row["image"]) == (["B. Line"], "https://news.example/p.jpg")
    assert row["next_visit_at"] == make.NOW + HOUR
    assert {(t["kind"], t["tag"]) for t in _all(store, tables.item_tags)} == {
        ("topic", "solar-power"),
        ("keyword", "sun"),
    }
    assert _one(store, tables.pages)["sha256"] == "ab"
    assert [row["kind"] for row in _all(store, tables.changes)] == ["new", "text"]
    assert not report.revised


def test_what_the_feed_said_is_not_replaced_by_what_the_page_says(store: db.Store) -> None:
    (item,) = _items(store, make.entry(1, authors=("Feed Author",), language="en"))
    draft = make.draft(authors=("Page Author",), language="de", title="Page Title", published_at=make.NOW - 9 * HOUR)

    with store.begin() as conn:
        visits.settle(conn, make.visit(item, draft))

    row = _one(store, tables.items)
    assert (row["title"], row["authors"], row["language"]) == ("Title 1", ["Feed Author"], "en")
    assert row["date_source"] == "published"


def test_a_page_dates_and_titles_an_item_whose_feed_did_not(store: db.Store) -> None:
    (item,) = _items(store, make.entry(1, title="", published_at=None, published_raw=None, date_source=None))

    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft(title="Page Title", published_at=make.NOW - 9 * HOUR)))

    row = _one(store, tables.items)
    assert (row["title"], row["published_at"], row["date_source"]) == ("Page Title", make.NOW - 9 * HOUR, "page")


def test_a_changed_text_is_a_revision_and_the_first_version_stays(store: db.Store) -> None:
    (item,) = _items(store)
    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft("the old text")))
    item = _again(store, make.NOW + HOUR)

    with store.begin() as conn:
        report = visits.settle(conn, make.visit(item, make.draft("the new longer text"), at=make.NOW + HOUR))

    first, second = _all(store, tables.revisions)
    assert report.revised
    assert (first["text"], second["text"]) == ("the old text", "the new longer text")
    assert (second["origin"], second["added"], second["removed"]) == ("page", 2, 1)


def test_an_unchanged_text_writes_no_revision(store: db.Store) -> None:
    (item,) = _items(store)
    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft("the text")))
    item = _again(store, make.NOW + HOUR)

    with store.begin() as conn:
        report = visits.settle(conn, make.visit(item, make.draft("the text"), at=make.NOW + HOUR))

    assert not report.revised
    assert _all(store, tables.revisions) == []


def test_getting_the_page_after_the_feeds_text_is_no_revision(store: db.Store) -> None:
    (item,) = _items(store)
    with store.begin() as conn:
        waiting = model.Due(at=make.NOW + HOUR, reason="try 2 of 10")
        visits.settle(
            conn,
            make.visit(
                item,
                make.draft("summary", extractor="feed"),
                state="pending",
                reason="HTTP 503",
                attempts=1,
                due=waiting,
            ),
        )
    item = _again(store, make.NOW + HOUR)

    with store.begin() as conn:
        report = visits.settle(conn, make.visit(item, make.draft("the whole text"), at=make.NOW + HOUR))

    assert not report.revised
    assert _one(store, tables.items)["text"] == "the whole text"


def test_the_same_page_twice_is_kept_once(store: db.Store) -> None:
    (item,) = _items(store)
    page = model.PageCopy(at=make.NOW, url="u", status=200, headers={}, body=b"x", sha256="same")
    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft(), page=page))
    item = _again(store, make.NOW + HOUR)
    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft(), page=page, at=make.NOW + HOUR))

    assert len(_all(store, tables.pages)) == 1


def test_a_revisit_sends_the_validators_of_the_kept_page(store: db.Store) -> None:
    (item,) = _items(store)
    page = model.PageCopy(
        at=make.NOW, url="https://p.example/", status=200, headers={"etag": '"7"'}, body=b"x", sha256="s"
    )
    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft(), page=page))

    item = _again(store, make.NOW + HOUR)

    assert item.validators == model.Validators(url="https://p.example/", etag='"7"', last_modified=None)


def test_new_words_are_known_to_others_before_an_item_is_held(store: db.Store) -> None:
    (item,) = _items(store)
    known, new = (model.Tag(tag=word, kind="keyword", origin="text") for word in ("known", "new"))
    with store.begin() as conn:
        tags.know(conn, [known], make.NOW)
        visits.claim_due(conn, now=make.NOW + LEASE, limit=1, owner="you", lease=LEASE)
    visit = make.visit(item, make.draft(tags=(known, new)))
    with store.read() as conn:
        assert visits.new_words(conn, [visit, make.visit(item)]) == [new]

    with pytest.raises(errors.ConflictError):
        harvest.settled(store, [visit])

    words = {row["tag"] for row in _all(store, tables.tags)}
    # Where there is one writer at a time nobody waits for a word.
    assert words == ({"known"} if store.sqlite else {"known", "new"})


def _article(n: int) -> model.Draft:
    own = (f"Paragraph {k} of article {n} says something that no other article of them all says." for k in range(8))
    text = "\n".join([*own, "Sign up for our weekly newsletter and never miss a flood again."])
    return make.draft(text, paragraphs=boilerplate.candidates(text))


def test_of_texts_that_are_written_together_each_teaches_after_the_one_before(store: db.Store) -> None:
    items = _items(store, *(make.entry(n) for n in range(1, 7)))

    with store.begin() as conn:
        visits.settle_all(conn, [make.visit(item, _article(item.id)) for item in reversed(items)])

    # The third was the first that could tell.
    assert [learned["items"] for learned in _all(store, tables.boilerplate)] == [3]
    assert len(_all(store, tables.paragraphs)) == 6 * 9


def test_no_more_statements_write_many_texts_of_different_sources_than_one(store: db.Store) -> None:
    with store.begin() as conn:
        for n, source in enumerate(make.add_sources(conn, 9)):
            make.poll(conn, source, [make.entry(n + 1)])
        items = visits.claim_due(conn, now=make.NOW, limit=99, owner="me", lease=LEASE, per_host=99)
    page = model.PageCopy(at=make.NOW, url="https://news.example/1", status=200, headers={}, body=b"zstd", sha256="1")
    asked: list[str] = []

    def counted(some: tuple[model.Item, ...]) -> int:
        asked.clear()
        with store.begin() as conn:
            listening = lambda _conn, _cursor, statement, *_: asked.append(statement)  # noqa: E731
            event.listen(conn, "before_cursor_execute", listening)
            visits.settle_all(conn, [make.visit(item, _article(item.id), page=page) for item in some])
            event.remove(conn, "before_cursor_execute", listening)
        return len(asked)

    one, many = counted(items[:1]), counted(items[1:])

    # Beside the first there was nothing to compare it with.
    assert many <= one + 3


def test_a_visit_that_lost_its_lease_writes_nothing(store: db.Store) -> None:
    (item,) = _items(store)
    with store.begin() as conn:
        visits.claim_due(conn, now=make.NOW + LEASE, limit=1, owner="you", lease=LEASE)

    with pytest.raises(errors.ConflictError) as caught, store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft("too late")))

    assert caught.value.code == "superseded"
    assert _one(store, tables.items)["text"] is None


def test_an_edit_during_a_visit_is_visited_anew(store: db.Store) -> None:
    (item,) = _items(store)
    with store.begin() as conn:
        source = make.source(1, last_success_at=make.NOW)
        make.poll(conn, source, [make.entry(1, title="Edited meanwhile")], make.NOW)

    with pytest.raises(errors.ConflictError), store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft("of the old title")))

    row = _one(store, tables.items)
    assert (row["title"], row["next_visit_at"], row["lease_owner"]) == ("Edited meanwhile", make.NOW, None)


def test_after_an_edit_of_its_feed_the_page_is_asked_for_without_conditions(store: db.Store) -> None:
    (item,) = _items(store)
    page = model.PageCopy(
        at=make.NOW, url="https://p.example/", status=200, headers={"etag": '"7"'}, body=b"x", sha256="s"
    )
    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft(), page=page))
        make.poll(conn, make.source(1, last_success_at=make.NOW), [make.entry(1, title="Edited")], make.NOW)
        (again,) = visits.claim_due(conn, now=make.NOW, limit=1, owner="me", lease=LEASE)

    assert not again.validators


def test_a_visit_without_draft_changes_only_when_the_next_one_is(store: db.Store) -> None:
    (item,) = _items(store)
    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft("text", tags=(model.Tag(tag="t", kind="topic", origin="o"),))))
    item = _again(store, make.NOW + HOUR)
    before = _one(store, tables.items)

    with store.begin() as conn:
        visits.settle(conn, make.visit(item, None, at=make.NOW + HOUR))

    after = _one(store, tables.items)
    changed = {key for key in after if after[key] != before[key]}
    assert changed <= {"visited_at", "next_visit_at", "lease_owner", "lease_until"}
    assert len(_all(store, tables.item_tags)) == 1


def test_an_edit_of_the_feeds_own_text_is_one_version_and_the_visit_fills_it_in(store: db.Store) -> None:
    (item,) = _items(store, make.entry(1, content="<p>One two</p>"))
    with store.begin() as conn:
        visits.settle(
            conn, make.visit(item, make.draft("One two", extractor="feed"), state="feed_only", reason="wanted")
        )
        (source,) = sources.claim_due(conn, now=make.NOW + HOUR, limit=1, owner="me", lease=LEASE)
        polled = dataclasses.replace(source, last_success_at=make.NOW)
        make.poll(conn, polled, [make.entry(1, content="<p>One three</p>")], make.NOW + HOUR)
    again = _again(store, make.NOW + HOUR)

    with store.begin() as conn:
        draft = make.draft("One three", extractor="feed")
        report = visits.settle(conn, make.visit(again, draft, at=make.NOW + HOUR, state="feed_only", reason="wanted"))

    told = [(row["what"], row["text"], row["content"]) for row in _all(store, tables.revisions)]
    assert report.revised
    assert told == [("first", "One two", "<p>One two</p>"), ("content", "One three", "<p>One three</p>")]


@pytest.mark.parametrize(("hours", "told"), [(-9, "page"), (1, "first_seen")])
def test_the_date_of_a_page_is_believed_unless_we_saw_it_before(store: db.Store, hours: int, told: str) -> None:
    (item,) = _items(store, make.entry(1, published_at=None, date_source=None))

    with store.begin() as conn:
        visits.settle(conn, make.visit(item, make.draft(published_at=make.NOW + hours * HOUR), at=make.NOW + 2 * HOUR))

    row = _one(store, tables.items)
    assert (row["date_source"], row["published_at"]) == (told, make.NOW + min(hours, 0) * HOUR)
