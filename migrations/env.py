"""Runs the migrations on the connection that `ingest migrate` hands in."""

from alembic import context

from ingest.state.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
