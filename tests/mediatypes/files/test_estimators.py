"""What pickles of scikit-learn and of joblib say is what scikit-learn says of the estimators."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mediatypes.files.reading import Reading, Unsupported

Read = Callable[..., Reading]
ROWS = np.random.default_rng(0).random((20, 3))
CLASSES = np.array([0, 1] * 10)

ESTIMATORS = [
    LogisticRegression(C=0.5),
    Ridge(alpha=2),
    SVC(kernel="poly", degree=4),
    RandomForestClassifier(n_estimators=3, max_depth=2, random_state=1),
    Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler()), ("classify", LogisticRegression())]),
    Pipeline([("columns", ColumnTransformer([("scale", StandardScaler(), [0, 1])])), ("regress", Ridge())]),
    GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, cv=2),
]


def facts(reading: Reading) -> dict[str, Any]:
    return {fact.field: fact.value for fact in reading.facts}


def compressed(estimator: object, **how: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer, **how)
    return buffer.getvalue()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "protocol-0.pkl"])
def test_an_estimator(read: Read, estimator: BaseEstimator, name: str) -> None:
    fitted = sklearn.base.clone(estimator).fit(ROWS, CLASSES)
    protocol = 0 if name.startswith("protocol") else 5
    content = compressed(fitted) if name.endswith("joblib") else pickle.dumps(fitted, protocol)
    reading = read(name, content)
    told = facts(reading)
    assert told["framework"] == "sklearn"
    assert told["framework_version"] == sklearn.__version__
    assert told["architecture"] == type(fitted).__name__
    assert told["format"] == reading.format == ("joblib" if name.endswith("joblib") else "pickle")
    parameters = fitted.get_params(deep=True)
    # Its values are told as they are, where they are numbers, texts or nothing; and each of them is told.
    plain = {
        key: value for key, value in parameters.items() if value is None or isinstance(value, str | bool | int | float)
    }
    for key, value in plain.items():
        assert told["hyperparameters"][key] == ("nan" if isinstance(value, float) and math.isnan(value) else value), key
    # Some estimators have more attributes that look as if they were made with them.
    assert set(told["hyperparameters"]) >= set(parameters)
    assert {finding.level for finding in reading.findings} == {"suspicious"}


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)], ids=str)
def test_joblibs_compressions(read: Read, compress: Any) -> None:
    fitted = StandardScaler().fit(ROWS)
    content = compressed(fitted, compress=compress)
    reading = read("model.joblib", content)
    mean = next(tensor for tensor in reading.tensors if tensor.name == "mean_")
    assert (mean.dtype, mean.shape, mean.size) == ("float64", (3,), 24)
    if compress == 0:
        assert mean.offset is not None
        assert content[mean.offset : mean.offset + 24] == fitted.mean_.tobytes()
    else:
        assert mean.offset is None
    assert facts(reading)["inputs"] == [{"name": "X", "shape": [None, 3]}]


def test_lz4_is_named_as_what_is_not_read(read: Read) -> None:
    with pytest.raises(Unsupported, match="lz4"):
        read("model.joblib.lz4", b"\x04\x22\x4d\x18" + bytes(20))


def test_joblibs_arrays_of_objects_hold_arrays(read: Read) -> None:
    inner = np.arange(5000.0)
    objects = np.empty(2, object)
    objects[:] = [inner, "text"]
    reading = read("data.joblib", compressed({"a": np.ones(3, np.float32), "objects": objects, "last": np.arange(4)}))
    shapes = {tensor.dtype: tensor.shape for tensor in reading.tensors}
    assert shapes == {"float32": (3,), "float64": (5000,), "int64": (4,)}


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_in_pickles(read: Read, protocol: int) -> None:
    array = np.arange(30_000, dtype=np.float32).reshape(100, 300)
    content = pickle.dumps({"a": array, "more": [np.ones(2, np.int8)]}, protocol)
    reading = read("arrays.pkl", content)
    told = {tensor.name: (tensor.dtype, tensor.shape, tensor.size) for tensor in reading.tensors}
    assert told == {"a": ("float32", (100, 300), 120_000), "more.0": ("int8", (2,), 2)}
    offset = next(tensor.offset for tensor in reading.tensors if tensor.name == "a")
    if protocol >= 3:
        assert offset is not None
        assert content[offset : offset + 120_000] == array.tobytes()


def test_a_plain_pickle_has_no_class_and_no_findings(read: Read) -> None:
    reading = read("plain.pkl", pickle.dumps({"a": [1, 2.5, "x", None, True, (b"y", {1, 2})]}))
    assert not reading.findings
    assert facts(reading) == {"format": "pickle", "tensors": 0}
