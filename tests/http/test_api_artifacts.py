"""Repositories and artifacts by the API of an open registry: what is in them, down to the bytes of files and tensors."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
import zstandard

from registry.core.unpacking import AT_ONCE
from tests.http.admin import Api, problem
from tests.http.artifacts import LAYER, MANIFEST, known, push, push_manifest, safetensors, tar
from tests.http.server import Registry

WEIGHTS = safetensors(embed=("BF16", [4, 8], b"\x01"), norm=("F32", [8], b"\x02"))
CONFIG = json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}).encode()
CARD = b"---\nlicense: apache-2.0\nmetrics:\n- name: accuracy\n---\n# A model\n"
PAGE = b"<!doctype html><script>alert(1)</script>"
FILES = {"model.safetensors": WEIGHTS, "config.json": CONFIG, "README.md": CARD, "page.html": PAGE}


@dataclass
class Pushed:
    """A model in a repository, and its API."""

    api: Api
    name: str
    digest: str

    @property
    def path(self) -> str:
        return f"/repositories/{self.name}/-/artifacts/v1"


@pytest.fixture
def model(registry: Registry, repo: str) -> Pushed:
    digest = push(registry, repo, FILES, config=b'{"made": "by hand"}')
    api = Api(registry, {})
    known(api, repo)
    return Pushed(api, repo, digest)


def test_a_repository_tells_how_much_it_holds(model: Pushed) -> None:
    found = model.api.get(f"/repositories/{model.name}")
    assert (found["name"], found["artifacts"], found["tags"]) == (model.name, 1, 1)
    assert found["size"] > sum(map(len, FILES.values()))
    page = model.api.get("/repositories", params={"after": model.name[:-1], "limit": 1})
    assert page["items"] == [found]
    problem(model.api("GET", "/repositories/team/nothing"), 404, "NAME_UNKNOWN")
    problem(model.api("GET", "/repositories/Team"), 400, "NAME_INVALID")
    # As clients write it that are made from the document.
    assert model.api.get(f"/repositories/{quote(model.name, safe='')}") == found


def test_words_of_paths_may_be_parts_of_names(registry: Registry, repo: str) -> None:
    api = Api(registry, {})
    for name in (f"{repo}/artifacts/v1", f"{repo}/tags", f"{repo}/files/content"):
        digest = push(registry, name, {})
        assert api.get(f"/repositories/{name}")["name"] == name
        assert api.get(f"/repositories/{name}/-/artifacts/v1")["digest"] == digest


def test_tags_and_their_history(registry: Registry, model: Pushed) -> None:
    path = f"/repositories/{model.name}/-"
    (tag,) = model.api.get(f"{path}/tags")["items"]
    assert (tag["name"], tag["digest"], tag["kind"]) == ("v1", model.digest, "model")
    other = push(registry, model.name, {"model.safetensors": WEIGHTS}, annotations={"a": "b"})
    push(registry, model.name, {"model.safetensors": WEIGHTS}, tag="w")
    requests.delete(f"{registry.url}/v2/{model.name}/manifests/v1", timeout=20)
    moves = model.api.all(f"{path}/versions")
    assert [(one["tag"], one["moved_from"], one["moved_to"]) for one in moves][:3] == [
        ("v1", other, None),
        ("v1", model.digest, other),
        ("v1", None, model.digest),
    ]
    first = model.api.get(f"{path}/versions", params={"tag": "v1", "limit": 2})
    rest = model.api.get(f"{path}/versions", params={"tag": "v1", "after": first["next"]})
    assert (first["items"] + rest["items"], rest["next"]) == (moves[:3], None)
    problem(model.api("GET", f"{path}/versions", params={"after": "odd"}), 400, "UNSUPPORTED")


def test_an_artifact_tells_what_it_is_and_whence_that_is_known(model: Pushed) -> None:
    found = model.api.get(model.path)
    assert found == model.api.get(model.path.replace("v1", model.digest))
    assert (found["kind"], found["format"], found["tags"]) == ("model", "files", ["v1"])
    assert (found["is_complete"], found["problem"], found["findings"]) == (True, None, [])
    assert found["metadata"]["parameters"] == 40
    assert found["sources"]["parameters"] == [{"provenance": "header", "at": "model.safetensors"}]
    (listed,) = model.api.get(f"/repositories/{model.name}/-/artifacts")["items"]
    assert {name: listed[name] for name in listed} == {name: found[name] for name in listed}
    problem(model.api("GET", model.path.replace("v1", "v2")), 404, "MANIFEST_UNKNOWN")


def test_metadata_is_told_as_it_was_written(model: Pushed) -> None:
    found = model.api.get(f"{model.path}/metadata")
    assert found["config"] == {"made": "by hand"}
    assert [layer["annotations"] for layer in found["manifest"]["layers"]][1] == {
        "org.opencontainers.image.title": "config.json"
    }
    files = {file["path"]: file for file in found["files"]["items"]}
    assert files["config.json"]["raw"]["architectures"] == ["LlamaForCausalLM"]
    assert files["model.safetensors"]["format"] == "safetensors"
    page = model.api.get(f"{model.path}/metadata", params={"limit": 1})["files"]
    assert (page["items"], page["next"]) == ([files["README.md"]], "README.md")


def test_a_half_of_a_surrogate_pair_in_a_config_is_told_as_it_stands(registry: Registry, repo: str) -> None:
    push(registry, repo, {}, config=b'{"odd": "\\ud800"}')
    answer = Api(registry, {})("GET", f"/repositories/{repo}/-/artifacts/v1/metadata")
    assert b"\\ud800" in answer.content


def test_what_was_found_in_files_is_told(registry: Registry, repo: str) -> None:
    pickle = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R."
    push(registry, repo, {"dir": tar({"a/evil.pkl": pickle})}, types={"dir": f"{LAYER}tar"})
    found = known(Api(registry, {}), repo)
    assert found["finding"] == "dangerous"
    assert {(one["path"], one["level"]) for one in found["findings"]} == {("a/evil.pkl", "dangerous")}


def download(model: Pushed, path: str, what: str = "files", **more: Any) -> requests.Response:
    params = {"path": path} | more.pop("params", {})
    return model.api("GET", f"{model.path}/{what}/content", params=params, **more)


def test_a_file_is_downloaded_and_never_shown(model: Pushed) -> None:
    answer = download(model, "page.html")
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''page.html"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    head = model.api("HEAD", f"{model.path}/files/content", params={"path": "page.html"})
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(PAGE)), b"")


PACKED: dict[str, Callable[[Mapping[str, bytes]], bytes]] = {
    "tar": tar,
    "tar+gzip": lambda files: tar(files, is_compressed=True),
    "tar+zstd": lambda files: zstandard.compress(tar(files)),
}


@pytest.mark.parametrize("packing", ["raw", *PACKED])
def test_a_file_and_ranges_of_it_come_from_every_packing(registry: Registry, repo: str, packing: str) -> None:
    large = os.urandom(3 << 20)
    files = {"first.bin": os.urandom(10_000), "dir/weights.bin": large, "empty": b""}
    if packing == "raw":
        push(registry, repo, files)
    else:
        push(registry, repo, {"all": PACKED[packing](files)}, types={"all": f"{LAYER}{packing}"})
    api = Api(registry, {})
    found = Pushed(api, repo, known(api, repo)["digest"])
    listed = api.get(f"{found.path}/files")["items"]
    assert {(one["path"], one["size"], one["packing"]) for one in listed} == {
        (path, len(content), packing) for path, content in files.items()
    }
    for path, content in files.items():
        answer = download(found, path)
        assert (answer.status_code, answer.content) == (200, content), path
    part = download(found, "dir/weights.bin", headers={"Range": "bytes=2000000-2000099"})
    assert (part.status_code, part.content) == (206, large[2_000_000:2_000_100])
    assert part.headers["Content-Range"] == f"bytes 2000000-2000099/{len(large)}"
    assert download(found, "dir/weights.bin", headers={"Range": "bytes=-5"}).content == large[-5:]
    problem(download(found, "dir/weights.bin", headers={"Range": f"bytes={len(large)}-"}), 416, "SIZE_INVALID")
    unchanged = download(found, "dir/weights.bin", headers={"If-None-Match": part.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    other = download(found, "first.bin")
    assert other.headers["ETag"] != part.headers["ETag"]


def test_a_layer_that_is_broken_gives_what_lies_before(registry: Registry, repo: str) -> None:
    files = {"good": os.urandom(200_000), "cut": os.urandom(1_000_000), "lost": os.urandom(1_000)}
    whole = tar(files, is_compressed=True)
    api = Api(registry, {})
    push(registry, repo, {"all": whole}, types={"all": f"{LAYER}tar+gzip"})
    found = Pushed(api, repo, known(api, repo)["digest"])
    kept_at(registry, whole).write_bytes(whole[:800_000] + bytes(len(whole) - 800_000))
    assert download(found, "good").content == files["good"]
    with pytest.raises(requests.exceptions.RequestException):
        download(found, "cut")
    problem(download(found, "lost"), 404, "UNSUPPORTED")


def test_who_finds_all_turns_taken_is_told_so_before_anything_is_sent(registry: Registry, repo: str) -> None:
    whole = tar({"large": os.urandom(32 << 20), "small": b"small"}, is_compressed=True)
    push(registry, repo, {"all": whole}, types={"all": f"{LAYER}tar+gzip"})
    api = Api(registry, {})
    found = Pushed(api, repo, known(api, repo)["digest"])
    url = f"{registry.url}/api/v1{found.path}/files/content"
    with contextlib.ExitStack() as stack:
        for _ in range(AT_ONCE):
            waiting = stack.enter_context(requests.get(url, params={"path": "large"}, stream=True, timeout=60))
            assert waiting.status_code == 200
        refused = download(found, "small")
        problem(refused, 503, "UNAVAILABLE")
        assert refused.headers["Retry-After"] == "10"
    assert download(found, "small").content == b"small"


def kept_at(registry: Registry, content: bytes) -> Path:
    """Return where a blob lies."""
    blobs = (place for place in Path(registry.directory, "blobs").rglob("*") if place.is_file())
    return next(place for place in blobs if place.stat().st_size == len(content) and place.read_bytes() == content)


def test_links_and_sparse_files_are_not_handed_out(registry: Registry, repo: str) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    push(registry, repo, {"all": made.getvalue()}, types={"all": f"{LAYER}tar"})
    api = Api(registry, {})
    found = Pushed(api, repo, known(api, repo)["digest"])
    (listed,) = api.get(f"{found.path}/files")["items"]
    assert (listed["path"], listed["is_downloadable"]) == ("link", False)
    problem(download(found, "link"), 404, "UNSUPPORTED")
    problem(download(found, "../../etc/passwd"), 404, "UNSUPPORTED")


def test_tensors_are_listed_and_downloaded(model: Pushed) -> None:
    path = f"{model.path}/tensors"
    embed, norm = model.api.get(path)["items"]
    assert (embed["name"], embed["dtype"], embed["shape"], embed["size"]) == ("embed", "bfloat16", [4, 8], 64)
    assert (norm["path"], norm["offset"]) == ("model.safetensors", len(WEIGHTS) - 32)
    page = model.api.get(path, params={"limit": 1})
    assert page["items"] == [embed]
    assert model.api.get(path, params={"after": page["next"]}) == {"items": [norm], "next": None}
    assert model.api.get(path, params={"prefix": "no"})["items"] == [norm]
    assert model.api.get(path, params={"dtype": "bfloat16"})["items"] == [embed]
    assert model.api.get(path, params={"path": "config.json"})["items"] == []
    answer = download(model, "model.safetensors", "tensors", params={"name": "norm"})
    assert (answer.status_code, answer.content) == (200, b"\x02" * 32)
    part = download(model, "model.safetensors", "tensors", params={"name": "embed"}, headers={"Range": "bytes=60-"})
    assert (part.status_code, part.content) == (206, b"\x01" * 4)
    problem(download(model, "model.safetensors", "tensors", params={"name": "none"}), 404, "UNSUPPORTED")


def test_a_tensor_comes_out_of_a_compressed_layer(registry: Registry, repo: str) -> None:
    layer = tar({"a/first": b"x" * 100, "a/m.safetensors": WEIGHTS}, is_compressed=True)
    push(registry, repo, {"all": layer}, types={"all": f"{LAYER}tar+gzip"})
    api = Api(registry, {})
    found = Pushed(api, repo, known(api, repo)["digest"])
    assert [one["name"] for one in api.get(f"{found.path}/tensors")["items"]] == ["embed", "norm"]
    assert download(found, "a/m.safetensors", "tensors", params={"name": "norm"}).content == b"\x02" * 32


def test_the_graph_leads_to_referrers_of_referrers_children_and_those_that_name_it(
    registry: Registry, model: Pushed, other: str
) -> None:
    def beside(tag: str, subject: str) -> str:
        descriptor = {"mediaType": MANIFEST, "digest": subject, "size": 2}
        return push(registry, model.name, {}, tag=tag, subject=descriptor, annotations={"for": tag})

    signature = beside("signature", model.digest)
    countersignature = beside("countersignature", signature)
    index = push_manifest(
        registry,
        model.name,
        "all",
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{"mediaType": MANIFEST, "digest": model.digest, "size": 2}],
        },
    )
    card = f"---\nbase_model: {model.name}@{model.digest}\n---\n# Tuned\n".encode()
    tuned = push(registry, other, {"README.md": card, "model.safetensors": WEIGHTS}, annotations={"is": "tuned"})
    known(model.api, other)
    found = model.api.get(f"{model.path}/graph")
    nodes = [(node["repository"], node["digest"]) for node in found["nodes"]]
    assert nodes[0] == (model.name, model.digest)
    edges = {(edge["relation"], nodes[edge["source"]][1], nodes[edge["target"]][1]) for edge in found["edges"]}
    assert edges == {
        ("subject", signature, model.digest),
        ("subject", countersignature, signature),
        ("child", index, model.digest),
        ("base_model", tuned, model.digest),
    }
    assert found["is_all"]
    near = model.api.get(f"{model.path}/graph", params={"depth": 1})
    assert countersignature not in {node["digest"] for node in near["nodes"]}
    few = model.api.get(f"{model.path}/graph", params={"limit": 2})
    assert (len(few["nodes"]), few["is_all"]) == (2, False)
    back = model.api.get(f"/repositories/{other}/-/artifacts/v1/graph", params={"depth": 1})
    assert [node["digest"] for node in back["nodes"]] == [tuned, model.digest]


def test_a_comparison_tells_what_is_different(registry: Registry, model: Pushed, other: str) -> None:
    def card(accuracy: float) -> bytes:
        result = {
            "task": {"type": "text-generation"},
            "dataset": {"name": "d", "type": "d"},
            "metrics": [{"type": "accuracy", "value": accuracy}],
        }
        front = {"license": "mit", "model-index": [{"name": "m", "results": [result]}]}
        return f"---\n{json.dumps(front)}\n---\n# m\n".encode()

    old = safetensors(embed=("BF16", [4, 8], b"\x01"), norm=("F32", [8], b"\x02"), gone=("F32", [1], b"\x03"))
    new = safetensors(embed=("BF16", [5, 8], b"\x01"), norm=("F32", [8], b"\x07"), more=("F32", [2], b"\x03"))
    one = push(registry, model.name, {"m.safetensors": old, "README.md": card(0.8), "a": b"a"}, tag="old")
    two = push(registry, other, {"m.safetensors": new, "README.md": card(0.9), "b": b"b", "same": b"a"}, tag="new")
    known(model.api, model.name, "old")
    known(model.api, other, "new")
    found = model.api.get(
        f"/repositories/{model.name}/-/artifacts/old/comparison", params={"other": "new", "repository": other}
    )
    assert (found["before"], found["after"]) == (one, two)
    assert [file["path"] for file in found["files"]["added"]] == ["b", "same"]
    assert [file["path"] for file in found["files"]["removed"]] == ["a"]
    assert [file["path"] for file in found["files"]["changed"]] == ["README.md", "m.safetensors"]
    (metric,) = found["metrics"]
    assert (metric["name"], metric["before"], metric["after"]) == ("accuracy", 0.8, 0.9)
    assert metric["delta"] == pytest.approx(0.1)
    tensors = found["tensors"]
    assert [one["name"] for one in tensors["added"]] == ["more"]
    assert [one["name"] for one in tensors["removed"]] == ["gone"]
    (changed,) = tensors["changed"]
    assert (changed["before"]["shape"], changed["after"]["shape"]) == ([4, 8], [5, 8])
    assert (tensors["unchanged_total"], tensors["bytes_compared"]) == (1, False)
    assert {"field": "parameters", "before": 41, "after": 50} in found["metadata"]


def test_what_is_not_known_yet_says_so(model: Pushed, registry: Registry, repo: str) -> None:
    problem(model.api("GET", f"{model.path}/comparison", params={"other": "none"}), 404, "MANIFEST_UNKNOWN")
    problem(model.api("GET", f"{model.path}/comparison"), 400, "UNSUPPORTED")
    problem(model.api("GET", f"{model.path}/files/content"), 400, "UNSUPPORTED")


def test_a_document_that_one_has_is_not_sent_again(model: Pushed) -> None:
    for path in ("", "/files", "/metadata", "/tensors", "/graph"):
        answer = model.api("GET", f"{model.path}{path}")
        again = model.api("GET", f"{model.path}{path}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b""), path
