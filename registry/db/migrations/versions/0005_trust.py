"""Issuers of identities, whom their tokens stand for, and which tokens have been used.

An issuer that is removed takes its rules and links with it, but not what is known of its tokens: one that was used stays used.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
LOSES = "all issuers, trust rules and links to identities of issuers"

UP = (
    """
    CREATE TABLE issuers (
        id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        url                  text COLLATE "C" NOT NULL UNIQUE,
        kind                 text NOT NULL CHECK (kind IN ('github', 'gitlab', 'kubernetes', 'other')),
        algorithms           text[] NOT NULL CHECK (cardinality(algorithms) > 0),
        keys_url             text,
        client_id            text,
        sealed_client_secret bytea,
        creates_users        boolean NOT NULL DEFAULT false,
        created_at           timestamptz NOT NULL DEFAULT now(),
        CHECK (client_id IS NOT NULL OR sealed_client_secret IS NULL)
    )
    """,
    """
    -- Whom a token of an issuer with these claims stands for, and the most that it may do.
    CREATE TABLE trust_rules (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name         text COLLATE "C" NOT NULL UNIQUE,
        issuer_id    bigint NOT NULL REFERENCES issuers ON DELETE CASCADE,
        audience     text NOT NULL,
        claims       jsonb NOT NULL CHECK (jsonb_typeof(claims) = 'object' AND claims <> '{}'),
        principal_id bigint NOT NULL REFERENCES principals ON DELETE CASCADE,
        actions      text[] NOT NULL CHECK (actions <@ '{pull,push,delete}'::text[]),
        repositories text[] NOT NULL,
        seconds      integer NOT NULL CHECK (seconds BETWEEN 60 AND 3600),
        created_at   timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE INDEX trust_rules_issuer ON trust_rules (issuer_id)
    """,
    """
    CREATE INDEX trust_rules_principal ON trust_rules (principal_id)
    """,
    """
    -- Tokens of issuers that have been exchanged, or used as a password, until they expire.
    CREATE TABLE used_tokens (
        token_hash  bytea PRIMARY KEY,
        as_password boolean NOT NULL,
        expires_at  timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX used_tokens_expires_at ON used_tokens (expires_at)
    """,
    """
    -- Who logs in by an issuer is whoever stands here, by the issuer's subject and nothing else.
    CREATE TABLE linked_identities (
        issuer_id    bigint NOT NULL REFERENCES issuers ON DELETE CASCADE,
        subject      text COLLATE "C" NOT NULL,
        principal_id bigint NOT NULL REFERENCES principals ON DELETE CASCADE,
        created_at   timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (issuer_id, subject)
    )
    """,
    """
    CREATE INDEX linked_identities_principal ON linked_identities (principal_id)
    """,
    """
    UPDATE schema_state SET version = 5
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 4",
    "DROP TABLE linked_identities, used_tokens, trust_rules, issuers",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
