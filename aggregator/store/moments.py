"""Moments as columns that both databases sort."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import DateTime, Dialect, Text, TypeDecorator

_ASCII_Z = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", re.ASCII)
_SECONDS = re.compile(r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)")


class UTCTime(TypeDecorator[datetime]):
    """An aware UTC datetime of whole seconds: `timestamptz` on Postgres, `2025-09-18T22:59:00Z` on SQLite, which sorts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return sorting(value) if dialect.name == "sqlite" else value.astimezone(UTC).replace(microsecond=0)

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        return read(value) if value is not None else None


def read(value: datetime | str) -> datetime:
    """A moment as a database has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if _ASCII_Z.match(value):
        return datetime.fromisoformat(value)
    # Operators may have written such a column by hand, in any form SQLite understands: read what sorts.
    if found := _SECONDS.match(value):
        return datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00")
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


@lru_cache(maxsize=4096)
def sorting(moment: datetime) -> str:
    """Four digits of a year first, so that texts sort as times do. An item has eight times, most of them the same."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()}Z"
