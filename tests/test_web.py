"""The operator's page: what it shows, and what it never does."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from aggregator import config, errors, metrics
from aggregator.store import db, tables, visits
from aggregator.web import page
from tests import make

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def client(store: db.Store) -> TestClient:
    with store.begin() as conn:
        (source,) = make.add_sources(conn, 1)
        make.poll(conn, source, [make.entry(1, title=HOSTILE, summary=HOSTILE), make.entry(2, url=None)])
        claimed = visits.claim_due(conn, now=make.NOW, limit=9, owner="me", lease=timedelta(minutes=1))
    for item in claimed:
        with store.begin() as conn:
            visits.settle(conn, make.visit(item, make.draft(f"body of {item.id} {HOSTILE}")))
    return TestClient(
        page.application(store, metrics.Metrics(), lambda: None, config.WebSettings()), base_url="http://127.0.0.1:8080"
    )


def test_the_front_page_shows_sources_and_items(client: TestClient) -> None:
    answer = client.get("/")

    assert answer.status_code == 200
    assert "Source 1" in answer.text
    assert "2</b>items" in answer.text


def test_a_gap_is_shown_with_what_became_of_it(client: TestClient, store: db.Store) -> None:
    with store.begin() as conn:
        row = {"source_id": 1, "from_at": make.NOW, "to_at": make.NOW, "reason": "none <b>known</b>"}
        conn.execute(insert(tables.gaps).values(**row, result="not filled: no archive offered"))

    assert "gap: none &lt;b&gt;known&lt;/b&gt;; not filled: no archive offered" in client.get("/").text


def test_a_source_in_trouble_says_what_is_wrong_and_what_to_do(client: TestClient, store: db.Store) -> None:
    told = {"health": "silent", "health_reason": f"nothing new for 9 days {HOSTILE}", "advice": f"look at it {HOSTILE}"}
    with store.begin() as conn:
        conn.execute(update(tables.sources).values(told))

    answer = client.get("/")

    assert '<span class="silent">silent</span>' in answer.text
    assert "nothing new for 9 days &lt;script&gt;" in answer.text
    assert "→ look at it &lt;script&gt;" in answer.text


def test_nothing_foreign_runs_on_the_page(client: TestClient) -> None:
    for path in ("/", "/items/1", "/?q=body", "/?q=%3Cscript%3E"):
        answer = client.get(path)

        assert "<script" not in answer.text
        assert "<img" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_an_item_shows_its_trail(client: TestClient) -> None:
    answer = client.get("/items/1")

    assert "body of 1" in answer.text
    assert "https://news.example/articles/1" in answer.text


def test_search_finds_and_says_when_it_does_not(client: TestClient) -> None:
    assert "1 found" in client.get("/", params={"q": "Summary"}).text
    assert "Nothing has all of these words" in client.get("/", params={"q": "zeppelin"}).text


@pytest.mark.parametrize("path", ["/items/999", "/items/99999999999999999999", "/nothing", "/items/../../etc/passwd"])
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_page_only_reads(client: TestClient, method: str) -> None:
    assert client.request(method, "/").status_code == 405


def test_another_sites_name_for_us_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_health_and_metrics_answer_monitors(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").status_code == 200
    assert "aggregator_build_info" in client.get("/metrics").text


def test_trouble_is_told_to_monitors_and_people(store: db.Store) -> None:
    trouble = TestClient(
        page.application(store, metrics.Metrics(), lambda: "the disk is full", config.WebSettings()),
        base_url="http://localhost",
    )

    assert trouble.get("/healthz").status_code == 503
    assert "the disk is full" in trouble.get("/").text


def test_a_database_that_does_not_answer_is_a_page_too(
    client: TestClient, store: db.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise errors.UnavailableError("database sqlite:///x: the disk does not answer")

    monkeypatch.setattr(store, "read", refuse)

    for path in ("/", "/items/1"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "the disk does not answer" in answer.text


def test_an_article_is_shown_with_its_mark_up_and_cleaned_again(client: TestClient, store: db.Store) -> None:
    stored = f"<p>The <strong>river</strong> rose.</p>{HOSTILE}<a href='javascript:alert(3)'>x</a>"
    with store.begin() as conn:
        conn.execute(update(tables.items).values(html=stored).where(tables.items.c.id == 1))

    shown = client.get("/items/1").text.partition("<article>")[2].partition("</article>")[0]

    assert shown == '<p>The <strong>river</strong> rose.</p><img src="x"><a rel="noopener noreferrer nofollow">x</a>'
    assert '<article class="plain">body of 2' in client.get("/items/2").text
