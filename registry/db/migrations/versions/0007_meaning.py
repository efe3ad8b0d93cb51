"""What artifacts are: outbox, records with files and metrics, what was read of blobs, tensor indexes, tag histories."""

from alembic import op

revision = "0007"
down_revision = "0006"
LOSES = "all records of artifacts, what was read of their files, and the histories of tags"

UP = (
    """
    -- What has happened and is to be followed by work (decision 14): the transaction that did it writes it, the relay takes it.
    CREATE TABLE outbox (
        id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind          text NOT NULL,
        repository_id bigint NOT NULL,
        digest        bytea NOT NULL,
        written_at    timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    -- A manifest as what it is to its users. `id` is the order of lists, the newest first.
    CREATE TABLE artifacts (
        id             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        repository_id  bigint NOT NULL,
        digest         bytea NOT NULL,
        kind           text NOT NULL,
        format         text NOT NULL,
        artifact_type  text,
        size           bigint NOT NULL,
        framework      text,
        weights_format text,
        architecture   text,
        family         text,
        parameters     bigint,
        precision      text,
        quantization   text,
        context_length bigint,
        rows           bigint,
        licenses       text[] NOT NULL DEFAULT '{}',
        languages      text[] NOT NULL DEFAULT '{}',
        tasks          text[] NOT NULL DEFAULT '{}',
        base_models    text[] NOT NULL DEFAULT '{}',
        datasets       text[] NOT NULL DEFAULT '{}',
        labels         text[] NOT NULL DEFAULT '{}',
        finding        text,
        -- {"values": …, "sources": …} of mediatypes.record, and by which version of the code it was made.
        record         jsonb NOT NULL,
        record_version integer NOT NULL,
        words          tsvector NOT NULL DEFAULT '',
        -- Whether all files were read; else why not, in words.
        is_complete    boolean NOT NULL,
        problem        text,
        described_at   timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (repository_id, digest),
        FOREIGN KEY (repository_id, digest) REFERENCES manifests ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE artifact_metrics (
        repository_id bigint NOT NULL,
        digest        bytea NOT NULL,
        name          text COLLATE "C" NOT NULL,
        value         double precision NOT NULL,
        dataset       text,
        split         text,
        FOREIGN KEY (repository_id, digest) REFERENCES artifacts ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX artifact_metrics_artifact ON artifact_metrics (repository_id, digest)
    """,
    """
    CREATE INDEX artifact_metrics_name ON artifact_metrics (name, value)
    """,
    """
    -- The files of an artifact; `start` is where a file's bytes begin in its blob, NULL where the blob is compressed.
    CREATE TABLE artifact_files (
        repository_id bigint NOT NULL,
        digest        bytea NOT NULL,
        path          text COLLATE "C" NOT NULL,
        blob          bytea NOT NULL,
        packing       text NOT NULL,
        start         bigint,
        size          bigint NOT NULL,
        role          text NOT NULL,
        format        text,
        PRIMARY KEY (repository_id, digest, path),
        FOREIGN KEY (repository_id, digest) REFERENCES artifacts ON DELETE CASCADE
    )
    """,
    """
    -- What was read of a blob's bytes, once for all artifacts that have it; `version` is that of the readers.
    CREATE TABLE readings (
        digest  bytea NOT NULL REFERENCES blobs ON DELETE CASCADE,
        -- How the blob was read: its packing, and the path that it has where it is one file: readers go by the name, too.
        manner  text NOT NULL,
        version integer NOT NULL,
        reading jsonb NOT NULL,
        read_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (digest, manner)
    )
    """,
    """
    -- The tensors of one file of a blob: MessagePack, compressed by zstd; `path` is "" where the blob is the file.
    CREATE TABLE tensor_indexes (
        digest  bytea NOT NULL,
        manner  text NOT NULL,
        path    text COLLATE "C" NOT NULL,
        tensors integer NOT NULL,
        content bytea NOT NULL,
        PRIMARY KEY (digest, manner, path),
        FOREIGN KEY (digest, manner) REFERENCES readings ON DELETE CASCADE
    )
    """,
    """
    ALTER TABLE tensor_indexes ALTER COLUMN content SET STORAGE EXTERNAL
    """,
    """
    -- Which manifests a tag has named; `before` is NULL where it was new, `after` where it was deleted.
    CREATE TABLE tag_moves (
        repository_id bigint NOT NULL REFERENCES repositories ON DELETE CASCADE,
        tag           text COLLATE "C" NOT NULL,
        id            bigint GENERATED ALWAYS AS IDENTITY,
        moved_at      timestamptz NOT NULL DEFAULT now(),
        before        bytea,
        after         bytea,
        moved_by      text,
        PRIMARY KEY (repository_id, tag, id)
    )
    """,
    """
    UPDATE schema_state SET version = 7
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 6",
    "DROP TABLE tag_moves, tensor_indexes, readings, artifact_files, artifact_metrics, artifacts, outbox",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
