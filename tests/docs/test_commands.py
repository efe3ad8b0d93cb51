"""The documentation's commands do what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conformance.tools import path_of
from registry.db.embedded import EmbeddedPostgres
from tests import prepared
from tests.docs.commands import ROOT, Block, blocks, environment, listening
from tests.tools import needed

README = [ROOT / "README.md"]
BIN = Path(sys.prefix, "bin")


def run(text: str, directory: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=directory, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_readme_s_commands_do_what_it_says(tmp_path: Path) -> None:
    (serve,) = (block.text for block in blocks("sh", README))
    client = blocks("sh client", README)
    env = environment(BLACKLAKE_PORT=0, BLACKLAKE_DATA_DIR=tmp_path / "data", HOME=tmp_path)
    env["PATH"] = f"{needed(path_of, 'oras').parent}:{env['PATH']}"
    # The environment that runs these tests is the one that `make` would make.
    serve = serve.replace("make ", f"make --no-print-directory VENV={sys.prefix} ")
    with listening(serve, ROOT, env, tmp_path / "log") as port:
        commands = [block.text.replace("localhost:5000", f"localhost:{port}") for block in client]
        _, looked, described = (run(text.replace(".venv/bin/", f"{BIN}/"), tmp_path, env) for text in commands)
    assert '"repositories":["team/bert"]' in looked
    assert '"tags":["v1"]' in looked
    assert '"architecture": "BertForMaskedLM"' in described
    assert described.endswith("# Small BERT\n")


@pytest.mark.parametrize("example", blocks("sh example"), ids=lambda block: f"{block.page.name}:{block.text[:30]!r}")
def test_an_example_works(example: Block, tmp_path: Path) -> None:
    env = environment(BLACKLAKE_PORT=0, BLACKLAKE_DATA_DIR=tmp_path / "data")
    for file in blocks("toml", [example.page]):
        name = file.text.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(file.text)
    prepared.clone_schema(tmp_path / "data")  # a first start is what the README's commands do
    text = example.text.replace(".venv/bin/", f"{BIN}/").replace("/srv/blobs", f"{tmp_path}/srv/blobs")
    yours = EmbeddedPostgres(tmp_path / "yours")
    try:
        if "db.example" in text:
            yours.start()
            text = text.replace("postgresql://blacklake:secret@db.example/blacklake", f"'{yours.url}'")
        for command in text.replace("\\\n", "").splitlines():
            if " serve" in command:
                with listening(command, tmp_path, env, tmp_path / "log"):
                    pass
            else:
                run(command, tmp_path, env)
    finally:
        yours.stop()


def test_make_has_every_target_that_is_named() -> None:
    targets = (ROOT / "Makefile").read_text()
    for page in ("README.md", "CONTRIBUTING.md"):
        for word in (ROOT / page).read_text().split("`make ")[1:]:
            assert f"\n{word.partition('`')[0]}:" in targets
