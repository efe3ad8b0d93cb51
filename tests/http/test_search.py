"""Artifacts, asked for by HTTP: who finds what, what is said of it, and how what can't be read is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from blacklake.cli import app
from blacklake.docker_config import DockerConfig
from blacklake.settings import Refused
from registry import administration
from registry.db.embedded import running_url
from tests.artifacts import Made, add
from tests.http.admin import PASSWORD, Api, Governed, problem, token

ARTIFACTS = "/artifacts"
OURS = f"label:{uuid4().hex}"
"""What only the artifacts of these tests have, however many others the registry has."""
DESCRIPTION = "A fine-tuned llama-3.1-8b; it answers in <b>German</b>."


@pytest.fixture(scope="module")
def filled(governed: Governed) -> Iterator[Governed]:
    """Return a registry with four models: two in acme/models, one in acme/private, one that is public."""
    url = running_url(governed.registry.directory / "postgres")
    assert url is not None
    made = [
        Made(
            "acme/models/small",
            {"licenses": ["MIT"], "parameters": 10**9, "description": DESCRIPTION},
            tags=("v1", "latest"),
        ),
        Made("acme/models/large", {"licenses": ["Apache-2.0"], "parameters": 8 * 10**10, "framework": "pytorch"}),
        Made("acme/private", {"licenses": ["MIT"], "title": "Llama"}),
        Made("other/public", {"licenses": ["MIT"]}, kind="dataset"),
    ]

    async def write() -> None:
        conn = await asyncpg.connect(url)
        for one in made:
            one.values["tags"] = [OURS.partition(":")[2]]
            await add(conn, one)
        await conn.close()

    asyncio.run(write())
    administration.grant(governed.settings, "anonymous", "reader", "other/public")
    yield governed
    administration.revoke(governed.settings, "anonymous", "reader", "other/public")


def names(api: Api, query: str = "", **more: str) -> list[str]:
    return [item["repository"] for item in api.get(ARTIFACTS, params={"q": f"{OURS} {query}", **more})["items"]]


def test_everybody_finds_what_he_may_pull(filled: Governed) -> None:
    everything = ["acme/models/large", "acme/models/small", "acme/private", "other/public"]
    assert sorted(names(filled.by("root"))) == everything
    assert sorted(names(filled.by("alice"))) == everything  # she reads acme, and the public may be pulled by her too
    assert sorted(names(filled.by("mary"))) == ["acme/models/large", "acme/models/small", "other/public"]
    assert names(filled.by("mallory")) == ["other/public"]
    assert names(filled.by(None)) == ["other/public"]


def test_counts_are_of_what_one_may_pull(filled: Governed) -> None:
    def licenses(who: str | None) -> dict[str, int]:
        found = filled.by(who).get("/artifacts/facets", params={"q": OURS})
        assert found["is_all"]
        return {row["value"]: row["count"] for row in found["facets"]["license"]}

    assert licenses("root") == {"mit": 3, "apache-2.0": 1}
    assert licenses(None) == {"mit": 1}


def test_what_is_found_is_told_with_what_is_known_of_it(filled: Governed) -> None:
    (item,) = filled.by("alice").get(ARTIFACTS, params={"q": f"{OURS} license:mit params:<8B"})["items"]
    assert item["tags"] == ["latest", "v1"]
    assert (item["kind"], item["format"], item["size"]) == ("model", "modelpack", 1000)
    assert item["digest"].startswith("sha256:")
    assert item["metadata"]["parameters"] == 10**9
    assert item["highlights"] == []


def test_highlights_say_where_the_words_are(filled: Governed) -> None:
    (item,) = filled.by("root").get(ARTIFACTS, params={"q": f"{OURS} llama-3.1-8b answering"})["items"]
    (highlight,) = item["highlights"]
    assert (highlight["field"], highlight["text"]) == ("description", DESCRIPTION)
    assert [DESCRIPTION[begin:end] for begin, end in highlight["matches"]] == ["llama", "3", "1", "8b", "answers"]


def test_pages_follow_each_other(filled: Governed) -> None:
    found = filled.by("root").get(ARTIFACTS, params={"q": OURS, "limit": 3})
    assert len(found["items"]) == 3
    rest = filled.by("root").get(ARTIFACTS, params={"q": OURS, "limit": 3, "after": found["next"]})
    assert (len(rest["items"]), rest["next"]) == (1, None)
    refused = problem(filled.by("root")("GET", ARTIFACTS, params={"after": "nonsense"}), 400, "UNSUPPORTED")
    assert refused["parameter"] == "after"


def test_what_can_not_be_read_is_refused_with_the_place_and_a_suggestion(filled: Governed) -> None:
    for path in (ARTIFACTS, "/artifacts/facets"):
        refused = problem(filled.by(None)("GET", path, params={"q": "kind:model licens:mit"}), 400, "UNSUPPORTED")
        assert (refused["parameter"], refused["at"], refused["suggestion"]) == ("q", 11, "license:")
        assert "framework" in refused["possible"]
        assert "character 12" in refused["detail"]


@pytest.mark.parametrize("params", [{"limit": "0"}, {"limit": "1001"}, {"sort": "size"}, {"q": "x" * 5000}])
def test_parameters_that_are_none_are_refused(filled: Governed, params: dict[str, str]) -> None:
    problem(filled.by(None)("GET", ARTIFACTS, params=params), 400, "UNSUPPORTED")


def test_any_credential_will_do_as_far_as_it_goes(filled: Governed) -> None:
    def by_token(*scopes: str) -> Api:
        given = token(filled.registry, "alice", *scopes).json()["token"]
        return Api(filled.registry, {"Authorization": f"Bearer {given}"})

    assert names(by_token("repository:acme/private:pull")) == ["acme/private"]
    assert len(names(by_token("repository:*:pull"))) == 4
    assert names(by_token("registry:catalog:*")) == []
    assert names(by_token()) == []
    key = administration.create_key(
        filled.settings, "alice", uuid4().hex, lifetime=None, scopes=["repository:acme/models/*:pull"]
    )
    limited = Api(filled.registry, {"Authorization": f"Bearer {key}"})
    assert sorted(names(limited)) == ["acme/models/large", "acme/models/small"]


def searched(*arguments: str) -> None:
    app(["search", *arguments], exit_on_error=False, print_error=False)


def test_a_terminal_that_names_no_registry_is_told_how() -> None:
    with pytest.raises(Refused, match="--server"):
        searched("license:mit")


def test_a_terminal_finds_what_its_login_may_pull(
    filled: Governed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    url = filled.registry.url
    searched(f"{OURS} -kind:dataset", "--server", url)
    assert capsys.readouterr().out == ""  # nobody has logged in, and the public is a dataset
    session = token(filled.registry, "alice", offline_token="true", client_id="blacklake").json()["refresh_token"]
    DockerConfig.of_user().store(url.removeprefix("http://"), "alice", session)
    searched(f"-kind:dataset {OURS} license:mit params:<8B", "--server", url)
    headline, line = capsys.readouterr().out.splitlines()
    assert headline.split() == [
        "repository",
        "tags",
        "kind",
        "format",
        "parameters",
        "precision",
        "license",
        "size",
        "pushed",
    ]
    assert line.split() == [
        "acme/models/small",
        "latest,v1",
        "model",
        "modelpack",
        "1B",
        "-",
        "MIT",
        "1kB",
        "2026-01-01",
    ]
    searched(OURS, "--server", url, "--json", "--limit", "2")
    said = capsys.readouterr()
    assert [json.loads(one)["kind"] for one in said.out.splitlines()] == ["dataset", "model"]
    assert "there are more than these 2" in said.err


def test_a_terminal_asks_by_a_key_and_shows_what_is_wrong_with_a_query(
    filled: Governed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "key").write_text(filled.keys["mary"])
    searched(OURS, "--server", filled.registry.url, "--api-key-file", str(tmp_path / "key"))
    assert len(capsys.readouterr().out.splitlines()) == 4
    with pytest.raises(Refused, match=r"at character 1: “licens:” is no facet.*did you mean license:"):
        searched("licens:mit", "--server", filled.registry.url)
    with pytest.raises(Refused, match="1 to 1000"):
        searched("", "--server", filled.registry.url, "--limit", "0")


def test_who_is_disabled_finds_nothing(filled: Governed) -> None:
    name = f"u{uuid4().hex[:10]}"
    administration.add_user(filled.settings, name, password=PASSWORD, is_admin=True)
    key = administration.create_key(filled.settings, name, "first", lifetime=None)
    api = Api(filled.registry, {"Authorization": f"Bearer {key}"})
    assert len(names(api)) == 4
    administration.disable(filled.settings, name, kind="user")
    assert api("GET", ARTIFACTS).status_code == 401
