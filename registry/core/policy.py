"""What the operator permits: deletion of what is in use, and manifests that name absent content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mediatypes.digest import Digest
from registry.db import manifests
from registry.db.pool import Connection
from registry.errors import DeletionDisabled, StillReferenced

_USERS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class DeletionRule:
    """BLACKLAKE_DELETE: whether DELETE is possible at all, and whether content in use is refused."""

    enabled: bool
    asks_for_users: bool

    def permit(self) -> None:
        """Raise DeletionDisabled where nothing may be deleted."""
        if not self.enabled:
            raise DeletionDisabled

    async def require_unused(self, conn: Connection, digest: Digest, *, repository_id: int) -> None:
        """Raise StillReferenced, naming some of them, where manifests of the repository use what is to be deleted."""
        if not self.asks_for_users:
            return
        users = await manifests.users(conn, digest, repository_id=repository_id, limit=_USERS_SHOWN)
        if users:
            raise StillReferenced(str(digest), [str(user) for user in users])


@dataclass(frozen=True, slots=True)
class SparseRule:
    """BLACKLAKE_SPARSE: whether an index may name absent children, and an image absent blobs."""

    children: bool
    blobs: bool
