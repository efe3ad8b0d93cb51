"""Rights: who may do what with which repository (docs/security.md, Rights).

A right is always the database's answer. What was decided is kept, and is true for as long as neither the principal nor the
organisation has changed: both carry an epoch, raised by every change in the transaction that makes it, and every request reads
them; reads of manifests and blobs do so in their own query.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from mediatypes.names import RepositoryName
from registry.db import principals, rights
from registry.db.lookups import Batcher
from registry.db.pool import Database
from registry.db.principals import StandingRow
from registry.db.reaching import Reach
from registry.db.rights import Epochs, RightsQuestion
from registry.errors import AccessLost, AccessMissing, OrganisationUnknown

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

# What an endpoint needs: one of these.
PULL: Final = frozenset((Permission.PULL,))
PUSH: Final = frozenset((Permission.PUSH, Permission.SIGN))
DELETE: Final = frozenset((Permission.DELETE,))


class CredentialKind(StrEnum):
    """By what somebody has proved who he is."""

    NONE = "none"
    LOCAL = "local"  # an account of the operating system's, with the database's own password
    PASSWORD = "password"  # noqa: S105 - a kind, not a password
    KEY = "key"
    TOKEN = "token"  # noqa: S105 - likewise
    IDENTITY = "identity"  # of a trusted issuer
    SESSION = "session"
    SIGNATURE = "signature"
    PROXY = "proxy"  # that has looked at a certificate, or has logged somebody in


class Credential(NamedTuple):
    """What somebody has shown: its kind, and what names the very one, a key's number or a token's `jti`; never itself."""

    kind: CredentialKind
    id: str | None = None


class Bound(NamedTuple):
    """The most that a credential permits, whatever its principal may do."""

    repositories: Mapping[str, frozenset[Permission]]
    catalog: bool
    admin: bool = False
    """Whether the admin API may be used by it."""
    prefixes: Mapping[str, frozenset[Permission]] = MappingProxyType({})
    """What it permits with every repository whose name begins so."""
    unadmitted: frozenset[str] = frozenset()
    """The repositories of which it reads what policies refuse, as long as its principal may push there."""

    def permits(self, name: str) -> frozenset[Permission]:
        """Return what it permits with a repository."""
        found = self.repositories.get(name, frozenset())
        for prefix, permitted in self.prefixes.items():
            if name.startswith(prefix):
                found |= permitted
        return found


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request; `bound` is None where all is permitted that its principal may do.

    `principal_id` is None where nobody is asked who he is (EVERYONE), and where another token server has decided already: what
    its token grants is the bound. `credential` is how he has proved who he is, which makes no other caller of him. `epoch` is
    the principal's when he has done so by a password: where that is another by now, no session begins.
    """

    principal_id: int | None
    name: str
    bound: Bound | None = None
    credential: Credential | None = field(default=None, compare=False)
    epoch: int | None = field(default=None, compare=False)


# What a client's token must permit, in the words of the token specification.
_ACTIONS: Final = {PULL: ("pull",), PUSH: ("pull", "push"), DELETE: ("delete",)}

ANONYMOUS_ID: Final = 0
"""The principal that everybody is; what is granted to it is public."""

ANONYMOUS: Final = Caller(ANONYMOUS_ID, "")
"""Who calls without credentials."""

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


def reach_of(caller: Caller) -> Reach:
    """Return what of repositories a caller may see: those that it may pull from, by its rights and by its credential.

    It is the one answer to that for whatever is told of what repositories hold. That a credential permits the catalog means
    their names and no more (registry.core.repositories).
    """
    bound = caller.bound
    if bound is None or bound.permits("") & PULL:
        return Reach(caller.principal_id)
    return Reach(
        caller.principal_id,
        [name for name, permitted in bound.repositories.items() if permitted & PULL],
        [prefix for prefix, permitted in bound.prefixes.items() if permitted & PULL],
    )


def pullable(caller: Caller, source: RepositoryName | None) -> list[str] | None:
    """Return the repositories, `source` only where there is one, that a caller's credential lets it pull from; None: all.

    Without a `source` they are those that the credential names itself: which others begin as it says nobody looks up.
    """
    bound = caller.bound
    if bound is None:
        return None if source is None else [source]
    return [name for name in (bound.repositories if source is None else [source]) if bound.permits(name) & PULL]


class _Decision(NamedTuple):
    """What a principal may do with a repository, true while these are the epochs."""

    epochs: Epochs
    held: frozenset[Permission]


class Access:
    """Decides, with the database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: OrderedDict[tuple[int, str], _Decision] = OrderedDict()
        self._decisions: Batcher[RightsQuestion, _Decision] = Batcher(self._decide)

    async def permitted(self, caller: Caller, name: RepositoryName) -> frozenset[Permission]:
        """Return what a caller may do with a repository now, as far as its credential permits that.

        Raise AccessLost where it is nobody any more.
        """
        if caller.principal_id is None:
            return _bounded(caller, name, ALL)
        return _held(caller, name, await self._decided(caller.principal_id, name))

    async def require(
        self, caller: Caller, name: RepositoryName, needed: frozenset[Permission]
    ) -> frozenset[Permission]:
        """Return what `permitted` does.

        Raise AccessMissing where nothing of it is `needed`, AccessLost, OrganisationUnknown.
        """
        row = await self._decided(caller.principal_id, name) if caller.principal_id is not None else None
        held = _held(caller, name, row) if row is not None else _bounded(caller, name, ALL)
        if not held & needed:
            raise AccessMissing(name, _ACTIONS[needed])
        # Only who may do everything gets so far; another token server has organisations of its own.
        if row is not None and needed == PUSH and row.epochs.organisation is None:
            raise OrganisationUnknown(organisation_of(name))
        return held

    async def is_narrowed(self, caller: Caller, name: RepositoryName, needed: frozenset[Permission]) -> bool:
        """Say whether a caller may do what is `needed`, and only its token, that wasn't asked for with it, doesn't permit it.

        A key never permits more, nor a token in which the repository stands without an action: that was asked for by what
        is limited itself, and refused. Raise AccessLost where it is nobody any more.
        """
        if caller.principal_id is None or caller.bound is None or needed & _bounded(caller, name, ALL):
            return False
        is_key = caller.credential is not None and caller.credential.kind is CredentialKind.KEY
        if is_key or caller.bound.repositories.get(name) == frozenset():
            return False
        return bool(needed & await self.permitted(replace(caller, bound=None), name))

    async def require_principal(self, caller: Caller) -> None:
        """Raise AccessLost where the caller is nobody any more."""
        if caller.principal_id is not None:
            row = await self._decisions.find(RightsQuestion(caller.principal_id, "", ""))
            if row.epochs.principal is None:
                raise AccessLost(caller.name)

    async def standing(self, caller: Caller) -> StandingRow:
        """Return who a caller is now, by his id. Raise AccessLost where he is nobody any more, or none of this registry's."""
        row = None
        if caller.principal_id not in (None, ANONYMOUS_ID):
            principal_id = caller.principal_id
            row = await self._db.read("find_standing", lambda conn: principals.standing(conn, principal_id))
        if row is None or row.is_disabled:
            raise AccessLost(caller.name)
        return row

    def asked_by(self, caller: Caller, name: RepositoryName) -> tuple[int | None, str]:
        """Return what a lookup is told of its asker and of where he asks, so that it tells the epochs."""
        return caller.principal_id, organisation_of(name)

    async def confirm(self, caller: Caller, name: RepositoryName, needed: frozenset[Permission], now: Epochs) -> None:
        """Do what `require` does for a request that has just read the epochs, by what is known already where they stand."""
        row = self._kept.get((caller.principal_id, name)) if caller.principal_id is not None else None
        if row is None or row.epochs != now:
            await self.require(caller, name, needed)
        elif not needed & _held(caller, name, row):
            raise AccessMissing(name, _ACTIONS[needed])

    async def _decided(self, principal_id: int, name: RepositoryName) -> _Decision:
        row = await self._decisions.find(RightsQuestion(principal_id, organisation_of(name), path_of(name)))
        self._kept[principal_id, name] = row
        self._kept.move_to_end((principal_id, name))
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return row

    async def _decide(self, questions: Sequence[RightsQuestion]) -> list[_Decision]:
        rows = await self._db.read("decide_rights", lambda conn: rights.decide(conn, questions))
        return [
            _Decision(row.epochs, ALL if row.is_admin else frozenset(map(Permission, row.permissions))) for row in rows
        ]


def _held(caller: Caller, name: RepositoryName, decision: _Decision) -> frozenset[Permission]:
    if decision.epochs.principal is None:
        raise AccessLost(caller.name)
    return _bounded(caller, name, decision.held)


def _bounded(caller: Caller, name: RepositoryName, held: frozenset[Permission]) -> frozenset[Permission]:
    return held if caller.bound is None else held & caller.bound.permits(name)
