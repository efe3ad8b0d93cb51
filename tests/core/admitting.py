"""Artifacts, signatures of them, and policies that ask for these; a sandbox without a process of its own."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import msgspec
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_tag
from registry import judging
from registry.core.access import Bound, Caller, CredentialKind, Permission
from registry.core.audit import Actor
from registry.core.services import Services
from registry.sandbox import Sandbox
from signing.evidence import Attached
from tests.core.support import NAME, image, push_blob
from tests.signing import attachments as made

ACTOR = Actor(None, "local:tester", CredentialKind.LOCAL)
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def puller(*names: RepositoryName) -> Caller:
    """Return who may pull from repositories, and no more, as another token server says."""
    bound = {name: frozenset((Permission.PULL,)) for name in names or (NAME,)}
    return Caller(None, "puller", Bound(MappingProxyType(bound), catalog=False))


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
