"""What every route of the admin API has in common: bounds, problems, conditions, headers, its document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests

from registry.http.api.reader_routes import READER_ROUTES
from registry.http.api.routes import ROUTES
from tests.http.admin import PASSWORD, Api, Governed, basic, problem
from tests.http.client import Client, wire
from tests.http.server import serving
from tests.http.test_admin_address import admin_of

STRANGE = [
    "\0",
    "a\0b",
    "\ud800",
    "a\nb",
    "\x1b[31m",
    "x" * 600,
    "",
    " ",
    "../..",
    "%00",
    "'; DROP TABLE principals; --",
    "ä",
    "A",
]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"name": "eve", "is_disabled": True}, "is_disabled"),
        ({"name": "eve", "id": 1}, "id"),
        ({"name": "eve", "is_admin": "true"}, "is_admin"),
        ({"name": "eve", "is_admin": 1}, "is_admin"),
        ({"is_admin": True}, "name"),
        ({"name": 1}, "name"),
        ({"name": None}, "name"),
        ({"name": ["eve"]}, "name"),
        ([], "body"),
        ("eve", "body"),
        (None, "body"),
    ],
)
def test_mass_assignment_and_what_else_no_field_takes(governed: Governed, document: Any, field: str) -> None:
    """CVE-2019-16097: what nobody was meant to set is refused, and the field named."""
    content = json.dumps(document)
    answer = governed.by("root")("POST", "/admin/users", data=content, headers={"Content-Type": "application/json"})
    assert field in problem(answer, 400, "UNSUPPORTED")["fields"]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_texts_are_refused_everywhere_and_break_nothing(governed: Governed, text: str) -> None:
    root = governed.by("root")
    body = {"Content-Type": "application/json"}
    answers = [
        root("POST", path, data=json.dumps(document), headers=body)
        for path, document in (
            ("/admin/users", {"name": text}),
            ("/admin/users", {"name": "eve", "password": text[:7]}),
            ("/admin/robots", {"name": text}),
            ("/admin/robots", {"name": f"acme+{text}"}),
            ("/admin/services", {"name": text}),
            ("/admin/services/signer/keys", {"public_key": text}),
            ("/admin/organisations", {"name": text}),
            ("/admin/organisations/acme/teams", {"name": text}),
            ("/admin/organisations/acme/roles", {"name": text, "permissions": ["pull"]}),
            ("/admin/organisations/acme/roles", {"name": "r", "permissions": [text]}),
            ("/admin/grants", {"subject": text, "role": "reader", "target": "acme"}),
            ("/admin/grants", {"subject": f"user:{text}", "role": "reader", "target": "acme"}),
            ("/admin/grants", {"subject": "user:alice", "role": text, "target": "acme"}),
            ("/admin/grants", {"subject": "user:alice", "role": "reader", "target": f"Acme{text}"}),
            ("/admin/issuers", {"url": text}),
            ("/admin/issuers/links", {"issuer": text, "subject": text, "user": text}),
        )
    ]
    assert {answer.status_code for answer in answers} <= {400, 404, 409}, [answer.text for answer in answers]


@pytest.mark.parametrize("text", ["%00", "%FF", "%ED%A0%80", "%0A", "%1B", "'%22;--", "%2e%2e", "x" * 600, "%C3%A4"])
@pytest.mark.parametrize(
    "path",
    [
        "/admin/users/{}",
        "/admin/users/{}/keys",
        "/admin/robots/acme+{}",
        "/admin/services/{}/keys/{}",
        "/admin/organisations/{}",
        "/admin/organisations/{}/teams/{}/members",
        "/admin/organisations/acme/teams/{}/members/{}",
        "/admin/trust-rules/{}",
        "/admin/users?after={}",
        "/admin/grants?subject={}",
        "/admin/grants?target={}",
        "/admin/audit/events?principal={}&action={}&target={}&outcome={}",
        "/admin/access?subject={}&repository={}&action=pull",
    ],
)
def test_strange_paths_and_queries_break_nothing(governed: Governed, path: str, text: str) -> None:
    with wire(governed.registry) as raw:
        for method in ("GET", "DELETE", "PUT"):
            target = f"/api/v1{path.replace('{}', text)}"
            answer = raw.request(
                method, target, [("Authorization", f"Bearer {governed.keys['root']}")], b"" if method == "PUT" else None
            )
            assert answer.status in (200, 400, 404, 405, 409), answer.body


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 50_000, b'{"name": "\xff"}', b"\xef\xbb\xbf", b"NaN", b'{"name":}']
)
def test_what_is_no_json_is_refused(governed: Governed, content: bytes) -> None:
    answer = governed.by("root")("POST", "/admin/users", data=content, headers={"Content-Type": "application/json"})
    problem(answer, 400, "UNSUPPORTED")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_a_foreign_page_is_no_json(governed: Governed, content_type: str) -> None:
    """CVE-2019-19025: a browser sends these without asking anybody."""
    answer = governed.by("root")(
        "POST", "/admin/users", data=b'{"name": "eve"}', headers={"Content-Type": content_type}
    )
    problem(answer, 415, "UNSUPPORTED")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_site_gets_nothing(governed: Governed, headers: dict[str, str]) -> None:
    problem(governed.by("root")("GET", "/me", headers=headers), 403, "DENIED")


def test_a_page_of_this_site_does(governed: Governed) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Origin": governed.registry.url}
    assert governed.by("root")("GET", "/me", headers=own).status_code == 200


def test_a_body_is_bounded_announced_or_not(governed: Governed) -> None:
    root = governed.by("root")
    headers = {"Content-Type": "application/json"}
    problem(root("POST", "/admin/users", data=b" " * (64 << 10) + b"{}", headers=headers), 413, "SIZE_INVALID")
    problem(root("POST", "/admin/users", data=iter([b" " * 4096] * 20), headers=headers), 413, "SIZE_INVALID")
    answer = root("POST", "/admin/users", data=b'{"name": "A"}'.ljust(64 << 10), headers=headers)
    problem(answer, 409, "DENIED")


def test_a_document_that_one_has_is_not_sent_again(governed: Governed) -> None:
    root = governed.by("root")
    first = root("GET", "/admin/users/alice")
    etag = first.headers["ETag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        again = root("GET", "/admin/users/alice", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert root("GET", "/admin/users/alice", headers={"If-None-Match": '"x"'}).content == first.content
    assert root("GET", "/admin/users/olga").headers["ETag"] != etag


def test_head_is_get_without_the_body(governed: Governed) -> None:
    root = governed.by("root")
    got, head = root("GET", "/admin/users"), root("HEAD", "/admin/users")
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers[name] for name in ("ETag", "Content-Length")} == {
        name: got.headers[name] for name in ("ETag", "Content-Length")
    }


def test_every_answer_forbids_to_be_kept_or_guessed_at(governed: Governed) -> None:
    root = governed.by("root")
    for answer in (
        root("GET", "/me"),
        root("GET", "/openapi.json"),
        root("GET", "/docs"),
        root("GET", "/docs/swagger-ui-bundle.js"),
        root("GET", "/admin/audit/export"),
        root("DELETE", "/me/sessions"),
        root("GET", "/nothing"),
        governed.by(None)("GET", "/me"),
    ):
        assert answer.headers["Cache-Control"] == "no-store", answer.url
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Request-ID"]


def test_a_method_that_a_path_has_not_names_those_that_it_has(governed: Governed) -> None:
    for method in ("PUT", "PATCH", "OPTIONS", "BREW"):
        answer = governed.by("root")(method, "/admin/users")
        problem(answer, 405, "UNSUPPORTED")
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_the_document_is_of_openapi_3_1_and_names_problems_and_fields(governed: Governed) -> None:
    document = governed.by("mallory").get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    made = {(route.method, f"/api/v1{re.sub('<(?:[^:>]*:)?([^>]+)>', '{}', route.path)}") for route in ROUTES}
    told = {
        (method.upper(), re.sub("{[^}]*}", "{}", path)) for path, one in document["paths"].items() for method in one
    }
    assert told == made
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]
    user = document["paths"]["/api/v1/admin/users"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert user["additionalProperties"] is False
    assert set(user["properties"]) == {"name", "password", "is_admin"}
    for reference in (part.split('"')[0] for part in json.dumps(document).split('"$ref": "#/components/schemas/')[1:]):
        assert reference in document["components"]["schemas"]


def test_the_document_s_page_is_for_who_is_known_and_loads_nothing_from_elsewhere(governed: Governed) -> None:
    answer = governed.by(None)("GET", "/docs")
    problem(answer, 401, "UNAUTHORIZED")
    assert 'Basic realm="blacklake"' in answer.headers["WWW-Authenticate"], "a browser asks who it is"
    page = Api(governed.registry, basic("mallory", governed.keys["mallory"]))
    found = page("GET", "/docs")
    assert found.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in found.headers["Content-Security-Policy"]
    assert "://" not in found.text
    assert "<script>" not in found.text
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f'"docs/{name}"' in found.text
        assert page("GET", f"/docs/{name}").status_code == 200
        problem(governed.by(None)("GET", f"/docs/{name}"), 401, "UNAUTHORIZED")
    problem(page("GET", "/docs/index.html"), 404, "UNSUPPORTED")


def test_metrics_name_the_route_and_nobody(governed: Governed) -> None:
    assert governed.by("root")("GET", "/admin/users/alice").status_code == 200
    assert governed.by("root")("GET", "/admin/users/nobody-at-all").status_code == 404
    text = requests.get(f"{admin_of(governed.registry)}/metrics", timeout=20).text
    assert 'endpoint="api.users.show"' in text
    assert "nobody-at-all" not in text
    assert "alice" not in text


def test_nothing_secret_is_logged(governed: Governed) -> None:
    root = governed.by("root")
    root("POST", "/admin/users", json={"name": "A", "password": PASSWORD})
    root("POST", "/admin/users", json={"name": "eve", "password": [PASSWORD]})
    made = governed.by("alice").post("/me/keys", {"name": f"canary-{governed.registry.port}"})
    text = governed.registry.log.read_text()
    for secret in (PASSWORD, made["secret"], *governed.keys.values()):
        assert secret not in text


def test_an_open_registry_has_no_admin_api(tmp_path: Path) -> None:
    with serving(tmp_path) as registry:
        client = Client(registry)
        for path in ("/api", "/api/v1/me", "/api/v1/admin/users"):
            problem(client.get(path), 404, "UNSUPPORTED")
        document = client.get("/api/v1/openapi.json").json()
        readers = {"/api/v1" + re.sub(r"<(?:\w+:)?([^>]+)>", r"{\1}", route.path) for route in READER_ROUTES}
        assert set(document["paths"]) == readers


def test_the_api_knows_its_paths_only_as_they_are_written(governed: Governed) -> None:
    """CVE-2019-19030: other ways to write a path lead nowhere."""
    with wire(governed.registry) as raw:
        for target in ("//api/v1/me", "/api//v1/me", "/API/v1/me", "/api/v1/me/", "/v2/../api/v1/me", "/api/v1/./me"):
            answer = raw.request("GET", target, [("Authorization", f"Bearer {governed.keys['root']}")])
            assert answer.status == 404, target
        answer = raw.request("GET", f"{governed.registry.url}/api/v1/me")
        assert answer.status == 401
