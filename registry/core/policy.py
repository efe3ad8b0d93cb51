"""What the operator permits: deletion of what is in use, and manifests that name absent content."""

from __future__ import annotations

from dataclasses import dataclass

from registry.errors import DeletionDisabled


@dataclass(frozen=True, slots=True)
class DeletionRule:
    """BLACKLAKE_DELETE: whether DELETE is possible at all, and whether content in use is refused."""

    enabled: bool
    asks_for_users: bool

    def permit(self) -> None:
        """Raise DeletionDisabled where nothing may be deleted."""
        if not self.enabled:
            raise DeletionDisabled


@dataclass(frozen=True, slots=True)
class SparseRule:
    """BLACKLAKE_SPARSE: whether an index may name absent children, and an image absent blobs."""

    children: bool
    blobs: bool
