"""The page about errors explains each one that has to do with who somebody is, and what he may do."""

from __future__ import annotations

from mediatypes.codes import ErrorCode
from registry.errors import AccessDenied, GrantRefused, RegistryError, TooManyLogins, Unauthorized
from registry.http.errors import STATUS
from tests.docs.commands import ROOT


def is_listed(error: type[RegistryError]) -> bool:
    """Say whether an error belongs there; the class itself is never raised."""
    is_one = error.code in (ErrorCode.UNAUTHORIZED, ErrorCode.DENIED) or issubclass(
        error, (GrantRefused, TooManyLogins)
    )
    return is_one and error is not Unauthorized


def test_every_refusal_is_listed_with_its_code_and_status() -> None:
    table = (ROOT / "docs" / "errors.md").read_text().partition("| Name | Code, status |")[2]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.startswith("| `")]
    listed = {row[1].strip("`"): row[2] for row in rows}
    assert listed == {
        error.__name__: f"`{error.code}` {status}" for error, status in STATUS.items() if is_listed(error)
    }
    assert AccessDenied.__name__ in listed
