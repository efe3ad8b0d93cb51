"""By what `blacklake sign` and `attest` sign: a key, or the identity of who runs them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from blacklake.files import content_of
from blacklake.key_files import signing_key
from blacklake.settings import USAGE, Refused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from blacklake.sigstore_services import Services
    from signing.private_keys import SigningKey

_AUDIENCE: Final = "sigstore"
_TOKEN: Final = "SIGSTORE_ID_TOKEN"  # noqa: S105 - a variable's name, which GitLab's documentation has


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SigningOptions:
    """A key, or where a certificate is asked for; and who witnesses the signature."""

    key: Annotated[Path | None, Parameter(help="Private key: cosign's, or PEM.")] = None
    fulcio_url: Annotated[
        str | None, Parameter(help="Without a key: who gives certificates, such as https://fulcio.sigstore.dev.")
    ] = None
    identity_token: Annotated[
        Path | None, Parameter(help="File with the token of who signs; by default that of GitHub's or GitLab's job.")
    ] = None
    rekor_url: Annotated[
        str | None, Parameter(help="Transparency log, such as https://rekor.sigstore.dev; what it holds is public.")
    ] = None
    timestamp_url: Annotated[str | None, Parameter(help="Timestamp authority (RFC 3161).")] = None
    legacy: Annotated[
        bool, Parameter(negative=(), help="Write the tag sha256-….sig or .att, as cosign up to 2 does.")
    ] = False

    def check(self) -> None:
        """Raise Refused where this is not enough to sign by, or contradicts itself."""
        if self.key is None and self.fulcio_url is None:
            raise Refused("say by what to sign: --key FILE, or --fulcio-url and a log or timestamp authority", USAGE)
        if self.key is not None and (self.fulcio_url is not None or self.identity_token is not None):
            raise Refused("say --key, or --fulcio-url for a certificate: not both", USAGE)
        if self.key is None and self.rekor_url is None and self.timestamp_url is None:
            raise Refused(
                "a certificate lasts for minutes, and nobody would witness that it was valid when it signed:"
                " say --rekor-url or --timestamp-url",
                USAGE,
            )

    def signer(self, services: Services) -> tuple[SigningKey, tuple[Certificate, ...]]:
        """Return the key that signs, and the certificates that say whose it is, () for a key of one's own.

        Raise Refused, and what the services raise.
        """
        if self.key is not None:
            return signing_key(self.key), ()
        from signing.private_keys import new_signing_key

        assert self.fulcio_url is not None
        key = new_signing_key()
        return key, services.certificates(self.fulcio_url, self._token(), key)

    def _token(self) -> str:
        if self.identity_token is not None:
            token = content_of(self.identity_token).decode(errors="replace").strip()
        else:
            token = os.environ.get(_TOKEN) or _of_job() or ""
        if not token:
            raise Refused(
                f"nobody says who signs: give a token by --identity-token FILE or {_TOKEN}; a job of GitHub's needs the"
                " permission `id-token: write`, one of GitLab's `id_tokens`",
                USAGE,
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise Refused("what is given as an identity token is none: it is one word, eyJ…", USAGE)
        return token


def _of_job() -> str | None:
    """Return the token of the job that runs this; None where there is none. Raise Refused."""
    from id import IdentityError, detect_credential

    try:
        return detect_credential(_AUDIENCE)
    except IdentityError as error:
        raise Refused(f"the job's identity token can't be had: {error}") from error
