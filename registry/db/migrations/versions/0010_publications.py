"""What repositories ask for, what was published, digests of tensors.

Beside them: jobs that are asked for while they run, and an order of violations.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
LOSES = "what repositories ask for, which referrers are the registry's own, and the digests of tensors"

UP = (
    """
    -- What repositories ask for (registry.core.switches): the most specific target decides, without any it is off.
    CREATE TABLE repository_switches (
        switch     text NOT NULL,
        target     text COLLATE "C" NOT NULL,
        is_prefix  boolean NOT NULL,
        is_on      boolean NOT NULL,
        decided_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (switch, target, is_prefix)
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
    -- The SHA-256 of each tensor's bytes in the index's order, as MessagePack: nil where they can't be digested. NULL until it
    -- is asked for: that takes a full read of the blob.
    ALTER TABLE tensor_indexes ADD COLUMN digests bytea, ALTER COLUMN digests SET STORAGE EXTERNAL
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
    "ALTER TABLE tensor_indexes DROP COLUMN digests",
    "DELETE FROM pgqueuer WHERE entrypoint IN ('publish', 'digest')",
    "DELETE FROM jobs WHERE kind IN ('publish', 'digest')",
    "ALTER TABLE jobs DROP COLUMN is_asked_again",
    "DROP TABLE publications, repository_switches",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
