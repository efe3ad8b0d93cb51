"""How large the documents are that say whom to trust, wherever they are read: as files, by the API, from the database."""

from __future__ import annotations

from typing import Final

LARGEST_POLICY: Final = 48 << 10
"""Bytes of a policy."""
LARGEST_ROOT: Final = 48 << 10
"""Bytes of a trust root; that of Sigstore's public instance has 7 KiB."""
