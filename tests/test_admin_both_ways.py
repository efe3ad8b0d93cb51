"""`blacklake admin`, in process and by a running registry's API: the same commands do and print the same."""

from __future__ import annotations

import inspect
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cyclopts import CycloptsError

from blacklake.cli import app
from blacklake.remote import audit, changes, lists, policies, schemas, stages
from blacklake.settings import USAGE, Refused
from registry import (
    administration,
    administration_audit,
    administration_lists,
    administration_policies,
    administration_schemas,
    administration_stages,
)
from registry.db.embedded import running_url
from tests.cluster import Cluster
from tests.core.admitting import signed_policy
from tests.http.acting import Acting
from tests.http.client import Client, digest_of, image_of
from tests.http.server import Registry, serving
from tests.schemas.making import written
from tests.signing.world import World

PASSWORD = "correct horse battery staple"
WAYS = ("in process", "by a key", "by signatures")
ISSUER = "https://token.actions.githubusercontent.com"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry that asks who it is."""
    with serving(tmp_path_factory.mktemp("both"), auth="token") as running:
        yield running


class Commands:
    """Runs them in this process: a start of Python for each of them would take too long."""

    def __init__(
        self, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.options = options
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, said: str = "", code: int = 0, command: str = "admin") -> str:
        """Return what a command prints and what it refuses, where its exit code is `code`."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        refusal, done = "", 0
        try:
            done = app([command, *arguments, *self.options], exit_on_error=False, print_error=False) or 0
        except Refused as error:
            refusal, done = str(error), error.code
        except CycloptsError as error:
            refusal, done = str(error), USAGE
        printed = self._capsys.readouterr().out + refusal
        assert done == code, printed
        return printed.rstrip("\n")

    def promote(self, *arguments: str, code: int = 0) -> str:
        """Return what `blacklake promote` prints, as `__call__` does."""
        return self(*arguments, code=code, command="promote")

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what a list holds, and see that its table shows as much."""
        rows = [json.loads(line) for line in self(*arguments, "--json").splitlines()]
        table = self(*arguments).splitlines()
        assert len(table) == (len(rows) + 1 if rows else 0)
        return rows


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def mark(way: str) -> str:
    """Return what the names of this way begin with."""
    return f"w{WAYS.index(way)}"


@pytest.fixture
def admin(
    way: str,
    mark: str,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Commands:
    """Return the commands in one of the ways, by somebody who may do everything."""
    local = Commands(("--data-dir", str(registry.directory)), monkeypatch, capsys)
    server = ("--server", registry.url)
    secret = tmp_path / "secret"
    who = f"{mark}-root-{abs(hash(tmp_path)) % 10**8}"
    match way:
        case "by a key":
            local("user", "add", who, "--admin")
            secret.write_text(local("apikey", "create", who))
            return Commands((*server, "--api-key-file", str(secret)), monkeypatch, capsys)
        case "by signatures":
            key = ec.generate_private_key(ec.SECP256R1())
            secret.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
            local("service", "add", who, "--admin")
            local("service", "add-key", who, str(public_key(tmp_path, key)))
            return Commands((*server, "--sign-key-file", str(secret)), monkeypatch, capsys)
    return local


def public_key(directory: Path, key: Any) -> Path:
    path = directory / "public.pem"
    path.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return path


def named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = (row for row in rows if row["name"] == name)
    return {field: value for field, value in found.items() if not field.endswith("_at")}


def test_users_come_change_and_go(admin: Commands, mark: str, registry: Registry) -> None:
    name = f"{mark}-ada"
    assert admin("user", "add", name, "--password-stdin", said=PASSWORD) == f"user {name} is there"
    assert "already" in admin("user", "add", name, code=1)
    expected = {"name": name, "is_admin": False, "is_disabled": False, "has_password": True}
    assert named(admin.rows("user", "list"), name) == expected
    assert logs_in(registry, name, PASSWORD)
    assert "its sessions have ended" in admin("user", "password", name, "--password-stdin", said="another password\n")
    assert not logs_in(registry, name, PASSWORD)
    assert logs_in(registry, name, "another password")
    assert "a password has 8 to" in admin("user", "password", name, "--password-stdin", said="short\n", code=1)
    admin("user", "password", name, "--password-stdin", said="", code=2)
    admin("user", "password", name, code=2)
    assert admin("user", "disable", name) == f"user {name} is disabled"
    assert named(admin.rows("user", "list"), name)["is_disabled"]
    assert admin("user", "enable", name) == f"user {name} is enabled"
    assert admin("user", "remove", name) == f"user {name} is gone"
    assert f"there is no user {name}" in admin("user", "remove", name, code=1)
    assert "can't be" in admin("user", "add", "Ada/../x", code=1)


def test_sessions_are_listed_and_ended(admin: Commands, mark: str, registry: Registry) -> None:
    name = f"{mark}-eva"
    admin("user", "add", name, "--password-stdin", said=PASSWORD)
    for _ in range(2):
        assert logs_in(registry, name, PASSWORD)
    assert [row["client"] for row in admin.rows("session", "list", name)] == ["tests", "tests"]
    assert admin("session", "revoke", name) == f"2 sessions of {name} have ended"
    assert admin.rows("session", "list", name) == []
    assert "there is no user" in admin("session", "list", f"{mark}-nobody", code=1)


def test_organisations_teams_roles_and_grants(admin: Commands, mark: str) -> None:
    org, name = f"{mark}-acme", f"{mark}-kim"
    admin("org", "add", org)
    assert org in [row["name"] for row in admin.rows("org", "list")]
    admin("user", "add", name)
    assert admin("team", "add", f"{org}/ml") == f"team {org}/ml is there"
    assert admin("team", "add-member", f"{org}/ml", name) == f"{name} is of {org}/ml"
    assert admin.rows("team", "list", org) == [{"name": "ml"}]
    assert admin.rows("team", "members", f"{org}/ml") == [{"name": name, "kind": "user"}]
    assert admin("role", "add", f"{org}/tagger", "pull", "tag-move") == f"role {org}/tagger permits pull, tag-move"
    expected = {"name": "tagger", "permissions": ["pull", "tag-move"], "is_built_in": False}
    assert expected in admin.rows("role", "list", org)
    assert len(admin.rows("role", "list", org)) == 5
    admin("grant", "add", f"team:{org}/ml", "tagger", f"{org}/models/*")
    admin("grant", "add", "anonymous", "reader", f"{org}/open")
    assert [
        (row["subject"], row["role"], row["target"]) for row in admin.rows("grant", "list", "--target", f"{org}/open")
    ] == [("anonymous", "reader", f"{org}/open")]
    assert [row["target"] for row in admin.rows("grant", "list", "--subject", f"team:{org}/ml")] == [f"{org}/models/*"]
    assert "already" in admin("grant", "add", "anonymous", "reader", f"{org}/open", code=1)
    assert (
        admin("access", "explain", f"user:{name}", f"{org}/models/bert", "tag-move")
        == f"allowed: role tagger on {org}/models/*, granted to team:{org}/ml, permits tag-move on {org}/models/bert"
    )
    denied = admin("access", "explain", f"user:{name}", f"{org}/models/bert", "push", code=1).splitlines()
    assert denied[0].startswith(f"denied: no grant to user:{name} permits push")
    assert denied[1].startswith("  near: role tagger")
    assert f"{name}: role tagger on {org}/models/*, by team ml" in admin(
        "access", "who-can", "pull", f"{org}/models/bert"
    )
    admin("access", "explain", name, f"{org}/models/bert", "push", code=2)
    admin("access", "explain", f"user:{name}", f"{org}/Models", "push", code=2)
    assert admin("grant", "remove", "anonymous", "reader", f"{org}/open").startswith("anonymous is no longer reader")
    assert admin("role", "remove", f"{org}/tagger") == f"role {org}/tagger is gone, and 1 grants with it"
    assert admin("team", "remove-member", f"{org}/ml", name) == f"{name} is no longer of {org}/ml"
    assert admin("team", "remove", f"{org}/ml") == f"team {org}/ml is gone"
    assert admin.rows("team", "list", org) == []
    admin("team", "list", f"{mark}-nowhere", code=1)


def test_robots_and_keys(admin: Commands, mark: str, registry: Registry) -> None:
    org = f"{mark}-robots"
    robot, name = f"{org}+ci", f"{mark}-holder"
    admin("org", "add", org)
    admin("user", "add", name)
    assert admin("robot", "add", robot) == f"robot {robot} is there"
    expected = {"name": robot, "organisation": org, "is_disabled": False}
    assert named(admin.rows("robot", "list"), robot) == expected
    for holder in (robot, name):
        key = admin(
            "apikey",
            "create",
            holder,
            "--name",
            "laptop",
            "--scope",
            "repository:*:*",
            "--scope",
            "registry:admin:*",
            "--expires",
            "30d",
        )
        assert works(registry, key)
        (row,) = admin.rows("apikey", "list", holder)
        assert (row["name"], row["expires_at"] is None) == ("laptop", False)
        assert row["scopes"] == ["repository:*:*", "registry:admin:*"]
        assert key not in json.dumps(row)
        assert admin("apikey", "revoke", holder, str(row["id"])) == f"key {row['id']} of {holder} is revoked"
        assert not works(registry, key)
        assert admin.rows("apikey", "list", holder) == []
        admin("apikey", "revoke", holder, str(row["id"]), code=1)
    admin("robot", "disable", robot)
    assert named(admin.rows("robot", "list"), robot)["is_disabled"]
    said = admin("access", "explain", f"user:{robot}", f"{org}/model", "pull", code=1)
    assert f"`blacklake admin robot enable {robot}` lets it in again" in said
    admin("robot", "enable", robot)
    assert f"there is no user {robot}" in admin("user", "remove", robot, code=1)
    assert admin("robot", "remove", robot) == f"robot {robot} is gone"


def test_services_and_their_keys(admin: Commands, mark: str, tmp_path: Path) -> None:
    name = f"{mark}-builder"
    assert admin("service", "add", name) == f"service {name} is there"
    path = public_key(tmp_path, ed25519.Ed25519PrivateKey.generate())
    key = admin("service", "add-key", name, str(path), "--expires", "30d")
    assert re.fullmatch(r"[0-9a-f]{64}", key)  # no option, whatever key it is: it is a command's argument
    (row,) = admin.rows("service", "list-keys", name)
    assert (row["id"], row["algorithm"], row["revoked_at"]) == (key, "ed25519", None)
    assert "known already" in admin("service", "add-key", name, str(path), code=1)
    assert admin("service", "revoke-key", name, key) == f"key {key} is revoked"
    assert "no valid key" in admin("service", "revoke-key", name, key, code=1)
    path.write_bytes(b"none")
    assert "no public key in PEM" in admin("service", "add-key", name, str(path), code=1)
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    assert "its public half is wanted" in admin("service", "add-key", name, str(path), code=1)
    admin("service", "disable", name)
    assert named(admin.rows("service", "list"), name) == {"name": name, "is_admin": False, "is_disabled": True}
    admin("service", "enable", name)
    assert admin("service", "remove", name) == f"service {name} is gone"


def test_signing_keys_are_rotated(admin: Commands) -> None:
    before = [row["kid"] for row in admin.rows("keys", "list")]
    kid = admin("keys", "rotate")
    assert [row["kid"] for row in admin.rows("keys", "list")] == [*before, kid]
    kid = admin("keys", "rotate", "--now")
    assert [row["kid"] for row in admin.rows("keys", "list")] == [kid]


def test_issuers_links_and_rules_of_trust(admin: Commands, mark: str) -> None:
    name = f"{mark}-job"
    admin("user", "add", name)
    secret = ("--client-id", "blacklake", "--client-secret-stdin")
    assert admin("issuer", "add", ISSUER, *secret, said="hush hush\n") == f"issuer {ISSUER} is there"
    assert admin.rows("issuer", "list") == [
        {
            "url": ISSUER,
            "kind": "github",
            "algorithms": ["RS256", "ES256"],
            "keys_url": None,
            "client_id": "blacklake",
            "creates_users": False,
        }
    ]
    assert admin("issuer", "link", ISSUER, "7", name) == f"7 of {ISSUER} is {name}"
    assert "is nobody any more" in admin("issuer", "unlink", ISSUER, "7")
    rule = ("--audience", "https://a.test", "--claim", "repository=acme/*", "--claim", "repository_owner_id=42")
    assert "stand for" in admin("trust", "add", mark, ISSUER, name, *rule, "--repository", "acme", "--action", "pull")
    assert admin.rows("trust", "list") == [
        {
            "name": mark,
            "issuer": ISSUER,
            "audience": "https://a.test",
            "claims": {"repository": "acme/*", "repository_owner_id": "42"},
            "principal": name,
            "actions": ["pull"],
            "repositories": ["acme/*"],
            "seconds": 900,
        }
    ]
    assert "is gone" in admin("trust", "remove", mark)
    assert "with its rules and links" in admin("issuer", "remove", ISSUER)
    assert "there is no issuer" in admin("issuer", "remove", ISSUER, code=1)


def test_the_audit_log_is_listed_exported_verified_and_pruned(
    admin: Commands, way: str, mark: str, tmp_path: Path, registry: Registry
) -> None:
    org = f"{mark}-audited"
    admin("org", "add", org)
    event, *again = (json.loads(line) for line in admin("audit", "list", "--target", org, "--json").splitlines())
    assert [one | {"sequence": None} for one in again] in ([], [event]), "what is sealed meanwhile may come twice"
    assert (event["action"], event["target"], event["outcome"]) == ("organisation.add", org, "done")
    kinds = {"in process": "local", "by a key": "key", "by signatures": "signature"}
    assert event["credential_kind"] == kinds[way]
    assert org in admin("audit", "list", "--target", org, "--since", "2020-01-01")
    assert admin("audit", "list", "--target", org, "--until", "2020-01-01") == ""
    wait_until_sealed(admin, org)
    exported = [json.loads(line) for line in admin("audit", "export", "--target", org).splitlines()]
    assert [one["target"] for one in exported] == [org]
    (tmp_path / "heads").write_text(registry.log.read_text())
    lines = admin("audit", "verify", "--head", str(tmp_path / "heads")).splitlines()
    assert "were verified, with 0 findings" in lines[0]
    assert "exported heads are in the log" in lines[1]
    (tmp_path / "heads").write_text("none\n")
    assert "holds no head" in admin("audit", "verify", "--head", str(tmp_path / "heads"), code=1)
    assert admin("audit", "prune", "--older-than", "400d") == "0 events in 0 batches were deleted"
    url = running_url(registry.directory / "postgres")
    assert url is not None
    change = f"UPDATE audit_events SET target = '{{}}' WHERE sequence = {exported[0]['sequence']}"
    Cluster(url).execute(change.format("another"))
    said = admin("audit", "verify", code=1)
    Cluster(url).execute(change.format(org))
    assert re.search(rf"^ALTERED   event {exported[0]['sequence']} of batch [0-9]+ was altered$", said, re.MULTILINE)
    assert "were verified, with 1 findings" in said


def test_a_user_acts_by_the_password_and_within_his_rights(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local = Commands(("--data-dir", str(registry.directory)), monkeypatch, capsys)
    local("org", "add", "delegated")
    local("user", "add", "olga", "--password-stdin", said=PASSWORD)
    local("grant", "add", "user:olga", "admin", "delegated")
    olga = Commands(("--server", registry.url, "--user", "olga"), monkeypatch, capsys)
    assert olga("team", "add", "delegated/ml", said=f"{PASSWORD}\n") == "team delegated/ml is there"
    # The secret of the command comes first, then one's own.
    assert "for the registry's administrators" in olga(
        "user", "password", "admin", "--password-stdin", said=f"another password\n{PASSWORD}\n", code=1
    )
    assert "no such user with this password" in olga("org", "list", said="wrong\n", code=1)
    assert "there is no password of olga" in olga("org", "list", code=1)
    event, *_ = (
        json.loads(line) for line in local("audit", "list", "--target", "team:delegated/ml", "--json").splitlines()
    )
    assert (event["principal"], event["credential_kind"]) == ("olga", "token")


def test_schemas_are_added_bound_and_removed(admin: Commands, mark: str, tmp_path: Path) -> None:
    org = f"{mark}-schemas"
    admin("org", "add", org)
    name, file = f"{org}/owned/1.0.0", tmp_path / "owned.json"
    file.write_bytes(written(f"{org}/owned", required=["owner"]))
    assert admin("schema", "add", str(file)) == f"schema {name} is there; it never changes"
    admin("schema", "add", str(file))
    file.write_bytes(written(f"{org}/owned", pattern="(?=x)"))
    assert "/pattern is a pattern that can't be read by RE2" in admin("schema", "add", str(file), code=1)
    file.write_bytes(written(f"{org}/owned"))
    assert "a version never changes" in admin("schema", "add", str(file), code=1)
    assert "can't be read" in admin("schema", "add", str(tmp_path / "none"), code=2)
    (own,) = (one for one in admin.rows("schema", "list", org) if not one["is_built_in"])
    assert (own["name"], own["applies_to"]) == (name, "annotations")
    assert json.loads(admin("schema", "show", name))["required"] == ["owner"]
    assert json.loads(admin("schema", "show", "model/1.0.0"))["title"] == "A model"
    assert "no schema" in admin("schema", "show", f"{org}/owned/9.0.0", code=1)
    assert "neither" in admin("schema", "show", "owned", code=1)
    bound = admin("schema", "bind", f"{org}/x*", f"{org}/owned/1", "--mode", "warn")
    assert bound == f"{org}/owned/1 is bound to {org}/x*: warn"
    admin("schema", "bind", org, f"{org}/owned/1", "--mode", "enforce", "--artifact-type", "a/b")
    admin("schema", "bind", org, f"{org}/owned/1", "--mode", "never", code=2)
    assert [
        (one["target"], one["artifact_type"], one["schema_name"], one["mode"])
        for one in admin.rows("schema", "bindings", org)
    ] == [
        (org, "a/b", f"{org}/owned/1", "enforce"),
        (f"{org}/x*", None, f"{org}/owned/1", "warn"),
    ]
    assert f"{name} is bound to {org}, {org}/x*" in admin("schema", "remove", name, code=1)
    manifest = tmp_path / "manifest"
    manifest.write_bytes(image_of(artifactType="a/b"))
    (wrong,) = (
        json.loads(line) for line in admin("schema", "check", f"{org}/y", str(manifest), "--json", code=1).splitlines()
    )
    assert (wrong["mode"], wrong["pointer"], wrong["message"]) == ("enforce", "/annotations", 'lacks "owner"')
    assert "warn" in admin("schema", "check", f"{org}/x/y", str(manifest))
    manifest.write_text("{")
    assert "is not JSON" in admin("schema", "check", f"{org}/y", str(manifest), code=1)
    assert admin("schema", "unbind", f"{org}/x*", f"{org}/owned/1") == f"{org}/owned/1 is no longer bound to {org}/x*"
    assert "is not bound" in admin("schema", "unbind", org, f"{org}/owned/1", code=1)
    admin("schema", "unbind", org, f"{org}/owned/1", "--artifact-type", "a/b")
    assert admin("schema", "remove", name) == f"schema {name} is gone; its version is used for no other"


def test_tags_are_protected_and_never_move(admin: Commands, mark: str) -> None:
    org, user = f"{mark}-tags", f"{mark}-olga"
    admin("org", "add", org)
    admin("user", "add", user)
    admin("team", "add", f"{org}/release")
    said = admin("tag", "immutable", org, "v*")
    assert said == f"tags v* of {org} never move, and are not deleted"
    by = ("--by", f"user:{user}", "--by", f"team:{org}/release")
    said = admin("tag", "protect", f"{org}/x*", "prod", *by)
    assert said == f"tags prod of {org}/x* are moved by user:{user}, team:{org}/release, promotions only"
    assert admin("tag", "protect", f"{org}/y", "prod") == f"tags prod of {org}/y are moved by promotions only"
    assert [(one["target"], one["pattern"], one["kind"], one["movers"]) for one in admin.rows("tag", "rules", org)] == [
        (org, "v*", "immutable", []),
        (f"{org}/x*", "prod", "protected", [f"team:{org}/release", f"user:{user}"]),
        (f"{org}/y", "prod", "protected", []),
    ]
    assert len(admin.rows("tag", "rules", f"{org}/y")) == 2
    assert "can't be" in admin("tag", "protect", org, "a/b", code=1)
    assert "there is no user none" in admin("tag", "protect", org, "prod", "--by", "user:none", code=1)
    assert admin("tag", "unprotect", f"{org}/y", "prod") == f"tags prod of {org}/y are protected no longer"
    assert f"tags prod of {org}/y are not protected" in admin("tag", "unprotect", f"{org}/y", "prod", code=1)
    assert admin("tag", "immutable", org, "v*", "--off") == f"tags v* of {org} may move again"


def test_artifacts_are_promoted_and_rolled_back(admin: Commands, mark: str, registry: Registry, tmp_path: Path) -> None:
    org, name = f"{mark}-stages", f"{mark}-stages/model"
    admin("org", "add", org)
    assert admin("stage", "set", org, "dev", "staging", "prod") == f"artifacts of {org} go through dev, staging, prod"
    for wrong in (
        ("--tag", "prod"),
        ("--tag", "none=x"),
        ("--promoter", "prod="),
        ("--may-skip", "none"),
        ("--repository", "dev"),
        ("dev",),
    ):
        admin("stage", "set", org, "dev", "staging", "prod", *wrong, code=2)
    assert "can't be" in admin("stage", "set", org, "DEV", code=1)
    digests = pushed(admin, registry, mark, name, tmp_path)
    said = admin.promote(f"{name}:one", "dev", "--reason", "it is new", "--expected", "nothing")
    assert said == f"stage dev names {digests[0]} ({name}:dev)"
    assert admin.promote(f"{name}:one", "dev") == f"stage dev names {digests[0]} already ({name}:dev)"
    said = admin.promote(f"{name}@{digests[1]}", "dev")
    assert said == f"stage dev names {digests[1]} ({name}:dev); before, it named {digests[0]}"
    assert "has never been in stage staging" in admin.promote(f"{name}:one", "prod", code=1)
    assert admin.promote(name, "staging") == f"stage staging names {digests[1]} ({name}:staging)"
    assert f"names {digests[1]} now, not nothing" in admin.promote(
        f"{name}:one", "dev", "--expected", "nothing", code=1
    )
    assert f"names {digests[0]} again, rolled back" in admin.promote("--rollback", name, "dev")
    assert "nothing that stage dev named 5 steps before" in admin.promote(
        "--rollback", name, "dev", "--steps", "5", code=1
    )
    done = json.loads(admin.promote("--roll-forward", name, "dev", "--json", "--force"))
    assert done == {
        "kind": "roll-forward",
        "stage": "dev",
        "repository": name,
        "tag": "dev",
        "digest": digests[1],
        "before": digests[0],
        "warnings": [],
    }
    rows = [json.loads(line) for line in admin.promote("--history", name, "--json").splitlines()]
    assert [(row["kind"], row["stage"], row["digest"], row["forced"], row["reason"]) for row in rows] == [
        ("roll-forward", "dev", digests[1], True, ""),
        ("rollback", "dev", digests[0], False, ""),
        ("promotion", "staging", digests[1], False, ""),
        ("promotion", "dev", digests[1], False, ""),
        ("promotion", "dev", digests[0], False, "it is new"),
    ]
    assert len(admin.promote("--history", name, "staging").splitlines()) == 2
    for wrong in (
        (name,),
        ("--rollback", "--history", name, "dev"),
        (name, "dev", "--steps", "2"),
        ("--rollback", name, "dev", "--steps", "0"),
        ("--rollback", f"{name}@{digests[0]}", "dev"),
        ("UPPER", "dev"),
    ):
        admin.promote(*wrong, code=2)
    more = ("--tag", "prod=release-*", "--repository", f"prod={org}/prod/*", "--may-skip", "prod")
    admin("stage", "set", org, "dev", "prod", *more, "--promoter", f"prod=team:{org}/release", code=1)
    admin("team", "add", f"{org}/release")
    admin("stage", "set", org, "dev", "prod", *more, "--promoter", f"prod=team:{org}/release")
    dev, prod = admin.rows("stage", "list", org)
    assert (dev["name"], dev["tag"], dev["repository"], dev["promoters"], dev["may_skip"]) == (
        "dev",
        "dev",
        None,
        None,
        False,
    )
    assert (prod["tag"], prod["repository"], prod["promoters"], prod["may_skip"]) == (
        "release-*",
        f"{org}/prod/*",
        [f"team:{org}/release"],
        True,
    )
    assert admin("stage", "remove", org) == f"{org} has no stages of its own any more"
    assert "nobody has set stages for it" in admin.promote(f"{name}:one", "dev", code=1)


def pushed(admin: Commands, registry: Registry, mark: str, name: str, tmp_path: Path) -> list[str]:
    """Push two images, `one` and `two`, and return their digests."""
    user = f"{mark}-pusher-{abs(hash(tmp_path)) % 10**8}"
    admin("user", "add", user)
    admin("grant", "add", f"user:{user}", "writer", name.partition("/")[0])
    client = Client(registry)
    client.session.headers["Authorization"] = f"Bearer {admin('apikey', 'create', user)}"
    with client.session:
        client.push_blob(name, b"{}")
        manifests = [image_of(annotations={"number": tag}) for tag in ("one", "two")]
        for content, tag in zip(manifests, ("one", "two"), strict=True):
            assert client.put_manifest(name, content, tag).status_code == 201
    return [digest_of(content) for content in manifests]


def test_an_open_registry_promotes_and_keeps_its_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path / "open") as registry:
        local = Commands(("--data-dir", str(registry.directory)), monkeypatch, capsys)
        remote = Commands(("--server", registry.url), monkeypatch, capsys)
        local("stage", "set", "team", "dev", "prod")
        local("tag", "immutable", "team", "v*")
        local("tag", "protect", "team", "prod")
        client = Client(registry)
        with client.session:
            client.push_blob("team/x", b"{}")
            first, second = image_of(annotations={"a": "1"}), image_of(annotations={"a": "2"})
            assert client.put_manifest("team/x", first, "v1").status_code == 201
            for answer in (
                client.put_manifest("team/x", second, "v1"),
                client.put_manifest("team/x", second, "prod"),
                client.delete("/v2/team/x/manifests/v1"),
                client.delete(f"/v2/team/x/manifests/{digest_of(first)}"),
            ):
                assert answer.status_code == 403
                assert answer.json()["errors"][0]["code"] == "DENIED"
                assert answer.json()["errors"][0]["detail"]["pattern"] in ("v*", "prod")
            assert remote.promote("team/x:v1", "dev").startswith("stage dev names sha256:")
            assert remote.promote(f"{registry.url.removeprefix('http://')}/team/x", "prod", code=2)
            assert local.promote("team/x", "prod").startswith("stage prod names sha256:")
            assert client.get("/v2/team/x/manifests/prod").content == first
            (row,) = [json.loads(one) for one in remote.promote("--history", "team/x", "dev", "--json").splitlines()]
            assert row["promoted_by"] == "everyone"


def test_an_open_registry_s_organisations_need_not_be_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path / "open") as registry:
        admin = Commands(("--data-dir", str(registry.directory)), monkeypatch, capsys)
        file = tmp_path / "owned.json"
        file.write_bytes(written("team/owned", required=["owner"]))
        admin("schema", "add", str(file))
        admin("schema", "bind", "team/x", "team/owned/1", "--mode", "enforce")
        admin("schema", "bind", "other", "annotations/1", "--mode", "warn")
        client = Client(registry)
        with client.session:
            client.push_blob("team/x", b"{}")
            answer = client.put_manifest("team/x", image_of(), "v1")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "MANIFEST_INVALID"


def test_the_first_password_s_file_goes_with_the_first_change(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local = Commands(("--data-dir", str(registry.directory)), monkeypatch, capsys)
    file = registry.directory / "initial-admin-password"
    assert logs_in(registry, "admin", file.read_text().strip())
    local("user", "add", "somebody")
    local("user", "password", "somebody", "--password-stdin", said=PASSWORD)
    assert file.exists()
    assert "a password has 8 to" in local("user", "password", "admin", "--password-stdin", said="short", code=1)
    assert file.exists()
    local("user", "password", "admin", "--password-stdin", said=PASSWORD)
    assert not file.exists()
    assert logs_in(registry, "admin", PASSWORD)


def test_policies_are_set_tried_explained_and_removed(
    admin: Commands, mark: str, registry: Registry, tmp_path: Path
) -> None:
    org = f"{mark}-policies"
    admin("org", "add", org)
    repository = f"{org}/model"
    admin("user", "add", f"{mark}-pusher", "--admin", "--password-stdin", said=PASSWORD)
    pusher = Acting(registry, f"{mark}-pusher", "pull,push", repository)
    pusher.put_blob(b"{}")
    pusher.put(image_of(), "v1")
    file = tmp_path / "policy.yaml"
    file.write_bytes(signed_policy())
    assert "no policy" in admin("policy", "explain", repository, "v1").lower()
    tried = admin("policy", "try", org, str(file), "--since", "30d")
    assert "1 of 1 artifacts would have been refused" in tried
    assert "there is no signature" in tried
    (row,) = (json.loads(line) for line in admin("policy", "try", org, str(file), "--json").splitlines())
    assert (row["repository"], row["passes"], row["tags"]) == (repository, False, ["v1"])
    said = admin("policy", "set", f"{org}/m*", str(file), "--on", "both", "--tags", "prod, v*")
    assert said == f"policy signed is set on {org}/m*: version 1"
    (listed,) = admin.rows("policy", "list", org)
    expected = (f"{org}/m*", "signed", 1, "enforce", "both", ["prod", "v*"])
    assert tuple(listed[name] for name in ("target", "name", "version", "mode", "on", "tags")) == expected
    explained = admin("policy", "explain", repository, "v1", code=1)
    assert f"policy signed (version 1 on {org}/m*, enforce): does not pass" in explained
    assert json.loads(admin("policy", "explain", repository, "v1", "--json", code=1))["outcome"] == "denied"
    file.write_bytes(signed_policy(mode="warn"))
    assert admin("policy", "set", f"{org}/m*", str(file)).endswith("version 2")
    admin("policy", "explain", repository, "v1")
    assert [row["version"] for row in admin.rows("policy", "history", f"{org}/m*", "signed")] == [2, 1]
    assert "mode: enforce" in admin("policy", "show", f"{org}/m*", "signed", "--version", "1")
    assert "mode: warn" in admin("policy", "show", f"{org}/m*", "signed")
    assert admin("policy", "remove", f"{org}/m*", "signed") == f"policy signed decides on {org}/m* no longer"
    assert "there is no policy" in admin("policy", "show", f"{org}/m*", "signed", code=1)
    assert "has removed" in admin("policy", "show", f"{org}/m*", "signed", "--version", "3")
    file.write_text("version: 7")
    assert "can't be taken" in admin("policy", "set", org, str(file), code=1)
    assert "can't be read" in admin("policy", "set", org, str(tmp_path / "none"), code=2)


def test_trust_roots_are_added_and_removed(admin: Commands, mark: str, tmp_path: Path) -> None:
    org = f"{mark}-roots"
    admin("org", "add", org)
    file = tmp_path / "trusted_root.json"
    file.write_bytes(World().sigstore.root())
    assert admin("trust-root", "add", org, "own", str(file)) == f"trust root own of {org} is there: version 1"
    (listed,) = admin.rows("trust-root", "list", org)
    assert (listed["name"], listed["version"]) == ("own", 1)
    assert json.loads(admin("trust-root", "show", org, "own")) == json.loads(file.read_bytes())
    assert admin("trust-root", "remove", org, "own") == f"{org} trusts own no longer"
    assert admin.rows("trust-root", "list", org) == []
    assert "has no trust root own" in admin("trust-root", "show", org, "own", code=1)
    assert "has removed" in admin("trust-root", "show", org, "own", "--version", "2")
    file.write_text("{}")
    assert "can't be taken" in admin("trust-root", "add", org, "own", str(file), code=1)


def test_both_ways_have_the_same_verbs() -> None:
    for here, there in (
        (administration, changes),
        (administration_lists, lists),
        (administration_audit, audit),
        (administration_schemas, schemas),
        (administration_policies, policies),
        (administration_stages, stages),
    ):
        assert verbs(here) == verbs(there)


def verbs(module: ModuleType) -> dict[str, list[tuple[str, object]]]:
    """Return a module's functions of a place, which is their first parameter, with the others that they have."""
    found = {}
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
            place, *others = inspect.signature(function).parameters.values()
            if place.name in ("settings", "server"):
                found[name] = [(one.name, one.kind) for one in others]
    assert found
    return found


def wait_until_sealed(admin: Commands, target: str) -> None:
    for _ in range(1000):
        events = [json.loads(line) for line in admin("audit", "list", "--target", target, "--json").splitlines()]
        if all(event["sequence"] is not None for event in events):
            return
    raise AssertionError("nothing seals the audit log")


def logs_in(registry: Registry, user: str, password: str) -> bool:
    form = {
        "grant_type": "password",
        "client_id": "tests",
        "access_type": "offline",
        "username": user,
        "password": password,
    }
    return requests.post(f"{registry.url}/auth/token", data=form, timeout=30).status_code == 200


def works(registry: Registry, key: str) -> bool:
    answer = requests.get(f"{registry.url}/v2/", headers={"Authorization": f"Bearer {key}"}, timeout=30)
    return answer.status_code == 200
