"""The distribution specification's text, and the sentences in it that demand, advise or allow something."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULE: Final = "github.com/opencontainers/distribution-spec"
VERSION: Final = "v1.1.1"

KEYWORDS: Final = (
    "MUST NOT",
    "MUST",
    "SHALL NOT",
    "SHALL",
    "REQUIRED",
    "SHOULD NOT",
    "SHOULD",
    "NOT RECOMMENDED",
    "RECOMMENDED",
    "MAY",
    "OPTIONAL",
)
"""The words of RFC 2119; a longer one comes before the one that it begins with."""

_KEYWORD: Final = re.compile(rf"\b(?:{'|'.join(KEYWORDS)})\b")
_HEADING: Final = re.compile(r"#+ (?P<title>.+)")
_ITEM: Final = re.compile(r"[-*] |\d+\. |\|")
# A full stop ends a sentence where the next word begins like one. `i.e.` and `e.g.` go on in lower case or with a quotation.
_STOP: Final = re.compile(r"(?<=[.?!])(?<!i\.e\.)(?<!e\.g\.)\s+(?=[A-Z`<\[*_])")


class SpecificationMissing(Exception):
    """The text isn't here; the message says how to get it."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of the specification: white space in `text` is single, `section` is the heading above it."""

    section: str
    text: str

    @property
    def keywords(self) -> tuple[str, ...]:
        """The words of RFC 2119 in it, each once, in the order of KEYWORDS."""
        found = set(_KEYWORD.findall(self.text))
        return tuple(word for word in KEYWORDS if word in found)


def requirements(text: str) -> list[Sentence]:
    """Return the sentences of a Markdown text with a word of RFC 2119, in order; a line of code counts as a sentence."""
    return [sentence for sentence in _sentences(text) if sentence.keywords]


def _sentences(text: str) -> Iterator[Sentence]:
    for section, block in _blocks(text):
        for sentence in _STOP.split(" ".join(block.split())):
            yield Sentence(section, sentence)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield (section, text) of each paragraph, each item of a list, each row of a table and each line of code."""
    section, block, code = "", "", False
    for line in [*text.splitlines(), ""]:
        fence = line.lstrip().startswith("```")
        heading = None if code else _HEADING.fullmatch(line)
        if block and (code or fence or heading or not line.strip() or _ITEM.match(line.lstrip())):
            yield section, block
            block = ""
        if fence:
            code = not code
        elif heading:
            section = heading["title"].strip()
        else:
            block = f"{block} {line}".strip()


def specification() -> str:
    """Return the text of the specification from Go's module cache; fetch it where it isn't there yet.

    Raise SpecificationMissing.
    """
    file = _in_cache() / "spec.md"
    if not file.exists():
        file = _fetched() / "spec.md"
    return file.read_text(encoding="utf-8")


def _in_cache() -> Path:
    paths = os.environ.get("GOPATH") or str(Path.home() / "go")
    cache = os.environ.get("GOMODCACHE") or Path(paths.split(os.pathsep)[0], "pkg", "mod")
    return Path(cache, f"{MODULE}@{VERSION}")


def _fetched() -> Path:
    command = ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    way = f"`{' '.join(command)}` brings it, or name a copy of its spec.md with --spec"
    if shutil.which("go") is None:
        raise SpecificationMissing(
            f"the text of the distribution specification {VERSION} isn't here and `go` is missing; {way}"
        )
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SpecificationMissing(
            f"the text of the distribution specification {VERSION} can't be fetched; {way}:\n{done.stdout}{done.stderr}"
        )
    return Path(json.loads(done.stdout)["Dir"])
