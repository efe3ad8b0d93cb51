"""Verdicts for people: a tree of lines for a terminal, and the requirements because of which one does not pass."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

from signing.policy.verdict import Branch, Mode, Verdict

_ENDS: Final = {Mode.ENFORCE: "refused", Mode.WARN: "a warning", Mode.OBSERVE: "recorded, and not refused"}


def lines(verdict: Verdict) -> list[str]:
    """Return a verdict as lines, indented by what belongs to what.

    ✓ is met, ✗ is not, and ? could not be decided, which is as good as not. Nothing that an artifact says of itself can end a
    line or turn the direction of writing: such characters are written out.
    """
    version = f" (version {verdict.version})" if verdict.version is not None else ""
    end = "passes" if verdict.passes else f"does not pass: {_ENDS[verdict.mode]}"
    told = [f"{verdict.digest} by policy {verdict.policy}{version}: {end}"]
    told += _tree(verdict.branch)
    told += [f"  ! {problem}" for problem in verdict.problems]
    if verdict.valid_until is not None:
        told.append(f"  Until {verdict.valid_until.isoformat(timespec='seconds')}, then it is to be judged again.")
    return [plain(line) for line in told]


def failing(branch: Branch) -> list[Branch]:
    """Return the innermost branches because of which one does not pass; [] where it does.

    What stands below `not` passes where the whole doesn't, so there it is the `not` itself.
    """
    if branch.passes:
        return []
    below = [one for part in branch.branches for one in failing(part)]
    return below if below and branch.requirement != "not" else [branch]


def plain(text: str) -> str:
    """Return a text without characters that control a terminal, a header or the direction of writing: they are written out."""
    return "".join(
        char if unicodedata.category(char)[0] not in "CZ" or char == " " else _escaped(char) for char in text
    )


def _tree(branch: Branch, depth: int = 1) -> Iterator[str]:
    mark = "✓" if branch.passes else "✗" if branch.decided else "?"
    yield f"{'  ' * depth}{mark} {branch.requirement}: {branch.reason}"
    yield from (f"{'  ' * (depth + 1)}- {note}" for note in branch.notes)
    for one in branch.branches:
        yield from _tree(one, depth + 1)


def _escaped(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode() if ord(char) > 0x7F else f"\\x{ord(char):02x}"
