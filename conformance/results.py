"""What the official suite writes into its directory, read into one value.

    results.yaml    the configuration, and the status of each API and each kind of data
    junit.xml       the counts, and each check with its status
    report.html     the same for people, with every request and response

The suite ends with code 0 also where its configuration is wrong or a file can't be written: what counts is what lies there.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_ROOT: Final = "OCI Conformance Test"


class ResultsUnusable(Exception):
    """The suite left nothing behind that tells how it went; the message says what is wrong."""


@dataclass(frozen=True)
class Results:
    """How one run of the suite went.

    `failures` are pairs of a check and its message, errors of the suite itself among them. `disabled` names the APIs and
    kinds of data that weren't tried, `switched_off` the flags of the configuration that are false (`data.sparse`), and
    `unsettled` whatever has a status other than passed or disabled. `checks` are the names of all that passed.
    """

    passed: int
    failed: int
    skipped: int
    failures: tuple[tuple[str, str], ...]
    disabled: tuple[str, ...]
    switched_off: tuple[str, ...]
    unsettled: tuple[str, ...]
    checks: frozenset[str]


def read(directory: Path) -> Results:
    """Return the results in a directory; raise ResultsUnusable when they are missing, damaged or contradictory."""
    try:
        summary = yaml.safe_load((directory / "results.yaml").read_text(encoding="utf-8"))
        suites = ET.parse(directory / "junit.xml").getroot()  # noqa: S314 - written by the suite that we ran
    except (OSError, yaml.YAMLError, ET.ParseError) as error:
        raise ResultsUnusable(f"the suite left no results: {error}") from error
    suite = suites.find("testsuite")
    if suite is None or not isinstance(summary, dict) or not {"config", "apis", "data"} <= summary.keys():
        raise ResultsUnusable("the suite left results in a form that is not known")
    return _understood(summary, suite)


def _understood(summary: dict[str, Any], suite: ET.Element) -> Results:
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped", "disabled")}
    statuses = summary["apis"] | summary["data"]
    disabled = tuple(sorted(name for name, status in statuses.items() if status == "Disabled"))
    cases = [(_short(case.get("name", "")), case) for case in suite.iter("testcase")]
    failed = counts["failures"] + counts["errors"]
    failures = tuple(
        (name, (case.findtext("system-out") or "").strip())
        for name, case in cases
        if case.get("status") in {"failure", "error"}
    )
    if bool(failed) != bool(failures):
        raise ResultsUnusable(f"the suite counts {failed} failures and names {len(failures)}")
    return Results(
        passed=counts["tests"] - failed - counts["skipped"] - counts["disabled"],
        failed=failed,
        skipped=counts["skipped"],
        failures=failures,
        disabled=disabled,
        switched_off=tuple(sorted(_switched_off(summary["config"]))),
        unsettled=tuple(sorted(name for name, status in statuses.items() if status not in {"Pass", "Disabled"})),
        checks=frozenset(name for name, case in cases if case.get("status") == "passed"),
    )


def _switched_off(config: dict[str, Any]) -> Iterator[str]:
    """Yield the flags below `apis` and `data` that are false."""
    todo = [(name, config.get(name)) for name in ("apis", "data")]
    while todo:
        name, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{name}.{key}", below) for key, below in value.items()]
        elif value is not True:
            yield name


def _short(name: str) -> str:
    return name.removeprefix(f"{_ROOT}/")
