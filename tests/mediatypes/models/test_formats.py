"""Formats are found by entry points; another package's may fail without harm to the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

import pytest

from mediatypes.models.artifact import ENTRY_POINTS, Artifact
from mediatypes.models.files import FORMAT as FILES
from mediatypes.models.files import kind_of
from mediatypes.models.formats import installed, load, recognise
from mediatypes.record import Kind, Provenance
from tests.mediatypes.models import golden

MODULE: Final = """
from mediatypes.models.artifact import Description, Layer, Packing, Role
from mediatypes.record import Fact, Kind, Provenance

class Rocket:
    name = "rocket"
    is_generic = False
    def recognises(self, artifact):
        return artifact.artifact_type == "application/vnd.acme.rocket.v1"
    def describe(self, artifact):
        facts = [Fact("name", "saturn", Provenance.CONFIG, "config#/name")]
        return Description(Kind.MODEL, facts, [Layer(layer, "", Packing.RAW, Role.WEIGHTS) for layer in artifact.layers])

class Greedy(Rocket):
    name = "greedy"
    def recognises(self, artifact):
        return True

class Modest(Greedy):
    name = "modest"
    is_generic = True

class Raising(Greedy):
    name = "raising"
    def describe(self, artifact):
        raise RuntimeError("no fuel")

class Unsure(Greedy):
    name = "doubtful"
    def recognises(self, artifact):
        raise KeyError("which")

class Askew(Greedy):
    name = "askew"
    def describe(self, artifact):
        return {"kind": "model"}

class Mistaken(Greedy):
    name = "mistaken"
    def describe(self, artifact):
        return Description(Kind.MODEL, [("name", "saturn")])

class Nameless:
    is_generic = False

class Twin(Greedy):
    name = "helm"

rocket, greedy, modest, raising, doubtful, askew, mistaken, nameless, twin = (
    Rocket(), Greedy(), Modest(), Raising(), Unsure(), Askew(), Mistaken(), Nameless(), Twin()
)
"""
UNKNOWN: Final = next(path for path in golden.FILES if path.stem == "unknown-type")


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """Install a package beside ours for one test: its module `acme_formats`, without entry points yet."""
    (tmp_path / "acme_formats.py").write_text(MODULE)
    info = tmp_path / "acme_formats-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-formats\nVersion: 1.0\n")
    sys.path.insert(0, str(tmp_path))
    yield info
    sys.path.remove(str(tmp_path))
    sys.modules.pop("acme_formats", None)
    installed.cache_clear()


def register(info: Path, **formats: str) -> None:
    lines = [f"[{ENTRY_POINTS}]", *(f"{name} = {where}" for name, where in formats.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    installed.cache_clear()


def unknown() -> Artifact:
    return golden.artifact(golden.golden(UNKNOWN))


def test_ours_are_all_there_and_nothing_is_wrong_with_them() -> None:
    found = installed()
    assert found.problems == ()
    assert {"modelpack", "kitops", "docker", "ollama", "files"} <= {item.name for item in found.formats}
    assert installed() is found


def test_specific_formats_are_asked_before_generic_ones_and_files_last() -> None:
    generic = [item.is_generic for item in installed().formats]
    assert generic == sorted(generic)
    assert installed().formats[-1] is FILES


def test_each_is_registered_under_its_own_name() -> None:
    assert all(point.load().name == point.name for point in entry_points(group=ENTRY_POINTS))


def test_another_package_s_format_describes_what_only_it_knows(package: Path) -> None:
    assert recognise(unknown())[0].name == "files"
    register(package, rocket="acme_formats:rocket")
    found, description = recognise(unknown())
    assert found.name == "rocket"
    assert description.kind is Kind.MODEL
    assert [fact.value for fact in description.facts] == ["saturn"]
    assert installed().problems == ()


@pytest.mark.parametrize("path", golden.FILES, ids=lambda path: path.stem)
def test_another_package_s_format_takes_nothing_from_our_specific_ones(package: Path, path: Path) -> None:
    register(package, greedy="acme_formats:greedy", modest="acme_formats:modest")
    document = golden.golden(path)
    found, _ = recognise(golden.artifact(document))
    ours = {item.name: item.is_generic for item in installed().formats}
    expected = document["expected"]["format"]
    assert found.name == ("greedy" if ours[expected] else expected)


def test_a_generic_one_is_asked_after_ours_but_before_files(package: Path) -> None:
    register(package, modest="acme_formats:modest")
    assert recognise(unknown())[0].name == "modest"
    image = next(path for path in golden.FILES if path.stem == "image-oci")
    assert recognise(golden.artifact(golden.golden(image)))[0].name == "image"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("acme_formats:absent", "AttributeError"),
        ("acme_missing:x", "ModuleNotFoundError"),
        ("acme_formats:nameless", "has no name, is_generic, recognises or describe"),
        ("acme_formats:twin", "another one has the name helm"),
    ],
)
def test_a_format_that_cannot_be_loaded_is_reported_and_the_others_are_there(
    package: Path, where: str, said: str
) -> None:
    ours = installed().formats
    register(package, aaa=where, rocket="acme_formats:rocket")
    assert {item.name for item in installed().formats} == {item.name for item in ours} | {"rocket"}
    (problem,) = installed().problems
    assert problem.startswith(f"The format aaa ({where}, of acme-formats) ")
    assert said in problem


def test_a_module_that_fails_while_it_is_loaded_is_reported(package: Path) -> None:
    (package.parent / "acme_formats.py").write_text("raise OSError('no disk')")
    register(package, rocket="acme_formats:rocket")
    assert "no disk" in installed().problems[0]
    assert recognise(unknown())[0].name == "files"


@pytest.mark.parametrize("name", ["raising", "doubtful", "askew", "mistaken"])
def test_a_format_that_fails_to_describe_is_reported_and_the_next_is_asked(package: Path, name: str) -> None:
    register(package, aaa=f"acme_formats:{name}", rocket="acme_formats:rocket")
    found, description = recognise(unknown())
    assert found.name == "rocket"
    (problem,) = description.problems
    assert problem.startswith(f"The format {name} ")


def test_what_the_annotations_say_is_there_whatever_the_format(package: Path) -> None:
    register(package, rocket="acme_formats:rocket")
    document = golden.golden(UNKNOWN)
    document["manifest"]["annotations"] = {"ai.blacklake.name": "vulcan", "org.opencontainers.image.title": "Vulcan"}
    _, description = recognise(golden.artifact(document))
    assert [(fact.field, fact.value, fact.provenance) for fact in description.facts] == [
        ("name", "vulcan", Provenance.ANNOTATION),
        ("title", "Vulcan", Provenance.ANNOTATION),
        ("name", "saturn", Provenance.CONFIG),
    ]


def test_without_any_installed_package_everything_is_files() -> None:
    found, description = recognise(unknown(), load([]).formats)
    assert found is FILES
    assert description.kind is Kind.FILES


def test_ours_are_asked_first_whatever_the_order_of_entry_points() -> None:
    points = list(entry_points(group=ENTRY_POINTS))
    strange = EntryPoint("a", "mediatypes.models.helm:FORMAT", ENTRY_POINTS)
    assert load([strange, *reversed(points)]).formats == load(points).formats
    assert "left out" in load([strange, *points]).problems[0]


@pytest.mark.parametrize(
    ("paths", "kind"),
    [
        (["config.json", "tokenizer.json"], "model"),
        (["MLmodel", "conda.yaml"], "model"),
        (["a.parquet", "b/model.onnx"], "model"),
        (["croissant.json", "images.tar"], "dataset"),
        (["dataset_infos.json"], "dataset"),
        (["a.csv", "LICENSE", "README.md"], "dataset"),
        (["a.csv", "train.py"], "files"),
        (["README.md"], "files"),
        ([""], "files"),
        ([], "files"),
    ],
)
def test_files_are_a_model_or_a_dataset_by_their_names(paths: list[str], kind: str) -> None:
    assert kind_of(paths) == kind
