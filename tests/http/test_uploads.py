"""end-4, end-5, end-6, end-13, end-14: pushing blobs, in one request and in many."""

from __future__ import annotations

import asyncio
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
import requests

from registry.db.embedded import running_url
from tests.http.client import Client, Wire, digest_of, refusal, wait_until, wire
from tests.http.server import Registry

CONTENT = os.urandom(100_000)
DIGEST = digest_of(CONTENT)


@pytest.fixture
def location(client: Client, repo: str) -> str:
    """Return the Location of an upload that holds nothing yet."""
    return client.start(repo)


@pytest.fixture(autouse=True)
def content_may_stay(client: Client) -> None:
    client.expect(CONTENT)


def held(client: Client, location: str) -> str:
    """Return the Range that the status of an upload tells."""
    answer = client.get(location)
    assert answer.status_code == 204
    return answer.headers["Range"]


def assert_pullable(client: Client, answer: requests.Response, content: bytes = CONTENT) -> None:
    assert answer.status_code == 201, answer.text
    assert client.get(answer.headers["Location"]).content == content


# In one request, and in two


def test_a_blob_is_pushed_in_one_request(client: Client, repo: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest": DIGEST}, data=CONTENT)
    assert_pullable(client, answer)
    assert answer.headers["Location"] == f"/v2/{repo}/blobs/{DIGEST}"
    assert answer.headers["Docker-Content-Digest"] == DIGEST


def test_a_sha512_blob_is_pushed_in_one_request(client: Client, repo: str) -> None:
    digest = digest_of(CONTENT, "sha512")
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest": digest}, data=CONTENT)
    assert_pullable(client, answer)
    assert answer.headers["Docker-Content-Digest"] == digest


def test_an_empty_blob_is_pushed_in_one_request(client: Client, repo: str) -> None:
    client.expect(b"")
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest": digest_of(b"")}, data=b"")
    assert_pullable(client, answer, b"")


def test_one_request_with_chunked_transfer_encoding_needs_no_length(client: Client, repo: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest": DIGEST}, data=iter([CONTENT[:7], CONTENT[7:]]))
    assert_pullable(client, answer)


def test_one_request_whose_bytes_have_another_digest_leaves_nothing(client: Client, repo: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest": DIGEST}, data=b"changed on the way")
    detail = refusal(answer, 400, "DIGEST_INVALID")
    assert detail["expected"] == DIGEST
    assert detail["actual"] == digest_of(b"changed on the way")
    refusal(client.get(f"/v2/{repo}/blobs/{DIGEST}"), 404, "BLOB_UNKNOWN")


def test_a_post_begins_an_upload_and_names_it(client: Client, repo: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/")
    assert answer.status_code == 202
    assert re.fullmatch(rf"/v2/{repo}/blobs/uploads/[0-9a-f-]{{36}}", answer.headers["Location"])
    assert answer.headers["Range"] == "0-0"
    assert answer.headers["Location"].endswith(answer.headers["Docker-Upload-UUID"])
    assert answer.headers["Content-Length"] == "0"


def test_the_path_without_its_last_slash_begins_an_upload_too(client: Client, repo: str) -> None:
    assert client.post(f"/v2/{repo}/blobs/uploads").status_code == 202


def test_a_blob_is_pushed_in_two_requests(client: Client, location: str) -> None:
    answer = client.finish(location, DIGEST, CONTENT)
    assert_pullable(client, answer)
    assert answer.headers["Docker-Content-Digest"] == DIGEST


def test_an_empty_blob_is_pushed_in_two_requests(client: Client, location: str) -> None:
    client.expect(b"")
    assert_pullable(client, client.finish(location, digest_of(b"")), b"")


def test_a_blob_that_is_there_already_can_be_pushed_again(client: Client, repo: str) -> None:
    client.push_blob(repo, CONTENT)
    assert_pullable(client, client.finish(client.start(repo), DIGEST, CONTENT))


# In chunks


def test_a_blob_is_pushed_in_chunks(client: Client, location: str) -> None:
    for first in range(0, len(CONTENT), 30_000):
        answer = client.chunk(location, CONTENT[first : first + 30_000], first)
        assert answer.status_code == 202, answer.text
        assert answer.headers["Range"] == f"0-{min(first + 30_000, len(CONTENT)) - 1}"
        location = answer.headers["Location"]
    assert_pullable(client, client.finish(location, DIGEST))


def test_the_last_chunk_may_come_with_the_closing_put(client: Client, location: str) -> None:
    client.chunk(location, CONTENT[:60_000], 0)
    headers = {"Content-Range": f"60000-{len(CONTENT) - 1}"}
    assert_pullable(client, client.finish(location, DIGEST, CONTENT[60_000:], headers=headers))


def test_the_last_chunk_needs_no_content_range(client: Client, location: str) -> None:
    client.chunk(location, CONTENT[:60_000], 0)
    assert_pullable(client, client.finish(location, DIGEST, CONTENT[60_000:]))


def test_a_stream_without_content_range_is_taken(client: Client, location: str) -> None:
    assert client.patch(location, data=CONTENT[:50_000]).headers["Range"] == "0-49999"
    assert client.patch(location, data=CONTENT[50_000:]).headers["Range"] == f"0-{len(CONTENT) - 1}"
    assert_pullable(client, client.finish(location, DIGEST))


def test_a_stream_with_chunked_transfer_encoding_is_taken(client: Client, location: str) -> None:
    pieces = [CONTENT[at : at + 9_999] for at in range(0, len(CONTENT), 9_999)]
    assert client.patch(location, data=iter(pieces)).headers["Range"] == f"0-{len(CONTENT) - 1}"
    assert_pullable(client, client.finish(location, DIGEST))


def test_the_closing_put_may_be_a_stream(client: Client, location: str) -> None:
    assert_pullable(client, client.finish(location, DIGEST, iter([CONTENT[:1], CONTENT[1:]])))  # type: ignore[arg-type]


def test_an_empty_chunk_changes_nothing(client: Client, location: str) -> None:
    client.chunk(location, b"abc", 0)
    answer = client.patch(location, data=b"")
    assert (answer.status_code, answer.headers["Range"]) == (202, "0-2")


def test_content_range_in_the_form_of_http_is_understood(client: Client, location: str) -> None:
    assert client.patch(location, data=b"abc", headers={"Content-Range": "bytes 0-2/*"}).status_code == 202
    assert client.patch(location, data=b"de", headers={"Content-Range": "bytes 3-4/5"}).status_code == 202
    assert held(client, location) == "0-4"


def test_large_chunks_are_hashed_on_across_requests(client: Client, repo: str) -> None:
    content = os.urandom(5 << 20)
    client.expect(content)
    location, half = client.start(repo), (2 << 20) + 17
    client.chunk(location, content[:half], 0)
    client.chunk(location, content[half:], half)
    assert_pullable(client, client.finish(location, digest_of(content)), content)


# Digests


def test_that_a_digest_is_sha512_may_show_at_the_last_request_only(client: Client, location: str) -> None:
    client.chunk(location, CONTENT[:70_000], 0)
    client.chunk(location, CONTENT[70_000:], 70_000)
    answer = client.finish(location, digest_of(CONTENT, "sha512"))
    assert_pullable(client, answer)
    assert answer.headers["Docker-Content-Digest"] == digest_of(CONTENT, "sha512")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_algorithm_may_be_named_at_the_start(client: Client, repo: str, algorithm: str) -> None:
    location = client.start(repo, **{"digest-algorithm": algorithm})
    client.chunk(location, CONTENT[:70_000], 0)
    assert_pullable(client, client.finish(location, digest_of(CONTENT, algorithm), CONTENT[70_000:]))


def test_another_algorithm_than_was_named_at_the_start_is_served_too(client: Client, repo: str) -> None:
    location = client.start(repo, **{"digest-algorithm": "sha512"})
    client.chunk(location, CONTENT, 0)
    assert_pullable(client, client.finish(location, DIGEST))


def test_an_unknown_algorithm_is_refused_at_the_start(client: Client, repo: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest-algorithm": "md5"})
    refusal(answer, 400, "DIGEST_INVALID")


def test_a_wrong_digest_ends_the_upload_and_leaves_nothing(client: Client, repo: str, location: str) -> None:
    client.chunk(location, CONTENT[:50], 0)
    before = len(client.registry.remains())
    detail = refusal(client.finish(location, digest_of(b"another")), 400, "DIGEST_INVALID")
    assert detail["actual"] == digest_of(CONTENT[:50])
    refusal(client.get(location), 404, "BLOB_UPLOAD_UNKNOWN")
    refusal(client.get(f"/v2/{repo}/blobs/{digest_of(b'another')}"), 404, "BLOB_UNKNOWN")
    refusal(client.get(f"/v2/{repo}/blobs/{digest_of(CONTENT[:50])}"), 404, "BLOB_UNKNOWN")
    assert len(client.registry.remains()) == before - 1


@pytest.mark.parametrize("digest", ["sha256:baddigeststring", "sha256", "md5:d41d8cd98f00b204e9800998ecf8427e", ""])
def test_what_is_no_digest_is_refused_and_the_upload_goes_on(client: Client, location: str, digest: str) -> None:
    client.chunk(location, CONTENT, 0)
    refusal(client.put(location, params={"digest": digest}, data=b""), 400, "DIGEST_INVALID")
    assert_pullable(client, client.finish(location, DIGEST))


def test_the_closing_put_without_a_digest_is_refused_and_the_upload_goes_on(client: Client, location: str) -> None:
    client.chunk(location, CONTENT, 0)
    refusal(client.put(location), 400, "DIGEST_INVALID")
    assert_pullable(client, client.finish(location, DIGEST))


# Status and cancellation


def test_the_status_of_a_new_upload_has_location_and_range(client: Client, location: str) -> None:
    answer = client.get(location)
    assert answer.status_code == 204
    assert answer.headers["Location"] == location
    assert answer.headers["Range"] == "0-0"


def test_the_status_tells_the_last_byte_held(client: Client, location: str) -> None:
    client.chunk(location, CONTENT[:1234], 0)
    assert held(client, location) == "0-1233"


def test_the_status_can_be_asked_for_by_head(client: Client, location: str) -> None:
    client.chunk(location, CONTENT[:1234], 0)
    answer = client.head(location)
    assert (answer.status_code, answer.headers["Range"]) == (204, "0-1233")


def test_a_cancelled_upload_is_gone_with_its_bytes(client: Client, location: str) -> None:
    client.chunk(location, CONTENT[:1234], 0)
    before = len(client.registry.remains())
    assert client.delete(location).status_code == 204
    assert len(client.registry.remains()) == before - 1
    refusal(client.get(location), 404, "BLOB_UPLOAD_UNKNOWN")
    refusal(client.patch(location, data=b"more"), 404, "BLOB_UPLOAD_UNKNOWN")
    refusal(client.delete(location), 404, "BLOB_UPLOAD_UNKNOWN")


def test_a_finished_upload_cannot_be_finished_again(client: Client, location: str) -> None:
    assert client.finish(location, DIGEST, CONTENT).status_code == 201
    refusal(client.finish(location, DIGEST, CONTENT), 404, "BLOB_UPLOAD_UNKNOWN")
    refusal(client.get(location), 404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("upload", ["00000000-0000-4000-8000-000000000000", "no-uuid", "0", "%00", "~", "1" * 300])
def test_an_unknown_upload_is_not_found(client: Client, repo: str, method: str, upload: str) -> None:
    client.start(repo)
    answer = client.request(method, f"/v2/{repo}/blobs/uploads/{upload}", params={"digest": DIGEST}, data=b"")
    refusal(answer, 404, "BLOB_UPLOAD_UNKNOWN")


def test_another_spelling_of_an_upload_id_is_not_found(client: Client, location: str) -> None:
    head, _, upload = location.rpartition("/")
    for spelling in (upload.upper(), upload.replace("-", ""), f"{{{upload}}}", f"urn:uuid:{upload}"):
        if spelling != upload:
            refusal(client.get(f"{head}/{spelling}"), 404, "BLOB_UPLOAD_UNKNOWN")


# Order and length


@pytest.mark.parametrize("first", [0, 9, 11, 1_000_000, 9_999_999_999_999_999_000])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_chunk_out_of_order_is_refused_and_loses_nothing(
    client: Client, location: str, first: int, method: str
) -> None:
    client.chunk(location, CONTENT[:10], 0)
    headers = {"Content-Range": f"{first}-{first + 4}"}
    answer = client.request(method, location, params={"digest": DIGEST}, data=b"wrong", headers=headers)
    assert refusal(answer, 416, "BLOB_UPLOAD_INVALID")["offset"] == 10
    assert answer.headers["Range"] == "0-9"
    assert answer.headers["Location"] == location
    assert held(client, location) == "0-9"
    client.chunk(location, CONTENT[10:], 10)
    assert_pullable(client, client.finish(location, DIGEST))


def test_a_first_chunk_that_does_not_begin_at_zero_is_refused(client: Client, location: str) -> None:
    answer = client.chunk(location, b"abc", 1)
    assert refusal(answer, 416, "BLOB_UPLOAD_INVALID")["offset"] == 0
    assert answer.headers["Range"] == "0-0"


@pytest.mark.parametrize("content_range", ["0-3", "0-1", "0-99"])
def test_a_chunk_of_another_length_than_its_range_is_refused_and_loses_nothing(
    client: Client, location: str, content_range: str
) -> None:
    answer = client.patch(location, data=b"abc", headers={"Content-Range": content_range})
    assert refusal(answer, 400, "SIZE_INVALID")["received"] == 3
    assert held(client, location) == "0-0"
    client.chunk(location, CONTENT, 0)
    assert_pullable(client, client.finish(location, DIGEST))


def test_a_last_chunk_of_another_length_than_its_range_loses_nothing(client: Client, location: str) -> None:
    client.chunk(location, CONTENT[:10], 0)
    answer = client.finish(location, DIGEST, b"abc", headers={"Content-Range": "10-99"})
    refusal(answer, 400, "SIZE_INVALID")
    assert held(client, location) == "0-9"
    assert_pullable(client, client.finish(location, DIGEST, CONTENT[10:]))


@pytest.mark.parametrize("content_range", ["abc", "5-1", "-5", "5-", "0-1-2", "0x0-0x4", "١-٥", "1" * 30 + "-2", ""])
def test_what_is_no_content_range_is_refused(raw: Wire, client: Client, location: str, content_range: str) -> None:
    text = content_range.encode().decode("latin-1")
    answer = raw.request("PATCH", location, [("Content-Range", text)], b"abcde")
    refusal(answer, 400, "BLOB_UPLOAD_INVALID")
    assert held(client, location) == "0-0"


# Vanishing clients


def wait_for_range(client: Client, location: str, expected: str) -> None:
    wait_until(lambda: held(client, location) == expected)


@pytest.mark.parametrize(
    "framing", [("Content-Length", "100000"), ("Transfer-Encoding", "chunked")], ids=lambda f: f[0]
)
def test_what_arrived_before_the_client_vanished_is_kept_for_resuming(
    client: Client, location: str, framing: tuple[str, str]
) -> None:
    with wire(client.registry) as vanishing:
        vanishing.head("PATCH", location, [framing])
        chunk = CONTENT[:40_000]
        vanishing.send(b"9c40\r\n" + chunk + b"\r\n" if framing[1] == "chunked" else chunk)
        vanishing.socket.shutdown(1)
        wait_for_range(client, location, "0-39999")
    assert client.chunk(location, CONTENT[40_000:], 40_000).status_code == 202
    assert_pullable(client, client.finish(location, DIGEST))


def test_a_vanished_closing_put_is_resumed(client: Client, location: str) -> None:
    with wire(client.registry) as vanishing:
        vanishing.head("PUT", f"{location}?digest={DIGEST}", [("Content-Length", "100000")])
        vanishing.send(CONTENT[:30_000])
        vanishing.socket.shutdown(1)
        wait_for_range(client, location, "0-29999")
    assert_pullable(client, client.finish(location, DIGEST, CONTENT[30_000:]))


def test_a_vanished_push_in_one_request_leaves_nothing(client: Client, repo: str) -> None:
    before = len(client.registry.stored())
    with wire(client.registry) as vanishing:
        vanishing.head("POST", f"/v2/{repo}/blobs/uploads/?digest={DIGEST}", [("Content-Length", "3000000")])
        vanishing.send(os.urandom(2_500_000))
        wait_until(lambda: len(client.registry.stored()) == before + 1)
        vanishing.vanish()
        wait_until(lambda: len(client.registry.stored()) == before)
    refusal(client.get(f"/v2/{repo}/blobs/{DIGEST}"), 404, "BLOB_UNKNOWN")


# Many at once


def begin_patch(client: Client, connection: Wire, location: str, size: int) -> None:
    """Send the head of a PATCH and wait until its handler holds the upload: the storage locks the file then."""
    before = locked(client)
    connection.head("PATCH", location, [("Content-Length", str(size))])
    wait_until(lambda: locked(client) > before)


def locked(client: Client) -> set[int]:
    """Return the inodes of the stored files that are being written."""
    held = {int(line.split()[5].rpartition(":")[2]) for line in Path("/proc/locks").read_text().splitlines()}
    return held & {path.stat().st_ino for path in client.registry.stored()}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_while_one_request_writes_another_is_refused_with_the_range(
    client: Client, raw: Wire, location: str, method: str
) -> None:
    client.chunk(location, CONTENT[:10], 0)
    begin_patch(client, raw, location, 90)
    raw.send(CONTENT[10:20])
    answer = client.request(method, location, params={"digest": DIGEST}, data=CONTENT[10:])
    assert refusal(answer, 416, "BLOB_UPLOAD_INVALID")["offset"] == 10
    assert answer.headers["Range"] == "0-9"
    assert answer.headers["Location"] == location
    raw.send(CONTENT[20:100])
    assert raw.answer().headers["range"] == "0-99"
    assert_pullable(client, client.finish(location, DIGEST, CONTENT[100:]))


def test_of_parallel_patches_one_wins_each_place(client: Client, location: str) -> None:
    def send(_: int) -> tuple[int, str]:
        mine = Client(client.registry)
        with mine.session:
            answer = mine.chunk(location, CONTENT, 0)
        return answer.status_code, answer.headers["Range"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert sorted(status for status, _ in answers) == [202] + [416] * 7
    # One that lost while the winner was writing is told what had been saved then.
    assert {told for _, told in answers} <= {f"0-{len(CONTENT) - 1}", "0-0"}
    assert held(client, location) == f"0-{len(CONTENT) - 1}"
    assert_pullable(client, client.finish(location, DIGEST))


def test_of_parallel_closing_puts_one_makes_the_blob(client: Client, repo: str, location: str) -> None:
    client.chunk(location, CONTENT, 0)

    def finish(_: int) -> int:
        mine = Client(client.registry)
        with mine.session:
            return mine.finish(location, DIGEST).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(finish, range(6)))
    assert statuses.count(201) == 1
    assert set(statuses) <= {201, 404, 416}
    assert client.get(f"/v2/{repo}/blobs/{DIGEST}").content == CONTENT


def test_one_blob_pushed_by_many_at_once_is_stored_once(client: Client, repo: str) -> None:
    """What was pushed in vain is deleted a little later: nobody learns from his answer that others had it already."""
    content = os.urandom(200_000)
    client.expect(content)
    before = {path.name for path in client.registry.stored()}

    def push(number: int) -> int:
        mine = Client(client.registry)
        with mine.session:
            target = repo if number % 2 else f"{repo}/{number}"
            return mine.finish(mine.start(target), digest_of(content), content).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(push, range(16))) == [201] * 16
    for target in (repo, f"{repo}/0", f"{repo}/14"):
        assert client.get(f"/v2/{target}/blobs/{digest_of(content)}").content == content
    dead = asyncio.run(dead_objects(client.registry))
    assert len({path.name for path in client.registry.stored()} - before - dead) == 1


async def dead_objects(registry: Registry) -> set[str]:
    url = running_url(registry.directory / "postgres")
    conn = await asyncpg.connect(url)
    try:
        return {row[0] for row in await conn.fetch("SELECT storage_key FROM dead_objects")}
    finally:
        await conn.close()


def test_a_cancelled_upload_refuses_the_request_that_was_writing(client: Client, raw: Wire, location: str) -> None:
    # What is being written when it is cancelled is deleted a minute later.
    client.expect(b"too late!")
    begin_patch(client, raw, location, 9)
    assert client.delete(location).status_code == 204
    raw.send(b"too late!")
    refusal(raw.answer(), 404, "BLOB_UPLOAD_UNKNOWN")
    refusal(client.get(location), 404, "BLOB_UPLOAD_UNKNOWN")


def test_uploads_of_one_repository_do_not_disturb_each_other(client: Client, repo: str) -> None:
    first, second = client.start(repo), client.start(repo)
    client.chunk(first, CONTENT[:50_000], 0)
    client.chunk(second, b"other bytes", 0)
    client.chunk(first, CONTENT[50_000:], 50_000)
    client.expect(b"other bytes")
    assert_pullable(client, client.finish(second, digest_of(b"other bytes")), b"other bytes")
    assert_pullable(client, client.finish(first, DIGEST))
