"""One table maps errors to statuses, one function renders them: every error of the tree is in the one and fits the other."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

import pytest

from mediatypes.codes import ErrorCode
from registry import errors
from registry.errors import NotAdmitted, RegistryError
from registry.http.errors import STATUS, render

# What an argument of a type is in these tests.
SAMPLES: dict[Any, object] = {
    str: 'said “so”\n\0<b>"',
    int: 7,
    list: ["a", "b"],
    Mapping[str, str]: {"a": "b"},
    Sequence[Mapping[str, object]]: [{"policy": "signed", "version": 1, "reasons": ["is not “signed”"]}],
    Sequence[tuple[str, str]]: [("/a", "is “wrong”")],
    NotAdmitted: NotAdmitted("n@d", [], lines=["policy “signed”"]),
    Sequence[Mapping[str, str]]: [{"pointer": "/a", "rule": "type", "message": "is “wrong”", "schema": "team/s/1.0.0"}],
}


def subclasses(of: type[RegistryError]) -> list[type[RegistryError]]:
    found = [of] if of is not RegistryError else []
    for child in of.__subclasses__():
        found += subclasses(child)
    return found


ERRORS = sorted(subclasses(RegistryError), key=lambda error: error.__name__)
every_error = pytest.mark.parametrize("error", ERRORS, ids=[error.__name__ for error in ERRORS])


def sample(error: type[RegistryError]) -> RegistryError:
    """Return an error made with an argument for each parameter that needs one."""
    hints = get_type_hints(error.__init__)
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(error).parameters.items():
        if parameter.default is inspect.Parameter.empty:
            hint = hints[name]
            given[name] = SAMPLES[hint if hint in SAMPLES else list]
    return error(**given)


def document(error: RegistryError) -> Any:
    body = render(error, "the-id", "/v2/x/blobs/uploads/1").body
    assert isinstance(body, bytes)
    return json.loads(body)


def test_the_tree_has_errors() -> None:
    assert len(ERRORS) > 20


@every_error
def test_every_error_has_a_status(error: type[RegistryError]) -> None:
    assert 400 <= STATUS[error] <= 599


def test_the_table_names_no_error_that_does_not_exist() -> None:
    assert set(STATUS) == set(ERRORS)


@every_error
def test_every_error_has_a_code_of_its_own_status_class(error: type[RegistryError]) -> None:
    assert error.code in ErrorCode
    assert (STATUS[error] >= 500) == (error.code in (ErrorCode.UNKNOWN, ErrorCode.UNAVAILABLE))


@every_error
def test_every_error_is_rendered_in_the_shape_of_the_specification(error: type[RegistryError]) -> None:
    made = sample(error)
    reply = render(made, "the-id", "/v2/x/blobs/uploads/1")
    assert reply.status == STATUS[error]
    assert ("Content-Type", "application/json") in reply.headers
    assert document(made) == {
        "errors": [
            {"code": error.code.value, "message": made.message, "detail": {**made.detail, "request_id": "the-id"}}
        ]
    }


QUOTING = {
    "a name": errors.NameInvalid("x" * 10_000, "is too long"),
    "a tag": errors.TagInvalid("x" * 10_000, "is too long"),
    "a digest": errors.DigestInvalid("x" * 10_000, "is none"),
    "a range": errors.RangeUnsatisfiable("x" * 10_000, 1),
    "an upload": errors.UploadUnknown("a/b", "x" * 10_000),
    "a chunk's range": errors.ContentRangeInvalid("x" * 10_000, "is none"),
    "a reference": errors.ManifestUnknown("a/b", "x" * 128),
    "a media type": errors.MediaTypeUnsupported("x" * 10_000, ["a/b"]),
    "a parameter": errors.PageInvalid("n", "x" * 10_000, "is no number"),
    "a path": errors.EndpointUnknown("x" * 10_000),
    "a method": errors.MethodUnsupported("x" * 10_000, ["GET"]),
}


@pytest.mark.parametrize("error", QUOTING.values(), ids=QUOTING)
def test_what_an_error_quotes_of_a_request_is_short(error: RegistryError) -> None:
    assert len(json.dumps(document(error))) < 1000


def headers(error: RegistryError) -> dict[str, str]:
    return dict(render(error, "the-id", "/v2/x/blobs/uploads/1").headers)


@pytest.mark.parametrize("error", [errors.TooManyRequests(30), errors.Unavailable("the database", 30)])
def test_what_may_succeed_later_says_when(error: RegistryError) -> None:
    assert headers(error)["Retry-After"] == "30"
    assert document(error)["errors"][0]["detail"]["retry_after"] == 30


def test_too_many_requests_are_429_with_the_code_of_the_specification() -> None:
    error = errors.TooManyRequests(2)
    assert render(error, "the-id", "/").status == 429
    assert document(error)["errors"][0]["code"] == "TOOMANYREQUESTS"


@pytest.mark.parametrize(("offset", "shown"), [(0, "0-0"), (1, "0-0"), (2, "0-1"), (1 << 40, f"0-{(1 << 40) - 1}")])
def test_an_upload_out_of_order_says_where_it_stands(offset: int, shown: str) -> None:
    said = headers(errors.UploadOutOfOrder("the chunk begins at 5", offset=offset))
    assert said["Range"] == shown
    assert said["Location"] == "/v2/x/blobs/uploads/1"


def test_an_unsatisfiable_range_says_the_size() -> None:
    assert headers(errors.RangeUnsatisfiable("bytes=9-", 5))["Content-Range"] == "bytes */5"


def test_an_unsupported_method_says_which_are() -> None:
    assert headers(errors.MethodUnsupported("PUT", ["GET", "HEAD"]))["Allow"] == "GET, HEAD"


def test_of_many_missing_digests_the_message_names_three_and_the_detail_all() -> None:
    missing = [f"sha256:{number:064}" for number in range(50)]
    (error,) = document(errors.ManifestBlobUnknown("a/b", missing))["errors"]
    assert error["detail"]["missing"] == missing
    assert error["message"].count("sha256:") == 3
    assert "and 47 more" in error["message"]
