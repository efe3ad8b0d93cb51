"""Which packages of Python a file asks for: requirements.txt, pyproject.toml, environments of Conda and of MLflow."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mediatypes.files.documents import YAML_LONGEST, text_of, whole, yaml_object
from mediatypes.files.paths import base_name
from mediatypes.files.reading import Limits, Malformed, Source
from mediatypes.files.telling import listing, mapping
from registry.scanners.base import Examination

_TEXTS: Final = re.compile(r"requirements(?:[-_.][\w.-]{1,60})?\.(?:txt|in)", re.IGNORECASE)
_CONDA: Final = ("conda.yaml", "conda.yml", "environment.yml", "environment.yaml")
_ENVIRONMENT: Final = ("python_env.yaml", "python_env.yml")  # of MLflow
_CONDA_PACKAGE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]+)\s*(?:(?P<operator>=+)\s*(?P<version>[^\s=<>!~,|*]+)(?:=\S+)?)?.*"
)
_LONGEST_LINE: Final = 1000
_MOST: Final = 5000  # of a file
_OPTION: Final = re.compile(
    r"--?(?P<name>extra-index-url|index-url|i|find-links|f|trusted-host)(?:[= ]\s*(?P<value>\S+))?"
)


def examine(path: str, source: Source, limits: Limits, says: Examination) -> bool:
    """Tell what a file asks for, [name, version, specifier, ecosystem] each (see Examiner). Raise Unreadable."""
    name = base_name(path)
    if _TEXTS.fullmatch(name):
        lines = _joined(text_of(whole(source, limits, YAML_LONGEST)))
        _find_options(lines, says)
        found = _of_lines(lines, says)
    elif name == "pyproject.toml":
        found = _of_lines(_of_project(text_of(whole(source, limits, YAML_LONGEST))), says)
    elif name in _CONDA or name in _ENVIRONMENT:
        document = yaml_object(text_of(whole(source, limits, YAML_LONGEST)), limits)
        found = _of_conda(listing(document.get("dependencies")), says)
    else:
        return False
    told = [one for _, one in zip(range(_MOST), found, strict=False)]
    says.tell(told)
    return False


def _joined(text: str) -> list[str]:
    return text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines()


def _find_options(lines: Iterable[str], says: Examination) -> None:
    for number, line in enumerate(lines, 1):
        option = _OPTION.match(line.strip())
        if option is None:
            continue
        name, value = option["name"], option["value"] or ""
        if name == "trusted-host" or value.startswith("http:"):
            says.find(
                "medium", "requirement-insecure-index", f"line {number} takes packages from where nobody is verified"
            )
        elif name == "extra-index-url":
            says.find(
                "low",
                "requirement-extra-index",
                f"line {number} takes packages from a second index, which may shadow those of the first",
            )


def _of_lines(lines: Iterable[Any], says: Examination) -> Iterator[list[str | None]]:
    for line in lines:
        text = re.split(r"(?:^|\s)#|\s--", line, maxsplit=1)[0].strip() if isinstance(line, str) else ""
        if not text or text.startswith("-") or len(text) > _LONGEST_LINE:
            continue
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, RecursionError):
            continue
        if requirement.url is not None:
            says.find(
                "low",
                "requirement-by-url",
                f"the package {requirement.name:.100} is asked for by a URL, past any index",
            )
        exact = [
            one.version for one in requirement.specifier if one.operator in ("==", "===") and "*" not in one.version
        ]
        yield [canonicalize_name(requirement.name), exact[0] if exact else None, str(requirement.specifier), "pypi"]


def _of_project(text: str) -> Iterator[Any]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Malformed(f"is not TOML: {error!s:.200}") from None
    project = mapping(document.get("project"))
    yield from listing(project.get("dependencies"))
    for extra in mapping(project.get("optional-dependencies")).values():
        yield from listing(extra)


def _of_conda(items: Iterable[Any], says: Examination) -> Iterator[list[str | None]]:
    for item in items:
        if isinstance(item, dict):
            yield from _of_lines(listing(item.get("pip")), says)
            continue
        text = item.rpartition("::")[2].strip() if isinstance(item, str) else ""
        if "==" in text and (pinned := [*_of_lines([text], says)]):  # MLflow's lists pip's words
            yield from pinned
        elif (found := _CONDA_PACKAGE.fullmatch(text)) is not None:
            yield [found["name"].lower(), found["version"], text[len(found["name"]) :].strip(), "conda"]
