"""Every client through every scenario, against one registry."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from conformance.administration import Administration
from conformance.clients.accounts import Accounts
from conformance.clients.buildah import Buildah
from conformance.clients.client import Client, CommandFailed
from conformance.clients.cosign import Cosign2, Cosign3
from conformance.clients.crane import Crane
from conformance.clients.docker import Docker
from conformance.clients.helm import Helm
from conformance.clients.oras import Oras
from conformance.clients.oras_py import OrasPy
from conformance.clients.plain import Plain
from conformance.clients.podman import Podman
from conformance.clients.regctl import Regctl
from conformance.clients.scenarios import AFTERWARDS, SCENARIOS, STAGES, Scenario
from conformance.clients.scenarios.place import Place, Shared
from conformance.clients.skopeo import Skopeo
from conformance.clients.wire import Registry
from conformance.tools import ToolMissing

CLIENTS: Final[tuple[type[Client], ...]] = (
    Oras,
    Crane,
    Regctl,
    Skopeo,
    Podman,
    Buildah,
    Docker,
    Cosign2,
    Cosign3,
    Helm,
    OrasPy,
    Plain,
)

_EPOCH: Final = 1.0
"""Seconds within which a change of rights counts on every node."""

Verdict = Literal["ok", "failed", "n.a.", "missing"]


@dataclass(frozen=True)
class Outcome:
    """What came out of one scenario with one client; `reason` says why it isn't ok, all of it."""

    client: str
    scenario: str
    verdict: Verdict
    reason: str = ""
    seconds: float = 0.0

    @property
    def bad(self) -> bool:
        """Whether it makes the run fail: a client that is missing does in CI only."""
        return self.verdict == "failed" or (self.verdict == "missing" and os.environ.get("CI") == "true")

    def __str__(self) -> str:
        reason = self.reason.partition("\n")[0] if self.verdict != "failed" else "see the end"
        said = f"{self.seconds:.1f} s" if self.verdict == "ok" else reason
        return f"{self.client:9} {self.scenario:26} {self.verdict:8} {said}"


def run(
    host: str, only: Sequence[str], tell: Callable[[object], None], administration: Administration | None = None
) -> list[Outcome]:
    """Put the clients named in `only`, all when there are none, through all scenarios against the registry at `host`.

    `tell` gets every outcome as it comes, and the clients' versions. With `administration` the clients log in, and STAGES are
    among the scenarios. Raise AdministrationFailed.
    """
    prefix = f"clients-{secrets.token_hex(3)}"
    accounts = Accounts(administration, prefix) if administration is not None else None
    shared = Shared(Registry(host, accounts.key if accounts is not None else None), prefix, accounts)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="clients-", ignore_cleanup_errors=True) as home:
        clients: list[Client] = []
        try:
            for kind in CLIENTS:
                if not only or kind.name in only:
                    for outcome in _with(kind, host, Path(home, kind.name), clients, shared, tell):
                        outcomes.append(outcome)
                        tell(outcome)
            for client in clients:
                for scenario in AFTERWARDS:
                    outcomes.append(_outcome(client, scenario, shared))
                    tell(outcomes[-1])
            for outcome in _guarded(clients, accounts, shared) if accounts is not None else ():
                outcomes.append(outcome)
                tell(outcome)
        finally:
            for client in clients:
                client.close()
    return outcomes


def _guarded(clients: Sequence[Client], accounts: Accounts, shared: Shared) -> Iterator[Outcome]:
    """Put all clients through one stage after the other, and yield what comes out."""
    for stage in STAGES:
        if stage.change is not None:
            stage.change(accounts)
            time.sleep(_EPOCH)
        for client in clients:
            yield _outcome(client, stage.scenario, shared)


def _with(
    kind: type[Client], host: str, home: Path, clients: list[Client], shared: Shared, tell: Callable[[object], None]
) -> Iterator[Outcome]:
    """Make a client, add it to `clients`, and yield what comes out of the scenarios."""
    try:
        client = kind(host, home)
        clients.append(client)
        tell(f"{client.name} {client.version()}")
        if shared.accounts is not None:
            client.login(host, shared.accounts.pipeline)
    except ToolMissing as error:
        yield Outcome(kind.name, "", "missing", str(error))
        return
    except CommandFailed as error:
        yield Outcome(kind.name, "", "failed", str(error))
        return
    for scenario in SCENARIOS:
        yield _outcome(client, scenario, shared)


def _outcome(client: Client, scenario: Scenario, shared: Shared) -> Outcome:
    for need in scenario.needs:
        if reason := client.reason_against(need):
            return Outcome(client.name, scenario.name, "n.a.", reason)
    slug = re.sub("[^a-z0-9]+", "-", scenario.name.lower())
    directory = client.home / slug
    directory.mkdir()
    place = Place(client, shared.registry, f"{shared.prefix}/{client.name}/{slug}", directory, shared)
    begun = time.monotonic()
    try:
        scenario.run(place)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, it is this one outcome that is bad
        reason = f"{type(error).__name__}: {error}"
        return Outcome(client.name, scenario.name, "failed", reason, time.monotonic() - begun)
    return Outcome(client.name, scenario.name, "ok", "", time.monotonic() - begun)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return scenarios by clients: what is ok, what failed, and a dash where the client has no such verb."""
    names = [kind.name for kind in CLIENTS if any(outcome.client == kind.name for outcome in outcomes)]
    marks = {"ok": "ok", "failed": "FAILED", "n.a.": "–"}
    cells = {(outcome.scenario, outcome.client): marks.get(outcome.verdict, "") for outcome in outcomes}
    lines = [f"{'':26} " + " ".join(f"{name:>8}" for name in names)]
    guarded = [stage.scenario for stage in STAGES if any(one.scenario == stage.scenario.name for one in outcomes)]
    for scenario in (*SCENARIOS, *AFTERWARDS, *guarded):
        row = " ".join(f"{cells.get((scenario.name, name), 'not run'):>8}" for name in names)
        lines.append(f"{scenario.name:26} {row}")
    return "\n".join(lines)
