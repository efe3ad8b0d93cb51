"""Whoever may not know learns nothing: not whether a blob, a tag, a repository or a user is there."""

from __future__ import annotations

import argon2
import pytest
import requests

from registry.auth import passwords
from registry.auth.identification import Identification
from registry.auth.passwords import Passwords
from registry.core.identities import Identities
from registry.db.pool import Database
from registry.errors import CredentialsWrong
from tests.actors import OPERATOR
from tests.attacks.conftest import BERT, DIGEST
from tests.attacks.tenants import PASSWORD, Tenants, basic
from tests.http.client import IMAGE, Client, descriptor, digest_of, image_of

ABSENT = digest_of(b"a blob that nobody has")


def told(answer: object, *names: str) -> tuple[object, ...]:
    """Return all that an answer tells, but for the `names` that were asked for, its time, its request's id and an upload's."""
    headers = {
        name.lower(): value
        for name, value in answer.headers.items()  # type: ignore[attr-defined]
        if name.lower() not in ("date", "x-request-id", "location", "docker-upload-uuid")
    }
    text = answer.text.replace(answer.headers["X-Request-ID"], "")  # type: ignore[attr-defined]
    for name in names:
        text = text.replace(name, "…")
        headers = {header: value.replace(name, "…") for header, value in headers.items() if header != "content-length"}
    return answer.status_code, headers, text  # type: ignore[attr-defined]


@pytest.mark.parametrize("given", ["token", "key"])
def test_cve_2024_39897_mounts_tell_nothing_and_bring_nothing(tenants: Tenants, bert: str, given: str) -> None:
    """By naming acme/bert as the source, or none, a blob of acme's is as one that is nowhere.

    A source of his own that his token doesn't name tells him so, whatever is in it.
    """
    scopes = ("repository:rival/mine:pull,push", f"repository:{bert}:pull") if given == "token" else ()
    bob = tenants.acting("bob", *scopes)

    def mounts(*sources: dict[str, str]) -> list[requests.Response]:
        return [
            bob.post("/v2/rival/mine/blobs/uploads/", params={"mount": digest, **source})
            for source in sources
            for digest in (DIGEST, ABSENT)
        ]

    own = mounts({"from": "rival/other"})
    assert {answer.status_code for answer in own} == {401 if given == "token" else 202}
    assert told(own[0], DIGEST) == told(own[1], ABSENT)
    answers = mounts({}, {"from": bert}, {"from": "acme/nothing"}, {"from": "rival/mine"})
    assert len({str(told(answer, DIGEST, ABSENT)) for answer in answers}) == 1
    assert answers[0].status_code == 202
    assert [bob.head(f"/v2/rival/mine/blobs/{digest}").status_code for digest in (DIGEST, ABSENT)] == [404, 404]
    alice = tenants.acting("alice", f"repository:{bert}:pull", "repository:acme/other:pull,push")
    mounted = alice.post("/v2/acme/other/blobs/uploads/", params={"mount": DIGEST, "from": bert})
    assert mounted.status_code == 201, "who may pull it mounts it"


def test_a_mount_by_a_token_that_permits_less_than_its_user(tenants: Tenants, bert: str) -> None:
    """Root may pull everywhere, but not by a token for another repository: he is sent for one that says so."""
    root = tenants.acting("root", "repository:rival/mine:pull,push")
    refused = root.post("/v2/rival/mine/blobs/uploads/", params={"mount": DIGEST, "from": bert})
    assert refused.status_code == 401
    assert f"repository:{bert}:pull" in refused.headers["WWW-Authenticate"]
    assert root.post("/v2/rival/mine/blobs/uploads/", params={"mount": DIGEST}).status_code == 202
    assert root.head(f"/v2/rival/mine/blobs/{DIGEST}").status_code == 404


def test_a_manifest_that_names_what_others_have(tenants: Tenants, bert: str) -> None:
    bob = tenants.acting("bob", "repository:rival/mine:pull,push")
    bob.push_blob("rival/mine", b"{}")
    answers = [bob.put_manifest("rival/mine", image_of(layer), "v1") for layer in (BERT, b"a blob that nobody has")]
    assert told(answers[0], DIGEST) == told(answers[1], ABSENT)
    assert answers[0].status_code == 404


def test_referrers_and_tags_of_foreign_repositories(tenants: Tenants, bert: str) -> None:
    """The subject's digest is the same in both: each repository lists its own referrers, and a stranger's adds none."""
    alice = tenants.acting("alice", f"repository:{bert}:pull,push")
    image = alice.get(f"/v2/{bert}/manifests/v1").content
    theirs = alice.push_manifest(bert, image_of(subject=descriptor(image, IMAGE), annotations={"whose": "acme"}))
    bob = tenants.acting("bob", "repository:rival/mine:pull,push", f"repository:{bert}:pull")
    bob.push_blob("rival/mine", b"{}")
    mine = bob.push_manifest("rival/mine", image_of(subject=descriptor(image, IMAGE), annotations={"whose": "rival"}))
    listed = bob.get(f"/v2/rival/mine/referrers/{digest_of(image)}").json()["manifests"]
    assert [one["digest"] for one in listed] == [mine]
    listed = alice.get(f"/v2/{bert}/referrers/{digest_of(image)}").json()["manifests"]
    assert theirs in [one["digest"] for one in listed]
    assert mine not in [one["digest"] for one in listed]
    for path in ("tags/list", f"referrers/{digest_of(image)}", "tags/list?last=a&n=1", "tags/list?n=0"):
        assert told(bob.get(f"/v2/{bert}/{path}"), bert) == told(bob.get(f"/v2/acme/nothing/{path}"), "acme/nothing")


def test_the_catalog_leaks_no_names(tenants: Tenants, bert: str) -> None:
    """Neither pages, nor where they begin, nor a stale answer, nor what is in a token."""
    alice = tenants.acting("alice", "repository:public/open:pull,push", "repository:public/shut:pull,push")
    for name in ("public/open", "public/shut"):
        alice.push_image(name, "v1", b"layer")
    tenants.acting("bob", "repository:rival/own:pull,push").push_image("rival/own", "v1", b"layer")
    expected = {
        None: {"public/open"},
        "mallory": {"public/open"},
        "carol": {bert, "public/open"},
        "bob": {"public/open", "rival/own"},
    }
    for user, names in expected.items():
        for client in (tenants.acting(user, "registry:catalog:*"), tenants.acting(user)):
            if user is None and "Authorization" not in client.session.headers:
                assert client.get("/v2/_catalog").status_code == 401
                continue
            for n in ("1", "2", "1000"):
                pages = client.pages(f"/v2/_catalog?n={n}", "repositories")
                assert {name for page in pages for name in page} >= names
                assert not {name for page in pages for name in page if name.startswith("acme/")} - names
                assert "public/shut" not in str(pages)
            stale = client.get("/v2/_catalog", headers={"Cache-Control": "max-stale"}).json()["repositories"]
            assert not {name for name in stale if name.startswith("acme/")} - names
            beside = client.get("/v2/_catalog", params={"last": "acme/ber", "n": "1"})
            assert ("acme/bert" in beside.text) == ("acme/bert" in names)
            assert "acme" not in beside.headers.get("Link", "").replace("acme%2Fbert", "") or user == "carol"
    assert tenants.acting("root", "repository:rival/own:pull").get("/v2/_catalog").status_code == 401


def test_username_enumeration_by_different_answers(tenants: Tenants, nobody: Client) -> None:
    """Also when there are too many: of who is there, who is disabled and who never was the same is told, as often.

    Each is guessed at from a network of its own, and says that it comes from others: what stands left of it in
    X-Forwarded-For is the client's own word.
    """

    async def prepare(db: Database) -> None:
        hashed = await Passwords().hashed(PASSWORD)
        for name in ("asleep", "linked", "there"):
            await Identities(db).add_user(
                name, password_hash=hashed if name != "linked" else None, is_admin=False, actor=OPERATOR
            )
        await Identities(db).disable("asleep", actor=OPERATOR)

    tenants.do(prepare)
    sequences = {}
    for number, user in enumerate(("there", "asleep", "linked", "never")):
        heard = []
        for attempt in range(22):
            spoofed = {"X-Forwarded-For": f"203.0.113.{attempt}, 198.51.100.{100 + number}"}
            answer = nobody.get("/auth/token", headers=basic(user, "wrong password") | spoofed)
            document = answer.json()["errors"][0]
            document["detail"] = sorted(document["detail"])
            heard.append((answer.status_code, document["code"], document["message"].split("again in")[0]))
        sequences[user] = heard
    assert sequences["there"] == sequences["asleep"] == sequences["linked"] == sequences["never"]
    assert [status for status, *_ in sequences["never"]] == [401] * 20 + [429] * 2


class Counted(Passwords):
    """Counts what is hashed, and with what cost."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[object] = []

    async def match(self, kept: str | None, password: str) -> bool:
        self.done.append(argon2.extract_parameters(kept or passwords._NOBODYS))
        return await super().match(kept, password)


async def test_username_enumeration_by_timing(database: Database) -> None:
    """The same work is done for everybody: one hash of the same cost, whether the user is there, disabled, or can't even be."""
    identities, counted = Identities(database), Counted()
    for name in ("there", "asleep", "linked"):
        hashed = await counted.hashed(PASSWORD) if name != "linked" else None
        await identities.add_user(name, password_hash=hashed, is_admin=False, actor=OPERATOR)
    await identities.disable("asleep", actor=OPERATOR)
    identification = Identification(database, counted)
    everybody = ["there", "asleep", "linked", "never", "", "a" * 5000, "nul\0", "../x", "THERE"]
    for user in everybody:
        for password in ("wrong password", PASSWORD if user != "there" else "another", "", "x" * 100_000):
            with pytest.raises(CredentialsWrong):
                await identification.by_password(user, password)
    assert len(counted.done) == 4 * len(everybody)
    assert len(set(map(str, counted.done))) == 1
    with pytest.raises(
        argon2.exceptions.VerifyMismatchError
    ):  # what nobody has is compared to the end, not refused before
        passwords._HASHER.verify(passwords._NOBODYS, PASSWORD)
