"""What somebody may see: the condition that stands in statements which read what is in repositories."""

from __future__ import annotations

from typing import Final, NamedTuple

from registry.db.rights import reach


class Reach(NamedTuple):
    """Who asks: `principal_id`, None for whoever may see all; of what it may see only what its credential names, if it does."""

    principal_id: int | None
    names: list[str] | None = None
    prefixes: list[str] | None = None


def within(name: str, names: str = "$2", prefixes: str = "$3") -> str:
    """Return the condition that a credential names a repository; all are SQL."""
    return f"""({names}::text[] IS NULL OR {name} = ANY({names})
        OR EXISTS (SELECT FROM unnest({prefixes}::text[]) p WHERE starts_with({name}, p)))"""


def seen(name: str) -> str:
    """Return the condition that a repository may be pulled from by a Reach, $1 to $3; `name` is SQL.

    A one-segment name is granted below `library/`, and a credential's patterns are compared with names as they are.
    """
    path = f"(CASE WHEN strpos({name}, '/') = 0 THEN 'library/' || {name} ELSE {name} END)"
    return f"""
    EXISTS (
        SELECT FROM ({reach("$1::bigint")}) h
        WHERE {path} = h.target OR (h.is_prefix AND starts_with({path}, h.target))
    ) AND {within(name)}
    """


REACHED: Final = f"reached AS MATERIALIZED ({reach('$1::bigint')})"
"""What a statement that goes through many repositories begins with: WITH this, the targets from which a Reach may pull, and"""

_PATH: Final = "CASE WHEN strpos(r.name, '/') = 0 THEN 'library/' || r.name ELSE r.name END"
SEEN_BY_REACHED: Final = f"""
EXISTS (SELECT FROM reached h WHERE {_PATH} = h.target OR (h.is_prefix AND starts_with({_PATH}, h.target)))
AND {within("r.name")}
"""
"""the condition that it may see the repository `r`."""
