"""Alembic's environment and the revisions, written as SQL."""
