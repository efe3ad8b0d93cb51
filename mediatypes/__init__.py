"""The words of OCI and of the formats on it, as values. Pure: no I/O, no HTTP, imports nothing of ours."""
