"""The guides' snippets: YAML is YAML, and what a job does to get in works with an issuer's token, and without one doesn't."""

from __future__ import annotations

import subprocess
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
ISSUERS = ("https://token.actions.githubusercontent.com", "https://gitlab.com", "https://cluster.example")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


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
def guided(tmp_path: Path) -> Iterator[Guided]:
    settings = {"auth": "token", "port": 0, "data_dir": tmp_path / "data", "outgoing_allow": "127.0.0.1"}
    env = environment(**{f"BLACKLAKE_{name.upper()}": value for name, value in settings.items()})
    with (
        issuer.running() as identity,
        listening(f"exec {BIN}/blacklake serve", tmp_path, env, tmp_path / "log") as port,
    ):
        yield Guided(port, identity, tmp_path)


def of(page: Path, kind: str) -> list[Block]:
    found = blocks(kind, [page])
    assert found, f"{page.name} has no block of {kind}"
    return found


@every_page
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


@every_page
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
