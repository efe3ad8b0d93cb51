"""Repositories, blobs, uploads, manifests, tags.

Keys of growing tables start with `repository_id` (DESIGN, decision 15); digests are one byte of algorithm and the
raw hash (`Digest.to_bytes`). Names are COLLATE "C": lists are in byte order, whatever the database's locale.
"""

from alembic import op

revision = "0001"
down_revision = None
LOSES = "all repositories, manifests, tags, uploads, and which blobs are stored where"

UP = (
    """
    CREATE TABLE schema_state (
        only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        version     integer NOT NULL,
        oldest_code integer NOT NULL
    )
    """,
    """
    INSERT INTO schema_state (version, oldest_code) VALUES (1, 1)
    """,
    """
    CREATE TABLE repositories (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name       text COLLATE "C" NOT NULL UNIQUE,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE blobs (
        digest      bytea PRIMARY KEY,
        size        bigint NOT NULL CHECK (size >= 0),
        storage_key text NOT NULL UNIQUE,
        created_at  timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    -- That a repository may serve a blob; without a row here the blob does not exist for its clients.
    CREATE TABLE repository_blobs (
        repository_id bigint NOT NULL REFERENCES repositories ON DELETE CASCADE,
        digest        bytea NOT NULL REFERENCES blobs,
        linked_at     timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (repository_id, digest)
    )
    """,
    """
    CREATE INDEX repository_blobs_digest ON repository_blobs (digest)
    """,
    """
    CREATE TABLE uploads (
        repository_id bigint NOT NULL REFERENCES repositories ON DELETE CASCADE,
        id            uuid NOT NULL,
        storage_key   text NOT NULL UNIQUE,
        algorithm     text NOT NULL,
        received      bigint NOT NULL DEFAULT 0,
        hash_state    bytea,
        writer_state  bytea NOT NULL DEFAULT '',
        lease_epoch   bigint NOT NULL DEFAULT 0,
        lease_until   timestamptz,
        created_at    timestamptz NOT NULL DEFAULT now(),
        touched_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (repository_id, id)
    )
    """,
    """
    CREATE INDEX uploads_touched_at ON uploads (touched_at)
    """,
    """
    -- Objects that nothing names any more; the loop that deletes them takes those that are due.
    CREATE TABLE dead_objects (
        storage_key text PRIMARY KEY,
        due_at      timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE INDEX dead_objects_due_at ON dead_objects (due_at)
    """,
    """
    CREATE TABLE manifests (
        repository_id bigint NOT NULL REFERENCES repositories ON DELETE CASCADE,
        digest        bytea NOT NULL,
        media_type    text NOT NULL,
        artifact_type text,
        subject       bytea,
        -- The descriptor (JSON) under which the referrers API lists this manifest; only where it has a subject.
        referrer      bytea,
        size          integer NOT NULL,
        content       bytea NOT NULL,
        pushed_at     timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (repository_id, digest)
    )
    """,
    """
    ALTER TABLE manifests ALTER COLUMN content SET STORAGE EXTERNAL
    """,
    """
    CREATE INDEX manifests_subject ON manifests (repository_id, subject, digest) WHERE subject IS NOT NULL
    """,
    """
    CREATE TABLE tags (
        repository_id bigint NOT NULL,
        name          text COLLATE "C" NOT NULL,
        digest        bytea NOT NULL,
        updated_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (repository_id, name),
        FOREIGN KEY (repository_id, digest) REFERENCES manifests ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX tags_digest ON tags (repository_id, digest)
    """,
    """
    -- Reverse references: which manifests of a repository use a digest, be it a blob's or a child manifest's.
    CREATE TABLE manifest_references (
        digest        bytea NOT NULL,
        repository_id bigint NOT NULL,
        manifest      bytea NOT NULL,
        PRIMARY KEY (digest, repository_id, manifest),
        FOREIGN KEY (repository_id, manifest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX manifest_references_manifest ON manifest_references (repository_id, manifest)
    """,
)
DOWN = """
DROP TABLE manifest_references, tags, manifests, dead_objects, uploads, repository_blobs, blobs, repositories,
    schema_state
"""


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute(DOWN)
