"""end-12: which manifests have a given subject."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.client import EMPTY, IMAGE, INDEX, Client, descriptor, digest_of, image_of, index_of, refusal

SUBJECT = image_of(annotations={"of": "everybody"})
SUBJECT_DIGEST = digest_of(SUBJECT)


@pytest.fixture
def path(client: Client, repo: str) -> str:
    """Return the path of the referrers of a manifest that is there."""
    client.push_blob(repo, b"{}")
    client.push_manifest(repo, SUBJECT)
    return f"/v2/{repo}/referrers/{SUBJECT_DIGEST}"


def referring(**more: Any) -> bytes:
    return image_of(subject=descriptor(SUBJECT, IMAGE), **more)


def listed(client: Client, path: str, **params: str) -> list[dict[str, Any]]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["manifests"]
    return found


def test_a_manifest_without_referrers_has_an_empty_index(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == INDEX
    assert answer.json() == {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    assert "OCI-Filters-Applied" not in answer.headers


def test_an_unknown_digest_has_an_empty_index(client: Client, path: str, repo: str) -> None:
    assert listed(client, f"/v2/{repo}/referrers/{digest_of(b'unknown')}") == []


def test_an_unknown_repository_has_an_empty_index(client: Client, repo: str) -> None:
    assert listed(client, f"/v2/{repo}/referrers/{SUBJECT_DIGEST}") == []


def test_a_referrer_is_described_by_its_own_fields(client: Client, path: str, repo: str) -> None:
    content = referring(artifactType="application/vnd.example.sbom", annotations={"k": "v", "größe": "😀"})
    client.push_manifest(repo, content)
    assert listed(client, path) == [
        {
            "mediaType": IMAGE,
            "digest": digest_of(content),
            "size": len(content),
            "artifactType": "application/vnd.example.sbom",
            "annotations": {"k": "v", "größe": "😀"},
        }
    ]


def test_an_image_without_artifact_type_has_that_of_its_config(client: Client, path: str, repo: str) -> None:
    client.push_manifest(repo, referring(config_type="application/vnd.example.config+json"))
    assert listed(client, path)[0]["artifactType"] == "application/vnd.example.config+json"


def test_an_index_without_artifact_type_has_none(client: Client, path: str, repo: str) -> None:
    client.push_manifest(repo, index_of(subject=descriptor(SUBJECT, IMAGE)), media_type=INDEX)
    (found,) = listed(client, path)
    assert found["mediaType"] == INDEX
    assert "artifactType" not in found


def test_an_index_has_its_own_artifact_type(client: Client, path: str, repo: str) -> None:
    content = index_of(subject=descriptor(SUBJECT, IMAGE), artifactType="application/vnd.example.set")
    client.push_manifest(repo, content, media_type=INDEX)
    assert listed(client, path, artifactType="application/vnd.example.set")[0]["digest"] == digest_of(content)


def test_referrers_stand_in_the_order_of_their_digests(client: Client, path: str, repo: str) -> None:
    pushed = [client.push_manifest(repo, referring(annotations={"n": str(number)})) for number in range(8)]
    assert [found["digest"] for found in listed(client, path)] == sorted(pushed)


def test_a_filter_selects_by_artifact_type_and_says_so(client: Client, path: str, repo: str) -> None:
    wanted = client.push_manifest(repo, referring(artifactType="application/vnd.example.a"))
    client.push_manifest(repo, referring(artifactType="application/vnd.example.b"))
    fallback = client.push_manifest(repo, referring(config_type="application/vnd.example.a"))
    answer = client.get(path, params={"artifactType": "application/vnd.example.a"})
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert {found["digest"] for found in answer.json()["manifests"]} == {wanted, fallback}


def test_a_filter_that_nothing_passes_gives_an_empty_index(client: Client, path: str, repo: str) -> None:
    client.push_manifest(repo, referring())
    answer = client.get(path, params={"artifactType": "application/vnd.example.none"})
    assert answer.json()["manifests"] == []
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_following_the_links_gives_every_referrer_once(client: Client, path: str, repo: str, n: int) -> None:
    pushed = sorted(client.push_manifest(repo, referring(annotations={"n": str(number)})) for number in range(6))
    pages = client.pages(f"{path}?n={n}", "manifests")
    assert [[found["digest"] for found in page] for page in pages] == [pushed[at : at + n] for at in range(0, 6, n)]


def test_pages_of_a_filtered_list_are_filtered(client: Client, path: str, repo: str) -> None:
    wanted = set()
    for number in range(6):
        content = referring(artifactType=f"application/vnd.example.{number % 2}", annotations={"n": str(number)})
        digest = client.push_manifest(repo, content)
        if number % 2:
            wanted.add(digest)
    following, found = f"{path}?n=1&artifactType=application/vnd.example.1", []
    while following:
        answer = client.get(following)
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        found += [item["digest"] for item in answer.json()["manifests"]]
        assert len(found) <= 8, "the links lead in a circle"
        following = answer.links.get("next", {}).get("url", "")
    assert found == sorted(wanted)


def test_a_page_never_outgrows_the_size_that_clients_accept(client: Client, path: str, repo: str) -> None:
    pushed = [
        client.push_manifest(repo, referring(annotations={"n": str(number), "x": "x" * 700_000})) for number in range(8)
    ]
    following, found = path, []
    while following:
        answer = client.get(following)
        assert len(answer.content) < 4 << 20
        found += [item["digest"] for item in answer.json()["manifests"]]
        assert len(found) <= 8, "the links lead in a circle"
        following = answer.links.get("next", {}).get("url", "")
    assert found == sorted(pushed)


def test_no_referrers_are_listed_when_none_are_asked_for(client: Client, path: str, repo: str) -> None:
    client.push_manifest(repo, referring())
    answer = client.get(path, params={"n": "0"})
    assert answer.json()["manifests"] == []
    assert "Link" not in answer.headers


def test_a_subject_pushed_later_has_its_referrers(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    digest = client.push_manifest(repo, referring())
    client.push_manifest(repo, SUBJECT)
    assert [found["digest"] for found in listed(client, f"/v2/{repo}/referrers/{SUBJECT_DIGEST}")] == [digest]


def test_what_a_client_listed_under_the_fallback_tag_is_listed_once(client: Client, path: str, repo: str) -> None:
    referrer = referring()
    digest = client.push_manifest(repo, referrer)
    client.push_manifest(repo, index_of(referrer), SUBJECT_DIGEST.replace(":", "-"), INDEX)
    assert [found["digest"] for found in listed(client, path)] == [digest]


def test_a_deleted_referrer_is_not_listed_any_more(client: Client, path: str, repo: str) -> None:
    digest = client.push_manifest(repo, referring())
    client.delete(f"/v2/{repo}/manifests/{digest}")
    assert listed(client, path) == []


def test_referrers_stay_when_their_subject_is_deleted(client: Client, path: str, repo: str) -> None:
    digest = client.push_manifest(repo, referring())
    assert client.delete(f"/v2/{repo}/manifests/{SUBJECT_DIGEST}").status_code == 202
    assert [found["digest"] for found in listed(client, path)] == [digest]


def test_referrers_of_another_repository_are_not_listed(client: Client, path: str, other: str) -> None:
    client.push_blob(other, b"{}")
    client.push_manifest(other, referring())
    assert listed(client, path) == []


def test_a_referrer_pushed_twice_is_listed_once(client: Client, path: str, repo: str) -> None:
    for tag in ("a", "b"):
        client.push_manifest(repo, referring(), tag)
    assert len(listed(client, path)) == 1


def test_a_referrer_of_a_referrer_belongs_to_it_alone(client: Client, path: str, repo: str) -> None:
    first = referring()
    client.push_manifest(repo, first)
    second = client.push_manifest(repo, image_of(subject=descriptor(first, IMAGE)))
    assert [found["digest"] for found in listed(client, path)] == [digest_of(first)]
    assert [found["digest"] for found in listed(client, f"/v2/{repo}/referrers/{digest_of(first)}")] == [second]


def test_a_sha512_subject_has_its_own_referrers(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    subject = {"mediaType": IMAGE, "size": len(SUBJECT), "digest": digest_of(SUBJECT, "sha512")}
    digest = client.push_manifest(repo, image_of(subject=subject))
    assert [found["digest"] for found in listed(client, f"/v2/{repo}/referrers/{subject['digest']}")] == [digest]
    assert listed(client, f"/v2/{repo}/referrers/{SUBJECT_DIGEST}") == []


def test_head_has_the_headers_of_get_and_no_body(client: Client, path: str, repo: str) -> None:
    client.push_manifest(repo, referring())
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == INDEX
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_what_is_no_digest_has_no_referrers(client: Client, repo: str) -> None:
    refusal(client.get(f"/v2/{repo}/referrers/latest"), 400, "DIGEST_INVALID")
    refusal(client.get(f"/v2/{repo}/referrers/{SUBJECT_DIGEST}?last=x"), 400, "DIGEST_INVALID")
    assert refusal(client.get(f"/v2/{repo}/referrers/{SUBJECT_DIGEST}?n=x"), 400, "UNSUPPORTED")["parameter"] == "n"


def test_a_docker_manifest_may_refer(client: Client, path: str, repo: str) -> None:
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    content = referring(mediaType=docker, config=b"{}")
    client.push_manifest(repo, content, media_type=docker)
    (found,) = listed(client, path)
    assert (found["mediaType"], found["artifactType"]) == (docker, EMPTY)
