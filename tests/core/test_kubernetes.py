"""Reviews of clusters, and the images that objects of every workload kind would run."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.kubernetes import answer, images_of, read_review
from registry.errors import RequestInvalid

POD = {
    "initContainers": [{"name": "i", "image": "registry.example/init:v1"}],
    "containers": [{"name": "a", "image": "registry.example/a:v1"}, {"name": "b", "image": "registry.example/b:v1"}],
    "ephemeralContainers": [{"name": "d", "image": "registry.example/debug:v1"}],
    "volumes": [{"name": "m", "image": {"reference": "registry.example/model:v1"}}, {"name": "e", "emptyDir": {}}],
}
TEMPLATE = {"template": {"spec": POD}}
OBJECTS: dict[str, tuple[Any, str]] = {
    "Pod": ({"spec": POD}, "/spec"),
    "PodTemplate": (TEMPLATE, "/template/spec"),
    "CronJob": ({"spec": {"jobTemplate": {"spec": TEMPLATE}}}, "/spec/jobTemplate/spec/template/spec"),
    **{
        kind: ({"spec": TEMPLATE}, "/spec/template/spec")
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Rollout")
    },
}


def review(kind: str, found: Any, *, before: Any = None, operation: str = "CREATE") -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": kind},
            "name": "bert",
            "namespace": "models",
            "operation": operation,
            "object": found,
            "oldObject": before,
        },
    }


@pytest.mark.parametrize("kind", OBJECTS)
def test_all_images_of_every_kind_are_found_where_the_object_says_so(kind: str) -> None:
    found, at = OBJECTS[kind]
    images = {image.pointer: image.text for image in images_of(kind, found)}
    assert images == {
        f"{at}/initContainers/0/image": "registry.example/init:v1",
        f"{at}/containers/0/image": "registry.example/a:v1",
        f"{at}/containers/1/image": "registry.example/b:v1",
        f"{at}/ephemeralContainers/0/image": "registry.example/debug:v1",
        f"{at}/volumes/0/image/reference": "registry.example/model:v1",
    }


def test_what_runs_already_is_not_asked_about_again() -> None:
    changed = {"spec": POD | {"containers": [{"image": "registry.example/a:v1"}, {"image": "registry.example/c:v1"}]}}
    found = read_review(review("Pod", changed, before={"spec": POD}, operation="UPDATE"))
    assert [image.text for image in found.images] == ["registry.example/c:v1"]


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_what_ends_is_not_asked_about(operation: str) -> None:
    assert read_review(review("Pod", None, before={"spec": POD}, operation=operation)).images == ()


@pytest.mark.parametrize(
    ("document", "part"),
    [
        (None, "no AdmissionReview"),
        ([], "no AdmissionReview"),
        (review("Pod", {"spec": POD}) | {"apiVersion": "admission.k8s.io/v1beta1"}, "admissionReviewVersions"),
        (review("Pod", {"spec": POD}) | {"request": None}, "no request"),
        (review("Pod", {"spec": POD}) | {"request": {"uid": 7}}, "no request with a uid"),
        (review("Pod", []), "is none"),
        (review("Pod", {"spec": None}), "has no pods"),
        (review("Deployment", {"spec": {}}), "has no pods"),
        (review("Widget", {"spec": {}}), "take this kind out of the webhook's rules"),
        (review("Pod", {"spec": {"containers": {"image": "a"}}}), "is no list"),
        (review("Pod", {"spec": {"containers": [{"image": 7}]}}), "names no image"),
        (review("Pod", {"spec": {"containers": [{"image": f"a{n}"} for n in range(501)]}}), "more than 500"),
    ],
)
def test_what_is_no_review_is_refused(document: Any, part: str) -> None:
    with pytest.raises(RequestInvalid, match=part):
        read_review(document)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["spec", "template", "containers", "image", "reference", "volumes", "metadata", "kind"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from([*OBJECTS, "", "Widget"]), _ANY, _ANY, st.sampled_from(["CREATE", "UPDATE", "DELETE", ""]))
def test_no_object_breaks_the_reader(kind: str, found: Any, before: Any, operation: str) -> None:
    with contextlib.suppress(RequestInvalid):
        read_review(review(kind, found, before=before, operation=operation))


def test_an_answer_denies_with_all_reasons_and_then_changes_nothing() -> None:
    assert answer("u", [], [], "cGF0Y2g=")["response"] == {
        "uid": "u",
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": "cGF0Y2g=",
    }
    assert answer("u", ["a", "b"], ["w"], "cGF0Y2g=")["response"] == {
        "uid": "u",
        "allowed": False,
        "status": {"code": 403, "reason": "Forbidden", "message": "a\nb"},
        "warnings": ["w"],
    }
