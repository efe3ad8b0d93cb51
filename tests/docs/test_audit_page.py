"""The page about the audit log names every action, and every reason, that there is."""

from __future__ import annotations

import re

from registry.core.audit import Action
from registry.http import journal
from tests.docs.commands import ROOT

PAGE = ROOT / "docs" / "audit.md"


def test_every_action_is_listed_once() -> None:
    table = PAGE.read_text().partition("| Action | Target |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    listed = [action for cell in cells for action in re.findall(r"`([^`]+)`", cell)]
    assert sorted(listed) == sorted(Action)


def test_every_reason_of_a_denial_is_listed() -> None:
    (sentence,) = re.findall(r"reason by\s+its name \(([^)]+)\)", PAGE.read_text())
    assert re.findall(r"`(\w+)`", sentence) == [error.__name__ for error in journal.DECIDED]
