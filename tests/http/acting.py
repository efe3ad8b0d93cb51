"""Who pushes, signs and pulls in one repository, by a token of his."""

from __future__ import annotations

import json

import requests

from tests.core.admitting import KEY, bundle_of
from tests.http.admin import token
from tests.http.client import PATIENCE, digest_of
from tests.http.server import Registry


class Acting:
    """Somebody's requests to one repository, by a token for some actions."""

    def __init__(self, registry: Registry, user: str, actions: str, name: str) -> None:
        self.url = f"{registry.url}/v2/{name}"
        answer = token(registry, user, f"repository:{name}:{actions}")
        self.headers = {"Authorization": f"Bearer {answer.json()['token']}"}

    def __call__(self, method: str, path: str, content: bytes | None = None, **headers: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                f"{self.url}/{path}",
                data=content,
                headers=self.headers | headers,
                timeout=PATIENCE * 3,
                allow_redirects=False,
            )

    def put(self, content: bytes, reference: str | None = None, status: int = 201) -> requests.Response:
        media_type = json.loads(content)["mediaType"]
        at = f"manifests/{reference or digest_of(content)}"
        answer = self("PUT", at, content, **{"Content-Type": media_type})
        assert answer.status_code == status, answer.text
        return answer

    def put_blob(self, content: bytes) -> None:
        assert self("POST", f"blobs/uploads/?digest={digest_of(content)}", content).status_code == 201

    def sign(self, content: bytes) -> str:
        attached = bundle_of(content, KEY)
        for blob in (b"{}", *attached.blobs.values()):
            self.put_blob(blob)
        self.put(attached.content)
        return digest_of(attached.content)
