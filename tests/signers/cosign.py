"""cosign, as the tests use it: keys in PEM are imported, everything it is told lies in files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.sigstore.authorities import PrivateKey, private_pem, public_pem, written
from conformance.tools import GO_TOOLS, path_of
from tests.signers.program import Program
from tests.tools import needed

PREDICATE_TYPE = "https://example.com/evaluation/v1"
PREDICATE = {"metric": "accuracy", "value": 0.93, "remark": "größer"}


class Cosign(Program):
    """cosign of a major version, 2 or 3."""

    def __init__(self, major: int, home: Path) -> None:
        version = next(t.version for t in GO_TOOLS if t.name == "cosign" and t.version.startswith(f"v{major}."))
        super().__init__(needed(path_of, "cosign", version), home)
        self.major = major

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "COSIGN_PASSWORD": "", "TUF_ROOT": str(self.home / "tuf")}

    def sign(self, reference: str, *options: str | Path) -> None:
        """Sign what `reference` names; plain HTTP is allowed and nothing is asked."""
        self.run("sign", "--yes", "--allow-http-registry", *options, reference)

    def attest(self, reference: str, *options: str | Path) -> None:
        """Attach PREDICATE to what `reference` names."""
        predicate = written(self.home, "predicate.json", json.dumps(PREDICATE).encode())
        what = ("--type", PREDICATE_TYPE, "--predicate", predicate)
        self.run("attest", "--yes", "--allow-http-registry", *what, *options, reference)

    def without_services(self) -> tuple[str | Path, ...]:
        """Return the options by which nothing is sent to a log or a timestamp authority."""
        if self.major == 2:
            return ("--tlog-upload=false",)
        services = self.home / "nothing.json"
        if not services.exists():
            self.run("signing-config", "create", "--out", services)
        return ("--signing-config", services)

    def imported(self, name: str, key: PrivateKey) -> Path:
        """Import a private key and return the file in which cosign keeps it; the public one lies beside it (`.pub`)."""
        plain = written(self.home, f"{name}.pem", private_pem(key))
        self.run("import-key-pair", "--yes", "--key", plain, "--output-key-prefix", self.home / name)
        assert public_pem(key) == (self.home / f"{name}.pub").read_bytes()
        return self.home / f"{name}.key"

    def statements(self, reference: str, *options: str | Path) -> list[dict[str, Any]]:
        """Verify the attestations of PREDICATE_TYPE, and return what cosign prints of each."""
        said = self.run("verify-attestation", "--allow-http-registry", "--type", PREDICATE_TYPE, *options, reference)
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]
