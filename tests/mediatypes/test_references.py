"""References of images, as container runtimes read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatypes.digest import Digest
from mediatypes.references import InvalidReference, parse_reference

DIGEST = Digest.of(b"x")


@pytest.mark.parametrize(
    ("text", "host", "name", "tag", "digest"),
    [
        ("bert", "docker.io", "library/bert", None, None),
        ("team/bert:v1", "docker.io", "team/bert", "v1", None),
        ("registry.example/bert", "registry.example", "bert", None, None),
        ("registry.example:5000/team/bert:v1", "registry.example:5000", "team/bert", "v1", None),
        ("localhost/bert", "localhost", "bert", None, None),
        ("Registry.Example/bert", "registry.example", "bert", None, None),
        ("[::1]:5000/bert:v1", "[::1]:5000", "bert", "v1", None),
        (f"registry.example/team/bert@{DIGEST}", "registry.example", "team/bert", None, DIGEST),
        (f"registry.example/team/bert:v1@{DIGEST}", "registry.example", "team/bert", "v1", DIGEST),
    ],
)
def test_a_reference_names_host_repository_tag_and_digest(
    text: str, host: str, name: str, tag: str | None, digest: Digest | None
) -> None:
    assert parse_reference(text) == (host, name, tag, digest)


def test_a_runtime_asks_for_the_digest_then_the_tag_then_latest() -> None:
    assert parse_reference(f"a.example/b:v1@{DIGEST}").reference == DIGEST
    assert parse_reference("a.example/b:v1").reference == "v1"
    assert parse_reference("a.example/b").reference == "latest"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "registry.example/",
        "registry.example/Bert",
        "registry.example/bert:",
        "registry.example/bert@sha256:abc",
        "registry.example/bert@md5:d41d8cd98f00b204e9800998ecf8427e",
        f"registry.example/bert@{DIGEST}@{DIGEST}",
        "https://registry.example/bert",
        "user@registry.example/bert",
        "registry.example /bert",
        "registry.example/bert:v1 ",
        "régistry.example/bert",
        "-a.example/bert",
        "registry.example/" + "a" * 600,
    ],
)
def test_what_no_runtime_takes_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse_reference(text)


@given(st.text(alphabet="aA.:/@-_[]é0", max_size=40))
def test_whatever_is_read_is_written_the_same(text: str) -> None:
    try:
        found = parse_reference(text)
    except InvalidReference:
        return
    tag = f":{found.tag}" if found.tag else ""
    digest = f"@{found.digest}" if found.digest else ""
    assert parse_reference(f"{found.host}/{found.name}{tag}{digest}") == found
