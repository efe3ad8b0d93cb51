"""Every statement of `registry.db`, found by looking."""

from __future__ import annotations

import importlib
import pkgutil

import registry.db

_VERBS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")


def statements() -> dict[str, str]:
    """Return the SQL of each constant, by module and name."""
    found = {}
    for module in pkgutil.iter_modules(registry.db.__path__, "registry.db."):
        if module.ispkg:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, str) and name.isupper() and value.lstrip().startswith(_VERBS):
                found[f"{module.name.rpartition('.')[2]}.{name}"] = value
    return found
