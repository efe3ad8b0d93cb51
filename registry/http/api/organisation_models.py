"""Organisations and their teams, as the API takes them and tells of them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from registry.http.api.models import Taken, Text


class Named(Taken):
    """What is to be added has a name and nothing else."""

    name: Text


class Organisation(BaseModel):
    """An organisation: the first segment of its repositories' names."""

    name: str
    created_at: datetime


class Team(BaseModel):
    """A team of an organisation."""

    name: str


class Member(BaseModel):
    """Who is of a team."""

    name: str
    kind: str
