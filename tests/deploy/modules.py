"""Schemas that come inside Go modules, read from Go's cache or fetched into it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def schema(module: str, version: str, path: str) -> Any:
    """Return a JSON file of a module; without Go the test is skipped, but not in CI."""
    go = shutil.which("go")
    if go is None and os.environ.get("CI") != "true":
        pytest.skip(f"`go` is not here: it fetches {path} of {module}")
    assert go is not None, f"`go` is missing: it fetches {path} of {module}"
    command = [go, "mod", "download", "-json", f"{module}@{version}"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(Path(json.loads(done.stdout)["Dir"], path).read_text())
