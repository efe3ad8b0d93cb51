"""Cards of models and datasets: README.md with YAML front matter, as the Hugging Face Hub has them.

Source: huggingface_hub's ModelCardData and DatasetCardData, and the Hub's documentation of model-index and dataset_info.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mediatypes.files.dataset_infos import tell_info
from mediatypes.files.documents import JSON_LONGEST, front_matter, text_of, whole, yaml_object
from mediatypes.files.paths import base_name
from mediatypes.files.plain import plain_object, plain_text
from mediatypes.files.reading import Limits, Reading, Source
from mediatypes.files.telling import Telling, listing, mapping, present, text_in
from mediatypes.files.training import number
from mediatypes.models.values import framework, license_name
from mediatypes.record import Provenance

_OF_DATASETS: Final = frozenset(
    (
        "dataset_info",
        "task_categories",
        "task_ids",
        "size_categories",
        "configs",
        "annotations_creators",
        "source_datasets",
    )
)
_OF_MODELS: Final = frozenset(
    (
        "pipeline_tag",
        "library_name",
        "base_model",
        "model-index",
        "model_name",
        "datasets",
        "metrics",
        "widget",
        "inference",
    )
)
_PROVENANCE: Final = ("source_datasets", "annotations_creators", "language_creators")
_HEADING: Final = re.compile(r"#[ \t]+(?P<title>[^\n]{1,300})")
_NOT_PROSE: Final = ("#", "<", "|", "!", "[!", "```", "---", "===", ":::", "- ", "* ", "> ", "+ ")
_PLACEHOLDERS: Final = ("[More Information Needed]", "Model Card for Model ID", "Dataset Card for Dataset Name")
"""What the Hub's templates of cards say where nobody has said anything."""
_DESCRIPTION: Final = 1000  # characters


class Card:
    """Reads README.md: a model's or a dataset's card, by its front matter and what the page says first."""

    name = "card"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is README.md."""
        return base_name(path).lower() == "readme.md"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return what the card says. Raise Unreadable."""
        yaml, page = front_matter(text_of(whole(source, limits, JSON_LONGEST)))
        card = yaml_object(yaml, limits) if yaml is not None else {}
        telling = Telling(path, Provenance.CARD)
        _tell_common(telling, card)
        if _OF_DATASETS & card.keys() and not _OF_MODELS & card.keys():
            kind = "dataset-card"
            _tell_dataset(telling, card)
        else:
            kind = "model-card" if _OF_MODELS & card.keys() else "card" if card else "readme"
            _tell_model(telling, card)
        _tell_page(telling, card, page)
        return Reading(kind, telling.facts, raw=plain_object(card))


def _tell_common(telling: Telling, card: dict[str, Any]) -> None:
    licenses = [item for item in listing(card.get("license")) if isinstance(item, str)]
    named = card.get("license_name")
    if isinstance(named, str) and (not licenses or licenses == ["other"]):
        licenses = [named]
    telling.tell("licenses", [license_name(item) for item in licenses], "/license")
    # YAML 1.1 takes `no`, which is Norwegian here, for false.
    languages = ["no" if item is False else item for item in listing(card.get("language", card.get("languages")))]
    telling.tell("languages", languages, "/language")
    telling.tell("tags", card.get("tags"), "/tags")


def _tell_model(telling: Telling, card: dict[str, Any]) -> None:
    telling.tell("tasks", card.get("pipeline_tag"), "/pipeline_tag")
    telling.tell("framework", framework(card.get("library_name")), "/library_name")
    relation = card.get("base_model_relation")
    bases = [item for item in listing(card.get("base_model")) if isinstance(item, str) and item]
    known = relation if isinstance(relation, str) else None
    telling.tell("base_models", [present(ref=base, relation=known) for base in bases], "/base_model")
    datasets = [item for item in listing(card.get("datasets")) if isinstance(item, str) and item]
    telling.tell("datasets", [{"ref": item} for item in datasets], "/datasets")
    models = [mapping(item) for item in listing(card.get("model-index"))]
    if models:
        telling.tell("name", models[0].get("name"), "/model-index/0/name")
    results = [mapping(item) for model in models for item in listing(model.get("results"))]
    telling.tell("metrics", [metric for result in results for metric in _metrics(result)], "/model-index")


def _metrics(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics of one result: of a task on a split of a dataset."""
    dataset = mapping(result.get("dataset"))
    task = mapping(result.get("task")).get("type")
    found: list[dict[str, Any]] = []
    for item in listing(result.get("metrics")):
        metric = mapping(item)
        name, value = metric.get("type") or metric.get("name"), number(metric.get("value"))
        if isinstance(name, str) and value is not None:
            ref, split = dataset.get("type") or dataset.get("name"), dataset.get("split")
            found.append(
                present(name=name, value=value, dataset=text_in(ref), split=text_in(split), task=text_in(task))
            )
    return found


def _tell_dataset(telling: Telling, card: dict[str, Any]) -> None:
    telling.tell("name", card.get("pretty_name"), "/pretty_name")
    telling.tell("tasks", card.get("task_categories"), "/task_categories")
    telling.tell("provenance", {name: card[name] for name in _PROVENANCE if card.get(name)})
    infos = [mapping(item) for item in listing(card.get("dataset_info"))]
    tell_info(telling, {str(info.get("config_name", "default")): info for info in infos}, "/dataset_info")


def _tell_page(telling: Telling, card: dict[str, Any], page: str) -> None:
    """Add the first heading as the title, and the first paragraph that is prose."""
    lines = iter(page.splitlines())
    heading = paragraph = ""
    for line in lines:
        text = line.strip()
        if text.lstrip("# ") in _PLACEHOLDERS:
            continue
        if text.startswith("```"):
            next((other for other in lines if other.strip().startswith("```")), None)
        elif not heading and (found := _HEADING.fullmatch(text)):
            heading = found["title"].strip()
        elif paragraph and not text:
            break
        elif text and (paragraph or not text.startswith(_NOT_PROSE)):
            paragraph = f"{paragraph} {text}".strip()
            if len(paragraph) > _DESCRIPTION:
                break
    telling.tell("title", plain_text(heading))
    said = card.get("description", card.get("summary"))
    telling.tell("description", said if isinstance(said, str) else plain_text(paragraph[:_DESCRIPTION]))
