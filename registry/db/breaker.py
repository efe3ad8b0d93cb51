"""A circuit breaker: while something is away, its users are told at once instead of waiting in vain, each for itself.

closed ── LIMIT units of work in a row find nobody ──→ open ── PAUSE seconds ──→ one unit of work probes
   ↑                                                    ↑                              │      │
   └────────── any unit of work gets an answer ─────────┼──────────────────────────────┘      │
                                                        └──────── it finds nobody ────────────┘
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from registry.errors import Unavailable

LIMIT: Final = 5  # units of work in a row; each has repeated what may be repeated before it counts
PAUSE: Final = 1.0  # seconds

_log = structlog.get_logger("registry.db.breaker")


class Breaker:
    """Watches units of work on `what`; those that end Unavailable because of an error of `away` found nobody there."""

    def __init__(
        self,
        what: str,
        away: tuple[type[BaseException], ...],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._away = away
        self._clock = clock
        self._failures = 0
        self._next_probe: float | None = None  # None while closed
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Say whether work fails at once."""
        return self._next_probe is not None

    @property
    def probe_is_due(self) -> bool:
        """Say whether the next unit of work would be a probe."""
        return self._next_probe is not None and not self._probing and self._clock() >= self._next_probe

    @contextlib.contextmanager
    def watching(self) -> Iterator[bool]:
        """Watch a unit of work; yield whether it is a probe, which should try only once.

        Raise Unavailable while open, unless a probe is due and none is under way. Work that is cancelled says nothing.
        """
        probes = self._admit()
        try:
            yield probes
        except Unavailable as error:
            if isinstance(error.__cause__, self._away):
                self._failed(error.__cause__)
            elif error.__cause__ is not None:
                self._answered()
            raise
        except Exception:
            self._answered()
            raise
        else:
            self._answered()
        finally:
            if probes:
                self._probing = False

    def _admit(self) -> bool:
        if self._next_probe is None:
            return False
        if not self.probe_is_due:
            raise Unavailable(self._what)
        self._probing = True
        return True

    def _failed(self, cause: BaseException | None) -> None:
        self._failures += 1
        if self._failures < LIMIT:
            return
        if self._next_probe is None:
            _log.warning(
                "it does not answer; work on it fails at once until a probe succeeds",
                what=self._what,
                reason=repr(cause),
            )
        self._next_probe = self._clock() + PAUSE

    def _answered(self) -> None:
        self._failures = 0
        if self._next_probe is not None:
            self._next_probe = None
            _log.info("it answers again", what=self._what)
