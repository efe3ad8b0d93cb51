"""The matrix of refusals: nothing that is signed badly is accepted, and each is refused at its step for its reason."""

from __future__ import annotations

import pytest

from signing.steps import Step
from tests.signing import attachments as made
from tests.signing import defects_of_reading, defects_of_signers, defects_of_subjects, defects_of_witnesses
from tests.signing.defects import Defect, registered_by
from tests.signing.world import World, accepted, rejected

MODULES = (defects_of_reading, defects_of_signers, defects_of_witnesses, defects_of_subjects)
DEFECTS = [defect for module in MODULES for defect in registered_by(module)]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.step.value}-{defect.name}")
def test_it_is_refused(world: World, defect: Defect) -> None:
    evidence, authority, now = defect.made(world)
    found = rejected(evidence, authority, now)
    assert (Step(found.step), defect.words in found.reason) == (defect.step, True), found


def test_without_a_defect_the_same_is_accepted(world: World) -> None:
    for attached, authority in (
        (made.signed_tag(world.key), world.keys()),
        (made.attach(made.bundle(world.key)), world.keys()),
        (made.attach(made.message_bundle(world.key)), world.keys()),
        (made.attach(world.keyless_bundle()), world.keyless()),
        (made.attach(world.second_bundle()), world.keyless()),
        (made.attach(world.stamped_bundle()), world.keyless(needs_log=False)),
        (world.keyless_tag(), world.keyless()),
    ):
        accepted(made.evidence(attached), authority)


def test_there_are_defects_of_every_step() -> None:
    assert {defect.step for defect in DEFECTS} == set(Step)
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) >= 60
