"""The page about formats names every reader, in the order in which they are asked."""

from __future__ import annotations

import re

from mediatypes.files.readers import READERS
from mediatypes.files.reading import LIMITS
from tests.docs.commands import ROOT

SECTION = (ROOT / "docs" / "formats.md").read_text().partition("## What is read in files\n")[2].partition("\n## ")[0]


def test_every_reader_has_its_row_in_the_order_in_which_they_are_asked() -> None:
    assert re.findall(r"^\| `([\w-]+)` \|", SECTION, re.MULTILINE) == [reader.name for reader in READERS]


def test_the_limits_are_those_in_use() -> None:
    text = " ".join(SECTION.split())
    for limit in (
        f"{LIMITS.header >> 20} MiB",
        f"{LIMITS.entries:,} tensors or entries",
        f"{LIMITS.depth} levels",
        f"{LIMITS.ratio} times",
        f"{LIMITS.expanded >> 30} GiB",
    ):
        assert limit in text
