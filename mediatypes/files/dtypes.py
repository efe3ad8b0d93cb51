"""Types of tensors' elements, by ModelPack's words, and by the names that each format gives them."""

from __future__ import annotations

import re
from typing import Final

BITS: Final[dict[str, int]] = {
    "bool": 8,
    "int4": 4,
    "uint4": 4,
    "int8": 8,
    "uint8": 8,
    "int16": 16,
    "uint16": 16,
    "int32": 32,
    "uint32": 32,
    "int64": 64,
    "uint64": 64,
    "float4_e2m1": 4,
    "float6_e2m3": 6,
    "float6_e3m2": 6,
    "float8_e4m3": 8,
    "float8_e4m3fnuz": 8,
    "float8_e5m2": 8,
    "float8_e5m2fnuz": 8,
    "float8_e8m0": 8,
    "float16": 16,
    "bfloat16": 16,
    "float32": 32,
    "float64": 64,
    "complex64": 64,
    "complex128": 128,
}
"""The bits of one element."""

SAFETENSORS: Final[dict[str, str]] = {
    "BOOL": "bool",
    "F4": "float4_e2m1",
    "F6_E2M3": "float6_e2m3",
    "F6_E3M2": "float6_e3m2",
    "U8": "uint8",
    "I8": "int8",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E8M0": "float8_e8m0",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "F64": "float64",
    "I64": "int64",
    "U64": "uint64",
    "C64": "complex64",
}

ONNX: Final[dict[int, str]] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2",
    20: "float8_e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4_e2m1",
    24: "float8_e8m0",
}
"""onnx.proto, TensorProto.DataType."""

TENSORFLOW: Final[dict[int, str]] = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3",
    29: "int4",
    30: "uint4",
}
"""types.proto, DataType."""

TORCH: Final[dict[str, str]] = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    "QInt8": "int8",
    "QUInt8": "uint8",
    "QInt32": "int32",
    # torch.<name>, which tensors without a storage class of their own name
    "float32": "float32",
    "float64": "float64",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "int64": "int64",
    "int32": "int32",
    "int16": "int16",
    "int8": "int8",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "bool": "bool",
    "complex64": "complex64",
    "complex128": "complex128",
    "float8_e4m3fn": "float8_e4m3",
    "float8_e4m3fnuz": "float8_e4m3fnuz",
    "float8_e5m2": "float8_e5m2",
    "float8_e5m2fnuz": "float8_e5m2fnuz",
    "float8_e8m0fnu": "float8_e8m0",
}
"""A storage class's name without "Storage", or a dtype's."""

_NUMPY: Final = re.compile(r"[<>|=]?([biufcSUVOmM])(\d{0,9})")
_NUMPY_KINDS: Final = {"i": "int", "u": "uint", "f": "float", "c": "complex"}
_ML_DTYPES: Final = {"float8_e4m3fn": "float8_e4m3", "float8_e8m0fnu": "float8_e8m0", "float4_e2m1fn": "float4_e2m1"}


def of_numpy(text: str) -> tuple[str, int] | None:
    """Return the word and the bytes of one element of NumPy's array protocol's type string ("<f4"), or None.

    Texts, bytes, times and raw structures keep NumPy's string; an object is "object", of no bytes of its own.
    """
    match = _NUMPY.fullmatch(text)
    if match is None:
        return None
    kind, length = match[1], int(match[2] or "0")
    if kind == "b":
        return ("bool", 1) if length <= 1 else None
    if kind == "O":
        return "object", 0
    if kind in _NUMPY_KINDS:
        word = f"{_NUMPY_KINDS[kind]}{length * 8}"
        return (word, length) if word in BITS or length in (16, 32) else None
    if kind in "mM":
        return text.lstrip("<>|="), 8
    return text.lstrip("<>|="), length * (4 if kind == "U" else 1)


def of_name(name: str) -> tuple[str, int] | None:
    """Return the word and the bytes of one element of a type by its name ("float32", "bfloat16", "float8_e4m3fn"), or None."""
    word = _ML_DTYPES.get(name, name)
    bits = BITS.get(word)
    return None if bits is None else (word, -(-bits // 8))
