"""notation, with keys, trust stores and a trust policy in files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from conformance.sigstore.authorities import Holder, private_pem, written
from conformance.tools import path_of
from tests.signers.program import Program
from tests.tools import needed


class Notation(Program):
    """notation, which trusts one authority and signs with one key at a time."""

    def __init__(self, home: Path) -> None:
        super().__init__(needed(path_of, "notation"), home)
        self.settings = home / "notation"
        self.settings.mkdir(exist_ok=True)

    def sign(self, reference: str, holder: Holder, *options: str | Path, form: str = "jws") -> None:
        """Sign what `reference` names, as `jws` or `cose`, with the holder's key and chain."""
        key = {
            "name": "holder",
            "keyPath": str(written(self.home, "holder.key", private_pem(holder.key))),
            "certPath": str(written(self.home, "holder.pem", holder.chain)),
        }
        (self.settings / "signingkeys.json").write_text(json.dumps({"default": "holder", "keys": [key]}))
        self.run("sign", "--insecure-registry", "--signature-format", form, *options, reference)

    def trust(self, authority: bytes, *, timestamps: bytes | None = None, subjects: Sequence[str] = ("*",)) -> None:
        """Trust signatures below `authority`, and the times of `timestamps`, both in PEM; subjects as in a trust policy."""
        stores = ["ca:authority"]
        self._store("ca", authority)
        if timestamps is not None:
            self._store("tsa", timestamps)
            stores.append("tsa:authority")
        policy = {
            "name": "all",
            "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"},
            "trustStores": stores,
            "trustedIdentities": list(subjects),
        }
        document = {"version": "1.0", "trustPolicies": [policy]}
        (self.settings / "trustpolicy.json").unlink(missing_ok=True)
        written(self.settings, "trustpolicy.json", json.dumps(document).encode())

    def _store(self, kind: str, certificate: bytes) -> None:
        store = self.settings / "truststore" / "x509" / kind / "authority"
        store.mkdir(parents=True, exist_ok=True)
        written(store, "authority.pem", certificate)
