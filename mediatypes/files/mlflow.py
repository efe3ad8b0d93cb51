"""Models of MLflow: the file MLmodel, and the environments that it names: conda.yaml, requirements.txt.

Source: mlflow.models.Model, mlflow.models.signature.ModelSignature.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mediatypes.files.documents import YAML_LONGEST, json_value, text_of, whole, yaml_object
from mediatypes.files.paths import base_name
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Reading, Source, Unreadable
from mediatypes.files.telling import Telling, listing, mapping, present, text_in
from mediatypes.models.values import framework
from mediatypes.record import Provenance

_PYTHON: Final = "python_function"  # the flavor that every model has
_VERSIONS: Final = {"xgboost": "xgb_version", "lightgbm": "lgb_version", "sklearn": "sklearn_version"}
_PACKAGES: Final = {
    "torch": "pytorch",
    "pytorch": "pytorch",
    "tensorflow": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "keras": "keras",
    "jax": "jax",
    "scikit-learn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
}
"""Frameworks by the packages that they are installed from."""
_EXACT: Final = re.compile(r"=={1,2}\s*(?P<version>[^,;*\s]+)")
_CONDA: Final = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>[=<>!~][^\s]*)?(?:\s.*)?")
_LINES: Final = 2000


class MLmodel:
    """Reads MLmodel."""

    name = "mlmodel"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is MLmodel."""
        return base_name(path) == "MLmodel"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return flavors, signature, run and versions. Raise Unreadable."""
        document = yaml_object(text_of(whole(source, limits, YAML_LONGEST)), limits)
        telling = Telling(path, Provenance.CONFIG)
        flavors = {name: mapping(flavor) for name, flavor in mapping(document.get("flavors")).items()}
        _tell_framework(telling, flavors)
        telling.tell("run", document.get("run_id"), "/run_id")
        telling.tell("created", _rfc_3339(document.get("utc_time_created")), "/utc_time_created")
        signature = mapping(document.get("signature"))
        for field in ("inputs", "outputs"):
            telling.tell(field, _columns(signature.get(field), limits), f"/signature/{field}")
        python = flavors.get(_PYTHON, {}).get("python_version")
        environment = present(python=text_in(python), mlflow=text_in(document.get("mlflow_version")))
        telling.tell("environment", environment)
        telling.tell("name", document.get("name"), "/name")
        return Reading(self.name, telling.facts, raw=plain_object(document))


class CondaEnvironment:
    """Reads conda.yaml and environment.yml."""

    name = "conda"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is named as an environment of Conda is."""
        return base_name(path) in ("conda.yaml", "conda.yml", "environment.yml", "environment.yaml")

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return Python's version and the packages'. Raise Unreadable."""
        document = yaml_object(text_of(whole(source, limits, YAML_LONGEST)), limits)
        packages: dict[str, str] = {}
        for item in listing(document.get("dependencies")):
            if isinstance(item, str) and (found := _CONDA.fullmatch(item.rpartition("::")[2].strip())):
                packages[canonicalize_name(found["name"])] = (found["version"] or "").lstrip("=") or "*"
            elif isinstance(item, dict):
                packages.update(_requirements([line for line in listing(item.get("pip")) if isinstance(line, str)]))
        telling = Telling(path, Provenance.CONFIG)
        _tell_packages(telling, packages)
        return Reading(self.name, telling.facts, raw=plain_object(document))


class Requirements:
    """Reads requirements.txt."""

    name = "requirements"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is requirements.txt."""
        return base_name(path) == "requirements.txt"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the packages with their versions (PEP 508). Options, URLs and other files are left out. Raise Unreadable."""
        packages = _requirements(text_of(whole(source, limits, YAML_LONGEST)).splitlines())
        telling = Telling(path, Provenance.CONFIG)
        _tell_packages(telling, packages)
        return Reading(self.name, telling.facts, raw=plain_object({"packages": packages}))


def _tell_framework(telling: Telling, flavors: dict[str, dict[str, Any]]) -> None:
    """Add the framework of the flavor that isn't python_function, with its version."""
    for name, flavor in flavors.items():
        if name == _PYTHON:
            continue
        version = flavor.get(_VERSIONS.get(name, f"{name}_version"))
        telling.tell("framework", framework(name), f"/flavors/{name}")
        telling.tell("framework_version", version, f"/flavors/{name}")
        telling.tell("tasks", flavor.get("task"), f"/flavors/{name}/task")
        return


def _columns(schema: Any, limits: Limits) -> list[dict[str, Any]]:
    """Return the columns or tensors of a signature, which is JSON inside of the YAML."""
    if isinstance(schema, str):
        try:
            schema = json_value(schema.encode(), limits)
        except (Unreadable, UnicodeEncodeError):
            return []
    found: list[dict[str, Any]] = []
    for position, item in enumerate(mapping(item) for item in listing(schema)):
        tensor = mapping(item.get("tensor-spec"))
        kind = tensor.get("dtype", item.get("type"))
        name = text_in(item.get("name")) or str(position)
        shape = tensor.get("shape")
        found.append(present(name=name, dtype=text_in(kind), shape=shape if isinstance(shape, list) else None))
    return found


def _requirements(lines: list[str]) -> dict[str, str]:
    """Return packages with what is asked of their versions: "2.1.0" where it is just that one, "*" where any will do."""
    found: dict[str, str] = {}
    for line in lines[:_LINES]:
        text = re.split(r"(?:^|\s)#|\s--", line, maxsplit=1)[0].strip().rstrip("\\").strip()
        if not text or text.startswith("-") or len(text) > 500:
            continue
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, RecursionError):
            continue
        exact = _EXACT.fullmatch(str(requirement.specifier))
        found[canonicalize_name(requirement.name)] = exact["version"] if exact else str(requirement.specifier) or "*"
    return found


def _tell_packages(telling: Telling, packages: dict[str, str]) -> None:
    """Add the environment, and the framework where one alone is installed: a guess, which any other source overrules."""
    python = packages.pop("python", None)
    packages.pop("pip", None)
    telling.tell("environment", present(python=python, packages=packages or None))
    found = [name for name in packages if name in _PACKAGES]
    if len({_PACKAGES[name] for name in found}) == 1:
        guess = Telling(telling.path, Provenance.HEADER)
        guess.tell("framework", _PACKAGES[found[0]])
        if packages[found[0]][0].isdigit():
            guess.tell("framework_version", packages[found[0]])
        telling.facts.extend(guess.facts)


def _rfc_3339(value: Any) -> str | None:
    """Return MLflow's time, which is UTC without saying so."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC).isoformat()
    except ValueError:
        return None
