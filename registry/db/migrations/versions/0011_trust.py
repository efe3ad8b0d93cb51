"""Policies, trust roots, what is admitted, and the evidence that verdicts stand on."""

from alembic import op

revision = "0011"
down_revision = "0010"
LOSES = "policies, trust roots and verdicts"

UP = (
    """
    CREATE SEQUENCE policy_epochs
    """,
    """
    CREATE SEQUENCE evidence_epochs
    """,
    """
    -- Another one whenever a policy or a trust root of the organisation is another; 0 where there is no policy.
    ALTER TABLE organisations ADD COLUMN policy_epoch bigint NOT NULL DEFAULT 0
    """,
    """
    -- Another one whenever something else is known of a manifest: signatures, referrers, its record. Those that are there keep
    -- 0 until then; no number comes twice, so that one that is deleted and pushed again never has an older one's verdict.
    ALTER TABLE manifests ADD COLUMN evidence bigint NOT NULL DEFAULT 0
    """,
    """
    ALTER TABLE manifests ALTER COLUMN evidence SET DEFAULT nextval('evidence_epochs')
    """,
    """
    -- What is asked of the artifacts of a target, which is as of grants. `version` is the one that counts; where that one has
    -- no content the policy is removed.
    CREATE TABLE policies (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organisation_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
        target          text COLLATE "C" NOT NULL,
        is_prefix       boolean NOT NULL,
        name            text COLLATE "C" NOT NULL,
        version         integer NOT NULL,
        is_removed      boolean NOT NULL,
        UNIQUE (organisation_id, target, is_prefix, name)
    )
    """,
    """
    -- A version never changes. `tags` are patterns of those whose moves it decides on; none: all.
    CREATE TABLE policy_versions (
        policy_id  bigint NOT NULL REFERENCES policies ON DELETE CASCADE,
        version    integer NOT NULL,
        content    bytea,
        mode       text NOT NULL CHECK (mode IN ('observe', 'warn', 'enforce')),
        on_pull    boolean NOT NULL,
        on_tag     boolean NOT NULL,
        tags       text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        PRIMARY KEY (policy_id, version)
    )
    """,
    """
    -- A trusted_root.json by the name that policies call it; versions as of policies.
    CREATE TABLE trust_roots (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organisation_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
        name            text COLLATE "C" NOT NULL,
        version         integer NOT NULL,
        is_removed      boolean NOT NULL,
        UNIQUE (organisation_id, name)
    )
    """,
    """
    CREATE TABLE trust_root_versions (
        trust_root_id bigint NOT NULL REFERENCES trust_roots ON DELETE CASCADE,
        version       integer NOT NULL,
        content       bytea,
        created_at    timestamptz NOT NULL DEFAULT now(),
        created_by    text NOT NULL,
        PRIMARY KEY (trust_root_id, version)
    )
    """,
    """
    -- What the policies of a repository say of a manifest, while its organisation has this epoch and it has this evidence.
    CREATE TABLE verdicts (
        repository_id  bigint NOT NULL,
        digest         bytea NOT NULL,
        epoch          bigint NOT NULL,
        evidence       bigint NOT NULL,
        -- Of its own: JSON of what was judged, until when that holds; NULL of what only speaks of another one.
        own            bytea,
        own_until      timestamptz,
        -- What a pull gets: NULL where it is refused; else also by which other manifests, and of which evidence, until when.
        outcome        text CHECK (outcome IN ('admitted', 'observed', 'warned')),
        warnings       text[] NOT NULL DEFAULT '{}',
        grounds        bytea[] NOT NULL DEFAULT '{}',
        ground_epochs  bigint[] NOT NULL DEFAULT '{}',
        valid_until    timestamptz,
        judged_at      timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (repository_id, digest),
        FOREIGN KEY (repository_id, digest) REFERENCES manifests ON DELETE CASCADE
    )
    """,
    """
    -- By which a policy is tried on what tags have named.
    CREATE INDEX tag_moves_after ON tag_moves (repository_id, after) WHERE after IS NOT NULL
    """,
    """
    UPDATE schema_state SET version = 11
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 10",
    "DROP INDEX tag_moves_after",
    "DROP TABLE verdicts, trust_root_versions, trust_roots, policy_versions, policies",
    "ALTER TABLE manifests DROP COLUMN evidence",
    "ALTER TABLE organisations DROP COLUMN policy_epoch",
    "DROP SEQUENCE evidence_epochs, policy_epochs",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
