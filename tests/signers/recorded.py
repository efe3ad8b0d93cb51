"""What the programs have once signed, kept as files: it is verified offline, at the time at which it was recorded.

    tests/signing/data/private-sigstore/
    ├── trusted_root.json, authority.pem, timestamps.pem, key.pub
    └── cosign-3-e-mail.json        an artifact with all that is attached to it, and who may have signed it

`python -m tests.signers.recorded` makes them anew; the programs must have been built.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from conformance.sigstore.authorities import public_pem
from conformance.sigstore.identities import BUILDS, MACHINES, PEOPLE
from signing.authorities import Authority, ChainAuthority, Identity, KeyAuthority, KeylessAuthority
from signing.evidence import Evidence
from signing.roots import TrustRoot
from signing.verified import Form
from tests.signers.matrix import BUILD, MACHINE, ROWS, Row
from tests.signers.registry import pushed_image
from tests.signers.workshop import EMAIL, SUBJECT, Workshop, opened

PLACE = Path(__file__).parents[1] / "signing" / "data" / "private-sigstore"

IDENTITIES = {
    "cosign 3, e-mail": (EMAIL, PEOPLE),
    "cosign 3, workflow": (BUILD, BUILDS),
    "cosign 3, other name": (MACHINE, MACHINES),
    "cosign 3, e-mail, attestation": (EMAIL, PEOPLE),
}
KEYS = (
    "cosign 2, key",
    "cosign 2, key, timestamp",
    "cosign 2, key, attestation",
    "cosign 3, key, log, timestamp",
    "cosign 3, key, attestation",
)
CHAINS = ("cosign 2, own authority, timestamp", "notation, JWS, timestamp", "notation, COSE, timestamp, RSA")


class Recorded(msgspec.Struct, frozen=True):
    """An artifact that was signed, and how that is verified."""

    name: str
    form: Form
    says: str
    logged: bool
    stamped: bool
    recorded_at: datetime
    evidence: Evidence
    identity: tuple[str, str] | None = None
    """Subject alternative name and issuer where an identity has signed."""

    def __str__(self) -> str:
        return self.name

    def authority(self) -> Authority:
        """Return who may have signed it."""
        root = TrustRoot.parse((PLACE / "trusted_root.json").read_bytes())
        if self.identity is not None:
            return KeylessAuthority("pipeline", (Identity(self.identity[0], issuer=self.identity[1]),), root)
        if self.name in CHAINS:
            own, stampers = ((PLACE / name).read_bytes() for name in ("authority.pem", "timestamps.pem"))
            return ChainAuthority("company", (own,), (SUBJECT,), timestamp_certificates=(stampers,))
        key = (PLACE / "key.pub").read_bytes()
        return KeyAuthority("release", (key,), root, self.logged, self.stamped)


def recorded() -> Iterator[Recorded]:
    """Yield all that was recorded."""
    for path in sorted(PLACE.glob("*-*.json")):
        yield msgspec.json.decode(path.read_bytes(), type=Recorded)


def main() -> None:
    """Sign anew and replace the files."""
    rows = [row for row in ROWS if row.name in (*IDENTITIES, *KEYS, *CHAINS)]
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, opened(Path(directory)) as shop:
        for row in rows:
            one = _recorded(shop, row)
            path = PLACE / f"{re.sub('[^a-z0-9]+', '-', row.name.lower())}.json"
            path.write_bytes(msgspec.json.format(msgspec.json.encode(one)) + b"\n")
        for name, content in {
            "trusted_root.json": shop.sigstore.trusted_root.read_bytes(),
            "authority.pem": shop.authority.root,
            "timestamps.pem": shop.sigstore.stamper.root,
            "key.pub": public_pem(shop.keys["P-256"]),
        }.items():
            (PLACE / name).write_bytes(content)


def _recorded(shop: Workshop, row: Row) -> Recorded:
    artifact = pushed_image(shop.server.host, "team/model")
    row.sign(shop, artifact)
    who = IDENTITIES.get(row.name)
    identity = (who[0], f"{shop.sigstore.issuer.url}/{who[1]}") if who else None
    now = datetime.now(UTC).replace(microsecond=0)
    return Recorded(row.name, row.form, row.says, row.logged, row.stamped, now, artifact.evidence(), identity)


if __name__ == "__main__":
    main()
