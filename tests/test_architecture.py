"""Who may import whom is checked by import-linter (`make check`); here, what is loaded in truth, and when."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVER = {"registry", "signing", "schemas", "mediatypes"}
SERVER_PACKAGES = {
    "alembic",
    "asyncpg",
    "granian",
    "httpx",
    "hypercorn",
    "msgspec",
    "prometheus_client",
    "pydantic",
    "pydantic_settings",
    "quart",
    "sqlalchemy",
    "structlog",
    "uvloop",
    "werkzeug",
}


def loaded_by(statement: str) -> set[str]:
    """Return the names of the top-level packages in a fresh interpreter after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd="/")
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("module", ["blacklake", "blacklake.cli"])
def test_importing_the_client_side_loads_nothing_of_the_server(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert "blacklake" in loaded
    assert loaded & (SERVER | SERVER_PACKAGES) == set()


@pytest.mark.parametrize("command", ["version", "--version", "--help", "serve --help", "migrate --help"])
def test_a_command_that_needs_no_server_loads_nothing_of_it(command: str) -> None:
    run = f"""
from blacklake.cli import main
sys.argv = ["blacklake", *{command.split()!r}]
try:
    main()
except SystemExit as exit:
    assert not exit.code
"""
    assert loaded_by(run) & (SERVER | SERVER_PACKAGES) == set()


def test_administration_by_a_server_s_api_loads_nothing_of_a_server() -> None:
    run = """
import contextlib, os
from blacklake.cli import main
os.environ["BLACKLAKE_API_KEY"] = "blk_none"
sys.argv = ["blacklake", "admin", "user", "list", "--server", "http://127.0.0.1:1"]
with contextlib.suppress(SystemExit):
    main()
"""
    loaded = loaded_by(run)
    assert "httpx" in loaded
    assert loaded & (SERVER | SERVER_PACKAGES - {"httpx"}) == set()


def test_the_words_of_oci_need_nothing_but_python() -> None:
    modules = [f"mediatypes.{path.stem}" for path in (ROOT / "mediatypes").glob("*.py") if path.stem != "__init__"]
    loaded = loaded_by("import " + ", ".join(modules))
    assert loaded - loaded_by("import json, re, hashlib, dataclasses, typing, enum, urllib.parse") <= (
        {"mediatypes"} | sys.stdlib_module_names
    )


def test_the_verbs_load_no_framework_and_no_driver_of_storage() -> None:
    modules = [
        f"registry.core.{path.stem}" for path in (ROOT / "registry/core").glob("*.py") if path.stem != "__init__"
    ]
    loaded = loaded_by("import " + ", ".join(modules))
    assert "registry" in loaded
    assert loaded & {"quart", "werkzeug", "granian", "hypercorn", "boto3", "botocore", "httpx", "pydantic"} == set()


def test_a_server_that_calls_nobody_loads_no_client() -> None:
    assert loaded_by("import registry.compose.server") & {"httpx", "boto3", "redis"} == set()


@pytest.mark.parametrize(
    ("auth", "loaded"), [("open", set()), ("token", {"argon2", "cryptography", "jwt", "quart_schema"})]
)
def test_an_open_server_loads_nothing_of_what_authenticates(tmp_path: Path, auth: str, loaded: set[str]) -> None:
    key = tmp_path / "key"
    key.write_text("A" * 43 + "=")
    key.chmod(0o600)
    run = f"""
import registry.supervisor
from registry.compose.server import create_server
from registry.config import Settings
place = {{"database_url": "postgresql:///none", "storage": "memory:", "data_dir": {str(tmp_path)!r}}}
create_server(Settings(auth={auth!r}, secret_key_file={str(key)!r}, **place))
"""
    assert loaded_by(run) & {"argon2", "cryptography", "jwt", "quart_schema"} == loaded


def test_the_api_of_an_open_server_loads_nothing_of_what_authenticates() -> None:
    modules = ("app", "open_callers", "reader_routes", "reader_services")
    loaded = loaded_by("import " + ", ".join(f"registry.http.api.{module}" for module in modules))
    assert "quart_schema" in loaded
    assert loaded & {"argon2", "cryptography", "jwt", "httpx", "http_message_signatures"} == set()


def test_a_server_where_nothing_is_bound_loads_no_validator() -> None:
    assert loaded_by("import registry.compose.server") & {"jsonschema", "referencing", "re2"} == set()


def test_a_server_without_background_work_loads_no_queue_and_no_reader() -> None:
    assert loaded_by("import registry.compose.server") & {"pgqueuer", "pyarrow", "picklescan"} == set()
    assert loaded_by("import registry.compose.background") & {"pyarrow", "picklescan"} == set()


def imports(path: Path) -> Iterator[tuple[ast.stmt, set[str]]]:
    """Yield each import that runs when a module is loaded, with the modules it names."""
    pending: list[ast.stmt] = list(ast.parse(path.read_text()).body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.Import):
            yield statement, {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            yield statement, {statement.module or ""}
        elif isinstance(statement, ast.If):
            if ast.unparse(statement.test) != "TYPE_CHECKING":
                pending += statement.body
            pending += statement.orelse
        elif isinstance(statement, ast.Try | ast.With | ast.ClassDef):
            pending += [child for child in ast.walk(statement) if isinstance(child, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("path", sorted((ROOT / "registry/core").glob("*.py")), ids=lambda path: path.stem)
def test_core_names_no_framework_and_no_driver_itself(path: Path) -> None:
    for statement, modules in imports(path):
        named = {module.partition(".")[0] for module in modules}
        assert named & {"quart", "asyncpg", "boto3", "httpx", "sqlalchemy"} == set(), ast.unparse(statement)
        assert modules & {"registry.storage.filesystem", "registry.storage.memory"} == set(), ast.unparse(statement)


def test_db_and_storage_know_nothing_of_each_other() -> None:
    for room, other in (("db", "storage"), ("storage", "db")):
        for path in (ROOT / "registry" / room).rglob("*.py"):
            for statement, modules in imports(path):
                assert not any(name.startswith(f"registry.{other}") for name in modules), ast.unparse(statement)


def test_every_error_of_the_registry_has_a_code() -> None:
    from registry.errors import RegistryError

    pending, found = [RegistryError], []
    while pending:
        for error in pending.pop().__subclasses__():
            pending.append(error)
            found.append(error)
    assert len(found) > 20
    assert all(isinstance(error.code, str) and error.code for error in found)
