"""API keys and sessions, and the keys that sign access tokens, as the API takes them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from registry.http.api.models import Seconds, Taken, Text


class NewKey(Taken):
    """An API key to be made. `expires_in` is in seconds; without it the key is valid until it is revoked.

    With `scopes` it permits no more than they say.
    """

    name: Text
    scopes: Annotated[list[Text], Field(min_length=1, max_length=100)] | None = None
    expires_in: Seconds | None = None


class KeyMade(BaseModel):
    """An API key that was made: nothing else ever tells `secret` again."""

    id: int
    name: str
    secret: str
    expires_at: datetime | None


class Key(BaseModel):
    """An API key. Without `scopes` it may do all that its owner may; `used_at` is true to a minute."""

    id: int
    name: str
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class Session(BaseModel):
    """A login that goes on by refresh tokens; it ends at `expires_at` unless it is used before."""

    id: UUID
    client: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class SessionsEnded(BaseModel):
    """How many sessions have ended."""

    ended: int


class Rotation(Taken):
    """Whether the new key signs at once and no other verifies any more, as after a leak."""

    now: bool = False


class SigningKeyMade(BaseModel):
    """The key that was made."""

    kid: str


class SigningKey(BaseModel):
    """A key that signs or verifies access tokens; it signs from `signs_from` on, until a later one does."""

    kid: str
    algorithm: str
    signs_from: datetime
