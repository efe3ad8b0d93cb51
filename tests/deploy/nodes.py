"""Two nodes that share a database and a storage, and nginx before them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from conformance.nginx import listener, program, proxying
from tests.lifecycle.serving import Registry
from tests.tools import needed


@contextlib.contextmanager
def two_nodes(directory: Path, database_url: str, storage: str) -> Iterator[tuple[str, tuple[Registry, Registry]]]:
    """Run them; yield nginx's URL and the nodes. Those that still run at the end must stop well."""
    needed(program)
    with listener() as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        shared = {"database_url": database_url, "storage": storage, "external_url": url}
        with Registry(directory / "one", **shared) as one, Registry(directory / "two", **shared) as two:
            one.start(wait=False)
            two.start(wait=False)
            one.wait_until_listening()
            two.wait_until_listening()
            with proxying(sock, directory / "nginx", (f"127.0.0.1:{one.port}", f"127.0.0.1:{two.port}")) as proxy:
                yield proxy, (one, two)
            running = [node for node in (one, two) if node.is_running]
            assert [node.stop() for node in running] == [0] * len(running)
