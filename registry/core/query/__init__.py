"""Queries for artifacts: the grammar, what facets there are, and what a query asks for (docs/search.md)."""
