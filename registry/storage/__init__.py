"""Bytes under opaque keys: one protocol, its drivers. Knows nothing of digests, repositories or the database."""
