"""Readers of files of models and datasets: what is inside, by ranges of bytes, without ever running any of it.

Pure: bytes come from a `Source` that the caller gives. What can't be read is refused with an `Unreadable`.
"""
