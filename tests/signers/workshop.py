"""A registry, a private Sigstore, the programs that sign, and their keys: what a test of signatures works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from conformance.server import Server, serving
from conformance.sigstore import authorities, services
from conformance.sigstore.authorities import CODE_SIGNING, Holder, PrivateKey, private_pem, public_pem, written
from conformance.sigstore.services import PROGRAMS, Sigstore
from conformance.tools import path_of
from signing.authorities import ChainAuthority, Identity, KeyAuthority, KeylessAuthority
from signing.roots import TrustRoot
from tests.signers.blacklake import Blacklake
from tests.signers.cosign import Cosign
from tests.signers.notation import Notation
from tests.tools import needed

EMAIL = "someone@penguins.example"
SUBJECT = "C=AQ,ST=Ross,O=Penguins"


def keys() -> dict[str, PrivateKey]:
    """Return a new private key of each kind, by name; those of P-256 are the usual ones."""
    return {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "another": ec.generate_private_key(ec.SECP256R1()),
        "P-384": ec.generate_private_key(ec.SECP384R1()),
        "P-521": ec.generate_private_key(ec.SECP521R1()),
        "RSA": rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }


@dataclass
class Workshop:
    """All of it; keys are imported and certificates made when they are first asked for."""

    server: Server
    sigstore: Sigstore
    home: Path
    cosign: dict[int, Cosign]
    notation: Notation
    blacklake: Blacklake
    keys: dict[str, PrivateKey] = field(default_factory=keys)
    imported: dict[tuple[int, str], Path] = field(default_factory=dict)
    authority: Holder = field(default_factory=lambda: authorities.authority("Release", CODE_SIGNING))
    """An own authority for signing, with an intermediate."""
    stranger: Holder = field(default_factory=lambda: authorities.authority("Release", CODE_SIGNING))
    """Another one of the same names."""

    def key(self, major: int, name: str = "P-256") -> Path:
        """Return the file with a key for cosign of a major version."""
        if (major, name) not in self.imported:
            self.imported[major, name] = self.cosign[major].imported(name, self.keys[name])
        return self.imported[major, name]

    @cached_property
    def root(self) -> TrustRoot:
        """The trust root of the private Sigstore."""
        return TrustRoot.parse(self.sigstore.trusted_root.read_bytes())

    def holder(self, key: str = "P-256") -> Holder:
        """Return a certificate of the own authority for one of the keys."""
        return self.authority.issue("builder", usage=CODE_SIGNING, key=self.keys[key], names=[authorities.email(EMAIL)])

    def public(self, name: str = "P-256") -> Path:
        """Return the file with a public key."""
        return self.file(f"{name}.pub", public_pem(self.keys[name]))

    def private(self, name: str = "P-256") -> Path:
        """Return the file with a private key in PEM, not encrypted."""
        return self.file(f"{name}.private", private_pem(self.keys[name]))

    def file(self, name: str, content: bytes) -> Path:
        """Write a file for a program and return its path."""
        return written(self.home, name, content)

    def by_key(self, name: str = "P-256", *, log: bool = False, timestamp: bool = False) -> KeyAuthority:
        """Return an authority that is a key."""
        return KeyAuthority("release", (public_pem(self.keys[name]),), self.root, log, timestamp)

    def by_identity(
        self, identity: str, issuer: str, *, root: TrustRoot | None = None, needs_log: bool = True
    ) -> KeylessAuthority:
        """Return an authority that is an identity of an issuer (`people`, `builds`, …)."""
        who = Identity(identity=identity, issuer=f"{self.sigstore.issuer.url}/{issuer}")
        return KeylessAuthority("pipeline", (who,), root or self.root, needs_log)

    def by_chain(self, holder: Holder | None = None, *subjects: str, stamped: bool = True) -> ChainAuthority:
        """Return an authority that is an own root (that of `holder`), and of the private Sigstore's timestamps."""
        roots = (holder or self.authority).root
        stampers = (self.sigstore.stamper.root,) if stamped else ()
        return ChainAuthority("company", (roots,), subjects, timestamp_certificates=stampers)


@contextmanager
def opened(directory: Path) -> Iterator[Workshop]:
    """Run a registry and a private Sigstore, with everything in `directory`. Where a program is missing the test is skipped."""
    for name in PROGRAMS:
        needed(path_of, name)
    cosign = {major: Cosign(major, directory / f"cosign{major}") for major in (2, 3)}
    notation = Notation(directory / "notation-home")
    place = directory / "sigstore"
    place.mkdir()
    with services.running(place) as sigstore, serving() as server:
        yield Workshop(server, sigstore, directory, cosign, notation, Blacklake(directory / "blacklake"))
