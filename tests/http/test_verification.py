"""POST /api/v1/verify: may this digest run here? Whoever may pull it is told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.core.admitting import KEY, OTHER_KEY, signed_policy
from tests.http.acting import Acting
from tests.http.admin import Api, Governed, problem
from tests.http.client import digest_of, image_of

LAYER = b"a layer that is asked about"


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.fixture
def name() -> str:
    return f"acme/models/n{uuid4().hex[:12]}"


@pytest.fixture
def mary(governed: Governed, name: str) -> Acting:
    return Acting(governed.registry, "mary", "pull,push,delete", name)


@pytest.fixture
def alice(governed: Governed) -> Api:
    return governed.by("alice")


@pytest.fixture
def image(mary: Acting) -> bytes:
    content = image_of(LAYER)
    mary.put_blob(LAYER)
    mary.put_blob(b"{}")
    mary.put(content, "v1")
    return content


def ask(api: Api, name: str, **question: object) -> dict[str, Any]:
    found: dict[str, Any] = api.post("/verify", {"repository": name, "reference": "v1"} | question, status=200)
    return found


def test_a_signature_by_one_of_the_keys_is_what_is_asked_for(alice: Api, mary: Acting, image: bytes, name: str) -> None:
    unsigned = ask(alice, name, keys=[pem(KEY)])
    assert (unsigned["outcome"], unsigned["digest"]) == ("refused", digest_of(image))
    assert "there is no signature" in unsigned["reasons"][0]
    mary.sign(image)
    assert ask(alice, name, keys=[pem(OTHER_KEY), pem(KEY)])["outcome"] == "verified"
    assert ask(alice, name, reference=digest_of(image), keys=[pem(KEY)])["reasons"] == []
    other = ask(alice, name, keys=[pem(OTHER_KEY)])
    assert other["outcome"] == "refused"
    assert "step 2" in str(other["verdicts"][0]["branch"])
    attested = ask(alice, name, keys=[pem(KEY)], attestation="https://slsa.dev/provenance/v1")
    assert attested["outcome"] == "refused", "a signature is no attestation"
    keyless = ask(alice, name, certificate_identity="a@b.example", certificate_oidc_issuer="https://i.example")
    assert keyless["outcome"] == "refused"


def test_a_policy_is_asked_or_those_of_the_repository(
    governed: Governed, alice: Api, mary: Acting, image: bytes, name: str
) -> None:
    policy = signed_policy().decode()
    assert ask(alice, name, policy=policy)["outcome"] == "refused"
    nothing = ask(alice, name)
    assert (nothing["outcome"], nothing["verdicts"]) == ("undecided", [])
    assert nothing["reasons"][0].startswith(f"no policy decides on pulls from {name}")
    governed.by("olga").post("/admin/policies", {"target": name, "content": policy, "on": "pull", "tags": []})
    own = ask(alice, name)
    assert own["outcome"] == "refused"
    assert own["verdicts"][0]["version"] == 1
    mary.sign(image)
    assert ask(alice, name)["outcome"] == ask(alice, name, policy=policy)["outcome"] == "verified"


def test_what_is_not_admitted_is_asked_nothing_else(
    governed: Governed, alice: Api, mary: Acting, image: bytes, name: str
) -> None:
    """Else conditions of a caller's own would tell what is in a manifest that he may not read."""
    governed.by("olga").post(
        "/admin/policies", {"target": name, "content": signed_policy().decode(), "on": "pull", "tags": []}
    )
    guesses = [signed_policy("guess", require={"record": f"artifact.size {sign} 0"}).decode() for sign in (">", "==")]
    answers = [ask(alice, name, policy=guess) for guess in guesses]
    assert answers[0] == answers[1] == ask(alice, name)
    assert [one["policy"] for one in answers[0]["verdicts"]] == ["signed"]
    assert ask(governed.by("mary"), name, policy=guesses[0])["verdicts"][0]["policy"] == "guess"
    mary.sign(image)
    assert [ask(alice, name, policy=guess)["outcome"] for guess in guesses] == ["verified", "refused"]


def test_what_only_warns_refuses_nothing_unless_it_is_asked(
    governed: Governed, alice: Api, image: bytes, name: str
) -> None:
    policy = signed_policy(mode="warn").decode()
    governed.by("olga").post("/admin/policies", {"target": name, "content": policy, "on": "pull", "tags": []})
    own = ask(alice, name)
    assert (own["outcome"], own["verdicts"][0]["passes"]) == ("verified", False)
    assert ask(alice, name, policy=policy)["outcome"] == "refused"


def test_what_nobody_can_know_is_undecided(alice: Api, image: bytes, name: str) -> None:
    policy = signed_policy(require={"scan": {"scanners": ["pickle"], "most": "low"}}).decode().replace("release:", "r:")
    found = ask(alice, name, policy=policy)
    assert found["outcome"] == "undecided"
    assert found["verdicts"][0]["branch"]["is_decided"] is False


@pytest.mark.parametrize(
    "question",
    [
        {"policy": "version: 2"},
        {"policy": "a: b", "keys": ["x"]},
        {"keys": ["no key"]},
        {"keys": []},
        {"certificate_identity": "a@b.example"},
        {"certificate_oidc_issuer": "https://issuer.example"},
        {"attestation": "https://slsa.dev/provenance/v1"},
        {"trusted_root": "private"},
        {"unknown": 1},
    ],
)
def test_a_question_that_means_nothing_is_refused(
    alice: Api, image: bytes, name: str, question: dict[str, Any]
) -> None:
    problem(alice("POST", "/verify", json={"repository": name, "reference": "v1"} | question), 400, "UNSUPPORTED")


def test_who_may_not_pull_learns_nothing(governed: Governed, image: bytes, name: str) -> None:
    for who in ("mallory", "otto", None):
        there, none = (
            governed.by(who)("POST", "/verify", json={"repository": one, "reference": "v1", "keys": [pem(KEY)]})
            for one in (name, "acme/none")
        )
        assert there.status_code == none.status_code == 404
        assert there.json()["detail"].replace(name, "") == none.json()["detail"].replace("acme/none", "")
