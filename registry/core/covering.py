"""Which policies cover a repository, on pulls and on moves of tags.

All whose target it is, or is below, apply, each in its own mode: what an organisation enforces no repository of it weakens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from mediatypes.names import RepositoryName
from registry.core.access import organisation_of, path_of
from registry.core.attachments import attached_to
from registry.db import policies
from registry.db.policies import PolicyRow
from registry.db.pool import Connection, Database

_REMEMBERED: Final = 4096  # repositories


@dataclass(frozen=True, slots=True)
class Covering:
    """The policies of a repository, true while its organisation has this epoch."""

    epoch: int
    policies: tuple[PolicyRow, ...]

    @property
    def on_pull(self) -> bool:
        """Say whether one decides on pulls."""
        return any(policy.on_pull for policy in self.policies)

    def on_tags(self, tags: Sequence[str]) -> list[PolicyRow]:
        """Return those that decide on moves of one of these tags; none does on those of signatures."""
        moved = [tag for tag in tags if attached_to(tag) is None]
        return [
            policy for policy in self.policies if policy.on_tag and any(is_among(tag, policy.tags) for tag in moved)
        ]


class Coverings:
    """Remembers what covers repositories. Whoever asks says which epoch there is: what is remembered of another one is no more."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._remembered: OrderedDict[RepositoryName, Covering] = OrderedDict()

    def remembered(self, name: RepositoryName) -> Covering:
        """Return what covered a repository when that was asked for last."""
        return self._remembered.get(name, _NOTHING)

    async def of(self, name: RepositoryName, epoch: int) -> Covering:
        """Return what covers a repository in an epoch, or in a later one."""
        if epoch == 0:
            return _NOTHING
        found = self._remembered.get(name)
        return found if found is not None and found.epoch == epoch else await self.now(name)

    async def now(self, name: RepositoryName) -> Covering:
        """Return what covers a repository now."""
        found = await self._db.read("find_policies", lambda conn: covering(conn, name))
        self._remembered[name] = found
        self._remembered.move_to_end(name)
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return found


_NOTHING: Final = Covering(0, ())


async def covering(conn: Connection, name: RepositoryName) -> Covering:
    """Return what covers a repository."""
    standing = await policies.standing(conn, organisation_of(name))
    path = path_of(name)
    found = [one for one in standing.policies if one.target == path or (one.is_prefix and path.startswith(one.target))]
    return Covering(standing.epoch, tuple(found))


def is_among(tag: str, patterns: Sequence[str]) -> bool:
    """Say whether one of the patterns fits a tag, `*` standing for any letters; without patterns all do."""
    return not patterns or any(fnmatchcase(tag, pattern) for pattern in patterns)
