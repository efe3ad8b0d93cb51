"""Any OCI registry, and OCI image layouts on disk, as what is signed and verified there needs them.

Everything read is bounded, and is what its digest says or is refused. This stands on httpx itself: the Python client of ORAS
compares no digests, bounds no answer and knows no referrers.
"""
