"""Scanners of other packages are found by their entry points; one that is none is left out, and that is said."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import EntryPoint

import pytest

from registry.scanners.base import ENTRY_POINTS, Found, Scanned
from registry.scanners.installed import installed

OURS = ["licenses", *(["modelscan"] if sys.version_info < (3, 13) else []), "pickle", "sbom", "secrets"]


class Names:
    name = "names"
    reads_record = False

    async def version(self) -> str:
        return "1"

    async def scan(self, scanned: Scanned) -> Found:
        del scanned
        return Found()


class Pickle(Names):
    name = "pickle"


class Nothing:
    name = "nothing"


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, ENTRY_POINTS)


def test_ours_are_there_and_that_of_clamd_where_one_is() -> None:
    assert [one.name for one in installed(points=()).scanners] == OURS
    assert [one.name for one in installed("tcp://clamd:3310", points=()).scanners] == ["clamav", *OURS]


def test_modelscan_is_left_out_where_its_package_is_not_installed_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    found = installed(points=())
    assert [one.name for one in found.scanners] == [name for name in OURS if name != "modelscan"]
    assert found.problems == (
        "The scanner modelscan is left out: its package is not installed, and needs Python 3.12 or earlier.",
    )


def test_those_of_others_are_found_and_what_is_none_is_said() -> None:
    points = [
        point("a", f"{__name__}:Names"),
        point("b", f"{__name__}:Pickle"),
        point("c", f"{__name__}:Nothing"),
        point("d", "no.such.module:Scanner"),
    ]
    found = installed(points=points)
    assert [one.name for one in found.scanners] == sorted([*OURS, "names"])
    taken, nothing, missing = found.problems[-3:]
    assert "another one has the name pickle" in taken
    assert "has no name, reads_record, version or scan" in nothing
    assert "can't be loaded" in missing
