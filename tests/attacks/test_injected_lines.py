"""What clients say of themselves neither breaks a line of the log nor steers a terminal, nor do secrets get there."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from blacklake.admin.audit import line_of
from registry.administration_audit import list_audit
from registry.core.audit import Action, Event, row_of
from tests.actors import OPERATOR
from tests.attacks.tenants import PASSWORD, SERVICE, Tenants, basic, bearer, sent
from tests.http.client import Client

EVIL = '\r\n{"level":"error","event":"forged"}\r\nX-Forged: 1\x1b[2J\x1b]0;owned\x07\u202e\u2028\x00\x9b31m=cmd|" /C calc"!A0'
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


def audited(tenants: Tenants) -> list[str]:
    """Return the lines of the audit log, the newest first."""
    events, _ = list_audit(tenants.settings, target=None, before=None, limit=1000)
    return [line_of(event) for event in events]


def test_log_injection(tenants: Tenants, nobody: Client) -> None:
    """By names, User-Agent, X-Request-ID, client_id, principals and paths: each line is still one JSON object."""
    text = quote(EVIL, safe="")
    for path in (
        f"/v2/{text}/manifests/v1",
        f"/v2/acme/bert/manifests/{text}",
        f"/{text}",
        f"/v2/a/b/blobs/uploads/?from={text}",
    ):
        for method in ("GET", "POST", "DELETE"):
            headers = {"User-Agent": EVIL.replace("\r", "").replace("\n", "").encode(errors="replace")}
            assert nobody.request(method, path, headers=headers).status_code in (400, 401, 404, 405)
    nobody.get(
        "/auth/token", params={"client_id": EVIL, "service": SERVICE}, headers=basic("carol", tenants.keys["carol"])
    )
    wrong = {"X-Forwarded-For": "192.0.2.99"}
    nobody.get("/auth/token", params={"client_id": EVIL}, headers=basic(EVIL, "wrong password") | wrong)
    form = {"grant_type": "password", "client_id": EVIL, "username": "mallory", "password": EVIL}
    nobody.post("/auth/token", data=form, headers={"X-Forwarded-For": "192.0.2.98"})
    for given in ("a\x1b[2J", "a b", "x" * 129, '{"a":1}', "a\tb", "é"):
        answer = sent(tenants, "GET", "/v2/", [("X-Request-ID", given)])
        assert given not in answer.headers.get("x-request-id", "")
    for given in (
        "192.0.2.1\x1b[2J",
        "192.0.2.1, \x9b31m",
        EVIL.replace("\r\n", " ").encode("ascii", "replace").decode(),
    ):
        sent(
            tenants, "GET", "/auth/token", [("X-Forwarded-For", given), *basic("carol", tenants.keys["carol"]).items()]
        )
    for line in tenants.registry.log.read_text().split("\n")[:-1]:
        assert json.loads(line).get("event") != "forged"
        assert not CONTROL.search(line)
    lines = audited(tenants)
    assert any("forged" in line for line in lines), "it is recorded, spelled out"
    assert not any(CONTROL.search(line) for line in lines)


def test_cve_2025_48374_secrets_in_logs_errors_and_the_audit_log(tenants: Tenants, nobody: Client) -> None:
    """Every secret that this registry has seen is looked for wherever it writes."""
    login = {
        "grant_type": "password",
        "service": SERVICE,
        "client_id": "attacks",
        "username": "bob",
        "password": PASSWORD,
    }
    given = nobody.post("/auth/token", data=login | {"access_type": "offline"}).json()
    canaries = [PASSWORD, *tenants.keys.values(), given["access_token"], given["refresh_token"]]
    said: list[str] = []
    for secret in canaries:
        misplaced = (
            nobody.get(f"/v2/{secret}/manifests/v1"),
            nobody.get(f"/v2/acme/bert/manifests/{secret}"),
            nobody.get("/auth/token", params={"password": secret, "refresh_token": secret}),
            nobody.get("/auth/token", headers={"Authorization": f"Bearer {secret}"}),
            nobody.get("/v2/", headers={"Authorization": secret}),
            nobody.get("/v2/", headers=bearer(f"{secret}x")),
            nobody.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": f"{secret}x"}),
            nobody.get("/auth/token", params={"client_id": secret}, headers=basic("carol", tenants.keys["carol"])),
        )
        said += [answer.headers.get("WWW-Authenticate", "") for answer in misplaced[2:]]
        said += [answer.text for answer in misplaced[3:7]]
    # What stands in a path is not looked for there: it is logged as it was sent.
    places = {"answers": "\n".join(said), "audit": "\n".join(audited(tenants))}
    for name, text in places.items():
        for secret in canaries[1:]:
            assert secret not in text, name
    log = "\n".join(line for line in tenants.registry.log.read_text().split("\n") if '"path":"/v2/' not in line)
    assert not any(secret in log for secret in canaries)


def test_a_name_that_takes_long_to_look_through_is_cut_before(tenants: Tenants, nobody: Client) -> None:
    """Whoever is nobody could hold all others up: from each `://` it was read to the end (ReDoS)."""
    hostile = "://:" * 250_000
    assert len(row_of(Event(OPERATOR, Action.TOKEN_GIVE, hostile, detail={"client": hostile})).detail) < 4096
    form = f"grant_type=password&username=nobody-at-all&password=wrong&client_id={hostile[:30_000]}"
    assert nobody.post("/auth/token", data=form, headers={"X-Forwarded-For": "192.0.2.97"}).status_code == 401
    (line,) = [line for line in audited(tenants) if "192.0.2.97" in line]
    assert len(line) < 1000
