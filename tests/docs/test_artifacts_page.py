"""The page about artifacts: its commands do what it says, by the real oras."""

from __future__ import annotations

import struct
from pathlib import Path

from conformance.tools import path_of
from tests.docs.commands import ROOT, blocks, environment, listening
from tests.docs.test_commands import BIN, run
from tests.tools import needed


def test_an_artifact_is_looked_into(tmp_path: Path) -> None:
    env = environment(BLACKLAKE_PORT=0, BLACKLAKE_DATA_DIR=tmp_path / "data", HOME=tmp_path)
    env["PATH"] = f"{needed(path_of, 'oras').parent}:{BIN}:{env['PATH']}"
    with listening(f"exec {BIN}/blacklake serve", tmp_path, env, tmp_path / "log") as port:
        commands = [block.text for block in blocks("sh client", [ROOT / "docs" / "artifacts.md"])]
        pushed, looked, taken, compared = (
            run(text.replace("localhost:5000", f"localhost:{port}"), tmp_path, env) for text in commands
        )
    assert "team/tiny:v1" in pushed
    assert '"parameters": 136' in looked
    assert "model.safetensors" in looked
    assert '"name":"embed.weight"' in taken
    assert (tmp_path / "card.md").read_text() == (tmp_path / "README.md").read_text()
    (length,) = struct.unpack("<Q", (tmp_path / "length").read_bytes())
    assert length < 1000
    assert (tmp_path / "norm").read_bytes() == bytes(32)
    assert "~ tensor embed.weight float32[16, 8] -> float32[32, 8]" in compared
    assert "~ parameters: 136 -> 264" in compared
    assert "  1 tensors unchanged" in compared
    assert '"tag":"v2","moved_from":null' in compared
