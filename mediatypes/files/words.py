"""The words that Blacklake's fields have, from those that the files of models and datasets use."""

from __future__ import annotations

from typing import Any, Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

_PRECISIONS: Final = {
    "float": "float32",
    "half": "float16",
    "double": "float64",
    "fp32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
}
FRAMEWORKS: Final = {
    "torch": "pytorch",
    "tf": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tf-keras": "keras",
    "scikit-learn": "sklearn",
    "flax": "jax",
}
"""Frameworks by the names that packages and cards use for them; others keep their name."""
TASKS: Final = {
    "CAUSAL_LM": "text-generation",
    "SEQ_CLS": "text-classification",
    "SEQ_2_SEQ_LM": "text2text-generation",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "FEATURE_EXTRACTION": "feature-extraction",
}
"""Hugging Face's tasks by the names of PEFT's TaskType."""


def base_name(path: str) -> str:
    """Return a file's name without its directories."""
    return path.rpartition("/")[2]


def license_name(value: str) -> str:
    """Return a licence as an SPDX expression in its canonical case where it is one, else as it stands."""
    try:
        # The longest expressions in use have a few dozen characters.
        return str(canonicalize_license_expression(value)) if len(value) < 500 else value
    except InvalidLicenseExpression:
        return value


def framework(value: Any) -> str | None:
    """Return a framework by our word for it."""
    if not isinstance(value, str) or not value.strip():
        return None
    word = value.strip().lower()
    return FRAMEWORKS.get(word, word)


def precision(value: Any) -> str | None:
    """Return a type of parameters by ModelPack's word: "torch.bfloat16" is bfloat16; None for none and for "auto"."""
    if not isinstance(value, str):
        return None
    word = value.strip().lower().removeprefix("torch.")
    return None if word in ("", "auto") else _PRECISIONS.get(word, word)
