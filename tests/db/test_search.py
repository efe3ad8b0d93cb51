"""Whatever is asked for, PostgreSQL finds what a filter in Python does: for who may see all, and for who may see some."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.access import ANONYMOUS, DELETE, EVERYONE, PULL, Bound, Caller
from registry.core.query.parsing import parse
from registry.core.search import Search, conditions_of
from registry.db import search
from registry.db.conditions import Statement
from registry.db.pool import Database
from registry.db.reaching import Reach
from registry.db.replicas import Replicas
from registry.errors import PageInvalid, QueryInvalid
from tests.artifacts import Made, add
from tests.cluster import Cluster
from tests.db import naive_search
from tests.db.plans import nodes, rows_read

NOW = datetime(2026, 6, 1, tzinfo=UTC)
REPOSITORIES = ("acme/llama", "acme/llama-chat", "acme/bert", "other/llama", "other/whisper/big", "bert")
VALUES = {
    "framework": ["pytorch", "PyTorch", "jax", "it's \\ odd"],
    "format": ["safetensors", "gguf"],
    "architecture": ["LlamaForCausalLM", "LlamaModel", "BertModel"],
    "family": ["llama", "bert", "ÉMU"],
    "precision": ["bfloat16", "float16"],
    "quantization": ["Q4_K_M", "Q4_0"],
}
LISTS = {
    "licenses": ["Apache-2.0", "MIT", "cc-by-4.0"],
    "tasks": ["text-generation", "fill-mask"],
    "languages": ["en", "de"],
    "tags": ["medical", "legal"],
}
WORDS = ("llama", "bert", "gpt2", "8b", "3", "medical", "legal", "speech", "robust")
METRICS = ("accuracy", "Accuracy", "f1")
NUMBERS = ("parameters", "context_length", "rows")


def artifact(chance: random.Random) -> Made:
    """Return an artifact that has some of everything."""
    values: dict[str, object] = {name: chance.choice(some) for name, some in VALUES.items() if chance.random() < 0.6}
    values |= {
        name: chance.sample(some, chance.randrange(1, 3)) for name, some in LISTS.items() if chance.random() < 0.6
    }
    values |= {
        name: chance.choice((0, 512, 7 * 10**9, 8 * 10**9, 32768, 32000)) for name in NUMBERS if chance.random() < 0.6
    }
    for name in ("base_models", "datasets"):
        if chance.random() < 0.4:
            values[name] = [{"ref": ref} for ref in chance.sample(["hub/Llama", "hub/squad", "sha256:abc"], 2)]
    if chance.random() < 0.6:
        values["metrics"] = [
            {"name": chance.choice(METRICS), "value": chance.choice((0.5, 0.9, 0.95))} for _ in range(2)
        ]
    values["description"] = " ".join(chance.choices(WORDS, k=6))
    values["title"] = "-".join(chance.choices(WORDS, k=3))
    return Made(
        repository=chance.choice(REPOSITORIES),
        values=values,
        kind=chance.choice(("model", "dataset")),
        format=chance.choice(("modelpack", "kitops")),
        artifact_type=chance.choice((None, "application/x")),
        size=chance.choice((0, 999, 8 * 10**9)),
        finding=chance.choice((None, None, "dangerous")),
        tags=tuple(chance.sample(("latest", "v1", "V1"), chance.randrange(2))),
        pushed_at=NOW - timedelta(days=chance.choice((0, 1, 10, 100))),
    )


class Filled:
    """A database with artifacts, and what runs its work. No dataclass: Hypothesis would show all of it with each example."""

    def __init__(self, runner: asyncio.Runner, db: Database) -> None:
        self.runner = runner
        self.db = db
        self.made: list[Made] = []
        self.users: dict[str, int] = {}

    @property
    def search(self) -> Search:
        return Search(self.db, Replicas(self.db))

    def ids(self, query: str, reach: Reach, limit: int = 1000) -> list[int]:
        """Return what is found, asked for page by page."""
        conditions = conditions_of(parse(query, NOW))

        async def all_pages() -> list[int]:
            found: list[int] = []
            after = None
            while True:
                find = partial(search.page, conditions=conditions, reach=reach, after=after, limit=limit)
                rows = await self.db.read("search", find)
                found += [row.id for row in rows]
                if len(rows) < limit:
                    return found
                last = rows[-1]
                after = search.Place(last.id, last.pushed_at, last.rank, last.newest)

        return self.runner.run(all_pages())

    def pages(self, query: str, caller: Caller, limit: int) -> list[str]:
        """Return the digests of all pages, as the verb gives them."""

        async def all_pages() -> list[str]:
            found: list[str] = []
            after: str | None = ""
            while after is not None:
                page = await self.search.page(query, caller=caller, after=after, limit=limit)
                assert len(page.items) <= limit
                found += [one.digest for one in page.items]
                after = page.next_after
            return found

        return self.runner.run(all_pages())


TARGETS = {"reader": [("acme/llama", False), ("library/", True)], "owner": [("acme/", True)], "nobody": []}


@pytest.fixture(scope="module")
def filled(cluster: Cluster, template: str) -> Iterator[Filled]:
    url = cluster.create("searched", template=template)
    with asyncio.Runner() as runner:
        found = Filled(runner, Database(url, size=4, timeout=10))
        runner.run(fill(found, url))
        yield found
        runner.run(found.db.close())
    cluster.drop("searched")


async def fill(found: Filled, url: str) -> None:
    await found.db.open()
    chance = random.Random(1)
    conn = await asyncpg.connect(url)
    for _ in range(80):
        found.made.append(await add(conn, artifact(chance)))
    await conn.execute("INSERT INTO organisations (name) VALUES ('acme'), ('other') ON CONFLICT DO NOTHING")
    await conn.execute("INSERT INTO organisations (name) VALUES ('library') ON CONFLICT DO NOTHING")
    for name, targets in TARGETS.items():
        found.users[name] = await conn.fetchval(
            "INSERT INTO principals (kind, name) VALUES ('user', $1) RETURNING id", name
        )
        for target, is_prefix in targets:
            await conn.execute(
                "INSERT INTO grants (organisation_id, principal_id, role_id, target, is_prefix)"
                " SELECT o.id, $1, r.id, $2, $3 FROM organisations o, roles r WHERE o.name = $4 AND r.name = 'reader'",
                *(found.users[name], target, is_prefix, target.partition("/")[0]),
            )
    found.users["root"] = await conn.fetchval(
        "INSERT INTO principals (kind, name, is_admin) VALUES ('user', 'root', true) RETURNING id"
    )
    await conn.close()


def may_see(user: str, repository: str) -> bool:
    path = repository if "/" in repository else f"library/{repository}"
    return any(path.startswith(target) if is_prefix else path == target for target, is_prefix in TARGETS[user])


def one_of(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def quoted(text: str) -> str:
    return f'"{text}"'


TEXTS = st.one_of(
    *(
        st.tuples(
            st.just(name), one_of(*map(quoted, values), *(f"{value[:2].lower()}*" for value in values[:3]), "*", "none")
        )
        for name, values in (
            *((name, values) for name, values in VALUES.items() if name != "architecture"),
            ("arch", VALUES["architecture"]),
            ("license", LISTS["licenses"]),
            ("task", LISTS["tasks"]),
            ("lang", LISTS["languages"]),
            ("label", LISTS["tags"]),
            ("kind", ["model", "dataset"]),
            ("packed", ["modelpack"]),
            ("type", ["application/x"]),
            ("base", ["hub/Llama"]),
            ("dataset", ["sha256:abc", "hub/squad"]),
            ("finding", ["dangerous"]),
            ("tag", ["latest", "v1", "V1"]),
            ("repo", [*REPOSITORIES]),
        )
    )
)
AMOUNTS = ("0", "512", "7B", "8B", "32k", "7.0B", "7500000000", "32000", "32768")
AGES = ("<2d", ">5d", "2026", "2026-06", ">2026-05-21", ">=2026-05-22", "<=2026-05-22", "1d..20d", "..2026-03")
NUMERIC = st.tuples(
    one_of("params", "rows"),
    st.one_of(
        st.builds(lambda sign, amount: sign + amount, one_of("", "<", "<=", ">", ">="), one_of(*AMOUNTS)),
        st.builds(lambda low, high: f"{low}..{high}", one_of("", *AMOUNTS), one_of(*AMOUNTS)),
    ),
)
OTHER = st.one_of(
    st.tuples(st.just("context"), one_of("32k", ">=32k", "<32k", "32000..32768", "*")),
    st.tuples(st.just("size"), one_of("<1GB", ">=8GB", "0", "8GB", "999B", ">0", "<=7GiB")),
    st.tuples(
        one_of("metric.accuracy", "metric.F1", "metric"), one_of(">0.9", ">=0.9", "0.5", "0.6..0.95", "<0.5", "*")
    ),
    st.tuples(
        st.just("pushed"),
        one_of(*AGES),
    ),
    st.tuples(st.just("has"), one_of("license", "params", "metric", "tag", "finding", "context", "task")),
)
FREE = st.one_of(
    one_of(*WORDS),
    st.builds(lambda first, second: f"{first}-{second}", one_of(*WORDS), one_of(*WORDS)),
    st.builds(lambda first, second: f'"{first} {second}"', one_of(*WORDS), one_of(*WORDS)),
    st.builds(lambda word: f"{word[:3]}*", one_of(*WORDS)),
)


def asked(name: str, value: str, more: str | None) -> str:
    name = "metric.accuracy" if name == "metric" else name
    return f"{name}:{value}" + (f",{more}" if more else "")


ITEMS = st.one_of(
    st.builds(lambda pair: asked(*pair, None), TEXTS),
    st.builds(
        lambda pair, more: asked(*pair, more), TEXTS.filter(lambda pair: pair[0] == "license"), one_of("mit", "none")
    ),
    st.builds(lambda pair: asked(*pair, None), NUMERIC),
    st.builds(lambda pair: asked(*pair, None), OTHER),
    FREE,
)
QUERIES = st.lists(st.builds(lambda sign, item: sign + item, one_of("", "", "", "-"), ITEMS), max_size=4).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(QUERIES, one_of("all", "root", "reader", "owner", "nobody"), st.booleans())
def test_postgresql_finds_what_python_does(filled: Filled, query: str, who: str, looked_up: bool) -> None:
    seen = filled.made if who in ("all", "root") else [one for one in filled.made if may_see(who, one.repository)]
    expected = [one.id for one in naive_search.found(parse(query, NOW), seen)]
    reach = Reach(None) if who == "all" else Reach(filled.users[who])
    before = search._FEW
    try:
        search._FEW = before if looked_up else -1
        found = filled.ids(query, reach)
    finally:
        search._FEW = before
    if parse(query, NOW).is_ranked:
        assert sorted(found) == sorted(expected)
    else:
        assert found == expected


@settings(max_examples=30, deadline=None)
@given(QUERIES)
def test_pages_have_each_artifact_once(filled: Filled, query: str) -> None:
    whole = filled.ids(query, Reach(None))
    assert filled.ids(query, Reach(None), limit=3) == whole
    digests = filled.pages(query, EVERYONE, 3)
    assert digests == filled.pages(query, EVERYONE, 1000)
    assert len(set(digests)) == len(digests)


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=60) | st.text(alphabet="ab:\"'\\\\-*,.&|!()<>=~ 19k\u0301ß字%$", max_size=40),
    st.sampled_from(["", "license:", "repo:", "tag:"]),
)
def test_whatever_can_be_read_can_be_asked(filled: Filled, text: str, facet: str) -> None:
    with contextlib.suppress(QueryInvalid):
        filled.ids(f"{facet}{text}", Reach(None))
        filled.runner.run(filled.search.facets(f"{facet}{text}", caller=EVERYONE))


@pytest.mark.parametrize(
    "query", ["a" * 900, "label:" + "ß" * 900, '"' + "a b " * 200 + '"', "label:'\\:*", "1'*", "repo:a'*"]
)
def test_odd_queries_can_be_asked(filled: Filled, query: str) -> None:
    assert filled.ids(query, Reach(None)) == []


def test_the_random_queries_find_something(filled: Filled) -> None:
    assert len(filled.ids("llama", Reach(None))) > 10
    assert 0 < len(filled.ids("framework:pytorch params:7B", Reach(None))) < 40


def test_a_credential_that_is_limited_finds_what_it_names(filled: Filled) -> None:
    bound = Bound({"acme/bert": PULL}, catalog=False, prefixes={"other/": PULL})
    found = filled.pages("", Caller(filled.users["root"], "root", bound), 100)
    assert len(found) == sum(one.repository == "acme/bert" or one.repository[:6] == "other/" for one in filled.made)
    assert filled.pages("", Caller(filled.users["owner"], "owner", bound), 100) == filled.pages(
        "repo:acme/bert", EVERYONE, 100
    )
    assert filled.pages("", Caller(None, "elsewhere", bound), 100) == found
    everything = Bound({}, catalog=False, prefixes={"": PULL})
    assert len(filled.pages("", Caller(filled.users["root"], "root", everything), 100)) == len(filled.made)


@pytest.mark.parametrize("bound", [Bound({}, False), Bound({}, True), Bound({"acme/bert": DELETE}, True)])
def test_a_credential_that_permits_no_pull_finds_nothing(filled: Filled, bound: Bound) -> None:
    for caller in (Caller(filled.users["root"], "root", bound), Caller(None, "elsewhere", bound)):
        assert filled.pages("", caller, 100) == []
        assert filled.runner.run(filled.search.facets("", caller=caller)).counted == 0


def test_the_anonymous_find_what_is_public(filled: Filled) -> None:
    assert filled.pages("", ANONYMOUS, 100) == []


@pytest.mark.parametrize("query", ["", "llama"])
def test_pages_stay_right_while_artifacts_are_added(filled: Filled, query: str) -> None:
    async def first() -> tuple[list[str], str]:
        page = await filled.search.page(query, caller=EVERYONE, limit=5)
        assert page.next_after is not None
        return [one.digest for one in page.items], page.next_after

    async def rest(after: str) -> list[str]:
        return [one.digest for one in (await filled.search.page(query, caller=EVERYONE, after=after)).items]

    whole = filled.pages(query, EVERYONE, 1000)
    begin, after = filled.runner.run(first())
    new = Made(values={"title": "llama llama"}, pushed_at=NOW + timedelta(days=1))
    filled.runner.run(filled.db.transaction("add", lambda conn: add(conn, new)))
    try:
        assert begin + filled.runner.run(rest(after)) == whole
        assert len(filled.pages(query, EVERYONE, 1000)) == len(whole) + 1
    finally:
        delete = "DELETE FROM manifests WHERE digest = $1"
        filled.runner.run(filled.db.transaction("delete", lambda conn: conn.execute(delete, new.digest)))


@pytest.mark.parametrize("after", ["x", "!!", "AAAA", "kQE", "e30", "a" * 500])
@pytest.mark.parametrize("query", ["", "llama"])
def test_what_no_page_has_said_is_refused(filled: Filled, query: str, after: str) -> None:
    with pytest.raises(PageInvalid):
        filled.runner.run(filled.search.page(query, caller=EVERYONE, after=after))


def test_of_one_kind_of_list_the_other_s_place_is_refused(filled: Filled) -> None:
    page = filled.runner.run(filled.search.page("", caller=EVERYONE, limit=2))
    with pytest.raises(PageInvalid):
        filled.runner.run(filled.search.page("llama", caller=EVERYONE, after=page.next_after or ""))


def test_facets_are_counted(filled: Filled) -> None:
    counts = filled.runner.run(filled.search.facets("kind:model -label:legal", caller=EVERYONE))
    expected = naive_search.found(parse("kind:model -label:legal", NOW), filled.made)
    assert (counts.counted, counts.is_all) == (len(expected), True)
    licensed = sum("MIT" in one.values.get("licenses", ()) for one in expected)
    assert {row.value: row.artifacts for row in counts.facets["license"]}["mit"] == licensed
    assert [row.artifacts for row in counts.facets["license"]] == sorted(
        (row.artifacts for row in counts.facets["license"]), reverse=True
    )
    assert {row.value for row in counts.facets["kind"]} == {"model"}
    of_nobody = filled.runner.run(filled.search.facets("", caller=Caller(filled.users["nobody"], "nobody")))
    assert (of_nobody.counted, {row for rows in of_nobody.facets.values() for row in rows}) == (0, set())


@pytest.mark.parametrize("many", ["size:" + ",".join(["0..8GB"] * 60), "params:" + ",".join(["512..7B"] * 60)])
def test_facets_are_counted_of_what_is_found_by_however_many_values(filled: Filled, many: str) -> None:
    bound = Bound({f"acme/none{number}": PULL for number in range(120)} | {"acme/llama": PULL}, catalog=False)
    for caller in (EVERYONE, Caller(filled.users["root"], "root", bound)):
        found = filled.pages(many, caller, 1000)
        assert len(found) > 1
        assert filled.runner.run(filled.search.facets(many, caller=caller)).counted == len(found)


def test_no_more_than_the_newest_are_counted(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "COUNTED", 7)
    counts = filled.runner.run(filled.search.facets("", caller=EVERYONE))
    assert (counts.counted, counts.is_all) == (7, False)
    assert sum(row.artifacts for row in counts.facets["kind"]) == 7


def test_what_queries_judge_rows_by_comes_first_and_stays_in_the_row(filled: Filled) -> None:
    asked = """
    SELECT attname, attstorage FROM pg_attribute WHERE attrelid = 'artifacts'::regclass AND attnum > 0 ORDER BY attnum
    """
    storage = dict(filled.runner.run(filled.db.read("columns", lambda conn: conn.fetch(asked))))
    assert list(storage)[:7] == ["id", "repository_id", "pushed_at", "size", "digest", "facets", "words"]
    assert {name for name, kind in storage.items() if kind == b"x"} == {"record", "problem"}


MANY = """
INSERT INTO repositories (name) SELECT 'many/r' || n FROM generate_series(1, 200) n;
SET LOCAL session_replication_role = replica;
INSERT INTO artifacts (repository_id, digest, kind, format, size, record, record_version, readers_version, is_complete)
    SELECT r.id, sha256((r.id || '/' || n)::bytea), 'model', 'modelpack', 1, '{}', 1, 1, true
    FROM repositories r, generate_series(1, 100) n WHERE r.name LIKE 'many/%';
INSERT INTO artifact_metrics (repository_id, digest, name, value)
    SELECT repository_id, digest, 'accuracy', random() FROM artifacts WHERE format = 'modelpack';
"""


@pytest.mark.parametrize("query", ["metric.accuracy:>0.5", "-metric.accuracy:>0.5"])
def test_of_few_repositories_only_their_own_metrics_are_rows_read(cluster: Cluster, template: str, query: str) -> None:
    url = cluster.create("measured", template=template)
    reach = Reach(None, names=["many/r7"])
    plans: list[Any] = []

    async def explained(conn: Any, text: str, statement: Statement) -> list[Any]:
        plans.append(await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", *statement.parameters))
        return []

    async def asked() -> None:
        db = Database(url, size=1, timeout=10)
        await db.open()
        await db.transaction("fill", lambda conn: conn.execute(MANY))
        await db.read("analyze", lambda conn: conn.execute("VACUUM ANALYZE"))
        find = partial(search.page, conditions=conditions_of(parse(query, NOW)), reach=reach, after=None, limit=10)
        await db.read("search", find)
        await db.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_fetched", explained)
        asyncio.run(asked())
    cluster.drop("measured")
    read = [
        rows_read(one)
        for one in nodes(json.loads(plans[0])[0]["Plan"])
        if one.get("Relation Name") == "artifact_metrics"
    ]
    assert 0 < sum(read) <= 100, plans
