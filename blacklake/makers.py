"""Make signatures and attestations by what the command line was told, and push them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from blacklake.oci.contents import Unavailable
from blacklake.oci.pushing import push_referrer, push_tagged
from blacklake.oci.repository import Repository
from blacklake.signing_options import SigningOptions
from blacklake.sigstore_services import Services
from signing.making import bundles, envelopes, tags
from signing.making.artifacts import Made, Subject
from signing.private_keys import SigningKey
from signing.verified import SIGNED


@dataclass(frozen=True)
class Maker:
    """A key with its certificates, and who witnesses what it signs. `name` is HOST/REPOSITORY."""

    options: SigningOptions
    services: Services
    key: SigningKey
    certificates: tuple[Certificate, ...]
    name: str
    now: datetime

    def signature(self, repository: Repository, subject: Subject) -> Made:
        """Sign an artifact. Raise OciFailed."""
        if not self.options.legacy:
            return self._bundle(repository, subject, envelopes.signed(subject), SIGNED)
        payload = tags.simple_signing(subject, self.name)
        signature = self.key.sign(payload)
        entry = None
        if self.options.rekor_url is not None:
            entry = self.services.log_signature(self.options.rekor_url, payload, signature, self._signer)
        witnessed = self._witnessed(entry, signature)
        return self._tagged(
            repository,
            tags.tag_of(subject, "sig"),
            lambda present: tags.add_signature(subject, payload, signature, witnessed, present),
        )

    def attestation(
        self, repository: Repository, subject: Subject, predicate_type: str, predicate: dict[str, Any]
    ) -> Made:
        """Attest a predicate to an artifact. Raise OciFailed, InvalidPredicate."""
        statement = envelopes.attested(subject, predicate_type, predicate, name=self.name)
        if not self.options.legacy:
            return self._bundle(repository, subject, statement, predicate_type)
        envelope = envelopes.seal(statement, self.key)
        entry = None
        if self.options.rekor_url is not None:
            entry = self.services.log_envelope(self.options.rekor_url, envelope, self._signer)
            if "inclusionPromise" not in entry:
                raise Unavailable("the log is one of Rekor 2, whose proofs the tag .att can't hold: leave --legacy out")
        witnessed = self._witnessed(entry, envelope.signature)
        return self._tagged(
            repository,
            tags.tag_of(subject, "att"),
            lambda present: tags.add_attestation(subject, envelope, predicate_type, witnessed, present),
        )

    @property
    def _signer(self) -> SigningKey | Certificate:
        return self.certificates[0] if self.certificates else self.key

    def _bundle(self, repository: Repository, subject: Subject, statement: bytes, predicate_type: str) -> Made:
        envelope = envelopes.seal(statement, self.key)
        entries = []
        if self.options.rekor_url is not None:
            entries.append(self.services.log_envelope(self.options.rekor_url, envelope, self._signer))
            if self.certificates and "integratedTime" not in entries[0] and self.options.timestamp_url is None:
                raise Unavailable("the log is one of Rekor 2, which witnesses no time: say --timestamp-url as well")
        stamps = self._timestamps(envelope.signature)
        signer = self.certificates[0].public_bytes(Encoding.DER) if self.certificates else self.key
        content = bundles.bundle(envelope, signer, entries=entries, timestamps=stamps)
        made = bundles.attach(subject, content, predicate_type, created=self.now)
        push_referrer(repository, made)
        return made

    def _witnessed(self, entry: dict[str, Any] | None, signature: bytes) -> tags.Witnessed:
        stamps = self._timestamps(signature)
        pem = [certificate.public_bytes(Encoding.PEM) for certificate in self.certificates]
        return tags.Witnessed(
            certificate=pem[0] if pem else None,
            chain=b"".join(pem[1:]) or None,
            entry=entry,
            timestamp=stamps[0] if stamps else None,
        )

    def _timestamps(self, signature: bytes) -> list[bytes]:
        url = self.options.timestamp_url
        return [self.services.timestamp(url, signature)] if url is not None else []

    def _tagged(self, repository: Repository, tag: str, make: Any) -> Made:
        try:
            return push_tagged(repository, tag, make)
        except tags.ForeignTag as error:
            raise Unavailable(f"the tag {tag} {error}") from None
