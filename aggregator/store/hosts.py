"""What is remembered of hosts: pauses they asked for, and their robots.txt."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from aggregator import model
from aggregator.store import tables

_hosts = tables.hosts
_FIELDS = "host retry_after own_limits crawl_delay robots robots_at robots_error robots_since".split()
_MANNERS = ("retry_after", "own_limits")
_ROBOTS = ("crawl_delay", "robots", "robots_at", "robots_error", "robots_since")


def recall(conn: Connection, host: str) -> model.HostRecord | None:
    """What is remembered of `host`."""
    row = conn.execute(select(_hosts).where(_hosts.c.host == host)).mappings().first()
    return _record(row) if row is not None else None


def mannered(conn: Connection, now: datetime) -> Sequence[model.HostRecord]:
    """The hosts that asked to be left alone and still are to be, and those whose limits are known to be their documents' own."""
    columns = [_hosts.c[name] for name in ("host", *_MANNERS)]
    heeded = or_(_hosts.c.retry_after > now, _hosts.c.own_limits)
    return [model.HostRecord(**row) for row in conn.execute(select(*columns).where(heeded)).mappings()]


def keep_manners(conn: Connection, records: Sequence[model.HostRecord]) -> None:
    """Remember pauses and whose limits they are."""
    _keep(conn, records, _MANNERS)


def keep_robots(conn: Connection, record: model.HostRecord) -> None:
    """Remember robots.txt, or why it could not be had."""
    _keep(conn, [record], _ROBOTS)


def _keep(conn: Connection, records: Sequence[model.HostRecord], names: Collection[str]) -> None:
    if not records:
        return
    rows = [{"host": one.host} | {name: getattr(one, name) for name in names} for one in records]
    new = (sqlite if conn.dialect.name == "sqlite" else postgresql).insert(_hosts)
    renewed = {name: new.excluded[name] for name in names}
    conn.execute(new.on_conflict_do_update(index_elements=["host"], set_=renewed), rows)


def _record(row: RowMapping) -> model.HostRecord:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return model.HostRecord(**values)
