"""Hostile readers in a sandbox whose kernel has no Landlock: the rest of the confinement is as it is."""

from __future__ import annotations

from registry import confinement
from tests.sandbox.hostile import read

__all__ = ["read"]

confinement._read_only = lambda libc: None
