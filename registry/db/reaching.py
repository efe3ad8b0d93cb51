"""What somebody may see: the condition that stands in statements which read what is in repositories."""

from __future__ import annotations

from typing import Final, NamedTuple

from registry.db.rights import on, path_of, reach


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
    return f"EXISTS (SELECT FROM ({reach('$1::bigint')}) e WHERE {on(path_of(name))}) AND {within(name)}"


REACHED: Final = f"reached AS MATERIALIZED ({reach('$1::bigint')})"
"""What a statement that goes through many repositories begins with: WITH this, the targets from which a Reach may pull, and"""

SEEN_BY_REACHED: Final = f"EXISTS (SELECT FROM reached e WHERE {on(path_of('r.name'))}) AND {within('r.name')}"
"""the condition that it may see the repository `r`."""
