"""The edits of a recorded week, over the real program: which revisions they are, what their diffs say, and that nothing else is one."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from aggregator.store import db
from tests.conftest import create_database
from tests.e2e import replay

pytestmark = pytest.mark.slow

MOMENTS = ("2025-09-19T12:00:00Z", "2025-09-20T12:00:00Z", "2025-09-21T12:00:00Z", "2025-09-22T12:00:00Z")
GUARDIAN = (
    "https://www.theguardian.com/australia-news/live/2025/sep/19/australia-news-live-cheaper-energy-chris-bowen-climate-bush-search-"
    "crashed-plane-pilot-julie-bishop-ntwnfb"
)
CLIMATE_HOME = "https://www.climatechangenews.com/2025/09/17/iea-says-some-oil-and-gas-projects-must-shut-early-to-meet-1-5c-limit/"


@dataclass(frozen=True)
class Week:
    """The two sites after the recorded week."""

    sites: replay.Sites
    config: Path
    store: db.Store

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.store.read() as conn:
            return [tuple(row) for row in conn.execute(text(query))]

    def history(self, url: str) -> list[dict[str, Any]]:
        code, out, err = replay.run("history", url, "--json", config=self.config)
        assert code == 0, err
        versions: list[dict[str, Any]] = json.loads(out)["versions"]
        return versions


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def week(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    folder = tmp_path_factory.mktemp("edits")
    database = f"sqlite:///{folder}/corpus.db"
    if request.param == "postgres":
        database = create_database(request.getfixturevalue("postgres"))
    with replay.serve(shared, folder) as sites:
        recorded = yaml.safe_load(sites.sources.read_text())["sources"]
        both = [one for one in recorded if "climatechangenews.com" in one["url"] or "theguardian.com" in one["url"]]
        sites.sources.write_text(yaml.safe_dump({"sources": both}))
        config = replay.configure(folder, sites, database)
        settings = json.loads(config.read_text())
        # The recorded week is long past: its pages are revisited after ten years or not at all.
        config.write_text(json.dumps(settings | {"harvest": {"revisit": ["3600d"], "full_text": "always"}}))
        replay.run("run", "--once", config=config)
        for moment in MOMENTS:
            sites.clock(moment)
            time.sleep(1.1)
            replay.run("run", "--once", config=config)
        store = db.Store(database)
        yield Week(sites, config, store)
        store.close()


def _words(diff: list[dict[str, str]], op: str) -> str:
    return " ".join(part["text"].strip() for part in diff if part["op"] == op)


def test_the_retitled_live_blog_of_the_guardian_is_a_revision(week: Week) -> None:
    first, second = week.history(GUARDIAN)

    assert first["title"] == "Australia news live: seven teenagers arrested over stabbing deaths of two Melbourne boys"
    assert second["title"].startswith("Optus CEO says three people died after triple zero calls")
    assert (second["origin"], second["what"]) == ("feed", "title, summary, content")
    assert (second["added"], second["removed"]) == (60, 21)
    assert "Optus CEO says three people died" in _words(second["diffs"]["title"], "+")
    assert "seven teenagers arrested" in _words(second["diffs"]["title"], "-")
    assert _words(second["diffs"]["summary"], "+").startswith("This blog is now closed")


def test_the_reworded_summary_of_climate_home_is_a_revision(week: Week) -> None:
    first, second = week.history(CLIMATE_HOME)

    assert first["what"] == "first"
    assert (second["origin"], second["what"], second["added"], second["removed"]) == ("feed", "summary", 3, 0)
    assert set(second["diffs"]) == {"summary"}
    assert _words(second["diffs"]["summary"], "+") == "ahead of time"
    assert _words(second["diffs"]["summary"], "-") == ""


def test_the_diff_can_be_read_without_colours(week: Week) -> None:
    code, out, _ = replay.run("history", CLIMATE_HOME, config=week.config)

    assert code == 0
    assert "need to be closed down {+ahead of time+} The post IEA says" in out


def test_nothing_else_of_the_week_is_an_edit(week: Week) -> None:
    revised = week.rows(
        "SELECT i.url FROM items i WHERE EXISTS (SELECT 1 FROM revisions r WHERE r.item_id = i.id) ORDER BY 1"
    )

    assert {url for (url,) in revised} == {GUARDIAN, CLIMATE_HOME}
    assert week.rows(
        "SELECT count(*) FROM changes WHERE item_id IS NOT NULL AND kind NOT IN ('new', 'text', 'title', 'cluster')"
    ) == [(0,)]


def test_the_trail_of_the_edited_article_goes_all_the_way(week: Week) -> None:
    code, out, _ = replay.run("why", CLIMATE_HOME, "--json", config=week.config)

    told = json.loads(out)
    assert code == 0
    assert told["known"]
    assert [step["step"] for step in told["steps"]][:3] == ["discovered", "polled", "visited"]
    assert told["sightings"][0]["source"] == "www.climatechangenews.com/feed/"


def test_revisits_of_unchanged_pages_write_nothing(week: Week) -> None:
    watched = (
        "SELECT id, title, text, text_hash, state, state_reason, changed_at, cluster_id FROM items ORDER BY id",
        "SELECT * FROM revisions ORDER BY id",
        "SELECT * FROM changes ORDER BY id",
        "SELECT id, item_id, at, sha256 FROM pages ORDER BY id",
        "SELECT item_id, kind, tag, origin, score FROM item_tags ORDER BY 1, 2, 3",
    )
    before = [week.rows(query) for query in watched]
    asked = len(week.sites.requests())

    for _ in range(2):
        with week.store.begin() as conn:
            conn.execute(text("UPDATE items SET next_visit_at = '2025-01-01T00:00:00Z' WHERE state = 'ok'"))
        replay.run("run", "--once", config=week.config)

    assert [week.rows(query) for query in watched] == before
    pages = [one for one in week.sites.requests()[asked:] if "/feed" not in one["path"] and "/rss" not in one["path"]]
    assert len(pages) >= 2 * 15
