"""Pulls and copies of what the independent look has pushed, and of what the other clients have."""

from __future__ import annotations

from conformance.clients.client import TAG
from conformance.clients.images import image, platforms
from conformance.clients.scenarios import checks
from conformance.clients.scenarios.place import Place
from conformance.clients.wire import Mismatch


def pull_image(place: Place) -> None:
    """Pull an image by its tag and by its digest."""
    content = image(place.seed)
    place.registry.put(place.repository, TAG, content)
    checks.pulled(place.client.pull_image(place.reference()), content)
    checks.pulled(place.client.pull_image(place.reference(content.digest)), content)


def pull_docker(place: Place) -> None:
    """Pull an image of Docker's types."""
    content = image(place.seed, docker=True)
    place.registry.put(place.repository, TAG, content)
    checks.pulled(place.client.pull_docker(place.reference()), content)


def pull_sha512(place: Place) -> None:
    """Pull an image whose digests are all sha512."""
    content = image(place.seed, algorithm="sha512")
    place.registry.put(place.repository, content.digest, content)
    checks.pulled(place.client.pull_image(place.reference(content.digest)), content)


def pull_platform(place: Place) -> None:
    """Pull each platform out of indexes of OCI's and of Docker's types."""
    for tag, content in (("oci", platforms(place.seed)), ("docker", platforms(place.seed, docker=True))):
        place.registry.put(place.repository, tag, content)
        for child in content.children:
            assert child.platform is not None
            checks.pulled(place.client.pull_platform(place.reference(tag), child.platform), child)


def pull_cut(place: Place) -> None:
    """Pull an image of 8 MiB over a connection that breaks off after 5: the client asks for the rest only.

    Of a registry that redirects there is nothing to cut off: the bytes come from elsewhere.
    """
    content = image(place.seed, large=8 << 20)
    place.registry.put(place.repository, TAG, content)
    with place.proxy(cut=5 << 20) as proxy:
        checks.pulled(place.client.pull_resumed(f"{proxy.host}/{place.repository}:{TAG}"), content)
    if proxy.received > 10 << 20:
        raise Mismatch(f"the client received {proxy.received} bytes: it began anew")
    largest = max(content.blobs, key=lambda digest: len(content.blobs[digest]))
    if proxy.received < 8 << 20 and not place.registry.redirects(place.repository, largest):
        raise Mismatch(f"the client received {proxy.received} bytes of 8 MiB")


def pull_others(place: Place) -> None:
    """Pull what every client has pushed."""
    for name, (repository, content) in place.shared.pushed.items():
        docker = "docker" in content.media_type
        if docker and place.client.reason_against("pull_docker"):
            continue
        reference = f"{place.registry.host}/{repository}:{TAG}"
        try:
            checks.pulled((place.client.pull_docker if docker else place.client.pull_image)(reference), content)
        except Mismatch as error:
            raise Mismatch(f"what {name} has pushed: {error}") from error


def copy(place: Place) -> None:
    """Copy an image to another tag and to other repositories, whose layers are mounted, not sent again."""
    size = 2 << 20
    content = image(place.seed, large=size)
    place.registry.put(place.repository, TAG, content)
    others = [f"{place.repository}/{name}" for name in ("one", "two")]
    with place.proxy() as proxy:
        source = f"{proxy.host}/{place.repository}:{TAG}"
        place.client.copy(source, f"{proxy.host}/{place.repository}:again")
        place.client.copy(source, f"{proxy.host}/{others[0]}:{TAG}")
        before = proxy.sent  # skopeo mounts what it has once seen itself
        place.client.copy(source, f"{proxy.host}/{others[1]}:{TAG}")
    checks.stored(place, content, None, tag="again")
    for repository in others:
        checks.stored(place, content, None, repository=repository)
    if proxy.sent - before > size // 2:
        raise Mismatch(f"the client sent {proxy.sent - before} bytes for a copy in the registry: nothing was mounted")


def push_pulled(place: Place) -> None:
    """Pull an image into the client's store and push it to another repository: its layers are mounted, not sent again."""
    size = 2 << 20
    content = image(place.seed, docker=place.client.schema2, large=size)
    place.registry.put(place.repository, TAG, content)
    other = f"{place.repository}/other"
    with place.proxy() as proxy:
        place.client.push_pulled(f"{proxy.host}/{place.repository}:{TAG}", f"{proxy.host}/{other}:{TAG}")
    checks.stored(place, content, None, repository=other, exact=False)
    if proxy.sent > size // 2:
        raise Mismatch(f"the client sent {proxy.sent} bytes for an image that the registry has: nothing was mounted")


def convert(place: Place) -> None:
    """Turn an image of Docker's types into one of OCI's, and the other way round."""
    for docker in (False, True):
        content = image(f"{place.seed} {docker}", docker=not docker)
        source, target = ("oci", "docker") if docker else ("docker", "oci")
        place.registry.put(place.repository, f"from-{source}", content)
        place.client.convert(place.reference(f"from-{source}"), place.reference(f"to-{target}"), docker=docker)
        found = checks.stored(place, content, None, tag=f"to-{target}", exact=False)
        (checks.of_docker if docker else checks.of_oci)(found)


def round_trip(place: Place) -> None:
    """Pull an image into an OCI layout and push it to another repository from there."""
    content = image(place.seed)
    place.registry.put(place.repository, TAG, content)
    other = f"{place.repository}/back"
    place.client.round_trip(place.reference(), f"{place.registry.host}/{other}:{TAG}")
    checks.stored(place, content, None, repository=other)
