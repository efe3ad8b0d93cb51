"""Who the clients are where a registry asks: users, a robot and what is granted to them, made by `blacklake admin`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from conformance.administration import Administration

_ADMIN: Final = "admin"
"""The user that a first start makes, who may do everything."""


@dataclass(frozen=True)
class Account:
    """A name, a password or what stands in its place, and an API key."""

    user: str
    password: str
    key: str | None = None


class Accounts:
    """Users of organisations that are made for a run of the matrix.

    `pipeline` is `writer` with its key in the password's place, whose login costs no hash of a password each time.
    `writer` maintains the organisations `private` and `public`, from which the latter everybody may pull; `reader` may pull
    from `private`, `stranger` maintains `foreign` only. `robot` has a key and may pull from `private` as long as `set_granted`
    and `disable_robot` let it. `key` is one of a user who may do everything.
    """

    def __init__(self, administration: Administration, private: str) -> None:
        """Make them; raise AdministrationFailed."""
        self._run = administration.run
        self.private, self.public, self.foreign = private, f"{private}-public", f"{private}-foreign"
        for organisation in (self.private, self.public, self.foreign):
            self._run("org", "add", organisation)
        self.writer, self.reader, self.stranger = (self._user(f"{private}-{who}") for who in ("w", "r", "s"))
        for subject, role, organisation in (
            (f"user:{self.writer.user}", "maintainer", self.private),
            (f"user:{self.writer.user}", "maintainer", self.public),
            (f"user:{self.stranger.user}", "maintainer", self.foreign),
            (f"user:{self.reader.user}", "reader", self.private),
            ("anonymous", "reader", self.public),
        ):
            self._run("grant", "add", subject, role, organisation)
        self.pipeline = Account(self.writer.user, str(self.writer.key), self.writer.key)
        self._robot = f"{private}+robot"
        self._run("robot", "add", self._robot)
        key = self._run("apikey", "create", self._robot)
        self.robot = Account(self._robot, key, key)
        self.set_granted(granted=True)
        self.key = self._run("apikey", "create", _ADMIN, "--name", private)

    def set_granted(self, *, granted: bool) -> None:
        """Let the robot pull from `private`, or not any more."""
        self._run("grant", "add" if granted else "remove", f"user:{self._robot}", "reader", self.private)

    def disable_robot(self) -> None:
        """Let the robot's key be good for nothing any more."""
        self._run("robot", "disable", self._robot)

    def _user(self, name: str) -> Account:
        password = secrets.token_urlsafe()
        self._run("user", "add", name, "--password-stdin", given=password)
        return Account(name, password, self._run("apikey", "create", name))
