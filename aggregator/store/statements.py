"""Statements over any number of rows, in the spelling of either database: all rows are one parameter."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Table,
    Text,
    any_,
    bindparam,
    column,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from aggregator.store import moments

T = TypeVar("T")


def add(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, anew: bool = False) -> None:
    """Insert `rows`, which have the same columns; with `anew` only those that are not there yet."""
    adding = insert_statement(conn.dialect.name, table, tuple(rows[0]), anew=anew)
    conn.execute(adding, given(conn, table, rows))


@lru_cache
def insert_statement(dialect: str, table: Table, keys: Sequence[str], *, anew: bool) -> Insert:
    """INSERT of many rows, to be executed with what is `given`.

    Postgres takes them all in one parameter: psycopg reads a statement with VALUES for each row letter by letter, and sends rows
    of their own one by one.
    """
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing() if anew else insert(table)
    columns = [Column(key, table.c[key].type) for key in keys]
    rows = (
        func.json_to_recordset(bindparam("rows", type_=JSON())).table_valued(*columns).render_derived(with_types=True)
    )
    adding = postgresql.insert(table).from_select(list(keys), select(*rows.c))
    return adding.on_conflict_do_nothing() if anew else adding


def given(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> Any:
    """`rows` as `insert_statement` takes them."""
    if conn.dialect.name == "sqlite":
        return rows
    times = [key for key in rows[0] if isinstance(table.c[key].type, moments.UTCTime)]
    return {"rows": [{**row, **{key: _zoned(row[key]) for key in times}} for row in rows]}


def asked(dialect: str, **types: Any) -> FromClause:
    """Rows to select from with these columns, executed with what they are `asking` for: all in one parameter, however many."""
    if dialect == "sqlite":
        each = func.json_each(bindparam("rows")).table_valued("value")
        told = (func.json_extract(each.c.value, f"$.{key}", type_=kind).label(key) for key, kind in types.items())
        return select(*told).subquery("asked")
    rows = func.json_to_recordset(bindparam("rows", type_=JSON()))
    columns = [Column(key, kind) for key, kind in types.items()]
    return rows.table_valued(*columns, name="asked").render_derived(with_types=True)


def asking(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """`rows` as a statement with `asked` takes them."""
    return {"rows": json.dumps(rows) if conn.dialect.name == "sqlite" else rows}


def _zoned(moment: datetime | None) -> str | None:
    return moments.sorting(moment) if moment is not None else None


def among(conn: Connection, values: ColumnElement[T], wanted: Collection[T]) -> ColumnElement[bool]:
    """Whether one of `values` is `wanted`, however many these are: they are one parameter, where IN makes each of them one."""
    kind = Text() if conn.dialect.name == "sqlite" else ARRAY(values.type)
    return _one_of(conn.dialect.name, values, literal(listing(conn, wanted), kind))


def listed(dialect: str, values: ColumnElement[T], name: str) -> ColumnElement[bool]:
    """The same of a parameter, in a statement that is built once and executed with a `listing` under this `name`."""
    kind = Text() if dialect == "sqlite" else ARRAY(values.type)
    return _one_of(dialect, values, bindparam(name, type_=kind))


def _one_of(dialect: str, values: ColumnElement[T], given: ColumnElement[Any]) -> ColumnElement[bool]:
    if dialect == "sqlite":
        each = func.json_each(given).table_valued(column("value", values.type))
        return values.in_(select(each.c.value))
    return values == any_(given)


def listing(conn: Connection, wanted: Collection[Any]) -> str | list[Any]:
    """What is `wanted`, as a statement with `listed` takes it."""
    return json.dumps(list(wanted)) if conn.dialect.name == "sqlite" else list(wanted)


def gathered(dialect: str, values: ColumnElement[T]) -> ColumnElement[list[T]]:
    """All `values` of a group as one list: what is read by the dozen costs more as rows than it does to find."""
    return func.json_group_array(values, type_=JSON) if dialect == "sqlite" else func.json_agg(values, type_=JSON)
