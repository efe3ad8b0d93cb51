"""What may run in clusters: their reviews, answered by the policies of the repositories that images come from."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mediatypes.digest import Digest
from mediatypes.references import ImageReference, InvalidReference, parse_reference
from registry.core.access import Caller
from registry.core.admission import Admission
from registry.core.kubernetes import Image, Review, answer
from registry.core.manifests import Manifests
from registry.errors import AccessLost, AccessMissing, ManifestUnknown, NotAdmitted

_AT_ONCE: Final = 8  # images of a review


@dataclass(frozen=True, slots=True)
class DeploymentRule:
    """By which names clusters know this registry, and what is not asked about."""

    hosts: frozenset[str]
    """HOST or HOST:PORT, in lower case."""
    denies_foreign: bool
    """Whether images that come from elsewhere may not run; they are never fetched."""
    exempt_namespaces: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What is said of one image; `pinned` is what it becomes."""

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pinned: str | None = None


class Deployments:
    """Answers the reviews of clusters."""

    def __init__(self, manifests: Manifests, admission: Admission, rule: DeploymentRule) -> None:
        self._manifests = manifests
        self._admission = admission
        self._rule = rule

    async def validate(self, review: Review, caller: Caller) -> dict[str, Any]:
        """Return the answer to a review: it is denied where one of its images is, each with its reason.

        `caller` asks, and learns of what he may pull only. Raise Unavailable: the cluster denies by itself then
        (`failurePolicy: Fail`).
        """

        async def ask(image: str, reference: ImageReference) -> _Outcome:
            decision = await self._admission.deployable(reference.name, await self._digest(reference, caller))
            refusal = decision.refusal(f"image {image}")
            warnings = [f"image {image}: {line}" for line in decision.warnings]
            if reference.digest is None:
                warnings.append(f"image {image} is not pinned: its tag may name something else when a node pulls it")
            return _Outcome((refusal.message,) if refusal is not None else (), tuple(warnings))

        return await self._answer(review, ask)

    async def mutate(self, review: Review, caller: Caller) -> dict[str, Any]:
        """Return the answer to a review: a patch that pins images to the digests that their tags name now. See `validate`."""

        async def ask(image: str, reference: ImageReference) -> _Outcome:
            if reference.digest is not None:
                return _Outcome()
            return _Outcome(pinned=f"{image}@{await self._digest(reference, caller)}")

        return await self._answer(review, ask, is_told_of_foreign=False)

    async def _digest(self, reference: ImageReference, caller: Caller) -> Digest:
        return (await self._manifests.resolve(reference.name, reference.reference, caller)).digest

    async def _answer(
        self,
        review: Review,
        ask: Callable[[str, ImageReference], Awaitable[_Outcome]],
        *,
        is_told_of_foreign: bool = True,
    ) -> dict[str, Any]:
        """Ask about each image once. Those from elsewhere are denied by `validate` alone: it sees what others have changed."""
        if review.namespace in self._rule.exempt_namespaces:
            return answer(review.uid, [], [])
        turns = asyncio.Semaphore(_AT_ONCE)

        async def outcome(text: str) -> _Outcome:
            async with turns:
                return await self._of(text, ask, is_told_of_foreign=is_told_of_foreign)

        texts = sorted({image.text for image in review.images})
        found = dict(zip(texts, await asyncio.gather(*map(outcome, texts)), strict=True))
        refusals = [line for text in texts for line in found[text].refusals]
        warnings = [line for text in texts for line in found[text].warnings]
        return answer(review.uid, refusals, warnings, _patch(review.images, found))

    async def _of(
        self,
        text: str,
        ask: Callable[[str, ImageReference], Awaitable[_Outcome]],
        *,
        is_told_of_foreign: bool,
    ) -> _Outcome:
        try:
            reference = parse_reference(text)
        except InvalidReference as error:
            return _Outcome((f"image {text[:128]} {error}",))
        if reference.host not in self._rule.hosts:
            if not (self._rule.denies_foreign and is_told_of_foreign):
                return _Outcome()
            hosts = ", ".join(sorted(self._rule.hosts))
            return _Outcome((f"image {text} is not of {hosts}; images of other registries are not let in here",))
        try:
            return await ask(text, reference)
        except NotAdmitted as error:
            return _Outcome((error.message,))
        except (ManifestUnknown, AccessMissing, AccessLost) as error:
            return _Outcome((f"image {text}: {error.message}",))


def _patch(images: Sequence[Image], found: Mapping[str, _Outcome]) -> str | None:
    """Return what pins images, as JSON Patch (RFC 6902) in base64; None where nothing is to be pinned."""
    changes = [
        {"op": "replace", "path": image.pointer, "value": found[image.text].pinned}
        for image in images
        if found[image.text].pinned is not None
    ]
    return base64.b64encode(json.dumps(changes).encode()).decode() if changes else None
