"""What Alembic runs around migrations; `osa_luigi.ledger.schema` gives the connection."""

from alembic import context

from osa_luigi.ledger.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=context.config.attributes["connection"].dialect.name != "mariadb",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
