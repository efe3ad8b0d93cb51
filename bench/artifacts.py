"""A hundred thousand artifacts as a large company may have them, written into the registry's tables by COPY.

Made from a seed, so that every run has the same ones: repositories of uneven size, few frameworks and licences that most
have, long tails of families, labels and datasets, metrics of every second model.
"""

import datetime
import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from bench import vocabulary as words

ORGANISATIONS = 50
REPOSITORIES = 2000
READABLE = 12
"""Repositories that the user with few rights may pull from, and as many others that everybody may."""
READER = "reader"
_SINCE = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=900)
_TOGETHER = 10_000  # rows of one COPY


@dataclass
class Made:
    """One artifact: the columns of its row, and the metrics and tags beside it."""

    row: dict[str, Any]
    metrics: list[tuple[str, float, str | None]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


async def fill(url: str, artifacts: int) -> None:
    """Fill an empty registry's database with artifacts, and with a user who has few rights."""
    conn = await asyncpg.connect(url, command_timeout=600)
    try:
        chance = random.Random(7)
        names = await _repositories(conn, chance)
        weights = [chance.paretovariate(1.2) for _ in names]
        await conn.execute(_STAGING)
        for begin in range(0, artifacts, _TOGETHER):
            numbers = range(begin, min(begin + _TOGETHER, artifacts))
            chosen = chance.choices(range(len(names)), weights, k=len(numbers))
            made = [artifact(number, names[at], at + 1, chance) for number, at in zip(numbers, chosen, strict=True)]
            await _write(conn, made)
        await _grant(conn, names)
        await conn.execute("VACUUM ANALYZE")
    finally:
        await conn.close()


async def _repositories(conn: "asyncpg.Connection[asyncpg.Record]", chance: random.Random) -> list[str]:
    names = [
        f"org{chance.randrange(ORGANISATIONS):02}/{chance.choice(words.FAMILIES).name}-{number}"
        for number in range(REPOSITORIES)
    ]
    await conn.copy_records_to_table("repositories", records=list(enumerate(names, 1)), columns=["id", "name"])
    await conn.execute(
        "INSERT INTO organisations (name) SELECT 'org' || to_char(n, 'fm00') FROM generate_series(0, 49) n"
    )
    return names


def artifact(number: int, repository: str, repository_id: int, chance: random.Random) -> Made:
    """Return the artifact of a number."""
    kind = chance.choices(words.KINDS, words.KIND_WEIGHTS)[0]
    packing = chance.choices(words.PACKINGS, words.PACKING_WEIGHTS)[0]
    values: dict[str, Any] = {
        "name": repository.partition("/")[2],
        "description": _prose(number, chance),
        "licenses": [chance.choices(words.LICENSES, words.LICENSE_WEIGHTS)[0]],
        "tags": chance.sample(words.LABELS, k=chance.randrange(4)),
        "version": f"{chance.randrange(4)}.{chance.randrange(10)}.{chance.randrange(10)}",
    }
    made = Made(
        {
            "id": number + 1,
            "repository_id": repository_id,
            "digest": b"\x01" + hashlib.sha256(str(number).encode()).digest(),
            "kind": kind,
            "format": packing,
            "artifact_type": words.TYPE_OF.get(packing),
            "finding": "dangerous" if chance.random() < 0.01 else None,
            "size": int(chance.lognormvariate(20, 2)),
            "pushed_at": _SINCE + datetime.timedelta(minutes=number * 12.9),
        }
    )
    if kind == "model":
        _model(made, values, chance)
    elif kind == "dataset":
        values |= {"rows": int(chance.lognormvariate(12, 3)), "languages": [chance.choice(words.LANGUAGES)]}
        values |= {"tasks": [chance.choice(words.TASKS)], "format": chance.choice(("parquet", "jsonl", "csv", "arrow"))}
    if not number % 3:
        made.tags = [f"v{number}", *(["latest"] if not number % 9 else [])]
    _columns(made.row, values)
    return made


def _prose(number: int, chance: random.Random) -> str:
    """Return a description; one of fifty has a word that few have."""
    chosen = chance.choices(words.PROSE, words.PROSE_WEIGHTS, k=chance.randrange(10, 60))
    return " ".join(chosen + words.RARE[number % 50 :][:1])


def _model(made: Made, values: dict[str, Any], chance: random.Random) -> None:
    family = chance.choices(words.FAMILIES, words.FAMILY_WEIGHTS)[0]
    parameters = int(chance.choice(family.parameters) * chance.uniform(0.97, 1.05))
    weights = chance.choices(words.FORMATS, words.FORMAT_WEIGHTS)[0]
    precision = chance.choices(words.PRECISIONS, words.PRECISION_WEIGHTS)[0]
    values |= {
        "framework": words.FRAMEWORK_OF.get(weights) or chance.choices(words.FRAMEWORKS, words.FRAMEWORK_WEIGHTS)[0],
        "format": weights,
        "architecture": family.architecture,
        "family": family.name,
        "parameters": parameters,
        "precision": precision,
        "tasks": [family.task],
        "languages": chance.sample(words.LANGUAGES, k=chance.randrange(1, 4)),
        "tensors": parameters // 20_000_000 + 100,
    }
    made.row["size"] = parameters * words.BYTES[precision]
    if family.context:
        values["context_length"] = family.context
    if weights == "gguf" or chance.random() < 0.1:
        values["quantization"] = chance.choice(words.QUANTIZATIONS)
    if chance.random() < 0.4:
        values["base_models"] = [{"ref": f"hub/{family.name}-base", "relation": "finetune"}]
    if chance.random() < 0.3:
        values["datasets"] = [{"ref": _dataset(chance)} for _ in range(chance.randrange(1, 3))]
    if chance.random() < 0.5:
        for name in chance.sample(words.METRICS, k=chance.randrange(1, 4)):
            made.metrics.append((name, round(chance.betavariate(6, 2), 4), chance.choice(words.DATASETS)))
        values["metrics"] = [{"name": name, "value": value, "dataset": on} for name, value, on in made.metrics]


def _dataset(chance: random.Random) -> str:
    """Return a name, or of one of ten a digest."""
    name = chance.choice(words.DATASETS)
    return name if chance.random() < 0.9 else f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def _columns(row: dict[str, Any], values: dict[str, Any]) -> None:
    """Write into a row what it has of a record, and the record."""
    for name in ("framework", "architecture", "family", "parameters", "precision", "quantization", "rows"):
        row[name] = values.get(name)
    row["context_length"], row["weights_format"] = values.get("context_length"), values.get("format")
    for column, name in (("licenses", "licenses"), ("languages", "languages"), ("tasks", "tasks"), ("labels", "tags")):
        row[column] = values.get(name, [])
    for name in ("base_models", "datasets"):
        row[name] = [item["ref"] for item in values.get(name, [])]
    sources = {name: [{"provenance": "config", "at": f"config.json#/{name}"}] for name in values}
    row["record"] = json.dumps({"values": values, "sources": sources})


_COLUMNS = (
    *("id", "repository_id", "digest", "kind", "format", "artifact_type", "size", "pushed_at", "finding", "record"),
    *("framework", "weights_format", "architecture", "family", "parameters", "precision", "quantization", "rows"),
    *("context_length", "licenses", "languages", "tasks", "labels", "base_models", "datasets"),
)
_STAGING = f"""
CREATE TEMP TABLE made AS SELECT {", ".join(_COLUMNS)} FROM artifacts LIMIT 0
"""
_TAKE = f"""
INSERT INTO artifacts ({", ".join(_COLUMNS)}, record_version, readers_version, is_complete, words) OVERRIDING SYSTEM VALUE
SELECT {", ".join(f"m.{name}" for name in _COLUMNS)}, 1000, 1000, true, artifact_words(r.name, m.record)
FROM made m JOIN repositories r ON r.id = m.repository_id ORDER BY m.id
"""


async def _write(conn: "asyncpg.Connection[asyncpg.Record]", made: list[Made]) -> None:
    manifests = [(one.row["repository_id"], one.row["digest"], "type", 2, b"{}") for one in made]
    keys = [(one, one.row["repository_id"], one.row["digest"]) for one in made]
    metrics = [(repository, digest, *metric) for one, repository, digest in keys for metric in one.metrics]
    tags = list({(repository, tag): digest for one, repository, digest in keys for tag in one.tags}.items())
    for table, columns, rows in (
        ("manifests", ("repository_id", "digest", "media_type", "size", "content"), manifests),
        ("made", _COLUMNS, [tuple(one.row[name] for name in _COLUMNS) for one in made]),
    ):
        await conn.copy_records_to_table(table, records=rows, columns=columns)
    await conn.execute(_TAKE)
    await conn.execute("TRUNCATE made")
    columns = ("repository_id", "digest", "name", "value", "dataset")
    await conn.copy_records_to_table("artifact_metrics", records=metrics, columns=columns)
    await conn.executemany(
        "INSERT INTO tags (repository_id, name, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(*key, digest) for key, digest in tags],
    )


def granted(names: list[str]) -> Iterator[tuple[int | None, str]]:
    """Yield which repositories everybody (None) and the reader may pull from."""
    for number in range(READABLE):
        yield None, names[number * 7]
        yield 1, names[number * 11 + 1]


async def _grant(conn: "asyncpg.Connection[asyncpg.Record]", names: list[str]) -> None:
    """Let everybody and the reader, where he is there, pull from some repositories."""
    for holder, name in granted(names):
        await conn.execute(
            """
            INSERT INTO grants (organisation_id, principal_id, role_id, target, is_prefix)
            SELECT o.id, p.id, r.id, $2, false
            FROM organisations o, principals p, roles r
            WHERE o.name = $1 AND r.name = 'reader' AND r.organisation_id IS NULL
                AND CASE WHEN $3 THEN p.id = 0 ELSE p.name = $4 END
            """,
            name.partition("/")[0],
            name,
            holder is None,
            READER,
        )
