"""Boilerplate in the store: learned from what is harvested, cut from what is stored already."""

import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from aggregator import boilerplate, config, draft, harvest, model
from aggregator.store import boilerplate as learning
from aggregator.store import db, recuts, tables, visits
from tests import make

TAXONOMY = config.Taxonomy(version="1", topics=())
BOX = "Sign up for our weekly newsletter and never miss a flood again."
LATER = make.NOW + timedelta(hours=2)


def _words(n: int, count: int = 8) -> list[str]:
    """The paragraphs of the `n`th article, which no other has."""
    return [
        f"Paragraph {k} of story {n} says that the river {n} rose by {k * n} metres in one night."
        for k in range(1, count)
    ]


def _claim(store: db.Store, limit: int = 9) -> tuple[model.Item, ...]:
    with store.begin() as conn:
        return visits.claim_due(conn, now=LATER, limit=limit, owner="me", lease=timedelta(minutes=1), per_host=9)


def _harvest(store: db.Store, item: model.Item, lines: list[str], **values: object) -> model.HarvestReport:
    """A visit to a page of these lines, drafted as in a worker."""
    page = "<html><body><article>" + "".join(f"<p>{line}</p>" for line in lines) + "</article></body></html>"
    made = draft.make(_page(item, page), TAXONOMY)
    due = model.Due(at=LATER, reason="again")
    with store.begin() as conn:
        return visits.settle(conn, make.visit(item, made, state=made.state, reason=made.reason, due=due, **values))


def _page(item: model.Item, page: str) -> model.DraftJob:
    job = harvest.job(item, None, make.NOW)
    told = {name: getattr(job, name) for name in ("title", "summary", "now", "text", "learned", "language")}
    return model.DraftJob(**told, content="", page=page.encode(), page_type="text/html")


@pytest.fixture
def harvested(store: db.Store) -> db.Store:
    """Three articles of one source, drafted before anything was known of it, each with the box."""
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.poll(conn, source, [make.entry(n) for n in range(1, 6)])
    for n, item in enumerate(_claim(store, 3), start=1):
        _harvest(store, item, [*_words(n), BOX])
    return store


def _items(store: db.Store) -> list[tuple[int, str | None, str | None]]:
    found = select(tables.items.c.id, tables.items.c.text, tables.items.c.boilerplate).order_by(tables.items.c.id)
    with store.read() as conn:
        return [(row.id, row.text, row.boilerplate) for row in conn.execute(found)]


def _recut(store: db.Store) -> int:
    with store.read() as conn:
        due = recuts.due(conn, now=LATER + timedelta(hours=1), limit=10)
    made = [model.Recut(item=item, draft=draft.recut(harvest.job(item, None, LATER), item, TAXONOMY)) for item in due]
    if not made:
        return 0
    with store.begin() as conn:
        return recuts.write(conn, made, LATER + timedelta(hours=1))


def test_a_paragraph_of_three_articles_is_learned_and_cut_from_the_next(harvested: db.Store) -> None:
    (item, *_) = [one for one in _claim(harvested) if one.id == 4]

    _harvest(harvested, item, [*_words(4), BOX])

    assert item.learned == {boilerplate.hashed(BOX)}
    assert _items(harvested)[3] == (4, "\n".join(_words(4)), BOX)


def test_texts_that_were_stored_before_are_corrected_without_a_revision(harvested: db.Store) -> None:
    assert all(BOX in (text or "") for _, text, _ in _items(harvested)[:3])

    assert _recut(harvested) == 3

    assert [row[1:] for row in _items(harvested)[:3]] == [("\n".join(_words(n)), BOX) for n in range(1, 4)]
    with harvested.read() as conn:
        assert conn.execute(select(tables.revisions)).all() == []
        told = conn.execute(select(tables.boilerplate)).one()
        changed = conn.execute(select(tables.items.c.changed_at).where(tables.items.c.id == 1)).scalar_one()
    assert (told.text, told.items) == (BOX, 3)
    assert told.cut_at is not None
    assert changed == LATER + timedelta(hours=1)
    assert _recut(harvested) == 0


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_in_whatever_order_articles_are_harvested_their_texts_are_the_same(store: db.Store, order: list[int]) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.poll(conn, source, [make.entry(n) for n in range(1, 6)])
    told = "What only this story and one other say of the river."
    items = _claim(store)

    for place in order:
        again = [told] if place < 2 else []
        _harvest(store, items[place], [*again, *_words(place + 1), BOX])
    _recut(store)

    texts = {item: (text or "").split("\n") for item, text, _ in _items(store)}
    assert texts == {n: [*([told] if n < 3 else []), *_words(n)] for n in range(1, 6)}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("common", [2, 3])
def test_versions_of_an_article_teach_the_same_in_whatever_order_and_whatever_was_cut_before(
    store: db.Store, order: tuple[int, ...], common: int, *, at_once: bool
) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.poll(conn, source, [make.entry(n) for n in range(1, 5)])
    steps = ["Stash the changes that you have made to the river.", "Pull in what others have changed upstream of it."]
    # The first two share five of their eight paragraphs, and four without the box, so they are two articles once that is learned; or one
    # more, so they stay versions of one.
    tutorial = [BOX, *steps, *_words(9, common + 1)]
    own = 6 - common
    pages = [
        [*tutorial, *_words(1, own)],
        [*tutorial, *_words(2, own)],
        [BOX, *steps, *_words(3)],
        [BOX, *_words(4)],
    ]
    items = _claim(store) if at_once else ()

    for place in order:
        claimed = {item.id: item for item in items or _claim(store)}
        _harvest(store, claimed[place + 1], pages[place])
        if not at_once:
            _release(store)
            _recut(store)
    _recut(store)

    cut = {BOX, *(steps if common == 2 else ())}
    assert _learned(store) == {1: set(map(boilerplate.hashed, cut))}
    assert [text for _, text, _ in _items(store)] == [
        "\n".join(line for line in page if line not in cut) for page in pages
    ]


def _release(store: db.Store) -> None:
    """The items that nobody has visited are nobody's, and due, again."""
    with store.begin() as conn:
        conn.execute(update(tables.items).values(lease_owner=None, lease_until=None, next_visit_at=make.NOW))


@pytest.mark.parametrize("first", [range(6), reversed(range(6))])
def test_what_is_rare_in_a_long_document_is_so_from_its_first_articles_on(
    store: db.Store, first: Iterable[int]
) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.poll(conn, source, [make.entry(n) for n in range(1, 7)])
        row = {"source_id": source.id, "url": source.feed_url, "entries": b"", "touched_at": make.NOW, "size": 300}
        conn.execute(tables.shown.insert(), row)
    items = _claim(store)

    for place in first:
        _harvest(store, items[place], [*_words(place + 1), *([BOX] if place < 4 else [])])

    # A fiftieth of 300 are six.
    assert _learned(store) == {}


def _learned(store: db.Store) -> dict[int, frozenset[int]]:
    with store.read() as conn:
        return dict(learning.learned(conn, [1]))


def test_a_revisit_of_an_unchanged_page_is_no_revision_though_more_is_cut_now(harvested: db.Store) -> None:
    items = {item.id: item for item in _claim(harvested)}

    report = _harvest(harvested, items[1], [*_words(1), BOX], at=LATER)

    assert not report.revised
    assert _items(harvested)[0][1:] == ("\n".join(_words(1)), BOX)


def test_a_revisit_of_a_changed_page_tells_only_of_the_change(harvested: db.Store) -> None:
    items = {item.id: item for item in _claim(harvested)}

    report = _harvest(harvested, items[1], [*_words(1), "And it fell again.", BOX], at=LATER)

    assert report.revised
    with harvested.read() as conn:
        last = conn.execute(select(tables.revisions).order_by(tables.revisions.c.id.desc()).limit(1)).one()
    assert (last.added, last.removed) == (4, 0)


def test_what_was_learned_between_a_draft_and_its_commit_is_cut_later(harvested: db.Store) -> None:
    _recut(harvested)
    (item, *_) = [one for one in _claim(harvested) if one.id == 4]
    text = "\n".join([*_words(4), BOX])

    late = make.draft(text, paragraphs=boilerplate.candidates(text))
    with harvested.begin() as conn:
        visits.settle(conn, make.visit(replace(item, learned=frozenset()), late))

    assert _recut(harvested) == 1
    assert _items(harvested)[3][1:] == ("\n".join(_words(4)), BOX)


def test_an_item_that_is_being_visited_or_has_changed_is_left_alone(harvested: db.Store) -> None:
    with harvested.read() as conn:
        due = recuts.due(conn, now=LATER, limit=10)
    made = [model.Recut(item=item, draft=draft.recut(harvest.job(item, None, LATER), item, TAXONOMY)) for item in due]
    items = {item.id: item for item in _claim(harvested)}

    with harvested.begin() as conn:
        assert recuts.write(conn, made, LATER) == 0

    _harvest(harvested, items[1], [*_words(1), "And it fell again.", BOX], at=LATER)
    with harvested.begin() as conn:
        assert recuts.write(conn, made, LATER) == 0
    assert "And it fell again." in (_items(harvested)[0][1] or "")


def test_versions_of_one_article_teach_nothing(store: db.Store) -> None:
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.poll(conn, source, [make.entry(n) for n in range(1, 6)])

    for n, item in enumerate(_claim(store), start=1):
        _harvest(store, item, [*_words(1), *_words(n + 1, 3)])

    assert _learned(store) == {}


BACKGROUND = (
    "The dam was built in 1961, when the valley had four villages and a mill, and it has been raised twice since, the last time after "
    "the flood of 1997, in which eleven people died; an inquiry found that the gates had been opened six hours too late, and that the "
    "warnings of the village of Prey had been read by nobody, for which the operator paid a fine and promised a siren that was never put up."
)


def _taught(store: db.Store, articles: list[list[str]]) -> frozenset[int]:
    """What a source is known for after articles of these lines, which stood in one document."""
    with store.begin() as conn:
        (source,) = make.add_sources(conn)
        make.poll(conn, source, [make.entry(n) for n in range(len(articles))])
        claimed = visits.claim_due(
            conn, now=LATER, limit=99, owner="me", lease=timedelta(minutes=1), per_host=99, pageless=["Source 1"]
        )
        for item, lines in zip(claimed, articles, strict=True):
            text = "\n".join(lines)
            visits.settle(conn, make.visit(item, make.draft(text, paragraphs=boilerplate.candidates(text))))
    return _learned(store).get(1, frozenset())


@pytest.mark.parametrize("place", [1, 3, 4])
def test_background_that_some_articles_share_in_their_midst_stays(store: db.Store, place: int) -> None:
    articles = [_words(n, 7) for n in range(1, 26)]
    for n in (2, 9, 20):
        articles[n].insert(place, BACKGROUND)

    assert _taught(store, articles) == frozenset()


@pytest.mark.parametrize("behind", [[], [BOX]])
def test_what_is_as_long_and_stands_at_the_end_of_as_many_is_learned(store: db.Store, behind: list[str]) -> None:
    articles = [_words(n, 7) for n in range(1, 26)]
    for n in (2, 9, 20):
        articles[n] += [BACKGROUND, *behind]

    assert _taught(store, articles) == set(map(boilerplate.hashed, [BACKGROUND, *behind]))


def test_what_is_as_long_and_stands_in_the_midst_of_a_quarter_is_learned(store: db.Store) -> None:
    articles = [_words(n, 7) for n in range(1, 26)]
    for n in range(7):
        articles[n].insert(4, BACKGROUND)

    assert _taught(store, articles) == {boilerplate.hashed(BACKGROUND)}


@pytest.mark.parametrize(("polled", "counted"), [(30, 30), (470, boilerplate.COUNTED)])
def test_no_more_articles_are_counted_than_make_a_difference(store: db.Store, polled: int, counted: int) -> None:
    with store.begin() as conn:
        (source, *_) = make.add_sources(conn, 2)
        make.poll(conn, source, [make.entry(n) for n in range(polled)])
        ids = conn.execute(select(tables.items.c.id)).scalars().all()
        # Each with the box, and with two paragraphs of its own.
        held = [(item, paragraph) for item in ids for paragraph in (7, 1000 + item, 9000 + item)]
        rows = [{"item_id": item, "hash": one, "source_id": source.id, "at": make.NOW} for item, one in held]
        conn.execute(tables.paragraphs.insert(), rows)

    with store.read() as conn:
        assert learning.articles(conn, source.id) == counted
        assert learning.articles(conn, source.id + 1) == 0
    assert boilerplate.least(counted) == boilerplate.least(polled)


def test_what_articles_consisted_of_long_ago_is_forgotten(harvested: db.Store) -> None:
    with harvested.begin() as conn:
        assert learning.forget(conn, make.NOW + timedelta(days=30)) == 0
        assert learning.forget(conn, make.NOW + timedelta(days=91)) > 20

    assert _learned(harvested)[1] == {boilerplate.hashed(BOX)}


def test_what_is_cut_does_not_close_a_paragraph_that_a_visit_under_way_brings(
    harvested: db.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with harvested.read() as conn:
        several = conn.dialect.name == "postgresql"
    if not several:
        pytest.skip("SQLite has one writer at a time")
    (item, *_) = [one for one in _claim(harvested) if one.id == 4]
    text = "\n".join([*_words(4), BOX])
    made_before = make.draft(text, paragraphs=boilerplate.candidates(text))
    visit = make.visit(replace(item, learned=frozenset()), made_before)
    later = LATER + timedelta(hours=1)
    with harvested.read() as conn:
        due = recuts.due(conn, now=later, limit=10)
    made = [model.Recut(item=one, draft=draft.recut(harvest.job(one, None, LATER), one, TAXONOMY)) for one in due]

    with ThreadPoolExecutor() as pool:
        with harvested.begin() as conn:
            visits.settle_all(conn, [visit])
            cutting = pool.submit(harvested.commit, lambda other: recuts.write(other, made, later), tries=1)
            wait([cutting], timeout=0.5)
        cutting.result(timeout=30)

    assert _recut(harvested) == 1
    assert _items(harvested)[3][1:] == ("\n".join(_words(4)), BOX)
