"""`blacklake sign` and `attest`: with a key or without one, and what is pushed where."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from asn1crypto import tsp

from mediatypes.digest import Digest
from signing.private_keys import new_signing_key, seal_signing_key
from tests.command import Done, blacklake, done
from tests.http.client import INDEX, Client, image_of, index_of
from tests.http.server import Registry, serving
from tests.oci.servers import Asked, Reply, Scripted, scripted
from tests.signing.test_making_keyless import certificates_of, logged_1, logged_2
from tests.signing.world import ISSUER, WHO, World
from tests.signing_keys import Pair, key_pair

CONTENT = image_of(b"weights")
DIGEST = Digest.of(CONTENT)
TOKEN = "eyJ.identity.token"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("sign")) as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path) -> Pair:
    return key_pair(tmp_path)


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("COSIGN_PASSWORD", "SIGSTORE_ID_TOKEN", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "BUILDKITE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture
def name() -> str:
    return f"team/{uuid4().hex}"


@pytest.fixture
def ref(registry: Registry, name: str) -> str:
    client = Client(registry)
    with client.session:
        client.push_image(name, "v1", b"weights")
    return f"127.0.0.1:{registry.port}/{name}:v1"


def test_a_bundle_refers_to_what_is_signed_and_is_told(registry: Registry, name: str, ref: str, keys: Pair) -> None:
    made = json.loads(done("sign", ref, "--key", keys.private, "--output", "json"))
    client = Client(registry)
    with client.session:
        (listed,) = client.get(f"/v2/{name}/referrers/{DIGEST}").json()["manifests"]
    assert made == {"reference": ref, "digest": str(DIGEST), "signature": listed["digest"], "tag": None}
    assert listed["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert listed["annotations"]["dev.sigstore.bundle.predicateType"] == "https://sigstore.dev/cosign/sign/v1"


def test_an_artifact_under_a_sha512_digest_is_signed_but_for_tags_that_have_no_room_for_it(
    registry: Registry, name: str, ref: str, keys: Pair
) -> None:
    digest = Digest.of(CONTENT, "sha512")
    client = Client(registry)
    with client.session:
        client.push_manifest(name, CONTENT, str(digest))
    ref = f"{ref.removesuffix(':v1')}@{digest}"
    assert json.loads(done("sign", ref, "--key", keys.private, "--output", "json"))["digest"] == str(digest)
    assert blacklake("verify", ref, "--key", keys.public).code == 0
    assert blacklake("verify", f"{ref.partition('@')[0]}:v1", "--key", keys.public).code == 1
    refused = blacklake("sign", ref, "--key", keys.private, "--legacy")
    assert (refused.code, "cosign's tags are of sha256 digests only: leave --legacy out" in refused.err) == (2, True)


def test_signatures_of_several_stand_under_one_tag(registry: Registry, name: str, ref: str, tmp_path: Path) -> None:
    pairs = [key_pair(tmp_path, one) for one in ("ann", "bob")]
    for pair in pairs:
        assert f"the tag {str(DIGEST).replace(':', '-')}.sig names" in done(
            "sign", ref, "--key", pair.private, "--legacy"
        )
    client = Client(registry)
    with client.session:
        manifest = client.get(f"/v2/{name}/manifests/{str(DIGEST).replace(':', '-')}.sig").json()
    assert len(manifest["layers"]) == 2
    for pair in pairs:
        assert blacklake("verify", ref, "--key", pair.public).code == 0


def test_a_short_name_of_a_predicate_s_type_is_its_uri(ref: str, keys: Pair, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"buildDefinition": {}}')
    done("attest", ref, "--key", keys.private, "--type", "slsaprovenance1", "--predicate", tmp_path / "p.json")
    for name in ("slsaprovenance1", "https://slsa.dev/provenance/v1"):
        assert blacklake("verify", ref, "--key", keys.public, "--attestation", name).code == 0


@pytest.mark.parametrize("variable", ["COSIGN_PASSWORD", "BLACKLAKE_KEY_PASSWORD"])
def test_a_key_as_cosign_keeps_it_is_opened_by_its_password(
    ref: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    key, file = new_signing_key(), tmp_path / "cosign.key"
    file.write_bytes(seal_signing_key(key, b"lake"))
    found = blacklake("sign", ref, "--key", file)
    assert found.code == 2
    assert "set BLACKLAKE_KEY_PASSWORD or COSIGN_PASSWORD" in found.err
    monkeypatch.setenv(variable, "lake")
    done("sign", ref, "--key", file)
    monkeypatch.setenv(variable, "another")
    assert blacklake("sign", ref, "--key", file).code == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("REF",), 2, "say by what to sign"),
        (("REF", "--key", "FILE"), 2, "holds no private key"),
        (("REF", "--key", "/nowhere.key"), 2, "can't be read"),
        (("REF", "--key", "KEY", "--fulcio-url", "https://a.example"), 2, "not both"),
        (("REF", "--fulcio-url", "https://a.example"), 2, "nobody would witness"),
        (
            ("REF", "--fulcio-url", "http://127.0.0.1:1", "--rekor-url", "http://127.0.0.1:1"),
            2,
            "nobody says who signs",
        ),
        (("REF", "--key", "KEY", "--rekor-url", "http://127.0.0.1:1"), 1, "could not be asked"),
        (("REF", "--key", "KEY", "--timestamp-url", "ftp://x"), 1, "could not be asked"),
        (("oci-layout:x", "--key", "KEY"), 2, "pushed to registries"),
        (("127.0.0.1:1/team/model:v1", "--key", "KEY"), 1, "could not be reached"),
        (("REFv2", "--key", "KEY"), 1, "is not there"),
    ],
)
def test_what_can_not_be_signed_is_said(
    ref: str, keys: Pair, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "file").write_text("nonsense")
    given = {"REF": ref, "REFv2": f"{ref}2", "KEY": str(keys.private), "FILE": str(tmp_path / "file")}
    found = blacklake("sign", *[given.get(word, word) for word in words])
    assert (found.code, found.out) == (code, "")
    assert said in found.err


@pytest.mark.parametrize("predicate", ["", "[]", '{"a": 1, "a": 2}', '{"a": NaN}'])
def test_a_predicate_that_is_no_object_is_refused(ref: str, keys: Pair, tmp_path: Path, predicate: str) -> None:
    (tmp_path / "p.json").write_text(predicate)
    found = blacklake("attest", ref, "--key", keys.private, "--type", "custom", "--predicate", tmp_path / "p.json")
    assert found.code == 2
    assert f"the predicate in {tmp_path / 'p.json'} " in found.err


@pytest.fixture
def plain() -> Iterator[Scripted]:
    """Return a registry that has no list of referrers and keeps what it is given."""
    with scripted() as server:
        kept: dict[str, Reply] = {}
        server.has_manifest("team/model", CONTENT, "v1")

        def put(asked: Asked) -> Reply:
            path = asked.path
            if "/uploads/" in path:
                path = path.partition("/uploads/")[0] + "/" + path.partition("digest=")[2].replace("%3A", ":")
            reply = Reply(200, asked.content, {"Content-Type": asked.headers["content-type"]})
            server.answers["GET", path] = kept[path] = reply
            return Reply(201)

        class Answers(dict):  # type: ignore[type-arg]
            def get(self, key: tuple[str, str], default: object = None) -> object:
                method, path = key
                if method == "PUT":
                    return put
                if method == "POST":
                    return Reply(202, b"", {"Location": f"{path}1?state=x"})
                return super().get(key, default)

        server.answers = Answers(server.answers)
        yield server


def test_a_registry_without_referrers_gets_the_list_under_a_tag(plain: Scripted, tmp_path: Path) -> None:
    ref = f"{plain.host}/team/model:v1"
    pairs = [key_pair(tmp_path, one) for one in ("ann", "bob")]
    for pair in pairs:
        done("sign", ref, "--key", pair.private)
    tag = plain.answers["GET", f"/v2/team/model/manifests/sha256-{DIGEST.encoded}"]
    assert isinstance(tag, Reply)
    assert len(json.loads(tag.content)["manifests"]) == 2
    for pair in pairs:
        assert blacklake("verify", ref, "--key", pair.public).code == 0


def test_what_stands_under_the_tags_and_is_no_list_stays(plain: Scripted, keys: Pair) -> None:
    ref = f"{plain.host}/team/model:v1"
    plain.has_manifest("team/model", CONTENT, f"sha256-{DIGEST.encoded}")
    found = blacklake("sign", ref, "--key", keys.private)
    assert (found.code, "is no index: remove it" in found.err) == (1, True)
    plain.has_manifest("team/model", index_of(), f"sha256-{DIGEST.encoded}.sig", INDEX)
    found = blacklake("sign", ref, "--key", keys.private, "--legacy")
    assert (found.code, "holds no image manifest" in found.err) == (1, True)


class Sigstore:
    """A Fulcio, a Rekor and a timestamp authority that answer on loopback; what they make is dated in the past."""

    def __init__(self, server: Scripted, directory: Path) -> None:
        self.url = server.url
        self.world = World()
        self.root, self.token = directory / "trusted_root.json", directory / "token"
        self.root.write_bytes(self.world.sigstore.root())
        self.token.write_text(f"{TOKEN}\n")
        self.tokens: list[str] = []
        self._signature = b""
        server.answers["POST", "/api/v2/signingCert"] = self._certify
        server.answers["POST", "/api/v1/log/entries"] = self._log_1
        server.answers["POST", "/second/api/v2/log/entries"] = self._log_2
        server.answers["POST", "/timestamp"] = self._stamp

    def _certify(self, asked: Asked) -> Reply:
        self.tokens.append(asked.headers["authorization"])
        return Reply(201, certificates_of(self.world, asked.content))

    def _log_1(self, asked: Asked) -> Reply:
        return Reply(201, logged_1(self.world.sigstore.log, asked.content))

    def _log_2(self, asked: Asked) -> Reply:
        signature = json.loads(asked.content)["hashedRekordRequestV002"]["signature"]["content"]
        self._signature = base64.b64decode(signature)
        return Reply(201, logged_2(self.world.sigstore.second_log, asked.content))

    def _stamp(self, asked: Asked) -> Reply:
        nonce = tsp.TimeStampReq.load(asked.content)["nonce"].native
        return Reply(200, self.world.sigstore.timestamps.stamp(self._signature, nonce=nonce))

    def verify(self, ref: str, *more: str | Path, identity: str = WHO, issuer: str = ISSUER) -> Done:
        who = ("--certificate-identity", identity, "--certificate-oidc-issuer", issuer)
        return blacklake("verify", ref, *who, "--trusted-root", self.root, "--output", "json", *more)


@pytest.fixture
def sigstore(tmp_path: Path) -> Iterator[Sigstore]:
    with scripted() as server:
        yield Sigstore(server, tmp_path)


@pytest.mark.parametrize("form", [(), ("--legacy",)])
def test_without_a_key_the_identity_signs(ref: str, sigstore: Sigstore, form: tuple[str, ...]) -> None:
    services = ("--fulcio-url", sigstore.url, "--rekor-url", f"{sigstore.url}/")
    done("sign", ref, *services, "--identity-token", sigstore.token, *form)
    assert sigstore.tokens == [f"Bearer {TOKEN}"]
    found = sigstore.verify(ref)
    assert found.code == 0
    ((signature),) = found.document["signatures"]
    assert (signature["identity"], signature["issuer"], signature["isLogged"]) == (WHO, ISSUER, True)
    assert sigstore.verify(ref, identity="mallory@lake.example").code == 1
    assert sigstore.verify(ref, issuer="https://issuer.example.evil").code == 1
    public_good = ("--certificate-identity", WHO, "--certificate-oidc-issuer", ISSUER)
    assert blacklake("verify", ref, *public_good).code == 1
    patterns = ("--certificate-identity-regexp", ".*@example\\.com", "--certificate-oidc-issuer-regexp", "https://.*")
    assert blacklake("verify", ref, *patterns, "--trusted-root", sigstore.root).code == 0
    patterns = ("--certificate-identity-regexp", "example\\.com", "--certificate-oidc-issuer-regexp", "https://.*")
    assert blacklake("verify", ref, *patterns, "--trusted-root", sigstore.root).code == 1


def test_a_policy_finds_its_trust_root_by_name(ref: str, sigstore: Sigstore, tmp_path: Path) -> None:
    services = ("--fulcio-url", sigstore.url, "--rekor-url", sigstore.url)
    done("sign", ref, *services, "--identity-token", sigstore.token)
    ci = {"identities": [{"issuer": ISSUER, "identity": WHO}], "root": "own"}
    document = {
        "version": 1,
        "name": "p",
        "mode": "enforce",
        "signers": {"ci": ci},
        "require": {"signature": {"by": "ci"}},
    }
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(document))
    assert blacklake("verify", ref, "--policy", policy, "--trusted-root", f"own={sigstore.root}").code == 0
    for given, said in [
        ((), "what the policy calls own"),
        (("--trusted-root", str(sigstore.root)), "is NAME=FILE"),
        (("--trusted-root", f"own={sigstore.root}", "--trusted-root", f"other={sigstore.root}"), "no trust root other"),
    ]:
        found = blacklake("verify", ref, "--policy", policy, *given)
        assert (found.code, said in found.err) == (2, True), found


def test_a_log_of_rekor_2_is_found_and_needs_a_timestamp(
    ref: str, sigstore: Sigstore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", TOKEN)
    services = ("--fulcio-url", sigstore.url, "--rekor-url", f"{sigstore.url}/second")
    found = blacklake("sign", ref, *services)
    assert (found.code, "say --timestamp-url as well" in found.err) == (1, True)
    assert sigstore.verify(ref).code == 1
    done("sign", ref, *services, "--timestamp-url", f"{sigstore.url}/timestamp")
    assert sigstore.verify(ref).document["signatures"][0]["isLogged"]
    (tmp_path / "p.json").write_text("{}")
    more = ("--legacy", "--timestamp-url", f"{sigstore.url}/timestamp")
    found = blacklake("attest", ref, "--type", "custom", "--predicate", tmp_path / "p.json", *services, *more)
    assert (found.code, "Rekor 2" in found.err) == (1, True)


@pytest.mark.parametrize(
    ("path", "reply", "said"),
    [
        ("/api/v2/signingCert", Reply(401, b"who are you?\x1b[2J"), "refuses, by status 401: who are you? [2J"),
        ("/api/v2/signingCert", Reply(200, b"{}"), "without a certificate"),
        ("/api/v2/signingCert", Reply(200, b"x" * ((1 << 20) + 1)), "answers more than"),
        ("/api/v2/signingCert", Reply(302, b"", {"Location": "https://elsewhere.example"}), "by status 302"),
        ("/api/v1/log/entries", Reply(500), "by status 500"),
        ("/api/v1/log/entries", Reply(201, b"[]"), "no JSON object"),
        ("/api/v1/log/entries", Reply(404), "is not there"),
        ("/timestamp", Reply(200, b"nothing"), "can't be read"),
    ],
)
def test_services_that_fail_sign_nothing(
    ref: str, sigstore: Sigstore, keys: Pair, path: str, reply: Reply, said: str, tmp_path: Path
) -> None:
    with scripted() as server:
        other = Sigstore(server, tmp_path)
        server.answers["POST", path] = reply
        urls = ("--fulcio-url", server.url, "--rekor-url", server.url, "--timestamp-url", f"{server.url}/timestamp")
        found = blacklake("sign", ref, *urls, "--identity-token", other.token)
        assert (found.code, found.out) == (1, "")
        assert said in found.err
        assert TOKEN not in found.err
        assert other.verify(ref).code == 1


def test_an_identity_token_is_no_two_words(ref: str, sigstore: Sigstore, tmp_path: Path) -> None:
    sigstore.token.write_text("two words")
    services = ("--fulcio-url", sigstore.url, "--rekor-url", sigstore.url)
    found = blacklake("sign", ref, *services, "--identity-token", sigstore.token)
    assert (found.code, "it is one word" in found.err) == (2, True)
