# ruff: noqa: ARG002, D102 - what a verb takes and does stands in Client.
"""cosign, both major versions: signatures and attestations beside an image, with a key and without any service."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from conformance.clients.accounts import Account
from conformance.clients.layouts import LayoutClient
from conformance.tools import GO_TOOLS, path_of

_HTTP: Final = "--allow-http-registry"
_SIGNS: Final = "signs images, does nothing else with them"
PREDICATE_TYPE: Final = "https://example.com/predicate/v1"
"""The type of the attestations that are made here."""


class Cosign(LayoutClient):
    """What both versions have in common; an image they push and pull by `load` and `save`."""

    major: ClassVar[str]
    lacks: ClassVar[Mapping[str, str]] = {
        "push_files": _SIGNS,
        "pull_files": _SIGNS,
        "copy_referrers": "takes signatures along: see sign",
        "pull_platform": "saves an index whole",
        "push_index": _SIGNS,
        "attach": "attaches signatures and attestations: see sign",
        "discover": "draws a tree for people",
        "tags": _SIGNS,
        "catalog": _SIGNS,
        "delete_tag": "removes signatures only: see sign",
        "delete_manifest": "removes signatures only: see sign",
        "push_blob": _SIGNS,
        "pull_blob": _SIGNS,
        "delete_blob": _SIGNS,
        "sha512_push": "names images by sha256 always",
        "sha512_pull": "names images by sha256 always",
    }

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        version = next(t.version for t in GO_TOOLS if t.name == "cosign" and t.version.startswith(f"v{self.major}."))
        self._version = version.removeprefix("v")
        self._cosign = str(path_of("cosign", version))
        self._keys: set[str] = set()

    def login(self, host: str, account: Account) -> None:
        command = (self._cosign, "login", host, "--username", account.user, "--password-stdin")
        self.login_by_command(account, *command)

    def logout(self, host: str) -> None:
        (self.home / "docker" / "config.json").unlink(missing_ok=True)  # It has no command for that.

    def login_by_token(self, host: str, account: Account) -> None:
        self.write_token(self.home / "docker" / "config.json", host, account)

    def version(self) -> str:
        assert f"v{self._version}" in self.run(self._cosign, "version")
        return self._version

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "COSIGN_PASSWORD": ""}

    def from_layout(self, directory: Path, target: str) -> Sequence[str]:
        # What `save` writes has this mark on the image, and `load` asks for it.
        index = json.loads((directory / "index.json").read_bytes())
        for descriptor in index["manifests"]:
            kind = "imageIndex" if "index" in descriptor["mediaType"] or "list" in descriptor["mediaType"] else "image"
            descriptor.setdefault("annotations", {}).setdefault("kind", f"dev.cosignproject.cosign/{kind}")
        (directory / "index.json").write_text(json.dumps(index))
        return [self._cosign, "load", _HTTP, "--dir", str(directory), target]

    def to_layout(self, source: str, directory: Path, platform: str | None = None) -> Sequence[str]:
        return [self._cosign, "save", _HTTP, "--dir", str(directory), source]

    def copy(self, source: str, target: str) -> None:
        self.run(self._cosign, "copy", _HTTP, source, target)

    def sign(self, subject: str, *, bundle: bool) -> None:
        options = self._unlogged() + (["--new-bundle-format"] if bundle and self.major == "2" else [])
        self.run(self._cosign, "sign", "--yes", "--key", self.key(), *options, _HTTP, subject)

    def verify(self, subject: str, *, key: str = "cosign") -> None:
        """Verify the signature of an image by the public key of that name."""
        trust = ("--insecure-ignore-tlog", "--key", self.key(key).with_suffix(".pub"))
        self.run(self._cosign, "verify", *trust, _HTTP, subject)

    def attest(self, subject: str, predicate: Path) -> None:
        """Attach an attestation of PREDICATE_TYPE to an image."""
        options = ("--type", PREDICATE_TYPE, "--predicate", predicate)
        self.run(self._cosign, "attest", "--yes", "--key", self.key(), *self._unlogged(), *options, _HTTP, subject)

    def statements(self, subject: str) -> list[dict[str, Any]]:
        """Return the verified statements of PREDICATE_TYPE about an image."""
        trust = ("--insecure-ignore-tlog", "--key", self.key().with_suffix(".pub"), "--type", PREDICATE_TYPE)
        envelopes = self.run(self._cosign, "verify-attestation", *trust, _HTTP, subject).splitlines()
        return [json.loads(base64.b64decode(json.loads(envelope)["payload"])) for envelope in envelopes]

    def clean(self, subject: str) -> None:
        """Remove the signatures of an image that lie under tags."""
        self.run(self._cosign, "clean", _HTTP, "--force", "--type", "signature", subject)

    def key(self, name: str = "cosign") -> Path:
        """Return the private key of that name, made when it is first asked for; the public one lies beside it."""
        if name not in self._keys:
            self.run(self._cosign, "generate-key-pair", "--output-key-prefix", name)
            self._keys.add(name)
        return self.home / f"{name}.key"

    def _unlogged(self) -> list[str]:
        """Return the options by which nothing is sent to a transparency log or a timestamp authority."""
        raise NotImplementedError


class Cosign2(Cosign):
    """cosign 2: a signature under a tag made of the image's digest, or a bundle as a referrer."""

    name: ClassVar[str] = "cosign2"
    major: ClassVar[str] = "2"

    def _unlogged(self) -> list[str]:
        return ["--tlog-upload=false"]


class Cosign3(Cosign):
    """cosign 3: bundles as referrers."""

    name: ClassVar[str] = "cosign3"
    major: ClassVar[str] = "3"

    def _unlogged(self) -> list[str]:
        services = self.home / "signing-config.json"
        if not services.exists():
            self.run(self._cosign, "signing-config", "create", "--out", services)
        return ["--signing-config", str(services)]
