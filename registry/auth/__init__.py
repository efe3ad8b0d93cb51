"""Credentials in, rights out. Knows no HTTP type."""
