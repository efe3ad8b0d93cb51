"""What refers to an image: attached files, signatures, attestations. And charts, which are artifacts of their own."""

from __future__ import annotations

import json
from typing import Any, Final

from conformance.clients.client import TAG, CommandFailed
from conformance.clients.cosign import PREDICATE_TYPE, Cosign
from conformance.clients.helm import Helm
from conformance.clients.images import Content, artifact, digest_of, image
from conformance.clients.scenarios.place import Place
from conformance.clients.wire import Mismatch, same

_SBOM: Final = "application/vnd.example.sbom+json"
_NOTE: Final = "application/vnd.example.note"
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_SIGNATURE: Final = "https://sigstore.dev/cosign/sign/v1"


def attach(place: Place) -> None:
    """Attach a file to an image: the registry lists it, and no tag stands in for the list."""
    subject = image(place.seed)
    place.registry.put(place.repository, TAG, subject)
    file = place.directory / "sbom.json"
    file.write_text(f'{{"of": "{place.seed}"}}')
    reported = place.client.attach(place.reference(), file, "application/json", _SBOM)
    found = place.registry.referrers(place.repository, subject.digest)
    same("the digests of the referrers", [referrer["digest"] for referrer in found], [reported])
    same("the type of the referrer", found[0]["artifactType"], _SBOM)
    manifest = place.registry.manifest(place.repository, found[0]["digest"])
    same("the subject", manifest.json["subject"], {name: subject.descriptor[name] for name in manifest.json["subject"]})
    same("the size in the list", found[0]["size"], len(manifest.content))
    same("the annotations in the list", found[0].get("annotations", {}), manifest.json.get("annotations", {}))
    blobs = [place.registry.blob(place.repository, layer["digest"]) for layer in manifest.json["layers"]]
    same("the attached bytes", blobs, [file.read_bytes()])
    stand_ins = [tag for tag in place.registry.tags(place.repository) if tag.startswith("sha256-")]
    same("the tags in place of the list", stand_ins, [])


def discover(place: Place) -> None:
    """Find an image's referrers, all and of one type."""
    subject = image(place.seed)
    place.registry.put(place.repository, TAG, subject)
    attached = {
        kind: artifact(kind, {"text/plain": f"{place.seed} {kind}".encode()}, subject=subject)
        for kind in (_SBOM, _NOTE)
    }
    for content in attached.values():
        place.registry.put(place.repository, content.digest, content)
    everything = sorted(content.digest for content in attached.values())
    same("all referrers", sorted(place.client.discover(place.reference())), everything)
    same("the referrers of one type", place.client.discover(place.reference(), _NOTE), [attached[_NOTE].digest])


def copy_referrers(place: Place) -> None:
    """Copy an image with its referrers, and one of these with a referrer of its own."""
    subject = image(place.seed)
    sbom = artifact(_SBOM, {"text/plain": f"{place.seed} sbom".encode()}, subject=subject)
    note = artifact(_NOTE, {"text/plain": f"{place.seed} note".encode()}, subject=sbom)
    place.registry.put(place.repository, TAG, subject)
    for content in (sbom, note):
        place.registry.put(place.repository, content.digest, content)
    other = f"{place.repository}/copied"
    place.client.copy_referrers(place.reference(), f"{place.registry.host}/{other}:{TAG}")
    for content, referrer in ((subject, sbom), (sbom, note)):
        same("the manifest", place.registry.manifest(other, content.digest).content, content.manifest)
        found = [entry["digest"] for entry in place.registry.referrers(other, content.digest)]
        same("the referrers", found, [referrer.digest])
        for digest, blob in referrer.blobs.items():
            same(f"the blob {digest}", place.registry.blob(other, digest), blob)


def sign(place: Place) -> None:
    """Sign and attest an image, verify both, and take them along in copies."""
    cosign = place.client
    assert isinstance(cosign, Cosign)
    classic = cosign.major == "2"
    subject = image(place.seed)
    place.registry.put(place.repository, TAG, subject)
    reference = place.reference(subject.digest)
    _refused(cosign, reference)
    if classic:
        cosign.sign(reference, bundle=False)
        cosign.verify(reference)
        _classic_signature(place, subject)
    cosign.attest(reference, _predicate(place))
    _attested(place, cosign, reference, subject)
    if classic:
        _copies(place, cosign, reference, subject)
        cosign.clean(reference)
        _refused(cosign, reference)
    cosign.sign(reference, bundle=True)
    _bundles(place, subject)
    if not classic:
        cosign.verify(reference)
        _refused(cosign, reference, key="other")


def chart(place: Place) -> None:
    """Push two versions of a chart, one with a plus in it; pull them; find the newest."""
    helm = place.client
    assert isinstance(helm, Helm)
    packages = {}
    for version in ("0.1.0", "0.2.0+build.7"):
        package, digest = helm.push_chart(place.named, "lake", version, place.directory)
        packages[version] = package
        found = place.registry.manifest(f"{place.repository}/lake", version.replace("+", "_"))
        same("the digest that the client reports", digest, found.digest)
        held = place.registry.blob(f"{place.repository}/lake", digest_of(package.read_bytes()))
        same("the chart", held, package.read_bytes())
    for version, package in packages.items():
        target = place.directory / "pulled" / version
        target.mkdir(parents=True)
        helm.pull_chart(f"{place.named}/lake", version, target)
        same("the chart that was pulled", (target / package.name).read_bytes(), package.read_bytes())
    same("the newest version", helm.show_version(f"{place.named}/lake"), "0.2.0+build.7")


def _classic_signature(place: Place, subject: Content) -> None:
    """Raise Mismatch unless the signature lies under its tag and names the image."""
    found = place.registry.manifest(place.repository, _tag(subject, "sig"))
    layer = found.json["layers"][0]
    payload = json.loads(place.registry.blob(place.repository, layer["digest"]))
    same("the digest that is signed", payload["critical"]["image"]["docker-manifest-digest"], subject.digest)
    if not layer["annotations"].get("dev.cosignproject.cosign/signature"):
        raise Mismatch("the signature's annotation is missing")


def _bundles(place: Place, subject: Content) -> None:
    """Raise Mismatch unless a signature lies among the referrers, in the form of a bundle."""
    found = place.registry.referrers(place.repository, subject.digest, _BUNDLE)
    kinds = [referrer.get("annotations", {}).get("dev.sigstore.bundle.predicateType") for referrer in found]
    if _SIGNATURE not in kinds:
        raise Mismatch(f"there is no signature among the referrers: {kinds}")
    for referrer in found:
        manifest = place.registry.manifest(place.repository, referrer["digest"])
        same("the subject", manifest.json["subject"]["digest"], subject.digest)
        for layer in manifest.json["layers"]:
            place.registry.blob(place.repository, layer["digest"])


def _copies(place: Place, cosign: Cosign, reference: str, subject: Content) -> None:
    """Copy an image with its signatures and save and load it; verify there. Only signatures under tags go along."""
    other, loaded = f"{place.named}/copied", f"{place.named}/loaded"
    cosign.copy(reference, f"{other}:{TAG}")
    cosign.verify(f"{other}@{subject.digest}")
    cosign.round_trip(reference, f"{loaded}:{TAG}")
    cosign.verify(f"{loaded}@{subject.digest}")
    for repository in (f"{place.repository}/copied", f"{place.repository}/loaded"):
        same("the manifest", place.registry.manifest(repository, TAG).content, subject.manifest)
        for kind in ("sig", "att"):
            place.registry.manifest(repository, _tag(subject, kind))


def _attested(place: Place, cosign: Cosign, reference: str, subject: Content) -> None:
    """Raise Mismatch unless there is one verified attestation of the image."""
    statements = cosign.statements(reference)
    same("the attested predicates", [_core(statement) for statement in statements], [_wanted(place, subject)])


def _core(statement: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": statement["predicateType"],
        "predicate": statement["predicate"],
        "subjects": [named["digest"] for named in statement["subject"]],
    }


def _wanted(place: Place, subject: Content) -> dict[str, Any]:
    digest = {"sha256": subject.digest.partition(":")[2]}
    return {"type": PREDICATE_TYPE, "predicate": {"of": place.seed}, "subjects": [digest]}


def _refused(cosign: Cosign, reference: str, *, key: str = "cosign") -> None:
    """Raise Mismatch if the signature of an image is verified though there is none by that key."""
    try:
        cosign.verify(reference, key=key)
    except CommandFailed:
        return
    raise Mismatch(f"cosign has verified a signature by the key {key!r} that doesn't exist")


def _predicate(place: Place) -> Any:
    path = place.directory / "predicate.json"
    path.write_text(json.dumps({"of": place.seed}))
    return path


def _tag(subject: Content, kind: str) -> str:
    return f"{subject.digest.replace(':', '-')}.{kind}"
