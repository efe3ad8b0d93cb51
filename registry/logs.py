"""Logs: one JSON object a line on stderr, or lines for people where stderr is a terminal.

The standard library's loggers (granian, hypercorn, quart, alembic, asyncio) go the same way as ours.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from registry.config import masked

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# These tell at `info` what our own lines tell already.
_CHATTY: Final = ("_granian", "hypercorn.error", "alembic", "pgqueuer")
# These tell at `debug` what they send and get: session tokens, signatures, and the keys that a role is given.
_INDISCREET: Final = ("boto3", "botocore", "urllib3", "httpcore")


def configure_logging(level: str) -> None:
    """Send everything from `level` (debug, info, warning, error) up to stderr. May be called again."""
    number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    for_people = sys.stderr.isatty()
    render: list[Processor] = (
        # No local variables in tracebacks: they may hold secrets.
        [_without_control, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if for_people
        else [
            structlog.processors.format_exc_info,
            _as_json,
        ]
    )
    render.append(_mask)
    structlog.configure(
        processors=[*processors, *render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*processors, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(number if level == "debug" else max(number, logging.WARNING))
    for name in _INDISCREET:
        logging.getLogger(name).setLevel(max(number, logging.INFO))
    logging.captureWarnings(True)


class _Stderr:
    """Standard error, unbuffered: what can't be written (a full disk, a reader that has gone) is lost, and stops nothing."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(2, text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""


def _without_control(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Spell control characters out: a path that a client chose must not steer the terminal."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", value)
    return event


def _as_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    line: dict[str, Any] = {name: event.pop(name) for name in ("timestamp", "level", "event")} | dict(event)
    return msgspec.json.encode(line, enc_hook=repr).decode()


def _mask(_logger: WrappedLogger, _name: str, line: Any) -> str:
    """Hide passwords in URLs, also in messages and tracebacks of other people's code."""
    return masked(str(line))
