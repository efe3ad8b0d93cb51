"""Sessions of browsers, beside those of refresh tokens: what ends all of somebody's sessions ends both."""

from alembic import op

revision = "0006"
down_revision = "0005"
LOSES = "all sessions of browsers"

UP = (
    """
    -- A code of what the browser's cookie holds, by the secret key; refresh tokens have none.
    ALTER TABLE sessions ADD COLUMN cookie_code bytea UNIQUE
    """,
    """
    UPDATE schema_state SET version = 6
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 5",
    "DELETE FROM sessions WHERE cookie_code IS NOT NULL",
    "ALTER TABLE sessions DROP COLUMN cookie_code",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
