"""Reviews that a cluster asks for (Kubernetes, admission.k8s.io/v1), and the images that its objects would run.

Pure: nothing is looked up here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.errors import RequestInvalid

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

# Where objects keep the pods that they make, as a path of keys; those of these kinds, and of others that look like them.
_POD_SPECS: Final = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_TEMPLATE: Final = ("spec", "template", "spec")
_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
_MOST_IMAGES: Final = 500  # of one object
_LONGEST: Final = 4096  # characters of an image's reference that are read at all


@dataclass(frozen=True, slots=True)
class Image:
    """An image that an object would run, or mount, and where it says so (JSON Pointer into the object)."""

    pointer: str
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """What a cluster is about to do."""

    uid: str
    namespace: str
    """Empty where an object belongs to none."""
    images: tuple[Image, ...]
    """Those that the object did not have before: what runs already is not asked about again."""


def read_review(document: Any) -> Review:
    """Return what a cluster asks about. Raise RequestInvalid, also for an object of which we can't say what it would run."""
    if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) != (API_VERSION, KIND):
        raise RequestInvalid(
            f"the body is no {KIND} of {API_VERSION}; let the webhook have admissionReviewVersions: [v1]"
        )
    request = document.get("request")
    uid = request.get("uid") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(uid, str) or not uid:
        raise RequestInvalid(f"the {KIND} has no request with a uid")
    kind = _text(_mapping(request.get("kind")).get("kind"))
    if request.get("operation") not in ("CREATE", "UPDATE"):
        images: tuple[Image, ...] = ()  # what ends, or is connected to, runs nothing new
    else:
        before = {image.text for image in images_of(kind, request.get("oldObject"))}
        images = tuple(image for image in images_of(kind, request.get("object")) if image.text not in before)
    return Review(uid, _text(request.get("namespace")), images)


def images_of(kind: str, found: Any) -> list[Image]:
    """Return the images of an object, none of None. Raise RequestInvalid where it has no pods that we know to find."""
    if found is None:
        return []
    if not isinstance(found, dict):
        raise RequestInvalid("the object of the review is none")
    path = _POD_SPECS.get(kind, _TEMPLATE)
    spec: Any = found
    for key in path:
        spec = spec.get(key) if isinstance(spec, dict) else None
    if not isinstance(spec, dict):
        if path is _TEMPLATE and kind not in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"):
            # ReplicationControllers may have no template. Of what else is here nobody knows what it would run.
            if kind == "ReplicationController":
                return []
            raise RequestInvalid(
                f"an object of kind {kind[:64] or '(none)'} has no pods at /{'/'.join(path)};"
                " take this kind out of the webhook's rules"
            )
        raise RequestInvalid(f"the {kind} has no pods at /{'/'.join(path)}")
    images = [*_images(spec, "/" + "/".join(path))]
    if len(images) > _MOST_IMAGES:
        raise RequestInvalid(f"the {kind} names more than {_MOST_IMAGES} images")
    return images


def answer(uid: str, refusals: list[str], warnings: list[str], patch: str | None = None) -> dict[str, Any]:
    """Return the answer to a review: it is denied where there are refusals. `patch` is JSON Patch (RFC 6902) in base64."""
    response: dict[str, Any] = {"uid": uid, "allowed": not refusals}
    if refusals:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": "\n".join(refusals)}
    if warnings:
        response["warnings"] = warnings
    if patch is not None and not refusals:
        response |= {"patchType": "JSONPatch", "patch": patch}
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _images(spec: Mapping[str, Any], pointer: str) -> Iterator[Image]:
    for group in _CONTAINERS:
        for number, container in enumerate(_list(spec, group, pointer)):
            at = f"{pointer}/{group}/{number}"
            image = _mapping(container).get("image")
            if image not in (
                None,
                "",
            ):  # higher levels of a configuration may leave it out, and the cluster refuses that
                yield Image(f"{at}/image", _image(image, at))
    for number, volume in enumerate(_list(spec, "volumes", pointer)):
        image = _mapping(volume).get("image")
        if image is not None:
            at = f"{pointer}/volumes/{number}/image/reference"
            if reference := _mapping(image).get("reference"):
                yield Image(at, _image(reference, at))


def _list(spec: Mapping[str, Any], key: str, pointer: str) -> list[Any]:
    found = spec.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise RequestInvalid(f"{pointer}/{key} of the object is no list")
    return found


def _image(found: Any, at: str) -> str:
    if not isinstance(found, str) or len(found) > _LONGEST:
        raise RequestInvalid(f"{at} of the object names no image")
    return found


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""
