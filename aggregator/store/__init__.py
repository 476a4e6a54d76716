"""The only code that knows SQL: tables, views, and the statements that the stages need."""

from sqlalchemy import Connection

__all__ = ["Connection"]
