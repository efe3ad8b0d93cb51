"""Logs: one JSON object a line on stderr, or lines for people where stderr is a terminal.

The standard library's loggers (granian, hypercorn, quart, alembic, asyncio) go the same way as ours.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from registry.config import masked

# These tell at `info` what our own lines tell already.
_CHATTY: Final = ("_granian", "hypercorn.error", "alembic")


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
        [structlog.dev.ConsoleRenderer()]
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
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
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
    logging.captureWarnings(True)


def _as_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    line: dict[str, Any] = {name: event.pop(name) for name in ("timestamp", "level", "event")} | dict(event)
    return msgspec.json.encode(line, enc_hook=repr).decode()


def _mask(_logger: WrappedLogger, _name: str, line: Any) -> str:
    """Hide passwords in URLs, also in messages and tracebacks of other people's code."""
    return masked(str(line))
