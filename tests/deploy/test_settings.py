"""Every setting that the deployments give is one that nodes know, with a value that they take."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from registry.config import PREFIX, load_settings
from tests.deploy.charts import VALUES, named, rendered
from tests.docs.commands import ROOT


def loads(variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
    assert len(ours) > 3
    for name, value in ours.items():
        assert isinstance(value, str), name  # as in a real environment
        monkeypatch.setenv(name, value)
    load_settings(host="0.0.0.0")


@pytest.mark.parametrize("node", ["node-1", "node-2"])
def test_the_compose_file_s_settings_are_taken(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())
    loads(compose["services"][node]["environment"], monkeypatch)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_chart_s_settings_are_taken(values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loads(named(rendered(values), "ConfigMap")["data"], monkeypatch)
