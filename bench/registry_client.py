"""The few verbs of the distribution spec that the work consists of."""

import hashlib
import json

from bench.errors import WrongAnswer
from bench.payload import Payload, digest
from bench.wire import Connection, Response

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/octet-stream"


def push_blob(connection: Connection, repository: str, body: bytes | Payload) -> dict[str, object]:
    """Push a blob with a POST and one PUT (spec: end-4a, end-6) and return its descriptor."""
    name, size = (digest(body), len(body)) if isinstance(body, bytes) else (body.digest, body.size)
    target = connection.request("POST", f"/v2/{repository}/blobs/uploads/", expect=202).target("location")
    target += f"{'&' if '?' in target else '?'}digest={name}"
    connection.request("PUT", target, expect=201, headers={"Content-Type": LAYER}, body=body)
    return {"mediaType": LAYER, "digest": name, "size": size}


def stream_blob(connection: Connection, repository: str, body: Payload) -> None:
    """Push a blob with a POST, one PATCH of a length that is not said, and a PUT (spec: end-4a, end-5, end-6)."""
    target = connection.request("POST", f"/v2/{repository}/blobs/uploads/", expect=202).target("location")
    headers = {"Content-Type": LAYER}
    sent = connection.request("PATCH", target, expect=202, headers=headers, body=body, streamed=True)
    target = sent.target("location")
    target += f"{'&' if '?' in target else '?'}digest={body.digest}"
    connection.request("PUT", target, expect=201)


def manifest(blobs: list[dict[str, object]]) -> bytes:
    """Return an OCI image manifest whose first blob is the config and whose others are the layers."""
    parts = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blobs[0], "layers": blobs[1:]}
    return json.dumps(parts).encode()


def push_manifest(connection: Connection, repository: str, reference: str, content: bytes) -> None:
    """Push a manifest under a tag or its digest (spec: end-7)."""
    target = f"/v2/{repository}/manifests/{reference}"
    connection.request("PUT", target, expect=201, headers={"Content-Type": MANIFEST}, body=content)


def check(connection: Connection, target: str, name: str, size: int) -> Response:
    """Get something, check that it has this digest and size, and return the answer without its body."""
    hasher, length = hashlib.sha256(), 0

    def sink(piece: memoryview) -> None:
        nonlocal length
        hasher.update(piece)
        length += len(piece)

    answer = connection.request("GET", target, expect=200, headers={"Accept": MANIFEST}, sink=sink)
    if (f"sha256:{hasher.hexdigest()}", length) != (name, size):
        raise WrongAnswer(f"{target} served {length} bytes that are not those of {name} ({size} bytes).")
    return answer
