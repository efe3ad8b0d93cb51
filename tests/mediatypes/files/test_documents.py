"""Documents are read within bounds: depth, size, aliases; what is odd in one field says nothing about the others."""

from __future__ import annotations

import json
import re

import pytest

from mediatypes.files.documents import front_matter, yaml_value
from mediatypes.files.licenses import licence_of
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import LIMITS, Malformed, TooMuch, Unreadable, Unsupported
from mediatypes.record import Kind, is_plain, recorded
from tests.mediatypes.files.sources import Bytes, read, values

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def card(yaml: str, page: str = "") -> dict[str, object]:
    return values(read("README.md", f"---\n{yaml}\n---\n{page}".encode()).facts)


# Whence facts are


@pytest.mark.parametrize(
    ("path", "content", "field", "provenance", "at"),
    [
        ("a/config.json", b'{"model_type": "bert"}', "family", "config", "a/config.json#/model_type"),
        ("README.md", b"---\nlicense: mit\n---\n", "licenses", "card", "README.md#/license"),
        ("LICENSE", b"MIT License\n\nPermission", "licenses", "header", "LICENSE"),
        ("train.csv", b"a,b\n1,2\n", "rows", "header", "train.csv"),
        ("MLmodel", b"run_id: abc\n", "run", "config", "MLmodel#/run_id"),
    ],
)
def test_a_fact_says_where_it_stands(path: str, content: bytes, field: str, provenance: str, at: str) -> None:
    record = recorded(Kind.FILES, "test", read(path, content).facts)
    assert record.sources[field] == [{"provenance": provenance, "at": at}]


def test_a_models_config_knows_its_vocabulary_better_than_its_tokenizer() -> None:
    tokenizer = read(
        "tokenizer.json",
        b'{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}}, "added_tokens": [{"id": 2}, {"id": 1}]}',
    )
    assert values(tokenizer.facts) == {"vocabulary_size": 3}
    config = read("config.json", b'{"vocab_size": 8}')
    assert values(tokenizer.facts + config.facts)["vocabulary_size"] == 8


# YAML


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        (LAUGHS, "aliases"),
        ("a: &a [*a]", "aliases"),
        ("a: &a {b: *a}", "aliases"),
        ("a: &a {x: 1}\nb: {<<: [*a, *a]}", "merges"),
        ("x: " + "[" * 70 + "]" * 70, "deeper than 64"),
        ("x: " + "[" * 200_000, "deeper than 64|nesting depth"),
        ("x: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("x: !!timestamp 2024-99-99", "none"),
        ("x: !!int what", "none"),
        ("x: " + "1:" * 500_000 + "1", "number of"),
        ("x: !!int '" + "1:" * 500_000 + "1'", "number of"),
        ("x: [" + "{}," * 300_000 + "]", "more than 100000 values"),
        ("a: [1, 2", "plain YAML"),
        ("- a\n- b", "not a YAML mapping"),
        ("a: 1\n? {b: 1}\n: 2", "plain YAML|none"),
    ],
)
def test_yaml_that_is_a_trap_is_refused_with_the_reason(yaml: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read("README.md", f"---\n{yaml}\n---\n".encode())


def test_yaml_may_share_values_as_pyyaml_writes_them() -> None:
    assert yaml_value("a: &id001 [1, 2]\nb: *id001\n", LIMITS) == {"a": [1, 2], "b": [1, 2]}


def test_yaml_that_is_long_is_refused_unparsed() -> None:
    with pytest.raises(TooMuch):
        yaml_value("a: 1\n" * 300_000, LIMITS)


def test_of_keys_that_come_twice_the_last_counts() -> None:
    assert yaml_value("a: 1\na: 2\n", LIMITS) == {"a": 2}
    assert values(read("config.json", b'{"model_type": "bert", "model_type": "llama"}').facts)["family"] == "llama"


# JSON


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"{" + b'"a":{' * 100 + b"}" * 101, TooMuch),
        (b'{"a":' + b"[" * 100_000, Unreadable),
        (b'{"a": 1', Malformed),
        (b'{"a": "\xff"}', Malformed),
        (b"{" + b" " * (5 << 20) + b"}", TooMuch),
        (b'{"a": ' + b"9" * 10_000 + b"}", Malformed),
    ],
)
def test_json_that_is_a_trap_is_refused(content: bytes, refusal: type[Unreadable]) -> None:
    with pytest.raises(refusal):
        read("config.json", content)


@pytest.mark.parametrize(
    "value",
    [
        '"a\\u0000b"',
        '"\\ud800"',
        "[1, 2]",
        "{}",
        "1e999",
        "NaN",
        "true",
        "-5",
        "1" * 30,
        f'"{"x" * 10_000}"',
        "null",
        "[[[[]]]]",
    ],
)
@pytest.mark.parametrize(
    "path", ["config.json", "adapter_config.json", "dataset_info.json", "eval_results.json", "tokenizer_config.json"]
)
def test_an_odd_value_leaves_its_field_untold_and_the_others_told(path: str, value: str) -> None:
    names = (
        "model_type", "architectures", "torch_dtype", "vocab_size", "base_model_name_or_path", "task_type", "eval_accuracy",
        "features", "splits", "license", "chat_template", "quantization_config", "text_config", "r", "peft_type",
    )  # fmt: skip
    content = (
        "{" + ", ".join(f'"{name}": {value}' for name in names) + ', "eval_f1": 0.5, "transformers_version": "5.0"}'
    )
    reading = read(path, content.encode())
    assert is_plain(reading.raw)
    if path == "eval_results.json":
        assert {"name": "f1", "value": 0.5, "split": "eval"} in values(reading.facts)["metrics"]  # type: ignore[operator]
    if path == "config.json":
        assert values(reading.facts)["framework_version"] == "5.0"


def test_what_is_kept_of_a_document_is_always_storable() -> None:
    deep: object = "x"
    for _ in range(50):
        deep = {"a": deep, "b": [deep] * 3 if not isinstance(deep, dict) else []}
    found = plain_object(
        {"deep": deep, "long": "x" * 10_000, "many": list(range(5000)), "nan": float("nan"), "nul\0": 1 << 80}
    )
    assert is_plain(found)
    assert len(found["many"]) == 1000
    assert len(found["long"]) == 4096


# Cards


def test_a_card_names_a_licence_of_its_own() -> None:
    assert card("license: other\nlicense_name: llama3.1")["licenses"] == ["llama3.1"]
    assert card("license: [mit, apache-2.0]")["licenses"] == ["MIT", "Apache-2.0"]
    assert card("license: openrail")["licenses"] == ["openrail"]


def test_norwegian_is_no_falsehood() -> None:
    assert card("language: no")["languages"] == ["no"]
    assert card("language: [en, no]")["languages"] == ["en", "no"]


def test_the_metrics_of_a_card_carry_task_dataset_and_split() -> None:
    yaml = """
model-index:
- name: m
  results:
  - task: {type: automatic-speech-recognition}
    dataset: {name: Common Voice, type: common_voice, split: test, args: de}
    metrics:
    - {name: Test WER, type: wer, value: "12.5"}
    - {type: cer, value: not measured}
    - {type: cer, value: .nan}
"""
    assert card(yaml)["metrics"] == [
        {
            "name": "wer",
            "value": 12.5,
            "dataset": "common_voice",
            "split": "test",
            "task": "automatic-speech-recognition",
        }
    ]


def test_a_datasets_card_with_several_configurations_names_their_splits_apart() -> None:
    yaml = """
dataset_info:
- config_name: en
  splits: [{name: train, num_examples: 10, num_bytes: 100}]
- config_name: de
  splits: [{name: train, num_examples: 5}]
"""
    found = card(yaml)
    assert found["splits"] == [{"name": "en/train", "rows": 10, "bytes": 100}, {"name": "de/train", "rows": 5}]
    assert found["rows"] == 15


def test_a_readme_without_front_matter_is_a_page() -> None:
    reading = read("README.md", b"# Title\n\n```\ncode\n```\n<p>html</p>\n\nFirst words.\n")
    assert reading.format == "readme"
    assert values(reading.facts) == {"title": "Title", "description": "First words."}


def test_front_matter_ends_at_its_closing_line_only() -> None:
    assert front_matter("---\na: '---'\nb: 1\n---\nrest") == ("a: '---'\nb: 1\n", "rest")
    assert front_matter("---\r\na: 1\r\n---\r\nrest") == ("a: 1\r\n", "rest")
    assert front_matter("---\nnever closed\n") == (None, "---\nnever closed\n")


def test_results_of_benchmarks_as_the_hub_has_them_are_metrics() -> None:
    yaml = b"- dataset:\n    id: cais/hle\n    task_id: default\n  value: 20.9\n- dataset: {id: gsm8k}\n  value: 0.8\n"
    assert values(read(".eval_results/hle.yaml", yaml).facts)["metrics"] == [
        {"name": "default", "value": 20.9, "dataset": "cais/hle"},
        {"name": "gsm8k", "value": 0.8, "dataset": "gsm8k"},
    ]


# Adapters, indexes, environments, licences


def test_an_adapter_names_its_base_model_and_method() -> None:
    content = {
        "base_model_name_or_path": "meta-llama/Llama-3.2-1B", "peft_type": "LORA", "r": 16, "lora_alpha": 32,
        "lora_dropout": 0.05, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", "revision": None,
    }  # fmt: skip
    found = values(read("adapter_config.json", json.dumps(content).encode()).facts)
    assert found["base_models"] == [{"ref": "meta-llama/Llama-3.2-1B", "relation": "adapter"}]
    assert found["framework"] == "peft"
    assert found["tasks"] == ["text-generation"]
    assert found["hyperparameters"] == {
        "peft_type": "LORA", "r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "target_modules": ["q_proj", "v_proj"],
    }  # fmt: skip


def test_an_index_of_shards_counts_tensors_and_files() -> None:
    weights = {f"layer.{number}": f"model-0000{number % 2 + 1}-of-00002.safetensors" for number in range(9)}
    content = json.dumps(
        {"metadata": {"total_size": 16060522496.0, "total_parameters": 8030261248}, "weight_map": weights}
    )
    reading = read("model.safetensors.index.json", content.encode())
    assert values(reading.facts) == {"tensors": 9, "parameters": 8030261248, "format": "safetensors"}
    assert reading.raw["total_size"] == 16060522496
    assert reading.raw["files"] == {"model-00001-of-00002.safetensors": 5, "model-00002-of-00002.safetensors": 4}


def test_requirements_give_versions_and_the_one_framework() -> None:
    content = (
        b"# comment\ntorch==2.5.1 ; python_version > '3.9'\nnumpy>=1.26\n-r more.txt\nhttps://example.org/x.whl\ntqdm\n"
    )
    found = values(read("requirements.txt", content).facts)
    assert found["environment"] == {"packages": {"torch": "2.5.1", "numpy": ">=1.26", "tqdm": "*"}}
    assert (found["framework"], found["framework_version"]) == ("pytorch", "2.5.1")
    both = values(read("requirements.txt", b"torch==2.5.1\ntensorflow==2.18.0\n").facts)
    assert "framework" not in both


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "Apache License\n                           Version 2.0, January 2004\n http://www.apache.org/licenses/\n",
            "Apache-2.0",
        ),
        ("MIT License\n\nCopyright (c) 2024 Somebody\n\nPermission is hereby granted", "MIT"),
        ("SPDX-License-Identifier: bsd-3-clause\n", "BSD-3-Clause"),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version Release Date: July 23, 2024\n", "llama3.1"),
        ("Gemma Terms of Use\n\nLast modified: February 21, 2024", "gemma"),
        ("All rights are mine.", None),
    ],
)
def test_a_licence_is_known_by_its_head(text: str, name: str | None) -> None:
    assert licence_of(text) == name


def test_a_licence_is_known_by_its_text_whoever_holds_the_copyright() -> None:
    from identify.vendor.licenses import LICENSES

    for name, text in LICENSES:
        changed = re.sub(r"(?m)^Copyright.*", "Copyright (c) 2024 Somebody", text).replace("\n", "\r\n").upper()
        assert licence_of(changed) == name
    reading = read("LICENSE", dict(LICENSES)["ISC"].encode())
    assert values(reading.facts) == {"licenses": ["ISC"]}


def test_a_licence_is_asked_for_by_its_name() -> None:
    for path in ("LICENSE", "LICENSE.txt", "license.md", "COPYING", "LICENCE-MODEL", "sub/LICENSE.apache"):
        assert read(path, b"Terms").format == "license"
    with pytest.raises(AssertionError):
        read("license_check.py", b"import os")


def test_a_tokenizer_of_the_wrong_shape_is_malformed_and_costs_little() -> None:
    for content in (
        b'{"model": {"vocab": [' + b"[]," * 100_000 + b"[]]}}",
        b'{"model": {"vocab": {"a": "b"}}}',
        b"[" * 1_000_000,
    ):
        with pytest.raises(Malformed):
            read("tokenizer.json", content)


def test_an_index_with_too_many_tensors_is_refused() -> None:
    content = b'{"weight_map": {' + b",".join(b'"%d":"f"' % number for number in range(200_001)) + b"}}"
    with pytest.raises(TooMuch, match="200001 tensors"):
        read("model.safetensors.index.json", Bytes(content))


def test_croissant_of_something_else_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        read("x.json", b'{"@context": {"cr": "http://mlcommons.org/croissant/"}, "@type": "cr:RecordSet"}')
