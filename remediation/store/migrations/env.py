"""What Alembic runs to migrate: it uses the connection that `remediation.store.migrate` opened."""

from alembic import context

from remediation.store.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
