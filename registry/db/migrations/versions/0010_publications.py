"""Which derived data is published and what was, jobs that are asked for while they run, and an order of violations."""

from alembic import op

revision = "0010"
down_revision = "0009"
LOSES = "where derived data is published, and which referrers are the registry's own"

UP = (
    """
    -- Where derived data is published as referrers: the most specific target decides, without any nothing is published.
    CREATE TABLE publication_rules (
        target     text COLLATE "C" NOT NULL,
        is_prefix  boolean NOT NULL,
        is_on      boolean NOT NULL,
        decided_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (target, is_prefix)
    )
    """,
    """
    -- The referrers that the registry itself has made, or is about to make, of a manifest.
    CREATE TABLE publications (
        repository_id bigint NOT NULL,
        subject       bytea NOT NULL,
        digest        bytea NOT NULL,
        PRIMARY KEY (repository_id, subject, digest),
        FOREIGN KEY (repository_id, subject) REFERENCES manifests ON DELETE CASCADE
    )
    """,
    """
    -- Whether something has happened since a job began that it may not have seen: then it is done once more.
    ALTER TABLE jobs ADD COLUMN is_asked_again boolean NOT NULL DEFAULT false
    """,
    """
    -- The order of lists, the newest first.
    ALTER TABLE schema_violations ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE
    """,
    """
    CREATE INDEX schema_violations_of_repository ON schema_violations (repository_id, id DESC)
    """,
    """
    UPDATE schema_state SET version = 10
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 9",
    "ALTER TABLE schema_violations DROP COLUMN id",
    "DELETE FROM pgqueuer WHERE entrypoint = 'publish'",
    "DELETE FROM jobs WHERE kind = 'publish'",
    "ALTER TABLE jobs DROP COLUMN is_asked_again",
    "DROP TABLE publications, publication_rules",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
