"""The command line as a shell sees it: what is printed, and the exit code; in this process, which is quicker."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from blacklake.cli import run


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def blacklake(*words: str | Path) -> Done:
    """Run a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(word) for word in words])
    return Done(code or 0, out.getvalue(), err.getvalue())


def done(*words: str | Path) -> str:
    """Run a command that works; return what it prints."""
    found = blacklake(*words)
    assert found.code == 0, found
    assert found.err == ""
    return found.out
