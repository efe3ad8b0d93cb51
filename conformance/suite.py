"""The official conformance suite, run against Blacklake with every flag switched on: one node, and two that take turns.

Two profiles: `all` lets manifests name absent content (`sparse=allow`) and admits nothing but passed checks; `default` is
Blacklake with its default settings, under which sparse manifests are the only thing that isn't tried. A cluster takes
the first. Where it redirects every pull of a blob, `redirected` takes its place: the suite looks for
`Docker-Content-Digest` in the answer at the end of a redirect, which is the S3 server's.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from conformance import tools
from conformance.administration import Administration
from conformance.cluster import FAILED, MISSING, Cluster, ClusterSetup, started
from conformance.enforcement import enforce
from conformance.matrix import clusters, setups
from conformance.results import Results, ResultsUnusable, read
from conformance.server import Server, Setup, program_of

CHECKS: Final = Path(__file__).parent / "checks.txt"
"""The names of the checks of the suite at the version in `tools`, those of the profile `all`; one a line, sorted."""

_LIMIT: Final = 600  # seconds for a run; one takes two
_FLAGS: Final = {
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_TAG_PARAM": "true",
}


@dataclass(frozen=True)
class Profile:
    """A configuration of the suite, the settings of Blacklake for it, and what must come out.

    `disabled` is what must not have been tried, `switched_off` the flags that are off, and `minimum` the number of
    checks at the suite's version: fewer would mean that part of it didn't run.
    """

    name: str
    flags: dict[str, str]
    settings: dict[str, str]
    disabled: tuple[str, ...]
    switched_off: tuple[str, ...]
    minimum: int


ALL: Final = Profile("all", {"OCI_DATA_SPARSE": "true"}, {"sparse": "allow"}, (), (), 1032)
REDIRECTED: Final = Profile(
    "redirected",
    {**ALL.flags, "OCI_API_BLOBS_DIGEST_HEADER": "false"},
    ALL.settings,
    (),
    ("apis.blobs.digestHeader",),
    ALL.minimum,
)
DEFAULT: Final = Profile("default", {}, {}, ("Sparse Manifests",), ("data.sparse",), 986)


def problems(profile: Profile, results: Results, checks: frozenset[str]) -> Iterator[str]:
    """Yield a line for everything in which the results differ from what the profile demands.

    `checks` are the names that must have passed.
    """
    for name, message in results.failures:
        yield f"failed: {name}: {message}"
    if results.skipped:
        yield f"{results.skipped} checks were skipped: {', '.join(results.unsettled)}"
    elif results.unsettled and not results.failures:
        yield f"not settled: {', '.join(results.unsettled)}"
    if results.disabled != profile.disabled:
        yield f"disabled: {_names(results.disabled)}; expected: {_names(profile.disabled)}"
    if results.switched_off != profile.switched_off:
        yield f"switched off: {_names(results.switched_off)}; expected: {_names(profile.switched_off)}"
    if results.passed + results.failed + results.skipped < profile.minimum:
        yield f"only {results.passed + results.failed + results.skipped} checks ran, of {profile.minimum}"
    failed = {name for name, _ in results.failures}
    if missing := sorted(checks - results.checks - failed):
        yield f"did not run: {', '.join(missing[:10])}{' …' if len(missing) > 10 else ''}"


def recorded_checks() -> frozenset[str]:
    """Return the names in CHECKS."""
    return frozenset(CHECKS.read_text(encoding="utf-8").splitlines())


def run(
    host: str,
    profile: Profile,
    directory: Path,
    administration: Administration | None = None,
    schemas: Administration | None = None,
) -> Results:
    """Run the suite against the registry at `host` (`127.0.0.1:PORT`) and return what it left in `directory`.

    Its repositories are new ones; where `administration` is there, they are those of a new user, and where `schemas` is,
    schemas are enforced beside them (conformance.enforcement). Raise ResultsUnusable, ToolMissing, BuildFailed or
    AdministrationFailed.
    """
    program = tools.build(tools.go_tool("conformance"))
    space = f"conformance-{secrets.token_hex(4)}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")} | {
        "OCI_REGISTRY": host,
        "OCI_TLS": "disabled",
        "OCI_REPO1": f"{space}/one",
        "OCI_REPO2": f"{space}/two",
        "OCI_VERSION": "dev",
        "OCI_RESULTS_DIR": str(directory),
        **(_user(administration, space) if administration is not None else {}),
    }
    if schemas is not None:
        enforce(schemas, space)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "output").open("wb") as output:
        try:
            done = subprocess.run(
                [program],
                cwd=directory,  # It would read a configuration that lies where it is started.
                env=environment | _FLAGS | profile.flags,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ResultsUnusable(f"the suite did not end within {_LIMIT} s") from None
    results = read(directory)
    if done.returncode != 0 and not results.failures and not results.skipped:
        raise ResultsUnusable(f"the suite ended with code {done.returncode} and names no failure")
    return results


def _user(administration: Administration, space: str) -> dict[str, str]:
    """Make an organisation and a user who maintains it; return the variables by which the suite is that user."""
    name, password = f"{space}-user", secrets.token_urlsafe()
    administration.run("org", "add", space)
    administration.run("user", "add", name, "--password-stdin", given=password)
    administration.run("grant", "add", f"user:{name}", "maintainer", space)
    return {"OCI_USERNAME": name, "OCI_PASSWORD": password}


def main(arguments: list[str]) -> int:
    """Run the suite and print a line for each setup and profile; return 1 when one is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m conformance suite", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--matrix", action="store_true", help="every door, server and Python, and clusters")
    parser.add_argument("--cluster", action="store_true", help="clusters only")
    parser.add_argument("--url", metavar="HOST:PORT", help="a registry that runs already, spoken to over plain HTTP")
    parser.add_argument("--profile", choices=("all", "default"), help="one of the two instead of both")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the reports of all runs there")
    parser.add_argument("--record", action="store_true", help=f"write the names of the checks to {CHECKS.name}")
    options = parser.parse_args(arguments)
    profiles = [profile for profile in (ALL, DEFAULT) if options.profile in {None, profile.name}]
    try:
        tools.build(tools.go_tool("conformance"))
    except (tools.ToolMissing, tools.BuildFailed) as error:
        print(error, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="blacklake-conformance-") as place:
        runs = _Runs(Path(place), options.keep, record=options.record)
        if options.url:
            for profile in profiles:
                runs.against(options.url, profile)
        else:
            for profile in profiles:
                for setup in [] if options.cluster else _single(profile, matrix=options.matrix):
                    runs.of(setup, profile)
            for cluster in clusters() if ALL in profiles and (options.matrix or options.cluster) else []:
                runs.of(cluster, REDIRECTED if cluster.redirect == "always" else ALL)
        return runs.concluded()


def _single(profile: Profile, *, matrix: bool) -> list[Setup]:
    """Return the setups of one node in which a profile is run; in an open one and one with tokens schemas are enforced."""
    if not matrix:
        return [Setup(enforces=True), Setup(auth="token", enforces=True)]
    found = setups(turned=profile is DEFAULT)
    enforcing = [next(setup for setup in found if setup.auth == auth) for auth in ("open", "token")]
    return [replace(setup, enforces=setup in enforcing) for setup in found]


class _Runs:
    """The runs of one command: how they went, and where the reports are kept of those that didn't go well."""

    def __init__(self, place: Path, keep: Path | None, *, record: bool) -> None:
        self._place = place
        self._keep = keep
        self._record = record
        self._done = 0
        self._bad = 0
        self._missing = 0

    def of(self, setup: Setup | ClusterSetup, profile: Profile) -> None:
        """Run a profile against Blacklake in one setup."""
        try:
            program_of(setup.python)
            with started(setup, **profile.settings) as server:
                self._run(server.host, profile, str(setup), server)
        except MISSING as error:
            self._missing += 1
            print(f"{_title(str(setup), profile)} not run: {error}", flush=True)
        except FAILED as error:
            self._bad += 1
            print(f"{_title(str(setup), profile)} {error}", flush=True)

    def against(self, host: str, profile: Profile) -> None:
        """Run a profile against a registry that runs already."""
        self._run(host, profile, host, None)

    def concluded(self) -> int:
        """Print what there is to say in the end; return the exit code: in CI nothing may be missing."""
        missing = f", {self._missing} could not run here" if self._missing else ""
        print(f"{self._done} runs, {self._bad} not as they must be{missing}")
        unseen = self._missing and os.environ.get("CI") == "true"
        return 1 if self._bad or unseen or not self._done else 0

    def _run(self, host: str, profile: Profile, title: str, server: Server | Cluster | None) -> None:
        directory = self._place / re.sub(r"[^a-z0-9.]+", "-", f"{title}-{profile.name}".lower())
        begun = time.monotonic()
        found: list[str]
        try:
            schemas = server.schemas if isinstance(server, Server) else None
            results = run(host, profile, directory, server.administration if server is not None else None, schemas)
        except ResultsUnusable as error:
            line, found = "no results", [str(error)]
        else:
            line = _counts(results)
            if self._record and profile is ALL and not results.failed:
                CHECKS.write_text("".join(f"{name}\n" for name in sorted(results.checks)), encoding="utf-8")
            found = list(problems(profile, results, frozenset() if profile is DEFAULT else recorded_checks()))
        if isinstance(server, Cluster):
            line += f", {server.traffic()}"
            found += server.problems(at_once=1)  # The suite sends a request when it has the answer to the one before.
        self._done += 1
        print(f"{_title(title, profile)} {line}  ({time.monotonic() - begun:.1f} s)", flush=True)
        for problem in found:
            print(textwrap.indent(problem, "    "))
        if found:
            self._bad += 1
        if found or self._keep:
            self._save(directory, server, say=bool(found))

    def _save(self, directory: Path, server: Server | Cluster | None, *, say: bool) -> None:
        """Copy a report, and all logs beside it, to where the command's temporary files don't end."""
        for name, log in server.logs.items() if server is not None else ():
            shutil.copy(log, directory / name)
        if self._keep is None:
            self._keep = Path(tempfile.mkdtemp(prefix="blacklake-reports-"))
        kept = self._keep / directory.name
        shutil.copytree(directory, kept, dirs_exist_ok=True)
        if say:
            print(f"    the report is kept in {kept}", flush=True)


def _title(title: str, profile: Profile) -> str:
    return f"{title:70} {profile.name:10}"


def _counts(results: Results) -> str:
    disabled = f"{len(results.disabled)} disabled"
    if results.disabled:
        disabled += f" ({', '.join(results.disabled)})"
    return f"{results.passed} passed, {results.failed} failed, {results.skipped} skipped, {disabled}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"
