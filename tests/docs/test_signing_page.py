"""The page about signing: its commands do with its files what it shows."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.tools import path_of
from signing.evidence import LARGEST_BLOB, LARGEST_EVIDENCE, MOST_ATTACHED, MOST_BLOBS
from tests.docs.commands import ROOT, blocks, environment, listening
from tests.docs.test_commands import BIN, run
from tests.tools import needed

PAGE = ROOT / "docs" / "signing.md"


def test_the_page_s_commands_say_what_it_shows(tmp_path: Path) -> None:
    for name, text in re.findall(r"^```yaml (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    env = environment(BLACKLAKE_PORT=0, BLACKLAKE_DATA_DIR=tmp_path / "data", HOME=tmp_path)
    env["PATH"] = f"{needed(path_of, 'oras').parent}:{BIN}:{env['PATH']}"
    with listening(f"exec {BIN}/blacklake serve", tmp_path, env, tmp_path / "log") as port:
        commands = [block.text.replace("localhost:5000", f"localhost:{port}") for block in blocks("sh signing", [PAGE])]
        said = "".join(run(f"exec 2>&1\n{text}", tmp_path, env) for text in commands)
    shown = blocks("text", [PAGE])
    assert shown
    for line in (line for block in shown for line in block.text.splitlines()):
        assert line in said, said


def test_the_page_says_the_bounds_that_there_are() -> None:
    text = " ".join(PAGE.read_text().split())
    bounds = (
        f"{MOST_ATTACHED} manifests of an artifact, {MOST_BLOBS} layers of each, {LARGEST_BLOB >> 20} MiB of a layer"
    )
    assert f"At most {bounds} and {LARGEST_EVIDENCE >> 20} MiB of all are read" in text
