"""What scanners say is published as signed statements, where a repository asks for that; anybody can verify them."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm

from mediatypes.digest import Digest
from registry.auth.scan_keys import ScanKeys
from registry.auth.sealing import make_key_file, read_key
from registry.compose.verbs import create_services
from registry.config import Deletion, Settings
from registry.core.anchors import Anchors
from registry.core.jobs import REPORT, SCAN, Jobs
from registry.core.own_referrers import OwnReferrers
from registry.core.reports import BILL, SCANS, Reports
from registry.core.rescans import ScanRequests
from registry.core.services import Services
from registry.core.subjects import parse_target
from registry.core.switches import Switch
from registry.db.pool import Database
from registry.db.queue import enqueue
from registry.errors import Unavailable
from registry.jobs.reporting import reporting
from registry.jobs.scanning import scanning
from registry.scanners.base import Scanner
from registry.scanners.bills import BillScanner
from registry.scanners.content import pickle_scanner
from registry.storage.base import BlobStore
from signing.statements import pre_authentication_encoding
from tests.actors import OPERATOR
from tests.core.scanning import EVIL, Work, evidence_of, on_holiday, sandboxes, switch_on, work
from tests.core.support import NAME, own_referrers, read_blob

__all__ = ["sandboxes", "work"]

Sql = asyncpg.Connection


@pytest.fixture
def keys(database: Database, tmp_path: Path) -> ScanKeys:
    make_key_file(tmp_path / "key")
    return ScanKeys(database, read_key(tmp_path / "key"))


class Reporting:
    """Scans and reports as workers do."""

    def __init__(self, work: Work, services: Services, keys: ScanKeys, sql: Sql) -> None:
        self._work = work
        self._services = services
        self._sql = sql
        self._reports = Reports(work.db, own_referrers(work.db, services), enqueue, keys.signer)
        self._jobs = Jobs(work.db)

    async def begin(self, *scanners: Scanner) -> Digest:
        """Have an artifact with a bad pickle scanned by these, and a report published of that; return the artifact."""
        await switch_on(self._work.db, switch=Switch.REPORTS)
        digest = await self._work.asked(*scanners, files={"model.pkl": EVIL})
        assert await self.do() == 1
        return digest

    async def repeat(self) -> int:
        """Ask once more for the reports that were made; return as `do`."""
        await self._sql.execute("UPDATE jobs SET state = 'queued', finished_at = NULL WHERE kind = 'report'")
        return await self.do()

    async def do(self) -> int:
        """Do all scans, and what follows; return how many reports were asked for."""
        verbs = {
            SCAN: scanning(self._work.scanning, self._reports, self._jobs),
            REPORT: reporting(self._reports, self._jobs),
        }
        done = 0
        for kind, verb in verbs.items():
            for row in await self._sql.fetch("SELECT id FROM jobs WHERE kind = $1 AND state = 'queued'", kind):
                begun = await self._jobs.begin(row["id"])
                assert begun is not None
                with contextlib.suppress(Unavailable):
                    await verb(begun)
                done += kind == REPORT
        return done

    async def bundles(self, subject: Digest) -> dict[str, dict[str, Any]]:
        """Return the bundles beside an artifact, by the types of their predicates."""
        page = await self._services.referrers.page(NAME, subject, artifact_type=None, after=None, limit=None)
        found = {}
        for item in page.items:
            described = json.loads(item)
            stored = await self._services.manifests.resolve(NAME, Digest.parse(described["digest"]))
            manifest = json.loads(stored.content)
            (layer,) = manifest["layers"]
            kind = manifest["annotations"]["dev.sigstore.bundle.predicateType"]
            assert kind not in found
            found[kind] = json.loads(await read_blob(self._services, Digest.parse(layer["digest"])))
        return found


@pytest.fixture
def reports(work: Work, services: Services, keys: ScanKeys, sql: Sql) -> Reporting:
    return Reporting(work, services, keys, sql)


def verified(bundle: dict[str, Any], pem: str) -> dict[str, Any]:
    """Return a bundle's statement, whose signature is that of a key. Raise InvalidSignature."""
    envelope = bundle["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    public = load_pem_public_key(pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    (signature,) = envelope["signatures"]
    signed = pre_authentication_encoding(envelope["payloadType"], payload)
    public.verify(base64.b64decode(signature["sig"]), signed, ec.ECDSA(hashes.SHA256()))
    statement: dict[str, Any] = json.loads(payload)
    return statement


async def test_results_and_bills_become_referrers_that_the_anchor_verifies(
    work: Work, reports: Reporting, sql: Sql, database: Database, keys: ScanKeys
) -> None:
    files = {"model.pkl": EVIL, "requirements.txt": b"torch==2.1.0\nnumpy>=1\n"}
    digest = await work.asked(pickle_scanner(), BillScanner(), files=files)
    assert await reports.do() == 0
    assert await reports.bundles(digest) == {}
    await switch_on(database, switch=Switch.REPORTS)
    await ScanRequests(database, ["pickle", "sbom"]).ask(parse_target(NAME))
    await sql.execute(
        "INSERT INTO jobs (kind, repository_id, digest) SELECT 'scan', repository_id, digest FROM manifests"
        " WHERE subject IS NULL"
    )
    before = await evidence_of(sql, digest)
    assert await reports.do() == 1
    assert await evidence_of(sql, digest) > before
    bundles = await reports.bundles(digest)
    assert bundles.keys() == {SCANS, BILL}
    (anchor,) = await Anchors(database).listed()
    for kind, bundle in bundles.items():
        assert bundle["verificationMaterial"] == {"publicKey": {"hint": anchor.kid}}
        statement = verified(bundle, anchor.pem)
        assert statement["predicateType"] == kind
        assert statement["subject"] == [{"digest": {"sha256": str(digest).partition(":")[2]}}]
    found = {one["scanner"]: one for one in verified(bundles[SCANS], anchor.pem)["predicate"]["scans"]}
    assert (found["pickle"]["state"], found["pickle"]["worst"]) == ("found", "critical")
    assert found["sbom"]["state"] == "clean"
    bill = verified(bundles[BILL], anchor.pem)["predicate"]
    assert [(one["name"], one.get("version"), one["purl"]) for one in bill["components"]] == [
        ("numpy", None, "pkg:pypi/numpy"),
        ("torch", "2.1.0", "pkg:pypi/torch@2.1.0"),
    ]
    jwk = ECAlgorithm.from_jwk(json.dumps(anchor.jwk))
    assert jwk.public_numbers() == load_pem_public_key(anchor.pem.encode()).public_numbers()  # type: ignore[union-attr]


async def test_a_report_is_made_anew_only_where_it_says_something_else_and_replaces_the_one_before(
    reports: Reporting, database: Database, keys: ScanKeys
) -> None:
    digest = await reports.begin(pickle_scanner())
    first = await reports.bundles(digest)
    assert await reports.repeat() == 1
    assert await reports.bundles(digest) == first
    kid = await keys.rotate(actor=OPERATOR, now=True)
    assert await reports.repeat() == 1
    second = await reports.bundles(digest)
    assert second.keys() == {SCANS}
    assert second[SCANS]["verificationMaterial"]["publicKey"]["hint"] == kid
    old, new = await Anchors(database).listed()
    assert old.revoked_at is not None
    assert new.revoked_at is None
    assert verified(second[SCANS], new.pem)


async def test_what_is_left_of_a_try_that_ended_between_the_new_report_and_the_old_is_deleted(
    reports: Reporting, sql: Sql, keys: ScanKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await reports.begin(pickle_scanner())
    kid = await keys.rotate(actor=OPERATOR, now=True)

    async def ended(*_: object) -> None:
        raise Unavailable("the process")

    with monkeypatch.context() as patch:
        patch.setattr(OwnReferrers, "_withdraw", ended)
        await reports.repeat()
    assert await sql.fetchval("SELECT count(*) FROM publications") == 2
    await reports.repeat()
    bundles = await reports.bundles(digest)  # one of each type
    assert bundles[SCANS]["verificationMaterial"]["publicKey"]["hint"] == kid
    assert await sql.fetchval("SELECT count(*) FROM publications") == 1


@pytest.mark.parametrize("delete", ["refuse", "off"])
async def test_a_scan_without_other_results_is_published_only_where_the_older_report_can_be_deleted(
    work: Work, store: BlobStore, database_url: str, sql: Sql, database: Database, keys: ScanKeys, delete: str
) -> None:
    services = create_services(Settings(database_url=database_url, delete=Deletion(delete)), database, store)
    reports = Reporting(work, services, keys, sql)
    await reports.begin(pickle_scanner())
    (first,) = await sql.fetch("SELECT digest FROM publications")
    await sql.execute("UPDATE scan_results SET version = 'newer', finished_at = finished_at + interval '1 day'")
    await reports.repeat()
    (second,) = await sql.fetch("SELECT digest FROM publications")
    assert (second == first) is (delete == "off")
    await sql.execute("UPDATE scan_results SET state = 'clean', worst = NULL, findings = '[]'")
    await reports.repeat()
    kept = await sql.fetch("SELECT digest FROM publications")
    assert len(kept) == (2 if delete == "off" else 1)
    assert {row["digest"] for row in kept} - {first["digest"], second["digest"]}


async def test_what_is_known_is_published_while_a_scanner_is_down_and_says_which(
    reports: Reporting, sql: Sql, database: Database
) -> None:
    digest = await reports.begin(pickle_scanner(), on_holiday("away"))
    first = await reports.bundles(digest)
    (anchor,) = await Anchors(database).listed()
    found = {one["scanner"]: one for one in verified(first[SCANS], anchor.pem)["predicate"]["scans"]}
    assert (found["pickle"]["state"], found["pickle"]["worst"]) == ("found", "critical")
    assert (found["away"]["state"], found["away"]["finishedOn"]) == ("down", None)
    assert found["away"]["problem"] == "the scanner away is on holiday"
    await sql.execute("UPDATE jobs SET state = 'queued' WHERE kind = 'scan'")
    assert await reports.do() == 1
    assert await reports.bundles(digest) == first
