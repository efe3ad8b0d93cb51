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
from pathlib import Path
from typing import Any, Final

_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HELPER_SECONDS: Final = 60
_TOKEN_USER: Final = "<token>"  # noqa: S105 - the name by which helpers know an identity token


class ConfigUnusable(Exception):
    """The configuration can't be read or written, or its credential helper fails; the message says why."""


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
        raise ConfigUnusable(
            f"{program} is missing, though Docker's configuration names it; install it, or take credsStore out"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigUnusable(f"{program} {action} failed: {error}") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[:500].replace(given, "…")
        raise ConfigUnusable(f"{program} {action} failed: {said or f'code {done.returncode}'}")
    return done.stdout
