"""Policies and evidence for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signing.authorities import Authority
from signing.evidence import Attached, Evidence, Known
from signing.policy.document import read_policy
from signing.policy.evaluation import evaluate
from signing.policy.policy import Policy
from signing.policy.verdict import Verdict
from signing.roots import TrustRoot
from signing.verification import Found
from signing.verified import SIGNED, Form, Rejected, Statement, Verified

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
IMAGE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = {"schemaVersion": 2, "mediaType": IMAGE, "artifactType": "application/x.model", "annotations": {"team": "a"}}
PROVENANCE = "https://slsa.dev/provenance/v1"


def pem() -> str:
    """Return a new public key."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


KEY = pem()
CI = {"identities": [{"issuer": "https://issuer.example", "identity": "https://ci.example/release"}]}
SIGNERS: dict[str, Any] = {"release": {"keys": [KEY]}, "ci": CI, "qa": {"keys": [KEY]}}


def written(require: Any, **members: Any) -> bytes:
    """Return a policy's bytes."""
    document = {"version": 1, "name": "production", "mode": "enforce", "signers": SIGNERS, "require": require}
    return json.dumps(document | members, ensure_ascii=False, indent=1).encode()  # which is YAML, too


def policy(require: Any, **members: Any) -> Policy:
    """Return a policy."""
    return read_policy(written(require, **members))


def verified(predicate_type: str = SIGNED, *, predicate: dict[str, Any] | None = None, **members: Any) -> Verified:
    """Return a signature that has passed all steps; by a key, unless said otherwise."""
    by = {"key": "k1", "signer": "the key k1", "where": f"sha256:{'b' * 64}, layer 1", "form": Form.BUNDLE}
    return Verified(statement=Statement(predicate_type, predicate or {}), **(by | members))


REJECTED = Rejected(f"sha256:{'c' * 64}, layer 1", 5, "the signature is not one of these bytes", Form.COSIGN)


class Signatures:
    """Stands for the verification of signatures: who has made which, by the name of the signer."""

    def __init__(self, by: Mapping[str, Sequence[Verified | Rejected]]) -> None:
        self.by = by
        self.asked: list[str] = []

    def __call__(self, evidence: Evidence, authority: Authority, *, now: datetime) -> Found:
        """Return what is said."""
        self.asked.append(authority.name)
        found = self.by.get(authority.name, ())
        return Found(
            [one for one in found if isinstance(one, Verified)], [one for one in found if isinstance(one, Rejected)]
        )


def evidence(*attached: Attached, problems: tuple[str, ...] = (), **known: Any) -> Evidence:
    """Return what is known of an artifact."""
    return Evidence(DIGEST, IMAGE, json.dumps(MANIFEST).encode(), attached, problems, Known(**known))


ROOTS = {"public-good": TrustRoot.public_good()}


def judged(
    require: Any,
    facts: Evidence | None = None,
    signatures: Mapping[str, Sequence[Verified | Rejected]] | None = None,
    **members: Any,
) -> Verdict:
    """Return the verdict on an artifact."""
    return evaluate(policy(require, **members), facts or evidence(), ROOTS, now=NOW, judge=Signatures(signatures or {}))
