"""Policies, trust roots and admission, looked after in process: beside a running server, or alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.names import InvalidName, parse_repository_name, parse_tag
from registry.compose.verbs import create_services, create_store
from registry.config import Auth, Settings
from registry.core.access import EVERYONE
from registry.core.directory import Directory
from registry.core.evidence import Gathering
from registry.core.identities import Identities
from registry.core.judge import Judge
from registry.core.policies import Policies
from registry.core.services import Services
from registry.core.subjects import parse_target
from registry.core.trials import Trials
from registry.core.trust_roots import TrustRoots
from registry.db.pool import Database
from registry.errors import IdentityUnknown
from registry.http.api.admission import admission_told
from registry.http.api.policy_models import Policy, PolicyVersion, Tried, TrustRoot
from registry.in_process import local_actor, run
from registry.upkeep import UpkeepFailed

Rows = list[dict[str, Any]]
T = TypeVar("T")


def set_policy(settings: Settings, target: str, content: bytes, *, on: str, tags: Sequence[str]) -> tuple[str, int]:
    """Let a policy decide on a target's artifacts; return its name and version. Raise UpkeepFailed."""

    async def act(db: Database, judge: Judge) -> tuple[str, int]:
        await _organised(settings, db, parse_target(target).organisation)
        found = await Policies(db, judge).put(target, content, on=on, tags=tags, actor=local_actor())
        return found.name, found.version

    return _judging(settings, act)


def remove_policy(settings: Settings, target: str, name: str) -> None:
    """Let a policy decide no longer. Raise UpkeepFailed."""
    run(settings, lambda db: Policies(db, Judge()).remove(target, name, actor=local_actor()))


def policies(settings: Settings, organisation: str) -> Rows:
    """Return the policies of an organisation. Raise UpkeepFailed."""
    found = run(settings, lambda db: Policies(db, Judge()).listed(organisation, by=None))
    return [Policy(**one._asdict()).model_dump(mode="json") for one in found]


def policy_content(settings: Settings, target: str, name: str, version: int | None) -> str:
    """Return a version of a policy as it was set, "" of one that removed it. Raise UpkeepFailed."""
    return run(settings, lambda db: Policies(db, Judge()).version(target, name, version, by=None)).content or ""


def policy_history(settings: Settings, target: str, name: str) -> Rows:
    """Return the versions of a policy. Raise UpkeepFailed."""
    found = run(settings, lambda db: Policies(db, Judge()).history(target, name, by=None))
    return [PolicyVersion(**one._asdict()).model_dump(mode="json") for one in found]


def try_policy(
    settings: Settings, target: str, content: bytes, *, since: timedelta | None, after: str, limit: int
) -> tuple[Rows, str | None]:
    """Return what a policy would have decided of some artifacts, and where the next begin. Raise UpkeepFailed."""

    async def act(db: Database, judge: Judge) -> tuple[Rows, str | None]:
        store = create_store(settings)
        try:
            trials = Trials(db, Gathering(db, store), judge)
            page = await trials.page(target, content, since=since, after=after, limit=limit, by=None)
        finally:
            await store.close()
        return [Tried(**one._asdict()).model_dump(mode="json") for one in page.items], page.next_after

    return _judging(settings, act)


def explain_admission(settings: Settings, repository: str, reference: str) -> dict[str, Any]:
    """Return what becomes of a pull, and why. Raise UpkeepFailed."""
    try:
        name = parse_repository_name(repository)
        wanted = Digest.parse(reference) if ":" in reference else parse_tag(reference)
    except (InvalidName, InvalidDigest) as error:
        raise UpkeepFailed(f"“{repository[:128]}” with “{reference[:128]}” {error}") from error

    async def act(services: Services) -> dict[str, Any]:
        found = await services.manifests.resolve(name, wanted, EVERYONE)
        decision = await services.admission.decision(name, found.digest)
        return admission_told(repository, decision).model_dump(mode="json")

    async def open_all(db: Database) -> dict[str, Any]:
        store = create_store(settings)
        services = create_services(settings, db, store)
        try:
            return await act(services)
        finally:
            await services.judge.close()
            await store.close()

    return run(settings, open_all)


def add_trust_root(settings: Settings, organisation: str, name: str, content: bytes) -> int:
    """Let an organisation trust a root by a name; return the version. Raise UpkeepFailed."""

    async def act(db: Database, judge: Judge) -> int:
        await _organised(settings, db, organisation)
        return await TrustRoots(db, judge).put(organisation, name, content, actor=local_actor())

    return _judging(settings, act)


def remove_trust_root(settings: Settings, organisation: str, name: str) -> None:
    """Let an organisation trust a root no longer. Raise UpkeepFailed."""
    run(settings, lambda db: TrustRoots(db, Judge()).remove(organisation, name, actor=local_actor()))


def trust_roots(settings: Settings, organisation: str) -> Rows:
    """Return what an organisation trusts. Raise UpkeepFailed."""
    found = run(settings, lambda db: TrustRoots(db, Judge()).listed(organisation, by=None))
    return [TrustRoot(**one._asdict()).model_dump(mode="json") for one in found]


def trust_root_content(settings: Settings, organisation: str, name: str, version: int | None) -> str:
    """Return a version of a trust root, "" of one that removed it. Raise UpkeepFailed."""
    found = run(settings, lambda db: TrustRoots(db, Judge()).version(organisation, name, version, by=None))
    return found.content or ""


def _judging(settings: Settings, act: Callable[[Database, Judge], Awaitable[T]]) -> T:
    """Do what needs the database and the sandbox."""

    async def judging(db: Database) -> T:
        judge = Judge()
        try:
            return await act(db, judge)
        finally:
            await judge.close()

    return run(settings, judging)


async def _organised(settings: Settings, db: Database, organisation: str) -> None:
    """Let there be an organisation where nobody is asked who he is: there pushes need none, and nobody has added any."""
    if settings.auth is not Auth.OPEN:
        return
    try:
        await Directory(db).organisation(organisation, by=None)
    except IdentityUnknown:
        await Identities(db).add_organisation(organisation, actor=local_actor())
