"""`blacklake sign|attest`: sign an artifact of any registry, so that cosign and Blacklake verify it (docs/signing.md)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from blacklake.files import content_of
from blacklake.locations import AnyRef, Location, RegistryOptions, location, opened
from blacklake.settings import USAGE, Refused, needing
from blacklake.signing_options import SigningOptions
from blacklake.verify import Output

if TYPE_CHECKING:
    from blacklake.makers import Maker
    from blacklake.oci.repository import Repository
    from signing.making.artifacts import Made, Subject

Type = Annotated[
    str,
    Parameter(
        name="--type", help="Type of the predicate: a URI, or a short name such as slsaprovenance1 or cyclonedx."
    ),
]
Predicate = Annotated[Path, Parameter(help="File with the predicate (JSON).")]


def sign(
    ref: AnyRef,
    *,
    output: Output = "text",
    signing: SigningOptions | None = None,
    options: RegistryOptions | None = None,
) -> None:
    """Sign an artifact: a tag is resolved once, and what it names is signed."""
    with _signing(ref, signing, options) as (maker, repository, subject):
        made = maker.signature(repository, subject)
    _tell(ref, made, output, "signed")


def attest(
    ref: AnyRef,
    *,
    predicate_type: Type,
    predicate: Predicate,
    output: Output = "text",
    signing: SigningOptions | None = None,
    options: RegistryOptions | None = None,
) -> None:
    """Say something of an artifact and sign that: its provenance, its tests, its bill of materials."""
    with _signing(ref, signing, options) as (maker, repository, subject):
        from signing.making.envelopes import InvalidPredicate, read_predicate
        from signing.policy.predicates import SHORT

        try:
            said: dict[str, Any] = read_predicate(content_of(predicate))
            made = maker.attestation(repository, subject, SHORT.get(predicate_type, predicate_type), said)
        except InvalidPredicate as error:
            raise Refused(f"the predicate in {predicate} {error}", USAGE) from None
    _tell(ref, made, output, "attested")


@contextlib.contextmanager
def _signing(
    ref: str, signing: SigningOptions | None, options: RegistryOptions | None
) -> Iterator[tuple[Maker, Repository, Subject]]:
    """Yield what signs, where, and the artifact. Raise Refused."""
    signing, options = signing or SigningOptions(), options or RegistryOptions()
    signing.check()
    with needing("signing"):
        from blacklake.makers import Maker
        from blacklake.oci.contents import OciFailed
        from blacklake.oci.repository import Repository
        from blacklake.sigstore_services import Services
        from signing.making.artifacts import Subject

        place = _in_registry(ref)
        try:
            with opened(place, options) as (repository, reference):
                assert isinstance(repository, Repository)
                found = repository.manifest(reference)
                if signing.legacy and found.digest.algorithm != "sha256":
                    raise Refused(
                        f"{ref} is {found.digest}, and cosign's tags are of sha256 digests only: leave --legacy out",
                        USAGE,
                    )
                services = Services(ca_file=options.ca_file, insecure=options.insecure)
                key, certificates = signing.signer(services)
                maker = Maker(
                    signing, services, key, certificates, f"{place.host}/{place.repository}", datetime.now(UTC)
                )
                yield maker, repository, Subject.of(found.content, found.media_type, found.digest.algorithm)
        except OciFailed as error:
            raise Refused(str(error)) from error


def _in_registry(ref: str) -> Location:
    place = location(ref)
    if place.layout is not None:
        raise Refused("signatures are pushed to registries: push the layout, and sign what is there", USAGE)
    return place


def _tell(ref: str, made: Made, output: str, verb: str) -> None:
    if output == "json":
        document = {"reference": ref, "digest": made.subject.digest, "signature": made.digest, "tag": made.tag}
        print(json.dumps(document, indent=2))
    else:
        print(f"{verb} {ref}, which is {made.subject.digest}")
        print(f"  {f'the tag {made.tag} names' if made.tag else 'its referrer is'} {made.digest}")
