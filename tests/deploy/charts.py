"""What helm makes of the chart, and the Kubernetes API's own description of such objects."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import yaml

from conformance.tools import path_of
from tests.deploy.modules import schema
from tests.docs.commands import ROOT
from tests.tools import needed

CHART: Final = ROOT / "deploy" / "helm" / "blacklake"
VALUES: Final = sorted((CHART / "ci").glob("*-values.yaml"))

Object = dict[str, Any]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm to its end."""
    return subprocess.run([needed(path_of, "helm"), *arguments], capture_output=True, text=True, check=False)


def rendered(values: Path, *options: str) -> list[Object]:
    """Return the objects that the chart makes of a file of values."""
    done = run("template", "blacklake", CHART, "--kube-version", "1.31.0", "--values", values, *options)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found is not None]


def named(objects: list[Object], kind: str, name: str = "blacklake") -> Object:
    """Return the object of a kind and name."""
    (found,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def check(found: Object) -> None:
    """Check an object against the API's schema, in which a field that isn't there is an error."""
    group, _, version = found["apiVersion"].rpartition("/")
    schemas = _schemas()
    name = schemas["kinds"][group, version, found["kind"]]
    jsonschema.Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": schemas["definitions"]}).validate(found)


@cache
def _schemas() -> dict[str, Any]:
    document = schema("k8s.io/cli-runtime", "v0.37.0", "artifacts/openapi/swagger.json")
    kinds = {}
    for name, definition in document["definitions"].items():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
        if definition.get("format") == "int-or-string":
            definition["type"] = ["string", "integer"]
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            kinds[kind["group"], kind["version"], kind["kind"]] = name
    return {"definitions": document["definitions"], "kinds": kinds}
