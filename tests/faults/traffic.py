"""Several clients at once, until they are told to stop."""

from __future__ import annotations

import random
import threading
import traceback
from types import TracebackType
from typing import Final, Self

from tests.faults.client import Client
from tests.faults.ledger import Ledger
from tests.faults.wire import Ports

CLIENTS: Final = 4


class Traffic:
    """Clients on the registry at `ports` for as long as the block lasts; the same `seed` makes them wish the same."""

    def __init__(self, ledger: Ledger, ports: Ports, seed: str, *, large: bool = False) -> None:
        self._ledger = ledger
        self._over = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(Client(ledger, ports, n, random.Random(f"{seed} {n}"), large=large),),
                daemon=True,
            )
            for n in range(CLIENTS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: Client) -> None:
        while not self._over.is_set():
            try:
                client.act()
            except Exception:  # noqa: BLE001 - an answer that a client can't make sense of is a finding, too
                self._ledger.violate(f"a client did not understand an answer:\n{traceback.format_exc()}")
        client.close()
