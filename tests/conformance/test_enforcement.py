"""What the official suite runs beside: schemas that are bound to other repositories, and enforced there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from conformance.administration import Administration, AdministrationFailed
from conformance.enforcement import enforce
from conformance.server import Setup, serving

MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []})


def test_schemas_are_enforced_beside_the_repositories_of_the_suite_only() -> None:
    with serving(Setup(enforces=True)) as server:
        assert server.schemas is not None
        enforce(server.schemas, "space")
        statuses = {
            name: requests.put(
                f"{server.url}/v2/space/{name}/manifests/v1",
                data=MANIFEST,
                headers={"Content-Type": "application/vnd.oci.image.index.v1+json"},
                timeout=10,
            ).status_code
            for name in ("models/bert", "other", "one", "two")
        }
        assert statuses == {"models/bert": 400, "other": 400, "one": 201, "two": 201}


def test_what_would_be_taken_where_schemas_are_enforced_is_told(tmp_path: Path) -> None:
    command_that_does_nothing = Administration(Path("/bin/true"), {}, tmp_path)
    with pytest.raises(AdministrationFailed, match="would be taken by space/models/bert"):
        enforce(command_that_does_nothing, "space")
