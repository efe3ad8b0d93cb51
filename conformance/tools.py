"""The programs that are run against Blacklake: where they come from, at which version, and where they lie.

    ${XDG_CACHE_HOME:-~/.cache}/blacklake/tools/
    ├── crane@v0.22.1/crane
    ├── cosign@v2.6.5/cosign        two versions of one program lie side by side
    ├── cosign@v3.1.3/cosign
    └── .olareg-k2j4x/              being built; renamed when it is whole

Tools written in Go are built at the versions below, those of npm are installed at theirs, the others are what the system has.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Group = Literal["suite", "clients", "storage", "identities", "signing", "peers"]

_ENVIRONMENT: Final = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}


class ToolMissing(Exception):
    """A program isn't here; the message says how to get it."""


class BuildFailed(Exception):
    """A program can't be built; the message is what `go` or `npm` said."""


@dataclass(frozen=True)
class GoTool:
    """A program written in Go: package `module`/`package` at `version`; `name` is ours, whatever Go calls it."""

    name: str
    module: str
    package: str
    version: str
    group: Group

    @property
    def path(self) -> Path:
        """Where the program lies once it is built."""
        return directory() / f"{self.name}@{self.version}" / self.name

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class NpmTool:
    """A program of an npm package, which runs on Node; `name` is the command's."""

    name: str
    package: str
    version: str
    group: Group

    @property
    def path(self) -> Path:
        """Where the program lies once it is installed."""
        return directory() / f"{self.name}@{self.version}" / "node_modules" / ".bin" / self.name

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


GO_TOOLS: Final = (
    GoTool(
        "conformance",
        "github.com/opencontainers/distribution-spec/conformance",
        "",
        "v0.0.0-20260831232431-97274622c111",
        "suite",
    ),
    GoTool("oras", "oras.land/oras", "cmd/oras", "v1.3.6", "clients"),
    GoTool("crane", "github.com/google/go-containerregistry", "cmd/crane", "v0.22.1", "clients"),
    GoTool("regctl", "github.com/regclient/regclient", "cmd/regctl", "v0.11.7", "clients"),
    GoTool("helm", "helm.sh/helm/v3", "cmd/helm", "v3.22.0", "clients"),
    GoTool("cosign", "github.com/sigstore/cosign/v2", "cmd/cosign", "v2.6.5", "clients"),
    GoTool("cosign", "github.com/sigstore/cosign/v3", "cmd/cosign", "v3.1.3", "clients"),
    GoTool("versitygw", "github.com/versity/versitygw", "cmd/versitygw", "v1.8.0", "storage"),
    GoTool("minio", "github.com/minio/minio", "", "v0.0.0-20260212201848-7aac2a2c5b7c", "storage"),
    GoTool("fake-gcs-server", "github.com/fsouza/fake-gcs-server", "", "v1.56.1", "storage"),
    GoTool("toxiproxy", "github.com/Shopify/toxiproxy/v2", "cmd/server", "v2.12.0", "storage"),
    GoTool("oidc-provider", "github.com/zitadel/oidc/v3", "example/server", "v3.51.17", "identities"),
    GoTool("fulcio", "github.com/sigstore/fulcio", "", "v1.8.8", "signing"),
    GoTool("tesseract", "github.com/transparency-dev/tesseract", "cmd/tesseract/posix", "v0.1.1", "signing"),
    # Later versions of these two ask for a Go that is newer than 1.26.
    GoTool("rekor", "github.com/sigstore/rekor-tiles/v2", "cmd/rekor-server/posix", "v2.3.0", "signing"),
    GoTool(
        "timestamp-server", "github.com/sigstore/timestamp-authority/v2", "cmd/timestamp-server", "v2.1.3", "signing"
    ),
    GoTool("notation", "github.com/notaryproject/notation", "cmd/notation", "v1.3.2", "signing"),
    GoTool("registry", "github.com/distribution/distribution/v3", "cmd/registry", "v3.1.2", "peers"),
    GoTool("olareg", "github.com/olareg/olareg", "cmd/olareg", "v0.1.2", "peers"),
)

NPM_TOOLS: Final = (NpmTool("azurite-blob", "azurite", "3.37.0", "storage"),)
"""Programs that nothing needs where Node isn't installed."""

SYSTEM_TOOLS: Final = ("skopeo", "podman", "buildah")
"""Programs that Debian and Ubuntu have as packages of the same names."""

_HELP: Final = "python -m conformance tools"


def directory() -> Path:
    """Return the directory of all tools built here."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "blacklake", "tools")


def path_of(name: str, version: str | None = None) -> Path:
    """Return the path of a tool, the newest listed where there are several and `version` doesn't choose.

    Raise ToolMissing when it has to be built or installed first, KeyError when there is no such tool.
    """
    if name in SYSTEM_TOOLS:
        return system_tool(name)
    tool = next((tool for tool in NPM_TOOLS if tool.name == name), None) or go_tool(name, version)
    if not tool.path.exists():
        raise ToolMissing(f"{tool} is missing; `{_HELP} {name}` builds it")
    return tool.path


def system_tool(name: str, package: str | None = None) -> Path:
    """Return a program of the system's; raise ToolMissing, which names its package (None: that has the program's name)."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise ToolMissing(f"{name} is missing; on Debian and Ubuntu: apt-get install {package or name}")
    return Path(found)


def go_tool(name: str, version: str | None = None) -> GoTool:
    """Return the entry of a tool, the newest where `version` doesn't choose; raise KeyError when there is none."""
    entries = [tool for tool in GO_TOOLS if tool.name == name and version in {None, tool.version}]
    if not entries:
        raise KeyError(f"there is no tool {name} {version or ''}".rstrip())
    return entries[-1]


def build(tool: GoTool | NpmTool) -> Path:
    """Build or install a tool unless it is there, and return its path. Raise ToolMissing without Go or npm, BuildFailed.

    Several processes may build the same one: each builds for itself, and the first to end keeps its work.
    """
    if tool.path.exists():
        return tool.path
    builder = _require_builder(tool)
    directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{tool.name}-", dir=directory(), ignore_cleanup_errors=True) as place:
        new = Path(place, "bin")
        new.mkdir()
        if isinstance(tool, NpmTool):
            _install(builder, tool, new)
        else:
            _compile(builder, tool, Path(place))
        try:
            new.rename(directory() / f"{tool.name}@{tool.version}")
        except OSError:
            if not tool.path.exists():
                raise
    return tool.path


def _require_builder(tool: GoTool | NpmTool) -> str:
    """Return the path of what builds the tool. Raise ToolMissing."""
    if isinstance(tool, NpmTool):
        npm = shutil.which("npm")
        if npm is None:
            raise ToolMissing(
                f"{tool} has to be installed and `npm` is missing; on Debian and Ubuntu: apt-get install npm"
            )
        return npm
    go = shutil.which("go")
    if go is None:
        raise ToolMissing(
            f"{tool} has to be built and `go` is missing; install Go 1.26 or later, on Debian and Ubuntu: apt-get"
            " install golang (1.21 and later fetch what they need)"
        )
    return go


def _install(npm: str, tool: NpmTool, output: Path) -> None:
    """Put the package and all that it needs into the directory `node_modules` of `output`; no script of theirs runs."""
    options = ["--prefix", str(output), "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    refusal = _run([npm, "install", *options, f"{tool.package}@{tool.version}"], output, {})
    if refusal is not None:
        raise BuildFailed(f"{tool} can't be installed:\n{refusal}")


def _compile(go: str, tool: GoTool, place: Path) -> None:
    """Put the program into the directory `bin` of `place`."""
    package = f"{tool.module}/{tool.package}".rstrip("/")
    output = place / "bin"
    refusal = _run([go, "install", f"{package}@{tool.version}"], place, {"GOBIN": str(output)})
    if refusal is not None and "deprecation" in refusal:
        # `go install` asks for a module's newest version to learn whether it is deprecated, and not every proxy
        # knows it. A module that requires the version asks nothing.
        (place / "go.mod").write_text(f"module tool\n\ngo 1.26\n\nrequire {tool.module} {tool.version}\n")
        refusal = _run([go, "build", "-o", str(output / tool.name), package], place, {"GOFLAGS": "-mod=mod"})
    if refusal is not None:
        raise BuildFailed(f"{tool} can't be built:\n{refusal}")
    for program in output.iterdir():  # the one there is
        program.rename(output / tool.name)


def _run(command: list[str], place: Path, more: dict[str, str]) -> str | None:
    """Run a builder and return what it said when it failed."""
    environment = os.environ | _ENVIRONMENT | more
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()


def chosen(names: list[str]) -> tuple[list[GoTool | NpmTool], list[str]]:
    """Return the tools to build and the system's that `names` mean: tools and groups; all but the peers when empty.

    Raise KeyError for a name that is neither.
    """
    if not names:
        names = ["suite", "clients", "storage", "identities", "signing"]
    tools: tuple[GoTool | NpmTool, ...] = (*GO_TOOLS, *NPM_TOOLS)
    known = {tool.name for tool in tools} | {tool.group for tool in tools} | set(SYSTEM_TOOLS)
    if unknown := [name for name in names if name not in known]:
        raise KeyError(f"{', '.join(unknown)}: no such tool; there are {', '.join(sorted(known))}")
    built = [tool for tool in tools if tool.name in names or tool.group in names]
    return built, [name for name in SYSTEM_TOOLS if name in names or "clients" in names]


def main(arguments: list[str]) -> int:
    """Build what is missing and name what has to be installed; return 1 when something couldn't be built."""
    parser = argparse.ArgumentParser(prog=_HELP, description="Build the tools that are missing.")
    parser.add_argument(
        "names",
        nargs="*",
        help="tools, or groups (suite, clients, storage, identities, signing, peers); else all but peers",
    )
    try:
        built, installed = chosen(parser.parse_args(arguments).names)
    except KeyError as error:
        parser.error(error.args[0])
    failures = 0
    for tool in built:
        failures += not _told(tool)
    for name in installed:
        try:
            print(f"{name}: {path_of(name)}")
        except ToolMissing as error:
            print(error)
    return 1 if failures else 0


def _told(tool: GoTool | NpmTool) -> bool:
    """Build a tool with a line of progress; say whether it is there afterwards, or nobody needs it here."""
    if tool.path.exists():
        print(f"{tool}: {tool.path}")
        return True
    print(f"{tool}: building …", end=" ", flush=True)
    begun = time.monotonic()
    try:
        build(tool)
    except (ToolMissing, BuildFailed) as error:
        print("failed", flush=True)
        print(error, file=sys.stderr)
        return isinstance(tool, NpmTool) and isinstance(error, ToolMissing)
    print(f"{time.monotonic() - begun:.0f} s", flush=True)
    return True
