"""The loops of the audit log: one seals what is committed, the other writes what is buffered. They run in every worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import structlog

from registry.core.audit_buffer import EventBuffer
from registry.core.audit_chain import SignedMark
from registry.core.audit_sealing import Sealer
from registry.errors import RegistryError
from registry.storage.base import StorageError

_INTERVAL: Final = 0.5  # seconds: with the time that the work takes, less than the second that is promised

_log = structlog.get_logger("registry.jobs")

Put: TypeAlias = Callable[[int, bytes], Awaitable[None]]


async def seal_forever(sealer: Sealer, put: Put | None) -> None:
    """Seal until cancelled, and tell each head: in the log, and by `put`, with the batch's number, where there is a bucket.

    A head that could not be put is not put later: the next one vouches for it.
    """
    while True:
        sealed = None
        try:
            sealed = await sealer.seal()
            if sealed is not None:
                await _tell(sealed.head, put)
        except RegistryError as error:
            _log.warning("sealing the audit log failed", error=str(error))
        except Exception:  # noqa: BLE001 - the top of a task: one that ended unseen would leave everything unsealed
            _log.exception("sealing the audit log failed")
        if sealed is None or not sealed.is_full:
            await asyncio.sleep(_INTERVAL)


async def write_until_end(buffer: EventBuffer) -> None:
    """Write what is buffered until the buffer is told of its end, and what is left then; what fails is tried again.

    It is not to be cancelled (EventBuffer.flush).
    """
    while not buffer.has_ended:
        await buffer.filling(_INTERVAL)
        if not await _is_written(buffer):
            await asyncio.sleep(_INTERVAL)
    await _is_written(buffer)


async def _is_written(buffer: EventBuffer) -> bool:
    try:
        await buffer.flush()
        return True
    except RegistryError as error:
        _log.warning("writing the audit log failed", error=str(error))
    except Exception:  # noqa: BLE001 - the top of a task: one that ended unseen would let the buffer run over
        _log.exception("writing the audit log failed")
    return False


async def _tell(head: SignedMark, put: Put | None) -> None:
    exported = head.exported()
    _log.info("audit log sealed", head=exported)
    if put is not None:
        try:
            await put(head.mark.batch, json.dumps(exported).encode() + b"\n")
        except StorageError as error:
            _log.warning("a head of the audit log was not exported", batch=head.mark.batch, error=str(error))
