"""An organisation with stages, and what is promoted through them, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_tag
from mediatypes.oci import IMAGE_INDEX, IMAGE_MANIFEST
from registry.core.access import ALL, EVERYONE, Caller, CredentialKind
from registry.core.admission import Admission, TagJudgement
from registry.core.audit import Actor
from registry.core.evidence import NewArtifact
from registry.core.identities import Identities
from registry.core.promotions import Expected, Promoted, Roll, Wish
from registry.core.services import Services
from registry.core.stages import Stage, Stages
from registry.db.pool import Database
from tests.core.support import NAME, image, push_blob

LOCAL = Actor(None, "local:root", CredentialKind.LOCAL)
DEV, STAGING, PROD = "dev", "staging", "prod"
THREE = [Stage(DEV), Stage(STAGING), Stage(PROD)]


class Refusing(Admission):
    """An admission that lets nothing of what it is told pass, and notes what it was asked."""

    def __init__(self, admission: Admission) -> None:
        vars(self).update(vars(admission))
        self.refused: set[Digest] = set()
        self.asked: list[tuple[str, Digest, str]] = []

    async def judge_tags(
        self,
        name: RepositoryName,
        digest: Digest,
        tags: Sequence[str],
        new: NewArtifact | None,
        *,
        again: bool = False,
    ) -> TagJudgement:
        self.asked += [(name, digest, tag) for tag in tags]
        if digest in self.refused:
            raise NotPassing(name)
        return await super().judge_tags(name, digest, tags, new, again=again)


class NotPassing(Exception):
    """What a gate says."""

    def __init__(self, name: str) -> None:
        super().__init__(f"nothing passes in {name}")


class Line:
    """A repository's stages, and who promotes."""

    def __init__(self, services: Services, database: Database, name: RepositoryName = NAME) -> None:
        self.services, self.database, self.name = services, database, name
        self.gate = Refusing(services.admission)
        services.promotions._admission = self.gate

    async def set(self, *stages: Stage, target: str = "team", actor: Actor = LOCAL) -> None:
        await Stages(self.database).put(target, list(stages) or THREE, actor=actor)

    async def user(self, name: str, *grants: tuple[str, str]) -> tuple[Caller, Actor]:
        """Add a user with roles on targets."""
        identities = Identities(self.database)
        await identities.add_user(name, password_hash=None, is_admin=False, actor=LOCAL)
        for role, target in grants:
            await identities.grant(f"user:{name}", role, target, actor=LOCAL)
        return await self.known(name)

    async def known(self, name: str) -> tuple[Caller, Actor]:
        row = await self.database.read(
            "find", lambda conn: conn.fetchrow("SELECT id FROM principals WHERE name = $1", name)
        )
        return Caller(row["id"], name), Actor(row["id"], name, CredentialKind.KEY)

    async def push(
        self, note: str, *tags: str, subject: Digest | None = None, name: RepositoryName | None = None
    ) -> Digest:
        """Push an image with a config and a layer of its own."""
        name = name or self.name
        config, layer = await push_blob(self.services, b"{}", name), await push_blob(self.services, note.encode(), name)
        content = image(config, layer, note=note, subject=subject)
        return await self.put(content, IMAGE_MANIFEST, *tags, name=name)

    async def put(self, content: bytes, media_type: str, *tags: str, name: RepositoryName | None = None) -> Digest:
        pushed = await self.services.manifests.push(
            name or self.name,
            content,
            media_type=media_type,
            reference=Digest.of(content),
            extra_tags=[parse_tag(tag) for tag in tags],
            held=ALL,
        )
        return pushed.digest

    async def put_index(self, content: bytes, *tags: str) -> Digest:
        return await self.put(content, IMAGE_INDEX, *tags)

    async def promote(
        self,
        reference: str | Digest | None,
        stage: str,
        *,
        who: tuple[Caller, Actor] = (EVERYONE, LOCAL),
        expected: Expected | None = None,
        reason: str = "",
    ) -> Promoted:
        caller, actor = who
        meant = parse_tag(reference) if isinstance(reference, str) else reference
        return await self.services.promotions.promote(
            self.name, meant, stage, Wish(reason, expected), caller=caller, actor=actor
        )

    async def roll(
        self,
        stage: str,
        how: Roll = Roll(),  # noqa: B008 - it never changes
        *,
        who: tuple[Caller, Actor] = (EVERYONE, LOCAL),
        expected: Expected | None = None,
    ) -> Promoted:
        caller, actor = who
        return await self.services.promotions.roll(
            self.name, stage, how, Wish(expected=expected), caller=caller, actor=actor
        )

    async def named(self, tag: str, name: RepositoryName | None = None) -> Digest:
        return (await self.services.manifests.resolve(name or self.name, parse_tag(tag))).digest

    async def history(self, stage: str | None = None, caller: Caller = EVERYONE) -> list[tuple[str, str, str, Digest]]:
        """Return what became of stages, the newest first: kind, stage, tag, digest."""
        page = await self.services.stage_history.page(self.name, stage=stage, before=None, limit=100, caller=caller)
        return [(row.kind, row.stage, row.tag, Digest.from_bytes(row.digest)) for row in page.items]
