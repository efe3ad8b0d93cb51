"""`blacklake admin artifacts`: what is described again, and what is said."""

from __future__ import annotations

import json

import asyncpg
import pytest

from mediatypes.names import RepositoryName
from registry.core.outbox import Outbox
from registry.core.services import Services
from registry.core.switches import Switch
from registry.db import switches
from registry.db.pool import Connection, Database
from registry.db.queue import enqueue
from tests.core.support import image, push_blob, push_manifest
from tests.lifecycle.serving import run

Sql = asyncpg.Connection


@pytest.fixture
async def digests(services: Services, sql: Sql) -> list[str]:
    """Return the digests of two manifests of team/model, whose pushes have been followed."""
    config = await push_blob(services, b"{}")
    found = [str(await push_manifest(services, image(config, note=note), note)) for note in ("a", "b")]
    await sql.execute("DELETE FROM outbox")
    return found


@pytest.mark.parametrize(
    ("target", "expected"),
    [(None, 2), ("team/model", 2), ("team/*", 2), ("team", 2), ("team/m*", 2), ("other/*", 0), ("team/model@", 1)],
)
async def test_what_is_named_is_asked_for(
    target: str | None, expected: int, digests: list[str], database_url: str, database: Database, sql: Sql
) -> None:
    full = [f"{target}{digests[0]}" if target.endswith("@") else target] if target is not None else []
    done = run("admin", "artifacts", "describe", *full, database_url=database_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{expected} manifest{'' if expected == 1 else 's'} will be described again\n"
    await Outbox(database, enqueue).relay()
    assert await sql.fetchval("SELECT count(*) FROM jobs") == expected
    assert await sql.fetchval("SELECT max(priority) FROM pgqueuer") in (0, None)  # after what is pushed


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("team/none", "repository team/none does not exist"),
        ("team/model@sha256:" + "0" * 64, "is not in repository team/model"),
        ("team/model@sha256:0", "is not sha256:<64 hexadecimal digits>"),
        ("No", "organisation “No”"),
        ("te*", "organisation “te*”"),
        ("No@sha256:" + "0" * 64, "repository name “No”"),
        ("team/*@sha256:" + "0" * 64, "repository name “team/*”"),
    ],
)
async def test_what_is_not_there_is_said(target: str, said: str, digests: list[str], database_url: str) -> None:
    done = run("admin", "artifacts", "describe", target, database_url=database_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


async def test_digests_are_switched_on_and_off_and_the_audit_log_has_it(database_url: str, sql: Sql) -> None:
    for word, target, said in (
        ("on", "team/*", "tensors of team will be digested: of 0 artifacts that lack digests, and of what"),
        ("off", "team/model", "tensors of team/model will not be digested any more; the digests that there are stay"),
    ):
        done = run("admin", "artifacts", "digests", word, target, database_url=database_url)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(said)
    refused = run("admin", "artifacts", "digests", "on", "No", database_url=database_url)
    assert refused.returncode == 1
    assert "organisation “No”" in refused.stderr
    kept = await sql.fetch("SELECT switch, target, is_prefix, is_on FROM repository_switches ORDER BY target")
    assert [tuple(row) for row in kept] == [("digests", "team/", True, True), ("digests", "team/model", False, False)]
    logged = await sql.fetch("SELECT target FROM audit_inbox WHERE action = 'digests.decide' ORDER BY id")
    assert [row["target"] for row in logged] == ["team", "team/model"]
    listed = run("admin", "artifacts", "switches", "--json", database_url=database_url)
    assert listed.returncode == 0, listed.stderr
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["switch"], row["target"], row["is_on"]) for row in rows] == [
        ("digests", "team", True),
        ("digests", "team/model", False),
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [("library/*", {"bert", "library/t5", "team"}), ("library/bert", {"bert"}), ("team", {"team/model"})],
)
async def test_targets_are_as_for_grants(
    target: str, expected: set[str], services: Services, database_url: str, database: Database, sql: Sql
) -> None:
    """A name of one segment belongs to library; an organisation is a target, and is no repository."""
    for name in ("bert", "library/t5", "team", "team/model"):
        await push_blob(services, b"{}", RepositoryName(name))
    done = run("admin", "artifacts", "publish", "on", target, database_url=database_url)
    assert done.returncode == 0, done.stderr
    rows = await sql.fetch("SELECT id, name FROM repositories")

    async def asking(conn: Connection) -> set[str]:
        return {row["name"] for row in rows if await switches.is_on(conn, Switch.PUBLISH, repository_id=row["id"])}

    assert await database.read("look", asking) == expected
    described = run("admin", "artifacts", "describe", target, database_url=database_url)
    assert described.stdout == "0 manifests will be described again\n", described.stderr
