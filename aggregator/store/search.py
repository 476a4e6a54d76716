"""Full-text search behind one function: FTS5 on SQLite, tsvector on Postgres. Both index title, summary and text of every item."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text

from aggregator.store import tables

# Triggers keep the index true whatever changes `items`, be it this program or somebody's UPDATE by hand.
_INDEX = {
    "sqlite": (
        "CREATE VIRTUAL TABLE items_fts USING fts5(title, summary, text, content='items', content_rowid='id', "
        "tokenize='unicode61 remove_diacritics 2')",
        "CREATE TRIGGER items_fts_insert AFTER INSERT ON items BEGIN "
        "INSERT INTO items_fts(rowid, title, summary, text) VALUES (new.id, new.title, new.summary, new.text); END",
        "CREATE TRIGGER items_fts_delete AFTER DELETE ON items BEGIN "
        "INSERT INTO items_fts(items_fts, rowid, title, summary, text) "
        "VALUES ('delete', old.id, old.title, old.summary, old.text); END",
        "CREATE TRIGGER items_fts_update AFTER UPDATE OF title, summary, text ON items BEGIN "
        "INSERT INTO items_fts(items_fts, rowid, title, summary, text) "
        "VALUES ('delete', old.id, old.title, old.summary, old.text); "
        "INSERT INTO items_fts(rowid, title, summary, text) VALUES (new.id, new.title, new.summary, new.text); END",
    ),
    # Cut, because a tsvector holds at most 1 MB; `simple`, because a corpus has many languages.
    "postgresql": (
        "CREATE INDEX items_fts ON items USING gin (to_tsvector('simple', "
        "left(title || ' ' || summary || ' ' || coalesce(text, ''), 200000)))",
    ),
}

_RANKED = {
    "sqlite": """
SELECT i.id, i.title, i.url, i.published_at, i.state, s.name AS source,
       snippet(items_fts, -1, '[', ']', ' … ', 16) AS excerpt
  FROM items_fts f JOIN items i ON i.id = f.rowid JOIN sources s ON s.id = i.source_id
 WHERE items_fts MATCH :query{limits} ORDER BY bm25(items_fts, 4.0, 2.0, 1.0), i.published_at DESC, i.id LIMIT :limit""",
    # Ranking reads the texts again, so only the newest thousand matches are ranked.
    "postgresql": """
SELECT i.id, i.title, i.url, i.published_at, i.state, s.name AS source,
       ts_headline('simple', left(i.summary || ' ' || coalesce(i.text, ''), 20000), q.query,
                   'StartSel=[, StopSel=], MaxWords=18, MinWords=8, MaxFragments=1') AS excerpt
  FROM (SELECT m.item_id, ts_rank(setweight(to_tsvector('simple', m.title), 'A') || m.document, websearch_to_tsquery('simple', :query)) AS score
          FROM (SELECT i.item_id, i.title, i.document FROM item_search i
                 WHERE i.document @@ websearch_to_tsquery('simple', :query){limits} ORDER BY published_at DESC LIMIT 1000) m
         ORDER BY 2 DESC, 1 LIMIT :limit) r
  JOIN items i ON i.id = r.item_id JOIN sources s ON s.id = i.source_id
 CROSS JOIN (SELECT websearch_to_tsquery('simple', :query) AS query) q
 ORDER BY r.score DESC, i.published_at DESC, i.id""",
}

_ID = {"sqlite": "i.id", "postgresql": "i.item_id"}
_SEEN = """ AND EXISTS (SELECT 1 FROM sightings g JOIN sources o ON o.id = g.source_id WHERE g.item_id = {id} AND o.name IN :sources)"""
_SINCE = " AND i.published_at >= :since"

_TERM = re.compile(r'(-?)"([^"]*)"?|(\S+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One item that matches; `excerpt` has the matching words in square brackets."""

    id: int
    title: str
    url: str | None
    published_at: datetime
    state: str
    source: str
    excerpt: str


def create_index(conn: Connection) -> None:
    """Make the index on an empty database; called by the first migration."""
    for statement in _INDEX[conn.dialect.name]:
        conn.exec_driver_sql(statement)


def search(
    conn: Connection, words: str, *, limit: int = 20, sources: Sequence[str] = (), since: datetime | None = None
) -> Sequence[Hit]:
    """The best matches for `words`, in the notation of web search engines on both databases: all words must occur,
    `"a phrase"`, `this or that`, `-without`. Only of what was seen in one of the `sources` and published `since` then, where they are
    given. Raises NotFoundError for a source that there never was."""
    tables.known(conn, sources)
    sqlite = conn.dialect.name == "sqlite"
    query = match_expression(words) if sqlite else words.replace("\x00", "")
    if not query.strip():
        return ()
    seen = _SEEN.format(id=_ID[conn.dialect.name]) if sources else ""
    asked = text(_RANKED[conn.dialect.name].format(limits=seen + (_SINCE if since else "")))
    given: dict[str, Any] = {"query": query, "limit": limit}
    if sources:
        asked, given = asked.bindparams(bindparam("sources", expanding=True)), given | {"sources": list(sources)}
    if since:
        asked = asked.bindparams(bindparam("since", type_=tables.items.c.published_at.type))
        given |= {"since": since}
    typed = asked.columns(published_at=tables.items.c.published_at.type)
    rows: Sequence[Any] = conn.execute(typed, given).mappings().all()
    return tuple(Hit(**row) for row in rows)


def match_expression(words: str) -> str:
    """`words` as an FTS5 expression in which nothing of the user's is taken for syntax; empty without a positive word."""
    wanted: list[str] = []
    unwanted: list[str] = []
    either = False
    for minus, phrase, word in _TERM.findall(words.replace("\x00", "")):
        if word.casefold() == "or" and wanted:
            either = True
            continue
        negative = minus or (word.startswith("-") and len(word) > 1)
        term = phrase or (word[1:] if negative and word else word)
        if not any(character.isalnum() for character in term):
            continue
        quoted = '"' + term.replace('"', '""') + '"'
        if negative:
            unwanted.append(quoted)
        elif either:
            wanted[-1] = f"{wanted[-1]} OR {quoted}"
        else:
            wanted.append(quoted)
        either = False
    if not wanted:
        return ""
    found = " AND ".join(f"({terms})" for terms in wanted)
    return f"({found}) NOT ({' OR '.join(unwanted)})" if unwanted else found
