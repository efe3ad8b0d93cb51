"""What a policy asks for, as values. Each says in words what it is (`told`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from signing.policy.conditions import Condition


@dataclass(frozen=True, slots=True)
class BySigner:
    """One signer of the policy's, by name."""

    name: str

    def told(self) -> str:
        """Return it in words."""
        return self.name


@dataclass(frozen=True, slots=True)
class ByAll:
    """All of some; one signature may be several's."""

    of: tuple[By, ...]

    def told(self) -> str:
        """Return it in words."""
        return _listed(self.of, "and")


@dataclass(frozen=True, slots=True)
class ByAny:
    """Any of some."""

    of: tuple[By, ...]

    def told(self) -> str:
        """Return it in words."""
        return _listed(self.of, "or")


@dataclass(frozen=True, slots=True)
class ByAtLeast:
    """As many of some signers, each by a key or an identity of its own."""

    count: int
    of: tuple[BySigner, ...]

    def told(self) -> str:
        """Return it in words."""
        return f"at least {self.count} of {', '.join(one.name for one in self.of)}"


By = BySigner | ByAll | ByAny | ByAtLeast


@dataclass(frozen=True, slots=True)
class Signed:
    """A plain signature (`signature`), of the manifest or at least of its files."""

    by: By
    covers_files: bool = False

    def told(self) -> str:
        """Return it in words."""
        return f"a signature by {self.by.told()}{', of its files at least' if self.covers_files else ''}"


@dataclass(frozen=True, slots=True)
class Attested:
    """An attestation of a type, of whose predicate a condition is true (`attestation`)."""

    type: str
    by: By
    where: Condition | None = field(default=None, hash=False)

    def told(self) -> str:
        """Return it in words."""
        where = f" where {self.where.told()}" if self.where else ""
        return f"an attestation of type {self.type} by {self.by.told()}{where}"


@dataclass(frozen=True, slots=True)
class Inventoried:
    """A bill of materials (`sbom`), attested by somebody, or just attached."""

    by: By | None

    def told(self) -> str:
        """Return it in words."""
        return f"an SBOM by {self.by.told()}" if self.by else "an SBOM"


@dataclass(frozen=True, slots=True)
class Aged:
    """How long ago it was pushed, or signed by somebody (`age`)."""

    most: timedelta | None
    least: timedelta | None
    by: By | None
    words: str
    """The bounds as they were written: `at most 90d`."""

    def told(self) -> str:
        """Return it in words."""
        since = f"signed by {self.by.told()}" if self.by else "pushed"
        return f"{since} {self.words} ago"


@dataclass(frozen=True, slots=True)
class Licensed:
    """Its licences: some of these only, or none of these (`license`)."""

    names: tuple[str, ...]
    are_allowed: bool

    def told(self) -> str:
        """Return it in words."""
        return f"a license {'in' if self.are_allowed else 'not in'} {', '.join(self.names)}"


@dataclass(frozen=True, slots=True)
class Conforming:
    """That it conforms to the schemas that are bound to it (`schemas`)."""

    def told(self) -> str:
        """Return it in words."""
        return "that it conforms to its schemas"


@dataclass(frozen=True, slots=True)
class Scanned:
    """That scanners have found nothing worse than a severity (`scan`)."""

    scanners: tuple[str, ...]
    most: str
    """`none`, `low`, `medium`, `high` or `critical`."""
    allows_down: bool
    allows_pending: bool

    def told(self) -> str:
        """Return it in words."""
        worse = "nothing" if self.most == "none" else f"nothing worse than {self.most}"
        return f"that {', '.join(self.scanners)} found {worse}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A condition on what is known of it (`record`)."""

    condition: Condition

    def told(self) -> str:
        """Return it in words."""
        return f"that {self.condition.told()}"


@dataclass(frozen=True, slots=True)
class All:
    """All of some."""

    of: tuple[Requirement, ...]

    def told(self) -> str:
        """Return it in words."""
        return "all of"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Any of some."""

    of: tuple[Requirement, ...]

    def told(self) -> str:
        """Return it in words."""
        return "any of"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """As many of some."""

    count: int
    of: tuple[Requirement, ...]

    def told(self) -> str:
        """Return it in words."""
        return f"at least {self.count} of"


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of one."""

    of: Requirement

    def told(self) -> str:
        """Return it in words."""
        return "not"


Leaf = Signed | Attested | Inventoried | Aged | Licensed | Conforming | Scanned | Recorded
Requirement = Leaf | All | AnyOf | AtLeast | Not


def leaves(requirement: Requirement) -> Iterator[Leaf]:
    """Yield what a requirement is composed of."""
    match requirement:
        case All() | AnyOf() | AtLeast():
            for one in requirement.of:
                yield from leaves(one)
        case Not():
            yield from leaves(requirement.of)
        case _:
            yield requirement


def named(by: By) -> Iterator[str]:
    """Yield the names of the signers that are meant."""
    if isinstance(by, BySigner):
        yield by.name
    else:
        for one in by.of:
            yield from named(one)


def _listed(of: tuple[By, ...], word: str) -> str:
    told = [one.told() if isinstance(one, BySigner) else f"({one.told()})" for one in of]
    return f" {word} ".join(told)
