"""What a client is to the matrix: verbs, each over the client's own command line, and reasons for those it hasn't."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from conformance.clients.accounts import Account
from conformance.clients.images import Content

TAG: Final = "v1"
"""The tag under which content stands in the layouts that clients are given."""

_TIMEOUT: Final = 180
_NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: whatever asks the internet is refused at once

_FEATURES: Final = {"pull_docker", "sha512_push", "sha512_pull"}
_STORE: Final = "has no store to push from what it has pulled"

COMMON_LACKS: Final = {
    "push_chart": "charts are Helm's",
    "sign": "signatures are cosign's",
    "resume": "begins a broken upload anew",
    "convert": "keeps the types of an image",
    "copy_referrers": "copies images alone",
    "push_chunked": "has no setting to upload in chunks",
    "pull_resumed": "begins a broken download anew",
    "list_pages": "takes no size of a page",
    "push_pulled": _STORE,
    "login_by_token": "takes a user and a password only",
}
"""Why most clients lack a verb that belongs to one or two."""


class CommandFailed(Exception):
    """A client's command ended with another code than 0; the message holds the command and what it said."""


@dataclass(frozen=True)
class Pulled:
    """What a client got: the digests under which it knows it, and bytes by digest, or files where it unpacks."""

    digests: frozenset[str]
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    files: Mapping[str, bytes] | None = None


class Client:
    """One client against one registry, in a home of its own. A verb that a subclass doesn't define it doesn't have.

    `lacks` says why, for each such verb and for the features it hasn't (those of `_FEATURES`).
    References are `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@DIGEST`. Every verb raises CommandFailed; those that push
    return the digest where the client reports it.
    """

    name: ClassVar[str]
    lacks: ClassVar[Mapping[str, str]] = {}
    exact: ClassVar[bool] = True
    """Whether an image is pushed as the bytes that were given, or made anew from what it unpacks to."""
    converts: ClassVar[bool] = False
    """Whether it makes Docker's schema 2 out of OCI's types."""
    schema2: ClassVar[bool] = False
    """Whether it makes nothing but Docker's schema 2."""
    failures: ClassVar[tuple[type[Exception], ...]] = (CommandFailed,)
    """What its verbs raise where the registry refuses."""

    def __init__(self, host: str, home: Path) -> None:
        """Raise ToolMissing when the client isn't here."""
        self.host = host
        self.home = home
        for name in ("run", "docker", "scratch"):
            (home / name).mkdir(parents=True, exist_ok=True)
        (home / "auth.json").write_text("{}")

    def close(self) -> None:
        """End whatever the client left running."""

    def version(self) -> str:
        """Return the client's version."""
        raise NotImplementedError

    @classmethod
    def reason_against(cls, need: str) -> str | None:
        """Return why the client can't do something, None when it can. Raise KeyError where no reason is given."""
        if need in cls.lacks:
            return cls.lacks[need]
        if need in _FEATURES or getattr(cls, need) is not getattr(Client, need):
            return None
        return COMMON_LACKS[need]

    # The verbs.

    def push_files(self, target: str, directory: Path, types: Mapping[str, str], artifact_type: str) -> str | None:
        """Push what lies in a directory: files, and subdirectories where `types` names them, by media type."""
        raise NotImplementedError

    def pull_files(self, source: str, directory: Path) -> None:
        """Pull an artifact's files into a directory."""
        raise NotImplementedError

    def push_command(self, content: Content, target: str) -> Sequence[str]:
        """Prepare an image or index for its push; return the command that then pushes it."""
        raise NotImplementedError

    def push_image(self, content: Content, target: str) -> str | None:
        """Push an image or index."""
        raise NotImplementedError

    def push_whole_index(self, content: Content, target: str) -> str | None:
        """Push an index made elsewhere with all its images."""
        raise NotImplementedError

    def push_docker(self, content: Content, target: str) -> str | None:
        """Push an image as Docker's schema 2; `content` is of these types unless the client converts."""
        raise NotImplementedError

    def pull_image(self, source: str, platform: str | None = None) -> Pulled:
        """Pull an image; out of an index the one of a platform."""
        raise NotImplementedError

    def pull_docker(self, source: str) -> Pulled:
        """Pull an image of Docker's types: as any other, where `lacks` doesn't say otherwise."""
        return self.pull_image(source)

    def pull_resumed(self, source: str) -> Pulled:
        """Pull an image over a connection that breaks off."""
        raise NotImplementedError

    def push_pulled(self, source: str, target: str) -> None:
        """Pull an image into the client's store and push it from there, under another name."""
        raise NotImplementedError

    def push_docker_list(self, content: Content, target: str) -> str | None:
        """Push a manifest list of Docker's types with all its images, made elsewhere."""
        raise NotImplementedError

    def copy_referrers(self, source: str, target: str) -> None:
        """Copy an image to another repository with all that refers to it."""
        raise NotImplementedError

    def pull_platform(self, source: str, platform: str) -> Pulled:
        """Pull the image of a platform out of an index."""
        raise NotImplementedError

    def copy(self, source: str, target: str) -> None:
        """Copy an image to another repository or tag of the registry."""
        raise NotImplementedError

    def convert(self, source: str, target: str, *, docker: bool) -> None:
        """Copy an image to a tag with Docker's types in place of OCI's, or the other way round."""
        raise NotImplementedError

    def round_trip(self, source: str, target: str) -> None:
        """Pull an image into an OCI layout and push it from there."""
        raise NotImplementedError

    def push_index(self, target: str, children: Sequence[str]) -> str | None:
        """Make an index of images that are in its repository and push it."""
        raise NotImplementedError

    def attach(self, subject: str, file: Path, media_type: str, artifact_type: str) -> str | None:
        """Push a file as a referrer of an image."""
        raise NotImplementedError

    def discover(self, subject: str, artifact_type: str | None = None) -> list[str]:
        """Return the digests of an image's referrers, of one type where it is given."""
        raise NotImplementedError

    def tags(self, repository: str) -> list[str]:
        """Return all tags of `HOST/REPOSITORY`."""
        raise NotImplementedError

    def list_pages(self, repository: str, size: int) -> list[str]:
        """Return all tags of `HOST/REPOSITORY`, asked for in pages of a size."""
        raise NotImplementedError

    def catalog(self) -> list[str]:
        """Return the names of all repositories."""
        raise NotImplementedError

    def delete_tag(self, target: str) -> None:
        """Delete a tag; the manifest stays."""
        raise NotImplementedError

    def delete_manifest(self, repository: str, digest: str, tag: str) -> None:
        """Delete a manifest of `HOST/REPOSITORY` that a tag names too."""
        raise NotImplementedError

    def push_blob(self, repository: str, file: Path, digest: str) -> None:
        """Push a file as a blob."""
        raise NotImplementedError

    def pull_blob(self, repository: str, digest: str) -> bytes:
        """Return a blob."""
        raise NotImplementedError

    def delete_blob(self, repository: str, digest: str) -> None:
        """Delete a blob."""
        raise NotImplementedError

    def push_chunked(self, repository: str, file: Path, digest: str, size: int) -> None:
        """Push a file as a blob in chunks of a size in bytes."""
        raise NotImplementedError

    def resume(self, repository: str, file: Path, digest: str) -> None:
        """Push a file as a blob, break off in the middle, and go on from there."""
        raise NotImplementedError

    def push_chart(self, target: str, name: str, version: str, directory: Path) -> tuple[Path, str]:
        """Package a chart and push it; return the package and the digest of the manifest."""
        raise NotImplementedError

    def sign(self, subject: str, *, bundle: bool) -> None:
        """Sign an image with a key made for it."""
        raise NotImplementedError

    # Who the client is to a registry that asks; `host` is that of the registry or of a proxy before it.

    def login(self, host: str, account: Account) -> None:
        """Log in by the client's own command, to which the password is its input."""
        raise NotImplementedError

    def logout(self, host: str) -> None:
        """Forget who one was, by the client's own command where it has one."""
        raise NotImplementedError

    def login_by_token(self, host: str, account: Account) -> None:
        """Log in by a refresh token, which is the account's password, or write it where the client looks for one."""
        raise NotImplementedError

    # What the subclasses use.

    def login_by_command(self, account: Account, *command: str | Path) -> None:
        """Log in by a command that reads the password."""
        file = self.home / "password"
        file.write_text(f"{account.password}\n")
        self.run(*command, given=file)

    def write_token(self, file: Path, host: str, account: Account) -> None:
        """Write a refresh token into a configuration as Docker does, where many clients look for one."""
        file.parent.mkdir(parents=True, exist_ok=True)
        user = base64.b64encode(f"{account.user}:".encode()).decode()
        file.write_text(json.dumps({"auths": {host: {"auth": user, "identitytoken": account.password}}}))

    def scratch(self) -> Path:
        """Return a new, empty directory."""
        return Path(tempfile.mkdtemp(dir=self.home / "scratch"))

    def environment(self) -> dict[str, str]:
        """Return the environment of the client's commands: nothing of the caller's but the PATH."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "scratch"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "DOCKER_CONFIG": str(self.home / "docker"),
            "REGISTRY_AUTH_FILE": str(self.home / "auth.json"),
            "HTTPS_PROXY": _NOWHERE,
            "NO_PROXY": f"127.0.0.1,localhost,{self.host.rpartition(':')[0]}",
        }

    def run(self, *command: str | Path, cwd: Path | None = None, given: Path | None = None) -> str:
        """Run a command, with the file `given` as its input; return what it printed, without blanks around it."""
        return self.output(*command, cwd=cwd, given=given).decode().strip()

    def output(self, *command: str | Path, cwd: Path | None = None, given: Path | None = None) -> bytes:
        """Run a command, with the file `given` as its input; return what it wrote to its standard output."""
        words = [str(word) for word in command]
        said = f"$ {' '.join(words)}"
        try:
            done = subprocess.run(
                words,
                cwd=cwd or self.home,
                env=self.environment(),
                input=given.read_bytes() if given else b"",
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{said}\nstill running after {_TIMEOUT} s") from None
        if done.returncode != 0:
            output = (done.stderr + done.stdout).decode(errors="replace").strip()[-2000:]
            raise CommandFailed(f"{said}\n{output}\nexit code {done.returncode}")
        return done.stdout
