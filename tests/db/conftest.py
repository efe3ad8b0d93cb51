"""Databases that were made once: copying one is quicker than initdb."""

from __future__ import annotations

import pytest

from tests.db.postgres import Prepared


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return what copies database directories of this run."""
    return Prepared(tmp_path_factory.mktemp("prepared"))
