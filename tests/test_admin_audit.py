"""`blacklake admin audit`: what it prints, and its exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from registry.db.pool import Database
from tests.cluster import Cluster
from tests.core.audit import happen, pull, seal

ME = f"local:{pwd.getpwuid(os.getuid()).pw_name}"


@pytest.fixture
def variables(database_url: str, tmp_path: Path) -> dict[str, str]:
    """Return the settings of an installation whose secret key is that of tests.core.audit."""
    key = tmp_path / "key"
    key.write_bytes(b64encode(b"k" * 32))
    return {"BLACKLAKE_DATABASE_URL": database_url, "BLACKLAKE_SECRET_KEY_FILE": str(key)}


def admin(variables: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "blacklake", "admin", *map(str, arguments)]
    # Whatever these say, the account is what the kernel says.
    others = {"USER": "mallory", "LOGNAME": "mallory", "NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(
        command,
        env=os.environ | others | variables,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def printed(variables: dict[str, str], *arguments: str | Path) -> list[str]:
    done = admin(variables, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def sealed(url: str, *targets: str) -> list[str]:
    """Seal events, each in a batch of its own; return the heads as they are exported."""

    async def act() -> list[str]:
        db = Database(url, size=2, timeout=10)
        await db.open()
        heads = await seal(db)
        for target in targets:
            await happen(db, pull(target))
            heads += await seal(db)
        await db.close()
        return [json.dumps(one.head.exported()) for one in heads]

    return asyncio.run(act())


def test_what_is_done_at_the_command_line_is_recorded_with_the_account_that_did_it(
    variables: dict[str, str], database_url: str
) -> None:
    admin(variables, "org", "add", "acme")
    admin(variables, "user", "add", "alice", "--admin")
    admin(variables, "grant", "add", "anonymous", "reader", "acme")
    more = admin(variables, "audit", "list", "--limit", "2").stderr.split()
    assert more[:2] == ["more:", "--before"]
    (third, second, first) = printed(variables, "audit", "list")
    assert printed(variables, "audit", "list", "--before", more[2]) == [first]
    assert third.split()[0] == "-"  # not sealed yet
    assert third.split("  ")[-6:] == [ME, "grant.add", "acme", "done", "-", '{"role":"reader","subject":"anonymous"}']
    assert second.split("  ")[-6:] == [ME, "user.add", "user:alice", "done", "-", '{"admin":true}']
    assert first.split("  ")[-6:] == [ME, "organisation.add", "acme", "done", "-", "{}"]


def test_list_goes_back_page_by_page_and_filters(variables: dict[str, str], database_url: str) -> None:
    sealed(database_url, "m:1", "m:2", "other\x1b[2J")
    done = admin(variables, "audit", "list", "--limit", "2")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["3", "2"]
    assert '"other\\u001b[2J"' in done.stdout
    assert done.stderr == "more: --before 2\n"
    assert [line.split()[0] for line in printed(variables, "audit", "list", "--before", "2")] == ["1"]
    assert [line.split()[0] for line in printed(variables, "audit", "list", "--target", "m:")] == ["2", "1"]
    assert printed(variables, "audit", "list", "--until", "2020-01-01") == []
    assert len(printed(variables, "audit", "list", "--since", "2020-01-01T00:00:00", "--principal", "alice")) == 3
    assert admin(variables, "audit", "list", "--outcome", "maybe").returncode == 2
    assert admin(variables, "audit", "list", "--limit", "0").returncode == 2


def test_export_prints_json_lines_and_says_what_it_left_out(variables: dict[str, str], database_url: str) -> None:
    sealed(database_url, "m:1", 'm"\r\n')
    admin(variables, "org", "add", "acme")
    done = admin(variables, "audit", "export")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["sequence"], first["target"], second["target"]) == (1, "m:1", 'm"\r\n')
    assert (first["principal"], first["credential_id"], first["address"]) == ("alice", "42", "192.0.2.1")
    assert done.stderr == "1 events are not sealed yet, and were left out\n"


def test_verify_says_that_all_is_well_and_names_the_unsealed(variables: dict[str, str], database_url: str) -> None:
    assert printed(variables, "audit", "verify") == ["0 sealed events in no batch were verified, with 0 findings"]
    sealed(database_url, "m:1", "m:2")
    admin(variables, "org", "add", "acme")
    first, second = printed(variables, "audit", "verify")
    assert first == "2 sealed events in batches 1 to 2 were verified, with 0 findings"
    assert second.startswith("1 events since 20")
    assert second.endswith("are not sealed yet: nobody could tell if they were altered")


def test_verify_names_what_is_wrong_and_fails(variables: dict[str, str], database_url: str) -> None:
    sealed(database_url, "m:1", "m:2")
    Cluster(database_url).execute("UPDATE audit_events SET target = 'm:3' WHERE sequence = 2")
    done = admin(variables, "audit", "verify")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "ALTERED   event 2 of batch 2 was altered",
        "2 sealed events in batches 1 to 2 were verified, with 1 findings",
    ]


def test_verify_compares_heads_of_a_file_and_finds_what_was_cut_off(
    variables: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    heads = sealed(database_url, "m:1", "m:2")
    log = tmp_path / "log"
    line = f'{{"timestamp":"now","level":"info","event":"audit log sealed","head":{heads[0]}}}'
    log.write_text(f'{line}\nnot JSON\n{{"event":"request"}}\n{heads[1]}\n')
    assert printed(variables, "audit", "verify", "--head", log)[-1] == (
        "2 exported heads are in the log; 0 are of batches that were pruned"
    )
    for table, column in (("audit_batches", "number"), ("audit_events", "sequence")):
        Cluster(database_url).execute(f"DELETE FROM {table} WHERE {column} = 2")
    assert admin(variables, "audit", "verify").returncode == 0
    done = admin(variables, "audit", "verify", "--head", log)
    assert done.returncode == 1
    assert "TRUNCATED the log ends with batch 1, and the exported head of batch 2" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't be read: No such file or directory"),
        ("nothing\n", "holds no head: those are in the server's log"),
        ('x\n{"signature":"12"}\n', "line 2: this is no whole head of an audit log"),
    ],
)
def test_a_file_without_heads_is_refused(
    variables: dict[str, str], tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "heads"
    if content is not None:
        file.write_text(content)
    done = admin(variables, "audit", "verify", "--head", file)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_prune_deletes_what_is_older_and_the_rest_verifies(variables: dict[str, str], database_url: str) -> None:
    sealed(database_url, "m:1", "m:2")
    assert printed(variables, "audit", "prune", "--older-than", "400d") == ["0 events in 0 batches were deleted"]
    assert printed(variables, "audit", "prune", "--older-than", "0m") == ["2 events in 2 batches were deleted"]
    assert admin(variables, "audit", "prune", "--older-than", "soon").returncode == 2
    (line,) = printed(variables, "audit", "list")
    assert line.split("  ")[-6:-2] == [ME, "audit.prune", "audit", "done"]
    sealed(database_url)
    assert printed(variables, "audit", "verify") == ["1 sealed events in batches 3 to 3 were verified, with 0 findings"]


def test_without_the_secret_key_nothing_can_be_verified(variables: dict[str, str], tmp_path: Path) -> None:
    done = admin(variables | {"BLACKLAKE_SECRET_KEY_FILE": str(tmp_path / "missing")}, "audit", "verify")
    assert done.returncode == 1
    assert done.stderr.startswith("blacklake: the secret key ")
    assert "Traceback" not in done.stderr
