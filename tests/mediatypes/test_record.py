"""Facts and the record that they make together."""

from __future__ import annotations

import pytest

from mediatypes.record import (
    FIELDS,
    MOST_ITEMS,
    Fact,
    InvalidFact,
    Kind,
    Provenance,
    Shape,
    fits,
    recorded,
    storable,
    storable_path,
)


def fact(field: str, value: object, provenance: Provenance, at: str = "somewhere") -> Fact:
    return Fact(field, value, provenance, at)


def test_of_a_text_the_best_source_counts_whatever_comes_first() -> None:
    record = recorded(
        Kind.MODEL,
        "modelpack",
        [
            fact("architecture", "llama", Provenance.HEADER, "model.gguf"),
            fact("architecture", "LlamaForCausalLM", Provenance.CONFIG, "config.json"),
            fact("architecture", "Llama", Provenance.CARD, "README.md"),
        ],
    )
    assert record.values == {"architecture": "LlamaForCausalLM"}
    assert record.sources == {"architecture": [{"provenance": "config", "at": "config.json"}]}


def test_lists_of_one_provenance_are_joined_and_those_of_a_worse_one_are_left_out() -> None:
    record = recorded(
        Kind.MODEL,
        "files",
        [
            fact("licenses", ["mit"], Provenance.CONFIG, "a"),
            fact("licenses", ["mit", "apache-2.0"], Provenance.CONFIG, "b"),
            fact("licenses", ["gpl-3.0"], Provenance.CARD, "c"),
        ],
    )
    assert record.values == {"licenses": ["mit", "apache-2.0"]}
    assert [source["at"] for source in record.sources["licenses"]] == ["a", "b"]


def test_objects_are_merged_and_the_better_source_wins_for_each_name() -> None:
    facts = [
        fact("hyperparameters", {"rate": 1, "epochs": 3}, Provenance.HEADER, "header"),
        fact("hyperparameters", {"rate": 2}, Provenance.CONFIG, "config"),
    ]
    record = recorded(Kind.MODEL, "files", facts)
    assert record.values == {"hyperparameters": {"rate": 2, "epochs": 3}}
    assert facts[1].value == {"rate": 2}, "a fact stays what it is"


def test_what_many_sources_say_together_is_a_value_that_its_field_can_have_and_the_first_of_it_counts() -> None:
    tags = [[f"{part}-{number}" for number in range(600)] for part in "abc"]
    rates = [{f"{part}-{number}": number for number in range(600)} for part in "abc"]
    features = [{"name": f"{number}", "type": "int64"} for number in range(600)]
    record = recorded(
        Kind.MODEL,
        "files",
        [
            *(fact("tags", found, Provenance.CARD) for found in tags),
            *(fact("hyperparameters", found, Provenance.CONFIG) for found in rates),
            *(fact("features", features, Provenance.HEADER) for _ in range(3)),
        ],
    )
    assert record.values["tags"] == [*tags[0], *tags[1]][:MOST_ITEMS]
    assert record.values["hyperparameters"] == dict([*rates[0].items(), *rates[1].items()][:MOST_ITEMS])
    assert record.values["features"] == features
    for field, value in record.values.items():  # as an index of such artifacts has it
        assert fact(field, value, Provenance.CARD).value == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 5000),
        ("name", "a\0b"),
        ("name", "\ud800"),
        ("name", 7),
        ("parameters", -1),
        ("parameters", True),
        ("parameters", 1 << 63),
        ("licenses", "mit"),
        ("licenses", []),
        ("licenses", ["mit"] * 1001),
        ("metrics", [{"name": "accuracy", "value": float("nan")}]),
        ("metrics", [{"name": "accuracy", "value": object()}]),
        ("hyperparameters", {1: 2}),
        ("hyperparameters", {"a": [[[[[[[[1]]]]]]]]}),
        ("extra", {"a": 1 << 64}),
    ],
)
def test_a_value_that_its_field_cannot_have_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidFact, match=f"^{field} can't be"):
        fact(field, value, Provenance.CARD)


def test_every_shape_is_in_use() -> None:
    assert set(FIELDS.values()) == set(Shape)


@pytest.mark.parametrize("text", ["plain", "a\0b", "half \udc80 of a pair", "\ud83d"])
def test_whatever_a_text_holds_it_can_be_stored_and_told_from_others(text: str) -> None:
    found = storable(text)
    assert fits(Shape.TEXT, found)
    assert (found == text) == fits(Shape.TEXT, text)


def test_a_long_path_is_cut_between_letters() -> None:
    assert storable_path("ä" * 600) == "ä" * 512
