"""The table of advisories is true: each test that it names is there, and each row has one, or says why it can't have."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

from tests.docs.commands import ROOT

TESTS = ROOT / "tests"
TABLE: list[dict[str, Any]] = tomllib.loads((TESTS / "attacks" / "advisories.toml").read_text())["advisory"]


def functions(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_each_advisory_is_covered_or_says_why_it_can_not_be_yet() -> None:
    for row in TABLE:
        assert row.keys() <= {"ids", "class", "tests", "not_yet"}, row
        assert row["ids"]
        assert row["class"]
        assert row.get("tests") or len(row.get("not_yet", "")) > 30, row["ids"]
    ids = [one for row in TABLE for one in row["ids"]]
    assert len(ids) == len(set(ids)) >= 50


def test_each_test_that_the_table_names_is_there() -> None:
    named = {test for row in TABLE for test in row.get("tests", ())}
    missing = []
    for test in sorted(named):
        file, _, function = test.partition("::")
        if not (TESTS / file).is_file() or function not in functions(TESTS / file):
            missing.append(test)
    assert missing == []


def test_each_test_that_is_named_after_an_advisory_is_in_the_table() -> None:
    named = {test.partition("::")[2] for row in TABLE for test in row.get("tests", ())}
    written = {
        name
        for file in (TESTS / "attacks").glob("test_*.py")
        for name in functions(file)
        if name.startswith("test_cve_")
    }
    assert written - named == set()
