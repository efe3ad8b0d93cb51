"""The runbooks: each is there, and what can be run of it runs. `sh example` blocks run in tests/docs, with all others."""

from __future__ import annotations

import re
import subprocess

import asyncpg
import pytest

from tests.docs.commands import ROOT, Block, blocks

PLACE = ROOT / "docs" / "operations"
NAMES = ("install", "upgrade", "rollback", "scale-out", "replica-lag", "s3-outage", "disk-full")


def test_every_runbook_is_there_and_named_in_operating() -> None:
    assert {page.stem for page in PLACE.glob("*.md")} == set(NAMES)
    operating = (ROOT / "docs" / "operating.md").read_text()
    assert [name for name in NAMES if f"(operations/{name}.md)" not in operating] == []


def test_every_kind_of_block_is_one_that_is_tried() -> None:
    kinds = {kind for page in PLACE.glob("*.md") for kind in re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)}
    assert kinds == {"", "sh example", "sh elsewhere", "sql"}  # "" ends a block
    indented = [page.name for page in PLACE.glob("*.md") if re.search(r"^ +```", page.read_text(), re.MULTILINE)]
    assert indented == [], "blocks are found at the beginning of a line only"


@pytest.mark.parametrize("statement", blocks("sql"), ids=lambda block: f"{block.page.name}:{block.text[:40]!r}")
async def test_a_statement_is_understood_by_the_database(
    statement: Block, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    await sql.fetch(statement.text)


def test_commands_for_elsewhere_are_well_formed_and_name_files_that_are_there() -> None:
    found = blocks("sh elsewhere")
    assert found
    for block in found:
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
        for name in re.findall(r"\bdeploy/[\w./-]+", block.text):
            assert (ROOT / name).exists(), f"{block.page.name}: {name}"
