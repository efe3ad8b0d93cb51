"""What cosign 2, cosign 3 and notation sign, Blacklake verifies, and by nobody else's key, identity or authority.

They sign artifacts in a real registry with a private Sigstore beside it, all on the loopback address.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from signing.evidence import Evidence
from signing.verification import Found, judge
from tests.signers.matrix import ROWS, Row
from tests.signers.registry import Artifact, pushed_image
from tests.signers.workshop import Workshop, opened

SIGNED_BY_ROW: dict[str, tuple[Artifact, Evidence]] = {}
"""What each row has signed, once in a run."""

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    SIGNED_BY_ROW.clear()
    with opened(tmp_path_factory.mktemp("signers")) as workshop:
        yield workshop


def image(shop: Workshop) -> Artifact:
    return pushed_image(shop.server.host, f"team/model-{next(_numbers)}")


def signed(shop: Workshop, row: Row) -> tuple[Artifact, Evidence]:
    """Return an artifact that is signed as the row says, with all that is attached to it."""
    if row.name not in SIGNED_BY_ROW:
        artifact = image(shop)
        row.sign(shop, artifact)
        SIGNED_BY_ROW[row.name] = artifact, artifact.evidence()
    return SIGNED_BY_ROW[row.name]


def reasons(found: Found) -> str:
    return "\n".join(f"{one.where}: step {one.step}: {one.reason}" for one in found.rejected)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_is_signed_is_verified(shop: Workshop, row: Row) -> None:
    _, evidence = signed(shop, row)
    before = datetime.now(UTC) - timedelta(minutes=10)
    found = judge(evidence, row.trust(shop), now=datetime.now(UTC))
    assert len(found.verified) == 1, reasons(found)
    (verified,) = found.verified
    assert not found.rejected, reasons(found)
    assert (verified.form, verified.statement.predicate_type) == (row.form, row.says)
    assert verified.is_logged == row.logged
    if row.stamped:
        assert verified.signed_at is not None
        assert before < verified.signed_at <= datetime.now(UTC) + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("row", "stranger"),
    [pytest.param(row, stranger, id=f"{row}: {stranger}") for row in ROWS for stranger in row.strangers],
)
def test_nobody_else_has_signed(shop: Workshop, row: Row, stranger: str) -> None:
    _, evidence = signed(shop, row)
    found = judge(evidence, row.strangers[stranger](shop), now=datetime.now(UTC))
    assert not found.verified
    assert [one.reason for one in found.rejected] != []


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_nothing_else_is_signed(shop: Workshop, row: Row) -> None:
    _, evidence = signed(shop, row)
    other = image(shop).evidence()
    assert not other.attached
    moved = msgspec.structs.replace(other, attached=evidence.attached)
    found = judge(moved, row.trust(shop), now=datetime.now(UTC))
    assert not found.verified
    assert found.rejected
