"""The page on verification numbers the steps as the code does, and says its forms and limits."""

from __future__ import annotations

import re

from mediatypes.documents import MAX_DEPTH
from signing import certificates, entries, evidence, keys, limits, log, patterns, statements, timestamps
from signing.steps import Step
from signing.verified import SIGNED, Form
from tests.docs.commands import ROOT
from tests.docs.test_tables import rows

PAGE = (ROOT / "docs" / "verification.md").read_text()


def test_the_steps_have_the_numbers_of_the_code() -> None:
    assert re.findall(r"^(\d)\. \*\*(\w+)\*\*:", PAGE, re.MULTILINE) == [
        (str(step.value), step.name.lower()) for step in Step
    ]


def test_every_form_is_listed() -> None:
    listed = {row[0] for row in rows("verification.md")}
    assert {form.value for form in Form} <= listed
    assert SIGNED in PAGE


def test_the_limits_are_those_of_the_code() -> None:
    said = {row[0]: row[1] for row in rows("verification.md")}
    assert said["manifests that are attached to one artifact, of which each has layers"] == (
        f"{evidence.MOST_ATTACHED}, {evidence.MOST_BLOBS}"
    )
    assert said["bytes of a layer, and of all of them"] == (
        f"{evidence.LARGEST_BLOB >> 20} MiB, {evidence.LARGEST_EVIDENCE >> 20} MiB"
    )
    assert said["levels of JSON"] == str(MAX_DEPTH)
    assert said["subjects of a statement"] == str(statements.MOST_SUBJECTS)
    assert said["log entries of a signature, timestamps of it"] == (
        f"{entries.MOST_ENTRIES}, {timestamps.MOST_TIMESTAMPS}"
    )
    assert said["certificates of a chain"] == str(certificates.LONGEST_CHAIN)
    sizes = {certificates.LARGEST, timestamps.LARGEST, log.LARGEST_CHECKPOINT, keys.LARGEST_PEM}
    assert sizes == {64 << 10}
    assert said["bytes of a certificate or a PEM, of a timestamp, of a checkpoint"] == "64 KiB"
    assert said["bytes of a trust root"] == f"{limits.LARGEST_ROOT >> 10} KiB"
    assert said["characters of a pattern"] == str(patterns.LONGEST)
