"""The public views, written once; where the two databases spell a function differently, the spelling is filled in here.

They are made anew whenever migrations have run, so a change here needs a migration, even an empty one.
"""

from sqlalchemy import Connection

_SPELLING = {
    "sqlite": {
        "list": "json_group_array({0})",
        "empty": "'[]'",
        "array": "json_array({0})",
        "day": "substr({0}, 1, 10)",
        "hours": "round((julianday({1}) - julianday({0})) * 24, 1)",
        "now": "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')",
        "document": "f.items_fts",
        "search_from": "items_fts f JOIN items i ON i.id = f.rowid",
        "null_int": "CAST(NULL AS INTEGER)",
    },
    "postgresql": {
        "list": "jsonb_agg({0})",
        "empty": "'[]'::jsonb",
        "array": "jsonb_build_array({0})",
        "day": "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        "hours": "round((extract(epoch FROM {1} - {0}) / 3600)::numeric, 1)",
        "now": "now()",
        "document": "to_tsvector('simple', left(i.title || ' ' || i.summary || ' ' || coalesce(i.text, ''), 200000))",
        "search_from": "items i",
        "null_int": "CAST(NULL AS BIGINT)",
    },
}


def _tags(spelling: dict[str, str], kinds: str) -> str:
    ordered = (
        f"SELECT t.tag FROM item_tags t WHERE t.item_id = i.id AND t.kind IN ({kinds}) ORDER BY t.score DESC, t.tag"
    )
    return f"coalesce((SELECT {spelling['list'].format('o.tag')} FROM ({ordered}) o), {spelling['empty']})"


def _feed_items(s: dict[str, str], where: str = "") -> str:
    return f"""
SELECT i.id, i.title, i.published_at AS date,
       CASE WHEN s.category IS NULL THEN {s["empty"]} ELSE {s["array"].format("s.category")} END AS categories,
       {_tags(s, "'topic', 'source', 'year'")} AS tags,
       {_tags(s, "'keyword'")} AS keywords,
       i.summary AS description, i.url AS external_url, s.name AS source_feed, s.category AS feed_category,
       i.authors, i.categories AS published_categories, i.language, i.image,
       i.text AS body, i.html AS body_html, i.content AS feed_html, i.word_count, i.state, i.state_reason, i.extractor,
       i.published_raw AS date_raw, i.date_source, i.updated_at, i.first_seen_at, i.last_seen_at, i.changed_at, i.next_visit_at,
       i.discovered_by,
       (SELECT count(*) FROM sightings g WHERE g.item_id = i.id) AS sightings,
       (SELECT count(*) FROM revisions r WHERE r.item_id = i.id) AS revisions,
       i.cluster_id
  FROM items i JOIN sources s ON s.id = i.source_id {where}"""


def _unique_items(s: dict[str, str]) -> str:
    outlets = """SELECT DISTINCT o.name FROM sightings g JOIN sources o ON o.id = g.source_id
                 JOIN items m ON m.id = g.item_id WHERE m.id = i.id OR m.cluster_id = i.cluster_id ORDER BY o.name"""
    return f"""
SELECT i.id, i.title, i.published_at, i.url, s.name AS source, i.language, i.summary, i.text, i.word_count, i.state,
       i.cluster_id,
       CASE WHEN i.cluster_id IS NULL THEN 1
            ELSE (SELECT count(*) FROM items m WHERE m.cluster_id = i.cluster_id) END AS copies,
       (SELECT {s["list"].format("d.name")} FROM ({outlets}) d) AS outlets
  FROM items i JOIN sources s ON s.id = i.source_id LEFT JOIN clusters c ON c.id = i.cluster_id
 WHERE i.cluster_id IS NULL OR c.item_id = i.id"""


def _copies(s: dict[str, str]) -> str:
    pairs = """SELECT m.relation, m.method, m.at, m.item_id AS first_id, m.other_id AS second_id, m.coverage AS kept, m.other_coverage AS taken
      FROM matches m
    UNION ALL
    SELECT m.relation, m.method, m.at, m.other_id, m.item_id, m.other_coverage, m.coverage FROM matches m"""
    earlier = "(a.published_at < b.published_at OR (a.published_at = b.published_at AND a.id < b.id))"
    return f"""
SELECT p.first_id, f.name AS first_source, a.url AS first_url, a.published_at AS first_published_at,
       p.second_id, t.name AS second_source, b.url AS second_url, b.published_at AS second_published_at,
       {s["hours"].format("a.published_at", "b.published_at")} AS hours_later, p.relation, p.kept, p.taken, p.method, p.at
  FROM ({pairs}) p
  JOIN items a ON a.id = p.first_id JOIN sources f ON f.id = a.source_id
  JOIN items b ON b.id = p.second_id JOIN sources t ON t.id = b.source_id
 WHERE {earlier}"""


def _source_health(s: dict[str, str]) -> str:
    return f"""
SELECT s.id, s.name, s.url, s.feed_url, s.category, s.state, s.error_code, s.error AS reason, s.failures,
       s.last_polled_at, s.last_success_at, s.last_new_at, s.next_poll_at, s.due_reason,
       {s["hours"].format("s.last_success_at", s["now"])} AS hours_since_success,
       {s["hours"].format("s.last_new_at", s["now"])} AS hours_since_new,
       (SELECT count(*) FROM sightings g WHERE g.source_id = s.id) AS items,
       (SELECT count(*) FROM items i WHERE i.source_id = s.id AND i.state = 'ok') AS items_ok,
       (SELECT count(*) FROM items i WHERE i.source_id = s.id AND i.state = 'pending') AS items_pending,
       (SELECT count(*) FROM items i WHERE i.source_id = s.id AND i.state NOT IN ('ok', 'pending')) AS items_without_page,
       (SELECT count(*) FROM polls p WHERE p.source_id = s.id AND p.origin = 'poll') AS polls,
       (SELECT count(*) FROM polls p WHERE p.source_id = s.id AND p.origin = 'poll' AND p.outcome = 'failed') AS polls_failed,
       (SELECT count(*) FROM gaps g WHERE g.source_id = s.id AND g.filled_at IS NULL) AS gaps_open,
       (SELECT g.reason || coalesce('; ' || coalesce(g.result, b.result), '')
          FROM gaps g LEFT JOIN backfills b ON b.source_id = g.source_id
         WHERE g.source_id = s.id AND g.filled_at IS NULL ORDER BY g.id DESC LIMIT 1) AS gap,
       s.advice,
       (SELECT p.state || ': ' || p.reason FROM subscriptions p
         WHERE p.source_id = s.id AND p.state NOT IN ('ending', 'ended') ORDER BY p.id DESC LIMIT 1) AS push,
       s.health, s.health_reason
  FROM sources s"""


_COUNTED = ("published", "collected", "full_text", "pending", "failed", "polls", "polls_failed", "gaps")


def _coverage(s: dict[str, str]) -> str:
    published, seen, polled = (
        s["day"].format("i.published_at"),
        s["day"].format("g.first_seen_at"),
        s["day"].format("p.at"),
    )
    gap = s["day"].format("q.from_at")
    return f"""
SELECT d.source_id, s.name AS source, d.day, {", ".join(f"CAST(sum(d.{name}) AS INTEGER) AS {name}" for name in _COUNTED)}
  FROM (
    SELECT g.source_id, {published} AS day, 1 AS published, 0 AS collected, CASE WHEN i.state = 'ok' THEN 1 ELSE 0 END AS full_text,
           CASE WHEN i.state = 'pending' THEN 1 ELSE 0 END AS pending,
           CASE WHEN i.state NOT IN ('ok', 'pending') THEN 1 ELSE 0 END AS failed, 0 AS polls, 0 AS polls_failed, 0 AS gaps
      FROM sightings g JOIN items i ON i.id = g.item_id
    UNION ALL
    SELECT g.source_id, {seen}, 0, 1, 0, 0, 0, 0, 0, 0 FROM sightings g
    UNION ALL
    SELECT p.source_id, {polled}, 0, 0, 0, 0, 0, 1, CASE WHEN p.outcome = 'failed' THEN 1 ELSE 0 END, 0 FROM polls p
     WHERE p.origin = 'poll'
    UNION ALL
    SELECT q.source_id, {gap}, 0, 0, 0, 0, 0, 0, 0, 1 FROM gaps q
     WHERE q.filled_at IS NULL
  ) d JOIN sources s ON s.id = d.source_id
 GROUP BY d.source_id, s.name, d.day"""


def _item_history(s: dict[str, str]) -> str:
    return f"""
SELECT r.item_id, r.at, r.origin, r.title, r.summary, r.text, r.text_hash, r.added, r.removed, r.id AS revision_id,
       r.what, r.content
  FROM revisions r
UNION ALL
SELECT i.id, i.first_seen_at, 'first', i.title, i.summary, i.text, i.text_hash, 0, 0, {s["null_int"]},
       'first', i.content
  FROM items i WHERE NOT EXISTS (SELECT 1 FROM revisions r WHERE r.item_id = i.id)"""


def _item_search(s: dict[str, str]) -> str:
    return f"""
SELECT i.id AS item_id, {s["document"]} AS document, i.title, i.url, i.published_at, i.state, i.source_id
  FROM {s["search_from"]}"""


VIEWS = {
    "feed_items": _feed_items,
    "unique_items": _unique_items,
    "copies": _copies,
    "source_health": _source_health,
    "coverage": _coverage,
    "item_history": _item_history,
    "item_search": _item_search,
}


def drop(conn: Connection) -> None:
    """Remove the views, so that a migration may change the tables below them."""
    for name in reversed(VIEWS):
        conn.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def create(conn: Connection) -> None:
    """Make every view, in the spelling of the connected database."""
    spelling = _SPELLING[conn.dialect.name]
    for name, select in VIEWS.items():
        conn.exec_driver_sql(f"CREATE VIEW {name} AS {select(spelling)}")
