"""What scanners say of artifacts, which of these are in quarantine, and the keys that sign what is said."""

from alembic import op

revision = "0013"
down_revision = "0012"
LOSES = "what scanners have said, which artifacts are in quarantine, and the keys that sign scans"

UP = (
    """
    -- What a scanner says of an artifact: asked for `asked` times, and as of the number `answered` of these. `tries` have begun
    -- since it was last asked for. `version` has said what is kept here, and `answered_by` has answered last: a failure leaves
    -- what an earlier version found. `findings` are [{severity, rule, path, message} …], the worst first; `document` is what it
    -- has made beside them.
    CREATE TABLE scan_results (
        repository_id bigint NOT NULL,
        digest        bytea NOT NULL,
        scanner       text COLLATE "C" NOT NULL,
        state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('clean', 'found', 'pending', 'failed', 'down')),
        worst         text CHECK (worst IN ('low', 'medium', 'high', 'critical')),
        version       text,
        findings      jsonb NOT NULL DEFAULT '[]',
        problem       text,
        document      bytea,
        asked         bigint NOT NULL DEFAULT 1,
        answered      bigint NOT NULL DEFAULT 0,
        answered_by   text,
        tries         integer NOT NULL DEFAULT 0,
        asked_at      timestamptz NOT NULL DEFAULT now(),
        started_at    timestamptz,
        finished_at   timestamptz,
        PRIMARY KEY (repository_id, digest, scanner),
        FOREIGN KEY (repository_id, digest) REFERENCES manifests ON DELETE CASCADE
    )
    """,
    """
    ALTER TABLE scan_results ALTER COLUMN document SET STORAGE EXTERNAL
    """,
    """
    -- Those that are asked for again as soon as their scanner is up, and those whose job has ended without a word.
    CREATE INDEX scan_results_waiting ON scan_results (scanner, asked_at) WHERE asked > answered
    """,
    """
    CREATE INDEX scan_results_of_scanner ON scan_results (scanner, asked_at)
    """,
    """
    -- The scanners that nodes have, and when one last said so: what others have said is forgotten after a while.
    CREATE TABLE scanners (
        name    text COLLATE "C" PRIMARY KEY,
        seen_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    -- From which severity on artifacts are put into quarantine, by target: the most specific one decides, NULL says never.
    CREATE TABLE quarantine_levels (
        target     text COLLATE "C" NOT NULL,
        is_prefix  boolean NOT NULL,
        level      text CHECK (level IN ('low', 'medium', 'high', 'critical')),
        decided_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (target, is_prefix)
    )
    """,
    """
    -- Artifacts in quarantine, and those that somebody has released: as long as nothing is found that he did not know, whose
    -- SHA-256 is in `known`.
    CREATE TABLE quarantines (
        id            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        repository_id bigint NOT NULL,
        digest        bytea NOT NULL,
        worst         text NOT NULL,
        since         timestamptz NOT NULL DEFAULT now(),
        released_at   timestamptz,
        released_by   text,
        reason        text,
        known         bytea[] NOT NULL DEFAULT '{}',
        PRIMARY KEY (repository_id, digest),
        FOREIGN KEY (repository_id, digest) REFERENCES manifests ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX quarantines_of_repository ON quarantines (repository_id, id DESC)
    """,
    """
    -- What a referrer of the registry's own is about, and the SHA-256 of what it says before that is signed.
    ALTER TABLE publications ADD COLUMN about text NOT NULL DEFAULT 'tensor-index', ADD COLUMN basis bytea
    """,
    """
    -- The keys that sign scans; one signs from `signs_from` on, until a later one does. One that has leaked is revoked: nobody
    -- is to believe what it has signed.
    CREATE TABLE scan_keys (
        kid        text PRIMARY KEY,
        public_key bytea NOT NULL,
        sealed_key bytea NOT NULL,
        signs_from timestamptz NOT NULL DEFAULT now(),
        revoked_at timestamptz
    )
    """,
    """
    UPDATE schema_state SET version = 13
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 12",
    "DROP TABLE scan_keys",
    "DELETE FROM publications WHERE about <> 'tensor-index'",
    "ALTER TABLE publications DROP COLUMN about, DROP COLUMN basis",
    "DROP TABLE quarantines, quarantine_levels, scanners, scan_results",
    "DELETE FROM outbox WHERE kind = 'scans-asked'",
    "DELETE FROM pgqueuer WHERE entrypoint IN ('scan', 'report')",
    "DELETE FROM jobs WHERE kind IN ('scan', 'report')",
    "DELETE FROM repository_switches WHERE switch IN ('scan', 'reports')",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
