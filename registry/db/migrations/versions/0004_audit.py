"""The audit log: events as they are committed, sealed ones in the order of a chain, its batches, and where it begins.

Whoever changes something writes into `audit_inbox`, and waits for nobody. The sealer moves what is committed to `audit_events`
and numbers it there without a gap: no number is given before its event is visible, whichever transaction commits first.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
LOSES = "the audit log"

EVENT = """
        at              timestamptz NOT NULL,
        principal_id    bigint,
        principal       text COLLATE "C" NOT NULL,
        credential_kind text COLLATE "C" NOT NULL,
        credential_id   text COLLATE "C",
        address         text COLLATE "C",
        request_id      text COLLATE "C",
        action          text COLLATE "C" NOT NULL,
        target          text COLLATE "C" NOT NULL,
        outcome         text COLLATE "C" NOT NULL,
        -- JSON, byte for byte as it was hashed: jsonb would be PostgreSQL's spelling of it.
        detail          text COLLATE "C" NOT NULL CHECK (octet_length(detail) <= 4096)
"""
UP = (
    f"""
    CREATE TABLE audit_inbox (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
{EVENT}
    )
    """,
    f"""
    CREATE TABLE audit_events (
        sequence        bigint PRIMARY KEY,
{EVENT}
    )
    """,
    """
    CREATE INDEX audit_events_principal ON audit_events (principal, sequence)
    """,
    """
    CREATE INDEX audit_events_action ON audit_events (action, sequence)
    """,
    """
    CREATE INDEX audit_events_target ON audit_events (target, sequence)
    """,
    """
    CREATE INDEX audit_events_not_done ON audit_events (outcome, sequence) WHERE outcome <> 'done'
    """,
    """
    CREATE INDEX audit_events_at ON audit_events USING brin (at)
    """,
    """
    -- `head` is a hash over the head before, the numbers here and `row_digests`, which has 32 bytes for each event.
    CREATE TABLE audit_batches (
        number         bigint PRIMARY KEY,
        first_sequence bigint NOT NULL,
        last_sequence  bigint NOT NULL,
        sealed_at      timestamptz NOT NULL,
        previous       bytea NOT NULL,
        row_digests    bytea NOT NULL,
        head           bytea NOT NULL,
        kid            text NOT NULL,
        signature      bytea NOT NULL
    )
    """,
    """
    -- Digests can't be compressed.
    ALTER TABLE audit_batches ALTER COLUMN row_digests SET STORAGE EXTERNAL
    """,
    """
    -- Where the chain begins after old batches were deleted: the last one of those.
    CREATE TABLE audit_anchors (
        batch         bigint PRIMARY KEY,
        last_sequence bigint NOT NULL,
        head          bytea NOT NULL,
        made_at       timestamptz NOT NULL,
        kid           text NOT NULL,
        signature     bytea NOT NULL
    )
    """,
    """
    UPDATE schema_state SET version = 4
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 3",
    "DROP TABLE audit_anchors, audit_batches, audit_events, audit_inbox",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
