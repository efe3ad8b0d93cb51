"""Policies: what is asked of an artifact before it may be pulled, named by a tag, or run."""
