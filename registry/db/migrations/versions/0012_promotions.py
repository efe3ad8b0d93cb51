"""Rules of tags, stages and promotions."""

from alembic import op

revision = "0012"
down_revision = "0011"
LOSES = "rules of tags, stages and promotions"

UP = (
    """
    -- Tags that never move (immutable), or that only some may make, move and delete (protected). `target` and `is_prefix` are
    -- as of grants; `pattern` is of tags, in which `*` is any text.
    CREATE TABLE tag_rules (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organisation_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
        target          text COLLATE "C" NOT NULL,
        is_prefix       boolean NOT NULL,
        pattern         text COLLATE "C" NOT NULL,
        kind            text NOT NULL CHECK (kind IN ('immutable', 'protected')),
        created_at      timestamptz NOT NULL DEFAULT now(),
        created_by      text NOT NULL,
        UNIQUE (organisation_id, target, is_prefix, pattern, kind)
    )
    """,
    """
    -- Who may move what a rule protects; where there is nobody, promotions alone do.
    CREATE TABLE tag_rule_movers (
        rule_id      bigint NOT NULL REFERENCES tag_rules ON DELETE CASCADE,
        principal_id bigint REFERENCES principals ON DELETE CASCADE,
        team_id      bigint REFERENCES teams ON DELETE CASCADE,
        CHECK (num_nonnulls(principal_id, team_id) = 1),
        UNIQUE NULLS NOT DISTINCT (rule_id, principal_id, team_id)
    )
    """,
    """
    CREATE INDEX tag_rule_movers_principal ON tag_rule_movers (principal_id) WHERE principal_id IS NOT NULL
    """,
    """
    CREATE INDEX tag_rule_movers_team ON tag_rule_movers (team_id) WHERE team_id IS NOT NULL
    """,
    """
    -- Through which stages the artifacts of a target go, in the order of `position`; each is a tag, in the same repository or
    -- in `repository`. `*` in the tag is the version, in the repository what follows the target. Where it `is_restricted` only
    -- its promoters promote into it: where none are there any more, nobody does.
    CREATE TABLE stages (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organisation_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
        target          text COLLATE "C" NOT NULL,
        is_prefix       boolean NOT NULL,
        position        integer NOT NULL,
        name            text COLLATE "C" NOT NULL,
        tag             text COLLATE "C" NOT NULL,
        repository      text COLLATE "C",
        may_skip        boolean NOT NULL,
        is_restricted   boolean NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        created_by      text NOT NULL,
        UNIQUE (organisation_id, target, is_prefix, position),
        UNIQUE (organisation_id, target, is_prefix, name)
    )
    """,
    """
    CREATE TABLE stage_promoters (
        stage_id     bigint NOT NULL REFERENCES stages ON DELETE CASCADE,
        principal_id bigint REFERENCES principals ON DELETE CASCADE,
        team_id      bigint REFERENCES teams ON DELETE CASCADE,
        CHECK (num_nonnulls(principal_id, team_id) = 1),
        UNIQUE NULLS NOT DISTINCT (stage_id, principal_id, team_id)
    )
    """,
    """
    CREATE INDEX stage_promoters_principal ON stage_promoters (principal_id) WHERE principal_id IS NOT NULL
    """,
    """
    CREATE INDEX stage_promoters_team ON stage_promoters (team_id) WHERE team_id IS NOT NULL
    """,
    """
    -- What became of a stage of a repository, whose tag is in the repository `place_id`. Each row is a state, or goes to one:
    -- a rollback to an earlier `state`, a roll-forward to one that came after it. `parent` is the state that was before: the
    -- states are a tree, and the newest row says in which the stage is. `found` is what something else has put there.
    CREATE TABLE promotions (
        id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        repository_id bigint NOT NULL REFERENCES repositories ON DELETE CASCADE,
        stage         text COLLATE "C" NOT NULL,
        place_id      bigint NOT NULL REFERENCES repositories ON DELETE CASCADE,
        tag           text COLLATE "C" NOT NULL,
        kind          text NOT NULL CHECK (kind IN ('promotion', 'rollback', 'roll-forward', 'found')),
        digest        bytea NOT NULL,
        before        bytea,
        state         bigint,
        parent        bigint,
        reason        text NOT NULL,
        is_forced     boolean NOT NULL,
        promoted_by   text NOT NULL,
        promoted_at   timestamptz NOT NULL DEFAULT now(),
        CHECK ((state IS NULL) = (kind IN ('promotion', 'found')))
    )
    """,
    """
    CREATE INDEX promotions_stage ON promotions (repository_id, stage, place_id, tag, id)
    """,
    """
    CREATE INDEX promotions_history ON promotions (repository_id, id)
    """,
    """
    CREATE INDEX promotions_digest ON promotions (repository_id, digest, stage)
    """,
    """
    CREATE INDEX promotions_parent ON promotions (parent) WHERE parent IS NOT NULL
    """,
    """
    CREATE INDEX promotions_place ON promotions (place_id)
    """,
    """
    UPDATE schema_state SET version = 12
    """,
)
DOWN = (
    "UPDATE schema_state SET version = 11",
    "DROP TABLE promotions, stage_promoters, stages, tag_rule_movers, tag_rules",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
