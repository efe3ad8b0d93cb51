"""What the server writes on stderr where that is no terminal: one JSON object a line."""

from __future__ import annotations

import requests

from tests.lifecycle.artifact import push
from tests.lifecycle.serving import Registry


def test_logs_are_json_lines_with_the_ids_of_requests(registry: Registry) -> None:
    registry.configure(log_level="debug").start()
    push(registry.url)
    pulled = requests.get(f"{registry.url}/v2/team/bert/manifests/v1", headers={"X-Request-ID": "mine-1"})
    unknown = requests.get(f"{registry.url}/v2/team/bert/manifests/v2")
    assert registry.stop() == 0
    logged = {line["request_id"]: line for line in registry.log() if line["event"] == "request"}
    mine = logged["mine-1"]
    assert pulled.headers["X-Request-ID"] == "mine-1"
    assert (mine["method"], mine["path"], mine["status"]) == ("GET", "/v2/team/bert/manifests/v1", 200)
    given = unknown.json()["errors"][0]["detail"]["request_id"]
    assert unknown.headers["X-Request-ID"] == given
    assert logged[given]["status"] == 404
    assert all({"timestamp", "level", "event"} <= line.keys() for line in registry.log())
