"""Reading from a registry that is not to be trusted: digests, bounds, redirects, and where credentials go."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blacklake.locations import LocationOptions, location, opened
from blacklake.oci import authentication
from blacklake.oci import connection as connections
from blacklake.oci.contents import Absent, Unavailable, Unsound
from blacklake.oci.repository import Repository
from mediatypes.digest import Digest
from tests.http.client import IMAGE, INDEX, image_of, index_of
from tests.oci.servers import Asked, Reply, Scripted, scripted

NAME = "team/model"
CONTENT = image_of(b"layer")
DIGEST = Digest.of(CONTENT)
V1 = f"/v2/{NAME}/manifests/v1"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scripted]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(connections, "_LONGEST_WAIT", 0.01)
    with scripted() as found:
        found.has_manifest(NAME, CONTENT, "v1")
        yield found


@pytest.fixture
def repository(registry: Scripted) -> Iterator[Repository]:
    with opened(location(f"{registry.host}/{NAME}:v1"), LocationOptions()) as (source, _):
        assert isinstance(source, Repository)
        yield source


def keep(**entry: str) -> None:
    """Keep a credential for the registry in Docker's configuration, under the name of the one entry."""
    host = entry.pop("host")
    Path(os.environ["DOCKER_CONFIG"], "config.json").write_text(json.dumps({"auths": {host: entry}}))


def pair(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_tag_is_what_its_bytes_are(repository: Repository) -> None:
    found = repository.manifest("v1")
    assert (found.digest, found.media_type, found.content) == (DIGEST, IMAGE, CONTENT)
    assert repository.manifest(str(DIGEST)) == found


@pytest.mark.parametrize(
    ("reply", "reference", "said"),
    [
        (Reply(200, image_of(b"other"), {"Content-Type": IMAGE}), str(DIGEST), "is not what its digest says"),
        (Reply(200, CONTENT, {"Content-Type": IMAGE, "Docker-Content-Digest": f"sha256:{'0' * 64}"}), "v1", "digest"),
        (Reply(200, CONTENT, {"Content-Type": IMAGE, "Docker-Content-Digest": "md5:0"}), "v1", "digest that"),
        (Reply(200, CONTENT, {"Content-Type": INDEX}), "v1", "but was sent as"),
        (Reply(200, b"{}", {"Content-Type": "text/html"}), "v1", "is no manifest"),
        (Reply(200, b'{"schemaVersion": 2, "schemaVersion": 2}', {"Content-Type": IMAGE}), "v1", "twice"),
    ],
)
def test_what_is_not_what_it_is_said_to_be_is_unsound(
    registry: Scripted, repository: Repository, reply: Reply, reference: str, said: str
) -> None:
    registry.answers["GET", f"/v2/{NAME}/manifests/{reference}"] = reply
    with pytest.raises(Unsound, match=said):
        repository.manifest(reference)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(500), "status 500"),
        (Reply(503, b'{"errors":[{"code":"X","message":"come \\u001b[1m back"}]}'), r"come  \[1m back"),
        (Reply(403, b'{"errors": 7}'), "status 403"),
        (Reply(200, b"x" * ((4 << 20) + 1)), "more than is read"),
        (Reply(200, CONTENT, {"Content-Type": IMAGE}, cut=True), "could not be reached"),
        (Reply(200, CONTENT, {"Content-Encoding": "gzip"}), "encoding that nobody asked for"),
        (Reply(302, b"", {"Location": V1}), "redirects more than 5 times"),
        (Reply(302, b"", {"Location": "file:///etc/passwd"}), "is not encrypted"),
        (Reply(302, b"", {"Location": "http://[::1"}), "Invalid URL"),
    ],
)
def test_what_can_not_be_read_is_unavailable(
    registry: Scripted, repository: Repository, reply: Reply, said: str
) -> None:
    registry.answers["GET", V1] = reply
    with pytest.raises(Unavailable, match=said):
        repository.manifest("v1")


def test_what_is_not_there_is_absent(repository: Repository) -> None:
    with pytest.raises(Absent, match=":v2 is not there"):
        repository.manifest("v2")
    with pytest.raises(Absent):
        repository.blob(DIGEST, 10)


def test_a_busy_registry_is_asked_again(registry: Scripted, repository: Repository) -> None:
    replies = [Reply(429, headers={"Retry-After": "1"}), Reply(503), Reply(200, CONTENT, {"Content-Type": IMAGE})]
    registry.answers["GET", V1] = lambda _: replies.pop(0)
    assert repository.manifest("v1").digest == DIGEST


def test_a_blob_is_bounded_and_compared_wherever_it_lies(registry: Scripted, repository: Repository) -> None:
    digest = Digest.parse(registry.has_blob(NAME, b"weights"))
    assert repository.blob(digest, 7) == b"weights"
    with pytest.raises(Unavailable, match="more than 6 bytes"):
        repository.blob(digest, 6)
    with scripted() as storage:
        storage.answers["GET", "/bucket/key"] = Reply(200, b"weights")
        where = {"Location": f"{storage.url}/bucket/key?signature=secret"}
        registry.answers["GET", f"/v2/{NAME}/blobs/{digest}"] = Reply(307, b"", where)
        assert repository.blob(digest, 7) == b"weights"
        storage.answers["GET", "/bucket/key"] = Reply(200, b"WEIGHTS")
        with pytest.raises(Unsound, match="is not what its digest says"):
            repository.blob(digest, 7)
        storage.answers["GET", "/bucket/key"] = Reply(403)
        with pytest.raises(Unavailable) as refused:
            repository.blob(digest, 7)
    assert "secret" not in str(refused.value)


def test_referrers_are_read_page_by_page_and_with_the_fallback_tag(registry: Scripted, repository: Repository) -> None:
    first, second, third = image_of(b"1"), image_of(b"2"), image_of(b"3")
    path = f"/v2/{NAME}/referrers/{DIGEST}"

    def page(asked: Asked) -> Reply:
        if "last" in asked.path:
            return Reply(200, index_of(second))
        return Reply(200, index_of(first), {"Link": f'<{path}?last=1>; rel="next"'})

    registry.answers["GET", path] = page
    registry.has_manifest(NAME, index_of(third), f"sha256-{DIGEST.encoded}", INDEX)
    listed = [Digest.of(one) for one in (first, second, third)]
    assert [one.digest for one in repository.referrers(DIGEST)] == listed
    del registry.answers["GET", path]  # a registry without the list
    assert [one.digest for one in repository.referrers(DIGEST)] == listed[2:]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(200, b"[]"), "is no index"),
        (Reply(200, b'{"manifests": [{"digest": "../../etc"}]}'), "has a digest that"),
        (Reply(200, index_of(), {"Link": '<http://elsewhere.example/x>; rel="next"'}), "another server"),
        (Reply(200, index_of(), {"Link": '</v2/team/model/referrers/x>; rel="next"'}), "is not there"),
        (Reply(500), "status 500"),
    ],
)
def test_lists_of_referrers_that_can_not_be_read_are_said(
    registry: Scripted, repository: Repository, reply: Reply, said: str
) -> None:
    registry.answers["GET", f"/v2/{NAME}/referrers/{DIGEST}"] = reply
    with pytest.raises((Unavailable, Unsound), match=said):
        list(repository.referrers(DIGEST))


def test_a_list_of_referrers_without_an_end_is_left(registry: Scripted, repository: Repository) -> None:
    path = f"/v2/{NAME}/referrers/{DIGEST}"
    registry.answers["GET", path] = Reply(200, index_of(), {"Link": f'<{path}?n=1>; rel="next"'})
    with pytest.raises(Unavailable, match="more than 100 pages"):
        list(repository.referrers(DIGEST))


def guarded(registry: Scripted, token: str = "t0ken") -> None:
    """Let the registry ask who it is."""
    challenge = {"WWW-Authenticate": f'Bearer realm="{registry.url}/token",service="it",scope="other"'}

    def answer(asked: Asked) -> Reply:
        is_known = asked.headers.get("authorization") == f"Bearer {token}"
        return Reply(200, CONTENT, {"Content-Type": IMAGE}) if is_known else Reply(401, b"", challenge)

    registry.answers["GET", V1] = answer
    registry.answers["GET", "/token"] = Reply(200, json.dumps({"token": token}).encode())
    registry.answers["POST", "/token"] = Reply(200, json.dumps({"access_token": token}).encode())


def asked_for_token(registry: Scripted) -> Asked:
    (found,) = [one for one in registry.asked if one.path.startswith("/token")]
    return found


def test_nobody_asks_for_a_token_as_nobody(registry: Scripted, repository: Repository) -> None:
    guarded(registry)
    assert repository.manifest("v1").digest == DIGEST
    asked = asked_for_token(registry)
    assert "authorization" not in asked.headers
    assert "scope=repository%3Ateam%2Fmodel%3Apull&service=it" in asked.path
    repository.manifest("v1")
    assert asked_for_token(registry)  # the token is used again


def test_a_user_s_password_goes_to_the_endpoint_of_tokens_only(registry: Scripted, repository: Repository) -> None:
    guarded(registry)
    keep(host=registry.host, auth=pair("ann", "s3cret"))
    assert repository.manifest("v1").digest == DIGEST
    assert asked_for_token(registry).headers["authorization"] == f"Basic {pair('ann', 's3cret')}"
    assert registry.sent("authorization").count(f"Basic {pair('ann', 's3cret')}") == 1


def test_a_login_s_refresh_token_is_exchanged(registry: Scripted, repository: Repository) -> None:
    guarded(registry)
    keep(host=registry.host, auth=pair("ann", ""), identitytoken="blr_token")
    assert repository.manifest("v1").digest == DIGEST
    asked = asked_for_token(registry)
    assert asked.method == "POST"
    assert b"grant_type=refresh_token" in asked.content
    assert b"refresh_token=blr_token" in asked.content


def test_a_registry_that_knows_passwords_only_is_told_one(registry: Scripted, repository: Repository) -> None:
    keep(host=registry.host, username="ann", password="s3cret")
    wanted = f"Basic {pair('ann', 's3cret')}"
    good, refused = (
        Reply(200, CONTENT, {"Content-Type": IMAGE}),
        Reply(401, b"", {"WWW-Authenticate": 'Basic realm="r"'}),
    )
    registry.answers["GET", V1] = lambda asked: good if asked.headers.get("authorization") == wanted else refused
    assert repository.manifest("v1").digest == DIGEST
    keep(host=registry.host, username="ann", password="another")
    with (
        opened(location(f"{registry.host}/{NAME}:v1"), LocationOptions()) as (source, _),
        pytest.raises(Unavailable, match="status 401"),
    ):
        source.manifest("v1")


@pytest.mark.parametrize(
    "challenge",
    [
        "Bearer",
        'Bearer realm="ftp://elsewhere"',
        'Bearer realm="http://u:p@127.0.0.1/"',
        "Negotiate",
        'Basic realm="x"',
        "",
    ],
)
def test_a_challenge_that_can_not_be_answered_is_said(
    registry: Scripted, repository: Repository, challenge: str
) -> None:
    registry.answers["GET", V1] = Reply(401, b"", {"WWW-Authenticate": challenge})
    with pytest.raises(Unavailable, match="asks who you are"):
        repository.manifest("v1")


@pytest.mark.parametrize("token", [b"{}", b"[]", b"<html>", b'{"token": "two words"}', b'{"token": "line\\nbreak"}'])
def test_an_endpoint_that_gives_no_token_is_said(registry: Scripted, repository: Repository, token: bytes) -> None:
    guarded(registry)
    registry.answers["GET", "/token"] = Reply(200, token)
    with pytest.raises(Unavailable, match="it gives no token"):
        repository.manifest("v1")


def test_another_server_is_told_no_credential(registry: Scripted, repository: Repository) -> None:
    guarded(registry)
    keep(host=registry.host, auth=pair("ann", "s3cret"))
    repository.manifest("v1")
    digest = Digest.of(b"weights")
    with scripted() as storage:
        storage.answers["GET", "/key"] = Reply(401, b"", {"WWW-Authenticate": f'Basic realm="{storage.url}"'})
        registry.answers["GET", f"/v2/{NAME}/blobs/{digest}"] = Reply(307, b"", {"Location": f"{storage.url}/key"})
        with pytest.raises(Unavailable):
            repository.blob(digest, 7)
        assert storage.sent("authorization") == []
    assert len(registry.sent("authorization")) == 3  # for a token, for the manifest, for the blob


@pytest.mark.parametrize("options", [LocationOptions(), LocationOptions(insecure=True)])
def test_tokens_of_another_machine_over_http_are_not_asked_for_with_a_credential(
    registry: Scripted, options: LocationOptions
) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://tokens.invalid/token"'}
    registry.answers["GET", V1] = Reply(401, b"", challenge)
    keep(host=registry.host, auth=pair("ann", "s3cret"))
    with (
        opened(location(f"{registry.host}/{NAME}:v1"), options) as (source, _),
        pytest.raises(Unavailable, match=r"sends your credentials to tokens\.invalid, another machine, unencrypted"),
    ):
        source.manifest("v1")


@pytest.mark.parametrize("content", [b"", b"{" * 60])
def test_all_answers_together_end_in_time(
    repository: Repository, registry: Scripted, content: bytes, monkeypatch: Any
) -> None:
    monkeypatch.setattr(repository._connection, "_left", 0.3)
    ended = threading.Event()

    def dripping(_asked: Asked) -> Reply:
        if not content:
            ended.wait(10)
        return Reply(200, content, {"Content-Type": IMAGE, "Content-Length": "100"})

    registry.answers["GET", V1] = dripping
    for _ in range(2):  # the second has no time at all
        with pytest.raises(Unavailable, match=r"did not answer in time: .* seconds for all answers"):
            repository.manifest("v1")
    ended.set()


def test_waits_between_tries_take_of_the_time_for_all_answers(
    repository: Repository, registry: Scripted, monkeypatch: Any
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(connections, "_LONGEST_WAIT", 60.0)
    monkeypatch.setattr(connections.time, "sleep", waited.append)
    monkeypatch.setattr(repository._connection, "_left", 100.0)
    registry.answers["GET", V1] = Reply(429, headers={"Retry-After": "60"})
    with pytest.raises(Unavailable, match=r"did not answer in time: .* seconds for all answers"):
        repository.manifest("v1")
    assert waited == [60.0]


def test_over_http_to_another_machine_nobody_is_told_a_credential(registry: Scripted, monkeypatch: Any) -> None:
    monkeypatch.setattr(connections, "is_loopback", lambda host: False)
    monkeypatch.setattr(authentication, "is_loopback", lambda host: False)
    guarded(registry)
    keep(host=registry.host, auth=pair("ann", "s3cret"))
    place = location(f"{registry.host}/{NAME}:v1")
    with (
        opened(place, LocationOptions(plain_http=True)) as (source, _),
        pytest.raises(Unavailable, match="say --insecure"),
    ):
        source.manifest("v1")
    assert registry.sent("authorization") == []
    with opened(place, LocationOptions(plain_http=True, insecure=True)) as (source, _):
        assert source.manifest("v1").digest == DIGEST
