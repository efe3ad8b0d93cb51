"""The storage in an operator's hands: does it do what the registry needs, and what should be set there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from registry.compose.verbs import create_store
from registry.config import Settings
from registry.storage.base import StorageError
from registry.storage.s3_care import Finding, check_bucket, set_up_bucket
from registry.storage_url import S3Location


class NothingToSetUp(Exception):
    """The storage is no bucket of S3; the message says so."""


def check_storage(settings: Settings, *, say: Callable[[str], None]) -> bool:
    """Try what the registry does with its storage; `say` gets a line about each step. Return whether all is well."""
    location = settings.storage_location
    if isinstance(location, S3Location):
        return asyncio.run(_told(check_bucket(location), say))
    return asyncio.run(_told(_check_any(settings), say))


def set_up_storage(settings: Settings, *, versioning: bool, say: Callable[[str], None]) -> bool:
    """Set the bucket's rules; `say` gets a line about each. Return whether all is well. Raise NothingToSetUp."""
    location = settings.storage_location
    if not isinstance(location, S3Location):
        raise NothingToSetUp("there is nothing to set up: BLACKLAKE_STORAGE names no bucket (s3://bucket/prefix)")
    work = set_up_bucket(location, upload_ttl=settings.upload_ttl, versioning=versioning)
    return asyncio.run(_told(work, say))


async def _check_any(settings: Settings) -> AsyncIterator[Finding]:
    store = create_store(settings)
    try:
        await store.check()
        yield Finding("probe", is_well=True, text="written, read back and deleted")
    except StorageError as error:
        yield Finding("probe", is_well=False, text=str(error))
    finally:
        await store.close()


async def _told(findings: AsyncIterator[Finding], say: Callable[[str], None]) -> bool:
    is_well = True
    async for finding in findings:
        say(f"{'ok' if finding.is_well else 'FAILED':7} {finding.step:12} {finding.text}")
        is_well = is_well and finding.is_well
    return is_well
