"""Rights: who may do what with which repository (docs/security.md, Rights).

A right is always the database's answer. What was decided is kept, and is true for as long as neither the principal nor the
organisation has changed: both carry an epoch, raised by every change in the transaction that makes it, and every request reads
them; reads of manifests and blobs do so in their own query.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from mediatypes.names import RepositoryName
from registry.db import rights
from registry.db.lookups import Batcher
from registry.db.pool import Database
from registry.db.rights import Epochs, RightsQuestion, RightsRow
from registry.errors import AccessLost, AccessMissing

LIBRARY: Final = "library"
"""The organisation of repositories whose name has one segment."""

_KEPT: Final = 65_536  # decisions


class Permission(StrEnum):
    """What a role may hold."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    TAG_MOVE = "tag-move"
    SIGN = "sign"
    GRANT = "grant"
    ADMIN = "admin"


ALL: Final = frozenset(Permission)
PULL: Final = frozenset((Permission.PULL,))
PUSH: Final = frozenset((Permission.PUSH,))
DELETE: Final = frozenset((Permission.DELETE,))


class Bound(NamedTuple):
    """The most that a credential permits, whatever its principal may do."""

    repositories: Mapping[str, frozenset[Permission]]
    catalog: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `principal_id` is None where nobody is asked who he is; `bound` is None where all is permitted."""

    principal_id: int | None
    name: str
    bound: Bound | None = None


ANONYMOUS_ID: Final = 0
"""The principal that everybody is; what is granted to it is public."""

NOBODY: Final = Caller(ANONYMOUS_ID, "", Bound({}, catalog=False))
"""Of whom nothing is known: may nothing at all."""

EVERYONE: Final = Caller(None, "everyone")
"""Whoever calls an open registry, and the registry's own work."""


def organisation_of(name: RepositoryName) -> str:
    """Return the organisation that a repository belongs to."""
    head, slash, _ = name.partition("/")
    return head if slash else LIBRARY


def path_of(name: RepositoryName) -> str:
    """Return the name by which rights are granted: always below an organisation."""
    return name if "/" in name else f"{LIBRARY}/{name}"


class Access:
    """Decides, with the database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: OrderedDict[tuple[int, str], RightsRow] = OrderedDict()
        self._decisions: Batcher[RightsQuestion, RightsRow] = Batcher(self._decide)

    async def permitted(self, caller: Caller, name: RepositoryName) -> frozenset[Permission]:
        """Return what a caller may do with a repository now, as far as its credential permits that.

        Raise AccessLost where it is nobody any more.
        """
        if caller.principal_id is None:
            return ALL
        row = await self._decisions.find(RightsQuestion(caller.principal_id, organisation_of(name), path_of(name)))
        self._keep(caller.principal_id, name, row)
        return _held(caller, name, row)

    async def require(self, caller: Caller, name: RepositoryName, needed: frozenset[Permission]) -> None:
        """Raise AccessMissing unless the caller has all of `needed` in a repository, AccessLost where it is nobody any more."""
        if not needed <= await self.permitted(caller, name):
            raise AccessMissing(name, sorted(needed))

    def asked_by(self, caller: Caller, name: RepositoryName) -> tuple[int | None, str | None]:
        """Return what a lookup is told of its asker, so that it tells the epochs."""
        return (None, None) if caller.principal_id is None else (caller.principal_id, organisation_of(name))

    async def confirm(self, caller: Caller, name: RepositoryName, needed: frozenset[Permission], now: Epochs) -> None:
        """Do what `require` does for a request that has just read the epochs, by what is known already where they stand."""
        if caller.principal_id is None:
            return
        row = self._kept.get((caller.principal_id, name))
        if row is None or row.epochs != now:
            await self.require(caller, name, needed)
        elif not needed <= _held(caller, name, row):
            raise AccessMissing(name, sorted(needed))

    def _keep(self, principal_id: int, name: str, row: RightsRow) -> None:
        self._kept[principal_id, name] = row
        self._kept.move_to_end((principal_id, name))
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    async def _decide(self, questions: Sequence[RightsQuestion]) -> list[RightsRow]:
        return await self._db.read("decide_rights", lambda conn: rights.decide(conn, questions))


def _held(caller: Caller, name: RepositoryName, row: RightsRow) -> frozenset[Permission]:
    if row.epochs.principal is None:
        raise AccessLost(caller.name)
    held = ALL if row.is_admin else frozenset(map(Permission, row.permissions))
    return held if caller.bound is None else held & caller.bound.repositories.get(name, frozenset())
