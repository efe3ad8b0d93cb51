"""Lists, and what disappears from them."""

from __future__ import annotations

from typing import Final

from conformance.clients.client import TAG
from conformance.clients.images import image
from conformance.clients.scenarios import checks
from conformance.clients.scenarios.place import Place
from conformance.clients.wire import Mismatch, same

_PAGE: Final = 300


def tags(place: Place) -> None:
    """List 1100 tags: all of them, in byte order."""
    repository, wanted = place.shared.tagged
    found = place.client.tags(f"{place.registry.host}/{repository}")
    same("the number of tags", len(found), len(wanted))
    same("the tags", found, wanted)


def list_pages(place: Place) -> None:
    """List 1100 tags in pages of 300."""
    repository, wanted = place.shared.tagged
    same("the tags", place.client.list_pages(f"{place.registry.host}/{repository}", _PAGE), wanted)


def catalog(place: Place) -> None:
    """List all repositories, 1100 known ones among them."""
    wanted = place.shared.repositories
    found = place.client.catalog()
    if missing := sorted(set(wanted) - set(found)):
        raise Mismatch(f"{len(missing)} repositories are missing, the first is {missing[0]}")
    same("the number of repositories", len(found), len(set(found)))


def delete_tag(place: Place) -> None:
    """Delete one of two tags of an image: the other one, and the image, stay."""
    content = image(place.seed)
    place.registry.put(place.repository, TAG, content)
    place.registry.put(place.repository, "stays", content)
    place.client.delete_tag(place.reference())
    for method in ("GET", "HEAD"):
        place.registry.expect(404, method, f"{place.repository}/manifests/{TAG}")
    same("the tags", place.registry.tags(place.repository), ["stays"])
    checks.stored(place, content, None, tag="stays", exact=True)


def delete_manifest(place: Place) -> None:
    """Delete an image: its tags go with it, another image stays, also in its shared layers' bytes."""
    content, other = image(place.seed), image(f"{place.seed} other")
    place.registry.put(place.repository, TAG, content)
    place.registry.put(place.repository, "also", content)
    place.registry.put(place.repository, "stays", other)
    place.client.delete_manifest(place.named, content.digest, TAG)
    for reference in (content.digest, TAG, "also"):
        for method in ("GET", "HEAD"):
            place.registry.expect(404, method, f"{place.repository}/manifests/{reference}")
    same("the tags", place.registry.tags(place.repository), ["stays"])
    checks.stored(place, other, None, tag="stays", exact=True)
