"""One signature, read and not yet verified. Each form has a module that reads it (`signing.forms`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from signing.authorities import Authority
from signing.evidence import Attached, Evidence
from signing.verified import Form, Rejected, Verified


class Candidate(Protocol):
    """A signature of a known form."""

    @property
    def form(self) -> Form:
        """Return its form."""

    @property
    def where(self) -> str:
        """Return the manifest and the layer that hold it."""

    def verify(self, evidence: Evidence, authority: Authority, *, now: datetime) -> Verified:
        """Verify it by all steps (signing.steps). Raise Refused at the first that fails."""


class Reader(Protocol):
    """Reads the signatures of a form; the registration is `signing.forms`."""

    def __call__(self, attached: Attached) -> Iterator[Candidate | Rejected]:
        """Yield those of its form, and what is broken as Rejected at step 1. Raise nothing."""
