"""An index of referrers by their type.

Without it a page of a rare type reads every referrer of its subject. It is made while nodes push: CONCURRENTLY, which can't
be in a transaction, waits for those under way, and leaves an invalid index where it is broken off. It has no time limit: an
index that takes longer would be broken off at each start and never be made.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
LOSES = None

INDEX = """
CREATE INDEX CONCURRENTLY manifests_subject_type ON manifests (repository_id, subject, artifact_type, digest)
    WHERE subject IS NOT NULL
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute("SET statement_timeout = 0")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS manifests_subject_type")
        op.execute(INDEX)
        op.execute("RESET lock_timeout")
        op.execute("RESET statement_timeout")
    op.execute("UPDATE schema_state SET version = 2")


def downgrade() -> None:
    op.execute("UPDATE schema_state SET version = 1")
    op.execute("DROP INDEX manifests_subject_type")
