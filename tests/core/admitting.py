"""Artifacts, signatures of them, policies that ask for these, and what these admit; a sandbox without a process of its own."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_tag
from registry import judging
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.access import Bound, Caller, CredentialKind, Permission
from registry.core.audit import Actor
from registry.core.identities import Identities
from registry.core.policies import Policies
from registry.core.services import Services
from registry.db.pool import Database
from registry.errors import NotAdmitted
from registry.sandbox import Sandbox
from registry.storage.base import BlobStore
from signing.evidence import Attached
from tests.core.support import NAME, OTHER, image, push_blob
from tests.signing import attachments as made

ACTOR = Actor(None, "local:tester", CredentialKind.LOCAL)
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def puller(*names: RepositoryName) -> Caller:
    """Return who may pull from repositories, and no more, as another token server says."""
    bound = {name: frozenset((Permission.PULL,)) for name in names or (NAME,)}
    return Caller(None, "puller", Bound(MappingProxyType(bound), catalog=False))


PULLER = puller(NAME, OTHER)


class InProcess(Sandbox):
    """Judges here: a process of its own for each test would take seconds. What goes in and out goes as it does there."""

    def __init__(self) -> None:
        super().__init__("registry.judging:answer")
        self.asked: list[dict[str, Any]] = []

    async def run(self, task: dict[str, Any], fetch: Any, *, size: int, budget: int) -> Any:
        self.asked.append(task)
        told = msgspec.msgpack.decode(msgspec.msgpack.encode(task))
        return msgspec.msgpack.decode(msgspec.msgpack.encode(judging.answer(told, None)))


def signed_policy(name: str = "signed", *, mode: str = "enforce", key: Any = KEY, require: Any = None) -> bytes:
    """Return a policy that asks for a signature by a key."""
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    document = {
        "version": 1,
        "name": name,
        "mode": mode,
        "signers": {"release": {"keys": [pem]}},
        "require": require or {"signature": {"by": "release"}},
    }
    return yaml.safe_dump(document, sort_keys=False).encode()


def bundle_of(content: bytes, key: Any = KEY) -> Attached:
    """Return a signature of a manifest, as a referrer of it; another one each time."""
    digest = Digest.of(content)
    payload = made.statement(subject=[{"digest": {"sha256": digest.encoded}}])
    subject = {"mediaType": json.loads(content)["mediaType"], "digest": str(digest), "size": len(content)}
    return made.attach(made.bundle(key, payload), subject=subject)


def tag_of(digest: Digest, key: Any = KEY) -> Attached:
    """Return a signature of a manifest, as cosign wrote it before bundles; another one each time."""
    payload = made.simple_signing(str(digest))
    return made.signed_tag(key, payload)


async def push(
    services: Services, content: bytes, tag: str | None = None, *, name: RepositoryName = NAME, **more: Any
) -> Digest:
    """Push a manifest by its digest, or under a tag."""
    digest = Digest.of(content)
    await services.manifests.push(
        name,
        content,
        media_type=json.loads(content)["mediaType"],
        reference=parse_tag(tag) if tag is not None else digest,
        extra_tags=[],
        **more,
    )
    return digest


async def push_image(
    services: Services, *layers: bytes, name: RepositoryName = NAME, subject: Digest | None = None, note: str = ""
) -> Digest:
    """Push an image with these layers by its digest."""
    return await push(services, await image_of(services, *layers, name=name, subject=subject, note=note), name=name)


async def image_of(
    services: Services, *layers: bytes, name: RepositoryName = NAME, subject: Digest | None = None, note: str = ""
) -> bytes:
    """Return an image whose blobs are pushed."""
    config = await push_blob(services, b"{}", name)
    return image(config, *[await push_blob(services, layer, name) for layer in layers], subject=subject, note=note)


async def attach(
    services: Services, attached: Attached, *, tag: str | None = None, name: RepositoryName = NAME
) -> Digest:
    """Push what speaks of a manifest, with its blobs."""
    for content in (b"{}", *attached.blobs.values()):
        await push_blob(services, content, name)
    return await push(services, attached.content, tag, name=name)


async def sign(services: Services, digest: Digest, key: Any = KEY, *, name: RepositoryName = NAME) -> Digest:
    """Sign a manifest by a referrer, and return that."""
    stored = await services.manifests.resolve(name, digest)
    return await attach(services, bundle_of(stored.content, key), name=name)


async def layer_of(services: Services, digest: Digest, *, name: RepositoryName = NAME) -> Digest:
    """Return the first layer of a manifest."""
    stored = await services.manifests.resolve(name, digest)
    return Digest.parse(json.loads(stored.content)["layers"][0]["digest"])


@pytest.fixture
def sandbox() -> InProcess:
    return InProcess()


@pytest.fixture
async def services(settings: Settings, database: Database, store: BlobStore, sandbox: InProcess) -> Services:
    """Return the verbs, with an organisation `team` that has no policy yet."""
    made = create_services(settings, database, store)
    made.judge._sandbox = sandbox
    await Identities(database).add_organisation("team", actor=ACTOR)
    return made


@pytest.fixture
def policies(database: Database, services: Services) -> Policies:
    return Policies(database, services.judge)


async def enforce(policies: Policies, target: str = "team", *, on: str = "pull", tags: tuple[str, ...] = ()) -> None:
    """Ask for signatures."""
    await policies.put(target, signed_policy(), on=on, tags=tags, actor=ACTOR)


async def is_admitted(services: Services, reference: Digest | str, name: RepositoryName = NAME) -> bool:
    """Say whether who may pull, and no more, gets a manifest."""
    try:
        wanted = reference if isinstance(reference, Digest) else parse_tag(reference)
        await services.manifests.pull(name, wanted, puller(name))
    except NotAdmitted:
        return False
    return True


async def serves(services: Services, blob: bytes | Digest, name: RepositoryName = NAME) -> bool:
    """Say whether who may pull, and no more, gets a blob."""
    try:
        await services.blobs.pull(name, Digest.of(blob) if isinstance(blob, bytes) else blob, PULLER)
    except NotAdmitted:
        return False
    return True
