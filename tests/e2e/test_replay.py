"""The whole job on recorded sites: the real program, real HTTP and TLS, both databases, plain SQL at the end."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from aggregator.store import db
from tests.conftest import create_database
from tests.e2e import replay

pytestmark = pytest.mark.slow

BOT_CHECK = "bot check titled 'Just a moment...' instead of a feed"
# What the recorded broken feeds are, by a word of their address, and what must be said of them.
BROKEN = {
    "e360.yale.edu/feed/": "404",
    "climate.nasa.gov/feed/": BOT_CHECK,
    "climatecrisis.house.gov/rss.xml": BOT_CHECK,
    "journals.ametsoc.org": "403",
    "edge.test/billion_laughs.xml": "entit",
    "edge.test/xxe.xml": "entit",
    "edge.test/empty.xml": "empty",
    "edge.test/gone.xml": "410",
    "edge.test/html-instead.xml": BOT_CHECK,
    "edge.test/limited.xml": "429",
    "edge.test/loop.xml": "redirect",
    "edge.test/truncated.xml": "cut off",
    "edge.test/unavailable.xml": "503",
}
SEED = "As governments bet on carbon trading, Japan’s early scheme spotlights pitfalls"


@dataclass(frozen=True)
class Round:
    """A finished first round over the recorded sites."""

    sites: replay.Sites
    config: Path
    store: db.Store
    code: int
    printed: str
    requests: int


def _rows(store: db.Store, query: str, **values: Any) -> list[Any]:
    with store.read() as conn:
        return list(conn.execute(text(query), values).all())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def first(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Round]:
    folder = tmp_path_factory.mktemp("replay")
    database = f"sqlite:///{folder}/corpus.db"
    if request.param == "postgres":
        database = create_database(request.getfixturevalue("postgres"))
    with replay.serve(shared, folder) as sites:
        config = replay.configure(folder, sites, database)
        code, printed, _ = replay.run("run", "--once", config=config)
        store = db.Store(database)
        yield Round(sites, config, store, code, printed, len(sites.requests()))
        store.close()


def test_the_round_ends_and_says_that_some_sources_failed(first: Round) -> None:
    assert first.code == 1
    assert "93 sources polled" in first.printed


@pytest.mark.parametrize(("name", "said"), BROKEN.items())
def test_every_broken_feed_has_its_own_reason(first: Round, name: str, said: str) -> None:
    ((state, reason),) = _rows(
        first.store, "SELECT state, reason FROM source_health WHERE name LIKE :name", name=f"{name}%"
    )

    assert said.lower() in reason.lower()
    assert state == ("gone" if said == "410" else "failing")


def test_every_feed_that_answers_is_active_and_nothing_else_is(first: Round) -> None:
    trouble = _rows(first.store, "SELECT name, category, state, reason FROM source_health WHERE state <> 'active'")
    unexpected = [row for row in trouble if row.category not in ("dead-feeds", "edge")]

    # Feeds that the origin system found empty at this moment are served as 503.
    assert all("503" in row.reason for row in unexpected)
    assert all(row.reason for row in trouble)


def test_every_entry_is_there_once(first: Round) -> None:
    ((items, keys),) = _rows(first.store, "SELECT count(*), count(DISTINCT url_key) FROM items")
    ((sightings,),) = _rows(first.store, "SELECT count(*) FROM sightings")
    ((linkless,),) = _rows(first.store, "SELECT items FROM source_health WHERE name = 'areweanticheatyet.com/feed.rss'")

    assert items == keys
    assert sightings > 2200
    assert linkless == 1046


def test_an_item_in_two_feeds_is_one_item_with_two_sightings(first: Round) -> None:
    shared_items = _rows(
        first.store,
        "SELECT item_id, count(*) AS sources FROM sightings GROUP BY item_id HAVING count(*) > 1",
    )

    assert len(shared_items) > 70


def test_every_item_has_its_text_or_a_reason(first: Round) -> None:
    silent = _rows(first.store, "SELECT url, state FROM items WHERE state <> 'ok' AND coalesce(state_reason, '') = ''")
    waiting = _rows(first.store, "SELECT url FROM items WHERE state = 'pending' AND next_visit_at IS NULL")
    textless = _rows(first.store, "SELECT url FROM items WHERE state = 'ok' AND coalesce(text, '') = ''")

    assert (silent, waiting, textless) == ([], [], [])


def test_every_item_whose_page_exists_is_ok(first: Round) -> None:
    answered = {
        f"{request['scheme']}://{request['host']}{request['path']}"
        for request in first.sites.requests()[: first.requests]
        if request["status"] == 200
    }
    bad = [
        (row.url, row.state, row.state_reason)
        for row in _rows(first.store, "SELECT url, state, state_reason FROM items WHERE state <> 'ok'")
        if row.url in answered
    ]

    assert bad == []
    assert len(answered) > 400


def test_the_seed_article_can_be_read_whole(first: Round) -> None:
    (row,) = _rows(first.store, "SELECT * FROM feed_items WHERE title = :title", title=SEED)

    assert str(row.date).replace("T", " ").startswith("2025-09-18 22:59:00")
    assert "climate-week-2025-09" in str(row.categories)
    assert row.source_feed == "www.climatechangenews.com/feed/"
    assert row.external_url.startswith("https://www.climatechangenews.com/2025/09/18/as-governments-bet-on-carbon")
    assert "Japan" in row.description
    assert "carbon-markets" in str(row.tags)
    assert "year-2025" in str(row.tags)
    assert row.word_count > 2000
    assert "Prey Lang" in row.body


def test_a_second_round_asks_conditionally_and_changes_nothing(first: Round) -> None:
    watched = (
        "SELECT * FROM items ORDER BY id",
        "SELECT * FROM sightings ORDER BY item_id, source_id",
        "SELECT * FROM revisions ORDER BY id",
        "SELECT * FROM item_tags ORDER BY item_id, kind, tag",
    )
    before = [_rows(first.store, query) for query in watched]
    healthy = {row.feed_url for row in _rows(first.store, "SELECT feed_url FROM sources WHERE state = 'active'")}
    time.sleep(2)

    code, _, _ = replay.run("run", "--once", config=first.config)

    made = first.sites.requests()[first.requests :]
    asked = {f"{one['scheme']}://{one['host']}{one['path']}": one for one in made}
    unconditional = [
        url
        for url, one in asked.items()
        if url in healthy and one["status"] == 200 and not {"if-none-match", "if-modified-since"} & set(one["headers"])
    ]
    assert code == 1
    assert [_rows(first.store, query) for query in watched] == before
    assert unconditional == []
    assert replay.statuses(made)[304] > 60


def test_moving_the_clock_brings_new_items_and_revisions_and_no_duplicates(first: Round) -> None:
    before = _rows(first.store, "SELECT count(*) FROM items")[0][0]
    # At these moments the Guardian has retitled a live blog and Climate Home has reworded a summary.
    for now in ("2025-09-19T12:00:00Z", "2025-09-20T12:00:00Z", "2025-09-21T12:00:00Z", "2025-09-22T12:00:00Z"):
        first.sites.clock(now)
        time.sleep(2)
        replay.run("run", "--once", config=first.config)

    ((items, keys),) = _rows(first.store, "SELECT count(*), count(DISTINCT url_key) FROM items")
    ((revised,),) = _rows(first.store, "SELECT count(DISTINCT item_id) FROM revisions")
    ((new_kinds,),) = _rows(first.store, "SELECT count(*) FROM changes WHERE kind = 'title'")
    assert items == keys
    assert items > before + 20
    assert revised >= 2
    assert new_kinds >= 1


# One source after the other: of two feeds with the same item the first to arrive has it, and a race between them is nobody's fault.
IN_TURN: dict[str, str | int] = {"interval": "30m", "min_interval": "5m", "concurrency": 1}
PICTURE = {
    "items": "SELECT url_key, title, summary, state, text_hash, text, extractor, language FROM items ORDER BY url_key",
    "owners": "SELECT i.url_key, s.name FROM items i JOIN sources s ON s.id = i.source_id ORDER BY 1",
    "sightings": "SELECT i.url_key, s.name, g.guid, g.entry_hash FROM sightings g JOIN items i ON i.id = g.item_id "
    "JOIN sources s ON s.id = g.source_id ORDER BY 1, 2",
    "tags": "SELECT i.url_key, t.kind, t.tag, t.origin, t.score FROM item_tags t JOIN items i ON i.id = t.item_id ORDER BY 1, 2, 3",
    "revisions": "SELECT count(*) FROM revisions",
}


def _picture(store: db.Store) -> dict[str, list[tuple[Any, ...]]]:
    """The corpus without what depends on time and order of arrival. Sorted here: collations differ between databases."""
    seen = {name: sorted((tuple(row) for row in _rows(store, query)), key=repr) for name, query in PICTURE.items()}
    clusters: dict[int, set[str]] = {}
    for cluster, key in _rows(store, "SELECT cluster_id, url_key FROM items WHERE cluster_id IS NOT NULL"):
        clusters.setdefault(cluster, set()).add(key)
    return seen | {"clusters": sorted(tuple(sorted(members)) for members in clusters.values())}


@pytest.fixture(scope="module")
def undisturbed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with replay.serve(shared, folder) as sites:
        config = replay.configure(folder, sites, f"sqlite:///{folder}/corpus.db", **IN_TURN)
        replay.run("run", "--once", config=config)
    store = db.Store(f"sqlite:///{folder}/corpus.db")
    picture = _picture(store)
    store.close()
    return picture


def test_postgres_holds_the_same_rows_as_sqlite(
    undisturbed: dict[str, list[tuple[Any, ...]]], shared: Path, postgres: str, tmp_path: Path
) -> None:
    database = create_database(postgres)
    with replay.serve(shared, tmp_path) as sites:
        config = replay.configure(tmp_path, sites, database, **IN_TURN)
        replay.run("run", "--once", config=config)
    store = db.Store(database)
    picture = _picture(store)
    store.close()

    for part, rows in undisturbed.items():
        assert [row for row in picture[part] if row not in set(rows)] == [], part
        assert picture[part] == rows, part


def test_two_processes_on_postgres_share_the_work(
    undisturbed: dict[str, list[tuple[Any, ...]]], shared: Path, postgres: str, tmp_path: Path
) -> None:
    database = create_database(postgres)
    with replay.serve(shared, tmp_path) as sites:
        config = replay.configure(tmp_path, sites, database, **IN_TURN)
        both = [replay.aggregator("run", "--once", config=config) for _ in range(2)]
        ends = [(process.communicate(timeout=240), process.returncode) for process in both]
    store = db.Store(database)
    picture = _picture(store)
    polls = _rows(store, "SELECT source_id, count(*) AS polls FROM polls GROUP BY source_id")
    store.close()

    assert [code for _, code in ends] in ([1, 1], [0, 1], [1, 0]), ends
    assert {row.polls for row in polls} == {1}
    assert len(polls) == 93
    for part, rows in undisturbed.items():
        assert [row for row in picture[part] if row not in set(rows)] == [], part
        assert picture[part] == rows, part


def test_killing_it_at_twenty_moments_loses_and_doubles_nothing(
    undisturbed: dict[str, list[tuple[Any, ...]]], shared: Path, tmp_path: Path
) -> None:
    moments = random.Random(20250919)
    with replay.serve(shared, tmp_path) as sites:
        config = replay.configure(tmp_path, sites, f"sqlite:///{tmp_path}/corpus.db", **IN_TURN)
        kills = 0
        while kills < 20:
            process = replay.aggregator("run", "--once", config=config)
            try:
                process.communicate(timeout=moments.uniform(0.4, 2.2))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
            else:
                break
        code, _, _ = replay.run("run", "--once", config=config)
    store = db.Store(f"sqlite:///{tmp_path}/corpus.db")
    picture = _picture(store)
    problems = store.check(full=True)
    store.close()

    assert code in (0, 1)
    assert kills == 20
    assert problems == ()
    for part, rows in undisturbed.items():
        assert [row for row in picture[part] if row not in set(rows)] == [], part
        assert picture[part] == rows, part
