"""The page about schemas: its commands do with its files what it shows."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.tools import path_of
from schemas import built_in
from schemas.checks import DEPTH, LARGEST, SUBSCHEMAS
from schemas.parts import LARGEST_DOCUMENT
from schemas.schema import STEPS
from tests.docs.commands import ROOT, blocks, environment, listening
from tests.docs.test_commands import BIN, run
from tests.tools import needed

PAGE = ROOT / "docs" / "schemas.md"


def test_the_page_s_commands_say_what_it_shows(tmp_path: Path) -> None:
    for name, text in re.findall(r"^```json (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    env = environment(BLACKLAKE_PORT=0, BLACKLAKE_DATA_DIR=tmp_path / "data", HOME=tmp_path)
    env["PATH"] = f"{needed(path_of, 'oras').parent}:{BIN}:{env['PATH']}"
    with listening(f"exec {BIN}/blacklake serve", tmp_path, env, tmp_path / "log") as port:
        commands = [block.text.replace("localhost:5000", f"localhost:{port}") for block in blocks("sh schemas", [PAGE])]
        said = "".join(run(f"exec 2>&1\n{text}", tmp_path, env) for text in commands)
    shown = blocks("text", [PAGE])
    assert shown
    for line in (line for block in shown for line in block.text.splitlines()):
        assert re.sub(r"^\[WARNING\]: ", "", line) in said, said
    assert "acme/models/*" in said
    assert "[WARNING]" in said


def test_the_page_says_the_bounds_that_there_are() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"more than {LARGEST >> 10} KiB, {SUBSCHEMAS} subschemas, {DEPTH} levels" in text
    assert f"after {STEPS:,} of them" in text
    assert f"up to {LARGEST_DOCUMENT >> 10} KiB" in text
    assert all(f"`{name}`" in text for name in built_in.contents())
