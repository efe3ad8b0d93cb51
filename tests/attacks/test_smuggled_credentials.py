"""Credentials where none belong, more than one, or such as two readers read differently: through both doors of both servers."""

from __future__ import annotations

import base64

import pytest

from tests.attacks.tenants import PASSWORD, Tenants, basic, bearer, sent
from tests.http.client import Client


def test_authorization_given_twice(everywhere: Tenants) -> None:
    """One reader takes the first, another the last: here neither counts, nor both glued together."""
    root = f"Bearer {everywhere.token('root', 'repository:acme/bert:pull', 'registry:catalog:*')}"
    mallory = f"Bearer {everywhere.token('mallory', 'repository:acme/bert:pull')}"
    for pair in ((mallory, root), (root, mallory), ("", root), (root, ""), (root, root)):
        for target in ("/v2/", "/v2/_catalog", "/v2/acme/bert/manifests/v1", "/auth/token"):
            answer = sent(everywhere, "GET", target, [("Authorization", value) for value in pair])
            assert answer.status in (400, 401), (target, answer)
    for value in (f"{mallory},{root}", f"{root}\t{mallory}", f"Bearer  {mallory} {root}"):
        assert sent(everywhere, "GET", "/v2/_catalog", [("Authorization", value)]).status in (400, 401)


def test_basic_given_twice(everywhere: Tenants) -> None:
    headers = [basic(user, everywhere.keys[user])["Authorization"] for user in ("mallory", "root")]
    for pair in (headers, headers[::-1]):
        for target in ("/auth/token", "/v2/"):
            answer = sent(everywhere, "GET", target, [("Authorization", value) for value in pair])
            assert answer.status in (400, 401), (target, answer)


PLACES = [
    ("?access_token={token}", {}), ("?token={token}", {}), ("?authorization=Bearer%20{token}", {}),
    ("", {"Cookie": "token={token}; access_token={token}; session={token}"}), ("", {"X-Auth-Token": "{token}"}),
    ("", {"Proxy-Authorization": "Bearer {token}"}), ("", {"X-Registry-Auth": "{token}"}), ("", {"Token": "{token}"}),
    ("", {"Authorization ": "Bearer {token}"}), ("", {"X-Forwarded-User": "root", "X-Remote-User": "root"}),
    ("", {"X-Original-URL": "/v2/", "X-Rewrite-URL": "/health"}), ("", {"X-HTTP-Method-Override": "GET"}),
    ("", {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}),
]  # fmt: skip


def test_a_token_in_the_query_string_a_cookie_or_another_header(everywhere: Tenants) -> None:
    """What stands in a URL stands in logs: it is not even looked at there."""
    token = everywhere.token("root", "registry:catalog:*")
    assert sent(everywhere, "GET", "/v2/_catalog", bearer(token).items()).status == 200
    for query, headers in PLACES:
        shown = [(name, value.format(token=token)) for name, value in headers.items()]
        answer = sent(everywhere, "GET", f"/v2/_catalog{query.format(token=token)}", shown)
        assert answer.status in (400, 401), (query, headers, answer)
    assert token not in everywhere.registry.log.read_text()


@pytest.mark.parametrize(
    "user",
    ["root\0", "\0root", "root\0x", "ROOT", "Root", " root", "root ", "root\n", "ｒｏｏｔ", "ro\u200bot", "r\u043e\u043et",
     "root+", "root:root", "user:root", "../root", "root%00", "root'--", "*", "%", "r__t", "root\u0000" * 50, "r" * 5000],
)  # fmt: skip
def test_names_that_look_like_root(tenants: Tenants, nobody: Client, user: str) -> None:
    assert nobody.get("/auth/token", headers=basic("root", tenants.keys["root"])).status_code == 200
    for door in ("/auth/token", "/v2/"):
        assert nobody.get(door, headers=basic(user, tenants.keys["root"])).status_code == 401
    form = {"grant_type": "password", "username": user, "password": tenants.keys["root"]}
    assert nobody.post("/auth/token", data=form).status_code == 401


NO_BASIC = [
    b"root", b"root\0:", b"", b":", b"::", b"\xff\xfe:x", "r\u00f6ot:x".encode("latin-1"), b"root:\xc0\x80", b"\0:\0",
]  # fmt: skip


def test_basic_that_is_no_text_or_has_no_colon(everywhere: Tenants) -> None:
    for given in NO_BASIC:
        encoded = base64.b64encode(given).decode()
        for value in (encoded, encoded.rstrip("=") + "!", f"{encoded}\x0b", encoded + "=" * 9):
            answer = sent(everywhere, "GET", "/v2/_catalog", [("Authorization", f"Basic {value}")])
            assert answer.status in (400, 401), (given, answer)


def test_a_password_with_colons_and_other_scripts_is_whole(tenants: Tenants, nobody: Client) -> None:
    """What is cut at a colon or normalised would let in who knows less than all of it."""
    for wrong in (
        PASSWORD + ":",
        ":" + PASSWORD,
        PASSWORD + "\0",
        PASSWORD.title(),
        PASSWORD.split()[0],
        PASSWORD + "\u0301",
    ):
        answer = nobody.get("/auth/token", headers=basic("carol", wrong) | {"X-Forwarded-For": "198.51.100.7"})
        assert answer.status_code == 401


NEVER = [
    "//v2/_catalog", "/v2//_catalog", "/v2/./_catalog", "/v2/%2e/_catalog", "/V2/_catalog", "/v2/_catalog/", "/v2/%5fcatalog",
    "/v2/%5Fcatalog?n=5", "/v2/public/open/../../_catalog", "/v2/public/open/%2e%2e/%2e%2e/_catalog", "/v2/_catalog;a=b",
    "/v2/_catalog%00", "/v2/_catalog%0a", "/v2\\_catalog", "/health/../v2/_catalog", "/health/%2e%2e/v2/_catalog",
    "/metrics/../v2/_catalog", "/v2/_catalog%2f", "/v2/x/../_catalog", "/%76%32/_catalog", "/v2/_catalog#/health",
    "/v2/acme/bert/tags/list", "/v2/acme%2fbert/tags/list", "/v2/public/open/../../acme/bert/tags/list",
    "/v2/acme//bert/tags/list",
    "/v2/public%2fopen%2f..%2f..%2facme%2fbert/tags/list", "/v2/public/open%00/../acme/bert/tags/list",
    "/v2/public/open/blobs/../../../acme/bert/tags/list", "/auth/token/../../v2/_catalog", "/v2/%c0%ae%c0%ae/_catalog",
]  # fmt: skip


def test_cve_2020_29662_the_catalog_behind_a_path_that_is_written_differently(everywhere: Tenants) -> None:
    """Also CVE-2019-19030 and CVE-2020-13794: what is not public is not shown, however one asks for it."""
    everywhere.acting("alice", "repository:acme/bert:pull,push").push_image("acme/bert", "v1", b"layer")
    for target in [*NEVER, *(f"http://evil.example{path}" for path in NEVER if path.startswith("/v2"))]:
        for method in ("GET", "HEAD"):
            answer = sent(everywhere, method, target)
            assert answer.status in (400, 401, 404), (method, target, answer)
            assert b'"repositories"' not in answer.body
            assert b'"tags"' not in answer.body


BESIDE = [
    "acme/bert/../secret", "acme/bert/%2e%2e/secret", "acme/bert%2f..%2fsecret", "acme%2fsecret", "acme/bert%00/../secret",
    "acme//secret", "acme/bert/manifests/v1/../../../secret", "acme/Secret", "ACME/secret", "acme/secret.", "acme/secret%20",
    "acme/bert/%c0%ae%c0%ae/secret", "acme/bert/..%252fsecret", "acme/bert/./../secret", "acme\\secret", "acme/bert;/../secret",
    "acme/secret%0d%0a", "acme/se\u0441ret", "acme/bert*", "acme/*", "*", "acme/bert/..;/secret",
]  # fmt: skip


def test_path_tricks_around_a_grant(everywhere: Tenants) -> None:
    """Carol reads acme/bert, and by no way of writing it anything beside it."""
    everywhere.acting("alice", "repository:acme/secret:pull,push").push_image("acme/secret", "v1", b"secret layer")
    for path in BESIDE:
        target = f"/v2/{path}/manifests/v1".encode()
        for shown in (everywhere.keys["carol"], everywhere.token("carol", "repository:acme/bert:pull")):
            for method in ("GET", "HEAD"):
                answer = sent(everywhere, method, target, bearer(shown).items())
                assert answer.status in (400, 401, 404), (path, answer)
                assert b'"layers"' not in answer.body
