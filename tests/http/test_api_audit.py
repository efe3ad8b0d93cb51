"""What the admin API leaves in the audit log, and what it tells of it."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from tests.http.admin import PASSWORD, Governed, problem
from tests.http.client import wait_until


def events(governed: Governed, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = governed.by("root").get("/admin/audit/events", params=query)["items"]
    return found


def test_a_change_says_who_made_it_from_where_by_what_and_in_which_request(governed: Governed) -> None:
    name, request_id = f"n{uuid4().hex[:12]}", uuid4().hex
    answer = governed.by("root")(
        "POST", "/admin/users", json={"name": name, "password": PASSWORD}, headers={"X-Request-ID": request_id}
    )
    assert answer.status_code == 201
    (event,) = events(governed, target=f"user:{name}")
    assert event | {"sequence": None, "at": None, "credential_id": None, "principal_id": None} == {
        "sequence": None,
        "at": None,
        "principal_id": None,
        "principal": "root",
        "credential_kind": "key",
        "credential_id": None,
        "address": "127.0.0.1",
        "request_id": request_id,
        "action": "user.add",
        "target": f"user:{name}",
        "outcome": "done",
        "detail": {"admin": False},
    }
    assert event["credential_id"].isdigit()
    assert PASSWORD not in json.dumps(event)


@pytest.mark.parametrize(
    ("user", "method", "path", "document", "action"),
    [
        ("mallory", "POST", "/admin/users", {"name": "eve"}, "user.add"),
        ("otto", "POST", "/admin/organisations/acme/teams", {"name": "eve"}, "team.add"),
        ("mary", "POST", "/admin/grants", {"subject": "user:mary", "role": "admin", "target": "acme"}, "grant.add"),
        ("alice", "PUT", "/me/password", {"current": "wrong", "new": PASSWORD}, "password.change"),
        ("mallory", "GET", "/admin/audit/export", None, "audit.export"),
        ("mallory", "GET", "/admin/users", None, "admin.read"),
    ],
)
def test_what_is_denied_leaves_a_row(
    governed: Governed, user: str, method: str, path: str, document: Any, action: str
) -> None:
    request_id = uuid4().hex
    answer = governed.by(user)(method, path, json=document, headers={"X-Request-ID": request_id})
    assert answer.status_code in (401, 403)
    found = [one for one in events(governed, principal=user, outcome="denied") if one["request_id"] == request_id]
    # A set: what is sealed while it is read is told twice.
    assert {(one["action"], one["target"]) for one in found} == {(action, f"/api/v1{path}")}


def test_events_are_filtered_and_paged(governed: Governed) -> None:
    root = governed.by("root")
    name = f"n{uuid4().hex[:12]}"
    root.post("/admin/organisations", {"name": name})
    for team in "abcde":
        root.post(f"/admin/organisations/{name}/teams", {"name": team})
    query = {"target": f"team:{name}/", "action": "team.add"}
    wait_until(lambda: all(one["sequence"] is not None for one in events(governed, **query)))
    assert [one["target"][-1] for one in events(governed, **query)] == list("edcba")
    found: list[str] = []
    before: dict[str, str] = {}
    while True:
        page = root.get("/admin/audit/events", params=query | {"limit": "2"} | before)
        found += [one["target"][-1] for one in page["items"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert found == list("edcba")
    assert events(governed, **query, until="2020-01-01T00:00:00Z") == []
    assert len(events(governed, **query, since="2020-01-01T00:00:00")) == 5
    assert len(events(governed, **query, principal="root")) == 5
    assert events(governed, **query, principal="olga") == []
    problem(root("GET", "/admin/audit/events", params={"since": "yesterday"}), 400, "UNSUPPORTED")


def test_the_export_is_lines_of_all_sealed_events_and_is_an_event_itself(governed: Governed) -> None:
    root = governed.by("root")
    root.post("/admin/organisations", {"name": f"n{uuid4().hex[:12]}"})
    wait_until(lambda: events(governed, limit="1")[-1]["sequence"] is not None)
    answer = root("GET", "/admin/audit/export")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["sequence"] for line in lines] == list(range(lines[0]["sequence"], lines[0]["sequence"] + len(lines)))
    assert {"organisation.add", "user.add"} <= {line["action"] for line in lines}
    some = root("GET", "/admin/audit/export", params={"action": "organisation.add"}).text.splitlines()
    assert {json.loads(line)["action"] for line in some} == {"organisation.add"}
    assert root("GET", "/admin/audit/export", params={"action": "nothing"}).text == ""
    assert events(governed, action="audit.export", principal="root")
    assert root("HEAD", "/admin/audit/export").content == b""


def test_the_log_is_verified_against_heads(governed: Governed) -> None:
    root = governed.by("root")
    wait_until(lambda: root.post("/admin/audit/verification", {}, 200)["events"] > 0)
    found = root.post("/admin/audit/verification", {}, 200)
    assert found["is_intact"]
    assert found["findings"] == []
    text = governed.registry.log.read_text()
    heads = [json.loads(line)["head"] for line in text.splitlines() if "audit log sealed" in line]
    found = root.post("/admin/audit/verification", {"heads": heads[:3]}, 200)
    assert (found["is_intact"], found["heads_found"]) == (True, min(3, len(heads)))
    forged = heads[0] | {"head": "00" * 32}
    found = root.post("/admin/audit/verification", {"heads": [forged]}, 200)
    assert not found["is_intact"]
    assert found["findings_total"] == len(found["findings"]) > 0
    for heads in ([{}], [{"signature": "x"}], [{"signature": "00", "batch": "x"}]):
        problem(root("POST", "/admin/audit/verification", json={"heads": heads}), 400, "UNSUPPORTED")


def test_pruning_deletes_what_is_old_and_says_so(governed: Governed) -> None:
    root = governed.by("root")
    assert root.post("/admin/audit/prune", {"older_than": 86_400}, 200) == {"batches": 0, "events": 0}
    wait_until(lambda: root.post("/admin/audit/verification", {}, 200)["events"] > 0)
    time.sleep(0.1)
    done = root.post("/admin/audit/prune", {"older_than": 0}, 200)
    assert done["events"] > 0
    assert root.post("/admin/audit/verification", {}, 200)["is_intact"]
    wait_until(lambda: bool(events(governed, action="audit.prune")))
    problem(root("POST", "/admin/audit/prune", json={"older_than": -1}), 400, "UNSUPPORTED")
