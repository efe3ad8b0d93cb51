"""The command line: what it prints, what it refuses in which words, and its exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from registry.config import Settings
from registry.db.binaries import initialise, installations

OLDEST, NEWEST = min(installations()), max(installations())
REVISIONS = [
    "0001 Repositories, blobs, uploads, manifests, tags.",
    "0002 An index of referrers by their type.",
    "0003 Principals, organisations, teams, roles, grants, keys and sessions.",
    "0004 The audit log: events as they are committed, sealed ones in the order of a chain, its batches, and where it begins.",
    "0005 Issuers of identities, whom their tokens stand for, and which tokens have been used.",
    "0006 Sessions of browsers, beside those of refresh tokens: what ends all of somebody's sessions ends both.",
    "0007 What artifacts are: outbox, records with files and metrics, what was read of blobs, tensor indexes, tag histories.",
    "0008 Background work: jobs as people see them, and PgQueuer's queue of them (docs/decisions/0009).",
    "0009 Organisations' own schemas of artifacts, where schemas are bound, and what did not conform.",
    "0010 What repositories ask for, what was published, digests of tensors.",
    "0011 Policies, trust roots, what is admitted, and the evidence that verdicts stand on.",
    "0012 Rules of tags, stages and promotions.",
    "0013 What scanners say of artifacts, which of these are in quarantine, and the keys that sign what is said.",
]


def state(version: int) -> str:
    """Return what is printed of a schema that has reached a version."""
    revision = f"revision {version:04}, version {version}, for code written for version 1 or later\n"
    pending = "".join(f"pending: {one}\n" for one in REVISIONS[version:]) or "nothing is pending\n"
    return f"{revision}{pending}" if version else f"the database has no schema yet\n{pending}"


NO_SCHEMA = state(0)
CURRENT = state(len(REVISIONS))
LATEST = f"{len(REVISIONS):04}"
BASE = ("migrate", "down", "base", "--yes", "--lose-data")


def blacklake(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "blacklake", *arguments],
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120"} | variables,
        check=False,
        capture_output=True,
        text=True,
    )


def printed(*arguments: str | Path, **variables: str) -> str:
    done = blacklake(*arguments, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def refused(*arguments: str | Path, code: int, **variables: str) -> str:
    """Return what a refused command says: one message, and no traceback."""
    done = blacklake(*arguments, **variables)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("blacklake: ")
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("blacklake: ")


@pytest.mark.parametrize("ask", ["version", "--version"])
def test_the_version_is_that_of_the_package(ask: str) -> None:
    assert printed(ask) == version("blacklake") + "\n"


def test_help_names_every_command() -> None:
    text = printed("--help")
    for command in ("serve", "migrate", "config", "version", "verify", "sign", "attest", "policy"):
        assert re.search(rf"^\W*{command}\b", text, re.MULTILINE), text
    text = printed("migrate", "--help")
    for command in ("up", "down", "status", "postgres"):
        assert re.search(rf"^\W*{command}\b", text, re.MULTILINE), text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["surf"], "surf"),
        (["serve", "--prot", "1"], "--prot"),
        (["serve", "--port", "http"], "http"),
        (["serve", "--server", "apache"], "apache"),
        (["serve", "8080"], "8080"),
        (["migrate", "sideways"], "sideways"),
        (["migrate", "down"], "revision"),
        (["config", "--no-docs"], "--no-docs"),
    ],
)
def test_wrong_usage_is_said_and_exits_with_2(arguments: list[str], said: str) -> None:
    assert said.lower() in refused(*arguments, code=2).lower()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--host", "0.0.0.0"], "auth=open on 0.0.0.0 would let everyone who reaches it write"),
        (["serve", "--port", "70000"], "port: "),
        (["serve", "--workers", "0"], "workers: "),
        (["serve", "--config", "/nowhere.toml"], "there is no configuration file /nowhere.toml"),
        (["migrate", "status", "--config", "/nowhere.toml"], "there is no configuration file /nowhere.toml"),
        (["config", "--config", "/nowhere.toml"], "there is no configuration file /nowhere.toml"),
    ],
)
def test_settings_that_can_not_be_used_exit_with_2(arguments: list[str], said: str) -> None:
    assert said in refused(*arguments, code=2)


@pytest.mark.parametrize("command", ["serve", "config", "migrate"])
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"BLACKLAKE_STORAGE": "ftp://host/path"},
            "storage: Value error, this is none of file:///path, s3://bucket/prefix, azure://container/prefix, gs://bucket/prefix",
        ),
        (
            {"BLACKLAKE_STORAGE": "file://host/path"},
            "none of file:///path, s3://bucket/prefix, azure://container/prefix, gs://bucket/prefix",
        ),
        ({"BLACKLAKE_STORAGE": "memory:", "BLACKLAKE_WORKERS": "2"}, "it needs workers = 1"),
        ({"BLACKLAKE_DATABASE_URL": "mysql://u:s3cret@h/d"}, "not postgresql://"),
        ({"BLACKLAKE_EXTERNAL_URL": "registry.example:5000"}, "not http://host or https://host"),
    ],
)
def test_variables_that_can_not_be_used_exit_with_2(command: str, variables: dict[str, str], said: str) -> None:
    text = refused(command, code=2, **variables)
    assert said in text
    assert "s3cret" not in text


@pytest.mark.parametrize("command", [["serve"], ["config"], ["migrate"], ["migrate", "postgres"]])
def test_an_unknown_variable_is_refused_by_every_command_that_reads_settings(command: list[str]) -> None:
    assert "did you mean BLACKLAKE_PORT?" in refused(*command, code=2, BLACKLAKE_PROT="1")


def test_config_shows_every_setting_its_source_and_no_password(tmp_path: Path) -> None:
    file = tmp_path / "blacklake.toml"
    file.write_text('log_level = "debug"\n')
    text = printed(
        "config", "--config", file, BLACKLAKE_PORT="1", BLACKLAKE_DATABASE_URL="postgresql://u:s3cret@host/db"
    )
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert set(rows) == set(Settings.model_fields)
    assert rows["port"] == ["1", "BLACKLAKE_PORT"]
    assert rows["log_level"] == ["debug", str(file)]
    assert rows["database_url"] == ["postgresql://u:***@host/db", "BLACKLAKE_DATABASE_URL"]
    assert rows["host"] == ["127.0.0.1", "default"]
    assert rows["storage"] == ["default"]


def test_config_prints_the_table_of_the_documentation() -> None:
    text = printed("config", "--docs")
    assert all(f"| `BLACKLAKE_{name.upper()}` |" in text for name in Settings.model_fields)


def test_the_embedded_schema_goes_up_and_down(tmp_path: Path) -> None:
    place = ["--data-dir", tmp_path / "data"]
    assert printed("migrate", "status", *place) == NO_SCHEMA
    assert printed("migrate", "up", *place) == CURRENT
    assert printed("migrate", *place) == CURRENT
    assert printed("migrate", "down", LATEST, *place) == CURRENT  # nothing to undo, nothing to ask
    assert printed("migrate", "down", "0002", "--yes", "--lose-data", *place) == state(2)
    assert printed("migrate", "down", "0001", "--yes", *place) == state(1)  # and here nothing to lose
    assert printed(*BASE, *place) == NO_SCHEMA
    assert "nonsense" in refused("migrate", "down", "nonsense", *place, code=1)
    assert printed("migrate", *place) == CURRENT
    assert printed("migrate", "postgres", *place).endswith(f"is of PostgreSQL {NEWEST}, the newest version embedded\n")


def test_the_schema_of_a_database_of_ones_own_goes_up_and_down(empty_database_url: str, tmp_path: Path) -> None:
    place = {"BLACKLAKE_DATABASE_URL": empty_database_url, "BLACKLAKE_DATA_DIR": str(tmp_path / "unused")}
    assert printed("migrate", "status", **place) == NO_SCHEMA
    assert printed("migrate", **place) == CURRENT
    assert printed("migrate", "status", **place) == CURRENT
    assert printed(*BASE, **place) == NO_SCHEMA
    assert not (tmp_path / "unused").exists()


def test_going_back_that_loses_data_is_refused_until_it_is_said(database_url: str) -> None:
    said = refused("migrate", "down", "base", "--yes", code=1, BLACKLAKE_DATABASE_URL=database_url)
    assert "undoing 0004 loses the audit log; undoing 0003 loses all users, organisations, teams" in said
    assert "sessions; undoing 0001 loses all repositories" in said
    assert said.endswith("--lose-data\n")
    assert printed("migrate", "status", BLACKLAKE_DATABASE_URL=database_url) == CURRENT


def test_going_back_without_a_terminal_to_ask_at_needs_yes(database_url: str) -> None:
    said = refused("migrate", "down", "base", "--lose-data", code=2, BLACKLAKE_DATABASE_URL=database_url)
    assert said.startswith(f"This undoes {', '.join(one[:4] for one in reversed(REVISIONS))}; what scanners have said")
    assert "say --yes" in said
    assert printed("migrate", "status", BLACKLAKE_DATABASE_URL=database_url) == CURRENT


@pytest.mark.parametrize(("answer", "left"), [("y", NO_SCHEMA), ("n", CURRENT), ("", CURRENT)])
def test_going_back_asks_at_a_terminal(database_url: str, answer: str, left: str) -> None:
    ours, theirs = os.openpty()
    os.write(ours, answer.encode() + b"\n")
    done = subprocess.run(
        [sys.executable, "-m", "blacklake", "migrate", "down", "base", "--lose-data"],
        env=os.environ | {"BLACKLAKE_DATABASE_URL": database_url},
        check=True,
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(ours)
    os.close(theirs)
    changed = "" if left == NO_SCHEMA else "nothing was changed\n"
    assert done.stdout.endswith(f"will be lost. Go on? [y/N] {changed}{left}")
    assert printed("migrate", "status", BLACKLAKE_DATABASE_URL=database_url) == left


def test_a_database_that_can_not_be_reached_exits_with_1() -> None:
    url = "postgresql://nobody@127.0.0.1:1/nowhere"
    assert "could not be read or changed" in refused("migrate", code=1, BLACKLAKE_DATABASE_URL=url)


def test_an_embedded_database_of_an_older_version_is_moved_and_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"
    initialise(data / "postgres", OLDEST)
    assert printed("migrate", "--data-dir", data) == CURRENT
    said = printed("migrate", "postgres", "--data-dir", data).splitlines()
    assert said[0] == f"{data / 'postgres'} is of PostgreSQL {OLDEST}; moving it to PostgreSQL {NEWEST}"
    assert said[-1].endswith(f"the old directory is kept in {data / f'postgres.{OLDEST}.old'}")
    assert (data / "postgres" / "PG_VERSION").read_text() == f"{NEWEST}\n"
    assert printed("migrate", "status", "--data-dir", data) == CURRENT


def test_where_there_is_no_embedded_database_there_is_nothing_to_move(tmp_path: Path) -> None:
    assert "nothing to migrate" in refused("migrate", "postgres", "--data-dir", tmp_path / "data", code=1)


def test_a_data_directory_in_use_is_refused_with_the_pid_of_its_user(tmp_path: Path) -> None:
    holder = """
import sys
from pathlib import Path
from registry.datadir import DataDirectory
DataDirectory(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        for command in (["migrate"], ["migrate", "postgres"], ["serve", "--port", "0"]):
            said = refused(*command, "--data-dir", tmp_path, code=1)
            assert f"in use by the process with pid {process.pid}" in said
        process.kill()


def test_a_command_of_the_server_side_says_what_to_install(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["pydantic_settings"] = None
sys.argv = ["blacklake", "config"]
from blacklake.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("blacklake: this command needs pip install 'blacklake[server]'")
