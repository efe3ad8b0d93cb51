from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import model_signing
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signing.authorities import Authority, ChainAuthority, Identity, KeyAuthority
from signing.evidence import Attached, Evidence
from signing.making import bundles
from signing.making.artifacts import Blob, Subject, compact, empty_config, referrer
from signing.making.envelopes import seal
from signing.model_signing import ModelSignature, read_model_signatures
from signing.private_keys import SigningKey, new_signing_key
from signing.steps import Refused, Step
from signing.verification import judge
from signing.verified import SIGNED, Form, Rejected, Verified
from tests.signing import making_models as making
from tests.signing.chains import NOW, SIGNER, Held, chain
from tests.signing.notation_envelopes import gathered
from tests.signing.services import NOW as WORLD_NOW
from tests.signing.world import WHO, World

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
TITLE = "org.opencontainers.image.title"
FILES = {"model.safetensors": b"weights", "tokenizer/vocab.json": b"{}", "README.md": b"# Model"}


def layer(name: str, content: bytes, **annotations: str) -> dict[str, Any]:
    return Blob("application/octet-stream", content).descriptor(annotations={TITLE: name, **annotations})


def artifact(*layers: dict[str, Any], config: dict[str, Any] | None = None, **more: Any) -> bytes:
    listed = list(layers) or [layer(name, content) for name, content in FILES.items()]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config or empty_config(), "layers": listed, **more}
    return compact(manifest)


def on_disk(directory: Path, files: dict[str, bytes] = FILES) -> Path:
    model = directory / "model"
    for name, content in files.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(content)
    return model


def attach(bundle: bytes, content: bytes) -> Attached:
    layer = Blob(bundles.BUNDLE_TYPE, bundle)
    subject = Subject.of(content, MANIFEST)
    return gathered(
        referrer(
            subject, layer, config=empty_config(), artifact_type=bundles.BUNDLE_TYPE, annotations={TITLE: "model.sig"}
        )
    )


def evidence(content: bytes, *attached: Attached, media_type: str = MANIFEST) -> Evidence:
    return Evidence(Subject.of(content, MANIFEST).digest, media_type, content, attached)


def pem_of(key: Any, path: Path) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def by_library(tmp_path: Path, key: Any, certificates: tuple[Held, ...] = (), **hashing: Any) -> bytes:
    """Return what the library itself signs of FILES."""
    config = model_signing.signing.Config()
    if hashing:
        settings = model_signing.hashing.Config()
        getattr(settings, hashing.pop("method"))(**hashing)
        config.set_hashing_config(settings)
    private = pem_of(key, tmp_path / "key.pem")
    if certificates:
        paths = []
        for number, held in enumerate(certificates):
            paths.append(tmp_path / f"{number}.pem")
            paths[-1].write_bytes(held.pem)
        config.use_certificate_signer(private_key=private, signing_certificate=paths[0], certificate_chain=paths[1:])
    else:
        config.use_elliptic_key_signer(private_key=private)
    signature = tmp_path / "model.sig"
    config.sign(on_disk(tmp_path), signature)
    return signature.read_bytes()


def trusting(key: Any) -> KeyAuthority:
    return KeyAuthority("release", (SigningKey(key).public_pem,))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_what_the_library_signs_with_a_key_verifies(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    content = artifact()
    found = judge(evidence(content, attach(by_library(tmp_path, key), content)), trusting(key), now=NOW)
    assert found.rejected == ()
    [verified] = found.verified
    assert verified.form is Form.MODEL_SIGNING
    assert verified.statement.predicate_type == SIGNED


def test_what_the_library_signs_with_a_certificate_verifies(tmp_path: Path) -> None:
    own = chain()
    content = artifact()
    bundle = by_library(tmp_path, own.signer.key, (own.signer, own.middle))
    found = judge(evidence(content, attach(bundle, content)), ChainAuthority("own", (own.root.pem,)), now=NOW)
    assert found.rejected == ()
    [verified] = found.verified
    assert verified.valid_until == own.signer.certificate.not_valid_after_utc


def test_what_is_signed_here_verifies_by_the_library(tmp_path: Path) -> None:
    key = new_signing_key()
    signature = tmp_path / "model.sig"
    signature.write_bytes(signed(key))
    public = tmp_path / "key.pub"
    public.write_bytes(key.public_pem)
    verifier = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=public)
    model = on_disk(tmp_path)
    verifier.verify(model, signature)
    (model / "README.md").write_bytes(b"altered")
    with pytest.raises(ValueError, match="README"):
        verifier.verify(model, signature)


def test_what_is_signed_here_with_certificates_verifies_by_the_library(tmp_path: Path) -> None:
    # The library looks at certificates as they are now.
    today = datetime.now(UTC)
    own = chain(signer=replace(SIGNER, start=today - timedelta(days=1), end=today + timedelta(days=1)))
    key = SigningKey(own.signer.key)
    signature, root = tmp_path / "model.sig", tmp_path / "root.pem"
    envelope = seal(making.files_statement("model", digests()), key)
    signature.write_bytes(making.files_bundle(envelope, key, own.certificates[:2]))
    root.write_bytes(own.root.pem)
    verifier = model_signing.verifying.Config().use_certificate_verifier(certificate_chain=[root])
    verifier.verify(on_disk(tmp_path), signature)


def test_a_keyless_signature_verifies() -> None:
    world = World()
    content = artifact()
    document = world.keyless_bundle(making.files_statement("model", digests()))
    attached = attach(json.dumps(document).encode(), content)
    found = judge(evidence(content, attached), world.keyless(), now=WORLD_NOW)
    assert found.rejected == ()
    [verified] = found.verified
    assert (verified.form, verified.identity, verified.is_logged) == (Form.MODEL_SIGNING, WHO, True)
    other = judge(evidence(content, attached), world.keyless(Identity(identity="other@example.com")), now=WORLD_NOW)
    assert [each.step for each in other.rejected] == [Step.IDENTITY]


def test_a_signature_that_lies_among_the_files_verifies(tmp_path: Path) -> None:
    key = new_signing_key()
    bundle = signed(key)
    files = [layer(name, content) for name, content in FILES.items()]
    content = artifact(*files, layer("model.sig", bundle))
    inside = Attached(
        "artifact", Subject.of(content, MANIFEST).digest, MANIFEST, content, {Blob("", bundle).digest: bundle}
    )
    assert judge(evidence(content, inside), trusting(key.private), now=NOW).verified


def digests(files: dict[str, bytes] = FILES, **more: str) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()} | more


def signed(key: SigningKey, **files: Any) -> bytes:
    return making.files_bundle(seal(making.files_statement("model", digests(**files)), key), key)


KEY = new_signing_key()
OTHER = new_signing_key()


def stated(**changes: Any) -> bytes:
    """Return a bundle whose predicate is changed; what is not given stays as it is."""
    statement = json.loads(making.files_statement("model", digests()))
    serialization = changes.pop("serialization", {})
    statement["predicate"]["serialization"].update(serialization)
    resources = changes.pop("resources", None)
    if resources is not None:
        statement["predicate"]["resources"] = resources
        whole = hashlib.sha256(b"".join(bytes.fromhex(each["digest"]) for each in resources)).hexdigest()
        statement["subject"][0]["digest"]["sha256"] = whole
    return making.files_bundle(seal(compact({**statement, **changes}), KEY), KEY)


def resources(**changes: Any) -> list[dict[str, Any]]:
    listed = [{"name": name, "algorithm": "sha256", "digest": digest} for name, digest in sorted(digests().items())]
    return [{**listed[0], **changes}, *listed[1:]]


def edited(bundle: bytes, **changes: Any) -> bytes:
    return compact({**json.loads(bundle), **changes})


def swapped() -> bytes:
    bundle = json.loads(signed(KEY))
    bundle["dsseEnvelope"]["payload"] = json.loads(signed(OTHER, files={"a": b""}))["dsseEnvelope"]["payload"]
    return compact(bundle)


@dataclass(frozen=True)
class Case:
    step: Step
    reason: str
    bundle: bytes
    content: bytes = artifact()
    authority: Authority | None = None
    media_type: str = MANIFEST


def plain(*, drop: str | None = None, **more: bytes) -> list[dict[str, Any]]:
    return [layer(name, content) for name, content in {**FILES, **more}.items() if name != drop]


OWN = chain()
INDEX_CONTENT = compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
CONFIG = Blob("application/vnd.cncf.model.config.v1+json", b'{"a":1}')

REFUSED = {
    "hashed-in-shards": Case(
        Step.READ, "method 'shards'", stated(serialization={"method": "shards", "shard_size": 10})
    ),
    "hashed-with-BLAKE2": Case(Step.READ, "'blake2b'", stated(resources=resources(algorithm="blake2b"))),
    "no-files": Case(Step.READ, "names no files", stated(resources=[])),
    "one-file-twice": Case(Step.READ, "twice", stated(resources=[*resources(), resources()[0]])),
    "path-upwards": Case(Step.READ, "no path within", stated(resources=resources(name="../README.md"))),
    "path-absolute": Case(Step.READ, "no path within", stated(resources=resources(name="/README.md"))),
    "path-with-empty-part": Case(Step.READ, "no path within", stated(resources=resources(name="a//README.md"))),
    "digest-in-capitals": Case(Step.READ, "in lower case", stated(resources=resources(digest="A" * 64))),
    "subject-of-other-files": Case(
        Step.READ, "not the hash over", stated(subject=[{"name": "model", "digest": {"sha256": "0" * 64}}])
    ),
    "two-subjects": Case(
        Step.READ, "not the hash over", stated(subject=2 * [{"name": "model", "digest": {"sha256": "0" * 64}}])
    ),
    "no-subject": Case(Step.READ, "no subject", stated(subject=[])),
    "statement-of-another-type": Case(Step.READ, "_type", stated(_type="https://example.com/Statement")),
    "form-of-before-1.0": Case(
        Step.READ, "before its version 1.0", stated(predicateType="https://model_signing/Digests/v0.1")
    ),
    "predicate-that-is-a-text": Case(Step.READ, "no object", stated(predicate="")),
    "predicate-without-serialization": Case(Step.READ, "no serialization", stated(predicate={"resources": []})),
    "bundle-of-another-version": Case(
        Step.READ, "mediaType", edited(signed(KEY), mediaType="application/vnd.dev.sigstore.bundle.v0.9+json")
    ),
    "bundle-without-a-signer": Case(Step.READ, "names 0 signers", edited(signed(KEY), verificationMaterial={})),
    "wrong-key": Case(Step.SIGNER, "no key of release", signed(OTHER)),
    "certificate-asked-for": Case(
        Step.SIGNER, "key without a certificate", signed(KEY), authority=ChainAuthority("own", (OWN.root.pem,))
    ),
    "payload-swapped": Case(Step.SIGNER, "no key of release", swapped()),
    "certificate-of-another-root": Case(
        Step.SIGNER,
        "not trusted",
        making.files_bundle(
            seal(making.files_statement("model", digests()), SigningKey(OWN.signer.key)),
            SigningKey(OWN.signer.key),
            OWN.certificates[:2],
        ),
        authority=ChainAuthority("own", (chain().root.pem,)),
    ),
    "file-altered": Case(
        Step.SUBJECT, "'README.md' with the digest", signed(KEY), artifact(*plain(**{"README.md": b"altered"}))
    ),
    "file-missing": Case(
        Step.SUBJECT,
        "signs 'README.md', which the artifact does not have",
        signed(KEY),
        artifact(*plain(drop="README.md")),
    ),
    "file-unsigned": Case(
        Step.SUBJECT, "'run.py', which is not signed", signed(KEY), artifact(*plain(**{"run.py": b"1"}))
    ),
    "file-ignored-when-signing": Case(
        Step.SUBJECT,
        "'.gitattributes', which is not signed",
        stated(serialization={"ignore_paths": [".gitattributes"]}),
        artifact(*plain(**{".gitattributes": b"1"})),
    ),
    "file-renamed": Case(
        Step.SUBJECT, "'READ.md'", signed(KEY), artifact(*plain(drop="README.md"), layer("READ.md", FILES["README.md"]))
    ),
    "name-in-other-case": Case(
        Step.SUBJECT,
        "'readme.md'",
        signed(KEY),
        artifact(*plain(drop="README.md"), layer("readme.md", FILES["README.md"])),
    ),
    "names-exchanged": Case(
        Step.SUBJECT,
        "with the digest",
        signed(KEY),
        artifact(
            *plain(drop="README.md")[:-1],
            layer("README.md", FILES["tokenizer/vocab.json"]),
            layer("tokenizer/vocab.json", FILES["README.md"]),
        ),
    ),
    "two-files-of-one-name": Case(
        Step.SUBJECT, "two files 'README.md'", signed(KEY), artifact(*plain(), layer("README.md", b"other"))
    ),
    "layer-with-two-names": Case(
        Step.SUBJECT,
        "layer 4 has 2 names",
        signed(KEY),
        artifact(*plain(), layer("README.md", FILES["README.md"], **{"org.cncf.model.filepath": "run.py"})),
    ),
    "layer-without-a-name": Case(
        Step.SUBJECT,
        "layer 4 has no name",
        signed(KEY),
        artifact(*plain(), Blob("application/octet-stream", b"1").descriptor()),
    ),
    "layer-that-is-unpacked": Case(
        Step.SUBJECT,
        "archive of a directory",
        signed(KEY),
        artifact(
            *plain(drop="README.md"), layer("README.md", FILES["README.md"], **{"io.deis.oras.content.unpack": "true"})
        ),
    ),
    "layer-that-is-an-archive": Case(
        Step.SUBJECT,
        "archive of a directory",
        signed(KEY),
        artifact(
            *plain(drop="README.md"),
            Blob("application/vnd.oci.image.layer.v1.tar+gzip", FILES["README.md"]).descriptor(
                annotations={TITLE: "README.md"}
            ),
        ),
    ),
    "config-unsigned": Case(
        Step.SUBJECT, "the config, application/vnd.cncf.model.config", signed(KEY), artifact(config=CONFIG.descriptor())
    ),
    "digest-of-another-algorithm": Case(
        Step.SUBJECT,
        "sha512:",
        signed(KEY),
        artifact(
            *plain(drop="README.md"),
            {**layer("README.md", b""), "digest": "sha512:" + hashlib.sha512(FILES["README.md"]).hexdigest()},
        ),
    ),
    "index": Case(Step.SUBJECT, "is an index", signed(KEY), INDEX_CONTENT, media_type=INDEX),
    "identity-not-asked-for": Case(
        Step.IDENTITY,
        "who is not asked for",
        making.files_bundle(
            seal(making.files_statement("model", digests()), SigningKey(OWN.signer.key)),
            SigningKey(OWN.signer.key),
            OWN.certificates[:2],
        ),
        authority=ChainAuthority("own", (OWN.root.pem,), subjects=("CN=Somebody",)),
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in REFUSED.items()])
def test_it_is_refused(case: Case) -> None:
    attached = attach_as(case)
    found = judge(
        evidence(case.content, attached, media_type=case.media_type), case.authority or trusting(KEY.private), now=NOW
    )
    assert found.verified == ()
    [rejected] = found.rejected
    assert rejected.form is Form.MODEL_SIGNING
    assert rejected.step == case.step, rejected.reason
    assert case.reason in rejected.reason


def attach_as(case: Case) -> Attached:
    subject = replace(Subject.of(case.content, MANIFEST), media_type=case.media_type)
    layer = Blob(bundles.BUNDLE_TYPE, case.bundle)
    return gathered(referrer(subject, layer, config=empty_config(), artifact_type=bundles.BUNDLE_TYPE, annotations={}))


def test_attached_to_another_artifact_it_is_refused() -> None:
    other = artifact(annotations={"a": "b"})
    [candidate] = read_model_signatures(attach(signed(KEY), other))
    assert isinstance(candidate, ModelSignature)
    with pytest.raises(Refused) as refused:
        candidate.verify(evidence(artifact()), trusting(KEY.private), now=NOW)
    assert refused.value.step == Step.SUBJECT


def test_a_file_named_like_a_signature_that_is_none_is_left_alone() -> None:
    content = artifact(layer("weights.sig", b"-----BEGIN PGP SIGNATURE-----"))
    inside = Attached("artifact", Subject.of(content, MANIFEST).digest, MANIFEST, content, {})
    assert list(read_model_signatures(inside)) == []


def test_what_the_table_changes_is_sound_without_the_change() -> None:
    found: list[Verified | Rejected] = []
    for bundle in (signed(KEY), stated(), stated(resources=resources())):
        content = artifact()
        judged = judge(evidence(content, attach(bundle, content)), trusting(KEY.private), now=NOW)
        found += [*judged.verified, *judged.rejected]
    assert [type(each) for each in found] == [Verified] * 3
