"""What a policy costs that is enforced on pulls: Blacklake with one beside Blacklake without, in one run."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench import kinds
from bench.administration import admin
from bench.errors import BenchmarkError
from bench.pairs import REPOSITORY, Side, authorization, password, rates, relative
from bench.servers import Server, running
from bench.work import seed

BOUND = 0.8

_POLICY = """
version: 1
name: signed
mode: enforce
signers:
  release:
    keys:
      - |
{key}
require:
  signature: {{by: release}}
"""


def admission(seconds: int, directory: Path) -> tuple[str, bool]:
    """Return what manifest GETs by tag cost where a signature is asked for and found, and whether that is within the bound.

    Both servers ask who it is. One has an enforced policy, which the signed manifest satisfies; its verdict is there.
    """
    kind = replace(kinds.ours(), environment={"BLACKLAKE_AUTH": "token"})
    with running(kind, directory) as free, running(kind, directory) as bound:
        for server in (free, bound):
            admin(server, ["org", "add", REPOSITORY.partition("/")[0]])
            content, _ = seed(server.port, REPOSITORY, authorization(server, "pull,push"))
        key, public = _key(directory)
        _sign(bound, key, directory)
        policy = directory / "policy.yaml"
        policy.write_text(_POLICY.format(key="\n".join(f"        {line}" for line in public.splitlines())))
        admin(bound, ["policy", "set", REPOSITORY, str(policy), "--on", "pull"])
        sides = [Side("no policy", free, _pulling(free)), Side("enforced policy", bound, _pulling(bound))]
        found = rates(sides, content, seconds)
    how = (
        "one has a policy that asks for a signature by a key, and serves what is signed; every request carries a token."
    )
    return relative(found, "no policy", "enforced policy", how, BOUND)


def _pulling(server: Server) -> Callable[[], Mapping[str, str]]:
    return lambda: authorization(server, "pull")


def _key(directory: Path) -> tuple[Path, str]:
    """Return the file of a new private key, and the public one (PEM)."""
    key = directory / "key.pem"
    _run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key))
    return key, _run("openssl", "pkey", "-in", str(key), "-pubout")


def _sign(server: Server, key: Path, directory: Path) -> None:
    host = f"127.0.0.1:{server.port}"
    basic = base64.b64encode(f"admin:{password(server)}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": basic}}}))
    program = str(Path(sys.prefix, "bin", "blacklake"))
    reference = f"{host}/{REPOSITORY}:v1"
    _run(program, "sign", reference, "--key", str(key), environment={"DOCKER_CONFIG": str(directory)})


def _run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"`{' '.join(command[:2])}` failed: {done.stderr.strip()}")
    return done.stdout
