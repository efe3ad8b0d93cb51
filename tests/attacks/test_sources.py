"""What must not be in the code at all, because no request could show that it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import yaml

from mediatypes.files import documents
from tests.docs.commands import ROOT

ROOMS = ("registry", "mediatypes", "blacklake")
# What turns stored or received bytes into code or objects, and archives, whose members name paths.
BANNED_MODULES = {
    "pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "yaml",
    "jsonpickle",
    "tarfile",
    "zipfile",
    "xml",
}
# Where others' files are read (registry.sandboxed), their formats are known, and nothing is loaded or unpacked all the same.
READERS = "mediatypes/files/"
KNOWN_THERE = {"pickle", "yaml", "tarfile", "zipfile"}
LOADING = {"load", "loads", "load_all", "Unpickler", "extract", "extractall", "extractfile", "unpack_archive"}
PLAIN = {"json.loads(text_of(content))", "yaml.load(text, Loader=_LOADER)"}  # of which only plain values come
BANNED_BUILTINS = {"eval", "exec", "compile", "__import__"}
BANNED_METHODS = {"system", "popen", "mktemp"}
SECRET = re.compile(r"secret|password|signature|hmac|\bmac|code|token|key$")


def sources() -> Iterator[tuple[str, ast.AST]]:
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                yield str(file.relative_to(ROOT)), node


def test_cve_2026_32590_nothing_stored_becomes_code() -> None:
    """Nor does anything received; and nothing is unpacked here (CVE-2021-3762): a layer's paths are its reader's."""
    found = []
    for file, node in sources():
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module.partition(".")[0]]
        known = KNOWN_THERE if file.startswith(READERS) else set()
        found += [(file, name) for name in names if name in BANNED_MODULES - known]
        if isinstance(node, ast.Call):
            called = node.func
            if known and name_of(called) in LOADING and ast.unparse(node) not in PLAIN:
                found.append((file, ast.unparse(node)))
            if (isinstance(called, ast.Name) and called.id in BANNED_BUILTINS) or (
                isinstance(called, ast.Attribute) and called.attr in BANNED_METHODS
            ):
                found.append((file, ast.unparse(node)))
            found += [(file, "shell=True") for word in node.keywords if word.arg == "shell"]
    assert found == []
    assert documents._LOADER in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", None))


def name_of(side: ast.expr) -> str:
    """Return by what name a value stands in the code; "" of what has none."""
    return side.id if isinstance(side, ast.Name) else side.attr if isinstance(side, ast.Attribute) else ""


def test_cve_2023_20902_secrets_are_never_compared_by_equality() -> None:
    """They are compared by hmac.compare_digest, by argon2, or looked up by their hash: none of them tells where it differs."""
    found = [
        (file, ast.unparse(node))
        for file, node in sources()
        if file.startswith(("registry/auth", "registry/http"))
        and isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(SECRET.search(name_of(side)) for side in (node.left, *node.comparators))
    ]
    assert found == []


def test_cve_2019_19026_statements_are_made_of_constants_and_values_are_parameters() -> None:
    """SQL injection (CVE-2019-19029, CVE-2024-22261): where a statement is run, none is put together."""
    verbs = {"fetch", "fetchrow", "fetchval", "execute", "executemany", "cursor"}
    run, built = 0, []
    for file, node in sources():
        if (
            not file.startswith("registry/db/")
            or not isinstance(node, ast.Call)
            or not isinstance(node.func, ast.Attribute)
        ):
            continue
        if node.func.attr in verbs and name_of(node.func.value).endswith("conn"):
            run += 1
            if not isinstance(node.args[0], ast.Constant | ast.Name | ast.Attribute):
                built.append((file, ast.unparse(node)))
    assert run > 50
    assert built == []
