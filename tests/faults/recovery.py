"""How long after a fault everything works again."""

from __future__ import annotations

import itertools
import time
from typing import Final

from tests.faults.documents import MANIFEST, manifest, sha256
from tests.faults.exchange import Exchange
from tests.faults.installation import Installation
from tests.faults.ledger import Content, Key, Ledger
from tests.faults.uploads import Uploads
from tests.faults.wire import Gone

LIMIT: Final = 30.0
"""Seconds after a fault in which everything must work again, for every client."""

_GIVEN_UP: Final = 150.0
_PAUSE: Final = 0.05
_REPOSITORY: Final = "soak/probe"

_numbers = itertools.count()


def recovered(at: Installation, ledger: Ledger, since: float) -> float:
    """Wait until every node is ready and a push and pull through it work; return the seconds `since` then.

    Complain where that takes longer than LIMIT. Raise AssertionError where it takes for ever.
    """
    waiting = dict(enumerate(at.nodes))
    while waiting:
        for number, node in list(waiting.items()):
            if _works(ledger, node.port, number) and node.is_ready():
                del waiting[number]
        if time.monotonic() - since > _GIVEN_UP:
            raise AssertionError(
                f"after {_GIVEN_UP:.0f} s these still don't work: {[n.data.name for n in waiting.values()]}"
            )
        if waiting:
            time.sleep(_PAUSE)
    seconds = time.monotonic() - since
    if seconds > LIMIT:
        ledger.violate(f"after the fault it took {seconds:.1f} s until every node worked")
    return seconds


def _works(ledger: Ledger, port: int, number: int) -> bool:
    exchange = Exchange(ledger, port)
    try:
        content = Content.make(f"probe {number} {next(_numbers)}", 2000)
        ledger.contents[content.digest] = content
        Uploads(exchange).in_one_request(_REPOSITORY, content)
        body = manifest([content], {"probe": content.seed})
        digest = sha256(body)
        ledger.manifests[digest] = body, MANIFEST
        tag = Key("tag", _REPOSITORY, f"node{number}")
        path = f"/v2/{_REPOSITORY}/manifests/{tag.name}"
        changes: list[tuple[Key, str | None]] = [(Key("manifest", _REPOSITORY, digest), digest), (tag, digest)]
        exchange.write(changes, lambda: exchange.wire.request("PUT", path, body, {"Content-Type": MANIFEST}), 201)
        blob = Key("blob", _REPOSITORY, content.digest)
        found = exchange.look(blob), exchange.look_at_part(blob, 100, 1100), exchange.look(tag)
    except Gone:
        return False
    finally:
        exchange.wire.close()
    if found != (content.digest, content.digest, digest):
        ledger.violate(f"pushed and acknowledged were {content.digest} and {digest}, found {found}")
    return True
