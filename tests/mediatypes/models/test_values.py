"""Tools' words are brought to those that the record has."""

from __future__ import annotations

from typing import Any

import pytest

from mediatypes.models import values
from mediatypes.models.layers import clean_path, packing_of, role_of


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("8b", 8_000_000_000),
        ("6.7B", 6_700_000_000),
        ("361.82 M", 361_820_000),
        ("110m", 110_000_000),
        ("1.5T", 1_500_000_000_000),
        ("2K", 2000),
        ("1Q", 10**15),
        ("512", 512),
        (8030261248, 8030261248),
        (" 7B ", 7_000_000_000),
        ("8x7B", None),
        ("seven", None),
        ("", None),
        ("-1", None),
        ("1e9", None),
        ("9" * 40, None),
        (True, None),
        (1.5, None),
        (None, None),
        ([], None),
    ],
)
def test_a_count_is_a_number_however_it_is_written(written: Any, number: int | None) -> None:
    assert values.count(written) == number


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("BF16", "bfloat16"),
        ("torch.float16", "float16"),
        ("fp32", "float32"),
        ("float8_e4m3fn", "float8_e4m3"),
        ("bfloat16,float32", "bfloat16"),
        ("mixed", "mixed"),
        ("", None),
        (16, None),
    ],
)
def test_a_precision_is_modelpacks_word(written: Any, word: str | None) -> None:
    assert values.precision(written) == word


@pytest.mark.parametrize(
    ("written", "quantization", "precision"),
    [
        ("Q4_K_M", "Q4_K_M", None),
        ("BF16", None, "bfloat16"),
        ("F32", None, "float32"),
        ("unknown", None, None),
        (4, None, None),
    ],
)
def test_a_gguf_file_type_is_either_a_quantization_or_a_precision(
    written: Any, quantization: str | None, precision: str | None
) -> None:
    assert (values.quantization(written), values.plain_precision(written)) == (quantization, precision)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("gpl-2.0-only with classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("licenseref-Acme", "LicenseRef-Acme"),
        ("llama3.1", "llama3.1"),
        ("Our own licence", "Our own licence"),
        ("(mit", "(mit"),
        ("(" * 240 + "mit" + ")" * 240, "(" * 240 + "mit" + ")" * 240),
        ("mit or " * 100 + "mit", "mit or " * 100 + "mit"),
    ],
)
def test_a_licence_is_its_spdx_expression_or_stays_what_it_is(written: str, name: str) -> None:
    assert values.license_name(written) == name


@pytest.mark.parametrize("written", ["2026-01-02T03:04:05Z", "2026-01-02t03:04:05.123456789+01:00"])
def test_a_moment_of_rfc_3339_stays_what_it_is(written: str) -> None:
    assert values.moment(written) == written


@pytest.mark.parametrize(
    "written", ["2026-01-02", "0001-01-01T00:00:00Z", "2026-13-02T03:04:05Z", "yesterday", 7, None]
)
def test_what_is_no_moment_or_go_s_zero_time_is_none(written: Any) -> None:
    assert values.moment(written) is None


@pytest.mark.parametrize(
    ("written", "framework"),
    [("PyTorch", "pytorch"), ("scikit-learn", "sklearn"), ("TF", "tensorflow"), ("Acme ", "acme")],
)
def test_a_framework_has_one_word(written: str, framework: str) -> None:
    assert values.framework(written) == framework


@pytest.mark.parametrize(
    ("media_type", "packing"),
    [
        ("application/vnd.oci.image.layer.v1.tar", "tar"),
        ("application/vnd.oci.image.layer.v1.tar+gzip", "tar+gzip"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "tar+gzip"),
        ("application/vnd.oci.image.layer.v1.tar+zstd", "tar+zstd"),
        ("application/x-tar", "tar"),
        ("application/tar+gzip", "tar+gzip"),
        ("application/octet-stream", "raw"),
        ("application/gzip", "raw"),
        ("application/vnd.acme.guitar", "raw"),
        ("application/vnd.acme.tar; charset=x", "tar"),
    ],
)
def test_a_media_type_says_whether_a_layer_is_an_archive(media_type: str, packing: str) -> None:
    assert packing_of(media_type) == packing


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("a/model-00001-of-00002.safetensors", "weights"),
        ("pytorch_model.bin", "weights"),
        ("model.onnx_data", "weights"),
        ("model.onnx.data", "weights"),
        ("variables/variables.data-00000-of-00001", "weights"),
        ("training_args.bin", "config"),
        ("config.json", "config"),
        ("tokenizer.model", "config"),
        ("vocab.txt", "config"),
        ("README.md", "documentation"),
        ("LICENSE", "license"),
        ("LICENCE.txt", "license"),
        ("data/train.csv.gz", "dataset"),
        ("croissant.json", "dataset"),
        ("train.py", "code"),
        ("chat_template.jinja", "template"),
        ("licensed_model.onnx", "weights"),
        ("what", "other"),
        ("", "other"),
    ],
)
def test_a_file_is_for_what_its_name_says(path: str, role: str) -> None:
    assert role_of(path) == role


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a/b.txt", "a/b.txt"),
        ("./a//b.txt", "a/b.txt"),
        ("/models/a", "models/a"),
        ("a/../b", "b"),
        ("../b", ""),
        ("a/../../b", ""),
        ("/../b", "b"),
        ("..", ""),
        (".", ""),
        ("", ""),
        ("a\0b", ""),
        ("a\ud800", ""),
        ("a" * 2000, ""),
        ("..b", "..b"),
        (None, ""),
        (7, ""),
    ],
)
def test_a_path_is_relative_and_stays_inside(written: object, path: str) -> None:
    assert clean_path(written) == path
