"""Estimators of scikit-learn and of libraries that follow it, in a pickle: their class, version and hyperparameters."""

from __future__ import annotations

from typing import Any, Final

from mediatypes.files.pickles import DICT, Global
from mediatypes.files.plain import plain_text
from mediatypes.files.reading import Reading
from mediatypes.files.symbols import Teller, attributes, class_of
from mediatypes.files.telling import Telling

_FRAMEWORKS: Final = {
    "sklearn": "sklearn",
    "imblearn": "imblearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "statsmodels": "statsmodels",
    "torch": "pytorch",
    "transformers": "transformers",
    "keras": "keras",
}
"""By the package of a class."""
_DEPTH: Final = 4  # estimators in estimators
_MOST: Final = 900  # hyperparameters


def tell_estimator(reading: Reading, telling: Telling, root: Any) -> None:
    """Add the facts of what a pickle holds, where that is an instance of a class."""
    made = class_of(root)
    if made is None or made == DICT or not isinstance(made.module, str) or not isinstance(made.name, str):
        return
    reading.raw["class"] = plain_text(f"{made.module}.{made.name}")
    framework = _FRAMEWORKS.get(made.module.partition(".")[0])
    if framework is None:
        return
    telling.tell("framework", framework)
    telling.tell("architecture", made.name)
    said = attributes(root)
    telling.tell("framework_version", said.get("_sklearn_version"))
    if not _is_estimator(root):
        return
    features = said.get("n_features_in_")
    if isinstance(features, int):
        telling.tell("inputs", [{"name": "X", "shape": [None, features]}])
    parameters: dict[str, Any] = {}
    _add_parameters(parameters, "", root, Teller(), _DEPTH)
    telling.tell("hyperparameters", parameters)


def _is_estimator(symbol: Any) -> bool:
    return isinstance(class_of(symbol), Global) and "_sklearn_version" in attributes(symbol)


def _add_parameters(found: dict[str, Any], prefix: str, estimator: Any, teller: Teller, depth: int) -> None:
    """Add the hyperparameters, by the names that get_params(deep=True) gives them: those of an estimator in it as a__b.

    An estimator's own attributes are what it was made with, unless their names begin or end with an underscore, which says
    that they are private or learnt (scikit-learn, Developing scikit-learn estimators).
    """
    for name, value in attributes(estimator).items():
        if name.startswith("_") or name.endswith("_") or len(found) >= _MOST:
            continue
        found[plain_text(prefix + name, 1000)] = teller.told(value, 3)
        inner = [(name, value)]
        if name in ("steps", "transformers", "estimators", "transformer_list") and isinstance(value, list):
            inner = [(item[0], item[1]) for item in value[:100] if isinstance(item, tuple) and len(item) >= 2]
        for own, held in inner:
            if depth and isinstance(own, str) and _is_estimator(held):
                found[plain_text(prefix + own, 1000)] = teller.told(held, 1)
                _add_parameters(found, f"{prefix}{own}__"[:500], held, teller, depth - 1)
