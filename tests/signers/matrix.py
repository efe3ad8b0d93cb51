"""Who signs and how: each row is a way in which cosign or notation signs an artifact, and by what it is to be verified."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conformance.sigstore.authorities import pem_of
from conformance.sigstore.identities import BUILDS, MACHINES, PEOPLE, SERVER, build_claims
from signing.authorities import Authority
from signing.verified import SIGNED, Form
from tests.signers.cosign import PREDICATE_TYPE
from tests.signers.registry import Artifact
from tests.signers.workshop import EMAIL, SUBJECT, Workshop

REPOSITORY, WORKFLOW, REF = "penguins/model", ".github/workflows/release.yml", "refs/heads/main"
BUILD = f"{SERVER}/{REPOSITORY}/{WORKFLOW}@{REF}"
MACHINE = "conveyor!127.0.0.1"

Trust = Callable[[Workshop], Authority]


@dataclass(frozen=True)
class Row:
    """A way to sign. `trust` accepts what it makes; each of `strangers` refuses it, and is named by what is wrong with it."""

    name: str
    form: Form
    sign: Callable[[Workshop, Artifact], None]
    trust: Trust
    strangers: Mapping[str, Trust]
    says: str = SIGNED
    logged: bool = False
    stamped: bool = False

    def __str__(self) -> str:
        return self.name


_STRANGE_KEY: Mapping[str, Trust] = {
    "another key": lambda shop: shop.by_key("another"),
    "an identity": lambda shop: shop.by_identity(EMAIL, PEOPLE),
}
_UNLOGGED: Mapping[str, Trust] = {"a log is asked for": lambda shop: shop.by_key(log=True)}
_UNSTAMPED: Mapping[str, Trust] = {"a timestamp is asked for": lambda shop: shop.by_key(timestamp=True)}


def _by_key(
    name: str, form: Form, major: int, *options: str, key: str = "P-256", says: str = SIGNED, verb: str = "sign"
) -> Row:
    """Return a row of a key alone, without any service."""

    def sign(shop: Workshop, artifact: Artifact) -> None:
        cosign = shop.cosign[major]
        act = cosign.sign if verb == "sign" else cosign.attest
        act(artifact.reference, "--key", shop.key(major, key), *cosign.without_services(), *options)

    strangers = {**_STRANGE_KEY, **(_UNLOGGED | _UNSTAMPED if key == "P-256" else {})}
    return Row(name, form, sign, lambda shop: shop.by_key(key), strangers, says)


def _cosign2_with_timestamp(shop: Workshop, artifact: Artifact) -> None:
    stamped = ("--timestamp-server-url", shop.sigstore.timestamp_url)
    shop.cosign[2].sign(artifact.reference, "--key", shop.key(2), "--tlog-upload=false", *stamped)


def _cosign2_with_certificate(shop: Workshop, artifact: Artifact) -> None:
    holder = shop.holder()
    certificate = shop.file("leaf.pem", pem_of(holder.certificate))
    chain = shop.file("chain.pem", pem_of(*holder.above))
    given = ("--certificate", certificate, "--certificate-chain", chain)
    stamped = ("--timestamp-server-url", shop.sigstore.timestamp_url)
    shop.cosign[2].sign(artifact.reference, "--key", shop.key(2), *given, "--tlog-upload=false", *stamped)


def _cosign3_under_a_tag(shop: Workshop, artifact: Artifact) -> None:
    classic = ("--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false")
    shop.cosign[3].sign(artifact.reference, "--key", shop.key(3), *classic)


def _cosign3_with_services(verb: str) -> Callable[[Workshop, Artifact], None]:
    def sign(shop: Workshop, artifact: Artifact) -> None:
        act = shop.cosign[3].sign if verb == "sign" else shop.cosign[3].attest
        services = ("--signing-config", shop.sigstore.signing_config, "--trusted-root", shop.sigstore.trusted_root)
        act(artifact.reference, "--key", shop.key(3), *services)

    return sign


def _keyless(verb: str, issuer: str, **claims: str) -> Callable[[Workshop, Artifact], None]:
    def sign(shop: Workshop, artifact: Artifact) -> None:
        act = shop.cosign[3].sign if verb == "sign" else shop.cosign[3].attest
        services = ("--signing-config", shop.sigstore.signing_config, "--trusted-root", shop.sigstore.trusted_root)
        act(artifact.reference, "--identity-token", shop.sigstore.token(issuer, **claims), *services)

    return sign


def _strange_identities(identity: str, issuer: str) -> Mapping[str, Trust]:
    other = PEOPLE if issuer != PEOPLE else BUILDS
    return {
        "another identity": lambda shop: shop.by_identity(f"x{identity}", issuer),
        "a longer identity": lambda shop: shop.by_identity(f"{identity}.example", issuer),
        "another issuer": lambda shop: shop.by_identity(identity, other),
        "a key": lambda shop: shop.by_key(),
    }


def _notation(form: str, *, stamped: bool = False, key: str = "P-256") -> Callable[[Workshop, Artifact], None]:
    def sign(shop: Workshop, artifact: Artifact) -> None:
        root = shop.file("timestamps-root.pem", shop.sigstore.stamper.root)
        services = ("--timestamp-url", shop.sigstore.timestamp_url, "--timestamp-root-cert", root)
        shop.notation.sign(artifact.reference, shop.holder(key), *(services if stamped else ()), form=form)

    return sign


_STRANGE_CHAIN: Mapping[str, Trust] = {
    "another authority of that name": lambda shop: shop.by_chain(shop.stranger),
    "another subject": lambda shop: shop.by_chain(None, "C=AQ,ST=Ross,O=Seals"),
    "a key": lambda shop: shop.by_key("another"),
}

ROWS: tuple[Row, ...] = (
    _by_key("cosign 2, key", Form.COSIGN, 2),
    _by_key("cosign 2, key, annotations", Form.COSIGN, 2, "-a", "stage=prod", "-a", "who=größer"),
    _by_key("cosign 2, key, bundle", Form.BUNDLE, 2, "--new-bundle-format"),
    _by_key("cosign 2, key, attestation", Form.COSIGN_ATTESTATION, 2, says=PREDICATE_TYPE, verb="attest"),
    _by_key(
        "cosign 2, key, attestation, bundle", Form.BUNDLE, 2, "--new-bundle-format", says=PREDICATE_TYPE, verb="attest"
    ),
    Row(
        "cosign 2, key, timestamp",
        Form.COSIGN,
        _cosign2_with_timestamp,
        lambda shop: shop.by_key(timestamp=True),
        {"another key": lambda shop: shop.by_key("another", timestamp=True), **_UNLOGGED},
        stamped=True,
    ),
    Row(
        "cosign 2, own authority, timestamp",
        Form.COSIGN,
        _cosign2_with_certificate,
        lambda shop: shop.by_chain(None, SUBJECT),
        _STRANGE_CHAIN,
        stamped=True,
    ),
    _by_key("cosign 2, RSA", Form.COSIGN, 2, key="RSA"),
    _by_key("cosign 2, P-384", Form.COSIGN, 2, key="P-384"),
    _by_key("cosign 2, Ed25519", Form.COSIGN, 2, key="Ed25519"),
    _by_key("cosign 3, key", Form.BUNDLE, 3),
    _by_key("cosign 3, key, attestation", Form.BUNDLE, 3, says=PREDICATE_TYPE, verb="attest"),
    Row("cosign 3, key, tag", Form.COSIGN, _cosign3_under_a_tag, lambda shop: shop.by_key(), _STRANGE_KEY),
    _by_key("cosign 3, RSA", Form.BUNDLE, 3, key="RSA"),
    _by_key("cosign 3, P-384", Form.BUNDLE, 3, key="P-384"),
    _by_key("cosign 3, P-521", Form.BUNDLE, 3, key="P-521"),
    _by_key("cosign 3, Ed25519", Form.BUNDLE, 3, key="Ed25519"),
    Row(
        "cosign 3, key, log, timestamp",
        Form.BUNDLE,
        _cosign3_with_services("sign"),
        lambda shop: shop.by_key(log=True, timestamp=True),
        {"another key": lambda shop: shop.by_key("another", log=True, timestamp=True)},
        logged=True,
        stamped=True,
    ),
    Row(
        "cosign 3, key, attestation, log, timestamp",
        Form.BUNDLE,
        _cosign3_with_services("attest"),
        lambda shop: shop.by_key(log=True, timestamp=True),
        {"another key": lambda shop: shop.by_key("another", log=True, timestamp=True)},
        says=PREDICATE_TYPE,
        logged=True,
        stamped=True,
    ),
    Row(
        "cosign 3, e-mail",
        Form.BUNDLE,
        _keyless("sign", PEOPLE, email=EMAIL),
        lambda shop: shop.by_identity(EMAIL, PEOPLE),
        _strange_identities(EMAIL, PEOPLE),
        logged=True,
        stamped=True,
    ),
    Row(
        "cosign 3, workflow",
        Form.BUNDLE,
        _keyless("sign", BUILDS, **build_claims(REPOSITORY, WORKFLOW, REF)),
        lambda shop: shop.by_identity(BUILD, BUILDS),
        _strange_identities(BUILD, BUILDS),
        logged=True,
        stamped=True,
    ),
    Row(
        "cosign 3, other name",
        Form.BUNDLE,
        _keyless("sign", MACHINES, sub="conveyor"),
        lambda shop: shop.by_identity(MACHINE, MACHINES),
        _strange_identities(MACHINE, MACHINES),
        logged=True,
        stamped=True,
    ),
    Row(
        "cosign 3, e-mail, attestation",
        Form.BUNDLE,
        _keyless("attest", PEOPLE, email=EMAIL),
        lambda shop: shop.by_identity(EMAIL, PEOPLE),
        _strange_identities(EMAIL, PEOPLE),
        says=PREDICATE_TYPE,
        logged=True,
        stamped=True,
    ),
    Row(
        "notation, JWS",
        Form.NOTATION,
        _notation("jws"),
        lambda shop: shop.by_chain(None, SUBJECT),
        _STRANGE_CHAIN,
    ),
    Row(
        "notation, COSE",
        Form.NOTATION,
        _notation("cose"),
        lambda shop: shop.by_chain(None, SUBJECT),
        _STRANGE_CHAIN,
    ),
    Row(
        "notation, JWS, timestamp",
        Form.NOTATION,
        _notation("jws", stamped=True),
        lambda shop: shop.by_chain(None, SUBJECT),
        _STRANGE_CHAIN,
        stamped=True,
    ),
    Row(
        "notation, COSE, timestamp, RSA",
        Form.NOTATION,
        _notation("cose", stamped=True, key="RSA"),
        lambda shop: shop.by_chain(None, SUBJECT),
        _STRANGE_CHAIN,
        stamped=True,
    ),
    Row(
        "notation, JWS, P-384",
        Form.NOTATION,
        _notation("jws", key="P-384"),
        lambda shop: shop.by_chain(None, SUBJECT),
        _STRANGE_CHAIN,
    ),
)
