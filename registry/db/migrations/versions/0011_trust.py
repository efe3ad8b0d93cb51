"""Policies, trust roots, what is admitted, and the evidence that verdicts stand on."""

from alembic import op

revision = "0011"
down_revision = "0010"
LOSES = "policies, trust roots and verdicts"

UP = (
    """
    UPDATE schema_state SET version = 11
    """,
)
DOWN = ("UPDATE schema_state SET version = 10",)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
