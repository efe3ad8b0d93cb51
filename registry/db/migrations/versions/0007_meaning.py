"""What artifacts are: outbox, records with files and metrics, what was read of blobs, tensor indexes, tag histories."""

from alembic import op

revision = "0007"
down_revision = "0006"
LOSES = "all records of artifacts, what was read of their files, and the histories of tags"

# Of a large row only `record` and `problem` are stored apart, which are read for what was found; queries judge by the others.
IN_ROW = (
    "digest",
    "facets",
    "words",
    "kind",
    "format",
    "artifact_type",
    "framework",
    "weights_format",
    "architecture",
    "family",
    "precision",
    "quantization",
    "licenses",
    "languages",
    "tasks",
    "base_models",
    "datasets",
    "labels",
    "finding",
)

UP = (
    """
    -- What an artifact is found by, as facet:value in lower case; of many values the first 50, of long ones the beginning.
    CREATE FUNCTION facet_words(facet text, VARIADIC found text[]) RETURNS text[] IMMUTABLE PARALLEL SAFE LANGUAGE sql
    RETURN (
        SELECT array_agg(lower(facet || ':' || left(word, 400)))
        FROM unnest(found) WITH ORDINALITY AS one (word, place) WHERE word IS NOT NULL AND place <= 50
    )
    """,
    """
    -- Words as queries have them: letters and digits, whatever stands between them ("llama-3.1-8b" is llama 3 1 8b).
    CREATE FUNCTION plain_words(text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
        translate(left($1, 20000), E'!"#$%&''()*+,-./:;<=>?@[\\\\]^_`{|}~\\x02\\x03', repeat(' ', 34))
    """,
    """
    -- The words of an artifact: A those of its names, B of what it is, C the stems of what is written of it.
    CREATE FUNCTION artifact_words(repository text, record jsonb) RETURNS tsvector IMMUTABLE PARALLEL SAFE
    LANGUAGE sql RETURN (
        SELECT setweight(to_tsvector('pg_catalog.simple', plain_words(concat_ws(' ',
                repository, v ->> 'name', v ->> 'title'))), 'A')
            || setweight(to_tsvector('pg_catalog.simple', plain_words(concat_ws(' ',
                v ->> 'tags', v ->> 'family', v ->> 'architecture', v ->> 'tasks', v ->> 'framework', v ->> 'format',
                v ->> 'quantization', v ->> 'version', v ->> 'vendor', v ->> 'authors',
                jsonb_path_query_array(v, '$.base_models[*].ref'), jsonb_path_query_array(v, '$.datasets[*].ref')))), 'B')
            || setweight(to_tsvector('pg_catalog.english', plain_words(concat(v ->> 'description'))), 'C')
        FROM (SELECT coalesce(record -> 'values', '{}') AS v) AS known
    )
    """,
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
    -- A manifest as what it is to its users. `id` tells apart what was pushed at the same moment. Queries look through many
    -- rows, and PostgreSQL steps over all columns before the one that it wants: what they judge rows by comes first.
    CREATE TABLE artifacts (
        id             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        repository_id  bigint NOT NULL,
        pushed_at      timestamptz NOT NULL DEFAULT now(),
        size           bigint NOT NULL,
        digest         bytea NOT NULL,
        facets         tsvector NOT NULL GENERATED ALWAYS AS (array_to_tsvector(
            facet_words('kind', kind) || facet_words('packed', format) || facet_words('type', artifact_type)
            || facet_words('framework', framework) || facet_words('format', weights_format)
            || facet_words('arch', architecture) || facet_words('family', family)
            || facet_words('precision', precision) || facet_words('quantization', quantization)
            || facet_words('license', VARIADIC licenses) || facet_words('lang', VARIADIC languages)
            || facet_words('task', VARIADIC tasks) || facet_words('base', VARIADIC base_models)
            || facet_words('dataset', VARIADIC datasets) || facet_words('label', VARIADIC labels)
            || facet_words('finding', finding))) STORED,
        -- artifact_words of the repository's name and the record.
        words          tsvector NOT NULL DEFAULT '',
        kind           text NOT NULL,
        format         text NOT NULL,
        artifact_type  text,
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
        record_version  integer NOT NULL,
        readers_version integer NOT NULL,
        -- Whether all files were read; else why not, in words.
        is_complete    boolean NOT NULL,
        problem        text,
        described_at   timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (repository_id, digest),
        FOREIGN KEY (repository_id, digest) REFERENCES manifests ON DELETE CASCADE
    )
    """,
    f"""
    ALTER TABLE artifacts SET (toast_tuple_target = 256),
        {", ".join(f"ALTER COLUMN {column} SET STORAGE MAIN" for column in IN_ROW)}
    """,
    """
    CREATE INDEX artifacts_facets ON artifacts USING gin (facets) WITH (fastupdate = off)
    """,
    """
    CREATE INDEX artifacts_words ON artifacts USING gin (words) WITH (fastupdate = off)
    """,
    """
    CREATE INDEX artifacts_parameters ON artifacts (parameters)
    """,
    """
    CREATE INDEX artifacts_size ON artifacts (size)
    """,
    """
    CREATE INDEX artifacts_context_length ON artifacts (context_length)
    """,
    """
    CREATE INDEX artifacts_rows ON artifacts (rows)
    """,
    """
    -- The order of lists, the newest first.
    CREATE INDEX artifacts_pushed_at ON artifacts (pushed_at, id)
    """,
    """
    -- By which other artifacts, of whichever repository, name one.
    CREATE INDEX artifacts_digest ON artifacts (digest)
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
    CREATE INDEX artifact_metrics_name ON artifact_metrics (lower(name), value)
    """,
    """
    -- The files of an artifact; `start` is where a file's bytes begin in its blob, or in what that
    -- becomes where it is compressed; NULL where they don't lie there in one piece.
    CREATE TABLE artifact_files (
        repository_id bigint NOT NULL,
        digest        bytea NOT NULL,
        path          text COLLATE "C" NOT NULL,
        blob          bytea NOT NULL,
        packing       text NOT NULL,
        -- Of which reading of the blob it is, and by what path it is known in there: "" where the blob is the file.
        manner        text NOT NULL,
        inner_path    text COLLATE "C" NOT NULL,
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
    "DROP FUNCTION artifact_words, plain_words, facet_words",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
