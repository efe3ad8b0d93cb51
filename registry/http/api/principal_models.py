"""Users, robots and services, and who calls, as the API takes them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, SecretStr, StringConstraints

from registry.http.api.models import Seconds, Taken, Text


class Me(BaseModel):
    """Who calls. `credential_kind` is by what that is known."""

    name: str
    kind: str
    is_admin: bool
    credential_kind: str


class PasswordChange(Taken):
    """One's own password, and what it shall be."""

    current: SecretStr
    new: SecretStr


class NewUser(Taken):
    """A user to be added. Who has no password logs in by an issuer of identities, or not at all."""

    name: Text
    password: SecretStr | None = None
    is_admin: bool = False


class UserChange(Taken):
    """What of a user shall be otherwise. Another password, or being disabled, ends his sessions."""

    is_disabled: bool | None = None
    password: SecretStr | None = None


class User(BaseModel):
    """A user."""

    name: str
    is_admin: bool
    is_disabled: bool
    has_password: bool
    created_at: datetime


class NewRobot(Taken):
    """A robot to be added; its name is ORG+NAME."""

    name: Text


class Change(Taken):
    """Whether a robot or a service shall be disabled."""

    is_disabled: bool


class Robot(BaseModel):
    """A robot of an organisation."""

    name: str
    organisation: str
    is_disabled: bool
    created_at: datetime


class NewService(Taken):
    """A service to be added."""

    name: Text
    is_admin: bool = False


class Service(BaseModel):
    """A service, which signs its requests."""

    name: str
    is_admin: bool
    is_disabled: bool
    created_at: datetime


class NewServiceKey(Taken):
    """A public key in PEM by which a service signs, for so many seconds, or until it is revoked."""

    public_key: Annotated[str, StringConstraints(max_length=8192)]
    expires_in: Seconds | None = None


class ServiceKeyMade(BaseModel):
    """A service's key that is valid from now on."""

    id: str
    algorithm: str


class ServiceKey(BaseModel):
    """A service's key, valid or not."""

    id: str
    algorithm: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
