"""Rules of tags, stages and promotions."""

from alembic import op

revision = "0012"
down_revision = "0011"
LOSES = "rules of tags, stages and promotions"

UP = (
    """
    UPDATE schema_state SET version = 12
    """,
)
DOWN = ("UPDATE schema_state SET version = 11",)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
