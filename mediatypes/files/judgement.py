"""What whoever loads a pickle should know of it, as picklescan judges what it would import.

picklescan judges a pickle's own bytes, but holds all its opcodes in memory for that. It is given a pickle that imports just
the names that `pickles.Machine` found in the file, which is short whatever the file is; no pickle is ever loaded.
"""

from __future__ import annotations

import io
import logging
import pickle
from typing import Final

from picklescan.scanner import SafetyLevel, scan_pickle_bytes

from mediatypes.files.pickles import Global, Imports
from mediatypes.files.plain import plain_text
from mediatypes.files.reading import Finding

# picklescan logs each finding as a warning of the process that scans.
logging.getLogger("picklescan").setLevel(logging.CRITICAL)

_LEVELS: Final = {SafetyLevel.Suspicious: "suspicious", SafetyLevel.Dangerous: "dangerous"}
_SHOWN: Final = 200  # findings of one kind


def judged(imports: Imports, where: str) -> list[Finding]:
    """Return a finding for each import that isn't known as harmless, the dangerous first; `where` names the pickle."""
    named = [found for found in imports.globals if found.module is not None]
    levels = _judged_by_picklescan(named)
    findings = [
        Finding(
            level,
            "pickle-global",
            plain_text(f"{where} would import {found.module:.200}.{found.name:.200} when it is loaded"),
        )
        for found in named
        if (level := levels.get(found))
    ]
    findings.sort(key=lambda finding: finding.level)  # dangerous before suspicious
    if len(findings) > _SHOWN:
        more = len(findings) - _SHOWN
        findings[_SHOWN:] = [Finding("suspicious", "pickle-global", f"{where} would import {more} other names")]
    if len(named) < len(imports.globals):
        message = f"{where} would import a name that it makes only when it is loaded"
        findings.insert(0, Finding("dangerous", "pickle-hidden-global", message))
    if imports.extensions:
        message = f"{where} names an object by a code of the loading process's own registry (copyreg)"
        findings.append(Finding("suspicious", "pickle-extension", message))
    return findings


def dangerous(imports: Imports) -> list[Global]:
    """Return the imports that are known as dangerous."""
    named = [found for found in imports.globals if found.module is not None]
    levels = _judged_by_picklescan(named) if named else {}
    return [found for found in named if levels.get(found) == "dangerous"]


def _judged_by_picklescan(names: list[Global]) -> dict[Global, str]:
    """Return the levels of the imports that aren't harmless: the worst of a dotted name's own and its beginnings'."""
    asked = {found: _beginnings(found) for found in names}
    everything = [prefix for prefixes in asked.values() for prefix in prefixes]
    result = scan_pickle_bytes(io.BytesIO(_importing(everything)), "")
    levels = {Global(found.module, found.name): _LEVELS.get(found.safety) for found in result.globals}
    judged: dict[Global, str] = {}
    for found, prefixes in asked.items():
        got = sorted(level for prefix in prefixes if (level := levels.get(prefix, "dangerous")))
        if got:
            judged[found] = got[0]
    return judged


def _beginnings(found: Global) -> list[Global]:
    """Return a global and those that it is an attribute of: builtins eval.__call__ and builtins eval."""
    assert found.name is not None
    first = found.name.partition(".")[0]
    return [found] if first == found.name else [found, Global(found.module, first)]


def _importing(names: list[Global]) -> bytes:
    """Return a pickle that would import these names, and nothing else."""
    parts = [pickle.PROTO, b"\x04"]
    for found in names:
        for text in found:
            assert text is not None
            encoded = text.encode("utf-8", "surrogatepass")
            parts += [pickle.BINUNICODE, len(encoded).to_bytes(4, "little"), encoded]
        parts.append(pickle.STACK_GLOBAL)
    return b"".join([*parts, pickle.NONE, pickle.STOP])
