"""Which scanners there are: ours, that of clamd where there is one, and those of other packages."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NamedTuple, TypeGuard

from registry.scanners.base import ENTRY_POINTS, Scanner
from registry.scanners.bills import BillScanner
from registry.scanners.clamd import Clamd
from registry.scanners.content import model_scanner, pickle_scanner, secret_scanner
from registry.scanners.licensing import LicenseScanner

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.\-]{0,62}")


class Scanners(NamedTuple):
    """Scanners by the order of their names, and a sentence for each one that could not be loaded."""

    scanners: tuple[Scanner, ...]
    problems: tuple[str, ...]


def installed(clamd: str | None = None, points: Iterable[EntryPoint] | None = None) -> Scanners:
    """Return all scanners; `clamd` is the address of one.

    Those of other packages are found by the entry points that are installed, or by those that are given.
    """
    ours: list[Scanner] = [pickle_scanner(), secret_scanner(), LicenseScanner(), BillScanner()]
    problems = []
    if importlib.util.find_spec("modelscan") is not None:
        ours.append(model_scanner())
    else:
        problems.append(
            "The scanner modelscan is left out: its package is not installed, and needs Python 3.12 or earlier."
        )
    if clamd is not None:
        ours.append(Clamd(clamd))
    found = {one.name: one for one in ours}
    for point in sorted(entry_points(group=ENTRY_POINTS) if points is None else points, key=lambda one: one.name):
        try:
            made: Any = point.load()()
            is_scanner = _is_scanner(made)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - another package's code: the other scanners still count
            problems.append(f"The scanner {point.name} ({point.value}) can't be loaded: {error!r:.500}.")
            continue
        if not is_scanner:
            problems.append(
                f"The scanner {point.name} ({point.value}) has no name, reads_record, version or scan as `Scanner` has them."
            )
        elif made.name in found:
            problems.append(
                f"The scanner {point.name} ({point.value}) is left out: another one has the name {made.name}."
            )
        else:
            found[made.name] = made
    return Scanners(tuple(found[name] for name in sorted(found)), tuple(problems))


def _is_scanner(made: Any) -> TypeGuard[Scanner]:
    name = getattr(made, "name", None)
    return (
        isinstance(name, str)
        and _NAME.fullmatch(name) is not None
        and isinstance(getattr(made, "reads_record", None), bool)
        and all(callable(getattr(made, verb, None)) for verb in ("version", "scan"))
    )
