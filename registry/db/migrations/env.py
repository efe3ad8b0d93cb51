"""Run the revisions on the connection that `registry.db.migrate` hands over, each in a transaction of its own."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=True,
    version_table="schema_revision",
)
with context.begin_transaction():
    context.run_migrations()
