"""`blacklake admin scan`, in process and by the API, and what whoever may pull sees of it, with a real clamd."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from blacklake.remote import scans
from registry import administration_scans
from tests.core.scanning import EVIL
from tests.http.client import Client, digest_of, image_of
from tests.http.server import Registry, serving
from tests.lifecycle.serving import eventually
from tests.scanners.clamd_server import EICAR, ClamdServer, clamd_server
from tests.test_admin_both_ways import Commands, admin, mark, verbs, way

__all__ = ["admin", "mark", "way"]


@pytest.fixture(scope="module")
def clamd() -> Iterator[ClamdServer]:
    with clamd_server() as made:
        yield made


@pytest.fixture(scope="module")
def registry(clamd: ClamdServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("scans"), auth="token", clamd=clamd.address) as running:
        yield running


@pytest.fixture
def client(
    registry: Registry, mark: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Client]:
    made = Client(registry)
    local = Commands(("--data-dir", str(registry.directory)), monkeypatch, capsys)
    key = local("apikey", "create", "admin", "--name", mark)
    with made.session:
        made.session.headers["Authorization"] = f"Bearer {key}"
        yield made


def push(client: Client, name: str, content: bytes) -> str:
    for blob in (b"{}", content):
        client.push_blob(name, blob)
    layer = {"mediaType": "application/octet-stream", "digest": digest_of(content), "size": len(content)}
    layer["annotations"] = {"org.opencontainers.image.title": "model.pkl"}
    return client.push_manifest(name, image_of(artifactType="application/x", layers=[layer]))


def state(client: Client, name: str, digest: str) -> dict[str, str]:
    found = client.get(f"/api/v1/repositories/{name}/-/artifacts/{digest}/scans").json()
    return {one["scanner"]: one["state"] for one in found["scans"] or ()}


def test_scans_from_the_push_to_the_release(admin: Commands, mark: str, client: Client) -> None:
    name = f"{mark}-acme/model"
    admin("org", "add", f"{mark}-acme")
    digest = push(client, name, EVIL + mark.encode())
    assert "artifacts of " in admin("scan", "on", name)
    assert admin("scan", "quarantine", "high", name).endswith("from high on; that changes 0 artifacts")
    admin("scan", "reports", "on", name)
    infected = push(client, name, EICAR + mark.encode())
    for one, scanner in ((digest, "pickle"), (infected, "clamav")):
        eventually(
            lambda one=one, scanner=scanner: state(client, name, one).get(scanner) == "found", f"{scanner} finds"
        )
    eventually(lambda: "pending" not in state(client, name, digest).values(), "all scanners have answered")
    assert state(client, name, digest)["clamav"] == "clean"
    assert {one["rule"]: one["value"] for one in admin.rows("scan", "rules") if one["target"] == name} == {
        "scan": "on",
        "reports": "on",
        "quarantine": "high",
    }
    held = admin.rows("scan", "quarantined", name)
    assert {(one["digest"], one["state"]) for one in held} == {(digest, "quarantined"), (infected, "quarantined")}
    admin("scan", "release", f"{name}@{digest}", "--reason", "we made it ourselves")
    assert "is not in quarantine" in admin("scan", "release", f"{name}@{digest}", "--reason", "again", code=1)
    assert "is not REPOSITORY@DIGEST" in admin("scan", "release", name, "--reason", "x", code=2)
    told = client.get(f"/api/v1/repositories/{name}/-/artifacts/{digest}/scans").json()["quarantine"]
    assert (told["state"], told["reason"]) == ("released", "we made it ourselves")
    assert admin("scan", "ask", f"{name}@{digest}") == "1 artifact will be scanned again"
    assert admin("scan", "ask", name) == "2 artifacts will be scanned again"
    assert "does not exist" in admin("scan", "ask", f"{mark}-acme/none", code=1)
    referrers = client.get(f"/v2/{name}/referrers/{digest}")
    eventually(
        lambda: (
            [one["artifactType"] for one in client.get(f"/v2/{name}/referrers/{digest}").json()["manifests"]]
            == ["application/vnd.dev.sigstore.bundle.v0.3+json"]
        ),
        "the report is there",
    )
    assert referrers.status_code == 200
    assert admin("scan", "off", name) == f"artifacts of {name} are not scanned any more"


def test_the_keys_are_told_to_everybody_and_rotated_by_administrators(admin: Commands, registry: Registry) -> None:
    kid = admin("scan", "rotate-key")
    newest = admin("scan", "rotate-key", "--now")
    rows = {row["kid"]: row for row in admin.rows("scan", "keys")}
    assert rows[kid]["revoked_at"] is not None
    assert rows[newest]["revoked_at"] is None
    anonymous = Client(registry)
    with anonymous.session:
        found = {one["kid"]: one for one in anonymous.get("/api/v1/keys").json()["items"]}
        assert found.keys() == rows.keys()
        assert found[newest]["pem"].startswith("-----BEGIN PUBLIC KEY-----")
        assert (found[newest]["jwk"]["kty"], found[newest]["jwk"]["kid"]) == ("EC", newest)
        assert anonymous.post("/api/v1/admin/scan-keys", data=json.dumps({})).status_code == 401
        assert anonymous.get("/api/v1/quarantine").json()["items"] == []


def test_both_ways_have_the_same_verbs() -> None:
    assert verbs(administration_scans) == verbs(scans)
