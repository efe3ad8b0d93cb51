"""What scanners say of artifacts."""

from alembic import op

revision = "0013"
down_revision = "0012"
LOSES = "what scanners have said"

UP = (
    """
    UPDATE schema_state SET version = 13
    """,
)
DOWN = ("UPDATE schema_state SET version = 12",)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
