"""`blacklake sign`, `attest` and `verify`, as they are typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.signers.cosign import PREDICATE, PREDICATE_TYPE
from tests.signers.program import Program


class Blacklake(Program):
    """The command line."""

    def __init__(self, home: Path) -> None:
        super().__init__(Path(sys.prefix, "bin", "blacklake"), home)

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "COSIGN_PASSWORD": ""}

    def sign(self, reference: str, *options: str | Path) -> None:
        """Sign what `reference` names."""
        self.run("sign", reference, "--plain-http", *options)

    def attest(self, reference: str, *options: str | Path) -> None:
        """Attach PREDICATE to what `reference` names."""
        predicate = self.home / "predicate.json"
        predicate.write_text(json.dumps(PREDICATE))
        self.run("attest", reference, "--plain-http", "--type", PREDICATE_TYPE, "--predicate", predicate, *options)

    def verify(self, reference: str, *options: str | Path) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the document by which an artifact is verified or refused."""
        done = self.done("verify", reference, "--plain-http", "--output", "json", *options)
        return done.returncode, json.loads(done.stdout)
