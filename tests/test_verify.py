"""`blacklake verify`: 0 is verified, 1 refused, 2 could not be decided; from any registry and from layouts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from blacklake.oci import connection as connections
from tests.command import Done, blacklake, done
from tests.http.client import IMAGE, INDEX, Client, descriptor, digest_of, image_of, index_of
from tests.http.server import Registry, serving
from tests.oci.layouts import Laid
from tests.oci.servers import Reply, scripted
from tests.signing import attachments as made
from tests.signing.services import b64, sign
from tests.signing.world import WHO, World
from tests.signing_keys import Pair, key_pair

TYPE = "https://lake.example/evaluation/v1"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("verify")) as running:
        yield running


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return key_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture
def name() -> str:
    return f"team/{uuid4().hex}"


@pytest.fixture
def ref(registry: Registry, name: str) -> str:
    """Return an artifact that nobody has signed."""
    client = Client(registry)
    with client.session:
        client.push_image(name, "v1", b"weights")
    return f"127.0.0.1:{registry.port}/{name}:v1"


def policy(directory: Path, keys: Pair, require: object, **more: object) -> Path:
    signers = {"release": {"keys": [keys.public.read_text()]}}
    document = {"version": 1, "name": "production", "mode": "enforce", "signers": signers, "require": require}
    path = directory / "policy.yaml"
    path.write_text(yaml.safe_dump(document | more))
    return path


def test_what_nobody_has_signed_is_refused(ref: str, keys: Pair) -> None:
    found = blacklake("verify", ref, "--key", keys.public)
    assert (found.code, found.err) == (1, "")
    assert found.out.splitlines() == [
        f"refused: {ref} is {digest_of(image_of(b'weights'))}",
        f"  it has no signature by {keys.public}",
    ]


@pytest.mark.parametrize("form", [(), ("--legacy",)])
def test_what_the_key_has_signed_is_verified_and_its_digest_told(ref: str, keys: Pair, form: tuple[str, ...]) -> None:
    done("sign", ref, "--key", keys.private, *form)
    digest = digest_of(image_of(b"weights"))
    assert done("verify", ref, "--key", keys.public).startswith(f"verified: {ref} is {digest}\n  ✓ ")
    by_digest = f"{ref.removesuffix(':v1')}@{digest}"
    found = blacklake("verify", by_digest, "--key", keys.public, "--output", "json").document
    assert (found["reference"], found["outcome"], found["digest"], found["mediaType"]) == (
        by_digest,
        "verified",
        digest,
        IMAGE,
    )
    ((signature),) = found["signatures"]
    assert signature["form"] == ("cosign" if form else "sigstore-bundle")
    assert signature["predicateType"] == "https://sigstore.dev/cosign/sign/v1"


def test_another_s_signature_is_refused_with_the_step(ref: str, keys: Pair, tmp_path: Path) -> None:
    done("sign", ref, "--key", key_pair(tmp_path).private)
    found = blacklake("verify", ref, "--key", keys.public, "--output", "json")
    assert found.code == 1
    ((rejected),) = found.document["rejected"]
    assert (rejected["step"], rejected["stepName"]) == (2, "signer")
    assert "✗ " in blacklake("verify", ref, "--key", keys.public).out
    assert blacklake("verify", ref, "--key", keys.public, "--key", tmp_path / "signer.pub").code == 0


@pytest.mark.parametrize("form", [(), ("--legacy",)])
def test_an_attestation_is_no_signature_and_a_signature_none(
    ref: str, keys: Pair, tmp_path: Path, form: tuple[str, ...]
) -> None:
    (tmp_path / "evaluation.json").write_text('{"accuracy": 0.93}')
    done("attest", ref, "--key", keys.private, "--type", TYPE, "--predicate", tmp_path / "evaluation.json", *form)
    found = blacklake("verify", ref, "--key", keys.public)
    assert found.code == 1
    assert f"no signature by {keys.public}; what they have signed of it is {TYPE}" in found.out
    found = blacklake("verify", ref, "--key", keys.public, "--attestation", TYPE, "--output", "json")
    assert found.code == 0
    assert found.document["signatures"][0]["predicate"] == {"accuracy": 0.93}
    assert blacklake("verify", ref, "--key", keys.public, "--attestation", "spdx").code == 1


def test_an_index_is_none_of_its_images(registry: Registry, name: str, ref: str, keys: Pair) -> None:
    client = Client(registry)
    with client.session:
        client.push_manifest(name, index_of(image_of(b"weights")), "all", INDEX)
    whole = ref.replace(":v1", ":all")
    done("sign", whole, "--key", keys.private)
    assert blacklake("verify", whole, "--key", keys.public).code == 0
    assert blacklake("verify", ref, "--key", keys.public).code == 1


def test_a_moved_tag_is_another_artifact(registry: Registry, name: str, ref: str, keys: Pair) -> None:
    done("sign", ref, "--key", keys.private)
    client = Client(registry)
    with client.session:
        client.push_image(name, "v1", b"other weights")
    assert blacklake("verify", ref, "--key", keys.public).code == 1


@pytest.mark.parametrize(
    ("require", "code", "said"),
    [
        ({"signature": {"by": "release"}}, 0, "✓ a signature"),
        ({"attestation": {"type": TYPE, "by": "release", "where": "predicate.accuracy >= 0.9"}}, 0, "✓"),
        ({"attestation": {"type": TYPE, "by": "release", "where": "predicate.accuracy >= 0.95"}}, 1, "✗"),
        ({"attestation": {"type": "spdx", "by": "release"}}, 1, "✗"),
        ({"license": {"in": ["MIT"]}}, 2, "?"),
    ],
)
def test_a_policy_decides_with_every_branch_s_reason(
    ref: str, keys: Pair, tmp_path: Path, require: object, code: int, said: str
) -> None:
    (tmp_path / "evaluation.json").write_text('{"accuracy": 0.93}')
    done("sign", ref, "--key", keys.private)
    done("attest", ref, "--key", keys.private, "--type", TYPE, "--predicate", tmp_path / "evaluation.json")
    file = policy(tmp_path, keys, require)
    found = blacklake("verify", ref, "--policy", file)
    assert found.code == code, found
    assert said in found.out
    document = blacklake("verify", ref, "--policy", file, "--output", "json").document
    assert document["outcome"] == ("verified", "refused", "undecided")[code]
    assert (document["policy"]["name"], document["policy"]["passes"]) == ("production", code == 0)
    assert document["policy"]["branch"]["isDecided"] == (code != 2)


def test_a_policy_that_only_warns_in_a_registry_refuses_here(ref: str, keys: Pair, tmp_path: Path) -> None:
    file = policy(tmp_path, keys, {"signature": {"by": "release"}}, mode="observe")
    found = blacklake("verify", ref, "--policy", file)
    assert found.code == 1
    assert "not refused" not in found.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nonsense reference", "--key", "PUB"), "names no artifact"),
        (("team/model:v1", "--key", "PUB"), "names no registry"),
        (("host.example/a__b___c:v1", "--key", "PUB"), "names no artifact, since it has a name that"),
        (("host.example/a@sha256:12", "--key", "PUB"), "names no artifact, since it has a digest that"),
        (("REF",), "who has to have signed"),
        (("REF", "--key", "/nowhere.pub"), "can't be read"),
        (("REF", "--key", "REF_FILE"), "no PEM of a public key"),
        (("REF", "--key", "PUB", "--certificate-identity", "a"), "not both"),
        (("REF", "--key", "PUB", "--policy", "REF_FILE"), "--policy alone"),
        (("REF", "--attestation", TYPE, "--policy", "REF_FILE"), "--policy alone"),
        (("REF", "--policy", "REF_FILE"), "is no policy"),
        (("REF", "--policy", "/nowhere.yaml"), "can't be read"),
        (("REF", "--certificate-identity", "a"), "both --certificate-identity and"),
        (("REF", "--certificate-oidc-issuer", "a"), "both --certificate-identity and"),
        (("REF", "--certificate-identity", "", "--certificate-oidc-issuer", "a"), "is empty"),
        (("REF", "--certificate-identity-regexp", "(", "--certificate-oidc-issuer", "a"), "can't be read by RE2"),
        (("REF", "--key", "PUB", "--trusted-root", "REF_FILE"), "no trust root"),
        (("REF", "--certificate-chain", "REF_FILE"), "no PEM of certificates"),
        (("REF", "--key", "PUB", "--ca-file", "REF_FILE"), "holds no certificates"),
        (("oci-layout:", "--key", "PUB"), "names no layout"),
        (("oci-layout:/nowhere:v1", "--key", "PUB"), "is not there"),
        (("REF", "--output", "yaml", "--key", "PUB"), "--output"),
    ],
)
def test_input_that_can_not_be_used_exits_with_2(
    ref: str, keys: Pair, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "file"
    file.write_text("nonsense")
    given = {"PUB": str(keys.public), "REF": ref, "REF_FILE": str(file)}
    found = blacklake("verify", *[given.get(word, word) for word in words])
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("blacklake: ")
    assert any(part in found.err for part in said.split("|")), found.err


def test_undecided_is_json_as_well(keys: Pair) -> None:
    found = blacklake("verify", "127.0.0.1:1/team/model:v1", "--key", keys.public, "--output", "json")
    assert (found.code, found.err) == (2, "")
    assert found.document["outcome"] == "undecided"
    assert "could not be reached" in found.document["reasons"][0]


def test_a_registry_that_breaks_off_leaves_it_open(keys: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_LONGEST_WAIT", 0.01)
    content = image_of(b"weights")
    with scripted() as server:
        digest = server.has_manifest("team/model", content, "v1")
        ref = f"{server.host}/team/model:v1"
        assert blacklake("verify", ref, "--key", keys.public).code == 1
        sig = f"/v2/team/model/manifests/{digest.replace(':', '-')}.sig"
        server.answers["GET", sig] = Reply(200, b"{", cut=True)
        found = blacklake("verify", ref, "--key", keys.public)
        assert found.code == 2
        assert "could not be reached" in found.out
        server.answers["GET", "/v2/team/model/manifests/v1"] = Reply(200, content, {"Content-Type": IMAGE}, cut=True)
        assert blacklake("verify", ref, "--key", keys.public).code == 2
        server.has_manifest("team/model", content, "v1")
        server.answers["GET", f"/v2/team/model/manifests/{digest}"] = Reply(
            200, content + b" ", {"Content-Type": IMAGE}
        )
        found = blacklake("verify", f"{server.host}/team/model@{digest}", "--key", keys.public)
        assert found.code == 1
        assert "is not what its digest says" in found.out


@pytest.fixture
def laid(registry: Registry, name: str, ref: str, keys: Pair, tmp_path: Path) -> Laid:
    """Return a layout with what the registry has of a signed artifact."""
    done("sign", ref, "--key", keys.private)
    content = image_of(b"weights")
    client = Client(registry)
    found = Laid(tmp_path / "layout")
    with client.session:
        found.manifest(content, "v1")
        for one in client.get(f"/v2/{name}/referrers/{digest_of(content)}").json()["manifests"]:
            manifest = client.get(f"/v2/{name}/manifests/{one['digest']}").content
            found.manifest(manifest)
            for layer in json.loads(manifest)["layers"]:
                found.blob(client.get(f"/v2/{name}/blobs/{layer['digest']}").content)
    return found


def of(laid: Laid, keys: Pair, place: str = "", *more: str) -> Done:
    return blacklake("verify", f"oci-layout:{laid.directory}{place}", "--key", keys.public, *more)


def test_a_layout_is_verified_by_tag_digest_and_alone(laid: Laid, keys: Pair) -> None:
    digest = digest_of(image_of(b"weights"))
    for place in ("", ":v1", f"@{digest}"):
        assert of(laid, keys, place).code == 0
    found = blacklake("verify", f"{laid.directory}:v1", "--layout", "--key", keys.public, "--output", "json")
    assert found.document["digest"] == digest
    assert of(laid, keys, ":v2").code == 2


@pytest.mark.parametrize(
    ("defect", "code"),
    [("artifact", 1), ("signature", 1), ("no signature", 1), ("layer", 1), ("no artifact", 2), ("no index", 2)],
)
def test_a_layout_that_was_tampered_with_is_never_verified(laid: Laid, keys: Pair, defect: str, code: int) -> None:
    artifact, referrer = (entry["digest"] for entry in laid.entries)
    layer = json.loads(laid.path(referrer).read_bytes())["layers"][0]["digest"]
    path = {"artifact": artifact, "signature": referrer, "layer": layer}.get(defect.removeprefix("no "))
    file = laid.path(path) if path else laid.directory / "index.json"
    if defect.startswith("no "):
        file.unlink()
    else:
        file.write_bytes(file.read_bytes().replace(b"sha256", b"sha255", 1) + b" ")
    assert of(laid, keys, ":v1").code == code


def test_a_swapped_artifact_is_refused(laid: Laid, keys: Pair) -> None:
    other = image_of(b"other weights", subject=descriptor(b"x"))
    laid.entries[0]["digest"] = laid.blob(other)
    laid.index()
    found = of(laid, keys, ":v1")
    assert found.code == 1
    assert digest_of(other) in found.out


def test_an_authority_of_ones_own_needs_no_sigstore(tmp_path: Path) -> None:
    world, content = World(), image_of(b"weights")
    payload = made.simple_signing(digest_of(content))
    signature = sign(world.key, payload)
    annotations = made.signature_annotations(
        signature,
        certificate=world.certificate.public_bytes(Encoding.PEM).decode(),
        chain=world.sigstore.authority.intermediate.public_bytes(Encoding.PEM).decode(),
        timestamp=json.dumps({"SignedRFC3161Timestamp": b64(world.sigstore.timestamps.stamp(signature))}),
    )
    signed = made.tagged((payload, made.SIMPLE_SIGNING, annotations), content=content)
    laid = Laid(tmp_path / "layout")
    laid.manifest(content, "v1")
    laid.manifest(signed.content, signed.origin)
    laid.blob(payload)
    own, root = tmp_path / "own.pem", tmp_path / "trusted_root.json"
    own.write_bytes(world.sigstore.authority.root.public_bytes(Encoding.PEM))
    root.write_bytes(world.sigstore.root())
    words = ("verify", f"oci-layout:{laid.directory}:v1", "--certificate-chain", own, "--trusted-root", root)
    found = blacklake(*words)
    assert found.code == 0, found
    assert blacklake(*words, "--certificate-identity", WHO).code == 0
    assert blacklake(*words, "--certificate-identity", f"{WHO}.evil").code == 1
    assert (
        blacklake(*words[:-2]).code == 1
    )  # the certificate has expired, and nobody who is trusted witnesses when it signed


def test_a_shell_sees_the_exit_code_and_loads_no_server(ref: str, keys: Pair, tmp_path: Path) -> None:
    run = f"""
import sys
sys.argv = ["blacklake", "verify", {ref!r}, "--key", {str(keys.public)!r}]
from blacklake.cli import main
try:
    main()
finally:
    print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"registry", "quart", "asyncpg", "boto3"}}))
"""
    ended = subprocess.run([sys.executable, "-c", run], check=False, capture_output=True, text=True, env=os.environ)
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout.endswith("[]\n")


def test_a_missing_package_is_said_and_leaves_it_open(ref: str, keys: Pair) -> None:
    run = f"""
import sys
sys.modules["httpx"] = None
sys.argv = ["blacklake", "verify", {ref!r}, "--key", {str(keys.public)!r}]
from blacklake.cli import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", run], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("blacklake: this command needs pip install 'blacklake[signing]'")
