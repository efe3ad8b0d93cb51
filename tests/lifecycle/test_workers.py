"""Several workers look like one server."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.lifecycle.artifact import push
from tests.lifecycle.serving import Registry, eventually

REQUESTS = 60
PULLS = re.compile(r'blacklake_requests_total\{endpoint="end-3",method="GET",status="200"\} (\S+)')


def pulls_counted(registry: Registry) -> float:
    found = PULLS.search(requests.get(f"{registry.url}/metrics").text)
    return float(found[1]) if found else 0


def test_metrics_sum_over_the_workers_whichever_answers_and_whichever_dies(registry: Registry) -> None:
    registry.configure(workers=2).start()
    push(registry.url)
    url = f"{registry.url}/v2/team/bert/manifests/v1"
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda _: requests.get(url).status_code, range(REQUESTS)))
        assert answers == [200] * REQUESTS

        def all_count_all() -> bool:
            return set(clients.map(lambda _: pulls_counted(registry), range(24))) == {REQUESTS}

        eventually(all_count_all, "each worker tells the requests of both, the last of which it may just be counting")
    worker = registry.workers()[0]
    worker.kill()
    registry.heal(worker, workers=2)
    assert pulls_counted(registry) == REQUESTS
    assert registry.stop() == 0
