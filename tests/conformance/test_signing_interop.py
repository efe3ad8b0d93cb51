"""What cosign 2, cosign 3 and notation sign, Blacklake verifies, and what Blacklake signs, they verify; nothing else passes.

They sign artifacts in a real registry with a private Sigstore beside it, all on the loopback address.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from conformance.sigstore.authorities import private_pem
from signing.authorities import KeyAuthority, KeylessAuthority
from signing.evidence import Evidence
from signing.making.artifacts import Subject
from signing.private_keys import read_signing_key
from signing.verification import Found, judge
from signing.verified import SIGNED
from tests.signers.cosign import PREDICATE, PREDICATE_TYPE
from tests.signers.matrix import ROWS, Row
from tests.signers.registry import Artifact, pushed_image, pushed_index
from tests.signers.workshop import EMAIL, SUBJECT, Workshop, opened
from tests.signing.making_notation import sign as sign_for_notation

SIGNED_BY_ROW: dict[str, tuple[Artifact, Evidence]] = {}
"""What each row has signed, once in a run."""

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    SIGNED_BY_ROW.clear()
    with opened(tmp_path_factory.mktemp("signers")) as workshop:
        yield workshop


def image(shop: Workshop) -> Artifact:
    return pushed_image(shop.server.host, f"team/model-{next(_numbers)}")


def signed(shop: Workshop, row: Row) -> tuple[Artifact, Evidence]:
    """Return an artifact that is signed as the row says, with all that is attached to it."""
    if row.name not in SIGNED_BY_ROW:
        artifact = image(shop)
        row.sign(shop, artifact)
        SIGNED_BY_ROW[row.name] = artifact, artifact.evidence()
    return SIGNED_BY_ROW[row.name]


def reasons(found: Found) -> str:
    return "\n".join(f"{one.where}: step {one.step}: {one.reason}" for one in found.rejected)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_is_signed_is_verified(shop: Workshop, row: Row) -> None:
    _, evidence = signed(shop, row)
    before = datetime.now(UTC) - timedelta(minutes=10)
    found = judge(evidence, row.trust(shop), now=datetime.now(UTC))
    assert len(found.verified) == 1, reasons(found)
    (verified,) = found.verified
    assert not found.rejected, reasons(found)
    assert (verified.form, verified.statement.predicate_type) == (row.form, row.says)
    assert verified.is_logged == row.logged
    if row.stamped:
        assert verified.signed_at is not None
        assert before < verified.signed_at <= datetime.now(UTC) + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("row", "stranger"),
    [pytest.param(row, stranger, id=f"{row}: {stranger}") for row in ROWS for stranger in row.strangers],
)
def test_nobody_else_has_signed(shop: Workshop, row: Row, stranger: str) -> None:
    _, evidence = signed(shop, row)
    found = judge(evidence, row.strangers[stranger](shop), now=datetime.now(UTC))
    assert not found.verified
    assert [one.reason for one in found.rejected] != []


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_nothing_else_is_signed(shop: Workshop, row: Row) -> None:
    _, evidence = signed(shop, row)
    other = image(shop).evidence()
    assert not other.attached
    moved = msgspec.structs.replace(other, attached=evidence.attached)
    found = judge(moved, row.trust(shop), now=datetime.now(UTC))
    assert not found.verified
    assert found.rejected


@pytest.mark.parametrize("major", [2, 3])
def test_an_index_is_signed_with_all_that_it_names(shop: Workshop, major: int) -> None:
    repository = f"team/index-{major}"
    children = [pushed_image(shop.server.host, repository) for _ in range(2)]
    index = pushed_index(shop.server.host, repository, *children)
    cosign = shop.cosign[major]
    cosign.sign(index.reference, "--recursive", "--key", shop.key(major), *cosign.without_services())
    evidence = [artifact.evidence() for artifact in (index, *children)]
    for one in evidence:
        found = judge(one, shop.by_key(), now=datetime.now(UTC))
        assert len(found.verified) == 1, reasons(found)
    for one, other in itertools.permutations(evidence, 2):
        moved = msgspec.structs.replace(one, attached=other.attached)
        assert not judge(moved, shop.by_key(), now=datetime.now(UTC)).verified


def whose(shop: Workshop, row: Row) -> list[str | Path]:
    """Return the options of `blacklake verify` and of `cosign verify` by which an identity or a key is asked for."""
    authority = row.trust(shop)
    if isinstance(authority, KeyAuthority):
        return ["--key", shop.public()]
    assert isinstance(authority, KeylessAuthority)
    (who,) = authority.identities
    assert who.identity is not None
    assert who.issuer is not None
    trusted = ("--trusted-root", shop.sigstore.trusted_root)
    return ["--certificate-identity", who.identity, "--certificate-oidc-issuer", who.issuer, *trusted]


TYPED = ("cosign 2, key", "cosign 2, key, attestation", "cosign 3, key, log, timestamp", "cosign 3, e-mail")


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in TYPED], ids=str)
def test_the_command_line_says_the_same(shop: Workshop, row: Row) -> None:
    artifact, _ = signed(shop, row)
    asked = [] if row.says == SIGNED else ["--attestation", row.says]
    code, said = shop.blacklake.verify(artifact.reference, *whose(shop, row), *asked)
    assert code == 0, said
    other = ["--key", shop.public("another")]
    code, said = shop.blacklake.verify(artifact.reference, *other, *asked)
    assert code == 1, said
    unsigned = image(shop)
    code, said = shop.blacklake.verify(unsigned.reference, *whose(shop, row), *asked)
    assert code == 1, said


WITHOUT_LOG = ("--insecure-ignore-tlog", "--allow-http-registry")


@pytest.mark.parametrize("key", ["P-256", "RSA", "Ed25519"])
@pytest.mark.parametrize("legacy", [True, False], ids=["tag", "bundle"])
def test_cosign_verifies_what_blacklake_signs_with_a_key(shop: Workshop, key: str, legacy: bool) -> None:
    artifact = image(shop)
    shop.blacklake.sign(artifact.reference, "--key", shop.private(key), *(["--legacy"] if legacy else []))
    for major, cosign in shop.cosign.items():
        how = bundled(shop, major) if not legacy else ()
        cosign.run("verify", "--key", shop.public(key), *WITHOUT_LOG, *how, artifact.reference)
        refused = cosign.refuses("verify", "--key", shop.public("another"), *WITHOUT_LOG, *how, artifact.reference)
        assert "signature" in refused


@pytest.mark.parametrize("legacy", [True, False], ids=["tag", "bundle"])
def test_cosign_verifies_what_blacklake_attests_with_a_key(shop: Workshop, legacy: bool) -> None:
    artifact = image(shop)
    shop.blacklake.attest(artifact.reference, "--key", shop.private(), *(["--legacy"] if legacy else []))
    for major, cosign in shop.cosign.items():
        how = bundled(shop, major) if not legacy else ()
        key = ("--key", shop.public(), "--insecure-ignore-tlog", *how)
        (envelope,) = cosign.statements(artifact.reference, *key)
        statement = json.loads(base64.b64decode(envelope["payload"]))
        assert statement["predicate"] == PREDICATE
        assert statement["subject"][0]["digest"] == {"sha256": artifact.digest.removeprefix("sha256:")}


def bundled(shop: Workshop, major: int) -> tuple[str | Path, ...]:
    """Return the options by which cosign reads bundles: version 3 does by itself."""
    return ("--new-bundle-format", "--trusted-root", shop.sigstore.trusted_root) if major == 2 else ()


def test_blacklake_signs_with_the_key_that_cosign_keeps(shop: Workshop) -> None:
    artifact = image(shop)
    shop.blacklake.sign(artifact.reference, "--key", shop.key(3), "--legacy")
    shop.cosign[2].sign(artifact.reference, "--key", shop.key(2, "another"), *shop.cosign[2].without_services())
    for name in ("P-256", "another"):
        shop.cosign[2].run("verify", "--key", shop.public(name), *WITHOUT_LOG, artifact.reference)
        found = judge(artifact.evidence(), shop.by_key(name), now=datetime.now(UTC))
        assert len(found.verified) == 1, reasons(found)


def test_cosign_verifies_what_blacklake_signs_with_a_key_and_logs(shop: Workshop) -> None:
    artifact = image(shop)
    services = ("--rekor-url", shop.sigstore.rekor, "--timestamp-url", shop.sigstore.timestamp_url)
    shop.blacklake.sign(artifact.reference, "--key", shop.private(), *services)
    trusted = ("--trusted-root", shop.sigstore.trusted_root, "--allow-http-registry")
    shop.cosign[3].run("verify", "--key", shop.public(), *trusted, artifact.reference)
    shop.cosign[3].refuses("verify", "--key", shop.public("another"), *trusted, artifact.reference)
    found = judge(artifact.evidence(), shop.by_key(log=True, timestamp=True), now=datetime.now(UTC))
    assert [one.is_logged for one in found.verified] == [True], reasons(found)


@pytest.mark.parametrize("verb", ["sign", "attest"])
def test_cosign_verifies_what_blacklake_signs_by_an_identity(shop: Workshop, verb: str) -> None:
    artifact = image(shop)
    row = next(row for row in ROWS if row.name == "cosign 3, e-mail")
    services = (
        *("--fulcio-url", shop.sigstore.fulcio, "--identity-token", shop.sigstore.token(email=EMAIL)),
        *("--rekor-url", shop.sigstore.rekor, "--timestamp-url", shop.sigstore.timestamp_url),
    )
    getattr(shop.blacklake, verb)(artifact.reference, *services)
    what = ("verify",) if verb == "sign" else ("verify-attestation", "--type", PREDICATE_TYPE)
    shop.cosign[3].run(*what, "--allow-http-registry", *whose(shop, row), artifact.reference)
    stranger = [f"x{word}" if word == EMAIL else word for word in whose(shop, row)]
    shop.cosign[3].refuses(*what, "--allow-http-registry", *stranger, artifact.reference)
    found = judge(artifact.evidence(), row.trust(shop), now=datetime.now(UTC))
    assert [one.is_logged for one in found.verified] == [True], reasons(found)


@pytest.mark.parametrize("key", ["P-256", "P-384", "RSA"])
def test_notation_verifies_what_blacklake_makes(shop: Workshop, key: str) -> None:
    artifact, holder = image(shop), shop.holder(key)
    subject = Subject.of(artifact.content, artifact.media_type)
    signing_key = read_signing_key(private_pem(holder.key))
    made = sign_for_notation(subject, signing_key, (holder.certificate, *holder.above), signed_at=datetime.now(UTC))
    artifact.attach(made.attach(created=datetime.now(UTC)))
    verify = ("verify", "--insecure-registry", artifact.reference)
    shop.notation.trust(shop.authority.root, subjects=(f"x509.subject: {SUBJECT}",))
    assert "Successfully verified" in shop.notation.run(*verify)
    shop.notation.trust(shop.authority.root, subjects=("x509.subject: C=AQ,ST=Ross,O=Seals",))
    shop.notation.refuses(*verify)
    shop.notation.trust(shop.stranger.root)
    shop.notation.refuses(*verify)
