"""Fenced blocks of the documentation, and how their commands are run.

```sh           run as it stands, from the project's directory
```sh client    run in an empty directory while a server listens
```sh example   run in an empty directory, with the names that stand for the reader's own replaced
```sh elsewhere needs a cluster or a server of the reader's: only its form and the files that it names are checked
```sh guide operator, ```sh guide job
                run beside a server that asks who it is, with an issuer that stands in for the guide's (test_guides.py)
```sh guide cluster
                run beside such a server, with an artifact and the page's files (```json NAME), and said what the page shows
```sh schemas    run beside an open server, with the page's files (```json NAME) and oras (test_schemas_page.py)
```sh admission  likewise (test_admission_page.py)
```sh promotion  run beside an open server, with oras (test_promotion_page.py)
```sh signing    likewise (```yaml NAME, test_signing_page.py)
```sql          run on a database with the registry's schema
```toml         a file, named by the comment in its first line
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK: Final = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LISTENS: Final = re.compile(r"listens on http://[^:]+:(\d+)")


class Block(NamedTuple):
    """A fenced block; `kind` is what stands behind the fence."""

    page: Path
    kind: str
    text: str


def blocks(kind: str, pages: Sequence[Path] = PAGES) -> list[Block]:
    """Return the blocks of a kind, in their order."""
    matches = ((page, match) for page in pages for match in _BLOCK.finditer(page.read_text()))
    return [Block(page, kind, match["text"]) for page, match in matches if match["kind"] == kind]


def environment(**variables: object) -> dict[str, str]:
    """Return this process's environment without settings of ours, and with `variables`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BLACKLAKE_", "PYTEST"))}
    return clean | {name: str(value) for name, value in variables.items()}


@contextlib.contextmanager
def listening(command: str, directory: Path, env: Mapping[str, str], errors: Path) -> Iterator[int]:
    """Run a shell command that serves, yield its port when it says so, and stop it as Ctrl-C does.

    What it writes to stderr goes to the file `errors`.
    """
    with errors.open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=directory,
            env=env,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process:
        try:
            for line in process.stdout:
                if match := _LISTENS.search(line):
                    yield int(match[1])
                    break
            else:
                raise AssertionError(f"{command} ended without listening: {errors.read_text()}")
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.stdout.read()
    # The server ends well; `make` waits for it and then ends by the signal itself.
    assert process.returncode in (0, -signal.SIGINT), errors.read_text()
