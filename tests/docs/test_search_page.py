"""Every query of the page on search is one, and finds something; every facet has its example."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from registry.core.access import EVERYONE
from registry.core.query.facets import ALIASES, FACETS
from registry.core.query.parsing import parse
from registry.core.query.terms import Term
from registry.core.search import Search
from registry.db.pool import Database
from registry.db.replicas import Replicas
from registry.errors import QueryInvalid
from tests.artifacts import Made, add
from tests.docs.commands import ROOT

PAGE = ROOT / "docs" / "search.md"
TODAY = datetime.now(UTC)
SAMPLES = (
    Made(
        "org01/llama",
        {
            "framework": "pytorch",
            "format": "safetensors",
            "architecture": "LlamaForCausalLM",
            "family": "llama",
            "parameters": 7_241_000_000,
            "precision": "bfloat16",
            "licenses": ["Apache-2.0"],
            "languages": ["en", "de"],
            "tasks": ["text-generation"],
            "tags": ["medical"],
            "base_models": [{"ref": "hub/llama-base"}],
            "datasets": [{"ref": "sha256:0123"}],
            "metrics": [
                {"name": "accuracy", "value": 0.97},
                {"name": "f1", "value": 0.96},
                {"name": "top 5", "value": 0.95},
            ],
            "context_length": 32_768,
            "description": "Answers summaries of medical notes; distilled from llama-3.1-8b.",
        },
        artifact_type="application/vnd.cncf.model.manifest.v1+json",
        size=7_000_000_000,
        tags=("latest",),
        pushed_at=TODAY - timedelta(days=1),
    ),
    Made(
        "org02/small",
        {
            "format": "gguf",
            "quantization": "Q4_K_M",
            "parameters": 300_000_000,
            "licenses": ["MIT"],
            "context_length": 131_072,
            "title": "legal whisper",
            "description": "Quantized, for speech translation.",
        },
        finding="dangerous",
        pushed_at=datetime(2026, 3, 1, tzinfo=UTC),
    ),
    Made("org02/texts", {"rows": 2_000_000, "languages": ["de"], "licenses": ["CC-BY-NC-4.0"]}, kind="dataset"),
)


def queries() -> list[str]:
    """Return what stands in the first column of the tables of queries."""
    tables = re.findall(r"^\| Query \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE)
    return [row.split("`")[1] for table in tables for row in table.splitlines()]


@pytest.mark.parametrize("query", queries())
async def test_a_query_of_the_page_finds_something(query: str, database: Database, sql: asyncpg.Connection) -> None:
    for sample in SAMPLES:
        await add(sql, sample)
    search = Search(database, Replicas(database))
    assert (await search.page(query, caller=EVERYONE)).items, query
    assert (await search.facets(query, caller=EVERYONE)).counted


def test_every_facet_is_on_the_page() -> None:
    facets = PAGE.read_text().partition("## Facets")[2].partition("## Words")[0]
    shown = {
        item.asked.facet for query in queries() for item in parse(query, TODAY).items if isinstance(item.asked, Term)
    }
    assert shown == set(FACETS) - {"has"}
    assert "`has:license`" in facets
    assert [alias for alias in ALIASES if f"`{alias}:`" not in facets] == []


def test_the_refusal_on_the_page_is_what_is_said() -> None:
    with pytest.raises(QueryInvalid) as refused:
        parse("licens:mit", TODAY)
    begin, end = next(line for line in PAGE.read_text().splitlines() if "at character" in line).split(
        "kind, framework, …"
    )
    assert str(refused.value).startswith(begin)
    assert str(refused.value).endswith(end)
