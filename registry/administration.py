"""Identities and rights, looked after in process: beside a running server, or alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from mediatypes.names import InvalidName, RepositoryName, parse_repository_name
from registry.auth.passwords import Passwords, PasswordUnfit
from registry.auth.request_signatures import PublicKeyUnfit, read_public_key
from registry.auth.sealing import SecretKeyUnusable
from registry.auth.secrets import API_KEY, hash_of, new_secret
from registry.auth.trust import kind_of
from registry.auth.trusted import Rule, Trusted
from registry.compose import create_audit_key, create_keyring, create_secret_key
from registry.config import Settings
from registry.core.access import CredentialKind, Permission
from registry.core.api_keys import ApiKeys
from registry.core.audit import Actor
from registry.core.audit_chain import SignedMark, exported_head, time_of
from registry.core.audit_log import AuditLog, as_json, as_line
from registry.core.audit_retention import Pruned, Retention
from registry.core.audit_verification import Finding, Verification
from registry.core.explanations import Explanation, Explanations
from registry.core.identities import Identities
from registry.core.roles import Roles
from registry.core.service_keys import ServiceKeys
from registry.core.teams import Teams
from registry.db import migrate
from registry.db.audit import EventFilter, Tail
from registry.db.embedded import running_url
from registry.db.pool import Database
from registry.db.trust import IssuerRow, RuleRow
from registry.errors import RegistryError
from registry.upkeep import UpkeepFailed, database, translated

T = TypeVar("T")

_CONNECTIONS: Final = 2


def add_user(settings: Settings, name: str, *, password: str | None, is_admin: bool) -> None:
    """Add a user. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        hashed = await Passwords().hashed(password) if password is not None else None
        await Identities(db).add_user(name, password_hash=hashed, is_admin=is_admin, actor=_local_actor())

    _run(settings, act)


def disable(settings: Settings, name: str) -> None:
    """Let a user or a robot do nothing any more. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).disable(name, actor=_local_actor()))


def enable(settings: Settings, name: str) -> None:
    """Let a user or a robot do again what is granted to it. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).enable(name, actor=_local_actor()))


def delete_principal(settings: Settings, name: str) -> None:
    """Delete a user or a robot with all that it holds. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).delete(name, actor=_local_actor()))


def add_robot(settings: Settings, name: str) -> None:
    """Add a robot of an organisation. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).add_robot(name, actor=_local_actor()))


def add_service(settings: Settings, name: str, *, is_admin: bool) -> None:
    """Add a service. Raise UpkeepFailed."""
    _run(settings, lambda db: ServiceKeys(db).add_service(name, is_admin=is_admin, actor=_local_actor()))


def add_service_key(settings: Settings, name: str, path: Path, *, lifetime: timedelta | None) -> str:
    """Let a service sign by the key in a file, and return the key's id. Raise UpkeepFailed."""
    try:
        key = read_public_key(path.read_bytes())
    except OSError as error:
        raise UpkeepFailed(f"{path} can't be read: {error.strerror}") from error
    except PublicKeyUnfit as error:
        raise UpkeepFailed(f"{path}: {error}") from error
    _run(settings, lambda db: ServiceKeys(db).add(name, key, lifetime=lifetime, actor=_local_actor()))
    return key.id


def revoke_service_key(settings: Settings, key_id: str) -> None:
    """Let a key of a service be valid no longer. Raise UpkeepFailed."""
    _run(settings, lambda db: ServiceKeys(db).revoke(key_id, actor=_local_actor()))


def add_organisation(settings: Settings, name: str) -> None:
    """Add an organisation. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).add_organisation(name, actor=_local_actor()))


def grant(settings: Settings, subject: str, role: str, target: str) -> None:
    """Grant a role. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).grant(subject, role, target, actor=_local_actor()))


def revoke(settings: Settings, subject: str, role: str, target: str) -> None:
    """Take a grant back. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).revoke(subject, role, target, actor=_local_actor()))


def add_team(settings: Settings, team: str) -> None:
    """Add a team. Raise UpkeepFailed."""
    _run(settings, lambda db: Teams(db).add(team, actor=_local_actor()))


def delete_team(settings: Settings, team: str) -> None:
    """Delete a team, and what was granted to it. Raise UpkeepFailed."""
    _run(settings, lambda db: Teams(db).delete(team, actor=_local_actor()))


def add_member(settings: Settings, team: str, member: str) -> None:
    """Let somebody be of a team. Raise UpkeepFailed."""
    _run(settings, lambda db: Teams(db).add_member(team, member, actor=_local_actor()))


def remove_member(settings: Settings, team: str, member: str) -> None:
    """Let somebody be of a team no longer. Raise UpkeepFailed."""
    _run(settings, lambda db: Teams(db).remove_member(team, member, actor=_local_actor()))


def add_role(settings: Settings, role: str, permissions: Sequence[str]) -> None:
    """Add a role of an organisation's own. Raise UpkeepFailed."""
    _run(settings, lambda db: Roles(db).add(role, permissions, actor=_local_actor()))


def delete_role(settings: Settings, role: str) -> int:
    """Delete a role of an organisation's own; return how many grants that has taken back. Raise UpkeepFailed."""
    return _run(settings, lambda db: Roles(db).delete(role, actor=_local_actor()))


def explain_access(settings: Settings, subject: str, repository: str, action: str) -> Explanation:
    """Say whether a subject may do something, and why. Raise UpkeepFailed."""
    name = _read_name(repository)
    return _run(settings, lambda db: Explanations(db).explain(subject, name, Permission(action)))


def who_can(settings: Settings, action: str, repository: str, *, say: Callable[[str], None]) -> None:
    """Tell `say` a line of everybody who may do something, and why. Raise UpkeepFailed."""
    name = _read_name(repository)

    async def act(db: Database) -> None:
        after: str | None = None
        while found := await Explanations(db).who_can(Permission(action), name, after=after):
            for one in found:
                say(f"{one.shown}: {one.reason}")
            after = found[-1].name

    _run(settings, act)


def create_key(settings: Settings, user: str, name: str, *, lifetime: timedelta | None) -> str:
    """Make an API key of a user and return it: nothing else ever tells it again. Raise UpkeepFailed."""
    secret = new_secret(API_KEY)
    _run(
        settings,
        lambda db: ApiKeys(db).add(user, name, hash_of(secret), lifetime=lifetime, actor=_local_actor()),
    )
    return secret


def rotate_keys(settings: Settings, *, now: bool) -> str:
    """Make a key that signs tokens, and return its id. Raise UpkeepFailed."""
    return _run(settings, lambda db: create_keyring(settings, db).rotate(now=now, actor=_local_actor()))


def event_filter(
    *,
    principal: str | None,
    action: str | None,
    target: str | None,
    outcome: str | None,
    since: datetime | None,
    until: datetime | None,
) -> EventFilter:
    """Return which events are asked for; a time that doesn't say where it is meant is in UTC."""
    since, until = (
        moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
        for moment in (since, until)
    )
    return EventFilter(principal, action, target, outcome, since, until)


def list_audit(
    settings: Settings, which: EventFilter, *, before: int | None, limit: int, say: Callable[[str], None]
) -> int | None:
    """Tell `say` a line of each event, the newest first; return before which number the next page begins.

    Raise UpkeepFailed.
    """
    page = _run(settings, lambda db: AuditLog(db).page(which, before=before, limit=limit))
    for event in page.waiting:
        say(as_line(event, None))
    for row in page.sealed:
        say(as_line(row.event, row.sequence))
    return page.next_before


def export_audit(settings: Settings, which: EventFilter, *, say: Callable[[str], None]) -> Tail:
    """Tell `say` each sealed event as JSON, the oldest first; return what is not sealed yet. Raise UpkeepFailed."""

    async def act(db: Database) -> Tail:
        log = AuditLog(db)
        async with contextlib.aclosing(log.export(which)) as rows:
            async for row in rows:
                say(as_json(row.event, row.sequence))
        return await log.tail()

    return _run(settings, act)


def verify_audit(settings: Settings, heads: Path | None, *, say: Callable[[str], None]) -> bool:
    """Verify the audit log, and that it still has the exported `heads`; return whether all is well. Raise UpkeepFailed."""
    findings = 0

    def find(finding: Finding) -> None:
        nonlocal findings
        findings += 1
        say(f"{finding.damage.upper():9} {finding.text}")

    async def act(db: Database) -> None:
        verification = Verification(db, create_audit_key(settings).verify)
        done = await verification.verify(find)
        batches = f"batches {done.first_batch} to {done.last.batch}" if done.events else "no batch"
        say(f"{done.events} sealed events in {batches} were verified, with {findings} findings")
        if heads is not None:
            compared = await verification.compare(_heads_in(heads), find)
            say(f"{compared.found} exported heads are in the log; {compared.pruned} are of batches that were pruned")
        if done.tail.since is not None:
            since = time_of(done.tail.since)
            say(f"{done.tail.events} events since {since} are not sealed yet: nobody could tell if they were altered")

    _run(settings, act)
    return not findings


def prune_audit(settings: Settings, older_than: timedelta) -> Pruned:
    """Delete what was sealed longer ago than that; return how much it was. Raise UpkeepFailed."""

    def act(db: Database) -> Coroutine[Any, Any, Pruned]:
        key = create_audit_key(settings)
        return Retention(db, key.sign, key.verify).prune(older_than, _local_actor())

    return _run(settings, act)


def _heads_in(path: Path) -> Iterator[SignedMark]:
    """Yield the heads in a file: exported objects, one a line, or lines of the server's log. Raise UpkeepFailed."""
    is_empty = True
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    head = exported_head(line)
                except ValueError as error:
                    raise UpkeepFailed(f"{path}, line {number}: {error}") from error
                if head is not None:
                    is_empty = False
                    yield head
    except OSError as error:
        raise UpkeepFailed(f"{path} can't be read: {error.strerror}") from error
    if is_empty:
        raise UpkeepFailed(
            f"{path} holds no head: those are in the server's log (“audit log sealed”), and in the bucket below audit/heads/"
        )


def _local_actor() -> Actor:
    """Return who runs this command: by the process's user, since variables can say anything."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # in a container, say
        name = str(number)
    return Actor(None, f"local:{name}", CredentialKind.LOCAL)


def add_issuer(
    settings: Settings, url: str, *, kind: str | None, algorithms: Sequence[str], secret: str | None, **more: Any
) -> None:
    """Add an issuer of identities, with the `secret` of our client there; `more` is of IssuerRow. Raise UpkeepFailed."""
    new = IssuerRow(0, url, kind or kind_of(url) or "other", tuple(algorithms), **more)

    async def act(db: Database) -> None:
        key = create_secret_key(settings) if secret is not None else None
        await Trusted(db).add_issuer(new, secret=secret, key=key, actor=_local_actor())

    _run(settings, act)


def remove_issuer(settings: Settings, url: str) -> None:
    """Remove an issuer with its rules and links. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).remove_issuer(url, actor=_local_actor()))


def issuers(settings: Settings) -> list[IssuerRow]:
    """Return all issuers, by URL. Raise UpkeepFailed."""
    return _run(settings, lambda db: Trusted(db).issuers())


def link(settings: Settings, issuer: str, subject: str, user: str) -> None:
    """Let an issuer's subject log in as a user. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).link(issuer, subject, user, actor=_local_actor()))


def unlink(settings: Settings, issuer: str, subject: str) -> None:
    """Let an issuer's subject log in as nobody any more. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).unlink(issuer, subject, actor=_local_actor()))


def add_trust(settings: Settings, name: str, **rule: Any) -> None:
    """Add a rule of trust, with what a `Rule` says. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).add_rule(name, Rule(**rule), actor=_local_actor()))


def remove_trust(settings: Settings, name: str) -> None:
    """Remove a rule of trust. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).remove_rule(name, actor=_local_actor()))


def trusted(settings: Settings) -> list[RuleRow]:
    """Return all rules of trust, by name. Raise UpkeepFailed."""
    return _run(settings, lambda db: Trusted(db).rules())


def _read_name(text: str) -> RepositoryName:
    try:
        return parse_repository_name(text)
    except InvalidName as error:
        raise UpkeepFailed(f"repository “{text[:128]}” {error}") from error


def _run(settings: Settings, act: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    async def connected(url: str) -> T:
        db = Database(url, size=_CONNECTIONS, timeout=settings.database_timeout)
        await db.open()
        try:
            return await act(db)
        finally:
            await db.close()

    try:
        with _reached(settings) as url:
            return asyncio.run(connected(url))
    except (RegistryError, PasswordUnfit, SecretKeyUnusable) as error:
        raise UpkeepFailed(str(error)) from error


@contextlib.contextmanager
def _reached(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database, which a running server may be using, with the schema that this code needs."""
    url = running_url(settings.data_dir / "postgres") if settings.session_url is None else None
    if url is not None:
        yield url
        return
    with translated(), database(settings) as started:
        migrate.check(migrate.upgrade(started))
        yield started
