"""The guides: a job gets in by its identity alone, and a cluster is answered, as they have it; YAML is YAML."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.tools import path_of
from tests.auth import issuer
from tests.docs.commands import ROOT, Block, blocks, environment, listening
from tests.docs.test_commands import BIN, run
from tests.tools import needed

PLACE = ROOT / "docs" / "guides"
PAGES = sorted(PLACE.glob("*.md"))
CLAIMS: dict[str, dict[str, Any]] = {
    "github-actions": {
        "repository": "acme/models",
        "repository_owner_id": "1234567",
        "repository_owner": "acme",
        "ref": "refs/heads/main",
    },
    "gitlab-ci": {"project_path": "acme/models", "namespace_id": "72", "ref_protected": "true"},
    "kubernetes": {"sub": "system:serviceaccount:models:trainer"},
}
PEM = re.compile(r"^ *-----BEGIN.*?-----END PUBLIC KEY-----\n", re.MULTILINE | re.DOTALL)
ISSUERS = ("https://token.actions.githubusercontent.com", "https://gitlab.com", "https://cluster.example")


def pages_with(kind: str) -> list[Path]:
    return [page for page in PAGES if blocks(kind, [page])]


JOBS = pages_with("sh guide job")
CLUSTERS = pages_with("sh guide cluster")


def each(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.stem)


class Guided:
    """A registry that asks who it is, and an issuer that stands in for the guide's."""

    def __init__(self, port: int, identity: issuer.Issuer, directory: Path) -> None:
        self.host = f"127.0.0.1:{port}"
        self._identity = identity
        self._directory = directory

    def run(self, text: str, **variables: str) -> str:
        """Run a guide's lines with the names replaced that stand for the reader's own."""
        for name in ISSUERS:
            text = text.replace(name, self._identity.url)
        text = text.replace("https://registry.example", f"http://{self.host}").replace("registry.example", self.host)
        env = environment(BLACKLAKE_DATA_DIR=self._directory / "data", HOME=self._directory) | variables
        env["PATH"] = f"{needed(path_of, 'oras').parent}:{env['PATH']}"
        return run(text.replace(".venv/bin/", f"{BIN}/"), self._directory, env)

    def token(self, claims: dict[str, Any]) -> str:
        return self._identity.token(aud=self.host, **claims)


@pytest.fixture
def guided(page: Path, tmp_path: Path) -> Iterator[Guided]:
    """Return the registry of a page, with the settings that stand there."""
    options = ""
    for file in blocks("toml", [page]):
        name = named(file)
        (tmp_path / name).write_text(file.text)
        options += f" --config {name}"
    settings = {"auth": "token", "port": 0, "data_dir": tmp_path / "data", "outgoing_allow": "127.0.0.1"}
    env = environment(**{f"BLACKLAKE_{name.upper()}": value for name, value in settings.items()})
    with (
        issuer.running() as identity,
        listening(f"exec {BIN}/blacklake serve{options}", tmp_path, env, tmp_path / "log") as port,
    ):
        yield Guided(port, identity, tmp_path)


def of(page: Path, kind: str) -> list[Block]:
    found = blocks(kind, [page])
    assert found, f"{page.name} has no block of {kind}"
    return found


def named(block: Block) -> str:
    """Return the file of which a block's first line, a comment, has the name."""
    return block.text.splitlines()[0].removeprefix("# ")


def test_each_guide_is_run() -> None:
    assert {*JOBS, *CLUSTERS} == {*PAGES}


@each(JOBS)
def test_a_job_gets_in_by_its_identity_as_the_guide_has_it(page: Path, guided: Guided) -> None:
    for block in of(page, "sh guide operator"):
        guided.run(block.text)
    claims = CLAIMS[page.stem]
    for block in of(page, "sh guide job"):
        guided.run(block.text, ID_TOKEN=guided.token(claims))
    login = 'printf %s "$ID_TOKEN" | oras login --plain-http registry.example --username oidc --password-stdin'
    push = "echo weights >model && oras push --plain-http --no-tty registry.example/lake/models:v1 model"
    guided.run(f"{login}\n{push}", ID_TOKEN=guided.token(claims))
    other = dict.fromkeys(claims, "another")
    with pytest.raises(AssertionError, match="fits none of the rules"):
        guided.run(login, ID_TOKEN=guided.token(other))
    with pytest.raises(AssertionError, match="401: Unauthorized"):
        guided.run(push.replace("lake/models", "lake/secret"), ID_TOKEN=guided.token(claims))


@each(CLUSTERS)
def test_a_cluster_is_answered_as_the_guide_has_it(page: Path, guided: Guided, tmp_path: Path) -> None:
    guided.run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signer.key")
    key = textwrap.indent(guided.run("openssl pkey -in signer.key -pubout"), " " * 8)
    for block in of(page, "yaml"):
        (tmp_path / named(block)).write_text(PEM.sub(key, block.text))
    for name, text in re.findall(r"^```json (\S+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    for block in of(page, "sh guide operator"):
        guided.run(block.text)
    guided.run(
        "oras login --plain-http registry.example --username admin --password-stdin <data/initial-admin-password\n"
        "echo weights >model && oras push --plain-http --no-tty registry.example/lake/bert:v1 model"
    )
    (asked,), (shown,) = of(page, "sh guide cluster"), of(page, "text")
    digest = guided.run("oras resolve --plain-http registry.example/lake/bert:v1").strip()
    assert guided.run(asked.text) == shown.text.replace("sha256:…", digest)
    guided.run(".venv/bin/blacklake sign registry.example/lake/bert:v1 --key signer.key --plain-http")
    assert "\nadmitted\n" in guided.run(asked.text)


@each(PAGES)
def test_snippets_are_well_formed(page: Path) -> None:
    for block in of(page, "yaml"):
        document = yaml.safe_load(block.text)
        assert isinstance(document, dict)
        for line in scripts(document):
            subprocess.run(["bash", "-n"], input=line, text=True, check=True)
    for block in blocks("sh elsewhere", [page]):
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


def scripts(node: Any) -> Iterator[str]:
    """Yield what a shell runs of a workflow, a pipeline or a pod."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("run", "script", "before_script", "args"):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from scripts(value)
    elif isinstance(node, list):
        for value in node:
            yield from scripts(value)
