"""The page about tags and stages: its commands do what it shows."""

from __future__ import annotations

from pathlib import Path

from conformance.tools import path_of
from tests.docs.commands import ROOT, blocks, environment, listening
from tests.docs.test_commands import BIN, run
from tests.tools import needed

PAGE = ROOT / "docs" / "promotion.md"


def test_the_page_s_commands_say_what_it_shows(tmp_path: Path) -> None:
    env = environment(BLACKLAKE_PORT=0, BLACKLAKE_DATA_DIR=tmp_path / "data", HOME=tmp_path)
    env["PATH"] = f"{needed(path_of, 'oras').parent}:{BIN}:{env['PATH']}"
    with listening(f"exec {BIN}/blacklake serve", tmp_path, env, tmp_path / "log") as port:
        commands = [
            block.text.replace("localhost:5000", f"localhost:{port}") for block in blocks("sh promotion", [PAGE])
        ]
        said = "".join(run(f"exec 2>&1\n{text}", tmp_path, env) for text in commands)
    shown = [line for block in blocks("text", [PAGE]) for line in block.text.splitlines()]
    assert len(commands) == 3
    assert len(shown) > 10
    for line in shown:
        assert line in said, said
    assert said.count("refused\n") == 2, said
