"""The endpoints of the specification as data (spec: Endpoints), and the one function that reads a path.

The last segments of a path decide which endpoint it names, so repository names may contain `blobs`, `tags` or
`manifests` as components.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Resource(Enum):
    """What a path below `/v2/` names."""

    BASE = "base"
    CATALOG = "catalog"
    BLOB = "blob"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    MANIFEST = "manifest"
    TAGS = "tags"
    REFERRERS = "referrers"
    TOKEN = "token"  # noqa: S105 - an endpoint's name
    JWKS = "jwks"
    DEVICE = "device"
    DEVICE_TOKEN = "device-token"  # noqa: S105 - likewise
    REVOKE = "revoke"
    KUBERNETES_VALIDATE = "kubernetes-validate"
    KUBERNETES_MUTATE = "kubernetes-mutate"


class Location(NamedTuple):
    """A resource, the repository's name and the last segment (digest, tag or session), unchecked, "" where none."""

    resource: Resource
    name: str
    reference: str


# (resource, method) -> the specification's number. Where one method serves several numbers the first stands for all;
# `catalog` and `end-14` (upload cancel) are of Docker's API and of the draft, `token` is of distribution's token
# specification, `jwks` of RFC 7517, `device` of RFC 8628, `revoke` of RFC 7009 and `kubernetes-…` of Kubernetes' dynamic
# admission control. HEAD goes wherever GET does, but for tokens: it would make one, and perhaps begin a session, and
# throw them away.
_NUMBERS: Final = {
    (Resource.BASE, "GET"): "end-1",
    (Resource.BLOB, "GET"): "end-2",
    (Resource.MANIFEST, "GET"): "end-3",
    (Resource.UPLOADS, "POST"): "end-4",
    (Resource.UPLOAD, "PATCH"): "end-5",
    (Resource.UPLOAD, "PUT"): "end-6",
    (Resource.MANIFEST, "PUT"): "end-7",
    (Resource.TAGS, "GET"): "end-8",
    (Resource.MANIFEST, "DELETE"): "end-9",
    (Resource.BLOB, "DELETE"): "end-10",
    (Resource.REFERRERS, "GET"): "end-12",
    (Resource.UPLOAD, "GET"): "end-13",
    (Resource.UPLOAD, "DELETE"): "end-14",
    (Resource.CATALOG, "GET"): "catalog",
    (Resource.TOKEN, "GET"): "token",
    (Resource.TOKEN, "POST"): "token",
    (Resource.JWKS, "GET"): "jwks",
    (Resource.DEVICE, "POST"): "device",
    (Resource.DEVICE_TOKEN, "POST"): "device-token",
    (Resource.REVOKE, "POST"): "revoke",
    (Resource.KUBERNETES_VALIDATE, "POST"): "kubernetes-validate",
    (Resource.KUBERNETES_MUTATE, "POST"): "kubernetes-mutate",
}
ENDPOINTS: Final = _NUMBERS | {
    (of, "HEAD"): number for (of, method), number in _NUMBERS.items() if method == "GET" and of is not Resource.TOKEN
}

_BY_COLLECTION: Final = {
    "manifests": Resource.MANIFEST,
    "blobs": Resource.BLOB,
    "referrers": Resource.REFERRERS,
}


PATHS: Final = {
    "/auth/token": Location(Resource.TOKEN, "", ""),
    "/auth/device": Location(Resource.DEVICE, "", ""),
    "/auth/device/token": Location(Resource.DEVICE_TOKEN, "", ""),
    "/auth/revoke": Location(Resource.REVOKE, "", ""),
    "/.well-known/jwks.json": Location(Resource.JWKS, "", ""),
    "/admission/kubernetes/validate": Location(Resource.KUBERNETES_VALIDATE, "", ""),
    "/admission/kubernetes/mutate": Location(Resource.KUBERNETES_MUTATE, "", ""),
}
"""What is beside `/v2/`."""


def methods_of(resource: Resource) -> tuple[str, ...]:
    """Return the methods that a resource has, in the order of the table."""
    return tuple(method for of, method in ENDPOINTS if of is resource)


def locate(path: str) -> Location | None:
    """Return what `path` (decoded, without a query) names; None where the specification has no such path."""
    if not path.startswith("/v2"):
        return PATHS.get(path)
    rest = path[3:]
    if rest in ("", "/"):
        return Location(Resource.BASE, "", "")
    if rest == "/_catalog":
        return Location(Resource.CATALOG, "", "")
    head, _, last = rest[1:].rpartition("/")
    name, _, collection = head.rpartition("/")
    if rest[0] != "/" or not name:
        return None
    if collection == "tags" and last == "list":
        return Location(Resource.TAGS, name, "")
    if collection == "blobs" and last == "uploads":
        return Location(Resource.UPLOADS, name, "")
    if collection == "uploads" and name.endswith("/blobs"):
        resource = Resource.UPLOAD if last else Resource.UPLOADS
        return Location(resource, name.removesuffix("/blobs"), last)
    found = _BY_COLLECTION.get(collection)
    return Location(found, name, last) if found is not None and last else None
