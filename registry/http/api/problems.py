"""Errors below `/api/`: problem details (RFC 9457), by the one table of statuses (registry.http.errors)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from registry.errors import RegistryError
from registry.http.errors import STATUS, extra_headers
from registry.http.reply import Reply

_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def is_api(path: str) -> bool:
    """Say whether a path is of the admin API, there or not."""
    return path == "/api" or path.startswith("/api/")


def render_problem(error: RegistryError, request_id: str, here: str) -> Reply:
    """Return an error's problem details; `here` is the request's URL.

    Its facts stand beside the members that RFC 9457 names.
    """
    words = _WORDS.sub(" ", type(error).__name__).lower()
    problem = {
        **error.detail,
        "type": f"urn:blacklake:error:{words.replace(' ', '-')}",
        "title": words.capitalize(),
        "status": STATUS[type(error)],
        "detail": error.message,
        "code": error.code,
        "request_id": request_id,
    }
    headers = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")]
    return Reply(STATUS[type(error)], headers + extra_headers(error, here), msgspec.json.encode(problem))
