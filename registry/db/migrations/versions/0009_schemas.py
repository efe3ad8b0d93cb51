"""Organisations' own schemas of artifacts, where schemas are bound, and what did not conform."""

from alembic import op

revision = "0009"
down_revision = "0008"
LOSES = "all schemas of organisations, what they were bound to, and what did not conform"

UP = (
    """
    -- A version of an organisation's own schema. Neither it nor what it says ever changes: one that was removed comes back
    -- only with the same bytes. `urn` is its $id, `uses` are those of the others of its organisation that it refers to.
    CREATE TABLE schemas (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organisation_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
        name            text COLLATE "C" NOT NULL,
        major           integer NOT NULL,
        minor           integer NOT NULL,
        patch           integer NOT NULL,
        urn             text COLLATE "C" NOT NULL UNIQUE,
        uses            text[] NOT NULL,
        applies_to      text NOT NULL CHECK (applies_to IN ('annotations', 'config', 'record')),
        content         bytea NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        created_by      text NOT NULL,
        removed_at      timestamptz,
        UNIQUE (organisation_id, name, major, minor, patch)
    )
    """,
    """
    -- By which schema the manifests of some repositories are judged: of one version, or without `minor` of the newest of a
    -- major one. `target` and `is_prefix` are as of grants; artifact_type '' is any.
    CREATE TABLE schema_bindings (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organisation_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
        target          text COLLATE "C" NOT NULL,
        is_prefix       boolean NOT NULL,
        artifact_type   text COLLATE "C" NOT NULL,
        is_built_in     boolean NOT NULL,
        name            text COLLATE "C" NOT NULL,
        major           integer NOT NULL,
        minor           integer,
        patch           integer,
        mode            text NOT NULL CHECK (mode IN ('off', 'warn', 'enforce')),
        created_at      timestamptz NOT NULL DEFAULT now(),
        created_by      text NOT NULL,
        UNIQUE NULLS NOT DISTINCT
            (organisation_id, target, is_prefix, artifact_type, is_built_in, name, major, minor, patch),
        CHECK ((minor IS NULL) = (patch IS NULL))
    )
    """,
    """
    -- Where a manifest that is stored does not conform; `schema` is the $id of what says so, built in or not.
    CREATE TABLE schema_violations (
        repository_id bigint NOT NULL,
        digest        bytea NOT NULL,
        applies_to    text NOT NULL,
        schema        text COLLATE "C" NOT NULL,
        mode          text NOT NULL,
        -- A list of {"pointer", "rule", "message"}.
        violations    jsonb NOT NULL,
        judged_at     timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (repository_id, digest, applies_to, schema),
        FOREIGN KEY (repository_id, digest) REFERENCES manifests ON DELETE CASCADE
    )
    """,
    """
    UPDATE schema_state SET version = 9
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 8",
    "DROP TABLE schema_violations, schema_bindings, schemas",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
