"""What is found in single files, and in archives of them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import pickle
import unittest.mock
import zipfile
from typing import Any

import joblib
import numpy as np
import pytest

from mediatypes.files.ranged import InMemory
from registry.scanners.examining import answer
from tests.core.scanning import EVIL, Evil, tgz, zipped

EXAMINERS = "registry.scanners.examiners"
needs_modelscan = pytest.mark.skipif(
    importlib.util.find_spec("modelscan") is None, reason="modelscan needs Python 3.12 or earlier"
)
MODELS = pytest.param("models", marks=needs_modelscan)


def examined(examiner: str, content: bytes, path: str = "file", packing: str = "raw") -> dict[str, Any]:
    task = {"examiner": f"{EXAMINERS}.{examiner}:examine", "packing": packing, "path": path}
    return answer(task, InMemory(content))


def found(examiner: str, content: bytes, path: str = "file", packing: str = "raw") -> set[tuple[str, str, str]]:
    said = examined(examiner, content, path, packing)
    assert said["problems"] == []
    return {(one["severity"], one["rule"], one["path"]) for one in said["findings"]}


def torch_file(**pickles: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in pickles.items():
            archive.writestr(f"archive/{name}.pkl", content)
        archive.writestr("archive/version", "3\n")
    return made.getvalue()


@needs_modelscan
@pytest.mark.parametrize("path", ["m.pkl", "m.joblib", "m.dat", "no suffix", "m.safetensors"])
def test_modelscan_sees_what_a_pickle_imports_whatever_it_is_called(path: str) -> None:
    assert found("models", EVIL, path) == {("critical", "unsafe-operator", path)}


@needs_modelscan
def test_modelscan_sees_what_is_in_files_of_pytorch_and_in_archives() -> None:
    assert found("models", torch_file(data=EVIL), "m.pt") == {("critical", "unsafe-operator", "m.pt!/archive/data.pkl")}
    assert found("models", tgz({"a/m.pkl": EVIL}), "", "tar+gzip") == {("critical", "unsafe-operator", "a/m.pkl")}


OLD = b"cos\nsystem\n(S'echo'\ntR."
MAGIC = b"L119547037146038801333356L\n."
WITHOUT_HEADER = {
    "protocol 0": pickle.dumps(Evil(), 0),
    "protocol 1": pickle.dumps(Evil(), 1),
    "INST": b"(S'echo'\nios\nsystem\n.",
    "behind a number that only unpicklers take": b"I0x10\n0" + OLD,
    "behind a text that only some unpicklers take": b"S'\xe9'\n0" + OLD,
    "behind an item that is set in a list": b"(lp0\nNaI0\nNs0" + OLD,
    "behind a harmless one": b"(lp0\n." + OLD,
    "where older PyTorch has its magic number": MAGIC + b"I1001\n." + OLD,
    "where PyTorch has its magic number": pickle.dumps(0x1950A86A20F9469CFC6C, 2) + OLD,
    "that begins as GGUF": b"GGUF\x03\0\0\0\x010" + OLD,
    "that nobody can load up to its end": b"(lp0\n0" + OLD[:-1] + b"\xff",
}
UNLIKE_OTHERS = {
    "behind an import of an unusual name": b"cunittest.mock\na b\n0" + OLD,
    "behind a pickle that imports one": b"cunittest.mock\na b\n." + OLD,
    "behind no items that are set in nothing": b"N(u0" + OLD,
    "behind no items that are appended to nothing": b"N(e0" + OLD,
    "behind no items that are added to nothing": b"N(\x900" + OLD,
    "behind a memo by a number that ends early": b"S'a'\np5\0x\ng5\n00" + OLD,
    "of names from such a memo": b"Vcollections\np5\nVos\np5\0x\n00g5\nVsystem\n\x93(S'echo'\ntR.",
    "of names behind such a memo": b"Np5\0x\n0Vos\nVsystem\n\x93(S'echo'\ntR.",
    "behind another one that only some unpicklers take": b"S'a'\np5\0x\ng5\n0." + OLD,
    "behind a harmless import and such a memo": b"ccollections\nOrderedDict\np5\0x\n0" + OLD,
    "at the file's end": b"(S'echo'\nios\nsystem\0",
}
"""Pickles that at least one unpickler of Python does all of."""


HARMLESS = ("joblib.numpy_pickle", "numpy")


def names_imported(unpickler: Any, content: bytes) -> list[str]:
    """Return what an unpickler imports of a file's pickles up to where it fails; of what may do harm it is given mocks."""
    names: list[str] = []

    class Recorder(unpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            names.append(f"{module}.{name}")
            return super().find_class(module, name) if module in HARMLESS else unittest.mock.Mock()

    file = io.BytesIO(content)
    with contextlib.suppress(Exception):
        while True:
            Recorder(file).load()
    return names


UNPICKLERS = (pickle.Unpickler, pickle._Unpickler)  # type: ignore[attr-defined]  # of C, and what dill derives its own from


@pytest.mark.parametrize("name", ["pytorch_model.bin", "m.pt", "m.pth", "m.ckpt", "M.BIN", "m.sav"])
@pytest.mark.parametrize("examiner", [MODELS, "pickles"])
def test_a_pickle_without_a_header_is_seen_in_files_that_are_loaded_as_one(examiner: str, name: str) -> None:
    for protocol in range(2):
        assert "critical" in {severity for severity, *_ in found(examiner, pickle.dumps(Evil(), protocol), name)}


@pytest.mark.parametrize("content", WITHOUT_HEADER.values(), ids=WITHOUT_HEADER.keys())
def test_a_pickle_is_seen_however_it_is_hidden_in_such_a_file(content: bytes) -> None:
    assert "critical" in {severity for severity, *_ in found("pickles", content, "pytorch_model.bin")}


@needs_modelscan
@pytest.mark.parametrize("content", [*WITHOUT_HEADER.values(), *UNLIKE_OTHERS.values()])
@pytest.mark.parametrize("path", ["pytorch_model.bin", "m.sav", "m.p"])
def test_modelscan_sees_such_a_pickle_or_says_that_it_can_not(content: bytes, path: str) -> None:
    said = examined("models", content, path)
    assert said["findings"] or said["problems"]


@pytest.mark.parametrize("content", UNLIKE_OTHERS.values(), ids=UNLIKE_OTHERS.keys())
@pytest.mark.parametrize("header", [b"", b"\x80\x02"])
def test_what_any_unpickler_would_import_is_seen(content: bytes, header: bytes) -> None:
    content = header + content
    assert any("os.system" in names_imported(one, content) for one in UNPICKLERS), "it is one that is loaded"
    for path in ("pytorch_model.bin", "m.sav", "m.p"):
        assert "critical" in {severity for severity, *_ in found("pickles", content, path)}, path


BY_MEMO = b"\x8c\x02osq\x500\x8c\x06systemq\x510h\x50h\x51\x93\x8c\x04echo\x85R."


def array_of_joblib(content: bytes) -> bytes:
    """Return a file of joblib with an array, as far as its wrapper, and then this."""
    buffer = io.BytesIO()
    joblib.dump(np.zeros(3000, np.uint8), buffer)
    whole = buffer.getvalue()
    return whole[: whole.rindex(pickle.SETITEMS + pickle.BUILD) + 2] + content


@pytest.mark.parametrize("opcodes", [OLD, b"0" + OLD, b"I0x10\n0" + OLD, BY_MEMO])
def test_opcodes_in_the_place_of_an_array_of_joblib_are_seen(opcodes: bytes) -> None:
    content = array_of_joblib(opcodes.ljust(3300, b"N"))
    assert any("os.system" in names_imported(one, content) for one in UNPICKLERS), "it is one that is loaded"
    for path in ("m.joblib", "m.pkl"):
        assert ("critical", "pickle-global", path) in found("pickles", content, path)


def test_what_an_array_of_joblib_holds_is_no_finding() -> None:
    harmless = found("pickles", array_of_joblib(b"\x10" + bytes(16 + 3000) + b"."), "m.joblib")
    for seed in range(500):
        content = np.random.default_rng(seed).bytes(3016)
        assert found("pickles", array_of_joblib(b"\x10" + content + b"."), "m.joblib") == harmless


def test_a_member_of_an_unusual_name_that_is_called_is_a_finding() -> None:
    assert found("pickles", b"csh\n/bin/echo x\n(tR.", "m.bin") == {("medium", "pickle-global", "m.bin")}


def test_a_name_is_seen_behind_one_that_is_too_long_to_be_read() -> None:
    for name in (b"os\n" + b"x" * 20_000, b"x" * 20_000 + b"\nos"):
        assert ("critical", "pickle-global", "m.bin") in found("pickles", b"c" + name + b"\n0" + OLD, "m.bin")


@pytest.mark.parametrize("examiner", [MODELS, "pickles"])
def test_what_is_harmless_is_no_finding(examiner: str) -> None:
    for path, content in {
        "a.pkl": pickle.dumps({"a": [1, 2]}),
        "a.bin": b"\x00" * 64,
        "a.dat": b"no pickle",
        "a.txt": b"text",
        "a.zip": zipped(b__txt=b"c"),
        "empty": b"",
        "old.bin": pickle.dumps({"a": [1, 2]}, 0),
        "older.pt": pickle.dumps({"a": [1, 2]}, 1),
        "table.dat": b"count\tof things\n1\t2\n",
        "raw.bin": b"c" + bytes(range(64)) * 4,
        "zeros.bin": b"c" + bytes(100_000),
        "unlike.bin": b"\x93" + bytes(64),
        "columns.dat": b"columns\nx y\n1 2\n",
        "torch.pt": MAGIC + b"I1001\n.(d.(d.(l." + b"\1\0\0\0\0\0\0\0",
    }.items():
        assert found(examiner, content, path) == set(), path


def test_a_lambda_of_keras_is_found() -> None:
    config = {"config": {"layers": [{"class_name": "Lambda", "config": {"name": "x", "function": {}}}]}}
    content = zipped(config__json=json.dumps(config).encode(), metadata__json=b"{}")
    assert {rule for _, rule, _ in found("pickles", content, "m.keras")} == {"keras-lambda"}


SECRETS = {
    "private-key": "-----BEGIN RSA PRIVATE KEY-----",
    "aws-access-key": 'key = "AKIA' + "Q3EGWX7TZ5KL2MNP" + '"',
    "github-token": "ghp_" + "a8Kd0sPq7Lm2Xc5Vb9Nz1Rt4Yu6Io3EwHj" + "2K",
    "hugging-face-token": "HF_TOKEN=hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345",
    "secret-keyword": "db_password: 'tr0ub4dor&3xyz'",
    "basic-auth-credentials": "https://bob:S3cr3tW0rd@host.internal/x",
}


@pytest.mark.parametrize(("rule", "line"), SECRETS.items())
def test_a_secret_is_found_and_never_quoted(rule: str, line: str) -> None:
    said = examined("secrets", f"first\n{line}\n".encode(), "app.env")
    rules = {one["rule"]: one["message"] for one in said["findings"]}
    assert rule in rules
    assert rules[rule].startswith("line 2 ")
    assert not any(line[-12:] in message for message in rules.values())


@pytest.mark.parametrize(
    "line",
    [
        "password = 'changeme'",
        "api_key = '${API_KEY}'",
        '"tokenizer_class": "LlamaTokenizer"',
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        '"revision": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"',
        "https://example.com/user:name",
    ],
)
def test_what_only_looks_like_a_secret_is_none(line: str) -> None:
    assert found("secrets", line.encode()) == set()


def test_secrets_are_looked_for_in_texts_only_and_not_without_end() -> None:
    key = SECRETS["aws-access-key"].encode()
    assert found("secrets", b"\0" + key) == set()
    assert found("secrets", b"x" * (1 << 20) + key) == set()
    assert len(examined("secrets", b"\n".join([key] * 1000))["findings"]) == 50
    long_line = b"x " * 50_000 + key + b" y" * 1000
    assert {rule for _, rule, _ in found("secrets", long_line)} == {"aws-access-key"}


def test_what_files_ask_for_is_told() -> None:
    requirements = (
        b"torch==2.1.0 \\\n  --hash=sha256:00\nNumPy>=1.20,<2 ; python_version > '3.8'\n-r other.txt\n# x\nbad one\n"
    )
    (told,) = examined("requirements", requirements, "a/requirements.txt")["told"]
    assert told["value"] == [["torch", "2.1.0", "==2.1.0", "pypi"], ["numpy", None, "<2,>=1.20", "pypi"]]
    project = b'[project]\ndependencies = ["a==1"]\n[project.optional-dependencies]\nx = ["b"]\n'
    (told,) = examined("requirements", project, "pyproject.toml")["told"]
    assert told["value"] == [["a", "1", "==1", "pypi"], ["b", None, "", "pypi"]]
    conda = b"dependencies:\n- python=3.11.4\n- conda-forge::numpy=1.2=py3\n- pip:\n  - c==2\n"
    (told,) = examined("requirements", conda, "conda.yaml")["told"]
    assert [one[:2] for one in told["value"]] == [["python", "3.11.4"], ["numpy", "1.2"], ["c", "2"]]
    (told,) = examined("requirements", b"python: 3.11\ndependencies:\n- mlflow==2.9.2\n", "python_env.yaml")["told"]
    assert told["value"] == [["mlflow", "2.9.2", "==2.9.2", "pypi"]]


def test_packages_from_where_anybody_may_put_them_are_findings() -> None:
    text = b"--extra-index-url https://other.example/simple\n--trusted-host pypi.example\n-i http://x/simple\na @ https://x/a.whl\n"
    assert {(severity, rule) for severity, rule, _ in found("requirements", text, "requirements-dev.txt")} == {
        ("low", "requirement-extra-index"),
        ("medium", "requirement-insecure-index"),
        ("low", "requirement-by-url"),
    }


def test_files_that_are_broken_are_problems_and_the_others_are_examined() -> None:
    content = tgz({"conda.yaml": b"a: [", "pyproject.toml": b"=", "requirements.txt": b"a==1"})
    said = examined("requirements", content, "", "tar+gzip")
    assert [one["path"] for one in said["told"]] == ["requirements.txt"]
    assert len(said["problems"]) == 2


def test_archives_in_archives_are_looked_into_to_a_depth() -> None:
    deep = EVIL
    for number in range(5):
        deep = zipped(**{f"x{number}": deep})
    said = examined("pickles", deep, "deep.zip")
    assert said["findings"] == []
    (problem,) = said["problems"]
    assert "is an archive in 2 others, and is not looked into" in problem


def test_findings_are_bounded_and_the_worst_are_kept() -> None:
    lines = "\n".join(f"-i http://host{number}/" for number in range(3000))
    text = lines + "\n--extra-index-url https://x/\n"
    said = examined("requirements", text.encode(), "requirements.txt")
    assert len(said["findings"]) == 500
    assert {one["severity"] for one in said["findings"]} == {"medium"}
