"""Runs the migrations on the connection that the store hands over, inside its transaction. There is no offline mode."""

from alembic import context

from aggregator.store import tables, views

connection = context.config.attributes["connection"]
views.drop(connection)
context.configure(
    connection=connection, target_metadata=tables.metadata, render_as_batch=connection.dialect.name == "sqlite"
)
with context.begin_transaction():
    context.run_migrations()
views.create(connection)
