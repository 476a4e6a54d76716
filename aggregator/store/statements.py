"""Statements over any number of rows, in the spelling of either database: all rows are one parameter."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Insert,
    Row,
    Table,
    Text,
    any_,
    bindparam,
    column,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from aggregator.store import moments

T = TypeVar("T")

# So many rows of an INSERT that returns something are one statement of SQLite, which takes 32,766 parameters.
_RETURNED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Spelled:
    """An INSERT as SQLite is told it: SQLAlchemy puts the parameters of every single row together anew, which is a fourteenth of what
    it takes to store a poll. `begins` and `ends` stand around the `places` of a row; `read` has what makes a column's values storable."""

    begins: str
    places: str
    ends: str
    read: tuple[tuple[str, Callable[[Any], Any] | None], ...]

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        columns = ([row[key] if read is None else read(row[key]) for row in rows] for key, read in self.read)
        return list(zip(*columns, strict=True))


def add(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, anew: bool = False) -> None:
    """Insert `rows`, which have the same columns; with `anew` only those that are not there yet."""
    if conn.dialect.name == "sqlite":
        told = _spelled(conn.dialect, table, tuple(rows[0]), anew, ())
        conn.exec_driver_sql(f"{told.begins}{told.places}{told.ends}", told.rows(rows))
    else:
        conn.execute(_of_all_rows(table, tuple(rows[0]), anew, ()), _given(table, rows))


def added(
    conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], returned: tuple[str, ...]
) -> Sequence[Row[Any]]:
    """Insert those of `rows` that are not there yet: of each the columns `returned`, which are numbers and texts."""
    if conn.dialect.name != "sqlite":
        return conn.execute(_of_all_rows(table, tuple(rows[0]), True, returned), _given(table, rows)).all()
    told, found = _spelled(conn.dialect, table, tuple(rows[0]), True, returned), list[Row[Any]]()
    for start in range(0, len(rows), _RETURNED_AT_ONCE):
        part = told.rows(rows[start : start + _RETURNED_AT_ONCE])
        sql = f"{told.begins}{', '.join([told.places] * len(part))}{told.ends}"
        found += conn.exec_driver_sql(sql, tuple(value for row in part for value in row)).all()
    return found


@lru_cache
def _spelled(dialect: Dialect, table: Table, keys: Sequence[str], anew: bool, returned: Sequence[str]) -> _Spelled:
    adding = sqlite.insert(table)
    adding = adding.on_conflict_do_nothing() if anew else adding
    told = adding.returning(*(table.c[key] for key in returned)) if returned else adding
    compiled: Any = told.compile(dialect=dialect, column_keys=list(keys))
    begins, values, rest = str(compiled).partition(" VALUES ")
    places, _, ends = rest.partition(")")
    kinds = ((key, table.c[key].type.dialect_impl(dialect)) for key in compiled.positiontup)
    read = tuple((key, kind.bind_processor(dialect)) for key, kind in kinds)
    return _Spelled(f"{begins}{values}", f"{places})", ends, read)


@lru_cache
def _of_all_rows(table: Table, keys: Sequence[str], anew: bool, returned: Sequence[str]) -> Insert:
    """INSERT of many rows for Postgres, to be executed with what is `_given`: they are all one parameter.

    psycopg reads a statement with VALUES for each row letter by letter, and sends rows of their own one by one.
    """
    columns = [Column(key, table.c[key].type) for key in keys]
    rows = (
        func.json_to_recordset(bindparam("rows", type_=JSON())).table_valued(*columns).render_derived(with_types=True)
    )
    adding = postgresql.insert(table).from_select(list(keys), select(*rows.c))
    adding = adding.on_conflict_do_nothing() if anew else adding
    return adding.returning(*(table.c[key] for key in returned)) if returned else adding


def _given(table: Table, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
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
