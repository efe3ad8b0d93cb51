"""Policies read and artifacts judged, in a sandbox of their own (registry.judging): never in the process that serves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from registry.errors import PolicyRefused, TrustRootRefused, Unavailable
from registry.sandbox import Refused, Sandbox
from signing.evidence import Evidence
from signing.policy.verdict import Verdict

_SECONDS: Final = 10  # of processor time for one artifact
_MEMORY: Final = 1 << 30
_AT_ONCE: Final = 2
_PATIENCE: Final = 30.0  # seconds, with the wait for others


PUBLIC_GOOD: Final = "public-good"
"""The trust root that is built in: Sigstore's own."""


class ReadPolicy(NamedTuple):
    """What the registry must know of a policy itself."""

    name: str
    mode: str
    roots: frozenset[str] = frozenset()
    """The trust roots that it names, with the one that is built in."""


class Judge:
    """Asks the sandbox, which starts with the first question."""

    def __init__(self) -> None:
        self._sandbox = Sandbox("registry.judging:answer", seconds=_SECONDS, memory=_MEMORY, at_once=_AT_ONCE)

    async def read_policy(self, content: bytes) -> ReadPolicy:
        """Return what a policy says of itself. Raise PolicyRefused where it is none, Unavailable."""
        try:
            found = await self._ask({"policy": content})
        except Refused as error:
            raise PolicyRefused([("", str(error))]) from error
        if "problems" in found:
            raise PolicyRefused([(pointer, message) for pointer, message in found["problems"]])
        return ReadPolicy(found["name"], found["mode"], frozenset(found["roots"]))

    async def require_root(self, content: bytes) -> None:
        """Raise TrustRootRefused unless this is a trust root, Unavailable."""
        try:
            found = await self._ask({"root": content})
        except Refused as error:
            raise TrustRootRefused(str(error)) from error
        if "problem" in found:
            raise TrustRootRefused(found["problem"])

    async def verdicts(
        self,
        policies: Sequence[tuple[int | None, bytes]],
        roots: Mapping[str, bytes],
        evidence: Evidence,
        *,
        now: datetime,
        index: Evidence | None = None,
    ) -> list[Verdict]:
        """Return what each of the policies, with its version, says of an artifact. Raise Unavailable where nobody knows.

        Signatures and attestations of an `index` that contains it count as its own. Whatever else is asked for must be so of
        the artifact: an index says of its children what anybody writes who pushes it.
        """
        task = {
            "policies": [list(one) for one in policies],
            "roots": dict(roots),
            "evidence": msgspec.msgpack.encode(evidence),
            "index": msgspec.msgpack.encode(index) if index is not None else None,
            "now": now,
        }
        try:
            return msgspec.convert(await self._ask(task), list[Verdict])
        except (Refused, msgspec.ValidationError) as error:
            raise Unavailable(f"a decision about {evidence.digest}") from error

    async def close(self) -> None:
        """End the sandbox."""
        await self._sandbox.close()

    async def _ask(self, task: dict[str, Any]) -> Any:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._sandbox.run(task, _nothing, size=0, budget=0)
        except TimeoutError as error:
            raise Unavailable("a decision by policies") from error


def is_text(content: bytes) -> bool:
    """Say whether a document is UTF-8, as all are that are shown again."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


async def _nothing(_start: int, _stop: int) -> bytes:
    """Return no bytes: all that is judged is in the task."""
    return b""
