"""A pipeline: build, push, sign, attest, promote, deploy. What is not signed, or not what was signed, comes nowhere.

Each step is the command that a pipeline has; the deploy check is asked in each of the ways that there are.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from conformance.tools import path_of
from tests.command import blacklake
from tests.http.acting import Acting
from tests.http.admin import Governed, governing
from tests.http.client import PATIENCE, digest_of, image_of
from tests.lifecycle.serving import BLACKLAKE
from tests.tools import needed

HOST = "registry.example"
NAME = "acme/models/bert"
TESTS = "https://example.com/tests/v1"


@dataclass
class Pipeline:
    """Who builds (mary), who deploys (alice, who may only pull), and what they type."""

    governed: Governed
    home: Path

    @property
    def registry(self) -> str:
        return f"127.0.0.1:{self.governed.registry.port}"

    def environment(self, who: str) -> dict[str, str]:
        """Return the environment of somebody who has logged in."""
        config = self.home / who
        config.mkdir(exist_ok=True)
        auth = base64.b64encode(f"{who}:{self.governed.keys[who]}".encode()).decode()
        (config / "config.json").write_text(json.dumps({"auths": {self.registry: {"auth": auth}}}))
        home = str(config)
        shown = {"NO_COLOR": "1", "COLUMNS": "200"}
        return {"DOCKER_CONFIG": home, "HOME": home, "BLACKLAKE_API_KEY": self.governed.keys[who], **shown}

    def run(self, *command: object, who: str = "mary") -> str:
        """Run a command in a process of its own; return what it says."""
        environment = os.environ | self.environment(who)
        done = subprocess.run(
            [*map(str, command)], cwd=self.home, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def blacklake(self, *command: str, who: str = "mary", code: int = 0) -> str:
        """Run a command of ours in this process, which begins sooner than another one; return what it says."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.home)
            for name, value in self.environment(who).items():
                patch.setenv(name, value)
            done = blacklake(*command)
        assert done.code == code, f"{command}\n{done.out}\n{done.err}"
        return done.out + done.err

    def push(self, tag: str, content: bytes) -> str:
        """Push a file as oras does it, and return the digest."""
        (self.home / "model").write_bytes(content)
        oras = needed(path_of, "oras")
        reference = f"{self.registry}/{NAME}:{tag}"
        self.run(
            oras,
            "push",
            "--plain-http",
            "--no-tty",
            "--artifact-type",
            "application/vnd.acme.model",
            reference,
            "model",
        )
        return self.run(oras, "resolve", "--plain-http", reference).split()[0]  # warnings follow

    def sign(self, digest: str) -> None:
        """Sign what was built, and attest that its tests have passed."""
        reference = f"{self.registry}/{NAME}@{digest}"
        self.blacklake("sign", reference, "--key", "release.key")
        (self.home / "tests.json").write_text(json.dumps({"result": "PASSED", "accuracy": 0.93}))
        self.blacklake("attest", reference, "--key", "release.key", "--type", TESTS, "--predicate", "tests.json")

    def promote(self, digest: str, stage: str, code: int = 0) -> str:
        return self.blacklake("promote", f"{NAME}@{digest}", stage, "--server", f"http://{self.registry}", code=code)

    def pull(self, reference: str) -> requests.Response:
        return Acting(self.governed.registry, "alice", "pull", NAME)("GET", f"manifests/{reference}")

    def review(self, image: str) -> dict[str, Any]:
        """Ask as a cluster does."""
        document = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "1",
                "kind": {"kind": "Pod"},
                "namespace": "models",
                "operation": "CREATE",
                "object": {"spec": {"containers": [{"image": image}]}},
            },
        }
        answer = requests.post(
            f"http://{self.registry}/admission/kubernetes/validate",
            json=document,
            headers={"Authorization": f"Bearer {self.governed.keys['alice']}"},
            timeout=PATIENCE,
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["response"]
        return found

    def verify(self, digest: str, **question: object) -> dict[str, Any]:
        """Ask the registry."""
        asked = {"repository": NAME, "reference": digest} | question
        found: dict[str, Any] = self.governed.by("alice").post("/verify", asked, status=200)
        return found

    def is_stopped(self, digest: str, reason: str) -> None:
        """Check that something comes neither to prod nor to whoever pulls nor into a cluster, and that each says why."""
        told = self.promote(digest, "prod", code=1)
        assert "is not admitted:" in told
        assert reason in told
        content = self.governed.registry.url + f"/v2/{NAME}/manifests/{digest}"
        mary = Acting(self.governed.registry, "mary", "pull,push", NAME)
        there = requests.get(content, headers=mary.headers, timeout=PATIENCE)
        pushed = mary("PUT", "manifests/prod", there.content, **{"Content-Type": there.headers["Content-Type"]})
        assert pushed.status_code == 403, "a push to the tag is no way around"
        assert reason in pushed.json()["errors"][0]["message"]
        pulled = self.pull(digest)
        assert pulled.status_code == 403
        assert reason in pulled.json()["errors"][0]["message"]
        review = self.review(f"{HOST}/{NAME}@{digest}")
        assert review["allowed"] is False
        assert reason in review["status"]["message"]
        asked = self.verify(digest)
        assert asked["outcome"] == "refused"
        assert any(reason in one for one in asked["reasons"])
        told = self.blacklake("verify", f"{self.registry}/{NAME}@{digest}", "--policy", "policy.yaml", code=1)
        assert reason in told


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    home = tmp_path_factory.mktemp("pipeline")
    key = ec.generate_private_key(ec.SECP256R1())
    (home / "release.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    (home / "release.pub").write_text(public)
    policy = {
        "version": 1,
        "name": "production",
        "mode": "enforce",
        "signers": {"release": {"keys": [public]}},
        "require": {
            "all": [
                {"signature": {"by": "release"}},
                {"attestation": {"type": TESTS, "by": "release", "where": "predicate.accuracy >= 0.9"}},
            ]
        },
    }
    (home / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))
    with governing(home / "registry", admission_hosts=HOST) as governed:
        made = Pipeline(governed, home)
        server = f"http://{made.registry}"
        made.blacklake("admin", "stage", "set", NAME, "staging", "prod", "--server", server, who="olga")
        made.blacklake("admin", "policy", "set", NAME, "policy.yaml", "--tags", "prod", "--server", server, who="olga")
        yield made


def test_what_is_signed_and_attested_is_deployed(pipeline: Pipeline) -> None:
    digest = pipeline.push("1.0", b"weights")
    pipeline.sign(digest)
    pipeline.promote(digest, "staging")
    pipeline.promote(digest, "prod")
    pulled = pipeline.pull("prod")
    assert (pulled.status_code, pulled.headers["Docker-Content-Digest"]) == (200, digest)
    assert pipeline.review(f"{HOST}/{NAME}:prod@{digest}") == {"uid": "1", "allowed": True}
    assert pipeline.verify("prod")["outcome"] == "verified"
    assert pipeline.verify("prod")["digest"] == digest
    assert pipeline.verify(digest, keys=[(pipeline.home / "release.pub").read_text()])["outcome"] == "verified"
    for how in (("--policy", "policy.yaml"), ("--key", "release.pub")):
        pipeline.run(BLACKLAKE, "verify", f"{pipeline.registry}/{NAME}:prod", *how, who="alice")


def test_what_is_not_signed_is_stopped_everywhere(pipeline: Pipeline) -> None:
    digest = pipeline.push("1.1", b"weights of somebody")
    pipeline.promote(digest, "staging")
    pipeline.is_stopped(digest, "there is no signature")


def test_what_failed_its_tests_is_stopped_everywhere(pipeline: Pipeline) -> None:
    digest = pipeline.push("1.2", b"weights that are wrong")
    reference = f"{pipeline.registry}/{NAME}@{digest}"
    pipeline.blacklake("sign", reference, "--key", "release.key")
    (pipeline.home / "tests.json").write_text(json.dumps({"accuracy": 0.4}))
    pipeline.blacklake("attest", reference, "--key", "release.key", "--type", TESTS, "--predicate", "tests.json")
    pipeline.promote(digest, "staging")
    pipeline.is_stopped(digest, "predicate.accuracy >= 0.9")


def test_a_signature_of_something_else_stops_what_was_tampered_with(pipeline: Pipeline) -> None:
    """The signature of a good artifact is attached to another one that somebody has put in its place."""
    good = pipeline.push("1.3", b"weights")
    pipeline.sign(good)
    mary = Acting(pipeline.governed.registry, "mary", "pull,push", NAME)
    layer = b"weights with a surprise"
    mary.put_blob(layer)
    mary.put_blob(b"{}")
    tampered = image_of(layer, artifactType="application/vnd.acme.model")
    mary.put(tampered)
    subject = {"mediaType": json.loads(tampered)["mediaType"], "digest": digest_of(tampered), "size": len(tampered)}
    for referrer in mary("GET", f"referrers/{good}").json()["manifests"]:
        document = mary("GET", f"manifests/{referrer['digest']}").json()
        mary.put(json.dumps(document | {"subject": subject}).encode())
    digest = digest_of(tampered)
    pipeline.promote(digest, "staging")
    pipeline.is_stopped(digest, good)


def test_prod_goes_back_to_what_passes_only(pipeline: Pipeline) -> None:
    first, second = pipeline.push("2.0", b"first"), pipeline.push("2.1", b"second")
    for digest in (first, second):
        pipeline.sign(digest)
        pipeline.promote(digest, "staging")
        pipeline.promote(digest, "prod")
    server = ("--server", f"http://{pipeline.registry}")
    pipeline.blacklake("promote", "--rollback", NAME, "prod", *server)
    assert pipeline.pull("prod").headers["Docker-Content-Digest"] == first
    pipeline.blacklake("promote", "--roll-forward", NAME, "prod", *server)
    assert pipeline.pull("prod").headers["Docker-Content-Digest"] == second
    mary = Acting(pipeline.governed.registry, "mary", "pull,push,delete", NAME)
    for referrer in mary("GET", f"referrers/{first}").json()["manifests"]:
        assert mary("DELETE", f"manifests/{referrer['digest']}").status_code == 202
    told = pipeline.blacklake("promote", "--rollback", NAME, "prod", *server, code=1)
    assert "there is no signature" in told
    assert pipeline.pull("prod").headers["Docker-Content-Digest"] == second
