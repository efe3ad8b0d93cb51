"""What the API's document promises is what comes, whatever is asked within it or against it (Schemathesis)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import ignored_auth, positive_data_acceptance
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from registry import administration
from registry.http.api.reader_routes import READER_ROUTES
from registry.http.api.routes import ROUTES
from tests.http.admin import Api, Governed, governing
from tests.http.artifacts import known, push, safetensors
from tests.http.client import PATIENCE
from tests.http.server import Registry, serving

FILES = {"m.safetensors": safetensors(a=("F32", [2], b"\x01")), "config.json": b"{}"}
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def probe(api: Callable[[], Api], *, examples: int) -> Counter[str]:
    """Ask for everything, `examples` times each as the document has it and as it has it not; return how often which was asked.

    `api` is asked for anew with each operation: some of them take credentials away.
    """
    generation = GenerationConfig(modes=list(MODES))
    config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    schema = schemathesis.openapi.from_dict(api().get("/openapi.json"), config=config)
    asked: Counter[str] = Counter()
    failures = []
    for result in schema.get_all_operations():
        for mode in MODES:
            ask = _asking(result.ok(), mode, api(), examples, asked)
            try:
                ask()
            except Unsatisfiable:
                assert mode is schemathesis.GenerationMode.NEGATIVE, "whatever is asked is as the document has it"
            except BaseExceptionGroup as error:
                failures += [str(one) for one in error.exceptions]
            except AssertionError as error:
                failures.append(str(error))
    assert not failures, "\n\n".join(failures)
    return asked


def _asking(
    operation: Any, mode: schemathesis.GenerationMode, caller: Api, examples: int, asked: Counter[str]
) -> Callable[[], None]:
    """Return what asks for an operation."""

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        asked[case.operation.label] += 1
        answer = case.call(base_url=caller.registry.url, headers=caller.headers, timeout=PATIENCE)
        case.validate_response(answer, excluded_checks=[positive_data_acceptance, ignored_auth])
        if mode is schemathesis.GenerationMode.POSITIVE and case.method == "GET" and answer.status_code == 400:
            # What else is refused of what the document permits has a meaning that no schema expresses.
            assert answer.json()["type"] != "urn:blacklake:error:fields-invalid", answer.text

    found: Callable[[], None] = ask
    return found


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("open")) as registry:
        push(registry, "team/model", FILES)
        known(Api(registry, {}), "team/model")
        yield registry


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    with governing(tmp_path_factory.mktemp("governed")) as found:
        yield found


def test_an_open_registry_keeps_its_promises(opened: Registry, pytestconfig: pytest.Config) -> None:
    api = Api(opened, {})
    is_soak = pytestconfig.getoption("--soak", False)
    assert len(probe(lambda: api, examples=300 if is_soak else 5)) == len(READER_ROUTES)


def test_what_is_told_of_what_is_there_is_as_the_document_has_it(opened: Registry) -> None:
    """What is asked at random is mostly not there: each route is asked for what is."""
    api = Api(opened, {})
    job = api.get("/jobs")["items"][0]
    path = {"name": "team/model", "reference": "v1", "job_id": job["id"]}
    query = {"path": "m.safetensors", "name": "a", "other": "v1"}
    asked = 0
    for result in schemathesis.openapi.from_dict(api.get("/openapi.json")).get_all_operations():
        operation = result.ok()
        if operation.method.upper() != "GET":
            continue  # stages are promoted into in test_admin_both_ways
        case = operation.Case(
            path_parameters={one.name: path[one.name] for one in operation.path_parameters},
            query={one.name: query[one.name] for one in operation.query if one.is_required},
        )
        answer = case.call(base_url=opened.url, timeout=PATIENCE)
        assert answer.status_code == 200, operation.label
        case.validate_response(answer)
        asked += 1
    assert asked == sum(route.method == "GET" for route in READER_ROUTES)


@pytest.mark.parametrize("user", ["root", "mallory"])
def test_a_registry_with_users_keeps_them(governed: Governed, user: str, pytestconfig: pytest.Config) -> None:
    def api() -> Api:
        if governed.by(user)("GET", "/me").status_code == 401:
            governed.keys[user] = administration.create_key(governed.settings, user, "another", lifetime=None)
        return governed.by(user)

    is_soak = pytestconfig.getoption("--soak", False)
    assert len(probe(api, examples=100 if is_soak else 2 if user == "root" else 1)) == len(ROUTES)
    assert api().get("/me")["name"] == user
