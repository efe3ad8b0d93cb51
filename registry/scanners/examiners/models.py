"""What modelscan finds in a file of a model.

What it says of Keras and TensorFlow needs TensorFlow, which is not there, and of NumPy's files a NumPy that is no more. What
that would be is what the scanner `pickle` looks at with readers of its own.
"""

from __future__ import annotations

import logging
from typing import Any, Final, cast

from modelscan.issues import IssueSeverity, OperatorIssueDetails
from modelscan.model import Model
from modelscan.modelscan import ModelScan
from modelscan.settings import DEFAULT_SETTINGS

from mediatypes.files.plain import plain_text
from mediatypes.files.reading import Limits, Source, TooMuch, Unreadable
from mediatypes.files.seekable import SeekableFile
from registry.scanners.base import Examination, Severity
from registry.scanners.examiners.loaded import begins_as_pickle
from registry.scanners.examiners.loaded import is_pickle as is_pickle_by_name

logging.getLogger("modelscan").setLevel(logging.CRITICAL)

_LARGEST: Final = 256 << 20  # bytes of a pickle: modelscan holds all its opcodes in memory
_LEFT_OUT: Final = (
    "H5LambdaDetectScan",
    "NumpyUnsafeOpScan",
    "KerasLambdaDetectScan",
    "SavedModelLambdaDetectScan",
    "SavedModelTensorflowOpScan",
)
_SEVERITIES: Final[dict[IssueSeverity, Severity]] = {
    IssueSeverity.LOW: "low",
    IssueSeverity.MEDIUM: "medium",
    IssueSeverity.HIGH: "high",
    IssueSeverity.CRITICAL: "critical",
}


def _settings() -> dict[str, Any]:
    scanners = {
        name: {**said, "enabled": name.rpartition(".")[2] not in _LEFT_OUT}
        for name, said in DEFAULT_SETTINGS["scanners"].items()
    }
    return {**DEFAULT_SETTINGS, "scanners": scanners}


_SCAN: Final = ModelScan(_settings())


def examine(path: str, source: Source, limits: Limits, says: Examination) -> bool:
    """Examine a file (see Examiner). Raise Unreadable."""
    model = Model(path.rpartition("!/")[2] or "file", cast(Any, SeekableFile(source)))
    _SCAN._middleware_pipeline.run(model)
    is_pickle = begins_as_pickle(source) or is_pickle_by_name(path, source, limits)
    if is_pickle:  # whatever it is called, and beside what modelscan takes it for by its name, somebody may load it
        model.set_context("formats", list(dict.fromkeys([*(model.get_context("formats") or []), _pickle()])))
    if not model.get_context("formats"):
        return False
    if source.size > _LARGEST and not source.read(0, 2).startswith(b"PK"):
        raise TooMuch(f"has more than {_LARGEST} bytes, and modelscan reads all of them at once")
    for found in _SCAN._scanners_to_run:
        results = found(_SCAN._settings).scan(model)
        if results is None:
            continue
        for issue in results.issues:
            details = cast(OperatorIssueDetails, issue.details)
            message = plain_text(f"the file uses {details.module:.200}.{details.operator:.200} when it is loaded")
            says.find(_SEVERITIES[issue.severity], "unsafe-operator", message)
        if results.errors and is_pickle:  # whoever loads it runs what comes before the place where it is broken
            raise Unreadable(plain_text(f"is one that modelscan can't read: {results.errors[0].message:.200}"))
    return False


def _pickle() -> Any:
    from modelscan.settings import SupportedModelFormats

    return SupportedModelFormats.PICKLE
