"""Blacklake seen from outside: the official suite, the ledger of the specification, real clients.

Nothing here imports Blacklake's code: it is started as a program and spoken to over HTTP.
"""
