"""Whom `blacklake verify` trusts, as it is told on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from blacklake.files import content_of
from blacklake.policies import root_in
from blacklake.settings import USAGE, Refused

if TYPE_CHECKING:
    from signing.authorities import Authority, Identity
    from signing.roots import TrustRoot


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SignerOptions:
    """Who has to have signed: a key, an identity, or who has a certificate of an own authority."""

    key: Annotated[tuple[Path, ...], Parameter(negative=(), help="Public key (PEM); of several, any.")] = ()
    certificate_identity: Annotated[str | None, Parameter(help="Identity in the signer's certificate, exactly.")] = None
    certificate_identity_regexp: Annotated[str | None, Parameter(help="Or a pattern (RE2) of the whole identity.")] = (
        None
    )
    certificate_oidc_issuer: Annotated[str | None, Parameter(help="Who vouched for the identity, exactly.")] = None
    certificate_oidc_issuer_regexp: Annotated[str | None, Parameter(help="Or a pattern (RE2) of the whole issuer.")] = (
        None
    )
    certificate_chain: Annotated[Path | None, Parameter(help="Own certificate authorities (PEM), instead.")] = None
    trusted_root: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="trusted_root.json instead of Sigstore's own; for a policy's roots NAME=FILE."),
    ] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is named."""
        return not (self.key or self.certificate_chain or self._identifies or self._issued)

    @property
    def _identifies(self) -> bool:
        return self.certificate_identity is not None or self.certificate_identity_regexp is not None

    @property
    def _issued(self) -> bool:
        return self.certificate_oidc_issuer is not None or self.certificate_oidc_issuer_regexp is not None

    def authority(self) -> Authority:
        """Return who is trusted. Raise Refused where that isn't said, or said twice."""
        from signing.authorities import ChainAuthority, KeyAuthority, KeylessAuthority
        from signing.roots import TrustRoot

        if self.key:
            if self.certificate_chain is not None or self._identifies or self._issued:
                raise Refused("say --key, or whose certificate: not both", USAGE)
            name = " or ".join(str(path) for path in self.key)
            return KeyAuthority(name, tuple(map(_public_key, self.key)), self._root())
        if self.certificate_chain is not None:
            identities = (self._identity(),) if self._identifies or self._issued else ()
            pem = _certificates(self.certificate_chain)
            return ChainAuthority(str(self.certificate_chain), (pem,), identities=identities, root=self._root())
        if not self._identifies or not self._issued:
            raise Refused(
                "say who has to have signed: --key FILE, --policy FILE, or both --certificate-identity and"
                " --certificate-oidc-issuer",
                USAGE,
            )
        identity = self._identity()
        name = f"{identity.identity or identity.identity_pattern} by {identity.issuer or identity.issuer_pattern}"
        return KeylessAuthority(name, (identity,), self._root() or TrustRoot.public_good())

    def root_files(self) -> dict[str, Path]:
        """Return files of trust roots by the names by which a policy calls them. Raise Refused."""
        found = {}
        for text in self.trusted_root:
            name, is_named, file = text.partition("=")
            if not is_named or name in found:
                raise Refused(
                    "with a policy each --trusted-root is NAME=FILE, by the name that the policy has for it", USAGE
                )
            found[name] = Path(file)
        return found

    def _root(self) -> TrustRoot | None:
        if len(self.trusted_root) > 1:
            raise Refused("one --trusted-root is enough where no policy names several", USAGE)
        return root_in(Path(self.trusted_root[0])) if self.trusted_root else None

    def _identity(self) -> Identity:
        from signing.authorities import Identity

        for exact, pattern, name in (
            (self.certificate_identity, self.certificate_identity_regexp, "identity"),
            (self.certificate_oidc_issuer, self.certificate_oidc_issuer_regexp, "oidc-issuer"),
        ):
            if exact is not None and pattern is not None:
                raise Refused(f"say --certificate-{name} or --certificate-{name}-regexp, not both", USAGE)
            if exact == "" or pattern == "":
                raise Refused(f"--certificate-{name} is empty, which nobody is", USAGE)
            if pattern is not None:
                _check_pattern(pattern, f"--certificate-{name}-regexp")
        return Identity(
            self.certificate_identity,
            self.certificate_identity_regexp,
            self.certificate_oidc_issuer,
            self.certificate_oidc_issuer_regexp,
        )


def _check_pattern(pattern: str, option: str) -> None:
    from signing.patterns import InvalidPattern, compiled

    try:
        compiled(pattern)
    except InvalidPattern as error:
        raise Refused(f"{option} {error}", USAGE) from None


def _public_key(path: Path) -> bytes:
    from signing.keys import InvalidKey, PublicKey

    content = content_of(path)
    try:
        PublicKey.parse(content)
    except InvalidKey as error:
        raise Refused(f"{path} {error}", USAGE) from None
    return content


def _certificates(path: Path) -> bytes:
    from signing.certificates import InvalidCertificate, from_pem

    content = content_of(path)
    try:
        from_pem(content)
    except InvalidCertificate as error:
        raise Refused(f"{path} {error}", USAGE) from None
    return content
