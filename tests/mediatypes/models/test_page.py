"""The page about formats names everything that is recognised and every place from which a fact comes; its examples work."""

from __future__ import annotations

import itertools
import re
import shlex
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

from mediatypes.models import manifest_annotations as annotated
from mediatypes.models.artifact import ENTRY_POINTS, Artifact, Format
from mediatypes.models.formats import recognise
from mediatypes.record import FIELDS, Kind, recorded
from tests.docs.commands import ROOT, blocks
from tests.mediatypes.models.golden import FILES, artifact, golden
from tests.mediatypes.models.tables import field_of, media_types, modules, places

PAGE = ROOT / "docs" / "formats.md"
MODULES = modules()


def section(module: ModuleType) -> str:
    """Return the section whose heading names the module's formats."""
    names = ", ".join(f"`{name}`" for name in MODULES[module])
    found = re.findall(rf"^### [^\n]*: {re.escape(names)}\n(.*?)(?=^##)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"there is one section with the heading “…: {names}”"
    text: str = found[0]
    return text


def rows(text: str) -> list[tuple[str, ...]]:
    """Return the cells of a text's tables, without headings and without backticks."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    return [tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in lines]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_places_of_a_format_are_those_of_its_table(module: ModuleType) -> None:
    listed = [row for row in rows(section(module)) if row != ("Place", "Field")]
    assert Counter(listed) == Counter((place.at, field_of(place)) for place in places(module))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_media_types_of_a_format_are_named(module: ModuleType) -> None:
    # Where a table has the beginning of types only, one type that begins so is named.
    wanted = {f"`{found}" if found.endswith(".") else f"`{found}`" for found in media_types(module)}
    assert {found for found in wanted if found not in section(module)} == set()


def test_the_kinds_of_a_format_are_named() -> None:
    for document in map(golden, FILES):
        (module,) = (module for module, names in MODULES.items() if document["expected"]["format"] in names)
        assert f"`{document['expected']['kind']}`" in section(module)


def test_the_annotations_are_those_of_the_tables() -> None:
    text = PAGE.read_text().partition("## Annotations")[2].partition("\n## ")[0]
    listed = {row[0]: row[1] for row in rows(text) if row[0] != "Annotation"}
    image = {place.at: field_of(place) for place in annotated.IMAGE_PLACES}
    own = {f"ai.blacklake.{field}": "" for field in FIELDS}
    own |= {f"ai.blacklake.{field}": f"ai.blacklake.{word}" for field, word in annotated.SINGULARS.items()}
    items = {f"ai.blacklake.{word}.NAME": field for word, field in annotated.ITEMS.items()}
    base = {annotated.BASE_NAME: "base_models` of a model, else `extra.base"}
    assert listed == image | base | own | items
    assert f"`{annotated.KIND}`" in text


def test_every_field_can_be_stated_by_an_annotation() -> None:
    assert {place.field for place in annotated.own_places()} == FIELDS.keys()


def unknown(**more: Any) -> Artifact:
    document = golden(next(path for path in FILES if path.stem == "unknown-type"))
    document["manifest"] |= more
    return artifact(document)


def test_each_annotation_of_the_example_states_a_fact() -> None:
    (command,) = (block.text for block in blocks("sh elsewhere", [PAGE]) if "--annotation" in block.text)
    words = shlex.split(command.replace("\\\n", ""))
    pairs = dict(word.split("=", 1) for before, word in itertools.pairwise(words) if before == "--annotation")
    _, description = recognise(unknown(annotations=pairs | {annotated.KIND: "model"}))
    assert {fact.at for fact in description.facts} == pairs.keys()
    values = recorded(description.kind, "files", description.facts).values
    assert values["parameters"] == 110_000_000
    assert values["tasks"] == ["fill-mask", "text-classification"]
    assert values["base_models"] == [{"ref": "google-bert/bert-base-uncased", "relation": "finetune"}]


def test_the_example_of_a_format_is_one() -> None:
    (block,) = blocks("python", [PAGE])
    names: dict[str, Any] = {}
    exec(block.text, names)
    rocket: Format = names["FORMAT"]
    found = unknown(artifactType="application/vnd.acme.rocket.v1+json")
    assert recognise(found, [rocket])[0] is rocket
    assert recognise(found, [rocket])[1].kind is Kind.MODEL
    assert recognise(unknown(), [rocket])[0].name == "files"
    assert f'entry-points."{ENTRY_POINTS}"' in PAGE.read_text()
