"""Every statement is one that PostgreSQL understands, and the hot ones look things up by index."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from tests.cluster import Cluster
from tests.db.plans import nodes, rows_read
from tests.db.statements import statements

Sql = asyncpg.Connection

SIZES = (1_000, 100_000)
LARGEST = 1_000_000  # in the soak
CATALOGUES = {1_000: 1_000, 100_000: 20_000, LARGEST: 100_000}
"""How many repositories there are beside the large one, by the size of that."""
FILL = """
CREATE FUNCTION digest(n bigint) RETURNS bytea IMMUTABLE LANGUAGE sql RETURN '\\x01'::bytea || sha256(n::text::bytea);
CREATE TEMP TABLE numbers AS
    SELECT n, CASE WHEN n <= {size} THEN 1 ELSE n - {size} + 1 END AS repository_id, digest(n) AS digest,
        digest(n / 20 * 20) AS earlier
    FROM generate_series(1, {size} + {others}) AS n;
INSERT INTO repositories (name) SELECT 'team/model' || n FROM generate_series(1, {others} + 1) AS n;
INSERT INTO blobs (digest, size, storage_key) SELECT digest, n, 'key' || n FROM numbers;
INSERT INTO repository_blobs (repository_id, digest) SELECT repository_id, digest FROM numbers;
INSERT INTO manifests (repository_id, digest, media_type, artifact_type, subject, referrer, size, content)
    SELECT repository_id, digest, 'type', CASE WHEN n % ({size} / 10) = 0 THEN 'rare' ELSE 'artifact' END,
        CASE WHEN n % 2 = 0 THEN digest(0) ELSE earlier END, '{{}}', 2, '{{}}'
    FROM numbers;
INSERT INTO tags (repository_id, name, digest)
    SELECT repository_id, 'v' || n, digest FROM numbers WHERE n <= {tags} OR n > {size};
INSERT INTO manifest_references (digest, repository_id, manifest) SELECT earlier, repository_id, digest FROM numbers;
INSERT INTO uploads (repository_id, id, storage_key, algorithm)
    SELECT repository_id, gen_random_uuid(), 'upload' || n, 'sha256' FROM numbers WHERE n % 10 = 0;
INSERT INTO dead_objects (storage_key, due_at)
    SELECT 'dead' || n, now() + make_interval(secs => n - 500) FROM numbers WHERE n % 2 = 0;
INSERT INTO audit_inbox (at, principal, credential_kind, action, target, outcome, detail)
    SELECT now(), 'user' || n % 100, 'key', 'pull', 'team/model' || n, 'done', '{{}}' FROM numbers WHERE n <= {size};
INSERT INTO audit_events (sequence, at, principal, credential_kind, action, target, outcome, detail)
    SELECT n, now() - make_interval(secs => {size} - n), 'user' || n % 500, 'key', 'kind' || n % 500, 'team/model' || n,
        CASE WHEN n % 500 = 0 THEN 'denied' ELSE 'done' END, '{{}}'
    FROM numbers WHERE n <= {size};
INSERT INTO audit_batches
    SELECT n, n, n, now(), earlier, digest, digest, 'kid', digest FROM numbers WHERE n <= {size};
INSERT INTO organisations (name) SELECT CASE n WHEN 1 THEN 'team' ELSE 'org' || n END FROM numbers WHERE n <= {size} / 10;
INSERT INTO principals (kind, name, password_hash) SELECT 'user', 'user' || n, 'hash' FROM numbers WHERE n <= {size} / 10;
INSERT INTO principals (kind, name) SELECT 'service', 'service' || n FROM numbers WHERE n <= {size} / 10;
INSERT INTO teams (organisation_id, name) SELECT n, 'readers' FROM numbers WHERE n <= {size} / 10;
INSERT INTO team_members (team_id, principal_id) SELECT n, n FROM numbers WHERE n <= {size} / 10;
INSERT INTO team_members (team_id, principal_id) SELECT 1, n FROM numbers WHERE n > 1 AND n <= {size} / 10;
INSERT INTO grants (organisation_id, principal_id, role_id, target, is_prefix)
    SELECT 1, n, 2, 'team/model' || n, false FROM numbers WHERE n <= {size} / 10;
INSERT INTO grants (organisation_id, team_id, role_id, target, is_prefix)
    SELECT n, n, 1, o.name || '/model1', true FROM numbers JOIN organisations o ON o.id = n WHERE n <= {size} / 10;
INSERT INTO api_keys (principal_id, name, secret_hash) SELECT n, 'key', digest FROM numbers WHERE n <= {size} / 10;
INSERT INTO sessions (id, principal_id, service, client, expires_at, ends_at)
    SELECT md5(n::text)::uuid, n, 'blacklake', 'client', now() + make_interval(secs => n), now() + interval '1 day'
    FROM numbers WHERE n <= {size} / 10;
INSERT INTO known_networks (network, principal_id) SELECT digest, n FROM numbers WHERE n <= {size} / 10;
INSERT INTO service_keys (id, principal_id, algorithm, public_key)
    SELECT 'key' || n, n + {size} / 10, 'ed25519', digest FROM numbers WHERE n <= {size} / 10;
INSERT INTO used_nonces (key_id, nonce, expires_at)
    SELECT 'key' || n, 'nonce', now() + make_interval(secs => n - 500) FROM numbers WHERE n <= {size} / 10;
INSERT INTO outbox (kind, repository_id, digest) SELECT 'manifest-pushed', 1, digest FROM numbers WHERE n <= {size};
INSERT INTO jobs (kind, repository_id, digest, state, finished_at)
    SELECT 'describe', 1, digest, CASE WHEN n % 50 = 7 THEN 'running' ELSE 'done' END,
        CASE WHEN n % 50 = 7 THEN NULL ELSE now() - make_interval(secs => n) END
    FROM numbers WHERE n <= {size};
INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint)
    SELECT now() - make_interval(secs => n), n, 'queued', 0, 'describe' FROM numbers WHERE n <= {size};
INSERT INTO tag_moves (repository_id, tag, after) SELECT 1, 'v' || n, digest FROM numbers WHERE n <= {tags};
INSERT INTO readings (digest, manner, version, reading)
    SELECT digest, 'raw:model.safetensors', 1, '{{}}' FROM numbers WHERE n <= {size};
INSERT INTO tensor_indexes (digest, manner, path, tensors, content)
    SELECT digest, 'raw:model.safetensors', '', 1, '' FROM numbers WHERE n <= {size};
INSERT INTO schemas (organisation_id, name, major, minor, patch, urn, uses, applies_to, content, created_by)
    SELECT n, 'owned', 1, minor, 0, 'urn' || n || ':' || minor,
        CASE WHEN minor = 0 THEN '{{}}' ELSE ARRAY['urn' || n || ':0'] END, 'annotations', '{{}}', 'somebody'
    FROM numbers, generate_series(0, 1) AS minor WHERE n <= {size} / 10;
INSERT INTO schema_bindings (organisation_id, target, is_prefix, artifact_type, is_built_in, name, major, mode, created_by)
    SELECT n, o.name || '/model1', true, '', false, 'owned', 1, 'warn', 'somebody'
    FROM numbers JOIN organisations o ON o.id = n WHERE n <= {size} / 10;
INSERT INTO schema_violations (repository_id, digest, applies_to, schema, mode, violations)
    SELECT repository_id, digest, 'annotations', 'urn1:0', 'warn', '[]' FROM numbers WHERE n % 2 = 0;
INSERT INTO policies (organisation_id, target, is_prefix, name, version, is_removed)
    SELECT n, o.name || '/', true, 'signed', 1, false
    FROM numbers JOIN organisations o ON o.id = n WHERE n <= {size} / 10 AND o.name <> 'team';
INSERT INTO policy_versions (policy_id, version, content, mode, on_pull, on_tag, tags, created_by)
    SELECT id, 1, '', 'enforce', true, true, '{{}}', 'somebody' FROM policies;
INSERT INTO trust_roots (organisation_id, name, version, is_removed)
    SELECT n, 'private', 1, false FROM numbers WHERE n <= {size} / 10;
INSERT INTO trust_root_versions (trust_root_id, version, content, created_by)
    SELECT id, 1, '', 'somebody' FROM trust_roots;
UPDATE organisations SET policy_epoch = 5 WHERE name <> 'team';
INSERT INTO verdicts (repository_id, digest, epoch, evidence, outcome)
    SELECT repository_id, digest, 5, evidence, 'admitted' FROM manifests WHERE size > 0;
INSERT INTO tag_rules (organisation_id, target, is_prefix, pattern, kind, created_by)
    SELECT n, o.name || '/model1', true, 'v1*', kind, 'somebody' FROM numbers
    JOIN organisations o ON o.id = n, unnest(ARRAY['immutable', 'protected']) AS kind WHERE n <= {size} / 10;
INSERT INTO tag_rule_movers (rule_id, principal_id) SELECT n, n FROM numbers WHERE n <= {size} / 10;
INSERT INTO tag_rule_movers (rule_id, team_id) SELECT n, n FROM numbers WHERE n <= {size} / 10;
INSERT INTO stages
    (organisation_id, target, is_prefix, position, name, tag, may_skip, is_restricted, created_by)
    SELECT n, o.name || '/model1', true, 0, 'prod', 'prod', false, true, 'somebody'
    FROM numbers JOIN organisations o ON o.id = n WHERE n <= {size} / 10;
INSERT INTO stage_promoters (stage_id, team_id) SELECT n, n FROM numbers WHERE n <= {size} / 10;
INSERT INTO promotions
    (repository_id, stage, place_id, tag, kind, digest, before, parent, reason, is_forced, promoted_by)
    SELECT 1, 'prod', 1, 'prod', 'promotion', digest, NULL, NULL, '', false, 'somebody' FROM numbers WHERE n <= {size};
INSERT INTO scan_results (repository_id, digest, scanner, state, version, asked, answered)
    SELECT repository_id, digest, s.scanner, CASE WHEN n % 50 = 0 AND s.scanner = 'clamav' THEN 'down' ELSE 'clean' END, '1', 1,
        CASE WHEN n % 50 = 0 AND s.scanner = 'clamav' THEN 0 ELSE 1 END
    FROM numbers, unnest(ARRAY['clamav', 'pickle']) AS s(scanner);
INSERT INTO quarantines (repository_id, digest, worst) SELECT repository_id, digest, 'high' FROM numbers WHERE n % 10 = 0;
INSERT INTO used_tokens (token_hash, as_password, expires_at)
    SELECT digest, true, now() + make_interval(secs => n - 500) FROM numbers;
"""


@pytest.fixture(scope="module")
def filled_urls(cluster: Cluster, template: str, pytestconfig: pytest.Config) -> Iterator[dict[int, str]]:
    """Return databases by how many manifests one repository of them holds, with as many tags (up to 100,000) and blobs."""
    sizes = (*SIZES, LARGEST) if pytestconfig.getoption("--soak", False) else SIZES
    urls = {size: cluster.create(f"filled_{size}", template=template) for size in sizes}
    for size, url in urls.items():
        filled = Cluster(url)
        # Whether the rows fit together is checked where they are few: a third of the work, and the statements are the same.
        unchecked = "" if size == min(SIZES) else "SET session_replication_role = replica;"
        filled.execute(unchecked + FILL.format(size=size, others=CATALOGUES[size], tags=min(size, 100_000)))
        filled.execute("VACUUM ANALYZE")
    yield urls
    for size in urls:
        cluster.drop(f"filled_{size}")


async def test_every_statement_can_be_prepared(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    found = statements()
    for name, statement in found.items():
        try:
            await conn.prepare(statement)
        except asyncpg.PostgresError as error:
            pytest.fail(f"{name}: {error}")
    await conn.close()
    assert len(found) >= 30
    assert {"blobs._LOOKUP", "manifests._LOOKUP", "tags._PAGE", "uploads._TAKE", "schema.STATE"} <= set(found)


def packed(number: int) -> bytes:
    return Digest.of(str(number).encode()).to_bytes()


NAMES = [f"team/model{number % 500 + 1}" for number in range(128)]
DIGESTS = [packed(number) for number in range(1, 129)]
REPOSITORY = 1
ONE = "team/model1"
POPULAR = packed(0)  # the subject of every second manifest
NO_ID = "00000000-0000-0000-0000-000000000000"

SESSION = "8f14e45f-ceea-167a-5a36-dedd4bea2543"  # of the user with the id 7

EVENT = (datetime(2030, 1, 1, tzinfo=UTC), 1, "alice", "key", "42", None, None, "pull", "team/model", "done", "{}")

HOT: dict[str, tuple[Any, ...]] = {
    "schema_bindings._COVERING": ("team", "team/model1"),
    "schema_bindings._FORGET": (REPOSITORY, packed(2), ["annotations"]),
    "schema_bindings._HOLD": (REPOSITORY, packed(2)),
    "schema_bindings._RECORD": (REPOSITORY, packed(1), "annotations", ["urn1:0"], ["warn"], ["[]"]),
    "schemas._NEEDED": (["urn1:1"],),
    "violations._PAGE": (None, None, None, None, None, 100),
    "violations._PAGE of a reader": (7, None, None, 50, None, 20),
    "violations._PAGE_OF_REPOSITORY": (None, None, None, None, None, 100, ONE),
    "blobs._LOOKUP": ([ONE] * 128, DIGESTS, [None] * 128, [None] * 128, ["none"] * 128),
    "blobs._LOOKUP with rights": ([ONE] * 128, DIGESTS, [None] * 128, [1] * 128, ["team"] * 128),
    "blobs._LOOKUP with policies": ([ONE] * 128, DIGESTS, DIGESTS[::-1], [1] * 128, ["org5"] * 128),
    "blobs._FIND": (ONE, packed(1)),
    "blobs._HELD": (REPOSITORY, DIGESTS),
    "blobs._INSERT": (packed(1), 1, "key"),
    "blobs._KEY": (packed(1),),
    "blobs._MOVE": (packed(1), "key1", "moved"),
    "blobs._LINK": (REPOSITORY, packed(1)),
    "blobs._MOUNT": (2, packed(1), [ONE], None, False),
    "blobs._LOCK_LINK": (REPOSITORY, packed(1)),
    "blobs._UNLINK": (REPOSITORY, packed(1)),
    "manifests._LOOKUP": (
        [ONE] * 64 + NAMES[:64], [f"v{number}" for number in range(1, 129)], *[[None] * 128] * 3, ["none"] * 128,
    ),
    "manifests._LOOKUP by digest": ([ONE] * 128, [None] * 128, DIGESTS, *[[None] * 128] * 2, ["none"] * 128),
    "manifests._LOOKUP with policies": ([ONE] * 128, [None] * 128, DIGESTS, *[[None] * 128] * 2, ["org5"] * 128),
    "manifests._LOOKUP with rights": ([ONE] * 128, [None] * 128, DIGESTS, [None] * 128, [1] * 128, ["team"] * 128),
    "manifests._CONTENT": (REPOSITORY, packed(1)),
    "manifests._HELD": (REPOSITORY, DIGESTS),
    "manifests._PUT": (REPOSITORY, packed(0), "type", "artifact", packed(20), b"{}", 2, b"{}"),
    "manifests._PUT_UNTOLD": (REPOSITORY, packed(0), "type", "artifact", packed(20), b"{}", 2, b"{}"),
    "manifests._REFER": (DIGESTS, REPOSITORY, packed(1)),
    "manifests._LOCK": (REPOSITORY, packed(1)),
    "manifests._LOCK_TAGS": (REPOSITORY, packed(1), "team", ONE, 7),
    "manifests._DELETE": (REPOSITORY, packed(1), "alice"),
    "manifests._USERS": (REPOSITORY, packed(20), 10),
    "manifests._REFERRERS": (REPOSITORY, packed(20), b"", 500, 3 << 20),
    "manifests._REFERRERS of a popular subject": (REPOSITORY, POPULAR, b"", 20, 3 << 20),
    "manifests._REFERRERS_OF_TYPE": (REPOSITORY, POPULAR, b"", 20, 3 << 20, "artifact"),
    "manifests._REFERRERS_OF_TYPE that is rare": (REPOSITORY, POPULAR, b"", 500, 3 << 20, "rare"),
    "principals._STANDING": (1,),
    "repositories._PAGE": ("team/model5", 101, None),
    "repositories._PAGE from the start": ("", 101, None),
    "repositories._PAGE of a reader": ("", 101, 7),
    "repositories._PAGE of who may see nothing": ("", 101, 0),
    "repositories._ID": (ONE,),
    "repositories._ID_AND_EPOCH": (ONE, "team"),
    "evidence._RAISE": (REPOSITORY, [packed(1)]),
    "evidence._ARTIFACT": (REPOSITORY, packed(1)),
    "evidence._ATTACHED": (REPOSITORY, POPULAR, ["v1", "v2"], ["rare"], 20, 1 << 20),
    "evidence._PLACES": (REPOSITORY, DIGESTS),
    "evidence._VIOLATIONS": (REPOSITORY, packed(2), 200),
    "policies._STANDING": ("org5",),
    "policies._CONTENTS": ([5], [1]),
    "policies._EPOCH": ("team",),
    "trust_roots._CONTENTS": ("org5",),
    "verdicts._STANDING": (REPOSITORY, packed(2), 5),
    "verdicts._PUT": (REPOSITORY, packed(2), 5, 0, b"[]", None, "admitted", [], [], [], None),
    "verdicts._CONTAINING": (REPOSITORY, packed(20), ["type"], 3, 20, ["rare"]),
    "verdicts._LISTS": (REPOSITORY, packed(21), packed(20)),
    "verdicts._USING": (REPOSITORY, packed(20), 5, 10, 500, ["type"]),
    "verdicts._HOLD": (REPOSITORY, DIGESTS[:2]),
    "rights._DECIDE": ([1] * 64, ["team"] * 64, NAMES[:64]),
    "rights._DECIDE of many": ([*range(1, 65)], ["team"] * 64, NAMES[:64]),
    "principals._BY_NAME": ("user7",),
    "principals._BY_KEY": (packed(7),),
    "networks._FIND": (packed(7),),
    "networks._ADD": (packed(7), 7),
    "networks._FORGET": (7, 16),
    "sessions._ADD": (NO_ID, 7, "blacklake", "client", 60.0, 60.0, 7),
    "browser_sessions._ADD": (NO_ID, 7, "blacklake", "client", b"code", 60.0, 60.0, 7),
    "browser_sessions._USE": (b"code", 60.0),
    "sessions._PRESENT": (SESSION, 1, "blacklake", 60.0),
    "sessions._END": (SESSION, "blacklake"),
    "sessions._END_OLDEST": (7, 200),
    "sessions._LIST": (7, 100),
    "sessions._REVOKE_ALL": (7,),
    "sessions._FORGET": (100,),
    "service_keys._FIND": ("key7",),
    "service_keys._USE": ("key7", "new", 1_900_000_000, 300.0),
    "service_keys._FORGET": (100,),
    "stages._COVERING": ("team", ONE, 7),
    "promotions._STATE": (REPOSITORY, "prod", REPOSITORY, "prod"),
    "promotions._ADD": (
        REPOSITORY, "prod", REPOSITORY, "prod", "promotion", packed(1), None, None, None, "", False, "alice",
    ),
    "promotions._WAS_PROMOTED": (REPOSITORY, packed(1), "prod"),
    "promotions._PAGE": (None, None, None, REPOSITORY, 1 << 60, None, 100),
    "promotions._PAGE of a stage": (7, None, None, REPOSITORY, 1 << 60, "prod", 100),
    "tags._PAGE": (REPOSITORY, "v2", 101),
    "tags._PAGE from the start": (REPOSITORY, "", 101),
    "tags._POINT": (REPOSITORY, ["v1", "new"], packed(1), "alice", "team", ONE, 7),
    "tags._MOVE": (REPOSITORY, ["v2"], packed(1), "alice"),
    "tags._DELETE": (REPOSITORY, "v2", "alice", "team", ONE, 7),
    "uploads._CREATE": (ONE, NO_ID, "upload", "sha256", 1),
    "uploads._TAKE": (ONE, NO_ID, 0),
    "uploads._SAVE": (
        REPOSITORY, NO_ID, 1, 10, None, b"", True, "sha256",
    ),
    "uploads._RENEW": (REPOSITORY, NO_ID, 1),
    "uploads._IS_OURS": (REPOSITORY, NO_ID, 1),
    "uploads._RELEASE": (REPOSITORY, NO_ID, 1),
    "uploads._RECEIVED": (ONE, NO_ID),
    "uploads._DROP": (REPOSITORY, NO_ID, 1),
    "uploads._CANCEL": (ONE, NO_ID),
    "uploads._EXPIRE": (86400.0, 100),
    "switches._IS_ON": ("publish", REPOSITORY),
    "publications._HAS_TENSORS": (REPOSITORY, packed(1)),
    "publications._ADD_PROBLEM": (REPOSITORY, packed(1), "it has too many tensors"),
    "publications._COUNT": (REPOSITORY, packed(1)),
    "publications._TENSORS": (REPOSITORY, packed(1)),
    "publications._ADD": (REPOSITORY, packed(1), packed(2), "tensor-index", packed(2)),
    "publications._OF": (REPOSITORY, packed(1), "tensor-index"),
    "publications._REMOVE": (REPOSITORY, packed(1), packed(2)),
    "digests._IS_LACKING": (REPOSITORY, packed(1)),
    "digests._BLOBS": (REPOSITORY, packed(1)),
    "digests._ASK": (REPOSITORY, b"", 500),
    "digests._COPY": (packed(1),),
    "digests._NEXT": (packed(1), 100000),
    "digests._FILL": (packed(1), ["raw:model.safetensors"], [""], [b""], [b""]),
    "outbox._TAKE": (["manifest-pushed"], 200),
    "outbox._ASK": (REPOSITORY, b"", None, 500),
    "outbox._ASK_OF_OUTDATED": (REPOSITORY, b"", 2, 2, 1000),
    "outbox._ADD": ("description-asked", REPOSITORY, packed(1)),
    "outbox._ASK_OF_INDEXES": (REPOSITORY, packed(20), ["type"], None),
    "jobs._ADD": (["describe"] * 64, [REPOSITORY] * 64, DIGESTS[:64]),
    "jobs._BEGIN": (7,),
    "jobs._TELL": (7, 1, 100, 10),
    "jobs._DONE": (7, 1),
    "jobs._FAILED": (7, 1, "error"),
    "jobs._AGAIN": (7, 1, "error"),
    "jobs._BACK": (7, 1),
    "jobs._FORGET": (0.0, 100),
    "jobs._FIND": (None, None, None, 7),
    "jobs._FIND of a reader": (7, ["team/model1"], [], 7),
    "jobs._PAGE": (None, None, None, None, None, 100),
    "jobs._PAGE of a reader": (7, None, None, 50, None, 20),
    "jobs._PAGE_OF_REPOSITORY": (None, None, None, None, None, 100, ONE),
    "readings._FIND": (DIGESTS, ["raw:model.safetensors"] * 128, 1, 1 << 24),
    "readings._PUT": (packed(1), "raw:model.safetensors", 1, "{}"),
    "readings._CLEAR": (packed(1), "raw:model.safetensors", [b""]),
    "readings._PUT_TENSORS": (packed(1), "raw:model.safetensors", ["new"], [1], [b""]),
    "artifacts._SUBJECT": (REPOSITORY, packed(1)),
    "artifacts._HELD": (REPOSITORY, DIGESTS),
    "artifacts._LOCK": (REPOSITORY, packed(1)),
    "artifacts._IS_KEPT": (REPOSITORY, packed(1), "model", "{}"),
    "artifacts._RECORDS": (REPOSITORY, DIGESTS),
    "artifacts._CLEAR_METRICS": (REPOSITORY, packed(1)),
    "artifacts._CLEAR_FILES": (REPOSITORY, packed(1)),
    "references._REPOSITORY of a reader": (7, None, None, "team/model7"),
    "references._REPOSITORY": (None, None, None, ONE),
    "references._FIND": (None, None, None, ONE, "v1", None),
    "references._FIND of a reader": (7, ["team/model7"], [], "team/model7", None, packed(1)),
    "tags._LISTED": (REPOSITORY, "v2", 101),
    "tags._NAMES": (REPOSITORY, packed(1), 100),
    "tags._MOVES": (REPOSITORY, "", 1 << 60, 101),
    "tags._MOVES_OF_TAG": (REPOSITORY, "v1", 1 << 60, 101),
    "described._PAGE": (REPOSITORY, b"", 101),
    "described._FIND": (REPOSITORY, packed(1)),
    "described._FILES": (REPOSITORY, packed(1), "", 101),
    "described._FILE": (REPOSITORY, packed(1), "model.safetensors"),
    "described._TENSORS": (REPOSITORY, packed(1), "", None, 20, True),
    "described._TENSOR_COUNTS": (REPOSITORY, packed(1)),
    "described._FINDINGS": (REPOSITORY, packed(1), 100),
    "described._RAW": (REPOSITORY, packed(1), "", 101),
    "graph._EDGES": (None, None, None, [REPOSITORY], [packed(20)], 100),
    "graph._EDGES of a popular subject": (None, None, None, [REPOSITORY], [POPULAR], 100),
    "graph._NODES": (None, None, None, [REPOSITORY] * 100, DIGESTS[:100]),
    "scans._ASK": (REPOSITORY, packed(1), ["clamav", "pickle", "new"], [True, False, False]),
    "scans._HOLD": (REPOSITORY, packed(1)),
    "scans._TRY": (REPOSITORY, packed(1), "clamav", 1),
    "scans._DUE": (REPOSITORY, packed(50), ["clamav", "pickle"]),
    "scans._SEEN": (["clamav", "pickle"],),
    "scans._UNSEEN": (0.0, 20),
    "scans._FORGET": (0.0, REPOSITORY, packed(1), "clamav"),
    "scans._OF": (REPOSITORY, packed(1)),
    "scans._PUT": (
        REPOSITORY,
        packed(50),
        "clamav",
        1,
        "found",
        "high",
        "2",
        "[]",
        None,
        None,
        datetime(2030, 1, 1, tzinfo=UTC),
        True,
    ),
    "scans._DOCUMENT": (REPOSITORY, packed(1), "pickle"),
    "scans._ASK_OF_PAGE": (REPOSITORY, b"", None, 20, ["clamav", "new"], [True, False]),
    "scans._WAITING": (["clamav", "pickle"], 0.0, 20),
    "scans._OUTDATED": (REPOSITORY, packed(1), ["clamav", "pickle"], ["2", "1"], 20),
    "quarantines._LEVEL": (REPOSITORY,),
    "quarantines._FIND": (REPOSITORY, packed(10)),
    "quarantines._PUT": (REPOSITORY, packed(1), "high"),
    "quarantines._REMOVE": (REPOSITORY, packed(10)),
    "quarantines._RELEASE": (REPOSITORY, packed(10), "somebody", "why", [b""]),
    "quarantines._SCANNED": (REPOSITORY, b"", 20),
    "quarantines._PAGE": (None, None, None, None, 100),
    "quarantines._PAGE of a reader": (7, None, None, 50, 20),
    "quarantines._PAGE_OF_REPOSITORY": (None, None, None, None, 100, ONE),
    "queue._FORGET_LOG": (0.0, 100),
    "objects._CLAIM": (100,),
    "objects._ADD_UNNAMED": ("upload10",),
    "objects._FORGET": ("dead10",),
    "objects._FORGET_CLAIMED": (["dead10", "dead20"], datetime(2030, 1, 1, tzinfo=UTC)),
    "audit._ADD": EVENT,
    "audit._ADD_MANY": tuple([value] for value in EVENT),
    "audit._FIRST": (),
    "audit._MOVE": (10_000_000, 100),
    "audit._SPAN": (500, 900, 200),
    "audit_batches._LAST": (),
    "audit_batches._PAGE": (500, 200),
    "audit_batches._NAMED": ([1, 10, 100],),
    "audit_batches._ADD": (0, 0, 0, datetime(2030, 1, 1, tzinfo=UTC), b"", b"", b"", "kid", b""),
    "trust._USE": (packed(1000), True, datetime(2030, 1, 1, tzinfo=UTC)),
}  # fmt: skip


GROWING = {
    "outbox",
    "jobs",
    "pgqueuer_log",
    "tag_moves",
    "readings",
    "tensor_indexes",
    "repositories",
    "blobs",
    "repository_blobs",
    "uploads",
    "dead_objects",
    "manifests",
    "tags",
    "manifest_references",
    "audit_inbox",
    "audit_events",
    "audit_batches",
    "used_tokens",
    "organisations",
    "principals",
    "teams",
    "team_members",
    "grants",
    "api_keys",
    "sessions",
    "known_networks",
    "service_keys",
    "used_nonces",
    "schemas",
    "schema_bindings",
    "schema_violations",
    "policies",
    "policy_versions",
    "trust_roots",
    "trust_root_versions",
    "verdicts",
    "scan_results",
    "quarantines",
    "tag_rules",
    "tag_rule_movers",
    "stages",
    "stage_promoters",
    "promotions",
}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", HOT)
async def test_a_hot_statement_goes_by_index_and_costs_the_same_at_every_size(
    filled_urls: dict[int, str], name: str, mode: str
) -> None:
    touched = {}
    for size, url in filled_urls.items():
        # A small table is rightly read whole where that takes fewer pages; here like is compared with like.
        plan = await explained(url, name, plan_cache_mode=mode, enable_seqscan="off" if size == min(SIZES) else "on")
        found = list(nodes(plan))
        scanned = {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}
        assert scanned & GROWING == set(), f"{size}: {json.dumps(plan, indent=1)}"
        read = sum(rows_read(node) for node in found if "Relation Name" in node)
        assert size == min(SIZES) or read <= 1000, f"{size}: {json.dumps(plan, indent=1)}"
        touched[size] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    # An index of a hundred times the entries is a level or two higher; what reads all would touch a hundred times as many.
    assert max(touched.values()) <= 4 * touched[min(SIZES)] + 20, touched


async def explained(url: str, name: str, **options: str) -> dict[str, Any]:
    """Return the plan of a hot statement that was carried out, and undone."""
    statement = statements()[name.partition(" ")[0]]
    conn = await asyncpg.connect(url, server_settings=options)
    try:
        # Twice: the first time reads the catalogue, too.
        for _ in range(2):
            async with _undone(conn):
                text = await conn.fetchval(f"EXPLAIN (FORMAT JSON, ANALYZE, BUFFERS) {statement}", *HOT[name])
        plan: dict[str, Any] = json.loads(text)[0]["Plan"]
        return plan
    finally:
        await conn.close()


@pytest.mark.parametrize("name", ["blobs._LOOKUP with rights", "manifests._LOOKUP", "manifests._LOOKUP with rights"])
async def test_what_every_pull_asks_is_planned_once(filled_urls: dict[int, str], name: str) -> None:
    conn = await asyncpg.connect(filled_urls[max(SIZES)])
    statement = await conn.prepare(statements()[name.partition(" ")[0]])
    for _ in range(12):
        await statement.fetch(*(column[:1] for column in HOT[name]))  # one question, as where few clients ask
    plans = "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement = $1"
    assert tuple(await conn.fetchrow(plans, statement.get_query())) == (5, 7)  # after five PostgreSQL compares
    await conn.close()


def test_every_statement_that_a_request_runs_is_among_the_hot_ones() -> None:
    by_name = {name.partition(" ")[0] for name in HOT}
    assert set(statements()) - by_name == {
        "repositories._CREATE",  # once for each repository
        "copies._CLOSURE",  # reads all that goes with an artifact into another repository
        "copies._LINK_BLOBS",
        "copies._NAMED",
        "promotions._LOCK",  # by primary keys, as the next two
        "promotions._NAMED",
        "promotions._WAS_NAMED",  # looks at all that a stage's tag has named
        "promotions._ANCESTOR",  # go as many steps as were asked for
        "promotions._DESCENDANT",
        "stages._REMOVE",  # an administrator's, as the others of stages and rules of tags
        "stages._ADD",
        "stages._ADD_PROMOTERS",
        "stages._COUNT",
        "stages._LISTED",
        "stages._ABOVE",
        "tag_rules._SET",
        "tag_rules._FORGET_MOVERS",
        "tag_rules._ADD_MOVERS",
        "tag_rules._REMOVE",
        "tag_rules._COUNT",
        "tag_rules._LISTED",
        "repositories._MATCHING",  # an administrator's
        "repositories._SUMMARIES",  # count what is in repositories, which takes the longer the more that is
        "repositories._SUMMARY",
        "repositories._ONE",
        "objects._ADD",
        "jobs._LOST",  # looks at all that is to be done, once a minute
        "jobs._UNFINISHED",
        "artifacts._PUT",  # by primary keys, as the next two
        "artifacts._PUT_METRICS",
        "artifacts._PUT_FILES",
        "search._HOW_MUCH",  # beside statements that are put together for each query (bench/search.py)
        "trials._PAGE",  # an administrator's, as the next ones; looks at all repositories, and in these by index
        "policies._SET",
        "policies._RAISE",
        "policies._COUNT",
        "policies._FIND",
        "policies._HISTORY",
        "policies._LISTED",
        "trust_roots._SET",
        "trust_roots._COUNT",
        "trust_roots._FIND",
        "trust_roots._LISTED",
        "schema.STATE",  # a single row
        "uploads._COUNT",  # for /metrics; counts every row
        "replicas._PRIMARY",  # no tables: where a server's log ends
        "replicas._REPLICA",
        "audit._NEWEST",  # an administrator's, as those below
        "audit._OLDEST",
        "audit._WAITING",
        "audit._TAIL",
        "audit._FORGET",
        "audit_batches._FORGET",
        "audit_batches._STRAY",
        "audit_batches._TRY_LOCK",  # no tables
        "audit_batches._WAIT_LOCK",
        "audit_batches._ANCHOR",  # a single row
        "audit_batches._SET_ANCHOR",
        "audit_batches._FORGET_ANCHORS",
        "explaining._HOLDERS",
        "explaining._OF_PRINCIPAL",
        "explaining._OF_TEAM",
        "rights._HOLDINGS",
        "rights._IS_ADMINISTRATOR",
        "principals._LOCK_ADMINISTRATORS",  # no tables
        "principals._OTHER_ADMINISTRATOR",  # before somebody who may do everything is disabled or deleted
        "grants._ADD",
        "grants._DELETE",
        "organisations._ADD",
        "organisations._CHANGE",
        "organisations._FIND",
        "principals._ADD_KEY",
        "principals._ADD_ROBOT",
        "principals._ADD_SERVICE",
        "principals._ADD_USER",
        "principals._ANY",
        "principals._CHANGE",
        "principals._DELETE",
        "principals._DISABLE",
        "principals._ENABLE",
        "principals._FIND",
        "roles._ADD",
        "roles._DELETE",
        "roles._FIND",
        "service_keys._ADD",
        "service_keys._REVOKE",
        "teams._ADD",
        "teams._ADD_MEMBER",
        "teams._DELETE",
        "teams._FIND",
        "teams._REMOVE_MEMBER",
        "keys._ADD",  # a handful of keys sign tokens
        "keys._ALL",
        "keys._FORGET",
        "keys._RETIRE",
        "api_keys._PAGE",  # one's own account, or an administrator's, as those below
        "api_keys._DELETE",
        "api_keys._HOLD",
        "api_keys._COUNT",
        "sessions._REVOKE",
        "service_keys._LIST",
        "directory._PRINCIPAL",  # lists for who administers: pages, of which nobody asks for many
        "directory._PRINCIPALS",
        "directory._ONE",
        "directory._ORGANISATIONS",
        "directory._ORGANISATION",
        "directory._TEAMS",
        "directory._TEAM",
        "directory._MEMBERS",
        "directory._ROLES",
        "directory._GRANTS",
        "trust._HOLD",
        "trust._FIND",  # issuers and their rules are few, by administrators' hands
        "trust._RULE",
        "trust._RULES_OF",
        "trust._ALL",  # and this is what these do
        "trust._ADD",
        "trust._REMOVE",
        "trust._RULES",
        "trust._ADD_RULE",
        "trust._REMOVE_RULE",
        "trust._LINKED",  # by primary key, once for each login
        "trust._IS_LINKED",
        "trust._LINK",
        "trust._UNLINK",
        "trust._LINKED_TO",  # where an issuer is removed
        "schemas._ADD",  # an organisation's administrators', as those below
        "schemas._CONTENT",
        "schemas._COUNT",
        "schemas._IS_THERE",
        "schemas._LISTED",
        "schemas._REMOVE",
        "schemas._USERS",
        "scan_keys._ALL",  # there are few
        "scan_keys._SIGNER",
        "scan_keys._ADD",
        "scan_keys._REVOKE_OTHERS",
        "quarantines._DECIDE",  # an operator's
        "quarantines._LEVELS",
        "switches._DECIDE",
        "switches._LISTED",
        "schema_bindings._BIND",
        "schema_bindings._COUNT",
        "schema_bindings._LISTED",
        "schema_bindings._UNBIND",
        "schema_bindings._USES",
    }


@contextlib.asynccontextmanager
async def _undone(conn: Sql) -> AsyncIterator[None]:
    transaction = conn.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()
