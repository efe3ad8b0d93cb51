"""Docker's configuration file, where clients of registries look for credentials (docker/cli, `cli/config/configfile`).

A refresh token is an `identitytoken`: Docker, Podman, ORAS, crane and regctl exchange it for access tokens. Where the file
names a credential helper for the server, or for all, that keeps the token instead (docker-credential-helpers' protocol).
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HELPER_SECONDS: Final = 60
_TOKEN_USER: Final = "<token>"  # noqa: S105 - the name by which helpers know an identity token
_HUB: Final = "docker.io"
_HUB_KEY: Final = "https://index.docker.io/v1/"


class ConfigUnusable(Exception):
    """The configuration can't be read or written, or its credential helper fails; the message says why."""


class HelperMissing(ConfigUnusable):
    """There is no such program as the credential helper that the configuration names."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What is kept for a registry: user and password, or a refresh token, or a token for the registry itself."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    identity_token: str | None = field(default=None, repr=False)
    registry_token: str | None = field(default=None, repr=False)


class DockerConfig:
    """Credentials by server, `host` or `host:port`. Whatever else is in the file stays there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_user(cls) -> DockerConfig:
        """Return the one in the directory DOCKER_CONFIG, or in `~/.docker`."""
        return cls(Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json"))

    def store(self, server: str, user: str, token: str) -> str:
        """Keep a refresh token, and return where. Raise ConfigUnusable."""
        config = self._read()
        helper = _helper(config, server)
        if helper is None:
            entry = {"auth": base64.b64encode(f"{user}:".encode()).decode(), "identitytoken": token}
            where = str(self.path)
        else:
            credential = {"ServerURL": server, "Username": _TOKEN_USER, "Secret": token}
            _run(helper, "store", json.dumps(credential))
            entry, where = {}, helper
        config.setdefault("auths", {})[server] = entry
        self._write(config)
        return where

    def token_of(self, server: str) -> str | None:
        """Return the refresh token that is kept for a server; None where there is none. Raise ConfigUnusable."""
        config = self._read()
        helper = _helper(config, server)
        if helper is None:
            entry = config.get("auths", {}).get(server)
            token = entry.get("identitytoken") if isinstance(entry, dict) else None
            return token if isinstance(token, str) else None
        try:
            kept = json.loads(_run(helper, "get", server))
        except (ConfigUnusable, ValueError):  # helpers fail where they keep nothing
            return None
        is_token = isinstance(kept, dict) and kept.get("Username") == _TOKEN_USER
        return kept["Secret"] if is_token and isinstance(kept.get("Secret"), str) else None

    def credential_of(self, server: str, repository: str = "") -> Credential | None:
        """Return what is kept for a server, or for a part of it that holds a repository; None for nothing.

        Raise ConfigUnusable.
        """
        config = self._read()
        key = _HUB_KEY if server == _HUB else server
        helper = _helper(config, key)
        if helper is not None:
            return _asked(helper, key)
        auths = config.get("auths", {})
        found = (_credential(auths.get(name)) for name in _names(key, repository))
        return next((credential for credential in found if credential is not None), None)

    def erase(self, server: str) -> bool:
        """Forget what is kept for a server; return False where there was nothing. Raise ConfigUnusable."""
        config = self._read()
        helper = _helper(config, server)
        if helper is not None:
            _run(helper, "erase", server)
        if config.get("auths", {}).pop(server, None) is None:
            return helper is not None
        self._write(config)
        return True

    def _read(self) -> dict[str, Any]:
        try:
            config = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigUnusable(f"{self.path} can't be read: {error.strerror}") from error
        except ValueError as error:
            raise ConfigUnusable(f"{self.path} is no JSON: {error}") from error
        if not isinstance(config, dict) or not isinstance(config.get("auths", {}), dict):
            raise ConfigUnusable(f"{self.path} is no configuration of Docker's")
        return config

    def _write(self, config: dict[str, Any]) -> None:
        """Replace the file, readable for its owner only; half a file is never seen, and a link stays one."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = self.path.resolve()
            descriptor, name = tempfile.mkstemp(prefix=".config-", dir=target.parent)  # mode 0600
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(config, file, indent="\t", ensure_ascii=False)
                    file.write("\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise ConfigUnusable(f"{self.path} can't be written: {error.strerror}") from error


def credential_of(server: str, repository: str = "") -> Credential | None:
    """Return what this user keeps for a registry: in Docker's file, or in those of Podman. Raise ConfigUnusable."""
    configs = [DockerConfig.of_user()]
    if path := os.environ.get("REGISTRY_AUTH_FILE"):
        configs.append(DockerConfig(Path(path)))
    if directory := os.environ.get("XDG_RUNTIME_DIR"):
        configs.append(DockerConfig(Path(directory, "containers", "auth.json")))
    found = (config.credential_of(server, repository) for config in configs)
    return next((credential for credential in found if credential is not None), None)


def _names(server: str, repository: str) -> Iterator[str]:
    """Yield the names under which a server's credentials may stand, the closest first (containers-auth.json(5))."""
    parts = repository.split("/") if repository else []
    for length in range(len(parts), -1, -1):
        yield "/".join([server, *parts[:length]])
    if "//" not in server:
        yield from (f"{scheme}://{server}{path}" for scheme in ("https", "http") for path in ("", "/", "/v1/", "/v2/"))


def _credential(entry: object) -> Credential | None:
    """Return what an entry of the file holds."""
    if not isinstance(entry, dict):
        return None
    texts = {name: value for name, value in entry.items() if isinstance(value, str) and value}
    user, password = texts.get("username"), texts.get("password")
    try:
        pair = base64.b64decode(texts.get("auth", ""), validate=True).decode()
    except ValueError:
        raise ConfigUnusable("the configuration of Docker holds a credential that is no base64") from None
    if ":" in pair:
        user, _, password = pair.partition(":")
        password = password.rstrip("\0")
    token, own = texts.get("identitytoken"), texts.get("registrytoken")
    has_password = user is not None and bool(password)
    if token is None and own is None and not has_password:
        return None
    return Credential(user, password if has_password else None, token, own)


def _asked(helper: str, name: str) -> Credential | None:
    """Return what a helper keeps; helpers fail where they keep nothing. Raise ConfigUnusable where there is no such helper."""
    try:
        kept = json.loads(_run(helper, "get", name))
    except HelperMissing:
        raise
    except (ConfigUnusable, ValueError):
        return None
    user, secret = (kept.get("Username"), kept.get("Secret")) if isinstance(kept, dict) else (None, None)
    if not isinstance(user, str) or not isinstance(secret, str) or not secret:
        return None
    return Credential(identity_token=secret) if user == _TOKEN_USER else Credential(user, secret)


def _helper(config: dict[str, Any], server: str) -> str | None:
    """Return the program that keeps a server's credentials; None where the file itself does. Raise ConfigUnusable."""
    helpers = config.get("credHelpers")
    name = (helpers.get(server) if isinstance(helpers, dict) else None) or config.get("credsStore")
    if not name:
        return None
    if not isinstance(name, str) or _HELPER.fullmatch(name) is None:
        raise ConfigUnusable(f"the configuration of Docker names a credential helper that can be none: {name!r}")
    return f"docker-credential-{name}"


def _run(program: str, action: str, given: str) -> str:
    """Return what a helper answers. Raise ConfigUnusable."""
    try:
        done = subprocess.run(
            [program, action], input=given, capture_output=True, text=True, check=False, timeout=_HELPER_SECONDS
        )
    except FileNotFoundError:
        raise HelperMissing(
            f"{program} is missing, though Docker's configuration names it; install it, or take credsStore out"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigUnusable(f"{program} {action} failed: {error}") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[:500].replace(given, "…")
        raise ConfigUnusable(f"{program} {action} failed: {said or f'code {done.returncode}'}")
    return done.stdout
