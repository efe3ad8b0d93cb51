"""The question of a pipeline, answered by what the registry holds: may this digest run here? Nothing of it is kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.access import Caller, organisation_of
from registry.core.evidence import Gathering
from registry.core.judge import Judge
from registry.db import repositories, trust_roots
from registry.db.pool import Connection, Database
from registry.errors import ManifestUnknown, TooManyRequests
from signing.policy.verdict import Verdict

_NAME: Final = "request"
_SIGNER: Final = "signer"
_PATIENCE: Final = 20.0  # seconds in which a caller waits for what he has asked before
_AGAIN: Final = 10  # seconds after which who has waited in vain is to ask again


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has to have signed, or attested: one of the `keys` (PEM), or exactly this identity, vouched for by this issuer."""

    keys: Sequence[str] = ()
    identity: str | None = None
    issuer: str | None = None
    root: str | None = None
    """The name of the trust root; None: Sigstore's own of an identity, and none of a key."""
    attestation: str | None = None
    """The type of the attestation that is asked for, instead of a signature."""

    def policy(self) -> bytes:
        """Return the policy that asks for it."""
        signer: dict[str, Any] = {"keys": [*self.keys]} if self.keys else {"identities": [self._identity()]}
        if self.root is not None:
            signer["root"] = self.root
        wanted: dict[str, Any] = {"signature": {"by": _SIGNER, "covers": "files"}}
        if self.attestation is not None:
            wanted = {"attestation": {"type": self.attestation, "by": _SIGNER}}
        document = {"version": 1, "name": _NAME, "mode": "enforce", "signers": {_SIGNER: signer}, "require": wanted}
        return json.dumps(document).encode()  # JSON is YAML

    def _identity(self) -> Mapping[str, str | None]:
        return {"identity": self.identity, "issuer": self.issuer}


class Turns:
    """One question of each caller, or about each organisation, at a time, so that none keep others from being answered."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        """Let a question wait `patience` seconds for those that were asked before."""
        self._patience = patience
        self._of: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def of(self, whose: Hashable) -> AsyncIterator[None]:
        """Take a turn. Raise TooManyRequests where it doesn't come."""
        turn = self._of.setdefault(whose, asyncio.Lock())
        try:
            async with asyncio.timeout(self._patience):
                await turn.acquire()
        except TimeoutError:
            raise TooManyRequests(_AGAIN) from None
        try:
            yield
        finally:
            turn.release()


class Verifications:
    """The verb of `POST /api/v1/verify`."""

    def __init__(self, db: Database, gathering: Gathering, judge: Judge) -> None:
        self._db = db
        self._gathering = gathering
        self._judge = judge
        self._turns = Turns()

    async def verify(self, name: RepositoryName, digest: Digest, policy: bytes, caller: Caller) -> Verdict:
        """Return what a policy (YAML) says of a stored manifest; trust roots that it names are the organisation's.

        A caller's questions are answered one after the other, and those about an organisation's repositories: anonymous callers
        are one, and several of one tenant take no more. Raise PolicyRefused, ManifestUnknown, TooManyRequests,
        Unavailable.
        """
        whose = (caller.principal_id, caller.name)
        async with self._turns.of(whose), self._turns.of(organisation_of(name)):
            return await self._verdict(name, digest, policy)

    async def _verdict(self, name: RepositoryName, digest: Digest, policy: bytes) -> Verdict:
        await self._judge.read_policy(policy)

        async def find(conn: Connection) -> tuple[int | None, dict[str, bytes]]:
            return await repositories.find(conn, name), await trust_roots.contents(conn, organisation_of(name))

        repository_id, roots = await self._db.read("find_verified", find)
        gathered = await self._gathering.of(repository_id, digest) if repository_id is not None else None
        if gathered is None:
            raise ManifestUnknown(name, str(digest))
        (verdict,) = await self._judge.verdicts([(None, policy)], roots, gathered.evidence, now=gathered.now)
        return verdict
