"""Paths: each endpoint's path is read back as what it was made of, and nothing else is an endpoint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatypes.digest import Digest
from mediatypes.endpoints import ENDPOINTS, PATHS, Location, Resource, locate, methods_of

WORDS = st.sampled_from(["blobs", "uploads", "manifests", "tags", "list", "referrers", "_catalog", "v2", "a", "b"])
NAMES = st.lists(WORDS, min_size=1, max_size=6).map("/".join)
DIGESTS = st.builds(Digest.of, st.binary(max_size=4), st.sampled_from(["sha256", "sha512"])).map(str)
TAGS = st.from_regex(r"\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}\Z") | WORDS
IDS = st.uuids().map(str)

FORMS = {
    Resource.BLOB: ("/v2/{name}/blobs/{reference}", DIGESTS),
    Resource.MANIFEST: ("/v2/{name}/manifests/{reference}", TAGS | DIGESTS),
    Resource.UPLOAD: ("/v2/{name}/blobs/uploads/{reference}", IDS),
    Resource.REFERRERS: ("/v2/{name}/referrers/{reference}", DIGESTS),
    Resource.TAGS: ("/v2/{name}/tags/list", st.just("")),
    Resource.UPLOADS: ("/v2/{name}/blobs/uploads/", st.just("")),
}


def formed(location: Location) -> str:
    """Return the path that the specification gives a location."""
    return FORMS[location.resource][0].format(name=location.name, reference=location.reference)


LOCATIONS = st.sampled_from(sorted(FORMS, key=lambda resource: resource.value)).flatmap(
    lambda resource: st.builds(Location, st.just(resource), NAMES, FORMS[resource][1])
)


@given(LOCATIONS)
def test_a_path_that_is_formed_is_read_back(location: Location) -> None:
    assert locate(formed(location)) == location


def test_every_resource_has_a_form_here() -> None:
    beside = {location.resource for location in PATHS.values()}
    assert {resource for resource, _ in ENDPOINTS} - beside == FORMS.keys() | {Resource.BASE, Resource.CATALOG}


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_base_has_two_forms(path: str) -> None:
    assert locate(path) == Location(Resource.BASE, "", "")


def test_the_catalog_is_located() -> None:
    assert locate("/v2/_catalog") == Location(Resource.CATALOG, "", "")


@given(NAMES)
def test_uploads_begin_without_the_last_slash_too(name: str) -> None:
    assert locate(f"/v2/{name}/blobs/uploads") == Location(Resource.UPLOADS, name, "")


@given(st.text())
def test_a_path_elsewhere_is_no_endpoint(text: str) -> None:
    if text not in ("/v2", "/v2/") and not text.startswith("/v2/"):
        assert locate(text) is None


@given(st.lists(WORDS | st.text("/.%\0\n ", max_size=3), max_size=7).map("/".join) | st.text())
def test_any_path_is_an_endpoint_that_says_all_of_it_or_none(text: str) -> None:
    found = locate("/v2/" + text)
    if found is not None and found.resource in FORMS:
        assert (found.reference == "") == (found.resource in (Resource.TAGS, Resource.UPLOADS))
        # Nothing of the path was dropped on the way.
        assert formed(found) in ("/v2/" + text, "/v2/" + text + "/")


@given(LOCATIONS)
def test_a_slash_at_the_end_makes_another_path(location: Location) -> None:
    if location.resource is not Resource.UPLOADS:
        found = locate(formed(location) + "/")
        assert found is None or found.resource is Resource.UPLOADS


@pytest.mark.parametrize("resource", Resource)
def test_every_resource_has_methods(resource: Resource) -> None:
    methods = methods_of(resource)
    assert methods
    # But for tokens: HEAD would begin a session and throw its token away.
    assert ("HEAD" in methods) == ("GET" in methods and resource is not Resource.TOKEN)
    assert all((resource, method) in ENDPOINTS for method in methods)
