"""More than one may have at once, fields that nobody asked for, and answers that a browser or a client could misuse."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from tests.attacks.conftest import BERT, DIGEST
from tests.attacks.tenants import SERVICE, Tenants, basic, sent
from tests.http.client import Client


@pytest.mark.parametrize(
    "n", ["2147483648", "9999999999", "99999999999999999999", "-1", "1e9", "0x10", "+5", " 5", "٣", "NaN", "5&n=9"]
)
def test_cve_2023_2253_a_page_as_large_as_one_likes(tenants: Tenants, bert: str, n: str) -> None:
    """However many are asked for, a page is as large as the registry likes, or the number is refused."""
    alice = tenants.acting("alice")
    for path in ("/v2/_catalog", f"/v2/{bert}/tags/list", f"/v2/{bert}/referrers/{DIGEST}"):
        answer = alice.get(f"{path}?n={n}")
        assert answer.status_code in (200, 400), (path, answer.text)
        assert len(answer.content) < 1 << 20


def test_cve_2026_33540_whom_a_challenge_names(tenants: Tenants) -> None:
    """The realm is where the client itself is, in no case what another header or the path says."""
    own = urlsplit(tenants.registry.url).netloc
    spoofed = [
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Original-Host", "evil.example"),
        ("Origin", "https://evil.example"),
        ("Referer", "https://evil.example/"),
    ]
    for target in ("/v2/", "/v2/acme/bert/tags/list", "/v2/?realm=https://evil.example", '/v2/a"b/tags/list'):
        answer = sent(tenants, "GET", target, spoofed)
        assert "evil.example" not in answer.headers.get("www-authenticate", "")
        assert answer.status != 401 or f'realm="http://{own}/auth/token"' in answer.headers["www-authenticate"]
    for host in ('evil.example",realm="https://evil.example', "a\\b", "a b", "a,b", "évil"):
        answer = sent(tenants, "GET", "/v2/", [("Host", host)])
        challenge = answer.headers.get("www-authenticate", "")
        assert challenge.count('realm="') <= 1
        assert challenge.count('"') % 2 == 0


def test_cve_2025_4374_nothing_is_made_by_who_may_not(tenants: Tenants, bert: str) -> None:
    """Neither by pulling, nor by asking for a token, nor by a push that is refused: no repository and no organisation."""

    async def everything(db: object) -> tuple[list[str], list[str]]:
        async def look(conn: object) -> tuple[list[str], list[str]]:
            found = [
                await conn.fetch(f"SELECT name FROM {table} ORDER BY name")
                for table in ("repositories", "organisations")
            ]  # type: ignore[attr-defined]
            return [row[0] for row in found[0]], [row[0] for row in found[1]]

        answer: tuple[list[str], list[str]] = await db.read("look", look)  # type: ignore[attr-defined]
        return answer

    before = tenants.do(everything)
    for user in (None, "mallory", "bob"):
        for name in ("acme/new", "nobodys/new", "newone", "library/new"):
            client = tenants.acting(user, f"repository:{name}:pull,push")
            for method, path in (
                ("GET", "manifests/v1"),
                ("POST", "blobs/uploads/"),
                ("POST", f"blobs/uploads/?mount={DIGEST}&from={bert}"),
                ("PUT", "manifests/v1"),
                ("POST", f"blobs/uploads/?digest={DIGEST}"),
            ):
                assert (
                    client.request(method, f"/v2/{name}/{path}", data=BERT if method != "GET" else None).status_code
                    == 401
                )
    assert tenants.do(everything) == before


def test_cve_2019_16097_fields_that_nobody_asked_for(tenants: Tenants, nobody: Client) -> None:
    """What a form or a query says of its sender's rights is not read; a field that stands twice is refused."""
    claims = {
        "is_admin": "true",
        "pid": "1",
        "sub": "root",
        "access": json.dumps([{"type": "registry", "name": "catalog", "actions": ["*"]}]),
        "has_admin_role": "true",
        "role": "admin",
        "account": "root",
        "expires_in": "99999",
        "aud": "another",
    }
    form = {
        "grant_type": "password",
        "service": SERVICE,
        "username": "carol",
        "password": tenants.keys["carol"],
        "scope": "repository:acme/secret:pull",
    }
    answer = nobody.post("/auth/token", data=form | claims)
    assert answer.status_code == 200
    assert (answer.json()["scope"], answer.json()["expires_in"]) == ("", 300)
    headers = basic("carol", tenants.keys["carol"])
    answer = nobody.get("/auth/token", params=claims | {"scope": "repository:acme/secret:pull"}, headers=headers)
    token = answer.json()["token"]
    for path in ("/v2/acme/secret/tags/list", "/v2/_catalog"):
        assert nobody.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    twice = "&".join(f"{name}={value}" for name, value in form.items()) + "&username=root"
    assert nobody.post("/auth/token", data=twice).status_code == 400


def test_what_is_pushed_is_no_page_of_ours(tenants: Tenants, bert: str) -> None:
    """A browser that is led to a blob takes it for no page and no script, whatever is in it and whatever it is asked as."""
    alice = tenants.acting("alice", f"repository:{bert}:pull,push")
    digest = alice.push_blob(bert, b"<html><script>fetch('/v2/_catalog')</script></html>")
    for accept in ("text/html", "*/*", "image/svg+xml"):
        answer = alice.get(f"/v2/{bert}/blobs/{digest}", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
